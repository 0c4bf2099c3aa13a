//! When the ID token expires the session is renewed with the refresh token: in the background, once
//! for all requests. It ends if the provider refuses.

use axum::{
    http::{Method, StatusCode},
    routing::get,
};
use tower_identity::{
    Error, Tokens,
    config::UserInfo,
    dev::{DevPerson, Endpoint, Failure, RefreshRotation, Spoil, SpoilTokenAnswer},
};

use crate::{app::App, browser::Tab, raw::Raw};

const HOUR: u64 = 3600;
/// The time after a failed renewal until the next try is due and the old claims are too old to be
/// used.
const LATER: u64 = 300 + 211;

/// Ends the provider's own sessions, so that a new sign-in shows the provider's page.
fn ask_people(app: &App) {
    app.provider.show_pages();
    app.provider.sign_everybody_out();
}

async fn name(app: &App, tab: &mut Tab) -> String {
    let page = tab.open(app.at("/me")).await;
    if page.body.contains("Choose an account") {
        "signed out".into()
    } else {
        page.json()["name"].as_str().unwrap().to_owned()
    }
}

// C-055: refresh grant
/// Providers refuse a refresh with scopes that they did not grant, such as `offline_access` (RFC
/// 6749 section 6).
#[tokio::test]
async fn a_renewal_asks_for_what_was_granted_not_for_what_was_asked() {
    let app = App::start().await;
    let mut tab = app.signed_in().await;
    app.turn(3600 + 300);
    assert_eq!(tab.open(app.at("/me")).await.status, StatusCode::OK);
    let refresh = app.provider.last_request(Endpoint::Token).unwrap();
    assert_eq!(refresh.parameter("grant_type"), Some("refresh_token"));
    assert_eq!(refresh.parameter("scope"), None);
}

