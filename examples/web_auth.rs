//! Sign-in without Tower: `WebAuth` with sessions that the application stores itself.
//!
//! `cargo run --example web_auth`, then open the URL that it prints.

#![allow(clippy::print_stdout, clippy::print_stderr, reason = "the example reports on the console")]

use std::{
    collections::HashMap,
    convert::Infallible,
    net::SocketAddr,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use http::{
    HeaderMap, HeaderValue, Method, Request, Response, StatusCode,
    header::{CACHE_CONTROL, CONTENT_TYPE, COOKIE, LOCATION, ORIGIN, SET_COOKIE},
};
use hyper::{body::Incoming, server::conn::http1, service::service_fn};
use hyper_util::rt::TokioIo;
use tokio::{net::TcpListener, sync::Mutex as AsyncMutex};
use tower_identity::{Error, SignInOptions, WebAuth, WebSession, dev::DevProvider};
use tower_sessions_core::session::Id;

type Failure = Box<dyn std::error::Error + Send + Sync>;

/// Sessions by the id in the browser's cookie, each locked by one request at a time. Your
/// application would use its database.
#[derive(Clone, Default)]
struct Sessions(Arc<Mutex<HashMap<String, Browser>>>);

type Browser = Arc<AsyncMutex<WebSession>>;

impl Sessions {
    fn find(&self, headers: &HeaderMap) -> (String, Browser) {
        let cookies = headers.get_all(COOKIE).iter().filter_map(|value| value.to_str().ok());
        let id = cookies
            .flat_map(|value| value.split("; "))
            .find_map(|cookie| cookie.strip_prefix("sid="))
            .unwrap_or_default();
        (id.to_owned(), self.all().get(id).cloned().unwrap_or_default())
    }

    /// Stores a session under a new id, and removes the old one.
    fn rename(&self, id: &str, browser: Browser) -> String {
        let new = Id::default().to_string();
        let mut all = self.all();
        all.remove(id);
        all.insert(new.clone(), browser);
        new
    }

    fn all(&self) -> MutexGuard<'_, HashMap<String, Browser>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The outcome of a request: a page, or a redirect.
enum Page {
    Text(String),
    SeeOther(String),
}

async fn page(
    auth: &WebAuth,
    session: &mut WebSession,
    request: &Request<Incoming>,
) -> Result<Page, Error> {
    let query = request.uri().query().unwrap_or_default();
    // Prevents cross-site request forgery: a form of another site must not sign the user out.
    let origin = request.headers().get(ORIGIN).and_then(|origin| origin.to_str().ok());
    let is_ours = origin
        .is_some_and(|origin| auth.config().redirect_uri() == format!("{origin}/auth/callback"));
    Ok(match (request.method(), request.uri().path()) {
        (&Method::GET, "/login") => {
            Page::SeeOther(auth.sign_in(session, "/", &SignInOptions::new()).await?.url)
        }
        (&Method::GET, "/auth/callback") => {
            Page::SeeOther(auth.complete_sign_in(session, query).await?.url().to_owned())
        }
        (&Method::POST, "/logout") if is_ours => Page::SeeOther(auth.sign_out(session).url().await),
        (&Method::GET, "/mail") => match auth.for_user(session, ["mail.read"]).await {
            Ok(token) => {
                Page::Text(format!("A token for {:?}.", token.scopes().collect::<Vec<_>>()))
            }
            Err(error) => match auth.sign_in_for(session, "/mail", &error).await? {
                Some(sign_in) => Page::SeeOther(sign_in.url),
                None => return Err(error),
            },
        },
        _ => match auth.user(session).await? {
            Some(user) => Page::Text(format!(
                "Hello {}. <a href=/mail>Mail</a> \
                 <form method=post action=/logout><button>Sign out</button></form>",
                escaped(user.display_name())
            )),
            None => Page::Text("You are not signed in. <a href=/login>Sign in</a>".to_owned()),
        },
    })
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;")
}

async fn answer(
    auth: WebAuth,
    sessions: Sessions,
    request: Request<Incoming>,
) -> Result<Response<String>, Infallible> {
    let (id, browser) = sessions.find(request.headers());
    let mut session = browser.lock().await;
    let before = session.clone();
    let page = page(&auth, &mut session, &request).await;
    let mut response = match page {
        Ok(Page::Text(text)) => Response::new(text),
        Ok(Page::SeeOther(address)) => {
            let mut response = Response::new(String::new());
            *response.status_mut() = StatusCode::SEE_OTHER;
            response.headers_mut().extend(address.parse().map(|address| (LOCATION, address)));
            response
        }
        Err(error) => {
            eprintln!("{error}");
            Response::new(format!("{} ({})", error.user_message(), error.reason()))
        }
    };
    response
        .headers_mut()
        .insert(CONTENT_TYPE, HeaderValue::from_static("text/html; charset=utf-8"));
    response.headers_mut().insert(CACHE_CONTROL, HeaderValue::from_static("private, no-store"));
    // A new id at every sign-in and sign-out prevents session fixation: an id that an attacker has
    // planted never becomes that of a signed-in user.
    let is_new = before.is_empty() || matches!(request.uri().path(), "/auth/callback" | "/logout");
    if is_new && *session != before {
        // Over https, add `Secure` and begin the name with `__Host-`.
        let cookie = format!(
            "sid={}; Path=/; HttpOnly; SameSite=Lax",
            sessions.rename(&id, Arc::clone(&browser))
        );
        response.headers_mut().extend(cookie.parse().map(|cookie| (SET_COOKIE, cookie)));
    }
    Ok(response)
}

#[tokio::main]
async fn main() -> Result<(), Failure> {
    let listen = std::env::var("LISTEN").unwrap_or_else(|_| "127.0.0.1:3004".into());
    let listener = TcpListener::bind(listen.parse::<SocketAddr>()?).await?;
    let base_url = format!("http://localhost:{}", listener.local_addr()?.port());

    // The development provider, so that the example needs no account. Your application has its own
    // `IdentityConfig` in place of it.
    let provider = DevProvider::start().await?;
    let auth = WebAuth::new(provider.config(&base_url)?.with_scopes(["offline_access"]).build()?)?;

    println!("Open {base_url}/ and choose an account to sign in with.");
    let sessions = Sessions::default();
    loop {
        let (stream, _) = listener.accept().await?;
        let (auth, sessions) = (auth.clone(), sessions.clone());
        tokio::spawn(async move {
            let service = service_fn(|request| answer(auth.clone(), sessions.clone(), request));
            if let Err(error) =
                http1::Builder::new().serve_connection(TokioIo::new(stream), service).await
            {
                eprintln!("connection: {error}");
            }
        });
    }
}
