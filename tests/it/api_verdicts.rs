//! The verdict on every access token, valid, spoilt or of another kind: one table for all forms of
//! tokens, through the layer and the guard of an API.

use std::{convert::Infallible, sync::Arc, time::Duration};

use axum::{
    body::Body,
    http::{Request, Response, StatusCode, header},
};
use serde_json::{Value, json};
use tower::{Layer as _, ServiceExt as _};
use tower_identity::{
    ApiCaller, ApiConfig, ApiLayer, Authority, ClientCredential, ManualClock,
    config::Introspection,
    dev::{
        DevAccessToken, DevClient, DevPerson, DevProvider, DevTenant, Endpoint, SpoilAccessToken,
        Verdict,
    },
    require_scopes,
};

/// The API's client id at Entra, and its other identifier at all providers.
pub const API_ID: &str = "3f2504e0-4f89-41d3-9a0c-0305e82c3301";
pub const API: &str = "api://notes";

/// An API behind the layer, which responds with the kind of the caller.
pub struct Api {
    pub provider: DevProvider,
    layer: ApiLayer,
}

/// The outcome of a request: the kind of the caller, or status and reason.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    Passed(String),
    Refused(u16, String),
}

impl Outcome {
    pub fn passed(&self) -> bool {
        matches!(self, Self::Passed(_))
    }
}

impl Api {
    pub async fn generic(people: Vec<DevPerson>) -> Self {
        let mut builder = DevProvider::builder();
        if !people.is_empty() {
            builder = builder.with_people(people);
        }
        let provider = builder.start().await.unwrap();
        let config = ApiConfig::new(Authority::oidc(provider.issuer()).unwrap(), API_ID);
        Self::over(provider, config)
    }

    pub async fn entra() -> Self {
        let api = DevClient::confidential(API_ID, "a secret of the API").with_resource(API);
        let provider = DevProvider::builder().entra().with_client(api).start().await.unwrap();
        let authority = provider.entra_authority(DevTenant::CONTOSO.id()).unwrap();
        Self::over(provider, ApiConfig::new(authority, API_ID))
    }

    fn over(provider: DevProvider, config: ApiConfig) -> Self {
        let config = config.add_audience(API);
        Self { provider, layer: ApiLayer::new(config.build().unwrap()) }
    }

    async fn answer(&self, request: Request<Body>) -> (Outcome, Response<String>) {
        let inner = tower::service_fn(|request: Request<Body>| async move {
            let caller = request.extensions().get::<ApiCaller>();
            let outcome = caller.map_or_else(String::new, |caller| {
                format!("{} {}", caller.kind(), caller.subject().unwrap_or_default())
            });
            Ok::<_, Infallible>(Response::new(Body::from(outcome)))
        });
        let guard = require_scopes(["Notes.Read"]).or_app_roles(["Notes.Read.All"]);
        let service = self.layer.layer(guard.layer(inner));
        let (head, body) = service.oneshot(request).await.unwrap().into_parts();
        let body = axum::body::to_bytes(Body::new(body), 1 << 20).await.unwrap();
        let body = String::from_utf8(body.to_vec()).unwrap();
        let outcome = if head.status == StatusCode::OK {
            Outcome::Passed(body.split(' ').next().unwrap_or_default().to_owned())
        } else {
            let document: Value = serde_json::from_str(&body).unwrap();
            Outcome::Refused(head.status.as_u16(), document["reason"].as_str().unwrap().to_owned())
        };
        (outcome, Response::from_parts(head, body))
    }

    pub async fn ask(&self, token: &str) -> (Outcome, Response<String>) {
        let request = Request::get("/notes")
            .header(header::AUTHORIZATION, format!("Bearer {token}"))
            .body(Body::empty())
            .unwrap();
        self.answer(request).await
    }

    pub async fn outcome(&self, token: &DevAccessToken) -> Outcome {
        self.ask(self.provider.issue_access_token(token).unwrap().expose()).await.0
    }
}

