//! The settings that choose among a few values: enums in place of bare `true` and `false`.

/// The words of a choice: `as_str`, `Display` and `FromStr`.
macro_rules! choices {
    ($name:ident, $setting:literal, $($value:ident = $word:literal),+) => {
        impl $name {
            #[doc = concat!("The name in settings, one of:" $(, " `", $word, "`")+, ".")]
            #[must_use]
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$value => $word,)+ }
            }
        }

        impl std::fmt::Display for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str(self.as_str())
            }
        }

        impl std::str::FromStr for $name {
            type Err = crate::error::ConfigError;

            fn from_str(text: &str) -> Result<Self, Self::Err> {
                match text {
                    $($word => Ok(Self::$value),)+
                    _ => {
                        let words = [$($word),+].map(|word| format!("`{word}`")).join(", ");
                        Err(Self::Err::new($setting, format!("{text:?} is not one of {words}")))
                    }
                }
            }
        }
    };
}

pub(super) use choices;

/// How the user gets to the provider and back.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum SignInMethod {
    /// The browser is redirected to the provider, and from there to the callback: the authorization
    /// code flow (RFC 6749 section 4.1). The default.
    #[default]
    Redirect,
    /// The sign-in page shows a code that the user enters at the provider, in another tab or on
    /// another device (RFC 8628). No redirect URI is registered, so it works where none can be:
    /// behind a changing host name, on a device in a private network, or before the application is
    /// registered for the web.
    ///
    /// - The provider needs a device authorization endpoint:
    ///   [`build`](super::IdentityConfig::build) refuses Azure AD B2C, which has none. At Entra ID
    ///   the registration has to allow public client flows if the application has no credential.
    /// - The base URL is still required, and the page with the code is at the callback path. RFC
    ///   8628 defines no request parameters other than scopes (Microsoft's providers also accept
    ///   claims), so options such as [`max_age`](super::SignInOptions::with_max_age) or a
    ///   [prompt](super::SignInOptions::with_prompt) are refused rather than silently ignored.
    /// - Sign-out ends the session of the application only, because that of the provider may be in
    ///   another browser. Set [`ProviderSession::End`] to end that one too; the page after sign-out
    ///   then has to be registered.
    ///
    /// # Security
    ///
    /// An attacker who persuades a user to enter the attacker's code gets signed in as that user
    /// (RFC 8628 section 5.4). The page warns of it, but a redirect does not have this problem:
    /// prefer it where a redirect URI can be registered. The crate accepts the code only in the
    /// browser that it was shown to.
    DeviceCode,
}

choices!(SignInMethod, "sign_in_method", Redirect = "redirect", DeviceCode = "device_code");

/// How the provider returns the authorization response (OAuth 2.0 Multiple Response Type Encoding
/// Practices; OAuth 2.0 Form Post Response Mode).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ResponseMode {
    /// In the query of a redirect to the callback. The default, because its cookies can be
    /// `SameSite=Lax`.
    #[default]
    Query,
    /// In a form that the browser posts to the callback. It keeps the code out of URLs and access
    /// logs. The cookie of the attempt has to be `SameSite=None; Secure`, because the post comes
    /// from another site. Safari takes no such cookie from `http://localhost`: develop with `query`
    /// there, or with https.
    FormPost,
}

choices!(ResponseMode, "response_mode", Query = "query", FormPost = "form_post");

/// How long the browser keeps the session cookie.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum CookieLifetime {
    /// Until the browser is closed: the cookie has no `Max-Age`. The default, because a browser may
    /// be shared.
    ///
    /// An installed web application on a phone is closed whenever the system needs its memory. Many
    /// desktop browsers restore such cookies when they start again.
    #[default]
    Browser,
    /// For the remaining time of the session by idle and absolute timeout (`Max-Age`), which is
    /// recalculated when the cookie is renewed.
    ///
    /// It does not extend the session: its end is inside the sealed cookie. Sign-out removes the
    /// cookie. With [`with_kept_form_path`](crate::IdentityConfig::with_kept_form_path) the browser
    /// keeps it an hour longer.
    Session,
}

choices!(CookieLifetime, "cookie_lifetime", Browser = "browser", Session = "session");

