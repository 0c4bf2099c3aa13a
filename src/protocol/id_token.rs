//! ID tokens (OpenID Connect Core sections 2, 3.1.3.7, 3.1.3.8 and 12.2), on top of what every
//! token is held to ([`jwt`](super::jwt)):
//!
//! - B2C: made by the policy that was asked; Entra ID: of version 2.0;
//! - `sub`: 1 to 255 ASCII characters, none of them a control character;
//! - `nonce`: exactly the one that was sent, none if none was sent;
//! - `at_hash`, where present, is that of the access token that came with it;
//! - `auth_time`, where `max_age` was asked: present, a number, and recent enough;
//! - `acr`, where some are required, is one of them;
//! - the authentication context that was asked for in particular is among those met.
//!
//! An optional claim of no use is as if it were not there, in the one way of [`OptionalMembers`]:
//! some providers write every claim that they know, and `null` for those that they have not.

use std::{fmt, time::Duration};

use aws_lc_rs::digest::{self, SHA256, SHA384, SHA512};
use serde_json::Value;

use super::{
    client_info::ClientInfo,
    json::{self, Object, OptionalMembers},
    jwks::Keys,
    jwt::{Kind, Rules, Unverified, malformed, numeric_date},
};
use crate::{
    clock::UnixTime,
    config::Algorithm,
    error::{Error, ErrorKind, shown},
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
    /// The authentication context that was asked for in particular.
    pub(crate) auth_context: Option<&'a str>,
    /// The access token of the same answer.
    pub(crate) access_token: Option<&'a str>,
    /// `client_info` of the same answer (Entra).
    pub(crate) client_info: Option<&'a ClientInfo>,
}

/// What `nonce` has to be.
#[derive(Clone, Copy, Default)]
pub(crate) enum Nonce<'a> {
    /// None was sent, so none may come back.
    #[default]
    NotSent,
    /// This one was sent.
    Sent(&'a str),
    /// A refresh: none is needed, but one that comes is the sign-in's, if that is still known
    /// (section 12.2).
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
    exp: UnixTime,
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

    /// The tenant, at Microsoft's authorities; where the token does not name it (B2C), that of its
    /// issuer.
    pub(crate) fn tid(&self) -> Option<&str> {
        self.tid.as_deref()
    }

    /// The person within the tenant, at Microsoft's authorities.
    pub(crate) fn oid(&self) -> Option<&str> {
        self.oid.as_deref()
    }

    pub(crate) fn exp(&self) -> UnixTime {
        self.exp
    }
}

impl fmt::Debug for VerifiedIdToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("VerifiedIdToken")
            .field("iss", &self.iss)
            .field("exp", &self.exp)
            .finish_non_exhaustive()
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
    rules.authority.check_policy(json::text(claims, "tfp"), json::text(claims, "acr"))?;
    let sub = check_subject(claims)?;
    if rules.authority.is_microsoft() {
        check_client_info(claims, expectation.client_info)?;
    }
    check_version(claims, rules.authority.is_entra())?;
    check_nonce(claims, expectation.nonce)?;
    check_access_token_hash(claims, verified.algorithm, expectation.access_token)?;
    check_auth_time(claims, expectation.max_age, rules)?;
    check_acr(claims, expectation.acr)?;
    check_auth_context(claims, expectation.auth_context, rules.authority.is_microsoft())?;
    // Elsewhere claims of these names mean whatever the provider likes.
    let directory =
        |name: &str| json::text(claims, name).filter(|_| rules.authority.is_microsoft());
    let tid =
        directory("tid").or_else(|| rules.authority.tenant_in(&verified.iss)).map(str::to_owned);
    let oid = directory("oid").filter(|oid| !oid.is_empty()).map(str::to_owned);
    if rules.authority.is_microsoft() {
        check_told_apart(&sub, oid.as_deref())?;
    }
    let exp = verified.exp.ok_or_else(|| malformed("the token has no `exp`"))?;
    Ok(VerifiedIdToken {
        raw: raw.to_owned(),
        tid,
        oid,
        iss: verified.iss,
        claims: verified.payload,
        sub,
        exp,
    })
}

/// B2C writes `Not supported currently. Use oid claim.` for everybody, where the user flow's
/// compatibility settings say so.
const NO_SUBJECT: &str = "Not supported";

