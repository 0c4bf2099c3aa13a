//! The effect of quirks on documents, keys, token responses and claims.

use serde_json::{Map, Value, json};

use super::{
    quirk::{Quirk, Quirks},
    spoil_answers::{remove, set},
};
use crate::secret::from_base64url;

/// The members that OpenID Connect Discovery section 3 requires, the end session endpoint, and the
/// methods of PKCE.
const REQUIRED: [&str; 9] = [
    "issuer",
    "authorization_endpoint",
    "token_endpoint",
    "jwks_uri",
    "response_types_supported",
    "subject_types_supported",
    "id_token_signing_alg_values_supported",
    "end_session_endpoint",
    "code_challenge_methods_supported",
];

/// The scopes of OpenID Connect whose names no quirk changes. `profile` is not one of them: Google
/// answers it under a longer name.
const OPENID: [&str; 3] = ["openid", "offline_access", "email"];

/// Sets members that are missing.
fn fill(body: &mut Map<String, Value>, names: &[&str], value: &Value) {
    for name in names {
        body.entry(*name).or_insert_with(|| value.clone());
    }
}

/// Sets optional members to `null` instead of leaving them out (OpenID Connect Discovery section
/// 4.2).
fn null_metadata(body: &mut Map<String, Value>) {
    let names = [
        "acr_values_supported",
        "check_session_iframe",
        "op_policy_uri",
        "registration_endpoint",
        "service_documentation",
    ];
    fill(body, &names, &Value::Null);
    for name in
        ["scopes_supported", "claims_supported", "revocation_endpoint", "introspection_endpoint"]
    {
        set(body, name, Value::Null);
    }
}

/// A list of one value becomes that value.
fn only_to_text(value: &mut Value) {
    if let Value::Array(list) = value
        && let [only] = list.as_slice()
    {
        *value = only.clone();
    }
}

impl Quirks {
    /// Changes a discovery document.
    pub(super) fn document(&self, body: &mut Map<String, Value>) {
        let removed: &[(Quirk, &[&str])] = &[
            (Quirk::NoEndSession, &["end_session_endpoint"]),
            (Quirk::NoUserInfo, &["userinfo_endpoint"]),
            (Quirk::NoResponseIssuer, &["authorization_response_iss_parameter_supported"]),
            (Quirk::UnpromisedResponseIssuer, &["authorization_response_iss_parameter_supported"]),
            (Quirk::NoPkce, &["code_challenge_methods_supported"]),
            (Quirk::NoAlgorithms, &["id_token_signing_alg_values_supported"]),
        ];
        for (_, names) in removed.iter().filter(|(quirk, _)| self.has(*quirk)) {
            names.iter().for_each(|name| drop(remove(body, name)));
        }
        if self.has(Quirk::SparseDocument) {
            body.retain(|name, _| REQUIRED.contains(&name.as_str()));
        }
        if self.has(Quirk::RelativeUrls) {
            for name in ["revocation_endpoint", "introspection_endpoint", "registration_endpoint"] {
                set(body, name, format!("/{name}"));
            }
        }
        if self.has(Quirk::NoOfflineAccess) {
            set(body, "scopes_supported", json!(["openid", "profile", "email"]));
        }
        for (quirk, algorithm) in
            [(Quirk::OtherAlgorithms, "ES512"), (Quirk::SecretSignature, "HS256")]
        {
            if self.has(quirk) {
                set(body, "id_token_signing_alg_values_supported", json!([algorithm]));
            }
        }
        for (quirk, method) in [
            (Quirk::SecretByPostOnly, "client_secret_post"),
            (Quirk::SecretByBasicOnly, "client_secret_basic"),
        ] {
            if self.has(quirk) {
                set(body, "token_endpoint_auth_methods_supported", json!([method]));
            }
        }
        if self.has(Quirk::NullMetadata) {
            null_metadata(body);
        }
        if self.has(Quirk::TextLists) {
            body.values_mut().for_each(only_to_text);
        }
        if self.has(Quirk::TextBooleans) {
            body.values_mut().for_each(boolean_to_text);
        }
    }

