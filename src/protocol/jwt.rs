//! The verifier of JSON Web Tokens: one for every kind of token (RFC 7515 section 5.2, RFC 7519
//! section 7.2, RFC 8725; OpenID Connect Core section 3.1.3.7).
//!
//! [`UnverifiedJwt::parse`] decodes a token, [`UnverifiedJwt::verify`] checks it. The checks, in
//! this order. Before the signature has been verified, a claim only chooses the key or refuses the
//! token:
//!
//! 1. Serialization: three base64url parts, of which the first two are JSON objects without
//!    repeated members. Encrypted tokens (five parts) are refused.
//! 2. Header: `alg` is on an explicit list of asymmetric algorithms, or is the one HMAC algorithm
//!    that the configuration names; there is no `crit`; `typ` does not name another kind of token.
//! 3. Key: from the provider's key set, chosen by `kid`; the client secret for that HMAC algorithm.
//!    Keys and addresses of keys in the header (`jwk`, `jku`, `x5u`, `x5c`) are never read.
//! 4. Signature, and whether that key may sign for this issuer and cloud.
//! 5. Issuer: `iss`, and the tenant at Microsoft's authorities.
//! 6. Audience: `aud` and `azp`. For an access token `aud` comes before the key.
//! 7. Time: `exp`, `nbf`, `iat` with the configured leeway, and the maximum age.
//!
//! The claims that every kind of token has are checked in [`jwt_claims`]. Claims that only one kind
//! has (`sub`, `nonce`, `at_hash`, …) are checked in the module of that kind:
//! [`id_token`](super::id_token), [`user_info`](super::user_info),
//! [`access_token`](super::access_token).
//!
//! A claim that decides is strict: if it is present, it has the type of the specification or the
//! token is refused. `null` counts as absent, as in every document
//! ([`OptionalMembers`](super::json::OptionalMembers)), but not in an access token.

use std::time::Duration;

use aws_lc_rs::{
    digest::{self, SHA256, SHA384, SHA512},
    hmac,
};
use serde_json::Value;

use super::{
    access_token, error_answer,
    json::{self, Object},
    jwks::{self, JwkSet},
    jwt_claims,
    metadata::{ALGORITHMS_ORIGIN, SIGNED_BY_SECRET},
};
use crate::{
    authority::{Authority, Tenants, TokenIssuer},
    clock::UnixTime,
    config::{Algorithm, ClientCredential, HmacAlgorithm},
    error::{Error, ErrorKind},
    secret::{Secret, from_base64url},
};

/// The largest token that is parsed, in bytes. ID tokens with hundreds of claims stay below 20 KB.
const MAX_TOKEN_BYTES: usize = 64 * 1024;

/// The kind of a token, which decides the claims that it must have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum TokenKind<'a> {
    /// An ID token: `iss`, `aud`, `exp` and `iat` are required (OpenID Connect Core section 2).
    IdToken,
    /// A signed UserInfo response: `iss`, `aud` and the times are optional, and checked if present
    /// (OpenID Connect Core section 5.3.2).
    UserInfo,
    /// An access token for this application as an API: `iss`, `aud` and `exp` are required (RFC
    /// 9068 section 2.2). `aud` is checked before key and signature.
    AccessToken(ApiTokenRules<'a>),
    /// A signed introspection response: `iss`, `aud` and `iat` are required (RFC 9701 section 5).
    Introspection,
}

/// The values that access tokens for an API are compared with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct ApiTokenRules<'a> {
    /// The names of the API, of which `aud` must have one.
    pub(crate) audiences: &'a [String],
    /// The B2C policies whose tokens are accepted.
    pub(crate) policies: &'a [String],
    /// Whether `typ` must be `at+jwt` (RFC 9068 section 4).
    pub(crate) type_required: bool,
    /// The issuer of access tokens, if the document has one for them alone (AD FS).
    pub(crate) issuer: Option<&'a str>,
}

/// The signatures that are accepted.
#[derive(Clone, Copy, Debug)]
pub(crate) enum SignatureRule<'a> {
    /// By a key of the provider's key set, with one of these algorithms.
    Keys(&'a [Algorithm]),
    /// By the client secret, with this algorithm alone. Several credentials have several secrets.
    Secret(HmacAlgorithm, &'a ClientCredential),
}

impl SignatureRule<'_> {
    /// The names of the algorithms, separated by commas.
    fn list(&self) -> String {
        match self {
            Self::Keys(algorithms) => Algorithm::list(algorithms),
            Self::Secret(hmac, _) => hmac.to_string(),
        }
    }
}

