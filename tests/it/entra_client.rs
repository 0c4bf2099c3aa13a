//! `client` against the imitated Entra: without a web application and without sessions.

use aws_lc_rs::digest::{SHA256, digest};
use base64_simd::{STANDARD, URL_SAFE_NO_PAD};
use serde_json::{Map, Value, json};
use tower_identity::{
    Authority, ClientCredential, ErrorKind, IdentityConfig, SignInOptions,
    client::{Account, Client, DevicePoll, FederatedUser, SilentOutcome, TokenRequest},
    config::Algorithm,
    dev::{Accounts, Consent, DevClient, DevPerson, DevProvider, DevTenant, Endpoint},
};
use url::Url;

const KEY: &str = include_str!("../keys/rsa.key.pem");
const CERTIFICATE: &str = include_str!("../keys/rsa.cert.pem");
const EC: &str = include_str!("../keys/ec.key.pem");
const API: &str = "7a1f0c3e-4b5d-4e6f-8a90-b1c2d3e4f506";
const REDIRECT: &str = "http://localhost:3000/callback";

async fn entra() -> DevProvider {
    DevProvider::builder().entra().start().await.unwrap()
}

fn client(provider: &DevProvider, tenant: &str) -> Client {
    let config =
        IdentityConfig::new(provider.entra_authority(tenant).unwrap(), provider.client_id())
            .with_credential(ClientCredential::secret(provider.client_secret()));
    Client::new(if tenant == "common" { config.with_any_tenant() } else { config }).unwrap()
}

fn asks(scopes: &str) -> TokenRequest {
    TokenRequest::new(scopes.split(' ')).unwrap()
}

/// Signs `person` in with the authorization code flow.
async fn signed_in(
    provider: &DevProvider,
    client: &Client,
    person: &str,
    scopes: &[&str],
) -> Account {
    provider.sign_in_as(person).unwrap();
    let flow = client
        .initiate(REDIRECT, &SignInOptions::new().with_scopes(scopes.iter().copied()))
        .await
        .unwrap();
    let http = reqwest::Client::builder()
        .no_proxy()
        .redirect(reqwest::redirect::Policy::none())
        .build()
        .unwrap();
    let answer = http.get(flow.url()).send().await.unwrap();
    let back = Url::parse(answer.headers()["location"].to_str().unwrap()).unwrap();
    client.complete(&flow, back.query().unwrap()).await.unwrap().account().unwrap().clone()
}

/// The account of a guest is the one of the home tenant.
#[tokio::test]
async fn an_account_is_the_one_at_home() {
    let provider = entra().await;
    for (tenant, person) in [
        ("common", "ada"),
        (DevTenant::CONTOSO.id(), "katherine"),
        ("consumers", "mary"),
        (DevTenant::WOODGROVE.id(), "emmy"),
    ] {
        let account = signed_in(&provider, &client(&provider, tenant), person, &[]).await;
        assert_eq!(
            account.home_account_id(),
            provider.home_account_id(person).unwrap(),
            "{tenant}"
        );
    }
}

#[tokio::test]
async fn other_resources_come_silently_after_consent() {
    let provider = entra().await;
    let client = client(&provider, "common");
    let account =
        signed_in(&provider, &client, "ada", &["User.Read", "api://tasks/Tasks.Read"]).await;
    let SilentOutcome::Token(token) =
        client.acquire_silent(&account, &asks("api://tasks/Tasks.Read")).await.unwrap()
    else {
        panic!("no token");
    };
    assert_eq!(
        (token.scopes().collect::<Vec<_>>(), token.expose().split('.').count()),
        (vec!["api://tasks/Tasks.Read"], 3)
    );
    let refused = client.acquire_silent(&account, &asks("Mail.Read")).await.unwrap();
    assert_eq!(refused.classification(), Some("consent_required"));
    provider.require_authentication_context("User.Read", "c1");
    let request = asks("User.Read").forced();
    let SilentOutcome::Refused(error) = client.acquire_silent(&account, &request).await.unwrap()
    else {
        panic!("not refused")
    };
    assert_eq!(error.kind(), ErrorKind::InteractionRequired);
    assert!(
        error.provider().unwrap().claims.as_ref().is_some_and(|claims| claims.contains("c1")),
        "{error:?}"
    );
}

