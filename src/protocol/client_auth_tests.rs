//! Client authentication at the token endpoint: by header, body and assertion.

use serde_json::{Value, json};

use super::*;
use crate::protocol::test_support::metadata;

type Form = Vec<(&'static str, Secret)>;

/// The header and the form that are sent to a provider with these methods in its document.
fn sent(id: &str, proof: &Proof, advertised: Value) -> Result<(Option<String>, Form), Error> {
    let metadata =
        metadata(|document| document["token_endpoint_auth_methods_supported"] = advertised);
    let mut form = Vec::new();
    let header = ClientAuth { id, proof }.authenticate(&metadata, &mut form)?;
    Ok((header.map(|value| value.to_str().unwrap().to_owned()), form))
}

fn secret(secret: &str) -> Proof {
    Proof::Secret(secret.into(), None)
}

fn decoded(header: Option<&str>) -> String {
    let text = header.unwrap().strip_prefix("Basic ").unwrap();
    String::from_utf8(base64_simd::STANDARD.decode_to_vec(text).unwrap()).unwrap()
}

// C-366: client_secret_basic with id and secret `client %&+-_.!~*'()`
#[test]
fn basic_form_encodes_id_and_secret() {
    let text = "client %&+-_.!~*'()";
    let (header, form) = sent(text, &secret(text), json!(null)).unwrap();
    let encoded = "client+%25%26%2B-_.%21~*%27%28%29";
    assert_eq!(decoded(header.as_deref()), format!("{encoded}:{encoded}"));
    assert!(form.is_empty());
    let (header, _) = sent("a:b", &secret("ü:%"), json!(null)).unwrap();
    assert_eq!(decoded(header.as_deref()), "a%3Ab:%C3%BC%3A%25");
}

// C-366: client_secret_basic with id and secret `client %&+-_.!~*'()`
/// Many servers compare without decoding.
#[test]
fn what_every_decoder_reads_alike_is_sent_raw() {
    for text in ["6731de76-14a6-49ae-97bc-6eba6914391e", "my_app.example~1*", "abc~Q8-._*"] {
        let (header, _) = sent(text, &secret(text), json!(["client_secret_basic"])).unwrap();
        assert_eq!(decoded(header.as_deref()), format!("{text}:{text}"));
    }
    for byte in 0..=127u8 {
        let text = char::from(byte).to_string();
        let encoded = form_encoded(&text);
        let read: Vec<_> = url::form_urlencoded::parse(encoded.as_bytes()).into_owned().collect();
        assert!(
            byte == b'&' || byte == b'=' || read == [(text.clone(), String::new())],
            "{byte}: {encoded}"
        );
    }
}

#[test]
fn what_servers_may_read_in_two_ways_goes_into_the_form_where_the_provider_takes_both() {
    let both = || json!(["client_secret_basic", "client_secret_post"]);
    for text in ["a+b", "c2VjcmV0/w==", "100%", "a b", "a:b", "ü", "a%2Fb"] {
        for (id, secret) in [("id", text), (text, "s")] {
            let proof = Proof::Secret(secret.into(), None);
            let (header, form) = sent(id, &proof, both()).unwrap();
            assert_eq!(
                (header, form),
                (None, vec![("client_id", id.into()), ("client_secret", secret.into())])
            );
            assert!(sent(id, &proof, json!(["client_secret_basic"])).unwrap().0.is_some());
            assert!(sent(id, &proof, json!(null)).unwrap().0.is_some());
            let fixed = Proof::Secret(secret.into(), Some(ClientAuthMethod::Basic));
            assert!(
                sent(id, &fixed, both()).unwrap().0.is_some(),
                "the application named the method"
            );
        }
    }
}

// C-006: token endpoint accepts client_secret_basic only
#[test]
fn with_basic_the_body_holds_no_credential() {
    for advertised in [
        json!(null),
        json!(["client_secret_basic"]),
        json!(["client_secret_post", "client_secret_basic"]),
    ] {
        let (header, form) = sent("id", &secret("s"), advertised).unwrap();
        assert_eq!((decoded(header.as_deref()).as_str(), form.len()), ("id:s", 0));
    }
}

// C-007: token endpoint accepts client_secret_post only
#[test]
fn with_post_there_is_no_header() {
    for advertised in
        [json!(["client_secret_post"]), json!(["private_key_jwt", "client_secret_post"])]
    {
        let (header, form) = sent("id", &secret("s"), advertised).unwrap();
        assert_eq!(
            (header, form),
            (None, vec![("client_id", "id".into()), ("client_secret", "s".into())])
        );
    }
}

// C-008: token endpoint accepts client_secret_jwt
#[test]
fn a_list_that_names_no_way_to_send_a_secret_is_no_reason_to_keep_it_back() {
    for advertised in [
        json!(["none"]),
        json!(["client_secret_jwt"]),
        json!(["private_key_jwt", "none"]),
        json!([]),
    ] {
        let (header, form) = sent("id", &secret("s"), advertised.clone()).unwrap();
        assert_eq!((decoded(header.as_deref()).as_str(), form.len()), ("id:s", 0));
        let metadata =
            metadata(|document| document["token_endpoint_auth_methods_supported"] = advertised);
        let client = ClientAuth { id: "id", proof: &secret("s") };
        assert_eq!(other_method(client, &metadata), Some(ClientAuthMethod::Post));
    }
}

#[test]
fn what_the_user_chose_counts() {
    let post = Proof::Secret("s".into(), Some(ClientAuthMethod::Post));
    let basic = Proof::Secret("s".into(), Some(ClientAuthMethod::Basic));
    for advertised in
        [json!(null), json!(["client_secret_basic"]), json!(["client_secret_post"]), json!([])]
    {
        assert!(sent("id", &post, advertised.clone()).unwrap().0.is_none());
        assert!(sent("id", &basic, advertised).unwrap().0.is_some());
    }
}

#[test]
fn a_public_client_only_names_itself() {
    for advertised in [json!(null), json!(["none"]), json!(["client_secret_basic"])] {
        let (header, form) = sent("id", &Proof::Nothing, advertised).unwrap();
        assert_eq!((header, form), (None, vec![("client_id", "id".into())]));
    }
}

/// RFC 7521 section 4.2
#[test]
fn an_assertion_goes_into_the_body_whatever_the_document_says() {
    for advertised in [json!(null), json!(["private_key_jwt"]), json!(["client_secret_basic"])] {
        let (header, form) = sent("id", &Proof::Assertion("a.b.c".into()), advertised).unwrap();
        let jwt_bearer = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer".into();
        let expected = vec![
            ("client_id", "id".into()),
            ("client_assertion_type", jwt_bearer),
            ("client_assertion", "a.b.c".into()),
        ];
        assert_eq!((header, form), (None, expected));
    }
}

#[test]
fn the_header_does_not_print_itself() {
    let header = ClientAuth { id: "id", proof: &secret("s") }
        .authenticate(&metadata(|_| ()), &mut Vec::new());
    assert_eq!(format!("{:?}", header.unwrap().unwrap()), "Sensitive");
}
