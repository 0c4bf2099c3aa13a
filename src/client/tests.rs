//! [`Client`] against a provider in memory.

use std::{
    collections::{HashMap, VecDeque},
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering::SeqCst},
    },
    time::Duration,
};

use bytes::Bytes;
use http::{Request, Response};
use serde_json::{Value, json};

use super::*;
use crate::{
    authority::Authority,
    clock::{Clock as _, ManualClock},
    config::{ClientCredential, IdentityConfig, SignInOptions, UserInfo},
    error::{Error, ErrorKind},
    protocol::test_support::{
        CLIENT_ID, FakeHttp, ISSUER, NOW, Signer, answer, document, header, key_set, published,
        settle,
    },
    secret::{Secret, base64url},
    single_flight::{Task, Tasks, Tokio},
    tokens::TokenSource,
};

const TENANT: &str = "f645ad92-e38d-4d1a-b510-d1b09a74a8ca";
const OTHER_TENANT: &str = "775527ff-9a37-4307-8b3d-cc311f58d925";

type Form = HashMap<String, String>;
type FormHandler = Box<dyn FnOnce(&Form) -> Response<Bytes> + Send>;

/// A client with a manual clock, and a provider with queued answers. Without a queued answer the
/// provider issues a new token for the requested scopes.
struct World {
    client: Client,
    clock: ManualClock,
    http: Arc<FakeHttp>,
    seen: Arc<Mutex<Vec<(String, Form)>>>,
    answers: Arc<Mutex<VecDeque<FormHandler>>>,
    pauses: Arc<Pauses>,
}

/// Advances the clock instead of sleeping.
#[derive(Debug)]
struct Pauses(ManualClock, Mutex<Vec<u64>>);

impl Tasks for Pauses {
    fn spawn(&self, task: Task) -> Result<(), Error> {
        Tokio.spawn(task)
    }

    fn pause(&self, duration: Duration) -> Task {
        self.0.advance(duration);
        self.1.lock().unwrap().push(duration.as_secs());
        Box::pin(tokio::task::yield_now())
    }

    fn deadline(&self, _: Duration) -> Task {
        Box::pin(std::future::pending())
    }
}

impl World {
    fn new() -> Self {
        Self::with(|config| config)
    }

    /// A generic provider.
    fn with(change: impl FnOnce(IdentityConfig) -> IdentityConfig) -> Self {
        let mut document = document();
        document["device_authorization_endpoint"] = json!("https://id.example/device");
        document["code_challenge_methods_supported"] = json!(["S256"]);
        Self::at(Authority::oidc(ISSUER).unwrap(), document, change)
    }

    /// Entra ID, with a document for every tenant.
    fn entra(tenant: &str, change: impl FnOnce(IdentityConfig) -> IdentityConfig) -> Self {
        Self::at(Authority::entra(tenant).unwrap(), Value::Null, change)
    }

    fn at(
        authority: Authority,
        document: Value,
        change: impl FnOnce(IdentityConfig) -> IdentityConfig,
    ) -> Self {
        let seen: Arc<Mutex<Vec<(String, Form)>>> = Arc::default();
        let answers: Arc<Mutex<VecDeque<FormHandler>>> = Arc::default();
        let http = FakeHttp::new({
            let (seen, answers, count) =
                (Arc::clone(&seen), Arc::clone(&answers), AtomicUsize::new(0));
            move |request: &Request<Bytes>| {
                let path = request.uri().path();
                if let Some(entra) = path.strip_suffix("/v2.0/.well-known/openid-configuration") {
                    return Ok(answer(200, entra_document(entra.trim_start_matches('/'))));
                }
                if path.ends_with("/keys") {
                    let mut keys = key_set();
                    if path != "/keys" {
                        keys["keys"][0]["issuer"] =
                            json!("https://login.microsoftonline.com/{tenantid}/v2.0");
                    }
                    return Ok(answer(200, keys));
                }
                if path.ends_with("openid-configuration") {
                    return Ok(published(request, &document, &key_set()));
                }
                let form: Form = url::form_urlencoded::parse(request.body()).into_owned().collect();
                seen.lock().unwrap().push((path.to_owned(), form.clone()));
                let next = answers.lock().unwrap().pop_front();
                let number = count.fetch_add(1, SeqCst) + 1;
                Ok(next.map_or_else(|| tokens(&form, number), |next| next(&form)))
            }
        });
        let config = change(
            IdentityConfig::new(authority, CLIENT_ID)
                .with_credential(ClientCredential::secret("s3cr3t")),
        );
        let clock = ManualClock::at(NOW);
        let pauses = Arc::new(Pauses(clock.clone(), Mutex::default()));
        let client = Client::builder(config)
            .with_clock(clock.clone())
            .with_tasks(Arc::clone(&pauses) as _)
            .with_http_client(SharedHttp(Arc::clone(&http)))
            .build()
            .unwrap();
        Self { client, clock, http, seen, answers, pauses }
    }

