//! `client` against the certified provider: no application, no session, no browser but the person's.

use std::time::Duration;

use serde_json::{Value, json};
use tower_identity::{
    Authority, ClientCredential, ErrorKind, IdentityConfig,
    client::{Client, DevicePoll, Silent, TokenRequest},
    config::{Algorithm, AssertionAudience, ClientAuthMethod},
};

use crate::{browser::Browser, certified::PROVIDER};

const KEY: &str = include_str!("../keys/rsa.key.pem");
const EC: &str = include_str!("../keys/ec.key.pem");

/// Registers a client and returns what the provider made of it.
async fn registered(members: Value) -> Value {
    let mut metadata = json!({"redirect_uris": [], "response_types": [], "grant_types": ["client_credentials"], "scope": "openid profile offline_access api.read"});
    metadata.as_object_mut().unwrap().extend(members.as_object().unwrap().clone());
    let answer = PROVIDER.post("/reg", &metadata).await;
    assert!(answer.status().is_success(), "{}", answer.text().await.unwrap());
    answer.json().await.unwrap()
}

fn client(registered: &Value, credential: ClientCredential) -> Client {
    let authority = Authority::oidc(&PROVIDER.issuer).unwrap();
    let config = IdentityConfig::new(authority, registered["client_id"].as_str().unwrap()).with_credential(credential);
    Client::new(config).unwrap()
}

fn asks(scopes: &str) -> TokenRequest {
    TokenRequest::new([scopes]).unwrap()
}

#[tokio::test]
#[ignore = "needs a certified provider: run `tests/run certified`"]
async fn certified_gives_an_application_its_token() {
    for (name, method) in [("client_secret_basic", ClientAuthMethod::Basic), ("client_secret_post", ClientAuthMethod::Post)] {
        let registered = registered(json!({"token_endpoint_auth_method": name})).await;
        let secret = ClientCredential::secret(registered["client_secret"].as_str().unwrap()).with_method(method);
        let client = client(&registered, secret);
        let token = client.for_app(&asks("api.read")).await.unwrap();
        assert_eq!(client.for_app(&asks("api.read")).await.unwrap().expose(), token.expose());
        let refused = self::client(&registered, ClientCredential::secret("wrong").with_method(method));
        assert_eq!(refused.for_app(&asks("api.read")).await.unwrap_err().kind(), ErrorKind::ClientRefused);
    }
}

/// C-100
#[tokio::test]
#[ignore = "needs a certified provider: run `tests/run certified`"]
async fn certified_takes_assertions_of_every_algorithm() {
    let jwks: Value = serde_json::from_str(include_str!("../keys/public.jwks.json")).unwrap();
    for (algorithm, key, key_id) in [(Algorithm::Rs256, KEY, "rsa"), (Algorithm::Ps256, KEY, "rsa"), (Algorithm::Es256, EC, "ec")]
    {
        let members = json!({
            "token_endpoint_auth_method": "private_key_jwt", "token_endpoint_auth_signing_alg": algorithm.as_str(), "jwks": jwks,
        });
        let registered = registered(members).await;
        let credential = ClientCredential::private_key_pem(key).with_key_id(key_id).with_algorithm(algorithm);
        for credential in [credential.clone(), credential.with_assertion_audience(AssertionAudience::Issuer)] {
            let client = client(&registered, credential);
            // Each has its own `jti`: the provider takes none twice.
            let first = client.for_app(&asks("api.read")).await.unwrap();
            let second = client.for_app(&asks("api.read").forced()).await.unwrap();
            assert_ne!(first.expose(), second.expose());
        }
        let unknown = ClientCredential::private_key_pem(key).with_key_id("unknown").with_algorithm(algorithm);
        assert_eq!(client(&registered, unknown).for_app(&asks("api.read")).await.unwrap_err().kind(), ErrorKind::ClientRefused);
    }
}

/// Device flow, then rotation with reuse detection: each refresh token is sent once.
#[tokio::test]
#[ignore = "needs a certified provider: run `tests/run certified`"]
async fn certified_signs_in_on_another_device_and_rotates_refresh_tokens() {
    let registered = registered(json!({
        "token_endpoint_auth_method": "none", "grant_types": ["urn:ietf:params:oauth:grant-type:device_code", "refresh_token"],
    }))
    .await;
    let client = client(&registered, ClientCredential::none());
    let mut flow = client.begin_device(&asks("api.read")).await.unwrap();
    assert!(flow.message().contains(flow.user_code()));
    assert!(matches!(client.poll_device(&mut flow).await.unwrap(), DevicePoll::Pending));

    let browser = Browser::new();
    let mut tab = browser.tab();
    tab.open(flow.verification_uri_complete().unwrap().to_owned()).await;
    for _ in 0..6 {
        if !tab.page().body.contains("<form") {
            break;
        }
        let form = tab.page().form();
        let is_login = form.fields.iter().any(|(name, _)| name == "password");
        let form = if is_login { form.with("login", "ada").with("password", "any") } else { form };
        tab.submit(form).await;
    }
    tokio::time::sleep(Duration::from_secs(1)).await;
    let acquired = match client.poll_device(&mut flow).await.unwrap() {
        DevicePoll::Done(acquired) => acquired,
        other => panic!("{other:?}: {}", tab.page().body),
    };
    let account = acquired.account().unwrap();
    assert_eq!((account.subject(), client.accounts().len()), ("ada", 1));

    let mut seen = vec![acquired.token().unwrap().expose().to_owned()];
    for _ in 0..3 {
        let Silent::Token(token) = client.acquire_silent(account, &asks("api.read").forced()).await.unwrap() else {
            panic!("refused")
        };
        assert!(!seen.contains(&token.expose().to_owned()));
        seen.push(token.expose().to_owned());
    }
    let asking = (0..30).map(|_| {
        let (client, account) = (client.clone(), account.clone());
        tokio::spawn(async move { client.acquire_silent(&account, &asks("api.read").forced()).await.unwrap().token().is_some() })
    });
    for asked in asking.collect::<Vec<_>>() {
        assert!(asked.await.unwrap(), "the reuse of a refresh token would have ended the grant");
    }
}
