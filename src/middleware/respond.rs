//! Replies as responses, each in the shape that its recipient understands: one `match` from kind to
//! status, one from recipient to shape.

use std::sync::Arc;

use http::{
    HeaderValue, Response, StatusCode,
    header::{
        ACCEPT_LANGUAGE, ALLOW, CACHE_CONTROL, CONTENT_TYPE, LOCATION, SET_COOKIE,
        WWW_AUTHENTICATE, X_CONTENT_TYPE_OPTIONS,
    },
};
use serde_json::json;

use super::{
    device_code::{CodePage, PollAnswer},
    reply::{Outcome, Reply},
    routes::AllowedMethods,
};
use crate::{
    authority::codes,
    clock::Clock,
    error::{Error, ErrorKind, log_refusal},
    http_message::{
        self, ClientKind, IdentityBody, NOT_STORED, RequestHead, RequestSummary, caller_challenge,
        grpc, sign_in_challenge, status, wait_before_next,
    },
    pages::{
        ActionKind, KeptForm, Language, Languages, Page, PageKind, PageRenderer, PageRequest, Text,
        texts,
    },
    secret,
    user::User,
};

/// The recipient that is answered: the shape that it understands, and for a page its language, path
/// and user.
#[derive(Clone, Copy)]
pub(super) struct Recipient<'a> {
    pub(super) client: ClientKind,
    pub(super) accept_language: Option<&'a HeaderValue>,
    pub(super) path: Option<&'a str>,
    pub(super) user: Option<&'a User>,
}

impl<'a> Recipient<'a> {
    pub(super) fn of(head: &'a RequestHead<'_>, user: Option<&'a User>) -> Self {
        Self {
            client: head.client_kind(),
            accept_language: head.headers.get(ACCEPT_LANGUAGE),
            path: Some(head.uri.path()),
            user,
        }
    }

    pub(super) fn of_summary(summary: &'a RequestSummary, user: Option<&'a User>) -> Self {
        Self {
            client: summary.client,
            accept_language: summary.accept_language.as_ref(),
            path: summary.opened_path(),
            user,
        }
    }
}

/// Turns replies into responses.
#[derive(Debug)]
pub(super) struct Renderer {
    pub(super) pages: Arc<dyn PageRenderer>,
    pub(super) languages: Languages,
    pub(super) clock: Arc<dyn Clock>,
    /// The application runs on its developer's machine: pages show the line that the log has.
    pub(super) development: bool,
    /// The home page of the application.
    pub(super) home: String,
    /// The sign-in path.
    pub(super) sign_in: String,
    /// The challenge of the API on the same router, if there is one: it tells programs without a
    /// session that an access token would do as well.
    pub(super) bearer_challenge: Option<HeaderValue>,
}