/// OpenID Connect Core section 2: at most 255 ASCII characters, case sensitive. A control character
/// is no part of a name, and would end up in the application's records and logs.
fn check_subject(claims: &Object) -> Result<String, Error> {
    let refused =
        |problem: &str| Err(Error::new(ErrorKind::TokenSubject, format!("`sub` {problem}")));
    match json::present(claims, "sub") {
        None => refused("is missing"),
        Some(Value::String(sub)) if sub.is_empty() => refused("is empty"),
        Some(Value::String(sub)) if sub.len() > 255 => refused("has more than 255 characters"),
        Some(Value::String(sub)) if !sub.bytes().all(|byte| matches!(byte, b' '..=b'~')) => {
            refused("has characters that are not ASCII, or control characters")
        }
        Some(Value::String(sub)) => Ok(sub.clone()),
        Some(_) => refused("is not text"),
    }
}

/// Somebody without a subject of their own has an object id.
fn check_told_apart(sub: &str, oid: Option<&str>) -> Result<(), Error> {
    if oid.is_none() && sub.starts_with(NO_SUBJECT) {
        return Err(Error::new(
            ErrorKind::TokenSubject,
            "`sub` says that there is none, and there is no `oid`: nothing tells people apart",
        ));
    }
    Ok(())
}

/// Entra tells beside the token in which account and home tenant the person is. For guests and in
/// B2C these are not `oid` and `tid`, so only the token's own `uid` and `utid` have to agree, where
/// it has them.
fn check_client_info(claims: &Object, client_info: Option<&ClientInfo>) -> Result<(), Error> {
    let agrees = |told: Option<&str>, name: &str| match (told, json::text(claims, name)) {
        (Some(told), Some(claimed)) => told.eq_ignore_ascii_case(claimed),
        _ => true,
    };
    if client_info.is_none_or(|told| agrees(told.uid(), "uid") && agrees(told.utid(), "utid")) {
        return Ok(());
    }
    Err(Error::new(
        ErrorKind::TokenMismatch,
        "`client_info` is about another account than the ID token",
    ))
}

/// The endpoints of version 2.0 give tokens of version 2.0. What says otherwise is another kind of
/// token, under rules that are not checked here; B2C counts in its own way.
fn check_version(claims: &Object, is_entra: bool) -> Result<(), Error> {
    match json::present(claims, "ver") {
        Some(version) if is_entra && version != "2.0" => {
            Err(Error::new(ErrorKind::TokenMismatch, "`ver` is not 2.0"))
        }
        _ => Ok(()),
    }
}

/// Step 11 of section 3.1.3.7. An attempt has one nonce; a token with a nonce that nobody sent was
/// made for another request.
fn check_nonce(claims: &Object, expected: Nonce<'_>) -> Result<(), Error> {
    let refused = |detail: &'static str| Err(Error::new(ErrorKind::TokenNonce, detail));
    // Where one was sent it decides, so anything but that very text is refused.
    let optional = OptionalMembers::of(claims, "ID token").text("nonce");
    match (json::present(claims, "nonce"), expected) {
        (None, Nonce::Sent(_)) => refused("the token has no `nonce`"),
        (Some(Value::String(nonce)), Nonce::Sent(sent))
            if same(nonce.as_bytes(), sent.as_bytes()) =>
        {
            Ok(())
        }
        (Some(_), Nonce::Sent(_)) => refused("`nonce` is not the one that was sent"),
        (_, Nonce::NotSent) if optional.is_some() => {
            refused("the token has a `nonce` although none was sent")
        }
        (_, Nonce::Renewal(Some(sent)))
            if optional.is_some_and(|nonce| !same(nonce.as_bytes(), sent.as_bytes())) =>
        {
            refused("`nonce` is not the one of the sign-in")
        }
        (_, Nonce::NotSent | Nonce::Renewal(_)) => Ok(()),
    }
}

/// Section 3.1.3.8.
fn check_access_token_hash(
    claims: &Object,
    algorithm: Algorithm,
    access_token: Option<&str>,
) -> Result<(), Error> {
    let hash = OptionalMembers::of(claims, "ID token").text("at_hash");
    let (Some(hash), Some(token)) = (hash, access_token) else { return Ok(()) };
    if half_hashes(algorithm)
        .iter()
        .any(|digest| same(hash.as_bytes(), half_hash(digest, token).as_bytes()))
    {
        return Ok(());
    }
    Err(Error::new(ErrorKind::TokenAtHash, "`at_hash` is not that of the access token"))
}

