//! The faults of the discovery document and the key set.

use axum::response::Response;
use http::StatusCode;
use serde_json::{Map, Value, json};

use super::{
    spoil::spoils,
    spoil_answers::{SpoilJson, html, json, remove, set, twice},
};

spoils! {
    /// A fault or oddity of the next discovery document, for
    /// [`DevProvider::spoil_next_discovery`](super::DevProvider::spoil_next_discovery).
    pub enum SpoilDiscovery {
        /// `issuer` is another provider's (OpenID Connect Discovery section 4.3).
        IssuerOther = Refuse,
        /// `issuer` has a slash at its end. Discovery section 4.3 requires the exact value. Both
        /// values lead to the same document (section 4.1), so accepting it is safe. This crate
        /// does.
        IssuerWithSlash = Either,
        /// No `issuer`.
        IssuerMissing = Refuse,
        /// `issuer` occurs twice, the second time with another provider's value.
        IssuerTwice = Refuse,
        /// No `authorization_endpoint`.
        AuthorizationEndpointMissing = Refuse,
        /// No `token_endpoint`.
        TokenEndpointMissing = Refuse,
        /// `token_endpoint` is an `http` URL on another machine.
        TokenEndpointHttp = Refuse,
        /// `token_endpoint` is not a URL.
        TokenEndpointWords = Refuse,
        /// No `jwks_uri`.
        KeysMissing = Refuse,
        /// `jwks_uri` is an `http` URL on another machine.
        KeysHttp = Refuse,
        /// `jwks_uri` is a `file` URL.
        KeysFile = Refuse,
        /// The only signature algorithm is `none`.
        AlgorithmNone = Refuse,
        /// No list of signature algorithms; the default is RS256.
        AlgorithmsMissing = Accept,
        /// No list of PKCE methods, as at many providers.
        ChallengeMethodsMissing = Accept,
        /// `iss` in the authorization response is not announced, but sent.
        ResponseIssuerMissing = Accept,
        /// No `end_session_endpoint`.
        EndSessionMissing = Accept,
        /// No `userinfo_endpoint`.
        UserInfoMissing = Accept,
        /// An additional `check_session_iframe` and other unknown members.
        UnknownMembers = Accept,
        /// A list that contains the document.
        List = Refuse,
        /// An HTML page.
        Html = Refuse,
        /// The body is truncated.
        CutOff = Refuse,
    }
}

spoils! {
    /// A fault or oddity of the next key set, for
    /// [`DevProvider::spoil_next_keys`](super::DevProvider::spoil_next_keys).
    pub enum SpoilKeys {
        /// An empty list of keys.
        Empty = Refuse,
        /// No member `keys`.
        KeysMissing = Refuse,
        /// `keys` is an object.
        KeysObject = Refuse,
        /// The keys are for encryption.
        UseEncryption = Refuse,
        /// `key_ops` of the keys allows encryption and wrapping, but not verification.
        OperationsEncryption = Refuse,
        /// The keys are for another algorithm.
        AlgorithmOther = Refuse,
        /// The keys have other identifiers.
        KeyIdOther = Refuse,
        /// The numbers of the keys are damaged.
        Damaged = Refuse,
        /// The keys have no `alg`.
        AlgorithmMissing = Accept,
        /// The keys have no `use`.
        UseMissing = Accept,
        /// Additional keys: of an unknown type, a symmetric one, a damaged one, and an entry that
        /// is not a key.
        StrangersAdded = Accept,
        /// An HTML page.
        Html = Refuse,
        /// The body is truncated.
        CutOff = Refuse,
    }
}

