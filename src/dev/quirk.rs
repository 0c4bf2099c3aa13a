//! [`Quirk`]: permanent deviations of real providers from the specifications, or from each other.

use std::{collections::HashSet, fmt, str::FromStr};

use super::spoil::listed_enum;
use crate::error::ConfigError;

macro_rules! quirks {
    ($(#[$doc:meta])* pub enum $name:ident {
        $($(#[$variant_doc:meta])* $variant:ident = $text:literal,)*
    }) => {
        listed_enum! {
            $(#[$doc])* pub enum $name { $($(#[$variant_doc])* $variant,)* }
        }

        impl $name {
            /// The name as text, for example `null-claims`; `FromStr` parses it.
            #[must_use]
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $text,)* }
            }
        }
    };
}

quirks! {
    /// A permanent deviation of real providers, for
    /// [`DevProviderBuilder::with_quirks`](super::DevProviderBuilder::with_quirks).
    ///
    /// A [`Spoil`](super::Spoil) and similar types change one response, usually into one that must
    /// be refused. A quirk lasts as long as the provider runs. With each quirk alone, sign-in,
    /// renewal and sign-out of an application with default settings work, unless the quirk's own
    /// documentation says otherwise.
    ///
    /// ```
    /// use tower_identity::dev::{DevProvider, Quirk};
    ///
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), tower_identity::ConfigError> {
    /// for quirk in Quirk::ALL {
    ///     let provider = DevProvider::builder().with_quirks([*quirk]).start().await?;
    ///     // … sign in, fetch a token, sign out …
    /// #   if *quirk == Quirk::ByteOrderMark { break }
    /// }
    /// # Ok(())
    /// # }
    /// ```
    pub enum Quirk {
        // The discovery document.
        /// The discovery document and the key set begin with a byte order mark (RFC 8259 section
        /// 8.1 lets readers ignore it).
        ByteOrderMark = "byte-order-mark",
        /// Endpoints that a sign-in does not need (revocation, introspection, registration) are
        /// relative URLs.
        RelativeUrls = "relative-urls",
        /// Booleans are strings: in the document, and `email_verified` in ID tokens and UserInfo
        /// (Amazon Cognito, Apple).
        TextBooleans = "text-booleans",
        /// A list with one entry is written as that entry alone, in the document.
        TextLists = "text-lists",
        /// Members of the document without a value are `null`.
        NullMetadata = "null-metadata",
        /// The document has only the members that OpenID Connect Discovery section 3 requires,
        /// `end_session_endpoint`, and `code_challenge_methods_supported`.
        SparseDocument = "sparse-document",
        /// The issuer ends in a slash (Auth0).
        IssuerWithSlash = "issuer-with-slash",
        /// There is no end session endpoint: signing out ends the application's session only
        /// (Google).
        NoEndSession = "no-end-session",
        /// The end session endpoint requires `client_id` and `logout_uri` and ignores
        /// `post_logout_redirect_uri` (Amazon Cognito). With default settings the person stays at
        /// the provider's page after signing out.
        LogoutUri = "logout-uri",
        /// There is no UserInfo endpoint.
        NoUserInfo = "no-user-info",
        /// `offline_access` is refused with `invalid_scope`; refresh tokens are issued without it
        /// (Google).
        NoOfflineAccess = "no-offline-access",

        // The key set.
        /// The numbers of the keys are in base64url with padding.
        PaddedKeys = "padded-keys",
        /// `kid` is a number in the key set, and a string of its digits in the header of tokens.
        NumericKeyIds = "numeric-key-ids",
        /// Neither keys nor tokens have a `kid`.
        NoKeyIds = "no-key-ids",
        /// The keys have no `alg` (Entra ID).
        NoKeyAlgorithms = "no-key-algorithms",
        /// `key_ops` of the keys is an empty list.
        EmptyKeyOperations = "empty-key-operations",
        /// `use` of the keys is `signing`.
        KeyUseSigning = "key-use-signing",
        /// The key set also has other keys: of rare types and curves, without numbers, or for
        /// encryption.
        OtherKeys = "other-keys",
        /// The media type of the key set is `application/jwk-set+json` (RFC 7517 section 8.5.2).
        KeySetMediaType = "key-set-media-type",

        // The authorization endpoint.
        /// Responses have no `iss` (RFC 9207), and the document does not announce it.
        NoResponseIssuer = "no-response-issuer",
        /// Responses have an `iss` that the document does not announce.
        UnpromisedResponseIssuer = "unpromised-response-issuer",
        /// Responses have additional parameters: `scope`, `authuser`, `prompt`, `session_state`
        /// (Google, Keycloak).
        MoreResponseParameters = "more-response-parameters",
        /// The authorization endpoint reads `+` as that character, not as a space, so that scopes
        /// have to be separated by `%20` (Apple on its own devices).
        PlusIsNoSpace = "plus-is-no-space",
        /// PKCE is not supported: its parameters are ignored, and the document lists no method.
        NoPkce = "no-pkce",

        // The token endpoint.
        /// The secret is accepted by `client_secret_post` only, and the document says so.
        SecretByPostOnly = "secret-by-post-only",
        /// The secret is accepted by `client_secret_basic` only, and the document says so.
        SecretByBasicOnly = "secret-by-basic-only",
        /// ID and secret of an HTTP Basic header are compared without decoding, although RFC 6749
        /// section 2.3.1 form-encodes them (Glewlwyd, LemonLDAP::NG).
        RawBasic = "raw-basic",
        /// `client_id` is required in the body of token and device authorization requests, also
        /// beside HTTP Basic (mockin, django-allauth).
        ClientIdRequired = "client-id-required",
        /// `client_id` in the body beside HTTP Basic is refused as a second method of client
        /// authentication, except in device authorization requests.
        ClientIdOrBasic = "client-id-or-basic",
        /// Client assertions are accepted for the issuer alone, and not for the token endpoint
        /// (FAPI 2.0).
        IssuerAudience = "issuer-audience",
        /// Members of a token response without a value are `null`.
        NullMembers = "null-members",
        /// Members of a token response without a value are empty strings.
        EmptyMembers = "empty-members",
        /// `expires_in` is a string of digits.
        TextLife = "text-life",
        /// `expires_in` is an empty string.
        EmptyLife = "empty-life",
        /// There is no `expires_in`.
        NoLife = "no-life",
        /// `token_type` is `bearer`.
        LowerCaseTokenType = "lower-case-token-type",
        /// `scope` is a list (Twitch).
        ScopeList = "scope-list",
        /// `scope` is separated by commas (GitHub, LinkedIn).
        ScopeCommas = "scope-commas",
        /// `scope` has other names than the request: `https://scopes.example/auth/profile` for
        /// `profile` (Google).
        LongScopes = "long-scopes",
        /// `scope` is in capital letters, except for `openid`, `email` and `offline_access` (Entra
        /// ID answers `User.Read` to `user.read`).
        ScopeLetterCase = "scope-letter-case",
        /// `scope` omits `offline_access` (Entra ID).
        ScopeWithoutOfflineAccess = "scope-without-offline-access",
        /// There is no `scope`.
        NoScope = "no-scope",
        /// There are no refresh tokens, whatever the requested scopes.
        NoRefreshTokens = "no-refresh-tokens",
        /// Refresh tokens are issued for `offline_access` only after `prompt=consent`; without it
        /// the scope is ignored (node-oidc-provider; OpenID Connect Core section 11 allows that).
        OfflineAccessByConsent = "offline-access-by-consent",
        /// `offline_access` without `prompt=consent` is refused with `invalid_request` (SATOSA and
        /// other providers that are built on pyop or idpyoidc).
        OfflineAccessNeedsConsent = "offline-access-needs-consent",
        /// Refresh tokens are JWTs with the claim `nbf`, a minute before the access token ends. One
        /// that is used earlier is refused, and all tokens of its grant are revoked (Rauthy).
        RefreshTokenNotBefore = "refresh-token-not-before",
        /// A refresh response has no ID token (OpenID Connect Core section 12.2 allows that).
        NoIdTokenAtRefresh = "no-id-token-at-refresh",
        /// The ID token of a refresh has neither name nor e-mail address, and neither has UserInfo,
        /// although the first ID token had both (Apple; Ory Hydra, depending on its consent page).
        NoNamesAtRefresh = "no-names-at-refresh",

        // ID tokens.
        /// Claims without a value are `null`, including `at_hash`, `auth_time`, and `nonce` if the
        /// request had none (authentik).
        NullClaims = "null-claims",
        /// `aud` is a list with one entry.
        AudienceList = "audience-list",
        /// `aud` lists the client twice.
        AudienceRepeated = "audience-repeated",
        /// Times have fractions (RFC 7519 section 2).
        FractionalTimes = "fractional-times",
        /// Name and e-mail address are only in UserInfo (LemonLDAP::NG, Django OAuth Toolkit;
        /// OpenID Connect Core section 5.4).
        NamesAtUserInfo = "names-at-user-info",
        /// There is no `nonce`, although the request had one (Doorkeeper with its own consent
        /// page). A sign-in with default settings is refused; it needs
        /// [`SignInNonce::Omit`](crate::config::SignInNonce::Omit).
        NoNonce = "no-nonce",
        /// `at_hash` is made by SHA-256, whatever the algorithm of the signature (authentik;
        /// Doorkeeper before 2026-04). It differs from the specification where the provider signs
        /// otherwise than with one of the algorithms in `256`.
        Sha256TokenHash = "sha256-token-hash",
        /// The header has no `typ`.
        NoTokenType = "no-token-type",
        /// The signature's algorithm is correct, but the document lists no algorithms.
        NoAlgorithms = "no-algorithms",
        /// The document lists an algorithm with which the provider does not sign.
        OtherAlgorithms = "other-algorithms",
        /// ID tokens are signed with the client secret (HS256), and the document lists that alone
        /// (authentik without a signing key, FusionAuth by default, LINE).
        SecretSignature = "secret-signature",
    }
}

impl fmt::Display for Quirk {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for Quirk {
    type Err = ConfigError;

    fn from_str(text: &str) -> Result<Self, ConfigError> {
        Self::ALL.iter().copied().find(|quirk| quirk.as_str() == text).ok_or_else(|| {
            let known: Vec<&str> = Self::ALL.iter().map(|quirk| quirk.as_str()).collect();
            ConfigError::new("quirks", format!("{text:?} is not one of {}", known.join(", ")))
        })
    }
}

/// The quirks of one provider.
#[derive(Clone, Debug, Default)]
pub(super) struct Quirks(HashSet<Quirk>);

impl Quirks {
    pub(super) fn has(&self, quirk: Quirk) -> bool {
        self.0.contains(&quirk)
    }

    pub(super) fn add(&mut self, quirks: impl IntoIterator<Item = Quirk>) {
        self.0.extend(quirks);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_quirk_has_a_name_that_reads_back() {
        for quirk in Quirk::ALL {
            assert_eq!(quirk.as_str().parse::<Quirk>().unwrap(), *quirk);
        }
        assert!("null".parse::<Quirk>().unwrap_err().to_string().contains("null-claims"));
    }
}
