//! Client assertions at the token endpoint, as the provider receives them, and tokens of other
//! parties that sign nobody in.

use std::{collections::BTreeSet, time::Duration};

use aws_lc_rs::digest::{SHA256, digest};
use axum::http::{Method, StatusCode};
use base64_simd::{STANDARD, URL_SAFE_NO_PAD};
use serde_json::{Map, Value, json};
use tower_identity::{
    Authority, ClientCredential, Clock, IdentityConfig, ManualClock, SystemClock,
    client::{Client, TokenRequest},
    config::AssertionAudience,
    dev::{Accounts, DevClient, DevProvider, DevTenant, Endpoint, Quirk},
};

use crate::{
    app::App,
    raw::{NAVIGATION, Raw},
};

const KEY: &str = include_str!("../keys/rsa.key.pem");
const CERTIFICATE: &str = include_str!("../keys/rsa.cert.pem");
const API: &str = "7a1f0c3e-4b5d-4e6f-8a90-b1c2d3e4f506";

/// Header and claims of the last assertion that the provider received.
fn sent(provider: &DevProvider) -> (Value, Value) {
    let request = provider.last_request(Endpoint::Token).unwrap();
    assert_eq!(
        request.parameter("client_assertion_type"),
        Some("urn:ietf:params:oauth:client-assertion-type:jwt-bearer")
    );
    assert_eq!((request.parameter("client_secret"), request.header("authorization")), (None, None));
    let parts: Vec<&str> = request.parameter("client_assertion").unwrap().split('.').collect();
    let part =
        |part: &str| serde_json::from_slice(&URL_SAFE_NO_PAD.decode_to_vec(part).unwrap()).unwrap();
    (part(parts[0]), part(parts[1]))
}

/// An application of Contoso with a certificate, and the certificate's thumbprint.
fn with_certificate(provider: &DevProvider) -> (Client, String) {
    let der: String = CERTIFICATE.lines().filter(|line| !line.starts_with('-')).collect();
    let thumbprint =
        URL_SAFE_NO_PAD.encode_to_string(digest(&SHA256, &STANDARD.decode_to_vec(der).unwrap()));
    let keys: Value = serde_json::from_str(include_str!("../keys/public.jwks.json")).unwrap();
    let key = keys["keys"].as_array().unwrap().iter().find(|key| key["kid"] == "rsa").unwrap();
    let mut key: Map<String, Value> = key.as_object().unwrap().clone();
    key.remove("kid");
    key.insert("x5t#S256".into(), thumbprint.clone().into());
    provider.add_client(
        DevClient::public(API).with_key(key).with_accounts(Accounts::Tenant(DevTenant::CONTOSO)),
    );
    let config =
        IdentityConfig::new(provider.entra_authority(DevTenant::CONTOSO.id()).unwrap(), API);
    let credential = ClientCredential::certificate_pem(format!("{KEY}\n{CERTIFICATE}"));
    (Client::new(config.with_credential(credential)).unwrap(), thumbprint)
}

fn asks(scope: &str) -> TokenRequest {
    TokenRequest::new([scope]).unwrap()
}

// C-370: Entra private_key_jwt
// C-373: confidential client
// C-374: two requests with one assertion
#[tokio::test]
async fn entra_gets_an_assertion_of_its_own_for_each_request() {
    let provider = DevProvider::builder().entra().start().await.unwrap();
    let (client, thumbprint) = with_certificate(&provider);
    let mut identifiers = BTreeSet::new();
    for _ in 0..5 {
        let before = SystemClock.now();
        client.for_app(&asks("api://tasks/.default").forced()).await.unwrap();
        let (header, claims) = sent(&provider);
        assert_eq!(
            (&header["alg"], &header["x5t#S256"], header.get("x5t")),
            (&json!("PS256"), &json!(thumbprint), None)
        );
        let endpoint =
            format!("http://{}/{}/oauth2/v2.0/token", provider.address(), DevTenant::CONTOSO.id());
        assert_eq!(
            (&claims["aud"], &claims["iss"], &claims["sub"]),
            (&json!(endpoint), &json!(API), &json!(API))
        );
        let life = claims["exp"].as_i64().unwrap() - before.as_seconds();
        assert!((300..=600).contains(&life), "{life}");
        let id = claims["jti"].as_str().unwrap().to_owned();
        let lengths: Vec<usize> = id.split('-').map(str::len).collect();
        assert!(
            lengths == [8, 4, 4, 4, 12]
                && id.as_bytes()[14] == b'4'
                && b"89ab".contains(&id.as_bytes()[19]),
            "{id}"
        );
        assert!(identifiers.insert(id), "never twice");
    }
}

