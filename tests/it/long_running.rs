//! Long-running work on behalf of a caller: started through the layer, kept in a store, continued
//! by another process after the caller's token has expired.

use std::{convert::Infallible, time::Duration};

use async_trait::async_trait;
use axum::{body::Body, http::Request, response::Response};
use tower::{Layer as _, ServiceExt as _};
use tower_identity::{
    ApiCaller, ApiConfig, ApiLayer, ClientCredential, Clock as _, Error, ErrorKind, ManualClock,
    StoredCaches,
    client::{Client, TokenRequest},
    dev::{Consent, DevClient, DevProvider, DevTenant},
};
use tower_sessions_core::{
    SessionStore,
    session::{Id, Record},
    session_store::Result as StoreResult,
};
use tower_sessions_memory_store::MemoryStore;

const API: &str = "3f2504e0-4f89-41d3-9a0c-0305e82c3301";
const SECRET: &str = "the secret of the API, which is long enough";
const SCOPE: &str = "api://files/read";

/// The provider, the store and the clock that all processes share.
struct SharedParts {
    provider: DevProvider,
    store: TimedStore,
    clock: ManualClock,
}

/// A store that drops a row at its end by the clock of the test. That of the machine, by which the
/// memory store does so, stands still in comparison.
#[derive(Clone, Debug)]
struct TimedStore {
    rows: MemoryStore,
    clock: ManualClock,
}

#[async_trait]
impl SessionStore for TimedStore {
    async fn create(&self, record: &mut Record) -> StoreResult<()> {
        self.rows.create(record).await
    }

    async fn save(&self, record: &Record) -> StoreResult<()> {
        self.rows.save(record).await
    }

    async fn load(&self, id: &Id) -> StoreResult<Option<Record>> {
        let now = self.clock.now().as_seconds();
        let found = self.rows.load(id).await?;
        Ok(found.filter(|record| record.expiry_date.unix_timestamp() > now))
    }

    async fn delete(&self, id: &Id) -> StoreResult<()> {
        self.rows.delete(id).await
    }
}

/// One process: the layer and the caches of its client.
struct Process {
    layer: ApiLayer,
    caches: StoredCaches,
}

impl SharedParts {
    async fn new() -> Self {
        let clock = ManualClock::at_system_time();
        let api = DevClient::confidential(API, SECRET).with_consent(Consent::Given);
        let builder = DevProvider::builder().entra().with_clock(clock.clone()).with_client(api);
        let provider = builder.start().await.unwrap();
        let store = TimedStore { rows: MemoryStore::default(), clock: clock.clone() };
        Self { provider, store, clock }
    }

    fn process(&self, secret: &str) -> Process {
        let authority = self.provider.entra_authority(DevTenant::CONTOSO.id()).unwrap();
        let config = ApiConfig::new(authority, API)
            .with_credential(ClientCredential::secret(SECRET))
            .with_cookie_secrets([secret]);
        let layer = ApiLayer::new(config.build().unwrap()).with_clock(self.clock.clone());
        let caches = StoredCaches::new(&layer.client().unwrap(), self.store.clone()).unwrap();
        Process { layer, caches }
    }

    /// The access token of a person for the API.
    fn token(&self, person: &str) -> String {
        let scopes = format!("openid api://{API}/access");
        let client = self.provider.client_id();
        let issued = self.provider.issue_tokens(person, client, &scopes, None).unwrap();
        issued.access_token.expose().to_owned()
    }
}

impl Process {
    /// A request with this token, whose handler begins the work.
    async fn begin(&self, token: &str, job: &'static str) -> Result<String, u16> {
        let caches = self.caches.clone();
        let handler = tower::service_fn(move |request: Request<Body>| {
            let caches = caches.clone();
            async move {
                let caller = request.extensions().get::<ApiCaller>().unwrap().clone();
                let begin = move |client: Client| async move {
                    caller.begin_long_running(&client, job, SCOPE).await
                };
                let token = caches.with(job, begin).await.map(|token| token.expose().to_owned());
                Ok::<_, Infallible>(match token {
                    Ok(token) => Response::new(Body::from(token)),
                    Err(error) => axum::response::IntoResponse::into_response(error),
                })
            }
        });
        let request = Request::post("/exports").header("authorization", format!("Bearer {token}"));
        let service = self.layer.layer(handler);
        let answer = service.oneshot(request.body(Body::empty()).unwrap()).await.unwrap();
        let (head, body) = answer.into_parts();
        let body = axum::body::to_bytes(Body::new(body), 1 << 20).await.unwrap();
        let body = String::from_utf8(body.to_vec()).unwrap();
        if head.status.is_success() { Ok(body) } else { Err(head.status.as_u16()) }
    }

