//! A session store that fails, loses rows or was tampered with.

use std::time::Duration;

use async_trait::async_trait;
use axum::{
    http::{Method, StatusCode},
    routing::get,
};
use tower_identity::{
    ErrorKind, IdentityConfig, IdentityLayer, RefreshLock, Tokens,
    dev::{DevProvider, Endpoint, Failure},
};
use tower_sessions_core::{
    SessionStore,
    session::{Id, Record},
    session_store,
};

use crate::{
    app::{App, until},
    captured_log::Log,
    node::Node,
    raw::{NAVIGATION, Raw},
    stores::{Operation, Watched},
};

type BoxError = Box<dyn std::error::Error + Send + Sync>;

async fn app() -> (App, Watched) {
    let store = Watched::default();
    let kept = store.clone();
    let app = App::builder().layer(|layer| layer.with_store(kept).unwrap()).start().await;
    app.provider.sign_in_as("ada").unwrap();
    (app, store)
}

/// Security rule 15
#[tokio::test]
async fn while_the_store_is_down_public_pages_work_and_protected_ones_say_so() {
    let (app, store) = app().await;
    let browser = app.browser();
    let mut tab = browser.tab();
    tab.open(app.at("/me")).await;
    store.fail(&Operation::ALL);
    let page = tab.open(app.at("/me")).await;
    assert_eq!(page.status, StatusCode::SERVICE_UNAVAILABLE);
    assert!(
        page.body.contains("store_unavailable") && !page.body.contains("secret"),
        "{}",
        page.body
    );
    assert!(tab.hops[0].set_cookies().is_empty(), "it may well be a session");
    let script = tab.fetch(Method::GET, "/me").await;
    assert_eq!(
        (script.status, &script.json()["reason"]),
        (StatusCode::SERVICE_UNAVAILABLE, &"store_unavailable".into())
    );
    for path in ["/", "/public/page"] {
        let page = tab.open(app.at(path)).await;
        assert_eq!((page.status, page.body.as_str()), (StatusCode::OK, "nobody"));
    }
    store.recover();
    assert_eq!(tab.open(app.at("/me")).await.status, StatusCode::OK);
    // Without a session cookie nothing needs the store.
    store.fail(&Operation::ALL);
    assert!(Raw::of(&app).open("/me", "").await.location().starts_with(app.provider.issuer()));
}

/// As an ordinary sign-in it would bring less than the page needs, or another person.
#[tokio::test]
async fn a_link_to_a_step_up_waits_for_the_store() {
    let store = Watched::default();
    let kept = store.clone();
    let mail = async |tokens: Tokens| tokens.for_user(["mail.read"]).await.map(|_| "mail");
    let app = App::builder()
        .layer(|layer| layer.with_store(kept).unwrap())
        .router(|router| router.route("/mail", get(mail)))
        .start()
        .await;
    app.provider.sign_in_as("ada").unwrap();
    let raw = Raw::of(&app);
    let session = raw.sign_in().await;
    app.provider.fail_next(Endpoint::Token, 1, Failure::OAuthError("interaction_required".into()));
    let link = raw.open("/mail", &session).await.location().to_owned();
    assert!(link.contains("step_up="), "{link}");
    store.fail_next(Operation::Load);
    let answer = raw.open(&link, &session).await;
    assert_eq!(answer.status, StatusCode::SERVICE_UNAVAILABLE, "{:?}", answer.headers);
    let again = format!("href=\"{}\"", link.replace('&', "&amp;"));
    assert!(answer.body.contains(&again), "{}", answer.body);
    let answer = raw.open(&link, &session).await;
    assert!(answer.location().contains("mail.read"), "{}", answer.location());
}

/// A store whose messages end in the id of the row, after a text of this length.
#[derive(Clone, Debug)]
struct Talkative(Watched, usize);

#[async_trait]
impl SessionStore for Talkative {
    async fn create(&self, record: &mut Record) -> session_store::Result<()> {
        self.0.create(record).await
    }

    async fn save(&self, record: &Record) -> session_store::Result<()> {
        self.0.save(record).await
    }

    async fn load(&self, id: &Id) -> session_store::Result<Option<Record>> {
        Err(session_store::Error::Backend(format!("{}{id}", "x".repeat(self.1))))
    }

    async fn delete(&self, id: &Id) -> session_store::Result<()> {
        self.0.delete(id).await
    }
}

