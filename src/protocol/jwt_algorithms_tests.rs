//! The signature algorithms that a token may have, and the HMAC of a client secret.

use serde_json::json;

use super::{tests::*, *};
use crate::{
    protocol::test_support::{Signer, claims, id_token, key_set},
    secret::base64url,
};

fn signed_with(secret: &str, alg: &str) -> String {
    let header = json!({"alg": alg, "typ": "JWT"}).to_string();
    let message = format!(
        "{}.{}",
        crate::secret::base64url(header.as_bytes()),
        crate::secret::base64url(claims().to_string().as_bytes())
    );
    let algorithm = HmacAlgorithm::named(alg).unwrap().verification();
    let key = hmac::Key::new(algorithm, secret.as_bytes());
    let tag = hmac::sign(&key, message.as_bytes());
    format!("{message}.{}", crate::secret::base64url(tag.as_ref()))
}

/// OpenID Connect Core section 3.1.3.7, step 8.
#[test]
fn a_client_secret_verifies_its_own_algorithm_and_no_key_stands_in_for_it() {
    let credential: &'static ClientCredential = Box::leak(Box::new(ClientCredential::first_of([
        ClientCredential::secret("the new secret"),
        ClientCredential::secret("the old secret"),
    ])));
    let outcome = |token: &str| {
        let rule = SignatureRule::Secret(HmacAlgorithm::Hs256, credential);
        check_with(token, &key_set(), |rules| rules.signature = rule)
            .err()
            .map(|error| error.kind())
    };
    for secret in ["the new secret", "the old secret"] {
        assert_eq!(outcome(&signed_with(secret, "HS256")), None, "{secret}");
    }
    for secret in ["another secret", "", "the new secre"] {
        let refused = outcome(&signed_with(secret, "HS256"));
        assert_eq!(refused, Some(ErrorKind::TokenSignature), "{secret}");
    }
    let algorithm = Some(ErrorKind::TokenAlgorithm);
    assert_eq!(outcome(&signed_with("the new secret", "HS384")), algorithm);
    assert_eq!(outcome(&id_token(|_| ())), algorithm, "a key of the provider");
    // Without the setting nothing that a secret signed is accepted.
    let by_key = check(&signed_with("the new secret", "HS256"));
    assert_eq!(by_key.err().map(|error| error.kind()), algorithm);
}

/// The error has the algorithm of the token, the accepted ones, and the setting.
#[test]
fn a_refused_algorithm_is_named_with_those_accepted_and_the_setting() {
    for (alg, shown) in [("none", "none"), ("ES384", "ES384"), ("x\n\"y", "xy")] {
        let token = Signer::shared().sign(&json!({"alg": alg, "kid": "k1"}), &claims());
        let error = check_with(&token, &key_set(), |rules| {
            rules.signature = SignatureRule::Keys(&[Algorithm::Rs256, Algorithm::Es256])
        })
        .err()
        .unwrap();
        for part in
            [shown, "RS256, ES256", "with_id_token_algorithms", "IDENTITY_ID_TOKEN_ALGORITHMS"]
        {
            assert!(error.to_string().contains(part), "{part} is not in {error}");
        }
    }
}

// C-012: ES256 token, client registered for ES256
#[test]
fn a_configured_algorithm_passes_and_another_does_not() {
    let signer = Signer::new(Algorithm::Es256);
    let token = signer.sign(&json!({"alg": "ES256", "kid": "e"}), &claims());
    let set = json!({"keys": [signer.jwk("e")]});
    assert!(
        check_with(&token, &set, |rules| rules.signature =
            SignatureRule::Keys(&[Algorithm::Es256]))
        .is_ok()
    );
    assert_eq!(check_with(&token, &set, |_| ()).err().unwrap().kind(), ErrorKind::TokenAlgorithm);
    let signer = Signer::new(Algorithm::EdDsa);
    for name in ["EdDSA", "Ed25519"] {
        let token = signer.sign(&json!({"alg": name, "kid": "e"}), &claims());
        assert!(
            check_with(&token, &json!({"keys": [signer.jwk("e")]}), |rules| rules.signature =
                SignatureRule::Keys(&[Algorithm::EdDsa]))
            .is_ok()
        );
    }
}

// C-082: RS256 token when PS256/ES256 was registered
#[test]
fn the_default_algorithm_is_refused_where_another_was_agreed() {
    for agreed in [&[Algorithm::Ps256][..], &[Algorithm::Es256]] {
        let outcome = check_with(&id_token(|_| ()), &key_set(), |rules| {
            rules.signature = SignatureRule::Keys(agreed)
        });
        assert_eq!(outcome.err().unwrap().kind(), ErrorKind::TokenAlgorithm);
    }
}

// C-014: alg none token from the token endpoint
// C-081: alg none
/// There is no list that `none` could be on.
#[test]
fn an_unsigned_token_is_refused() {
    for alg in ["none", "None", "NONE", "nOnE", "", " none"] {
        let parts = [json!({"alg": alg}), claims()]
            .map(|part| base64url(part.to_string().as_bytes()))
            .join(".");
        for token in [format!("{parts}."), format!("{parts}.c2ln")] {
            let outcome = check_with(&token, &key_set(), |rules| {
                rules.signature = SignatureRule::Keys(Algorithm::ALL)
            });
            assert_eq!(outcome.err().unwrap().kind(), ErrorKind::TokenAlgorithm, "{alg}");
        }
    }
    for alg in [json!(null), json!(1), json!(["RS256"]), json!({})] {
        rejects_header(&json!({"alg": alg, "kid": "k1"}), ErrorKind::TokenMalformed);
    }
    rejects_header(&json!({"kid": "k1"}), ErrorKind::TokenMalformed);
}

// C-013: HS256 token keyed with the client secret, client registered for HS256
// C-018: HS256 signature corrupted
/// HMAC is accepted only where a setting names it: each party that knows the client secret could
/// make ID tokens, and a public key is no secret at all.
#[test]
fn a_symmetric_algorithm_is_refused_whatever_it_is_keyed_with() {
    for alg in ["HS256", "HS384", "HS512", "rs256", "RS1", "RS256 "] {
        let token = Signer::shared().sign(&json!({"alg": alg, "kid": "k1"}), &claims());
        let outcome = check_with(&token, &key_set(), |rules| {
            rules.signature = SignatureRule::Keys(Algorithm::ALL)
        });
        assert_eq!(outcome.err().unwrap().kind(), ErrorKind::TokenAlgorithm, "{alg}");
    }
}
