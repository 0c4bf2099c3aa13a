//! The default settings at an unknown provider.

use std::time::Duration;

use axum::http::StatusCode;
use serde_json::json;
use tower_identity::{
    Authority, ClientCredential, Clock, IdentityConfig, ManualClock, Prompt, SignInOptions,
    config::ClientAuthMethod,
    dev::{Consent, DevClient, DevProvider, Endpoint, Failure},
};

use crate::{app::App, raw::Raw};

const CLIENT: &str = "6731de76-14a6-49ae-97bc-6eba6914391e";

/// The client is registered for one authentication method.
async fn registered(secret: &'static str, method: ClientAuthMethod) -> App {
    let first = |provider: &DevProvider, url: &str| {
        let client = DevClient::confidential(CLIENT, secret).with_authentication(method);
        provider.add_client(client.with_any_loopback_redirect().with_consent(Consent::Given));
        let config =
            IdentityConfig::new(Authority::parse(provider.authority_url()).unwrap(), CLIENT);
        App::common_settings(
            config.with_credential(ClientCredential::secret(secret)).with_base_url(url).unwrap(),
        )
    };
    App::builder().authority(first).start().await
}

#[tokio::test]
async fn a_client_signs_in_by_whichever_method_it_is_registered_for() {
    for method in [ClientAuthMethod::Basic, ClientAuthMethod::Post] {
        for secret in ["abc~Q8-._xyz", "c2VjcmV0L3dpdGgrYnl0ZXM=", "100% of & it: ü"] {
            let app = registered(secret, method).await;
            let page = app.sign_in().await;
            assert_eq!(page.status, StatusCode::OK, "{method:?} {secret}: {}", page.body);
        }
    }
}

#[tokio::test]
async fn the_email_address_is_there_where_the_provider_offers_it() {
    let app = App::start().await;
    let page = app.sign_in().await;
    assert!(page.body.contains("\"email\":\"ada@"), "{}", page.body);
}

