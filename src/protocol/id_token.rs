//! The verifier of ID tokens (OpenID Connect Core sections 2, 3.1.3.7, 3.1.3.8 and 12.2).
//!
//! [`verify`] first checks what every token is checked for ([`jwt`](super::jwt): signature, issuer,
//! audience, times), then in this order:
//!
//! 1. B2C: the token was issued by the policy (user flow) of the request.
//! 2. `sub`: 1 to 255 bytes without control characters.
//! 3. Microsoft: `client_info` of the token response is about the same account; Entra ID: the token
//!    has version 2.0.
//! 4. `nonce`: the one of the authorization request, or none if none was sent.
//! 5. `at_hash`, if present: the hash of the access token of the same response.
//! 6. `auth_time`, if `max_age` was requested: present and recent enough.
//! 7. `acr`, if classes are required: one of them.
//! 8. The authentication context of Conditional Access, if one was requested: among those met.
//! 9. Microsoft: the token identifies a user, by `oid` or by a `sub` that is no placeholder.
//!
//! Optional claims without a usable value count as absent ([`OptionalMembers`]): some providers
//! write every claim that they know, with `null` for those without a value.

use std::time::Duration;

use aws_lc_rs::digest;
use serde_json::Value;

use super::{
    client_info::ClientInfo,
    json::{self, Object, OptionalMembers},
    jwks::JwkSet,
    jwt::{TokenKind, TokenRules, UnverifiedJwt, malformed},
    jwt_claims::{directory_claim, numeric_date},
    routing::RoutingHint,
};
use crate::{
    clock::UnixTime,
    codec,
    config::SignInNonce,
    error::{Error, ErrorKind, shown},
    secret::{Secret, base64url, same, unverified_payload},
};

/// The values of one sign-in or refresh that its ID token is compared with.
#[derive(Clone, Copy, Default)]
pub(crate) struct IdTokenExpectation<'a> {
    pub(crate) nonce: Nonce<'a>,
    /// `max_age` of the authorization request.
    pub(crate) max_age: Option<Duration>,
    /// Required authentication context classes, of which `acr` must be one. Empty: any.
    pub(crate) acr: &'a [String],
    /// The authentication context (Entra's Conditional Access) that was requested.
    pub(crate) auth_context: Option<&'a str>,
    /// The access token of the same token response.
    pub(crate) access_token: Option<&'a str>,
    /// `client_info` of the same token response (Microsoft).
    pub(crate) client_info: Option<&'a ClientInfo>,
}

/// The expected `nonce`.
#[derive(Clone, Copy, Default)]
pub(crate) enum Nonce<'a> {
    /// The request had none (device code, or the configuration omits it), so the token must have
    /// none.
    #[default]
    NotSent,
    /// `nonce` of the authorization request.
    Sent(&'a str),
    /// A refresh: the token needs none; one that is present must be that of the sign-in, if it is
    /// still known (OpenID Connect Core section 12.2).
    Renewal(Option<&'a str>),
}

impl<'a> Nonce<'a> {
    /// The nonce that the ID token of a sign-in must have by the configuration.
    pub(crate) fn expected(configured: SignInNonce, nonce: &'a str) -> Self {
        configured.of(nonce).map_or(Self::NotSent, Self::Sent)
    }
}

/// The identity of a person: `(iss, sub)` within one application, `(tid, oid)` across all
/// applications at Entra. `tid` and `oid` are those of Microsoft's authorities alone.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct Person {
    pub(crate) iss: String,
    pub(crate) sub: String,
    pub(crate) tid: Option<String>,
    pub(crate) oid: Option<String>,
}

codec::record!(Person { 1 iss, 2 sub, 3 tid, 4 oid });

impl Person {
    /// Whether an ID token about `other` may stand for this person (OpenID Connect Core section
    /// 12.2).
    ///
    /// `iss` and `sub` are compared byte by byte. `tid` and `oid` are compared only if both have
    /// them: Entra leaves `oid` out without the scope `profile`.
    pub(crate) fn is_same(&self, other: &Self) -> bool {
        let agree = |own: &Option<String>, others: &Option<String>| {
            own.is_none() || others.is_none() || own == others
        };
        self.iss == other.iss
            && self.sub == other.sub
            && agree(&self.tid, &other.tid)
            && agree(&self.oid, &other.oid)
    }

    /// The hint with which a request for tokens of this person is sent to Microsoft's endpoints.
    pub(crate) fn routing_hint(&self) -> Option<RoutingHint> {
        RoutingHint::of(self.oid.as_ref()?, self.tid.as_ref()?)
    }
}

/// An ID token that passed every check. Only [`verify`] makes one.
#[derive(Clone)]
pub(crate) struct VerifiedIdToken {
    raw: String,
    claims: String,
    person: Person,
    exp: UnixTime,
}