/// The message is cut, and no part of the id is left where the cut is.
#[tokio::test]
async fn the_id_of_a_row_in_the_message_of_a_store_is_not_logged() {
    let (app, store) = app().await;
    let session = Raw::of(&app).sign_in().await;
    for length in [0, 270, 285, 295, 400] {
        let (log, _listening) = Log::listen();
        let talkative = Talkative(store.clone(), length);
        let node =
            Node::beside(&app, |config| config, |layer| layer.with_store(talkative).unwrap()).await;
        let answer = node.raw().open("/me", &session).await;
        assert_eq!(answer.status, StatusCode::SERVICE_UNAVAILABLE);
        let log = log.text();
        let (_, line) = log.split_once("the session store failed").unwrap();
        let (_, message) = line.lines().next().unwrap().split_once("error=").unwrap();
        assert!(["", "…"].contains(&message.trim_start_matches('x')), "{length}: {message}");
    }
}

/// A lock whose messages repeat the name.
#[derive(Debug)]
struct TalkativeLock;

#[async_trait]
impl RefreshLock for TalkativeLock {
    async fn try_lock(&self, name: &str, _: &str, _: Duration) -> Result<bool, BoxError> {
        Err(format!("Key (name)=({name}) is locked").into())
    }

    async fn unlock(&self, name: &str, _: &str) -> Result<(), BoxError> {
        Err(format!("Key (name)=({name}) is gone").into())
    }
}

/// The name of the lock is the id of a row.
#[tokio::test]
async fn the_name_of_a_lock_in_its_message_is_not_logged() {
    let (log, _listening) = Log::listen();
    let layer = |layer: IdentityLayer| layer.with_refresh_lock(TalkativeLock);
    let app = App::builder().layer(layer).start().await;
    let mut tab = app.signed_in().await;
    app.turn(4000);
    tab.open(app.at("/me")).await;
    until(|| log.text().contains("is gone")).await;
    let text = log.text();
    assert!(text.contains("Key (name)=(…) is locked"), "{text}");
    assert!(text.contains("Key (name)=(…) is gone"), "{text}");
}

/// A lock on a service that is down.
#[derive(Debug)]
struct LockDown;

#[async_trait]
impl RefreshLock for LockDown {
    async fn try_lock(&self, _: &str, _: &str, _: Duration) -> Result<bool, BoxError> {
        Err("connection refused: redis://:secret@lock".into())
    }

    async fn unlock(&self, _: &str, _: &str) -> Result<(), BoxError> {
        Ok(())
    }
}

/// Most stores connect when they are first used.
#[tokio::test]
async fn a_store_or_lock_that_is_down_is_found_at_the_start() {
    let provider = DevProvider::start().await.unwrap();
    let config = provider.config("http://localhost:3000").unwrap();
    let config = config.with_store_timeout(Duration::from_millis(30)).build().unwrap();
    let layer = IdentityLayer::new(config);
    assert!(layer.check_store().await.is_ok(), "sessions in memory");
    let store = Watched::default();
    let layer = layer.with_store(store.clone()).unwrap();
    layer.check_store().await.unwrap();
    assert_eq!((store.writes(), store.rows().await), (2, 0), "nothing is left");
    for operation in [Operation::Create, Operation::Load, Operation::Delete] {
        let (log, _listening) = Log::listen();
        store.fail(&[operation]);
        let error = layer.check_store().await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::StoreUnavailable, "{operation:?}");
        assert!(error.to_string().contains("with_store"), "{error}");
        assert!(log.text().contains("connection refused"), "{}", log.text());
    }
    store.recover();
    store.forget_everything();
    assert!(layer.check_store().await.is_err(), "it keeps nothing");
    store.remember();
    store.hang();
    let error = layer.check_store().await.unwrap_err();
    assert!(error.to_string().contains("IDENTITY_STORE_TIMEOUT"), "{error}");
    store.answer();
    let error = layer.with_refresh_lock(LockDown).check_store().await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::StoreUnavailable);
    assert!(error.to_string().contains("with_refresh_lock"), "{error}");
    assert!(!error.to_string().contains("redis://"), "{error}");
}