impl Renderer {
    /// The request of a page, in the language that fits its browser best.
    fn page_request<'a>(&self, recipient: &Recipient<'a>) -> PageRequest<'a> {
        let header = recipient.accept_language.and_then(|header| header.to_str().ok());
        let mut request = PageRequest::new(self.languages.best(header));
        if let Some(header) = header {
            request = request.with_accept_language(header);
        }
        if let Some(path) = recipient.path {
            request = request.with_path(path);
        }
        match recipient.user {
            Some(user) => request.with_user(user),
            None => request,
        }
    }

    pub(super) fn response<R>(
        &self,
        recipient: &Recipient<'_>,
        reply: Reply,
    ) -> Response<IdentityBody<R>> {
        let shown = |page: &dyn Fn(Language) -> Page| {
            let request = self.page_request(recipient);
            self.page(StatusCode::OK, &page(request.language()), &request)
        };
        let mut response = match reply.outcome {
            Outcome::Redirect(to) => redirect(&to),
            Outcome::SignInNeeded { sign_in, why } => {
                self.sign_in_needed(recipient, sign_in, sign_in_needed(why), None)
            }
            Outcome::NotSaved { sign_in, has_ended, kept } => {
                self.sign_in_needed(recipient, sign_in, not_saved(has_ended), kept)
            }
            Outcome::KeptForm(form) => {
                let request = self.page_request(recipient);
                let (status, page) = kept_form_page(request.language(), *form, &self.home);
                self.page(status, &page, &request)
            }
            Outcome::Failed { error, again } => self.failed(recipient, error, again),
            Outcome::WrongMethod(allowed) => self.wrong_method(recipient, allowed),
            Outcome::Code(code) => shown(&|language| code_page(&code, language)),
            Outcome::PollAnswer(polled) => json_answer(&match polled {
                PollAnswer::Pending { wait } => {
                    json!({ "status": "pending", "wait": wait.as_secs() })
                }
                PollAnswer::Done { location } => json!({ "status": "done", "location": location }),
                PollAnswer::Ended => json!({ "status": "ended" }),
            }),
            Outcome::User(document) => json_answer(&document),
            Outcome::SignedOut { sign_in } => shown(&|language| {
                let (kind, title) = (PageKind::SignedOut, texts::SIGNED_OUT);
                Page::new(language, kind, title, texts::SIGN_IN_TO_USE)
                    .with_link(ActionKind::SignIn, &sign_in)
                    .with_link(ActionKind::Home, &self.home)
            }),
            Outcome::ConfirmSignOut { sign_out } => shown(&|language| {
                let (kind, title) = (PageKind::ConfirmSignOut, texts::CONFIRM_SIGN_OUT);
                Page::new(language, kind, title, texts::WILL_SIGN_OUT)
                    .with_post(ActionKind::SignOut, &sign_out)
                    .with_link(ActionKind::StaySignedIn, &self.home)
            }),
        };
        let headers = response.headers_mut();
        headers.insert(CACHE_CONTROL, NOT_STORED);
        headers.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
        for cookie in reply.cookies {
            headers.append(SET_COOKIE, cookie);
        }
        match recipient.client {
            ClientKind::Head => http_message::without_content(response),
            _ => response,
        }
    }

    fn sign_in_needed<R>(
        &self,
        recipient: &Recipient<'_>,
        sign_in: String,
        (error, text): (Error, Text),
        kept: Option<Box<KeptForm>>,
    ) -> Response<IdentityBody<R>> {
        let challenge = sign_in_challenge(&sign_in);
        let mut response = match recipient.client {
            ClientKind::Grpc(protocol) => {
                return grpc(protocol, status(error.kind()), error.reason());
            }
            ClientKind::Navigation | ClientKind::Document => {
                let request = self.page_request(recipient);
                let (kind, title) = (PageKind::SignIn, texts::PLEASE_SIGN_IN);
                let mut page = Page::new(request.language(), kind, title, text)
                    .with_link(ActionKind::SignIn, sign_in);
                page.reason = Some(error.reason());
                page.error = Some(error.kind());
                page.form = kept.map(|kept| *kept);
                self.page(StatusCode::UNAUTHORIZED, &page, &request)
            }
            ClientKind::Htmx => {
                let target = HeaderValue::try_from(&sign_in);
                let mut response = problem(&error, None, Some(sign_in));
                response.headers_mut().extend(
                    target.map(|target| (http::HeaderName::from_static("hx-redirect"), target)),
                );
                response
            }
            ClientKind::Program | ClientKind::Head => {
                let mut response = problem(&error, None, Some(sign_in));
                // Clients of an API read the first challenge, and some no other.
                if let Some(challenge) = &self.bearer_challenge {
                    response.headers_mut().append(WWW_AUTHENTICATE, challenge.clone());
                }
                response
            }
        };
        if let Some(challenge) = challenge {
            response.headers_mut().append(WWW_AUTHENTICATE, challenge);
        }
        response
    }

    fn failed<R>(
        &self,
        recipient: &Recipient<'_>,
        error: Error,
        again: Option<String>,
    ) -> Response<IdentityBody<R>> {
        let reference =
            secret::random::<6>().map(|bytes| secret::base64url(&bytes)).unwrap_or_default();
        log_refusal!(error, correlation_id = %reference, %error, "request refused");
        let sign_in = again.clone().unwrap_or_else(|| self.sign_in.clone());
        let mut response = match recipient.client {
            ClientKind::Grpc(protocol) => grpc(protocol, status(error.kind()), error.reason()),
            ClientKind::Program | ClientKind::Head | ClientKind::Htmx => {
                problem(&error, Some(reference), again)
            }
            ClientKind::Navigation | ClientKind::Document => {
                self.error_page(recipient, &error, reference, again)
            }
        };
        if let Some(wait) = wait_before_next(&error) {
            response
                .headers_mut()
                .insert(http::header::RETRY_AFTER, HeaderValue::from(wait.as_secs()));
        }
        let challenge = match error.kind() {
            // A guard of the API met a request with a session.
            ErrorKind::TokenMissing => self.bearer_challenge.clone(),
            _ => caller_challenge(&error),
        };
        // RFC 9110 section 15.5.2: no 401 without a challenge.
        let is_unauthorized = response.status() == StatusCode::UNAUTHORIZED;
        let challenge =
            challenge.or_else(|| sign_in_challenge(&sign_in).filter(|_| is_unauthorized));
        response.headers_mut().extend(challenge.map(|challenge| (WWW_AUTHENTICATE, challenge)));
        response.extensions_mut().insert(error);
        response
    }

    /// RFC 9110 section 15.5.6: the response lists the methods of the path.
    fn wrong_method<R>(
        &self,
        recipient: &Recipient<'_>,
        allowed: AllowedMethods,
    ) -> Response<IdentityBody<R>> {
        let allowed = allowed.as_str();
        let error = Error::new(
            ErrorKind::MethodNotAllowed,
            format!("this path of the layer takes {allowed}"),
        );
        let mut response = self.failed(recipient, error, None);
        response.headers_mut().insert(ALLOW, HeaderValue::from_static(allowed));
        response
    }

    fn error_page<R>(
        &self,
        recipient: &Recipient<'_>,
        error: &Error,
        reference: String,
        again: Option<String>,
    ) -> Response<IdentityBody<R>> {
        let request = self.page_request(recipient);
        // `interaction_required` of a person whom no interaction helps.
        let turned_away = error.advice().is_some_and(codes::denies_account);
        let status = match status(error.kind()) {
            StatusCode::UNAUTHORIZED if turned_away => StatusCode::FORBIDDEN,
            status => status,
        };
        let (kind, title) = match status {
            _ if is_about_a_request(error) => (PageKind::Error, texts::REQUEST_FAILED),
            StatusCode::FORBIDDEN => (PageKind::Forbidden, texts::NO_ACCESS),
            // A sign-in gives no access token to the browser.
            _ if error.kind() == ErrorKind::TokenMissing => (PageKind::Forbidden, texts::NO_ACCESS),
            StatusCode::UNAUTHORIZED => (PageKind::SignIn, texts::PLEASE_SIGN_IN),
            StatusCode::SERVICE_UNAVAILABLE => (PageKind::Error, texts::NOT_AVAILABLE),
            _ => (PageKind::Error, texts::SIGN_IN_FAILED),
        };
        let mut page = Page::of_error(request.language(), kind, title, error);
        page.advice = error.advice();
        if let Some(said) = error.provider() {
            page.code =
                said.code.clone().or_else(|| (!said.error.is_empty()).then(|| said.error.clone()));
            // In production only the text of an authorization response, which is in the address bar
            // already. Those of other endpoints are for this application, and a provider with a
            // fault writes SQL and tokens there.
            let is_for_the_user = said.status.is_none() && said.advice.is_none();
            page.provider =
                said.description.clone().filter(|_| self.development || is_for_the_user);
            page.provider_correlation_id.clone_from(&said.correlation_id);
            page.provider_trace_id.clone_from(&said.trace_id);
        }
        // A set-up that cannot work is no secret, and its developer looks at the page first.
        let is_shown = self.development || error.kind() == ErrorKind::NotConfigured;
        page.detail = is_shown.then(|| error.to_string());
        page.correlation_id = Some(reference);
        page.time = Some(self.clock.now());
        if let Some(again) = again {
            // Only the sign-in path lets the user choose: at a policy of B2C the same account would
            // be used again.
            let query = again.strip_prefix(&self.sign_in);
            if is_about_the_account(error) && query.is_some_and(|query| query.starts_with('?')) {
                let other = format!("{again}&account=other");
                page = page.with_link(ActionKind::SignInWithOtherAccount, other);
            }
            let kind = if error.kind() == ErrorKind::CodeExpired {
                ActionKind::StartAgain
            } else {
                ActionKind::TryAgain
            };
            page = page.with_link(kind, again);
        }
        // A user who is signed in can go on without what they declined.
        if error.kind() == ErrorKind::AccessDenied {
            page = page.with_link(ActionKind::Home, &self.home);
        }
        self.page(status, &page, &request)
    }

    fn page<R>(
        &self,
        status: StatusCode,
        page: &Page,
        request: &PageRequest<'_>,
    ) -> Response<IdentityBody<R>> {
        http_message::page(status, self.pages.render(page, request), page.language)
    }
}

