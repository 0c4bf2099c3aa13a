//! `client` against the certified provider: without a web application and without sessions.

use std::time::Duration;

use serde_json::{Value, json};
use tower_identity::{
    Authority, ClientCredential, ErrorKind, IdentityConfig, SignInOptions,
    client::{Client, DevicePoll, SilentOutcome, TokenRequest},
    config::{Algorithm, AssertionAudience, ClientAuthMethod},
};

use crate::{
    browser::Browser,
    certified_app::{CertifiedApp, PROVIDER},
};

const KEY: &str = include_str!("../keys/rsa.key.pem");
const EC: &str = include_str!("../keys/ec.key.pem");

/// Registers a client, and returns the provider's registration response.
async fn registered(members: Value) -> Value {
    let mut metadata = json!({
        "redirect_uris": [], "response_types": [], "grant_types": ["client_credentials"],
        "scope": "openid profile offline_access api.read",
    });
    metadata.as_object_mut().unwrap().extend(members.as_object().unwrap().clone());
    let answer = PROVIDER.post("/reg", &metadata).await;
    assert!(answer.status().is_success(), "{}", answer.text().await.unwrap());
    answer.json().await.unwrap()
}

fn client(registered: &Value, credential: ClientCredential) -> Client {
    let authority = Authority::oidc(&PROVIDER.issuer).unwrap();
    // The provider offers `email`, and these clients are not registered for it.
    let config = IdentityConfig::new(authority, registered["client_id"].as_str().unwrap())
        .with_credential(credential)
        .with_openid_scopes(["openid", "profile", "offline_access"]);
    Client::new(config).unwrap()
}

fn asks(scopes: &str) -> TokenRequest {
    TokenRequest::new([scopes]).unwrap()
}

#[tokio::test]
#[ignore = "needs a certified provider: run `tests/run certified`"]
async fn certified_gives_an_application_its_token() {
    for (name, method) in [
        ("client_secret_basic", ClientAuthMethod::Basic),
        ("client_secret_post", ClientAuthMethod::Post),
    ] {
        let registered = registered(json!({"token_endpoint_auth_method": name})).await;
        let secret = ClientCredential::secret(registered["client_secret"].as_str().unwrap())
            .with_method(method);
        let client = client(&registered, secret);
        let token = client.for_app(&asks("api.read")).await.unwrap();
        assert_eq!(client.for_app(&asks("api.read")).await.unwrap().expose(), token.expose());
        let refused =
            self::client(&registered, ClientCredential::secret("wrong").with_method(method));
        assert_eq!(
            refused.for_app(&asks("api.read")).await.unwrap_err().kind(),
            ErrorKind::ClientRefused
        );
    }
}

// C-100: private_key_jwt
#[tokio::test]
#[ignore = "needs a certified provider: run `tests/run certified`"]
async fn certified_takes_assertions_of_every_algorithm() {
    let jwks: Value = serde_json::from_str(include_str!("../keys/public.jwks.json")).unwrap();
    for (algorithm, key, key_id) in [
        (Algorithm::Rs256, KEY, "rsa"),
        (Algorithm::Ps256, KEY, "rsa"),
        (Algorithm::Es256, EC, "ec"),
    ] {
        let members = json!({
            "token_endpoint_auth_method": "private_key_jwt",
            "token_endpoint_auth_signing_alg": algorithm.as_str(), "jwks": jwks,
        });
        let registered = registered(members).await;
        let credential =
            ClientCredential::private_key_pem(key).with_key_id(key_id).with_algorithm(algorithm);
        for credential in
            [credential.clone(), credential.with_assertion_audience(AssertionAudience::Issuer)]
        {
            let client = client(&registered, credential);
            // Each has its own `jti`: the provider takes none twice.
            let first = client.for_app(&asks("api.read")).await.unwrap();
            let second = client.for_app(&asks("api.read").forced()).await.unwrap();
            assert_ne!(first.expose(), second.expose());
        }
        let unknown =
            ClientCredential::private_key_pem(key).with_key_id("unknown").with_algorithm(algorithm);
        assert_eq!(
            client(&registered, unknown).for_app(&asks("api.read")).await.unwrap_err().kind(),
            ErrorKind::ClientRefused
        );
    }
}