/// A connection pool waits without end for a server that is gone. The layer does not.
#[tokio::test]
async fn a_store_that_never_answers_is_one_that_is_down_and_back_at_once() {
    let store = Watched::default();
    let kept = store.clone();
    let hasty = |config: IdentityConfig| config.with_store_timeout(Duration::from_millis(30));
    let app =
        App::builder().config(hasty).layer(|layer| layer.with_store(kept).unwrap()).start().await;
    app.provider.sign_in_as("ada").unwrap();
    let raw = Raw::of(&app);
    let session = raw.sign_in().await;
    let sign_out = [NAVIGATION, &[("origin", app.url.as_str())]].concat();
    for _ in 0..2 {
        let begun = raw.begin("/other", "").await;
        let callback = raw.answer(&begun).await;
        store.hang();
        assert_eq!(raw.who(&session).await, "nobody", "a public page");
        let page = raw.open("/me", &session).await;
        assert_eq!(
            (page.status, page.header("retry-after")),
            (StatusCode::SERVICE_UNAVAILABLE, "5")
        );
        assert!(page.body.contains("store_unavailable"), "{}", page.body);
        let answer = raw.send(Method::POST, "/auth/logout", &session, &sign_out, "").await;
        assert_eq!(answer.status, StatusCode::SERVICE_UNAVAILABLE, "no false goodbye");
        assert!(answer.set_cookies().is_empty());
        let answer = raw.open(&callback, &begun.attempt).await;
        assert_eq!(answer.status, StatusCode::SERVICE_UNAVAILABLE, "a sign-in");
        assert!(answer.session().is_none());
        store.answer();
        assert_eq!(raw.who(&session).await, "hello Ada Lovelace", "back at once");
        assert_eq!(raw.open("/me", &session).await.status, StatusCode::OK);
    }
    // A refresh works as well: its tokens are stored as soon as the store works again.
    app.turn(3600 + 300);
    let mut hold = app.provider.hold_next(Endpoint::Token);
    let (page, ()) = tokio::join!(raw.open("/me", &session), async {
        hold.arrived().await;
        store.hang();
        hold.release();
    });
    assert_eq!(page.status, StatusCode::SERVICE_UNAVAILABLE, "{}", page.body);
    store.answer();
    assert_eq!(raw.open("/me", &session).await.status, StatusCode::OK);
    assert_eq!(
        app.provider.requests(Endpoint::Token),
        4,
        "two sign-ins that failed, one that did not, one refresh"
    );
}

/// A lock that never responds.
#[derive(Debug)]
struct Hanging;

#[async_trait]
impl RefreshLock for Hanging {
    async fn try_lock(
        &self,
        _: &str,
        _: &str,
        _: Duration,
    ) -> Result<bool, Box<dyn std::error::Error + Send + Sync>> {
        std::future::pending().await
    }

    async fn unlock(
        &self,
        _: &str,
        _: &str,
    ) -> Result<(), Box<dyn std::error::Error + Send + Sync>> {
        std::future::pending().await
    }
}

#[tokio::test]
async fn a_refresh_lock_that_never_answers_refreshes_nothing_and_blocks_no_request() {
    let hasty = |config: IdentityConfig| config.with_store_timeout(Duration::from_millis(30));
    let app =
        App::builder().config(hasty).layer(|layer| layer.with_refresh_lock(Hanging)).start().await;
    let mut tab = app.signed_in().await;
    app.turn(3600 + 300);
    assert_eq!(tab.open(app.at("/me")).await.status, StatusCode::SERVICE_UNAVAILABLE);
    assert_eq!(app.provider.requests(Endpoint::Token), 1);
}

/// D14: a failed sign-out is reported.
#[tokio::test]
async fn a_sign_out_that_the_store_does_not_take_is_no_sign_out() {
    for operations in [&[Operation::Delete][..], &Operation::ALL] {
        let (app, store) = app().await;
        let raw = Raw::of(&app);
        let session = raw.sign_in().await;
        store.fail(operations);
        let headers = [NAVIGATION, &[("origin", app.url.as_str())]].concat();
        let answer = raw.send(Method::POST, "/auth/logout", &session, &headers, "").await;
        assert_eq!(answer.status, StatusCode::SERVICE_UNAVAILABLE);
        assert!(
            answer.body.contains("store_unavailable") && answer.set_cookies().is_empty(),
            "{}",
            answer.body
        );
        store.recover();
        assert_eq!(raw.who(&session).await, "hello Ada Lovelace");
        let answer = raw.send(Method::POST, "/auth/logout", &session, &headers, "").await;
        assert!(answer.location().starts_with(app.provider.issuer()));
        assert_eq!((raw.who(&session).await.as_str(), store.rows().await), ("nobody", 0));
    }
}

