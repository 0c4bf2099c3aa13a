//! Key sets: the keys that can verify, and the choice of one by `kid` and algorithm.

use proptest::prelude::*;
use serde_json::json;

use super::*;
use crate::protocol::test_support::{Signer, keys};

const ALL: [Algorithm; 3] = [Algorithm::Rs256, Algorithm::Es256, Algorithm::EdDsa];

/// How many keys of the set a token of one of the algorithms may be verified with.
fn usable(set: &Value) -> usize {
    ALL.iter().map(|algorithm| keys(set).candidates(*algorithm, None).len()).sum()
}

fn with(member: &str, value: Value) -> Value {
    let mut key = Signer::shared().jwk("k1");
    key[member] = value;
    key
}

// C-192: JWKS has unknown kty, oct, or malformed entries beside good ones
#[test]
fn entries_that_cannot_be_used_are_left_out_and_the_good_one_counts() {
    let set = json!({"keys": [
        null, 1, "key", [], {}, {"kty": "RSA"}, {"kty": 1},
        {"kty": "oct", "kid": "k1", "k": "c2VjcmV0"},
        {"kty": "AKP", "alg": "ML-DSA-44", "pub": "AA"},
        {"kty": "RSA", "n": "!", "e": "AQAB"}, {"kty": "RSA", "n": "", "e": ""},
        {"kty": "EC", "crv": "P-256", "x": "AA", "y": "AA"},
        {"kty": "EC", "crv": "secp256k1", "x": "AA", "y": "AA"},
        {"kty": "OKP", "crv": "Ed448", "x": "AA"}, {"kty": "OKP", "crv": "Ed25519", "x": "AA"},
        with("issuer", json!(1)),
        Signer::shared().jwk("k1"),
    ]});
    assert_eq!(usable(&set), 1);
    let left_out = keys(&set).unusable().to_vec();
    assert_eq!(
        left_out.len(),
        set["keys"].as_array().unwrap().len() - 1,
        "each with a reason: {left_out:?}"
    );
    assert!(
        left_out[0].starts_with("key number 1: ")
            && left_out[7].starts_with("key \"k1\": it holds a secret"),
        "{left_out:?}"
    );
    assert!(!format!("{left_out:?}").contains("c2VjcmV0"));
    assert!(keys(&set).unusable_summary().ends_with("more"));
    let twice =
        format!(r#"{{"keys":[{{"kty":"RSA","kty":"RSA"}},{}]}}"#, Signer::shared().jwk("k1"));
    assert_eq!(
        JwkSet::parse(twice.as_bytes()).unwrap().len(),
        1,
        "an entry with a repeated member is no key"
    );
}

// C-193: JWKS is not JSON, or `keys` missing
#[test]
fn what_is_no_key_set_is_refused() {
    for document in [
        "",
        "{",
        "null",
        "[]",
        "{}",
        r#"{"keys":null}"#,
        r#"{"keys":{}}"#,
        r#"{"keys":"x"}"#,
        r#"{"keys":[],"keys":[]}"#,
        "<html>",
    ] {
        assert_eq!(
            JwkSet::parse(document.as_bytes()).err().unwrap().kind(),
            ErrorKind::ProviderMisconfigured,
            "{document}"
        );
    }
    assert_eq!(JwkSet::parse(br#"{"keys":[],"more":1}"#).unwrap().len(), 0);
}

// C-194: matching kid but use=enc
#[test]
fn a_key_that_is_not_for_verifying_signatures_is_not_used() {
    for key in [
        with("use", json!("enc")),
        with("key_ops", json!(["encrypt", "wrapKey"])),
        with("alg", json!("RSA-OAEP")),
        with("alg", json!("ES256")),
        with("alg", json!("none")),
        with("alg", json!("HS256")),
        with("d", json!("AQAB")),
        with("k", json!("AQAB")),
        with("kty", json!("oct")),
        with("kty", json!("rsa")),
    ] {
        assert_eq!(usable(&json!({"keys": [key]})), 0, "{key}");
    }
    for (name, value) in [
        ("use", json!(null)),
        ("use", json!("sig")),
        ("use", json!("Sig")),
        ("use", json!("signing")),
        ("use", json!("")),
        ("use", json!({})),
        ("key_ops", json!(["verify"])),
        ("key_ops", json!(["sign", "verify"])),
        ("key_ops", json!("verify")),
        ("key_ops", json!([])),
        ("key_ops", json!(null)),
        ("alg", json!("RS256")),
        ("alg", json!(null)),
        ("alg", json!("")),
        ("alg", json!(["RS256"])),
        ("kid", json!(null)),
        ("kid", json!([1])),
        ("d", json!(null)),
        ("issuer", json!(null)),
    ] {
        assert_eq!(usable(&json!({"keys": [with(name, value.clone())]})), 1, "{name} {value}");
    }
}

#[test]
fn a_key_is_read_however_its_numbers_are_encoded() {
    for algorithm in [Algorithm::Rs256, Algorithm::Es256, Algorithm::Es512, Algorithm::EdDsa] {
        let signer = Signer::new(algorithm);
        let signature = signer.signature(b"message");
        let verifies = |change: &dyn Fn(&str) -> String| {
            let mut key = signer.jwk("k1");
            for name in ["n", "e", "x", "y"] {
                if let Some(text) = key[name].as_str().map(change) {
                    key[name] = json!(text);
                }
            }
            let set = keys(&json!({"keys": [key]}));
            set.candidates(algorithm, Some("k1"))
                .first()
                .is_some_and(|key| key.verifies(algorithm, b"message", &signature))
        };
        assert!(
            verifies(&|text| format!("{text}{}", &"==="[..(4 - text.len() % 4) % 4])),
            "{algorithm}: padded"
        );
        assert!(
            verifies(&|text| text.replace('-', "+").replace('_', "/")),
            "{algorithm}: plain base64"
        );
        assert!(!verifies(&|text| format!("!{text}")), "{algorithm}");
    }
}

/// One key in 256 has a coordinate that begins with a zero, which some encoders drop.
#[test]
fn coordinates_may_lack_or_have_a_leading_zero() {
    let (short, whole) = ([7; 31], [[0].as_slice(), &[7; 31]].concat());
    let wanted = [&[4][..], &whole, &whole].concat();
    assert_eq!(point(&short, &whole, 32), Some(wanted.clone()));
    assert_eq!(point(&[[0].as_slice(), &whole].concat(), &short, 32), Some(wanted));
    for odd in [&[7; 33][..], &[7; 20], &[0; 31], &[]] {
        assert_eq!(point(odd, &whole, 32), None, "{odd:?}");
    }
}

#[test]
fn a_kid_may_be_a_number() {
    let set = keys(&json!({"keys": [with("kid", json!(7)), with("kid", json!("8"))]}));
    assert_eq!(
        (
            set.candidates(Algorithm::Rs256, Some("7")).len(),
            set.candidates(Algorithm::Rs256, Some("8")).len()
        ),
        (1, 1)
    );
}

#[test]
fn a_byte_order_mark_in_front_of_the_key_set_is_left_out() {
    let set = format!("\u{feff}{}", json!({"keys": [Signer::shared().jwk("k1")]}));
    assert_eq!(JwkSet::parse(set.as_bytes()).unwrap().len(), 1);
}

// C-198: key's alg member differs from token alg
#[test]
fn a_key_that_names_its_algorithm_is_for_no_other() {
    let set = keys(&json!({"keys": [with("alg", json!("PS256"))]}));
    assert_eq!(set.candidates(Algorithm::Rs256, Some("k1")).len(), 0);
    assert_eq!(set.candidates(Algorithm::Ps256, Some("k1")).len(), 1);
    assert_eq!(set.candidates(Algorithm::Es256, Some("k1")).len(), 0, "another kind of key");
}

#[test]
fn a_short_rsa_key_is_refused_also_when_zeros_make_it_look_long() {
    let jwk = |modulus: &[u8], exponent: &[u8]| {
        usable(
            &json!({"keys": [{"kty": "RSA", "n": base64url(modulus), "e": base64url(exponent)}]}),
        )
    };
    let aqab = [1, 0, 1];
    assert_eq!(jwk(&[0xff; 128], &aqab), 0, "1024 bits");
    assert_eq!(jwk(&[[0; 128], [0xff; 128]].concat(), &aqab), 0, "1024 bits behind zeros");
    assert_eq!(jwk(&[&[0x7f][..], &[0xff; 255]].concat(), &aqab), 0, "2047 bits");
    assert_eq!(jwk(&[0xff; 256], &aqab), 1);
    assert_eq!(jwk(&[0xff; 1025], &aqab), 0, "more than 8192 bits");
    for exponent in [&[1][..], &[0, 1], &[2], &[], &[0], &[1, 0, 0, 0, 1]] {
        assert_eq!(jwk(&[0xff; 256], exponent), 0, "{exponent:?}");
    }
}

#[test]
fn numbers_that_are_no_key_are_left_out_when_the_set_is_read() {
    let mut off_the_curve = Signer::new(Algorithm::Es256).jwk("k1");
    off_the_curve["y"] = json!(base64url(&[7; 32]));
    // A modulus is a product of odd primes.
    let even = [[0xff; 255].as_slice(), &[0xfe]].concat();
    for key in [off_the_curve, with("n", json!(base64url(&even)))] {
        let set = keys(&json!({"keys": [key, Signer::shared().jwk("k2")]}));
        assert_eq!(set.len(), 1);
        assert!(set.unusable()[0].starts_with("key \"k1\": "), "{:?}", set.unusable());
    }
}

/// Java's encoders leave the sign's zero byte in front of a modulus.
#[test]
fn zeros_in_front_of_a_modulus_do_no_harm() {
    let mut key = Signer::shared().jwk("k1");
    let modulus = from_base64url(key["n"].as_str().unwrap()).unwrap();
    key["n"] = json!(base64url(&[&[0], modulus.as_slice()].concat()));
    let set = keys(&json!({"keys": [key]}));
    let signature = Signer::shared().signature(b"message");
    assert!(set.candidates(Algorithm::Rs256, None)[0].verifies(
        Algorithm::Rs256,
        b"message",
        &signature
    ));
}

#[test]
fn a_kid_chooses_the_key_and_without_one_each_may_be_it() {
    let rsa = |kid: &str| Signer::shared().jwk(kid);
    let mut nameless = rsa("");
    nameless.as_object_mut().unwrap().remove("kid");
    let two =
        keys(&json!({"keys": [rsa("k1"), rsa("k2"), Signer::new(Algorithm::Es256).jwk("k1")]}));
    assert_eq!(two.candidates(Algorithm::Rs256, Some("k1")).len(), 1);
    assert_eq!(two.candidates(Algorithm::Rs256, Some("K1")).len(), 0, "compared exactly");
    assert_eq!(two.candidates(Algorithm::Rs256, None).len(), 2);
    let mixed = keys(&json!({"keys": [rsa("k1"), nameless]}));
    assert_eq!(mixed.candidates(Algorithm::Rs256, Some("k1")).len(), 1);
    assert_eq!(
        mixed.candidates(Algorithm::Rs256, Some("k9")).len(),
        1,
        "only the key without a name may be it"
    );
    let many: Vec<Value> = (0..100).map(|_| rsa("same")).collect();
    assert_eq!(
        keys(&json!({"keys": many})).candidates(Algorithm::Rs256, Some("same")).len(),
        MAX_CANDIDATES
    );
}

#[test]
fn each_algorithm_verifies_its_own_signatures_and_no_others() {
    for algorithm in Algorithm::ALL.iter().copied() {
        let signer = Signer::new(algorithm);
        let set = keys(&json!({"keys": [signer.jwk("k1")]}));
        let key = set.candidates(algorithm, Some("k1"))[0];
        let mut signature = signer.signature(b"message");
        assert!(key.verifies(algorithm, b"message", &signature), "{algorithm}");
        assert!(!key.verifies(algorithm, b"messagf", &signature), "{algorithm}");
        assert!(!key.verifies(algorithm, b"message", &Vec::new()), "{algorithm}");
        signature[7] ^= 1;
        assert!(!key.verifies(algorithm, b"message", &signature), "{algorithm}");
        for other in Algorithm::ALL.iter().copied().filter(|other| *other != algorithm) {
            assert!(
                !key.verifies(other, b"message", &signer.signature(b"message")),
                "{algorithm} as {other}"
            );
        }
    }
}

proptest! {
    #[test]
    fn arbitrary_bytes_never_panic(bytes in prop::collection::vec(any::<u8>(), 0..512)) {
        let _ = JwkSet::parse(&bytes);
    }

    #[test]
    fn arbitrary_keys_never_panic(
        kty in "RSA|EC|OKP|oct|",
        crv in "P-256|P-384|Ed25519|",
        bytes in prop::collection::vec(any::<u8>(), 0..300),
        length in 0..300_usize,
        kid in ".{0,4}",
    ) {
        let text = base64url(&bytes);
        let part = base64url(&bytes[..length.min(bytes.len())]);
        let key = json!({
            "kty": kty, "crv": crv, "kid": kid, "n": text, "e": part, "x": text, "y": part
        });
        let set = keys(&json!({"keys": [key]}));
        for algorithm in Algorithm::ALL {
            for key in set.candidates(*algorithm, Some(&kid)) {
                prop_assert!(!key.verifies(*algorithm, b"message", &bytes));
            }
        }
    }
}

/// The exponent 1 of RSA and the points of small order of Ed25519 make signatures valid that anyone
/// can write.
#[test]
fn a_key_with_which_anyone_can_sign_is_not_used() {
    let ed = |x: &[u8]| json!({"kty": "OKP", "crv": "Ed25519", "kid": "k1", "x": base64url(x)});
    let number = |first: u8, middle: u8, last: u8| {
        let mut number = [middle; 32];
        (number[0], number[31]) = (first, last);
        number
    };
    let small = [
        number(0, 0, 0),
        number(1, 0, 0),
        number(0, 0, 0x80),
        number(1, 0, 0x80),
        number(0xec, 0xff, 0x7f),
        number(0xed, 0xff, 0x7f),
        number(0xee, 0xff, 0xff),
    ];
    let order_8 = [
        "xxdqcD1N2E-6PAt2DRBnDyogU_osOczGTsf9d5KsA3o",
        "JuiVj8KyJ7BFw_SJ8u-Y8NXfrAXTxjM5sTgCiG1T_IU",
    ];
    let order_8 = order_8.map(|x| from_base64url(x).unwrap());
    for x in small.iter().map(<[u8; 32]>::as_slice).chain(order_8.iter().map(Vec::as_slice)) {
        let set = keys(&json!({"keys": [ed(x), Signer::shared().jwk("k2")]}));
        assert_eq!(set.len(), 1, "{x:?}");
        assert!(set.unusable()[0].ends_with("anyone can sign with it"), "{:?}", set.unusable());
    }
    let set = json!({"keys": [with("e", json!("AQ")), Signer::new(Algorithm::EdDsa).jwk("k2")]});
    assert_eq!(usable(&set), 1);
}