#[tokio::test]
async fn an_application_gets_its_own_token_in_one_tenant() {
    let provider = entra().await;
    let own = client(&provider, DevTenant::CONTOSO.id());
    let token = own.for_app(&asks("api://tasks/.default")).await.unwrap();
    assert_eq!(own.for_app(&asks("api://tasks/.default")).await.unwrap().expose(), token.expose());
    assert_eq!(provider.requests(Endpoint::Token), 1);
    assert!(client(&provider, "common").for_app(&asks("api://tasks/.default")).await.is_err());
}

/// The three tokens of an agent: of its blueprint, of itself, of its user.
#[tokio::test]
async fn an_agent_acts_for_its_user_with_tokens_of_its_blueprint() {
    const EXCHANGE: &str = "api://AzureADTokenExchange/.default";
    let provider = entra().await;
    provider.add_client(DevClient::agent(API, provider.client_id()).with_consent(Consent::Given));
    let blueprint = client(&provider, DevTenant::CONTOSO.id());
    let agent_with = |path: &'static str| {
        let blueprint = blueprint.clone();
        let credential = ClientCredential::assertion_from(move |_| {
            let blueprint = blueprint.clone();
            async move {
                let request = asks(EXCHANGE).with_fmi_path(path);
                Ok(blueprint.for_app(&request).await?.expose().into())
            }
        });
        let authority = provider.entra_authority(DevTenant::CONTOSO.id()).unwrap();
        Client::new(IdentityConfig::new(authority, API).with_credential(credential)).unwrap()
    };
    let refused = agent_with("another agent").for_app(&asks(EXCHANGE)).await.unwrap_err();
    assert_eq!(refused.provider().unwrap().codes, [700_213], "{refused}");

    let agent = agent_with(API);
    let credential = agent.for_app(&asks(EXCHANGE)).await.unwrap().expose().into();
    let home = provider.home_account_id("ada").unwrap();
    for user in [
        FederatedUser::ObjectId(provider.object_id("ada", DevTenant::CONTOSO).unwrap()),
        FederatedUser::Username(format!("ada@{}", DevTenant::CONTOSO.domain())),
    ] {
        let request = asks("api://tasks/Tasks.Read");
        let acquired =
            agent.acquire_by_federated_identity(&user, &credential, &request).await.unwrap();
        let account = acquired.account().unwrap();
        assert_eq!(account.home_account_id(), home);
        let again = agent.acquire_silent(account, &request.clone().forced()).await.unwrap();
        assert!(again.token().is_some(), "by refresh token");
    }

    // The blueprint's token is for the agent, and no credential for a user.
    let of_blueprint = blueprint.for_app(&asks(EXCHANGE).with_fmi_path(API)).await.unwrap();
    let user = FederatedUser::ObjectId("00000000-0000-0000-0000-000000000000".into());
    for (credential, code) in [(of_blueprint.expose().into(), 700_213), (credential, 50_034)] {
        let refused =
            agent.acquire_by_federated_identity(&user, &credential, &asks("x")).await.unwrap_err();
        assert_eq!(refused.provider().unwrap().codes, [code], "{refused}");
    }
}

fn jwk(kid: &str) -> Map<String, Value> {
    let keys: Value = serde_json::from_str(include_str!("../keys/public.jwks.json")).unwrap();
    let found = keys["keys"].as_array().unwrap().iter().find(|key| key["kid"] == kid).unwrap();
    found.as_object().unwrap().clone()
}

/// Entra identifies a certificate by its thumbprint.
#[tokio::test]
async fn an_application_proves_itself_by_its_certificate() {
    let provider = entra().await;
    let der: String = CERTIFICATE.lines().filter(|line| !line.starts_with('-')).collect();
    let thumbprint = digest(&SHA256, &STANDARD.decode_to_vec(der).unwrap());
    let registered =
        |thumbprint: &[u8]| {
            let mut key = jwk("rsa");
            key.remove("kid");
            key.insert("x5t#S256".into(), URL_SAFE_NO_PAD.encode_to_string(thumbprint).into());
            provider.add_client(
                DevClient::public(API)
                    .with_key(key)
                    .with_accounts(Accounts::Tenant(DevTenant::CONTOSO)),
            );
            let config = IdentityConfig::new(
                provider.entra_authority(DevTenant::CONTOSO.domain()).unwrap(),
                API,
            );
            Client::new(config.with_credential(ClientCredential::certificate_pem(format!(
                "{KEY}\n{CERTIFICATE}"
            ))))
            .unwrap()
        };
    registered(thumbprint.as_ref()).for_app(&asks("api://tasks/.default")).await.unwrap();
    let refused = registered(&[0; 32]).for_app(&asks("api://tasks/.default")).await.unwrap_err();
    assert_eq!(refused.provider().unwrap().codes, [700_027], "{refused}");
}