    /// The token of the work, in a later hour.
    async fn go_on(&self, job: &str) -> Result<String, Error> {
        let request = TokenRequest::new(SCOPE)?;
        let go_on = async |client: Client| client.long_running_token(job, &request).await;
        self.caches.with(job, go_on).await.map(|token| token.expose().to_owned())
    }
}

const COOKIES: &str = "a cookie secret of more than 32 bytes";

/// The `oid` in a token.
fn person_of(token: &str) -> String {
    let payload = token.split('.').nth(1).unwrap();
    let payload = base64_simd::URL_SAFE_NO_PAD.decode_to_vec(payload).unwrap();
    let claims: serde_json::Value = serde_json::from_slice(&payload).unwrap();
    claims["oid"].as_str().unwrap().to_owned()
}

#[tokio::test]
async fn work_goes_on_in_another_process_when_the_callers_token_has_ended() {
    let shared = SharedParts::new().await;
    let ada = shared.provider.object_id("ada", DevTenant::CONTOSO).unwrap();
    let (before, called) = (shared.process(COOKIES), shared.token("ada"));
    let first = before.begin(&called, "export").await.unwrap();
    assert_eq!(person_of(&first), ada);
    drop(before);

    // A day later: the token has ended, and the process is another one.
    shared.clock.advance(Duration::from_secs(24 * 3600));
    let after = shared.process(COOKIES);
    assert_eq!(after.begin(&called, "another").await, Err(401), "the caller's token has ended");
    let second = after.go_on("export").await.unwrap();
    assert_eq!(person_of(&second), ada);
    assert_ne!(second, first);
    assert_eq!(after.go_on("export").await.unwrap(), second, "from the cache");

    // Again and again, with the refresh token of each answer, which is accepted once.
    for _ in 0..3 {
        shared.clock.advance(Duration::from_secs(24 * 3600));
        assert_eq!(person_of(&shared.process(COOKIES).go_on("export").await.unwrap()), ada);
    }
}

#[tokio::test]
async fn each_work_has_the_tokens_of_the_person_who_began_it() {
    let shared = SharedParts::new().await;
    let process = shared.process(COOKIES);
    for (person, job) in [("ada", "ada's export"), ("alan", "alan's export")] {
        process.begin(&shared.token(person), job).await.unwrap();
    }
    let after = shared.process(COOKIES);
    for (person, job) in [("ada", "ada's export"), ("alan", "alan's export")] {
        let own = shared.provider.object_id(person, DevTenant::CONTOSO).unwrap();
        assert_eq!(person_of(&after.go_on(job).await.unwrap()), own);
    }
    for job in ["", "export", "Ada's export"] {
        let refused = after.go_on(job).await.unwrap_err();
        assert_eq!(refused.kind(), ErrorKind::NoRefreshToken, "{job}");
    }
    // The keys of the rows are derived from the secret: another application on the same store.
    let other = shared.process("another cookie secret of 32 bytes and more");
    let refused = other.go_on("ada's export").await.unwrap_err();
    assert_eq!(refused.kind(), ErrorKind::NoRefreshToken);
    // Work that has ended is gone in each process.
    let end = async |client: Client| client.end_long_running("ada's export");
    assert!(process.caches.with("ada's export", end).await);
    assert_eq!(after.go_on("ada's export").await.unwrap_err().kind(), ErrorKind::NoRefreshToken);
    assert!(after.go_on("alan's export").await.is_ok());
}

#[tokio::test]
async fn work_ends_when_the_grant_is_revoked() {
    let shared = SharedParts::new().await;
    let process = shared.process(COOKIES);
    process.begin(&shared.token("ada"), "export").await.unwrap();
    shared.provider.revoke_refresh_tokens("ada");
    assert!(process.go_on("export").await.is_ok(), "the access token is good for an hour");
    shared.clock.advance(Duration::from_secs(2 * 3600));
    for process in [process, shared.process(COOKIES)] {
        let refused = process.go_on("export").await.unwrap_err();
        assert!(
            matches!(refused.kind(), ErrorKind::InvalidGrant | ErrorKind::InteractionRequired),
            "{refused}"
        );
    }
    // The person calls again, and the work begins anew under the same key.
    let process = shared.process(COOKIES);
    process.begin(&shared.token("ada"), "export").await.unwrap();
    assert!(shared.process(COOKIES).go_on("export").await.is_ok());
}

#[tokio::test]
async fn an_application_that_calls_by_itself_begins_no_work_on_behalf_of_a_person() {
    let shared = SharedParts::new().await;
    let process = shared.process(COOKIES);
    let token = tower_identity::dev::DevAccessToken::application(API).with_roles(["Export"]);
    let token = shared.provider.issue_access_token(&token).unwrap();
    assert_eq!(process.begin(token.expose(), "export").await, Err(403));
    assert_eq!(process.go_on("export").await.unwrap_err().kind(), ErrorKind::NoRefreshToken);
}
