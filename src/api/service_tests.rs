//! The layer around a service: which tokens pass, and how the others are answered.

use std::{convert::Infallible, sync::Arc};

use http::{HeaderMap, Request, Response, StatusCode};
use http_body_util::BodyExt as _;
use serde_json::{Value, json};
use tower::ServiceExt as _;
use tower_layer::Layer as _;

use super::{ApiCaller, ApiLayer, RequireAccess};
use crate::{
    authority::Authority,
    clock::ManualClock,
    config::ApiConfig,
    protocol::testing::{CLIENT_ID, FakeHttp, ISSUER, NOW, Signer, answer, document, key_set},
};

const TID: &str = "f645ad92-e38d-4d1a-b510-d1b09a74a8ca";
const OTHER_TID: &str = "775527ff-9a37-4307-8b3d-cc311f58d925";
const APP: &str = "6731de76-14a6-49ae-97bc-6eba6914391e";

/// An API behind its layer, and the provider that it asks.
struct Api {
    layer: ApiLayer,
    http: Arc<FakeHttp>,
    clock: ManualClock,
    guard: Option<RequireAccess>,
}

/// An answer, taken apart.
#[derive(Debug)]
struct Told {
    status: StatusCode,
    headers: HeaderMap,
    body: String,
}

impl Told {
    fn challenge(&self) -> &str {
        self.headers.get("www-authenticate").map_or("", |value| value.to_str().unwrap())
    }

    fn reason(&self) -> String {
        let body: Value = serde_json::from_str(&self.body).unwrap();
        body["reason"].as_str().unwrap().to_owned()
    }
}

impl Api {
    fn at(config: ApiConfig, document: Value, keys: Value) -> Self {
        let http = FakeHttp::new(move |request| {
            Ok(match request.uri().path() {
                path if path.ends_with("/keys") => answer(200, &keys),
                path if path.ends_with("/openid-configuration") => answer(200, &document),
                _ => answer(404, ""),
            })
        });
        let clock = ManualClock::at(NOW);
        let layer = ApiLayer::new(config.build().unwrap())
            .with_http_client(Arc::clone(&http))
            .with_clock(clock.clone());
        Self { layer, http, clock, guard: None }
    }

    /// At a provider like any other.
    fn plain() -> Self {
        Self::with(|config| config)
    }

    fn with(change: impl FnOnce(ApiConfig) -> ApiConfig) -> Self {
        let config = ApiConfig::new(Authority::oidc(ISSUER).unwrap(), CLIENT_ID);
        Self::at(change(config), document(), key_set())
    }

    /// At Entra, for two tenants.
    fn entra(change: impl FnOnce(ApiConfig) -> ApiConfig) -> Self {
        let config =
            ApiConfig::new(Authority::entra("common").unwrap(), APP).with_tenants([TID]).unwrap();
        let base = "https://login.microsoftonline.com/common";
        let document = json!({
            "issuer": "https://login.microsoftonline.com/{tenantid}/v2.0",
            "authorization_endpoint": format!("{base}/oauth2/v2.0/authorize"),
            "token_endpoint": format!("{base}/oauth2/v2.0/token"),
            "jwks_uri": format!("{base}/keys"),
        });
        let mut key = Signer::shared().jwk("k1");
        key["issuer"] = json!("https://login.microsoftonline.com/{tenantid}/v2.0");
        Self::at(change(config), document, json!({"keys": [key]}))
    }

    fn guarded(mut self, guard: RequireAccess) -> Self {
        self.guard = Some(guard);
        self
    }

    async fn send(&self, request: Request<String>) -> Told {
        let inner = tower::service_fn(|request: Request<String>| async move {
            let caller = request.extensions().get::<ApiCaller>();
            let told = caller.map_or("nobody".to_owned(), |caller| {
                format!("{} {}", caller.kind(), caller.scopes().join(","))
            });
            Ok::<_, Infallible>(Response::new(told))
        });
        let answer = match &self.guard {
            None => self.layer.layer(inner).oneshot(request).await.unwrap(),
            Some(guard) => self.layer.layer(guard.layer(inner)).oneshot(request).await.unwrap(),
        };
        let (head, body) = answer.into_parts();
        let body = body.collect().await.unwrap().to_bytes();
        Told {
            status: head.status,
            headers: head.headers,
            body: String::from_utf8(body.to_vec()).unwrap(),
        }
    }

