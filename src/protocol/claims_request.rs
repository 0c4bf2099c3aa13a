//! The claims that the options of a sign-in request (OpenID Connect Core section 5.5).

use serde_json::{Value, json};

use super::json::{self, Object};
use crate::config::SignInOptions;

/// The claims request for the options of a sign-in; `None` if there is nothing to request.
///
/// Microsoft's authorities take an authentication context as the claim `acrs`. Other providers
/// have `acr_values` for it, so there it replaces `acr_values` of the options.
pub(crate) fn claims_of(options: &mut SignInOptions, is_microsoft: bool) -> Option<String> {
    let in_claims = options.auth_context.as_deref().filter(|_| is_microsoft);
    let claims = claims_request(options.claims.as_deref(), in_claims);
    if let (None, Some(context)) = (in_claims, &options.auth_context) {
        options.acr_values = vec![context.clone()];
    }
    claims
}

/// A claims challenge (a JSON object) with an authentication context of Conditional Access added
/// as the essential claim `acrs`.
///
/// `None` if there is nothing to request.
fn claims_request(challenge: Option<&str>, auth_context: Option<&str>) -> Option<String> {
    // Options are checked before ([`SignInOptions::check`]): a challenge is a JSON object.
    let request = challenge.and_then(|challenge| json::object_of_text(challenge).ok());
    let mut request = request.unwrap_or_default();
    if let Some(context) = auth_context {
        let id_token = request.entry("id_token").or_insert_with(|| Value::Object(Object::new()));
        // `null` means that the member is requested without details (section 5.5.1).
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

    // MSAL-094: neither; merged
    /// Without a challenge and a context there is no parameter.
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
    }
}
