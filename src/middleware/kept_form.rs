//! A form that was posted after its session had ended: kept by the browser's tab, and offered by
//! the kept-form path after the sign-in. The layer never sends it by itself (D8).
//!
//! 1. [`Flow::form_owner`] and [`Flow::keep_form`] seal the form into the page that asks to sign
//!    in, whose script keeps it in the tab.
//! 2. The sign-in returns to the kept-form path. [`Flow::kept_form`] answers a `GET` with a page
//!    whose script posts the sealed form back, and that `POST` with a page that shows the form and
//!    asks whether to send it.
//!
//! # Security
//!
//! - Only a page of this origin can have a form kept or opened.
//! - It is sealed for the user of the ended session. Another user neither sees nor sends it.
//! - It is opened only in a session that was begun from the page that kept it: after a sign-out,
//!   the next sign-in offers nothing.
//! - Only the path of a protected page is kept, so the form of a path of the layer, such as
//!   sign-out, is never offered.

use bytes::Bytes;
use http::Method;
use url::form_urlencoded;

use super::{
    flow::Flow,
    reply::{Outcome, Reply},
    routes::page_as_asked,
};
use crate::{
    config::ReturnPath,
    error::{Error, ErrorKind},
    http_message::{RequestHead, is_from_own_page, is_urlencoded, may_be_whole_page},
    pages::{KeptForm, OfferedForm},
    session::Session,
    user::User,
};

impl Flow {
    /// The user whose form a request without a session has, if it may be kept: nothing of the body
    /// is read before.
    pub(super) async fn form_owner(&self, head: &RequestHead<'_>) -> Option<User> {
        self.config.paths().kept_form.as_ref()?;
        let is_form = head.method == Method::POST && is_urlencoded(head.headers);
        if !is_form || !is_page_of_this_origin(head, self.config.origin()) {
            return None;
        }
        self.sessions.timed_out_user(&head.cookies, self.clock.now()).await
    }

    /// Seals a form for the page that asks to sign in; `None` if it could not be sent again as it
    /// was.
    pub(super) fn keep_form(
        &self,
        head: &RequestHead<'_>,
        owner: &User,
        body: &[u8],
    ) -> Option<KeptForm> {
        let form_page = self.form_page()?;
        let action = page_as_asked(&self.config, head.uri.path_and_query()?.as_str());
        let action = ReturnPath::parse(&action)?;
        let sealed = self.sessions.seal_form(owner, &action, body, self.clock.now()).ok()??;
        let sign_in_url = self.first_sign_in_url(&form_page);
        tracing::debug!("a form whose session has ended is kept for its user");
        Some(KeptForm::Sealed { sealed, form_url: form_page.as_str().to_owned(), sign_in_url })
    }

    /// Whether the body of a `POST` to the kept-form path is read: only a signed-in user can open a
    /// form, so that a request without one takes no memory.
    ///
    /// # Errors
    ///
    /// As [`admit`](Self::admit). The answer must not say that there is no form: the tab would
    /// remove it.
    pub(super) async fn may_open_form(&self, head: &RequestHead<'_>) -> Result<bool, Error> {
        Ok(is_page_of_this_origin(head, self.config.origin())
            && self.current_session(&head.cookies, self.clock.now()).await?.is_some())
    }

    /// Answers the kept-form path. `form` is the body of a `POST`.
    pub(super) async fn kept_form(
        &self,
        head: &RequestHead<'_>,
        form: Result<Bytes, Error>,
    ) -> Reply {
        let is_post = head.method == Method::POST;
        if is_post && !is_page_of_this_origin(head, self.config.origin()) {
            let detail = "a kept form is opened by a page of this site alone";
            return Reply::failed(Error::new(ErrorKind::CrossSite, detail), None);
        }
        let session = match self.current_session(&head.cookies, self.clock.now()).await {
            Ok(session) => session,
            Err(error) => return Reply::failed(error, None),
        };
        let Some(form_page) = self.form_page() else { return self.require_sign_in(head).await };
        let Some(session) = session else {
            self.report_ends(&head.cookies, || head.parts_without_query()).await;
            // The tab still has the form.
            return match is_post {
                true => Reply::sign_in_needed(self.first_sign_in_url(&form_page)),
                false => self.require_sign_in(head).await,
            };
        };
        let form_url = form_page.as_str().to_owned();
        let page = match is_post {
            false => KeptForm::Wanted { form_url },
            // After a failed read the tab keeps the form: its script runs on the other pages alone.
            true => match form.map(|form| self.open_form(&form_page, &session, &form)) {
                Err(error) => return Reply::failed(error, Some(form_url)),
                Ok(Some(form)) => KeptForm::Offered { form, form_url },
                Ok(None) => KeptForm::Missing { form_url },
            },
        };
        Reply::new(Outcome::KeptForm(Box::new(page)))
    }

    /// The form in the body of a `POST` to the kept-form path, for the user of this session.
    fn open_form(
        &self,
        form_page: &ReturnPath,
        session: &Session,
        body: &[u8],
    ) -> Option<OfferedForm> {
        // A session that began otherwise may have followed a sign-out.
        if !session.origin().began_for(form_page.as_str()) {
            return None;
        }
        let mut fields = form_urlencoded::parse(body);
        let (_, sealed) = fields.find(|(name, _)| name == KeptForm::FIELD)?;
        let form = self.sessions.open_form(session, &sealed, self.clock.now())?;
        Some(OfferedForm {
            action: form.action.as_str().to_owned(),
            fields: form.fields,
            posted: form.posted,
        })
    }
}

/// Whether a page of this origin posts the form as a navigation of its own. A form in a frame is
/// left to the page around it, and a script has what it sends.
fn is_page_of_this_origin(head: &RequestHead<'_>, origin: &str) -> bool {
    may_be_whole_page(head.headers) && is_from_own_page(head.headers, origin)
}