/// The forms of tokens, each with a valid token that can be spoilt.
fn forms() -> [(&'static str, bool, DevAccessToken); 4] {
    let person = || DevAccessToken::person("ada", API).with_scopes("Notes.Read");
    let daemon = DevAccessToken::application(API).with_roles(["Notes.Read.All"]);
    [
        ("RFC 9068", false, person()),
        ("Entra 2.0", true, person()),
        ("Entra 1.0", true, person().version_1()),
        ("Entra 2.0, application", true, daemon),
    ]
}

/// Cases that the specifications leave open, and the verdict of this crate.
fn open(spoil: SpoilAccessToken, is_entra: bool) -> bool {
    use SpoilAccessToken as S;
    match spoil {
        // Where there are no tenants the claim means nothing.
        S::TenantOther => !is_entra,
        S::IssuedAtFuture | S::CriticalEmpty => false,
        // The scope that the guard asks for is not there.
        S::NoRights => false,
        S::ScopeList | S::KeyIdMissing | S::KeyBeside => true,
        other => panic!("{other:?} is not in the list"),
    }
}

#[tokio::test]
async fn every_spoilt_access_token_in_every_form_gets_the_verdict_of_the_specifications() {
    let (generic, entra) = (Api::generic(Vec::new()).await, Api::entra().await);
    let (mut wrong, mut count) = (Vec::new(), 0);
    for (form, is_entra, good) in forms() {
        let api = if is_entra { &entra } else { &generic };
        assert!(api.outcome(&good).await.passed(), "{form}");
        for spoil in SpoilAccessToken::ALL {
            let passes = match spoil.verdict() {
                Verdict::Refuse => false,
                Verdict::Accept => true,
                // An application has no scopes that could be a list.
                Verdict::Either => open(*spoil, is_entra),
                other => panic!("{spoil:?}: {other:?}"),
            };
            let token = good.clone().spoilt(*spoil);
            let token = api.provider.issue_access_token(&token).unwrap();
            let (outcome, answer) = api.ask(token.expose()).await;
            count += 1;
            let is_right = match &outcome {
                Outcome::Passed(_) => passes,
                // What no header may hold, or is not spelled as a token, is a malformed request
                // (RFC 6750 sections 2.1 and 3.1); every other one is `invalid_token`, or lacks the
                // scope.
                Outcome::Refused(400, _) => {
                    !passes
                        && matches!(spoil, SpoilAccessToken::Oversized | SpoilAccessToken::Padded)
                }
                Outcome::Refused(401, _) => {
                    let challenge = answer.headers()[header::WWW_AUTHENTICATE].to_str().unwrap();
                    !passes && challenge.contains(r#"error="invalid_token""#)
                }
                Outcome::Refused(403, _) => !passes && *spoil == SpoilAccessToken::NoRights,
                Outcome::Refused(..) => false,
            };
            if !is_right {
                wrong.push(format!("{form}: {spoil:?} should pass: {passes}; {outcome:?}"));
            }
            let said = format!("{:?}{}", answer.headers(), answer.body());
            let is_shown = token.expose().len() > 20 && said.contains(token.expose());
            assert!(!is_shown, "{form}: {spoil:?} shows the token");
        }
    }
    assert!(wrong.is_empty(), "{} of {count}:\n{}", wrong.len(), wrong.join("\n"));
    assert!(count >= 150, "{count}");
}

/// Valid tokens of the provider that are not access tokens for this API.
#[tokio::test]
async fn what_a_sign_in_gives_beside_the_access_token_opens_no_api() {
    let (generic, entra) = (Api::generic(Vec::new()).await, Api::entra().await);
    entra.provider.add_client(DevClient::confidential(API_ID, "x").with_resource(API));
    generic.provider.add_client(DevClient::confidential(API_ID, "x"));
    for api in [generic, entra] {
        let issued = api
            .provider
            .issue_tokens("ada", API_ID, "openid profile offline_access", Some("nonce"))
            .unwrap();
        for (name, token) in [
            ("the ID token for this very client", issued.id_token),
            ("the refresh token", issued.refresh_token),
            ("an opaque access token", Some(issued.access_token)),
        ] {
            let outcome = api.ask(token.unwrap().expose()).await.0;
            assert!(matches!(outcome, Outcome::Refused(401, _)), "{name}: {outcome:?}");
        }
    }
}

/// A thousand concurrent callers, each with a token of its own, repeatedly.
#[tokio::test(flavor = "multi_thread")]
async fn a_thousand_callers_at_once_are_never_taken_for_each_other() {
    const CALLERS: usize = 1000;
    let people = (0..CALLERS).map(|number| DevPerson::new(format!("p{number}"), "Anybody"));
    let api = Arc::new(Api::generic(people.collect()).await);
    let mut tasks = tokio::task::JoinSet::new();
    for number in 0..CALLERS {
        let api = Arc::clone(&api);
        tasks.spawn(async move {
            let id = format!("p{number}");
            let token = api.provider.access_token(&id, API, "Notes.Read").unwrap();
            let subject = api.provider.person(&id).unwrap().subject().to_owned();
            for _ in 0..3 {
                let (_, answer) = api.ask(token.expose()).await;
                assert_eq!(answer.body(), &format!("person {subject}"));
                tokio::task::yield_now().await;
            }
        });
    }
    while let Some(task) = tasks.join_next().await {
        task.unwrap();
    }
    assert_eq!(api.provider.requests(Endpoint::Keys), 1, "the keys are asked for once");
    assert!(format!("{:?}", api.layer).contains(&format!("tokens: {CALLERS}")));
}

/// Invalid tokens are not remembered, and not each of them leads to a request to the provider.
#[tokio::test]
async fn unknown_keys_and_garbage_change_neither_the_memory_nor_the_calls_to_the_provider() {
    let api = Api::generic(Vec::new()).await;
    let good = api.provider.access_token("ada", API, "Notes.Read").unwrap();
    assert!(api.ask(good.expose()).await.0.passed());
    let calls = |api: &Api| {
        (api.provider.requests(Endpoint::Discovery), api.provider.requests(Endpoint::Keys))
    };
    let before = calls(&api);
    let (head, rest) = good.expose().split_once('.').unwrap();
    let (claims, signature) = rest.split_once('.').unwrap();
    let base64 = |text: &str| base64_simd::URL_SAFE_NO_PAD.encode_to_string(text);
    for number in 0..2000 {
        let unknown = base64(&format!(r#"{{"alg":"RS256","kid":"k{number}","typ":"at+jwt"}}"#));
        for token in [
            format!("{unknown}.{claims}.{signature}"),
            format!("{head}.{claims}.{}", base64(&format!("signature {number}"))),
            format!("garbage{number}"),
            format!("{number}.{number}.{number}"),
        ] {
            // 503: the key was not looked for, so that nothing is known of the token.
            let refused = match api.ask(&token).await.0 {
                Outcome::Refused(401, _) => true,
                Outcome::Refused(503, reason) => reason == "busy",
                _ => false,
            };
            assert!(refused, "{token}");
        }
    }
    let after = calls(&api);
    assert!(
        after.0 <= before.0 + 1 && after.1 <= before.1 + 12,
        "in a minute eleven looks for keys, and one for a wrong signature: {before:?} {after:?}"
    );
    assert!(format!("{:?}", api.layer).contains("tokens: 1"), "{:?}", api.layer);
    assert!(api.ask(good.expose()).await.0.passed(), "the good one still serves");
}

// C-417: no authenticated user
// C-419: one of several accepted scopes in scp or scope, space separated
// C-422: app token with role, user token with scope
/// Without a token the status is 401. A person needs a scope, an application a role.
#[tokio::test]
async fn people_need_one_of_the_accepted_scopes_and_applications_a_role() {
    let (generic, entra) = (Api::generic(Vec::new()).await, Api::entra().await);
    let nobody = Request::get("/notes").body(Body::empty()).unwrap();
    let (outcome, answer) = entra.answer(nobody).await;
    assert_eq!(outcome, Outcome::Refused(401, "token_missing".to_owned()));
    let challenge = answer.headers()[header::WWW_AUTHENTICATE].to_str().unwrap();
    assert!(challenge.starts_with("Bearer ") && !challenge.contains("error"), "{challenge}");

    let person = DevAccessToken::person("ada", API).with_scopes("Mail.Read Notes.Read");
    for api in [&generic, &entra] {
        assert_eq!(api.outcome(&person).await, Outcome::Passed("person".to_owned()));
    }
    let daemon = DevAccessToken::application(API).with_roles(["Notes.Read.All"]);
    assert_eq!(entra.outcome(&daemon).await, Outcome::Passed("application".to_owned()));
}

// C-423: roles as array, single string, `role` claim
#[tokio::test]
async fn roles_are_read_in_each_of_their_shapes() {
    let api = Api::entra().await;
    let daemon = || DevAccessToken::application(API);
    for token in [
        daemon().with_roles(["Other", "Notes.Read.All"]),
        daemon().with_claim("roles", "Notes.Read.All"),
        daemon().with_claim("role", "Notes.Read.All"),
        daemon().with_claim("role", json!(["Notes.Read.All"])),
    ] {
        assert_eq!(
            api.outcome(&token).await,
            Outcome::Passed("application".to_owned()),
            "{token:?}"
        );
    }
}

/// A token that was revoked or has expired is not accepted because it was accepted before.
#[tokio::test]
async fn what_is_remembered_ends_with_the_token() {
    let clock = ManualClock::at_system_time();
    let provider = DevProvider::builder().with_clock(clock.clone()).start().await.unwrap();
    let config = ApiConfig::new(Authority::oidc(provider.issuer()).unwrap(), API_ID);
    let api = Api::over(provider, config);
    let api = Api { layer: api.layer.with_clock(clock.clone()), ..api };
    let token = api.provider.access_token("ada", API, "Notes.Read").unwrap();
    assert!(api.ask(token.expose()).await.0.passed());
    clock.advance(Duration::from_secs(3600 + 61));
    assert_eq!(api.ask(token.expose()).await.0, Outcome::Refused(401, "token_expired".to_owned()));
}

/// The result of introspection is remembered for at most a minute.
#[tokio::test]
async fn the_provider_is_asked_about_opaque_tokens_and_its_no_counts() {
    let clock = ManualClock::at_system_time();
    let secret = "a secret of the API";
    let provider = DevProvider::builder()
        .with_clock(clock.clone())
        .with_client(DevClient::confidential(API_ID, secret).with_resource(API))
        .start()
        .await
        .unwrap();
    let config = ApiConfig::new(Authority::oidc(provider.issuer()).unwrap(), API_ID)
        .with_credential(ClientCredential::secret(secret))
        .with_introspection(Introspection::Opaque);
    let api = Api::over(provider, config);
    let api = Api { layer: api.layer.with_clock(clock.clone()), ..api };
    let issue = |token: DevAccessToken| api.provider.issue_access_token(&token.opaque()).unwrap();
    let asked = || api.provider.requests(Endpoint::Introspection);
    let inactive = Outcome::Refused(401, "token_inactive".to_owned());

    let token = issue(DevAccessToken::person("ada", API).with_scopes("Notes.Read"));
    for _ in 0..3 {
        assert_eq!(api.ask(token.expose()).await.0, Outcome::Passed("person".to_owned()));
    }
    assert_eq!(asked(), 1);
    assert!(api.provider.revoke_access_token(token.expose()));
    clock.advance(Duration::from_secs(61));
    assert_eq!(api.ask(token.expose()).await.0, inactive);

    assert_eq!(api.ask("garbage").await.0, inactive);
    let other = issue(DevAccessToken::person("ada", "https://other.example").with_scopes("x"));
    assert_eq!(api.ask(other.expose()).await.0, inactive, "the provider tells it to no other API");
    let little = issue(DevAccessToken::person("ada", API).with_scopes("Other"));
    assert_eq!(
        api.ask(little.expose()).await.0,
        Outcome::Refused(403, "insufficient_scope".to_owned())
    );
    let before = asked();
    let signed = api.provider.access_token("ada", API, "Notes.Read").unwrap();
    assert!(api.ask(signed.expose()).await.0.passed());
    assert_eq!(asked(), before, "signed tokens are verified without asking");
}