/// The signature that a token must have by its header and the rules.
#[derive(Clone, Copy)]
enum ExpectedSignature<'a> {
    Key(Algorithm),
    Secret(HmacAlgorithm, &'a ClientCredential),
}

impl ExpectedSignature<'_> {
    /// The hash algorithms that `at_hash` may use: that of the signature (OpenID Connect Core
    /// section 3.1.3.6), and SHA-256, which some providers take beside every signature (authentik;
    /// Doorkeeper before 2026-04). Half of either hash has at least the 128 bits that the
    /// specification has for RS256, and ties the ID token to its access token.
    ///
    /// No specification names one for `EdDSA`. Most providers take SHA-512, which Ed25519 uses
    /// inside.
    fn hashes(self) -> &'static [&'static digest::Algorithm] {
        match self {
            Self::Key(Algorithm::Rs256 | Algorithm::Ps256 | Algorithm::Es256)
            | Self::Secret(HmacAlgorithm::Hs256, _) => &[&SHA256],
            Self::Key(Algorithm::Rs384 | Algorithm::Ps384 | Algorithm::Es384)
            | Self::Secret(HmacAlgorithm::Hs384, _) => &[&SHA384, &SHA256],
            Self::Key(Algorithm::Rs512 | Algorithm::Ps512 | Algorithm::Es512)
            | Self::Secret(HmacAlgorithm::Hs512, _)
            | Self::Key(Algorithm::EdDsa) => &[&SHA512, &SHA256],
        }
    }
}

/// The values that the header and the claims of every token are compared with.
#[derive(Clone, Copy, Debug)]
pub(crate) struct TokenRules<'a> {
    pub(crate) kind: TokenKind<'a>,
    pub(crate) signature: SignatureRule<'a>,
    pub(crate) authority: &'a Authority,
    /// The tenants that may sign in, at Microsoft's multi-tenant authorities.
    pub(crate) tenants: &'a Tenants,
    /// `issuer` of the discovery document; may be a template with `{tenantid}`.
    pub(crate) metadata_issuer: &'a str,
    /// The client id.
    pub(crate) audience: &'a str,
    /// Audiences that may stand in `aud` beside the client id.
    pub(crate) trusted_audiences: &'a [String],
    pub(crate) now: UnixTime,
    /// The tolerated difference between the clock of the provider and `now`.
    pub(crate) leeway: Duration,
    /// The greatest time since `iat`.
    pub(crate) max_age: Option<Duration>,
}

/// A decoded token of which nothing is verified yet.
pub(crate) struct UnverifiedJwt<'a> {
    header: Object,
    claims: Object,
    payload: String,
    signing_input: &'a str,
    signature: Vec<u8>,
}

/// The claims of a token that passed every check of [`TokenRules`].
pub(crate) struct VerifiedJwt<'t> {
    /// The claims as the JSON text that was signed.
    pub(crate) payload: &'t str,
    pub(crate) claims: &'t Object,
    /// The hash algorithms that `at_hash` may use.
    pub(crate) hashes: &'static [&'static digest::Algorithm],
    pub(crate) iss: String,
    /// Always present in an ID token.
    pub(crate) exp: Option<UnixTime>,
}

