//! The user path: scripts of the application's pages ask who is signed in.

use std::{collections::BTreeSet, time::Duration};

use axum::http::{Method, StatusCode};
use serde_json::{Value, json};
use tower_identity::config::SignedOutUser;

use crate::{
    app::{App, AppBuilder},
    raw::{Answer, Raw},
};

const FETCH: &[(&str, &str)] = &[("sec-fetch-site", "same-origin"), ("sec-fetch-dest", "empty")];

fn with_user_path<'a>() -> AppBuilder<'a> {
    App::builder().config(|config| config.with_user_path("/auth/user"))
}

async fn ask(app: &App, session: &str, headers: &[(&str, &str)]) -> Answer {
    Raw::of(app).send(Method::GET, "/auth/user", session, headers, "").await
}

async fn session_of(app: &App) -> String {
    app.provider.sign_in_as("ada").unwrap();
    Raw::of(app).sign_in().await
}

fn document(answer: &Answer) -> Value {
    assert_eq!(answer.header("cache-control"), "private, no-store");
    serde_json::from_str(&answer.body).unwrap()
}

#[tokio::test]
async fn a_script_gets_the_claims_that_the_application_chose_and_the_addresses() {
    let app = with_user_path()
        .config(|config| config.with_user_claims(["name", "email", "no_such_claim"]))
        .start()
        .await;
    let session = session_of(&app).await;
    let page = app.at("/public/page?x=1");
    let headers = [FETCH, &[("referer", page.as_str())]].concat();
    let answer = ask(&app, &session, &headers).await;
    assert_eq!(
        (answer.status, answer.header("content-type")),
        (StatusCode::OK, "application/json")
    );
    assert_eq!(
        document(&answer),
        json!({
            "user": { "name": "Ada Lovelace", "email": "ada@example.com" },
            "expires_in": 24 * 3600,
            "sign_in": "/auth/login?return_to=%2Fpublic%2Fpage%3Fx%3D1",
            "sign_out": "/auth/logout",
        })
    );
    let app = with_user_path().start().await;
    let session = session_of(&app).await;
    let user = document(&ask(&app, &session, FETCH).await)["user"].clone();
    let names: BTreeSet<_> = user.as_object().unwrap().keys().map(String::as_str).collect();
    assert_eq!(names, BTreeSet::from(["name", "sub"]), "the default");
}

#[tokio::test]
async fn a_request_to_the_user_path_does_not_extend_the_session() {
    let idle = Duration::from_secs(600);
    let app = with_user_path().config(|config| config.with_idle_timeout(idle)).start().await;
    let session = session_of(&app).await;
    for left in [500, 400, 300, 200, 100] {
        app.turn(100);
        let answer = ask(&app, &session, FETCH).await;
        assert_eq!(document(&answer)["expires_in"], left);
        assert!(answer.set_cookies().is_empty(), "{:?}", answer.set_cookies());
    }
    // A page does keep the session.
    assert!(Raw::of(&app).open("/me", &session).await.session().is_some());
    app.turn(100);
    assert_eq!(ask(&app, &session, FETCH).await.status, StatusCode::UNAUTHORIZED);
}

#[tokio::test]
async fn without_a_session_it_is_401_with_the_address_to_sign_in_or_null_by_choice() {
    let app = with_user_path().start().await;
    let answer = ask(&app, "", FETCH).await;
    assert_eq!(answer.status, StatusCode::UNAUTHORIZED);
    let problem = document(&answer);
    assert_eq!(problem["reason"], "sign_in_required");
    assert_eq!(problem["sign_in"], "/auth/login?return_to=%2F");

    let app = with_user_path()
        .config(|config| config.with_signed_out_user(SignedOutUser::NoUser))
        .start()
        .await;
    let answer = ask(&app, "", FETCH).await;
    assert_eq!(answer.status, StatusCode::OK);
    assert_eq!(document(&answer), json!({ "user": null, "sign_in": "/auth/login?return_to=%2F" }));
    // This path never redirects to the provider.
    assert!(answer.set_cookies().is_empty());
}

#[tokio::test]
async fn pages_of_other_origins_get_no_answer_and_trusted_ones_do() {
    let app = with_user_path()
        .config(|config| config.add_trusted_origin("https://admin.example").unwrap())
        .start()
        .await;
    let session = session_of(&app).await;
    for site in ["same-site", "cross-site"] {
        let answer = ask(&app, &session, &[("sec-fetch-site", site)]).await;
        assert_eq!(answer.status, StatusCode::FORBIDDEN, "{site}");
        assert!(answer.body.contains("cross_site") && !answer.body.contains("Ada"));
        let admin = [("sec-fetch-site", site), ("origin", "https://admin.example")];
        assert_eq!(ask(&app, &session, &admin).await.status, StatusCode::OK, "{site}");
    }
    assert_eq!(ask(&app, &session, &[]).await.status, StatusCode::OK, "a program");
    let posted = Raw::of(&app).send(Method::POST, "/auth/user", &session, FETCH, "").await;
    assert_eq!(posted.status, StatusCode::METHOD_NOT_ALLOWED);
}

#[tokio::test]
async fn without_the_setting_the_path_belongs_to_the_application() {
    let app = App::start().await;
    let session = session_of(&app).await;
    assert_eq!(ask(&app, "", FETCH).await.status, StatusCode::UNAUTHORIZED);
    let answer = ask(&app, &session, FETCH).await;
    assert_eq!((answer.status, answer.body.as_str()), (StatusCode::NOT_FOUND, "no such page"));
}
