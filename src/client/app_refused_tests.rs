//! What is said where a provider issues no token of the application itself.

use super::*;

/// The error of a request for this scope that the provider refuses with this answer.
async fn refused(world: &World, scope: &str, status: u16, body: Value) -> String {
    let mut body = body;
    // Without a description `invalid_request` may be about a missing `client_id`.
    body["error_description"] = json!("no");
    world.next_is(status, body);
    world.client.for_app(&asks(scope)).await.unwrap_err().to_string()
}

#[tokio::test]
async fn a_refusal_names_the_settings_of_the_client_credentials_grant() {
    for (status, error, words) in [
        (400, "invalid_scope", &["name the scopes", "add_parameter", "`audience`"][..]),
        (400, "unauthorized_client", &["client credentials grant", "registration"]),
        (400, "unsupported_grant_type", &["client credentials grant", "registration"]),
        (400, "invalid_target", &["`TokenRequest::with_resource`", "`audience`"]),
        (400, "invalid_request", &["`audience`", "IDENTITY_CLIENT_AUTH_METHOD"]),
        // Auth0, without an audience or without a grant for that API.
        (403, "access_denied", &["`audience`", "add_parameter", "authorize the application"]),
    ] {
        let world = World::new();
        let text = refused(&world, "notes.read", status, json!({"error": error})).await;
        for words in words {
            assert!(text.contains(words), "{error}: {words}: {text}");
        }
        for wrong in ["IDENTITY_OPENID_SCOPES", "authorization code", "redirect URI", ".default"] {
            assert!(!text.contains(wrong), "{error}: {wrong}: {text}");
        }
    }
}

/// `/.default` is a name of Microsoft's.
#[tokio::test]
async fn a_default_scope_at_another_provider_is_told() {
    for error in ["invalid_scope", "invalid_target", "invalid_request"] {
        let world = World::new();
        let scope = "https://notes.example/.default";
        let text = refused(&world, scope, 400, json!({"error": error})).await;
        assert!(text.contains("`/.default`") && text.contains("Microsoft"), "{text}");
    }
    let world = World::entra(TENANT, |config| config);
    let body = json!({
        "error": "invalid_scope", "error_codes": [70011],
    });
    let text = refused(&world, "https://notes.example/x", 400, body).await;
    assert!(!text.contains("Microsoft's providers alone"), "{text}");
}

/// Auth0 names the API by a parameter; a scope is optional (RFC 6749 section 4.4.2).
#[tokio::test]
async fn a_parameter_that_names_the_api_is_enough() {
    let world = World::new();
    let request = TokenRequest::new([""; 0]).unwrap().add_parameter("audience", "https://notes");
    let first = world.client.for_app(&request).await.unwrap();
    let form = world.last();
    assert_eq!((form["audience"].as_str(), form.get("scope")), ("https://notes", None));
    assert_eq!(first.expose(), world.client.for_app(&request).await.unwrap().expose(), "cached");
    let other = TokenRequest::new([""; 0]).unwrap().add_parameter("audience", "https://mail");
    assert_ne!(first.expose(), world.client.for_app(&other).await.unwrap().expose());
}

#[tokio::test]
async fn a_request_that_names_no_api_is_told_what_the_provider_takes() {
    let nothing = TokenRequest::new([""; 0]).unwrap();
    let world = World::new();
    let text = world.client.for_app(&nothing).await.unwrap_err().to_string();
    for words in ["a scope", "with_resource", "`audience`"] {
        assert!(text.contains(words), "{words}: {text}");
    }
    assert!(!text.contains(".default"), "{text}");
    let world = World::entra(TENANT, |config| config);
    let text = world.client.for_app(&nothing).await.unwrap_err().to_string();
    assert!(text.contains("https://graph.microsoft.com/.default"), "{text}");
    assert_eq!(world.calls(), 0);
}

/// Microsoft, "Claims challenges": the challenge has the authorize endpoint. A handler without an
/// `ApiLayer` around it returns it, too.
#[tokio::test]
async fn the_challenge_of_a_refused_token_on_behalf_of_a_caller_has_the_authorize_endpoint() {
    let world = World::entra(TENANT, |config| config);
    let claims = r#"{"access_token":{"acrs":{"essential":true,"value":"c10"}}}"#;
    world.next_is(400, json!({"error": "interaction_required", "claims": claims}));
    let refused = world.client.on_behalf_of(&Secret::from("opaque"), &asks("User.Read")).await;
    let response = refused.unwrap_err().into_response_with(());
    let challenge = response.headers()["www-authenticate"].to_str().unwrap();
    let uri = format!("https://login.microsoftonline.com/{TENANT}/oauth2/authorize");
    assert!(challenge.contains(r#"error="insufficient_claims""#), "{challenge}");
    assert!(challenge.contains(&format!(r#"authorization_uri="{uri}""#)), "{challenge}");
}

/// No provider has refused it, so that the remedy is none of a refused grant.
#[tokio::test]
async fn an_assertion_that_is_not_sent_says_what_to_change() {
    let world = World::entra(TENANT, |config| config);
    for (claims, remedy) in [
        (json!({"ver": "1.0", "aud": CLIENT_ID}), "requestedAccessTokenVersion"),
        (json!({"ver": "2.0", "aud": OTHER_TENANT}), "add_trusted_audience"),
    ] {
        let assertion = format!("e30.{}.c2ln", base64url(claims.to_string().as_bytes()));
        let refused = world.client.on_behalf_of(&assertion.into(), &asks("User.Read")).await;
        let text = refused.unwrap_err().to_string();
        assert!(text.contains(remedy), "{text}");
        assert!(!text.contains("used before") && !text.contains("sign in again"), "{text}");
    }
    assert_eq!(world.calls(), 0);
}

/// No application is registered in the tenant of personal accounts.
#[tokio::test]
async fn there_are_no_tokens_of_an_application_among_personal_accounts() {
    let world = World::entra("consumers", |config| config);
    let graph = || asks("https://graph.microsoft.com/.default");
    for request in [
        graph(),
        graph().with_tenant("Consumers"),
        graph().with_tenant("9188040d-6c67-4c5b-b112-36a304b66dad"),
    ] {
        let error = world.client.for_app(&request).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::NotConfigured, "{error}");
        assert!(error.to_string().contains("with_tenant"), "{error}");
    }
    assert_eq!(world.calls(), 0);
    world.client.for_app(&graph().with_tenant(TENANT)).await.unwrap();
    let named = World::entra("9188040d-6c67-4c5b-b112-36a304b66dad", |config| config);
    let error = named.client.for_app(&graph()).await.unwrap_err();
    assert_eq!((error.kind(), named.calls()), (ErrorKind::NotConfigured, 0));
}

/// RFC 6749 section 3.1: a parameter without a value counts as omitted.
#[tokio::test]
async fn an_empty_resource_is_none() {
    let world = World::new();
    let error = world.client.for_app(&asks("").with_resource("")).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::RequestInvalid, "{error}");
    assert_eq!(world.calls(), 0);
}
