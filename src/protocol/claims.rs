//! The `claims` parameter of authorization and token requests (OpenID Connect Core section 5.5).
//!
//! It is merged from three sources: the claims challenge of an API, the claims that the client
//! itself requests, and the client capabilities (`xms_cc`, Entra), which tell Entra that this
//! client can handle claims challenges.

use serde_json::{Map, Value, json};

use super::json::{self, Object};
use crate::{
    config::SignInOptions,
    error::{Error, ErrorKind},
};

/// The value of the parameter as JSON; `None` if there is nothing to request. If there is only one
/// source, its text is sent unchanged.
///
/// # Errors
///
/// [`ErrorKind::RequestInvalid`]: one of the texts is not a JSON object, or has a member twice.
pub(crate) fn merged(
    capabilities: &[String],
    client: Option<&str>,
    challenge: Option<&str>,
) -> Result<Option<String>, Error> {
    let read = |text: &str| {
        json::object(text.as_bytes()).map_err(|error| {
            Error::new(
                ErrorKind::RequestInvalid,
                format!("the requested claims: {}", error.as_str()),
            )
        })
    };
    let client = client.map(|text| read(text).map(|object| (text, object))).transpose()?;
    let challenge = challenge.map(|text| read(text).map(|object| (text, object))).transpose()?;
    if capabilities.is_empty()
        && let (Some((text, _)), None) | (None, Some((text, _))) = (&client, &challenge)
    {
        return Ok(Some((*text).to_owned()));
    }
    let mut all = Object::new();
    for (_, object) in client.into_iter().chain(challenge) {
        add(&mut all, object);
    }
    if !capabilities.is_empty() {
        add(
            &mut all,
            Map::from_iter([(
                "access_token".to_owned(),
                json!({"xms_cc": {"values": capabilities}}),
            )]),
        );
    }
    Ok((!all.is_empty()).then(|| Value::Object(all).to_string()))
}

/// The claims that the options of a sign-in request; `None` if there are none.
///
/// Microsoft's authorities take an authentication context as the essential claim `acrs`. Other
/// providers have `acr_values` for it, so there it replaces `acr_values` of the options.
pub(crate) fn claims_of(options: &mut SignInOptions, is_microsoft: bool) -> Option<String> {
    // Options are checked before ([`SignInOptions::check`]): a challenge is a JSON object.
    let challenge = options.claims.as_deref();
    let challenge = challenge.and_then(|challenge| json::object_of_text(challenge).ok());
    let mut request = challenge.unwrap_or_default();
    match &options.auth_context {
        Some(context) if is_microsoft => {
            let acrs = json!({ "acrs": { "essential": true, "value": context } });
            add(&mut request, Map::from_iter([("id_token".to_owned(), acrs)]));
        }
        Some(context) => options.acr_values = vec![context.clone()],
        None => {}
    }
    (!request.is_empty()).then(|| Value::Object(request).to_string())
}

/// Merges members: objects are merged, any other value is replaced by the later one.
fn add(to: &mut Object, from: Object) {
    for (name, value) in from {
        match (to.get_mut(&name), value) {
            (Some(Value::Object(there)), Value::Object(more)) => add(there, more),
            (_, value) => {
                to.insert(name, value);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn capabilities(names: &[&str]) -> Vec<String> {
        names.iter().map(|name| (*name).to_owned()).collect()
    }

    // MSAL-092: no capabilities, challenge only; merged
    #[test]
    fn a_challenge_alone_is_sent_as_it_came() {
        let challenge = r#"{ "access_token":{"nbf":{"essential":true,"value":"1604106651"}} }"#;
        assert_eq!(merged(&[], None, Some(challenge)).unwrap().as_deref(), Some(challenge));
        assert_eq!(merged(&[], Some(challenge), None).unwrap().as_deref(), Some(challenge));
    }

    // MSAL-093: capabilities only; merged
    #[test]
    fn capabilities_alone_are_claims_of_the_access_token() {
        let sent = merged(&capabilities(&["foo", "bar"]), None, None).unwrap();
        assert_eq!(
            sent.as_deref(),
            Some(r#"{"access_token":{"xms_cc":{"values":["foo","bar"]}}}"#)
        );
    }

    // MSAL-094: neither; merged
    #[test]
    fn nothing_is_no_parameter() {
        assert_eq!(merged(&[], None, None).unwrap(), None);
    }

    #[test]
    fn all_together_are_one_object() {
        let challenge = r#"{"id_token":{"a":null},
            "access_token":{"nbf":{"essential":true},"xms_cc":{"values":["x"]}}}"#;
        let client = r#"{"access_token":{"acrs":{"value":"c1"}}}"#;
        let sent = merged(&capabilities(&["cp1"]), Some(client), Some(challenge)).unwrap().unwrap();
        assert_eq!(
            serde_json::from_str::<Value>(&sent).unwrap(),
            json!({
                "access_token": {
                    "acrs": {"value": "c1"}, "nbf": {"essential": true},
                    "xms_cc": {"values": ["cp1"]}
                },
                "id_token": {"a": null}
            })
        );
    }

    #[test]
    fn what_is_no_object_is_refused() {
        for text in ["", "[]", "null", r#"{"a":1,"a":2}"#, "{"] {
            assert_eq!(
                merged(&[], None, Some(text)).unwrap_err().kind(),
                ErrorKind::RequestInvalid,
                "{text}"
            );
            assert_eq!(
                merged(&capabilities(&["cp1"]), Some(text), None).unwrap_err().kind(),
                ErrorKind::RequestInvalid,
                "{text}"
            );
        }
    }

    fn request(challenge: Option<&str>, auth_context: Option<&str>) -> Option<Value> {
        let mut options = SignInOptions::new();
        options.claims = challenge.map(str::to_owned);
        options.auth_context = auth_context.map(str::to_owned);
        claims_of(&mut options, true).map(|text| serde_json::from_str(&text).unwrap())
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