    async fn get(&self, path: &str, authorization: &[&str]) -> Told {
        let mut request = Request::get(path);
        for value in authorization {
            request = request.header("authorization", *value);
        }
        self.send(request.body(String::new()).unwrap()).await
    }

    async fn with_token(&self, token: &str) -> Told {
        self.get("/notes", &[&format!("Bearer {token}")]).await
    }

    #[track_caller]
    async fn takes(&self, token: &str) -> String {
        let told = self.with_token(token).await;
        assert_eq!(told.status, StatusCode::OK, "{told:?}");
        told.body
    }

    #[track_caller]
    async fn refuses(&self, token: &str, reason: &str) {
        let told = self.with_token(token).await;
        assert_eq!(
            (told.status, told.reason().as_str()),
            (StatusCode::UNAUTHORIZED, reason),
            "{told:?}"
        );
        assert!(told.challenge().contains(r#"error="invalid_token""#), "{told:?}");
    }
}

fn signed(typ: &str, claims: &Value) -> String {
    Signer::shared().sign(&json!({"alg": "RS256", "kid": "k1", "typ": typ}), claims)
}

fn changed(mut claims: Value, change: impl FnOnce(&mut Value)) -> Value {
    change(&mut claims);
    claims
}

/// The claims of RFC 9068.
fn claims() -> Value {
    let now = NOW.as_seconds();
    json!({"iss": ISSUER, "sub": "ada", "aud": CLIENT_ID, "exp": now + 600, "iat": now, "client_id": "app", "jti": "1", "scope": "Notes.Read Notes.Write"})
}

fn token(change: impl FnOnce(&mut Value)) -> String {
    signed("at+jwt", &changed(claims(), change))
}

fn v2() -> Value {
    let now = NOW.as_seconds();
    json!({
        "iss": format!("https://login.microsoftonline.com/{TID}/v2.0"), "aud": APP, "tid": TID, "oid": "o-1", "sub": "s-1", "ver": "2.0",
        "exp": now + 600, "nbf": now, "iat": now, "azp": "client", "azpacr": "1", "scp": "Notes.Read",
    })
}

fn v1() -> Value {
    let now = NOW.as_seconds();
    json!({
        "iss": format!("https://sts.windows.net/{TID}/"), "aud": format!("api://{APP}"), "tid": TID, "oid": "o-1", "sub": "s-1", "ver": "1.0",
        "exp": now + 600, "nbf": now, "iat": now, "appid": "client", "appidacr": "2", "scp": "Notes.Read",
    })
}

fn entra(claims: Value, change: impl FnOnce(&mut Value)) -> String {
    signed("JWT", &changed(claims, change))
}

#[tokio::test]
async fn a_token_of_rfc_9068_passes_once_verified_and_from_then_on_remembered() {
    let api = Api::plain();
    let token = token(|_| ());
    assert_eq!(api.takes(&token).await, "person Notes.Read,Notes.Write");
    let calls = api.http.count("/keys");
    for _ in 0..10 {
        api.takes(&token).await;
    }
    assert_eq!((calls, api.http.count("/keys")), (1, 1));
    api.clock.advance(std::time::Duration::from_secs(700));
    api.refuses(&token, "token_expired").await;
}

#[tokio::test]
async fn version_1_and_version_2_of_entra_pass_one_configuration() {
    let api = Api::entra(|config| config);
    assert_eq!(api.takes(&entra(v2(), |_| ())).await, "person Notes.Read");
    assert_eq!(api.takes(&entra(v1(), |_| ())).await, "person Notes.Read");
    assert_eq!(
        api.takes(&entra(v1(), |claims| claims["aud"] = json!(format!("api://{APP}/")))).await,
        "person Notes.Read"
    );
    assert_eq!(
        api.takes(&entra(v1(), |claims| claims["aud"] = json!(APP))).await,
        "person Notes.Read"
    );
}

#[tokio::test]
async fn a_request_without_a_token_is_told_no_error_code() {
    let api = Api::with(|config| config.add_public_path("/health"));
    for authorization in [&[][..], &["Basic YTpi"], &["DPoP abc"], &["Bearerabc x"]] {
        let told = api.get("/notes", authorization).await;
        assert_eq!(told.status, StatusCode::UNAUTHORIZED);
        assert_eq!(told.challenge(), r#"Bearer realm="client-1""#);
        assert_eq!(told.reason(), "token_missing");
    }
    assert_eq!(api.get("/health", &[]).await.body, "nobody");
}
