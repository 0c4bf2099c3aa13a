//! The verification of every JWT: serialization, header, key and signature.

use proptest::prelude::*;
use serde_json::json;

use super::*;
use crate::{
    protocol::test_support::{
        self, CLIENT_ID, ISSUER, NOW, Signer, authority, claims, header, id_token, key_set, keys,
    },
    secret::base64url,
};

pub(super) const RS256: &[Algorithm] = &[Algorithm::Rs256];

/// A [`VerifiedJwt`] that outlives its token.
pub(super) struct Checked {
    payload: String,
    iss: String,
    pub(super) exp: Option<UnixTime>,
}

/// Checks a token under rules with one thing changed.
pub(super) fn check_with(
    token: &str,
    set: &Value,
    change: impl FnOnce(&mut TokenRules<'_>),
) -> Result<Checked, Error> {
    let (authority, tenants) = (authority(), Tenants::any());
    let mut rules = TokenRules {
        kind: TokenKind::IdToken,
        signature: SignatureRule::Keys(RS256),
        authority: &authority,
        tenants: &tenants,
        metadata_issuer: ISSUER,
        audience: CLIENT_ID,
        trusted_audiences: &[],
        now: NOW,
        leeway: Duration::from_secs(60),
        max_age: None,
    };
    change(&mut rules);
    let token = UnverifiedJwt::parse(token)?;
    let VerifiedJwt { payload, iss, exp, .. } = token.verify(&rules, &keys(set))?;
    Ok(Checked { payload: payload.to_owned(), iss, exp })
}

pub(super) fn check(token: &str) -> Result<Checked, Error> {
    check_with(token, &key_set(), |_| ())
}

pub(super) fn rejects(change: impl FnOnce(&mut Value), kind: ErrorKind) {
    let token = id_token(change);
    assert_eq!(check(&token).err().map(|error| error.kind()), Some(kind), "{}", payload(&token));
}

pub(super) fn accepts(change: impl FnOnce(&mut Value)) {
    let token = id_token(change);
    assert_eq!(check(&token).err().map(|error| error.to_string()), None, "{}", payload(&token));
}

pub(super) fn rejects_header(header: &Value, kind: ErrorKind) {
    let token = Signer::shared().sign(header, &claims());
    assert_eq!(check(&token).err().map(|error| error.kind()), Some(kind), "{header}");
}

fn payload(token: &str) -> String {
    String::from_utf8(from_base64url(token.split('.').nth(1).unwrap()).unwrap()).unwrap()
}

pub(super) fn now(plus: i64) -> Value {
    json!(NOW.as_seconds() + plus)
}

// C-011: RS256 token
#[test]
fn a_good_token_passes_and_keeps_its_text() {
    let text = format!(
        r#" {{ "iss":{ISSUER:?}, "aud":{CLIENT_ID:?}, "exp":{}, "iat":{}, "sub":"s" }} "#,
        now(9),
        now(0)
    );
    let token = Signer::shared().sign_text(&header().to_string(), &text);
    let checked = check(&token).unwrap();
    assert_eq!((checked.payload, checked.iss.as_str()), (text, ISSUER));
}

#[test]
fn the_usable_keys_are_named_where_none_fits() {
    let token = Signer::shared().sign(&json!({"alg": "RS256", "kid": "k9"}), &claims());
    let error = check_with(&token, &key_set(), |_| ()).err().unwrap();
    assert!(error.to_string().contains("usable keys (\"k1\""), "{error}");
}

#[test]
fn a_key_that_was_left_out_is_named_where_one_is_missing() {
    let mut encryption = Signer::new(Algorithm::Es256).jwk("e1");
    encryption["use"] = json!("enc");
    let token = Signer::shared().sign(&json!({"alg": "RS256", "kid": "k9"}), &claims());
    let error = check_with(&token, &json!({"keys": [encryption]}), |_| ()).err().unwrap();
    for part in ["\"k9\"", "RS256", "0 usable keys", "key \"e1\": `use` is `enc`"] {
        assert!(error.to_string().contains(part), "{part} is not in {error}");
    }
}

// C-017: ES256 signature corrupted
// C-164: unsigned token (empty third part) with alg RS256
#[test]
fn a_wrong_or_missing_signature_is_refused() {
    let good = id_token(|_| ());
    let (message, signature) = good.rsplit_once('.').unwrap();
    let mut bytes = from_base64url(signature).unwrap();
    bytes[100] ^= 1;
    let other = Signer::new(Algorithm::Rs256).sign(&header(), &claims());
    for token in [
        format!("{message}."),
        format!("{message}.{}", base64url(&bytes)),
        format!("{message}.AAAA"),
        other,
    ] {
        assert_eq!(check(&token).err().unwrap().kind(), ErrorKind::TokenSignature);
    }
    let signer = Signer::new(Algorithm::Es256);
    let mut token = signer.sign(&json!({"alg": "ES256", "kid": "e"}), &claims());
    let last = if token.pop() == Some('A') { 'Q' } else { 'A' };
    token.push(last);
    let outcome = check_with(&token, &json!({"keys": [signer.jwk("e")]}), |rules| {
        rules.signature = SignatureRule::Keys(&[Algorithm::Es256])
    });
    assert_eq!(outcome.err().unwrap().kind(), ErrorKind::TokenSignature);
}

#[test]
fn changed_claims_do_not_pass_under_the_old_signature() {
    let good = id_token(|_| ());
    let parts: Vec<&str> = good.split('.').collect();
    let changed = base64url(claims().to_string().replace("subject-1", "admin").as_bytes());
    assert_eq!(
        check(&format!("{}.{changed}.{}", parts[0], parts[2])).err().unwrap().kind(),
        ErrorKind::TokenSignature
    );
}

// C-149: id_token is not a JWT ("foo", "a.b", five random parts)
#[test]
fn what_is_no_jwt_is_refused() {
    let good = id_token(|_| ());
    let parts: Vec<&str> = good.split('.').collect();
    let mut bad =
        ["", "foo", "a.b", "a.b.c", "..", ".", "a.b.c.d", "a.b.c.d.e.f", "{}.{}.{}", "é.é.é"]
            .map(str::to_owned)
            .to_vec();
    bad.push(format!("{}=.{}.{}", parts[0], parts[1], parts[2]));
    bad.push(format!(" {good}"));
    bad.push(format!("{good}\n"));
    bad.push(format!("{}.{}.{}", parts[0], base64url(b"[]"), parts[2]));
    bad.push(format!("{}.{}.{}", base64url(b"null"), parts[1], parts[2]));
    bad.push(format!("{}.{}.{}", parts[0], base64url(b"{\"a\":\"\xff\"}"), parts[2]));
    bad.push("a".repeat(MAX_TOKEN_BYTES + 1));
    for token in bad {
        assert_eq!(check(&token).err().unwrap().kind(), ErrorKind::TokenMalformed, "{token:.40}");
    }
}

// C-015: signed then encrypted token
// C-090: encrypted with RSA1_5
/// Five parts are an encrypted token, whatever is in them.
#[test]
fn an_encrypted_token_is_refused_as_such() {
    for token in ["a.b.c.d.e", "eyJhbGciOiJSU0ExXzUiLCJlbmMiOiJBMTI4R0NNIn0.QQ.QQ.QQ.QQ"] {
        let error = check(token).err().unwrap();
        assert!(
            error.kind() == ErrorKind::TokenMalformed && error.to_string().contains("JWE"),
            "{error}"
        );
    }
}

// C-162: header `crit` with unknown name
#[test]
fn a_header_that_asks_for_what_we_do_not_know_is_refused() {
    for (member, value) in [
        ("crit", json!(["exp"])),
        ("crit", json!([])),
        ("crit", json!(null)),
        ("b64", json!(false)),
        ("zip", json!("DEF")),
    ] {
        let mut header = header();
        header[member] = value;
        rejects_header(&header, ErrorKind::TokenMalformed);
    }
    let mut unknown = header();
    unknown["x-anything"] = json!([1]);
    assert!(check(&Signer::shared().sign(&unknown, &claims())).is_ok());
}

#[test]
fn a_key_in_the_header_is_not_read() {
    let attacker = Signer::new(Algorithm::Rs256);
    for header in [
        json!({"alg": "RS256", "jwk": attacker.jwk("k1")}),
        json!({
            "alg": "RS256", "kid": "k1", "jku": "https://evil.example/keys",
            "jwk": attacker.jwk("k1")
        }),
    ] {
        assert_eq!(
            check(&attacker.sign(&header, &claims())).err().unwrap().kind(),
            ErrorKind::TokenSignature
        );
    }
}

// C-181: token with typ at+jwt or logout+jwt presented as ID token
#[test]
fn a_token_of_another_kind_is_refused() {
    for typ in [
        "at+jwt",
        "AT+JWT",
        "application/at+jwt",
        "logout+jwt",
        "application/logout+jwt",
        "dpop+jwt",
        "secevent+jwt",
        "token-introspection+jwt",
    ] {
        rejects_header(
            &json!({"alg": "RS256", "kid": "k1", "typ": typ}),
            ErrorKind::TokenMalformed,
        );
    }
    for typ in [json!(1), json!(["JWT"])] {
        rejects_header(
            &json!({"alg": "RS256", "kid": "k1", "typ": typ}),
            ErrorKind::TokenMalformed,
        );
    }
    for typ in
        [json!("JWT"), json!("jwt"), json!("application/jwt"), json!("id_token+jwt"), json!(null)]
    {
        assert!(
            check(
                &Signer::shared()
                    .sign(&json!({"alg": "RS256", "kid": "k1", "typ": typ}), &claims())
            )
            .is_ok(),
            "{typ}"
        );
    }
}

#[test]
fn the_key_is_found_by_its_name_or_tried_where_there_is_none() {
    let outcome = |header: Value, set: &Value| {
        check_with(&Signer::shared().sign(&header, &claims()), set, |_| ())
            .err()
            .map(|error| error.kind())
    };
    let two =
        json!({"keys": [Signer::new(Algorithm::Rs256).jwk("k0"), Signer::shared().jwk("k1")]});
    assert_eq!(outcome(json!({"alg": "RS256"}), &two), None);
    assert_eq!(outcome(json!({"alg": "RS256", "kid": "k1"}), &two), None);
    assert_eq!(
        outcome(json!({"alg": "RS256", "kid": "k0"}), &two),
        Some(ErrorKind::TokenSignature)
    );
    assert_eq!(
        outcome(json!({"alg": "RS256", "kid": "k2"}), &two),
        Some(ErrorKind::TokenKeyUnknown)
    );
    for odd in [json!(["k1"]), json!({}), json!(true)] {
        assert_eq!(
            outcome(json!({"alg": "RS256", "kid": odd}), &two),
            Some(ErrorKind::TokenMalformed)
        );
    }
    assert_eq!(outcome(json!({"alg": "RS256", "kid": null}), &two), None);
    let mut numbered = key_set();
    numbered["keys"][0]["kid"] = json!(20_260_101);
    assert_eq!(
        outcome(json!({"alg": "RS256", "kid": 20_260_101}), &numbered),
        None,
        "a number here as there"
    );
    assert_eq!(outcome(json!({"alg": "RS256", "kid": "20260101"}), &numbered), None);
    assert_eq!(
        outcome(json!({"alg": "RS256"}), &json!({"keys": []})),
        Some(ErrorKind::TokenKeyUnknown)
    );
}

// C-187: duplicate JSON members (two aud, two iss)
#[test]
fn a_member_given_twice_is_refused_in_header_and_claims() {
    let (header, claims) = (header().to_string(), claims().to_string());
    for (header, claims) in [
        (header.clone(), claims.replacen('{', r#"{"aud":"client-1","#, 1)),
        (header.clone(), claims.replacen('{', r#"{"iss":"https://evil.example","#, 1)),
        (header.clone(), claims.replacen('{', r#"{"address":{"a":1,"a":2},"#, 1)),
        (header.replacen('{', r#"{"alg":"none","#, 1), claims.clone()),
        (header.replacen('{', r#"{"kid":"k1","#, 1), claims),
    ] {
        let outcome = check(&Signer::shared().sign_text(&header, &claims));
        assert_eq!(outcome.err().unwrap().kind(), ErrorKind::TokenMalformed, "{header} {claims}");
    }
}

proptest! {
    #[test]
    fn arbitrary_text_never_panics(token in r"[A-Za-z0-9_.\-=é]{0,200}") {
        let _ = check(&token);
    }

    #[test]
    fn arbitrary_claims_under_a_good_signature_never_panic(
        name in "iss|aud|exp|nbf|iat|azp|tid|sub",
        text in any::<String>(),
        number in any::<f64>(),
        whole in any::<i64>(),
        kind in 0..6,
    ) {
        let value = match kind {
            0 => json!(text),
            1 => json!(number),
            2 => json!(whole),
            3 => json!([text, number]),
            4 => json!({text: whole}),
            _ => json!(null),
        };
        let _ = check(&id_token(|claims| claims[name] = value));
    }

    #[test]
    fn a_token_with_one_byte_changed_never_passes(
        at in any::<prop::sample::Index>(),
        byte in prop::sample::select(b"ABCDwxyz0189-_.".to_vec()),
    ) {
        let mut token = test_support::id_token(|_| ()).into_bytes();
        let at = at.index(token.len());
        prop_assume!(token[at] != byte);
        token[at] = byte;
        prop_assert!(check(std::str::from_utf8(&token).unwrap()).is_err());
    }
}