/// The claims of an ID token that was verified when it was stored, as JSON.
pub(crate) fn claims_of_stored(id_token: &Secret) -> Option<String> {
    String::from_utf8(unverified_payload(id_token)?).ok()
}

impl VerifiedIdToken {
    /// The serialized token, for `id_token_hint`.
    pub(crate) fn raw(&self) -> &str {
        &self.raw
    }

    /// The claims: the JSON object that was signed.
    pub(crate) fn claims(&self) -> &str {
        &self.claims
    }

    pub(crate) fn person(&self) -> &Person {
        &self.person
    }

    pub(crate) fn exp(&self) -> UnixTime {
        self.exp
    }
}

/// Verifies an ID token, in the order of the module's documentation.
///
/// `raw` is the serialized form of `token`.
///
/// # Errors
///
/// The kind of the first check that fails.
pub(crate) fn verify(
    raw: &str,
    token: &UnverifiedJwt<'_>,
    expectation: &IdTokenExpectation<'_>,
    rules: &TokenRules<'_>,
    keys: &JwkSet,
) -> Result<VerifiedIdToken, Error> {
    debug_assert_eq!(rules.kind, TokenKind::IdToken);
    let is_microsoft = rules.authority.is_microsoft();
    // Signature, issuer, audience, times: steps 1 to 10 of OpenID Connect Core section 3.1.3.7.
    let verified = token.verify(rules, keys)?;
    let claims = verified.claims;
    rules.authority.check_policy(json::text(claims, "tfp"), json::text(claims, "acr"))?;
    let sub = check_subject(claims)?;
    if is_microsoft {
        check_client_info(claims, expectation.client_info)?;
    }
    check_version(claims, rules.authority.is_entra())?;
    check_nonce(claims, expectation.nonce)?;
    check_access_token_hash(claims, verified.hashes, expectation.access_token)?;
    check_auth_time(claims, expectation.max_age, rules)?;
    check_acr(claims, expectation.acr)?;
    check_auth_context(claims, expectation.auth_context, is_microsoft)?;
    // `tid` and `oid` are Microsoft's claims. Another provider may use the names for values that
    // its users choose, so they identify nobody there.
    let directory = |name| if is_microsoft { directory_claim(claims, name) } else { Ok(None) };
    // Tokens of B2C have no `tid` by default, and the tenant in the issuer.
    let tid =
        directory("tid")?.or_else(|| rules.authority.tenant_in(&verified.iss)).map(str::to_owned);
    let oid = directory("oid")?.map(str::to_owned);
    if is_microsoft {
        check_identifiable(&sub, oid.as_deref())?;
    }
    let exp = verified.exp.ok_or_else(|| malformed("the token has no `exp`"))?;
    Ok(VerifiedIdToken {
        raw: raw.to_owned(),
        claims: verified.payload.to_owned(),
        person: Person { iss: verified.iss, sub, tid, oid },
        exp,
    })
}

/// The beginning of `sub` in B2C tokens without a subject: `Not supported currently. Use oid
/// claim.` B2C writes it for every user if the compatibility settings of the user flow say so.
const NO_SUBJECT: &str = "Not supported";

/// Checks `sub` and returns it.
fn check_subject(claims: &Object) -> Result<String, Error> {
    match json::present(claims, "sub") {
        None => Err(subject_error("is missing")),
        Some(Value::String(sub)) => check_subject_text(sub).map(|()| sub.clone()),
        Some(_) => Err(subject_error("is not a string")),
    }
}

/// The longest `sub`, in bytes.
const MAX_SUBJECT_BYTES: usize = 255;

/// Checks the text of a `sub`, which identifies a user in an ID token and in an access token alike.
///
/// OpenID Connect Core section 2 limits it to 255 ASCII characters. Providers that take the user
/// name for it (WSO2, LemonLDAP::NG, Nextcloud) write names with other letters, so any text of up
/// to 255 bytes is accepted. It is compared byte by byte, without Unicode normalization (section
/// 5.7: "case-sensitive string"; RFC 7519 section 7.3).
///
/// Control characters are refused: the value goes into the application's records and logs.
pub(super) fn check_subject_text(sub: &str) -> Result<(), Error> {
    if sub.is_empty() {
        return Err(subject_error("is empty"));
    }
    if sub.len() > MAX_SUBJECT_BYTES {
        let problem = format!("has {} bytes; at most {MAX_SUBJECT_BYTES} are accepted", sub.len());
        return Err(subject_error(&problem));
    }
    // U+2028 and U+2029 end a line as control characters do.
    if sub.chars().any(|letter| letter.is_control() || matches!(letter, '\u{2028}' | '\u{2029}')) {
        return Err(subject_error("has control characters"));
    }
    Ok(())
}