    /// Changes a key of the key set.
    fn key(&self, key: &mut Map<String, Value>) {
        if self.has(Quirk::PaddedKeys) {
            for name in ["n", "e", "x", "y"] {
                if let Some(Value::String(number)) = key.get_mut(name) {
                    *number = padded(number);
                }
            }
        }
        if self.has(Quirk::NumericKeyIds)
            && let Some(number) = key.get("kid").and_then(Value::as_str).and_then(key_number)
        {
            set(key, "kid", number);
        }
        if self.has(Quirk::NoKeyIds) {
            remove(key, "kid");
        }
        if self.has(Quirk::NoKeyAlgorithms) {
            remove(key, "alg");
        }
        if self.has(Quirk::EmptyKeyOperations) {
            set(key, "key_ops", json!([]));
        }
        if self.has(Quirk::KeyUseSigning) {
            set(key, "use", "signing");
        }
    }

    /// Changes a key set.
    pub(super) fn key_set(&self, body: &mut Map<String, Value>) {
        let Some(Value::Array(keys)) = body.get_mut("keys") else { return };
        keys.iter_mut().filter_map(Value::as_object_mut).for_each(|key| self.key(key));
        // RFC 7517 section 5: a reader ignores keys that it does not understand. They stand before
        // and between the keys in use, where a reader of the first key alone would take one.
        if self.has(Quirk::OtherKeys) {
            let strangers = [
                json!({
                    "kty": "AKP", "alg": "ML-DSA-65", "kid": "post-quantum", "use": "sig",
                    "pub": "AAAA",
                }),
                json!({
                    "kty": "EC", "crv": "secp256k1", "kid": "bitcoin", "use": "sig", "x": "AAAA",
                    "y": "AAAA",
                }),
                json!({
                    "kty": "RSA", "alg": "RSA-OAEP", "kid": "encryption", "use": "enc",
                    "n": "AQAB", "e": "AQAB",
                }),
                json!({ "kty": "RSA", "kid": "without-numbers", "use": "sig", "x5c": [] }),
            ];
            for (at, stranger) in strangers.into_iter().enumerate() {
                keys.insert(at.min(keys.len()), stranger);
            }
        }
    }

    /// Changes the header of an ID token.
    pub(super) fn header(&self, header: &mut Map<String, Value>) {
        // In a header the name is text (RFC 7515 section 4.1.4), so the number is written as text.
        if self.has(Quirk::NumericKeyIds)
            && let Some(number) = header.get("kid").and_then(Value::as_str).and_then(key_number)
        {
            set(header, "kid", number.to_string());
        }
        if self.has(Quirk::NoKeyIds) {
            remove(header, "kid");
        }
        if self.has(Quirk::NoTokenType) {
            remove(header, "typ");
        }
    }

    /// Changes the claims of an ID token.
    pub(super) fn claims(&self, claims: &mut Map<String, Value>) {
        let audience = claims.get("aud").cloned().unwrap_or_default();
        if self.has(Quirk::NamesAtUserInfo) {
            remove_names(claims);
        }
        if self.has(Quirk::NoNonce) {
            remove(claims, "nonce");
        }
        if self.has(Quirk::AudienceList) {
            set(claims, "aud", json!([audience]));
        }
        if self.has(Quirk::AudienceRepeated) {
            set(claims, "aud", json!([audience, audience]));
        }
        if self.has(Quirk::FractionalTimes) {
            for name in ["exp", "iat", "nbf", "auth_time"] {
                if let Some(time) = claims.get(name).and_then(Value::as_i64) {
                    set(claims, name, json!(time_with_fraction(time)));
                }
            }
        }
        if self.has(Quirk::NullClaims) {
            for name in ["at_hash", "auth_time"] {
                set(claims, name, Value::Null);
            }
            let names = [
                "nonce",
                "acr",
                "amr",
                "azp",
                "sid",
                "name",
                "email",
                "preferred_username",
                "groups",
                "roles",
                "tid",
            ];
            fill(claims, &names, &Value::Null);
        }
        self.text_booleans(claims);
    }

    /// Changes the claims of an ID token that comes with a refresh.
    pub(super) fn claims_at_refresh(&self, claims: &mut Map<String, Value>) {
        if self.has(Quirk::NoNamesAtRefresh) {
            remove_names(claims);
        }
    }

    /// Changes the claims of UserInfo.
    pub(super) fn user_info(&self, claims: &mut Map<String, Value>) {
        if self.has(Quirk::NoNamesAtRefresh) {
            remove_names(claims);
        }
        self.text_booleans(claims);
    }

