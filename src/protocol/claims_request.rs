//! The `claims` parameter (OpenID Connect Core section 5.5): what a sign-in has to fulfil.

use serde_json::{Value, json};

use super::json::{self, Object};
use crate::config::SignInOptions;

/// What the options of a sign-in ask for in claims. An authentication context is one of Microsoft's
/// claims; elsewhere it is a class of the sign-in (`acr_values`), and put there.
pub(crate) fn claims_of(options: &mut SignInOptions, is_microsoft: bool) -> Option<String> {
    let in_claims = options.auth_context.as_deref().filter(|_| is_microsoft);
    let claims = claims_request(options.claims.as_deref(), in_claims);
    if let (None, Some(context)) = (in_claims, &options.auth_context) {
        options.acr_values = vec![context.clone()];
    }
    claims
}

/// What the provider wants to be asked for (its claims challenge, a JSON object), together with an
/// authentication context of Conditional Access.
///
/// A challenge that cannot be read is left out. `None` if there is nothing to ask for.
fn claims_request(challenge: Option<&str>, auth_context: Option<&str>) -> Option<String> {
    let mut request =
        challenge.and_then(|challenge| json::object(challenge.as_bytes()).ok()).unwrap_or_default();
    if let Some(context) = auth_context {
        let id_token = request.entry("id_token").or_insert_with(|| Value::Object(Object::new()));
        if !id_token.is_object() {
            *id_token = Value::Object(Object::new());
        }
        if let Some(id_token) = id_token.as_object_mut() {
            id_token.insert("acrs".to_owned(), json!({ "essential": true, "value": context }));
        }
    }
    (!request.is_empty()).then(|| Value::Object(request).to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn request(challenge: Option<&str>, auth_context: Option<&str>) -> Option<Value> {
        claims_request(challenge, auth_context).map(|text| serde_json::from_str(&text).unwrap())
    }

    /// MSAL-094: neither is no parameter.
    #[test]
    fn challenge_and_context_are_asked_for_together() {
        let context = json!({"id_token": {"acrs": {"essential": true, "value": "c1"}}});
        assert_eq!(request(None, None), None);
        assert_eq!(request(None, Some("c1")), Some(context.clone()));
        let challenge = r#"{"access_token":{"capolids":{"essential":true,"values":["a"]}}}"#;
        assert_eq!(request(Some(challenge), None).unwrap().to_string(), challenge);
        let both = request(Some(challenge), Some("c1")).unwrap();
        assert_eq!(
            (&both["access_token"]["capolids"]["values"][0], &both["id_token"]),
            (&json!("a"), &context["id_token"])
        );
        let own =
            request(Some(r#"{"id_token":{"auth_time":null,"acrs":null}}"#), Some("c1")).unwrap();
        assert_eq!(
            own["id_token"],
            json!({"auth_time": null, "acrs": {"essential": true, "value": "c1"}})
        );
        assert_eq!(request(Some(r#"{"id_token":7}"#), Some("c1")), Some(context));
        for unreadable in ["", "[]", "{", r#"{"a":1,"a":2}"#] {
            assert_eq!(request(Some(unreadable), None), None, "{unreadable}");
        }
    }
}