/// A provider may spend the code with the request whose client authentication it refuses. The next
/// sign-in sends the right one at once, so that the first user does not meet an error.
#[tokio::test]
async fn a_code_that_was_spent_by_a_refused_client_authentication_is_followed_by_another_sign_in() {
    for (status, refusal) in [(401, "invalid_client"), (400, "invalid_request")] {
        let app = App::start().await;
        let refused = |status, code: &str| {
            let body = format!(r#"{{"error":"{code}"}}"#);
            app.provider.fail_next(Endpoint::Token, 1, Failure::json(status, body));
        };
        refused(status, refusal);
        refused(400, "invalid_grant");
        let mut tab = app.signed_in().await;
        let page = tab.open(app.at("/me")).await;
        assert_eq!((page.status, page.url.path()), (StatusCode::OK, "/me"), "{refusal}");
        let requests = |endpoint| app.provider.requests(endpoint);
        assert_eq!((requests(Endpoint::Authorization), requests(Endpoint::Token)), (2, 3));
    }
    // Once: the second such answer is shown.
    let app = App::start().await;
    for _ in 0..2 {
        for (status, code) in [(401, "invalid_client"), (400, "invalid_grant")] {
            let body = format!(r#"{{"error":"{code}"}}"#);
            app.provider.fail_next(Endpoint::Token, 1, Failure::json(status, body));
        }
    }
    let page = app.sign_in().await;
    assert!(page.status.is_server_error(), "{}", page.body);
    assert_eq!(app.provider.requests(Endpoint::Authorization), 2);
}

/// A client authentication that the provider refuses, and spends the code with.
fn spend_the_next_code(provider: &DevProvider) {
    for (status, code) in [(401, "invalid_client"), (400, "invalid_grant")] {
        let body = format!(r#"{{"error":"{code}"}}"#);
        provider.fail_next(Endpoint::Token, 1, Failure::json(status, body));
    }
}

/// The refusals of authorization requests that are followed by another request.
const REFUSALS: [(&str, &str); 3] = [
    ("invalid_scope", ""),
    ("temporarily_unavailable", "authentication_expired"),
    ("invalid_request", "ui_locales are not supported"),
];

/// Each refusal says something else about the provider, so that the next request differs from all
/// before it.
#[tokio::test]
async fn a_provider_that_refuses_several_things_signs_the_first_user_in() {
    for first in 0..REFUSALS.len() {
        let app = App::start().await;
        for at in 0..REFUSALS.len() {
            let (error, description) = REFUSALS[(first + at) % REFUSALS.len()];
            app.provider.refuse_next_sign_in(error, description);
        }
        spend_the_next_code(&app.provider);
        let mut tab = app.signed_in().await;
        let page = tab.open(app.at("/me")).await;
        assert_eq!((page.status, page.url.path()), (StatusCode::OK, "/me"), "{}", page.body);
        assert_eq!(app.provider.requests(Endpoint::Authorization), 5);
        let last = app.provider.last_request(Endpoint::Authorization).unwrap();
        assert_eq!(last.parameter("scope"), Some("openid offline_access"), "what was learnt stays");
        assert_eq!(last.parameter("ui_locales"), None);
    }
}

/// The callback of a stale link leads to a new sign-in, which may be refused like every other.
#[tokio::test]
async fn a_sign_in_after_a_lost_attempt_may_be_refused_too() {
    let app = App::start().await;
    app.provider.sign_in_as("ada").unwrap();
    let stale = Raw::of(&app).begin("/other", "").await;
    let stale = Raw::of(&app).answer(&stale).await;
    app.provider.refuse_next_sign_in("invalid_scope", "");
    let page = app.browser().tab().open(app.at(&stale)).await.clone();
    assert_eq!((page.status, page.url.path()), (StatusCode::OK, "/other"), "{}", page.body);
}

/// Once for each: a provider that refuses everything for good is told about, whatever it names, and
/// so is one that refuses the same twice.
#[tokio::test]
async fn a_provider_that_goes_on_refusing_is_asked_a_bounded_number_of_times() {
    for silent in [false, true] {
        let options = match silent {
            true => SignInOptions::new().with_prompt(Prompt::None),
            false => SignInOptions::new(),
        };
        let app = App::builder().config(|config| config.with_sign_in(options)).start().await;
        app.provider.sign_in_as("ada").unwrap();
        for number in 0..30 {
            let (error, description) = match number % 4 {
                3 => ("login_required", ""),
                other => REFUSALS[other],
            };
            app.provider.refuse_next_sign_in(error, description);
        }
        let page = app.browser().tab().open(app.at("/other")).await.clone();
        assert!(!page.status.is_success(), "{}", page.body);
        let asked = app.provider.requests(Endpoint::Authorization);
        assert_eq!(asked, if silent { 5 } else { 4 });
    }
}

/// A user does not count as signed out for a moment after the sign-in, although the clocks differ.
#[tokio::test]
async fn a_clock_within_the_leeway_signs_in_and_stays_signed_in_at_both_ends() {
    let at = async |seconds: i64| {
        let theirs = ManualClock::at_system_time();
        let by = Duration::from_secs(seconds.unsigned_abs());
        let ours = ManualClock::at(if seconds < 0 { theirs.now() - by } else { theirs.now() + by });
        let app = App::builder()
            .provider(|provider| provider.with_clock(theirs.clone()))
            .layer(|layer| layer.with_clock(ours))
            .start()
            .await;
        app.provider.sign_in_as("ada").unwrap();
        let mut tab = app.browser().tab();
        let first = tab.open(app.at("/me")).await.clone();
        let again = tab.open(app.at("/me")).await.status;
        (first.status, again, first.body)
    };
    for seconds in [-60, -30, -1, 0, 1, 60] {
        let (first, again, body) = at(seconds).await;
        assert_eq!((first, again), (StatusCode::OK, StatusCode::OK), "{seconds}: {body}");
    }
    let (status, _, body) = at(-61).await;
    assert!(status != StatusCode::OK && body.contains("clock"), "{status}: {body}");
}

/// The answers of Keycloak and Gitea to a wrong secret.
#[tokio::test]
async fn a_refused_secret_is_known_beside_the_code_of_another_mistake() {
    for (status, description) in
        [(401, "Invalid client or Invalid client credentials"), (400, "invalid client secret")]
    {
        let body = json!({"error": "unauthorized_client", "error_description": description});
        let refusal = || Failure::json(status, body.to_string());
        let app = App::start().await;
        app.provider.fail_next(Endpoint::Token, 1, refusal());
        let page = app.sign_in().await;
        assert_eq!(page.status, StatusCode::OK, "by the other method: {}", page.body);
        assert_eq!(app.provider.requests(Endpoint::Token), 2);
        let app = App::start().await;
        app.provider.fail_next(Endpoint::Token, 9, refusal());
        let page = app.sign_in().await;
        for words in ["client_credential_refused", "IDENTITY_CLIENT_SECRET"] {
            assert!(page.body.contains(words), "{description}: {}", page.body);
        }
    }
}
