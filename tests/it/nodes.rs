//! Several processes, or a restarted one, that share a store and a cookie secret.

use std::{
    convert::Infallible,
    sync::{Arc, Mutex},
    time::Duration,
};

use axum::{
    Router,
    http::{Method, StatusCode},
    routing::get,
};
use tower_identity::{
    Clock as _, ErrorKind, IdentityConfig, IdentityLayer, ManualClock, User,
    dev::{DevClient, DevPerson, Endpoint},
};

use crate::{
    app::App,
    captured_log::Log,
    node::Node,
    raw::{NAVIGATION, Raw},
    stores::{Operation, Watched},
};

const OLD: &str = "an old cookie secret of more than thirty-two characters";
const NEW: &str = "a new cookie secret, which has more than thirty-two too";

fn secrets(list: &'static [&'static str]) -> impl Fn(IdentityConfig) -> IdentityConfig {
    move |config| config.with_cookie_secrets(list.iter().copied())
}

/// An application with a store, and its second node.
async fn pair() -> (App, Node, Watched) {
    let store = Watched::default();
    let kept = store.clone();
    let app = App::builder()
        .config(secrets(&[OLD]))
        .layer(|layer| layer.with_store(kept).unwrap())
        .start()
        .await;
    let node =
        Node::beside(&app, secrets(&[OLD]), |layer| layer.with_store(store.clone()).unwrap()).await;
    app.provider.sign_in_as("ada").unwrap();
    (app, node, store)
}

// C-445: login starts on node A, callback lands on node B
#[tokio::test]
async fn a_sign_in_begins_on_one_node_and_ends_on_another() {
    let (app, node, _) = pair().await;
    let (here, there) = (Raw::of(&app), node.raw());
    let begun = here.begin("/other?q=1", "").await;
    let callback = here.answer(&begun).await;
    let answer = there.open(&callback, &begun.attempt).await;
    assert_eq!(answer.location(), "/other?q=1");
    assert!(answer.set_cookies().iter().any(|cookie| cookie.contains("Max-Age=0")));
    let session = answer.session().unwrap();
    assert_eq!(here.open("/me", &session).await.status, StatusCode::OK);
    assert_eq!(there.open("/me", &session).await.status, StatusCode::OK);
    // The same answer at the other node: its code was used, so the session counts.
    assert_eq!(here.open(&callback, &session).await.location(), "/other?q=1");
    assert_eq!(app.provider.requests(Endpoint::Token), 1);
}

/// A sign-in that begins on one node ends on the other, and its session serves, rolls and ends on
/// both.
#[tokio::test]
async fn the_clocks_of_nodes_may_be_minutes_apart() {
    for is_ahead in [true, false] {
        let (app, _, store) = pair().await;
        let (now, apart) = (app.clock.now(), Duration::from_secs(300));
        let clock = ManualClock::at(if is_ahead { now + apart } else { now - apart });
        let of_node = (store.clone(), clock.clone());
        let node = Node::beside(&app, secrets(&[OLD]), |layer| {
            layer.with_store(of_node.0).unwrap().with_clock(of_node.1)
        })
        .await;
        let (here, there) = (Raw::of(&app), node.raw());
        let begun = there.begin("/other", "").await;
        let answer = here.open(&here.answer(&begun).await, &begun.attempt).await;
        assert_eq!(answer.location(), "/other", "{is_ahead}");
        let mut session = answer.session().unwrap();
        for raw in [&there, &here, &there, &here] {
            let page = raw.open("/me", &session).await;
            assert_eq!(page.status, StatusCode::OK, "{is_ahead}");
            session = page.session().unwrap_or(session);
            app.turn(400);
            clock.advance(Duration::from_secs(400));
        }
        let headers = [NAVIGATION, &[("origin", app.url.as_str())]].concat();
        there.send(Method::POST, "/auth/logout", &session, &headers, "").await.location();
        assert_eq!((here.who(&session).await.as_str(), store.rows().await), ("nobody", 0));
    }
}

// C-300: old session cookie replayed after logout
/// D11
#[tokio::test]
async fn a_sign_out_is_seen_at_once_by_every_node() {
    let (app, node, store) = pair().await;
    let (here, there) = (Raw::of(&app), node.raw());
    let session = here.sign_in().await;
    // Both have it decoded.
    for raw in [&here, &there] {
        assert_eq!(raw.open("/me", &session).await.status, StatusCode::OK);
    }
    let headers = [NAVIGATION, &[("origin", app.url.as_str())]].concat();
    here.send(Method::POST, "/auth/logout", &session, &headers, "").await.location();
    for raw in [&there, &here] {
        assert_eq!(raw.who(&session).await, "nobody");
        assert!(raw.open("/me", &session).await.location().starts_with(app.provider.issuer()));
    }
    assert_eq!(store.rows().await, 0);
}