impl<'a> UnverifiedJwt<'a> {
    /// Decodes a token in the JWS compact serialization (RFC 7515 section 7.1).
    ///
    /// # Errors
    ///
    /// [`ErrorKind::TokenMalformed`].
    pub(crate) fn parse(token: &'a str) -> Result<Self, Error> {
        if token.len() > MAX_TOKEN_BYTES {
            return Err(malformed(format!(
                "the token has {} bytes; this library accepts at most {MAX_TOKEN_BYTES}: have the \
                 provider put fewer claims (such as groups) into it",
                token.len()
            )));
        }
        let parts: Vec<&str> = token.split('.').take(6).collect();
        let (header, claims, signature) = match parts.as_slice() {
            [header, claims, signature] => (*header, *claims, *signature),
            // RFC 7516 section 9: five parts are a JWE. Decrypting would need a private key at the
            // client, which no supported provider asks for.
            [_, _, _, _, _] => {
                return Err(malformed(
                    "the token is encrypted (JWE), which is not supported: \
                     register the client at the provider for signed tokens only",
                ));
            }
            _ => return Err(malformed("not a signed JWT: expected three dot-separated parts")),
        };
        let signing_input = token.get(..header.len() + 1 + claims.len()).unwrap_or_default();
        let decode = |part: &str| {
            from_base64url(part).ok_or_else(|| malformed("a part of the JWT is not base64url"))
        };
        // RFC 7515 section 4, RFC 7519 section 4: member names are unique. With a repeated member
        // two parsers could read two different tokens from the same signed text.
        let refused = |name: &str, error: json::JsonError| {
            malformed(format!("the {name} of the JWT: {}", error.as_str()))
        };
        let header = json::object(&decode(header)?).map_err(|error| refused("header", error))?;
        let payload = String::from_utf8(decode(claims)?)
            .map_err(|_| malformed("the claims of the JWT are not UTF-8"))?;
        Ok(Self {
            header,
            claims: json::object_of_text(&payload).map_err(|error| refused("claims", error))?,
            payload,
            signing_input,
            signature: decode(signature)?,
        })
    }

    /// The header and the claims as they were signed.
    pub(super) fn signing_input(&self) -> &str {
        self.signing_input
    }

    /// The B2C policy that the token names as its own, with nothing verified.
    pub(super) fn claimed_policy(&self) -> Option<String> {
        access_token::policy_of(&self.claims).ok().flatten()
    }

    /// The algorithm of the header; `None` if it is not one that can be verified at all.
    pub(crate) fn asymmetric_algorithm(&self) -> Option<Algorithm> {
        Algorithm::named(json::text(&self.header, "alg")?)
    }

