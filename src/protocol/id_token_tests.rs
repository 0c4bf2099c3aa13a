//! The verification of ID tokens beyond that of every JWT.

use aws_lc_rs::digest::{SHA256, SHA384, SHA512};
use serde_json::json;

use super::*;
use crate::{
    authority::Tenants,
    config::Algorithm,
    protocol::{
        jwt::SignatureRule,
        test_support::{
            CLIENT_ID, ISSUER, NONCE, NOW, Signer, authority, claims, header, id_token, key_set,
            keys,
        },
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
    let rules = TokenRules {
        kind: TokenKind::IdToken,
        signature: SignatureRule::Keys(&algorithms),
        authority: &authority,
        tenants: &tenants,
        metadata_issuer: ISSUER,
        audience: CLIENT_ID,
        trusted_audiences: &[],
        now: NOW,
        leeway: Duration::from_secs(60),
        max_age: None,
    };
    verify(token, &UnverifiedJwt::parse(token)?, expectation, &rules, &keys(set))
}

fn check(token: &str, expectation: &IdTokenExpectation<'_>) -> Result<VerifiedIdToken, Error> {
    check_by(Algorithm::Rs256, &key_set(), token, expectation)
}

fn rejects(expectation: &IdTokenExpectation<'_>, change: impl FnOnce(&mut Value), kind: ErrorKind) {
    let mut shown = Value::Null;
    let token = id_token(|claims| {
        change(claims);
        shown = claims.clone();
    });
    assert_eq!(check(&token, expectation).err().map(|error| error.kind()), Some(kind), "{shown}");
}

fn accepts(expectation: &IdTokenExpectation<'_>, change: impl FnOnce(&mut Value)) {
    assert_eq!(check(&id_token(change), expectation).err().map(|error| error.to_string()), None);
}

#[test]
fn a_user_without_a_subject_has_an_object_id() {
    let note = "Not supported currently. Use oid claim.";
    assert!(check_identifiable(note, Some("a")).is_ok() && check_identifiable("a", None).is_ok());
    assert_eq!(check_identifiable(note, None).unwrap_err().kind(), ErrorKind::TokenSubject);
}

// C-414: ver 3.0 or unknown
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
        assert_eq!(checked(odd, false), Ok(()), "elsewhere it means whatever the provider likes");
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
fn a_verified_token_has_the_claims_that_were_signed() {
    let raw = id_token(|claims| {
        claims["tid"] = json!("t");
        claims["oid"] = json!("o");
    });
    let token = check(&raw, &SENT).unwrap();
    let Person { iss, sub, tid, oid } = token.person();
    assert_eq!((token.raw(), iss.as_str(), sub.as_str()), (raw.as_str(), ISSUER, "subject-1"));
    assert_eq!(
        (tid, oid),
        (&None, &None),
        "a provider that is not Microsoft's means something else by them"
    );
    assert_eq!(token.exp(), NOW + Duration::from_secs(3600));
    assert_eq!(serde_json::from_str::<Value>(token.claims()).unwrap()["nonce"], NONCE);
}

// C-023: no sub
#[test]
fn the_subject_is_a_text_of_1_to_255_bytes_without_control_characters() {
    rejects(&SENT, without("sub"), ErrorKind::TokenSubject);
    for sub in [
        json!(""),
        json!(null),
        json!(17),
        json!(["s"]),
        json!("s".repeat(256)),
        json!("ü".repeat(128)),
    ] {
        rejects(&SENT, |claims| claims["sub"] = sub, ErrorKind::TokenSubject);
    }
    for control in ["a\u{0}b", "a\nb", "\u{1b}[31m", "a\u{7f}", "a\u{85}b", "a\u{2028}b"] {
        rejects(&SENT, |claims| claims["sub"] = json!(control), ErrorKind::TokenSubject);
    }
    for sub in ["s".repeat(255), "CN=Ada Lovelace, O=\"Ex\\ample\"".to_owned()] {
        accepts(&SENT, |claims| claims["sub"] = json!(sub));
    }
    // The two spellings of one name in Unicode are two users.
    for sub in ["Jürgen", "Ju\u{308}rgen", "李 雷", &"ü".repeat(127)] {
        let token = id_token(|claims| claims["sub"] = json!(sub));
        assert_eq!(check(&token, &SENT).unwrap().person().sub, sub);
    }
}

// C-025: nonce = sent + "1"
// C-080: nonce sent, none in the token
// C-189: hash and nonce comparison
#[test]
fn the_nonce_is_the_one_that_was_sent() {
    rejects(&SENT, without("nonce"), ErrorKind::TokenNonce);
    rejects(&SENT, |claims| claims["nonce"] = json!(null), ErrorKind::TokenNonce);
    for nonce in [
        json!(format!("{NONCE}1")),
        json!(""),
        json!([NONCE]),
        json!(NONCE.to_uppercase()),
        json!(1),
    ] {
        rejects(&SENT, |claims| claims["nonce"] = nonce, ErrorKind::TokenNonce);
    }
    accepts(&SENT, |_| ());
}

#[test]
fn the_error_of_a_missing_nonce_names_cause_and_setting_and_a_wrong_one_is_forged() {
    let told = |change: fn(&mut Value)| check(&id_token(change), &SENT).err().unwrap().to_string();
    let lost = told(|claims| claims["nonce"] = json!(null));
    for words in ["Doorkeeper's own consent page", "README", "`with_nonce`", "IDENTITY_NONCE=omit"]
    {
        assert!(lost.starts_with("token_nonce: ") && lost.contains(words), "{lost}");
    }
    assert!(!lost.contains("forged"), "{lost}");
    let wrong = told(|claims| claims["nonce"] = json!("another"));
    assert!(wrong.contains("forged") && !wrong.contains("IDENTITY_NONCE"), "{wrong}");
}

// C-165: nonce in the token though none was sent
#[test]
fn a_nonce_that_was_not_sent_is_refused() {
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

/// The ID token of one provider after a refresh (authentik): every claim that it
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

// C-183: at_hash of another access token in the code flow
// C-089: no at_hash, code flow
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
    // Keyrock: base64 with padding.
    let number = (0..).find(|number| half_hash(&SHA256, &number.to_string()).contains(['-', '_']));
    let token = number.unwrap().to_string();
    let padded = half_hash(&SHA256, &token).replace('-', "+").replace('_', "/") + "==";
    let with_token = IdTokenExpectation { access_token: Some(&token), ..SENT };
    accepts(&with_token, |claims| claims["at_hash"] = json!(padded));
    for wrong in [hash("access-token-2"), json!("x"), json!(half_hash(&SHA512, "access-token-1"))] {
        rejects(&with, |claims| claims["at_hash"] = wrong, ErrorKind::TokenAtHash);
    }
}

// C-184: at_hash with unsupported alg
/// Every algorithm that we verify has its hash; the values are those of OpenID Connect Core
/// appendix A and of `openssl dgst`.
#[test]
fn the_hash_is_the_algorithms() {
    let token = "jHkWEdUXMU1BwAsC4vtUsZwnNvTIxEl0z9K3vx5KF0Y";
    assert_eq!(half_hash(&SHA256, token), "77QmUPtjPfzWtF2AnpK9RQ");
    for algorithm in Algorithm::ALL.iter().copied() {
        let (digest, bytes) = match algorithm.as_str() {
            "EdDSA" => (&SHA512, 32),
            name if name.ends_with("256") => (&SHA256, 16),
            name if name.ends_with("384") => (&SHA384, 24),
            _ => (&SHA512, 32),
        };
        let signer = Signer::new(algorithm);
        let mut claims = claims();
        claims["at_hash"] = json!(half_hash(digest, token));
        let raw = signer.sign(&json!({"alg": algorithm.as_str(), "kid": "k"}), &claims);
        let expectation = IdTokenExpectation { access_token: Some(token), ..SENT };
        let set = json!({"keys": [signer.jwk("k")]});
        assert!(check_by(algorithm, &set, &raw, &expectation).is_ok(), "{algorithm}");
        assert_eq!(
            crate::secret::from_base64url(half_hash(digest, token)).unwrap().len(),
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
        check_by(Algorithm::EdDsa, &json!({"keys": [signer.jwk("k")]}), &raw, &expectation).is_ok()
    };
    assert!(
        with_hash(half_hash(&SHA256, token))
            && !with_hash(half_hash(&SHA384, token))
            && !with_hash(half_hash(&SHA256, "x"))
    );
}

// MSAL-041: `client_info` uid/utid differs from the ID token's internal uid/utid claims; callback
//   is handled
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
    assert_eq!(check(told, json!({"utid": "b3"})).unwrap_err().kind(), ErrorKind::TokenMismatch);
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

// C-176: max_age sent, auth_time missing
#[test]
fn auth_time_has_to_be_there_if_max_age_was_asked() {
    let asked = IdTokenExpectation { max_age: Some(Duration::from_secs(600)), ..SENT };
    rejects(&asked, |_| (), ErrorKind::TokenAuthTime);
    accepts(&asked, |claims| claims["auth_time"] = now(-600));
}

// C-177: max_age sent, auth_time too old
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

// C-178: auth_time is −1, null, "1", [], {} or true
/// Where it decides; otherwise it is as if it were not there. The words are those of a malformed
/// claim: a provider that writes it so has not signed anybody in too long ago.
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

// C-179: acr required, other or missing acr returned
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
    assert_eq!(check(&forged, &SENT).err().unwrap().kind(), ErrorKind::TokenSignature);
}
