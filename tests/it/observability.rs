//! The complete log at trace level contains no secret (C-437, C-438, security rule 19).

use std::collections::BTreeSet;

use axum::http::{Method, StatusCode};
use serde_json::json;
use tower_identity::{
    ApiConfig, ApiLayer, Authority,
    dev::{Endpoint, Failure, Spoil},
};

use crate::{app::App, browser::Tab, captured_log::Log};

/// All secrets in the requests and responses of the last navigation.
fn secrets_of(tab: &Tab, secrets: &mut BTreeSet<String>) {
    for hop in &tab.hops {
        let cookies = hop
            .set_cookies()
            .into_iter()
            .filter_map(|cookie| cookie.split(';').next())
            .collect::<Vec<_>>();
        for cookie in
            cookies.into_iter().chain(hop.cookies.as_deref().unwrap_or_default().split("; "))
        {
            secrets.extend(cookie.split_once('=').map(|(_, value)| value.to_owned()));
        }
        for (name, value) in hop.url.query_pairs() {
            if ["code", "state", "nonce", "code_challenge", "id_token_hint"].contains(&&*name) {
                secrets.insert(value.into_owned());
            }
        }
    }
}

fn secrets_of_the_token_endpoint(app: &App, secrets: &mut BTreeSet<String>) {
    let request = app.provider.last_request(Endpoint::Token).unwrap();
    for name in ["code", "code_verifier", "refresh_token", "client_secret"] {
        secrets.extend(request.parameter(name).map(str::to_owned));
    }
    secrets.extend(
        request
            .header("authorization")
            .and_then(|value| value.strip_prefix("Basic "))
            .map(str::to_owned),
    );
}

#[tokio::test]
async fn a_full_trace_holds_no_secret_and_nothing_about_the_person() {
    let (log, _listening) = Log::listen();
    let app = App::start().await;
    let mut secrets = BTreeSet::from([app.provider.client_secret().expose().to_owned()]);

    let mut tab = app.signed_in().await;
    secrets_of(&tab, &mut secrets);
    secrets_of_the_token_endpoint(&app, &mut secrets);
    let me = tab.page().json();
    for claim in ["sub", "name"] {
        secrets.insert(me[claim].as_str().unwrap().to_owned());
    }
    secrets.extend(me["claims"]["email"].as_str().map(str::to_owned));
    secrets.insert(tab.open(app.at("/token")).await.json()["token"].as_str().unwrap().to_owned());

    app.turn(3600 + 300);
    assert_eq!(tab.open(app.at("/me")).await.status, StatusCode::OK);
    secrets_of(&tab, &mut secrets);
    secrets_of_the_token_endpoint(&app, &mut secrets);
    secrets.insert(tab.open(app.at("/token")).await.json()["token"].as_str().unwrap().to_owned());

    // Failures are logged in most detail.
    let mut other = app.browser().tab();
    app.provider.spoil_next_id_token(Spoil::SignatureWrong);
    assert_eq!(other.open(app.at("/me")).await.status, StatusCode::BAD_REQUEST);
    secrets_of(&other, &mut secrets);
    app.provider.fail_next(
        Endpoint::Token,
        1,
        Failure::json(400, r#"{"error":"invalid_grant","error_description":"Ada Lovelace"}"#),
    );
    assert_eq!(other.open(app.at("/me")).await.status, StatusCode::UNAUTHORIZED);
    secrets_of(&other, &mut secrets);
    other
        .open(app.at("/auth/callback?code=stolen-code-1234&state=r0.0.aaaaaaaaaaaaaaaaaaaaaa"))
        .await;
    secrets.insert("stolen-code-1234".into());
    tab.fetch(Method::GET, "/auth/logout").await;

    let question = tab.open(app.at("/auth/logout")).await.form();
    tab.submit(question).await;
    secrets_of(&tab, &mut secrets);

    let text = log.text();
    for step in [
        "identity.discovery",
        "identity.redeem_code",
        "identity.verify_id_token",
        "identity.callback",
        "identity.sign_out",
    ] {
        assert!(text.contains(step), "{step} has no span");
    }
    for reason in ["token_signature", "invalid_grant", "outcome=\"ok\""] {
        assert!(text.contains(reason), "{reason} was not logged");
    }
    secrets.retain(|secret| secret.len() > 2);
    assert!(secrets.len() > 15, "only {} secrets were found to look for", secrets.len());
    for secret in &secrets {
        assert!(
            !text.contains(secret.as_str()),
            "the log has {secret:?}: {:?}",
            text.lines().find(|line| line.contains(secret.as_str()))
        );
    }
}

/// The settings come from a file here; a variable has the same effect.
#[tokio::test]
async fn the_settings_are_logged_once_and_those_of_an_api_are_noted_where_there_is_none() {
    for has_api in [false, true] {
        let (log, _listening) = Log::listen();
        let authority = Authority::oidc("https://id.example").unwrap();
        let api = ApiLayer::new(ApiConfig::new(authority, "api").build().unwrap());
        let app = App::builder()
            .authority(|provider, url| {
                let file = json!({
                    "oidc_authority": provider.issuer(),
                    "client_id": provider.client_id(),
                    "client_secret": provider.client_secret().expose(),
                    "base_url": url,
                    "audience": "api://notes",
                });
                App::common_settings(serde_json::from_value(file).unwrap())
            })
            .layer(|layer| if has_api { layer.with_api(api) } else { layer })
            .start()
            .await;
        app.signed_in().await;
        let text = log.text();
        assert_eq!(text.matches("the settings in use").count(), 1);
        assert!(text.contains("credential = a secret (client_secret)"), "{text}");
        assert!(text.contains("scope = offline_access (with_scopes or with_sign_in)"), "{text}");
        assert_eq!(text.matches("variable_of_an_api").count(), usize::from(!has_api));
    }
}