/// Ada opens the URL that a device shows, and consents.
pub async fn agrees(address: &str) -> String {
    let mut tab = Browser::new().tab();
    tab.open(address.to_owned()).await;
    for _ in 0..6 {
        if !tab.page().body.contains("<form") {
            break;
        }
        let form = tab.page().form();
        let is_login = form.fields.iter().any(|(name, _)| name == "password");
        let form = if is_login { form.with("login", "ada").with("password", "any") } else { form };
        tab.submit(form).await;
    }
    tab.page().body.clone()
}

/// Device flow, then rotation with reuse detection: each refresh token is sent once.
#[tokio::test]
#[ignore = "needs a certified provider: run `tests/run certified`"]
async fn certified_signs_in_on_another_device_and_rotates_refresh_tokens() {
    let registered = registered(json!({
        "token_endpoint_auth_method": "none",
        "grant_types": ["urn:ietf:params:oauth:grant-type:device_code", "refresh_token"],
    }))
    .await;
    let client = client(&registered, ClientCredential::none());
    let mut flow = client.begin_device(&asks("api.read")).await.unwrap();
    assert!(flow.message().contains(flow.user_code()));
    assert!(matches!(client.poll_device(&mut flow).await.unwrap(), DevicePoll::Pending));

    let shown = agrees(flow.verification_uri_complete().unwrap()).await;
    tokio::time::sleep(Duration::from_secs(1)).await;
    let acquired = match client.poll_device(&mut flow).await.unwrap() {
        DevicePoll::Done(acquired) => acquired,
        other => panic!("{other:?}: {shown}"),
    };
    let account = acquired.account().unwrap();
    assert_eq!((account.subject(), client.accounts().len()), ("ada", 1));

    let mut seen = vec![acquired.token().unwrap().expose().to_owned()];
    for _ in 0..3 {
        let SilentOutcome::Token(token) =
            client.acquire_silent(account, &asks("api.read").forced()).await.unwrap()
        else {
            panic!("refused")
        };
        assert!(!seen.contains(&token.expose().to_owned()));
        seen.push(token.expose().to_owned());
    }
    let asking = (0..30).map(|_| {
        let (client, account) = (client.clone(), account.clone());
        tokio::spawn(async move {
            client
                .acquire_silent(&account, &asks("api.read").forced())
                .await
                .unwrap()
                .token()
                .is_some()
        })
    });
    for asked in asking.collect::<Vec<_>>() {
        assert!(asked.await.unwrap(), "the reuse of a refresh token would have ended the grant");
    }
}

/// RFC 9700 section 4.14.2: an attacker uses a refresh token after its owner did. The provider
/// revokes the grant, and the owner has to sign in again.
#[tokio::test]
#[ignore = "needs a certified provider: run `tests/run certified`"]
async fn certified_detects_the_reuse_of_a_refresh_token() {
    const DEVICE: &str = "urn:ietf:params:oauth:grant-type:device_code";
    let registered = registered(
        json!({ "token_endpoint_auth_method": "none", "grant_types": [DEVICE, "refresh_token"] }),
    )
    .await;
    let id = registered["client_id"].as_str().unwrap();
    let post = async |path: &str, form: &[(&str, &str)]| -> Value {
        let all = [form, &[("client_id", id)]].concat();
        let answer = reqwest::Client::new()
            .post(format!("{}{path}", PROVIDER.issuer))
            .form(&all)
            .send()
            .await
            .unwrap();
        answer.json().await.unwrap()
    };
    let device = post("/device/auth", &[("scope", "openid profile offline_access api.read")]).await;
    agrees(device["verification_uri_complete"].as_str().unwrap()).await;
    let code = device["device_code"].as_str().unwrap();
    let tokens = post("/token", &[("grant_type", DEVICE), ("device_code", code)]).await;
    let refresh_token = tokens["refresh_token"].as_str().unwrap_or_else(|| panic!("{tokens}"));

    let client = client(&registered, ClientCredential::none());
    let account = client
        .import_refresh_token(&refresh_token.into(), &TokenRequest::new(["api.read"]).unwrap())
        .await
        .unwrap()
        .account()
        .unwrap()
        .clone();
    assert!(matches!(
        client.acquire_silent(&account, &asks("api.read").forced()).await.unwrap(),
        SilentOutcome::Token(_)
    ));
    let stolen =
        post("/token", &[("grant_type", "refresh_token"), ("refresh_token", refresh_token)]).await;
    assert_eq!(stolen["error"], "invalid_grant", "{stolen}");
    let SilentOutcome::Refused(error) =
        client.acquire_silent(&account, &asks("api.read").forced()).await.unwrap()
    else {
        panic!("the grant is still good");
    };
    assert_eq!(error.kind(), ErrorKind::InvalidGrant);
}

