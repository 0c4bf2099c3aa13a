//! Events of sign-ins, sign-outs and ends of sessions, and a session of the application's own
//! beside the layer's.

use std::sync::{
    Arc, Mutex,
    atomic::{AtomicUsize, Ordering},
};

use axum::{
    Router,
    extract::Request,
    http::{Method, StatusCode, request::Parts},
    middleware::{Next, from_fn},
    routing::{get, post},
};
use tokio::sync::Notify;
use tower_identity::{
    Error, IdentityConfig, IdentityLayer, SignInEvent, SignInRefusal, Tokens, User,
    config::SignInMethod,
    dev::{Endpoint, Failure},
};
use tower_sessions::{Session, SessionManagerLayer, cookie::SameSite};
use tower_sessions_memory_store::MemoryStore;

use crate::{
    app::App,
    browser::{Tab, html, html::Form},
    captured_log::Log,
    raw::Raw,
};

/// The events that the handlers received.
#[derive(Clone, Default)]
pub struct Heard(Arc<Mutex<Vec<String>>>);

impl Heard {
    fn note(&self, text: String) {
        self.0.lock().unwrap().push(text);
    }

    pub fn take(&self) -> Vec<String> {
        std::mem::take(&mut self.0.lock().unwrap())
    }

    /// Listens to every event.
    pub fn on(&self, layer: IdentityLayer) -> IdentityLayer {
        let (at_in, at_out, at_end) = (self.clone(), self.clone(), self.clone());
        layer
            .on_signed_in(move |event| {
                let heard = at_in.clone();
                async move {
                    let previous = first_name(event.previous_user());
                    let (user, cause) = (first_name(Some(event.user())), event.cause());
                    heard.note(format!(
                        "in {user} after {previous}: {cause:?} {}",
                        page(event.request())
                    ));
                    Ok(())
                }
            })
            .on_signed_out(move |event| {
                let heard = at_out.clone();
                async move {
                    let user = first_name(event.user());
                    heard.note(format!("out {user} {}", page(event.request())));
                    Ok::<_, std::io::Error>(())
                }
            })
            .on_session_ended(move |event| {
                let heard = at_end.clone();
                async move {
                    let (user, cause) = (first_name(Some(event.user())), event.cause());
                    heard.note(format!("end {user}: {cause:?} {}", page(event.request())));
                    Ok::<_, std::io::Error>(())
                }
            })
    }
}

/// The key of a test account.
fn first_name(user: Option<&User>) -> String {
    let name = user.map_or("nobody", User::display_name);
    name.split(' ').next().unwrap().to_lowercase()
}

fn page(request: &Parts) -> String {
    format!("{} {}", request.method, request.uri)
}

async fn mail(tokens: Tokens) -> Result<String, Error> {
    tokens.for_user(["mail.read"]).await.map(|_| "mail".into())
}

async fn listening(config: impl FnOnce(IdentityConfig) -> IdentityConfig) -> (App, Heard) {
    let heard = Heard::default();
    let app = App::builder()
        .config(config)
        .layer(|layer| heard.on(layer))
        .router(|router: Router| router.route("/mail", get(mail)))
        .start()
        .await;
    (app, heard)
}

async fn sign_out(app: &App, tab: &mut Tab) {
    tab.open(app.at("/")).await;
    tab.submit(Form::post("/auth/logout")).await;
}

/// Signs in as another person, in a browser whose session is still there.
async fn sign_in_over(app: &App, tab: &mut Tab, person: &str) {
    app.provider.sign_in_as(person).unwrap();
    tab.open(app.at("/auth/login?return_to=/me")).await;
}

#[tokio::test]
async fn a_handler_gets_the_user_the_cause_and_the_request_of_a_sign_in() {
    let (app, heard) = listening(|config| config).await;
    let mut tab = app.signed_in().await;
    // Without its query, in which the code was.
    assert_eq!(heard.take(), ["in ada after nobody: SignIn GET /auth/callback"]);
    let page = tab.open(app.at("/mail")).await;
    assert_eq!((page.status, page.body.as_str()), (StatusCode::OK, "mail"));
    // The same person: nothing has ended.
    assert_eq!(heard.take(), ["in ada after ada: StepUp GET /auth/callback"]);
    for path in ["/me", "/", "/public/page", "/nowhere"] {
        tab.open(app.at(path)).await;
    }
    assert_eq!(heard.take(), [""; 0]);
    sign_out(&app, &mut tab).await;
    assert_eq!(heard.take(), ["out ada POST /auth/logout"]);
    // The session has ended already; what the application keeps may not have.
    sign_out(&app, &mut tab).await;
    assert_eq!(heard.take(), ["out nobody POST /auth/logout"]);
}