impl SpoilJson for SpoilDiscovery {
    fn spoil(self, body: &mut Map<String, Value>) -> Option<Response> {
        let text = Value::Object(body.clone()).to_string();
        let other = "https://another-issuer.example";
        match self {
            Self::IssuerOther => set(body, "issuer", other),
            Self::IssuerWithSlash => {
                let issuer =
                    body.get("issuer").and_then(Value::as_str).map(|issuer| format!("{issuer}/"));
                set(body, "issuer", issuer)
            }
            Self::IssuerMissing => remove(body, "issuer"),
            Self::IssuerTwice => twice(body, "issuer", other),
            Self::AuthorizationEndpointMissing => remove(body, "authorization_endpoint"),
            Self::TokenEndpointMissing => remove(body, "token_endpoint"),
            Self::TokenEndpointHttp => {
                set(body, "token_endpoint", "http://another-issuer.example/token")
            }
            Self::TokenEndpointWords => set(body, "token_endpoint", "over there"),
            Self::KeysMissing => remove(body, "jwks_uri"),
            Self::KeysHttp => set(body, "jwks_uri", "http://another-issuer.example/keys"),
            Self::KeysFile => set(body, "jwks_uri", "file:///etc/passwd"),
            Self::AlgorithmNone => {
                set(body, "id_token_signing_alg_values_supported", json!(["none"]))
            }
            Self::AlgorithmsMissing => remove(body, "id_token_signing_alg_values_supported"),
            Self::ChallengeMethodsMissing => remove(body, "code_challenge_methods_supported"),
            Self::ResponseIssuerMissing => {
                remove(body, "authorization_response_iss_parameter_supported")
            }
            Self::EndSessionMissing => remove(body, "end_session_endpoint"),
            Self::UserInfoMissing => remove(body, "userinfo_endpoint"),
            Self::UnknownMembers => {
                set(body, "check_session_iframe", format!("{other}/session"));
                set(body, "unknown", json!({ "deeper": [1, null] }))
            }
            Self::List => json(StatusCode::OK, format!("[{text}]")),
            Self::Html => html(),
            Self::CutOff => json(StatusCode::OK, text.chars().take(text.len() / 2).collect()),
        }
    }
}

fn each_key(
    body: &mut Map<String, Value>,
    change: impl Fn(&mut Map<String, Value>),
) -> Option<Response> {
    if let Some(keys) = body.get_mut("keys").and_then(Value::as_array_mut) {
        keys.iter_mut().filter_map(Value::as_object_mut).for_each(change);
    }
    None
}

impl SpoilJson for SpoilKeys {
    fn spoil(self, body: &mut Map<String, Value>) -> Option<Response> {
        let text = Value::Object(body.clone()).to_string();
        match self {
            Self::Empty => set(body, "keys", json!([])),
            Self::KeysMissing => remove(body, "keys"),
            Self::KeysObject => set(body, "keys", json!({})),
            Self::UseEncryption => each_key(body, |key| drop(set(key, "use", "enc"))),
            Self::OperationsEncryption => each_key(body, |key| {
                // RFC 7517 section 4.3: `use` and `key_ops` should not be used together.
                remove(key, "use");
                set(key, "key_ops", json!(["encrypt", "wrapKey"]));
            }),
            Self::AlgorithmOther => each_key(body, |key| {
                let other = if key.get("alg").and_then(Value::as_str) == Some("RS384") {
                    "RS512"
                } else {
                    "RS384"
                };
                set(key, "alg", other);
            }),
            Self::KeyIdOther => each_key(body, |key| drop(set(key, "kid", "another-key"))),
            Self::Damaged => each_key(body, |key| {
                for number in ["n", "x"] {
                    if key.contains_key(number) {
                        set(key, number, "!!!");
                    }
                }
            }),
            Self::AlgorithmMissing => each_key(body, |key| drop(remove(key, "alg"))),
            Self::UseMissing => each_key(body, |key| drop(remove(key, "use"))),
            Self::StrangersAdded => {
                if let Some(keys) = body.get_mut("keys").and_then(Value::as_array_mut) {
                    // RFC 7517 section 5: keys of unknown types are ignored. They come first, where
                    // a reader of the first key alone would take one.
                    keys.insert(0, json!({ "kty": "LATTICE", "kid": "1", "pub": "AAAA" }));
                    keys.insert(0, json!({ "kty": "oct", "kid": "2", "k": "c2VjcmV0" }));
                    keys.insert(0, json!({ "kty": "RSA", "kid": "3", "n": 5 }));
                    keys.push(json!("key"));
                    keys.push(Value::Null);
                }
                None
            }
            Self::Html => html(),
            Self::CutOff => json(StatusCode::OK, text.chars().take(text.len() / 2).collect()),
        }
    }
}
