//! The challenges of an API: for refused tokens, from its guards, and for clients over gRPC.

use std::{convert::Infallible, time::Duration};

use bytes::Bytes;
use http::{Request, Response, StatusCode};
use serde_json::{Value, json};
use tower::ServiceExt as _;
use tower_layer::Layer as _;

use super::{
    ApiCaller, CallerKind, require_app_roles, require_caller, require_scopes,
    test_api::{APP, OTHER_TID, TID, TestApi, claims, entra, merge, signed, token, v2},
};
use crate::{
    authority::Authority,
    config::{ApiConfig, ClientCredential},
    protocol::test_support::{ISSUER, NOW, Signer, answer},
};

#[tokio::test]
async fn the_challenge_for_a_request_without_a_token_has_no_error_code() {
    let api = TestApi::with(|config| config.add_public_path("/health"));
    for authorization in [&[][..], &["Basic YTpi"], &["DPoP abc"], &["Bearerabc x"]] {
        let told = api.get("/notes?access_token=x", authorization).await;
        assert_eq!(told.status, StatusCode::UNAUTHORIZED);
        assert_eq!(told.challenge(), r#"Bearer realm="client-1""#);
        assert_eq!(told.reason(), "token_missing");
    }
    assert_eq!(api.get("/health", &[]).await.body, "nobody");
    assert_eq!(api.get("//health", &[]).await.status, StatusCode::UNAUTHORIZED);
}

#[tokio::test]
async fn a_header_that_is_not_one_token_is_a_bad_request() {
    let api = TestApi::plain();
    let (token, long) = (token(|_| ()), format!("Bearer {}", "a".repeat(20_000)));
    let (good, listed) = (format!("Bearer {token}"), format!("Bearer {token}, Bearer {token}"));
    for authorization in [
        &["Bearer"][..],
        &["Bearer "],
        &["bearer a b"],
        &["Bearer a,b"],
        &["Bearer \"a\""],
        &["Bearer ="],
        &[""],
        &[&long],
        &[&listed],
        &[&good, &good],
        &[&good, "Basic YTpi"],
    ] {
        let told = api.get("/notes", authorization).await;
        assert_eq!(told.status, StatusCode::BAD_REQUEST, "{authorization:?}");
        assert!(told.challenge().starts_with(r#"Bearer error="invalid_request""#), "{told:?}");
        assert_eq!(told.reason(), "authorization_invalid");
    }
    for scheme in ["bearer", "BEARER", "Bearer "] {
        assert_eq!(api.get("/notes", &[&format!("{scheme} {token}")]).await.status, StatusCode::OK);
    }
}

// C-417: no authenticated user
// C-419: one of several accepted scopes in scp or scope, space separated
// C-422: app token with role, user token with scope
/// Scopes count for people, roles for applications, never crosswise.
#[tokio::test]
async fn scopes_count_for_people_and_app_roles_for_applications() {
    let guard = require_scopes(["Notes.Read"]).or_app_roles(["Notes.Read.All"]);
    let api = TestApi::entra(|config| config).guarded(guard);
    let person = |more: Value| entra(v2(), |claims| merge(claims, &more));
    for (more, status) in [
        (json!({"scp": "Notes.Read"}), 200),
        (json!({"scp": "Other Notes.Read"}), 200),
        (json!({"scp": "Other"}), 403),
        (json!({"scp": "Notes.Read.All"}), 403),
        (json!({"scp": "Other", "roles": ["Notes.Read.All", "Notes.Read"]}), 403),
        (json!({"scp": "/", "roles": ["Notes.Read.All"]}), 200),
        (json!({"scp": "/", "roles": ["Notes.Read"]}), 403),
        (json!({"scp": "Notes.Read", "idtyp": "app", "roles": ["Other"]}), 403),
    ] {
        let told = api.with_token(&person(more.clone())).await;
        assert_eq!(told.status.as_u16(), status, "{more}");
        if status == 403 {
            let wanted = format!(
                "Bearer error=\"insufficient_scope\", \
                 error_description=\"The access token does not allow this.\", \
                 scope=\"api://{APP}/Notes.Read\""
            );
            assert_eq!(
                (told.challenge(), told.reason().as_str()),
                (wanted.as_str(), "insufficient_scope")
            );
        }
    }
}

#[tokio::test]
async fn the_three_spellings_of_a_scope_are_one() {
    let config = ApiConfig::new(Authority::entra(TID).unwrap(), APP)
        .with_resource("https://api.example.com/mcp")
        .unwrap()
        .add_audience("api://notes")
        .build()
        .unwrap();
    let url = config.scope("https://api.example.com/mcp/Notes.Read");
    assert_eq!(url, config.scope("Notes.Read"));
    assert_eq!(url, config.scope("api://notes/Notes.Read"));
    assert_eq!(url, config.scope(&format!("api://{APP}/Notes.Read")));
    assert_eq!(
        (url.name(), url.asked_for().as_str()),
        ("Notes.Read", "https://api.example.com/mcp/Notes.Read")
    );
    assert_ne!(url, config.scope("api://other/Notes.Read"));
    assert_eq!(config.scope("api://other/Notes.Read").asked_for(), "api://other/Notes.Read");
}

#[tokio::test]
async fn a_403_names_all_scopes_of_the_operation_at_once() {
    let guard = require_scopes(["Notes.Read", "Notes.Share"]).or_scopes(["Notes.Admin"]);
    let api = TestApi::plain().guarded(guard);
    let told = api.with_token(&token(|_| ())).await;
    assert_eq!(told.status, StatusCode::FORBIDDEN);
    assert!(told.challenge().contains(r#"scope="Notes.Read Notes.Share""#), "{told:?}");
    assert_eq!(
        api.with_token(&token(|claims| claims["scope"] = json!("Notes.Admin"))).await.status,
        StatusCode::OK
    );
}

#[tokio::test]
async fn a_stronger_or_more_recent_sign_in_is_asked_for_as_the_provider_understands_it() {
    let minutes = Duration::from_secs(300);
    let api =
        TestApi::plain().guarded(require_caller().with_auth_context("gold").with_max_age(minutes));
    let told = api.with_token(&token(|_| ())).await;
    assert_eq!(told.status, StatusCode::UNAUTHORIZED);
    for part in
        [r#"error="insufficient_user_authentication""#, r#"acr_values="gold""#, r#"max_age="300""#]
    {
        assert!(told.challenge().contains(part), "{told:?}");
    }
    let now = NOW.as_seconds();
    let good = token(|claims| merge(claims, &json!({"acr": "gold", "auth_time": now - 300})));
    assert_eq!(api.with_token(&good).await.status, StatusCode::OK);
    let old = token(|claims| merge(claims, &json!({"acr": "gold", "auth_time": now - 400})));
    assert_eq!(api.with_token(&old).await.status, StatusCode::UNAUTHORIZED);
    // As in an ID token: what decides is a number (OpenID Connect Core section 2).
    for odd in [json!((now - 10).to_string()), json!("x"), json!([now]), json!(true)] {
        let odd = token(|claims| merge(claims, &json!({"acr": "gold", "auth_time": odd.clone()})));
        let told = api.with_token(&odd).await;
        assert_eq!(told.reason(), "insufficient_user_authentication", "{told:?}");
    }
    let entra_api =
        TestApi::entra(|config| config).guarded(require_caller().with_auth_context("c1"));
    let told = entra_api.with_token(&entra(v2(), |_| ())).await;
    let claims = base64_simd::STANDARD
        .encode_to_string(r#"{"access_token":{"acrs":{"essential":true,"value":"c1"}}}"#);
    assert!(told.challenge().contains(r#"error="insufficient_claims""#), "{told:?}");
    assert!(told.challenge().contains(&format!(r#"claims="{claims}""#)), "{told:?}");
    let met = entra(v2(), |claims| claims["acrs"] = json!(["c1"]));
    assert_eq!(entra_api.with_token(&met).await.status, StatusCode::OK);
    let app = entra(v2(), |claims| merge(claims, &json!({"scp": "/", "roles": ["A"]})));
    assert_eq!(entra_api.with_token(&app).await.status, StatusCode::FORBIDDEN);
}

#[tokio::test]
async fn tenants_applications_and_kinds_are_as_they_are() {
    let api = |guard| TestApi::entra(|config| config).guarded(guard);
    let (person, agent) =
        (entra(v2(), |_| ()), entra(v2(), |claims| claims["xms_act_fct"] = json!("11")));
    for (guard, allowed) in [
        (require_caller().with_tenants([TID]), true),
        (require_caller().with_tenants([OTHER_TID]), false),
        (require_caller().with_applications(["client"]), true),
        (require_caller().with_applications(["other"]), false),
        (require_caller().with_kinds([CallerKind::Person]), true),
        (require_caller().with_kinds([CallerKind::Agent]), false),
        (require_app_roles(["A"]), false),
    ] {
        let told = api(guard).with_token(&person).await;
        assert_eq!(told.status.is_success(), allowed, "{told:?}");
        assert_eq!(told.challenge(), "", "no other token would help");
    }
    let people = api(require_caller().with_kinds([CallerKind::Person]));
    assert_eq!(people.with_token(&agent).await.status, StatusCode::FORBIDDEN);
}

const ROOT: &str = "/.well-known/oauth-protected-resource";

/// RFC 9728: the same at both paths, and independent of `Host`.
#[tokio::test]
async fn challenges_come_from_the_configuration() {
    let api = TestApi::with(|config| {
        config.with_resource("https://api.example.com/mcp").unwrap().with_scopes(["Notes.Read"])
    });
    for path in ["", "/", "/mcp", "/mcp/"] {
        let request = Request::get(format!("{ROOT}{path}")).header("host", "evil.example");
        let told = api.send(request.body(String::new()).unwrap()).await;
        let document: Value = serde_json::from_str(&told.body).unwrap();
        assert_eq!(
            document,
            json!({
                "resource": "https://api.example.com/mcp", "authorization_servers": [ISSUER],
                "bearer_methods_supported": ["header"], "scopes_supported": ["Notes.Read"]
            })
        );
        assert_eq!(told.headers["access-control-allow-origin"], "*");
    }
    let told = api.get("/mcp", &[]).await;
    assert_eq!(
        told.challenge(),
        "Bearer scope=\"Notes.Read\", resource_metadata=\
         \"https://api.example.com/.well-known/oauth-protected-resource/mcp\""
    );
    for path in ["/m", "/mcp/x", "/mcp//", "/MCP", "//mcp"] {
        let told = api.get(&format!("{ROOT}{path}"), &[]).await;
        assert_eq!(told.status, StatusCode::UNAUTHORIZED, "{path}");
    }
    assert_eq!(TestApi::plain().get(ROOT, &[]).await.status, StatusCode::UNAUTHORIZED);
}

/// The value that clients send as `resource` is the one in the document, in the spelling of the URL
/// Standard or as it stands: a provider that binds the token to it names this API.
#[tokio::test]
async fn a_token_for_the_resource_of_the_metadata_is_accepted_with_and_without_a_path() {
    for resource in [
        "https://api.example.com",
        "https://api.example.com/",
        "https://api.example.com/mcp",
        "https://api.example.com/mcp/",
        "https://api.example.com/a/b",
        "http://localhost:3004/mcp",
    ] {
        let api = TestApi::with(|config| config.with_resource(resource).unwrap());
        let challenge = api.get("/", &[]).await.challenge().to_owned();
        let address = challenge.split("resource_metadata=\"").nth(1).unwrap().trim_matches('"');
        let (address, own) =
            (url::Url::parse(address).unwrap(), url::Url::parse(resource).unwrap());
        let inserted = if own.path() == "/" { "" } else { own.path() };
        assert_eq!(address.path(), format!("{ROOT}{inserted}"), "RFC 9728 section 3.1");
        for path in [address.path(), ROOT] {
            let told = api.get(path, &[]).await;
            let document: Value = serde_json::from_str(&told.body).unwrap();
            assert_eq!(document["resource"], resource, "{path}");
        }
        for audience in [resource, own.as_str()] {
            api.takes(&token(|claims| claims["aud"] = json!(audience))).await;
        }
        let other = "https://api.example.com/other";
        api.refuses(&token(|claims| claims["aud"] = json!(other)), "token_audience").await;
    }
}

#[cfg(feature = "axum")]
#[tokio::test]
async fn a_nested_api_has_its_metadata_as_routes_of_the_outer_router() {
    use axum::{Router, body::Body, routing::get};
    use tower::ServiceExt as _;

    let api = TestApi::with(|config| config.with_resource("https://api.example.com/a/:b").unwrap());
    let notes = Router::new().route("/notes", get(|| async { "a note" }));
    let app = Router::new()
        .without_v07_checks()
        .route("/", get(|| async { "a page" }))
        .merge(api.layer.metadata_routes())
        .nest("/a/:b", notes.layer(api.layer.clone()));
    let ask = async |method: &str, path: &str| {
        let request = Request::builder().method(method).uri(path).body(Body::empty()).unwrap();
        let (head, body) = app.clone().oneshot(request).await.unwrap().into_parts();
        let body = axum::body::to_bytes(body, 1 << 16).await.unwrap();
        (head.status.as_u16(), serde_json::from_slice(&body).unwrap_or(Value::Null))
    };
    for path in ["", "/", "/a/:b", "/a/:b/"] {
        let (status, document) = ask("GET", &format!("{ROOT}{path}")).await;
        assert_eq!((status, &document["resource"]), (200, &json!("https://api.example.com/a/:b")));
    }
    assert_eq!(ask("OPTIONS", ROOT).await.0, 204);
    assert_eq!(ask("DELETE", ROOT).await.0, 405);
    assert_eq!(ask("GET", &format!("{ROOT}/other")).await.0, 404);
    assert_eq!(ask("GET", "/a/:b/notes").await.0, 401);
    let none = Router::<()>::new().merge(TestApi::plain().layer.metadata_routes());
    let request = Request::get(ROOT).body(Body::empty()).unwrap();
    assert_eq!(none.oneshot(request).await.unwrap().status(), StatusCode::NOT_FOUND);
}

#[cfg(feature = "axum")]
#[tokio::test]
async fn several_apis_on_one_router_have_their_metadata_side_by_side() {
    use axum::{Router, body::Body};
    use tower::ServiceExt as _;

    let api = |path: &str| {
        let resource = format!("https://api.example.com{path}");
        TestApi::with(|config| config.with_resource(&resource).unwrap())
    };
    let (notes, people, none) = (api("/notes"), api("/people"), TestApi::plain());
    let layers = [&none.layer, &notes.layer, &people.layer, &notes.layer];
    let app: Router = Router::new().merge(crate::ApiLayer::metadata_routes_of(layers));
    for (path, api) in [("", "/notes"), ("/notes", "/notes"), ("/people/", "/people")] {
        let request = Request::get(format!("{ROOT}{path}")).body(Body::empty()).unwrap();
        let body = app.clone().oneshot(request).await.unwrap().into_body();
        let body = axum::body::to_bytes(body, 1 << 16).await.unwrap();
        let document: Value = serde_json::from_slice(&body).unwrap();
        assert_eq!(document["resource"], json!(format!("https://api.example.com{api}")));
    }
}

#[tokio::test]
async fn a_challenge_for_grpc_has_the_same_content() {
    let api = TestApi::plain().guarded(require_scopes(["Notes.Share"]));
    let call = |token: Option<String>| {
        let mut request =
            Request::post("/notes.Notes/List").header("content-type", "application/grpc");
        if let Some(token) = token {
            request = request.header("authorization", format!("Bearer {token}"));
        }
        request.body(String::new()).unwrap()
    };
    for (request, status, said) in [
        (call(None), "16", "realm="),
        (call(Some("a.b.c".into())), "16", r#"error="invalid_token""#),
        (call(Some(token(|_| ()))), "7", r#"error="insufficient_scope""#),
    ] {
        let told = api.send(request).await;
        assert_eq!(
            (told.status, &told.headers["grpc-status"]),
            (StatusCode::OK, &status.parse().unwrap())
        );
        assert!(told.challenge().contains(said) && told.body.is_empty(), "{told:?}");
        assert_eq!(told.headers["content-type"], "application/grpc");
    }
}

/// The response of Entra ID at a path; at the token endpoint this error, or a token.
fn entra_answer(path: &str, refused: Option<&Value>) -> Response<Bytes> {
    let base = format!("https://login.microsoftonline.com/{TID}");
    let issuer = if path.contains(TID) { TID } else { "{tenantid}" };
    if path.ends_with("/keys") {
        let mut key = Signer::shared().jwk("k1");
        key["issuer"] = json!("https://login.microsoftonline.com/{tenantid}/v2.0");
        return answer(200, json!({"keys": [key]}));
    }
    if path.ends_with("/openid-configuration") {
        let document = json!({
            "issuer": format!("https://login.microsoftonline.com/{issuer}/v2.0"),
            "jwks_uri": format!("{base}/keys"),
            "token_endpoint": format!("{base}/token"),
            "authorization_endpoint": format!("{base}/authorize"),
        });
        return answer(200, document);
    }
    match refused {
        None => answer(200, json!({"access_token": "a", "token_type": "Bearer", "expires_in": 60})),
        Some(refused) => answer(400, refused),
    }
}

/// A token that a handler could not get on behalf of its caller is a challenge for the caller.
#[tokio::test]
async fn what_on_behalf_of_is_refused_for_becomes_the_callers_challenge() {
    let secret = "a secret of the API that is long enough";
    let api = TestApi::entra(|config| {
        config.with_credential(ClientCredential::secret(secret)).with_client_capabilities(["cp1"])
    });
    let outcome = |refused: Option<Value>| {
        api.http
            .answer_with(move |request| Ok(entra_answer(request.uri().path(), refused.as_ref())));
    };
    let inner = || {
        tower::service_fn(|request: Request<String>| async move {
            let caller = request.extensions().get::<ApiCaller>().unwrap().clone();
            Ok::<_, Infallible>(match caller.on_behalf_of(["User.Read"]).await {
                Ok(token) => Response::new(token.expose().to_owned()),
                Err(error) => error.into_response_with(String::new()),
            })
        })
    };
    let call = async |jti: &str, more: Value| {
        let token = entra(v2(), |claims| {
            claims["jti"] = json!(jti);
            merge(claims, &more);
        });
        let request = Request::get("/").header("authorization", format!("Bearer {token}"));
        api.layer.layer(inner()).oneshot(request.body(String::new()).unwrap()).await.unwrap()
    };
    let challenge = |answer: &Response<_>| {
        answer
            .headers()
            .get("www-authenticate")
            .map_or(String::new(), |value| value.to_str().unwrap().to_owned())
    };
    outcome(None);
    assert_eq!(call("1", json!({})).await.status(), StatusCode::OK);
    let sent = String::from_utf8(api.http.last().body().to_vec()).unwrap();
    assert!(sent.contains("xms_cc") && sent.contains("cp1"), "{sent}");
    let wanted = r#"{"access_token":{"polids":{"essential":true,"values":["x"]}}}"#;
    outcome(Some(json!({"error": "interaction_required", "claims": wanted})));
    let refused = call("2", json!({})).await;
    assert_eq!(refused.status(), StatusCode::UNAUTHORIZED);
    let said = challenge(&refused);
    assert!(said.contains(r#"error="insufficient_claims""#), "{said}");
    let claims = base64_simd::STANDARD.encode_to_string(wanted);
    assert!(said.contains(&format!(r#"claims="{claims}""#)), "{said}");
    outcome(Some(json!({"error": "invalid_grant", "suberror": "consent_required"})));
    let refused = call("3", json!({})).await;
    assert_eq!(refused.status(), StatusCode::UNAUTHORIZED, "{}", challenge(&refused));
    let refused = call("4", json!({"scp": "/", "roles": ["A"]})).await;
    assert_eq!((refused.status(), challenge(&refused)), (StatusCode::FORBIDDEN, String::new()));
}

/// The settings of a sign-in have no effect at an API, and no algorithm makes a token of another
/// kind usable.
#[tokio::test]
async fn the_error_of_a_refused_token_names_what_helps_at_an_api() {
    let api = TestApi::plain();
    let expired = NOW.as_seconds() - 600;
    for (token, named, not_named) in [
        (token(|claims| claims["aud"] = json!("zz")), "IDENTITY_AUDIENCE", "TRUSTED_AUDIENCES"),
        (token(|claims| claims["aud"] = json!([])), "`aud` is an empty list", "TRUSTED_AUDIENCES"),
        (token(|claims| claims["exp"] = json!(expired)), "get a new access token", "max_token_age"),
        (signed("id_token+jwt", &claims()), "token_kind", "IDENTITY_ID_TOKEN_ALGORITHMS"),
    ] {
        let inner = tower::service_fn(|_: Request<String>| async {
            Ok::<_, Infallible>(Response::new(String::new()))
        });
        let request = Request::get("/notes").header("authorization", format!("Bearer {token}"));
        let request = request.body(String::new()).unwrap();
        let response = api.layer.layer(inner).oneshot(request).await.unwrap();
        let error = response.extensions().get::<crate::error::Error>().unwrap().to_string();
        assert!(error.contains(named) && !error.contains(not_named), "{error}");
    }
    let told = api.with_token(&token(|claims| claims["exp"] = json!(expired))).await;
    assert!(told.challenge().contains("The access token has expired."), "{told:?}");
}