    /// Checks everything that [`TokenRules`] say, in the order of the module's documentation.
    ///
    /// # Errors
    ///
    /// The kind of the first check that fails. After [`ErrorKind::TokenKeyUnknown`] and
    /// [`ErrorKind::TokenSignature`] a newer key set may help.
    pub(crate) fn verify(
        &self,
        rules: &TokenRules<'_>,
        keys: &JwkSet,
    ) -> Result<VerifiedJwt<'_>, Error> {
        let expected = self.check_header(rules)?;
        jwt_claims::check_letter_case(&self.claims, rules)?;
        let claimed = jwt_claims::claimed_issuer(&self.claims, rules)?;
        let mut as_in_id_tokens = None;
        if let TokenKind::AccessToken(api) = rules.kind {
            // RFC 9068 section 4: a token for another API must be refused, and `aud` is in every
            // token of this type. It comes before the signature, the issuer and the times, so that
            // the client of another API learns the true cause.
            let may_be_of_cognito = !self.is_typed_access_token()
                && !rules.authority.is_microsoft()
                && !rules.authority.is_adfs();
            access_token::check_audience(&self.claims, api.audiences, may_be_of_cognito)?;
            // Before the key: a custom policy of B2C can have keys of its own.
            access_token::check_policy(&self.claims, rules.authority, api.policies)?;
            as_in_id_tokens =
                rules.authority.issuer_as_in_id_tokens(rules.metadata_issuer, api.issuer, &claimed);
        }
        let issuer =
            TokenIssuer { iss: as_in_id_tokens.as_deref().unwrap_or(claimed.iss), ..claimed };
        self.check_signature(expected, &issuer, rules, keys)?;
        rules.authority.check_token_issuer(rules.tenants, rules.metadata_issuer, &issuer)?;
        if !matches!(rules.kind, TokenKind::AccessToken(_)) {
            jwt_claims::check_audience(&self.claims, rules)?;
        }
        let exp = jwt_claims::check_times(&self.claims, rules)?;
        Ok(VerifiedJwt {
            payload: &self.payload,
            claims: &self.claims,
            hashes: expected.hashes(),
            iss: rules.authority.canonical_issuer(claimed.iss, rules.metadata_issuer).to_owned(),
            exp,
        })
    }

    /// Whether the header's `typ` is `at+jwt` (RFC 9068 section 2.1).
    pub(crate) fn is_typed_access_token(&self) -> bool {
        json::text(&self.header, "typ").is_some_and(|typ| media_type(typ) == "at+jwt")
    }

    /// Checks the header and returns the signature that the token must have (RFC 7515 section 4.1,
    /// RFC 8725 sections 3.1 and 3.11).
    fn check_header<'r>(&self, rules: &TokenRules<'r>) -> Result<ExpectedSignature<'r>, Error> {
        // RFC 7515 section 4.1.11: a `crit` whose extensions are not understood refuses the token,
        // and no extension is. `b64` (RFC 7797) changes what is signed, `zip` and `enc` are of JWE.
        for member in ["crit", "b64", "zip", "enc"] {
            if self.header.contains_key(member) {
                return Err(malformed(format!(
                    "the header has `{member}`, which is not supported"
                )));
            }
        }
        // RFC 7515 sections 4.1.4 and 4.1.9: strings. Both decide, so that an access token is held
        // to it; an ID token comes from the provider itself.
        if matches!(rules.kind, TokenKind::AccessToken(_))
            && let Some(member) = ["typ", "kid"].into_iter().find(|name| self.is_null(name))
        {
            return Err(malformed(format!("the header's `{member}` is null")));
        }
        let typ = match json::present(&self.header, "typ") {
            None => None,
            Some(Value::String(typ)) => Some(typ.as_str()),
            Some(_) => return Err(malformed("the header's `typ` is not a string")),
        };
        check_type(typ, rules.kind)?;
        let alg =
            json::text(&self.header, "alg").ok_or_else(|| malformed("the header has no `alg`"))?;
        // RFC 8725 section 3.1: the list comes from the configuration and the provider's document,
        // never from the token. A list of `Algorithm` has no HMAC, and with an HMAC no public key
        // is looked at, so a token cannot be verified with the public key as a shared secret.
        let expected = match rules.signature {
            SignatureRule::Keys(algorithms) => Algorithm::named(alg)
                .filter(|algorithm| algorithms.contains(algorithm))
                .map(ExpectedSignature::Key),
            SignatureRule::Secret(hmac, credential) => {
                (alg == hmac.as_str()).then_some(ExpectedSignature::Secret(hmac, credential))
            }
        };
        expected.ok_or_else(|| {
            let origin = match rules.kind {
                // The provider's document lists none for access tokens.
                TokenKind::AccessToken(_) => "`with_algorithms`, IDENTITY_ID_TOKEN_ALGORITHMS",
                _ => ALGORITHMS_ORIGIN,
            };
            let (name, accepted) = (error_answer::code(alg), rules.signature.list());
            let detail =
                format!("the token's algorithm is {name:?}, accepted are: {accepted} ({origin})");
            let error = Error::new(ErrorKind::TokenAlgorithm, detail);
            match (HmacAlgorithm::named(alg), rules.kind) {
                (Some(_), TokenKind::IdToken | TokenKind::UserInfo) => {
                    error.with_remedy(SIGNED_BY_SECRET)
                }
                _ => error,
            }
        })
    }

    fn is_null(&self, member: &str) -> bool {
        self.header.get(member).is_some_and(Value::is_null)
    }

    /// `kid` of the header.
    pub(super) fn kid(&self) -> Result<Option<String>, Error> {
        match (json::present(&self.header, "kid"), jwks::kid(&self.header)) {
            (Some(_), None) => {
                Err(malformed("the header's `kid` is neither a string nor a number"))
            }
            (_, kid) => Ok(kid),
        }
    }

    /// Verifies the signature with the keys that `kid` and `alg` choose (RFC 7515 section 5.2), and
    /// checks that the key that made it may sign for the issuer.
    ///
    /// OpenID Connect Core section 3.1.3.7, step 6, allows TLS to stand for the signature of a
    /// token from the token endpoint. This crate never does without the signature.
    fn check_signature(
        &self,
        expected: ExpectedSignature<'_>,
        issuer: &TokenIssuer<'_>,
        rules: &TokenRules<'_>,
        keys: &JwkSet,
    ) -> Result<(), Error> {
        let algorithm = match expected {
            ExpectedSignature::Key(algorithm) => algorithm,
            ExpectedSignature::Secret(hmac, credential) => {
                return self.check_hmac(hmac, credential);
            }
        };
        let kid = self.kid()?;
        let candidates = keys.candidates(algorithm, kid.as_deref());
        if candidates.is_empty() {
            let kid = kid.map_or_else(
                || "no `kid`".to_owned(),
                |kid| format!("the `kid` {:?}", error_answer::code(&kid)),
            );
            let (count, usable) = (keys.len(), keys.usable_summary());
            let unusable = keys.unusable_summary();
            return Err(Error::new(
                ErrorKind::TokenKeyUnknown,
                format!(
                    "the token has {kid} and is signed with {algorithm}: \
                     none of the provider's {count} usable keys{usable} fits{unusable}"
                ),
            ));
        }
        let message = self.signing_input.as_bytes();
        let mut outcome = Err(wrong_signature());
        for key in candidates.iter().filter(|key| key.verifies(algorithm, message, &self.signature))
        {
            // Entra publishes one key set for all tenants and clouds: without this check the key of
            // one issuer could sign for every other. A set may list the same key once per issuer,
            // so the next entry may be the right one.
            outcome = rules.authority.check_key(rules.metadata_issuer, &key.issuer(), issuer);
            if outcome.is_ok() {
                break;
            }
        }
        outcome
    }

    /// Verifies the signature with the client secret (OpenID Connect Core section 3.1.3.7, step 8).
    fn check_hmac(&self, hmac: HmacAlgorithm, credential: &ClientCredential) -> Result<(), Error> {
        let message = self.signing_input.as_bytes();
        let is_signed_by = |secret: &Secret| {
            let key = hmac::Key::new(hmac.verification(), secret.expose().as_bytes());
            hmac::verify(&key, message, &self.signature).is_ok()
        };
        match credential.client_secrets().any(is_signed_by) {
            true => Ok(()),
            false => Err(wrong_signature()),
        }
    }
}