#[tokio::test]
async fn a_sign_in_over_the_session_of_another_person_ends_that_one() {
    let (app, heard) = listening(|config| config).await;
    let mut tab = app.signed_in().await;
    heard.take();
    sign_in_over(&app, &mut tab, "grace").await;
    assert_eq!(
        heard.take(),
        [
            "in grace after ada: SignIn GET /auth/callback",
            "end ada: AnotherPerson GET /auth/callback"
        ]
    );
}

#[tokio::test]
async fn a_sign_in_by_device_code_is_reported_once() {
    let (app, heard) =
        listening(|config| config.with_sign_in_method(SignInMethod::DeviceCode)).await;
    let mut tab = app.browser().tab();
    let shown = tab.open(app.at("/me")).await.body.clone();
    let tags = html::tags(&shown);
    let code = tags
        .iter()
        .find(|tag| tag.attributes.get("class").is_some_and(|class| class == "code"))
        .unwrap();
    app.provider.answer_device(&code.text, Some("ada")).unwrap();
    app.turn(5);
    tab.click("Continue").await;
    assert_eq!(heard.take(), ["in ada after nobody: SignIn GET /auth/callback"]);
    assert_eq!(tab.page().json()["name"], "Ada Lovelace");
}

#[tokio::test]
async fn a_session_that_ended_by_itself_is_reported_once_with_its_cause() {
    let day = 24 * 3600;
    // On a protected page, on a public one that asks for the user, and on the layer's own paths.
    for page in ["/me", "/", "/auth/user", "/auth/login"] {
        let (app, heard) = listening(|config| config.with_user_path("/auth/user")).await;
        let mut tab = app.signed_in().await;
        heard.take();
        app.provider.show_pages();
        app.provider.sign_everybody_out();
        app.turn(day + 1);
        for _ in 0..2 {
            let open = match page {
                "/auth/login" => tab.open(app.at(page)).await.clone(),
                _ => tab.fetch(Method::GET, &app.at(page)).await,
            };
            assert_ne!(open.body, "hello Ada Lovelace");
        }
        assert_eq!(heard.take(), [format!("end ada: IdleTimeout GET {page}")]);
    }
    // In use until its absolute end.
    let timeout = std::time::Duration::from_secs(2 * day);
    let (app, heard) = listening(move |config| config.with_absolute_timeout(timeout)).await;
    let mut tab = app.signed_in().await;
    heard.take();
    for _ in 0..4 {
        app.turn(day / 2 - 10);
        assert_eq!(tab.open(app.at("/me")).await.status, StatusCode::OK);
    }
    app.turn(60);
    tab.fetch(Method::GET, &app.at("/me")).await;
    assert_eq!(heard.take(), ["end ada: AbsoluteTimeout GET /me"]);
}

/// A value of an outer layer that counts its copies.
#[derive(Default)]
struct Counted(Arc<AtomicUsize>);

impl Clone for Counted {
    fn clone(&self) -> Self {
        self.0.fetch_add(1, Ordering::Relaxed);
        Self(Arc::clone(&self.0))
    }
}

#[tokio::test]
async fn the_head_of_a_request_is_copied_only_for_an_event() {
    let (heard, copies) = (Heard::default(), Arc::new(AtomicUsize::new(0)));
    let counted = Counted(Arc::clone(&copies));
    let arrange = |router: Router, identity: IdentityLayer| {
        let outside = move |mut request: Request, next: Next| {
            request.extensions_mut().insert(Counted(Arc::clone(&counted.0)));
            next.run(request)
        };
        router.layer(heard.on(identity)).layer(from_fn(outside))
    };
    let app = App::builder().arrange(arrange).start().await;
    let mut tab = app.signed_in().await;
    copies.store(0, Ordering::Relaxed);
    for path in ["/public/page", "/", "/me"] {
        tab.open(app.at(path)).await;
    }
    assert_eq!(copies.load(Ordering::Relaxed), 0);
    app.turn(24 * 3600 + 1);
    for path in ["/public/page", "/"] {
        tab.open(app.at(path)).await;
        assert_eq!(copies.load(Ordering::Relaxed), 1, "{path}");
    }
}

