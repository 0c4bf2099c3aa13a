//! The events of an application: sign-ins, sign-outs and ends of sessions.
//!
//! An event owns what it holds: the sign-in of a callback goes on in a task of its own, also if the
//! browser goes away.

use std::{fmt, sync::Arc};

use http::request::Parts;

use crate::{
    error::{Error, ErrorKind},
    session::SessionEndCause,
    user::User,
};

/// Why a person signed in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum SignInCause {
    /// To sign in: the browser had no session, or one of another person.
    SignIn,
    /// To give the application more: the person was signed in, and a page asked for consent, for a
    /// stronger or a more recent sign-in, or for tokens that were gone.
    StepUp,
    /// The person was signed in and edited the profile (B2C): the claims were read again.
    ProfileEdited,
}

/// A sign-in that is about to be completed: what
/// [`IdentityLayer::on_signed_in`](crate::IdentityLayer::on_signed_in) hands to its handler.
#[derive(Clone)]
pub struct SignInEvent {
    pub(super) user: User,
    pub(super) previous: Option<User>,
    pub(super) cause: SignInCause,
    pub(super) request: Arc<Parts>,
}

impl SignInEvent {
    /// The person. [`User::tokens`] works already, for example to read a profile.
    #[must_use]
    pub fn user(&self) -> &User {
        &self.user
    }

    /// The person who was signed in in this browser until now, as far as the request tells: the
    /// same person at a step-up, maybe another one otherwise. `None` if nobody was, and with
    /// [`ResponseMode::FormPost`](crate::config::ResponseMode::FormPost), whose request comes
    /// without cookies.
    #[must_use]
    pub fn previous_user(&self) -> Option<&User> {
        self.previous.as_ref()
    }

    /// Why the person signed in.
    #[must_use]
    pub fn cause(&self) -> SignInCause {
        self.cause
    }

    /// The head of the request that completes the sign-in, with what outer layers put into its
    /// extensions. Its URL has no query, because the code of the provider is in it.
    #[must_use]
    pub fn request(&self) -> &Parts {
        &self.request
    }
}

/// A sign-out that a page of the application asked for: what
/// [`IdentityLayer::on_signed_out`](crate::IdentityLayer::on_signed_out) hands to its handler.
#[derive(Clone)]
pub struct SignOutEvent {
    pub(super) user: Option<User>,
    pub(super) request: Arc<Parts>,
}

impl SignOutEvent {
    /// The person who was signed in. `None` if the session had ended before: there may still be
    /// something of the person to clear.
    #[must_use]
    pub fn user(&self) -> Option<&User> {
        self.user.as_ref()
    }

    /// The head of the request, with what outer layers put into its extensions. Its URL has no
    /// query.
    #[must_use]
    pub fn request(&self) -> &Parts {
        &self.request
    }
}

/// The end of a session without a sign-out, for the handler of
/// [`IdentityLayer::on_session_ended`](crate::IdentityLayer::on_session_ended).
#[derive(Clone)]
pub struct SessionEndEvent {
    pub(super) user: User,
    pub(super) cause: SessionEndCause,
    pub(super) request: Arc<Parts>,
}

impl SessionEndEvent {
    /// The person whose session it was. Their tokens may be gone already.
    #[must_use]
    pub fn user(&self) -> &User {
        &self.user
    }

    /// Why it ended.
    #[must_use]
    pub fn cause(&self) -> SessionEndCause {
        self.cause
    }

    /// The head of the request that came with the session's cookie, with what outer layers put into
    /// its extensions. At the layer's own paths its URL has no query.
    #[must_use]
    pub fn request(&self) -> &Parts {
        &self.request
    }
}

/// The error with which a handler of [`on_signed_in`](crate::IdentityLayer::on_signed_in) refuses
/// a sign-in.
///
/// - [`new`](Self::new) refuses the person: 403, reason code `sign_in_refused`.
/// - Any other error converts into it, so that `?` refuses the sign-in where it could not be
///   completed (a database that is down): 500, reason code `event_handler_failed`.
#[derive(Debug)]
pub struct SignInRefusal(Error);

impl SignInRefusal {
    /// Refuses the person. `detail` is for the log, and for the page of an application on its
    /// developer's machine; the page says that this application does not accept the sign-in, and
    /// offers to use another account.
    #[must_use]
    pub fn new(detail: impl Into<String>) -> Self {
        Self(Error::new(ErrorKind::SignInRefused, detail.into()))
    }

    /// The sentence that the page shows to the user, in place of the one that this application does
    /// not accept the sign-in. It is text: a page shows markup as it is written.
    ///
    /// ```
    /// use tower_identity::SignInRefusal;
    ///
    /// let refusal = SignInRefusal::new("the invoice of March is unpaid")
    ///     .with_user_message("Your subscription has ended. Write to accounts@example.com.");
    /// # let _ = refusal;
    /// ```
    #[must_use]
    pub fn with_user_message(self, message: impl Into<String>) -> Self {
        Self(self.0.with_own_message(message.into()))
    }

    pub(super) fn into_error(self) -> Error {
        self.0
    }
}

impl<E: Into<Box<dyn std::error::Error + Send + Sync>>> From<E> for SignInRefusal {
    fn from(error: E) -> Self {
        Self(Error::new(
            ErrorKind::EventHandlerFailed,
            format!("the handler of `on_signed_in` failed: {}", error.into()),
        ))
    }
}

impl fmt::Debug for SignInEvent {
    /// Nothing about the person.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SignInEvent").field("cause", &self.cause).finish_non_exhaustive()
    }
}

impl fmt::Debug for SignOutEvent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SignOutEvent").finish_non_exhaustive()
    }
}

impl fmt::Debug for SessionEndEvent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SessionEndEvent").field("cause", &self.cause).finish_non_exhaustive()
    }
}