/// Whether claims are requested from the UserInfo endpoint.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum UserInfo {
    /// No: the claims are those of the ID token.
    Never,
    /// If the ID token has neither a name nor an e-mail address, although the scopes `profile` or
    /// `email` were requested and granted (LemonLDAP::NG, Django OAuth Toolkit). The default.
    ///
    /// The request is as with [`AtSignIn`](Self::AtSignIn), but its failure ends no sign-in: the
    /// claims are then those of the ID token. If UserInfo answered before in a session and cannot
    /// be reached at a renewal, the renewal is tried again. Microsoft's providers get no request,
    /// because their ID tokens have the names.
    #[default]
    IfMissing,
    /// After sign-in, and again whenever the claims are renewed. The `sub` of the response must
    /// equal that of the ID token (OpenID Connect Core 1.0 section 5.3.2); its claims are added,
    /// except those about an authentication (`auth_time`, `acr`, `acrs`, `amr`), which count in an
    /// ID token alone. If the request fails, so does the sign-in. A renewal is then tried again for
    /// an hour; after that, what cannot be reached is an error, and a refusal leads to a new
    /// sign-in.
    AtSignIn,
}

choices!(UserInfo, "user_info", Never = "never", IfMissing = "if_missing", AtSignIn = "at_sign_in");

/// Whether a sign-in has a `nonce`, which ties the ID token to the request of one browser.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum SignInNonce {
    /// Yes: a random one is sent, and the ID token must have it (OpenID Connect Core 1.0 section
    /// 3.1.3.7). The default.
    #[default]
    Send,
    /// No: none is sent, and an ID token with one is refused. For providers that lose it, such as
    /// Doorkeeper with its own consent page.
    ///
    /// PKCE alone then protects against a code that was injected into the browser (RFC 9700 section
    /// 2.1.1), and it does so only if the provider enforces it. A sign-in is therefore refused
    /// ([`ErrorKind::NotConfigured`](crate::ErrorKind::NotConfigured)) unless the provider's
    /// discovery document lists `S256` in `code_challenge_methods_supported`.
    Omit,
}

choices!(SignInNonce, "nonce", Send = "send", Omit = "omit");

impl SignInNonce {
    /// The nonce that a request has, if this one was created for it.
    pub(crate) fn of(self, nonce: &str) -> Option<&str> {
        match self {
            Self::Send => Some(nonce),
            Self::Omit => None,
        }
    }
}

/// The source of the user's groups, which matters for users in more groups than a token lists.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum GroupsFrom {
    /// The ID token alone, which then says only that there are too many. The default.
    #[default]
    Token,
    /// Microsoft Graph, at sign-in and whenever the claims are renewed. The session keeps up to
    /// 1,000 groups.
    ///
    /// It needs Graph's permission `User.Read`: among the scopes of the sign-in, or with the
    /// consent of an administrator. If the groups cannot be read the sign-in continues, and they
    /// stay [too many](crate::Groups::TooMany).
    Graph,
}

choices!(GroupsFrom, "groups", Token = "token", Graph = "graph");

/// The answer to a CORS preflight (`OPTIONS`) for a protected path.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Preflight {
    /// 401, as for every request without a session or token. The default: a CORS layer belongs
    /// outside the layer of this crate and answers first.
    #[default]
    Challenge,
    /// The request is passed to the inner service, without a user or caller.
    Pass,
}

choices!(Preflight, "preflight", Challenge = "challenge", Pass = "pass");

/// How the reverse proxy forwards the path of the base URL.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum PathPrefix {
    /// The proxy removes it: `https://example.com/app/me` arrives as `/me`. The default.
    #[default]
    Stripped,
    /// The proxy keeps it: `https://example.com/app/me` arrives as `/app/me`.
    Kept,
}

choices!(PathPrefix, "path_prefix", Stripped = "stripped", Kept = "kept");

/// The effect of sign-out on the session at the provider.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ProviderSession {
    /// The browser is sent to the provider's `end_session_endpoint`, if it has one (OpenID Connect
    /// RP-Initiated Logout 1.0). The default, except with [`SignInMethod::DeviceCode`].
    #[default]
    End,
    /// Only the session of this application ends: the next sign-in may need no password.
    Keep,
}

choices!(ProviderSession, "provider_session", End = "end", Keep = "keep");

/// The end of a session that cannot be renewed, because the provider issued no refresh token.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum SessionEnd {
    /// The session's own timeouts. The default.
    #[default]
    OwnLimits,
    /// The `exp` of the ID token, if that is earlier.
    IdTokenExpiry,
}

choices!(SessionEnd, "session_end", OwnLimits = "own_limits", IdTokenExpiry = "id_token_expiry");
