//! ID tokens (OpenID Connect Core sections 2, 3.1.3.7, 3.1.3.8 and 12.2), on top of what every token is held to ([`jwt`](super::jwt)):
//!
//! - `sub`: 1 to 255 ASCII characters;
//! - `nonce`: exactly the one that was sent, none if none was sent;
//! - `at_hash`, where present, is that of the access token that came with it;
//! - `auth_time`, where present, is a number; where `max_age` was asked, present and recent enough;
//! - `acr`, where some are required, is one of them.

use std::{fmt, time::Duration};

use aws_lc_rs::digest::{self, SHA256, SHA384, SHA512};
use serde_json::Value;

use super::{
    json::{self, Object},
    jwks::Keys,
    jwt::{Kind, Rules, Unverified, malformed, numeric_date},
};
use crate::{
    clock::UnixTime,
    config::Algorithm,
    error::{Error, ErrorKind},
    secret::{base64url, same},
};

/// What this ID token in particular is held to.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct IdTokenExpectation<'a> {
    pub(crate) nonce: Nonce<'a>,
    /// The `max_age` of the authorization request.
    pub(crate) max_age: Option<Duration>,
    /// Authentication context classes of which the token must have one; none means any.
    pub(crate) acr: &'a [String],
    /// The access token of the same answer.
    pub(crate) access_token: Option<&'a str>,
}

/// What `nonce` has to be.
#[derive(Clone, Copy, Default)]
pub(crate) enum Nonce<'a> {
    /// None was sent, so none may come back.
    #[default]
    NotSent,
    /// This one was sent.
    Sent(&'a str),
    /// A refresh: none is needed, but one that comes is the sign-in's, if that is still known (section 12.2).
    Renewal(Option<&'a str>),
}

impl fmt::Debug for Nonce<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::NotSent => "NotSent",
            Self::Sent(_) => "Sent([redacted])",
            Self::Renewal(_) => "Renewal([redacted])",
        })
    }
}

/// An ID token that passed every check: only the verifier makes one.
#[derive(Clone)]
pub(crate) struct VerifiedIdToken {
    raw: String,
    claims: String,
    iss: String,
    sub: String,
    tid: Option<String>,
    oid: Option<String>,
    sid: Option<String>,
    exp: UnixTime,
    iat: UnixTime,
    auth_time: Option<UnixTime>,
}

impl VerifiedIdToken {
    /// The token as it came, to be sent as `id_token_hint`.
    pub(crate) fn raw(&self) -> &str {
        &self.raw
    }

    /// The claims: the JSON object that was signed.
    pub(crate) fn claims(&self) -> &str {
        &self.claims
    }

    pub(crate) fn iss(&self) -> &str {
        &self.iss
    }

    pub(crate) fn sub(&self) -> &str {
        &self.sub
    }

    /// The tenant (Entra).
    pub(crate) fn tid(&self) -> Option<&str> {
        self.tid.as_deref()
    }

    /// The person within the tenant (Entra).
    pub(crate) fn oid(&self) -> Option<&str> {
        self.oid.as_deref()
    }

    /// The provider's session.
    pub(crate) fn sid(&self) -> Option<&str> {
        self.sid.as_deref()
    }

    pub(crate) fn exp(&self) -> UnixTime {
        self.exp
    }

    pub(crate) fn iat(&self) -> UnixTime {
        self.iat
    }

    pub(crate) fn auth_time(&self) -> Option<UnixTime> {
        self.auth_time
    }
}

impl fmt::Debug for VerifiedIdToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("VerifiedIdToken").field("iss", &self.iss).field("exp", &self.exp).finish_non_exhaustive()
    }
}

/// Verifies an ID token completely.
///
/// # Errors
///
/// The kind of the first check that fails.
pub(crate) fn verify(
    raw: &str,
    token: &Unverified<'_>,
    expectation: &IdTokenExpectation<'_>,
    rules: &Rules<'_>,
    keys: &Keys,
) -> Result<VerifiedIdToken, Error> {
    debug_assert_eq!(rules.kind, Kind::IdToken);
    let verified = token.verify(rules, keys)?;
    let claims = &verified.claims;
    let sub = check_subject(claims)?;
    check_nonce(claims, expectation.nonce)?;
    check_access_token_hash(claims, verified.algorithm, expectation.access_token)?;
    let auth_time = check_auth_time(claims, expectation.max_age, rules)?;
    check_acr(claims, expectation.acr)?;
    let text = |name: &str| json::text(claims, name).map(str::to_owned);
    let (Some(exp), Some(iat)) = (verified.exp, verified.iat) else { return Err(malformed("the token has no `exp` or `iat`")) };
    Ok(VerifiedIdToken {
        raw: raw.to_owned(),
        tid: text("tid"),
        oid: text("oid"),
        sid: text("sid"),
        iss: verified.iss,
        claims: verified.payload,
        sub,
        exp,
        iat,
        auth_time,
    })
}