#[tokio::test]
async fn an_application_proves_itself_by_its_key_elsewhere() {
    let provider = DevProvider::start().await.unwrap();
    provider.add_client(DevClient::public("prover").with_key(jwk("rsa")).with_key(jwk("ec")));
    for (algorithm, key, kid) in [
        (Algorithm::Rs256, KEY, "rsa"),
        (Algorithm::Ps256, KEY, "rsa"),
        (Algorithm::Es256, EC, "ec"),
    ] {
        let with = |kid: &str| {
            let credential =
                ClientCredential::private_key_pem(key).with_key_id(kid).with_algorithm(algorithm);
            let config = IdentityConfig::new(Authority::oidc(provider.issuer()).unwrap(), "prover");
            Client::new(config.with_credential(credential)).unwrap()
        };
        with(kid).for_app(&asks("tasks.read")).await.unwrap();
        let refused = with("another").for_app(&asks("tasks.read")).await.unwrap_err();
        assert_eq!(refused.kind(), ErrorKind::ClientRefused, "{algorithm} {refused}");
    }
}

#[tokio::test]
async fn a_device_signs_a_guest_in() {
    let provider = entra().await;
    let client = client(&provider, DevTenant::CONTOSO.id());
    let mut flow = client.begin_device(&asks("User.Read")).await.unwrap();
    assert!(flow.message().contains(flow.user_code()));
    assert!(matches!(client.poll_device(&mut flow).await.unwrap(), DevicePoll::Pending));
    provider.answer_device(flow.user_code(), Some("katherine")).unwrap();
    let DevicePoll::Done(acquired) = client.poll_device(&mut flow).await.unwrap() else {
        panic!("not done")
    };
    let account = acquired.account().unwrap();
    assert_eq!(account.home_account_id(), provider.home_account_id("katherine").unwrap());
    assert_eq!(account.object_id(), provider.object_id("katherine", DevTenant::CONTOSO).as_deref());
    let mut declined = client.begin_device(&asks("User.Read")).await.unwrap();
    provider.answer_device(declined.user_code(), None).unwrap();
    assert_eq!(
        client.poll_device(&mut declined).await.unwrap_err().kind(),
        ErrorKind::AccessDenied
    );
}

#[tokio::test]
async fn a_password_is_enough_for_a_user_who_has_one() {
    let provider = entra().await;
    provider.add_person(
        DevPerson::new("paul", "Paul Erdos")
            .with_username("paul@contoso.example")
            .with_password("a sentence"),
    );
    let client = client(&provider, DevTenant::CONTOSO.id());
    let acquired = client
        .acquire_by_password("paul@contoso.example", &"a sentence".into(), &asks("openid"))
        .await
        .unwrap();
    assert_eq!(
        acquired.account().unwrap().home_account_id(),
        provider.home_account_id("paul").unwrap()
    );
    assert!(
        client
            .acquire_by_password("paul@contoso.example", &"wrong".into(), &asks("openid"))
            .await
            .is_err()
    );
}

#[tokio::test]
async fn an_api_acts_for_its_caller() {
    let provider = entra().await;
    let consent = tower_identity::dev::Consent::Given;
    provider
        .add_client(DevClient::confidential(API, "the secret of the api").with_consent(consent));
    let front = client(&provider, DevTenant::CONTOSO.id());
    let scope = format!("api://{API}/access");
    let account = signed_in(&provider, &front, "ada", &[&scope]).await;
    let token = front.acquire_silent(&account, &asks(&scope)).await.unwrap().token().unwrap();
    let authority = provider.entra_authority(DevTenant::CONTOSO.id()).unwrap();
    let api = IdentityConfig::new(authority, API)
        .with_credential(ClientCredential::secret("the secret of the api"));
    let api = Client::new(api).unwrap();
    let given = api.on_behalf_of(&token.expose().into(), &asks("User.Read")).await.unwrap();
    let http = reqwest::Client::builder().no_proxy().build().unwrap();
    let me = http
        .get(format!("{}/v1.0/me", provider.graph_url()))
        .bearer_auth(given.expose())
        .send()
        .await
        .unwrap();
    let me: Value = me.json().await.unwrap();
    assert_eq!(me["id"], json!(provider.object_id("ada", DevTenant::CONTOSO).unwrap()));
}
