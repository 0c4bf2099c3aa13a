//! MSAL Python as a judge of the imitated Entra, over TLS: `tests/msal/judge.py` has the checks.

use std::{path::Path, sync::Arc};

use aws_lc_rs::digest::{Digest, SHA1_FOR_LEGACY_USE_ONLY, SHA256, digest};
use axum::{
    Router,
    extract::{Path as Segment, State},
    http::StatusCode,
    routing::post,
};
use base64_simd::{STANDARD, URL_SAFE_NO_PAD};
use serde_json::{Map, Value, json};
use tokio::{net::TcpListener, process::Command};
use tower_identity::{
    ClientCredential, IdentityConfig, ReqwestClient, Secret,
    client::{Client, TokenRequest},
    dev::{Consent, DevClient, DevPerson, DevProvider, DevTenant},
};

const WEB: &str = "6f1c9a52-0d3e-4b7a-9c48-2e5d7f8a1b30";
const WEB_SECRET: &str = "the secret of the web application";
const API: &str = "7a1f0c3e-4b5d-4e6f-8a90-b1c2d3e4f506";
const PROVER: &str = "9d2b4c6e-8f10-4a32-b5d7-c9e1f3a5b7d9";
const PUBLIC: &str = "1b3d5f79-2c4e-4608-8a1c-3e5f7092b4d6";
const CERTIFICATE: &str = include_str!("../keys/rsa.cert.pem");
const KEY: &str = include_str!("../keys/rsa.key.pem");

/// The key of the certificate, identified by both thumbprints.
fn certified() -> (Map<String, Value>, Digest) {
    let der: String = CERTIFICATE.lines().filter(|line| !line.starts_with('-')).collect();
    let der = STANDARD.decode_to_vec(der).unwrap();
    let sha1 = digest(&SHA1_FOR_LEGACY_USE_ONLY, &der);
    let keys: Value = serde_json::from_str(include_str!("../keys/public.jwks.json")).unwrap();
    let found = keys["keys"].as_array().unwrap().iter().find(|key| key["kid"] == "rsa").unwrap();
    let mut key = found.as_object().unwrap().clone();
    key.remove("kid");
    key.insert("x5t#S256".into(), URL_SAFE_NO_PAD.encode_to_string(digest(&SHA256, &der)).into());
    key.insert("x5t".into(), URL_SAFE_NO_PAD.encode_to_string(sha1).into());
    (key, sha1)
}

async fn provider(key: Map<String, Value>) -> DevProvider {
    let given =
        |client: DevClient| client.with_any_loopback_redirect().with_consent(Consent::Given);
    let provider = DevProvider::builder()
        .entra()
        .with_tls()
        .with_client(given(DevClient::confidential(WEB, WEB_SECRET)))
        .with_client(given(DevClient::confidential(API, "the secret of the API")))
        .with_client(given(DevClient::public(PROVER).with_key(key)))
        .with_client(given(DevClient::public(PUBLIC)))
        .start()
        .await
        .unwrap();
    let sophie =
        DevPerson::new("sophie", "Sophie Germain").with_username("sophie@contoso.onmicrosoft.com");
    provider.add_person(sophie.with_password("the password of Sophie"));
    provider
}

