//! A small protected API on a port of its own, as an example of an API that the application calls.
//! It knows only the URL of the provider, and verifies every token itself.
//!
//! | | |
//! |---|---|
//! | `GET /notes` | needs the scope `notes.read` |
//! | `GET /notes/private` | also needs the authentication context `c1`; without it the response is a claims challenge, as from Microsoft's APIs |

use std::sync::Arc;

use axum::{
    Json, Router,
    extract::State,
    http::{HeaderMap, StatusCode, header},
    response::{IntoResponse, Response},
    routing::get,
};
use base64_simd::URL_SAFE_NO_PAD;
use jsonwebtoken::{Algorithm, DecodingKey, Validation, decode, decode_header, jwk::JwkSet};
use serde::Deserialize;
use serde_json::{Value, json};
use tokio::net::TcpListener;

/// Runs the API for tokens of these authorities and this audience.
pub(crate) async fn serve(
    listener: TcpListener,
    authorities: Vec<String>,
    audience: &str,
) -> std::io::Result<()> {
    let http = reqwest::Client::builder().no_proxy().build().map_err(std::io::Error::other)?;
    let api = Arc::new(Api { authorities, audience: audience.to_owned(), http });
    let router = Router::new()
        .route("/notes", get(notes))
        .route("/notes/private", get(private_notes))
        .with_state(api);
    axum::serve(listener, router).await
}

struct Api {
    authorities: Vec<String>,
    audience: String,
    http: reqwest::Client,
}

/// The claims of a verified token that the API uses.
#[derive(Deserialize)]
struct Claims {
    sub: String,
    /// Separated by spaces; Microsoft calls it `scp`.
    #[serde(alias = "scp")]
    scope: String,
    #[serde(default)]
    acrs: Vec<String>,
}

/// The members of a discovery document that the API uses.
#[derive(Deserialize)]
struct Document {
    issuer: String,
    jwks_uri: String,
}

async fn notes(State(api): State<Arc<Api>>, headers: HeaderMap) -> Result<Json<Value>, Response> {
    let caller = api.caller(&headers).await?;
    Ok(Json(json!({ "notes": ["Water the plants", "Call the engine a mill"], "of": caller.sub })))
}

async fn private_notes(
    State(api): State<Arc<Api>>,
    headers: HeaderMap,
) -> Result<Json<Value>, Response> {
    let caller = api.caller(&headers).await?;
    if !caller.acrs.iter().any(|context| context == "c1") {
        let claims = json!({ "access_token": { "acrs": { "essential": true, "value": "c1" } } });
        let claims = URL_SAFE_NO_PAD.encode_to_string(claims.to_string());
        return Err(refusal(
            StatusCode::UNAUTHORIZED,
            &format!(r#"Bearer error="insufficient_claims", claims="{claims}""#),
        ));
    }
    Ok(Json(json!({ "notes": ["Learn to fly"], "of": caller.sub, "signed in for": caller.acrs })))
}

impl Api {
    /// The claims of the caller's token: signed by an authority for this API, not expired, and with
    /// the scope.
    async fn caller(&self, headers: &HeaderMap) -> Result<Claims, Response> {
        let header = headers.get(header::AUTHORIZATION).and_then(|value| value.to_str().ok());
        let Some(token) = header.and_then(|header| header.strip_prefix("Bearer ")) else {
            return Err(refusal(StatusCode::UNAUTHORIZED, "Bearer"));
        };
        let claims = self.verified(token).await;
        let claims = claims
            .ok_or_else(|| refusal(StatusCode::UNAUTHORIZED, r#"Bearer error="invalid_token""#))?;
        if !claims.scope.split(' ').any(|scope| scope == "notes.read") {
            let needed = r#"Bearer error="insufficient_scope", scope="notes.read""#;
            return Err(refusal(StatusCode::FORBIDDEN, needed));
        }
        Ok(claims)
    }

    /// The claims of a token if it is valid. The check of the audience also rejects ID tokens,
    /// whose audience is the application. An API in production would cache documents and keys.
    async fn verified(&self, token: &str) -> Option<Claims> {
        let key_id = decode_header(token).ok()?.kid?;
        for authority in &self.authorities {
            let document: Document =
                self.fetched(&format!("{authority}/.well-known/openid-configuration")).await?;
            let keys: JwkSet = self.fetched(&document.jwks_uri).await?;
            let Some(key) = keys.find(&key_id).and_then(|key| DecodingKey::from_jwk(key).ok())
            else {
                continue;
            };
            let mut rules = Validation::new(Algorithm::RS256);
            rules.set_issuer(&[document.issuer]);
            rules.set_audience(&[&self.audience]);
            rules.set_required_spec_claims(&["exp", "iss", "aud", "sub"]);
            if let Ok(token) = decode::<Claims>(token, &key, &rules) {
                return Some(token.claims);
            }
        }
        None
    }

    async fn fetched<T: serde::de::DeserializeOwned>(&self, address: &str) -> Option<T> {
        self.http.get(address).send().await.ok()?.error_for_status().ok()?.json().await.ok()
    }
}

fn refusal(status: StatusCode, challenge: &str) -> Response {
    (status, [(header::WWW_AUTHENTICATE, challenge.to_owned())]).into_response()
}