/// The users whose work goes on after their requests, and the session ids that events told.
#[derive(Clone, Default)]
struct Work {
    users: Arc<Mutex<Vec<User>>>,
    told: Arc<Mutex<Vec<String>>>,
}

impl Work {
    fn begins_at(&self, router: Router) -> Router {
        let users = Arc::clone(&self.users);
        router.route("/work", get(|user: User| async move { users.lock().unwrap().push(user) }))
    }

    fn on(&self, layer: IdentityLayer) -> IdentityLayer {
        let (at_in, at_out) = (Arc::clone(&self.told), Arc::clone(&self.told));
        layer
            .on_signed_in(move |event| {
                at_in.lock().unwrap().push(event.user().session_id());
                async { Ok(()) }
            })
            .on_signed_out(move |event| {
                at_out.lock().unwrap().extend(event.user().map(User::session_id));
                async { Ok::<_, Infallible>(()) }
            })
    }

    async fn of(&self, raw: &Raw, session: &str) -> User {
        assert_eq!(raw.open("/work", session).await.status, StatusCode::OK);
        self.users.lock().unwrap().pop().unwrap()
    }
}

/// Two sessions of one user that began in the same second are two sessions all the same.
#[tokio::test]
async fn work_that_goes_on_learns_that_its_session_has_ended() {
    for store in [Some(Watched::default()), None] {
        let work = Work::default();
        let with_store = |layer: IdentityLayer| match &store {
            Some(store) => layer.with_store(store.clone()).unwrap(),
            None => layer,
        };
        let app = App::builder()
            .config(secrets(&[OLD]))
            .layer(|layer| work.on(with_store(layer)))
            .router(|router| work.begins_at(router))
            .start()
            .await;
        let router = |router| work.begins_at(router);
        let node = Node::with_routes(&app, secrets(&[OLD]), with_store, router).await;
        app.provider.sign_in_as("ada").unwrap();
        let (here, there) = (Raw::of(&app), node.raw());
        let other = if store.is_some() { &there } else { &here };
        let (first, second) = (here.sign_in().await, here.sign_in().await);
        let ended = [work.of(&here, &first).await, work.of(other, &first).await];
        let goes_on = work.of(other, &second).await;
        for user in ended.iter().chain([&goes_on]) {
            assert!(user.has_session().await.unwrap());
        }
        assert_eq!(ended[0].session_id(), ended[1].session_id());
        assert_ne!(ended[0].session_id(), goes_on.session_id());

        let headers = [NAVIGATION, &[("origin", app.url.as_str())]].concat();
        here.send(Method::POST, "/auth/logout", &first, &headers, "").await.location();
        for user in &ended {
            assert!(!user.has_session().await.unwrap());
        }
        assert!(goes_on.has_session().await.unwrap());
        let ids = [&ended[0], &goes_on, &ended[0]].map(User::session_id);
        assert_eq!(*work.told.lock().unwrap(), ids, "in, in, out");

        if let Some(store) = &store {
            store.fail(&[Operation::Load]);
            let error = goes_on.has_session().await.unwrap_err();
            assert_eq!(error.kind(), ErrorKind::StoreUnavailable);
            store.recover();
        }
        // Another sign-in of that browser.
        let begun = here.begin("/auth/login", &second).await;
        let callback = here.answer(&begun).await;
        let cookies = format!("{second}; {}", begun.attempt);
        let third = here.open(&callback, &cookies).await.session().unwrap();
        assert!(!goes_on.has_session().await.unwrap());
        let third = work.of(other, &third).await;
        assert!(third.has_session().await.unwrap());
        app.turn(7 * 24 * 3600);
        assert!(!third.has_session().await.unwrap(), "the absolute timeout");
    }
}

#[tokio::test]
async fn what_one_node_renewed_the_other_one_has() {
    let (app, node, _) = pair().await;
    let (here, there) = (Raw::of(&app), node.raw());
    let session = here.sign_in().await;
    assert!(there.open("/me", &session).await.body.contains("Ada Lovelace"));
    app.provider.add_person(DevPerson::new("ada", "Ada King"));
    app.turn(3600 + 300);
    for raw in [&here, &there, &here] {
        let page = raw.open("/me", &session).await;
        assert!(page.body.contains("Ada King"), "{}", page.body);
    }
    assert_eq!(app.provider.requests(Endpoint::Token), 2);
}