// C-375: host clock 3 min ahead of the OP
/// The clock of this machine may be a few minutes fast.
#[tokio::test]
async fn an_assertion_bears_a_clock_that_is_ahead() {
    let clock = ManualClock::at_system_time();
    let provider = DevProvider::builder().entra().with_clock(clock.clone()).start().await.unwrap();
    let (client, _) = with_certificate(&provider);
    for minutes in [3, 4] {
        clock.set(SystemClock.now() - Duration::from_secs(minutes * 60));
        client.for_app(&asks("api://tasks/.default").forced()).await.unwrap();
        let (_, claims) = sent(&provider);
        assert_eq!(claims.get("nbf"), None, "nothing says from when it is good");
    }
}

/// PFX files with current and with old encryption, and without a password.
#[tokio::test]
async fn a_pfx_file_proves_the_application_as_its_key_and_certificate_do() {
    let provider = DevProvider::builder().entra().start().await.unwrap();
    let (_, thumbprint) = with_certificate(&provider);
    let authority = || provider.entra_authority(DevTenant::CONTOSO.id()).unwrap();
    let client = |file: &str, password: &str| {
        let path = format!("{}/tests/keys/{file}", env!("CARGO_MANIFEST_DIR"));
        let credential = ClientCredential::certificate_file(path).with_password(password);
        Client::new(IdentityConfig::new(authority(), API).with_credential(credential))
    };
    for (file, password) in
        [("rsa.pfx", "hush"), ("rsa.legacy.pfx", "hush"), ("rsa.nopassword.pfx", "")]
    {
        let right = client(file, password).unwrap();
        right.for_app(&asks("api://tasks/.default")).await.unwrap();
        assert_eq!(sent(&provider).0["x5t#S256"], thumbprint, "{file}");
        let problem = client(file, "wrong").err().unwrap().to_string();
        assert!(problem.contains("password"), "{file}: {problem}");
    }
}

/// Files that OpenSSL encrypted; `tests/keys/README.md` has the commands.
#[tokio::test]
async fn a_key_that_openssl_encrypted_proves_the_application_with_its_password() {
    let provider = DevProvider::builder().entra().start().await.unwrap();
    let (_, thumbprint) = with_certificate(&provider);
    let authority = || provider.entra_authority(DevTenant::CONTOSO.id()).unwrap();
    let client = |file: &str, password: &str| {
        let path = format!("{}/tests/keys/{file}", env!("CARGO_MANIFEST_DIR"));
        let credential = ClientCredential::private_key_file(path)
            .with_password(password)
            .with_certificate(CERTIFICATE);
        Client::new(IdentityConfig::new(authority(), API).with_credential(credential))
    };
    for file in ["rsa.encrypted.pem", "rsa.scrypt.pem"] {
        let right = client(file, "hush").unwrap();
        right.for_app(&asks("api://tasks/.default")).await.unwrap();
        assert_eq!(sent(&provider).0["x5t#S256"], thumbprint, "{file}");
        let problem = client(file, "wrong").err().unwrap().to_string();
        assert!(problem.contains("its password is wrong"), "{file}: {problem}");
    }
    let problem = client("rsa.sha1.pem", "hush").err().unwrap().to_string();
    assert!(problem.contains("-v2prf hmacWithSHA256"), "{problem}");
}

