//! The user path: the signed-in user, as JSON for scripts of the application's pages.

use serde_json::{Map, json};

use super::{
    flow::Flow,
    reply::{Outcome, Reply},
};
use crate::{
    config::SignedOutUser,
    error::{Error, ErrorKind},
    http_message::{RequestHead, page_of_another_origin},
};

impl Flow {
    /// Answers the user path. The session is renewed where it is due, so that the answer is that of
    /// a protected page; its ticket is not rolled, so that asking keeps nobody signed in.
    pub(super) async fn current_user(&self, head: &RequestHead<'_>) -> Reply {
        // A GET has no effects, but a CORS layer outside may let other origins read the answer.
        if let Some(page) = page_of_another_origin(head.headers, self.config.cross_site()) {
            let detail = format!(
                "the user path answers pages of this origin: {page}. If that page is yours, add \
                 its origin by `add_trusted_origin` (IDENTITY_TRUSTED_ORIGINS)"
            );
            return Reply::failed(Error::new(ErrorKind::CrossSite, detail), None);
        }
        let now = self.clock.now();
        let session = match self.current_session(&head.cookies, now).await {
            Ok(session) => session,
            Err(error) => return Reply::failed(error, None),
        };
        if session.is_none() {
            self.report_ends(&head.cookies, || head.parts_without_query()).await;
        }
        let sign_in = self.sign_in_url(&self.page_to_return_to(head.page_in_view().as_ref()));
        let settings = self.config.user_path();
        let document = match session {
            Some(session) => {
                let claim = |name: &str| Some((name.to_owned(), session.user.claim(name)?.clone()));
                let user: Map<_, _> = settings.claims().filter_map(claim).collect();
                json!({
                    "user": user,
                    "expires_in": session.ends().since(now).as_secs(),
                    "sign_in": sign_in,
                    "sign_out": self.config.external_path(&self.config.paths().sign_out),
                })
            }
            None if settings.signed_out == SignedOutUser::NoUser => {
                json!({ "user": null, "sign_in": sign_in })
            }
            None => return Reply::sign_in_needed(sign_in),
        };
        Reply::new(Outcome::User(document))
    }
}
