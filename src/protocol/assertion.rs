//! Client assertions: JWTs with which the application authenticates at the token endpoint
//! (`private_key_jwt`; RFC 7523 sections 2.2 and 3, OpenID Connect Core section 9).
//!
//! Each is made for one request, is valid for five minutes and has a random `jti`. The provider
//! decides the algorithm and the header that identifies the key:
//!
//! | provider | algorithm | key identified by |
//! |---|---|---|
//! | Entra ID, External ID, B2C | PS256, or RS256 if only a SHA-1 thumbprint is known | `x5t#S256`, or `x5t` |
//! | AD FS | RS256 | `x5t` |
//! | others, RSA key | PS256 if the metadata names it, else RS256 | `kid`, and `x5t#S256` with a certificate |
//! | others, EC or Ed25519 key | the key's own | the same |

use std::time::Duration;

use serde_json::{Map, Value, json};
use url::Url;

use super::{jwt_claims::numeric_date, metadata::Metadata};
use crate::{
    authority::Authority,
    clock::UnixTime,
    config::{Algorithm, AssertionAudience, AssertionOptions, SigningKey},
    error::{Error, ErrorKind},
    secret::{Secret, base64url, random},
};

/// The time from `iat` to `exp`. Auth0 refuses more than five minutes; with less a clock that is a
/// few minutes slow would break sign-in.
const LIFETIME: Duration = Duration::from_secs(300);

/// The contents of an assertion.
#[derive(Clone, Copy)]
pub(super) struct Assertion<'a> {
    pub(super) client_id: &'a str,
    pub(super) audience: &'a str,
    pub(super) key: &'a SigningKey,
    pub(super) options: &'a AssertionOptions,
    pub(super) authority: &'a Authority,
    pub(super) now: UnixTime,
}

impl Assertion<'_> {
    /// The signed JWT.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Internal`]: no random numbers, or the key does not sign.
    pub(super) fn sign(&self, metadata: &Metadata) -> Result<Secret, Error> {
        let (algorithm, header) = self.header(metadata);
        let mut claims: Map<String, Value> = self.options.claims.clone();
        let own = json!({
            "iss": self.client_id,
            "sub": self.client_id,
            "aud": self.audience,
            "iat": self.now.as_seconds(),
            "exp": (self.now + LIFETIME).as_seconds(),
            "jti": guid()?,
        });
        // After the configured claims, so that these cannot replace `iss`, `aud` or `exp`.
        if let Value::Object(own) = own {
            claims.extend(own);
        }
        let message =
            format!("{}.{}", encoded(&Value::Object(header)), encoded(&Value::Object(claims)));
        let signature = self.key.sign(algorithm, message.as_bytes())?;
        Ok(format!("{message}.{}", base64url(&signature)).into())
    }

    /// The algorithm and the header, by the table in the module's documentation.
    fn header(&self, metadata: &Metadata) -> (Algorithm, Map<String, Value>) {
        let Self { key, options, authority, .. } = self;
        let thumbprint = |digits: usize| {
            let text = options.thumbprints.iter().find(|text| text.len() == digits)?;
            Some(base64url(&from_hexadecimal(text)))
        };
        let sha1 = key.sha1_thumbprint().or_else(|| thumbprint(40));
        let sha256 = key.sha256_thumbprint().or_else(|| thumbprint(64));
        let mut header = Map::from_iter([("typ".to_owned(), json!("JWT"))]);
        let mut put = |name: &str, value: Option<Value>| {
            value.map(|value| header.insert(name.to_owned(), value))
        };
        let by_sha256 = sha256.is_some() && !authority.is_adfs();
        let algorithm = options.algorithm.or_else(|| key.own_algorithm()).unwrap_or_else(|| {
            let named = |algorithm| {
                metadata
                    .token_endpoint_auth_algorithms
                    .as_ref()
                    .is_some_and(|all| all.contains(&algorithm))
            };
            let pss = if authority.is_microsoft() {
                by_sha256
            } else {
                !authority.is_adfs() && named(Algorithm::Ps256)
            };
            if pss { Algorithm::Ps256 } else { Algorithm::Rs256 }
        });
        put("alg", Some(json!(algorithm.as_str())));
        put("kid", options.key_id.as_ref().map(|id| json!(id)));
        if by_sha256 {
            put("x5t#S256", sha256.map(Value::String));
        } else {
            put("x5t", sha1.map(Value::String));
        }
        if options.chain {
            let chain =
                key.chain().map(|certificate| base64_simd::STANDARD.encode_to_string(certificate));
            put("x5c", Some(chain.collect()));
        }
        (algorithm, header)
    }
}

/// The audience of an assertion at this provider.
///
/// # Errors
///
/// [`ErrorKind::ProviderMisconfigured`]: it is the token endpoint, which the provider has not.
pub(super) fn audience(named: AssertionAudience, metadata: &Metadata) -> Result<&str, Error> {
    match named {
        AssertionAudience::TokenEndpoint => metadata.token_endpoint().map(Url::as_str),
        AssertionAudience::Issuer => Ok(&metadata.issuer),
    }
}

/// The time until which an assertion from outside (a file or a callback) is used again: a minute
/// before its `exp`. Nothing else is checked; the provider verifies it.
pub(super) fn usable_until(jwt: &Secret) -> Option<UnixTime> {
    Some(unverified_end(jwt)? - Duration::from_secs(60))
}

/// The `exp` claim of an unverified JWT; `None` for an opaque token. It may only shorten how long
/// the token is used.
pub(crate) fn unverified_end(jwt: &Secret) -> Option<UnixTime> {
    unverified_time(jwt, "exp")
}

/// The `nbf` claim of an unverified JWT; `None` for an opaque token. It may only delay the use of
/// the token.
pub(crate) fn unverified_beginning(jwt: &Secret) -> Option<UnixTime> {
    unverified_time(jwt, "nbf")
}

fn unverified_time(jwt: &Secret, claim: &str) -> Option<UnixTime> {
    let claims = crate::secret::unverified_payload(jwt)?;
    numeric_date(serde_json::from_slice::<Value>(&claims).ok()?.get(claim)?)
}

/// A random GUID (UUID version 4, RFC 9562 section 5.4), which Microsoft requires as `jti`.
pub(super) fn guid() -> Result<String, Error> {
    let mut bits = u128::from_be_bytes(random::<16>()?);
    bits = bits & !(0xf << 76) | 4 << 76;
    bits = bits & !(0b11 << 62) | 0b10 << 62;
    let text = format!("{bits:032x}");
    let parts = [0..8, 8..12, 12..16, 16..20, 20..32]
        .map(|part| text.get(part).unwrap_or_default().to_owned());
    Ok(parts.join("-"))
}

fn encoded(value: &Value) -> String {
    base64url(value.to_string().as_bytes())
}

/// The bytes of a hexadecimal text. Its digits were checked by `build()`.
fn from_hexadecimal(text: &str) -> Vec<u8> {
    let digit = |digit: &u8| {
        char::from(*digit)
            .to_digit(16)
            .and_then(|digit| u8::try_from(digit).ok())
            .unwrap_or_default()
    };
    text.as_bytes()
        .chunks_exact(2)
        .map(|pair| {
            pair.iter().fold(0, |byte: u8, next| byte.wrapping_mul(16).wrapping_add(digit(next)))
        })
        .collect()
}

/// The error of a credential that cannot be loaded. `problem` names files, never their contents.
pub(super) fn unavailable(problem: impl std::fmt::Display) -> Error {
    Error::new(ErrorKind::CredentialUnavailable, format!("the application's credential: {problem}"))
}