/// Ory Fosite, Authlib, league/oauth2-server and others use other codes than `invalid_grant`.
#[tokio::test]
async fn a_refresh_token_that_the_provider_takes_no_more_leads_to_a_sign_in_by_whatever_name() {
    for (status, body) in [
        (400, r#"{"error":"invalid_grant"}"#),
        (400, r#"{"error":"invalid_request"}"#),
        (400, r#"{"error":"invalid_token"}"#),
        (401, r#"{"error":"token_expired"}"#),
        (401, "Invalid token"),
        // Twitch, Slack, Fitbit, Auth0.
        (400, r#"{"error":"Bad Request","status":400,"message":"Invalid refresh token"}"#),
        (200, r#"{"ok":false,"error":"invalid_refresh_token"}"#),
        (400, r#"{"errors":[{"errorType":"invalid_grant","message":"x"}],"success":false}"#),
        (403, r#"{"error":"mfa_required","mfa_token":"x"}"#),
    ] {
        let app = App::start().await;
        let mut tab = app.signed_in().await;
        app.turn(3600 + 300);
        // Without a code it may be the way in which the secret was sent, and without a description
        // `client_id` may be missing: the other way is tried, too.
        let answers =
            if body.contains("invalid_request") || !body.starts_with('{') { 2 } else { 1 };
        app.provider.fail_next(Endpoint::Token, answers, Failure::json(status, body));
        let page = tab.open(app.at("/me")).await;
        assert_eq!((page.status, page.url.path()), (StatusCode::OK, "/me"), "{status} {body}");
        assert_eq!(app.provider.requests(Endpoint::Authorization), 2, "{status} {body}");
    }
}

/// The application with a page that needs an access token.
async fn with_mail() -> App {
    let mail = async |tokens: Tokens| -> Result<String, Error> {
        let token = tokens.for_user(["mail.read"]).await?;
        Ok(format!("mail by {}", token.source().as_str()))
    };
    let page = get(async || "").layer(tower_identity::require_sign_in().with_scopes(["mail.read"]));
    let app = App::builder().router(|router| router.route("/guarded", page));
    app.router(move |router| router.route("/mail", get(mail))).start().await
}

/// What a provider says once about a refresh token it says for good: without a new sign-in every
/// page that needs a token would show an error until the user signs out.
#[tokio::test]
async fn a_refresh_that_is_refused_in_any_way_leads_a_page_that_needs_a_token_to_a_sign_in() {
    for (status, body) in [
        (400, r#"{"error":"unsupported_grant_type"}"#),
        (400, r#"{"error":"unauthorized_client"}"#),
        (400, r#"{"error":"something_else"}"#),
        (400, r#"{"error":{"message":"Session has expired","code":190}}"#),
        (403, r#"{"error":"access_denied"}"#),
        (401, r#"{"error":"server_error","error_description":"access_denied"}"#),
        (403, "<html>blocked</html>"),
        (404, "<html>not found</html>"),
        (410, ""),
        (200, "{}"),
        (200, "<html>hello</html>"),
        (200, r#"{"ok":false,"error":"no_idea"}"#),
    ] {
        // By the handler, and by a guard.
        for path in ["/mail", "/guarded"] {
            let app = with_mail().await;
            let mut tab = app.signed_in().await;
            app.provider.fail_next(Endpoint::Token, 1, Failure::json(status, body));
            let page = tab.open(app.at(path)).await;
            assert_eq!((page.status, page.url.path()), (StatusCode::OK, path), "{status} {body}");
            assert_eq!(app.provider.requests(Endpoint::Authorization), 2, "{status} {body}");
        }
    }
}

#[tokio::test]
async fn an_outage_a_limit_and_a_refused_client_lead_no_page_to_a_sign_in() {
    for (status, body) in [
        (401, r#"{"error":"invalid_client"}"#),
        (400, r#"{"error":"temporarily_unavailable"}"#),
        (408, ""),
        (429, ""),
        (500, r#"{"error":"something_else"}"#),
        (503, "<html>maintenance</html>"),
    ] {
        let app = with_mail().await;
        let mut tab = app.signed_in().await;
        app.provider.fail_next(Endpoint::Token, 2, Failure::json(status, body));
        let page = tab.open(app.at("/mail")).await;
        assert!(page.status.is_server_error(), "{status} {body}: {}", page.status);
        assert_eq!(app.provider.requests(Endpoint::Authorization), 1, "{status} {body}");
    }
}

/// D8: the provider is asked for one new sign-in.
#[tokio::test]
async fn a_page_whose_refresh_is_refused_asks_for_one_sign_in() {
    let app = with_mail().await;
    let mut tab = app.signed_in().await;
    let refused = r#"{"error":"unsupported_grant_type"}"#;
    app.provider.fail_next(Endpoint::Token, 1, Failure::json(400, refused));
    // The token of the new sign-in is for this page.
    assert_eq!(tab.open(app.at("/mail")).await.status, StatusCode::OK);
    assert_eq!(tab.open(app.at("/mail")).await.status, StatusCode::OK);
    assert_eq!(app.provider.requests(Endpoint::Authorization), 2);
}

/// D6: a refusal that will not pass is tolerated as long as an outage, and then no page of an
/// outage is shown. Some providers have an error of their own for a refresh token that they cannot
/// use, because its user was deleted, for example.
#[tokio::test]
async fn renewals_that_are_refused_or_fail_inside_the_provider_for_an_hour_lead_to_a_sign_in() {
    let failures = [(400, r#"{"error":"unsupported_grant_type"}"#), (500, r#"{"message":"none"}"#)];
    for (status, body) in failures {
        let app = App::start().await;
        let mut tab = app.signed_in().await;
        app.turn(HOUR + 300);
        app.provider.fail_next(Endpoint::Token, 1000, Failure::json(status, body));
        let mut served = 0;
        let mut answer = tab.fetch(Method::GET, "/me").await;
        while answer.status == StatusCode::OK && served < 100 {
            served += 1;
            app.turn(60);
            answer = tab.fetch(Method::GET, "/me").await;
        }
        assert!((60..=66).contains(&served), "{status}: served for {served} minutes");
        assert_eq!(
            (answer.status, &answer.json()["reason"]),
            (StatusCode::UNAUTHORIZED, &"sign_in_required".into()),
            "{status}"
        );
        assert!(app.provider.requests(Endpoint::Token) < 12, "asked at growing distances");
        app.provider.stop_failing(Endpoint::Token);
        assert_eq!(name(&app, &mut tab).await, "Ada Lovelace");
    }
}

#[tokio::test]
async fn an_outage_or_a_mistake_in_the_set_up_signs_nobody_out_at_a_renewal() {
    for (status, body) in [
        (401, r#"{"error":"invalid_client"}"#),
        (400, r#"{"error":"unauthorized_client"}"#),
        (403, "<html>blocked</html>"),
        (404, ""),
        (503, r#"{"error":"invalid_grant"}"#),
    ] {
        let app = App::start().await;
        let mut tab = app.signed_in().await;
        app.turn(3600 + 300);
        app.provider.fail_next(Endpoint::Token, 2, Failure::json(status, body));
        let page = tab.open(app.at("/me")).await;
        assert_eq!((page.status, page.url.path()), (StatusCode::OK, "/me"), "{status} {body}");
        assert_eq!(app.provider.requests(Endpoint::Authorization), 1, "{status} {body}");
    }
}

#[tokio::test]
async fn claims_of_user_info_are_renewed_with_those_of_the_id_token() {
    let app =
        App::builder().config(|config| config.with_user_info(UserInfo::AtSignIn)).start().await;
    app.provider
        .change_next_user_info(|claims| drop(claims.insert("nickname".into(), "Countess".into())));
    let mut tab = app.signed_in().await;
    assert_eq!(tab.page().json()["claims"]["nickname"], "Countess");
    app.turn(3600 + 300);
    app.provider.change_next_user_info(|claims| {
        drop(claims.insert("nickname".into(), "Enchantress".into()))
    });
    let page = tab.open(app.at("/me")).await;
    assert_eq!(page.json()["claims"]["nickname"], "Enchantress");
    assert_eq!(
        (app.provider.requests(Endpoint::UserInfo), app.provider.requests(Endpoint::Authorization)),
        (2, 1)
    );
}

// C-055: refresh grant
// C-241: answer has a new refresh_token
/// D6
#[tokio::test]
async fn a_session_is_renewed_in_the_background_and_served_meanwhile() {
    let app = App::start().await;
    let mut tab = app.signed_in().await;
    app.provider.add_person(DevPerson::new("ada", "Ada King"));
    app.turn(HOUR + 200);
    let mut gate = app.provider.hold_next(Endpoint::Token);
    for _ in 0..100 {
        assert_eq!(name(&app, &mut tab).await, "Ada Lovelace", "the provider has not answered yet");
    }
    gate.arrived().await;
    assert_eq!(app.provider.requests(Endpoint::Token), 2);
    // Later requests wait for that same answer.
    app.turn(20);
    {
        let waiting = name(&app, &mut tab);
        tokio::pin!(waiting);
        tokio::select! {
            biased;
            name = &mut waiting => panic!("{name}"),
            () = std::future::ready(()) => gate.release(),
        }
        assert_eq!(waiting.await, "Ada King");
    }
    assert_eq!(app.provider.requests(Endpoint::Token), 2);
    // And again an hour later, with the refresh token that came last.
    app.turn(HOUR + 300);
    assert_eq!(name(&app, &mut tab).await, "Ada King");
    assert_eq!(app.provider.requests(Endpoint::Token), 3);
}

/// D5: security rule 22
#[tokio::test]
async fn a_hundred_requests_wait_for_one_renewal() {
    let app = App::start().await;
    app.provider.sign_in_as("ada").unwrap();
    let raw = Raw::of(&app);
    let session = raw.sign_in().await;
    app.turn(HOUR + 300);
    let mut gate = app.provider.hold_next(Endpoint::Token);
    let open = async || raw.open("/me", &session).await.status;
    let mut requests = Vec::new();
    requests.resize_with(100, || Box::pin(open()));
    let (mut done, mut all) = (0, futures_of(requests));
    tokio::select! {
        _ = all.next() => panic!("answered before the provider did"),
        () = gate.arrived() => gate.release(),
    }
    while let Some(status) = all.next().await {
        assert_eq!(status, StatusCode::OK);
        done += 1;
    }
    assert_eq!((done, app.provider.requests(Endpoint::Token)), (100, 2));
}

// C-248: OP session max reached
/// The provider's own session has expired or was ended.
#[tokio::test]
async fn a_refusal_ends_the_session() {
    let app = App::start().await;
    let mut tab = app.signed_in().await;
    ask_people(&app);
    app.provider.revoke_refresh_tokens("ada");
    app.turn(HOUR + 300);
    let script = tab.fetch(Method::GET, "/me").await;
    assert_eq!(
        (script.status, &script.json()["reason"]),
        (StatusCode::UNAUTHORIZED, &"sign_in_required".into())
    );
    assert_eq!(name(&app, &mut tab).await, "signed out");
    assert_eq!(app.provider.requests(Endpoint::Token), 2, "asked once");
}

// C-057: refresh answer's ID token has another sub
// C-234: refresh ID token with other aud
// C-238: refresh ID token unsigned or badly signed
/// An invalid ID token does not change the session.
#[tokio::test]
async fn a_wrong_id_token_renews_nothing() {
    for spoil in [
        Spoil::AudienceOther,
        Spoil::SignatureWrong,
        Spoil::AlgorithmNone,
        Spoil::IssuerOther,
        Spoil::ExpiryPast,
    ] {
        let app = App::start().await;
        let mut tab = app.signed_in().await;
        app.provider.add_person(DevPerson::new("ada", "Ada King"));
        app.turn(HOUR + 300);
        app.provider.spoil_next_id_token(spoil);
        assert_eq!(name(&app, &mut tab).await, "Ada Lovelace", "{spoil:?}");
        // The other parts of the response were kept: the provider would not take the old refresh
        // token again.
        app.turn(LATER);
        assert_eq!(name(&app, &mut tab).await, "Ada King", "{spoil:?}");
    }
}

// C-057: refresh answer's ID token has another sub
#[tokio::test]
async fn an_id_token_about_another_user_ends_the_session() {
    let app = App::start().await;
    let mut tab = app.signed_in().await;
    ask_people(&app);
    app.turn(HOUR + 300);
    app.provider.spoil_next_id_token(Spoil::SubjectOther);
    assert_eq!(name(&app, &mut tab).await, "signed out");
}

// C-237: no ID token in the refresh answer
// C-240: answer has no refresh_token
#[tokio::test]
async fn answers_without_id_token_or_refresh_token_are_enough() {
    let app = App::builder()
        .provider(|provider| provider.with_refresh_rotation(RefreshRotation::Keep))
        .start()
        .await;
    let mut tab = app.signed_in().await;
    let sid = tab.page().json()["claims"]["sid"].clone();
    for round in 2..5 {
        app.turn(HOUR + 300);
        app.provider.spoil_next_token_answer(SpoilTokenAnswer::IdTokenMissing);
        let page = tab.open(app.at("/me")).await.json();
        assert_eq!((&page["name"], &page["claims"]["sid"]), (&"Ada Lovelace".into(), &sid));
        assert_eq!(app.provider.requests(Endpoint::Token), round);
    }
}

/// D6: the session continues for an hour, then the response is 503 with a page, and the session is
/// renewed when the provider is back.
#[tokio::test]
async fn a_provider_that_is_down_is_tolerated_for_an_hour() {
    let app = App::start().await;
    let mut tab = app.signed_in().await;
    app.turn(HOUR + 300);
    app.provider.fail_next(Endpoint::Token, 1000, Failure::Status(503));
    let mut served = 0;
    let page = loop {
        let page = tab.open(app.at("/me")).await;
        if page.status != StatusCode::OK {
            break page.clone();
        }
        served += 1;
        app.turn(60);
        assert!(served < 100, "served for ever");
    };
    assert!((60..=66).contains(&served), "served for {served} minutes");
    assert_eq!(page.status, StatusCode::SERVICE_UNAVAILABLE);
    assert!(page.body.contains("renewal_failed"), "{}", page.body);
    assert!(app.provider.requests(Endpoint::Token) < 10, "asked at growing distances");
    assert_eq!(tab.open(app.at("/")).await.body, "nobody", "a public page goes on");
    assert_eq!(tab.open(app.at("/public/page")).await.status, StatusCode::OK);
    app.provider.stop_failing(Endpoint::Token);
    app.turn(301);
    assert_eq!(name(&app, &mut tab).await, "Ada Lovelace");
}

/// A transient failure does not end the session.
#[tokio::test]
async fn passing_faults_do_not_end_the_session() {
    for failure in [
        Failure::Status(500),
        Failure::Status(403),
        Failure::Disconnect,
        Failure::html(200, "<p>maintenance"),
        Failure::OAuthError("temporarily_unavailable".into()),
        Failure::OAuthError("invalid_client".into()),
        Failure::Redirect("http://localhost:1/".into()),
    ] {
        let app = App::start().await;
        let mut tab = app.signed_in().await;
        app.turn(HOUR + 300);
        app.provider.fail_next(Endpoint::Token, 1, failure.clone());
        assert_eq!(name(&app, &mut tab).await, "Ada Lovelace", "{failure:?}");
        app.turn(LATER);
        assert_eq!(name(&app, &mut tab).await, "Ada Lovelace", "{failure:?}");
        assert_eq!(
            (
                app.provider.requests(Endpoint::Token),
                app.provider.requests(Endpoint::Authorization)
            ),
            (3, 1),
            "{failure:?}"
        );
    }
}

// C-249: logout ends while a refresh is running
/// D3
#[tokio::test]
async fn a_renewal_that_lands_after_the_sign_out_brings_nothing_back() {
    let store = crate::stores::Watched::default();
    let kept = store.clone();
    let app = App::builder().layer(|layer| layer.with_store(kept).unwrap()).start().await;
    app.provider.sign_in_as("ada").unwrap();
    let raw = Raw::of(&app);
    let session = raw.sign_in().await;
    app.turn(HOUR + 300);
    let mut gate = app.provider.hold_next(Endpoint::Token);
    let request = raw.open("/me", &session);
    tokio::pin!(request);
    tokio::select! {
        answer = &mut request => panic!("{}", answer.status),
        () = gate.arrived() => {}
    }
    let headers = [("origin", app.url.as_str()), ("sec-fetch-dest", "document")];
    let answer = raw.send(Method::POST, "/auth/logout", &session, &headers, "").await;
    assert!(answer.location().starts_with(app.provider.issuer()));
    gate.release();
    let late = request.await;
    assert!(late.location().starts_with(app.provider.issuer()), "{} {}", late.status, late.body);
    assert_eq!(store.rows().await, 0);
    assert_eq!(
        store.writes(),
        2 + 2 + 2,
        "what the late answer brought was written once, found ownerless and deleted"
    );
    assert_eq!(raw.who(&session).await, "nobody");
}

/// Concurrent requests, awaited in the order in which they finish.
fn futures_of<F: Future<Output = T> + Unpin, T>(futures: Vec<F>) -> InFlight<F> {
    InFlight(futures)
}

struct InFlight<F>(Vec<F>);

impl<F: Future<Output = T> + Unpin, T> InFlight<F> {
    async fn next(&mut self) -> Option<T> {
        if self.0.is_empty() {
            return None;
        }
        std::future::poll_fn(|context| {
            for at in 0..self.0.len() {
                if let std::task::Poll::Ready(done) =
                    std::pin::Pin::new(&mut self.0[at]).poll(context)
                {
                    drop(self.0.swap_remove(at));
                    return std::task::Poll::Ready(Some(done));
                }
            }
            std::task::Poll::Pending
        })
        .await
    }
}