    fn text_booleans(&self, claims: &mut Map<String, Value>) {
        if self.has(Quirk::TextBooleans) {
            claims.values_mut().for_each(boolean_to_text);
        }
    }

    /// Changes a token response.
    pub(super) fn token_answer(&self, body: &mut Map<String, Value>, is_refresh: bool) {
        if self.has(Quirk::NoIdTokenAtRefresh) && is_refresh {
            remove(body, "id_token");
        }
        self.scope(body);
        if self.has(Quirk::NoLife) {
            remove(body, "expires_in");
        }
        if self.has(Quirk::EmptyLife) {
            set(body, "expires_in", "");
        }
        if self.has(Quirk::TextLife)
            && let Some(life) = body.get("expires_in").map(ToString::to_string)
        {
            set(body, "expires_in", life);
        }
        if self.has(Quirk::LowerCaseTokenType) {
            set(body, "token_type", "bearer");
        }
        for (quirk, value) in [(Quirk::NullMembers, Value::Null), (Quirk::EmptyMembers, json!(""))]
        {
            if self.has(quirk) {
                set(body, "scope", value.clone());
                // The ID token of a sign-in is required (OpenID Connect Core section 3.1.3.3), that
                // of a refresh is not (section 12.2).
                if is_refresh {
                    set(body, "id_token", value.clone());
                }
                fill(body, &["id_token", "refresh_token", "session_state"], &value);
            }
        }
    }

    /// Changes the `scope` of a token response.
    fn scope(&self, body: &mut Map<String, Value>) {
        let Some(scope) = body.get("scope").and_then(Value::as_str).map(ToOwned::to_owned) else {
            return;
        };
        let names = scope.split(' ');
        if self.has(Quirk::ScopeList) {
            set(body, "scope", names.collect::<Vec<_>>());
        } else if self.has(Quirk::ScopeCommas) {
            set(body, "scope", names.collect::<Vec<_>>().join(","));
        } else if self.has(Quirk::LongScopes) {
            let long = |name| {
                if OPENID.contains(&name) {
                    name.to_owned()
                } else {
                    format!("https://scopes.example/auth/{name}")
                }
            };
            set(body, "scope", names.map(long).collect::<Vec<_>>().join(" "));
        } else if self.has(Quirk::ScopeLetterCase) {
            let upper = |name: &str| {
                if OPENID.contains(&name) { name.to_owned() } else { name.to_uppercase() }
            };
            set(body, "scope", names.map(upper).collect::<Vec<_>>().join(" "));
        } else if self.has(Quirk::ScopeWithoutOfflineAccess) {
            set(
                body,
                "scope",
                names.filter(|name| *name != "offline_access").collect::<Vec<_>>().join(" "),
            );
        } else if self.has(Quirk::NoScope) {
            remove(body, "scope");
        }
    }

    /// Additional parameters of an authorization response.
    pub(super) fn more_parameters(&self) -> Vec<(String, String)> {
        let more = [
            ("scope", "openid profile"),
            ("authuser", "0"),
            ("prompt", "none"),
            ("session_state", "1"),
            ("hd", "example.com"),
        ];
        let more = more.into_iter().filter(|_| self.has(Quirk::MoreResponseParameters));
        more.map(|(name, value)| (name.to_owned(), value.to_owned())).collect()
    }
}

/// Removes the claims of the scopes `profile` and `email` that the provider sends.
fn remove_names(claims: &mut Map<String, Value>) {
    for name in
        ["name", "given_name", "family_name", "preferred_username", "email", "email_verified"]
    {
        remove(claims, name);
    }
}

fn boolean_to_text(value: &mut Value) {
    if let Value::Bool(boolean) = value {
        *value = boolean.to_string().into();
    }
}

/// Adds the padding that JWK omits (RFC 7515 section 2) to base64url.
fn padded(text: &str) -> String {
    format!("{text}{}", "=".repeat(text.len().wrapping_neg() % 4))
}

/// A number made from an identifier. It has six bytes, so that every language reads it exactly
/// (JavaScript numbers have 53 bits).
pub(super) fn key_number(kid: &str) -> Option<u64> {
    let bytes = from_base64url(kid)?;
    Some(bytes.iter().take(6).fold(0, |number, byte| number << 8 | u64::from(*byte)))
}

fn time_with_fraction(time: i64) -> f64 {
    time as f64 + 0.25
}