#[tokio::test]
async fn a_session_that_the_provider_does_not_renew_is_reported_with_that_cause() {
    let (app, heard) = listening(|config| config).await;
    let mut tab = app.signed_in().await;
    heard.take();
    app.turn(3600 + 300);
    app.provider.fail_next(Endpoint::Token, 1, Failure::OAuthError("invalid_grant".into()));
    let refused = tab.fetch(Method::GET, &app.at("/me")).await;
    assert_eq!(refused.status, StatusCode::UNAUTHORIZED, "{}", refused.body);
    assert_eq!(heard.take(), ["end ada: RenewalRefused GET /me"]);
}

/// A layer that refuses one person, and fails for another.
fn refusing(layer: IdentityLayer) -> IdentityLayer {
    layer.on_signed_in(|event: SignInEvent| async move {
        match first_name(Some(event.user())).as_str() {
            "grace" => Err(SignInRefusal::new("the account is suspended")
                .with_user_message("Ask <Ada> to open your account.")),
            "alan" => Err(std::io::Error::other("the database is down").into()),
            _ => Ok(()),
        }
    })
}

#[tokio::test]
async fn a_refused_sign_in_ends_on_a_page_and_signs_nobody_in() {
    let app = App::builder().layer(refusing).start().await;
    for (person, status, reason) in [
        ("grace", StatusCode::FORBIDDEN, "sign_in_refused"),
        ("alan", StatusCode::INTERNAL_SERVER_ERROR, "event_handler_failed"),
    ] {
        let (log, _listening) = Log::listen();
        app.provider.sign_in_as(person).unwrap();
        let mut tab = app.browser().tab();
        let page = tab.open(app.at("/me")).await;
        assert_eq!(page.status, status, "{}", page.body);
        assert!(page.body.contains(reason), "{}", page.body);
        let own = page.body.contains("Ask &lt;Ada&gt; to open your account.");
        assert_eq!(own, person == "grace", "{}", page.body);
        let text = log.text();
        let cause = if person == "grace" { "is suspended" } else { "the database is down" };
        assert!(text.contains(reason) && text.contains(cause), "{text}");
        assert_eq!(tab.open(app.at("/")).await.body, "nobody");
    }
}

#[tokio::test]
async fn a_refused_sign_in_leaves_the_session_that_was_there() {
    let app = App::builder().layer(refusing).start().await;
    let mut tab = app.signed_in().await;
    sign_in_over(&app, &mut tab, "grace").await;
    assert_eq!(tab.page().status, StatusCode::FORBIDDEN, "{}", tab.page().body);
    assert_eq!(tab.open(app.at("/me")).await.json()["name"], "Ada Lovelace");
}

/// A browser may send the authorization response twice: the handler decides once, for both.
#[tokio::test]
async fn a_repeated_answer_gets_the_decision_of_the_first_also_while_its_handler_runs() {
    for refuses in [true, false] {
        let (calls, arrived, go_on) =
            (Arc::new(AtomicUsize::new(0)), Arc::new(Notify::new()), Arc::new(Notify::new()));
        let (called, here, released) = (calls.clone(), arrived.clone(), go_on.clone());
        let layer = move |layer: IdentityLayer| {
            layer.on_signed_in(move |_| {
                let (called, here, released) = (called.clone(), here.clone(), released.clone());
                async move {
                    called.fetch_add(1, Ordering::Relaxed);
                    here.notify_one();
                    released.notified().await;
                    if refuses { Err(SignInRefusal::new("suspended")) } else { Ok(()) }
                }
            })
        };
        let app = App::builder().layer(layer).start().await;
        app.provider.sign_in_as("ada").unwrap();
        let raw = Raw::of(&app);
        let begun = raw.begin("/other", "").await;
        let callback = raw.answer(&begun).await;
        let first = raw.open(&callback, &begun.attempt);
        tokio::pin!(first);
        tokio::select! {
            answer = &mut first => panic!("answered before the handler: {}", answer.status),
            () = arrived.notified() => {}
        }
        let second = raw.open(&callback, &begun.attempt);
        tokio::pin!(second);
        tokio::select! {
            biased;
            _ = &mut second => panic!("answered before the handler"),
            () = std::future::ready(()) => go_on.notify_one(),
        }
        let (first, second) = tokio::join!(first, second);
        let later = raw.open(&callback, &begun.attempt).await;
        for answer in [first, second, later] {
            let status = if refuses { StatusCode::FORBIDDEN } else { StatusCode::SEE_OTHER };
            assert_eq!((answer.status, answer.session().is_none()), (status, refuses));
        }
        assert_eq!(calls.load(Ordering::Relaxed), 1);
        assert_eq!(app.provider.requests(Endpoint::Token), 1);
    }
}

