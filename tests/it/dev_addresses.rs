//! The development provider under other addresses: over TLS, and behind a proxy.

use std::sync::{Arc, Mutex};

use reqwest::{Client, StatusCode};
use serde_json::{Value, json};
use tower_identity::{
    ReqwestClient,
    dev::{DevProvider, DevTenant},
};

use crate::{
    app::App,
    browser::Browser,
    foreign_clients::{ASSERTION, Prover, at, contoso, http, post},
};

/// A complete sign-in over TLS. Layer and browser trust the provider's certificate.
async fn over_tls(person: &str, authority: Option<DevTenant>) {
    let root = Arc::new(Mutex::new(String::new()));
    let seen = Arc::clone(&root);
    let app = App::builder()
        .authority(move |provider, url| {
            *seen.lock().unwrap() = provider.root_certificate().unwrap().to_owned();
            let config = match authority {
                None => provider.config(url),
                Some(tenant) => provider.entra_config(tenant.id(), url),
            };
            App::common_settings(config.unwrap())
        })
        .provider(|provider| {
            if authority.is_some() { provider.entra().with_tls() } else { provider.with_tls() }
        })
        .layer(|layer| {
            layer.with_http_client(
                ReqwestClient::with_root_certificates(&root.lock().unwrap()).unwrap(),
            )
        })
        .start()
        .await;
    app.provider.sign_in_as(person).unwrap();
    let mut tab = Browser::trusting(&root.lock().unwrap()).tab();
    let page = tab.open(app.at("/me")).await;
    assert_eq!(page.status, StatusCode::OK, "{}", page.body);
    assert!(page.json()["iss"].as_str().unwrap().starts_with("https://"), "{}", page.body);
}

#[tokio::test]
async fn a_sign_in_works_over_tls_with_the_certificate_that_is_handed_out() {
    over_tls("ada", None).await;
    over_tls("ada", Some(DevTenant::CONTOSO)).await;
    // Its issuer has a host of its own.
    over_tls("emmy", Some(DevTenant::WOODGROVE)).await;
}

#[tokio::test]
async fn without_that_certificate_no_connection_is_made() {
    let provider = DevProvider::builder().with_tls().start().await.unwrap();
    let other = DevProvider::builder().with_tls().start().await.unwrap();
    let document = format!("{}/.well-known/openid-configuration", provider.issuer());
    let trusting = |provider: &DevProvider| {
        let root = reqwest::Certificate::from_pem(provider.root_certificate().unwrap().as_bytes())
            .unwrap();
        Client::builder().no_proxy().tls_certs_only([root]).build().unwrap()
    };
    assert!(http().get(&document).send().await.is_err());
    assert!(trusting(&other).get(&document).send().await.is_err());
    assert_eq!(trusting(&provider).get(&document).send().await.unwrap().status(), StatusCode::OK);
    assert!(DevProvider::start().await.unwrap().root_certificate().is_none());
    for wrong in
        ["", "no certificate", "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"]
    {
        assert!(ReqwestClient::with_root_certificates(wrong).is_err(), "{wrong}");
    }
}

#[tokio::test]
async fn behind_a_proxy_everything_is_named_by_the_base_url() {
    let prover = Prover::new();
    let provider = DevProvider::builder()
        .with_base_url("https://login.example.com")
        .with_client(prover.registered())
        .entra()
        .start()
        .await
        .unwrap();
    let path = contoso("v2.0/.well-known/openid-configuration");
    let asked_for =
        |host: &'static str| http().get(at(&provider, &path)).header("host", host).send();
    let document: Value = asked_for("login.example.com").await.unwrap().json().await.unwrap();
    for name in ["issuer", "authorization_endpoint", "token_endpoint", "jwks_uri"] {
        assert!(
            document[name].as_str().unwrap().starts_with("https://login.example.com/"),
            "{document}"
        );
    }
    for host in ["login.example.com.evil.example", "evil-login.example.com", "example.com"] {
        assert_eq!(
            asked_for(host).await.unwrap().status(),
            StatusCode::MISDIRECTED_REQUEST,
            "{host}"
        );
    }
    // Assertions are for the address that clients know, or for the one that was called.
    let token = contoso("oauth2/v2.0/token");
    for audience in [document["token_endpoint"].as_str().unwrap().to_owned(), at(&provider, &token)]
    {
        let assertion = prover.assertion(&audience, &json!({}));
        let form = [
            ("grant_type", "client_credentials"),
            ("scope", "api://x/.default"),
            ASSERTION,
            ("client_assertion", &assertion),
        ];
        let answer = post(&provider, &token, &form).await;
        assert!(answer["access_token"].is_string(), "{audience}: {answer}");
    }
    for wrong in ["login.example.com", "ftp://x", "https://x/path", "https://x/?a", ""] {
        let refused = DevProvider::builder().with_base_url(wrong).start().await.unwrap_err();
        assert_eq!(refused.setting(), "with_base_url", "{wrong}");
    }
}
