//! Providers that grant scopes under other names than requested, or grant fewer.

use axum::{
    Router,
    http::{Method, StatusCode},
    routing::get,
};
use tower_identity::{
    dev::{Consent, DevClient, Endpoint, RefreshTokens, SpoilTokenAnswer},
    require_sign_in,
};

use crate::{app::App, browser::Tab};

/// A signed-in tab of an application that requests the scopes `asked`, for which the provider's
/// response says `granted`.
async fn signed_in(asked: &str, granted: &str, refresh_tokens: RefreshTokens) -> (App, Tab) {
    let app = App::builder()
        .config(|config| config.with_scopes(["offline_access"].into_iter().chain(asked.split(' '))))
        .start()
        .await;
    let client = DevClient::confidential(app.provider.client_id(), app.provider.client_secret());
    let client = client
        .with_any_loopback_redirect()
        .with_consent(Consent::Given)
        .with_refresh_tokens(refresh_tokens);
    app.provider.add_client(client);
    let granted = granted.to_owned();
    app.provider.change_next_token_answer(move |answer| {
        drop(answer.insert("scope".into(), granted.into()))
    });
    let tab = app.signed_in().await;
    (app, tab)
}

#[tokio::test]
async fn the_token_of_the_sign_in_serves_by_whatever_name_it_was_granted() {
    for (asked, granted) in [
        ("User.Read", "user.read openid profile"),
        ("User.Read", "openid,User.Read"),
        ("https://graph.microsoft.com/User.Read", "User.Read profile"),
        ("api://6731de76-14a6-49ae-97bc-6eba6914391e/read", "read"),
        (
            "6731de76-14a6-49ae-97bc-6eba6914391e/read",
            "api://6731de76-14a6-49ae-97bc-6eba6914391e/read",
        ),
        ("read", "urn:something-else"),
    ] {
        for refresh_tokens in [RefreshTokens::Always, RefreshTokens::Never] {
            let (app, mut tab) = signed_in(asked, granted, refresh_tokens).await;
            let before = app.provider.requests(Endpoint::Token);
            for path in ["/token".to_owned(), format!("/token?scope={asked}")] {
                for _ in 0..5 {
                    let answer = tab.fetch(Method::GET, &path).await;
                    assert_eq!(
                        answer.status,
                        StatusCode::OK,
                        "{asked} as {granted} at {path}: {}",
                        answer.body
                    );
                }
            }
            // A scope with a completely different name may be requested once.
            let more = app.provider.requests(Endpoint::Token) - before;
            assert!(more <= u64::from(granted.starts_with("urn:")), "{asked} as {granted}: {more}");
            assert_eq!(app.provider.requests(Endpoint::Authorization), 1);
        }
    }
}

/// The person is asked to consent once. Then the page says that the scope was not granted, and
/// later requests do not ask again.
#[tokio::test]
async fn a_scope_that_is_not_granted_is_requested_once_and_then_an_error() {
    let app = App::builder()
        .router(|router: Router| {
            let page = Router::new().route("/guarded", get(|| async { "in" }));
            router.merge(page.route_layer(require_sign_in().with_scopes(["reports"])))
        })
        .start()
        .await;
    let mut tab = app.signed_in().await;
    (0..9).for_each(|_| app.provider.spoil_next_token_answer(SpoilTokenAnswer::ScopeNarrower));
    let page = tab.open(app.at("/guarded")).await;
    assert!(
        page.status == StatusCode::FORBIDDEN && page.body.contains("scope_not_granted"),
        "{}",
        page.body
    );
    let asked =
        (app.provider.requests(Endpoint::Authorization), app.provider.requests(Endpoint::Token));
    assert_eq!(asked.0, 2);
    for _ in 0..5 {
        assert_eq!(tab.open(app.at("/guarded")).await.status, StatusCode::FORBIDDEN);
        assert_eq!(tab.fetch(Method::GET, "/guarded").await.json()["reason"], "scope_not_granted");
    }
    assert_eq!(
        (app.provider.requests(Endpoint::Authorization), app.provider.requests(Endpoint::Token)),
        asked
    );
    assert_eq!(tab.open(app.at("/me")).await.status, StatusCode::OK);
}