/// A response whose attempt is gone is no sign-in: the browser is sent to the provider again, and
/// the handler decides again.
#[tokio::test]
async fn a_refused_answer_that_comes_again_without_its_attempt_is_refused_again() {
    let app = App::builder().layer(refusing).start().await;
    app.provider.sign_in_as("grace").unwrap();
    let mut tab = app.browser().tab();
    assert_eq!(tab.open(app.at("/me")).await.status, StatusCode::FORBIDDEN);
    assert_eq!(tab.reload().await.status, StatusCode::FORBIDDEN);
    assert_eq!(tab.open(app.at("/")).await.body, "nobody");
}

/// The user's tokens work in the handler already.
#[tokio::test]
async fn a_handler_of_a_sign_in_can_call_an_api_for_the_user() {
    let layer = |layer: IdentityLayer| {
        layer.on_signed_in(|event| async move {
            event.user().tokens().for_sign_in().await?;
            Ok(())
        })
    };
    let app = App::builder().layer(layer).start().await;
    app.signed_in().await;
}

#[tokio::test]
async fn a_handler_that_fails_after_a_sign_out_keeps_nobody_signed_in() {
    let (log, _listening) = Log::listen();
    let layer = |layer: IdentityLayer| {
        layer.on_signed_out(|_| async { Err(std::io::Error::other("the audit log is full")) })
    };
    let app = App::builder().layer(layer).start().await;
    let mut tab = app.signed_in().await;
    sign_out(&app, &mut tab).await;
    assert_eq!(tab.open(app.at("/")).await.body, "nobody");
    let text = log.text();
    assert!(text.contains("event_handler_failed") && text.contains("audit log is full"), "{text}");
}

const OWNER: &str = "owner";

/// As the guide has it.
async fn take_over(event: SignInEvent) -> Result<(), SignInRefusal> {
    let Some(session) = event.request().extensions.get::<Session>() else {
        return Err("no session".into());
    };
    let user = event.user().key().to_string();
    let owner: Option<String> = session.get(OWNER).await?;
    if owner.is_some_and(|owner| owner != user) {
        session.clear().await;
    }
    session.cycle_id().await?;
    session.insert(OWNER, user).await?;
    Ok(())
}

/// An application with a note in its own session.
async fn noting() -> App {
    let sessions = SessionManagerLayer::new(MemoryStore::default())
        .with_secure(false)
        .with_same_site(SameSite::Lax);
    let note = async |session: Session| {
        session.get::<String>("note").await.unwrap().unwrap_or_else(|| "nothing".into())
    };
    let write = async |session: Session| session.insert("note", "hers").await.unwrap();
    let arrange = |router: Router, identity: IdentityLayer| {
        router
            .route("/public/note", get(note))
            .route("/public/write", post(write))
            .layer(identity.on_signed_in(take_over))
            .layer(sessions)
    };
    App::builder().arrange(arrange).start().await
}

/// The example `shop` shows the same after a sign-out.
#[tokio::test]
async fn nothing_of_a_user_whose_session_ended_by_itself_is_left_for_the_next() {
    let app = noting().await;
    let mut tab = app.signed_in().await;
    tab.submit(Form::post("/public/write")).await;
    assert_eq!(tab.open(app.at("/public/note")).await.body, "hers");
    app.turn(24 * 3600 + 1);
    app.provider.sign_in_as("grace").unwrap();
    assert_eq!(tab.open(app.at("/me")).await.json()["name"], "Grace Hopper");
    assert_eq!(tab.open(app.at("/public/note")).await.body, "nothing");
}