/// The handle of the provider, for the checks: plain http on loopback.
async fn control(provider: Arc<DevProvider>) -> String {
    type Handle = State<Arc<DevProvider>>;
    let done = |result: Result<(), tower_identity::ConfigError>| match result {
        Ok(()) => Ok(()),
        Err(error) => Err((StatusCode::BAD_REQUEST, error.to_string())),
    };
    let router =
        Router::new()
            .route(
                "/sign_in_as/{person}",
                post(move |State(provider): Handle, Segment(person): Segment<String>| async move {
                    provider.sign_everybody_out();
                    done(provider.sign_in_as(&person))
                }),
            )
            .route(
                "/revoke/{person}",
                post(|State(provider): Handle, Segment(person): Segment<String>| async move {
                    provider.revoke_refresh_tokens(&person)
                }),
            )
            .route(
                "/answer_device/{person}",
                post(
                    move |State(provider): Handle,
                          Segment(person): Segment<String>,
                          code: String| async move {
                        done(provider.answer_device(&code, Some(&person)))
                    },
                ),
            )
            .route(
                "/decline_device",
                post(move |State(provider): Handle, code: String| async move {
                    done(provider.answer_device(&code, None))
                }),
            )
            .route(
                "/challenge",
                post(|State(provider): Handle, claims: String| async move {
                    provider.challenge_next_refresh(claims)
                }),
            )
            .route(
                "/import",
                post(|State(provider): Handle, cache: String| async move {
                    imported(&provider, cache)
                        .await
                        .map(|answer| answer.to_string())
                        .map_err(|error| (StatusCode::BAD_REQUEST, error.to_string()))
                }),
            )
            .with_state(provider);
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move { axum::serve(listener, router).await.unwrap() });
    format!("http://{address}")
}

/// The accounts of a token cache that MSAL wrote, each with a token for Microsoft Graph that this
/// crate's client got with the account's refresh token.
async fn imported(
    provider: &DevProvider,
    cache: String,
) -> Result<Value, Box<dyn std::error::Error + Send + Sync>> {
    let http = ReqwestClient::with_root_certificates(provider.root_certificate().unwrap())?;
    let authority = provider.entra_authority(DevTenant::CONTOSO.id())?;
    let config =
        IdentityConfig::new(authority, WEB).with_credential(ClientCredential::secret(WEB_SECRET));
    let client = Client::builder(config).with_http_client(http).build()?;
    let mut accounts = Vec::new();
    for account in client.import_msal_cache(&Secret::from(cache))? {
        let request = TokenRequest::new(["User.Read"])?;
        let token = client.acquire_silent(&account, &request).await?.token().ok_or("no token")?;
        accounts.push(json!({
            "username": account.username(),
            "home_account_id": account.home_account_id(),
            "access_token": token.expose(),
        }));
    }
    Ok(accounts.into())
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs MSAL Python: tests/run msal"]
async fn msal_python_signs_in_at_the_imitated_entra() {
    let python = std::env::var("MSAL_PYTHON")
        .expect("MSAL_PYTHON is the interpreter that has MSAL: tests/run msal sets it");
    let (key, sha1) = certified();
    let provider = Arc::new(provider(key).await);
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR"));
    let root = folder.join("msal-root.pem");
    std::fs::write(&root, provider.root_certificate().unwrap()).unwrap();
    let home: Map<String, Value> =
        ["ada", "alan", "grace", "katherine", "mary", "emmy", "rosalind", "sophie"]
            .iter()
            .map(|person| ((*person).to_owned(), provider.home_account_id(person).into()))
            .collect();
    let settings = json!({
        "origin": format!("https://{}", provider.address()),
        "root_certificate": root,
        "control": control(Arc::clone(&provider)).await,
        "web": { "id": WEB, "secret": WEB_SECRET },
        "api": { "id": API, "secret": "the secret of the API", "scope": format!("{API}/read") },
        "public": PUBLIC,
        "certificate": {
            "client": PROVER, "key": KEY, "pem": CERTIFICATE,
            "sha1": sha1.as_ref().iter().map(|byte| format!("{byte:02X}")).collect::<String>(),
        },
        "password": {
            "person": "sophie", "username": "sophie@contoso.onmicrosoft.com",
            "password": "the password of Sophie",
        },
        "tenants": {
            "contoso": DevTenant::CONTOSO.id(), "consumers": DevTenant::PERSONAL.id(),
            "b2c": DevTenant::PROSEWARE.domain(), "external": DevTenant::WOODGROVE.id(),
        },
        "home_account_ids": home,
    });
    let file = folder.join("msal-settings.json");
    std::fs::write(&file, settings.to_string()).unwrap();
    let judge = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/msal/judge.py");
    let status = Command::new(python).arg(judge).arg(file).status().await.unwrap();
    assert!(status.success(), "MSAL Python does not agree: {status}");
}