fn subject_error(problem: &str) -> Error {
    Error::new(ErrorKind::TokenSubject, format!("`sub` {problem}"))
}

/// Refuses a token that identifies no user: [`NO_SUBJECT`] without an `oid`. All users with such
/// tokens would share one session and one token cache.
fn check_identifiable(sub: &str, oid: Option<&str>) -> Result<(), Error> {
    if oid.is_none() && sub.starts_with(NO_SUBJECT) {
        return Err(Error::new(
            ErrorKind::TokenSubject,
            "`sub` is a placeholder and there is no `oid`: the token identifies no user",
        ));
    }
    Ok(())
}

/// Compares the account in `client_info` with `uid` and `utid` of the ID token, if it has them.
///
/// `client_info` names the user's account in its home tenant. For guests and in B2C that differs
/// from `oid` and `tid`, so these are not compared.
fn check_client_info(claims: &Object, client_info: Option<&ClientInfo>) -> Result<(), Error> {
    let agrees = |sent: Option<&str>, name: &str| match (sent, json::text(claims, name)) {
        (Some(sent), Some(claimed)) => sent.eq_ignore_ascii_case(claimed),
        _ => true,
    };
    if client_info.is_none_or(|info| agrees(info.uid(), "uid") && agrees(info.utid(), "utid")) {
        return Ok(());
    }
    Err(Error::new(
        ErrorKind::TokenMismatch,
        "`client_info` names another account than `uid` and `utid` of the ID token",
    ))
}

/// Entra's endpoints of version 2.0 issue tokens of version 2.0. Tokens of version 1.0 have other
/// claims and issuers, for which there are no rules here. B2C numbers its versions differently.
fn check_version(claims: &Object, is_entra: bool) -> Result<(), Error> {
    match json::present(claims, "ver") {
        Some(version) if is_entra && version != "2.0" => {
            Err(Error::new(ErrorKind::TokenMismatch, "`ver` is not \"2.0\""))
        }
        _ => Ok(()),
    }
}

/// The remedy for an ID token without `nonce`.
const NONCE_LOST: &str = "have the provider put the `nonce` of the request into the ID token \
                          (Doorkeeper: add it to the consent page, see \"Nonces\" in the README of \
                          doorkeeper-openid_connect), or, if the provider enforces PKCE, omit it \
                          (`with_nonce`, IDENTITY_NONCE=omit)";

/// Step 11 of OpenID Connect Core section 3.1.3.7. The nonce ties the token to the authorization
/// request of this browser, which prevents the injection of another user's code (RFC 9700 section
/// 4.5).
fn check_nonce(claims: &Object, expected: Nonce<'_>) -> Result<(), Error> {
    let refused = |detail: &'static str| Err(Error::new(ErrorKind::TokenNonce, detail));
    // Compared only if no nonce was sent. If one was sent, the claim decides and a value of
    // another type is not taken for an absent one.
    let optional = OptionalMembers::of(claims, "ID token").text("nonce");
    match (json::present(claims, "nonce"), expected) {
        // An absent nonce is lost by the provider far more often than left out by an attacker,
        // whose token has that of another request.
        (None, Nonce::Sent(_)) => Err(Error::new(
            ErrorKind::TokenNonce,
            "the token has no `nonce`, although one was sent: the provider lost it or does not \
             support it (Doorkeeper's own consent page does not pass it on)",
        )
        .with_remedy(NONCE_LOST)),
        (Some(Value::String(nonce)), Nonce::Sent(sent))
            if same(nonce.as_bytes(), sent.as_bytes()) =>
        {
            Ok(())
        }
        (Some(_), Nonce::Sent(_)) => refused("`nonce` is not the one that was sent"),
        // A token with a nonce was issued for another request.
        (_, Nonce::NotSent) if optional.is_some() => {
            refused("the token has a `nonce` although none was sent")
        }
        // OpenID Connect Core section 12.2: a `nonce` in a refreshed token is that of the sign-in.
        (_, Nonce::Renewal(Some(sent)))
            if optional.is_some_and(|nonce| !same(nonce.as_bytes(), sent.as_bytes())) =>
        {
            refused("`nonce` is not the one of the sign-in")
        }
        (_, Nonce::NotSent | Nonce::Renewal(_)) => Ok(()),
    }
}