// C-446: process restarts between login and callback
#[tokio::test]
async fn a_restart_between_request_and_answer_is_not_noticed() {
    let app = App::start().await;
    app.provider.sign_in_as("ada").unwrap();
    let begun = Raw::of(&app).begin("/other", "").await;
    let callback = Raw::of(&app).answer(&begun).await;
    // No secret is configured here: it is derived from the client secret, so it survives.
    let restarted = Node::beside(&app, |config| config, |layer| layer).await;
    let answer = restarted.raw().open(&callback, &begun.attempt).await;
    assert_eq!(answer.location(), "/other");
    assert!(
        restarted.raw().open("/me", &answer.session().unwrap()).await.body.contains("Ada Lovelace")
    );
}

// C-446: process restarts between login and callback
/// The cookie secret is lost, and all sessions end.
#[tokio::test]
async fn under_another_secret_everybody_signs_in_again() {
    let app = App::builder().config(secrets(&[OLD])).start().await;
    app.provider.sign_in_as("ada").unwrap();
    let raw = Raw::of(&app);
    let session = raw.sign_in().await;
    let browser = app.browser();
    let mut tab = browser.tab();
    app.provider.show_pages();
    let mut form = tab.open(app.at("/other")).await.form();
    form.fields.push(("person".into(), "ada".into()));
    let restarted = Node::beside(&app, secrets(&[NEW]), |layer| layer).await;
    assert_eq!(restarted.raw().who(&session).await, "nobody");
    assert!(
        restarted.raw().open("/me", &session).await.location().starts_with(app.provider.issuer())
    );
    // The answer that was under way finds no attempt: once more, and in.
    app.provider.sign_in_as("ada").unwrap();
    let page = tab.moved_to(restarted.browser(&app, &browser)).submit(form).await.clone();
    assert_eq!((page.status, page.body.as_str()), (StatusCode::OK, "hello Ada Lovelace"));
}

// C-318: key rotation: cookie under the previous key
#[tokio::test]
async fn a_cookie_secret_is_rotated_without_signing_anybody_out() {
    let (app, _, store) = pair().await;
    let session = Raw::of(&app).sign_in().await;
    let rotated =
        Node::beside(&app, secrets(&[NEW, OLD]), |layer| layer.with_store(store.clone()).unwrap())
            .await;
    let answer = rotated.raw().open("/me", &session).await;
    assert!(answer.body.contains("Ada Lovelace"), "{}", answer.body);
    let reissued = answer.session().expect("sealed under the new secret");
    assert_ne!(reissued, session);
    let again = rotated.raw().open("/me", &reissued).await;
    assert!(again.body.contains("Ada Lovelace") && again.session().is_none());
    assert_eq!(store.writes(), 2, "the rows stay as they are");
    // An attempt from before, too.
    let begun = Raw::of(&app).begin("/other", "").await;
    let callback = Raw::of(&app).answer(&begun).await;
    assert_eq!(rotated.raw().open(&callback, &begun.attempt).await.location(), "/other");
    // Without the old secret its sessions are signed out, without an error.
    let finished =
        Node::beside(&app, secrets(&[NEW]), |layer| layer.with_store(store.clone()).unwrap()).await;
    for cookie in [&session, &reissued] {
        assert_eq!(finished.raw().who(cookie).await, "nobody");
        assert!(
            finished.raw().open("/me", cookie).await.location().starts_with(app.provider.issuer())
        );
    }
}

/// D2: security rules 4 and 12
#[tokio::test]
async fn another_application_on_the_same_store_opens_nothing() {
    let (app, _, store) = pair().await;
    let session = Raw::of(&app).sign_in().await;
    app.provider.add_client(
        DevClient::confidential("another", "a-secret-of-another-application")
            .with_any_loopback_redirect(),
    );
    let config = IdentityConfig::new(
        tower_identity::Authority::oidc(app.provider.issuer()).unwrap(),
        "another",
    );
    let config = config.with_credential(tower_identity::ClientCredential::secret(
        "a-secret-of-another-application",
    ));
    let config = config.with_base_url(&app.url).unwrap().add_public_path("/");
    let other = Node::beside(
        &app,
        |_| secrets(&[OLD])(config),
        |layer| layer.with_store(store.clone()).unwrap(),
    )
    .await;
    let own = other.raw().sign_in().await;
    let (name, _) = own.split_once('=').unwrap();
    let (foreign, value) = session.split_once('=').unwrap();
    assert_ne!(name, foreign, "the cookies do not collide");
    assert_eq!(other.raw().who(&format!("{name}={value}")).await, "nobody");
    assert_eq!(other.raw().who(&own).await, "hello Ada Lovelace");
}

