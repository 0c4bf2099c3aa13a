//! [`Flow::reply`] chooses the walk of a request; [`Reply`] is its answer. Words, status and shape
//! are chosen in `respond`.

use std::sync::Arc;

use bytes::Bytes;
use http::HeaderValue;
use tracing::{Instrument as _, Span, field::Empty, info_span};

use super::{
    device_code::{CodePage, PollAnswer},
    flow::Flow,
    routes::{AllowedMethods, Route},
};
use crate::{error::Error, http_message::RequestHead, measure, pages::KeptForm, sign_in::Purpose};

impl Flow {
    /// Answers a request for one of the layer's own paths. `form` is its body, where the path takes
    /// one.
    pub(super) async fn reply(
        self: &Arc<Self>,
        route: Route,
        head: &RequestHead<'_>,
        form: Result<Bytes, Error>,
    ) -> Reply {
        let span = match route {
            Route::SignIn => info_span!("identity.sign_in", outcome = Empty, reason = Empty),
            Route::Callback if self.relying_party.by_code() => {
                info_span!("identity.device_code", outcome = Empty, reason = Empty)
            }
            Route::Callback => info_span!("identity.callback", outcome = Empty, reason = Empty),
            Route::SignOut => info_span!("identity.sign_out", outcome = Empty, reason = Empty),
            Route::EditProfile => {
                info_span!("identity.edit_profile", outcome = Empty, reason = Empty)
            }
            Route::ResetPassword => {
                info_span!("identity.reset_password", outcome = Empty, reason = Empty)
            }
            Route::Protected => {
                info_span!("identity.require_sign_in", outcome = Empty, reason = Empty)
            }
            Route::SignedOut | Route::User | Route::KeptForm => Span::none(),
        };
        let reply = async {
            match route {
                Route::SignIn => self.sign_in(head).await,
                Route::Callback if self.relying_party.by_code() => self.device_code(head).await,
                Route::Callback => self.callback(head, form).await,
                Route::SignOut => self.sign_out(head).await,
                Route::SignedOut => self.signed_out(),
                Route::EditProfile => self.policy(head, Purpose::EditProfile).await,
                Route::ResetPassword => self.policy(head, Purpose::ResetPassword).await,
                Route::User => self.current_user(head).await,
                Route::KeptForm => self.kept_form(head, form).await,
                Route::Protected => self.require_sign_in(head).await,
            }
        };
        let reply = reply.instrument(span.clone()).await;
        span.record("outcome", reply.outcome.as_str());
        if let Outcome::Failed { error, .. } = &reply.outcome {
            span.record("reason", error.reason());
            if matches!(route, Route::SignIn | Route::Callback) {
                measure::sign_in_failed(error.reason());
            }
        }
        reply
    }
}

/// An answer of the layer, without a body.
#[derive(Debug)]
pub(super) struct Reply {
    pub(super) outcome: Outcome,
    /// `Set-Cookie` values.
    pub(super) cookies: Vec<HeaderValue>,
}

/// The outcome of a walk.
#[derive(Debug)]
pub(super) enum Outcome {
    /// 303 to a URL of this application or of the provider.
    Redirect(String),
    /// A sign-in is needed, and the client cannot be redirected: where to sign in, and what failed
    /// for a person who is signed in.
    SignInNeeded { sign_in: String, why: Option<Error> },
    /// A form was posted, and a sign-in is needed first: where to sign in, whether there was a
    /// session, and the form if it is kept.
    NotSaved { sign_in: String, has_ended: bool, kept: Option<Box<KeptForm>> },
    /// The page that offers a form that was kept.
    KeptForm(Box<KeptForm>),
    /// A step failed. `again` is where a link to try again leads.
    Failed { error: Error, again: Option<String> },
    /// The path does not take the method of the request.
    WrongMethod(AllowedMethods),
    /// The page with the code of a sign-in by device code.
    Code(Box<CodePage>),
    /// The answer to that page's script.
    PollAnswer(PollAnswer),
    /// The signed-in user, as JSON for a script.
    User(serde_json::Value),
    /// The page after signing out.
    SignedOut { sign_in: String },
    /// The question before signing out.
    ConfirmSignOut { sign_out: String },
}

impl Outcome {
    /// One word for the span of the step.
    pub(super) fn as_str(&self) -> &'static str {
        match self {
            Self::Redirect(_) => "redirected",
            Self::Failed { .. } | Self::WrongMethod(_) => "failed",
            Self::User(_) => "user",
            Self::SignInNeeded { .. } | Self::NotSaved { .. } => "sign_in_needed",
            Self::Code(_)
            | Self::KeptForm(_)
            | Self::SignedOut { .. }
            | Self::ConfirmSignOut { .. } => "page",
            Self::PollAnswer(polled) => polled.as_str(),
        }
    }
}

impl Reply {
    pub(super) fn new(outcome: Outcome) -> Self {
        Self { outcome, cookies: Vec::new() }
    }

    pub(super) fn redirect(to: impl Into<String>) -> Self {
        Self::new(Outcome::Redirect(to.into()))
    }

    pub(super) fn failed(error: Error, again: Option<String>) -> Self {
        Self::new(Outcome::Failed { error, again })
    }

    pub(super) fn sign_in_needed(sign_in: String) -> Self {
        Self::new(Outcome::SignInNeeded { sign_in, why: None })
    }

    /// Removes a cookie that this reply does not set anew: a sign-in that starts may have the slot
    /// of the one that ended. RFC 6265 section 4.1.1: one `Set-Cookie` for each name.
    pub(super) fn with_removal(mut self, removal: HeaderValue) -> Self {
        let name = |cookie: &HeaderValue| {
            cookie.as_bytes().split(|byte| *byte == b'=').next().map(<[u8]>::to_vec)
        };
        if !self.cookies.iter().any(|cookie| name(cookie) == name(&removal)) {
            self.cookies.push(removal);
        }
        self
    }

    pub(super) fn with_cookies(mut self, cookies: impl IntoIterator<Item = HeaderValue>) -> Self {
        self.cookies.extend(cookies);
        self
    }
}