/// OpenID Connect Core section 3.1.3.8: `at_hash` is optional in the code flow, and checked if it
/// is present.
fn check_access_token_hash(
    claims: &Object,
    hashes: &[&'static digest::Algorithm],
    access_token: Option<&str>,
) -> Result<(), Error> {
    let hash = OptionalMembers::of(claims, "ID token").text("at_hash");
    let (Some(hash), Some(token)) = (hash, access_token) else { return Ok(()) };
    // The specified spelling is base64url without padding. Keyrock writes base64 with padding.
    let hash = hash.trim_end_matches('=').replace('+', "-").replace('/', "_");
    if hashes.iter().any(|digest| same(hash.as_bytes(), half_hash(digest, token).as_bytes())) {
        return Ok(());
    }
    let detail = "`at_hash` is not the hash of the access token: the provider has to compute it \
                  with the hash algorithm of the signature (OpenID Connect Core section 3.1.3.6)";
    Err(Error::new(ErrorKind::TokenAtHash, detail))
}

/// The left half of the hash of the text, as base64url (OpenID Connect Core section 3.1.3.6).
pub(super) fn half_hash(digest: &'static digest::Algorithm, text: &str) -> String {
    let whole = digest::digest(digest, text.as_bytes());
    let whole = whole.as_ref();
    base64url(whole.get(..whole.len() / 2).unwrap_or_default())
}

/// Step 13 of OpenID Connect Core section 3.1.3.7.
///
/// Without `max_age` the claim is optional and its value does not refuse the token;
/// [`User::auth_time`](crate::User::auth_time) then leaves out a value that is no date.
fn check_auth_time(
    claims: &Object,
    max_age: Option<Duration>,
    rules: &TokenRules<'_>,
) -> Result<(), Error> {
    let refused = |detail: String| Err(Error::new(ErrorKind::TokenAuthTime, detail));
    let Some(max_age) = max_age else { return Ok(()) };
    // Section 2: the claim is REQUIRED if `max_age` was requested. Without it, a provider that
    // ignores `max_age` could pass an old sign-in for a recent one.
    let Some(value) = json::present(claims, "auth_time") else {
        return refused("the token has no `auth_time` although `max_age` was requested".into());
    };
    let Some(time) = numeric_date(value).filter(|time| time.as_seconds() >= 0) else {
        return Err(malformed(
            "`auth_time` is not a number of seconds from 0 on, and `max_age` was requested",
        ));
    };
    match time {
        time if time + max_age + rules.leeway < rules.now => refused(format!(
            "`auth_time` is {} s ago; `max_age` is {} s",
            rules.now.since(time).as_secs(),
            max_age.as_secs()
        )),
        time if time > rules.now + rules.leeway => refused(format!(
            "`auth_time` lies {} s in the future; {} s are tolerated",
            time.since(rules.now).as_secs(),
            rules.leeway.as_secs()
        )),
        _ => Ok(()),
    }
}

/// Step 12 of OpenID Connect Core section 3.1.3.7. `acr_values` in a request is only a preference
/// of the client (section 3.1.2.1), so required classes are checked in the token.
pub(super) fn check_acr(claims: &Object, required: &[String]) -> Result<(), Error> {
    // OpenID Connect Core section 2 makes `acr` a string. Some providers send an array of all
    // classes that were met.
    let met: Vec<&str> = match claims.get("acr") {
        Some(Value::Array(met)) => met.iter().filter_map(Value::as_str).collect(),
        acr => acr.and_then(Value::as_str).into_iter().collect(),
    };
    if required.is_empty() || met.iter().any(|acr| required.iter().any(|required| required == acr))
    {
        return Ok(());
    }
    let came = if met.is_empty() { "missing".into() } else { shown(&met.join(", ")) };
    let required: Vec<String> = required.iter().map(|acr| shown(acr)).collect();
    Err(Error::new(
        ErrorKind::TokenAcr,
        format!("`acr` is {came}, not one of those required: {}", required.join(", ")),
    ))
}

/// Checks that the requested authentication context was met. Entra's Conditional Access lists the
/// contexts that were met in `acrs`; other providers write the class that they chose into `acr`.
pub(super) fn check_auth_context(
    claims: &Object,
    requested: Option<&str>,
    is_microsoft: bool,
) -> Result<(), Error> {
    let Some(requested) = requested else { return Ok(()) };
    let is_requested = |met: &Value| met.as_str() == Some(requested);
    let is_met = |claim: &str| match claims.get(claim) {
        Some(Value::Array(met)) => met.iter().any(is_requested),
        Some(met) => is_requested(met),
        None => false,
    };
    // At Microsoft's authorities `acr` has another meaning (B2C: the policy), so it is not read.
    if is_met("acrs") || (!is_microsoft && is_met("acr")) {
        return Ok(());
    }
    Err(Error::new(
        ErrorKind::AuthContextMissing,
        format!(
            "the token does not have the requested authentication context {}",
            shown(requested)
        ),
    ))
}

#[cfg(test)]
#[path = "id_token_tests.rs"]
mod tests;
