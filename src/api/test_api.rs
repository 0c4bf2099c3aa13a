//! An API behind the layer, and access tokens for it.

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
    protocol::test_support::{CLIENT_ID, FakeHttp, ISSUER, NOW, Signer, answer, document, key_set},
};

pub(super) const TID: &str = "f645ad92-e38d-4d1a-b510-d1b09a74a8ca";

pub(super) const OTHER_TID: &str = "775527ff-9a37-4307-8b3d-cc311f58d925";

pub(super) const APP: &str = "6731de76-14a6-49ae-97bc-6eba6914391e";

/// An API behind its layer, and the provider that it asks.
pub(super) struct TestApi {
    pub(super) layer: ApiLayer,
    pub(super) http: Arc<FakeHttp>,
    pub(super) clock: ManualClock,
    pub(super) guard: Option<RequireAccess>,
}

/// A response with its whole body.
#[derive(Debug)]
pub(super) struct ApiResponse {
    pub(super) status: StatusCode,
    pub(super) headers: HeaderMap,
    pub(super) body: String,
    /// The message in the log.
    pub(super) error: Option<String>,
}

impl ApiResponse {
    pub(super) fn challenge(&self) -> &str {
        self.headers.get("www-authenticate").map_or("", |value| value.to_str().unwrap())
    }

    pub(super) fn reason(&self) -> String {
        let body: Value = serde_json::from_str(&self.body).unwrap();
        body["reason"].as_str().unwrap().to_owned()
    }

    /// The kind of the caller that was let in, or the reason of the refusal.
    pub(super) fn verdict(&self) -> String {
        match self.status {
            StatusCode::OK => self.body.split(' ').next().unwrap().to_owned(),
            _ => self.reason(),
        }
    }
}

impl TestApi {
    pub(super) fn at(config: ApiConfig, document: Value, keys: Value) -> Self {
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
    pub(super) fn plain() -> Self {
        Self::with(|config| config)
    }

    pub(super) fn plain_config() -> ApiConfig {
        ApiConfig::new(Authority::oidc(ISSUER).unwrap(), CLIENT_ID)
    }

    pub(super) fn with(change: impl FnOnce(ApiConfig) -> ApiConfig) -> Self {
        Self::at(change(Self::plain_config()), document(), key_set())
    }

    /// At Entra, for two tenants.
    pub(super) fn entra(change: impl FnOnce(ApiConfig) -> ApiConfig) -> Self {
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

    /// At AD FS, which has an issuer for access tokens alone.
    pub(super) fn adfs(change: impl FnOnce(ApiConfig) -> ApiConfig) -> Self {
        let adfs = "https://fs.example.com/adfs";
        let mut document = document();
        for (name, value) in [
            ("issuer", adfs),
            ("access_token_issuer", "http://fs.example.com/adfs/services/trust"),
            ("jwks_uri", "https://fs.example.com/adfs/keys"),
            ("token_endpoint", "https://fs.example.com/adfs/token"),
            ("authorization_endpoint", "https://fs.example.com/adfs/authorize"),
        ] {
            document[name] = json!(value);
        }
        for name in ["userinfo_endpoint", "end_session_endpoint"] {
            document.as_object_mut().unwrap().remove(name);
        }
        let config = ApiConfig::new(Authority::parse(adfs).unwrap(), CLIENT_ID);
        Self::at(change(config), document, key_set())
    }

    pub(super) fn guarded(mut self, guard: RequireAccess) -> Self {
        self.guard = Some(guard);
        self
    }

    pub(super) async fn send(&self, request: Request<String>) -> ApiResponse {
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
        ApiResponse {
            status: head.status,
            headers: head.headers,
            body: String::from_utf8(body.to_vec()).unwrap(),
            error: head.extensions.get::<crate::error::Error>().map(ToString::to_string),
        }
    }

    pub(super) async fn get(&self, path: &str, authorization: &[&str]) -> ApiResponse {
        let mut request = Request::get(path);
        for value in authorization {
            request = request.header("authorization", *value);
        }
        self.send(request.body(String::new()).unwrap()).await
    }

    pub(super) async fn with_token(&self, token: &str) -> ApiResponse {
        self.get("/notes", &[&format!("Bearer {token}")]).await
    }

    pub(super) async fn takes(&self, token: &str) -> String {
        let told = self.with_token(token).await;
        assert_eq!(told.status, StatusCode::OK, "{told:?}");
        told.body
    }

    /// The key of the caller with this token.
    pub(super) async fn key_of(&self, token: &str) -> String {
        let inner = tower::service_fn(|request: Request<String>| async move {
            let caller = request.extensions().get::<ApiCaller>().unwrap();
            Ok::<_, Infallible>(Response::new(caller.key().to_string()))
        });
        let request = Request::get("/notes").header("authorization", format!("Bearer {token}"));
        let request = request.body(String::new()).unwrap();
        let response = self.layer.layer(inner).oneshot(request).await.unwrap();
        let body = response.into_body().collect().await.unwrap().to_bytes();
        String::from_utf8(body.to_vec()).unwrap()
    }

    /// The message in the log about the refusal of a token.
    pub(super) async fn error_of(&self, token: &str) -> String {
        self.with_token(token).await.error.unwrap()
    }

    pub(super) async fn refuses(&self, token: &str, reason: &str) {
        let told = self.with_token(token).await;
        assert_eq!(
            (told.status, told.reason().as_str()),
            (StatusCode::UNAUTHORIZED, reason),
            "{told:?}"
        );
        assert!(told.challenge().contains(r#"error="invalid_token""#), "{told:?}");
    }
}

pub(super) fn signed(typ: &str, claims: &Value) -> String {
    Signer::shared().sign(&json!({"alg": "RS256", "kid": "k1", "typ": typ}), claims)
}

/// Puts these members into the claims.
pub(super) fn merge(claims: &mut Value, more: &Value) {
    for (name, value) in more.as_object().unwrap() {
        claims[name] = value.clone();
    }
}

pub(super) fn changed(mut claims: Value, change: impl FnOnce(&mut Value)) -> Value {
    change(&mut claims);
    claims
}

/// The claims of RFC 9068.
pub(super) fn claims() -> Value {
    let now = NOW.as_seconds();
    json!({
        "iss": ISSUER, "sub": "ada", "aud": CLIENT_ID, "exp": now + 600, "iat": now,
        "client_id": "app", "jti": "1", "scope": "Notes.Read Notes.Write"
    })
}

pub(super) fn token(change: impl FnOnce(&mut Value)) -> String {
    signed("at+jwt", &changed(claims(), change))
}

pub(super) fn v2() -> Value {
    let now = NOW.as_seconds();
    json!({
        "iss": format!("https://login.microsoftonline.com/{TID}/v2.0"), "aud": APP, "tid": TID,
        "oid": "o-1", "sub": "s-1", "ver": "2.0",
        "exp": now + 600, "nbf": now, "iat": now, "azp": "client", "azpacr": "1",
        "scp": "Notes.Read",
    })
}

pub(super) fn v1() -> Value {
    let now = NOW.as_seconds();
    json!({
        "iss": format!("https://sts.windows.net/{TID}/"), "aud": format!("api://{APP}"), "tid": TID,
        "oid": "o-1", "sub": "s-1", "ver": "1.0",
        "exp": now + 600, "nbf": now, "iat": now, "appid": "client", "appidacr": "2",
        "scp": "Notes.Read",
    })
}

pub(super) fn entra(claims: Value, change: impl FnOnce(&mut Value)) -> String {
    signed("JWT", &changed(claims, change))
}