/// OpenID Connect Core section 2: at most 255 ASCII characters, case sensitive.
fn check_subject(claims: &Object) -> Result<String, Error> {
    let sub = json::text(claims, "sub").filter(|sub| !sub.is_empty() && sub.len() <= 255 && sub.is_ascii());
    sub.map(str::to_owned)
        .ok_or_else(|| Error::new(ErrorKind::TokenSubject, "`sub` is not there or not a text of 1 to 255 ASCII characters"))
}

/// Step 11 of section 3.1.3.7. An attempt has one nonce; a token with a nonce that nobody sent was made for another request.
fn check_nonce(claims: &Object, expected: Nonce<'_>) -> Result<(), Error> {
    let refused = |detail: &'static str| Err(Error::new(ErrorKind::TokenNonce, detail));
    match (claims.get("nonce"), expected) {
        (None, Nonce::NotSent | Nonce::Renewal(_)) => Ok(()),
        (None, Nonce::Sent(_)) => refused("the token has no `nonce`"),
        (Some(_), Nonce::NotSent) => refused("the token has a `nonce` although none was sent"),
        (Some(Value::String(_)), Nonce::Renewal(None)) => Ok(()),
        (Some(Value::String(nonce)), Nonce::Sent(sent) | Nonce::Renewal(Some(sent)))
            if same(nonce.as_bytes(), sent.as_bytes()) =>
        {
            Ok(())
        }
        _ => refused("`nonce` is not the one that was sent"),
    }
}

/// Section 3.1.3.8.
fn check_access_token_hash(claims: &Object, algorithm: Algorithm, access_token: Option<&str>) -> Result<(), Error> {
    let refused = |detail: &'static str| Err(Error::new(ErrorKind::TokenAtHash, detail));
    match (claims.get("at_hash"), access_token) {
        (None, _) => Ok(()),
        (Some(Value::String(_)), None) => Ok(()),
        (Some(Value::String(hash)), Some(token)) if same(hash.as_bytes(), half_hash(algorithm, token).as_bytes()) => Ok(()),
        (Some(Value::String(_)), Some(_)) => refused("`at_hash` is not that of the access token"),
        (Some(_), _) => refused("`at_hash` is not text"),
    }
}

/// The left half of the text's hash, by the hash algorithm of the signature (section 3.1.3.6; for Ed25519 that is SHA-512).
pub(crate) fn half_hash(algorithm: Algorithm, text: &str) -> String {
    let hash = match algorithm {
        Algorithm::Rs256 | Algorithm::Ps256 | Algorithm::Es256 => &SHA256,
        Algorithm::Rs384 | Algorithm::Ps384 | Algorithm::Es384 => &SHA384,
        Algorithm::Rs512 | Algorithm::Ps512 | Algorithm::EdDsa => &SHA512,
    };
    let whole = digest::digest(hash, text.as_bytes());
    let whole = whole.as_ref();
    base64url(whole.get(..whole.len() / 2).unwrap_or_default())
}

/// Step 13 of section 3.1.3.7. A wrong `auth_time` is refused also where nobody asked for one: it would be read later.
fn check_auth_time(claims: &Object, max_age: Option<Duration>, rules: &Rules<'_>) -> Result<Option<UnixTime>, Error> {
    let refused = |detail: &'static str| Err(Error::new(ErrorKind::TokenAuthTime, detail));
    let auth_time = match claims.get("auth_time") {
        None => None,
        Some(value) => match numeric_date(value).filter(|time| time.as_seconds() >= 0) {
            None => return refused("`auth_time` is not a date"),
            time => time,
        },
    };
    match (auth_time, max_age) {
        (None, Some(_)) => refused("the token has no `auth_time` although `max_age` was asked"),
        (Some(time), Some(max_age)) if time + max_age + rules.leeway < rules.now => {
            refused("`auth_time` is longer ago than `max_age`")
        }
        (Some(time), Some(_)) if time > rules.now + rules.leeway => refused("`auth_time` lies in the future"),
        (auth_time, _) => Ok(auth_time),
    }
}

/// Step 12 of section 3.1.3.7.
fn check_acr(claims: &Object, required: &[String]) -> Result<(), Error> {
    let acr = json::text(claims, "acr");
    if required.is_empty() || acr.is_some_and(|acr| required.iter().any(|required| required == acr)) {
        return Ok(());
    }
    Err(Error::new(ErrorKind::TokenAcr, "`acr` is not one of those required"))
}