/// RFC 8707
#[tokio::test]
#[ignore = "needs a certified provider: run `tests/run certified`"]
async fn certified_gives_a_token_for_the_resource_that_is_named() {
    let registered =
        registered(json!({ "token_endpoint_auth_method": "client_secret_basic" })).await;
    let secret = ClientCredential::secret(registered["client_secret"].as_str().unwrap());
    let client = client(&registered, secret);
    let mut seen = Vec::new();
    for resource in ["http://127.0.0.1/api", "urn:other:api"] {
        let token = client.for_app(&asks("api.read").with_resource(resource)).await.unwrap();
        assert_eq!(claims(token.expose())["aud"], resource);
        seen.push(token.expose().to_owned());
    }
    let again =
        client.for_app(&asks("api.read").with_resource("http://127.0.0.1/api")).await.unwrap();
    assert_eq!(
        (again.expose(), seen[0] == seen[1]),
        (seen[0].as_str(), false),
        "each is kept for its own resource"
    );
    let refused =
        client.for_app(&asks("api.read").with_resource("not an address")).await.unwrap_err();
    assert_eq!(refused.provider().unwrap().error, "invalid_target");
}

fn claims(token: &str) -> Value {
    let payload = token.split('.').nth(1).unwrap_or_else(|| panic!("no JWT"));
    serde_json::from_slice(&base64_simd::URL_SAFE_NO_PAD.decode_to_vec(payload).unwrap()).unwrap()
}

/// A custom grant: an API calls another API on behalf of the person who is signed in to the calling
/// application. The sign-in named the first API (RFC 8707).
#[tokio::test]
#[ignore = "needs a certified provider: run `tests/run certified`"]
async fn certified_lets_an_api_act_for_its_caller() {
    let (front, back) = ("http://127.0.0.1/front/opaque", "http://127.0.0.1/back");
    let options = SignInOptions::new().add_parameter("resource", front);
    let app = CertifiedApp::with(&json!({}), |config| {
        config.with_sign_in(options).with_scopes(["offline_access", "api.read"])
    })
    .await;
    let mut tab = app.signed_in(&Browser::new(), "ada").await;
    let called = app.token(&mut tab).await["token"].as_str().unwrap().to_owned();

    let registered = async |api: &str| {
        let grants = json!(["urn:ietf:params:oauth:grant-type:jwt-bearer"]);
        let registered = registered(json!({
            "token_endpoint_auth_method": "client_secret_basic", "grant_types": grants,
            "api": api,
        }))
        .await;
        let secret = ClientCredential::secret(registered["client_secret"].as_str().unwrap());
        (client(&registered, secret), registered["client_id"].clone())
    };
    let request = asks("api.write").with_resource(back);
    let (api, id) = registered(front).await;
    let token = api.on_behalf_of(&called.as_str().into(), &request).await.unwrap();
    let given = claims(token.expose());
    assert_eq!(
        (&given["sub"], &given["aud"], &given["client_id"]),
        (&json!("ada"), &json!(back), &id),
        "{given}"
    );
    assert_eq!(
        api.on_behalf_of(&called.as_str().into(), &request).await.unwrap().expose(),
        token.expose()
    );
    let refused = api.on_behalf_of(&"made up".into(), &request).await.unwrap_err();
    assert_eq!(refused.kind(), ErrorKind::InvalidGrant);
    let (stranger, _) = registered("http://127.0.0.1/other").await;
    let refused = stranger.on_behalf_of(&called.as_str().into(), &request).await.unwrap_err();
    assert_eq!(refused.kind(), ErrorKind::InvalidGrant, "it was not called with that token");
}
