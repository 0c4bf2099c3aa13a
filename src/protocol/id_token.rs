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
mod tests {
    use serde_json::json;

    use super::*;
    use crate::{
        authority::Tenants,
        protocol::testing::{
            CLIENT_ID, ISSUER, NONCE, NOW, Signer, authority, claims, header, id_token, key_set,
            keys,
        },
    };

    const SENT: IdTokenExpectation<'static> = IdTokenExpectation {
        nonce: Nonce::Sent(NONCE),
        max_age: None,
        acr: &[],
        auth_context: None,
        access_token: None,
        client_info: None,
    };

    fn check_by(
        algorithm: Algorithm,
        set: &Value,
        token: &str,
        expectation: &IdTokenExpectation<'_>,
    ) -> Result<VerifiedIdToken, Error> {
        let (authority, tenants, algorithms) = (authority(), Tenants::any(), [algorithm]);
        let rules = Rules {
            kind: Kind::IdToken,
            algorithms: &algorithms,
            authority: &authority,
            tenants: &tenants,
            metadata_issuer: ISSUER,
            audience: CLIENT_ID,
            trusted_audiences: &[],
            now: NOW,
            leeway: Duration::from_secs(60),
            max_age: None,
        };
        verify(token, &Unverified::parse(token)?, expectation, &rules, &keys(set))
    }

    fn check(token: &str, expectation: &IdTokenExpectation<'_>) -> Result<VerifiedIdToken, Error> {
        check_by(Algorithm::Rs256, &key_set(), token, expectation)
    }

    fn rejects(
        expectation: &IdTokenExpectation<'_>,
        change: impl FnOnce(&mut Value),
        kind: ErrorKind,
    ) {
        let mut shown = Value::Null;
        let token = id_token(|claims| {
            change(claims);
            shown = claims.clone();
        });
        assert_eq!(
            check(&token, expectation).err().map(|error| error.kind()),
            Some(kind),
            "{shown}"
        );
    }

    fn accepts(expectation: &IdTokenExpectation<'_>, change: impl FnOnce(&mut Value)) {
        assert_eq!(
            check(&id_token(change), expectation).err().map(|error| error.to_string()),
            None
        );
    }

    #[test]
    fn who_has_no_subject_of_their_own_has_an_object_id() {
        let note = "Not supported currently. Use oid claim.";
        assert!(check_told_apart(note, Some("a")).is_ok() && check_told_apart("a", None).is_ok());
        assert_eq!(check_told_apart(note, None).unwrap_err().kind(), ErrorKind::TokenSubject);
    }

    /// C-414
    #[test]
    fn a_token_of_entra_is_of_version_2() {
        let checked = |version: Value, is_entra| {
            check_version(&Object::from_iter([("ver".to_owned(), version)]), is_entra)
                .map_err(|error| error.kind())
        };
        assert_eq!(
            (checked(json!("2.0"), true), check_version(&Object::new(), true).is_ok()),
            (Ok(()), true)
        );
        for odd in [json!("1.0"), json!("3.0"), json!(""), json!(2.0), json!(["2.0"])] {
            assert_eq!(checked(odd.clone(), true), Err(ErrorKind::TokenMismatch), "{odd}");
            assert_eq!(
                checked(odd, false),
                Ok(()),
                "elsewhere it means whatever the provider likes"
            );
        }
        assert_eq!(checked(json!(null), true), Ok(()), "null is absent");
    }

    fn without(name: &'static str) -> impl FnOnce(&mut Value) {
        move |claims| drop(claims.as_object_mut().unwrap().remove(name))
    }

    fn now(plus: i64) -> Value {
        json!(NOW.as_seconds() + plus)
    }

    #[test]
    fn a_verified_token_tells_what_it_says() {
        let raw = id_token(|claims| {
            claims["tid"] = json!("t");
            claims["oid"] = json!("o");
        });
        let token = check(&raw, &SENT).unwrap();
        assert_eq!((token.raw(), token.iss(), token.sub()), (raw.as_str(), ISSUER, "subject-1"));
        assert_eq!(
            (token.tid(), token.oid()),
            (None, None),
            "a provider that is not Microsoft's means something else by them"
        );
        assert_eq!(token.exp(), NOW + Duration::from_secs(3600));
        assert_eq!(serde_json::from_str::<Value>(token.claims()).unwrap()["nonce"], NONCE);
        assert!(
            !format!("{token:?}").contains("subject-1"),
            "no personal data where it is printed"
        );
    }

    /// C-023
    #[test]
    fn the_subject_is_a_text_of_1_to_255_ascii_characters() {
        rejects(&SENT, without("sub"), ErrorKind::TokenSubject);
        for sub in
            [json!(""), json!(null), json!(17), json!(["s"]), json!("s".repeat(256)), json!("süß")]
        {
            rejects(&SENT, |claims| claims["sub"] = sub, ErrorKind::TokenSubject);
        }
        for control in ["a\u{0}b", "a\nb", "\u{1b}[31m", "a\u{7f}"] {
            rejects(&SENT, |claims| claims["sub"] = json!(control), ErrorKind::TokenSubject);
        }
        for sub in ["s".repeat(255), "CN=Ada Lovelace, O=\"Ex\\ample\"".to_owned()] {
            accepts(&SENT, |claims| claims["sub"] = json!(sub));
        }
    }

    /// C-025, C-080, C-189
    #[test]
    fn the_nonce_is_the_one_that_was_sent() {
        rejects(&SENT, without("nonce"), ErrorKind::TokenNonce);
        for nonce in [
            json!(format!("{NONCE}1")),
            json!(""),
            json!(null),
            json!([NONCE]),
            json!(NONCE.to_uppercase()),
            json!(1),
        ] {
            rejects(&SENT, |claims| claims["nonce"] = nonce, ErrorKind::TokenNonce);
        }
        accepts(&SENT, |_| ());
    }

    /// C-165
    #[test]
    fn a_nonce_that_nobody_sent_is_refused() {
        let not_sent = IdTokenExpectation::default();
        rejects(&not_sent, |_| (), ErrorKind::TokenNonce);
        accepts(&not_sent, |claims| claims["nonce"] = json!(null));
        accepts(&not_sent, without("nonce"));
    }

    #[test]
    fn a_renewed_token_needs_no_nonce_but_has_no_other() {
        let (known, unknown) = (Nonce::Renewal(Some(NONCE)), Nonce::Renewal(None));
        for nonce in [known, unknown] {
            let renewal = IdTokenExpectation { nonce, ..SENT };
            accepts(&renewal, without("nonce"));
            accepts(&renewal, |_| ());
            for odd in [json!(null), json!(""), json!(1)] {
                accepts(&renewal, |claims| claims["nonce"] = odd);
            }
        }
        rejects(
            &IdTokenExpectation { nonce: known, ..SENT },
            |claims| claims["nonce"] = json!("another"),
            ErrorKind::TokenNonce,
        );
    }

    /// What one provider's ID token looks like after a refresh (authentik): every claim that it
    /// knows.
    #[test]
    fn a_claim_that_is_null_is_absent() {
        let renewal = IdTokenExpectation {
            nonce: Nonce::Renewal(Some(NONCE)),
            access_token: Some("access-token-1"),
            ..SENT
        };
        accepts(&renewal, |claims| {
            for name in [
                "nonce",
                "at_hash",
                "c_hash",
                "auth_time",
                "acr",
                "amr",
                "azp",
                "nbf",
                "ver",
                "tid",
                "oid",
                "name",
                "acrs",
                "sid",
            ] {
                claims[name] = json!(null);
            }
        });
        for decisive in ["iss", "sub", "aud", "exp", "iat"] {
            let token = id_token(|claims| claims[decisive] = json!(null));
            assert!(check(&token, &SENT).is_err(), "{decisive}");
        }
    }

    /// C-183, C-089
    #[test]
    fn at_hash_is_that_of_the_access_token_where_it_is_there() {
        let with = IdTokenExpectation { access_token: Some("access-token-1"), ..SENT };
        let hash = |token| json!(half_hash(&SHA256, token));
        accepts(&with, |_| ());
        for odd in [json!(null), json!(""), json!(1), json!([])] {
            accepts(&with, |claims| claims["at_hash"] = odd);
        }
        accepts(&with, |claims| claims["at_hash"] = hash("access-token-1"));
        accepts(&SENT, |claims| claims["at_hash"] = hash("access-token-1"));
        for wrong in
            [hash("access-token-2"), json!("x"), json!(half_hash(&SHA512, "access-token-1"))]
        {
            rejects(&with, |claims| claims["at_hash"] = wrong, ErrorKind::TokenAtHash);
        }
    }

    /// C-184: every algorithm that we verify has its hash; the values are those of OpenID Connect
    /// Core appendix A and of `openssl dgst`.
    #[test]
    fn the_hash_is_the_algorithms() {
        let token = "jHkWEdUXMU1BwAsC4vtUsZwnNvTIxEl0z9K3vx5KF0Y";
        assert_eq!(half_hash(&SHA256, token), "77QmUPtjPfzWtF2AnpK9RQ");
        for algorithm in Algorithm::ALL.iter().copied() {
            let bytes = match algorithm.as_str() {
                "EdDSA" => 32,
                name if name.ends_with("256") => 16,
                name if name.ends_with("384") => 24,
                _ => 32,
            };
            let signer = Signer::new(algorithm);
            let mut claims = claims();
            let digest = half_hashes(algorithm)[0];
            claims["at_hash"] = json!(half_hash(digest, token));
            let raw = signer.sign(&json!({"alg": algorithm.as_str(), "kid": "k"}), &claims);
            let expectation = IdTokenExpectation { access_token: Some(token), ..SENT };
            let set = json!({"keys": [signer.jwk("k")]});
            assert!(check_by(algorithm, &set, &raw, &expectation).is_ok(), "{algorithm}");
            assert_eq!(
                crate::secret::from_base64url(&half_hash(digest, token)).unwrap().len(),
                bytes,
                "{algorithm}"
            );
        }
        let signer = Signer::new(Algorithm::EdDsa);
        let with_hash = |hash: String| {
            let mut claims = claims();
            claims["at_hash"] = json!(hash);
            let raw = signer.sign(&json!({"alg": "Ed25519", "kid": "k"}), &claims);
            let expectation = IdTokenExpectation { access_token: Some(token), ..SENT };
            check_by(Algorithm::EdDsa, &json!({"keys": [signer.jwk("k")]}), &raw, &expectation)
                .is_ok()
        };
        assert!(
            with_hash(half_hash(&SHA256, token))
                && !with_hash(half_hash(&SHA384, token))
                && !with_hash(half_hash(&SHA256, "x"))
        );
    }

    /// MSAL-041
    #[test]
    fn client_info_may_not_contradict_the_tokens_own_account() {
        let check = |told: Value, claims: Value| {
            let Value::Object(claims) = claims else { panic!("an object") };
            check_client_info(
                &claims,
                ClientInfo::parse(&base64url(told.to_string().as_bytes())).as_ref(),
            )
        };
        let told = json!({"uid": "a1", "utid": "b2"});
        assert!(check(told.clone(), json!({"uid": "A1", "utid": "b2"})).is_ok());
        assert!(check(told.clone(), json!({"oid": "c3", "tid": "d4"})).is_ok(), "a guest");
        assert_eq!(
            check(told.clone(), json!({"uid": "a2"})).unwrap_err().kind(),
            ErrorKind::TokenMismatch
        );
        assert_eq!(
            check(told, json!({"utid": "b3"})).unwrap_err().kind(),
            ErrorKind::TokenMismatch
        );
        assert!(check(json!([]), json!({"uid": "a1"})).is_ok(), "what cannot be read says nothing");
        assert!(check_client_info(&Object::new(), None).is_ok());
    }

    #[test]
    fn an_authentication_context_that_was_asked_for_has_to_be_there() {
        let asked = IdTokenExpectation { auth_context: Some("c1"), ..SENT };
        accepts(&asked, |claims| claims["acrs"] = json!(["c2", "c1"]));
        accepts(&asked, |claims| claims["acrs"] = json!("c1"));
        accepts(&asked, |claims| claims["acr"] = json!("c1"));
        accepts(&asked, |claims| claims["acr"] = json!(["c2", "c1"]));
        for other in [
            json!(null),
            json!([]),
            json!(["c2"]),
            json!("c2"),
            json!([["c1"]]),
            json!({"c1": true}),
            json!("c1 c2"),
        ] {
            rejects(&asked, |claims| claims["acrs"] = other, ErrorKind::AuthContextMissing);
        }
        rejects(&asked, |_| (), ErrorKind::AuthContextMissing);
        let claims = json!({"acr": "c1"});
        assert!(
            check_auth_context(claims.as_object().unwrap(), Some("c1"), true).is_err(),
            "Microsoft's `acr` is something else"
        );
    }

    /// C-176
    #[test]
    fn auth_time_has_to_be_there_if_max_age_was_asked() {
        let asked = IdTokenExpectation { max_age: Some(Duration::from_secs(600)), ..SENT };
        rejects(&asked, |_| (), ErrorKind::TokenAuthTime);
        accepts(&asked, |claims| claims["auth_time"] = now(-600));
    }

    /// C-177
    #[test]
    fn auth_time_may_not_be_longer_ago_than_asked() {
        let asked =
            |max_age| IdTokenExpectation { max_age: Some(Duration::from_secs(max_age)), ..SENT };
        accepts(&asked(600), |claims| claims["auth_time"] = now(-660));
        rejects(&asked(600), |claims| claims["auth_time"] = now(-661), ErrorKind::TokenAuthTime);
        rejects(&asked(600), |claims| claims["auth_time"] = json!(0), ErrorKind::TokenAuthTime);
        rejects(&asked(600), |claims| claims["auth_time"] = now(61), ErrorKind::TokenAuthTime);
        accepts(&asked(0), |claims| claims["auth_time"] = json!(1.8e9 - 0.25));
        accepts(&asked(u64::MAX), |claims| claims["auth_time"] = json!(0));
    }

    /// C-178: where it decides; otherwise it is as if it were not there. The words are those of a
    /// malformed claim: a provider that writes it so has not signed anybody in too long ago.
    #[test]
    fn auth_time_is_a_number_that_is_not_negative_if_it_was_asked_for() {
        let asked = IdTokenExpectation { max_age: Some(Duration::from_secs(600)), ..SENT };
        for auth_time in [
            json!(-1),
            json!("1"),
            now(0).to_string().into(),
            json!([]),
            json!({}),
            json!(true),
            json!(-1e300),
        ] {
            rejects(
                &asked,
                |claims| claims["auth_time"] = auth_time.clone(),
                ErrorKind::TokenMalformed,
            );
            accepts(&SENT, |claims| claims["auth_time"] = auth_time);
        }
        rejects(&asked, |claims| claims["auth_time"] = json!(null), ErrorKind::TokenAuthTime);
        for auth_time in [json!(0), json!(1.5), json!(1_799_999_999.75)] {
            accepts(&SENT, |claims| claims["auth_time"] = auth_time);
        }
    }

    /// C-179
    #[test]
    fn a_required_acr_has_to_come() {
        let acr = ["silver".to_owned(), "gold".to_owned()];
        let required = IdTokenExpectation { acr: &acr, ..SENT };
        rejects(&required, |_| (), ErrorKind::TokenAcr);
        for value in [
            json!("bronze"),
            json!(""),
            json!("GOLD"),
            json!(["bronze", "GOLD"]),
            json!([]),
            json!([["gold"]]),
            json!(null),
            json!("silver gold"),
        ] {
            rejects(&required, |claims| claims["acr"] = value, ErrorKind::TokenAcr);
        }
        accepts(&required, |claims| claims["acr"] = json!("gold"));
        accepts(&required, |claims| claims["acr"] = json!(["gold"]));
        accepts(&required, |claims| claims["acr"] = json!(["bronze", 1, "silver"]));
        accepts(&SENT, |claims| claims["acr"] = json!("anything"));
    }

    /// Nothing that is special to the kind is read from a token that failed before.
    #[test]
    fn the_signature_is_checked_before_anything_else_counts() {
        let forged = Signer::new(Algorithm::Rs256).sign(&header(), &json!({"iss": ISSUER}));
        assert_eq!(check(&forged, &SENT).unwrap_err().kind(), ErrorKind::TokenSignature);
    }
}