/// The page of a sign-in by device code.
fn code_page(code: &CodePage, language: Language) -> Page {
    let (kind, title) = (PageKind::DeviceSignIn, texts::DEVICE);
    let mut page = Page::new(language, kind, title, texts::DEVICE_EXPLAINED)
        .with_link(ActionKind::Continue, &code.device.continue_url)
        .with_link(ActionKind::StartAgain, &code.again);
    page.device = Some(code.device.clone());
    page
}

/// The page that offers a form, or says that there is none.
fn kept_form_page(language: Language, form: KeptForm, home: &str) -> (StatusCode, Page) {
    let (status, title, message, next) = match form {
        KeptForm::Offered { .. } => (
            StatusCode::OK,
            texts::OFFERED_FORM,
            texts::OFFERED_FORM_EXPLAINED,
            ActionKind::DiscardForm,
        ),
        KeptForm::Missing { .. } => {
            (StatusCode::NOT_FOUND, texts::NO_FORM, texts::NO_FORM_EXPLAINED, ActionKind::Home)
        }
        _ => (StatusCode::OK, texts::NO_FORM, texts::NO_FORM_EXPLAINED, ActionKind::Home),
    };
    let page = Page::new(language, PageKind::KeptForm, title, message).with_link(next, home);
    (status, Page { form: Some(form), ..page })
}

