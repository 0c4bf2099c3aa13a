//! Choices between a few ways: small enums instead of bare `true` and `false`.

use std::{fmt, str::FromStr};

use crate::error::ConfigError;

/// How people get from a page of the application to the provider and back.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum SignInMethod {
    /// The browser is redirected to the provider, and from there to the callback: the authorization
    /// code flow. The default.
    #[default]
    Redirect,
    /// The sign-in page shows a code that the person types at the provider, in another tab or on a
    /// phone (RFC 8628). No redirect address is registered, so it also works where the provider
    /// could not be told one: behind a changing host name, on a device in somebody's network,
    /// before the application is registered for the web.
    ///
    /// - The provider needs a device authorization endpoint:
    ///   [`build`](super::IdentityConfig::build) refuses Azure AD B2C, which has none. At Entra ID
    ///   the registration has to allow public client flows if the application has no credential.
    /// - The base URL stays required, the callback path is where the page with the code is, and
    ///   nothing but scopes (and at Microsoft's providers claims) can be asked of a sign-in:
    ///   options such as [`max_age`](super::SignInOptions::with_max_age) or a
    ///   [prompt](super::SignInOptions::with_prompt) are refused rather than left out silently.
    /// - Sign-out ends the session here; that of the provider may be in another browser.
    ///   [`ProviderSession::End`] has to be set for going there as well, since the page after it
    ///   has to be registered.
    ///
    /// # Security
    ///
    /// Whoever gets a person to type a code signs their own browser in as that person (RFC 8628
    /// section 5.4). The page says so, but a redirect does not have the problem at all: prefer it
    /// where an address can be registered. Here the code counts only for the browser to which it
    /// was shown.
    DeviceCode,
}

impl SignInMethod {
    /// Its name in settings: `redirect` or `device_code`.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Redirect => "redirect",
            Self::DeviceCode => "device_code",
        }
    }
}

impl fmt::Display for SignInMethod {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for SignInMethod {
    type Err = ConfigError;

    fn from_str(text: &str) -> Result<Self, ConfigError> {
        match text {
            "redirect" => Ok(Self::Redirect),
            "device_code" => Ok(Self::DeviceCode),
            _ => Err(ConfigError::new(
                "sign_in_method",
                format!("{text:?} is neither `redirect` nor `device_code`"),
            )),
        }
    }
}

/// How the provider hands the authorization response over (OAuth 2.0 Multiple Response Types, Form
/// Post Response Mode).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ResponseMode {
    /// As the query of a redirect to the callback. The default: its cookies can be `SameSite=Lax`.
    #[default]
    Query,
    /// As a form that the browser posts to the callback. The code stays out of addresses and access
    /// logs; the attempt's cookie has to be `SameSite=None; Secure`, because the post comes from
    /// another site.
    FormPost,
}

impl ResponseMode {
    /// The value of the `response_mode` parameter.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Query => "query",
            Self::FormPost => "form_post",
        }
    }
}

impl fmt::Display for ResponseMode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for ResponseMode {
    type Err = ConfigError;

    fn from_str(text: &str) -> Result<Self, ConfigError> {
        match text {
            "query" => Ok(Self::Query),
            "form_post" => Ok(Self::FormPost),
            _ => Err(ConfigError::new(
                "response_mode",
                format!("{text:?} is neither `query` nor `form_post`"),
            )),
        }
    }
}

/// How long the browser keeps the session cookie.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum CookieLifetime {
    /// Until the browser ends: the cookie has no `Max-Age`. The default, since a browser may be
    /// shared.
    ///
    /// An application that was installed on a phone ends whenever the system needs its memory; many
    /// desktop browsers restore such cookies when they start again.
    #[default]
    Browser,
    /// As long as the session could last by idle and absolute timeout (`Max-Age`), counted anew
    /// with each rolled cookie.
    ///
    /// The session itself ends no later: what counts is the time inside the seal. Sign-out removes
    /// the cookie.
    Session,
}

impl CookieLifetime {
    /// Its name in settings: `browser` or `session`.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Browser => "browser",
            Self::Session => "session",
        }
    }
}

impl fmt::Display for CookieLifetime {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for CookieLifetime {
    type Err = ConfigError;

    fn from_str(text: &str) -> Result<Self, ConfigError> {
        match text {
            "browser" => Ok(Self::Browser),
            "session" => Ok(Self::Session),
            _ => Err(ConfigError::new(
                "cookie_lifetime",
                format!("{text:?} is neither `browser` nor `session`"),
            )),
        }
    }
}

/// Whether the UserInfo endpoint is asked.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum UserInfo {
    /// It is not: the ID token's claims are all there is.
    Never,
    /// Where the ID token has neither a name nor an e-mail address, although the scopes `profile`
    /// or `email` were asked for and granted (LemonLDAP::NG, Django OAuth Toolkit). The default.
    ///
    /// It is asked as with [`AtSignIn`](Self::AtSignIn), but nothing fails because of it: without
    /// an answer of use the ID token's claims are all there is. Microsoft's providers are not
    /// asked: their ID tokens have the names.
    #[default]
    IfMissing,
    /// Right after sign-in, and again whenever the claims are renewed; its `sub` must be the ID
    /// token's (OpenID Connect Core section 5.3.2), its claims are added. A sign-in fails without
    /// them.
    AtSignIn,
}

/// Where the groups of somebody come from who is in more than a token holds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum GroupsFrom {
    /// From the ID token alone: of too many it says only that there are too many. The default.
    #[default]
    Token,
    /// From Microsoft Graph, at sign-in and whenever the claims are renewed; up to 1,000 groups are
    /// kept in the session.
    ///
    /// It needs the permission `User.Read` of Graph: among the scopes of the sign-in, or consented
    /// to by an administrator. If the groups cannot be read the sign-in goes on, and they stay [too
    /// many](crate::Groups::TooMany).
    Graph,
}

/// What a CORS preflight (`OPTIONS`) to a protected path gets.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Preflight {
    /// 401, as every other request without a session. The default: a CORS layer belongs outside and
    /// answers before.
    #[default]
    Challenge,
    /// Handed to the inner service without a user.
    Pass,
}

/// What the proxy in front does with the path of the base URL.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum PathPrefix {
    /// The proxy takes it off: `https://example.com/app/me` arrives as `/me`. The default.
    #[default]
    Stripped,
    /// It stays: `https://example.com/app/me` arrives as `/app/me`.
    Kept,
}

/// What becomes of the provider's own session at sign-out.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ProviderSession {
    /// The browser goes on to the provider's `end_session_endpoint`, if it has one. The default,
    /// except with [`SignInMethod::DeviceCode`].
    #[default]
    End,
    /// Only this application's session ends: the next sign-in may need no password.
    Keep,
}

/// When a session ends that cannot be renewed, because the provider gave no refresh token.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum SessionEnd {
    /// With the session's own limits. The default.
    #[default]
    OwnLimits,
    /// With the `exp` of the ID token, if that is earlier.
    IdTokenExpiry,
}
