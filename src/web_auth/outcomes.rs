//! The results of [`WebAuth`]'s methods: [`SignIn`], [`SignInOutcome`], [`SignedIn`], [`SignOut`].

use std::{fmt, time::Duration};

use super::WebAuth;
use crate::{clock::UnixTime, config::ReturnPath, secret::Secret, user::User};

/// A started sign-in: the URL of the provider's page, and the code in a sign-in by device code.
#[derive(Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct SignIn {
    /// The URL for the person, by a redirect (303) or a link. In a sign-in by device code it is the
    /// `verification_uri`, which the person opens in this browser or on another device.
    pub url: String,
    /// The code to type at that URL in a [sign-in by device
    /// code](crate::config::SignInMethod::DeviceCode), otherwise `None`.
    pub code: Option<UserCode>,
}

/// The user code of a sign-in by device code (RFC 8628 section 3.2), to show on your page.
///
/// State on the page that the code is for this application only, and that the person must not enter
/// a code that they got by phone or e-mail (RFC 8628 section 5.4).
#[derive(Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct UserCode {
    /// The code that the person types.
    pub text: String,
    /// The URL that contains the code (`verification_uri_complete`), for a QR code, if the provider
    /// sent one. Show the code as well, so that the person can compare it.
    pub url_with_code: Option<String>,
    /// When the code expires, by this server's clock.
    pub expires_at: UnixTime,
    /// The time to wait before each call of [`WebAuth::complete_device_sign_in`]. An earlier call
    /// does not reach the provider.
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
        // The URL contains the `state`, and the code is a credential.
        f.debug_struct("SignIn").finish_non_exhaustive()
    }
}

/// A completed sign-out of this application. The sign-out at the provider follows with a redirect
/// to [`url`](Self::url).
#[must_use = "the person is still signed in at the provider"]
pub struct SignOut {
    pub(super) auth: WebAuth,
    /// Whether a person was signed in.
    pub(super) was_in: bool,
    pub(super) id_token: Option<Secret>,
    pub(super) hint: Option<String>,
}

impl SignOut {
    /// The provider's sign-out URL (OpenID Connect RP-Initiated Logout 1.0), which returns to
    /// [`ValidConfig::signed_out_url`](crate::ValidConfig::signed_out_url).
    ///
    /// It is `signed_out_url` itself if nobody was signed in, if the provider has no sign-out URL
    /// or cannot be reached, or if the configuration excludes the provider from sign-out.
    pub async fn url(&self) -> String {
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

/// A completed sign-in.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct SignedIn {
    /// The person who has signed in.
    pub user: User,
    /// The page to return to: a path of this application, safe to redirect to.
    pub next: ReturnPath,
}

/// The result of an authorization response.
#[derive(Clone, Debug)]
#[must_use]
pub enum SignInOutcome {
    /// The person is signed in.
    SignedIn(SignedIn),
    /// The provider refused this sign-in, and a new one was started that it may accept. Store the
    /// value, and redirect to the URL. In one sign-in this happens at most once for each kind of
    /// refusal, four times in all.
    Again(SignIn),
}

impl SignInOutcome {
    /// The URL for a redirect (303): the page to return to, or the provider.
    #[must_use]
    pub fn url(&self) -> &str {
        match self {
            Self::SignedIn(signed_in) => signed_in.next.as_str(),
            Self::Again(sign_in) => &sign_in.url,
        }
    }

    /// The completed sign-in; `None` if another one was started.
    #[must_use]
    pub fn signed_in(self) -> Option<SignedIn> {
        match self {
            Self::SignedIn(signed_in) => Some(signed_in),
            Self::Again(_) => None,
        }
    }
}