/// Providers that rotate refresh tokens accept each of them once, so without a lock the second of
/// two processes is refused; a warning at the start and one at such an end name the lock.
#[tokio::test]
async fn a_session_that_ends_with_a_refused_refresh_is_a_warning_that_names_the_lock() {
    let (log, _listening) = Log::listen();
    let (app, node, _) = pair().await;
    let (here, there) = (Raw::of(&app), node.raw());
    let session = here.sign_in().await;
    let warnings = |log: &Log| {
        log.text()
            .lines()
            .filter(|line| line.contains(" WARN ") && line.contains("with_refresh_lock"))
            // The text is the message, which every format of a log shows, and not a field.
            .filter(|line| line.contains(": the session store") || line.contains("has ended:"))
            .count()
    };
    assert_eq!(warnings(&log), 2, "each process says once that there is no lock: {}", log.text());
    // The first process is refused, as after a refresh by another one, and ends the session.
    app.turn(3600 + 300);
    app.provider.revoke_refresh_tokens("ada");
    for raw in [&here, &there] {
        assert!(raw.open("/me", &session).await.location().starts_with(app.provider.issuer()));
    }
    let text = log.text();
    assert_eq!(warnings(&log), 3, "{text}");
    assert!(text.contains("a session has ended: the provider refused its refresh token"), "{text}");
}

/// An application that declares that it has one process gets no warning.
#[tokio::test]
async fn one_process_with_a_store_is_not_warned() {
    let (log, _listening) = Log::listen();
    let app = App::builder()
        .config(secrets(&[OLD]))
        .layer(|layer| layer.with_store(Watched::default()).unwrap().with_single_process())
        .start()
        .await;
    app.signed_in().await;
    assert!(!log.text().contains("with_refresh_lock"), "{}", log.text());
}

/// Two deployments of one application: same client id, authority, secret and store, another base
/// URL.
#[tokio::test]
async fn a_session_of_one_base_url_opens_nothing_under_another() {
    let (app, _, store) = pair().await;
    let session = Raw::of(&app).sign_in().await;
    for base in ["http://localhost:1", "http://127.0.0.1:1", &format!("{}/app", app.url)] {
        let config = secrets(&[OLD])(App::settings(&app.provider, base));
        let other =
            Node::beside(&app, |_| config, |layer| layer.with_store(store.clone()).unwrap()).await;
        let raw = other.raw();
        let attempt = raw.open("/me", "").await.attempt().unwrap();
        let (name, _) = attempt.split_once('=').unwrap();
        let name = &name[..name.len() - 2];
        let (foreign, value) = session.split_once('=').unwrap();
        assert_ne!(name, foreign, "the cookies do not collide");
        assert_eq!(raw.who(&format!("{name}={value}")).await, "nobody", "{base}");
        assert!(
            raw.open("/me", &format!("{name}={value}"))
                .await
                .location()
                .starts_with(app.provider.issuer())
        );
    }
}

/// A shorter list of tenants or a newly required context class applies to existing sessions as well
/// as to new sign-ins.
#[tokio::test]
async fn a_session_that_the_settings_of_now_would_refuse_is_signed_out() {
    let (app, _, store) = pair().await;
    let session = Raw::of(&app).sign_in().await;
    let with = |settings: fn(IdentityConfig) -> IdentityConfig| {
        let store = store.clone();
        Node::beside(
            &app,
            move |config| settings(secrets(&[OLD])(config)),
            move |layer| layer.with_store(store).unwrap(),
        )
    };
    assert_eq!(with(|config| config).await.raw().who(&session).await, "hello Ada Lovelace");
    let strict = with(|config| config.with_required_acr(["gold", "platinum"])).await;
    for _ in 0..2 {
        assert_eq!(strict.raw().who(&session).await, "nobody");
        assert!(
            strict.raw().open("/me", &session).await.location().starts_with(app.provider.issuer())
        );
    }
    // Sessions that begin under the new settings continue, on other nodes as well.
    let begun = strict.raw().begin("/other", &session).await;
    let callback = strict.raw().answer(&begun).await;
    let own = strict.raw().open(&callback, &begun.attempt).await.session().unwrap();
    let another = with(|config| config.with_required_acr(["gold", "platinum"])).await;
    for node in [&strict, &another] {
        assert_eq!(node.raw().who(&own).await, "hello Ada Lovelace");
    }
    let context = with(|config| {
        config.with_sign_in(tower_identity::SignInOptions::new().with_auth_context("c1"))
    })
    .await;
    assert_eq!(context.raw().who(&session).await, "nobody");
}
