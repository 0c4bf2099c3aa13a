//! [`Reply`]: the answer of a walk. Words, status and shape are chosen in `respond`.

use http::HeaderValue;

use super::{
    device_code::{CodePage, PollAnswer},
    routes::AllowedMethods,
};
use crate::{error::Error, pages::KeptForm};

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
