//! Token answers that are odd but not wrong, and some that are: what becomes of a whole sign-in with them.

use axum::http::StatusCode;
use serde_json::{Value, json};
use tower_identity::dev::{Endpoint, Failure};

use crate::app::App;

/// C-145, C-146: a lifetime that nobody can live, or that nobody told, ends no sign-in; what is no lifetime does.
#[tokio::test]
async fn lifetimes_of_every_size_are_borne() {
    for (value, works) in [
        (json!(0), true),
        (json!("0"), true),
        (json!("0060"), true),
        (json!(0.4), true),
        (json!(1e300), true),
        (json!(u64::MAX), true),
        (json!("18446744073709551615"), true),
        (json!(null), true),
        (json!(-1), false),
        (json!("-1"), false),
        (json!("1.5"), false),
        (json!("3600 "), false),
        (json!("٣٦٠٠"), false),
        (json!(true), false),
        (json!([3600]), false),
        (json!({ "seconds": 3600 }), false),
    ] {
        for name in ["expires_in", "refresh_in"] {
            let app = App::start().await;
            let change = value.clone();
            app.provider.change_next_token_answer(move |answer| drop(answer.insert(name.into(), change)));
            let page = app.sign_in().await;
            let works = works || name == "refresh_in";
            assert_eq!(page.status.is_success(), works, "{name}: {value}: {} {}", page.status, page.body);
        }
    }
}

/// The next refresh is due at once, or never comes by itself; nobody is signed out by it.
#[tokio::test]
async fn a_token_without_a_life_is_fetched_anew() {
    for life in [json!(0), json!(1e300)] {
        let app = App::start().await;
        let ends = life == json!(0);
        app.provider.change_next_token_answer(move |answer| drop(answer.insert("expires_in".into(), life)));
        let mut tab = app.signed_in().await;
        let before = app.provider.requests(Endpoint::Token);
        assert_eq!(tab.open(app.at("/token")).await.status, StatusCode::OK);
        assert_eq!(app.provider.requests(Endpoint::Token) > before, ends);
    }
}

/// Bodies that other software in between, or a broken provider, sends under 200.
#[tokio::test]
async fn bodies_that_are_no_answer_sign_nobody_in() {
    let good = r#""access_token":"at","token_type":"Bearer","id_token":"a.b.c""#;
    let nested = format!("{{{good},\"deep\":{}1{}}}", "[".repeat(500), "]".repeat(500));
    let bodies: Vec<(&str, String)> = vec![
        ("application/json", String::new()),
        ("application/json", "null".into()),
        ("application/json", format!("\u{feff}{{{good}}}")),
        ("application/json", format!("{{{good}}}{{{good}}}")),
        ("application/json", format!("{{{good},\"access_token\":\"other\"}}")),
        ("application/json", format!("{{{good},\"x\":{{\"a\":1,\"a\":2}}}}")),
        ("application/json", format!("{{{good},\"x\":1e999}}")),
        ("application/json", format!("{{{good},}}")),
        ("application/json", format!("{{{good}")),
        ("application/json", format!("[{{{good}}}]")),
        ("application/json", nested),
        ("application/json", r#"{"access_token":"a\u0000t","token_type":"Bearer","id_token":"a.b.c"}"#.into()),
        ("application/json", r#"{"access_token":"at","token_type":"DPoP","id_token":"a.b.c"}"#.into()),
        ("application/x-www-form-urlencoded", "access_token=at&token_type=bearer&id_token=a.b.c".into()),
        ("text/html", "<html><script>alert(1)</script></html>".into()),
        ("application/jwt", "a.b.c".into()),
    ];
    for (content_type, body) in bodies {
        let app = App::start().await;
        let failure = Failure::Body { status: 200, content_type: content_type.into(), body: body.clone() };
        app.provider.fail_next(Endpoint::Token, 1, failure);
        let page = app.sign_in().await;
        assert_eq!(page.status, StatusCode::BAD_GATEWAY, "{content_type} {body}");
        assert!(!page.body.contains("alert(1)"), "{}", page.body);
    }
}

/// A provider that has not asked for more is not a session that ends: after a refresh whose answer cannot be used, the next one is tried.
#[tokio::test]
async fn a_refresh_with_an_odd_answer_signs_nobody_out() {
    let app = App::start().await;
    let mut tab = app.signed_in().await;
    for (status, body) in [
        (200, "{}"),
        (204, ""),
        (201, r#"{"access_token":"at","token_type":"Bearer"}"#),
        (302, ""),
        (400, ""),
        (400, "{}"),
        (400, r#"{"error":7}"#),
        (400, r#"{"error":["invalid_grant"]}"#),
        (401, "<html>"),
        (403, ""),
        (404, "not found"),
        (500, r#"{"error":"invalid_grant"}"#),
    ] {
        app.turn(3700);
        app.provider.fail_next(Endpoint::Token, 1, Failure::json(status, body));
        let refused = tab.open(app.at("/token")).await.status;
        assert_ne!(refused, StatusCode::INTERNAL_SERVER_ERROR, "{status} {body}");
        app.provider.stop_failing(Endpoint::Token);
        app.turn(3700);
        let page = tab.open(app.at("/token")).await;
        assert_eq!((page.status, page.url.path()), (StatusCode::OK, "/token"), "{status} {body}: {}", page.body);
    }
    let me: Value = tab.open(app.at("/me")).await.json();
    assert_eq!(me["name"], "Ada Lovelace");
    assert_eq!(app.provider.requests(Endpoint::Authorization), 1, "nobody was asked again");
}
