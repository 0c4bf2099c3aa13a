//! `client` against the development provider, plain and as Entra.

use std::time::Duration;

use tower_identity::{
    Authority, ClientCredential, ErrorKind, IdentityConfig, ManualClock, Secret, StoredCaches,
    client::{Account, Client, DevicePoll, SilentOutcome, TokenRequest},
    dev::{Consent, DevClient, DevPerson, DevProvider, DevTenant, Endpoint},
};
use tower_sessions_memory_store::MemoryStore;

use crate::app::until;

fn asks(scopes: &str) -> TokenRequest {
    TokenRequest::new([scopes]).unwrap()
}

async fn entra() -> DevProvider {
    DevProvider::builder().entra().start().await.unwrap()
}

#[tokio::test]
async fn an_application_of_entra_gets_one_token_for_all_its_callers() {
    let provider = entra().await;
    let client = Client::new(provider.config("http://localhost").unwrap()).unwrap();
    let asking = (0..50).map(|_| {
        let client = client.clone();
        tokio::spawn(async move {
            client.for_app(&asks("api://tasks/.default")).await.unwrap().expose().to_owned()
        })
    });
    let mut tokens = Vec::new();
    for asked in asking.collect::<Vec<_>>() {
        tokens.push(asked.await.unwrap());
    }
    assert!(tokens.iter().all(|token| *token == tokens[0]));
    assert_eq!(provider.requests(Endpoint::Token), 1);
    let error = client.for_app(&asks("User.Read")).await.unwrap_err();
    assert_eq!(error.provider().unwrap().codes, [1_002_012]);
}

#[tokio::test]
async fn a_token_answers_only_requests_with_the_parameters_that_it_was_requested_with() {
    let provider = entra().await;
    let client = Client::new(provider.config("http://localhost").unwrap()).unwrap();
    let plain = || asks("api://tasks/.default");
    let requests = [
        plain(),
        plain().add_parameter("audience", "https://a.example"),
        plain().add_parameter("audience", "https://b.example"),
        plain().with_fmi_path("/agents/a"),
    ];
    for request in requests.iter().chain(&requests) {
        client.for_app(request).await.unwrap();
    }
    assert_eq!(provider.requests(Endpoint::Token), requests.len() as u64);
    let error = client.for_app(&plain().add_parameter("scope", "x")).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::RequestInvalid);
    assert_eq!(provider.requests(Endpoint::Token), requests.len() as u64);
}

#[tokio::test]
async fn one_application_asks_in_several_tenants() {
    let provider = entra().await;
    let config =
        provider.entra_config("organizations", "http://localhost").unwrap().with_any_tenant();
    let client = Client::new(config).unwrap();
    assert_eq!(
        client.for_app(&asks("api://tasks/.default")).await.unwrap_err().kind(),
        ErrorKind::NotConfigured
    );
    let mut tokens = Vec::new();
    for tenant in [DevTenant::CONTOSO, DevTenant::FABRIKAM] {
        let token = client.for_app(&asks("api://tasks/.default").with_tenant(tenant.id())).await;
        tokens
            .push(token.map(|token| token.expose().to_owned()).map_err(|error| error.to_string()));
    }
    assert!(tokens[0].is_ok() && tokens[0] != tokens[1], "{tokens:?}");
}

#[tokio::test]
async fn an_api_acts_for_its_caller_and_for_no_other_user() {
    const API: &str = "7a1f0c3e-4b5d-4e6f-8a90-b1c2d3e4f506";
    let provider = entra().await;
    provider.add_client(
        DevClient::confidential(API, "the secret of the api").with_consent(Consent::Given),
    );
    let config = IdentityConfig::new(Authority::parse(provider.issuer()).unwrap(), API)
        .with_credential(ClientCredential::secret("the secret of the api"));
    let client = Client::new(config).unwrap();
    let called = |person: &str| -> Secret {
        provider
            .issue_tokens(person, provider.client_id(), &format!("openid api://{API}/access"), None)
            .unwrap()
            .access_token
    };
    let (ada, katherine) = (called("ada"), called("katherine"));
    let request = asks("api://files/read");
    let for_ada = client.on_behalf_of(&ada, &request).await.unwrap();
    let for_katherine = client.on_behalf_of(&katherine, &request).await.unwrap();
    assert_ne!(for_ada.expose(), for_katherine.expose());
    assert_eq!(client.on_behalf_of(&ada, &request).await.unwrap().expose(), for_ada.expose());
    assert!(client.on_behalf_of(&"a.b.c".into(), &request).await.is_err());
    assert!(client.accounts().is_empty());
}