    fn next(&self, answer: impl FnOnce(&Form) -> Response<Bytes> + Send + 'static) {
        self.answers.lock().unwrap().push_back(Box::new(answer));
    }

    fn next_is(&self, status: u16, body: Value) {
        self.next(move |_| answer(status, body));
    }

    fn seen(&self) -> Vec<Form> {
        self.seen.lock().unwrap().iter().map(|(_, form)| form.clone()).collect()
    }

    fn last(&self) -> Form {
        self.seen().pop().unwrap()
    }

    fn calls(&self) -> usize {
        self.seen.lock().unwrap().len()
    }

    /// Signs a person in with the code flow.
    async fn sign_in(&self, name: &str, scopes: &[&str]) -> AcquiredTokens {
        let flow = self
            .client
            .initiate(
                "https://app.example/cb",
                &SignInOptions::new().with_scopes(scopes.iter().copied()),
            )
            .await
            .unwrap();
        let (nonce, name) = (parameter(flow.url(), "nonce"), name.to_owned());
        self.next(move |_| answer(200, person(&name, |claims| claims["nonce"] = json!(nonce))));
        self.client.complete(&flow, &format!("code=c0de&state={}", flow.state())).await.unwrap()
    }
}

/// The fake HTTP client, owned.
#[derive(Debug)]
struct SharedHttp(Arc<FakeHttp>);

impl crate::protocol::HttpClient for SharedHttp {
    fn send(&self, request: Request<Bytes>) -> crate::protocol::HttpFuture<'_> {
        self.0.send(request)
    }
}

fn entra_document(tenant: &str) -> Value {
    let base = format!("https://login.microsoftonline.com/{tenant}");
    let issuer = if tenant.contains('-') { tenant } else { "{tenantid}" };
    json!({
        "issuer": format!("https://login.microsoftonline.com/{issuer}/v2.0"),
        "authorization_endpoint": format!("{base}/oauth2/v2.0/authorize"),
        "token_endpoint": format!("{base}/oauth2/v2.0/token"),
        "jwks_uri": format!("{base}/discovery/v2.0/keys"),
        "device_authorization_endpoint": format!("{base}/oauth2/v2.0/devicecode"),
    })
}

fn tokens(form: &Form, number: usize) -> Response<Bytes> {
    let scope = form.get("scope").cloned().unwrap_or_default();
    answer(
        200,
        json!({
            "access_token": format!("access-{number}"), "token_type": "Bearer",
            "expires_in": 3600, "scope": scope,
        }),
    )
}

/// Tokens of a person, with a verified ID token.
fn person(name: &str, change: impl FnOnce(&mut Value)) -> Value {
    let now = NOW.as_seconds();
    let mut claims = json!({
        "iss": ISSUER, "sub": name, "aud": CLIENT_ID, "exp": now + 3600, "iat": now,
        "preferred_username": format!("{name}@Example.com"),
    });
    change(&mut claims);
    json!({
        "access_token": format!("access-of-{name}"), "token_type": "Bearer", "expires_in": 3600,
        "refresh_token": format!("refresh-of-{name}"),
        "id_token": Signer::shared().sign(&header(), &claims),
    })
}

fn parameter(address: &str, name: &str) -> String {
    let address = url::Url::parse(address).unwrap();
    address.query_pairs().find(|(key, _)| key == name).unwrap().1.into_owned()
}

fn asks(scopes: &str) -> TokenRequest {
    TokenRequest::new([scopes]).unwrap()
}

fn seconds(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

#[path = "accounts_tests.rs"]
mod accounts;
#[path = "app_tests.rs"]
mod app;
#[path = "app_refused_tests.rs"]
mod app_refused;
#[path = "code_tests.rs"]
mod code;
#[path = "code_accounts_tests.rs"]
mod code_accounts;
#[path = "device_tests.rs"]
mod device;
#[path = "federated_tests.rs"]
mod federated;
#[path = "id_token_tests.rs"]
mod id_token;
#[path = "long_running_tests.rs"]
mod long_running;
#[path = "msal_cache_tests.rs"]
mod msal_cache;
#[path = "silent_tests.rs"]
mod silent;
