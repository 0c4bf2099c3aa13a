//! What [`WebAuth`] answers with.

use std::{fmt, time::Duration};

use super::WebAuth;
use crate::{clock::UnixTime, config::ReturnPath, secret::Secret, user::User};

/// A sign-in that has begun.
#[derive(Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct SignIn {
    /// Where the person goes, by a redirect (303) or a link; by a device code a link that they open
    /// here or on another device.
    pub address: String,
    /// What they type there, where people [sign in by device
    /// code](crate::config::SignInMethod::DeviceCode). `None` elsewhere.
    pub code: Option<UserCode>,
}

/// The code of a sign-in by device code (RFC 8628), for the page that you show.
///
/// Say on it that the code is for this application alone, and for nobody who asks for it by phone
/// or mail (section 5.4).
#[derive(Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct UserCode {
    /// What the person types.
    pub text: String,
    /// The address with the code in it, for a QR code, if the provider has that. The person still
    /// compares the code.
    pub address_with_code: Option<String>,
    /// When the code ends, by this server's clock.
    pub expires_at: UnixTime,
    /// How long to wait before [`WebAuth::complete_device_sign_in`], each time. Sooner is not asked
    /// either.
    pub interval: Duration,
}

impl fmt::Debug for UserCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("UserCode")
            .field("expires_at", &self.expires_at)
            .field("interval", &self.interval)
            .finish_non_exhaustive()
    }
}

impl fmt::Debug for SignIn {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // The address has the `state` in it.
        f.debug_struct("SignIn").finish_non_exhaustive()
    }
}

/// A sign-out: here it is done, at the provider it follows.
#[must_use = "the person is still signed in at the provider"]
pub struct SignOut {
    pub(super) auth: WebAuth,
    pub(super) was_in: bool,
    pub(super) id_token: Option<Secret>,
    pub(super) hint: Option<String>,
}

impl SignOut {
    /// Where the person signs out at the provider (OpenID Connect RP-Initiated Logout 1.0), to come
    /// back to [`ValidConfig::signed_out_url`](crate::ValidConfig::signed_out_url). It is
    /// that one at once where the provider has no such address, cannot be reached, or is not to be
    /// signed out of.
    pub async fn address(&self) -> String {
        let at_provider = match self.was_in {
            true => {
                self.auth
                    .relying_party()
                    .end_session_address(self.id_token.as_ref(), self.hint.as_deref())
                    .await
            }
            false => None,
        };
        at_provider.unwrap_or_else(|| self.auth.config().signed_out_url().to_owned())
    }
}

impl fmt::Debug for SignOut {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SignOut").field("was_in", &self.was_in).finish_non_exhaustive()
    }
}

/// A sign-in that is done.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct SignedIn {
    /// Who has signed in.
    pub user: User,
    /// Where they wanted to go: a path of this application, safe to redirect to.
    pub next: ReturnPath,
}

/// What an answer of the provider led to.
#[derive(Clone, Debug)]
#[must_use]
pub enum SignInOutcome {
    /// The person is signed in.
    SignedIn(SignedIn),
    /// The sign-in has to be begun once more, which it is: store the value, and send the person to
    /// the address. It happens at most once in a row.
    Again(SignIn),
}

impl SignInOutcome {
    /// Where the person goes now, by a redirect (303): the page that they wanted, or the provider.
    #[must_use]
    pub fn address(&self) -> &str {
        match self {
            Self::SignedIn(signed_in) => signed_in.next.as_str(),
            Self::Again(sign_in) => &sign_in.address,
        }
    }

    /// Who has signed in.
    #[must_use]
    pub fn signed_in(self) -> Option<SignedIn> {
        match self {
            Self::SignedIn(signed_in) => Some(signed_in),
            Self::Again(_) => None,
        }
    }
}