/// The answer to a script of the layer's own page.
fn json_answer<R>(document: &serde_json::Value) -> Response<IdentityBody<R>> {
    let mut response = Response::new(IdentityBody::own(document.to_string()));
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    response
}

/// The reason for which a sign-in is needed, and the sentence for the person.
fn sign_in_needed(why: Option<Error>) -> (Error, Text) {
    match why {
        Some(error) => (error, texts::NEEDS_MORE),
        None => {
            (Error::new(ErrorKind::SignInRequired, "nobody is signed in"), texts::NEEDS_SIGN_IN)
        }
    }
}

/// The same for a form that was posted without a session; `has_ended` if there was one.
fn not_saved(has_ended: bool) -> (Error, Text) {
    let (kind, text) = match has_ended {
        true => (ErrorKind::SessionEnded, texts::ENDED_NOT_SAVED),
        false => (ErrorKind::SignInRequired, texts::NOT_SAVED),
    };
    (Error::new(kind, "a form was posted without a session"), text)
}

/// Whether the request itself, or one to an API, failed, and not the sign-in.
fn is_about_a_request(error: &Error) -> bool {
    matches!(
        error.kind(),
        ErrorKind::ApiRefused
            | ErrorKind::ApiUnreachable
            | ErrorKind::ApiAnswerInvalid
            | ErrorKind::RequestInvalid
            | ErrorKind::MethodNotAllowed
            | ErrorKind::RequestTooLarge
    )
}

/// Whether the same account would be turned away again.
fn is_about_the_account(error: &Error) -> bool {
    let denied = matches!(
        error.kind(),
        ErrorKind::TenantNotAllowed
            | ErrorKind::AccessDenied
            | ErrorKind::PersonChanged
            | ErrorKind::SignInRefused
    );
    denied || error.advice().is_some_and(codes::denies_account)
}

/// 303: the browser follows with GET, also after the POST of a `form_post` answer.
fn redirect<R>(to: &str) -> Response<IdentityBody<R>> {
    let mut response = Response::new(IdentityBody::own(""));
    match HeaderValue::try_from(to) {
        Ok(to) => {
            *response.status_mut() = StatusCode::SEE_OTHER;
            response.headers_mut().insert(LOCATION, to);
        }
        // URLs are made of percent-encoded parts; another one is a fault of this crate. It may
        // have a `state` in it, so it is not logged.
        Err(_) => {
            tracing::error!(
                reason = ErrorKind::Internal.reason(),
                "a redirect has a URL that no header can have: please report this"
            );
            *response.status_mut() = StatusCode::INTERNAL_SERVER_ERROR;
        }
    }
    response
}

/// A problem document with the URL to sign in at.
fn problem<R>(
    error: &Error,
    reference: Option<String>,
    sign_in: Option<String>,
) -> Response<IdentityBody<R>> {
    let code = error.provider().and_then(|said| said.code.clone());
    let more = [("code", code), ("correlation_id", reference), ("sign_in", sign_in)];
    let more = more.into_iter().filter_map(|(name, value)| Some((name, value?.into())));
    let message = error.own_message().unwrap_or(error.user_message());
    http_message::problem(error, status(error.kind()), message, more)
}

#[cfg(test)]
#[path = "respond_tests.rs"]
mod tests;