/// The hash algorithms by which an `at_hash` may be made: that of the signature (section 3.1.3.6).
///
/// For `EdDSA` no specification says which one that is. Most providers take SHA-512, which Ed25519
/// has inside, some SHA-256; each ties the ID token to its access token.
fn half_hashes(algorithm: Algorithm) -> &'static [&'static digest::Algorithm] {
    match algorithm {
        Algorithm::Rs256 | Algorithm::Ps256 | Algorithm::Es256 => &[&SHA256],
        Algorithm::Rs384 | Algorithm::Ps384 | Algorithm::Es384 => &[&SHA384],
        Algorithm::Rs512 | Algorithm::Ps512 | Algorithm::Es512 => &[&SHA512],
        Algorithm::EdDsa => &[&SHA512, &SHA256],
    }
}

/// The left half of the text's hash.
pub(super) fn half_hash(digest: &'static digest::Algorithm, text: &str) -> String {
    let whole = digest::digest(digest, text.as_bytes());
    let whole = whole.as_ref();
    base64url(whole.get(..whole.len() / 2).unwrap_or_default())
}

/// Step 13 of section 3.1.3.7. Where nobody asked how long ago it was, an `auth_time` of no use is
/// as if it were not there: [`User::auth_time`](crate::User::auth_time) does not tell it either.
fn check_auth_time(
    claims: &Object,
    max_age: Option<Duration>,
    rules: &Rules<'_>,
) -> Result<(), Error> {
    let refused = |detail: &'static str| Err(Error::new(ErrorKind::TokenAuthTime, detail));
    let Some(max_age) = max_age else { return Ok(()) };
    let Some(value) = json::present(claims, "auth_time") else {
        return refused("the token has no `auth_time` although `max_age` was asked");
    };
    let Some(time) = numeric_date(value).filter(|time| time.as_seconds() >= 0) else {
        return Err(malformed(
            "`auth_time` is not a date in seconds (a number that is not negative), and `max_age` was asked",
        ));
    };
    match time {
        time if time + max_age + rules.leeway < rules.now => {
            refused("`auth_time` is longer ago than `max_age`")
        }
        time if time > rules.now + rules.leeway => refused("`auth_time` lies in the future"),
        _ => Ok(()),
    }
}

/// Step 12 of section 3.1.3.7.
pub(super) fn check_acr(claims: &Object, required: &[String]) -> Result<(), Error> {
    // One text; a list of them, from providers that name every class that was met.
    let met: Vec<&str> = match claims.get("acr") {
        Some(Value::Array(met)) => met.iter().filter_map(Value::as_str).collect(),
        acr => acr.and_then(Value::as_str).into_iter().collect(),
    };
    if required.is_empty() || met.iter().any(|acr| required.iter().any(|required| required == acr))
    {
        return Ok(());
    }
    let told = if met.is_empty() { "missing".into() } else { shown(&met.join(", ")) };
    let wanted: Vec<String> = required.iter().map(|acr| shown(acr)).collect();
    Err(Error::new(
        ErrorKind::TokenAcr,
        format!("`acr` is {told}, not one of those required: {}", wanted.join(", ")),
    ))
}

/// Conditional Access writes the contexts that were met into `acrs`; other providers write the one
/// that they chose into `acr`.
pub(super) fn check_auth_context(
    claims: &Object,
    asked: Option<&str>,
    is_microsoft: bool,
) -> Result<(), Error> {
    let Some(asked) = asked else { return Ok(()) };
    let is_asked = |met: &Value| met.as_str() == Some(asked);
    let is_in = |name: &str| match claims.get(name) {
        Some(Value::Array(met)) => met.iter().any(is_asked),
        Some(met) => is_asked(met),
        None => false,
    };
    if is_in("acrs") || (!is_microsoft && is_in("acr")) {
        return Ok(());
    }
    Err(Error::new(
        ErrorKind::AuthContextMissing,
        "the token does not name the authentication context that was asked for",
    ))
}

#[cfg(test)]
#[path = "id_token_tests.rs"]
mod tests;