// C-322: store down at login
#[tokio::test]
async fn a_sign_in_that_the_store_does_not_take_leaves_no_half_session() {
    // The session's row, then that of its grant.
    for written in [0, 1] {
        let (app, store) = app().await;
        store.fail_after(Operation::Create, written);
        let browser = app.browser();
        let mut tab = browser.tab();
        let page = tab.open(app.at("/other")).await;
        assert_eq!(page.status, StatusCode::SERVICE_UNAVAILABLE);
        assert!(page.body.contains("store_unavailable"), "{}", page.body);
        assert!(browser.cookies("localhost").is_empty());
        store.recover();
        assert_eq!(store.rows().await, 0);
        let page = tab.click("Try again").await;
        assert_eq!((page.status, page.url.path()), (StatusCode::OK, "/other"));
    }
}

/// The earlier session cannot be deleted: its cookie is replaced all the same, and its row expires.
#[tokio::test]
async fn a_sign_in_over_a_session_that_cannot_be_deleted_works() {
    let (app, store) = app().await;
    let mut tab = app.browser().tab();
    tab.open(app.at("/me")).await;
    store.fail(&[Operation::Delete]);
    let page = tab.open(app.at("/auth/login?return_to=/other")).await;
    assert_eq!((page.status, page.url.path()), (StatusCode::OK, "/other"));
}

/// Security rules 12 and 23: a damaged row means signed out, and is not a server error.
#[tokio::test]
async fn a_row_that_is_damaged_lost_or_foreign_is_signed_out() {
    let change: [fn(String) -> String; 6] = [
        |_| String::new(),
        |_| "!!!".into(),
        |text| text[..text.len() / 2].into(),
        |text| format!("{text}AAAA"),
        |text| format!("B{}", &text[1..]),
        |text| text.chars().rev().collect(),
    ];
    for change in change {
        let (app, store) = app().await;
        let raw = Raw::of(&app);
        let session = raw.sign_in().await;
        store.change(change).await;
        assert_eq!(raw.who(&session).await, "nobody");
        let answer = raw.open("/me", &session).await;
        assert!(answer.location().starts_with(app.provider.issuer()));
        assert!(
            answer.set_cookies().iter().any(|cookie| cookie.contains("=; Path=/; Max-Age=0")),
            "the cookie is of no use"
        );
    }
    let (app, store) = app().await;
    let raw = Raw::of(&app);
    let session = raw.sign_in().await;
    store.wipe().await;
    assert_eq!(raw.who(&session).await, "nobody");
    // Each row has the text of another one: of another session, or of another kind.
    let sessions = [raw.sign_in().await, raw.sign_in().await];
    let texts = std::sync::Mutex::new(std::collections::VecDeque::new());
    store
        .change(|text| {
            texts.lock().unwrap().push_back(text.clone());
            text
        })
        .await;
    texts.lock().unwrap().rotate_left(1);
    store.change(|_| texts.lock().unwrap().pop_front().unwrap()).await;
    for session in &sessions {
        assert_eq!(raw.who(session).await, "nobody");
    }
}

// C-348: cross-site GET to /login
/// Security rule 22: an abandoned sign-in leaves no row.
#[tokio::test]
async fn nothing_is_stored_before_a_sign_in_is_completed() {
    let (app, store) = app().await;
    let raw = Raw::of(&app);
    let mut states = std::collections::HashSet::new();
    for _ in 0..50 {
        for path in ["/me", "/auth/login?return_to=/me"] {
            let headers = [
                NAVIGATION,
                &[("referer", "https://other.example/"), ("sec-fetch-site", "cross-site")],
            ]
            .concat();
            let answer = raw.send(Method::GET, path, "", &headers, "").await;
            assert!(answer.session().is_none());
            assert!(states.insert(answer.location().to_owned()));
        }
        raw.open("/auth/callback?code=a&state=r0.1.AAAAAAAAAAAAAAAAAAAAAA", "").await;
        raw.open("/auth/logout", "").await;
    }
    assert_eq!((store.writes(), store.rows().await), (0, 0));
}