// C-372: private_key_jwt configured without key
/// A credential that cannot sign is a set-up error.
#[test]
fn a_key_that_is_none_is_found_at_set_up() {
    let authority = || tower_identity::Authority::oidc("https://id.example").unwrap();
    for credential in [
        ClientCredential::private_key_pem(""),
        ClientCredential::private_key_pem("no key"),
        ClientCredential::private_key_pem(CERTIFICATE),
        ClientCredential::certificate_pem(CERTIFICATE),
        ClientCredential::private_key_file("/there/is/no/such/file.pem"),
    ] {
        let config = IdentityConfig::new(authority(), "id").with_credential(credential.clone());
        let problem = Client::new(config.clone())
            .err()
            .unwrap_or_else(|| panic!("{credential} passed"))
            .to_string();
        assert!(!problem.contains("MII"), "{problem}");
        assert!(
            config.with_base_url("https://app.example").unwrap().build().is_err(),
            "{credential}"
        );
    }
}

// C-377: client credentials with scope other than …/.default
#[tokio::test]
async fn the_error_says_that_an_application_requests_all_or_nothing() {
    let provider = DevProvider::builder().entra().start().await.unwrap();
    let client = Client::new(provider.config("http://localhost").unwrap()).unwrap();
    let error = client.for_app(&asks("User.Read")).await.unwrap_err();
    assert_eq!(error.provider().unwrap().codes, [1_002_012], "{error}");
}

// C-390: access token obtained elsewhere handed to the RP as a login
/// An access token that a request brings does not sign anybody in.
#[tokio::test]
async fn an_access_token_signs_nobody_in() {
    let app = App::start().await;
    app.provider.sign_in_as("ada").unwrap();
    let tokens =
        app.provider.issue_tokens("ada", app.provider.client_id(), "openid profile", None).unwrap();
    let raw = Raw::of(&app);
    let (access, id) = (tokens.access_token.expose(), tokens.id_token.as_ref().unwrap().expose());
    for token in [access, id] {
        let bearer = format!("Bearer {token}");
        let answer = raw.send(Method::GET, "/me", "", &[("authorization", &bearer)], "").await;
        assert_eq!(
            (answer.status, answer.set_cookies().len()),
            (StatusCode::UNAUTHORIZED, 0),
            "{}",
            answer.body
        );
        let begun = raw.begin("/me", "").await;
        for (name, value) in [("access_token", access), ("id_token", id)] {
            for code in ["", "&code=made-up"] {
                let callback = format!(
                    "/auth/callback?state={}&iss={}&{name}={value}&token_type=Bearer{code}",
                    begun.state(),
                    app.provider.issuer()
                );
                let answer = raw.send(Method::GET, &callback, &begun.attempt, NAVIGATION, "").await;
                assert!(
                    answer.session().is_none() && answer.status != StatusCode::OK,
                    "{} {}",
                    answer.status,
                    answer.body
                );
            }
        }
    }
}

/// FAPI 2.0 and the revision of RFC 7523 take the issuer alone.
#[tokio::test]
async fn an_assertion_is_sent_for_the_issuer_where_the_token_endpoint_is_refused() {
    let provider =
        DevProvider::builder().with_quirks([Quirk::IssuerAudience]).start().await.unwrap();
    let keys: Value = serde_json::from_str(include_str!("../keys/public.jwks.json")).unwrap();
    let key = keys["keys"].as_array().unwrap().iter().find(|key| key["kid"] == "rsa").unwrap();
    provider.add_client(DevClient::public("prover").with_key(key.as_object().unwrap().clone()));
    let client = |credential: ClientCredential| {
        let authority = Authority::oidc(provider.issuer()).unwrap();
        let config = IdentityConfig::new(authority, "prover").with_credential(credential);
        Client::new(config).unwrap()
    };
    let key = ClientCredential::private_key_pem(KEY).with_key_id("rsa");
    let learning = client(key.clone());
    for requests in [2, 3] {
        learning.for_app(&asks("tasks.read").forced()).await.unwrap();
        assert_eq!(sent(&provider).1["aud"], provider.issuer());
        assert_eq!(provider.requests(Endpoint::Token), requests);
    }
    let named = client(key.with_assertion_audience(AssertionAudience::TokenEndpoint));
    let error = named.for_app(&asks("tasks.read")).await.unwrap_err().to_string();
    assert!(error.contains("IDENTITY_ASSERTION_AUDIENCE") && !error.contains("SECRET"), "{error}");
    assert_eq!(provider.requests(Endpoint::Token), 4);
}