#[tokio::test]
async fn a_device_signs_in_and_goes_on_silently() {
    let provider = entra().await;
    let client = Client::new(provider.config("http://localhost").unwrap()).unwrap();
    let mut flow = client.begin_device(&asks("User.Read")).await.unwrap();
    provider.answer_device(flow.user_code(), Some("ada")).unwrap();
    let DevicePoll::Done(acquired) = client.poll_device(&mut flow).await.unwrap() else {
        panic!("not done")
    };
    let account = acquired.account().unwrap();
    assert_eq!(account.tenant_id(), Some(DevTenant::CONTOSO.id()));
    assert!(
        account.home_account_id().ends_with(DevTenant::CONTOSO.id()),
        "{}",
        account.home_account_id()
    );
    assert_eq!(
        client.accounts_named(&account.username().unwrap().to_uppercase()),
        std::slice::from_ref(account)
    );
    let SilentOutcome::Token(token) =
        client.acquire_silent(account, &asks("User.Read").forced()).await.unwrap()
    else {
        panic!("refused")
    };
    assert!(token.scopes().any(|scope| scope == "User.Read"));

    let elsewhere = Client::new(provider.config("http://localhost").unwrap()).unwrap();
    elsewhere.import_cache(&client.export_cache()).unwrap();
    assert!(matches!(
        elsewhere.acquire_silent(account, &asks("User.Read")).await.unwrap(),
        SilentOutcome::Token(_)
    ));
    assert!(elsewhere.remove_account(account));
    assert!(matches!(
        elsewhere.acquire_silent(account, &asks("User.Read")).await.unwrap(),
        SilentOutcome::NothingCached
    ));
}

/// One cache for each person: another process continues with the cached refresh token, which the
/// provider accepts once.
#[tokio::test]
async fn a_persons_cache_is_found_by_every_process() {
    let provider = entra().await;
    provider.add_person(
        DevPerson::new("paul", "Paul Erdos")
            .with_username("paul@contoso.example")
            .with_password("a sentence"),
    );
    let store = MemoryStore::default();
    let process = || {
        let config = provider
            .config("http://localhost")
            .unwrap()
            .with_cookie_secrets(["a cookie secret of more than 32 bytes"]);
        StoredCaches::new(&Client::new(config).unwrap(), store.clone()).unwrap()
    };
    let (one, other) = (process(), process());
    let sign_in = |client: Client| async move {
        let acquired = client
            .acquire_by_password("paul@contoso.example", &"a sentence".into(), &asks("openid"))
            .await
            .unwrap();
        acquired.account().unwrap().clone()
    };
    let account = one.with("paul", sign_in).await;
    let silent = async |caches: &StoredCaches| {
        let account = account.clone();
        caches
            .with("paul", |client| async move {
                client.acquire_silent(&account, &asks("openid").forced()).await.unwrap()
            })
            .await
    };
    for caches in [&other, &one, &one, &other, &process()] {
        let outcome = silent(caches).await;
        assert!(matches!(outcome, SilentOutcome::Token(_)), "{outcome:?}");
    }
    assert_eq!(other.with("ada", |client| async move { client.accounts().len() }).await, 0);
    let gone = account.clone();
    assert!(one.with("paul", |client| async move { client.remove_account(&gone) }).await);
    assert!(
        matches!(silent(&other).await, SilentOutcome::NothingCached),
        "removed by the other process"
    );
}

/// Google answers a sign-in with a refresh token only after a consent, so that the earlier one
/// stays in use. A rotating provider takes each once, and revokes all after a second time.
#[tokio::test]
async fn a_sign_in_without_a_refresh_token_keeps_the_one_that_a_refresh_is_getting() {
    let clock = ManualClock::at_system_time();
    let provider = DevProvider::builder().with_clock(clock.clone()).start().await.unwrap();
    let config = provider.config("http://localhost").unwrap();
    let client = Client::builder(config).with_clock(clock.clone()).build().unwrap();
    let mut flow = client.begin_device(&asks("openid")).await.unwrap();
    provider.answer_device(flow.user_code(), Some("ada")).unwrap();
    let DevicePoll::Done(acquired) = client.poll_device(&mut flow).await.unwrap() else {
        panic!("not done")
    };
    let account = acquired.account().unwrap().clone();
    let silent = async |client: Client, account: Account| {
        client.acquire_silent(&account, &asks("email").forced()).await.unwrap().token()
    };

    let mut again = client.begin_device(&asks("openid")).await.unwrap();
    provider.answer_device(again.user_code(), Some("ada")).unwrap();
    let mut hold = provider.hold_next(Endpoint::Token);
    let refreshing = tokio::spawn(silent(client.clone(), account.clone()));
    hold.arrived().await;
    provider.change_next_token_answer(|answer| drop(answer.remove("refresh_token")));
    let signing_in = client.clone();
    let signing_in =
        tokio::spawn(async move { signing_in.poll_device(&mut again).await.map(|_| ()) });
    until(|| provider.requests(Endpoint::Token) == 3).await;
    for _ in 0..10_000 {
        tokio::task::yield_now().await;
    }
    hold.release();
    assert!(refreshing.await.unwrap().is_some());
    signing_in.await.unwrap().unwrap();
    clock.advance(Duration::from_secs(60));
    assert!(silent(client.clone(), account).await.is_some());
}