/// Checks the header's `typ` (RFC 8725 section 3.11): a token of another kind must not pass for one
/// of this kind, even though the same key signed it.
fn check_type(typ: Option<&str>, kind: TokenKind<'_>) -> Result<(), Error> {
    // No setting accepts a token of another kind. At an API the client sent the wrong one.
    let refused = |detail: String| {
        let kind = match kind {
            TokenKind::AccessToken(_) => ErrorKind::TokenKind,
            _ => ErrorKind::TokenMalformed,
        };
        Err(Error::new(kind, detail))
    };
    let is_allowed = match kind {
        TokenKind::IdToken | TokenKind::UserInfo => typ.is_none_or(is_general_type),
        // RFC 9701 section 5.
        TokenKind::Introspection => {
            typ.is_some_and(|typ| media_type(typ) == "token-introspection+jwt")
        }
        TokenKind::AccessToken(api) => match typ.map(media_type).as_deref() {
            Some("at+jwt") => true,
            // RFC 9068 section 4 requires `at+jwt`. Many providers, Entra among them, write `JWT`.
            None | Some("jwt") if api.type_required => {
                return refused(
                    "the header's `typ` is not `at+jwt`, which is required (`with_token_type`, \
                     IDENTITY_ACCESS_TOKEN_TYPE)"
                        .to_owned(),
                );
            }
            None | Some("jwt") => true,
            Some(_) => false,
        },
    };
    match typ {
        _ if is_allowed => Ok(()),
        Some(typ) => refused(format!(
            "the header's `typ` is {:?}, that of another kind of token",
            error_answer::code(typ)
        )),
        None => refused("the header has no `typ`, which this kind of token must have".to_owned()),
    }
}

/// A media type in its short form and lower case: `application/` may be left out (RFC 7515 section
/// 4.1.9).
fn media_type(typ: &str) -> String {
    let typ = typ.to_ascii_lowercase();
    typ.strip_prefix("application/").map_or(typ.clone(), str::to_owned)
}

/// Whether a `typ` names no kind of token in particular (`JWT`, or a value that is not registered)
/// or names an ID token. Values of the form `…+jwt` are explicit types of other tokens, such as
/// `at+jwt` or `logout+jwt` (RFC 8725 section 3.11).
fn is_general_type(typ: &str) -> bool {
    let typ = media_type(typ);
    !typ.ends_with("+jwt") || typ == "id_token+jwt"
}

fn wrong_signature() -> Error {
    Error::new(ErrorKind::TokenSignature, "the signature is wrong")
}

pub(super) fn malformed(detail: impl Into<std::borrow::Cow<'static, str>>) -> Error {
    Error::new(ErrorKind::TokenMalformed, detail)
}

#[cfg(test)]
#[path = "jwt_algorithms_tests.rs"]
mod algorithms_tests;
#[cfg(test)]
#[path = "jwt_claims_tests.rs"]
mod claims_tests;
#[cfg(test)]
#[path = "jwt_tests.rs"]
mod tests;
