//! Sign-in without Tower: `WebAuth` over sessions that the application keeps itself.
//!
//! `cargo run --example web_auth`, then open the address that it prints.

#![allow(clippy::print_stdout, clippy::print_stderr, reason = "it talks to the person who started it")]

use std::{
    collections::HashMap,
    convert::Infallible,
    net::SocketAddr,
    sync::{Arc, Mutex, PoisonError},
};

use http::{
    HeaderMap, Request, Response, StatusCode,
    header::{COOKIE, LOCATION, SET_COOKIE},
};
use hyper::{body::Incoming, server::conn::http1, service::service_fn};
use hyper_util::rt::TokioIo;
use tokio::net::TcpListener;
use tower_identity::{Error, SignInOptions, WebAuth, WebSession, dev::DevProvider};
use tower_sessions_core::session::Id;

type Failure = Box<dyn std::error::Error + Send + Sync>;

/// Sessions by the id in the browser's cookie. In a real application: your database.
type Sessions = Arc<Mutex<HashMap<String, WebSession>>>;

/// What to show, or where to go.
enum Page {
    Text(String),
    SeeOther(String),
}

async fn page(auth: &WebAuth, session: &mut WebSession, path: &str, query: &str) -> Result<Page, Error> {
    Ok(match path {
        "/login" => Page::SeeOther(auth.log_in(session, "/", &SignInOptions::new()).await?.address().to_owned()),
        "/auth/callback" => Page::SeeOther(auth.complete_log_in(session, query).await?.next.to_string()),
        "/logout" => Page::SeeOther(auth.log_out(session).await),
        "/mail" => match auth.token_for_user(session, ["mail.read"]).await {
            Ok(token) => Page::Text(format!("a token for {:?}\n", token.scopes().collect::<Vec<_>>())),
            Err(error) => match auth.log_in_for(session, "/mail", &error).await? {
                Some(log_in) => Page::SeeOther(log_in.address().to_owned()),
                None => return Err(error),
            },
        },
        _ => match auth.user(session).await? {
            Some(user) => Page::Text(format!("Hello {}: /mail, /logout\n", user.display_name())),
            None => Page::Text("Hello nobody: /login\n".to_owned()),
        },
    })
}

async fn answer(auth: WebAuth, sessions: Sessions, request: Request<Incoming>) -> Result<Response<String>, Infallible> {
    let all = || sessions.lock().unwrap_or_else(PoisonError::into_inner);
    let id = id_of(request.headers()).filter(|id| all().contains_key(id));
    let before = id.as_ref().and_then(|id| all().get(id).cloned()).unwrap_or_default();
    let mut session = before.clone();
    let (path, query) = (request.uri().path(), request.uri().query().unwrap_or_default());
    let mut response = match page(&auth, &mut session, path, query).await {
        Ok(Page::Text(text)) => Response::new(text),
        Ok(Page::SeeOther(address)) => {
            let mut response = Response::new(String::new());
            *response.status_mut() = StatusCode::SEE_OTHER;
            response.headers_mut().extend(address.parse().map(|address| (LOCATION, address)));
            response
        }
        Err(error) => {
            eprintln!("{error}");
            Response::new(format!("{} ({})\n", error.user_message(), error.reason()))
        }
    };
    if session != before {
        // Another id whenever somebody signs in or out, so that nobody waits in a session that they have prepared.
        let is_new = id.is_none() || matches!(path, "/auth/callback" | "/logout");
        let (old, id) = (id.clone(), id.filter(|_| !is_new).unwrap_or_else(|| Id::default().to_string()));
        if let Some(old) = old {
            all().remove(&old);
        }
        // `Secure` and a name that begins with `__Host-` as well, where browsers come over https.
        let cookie = format!("sid={id}; Path=/; HttpOnly; SameSite=Lax");
        response.headers_mut().extend(cookie.parse().map(|cookie| (SET_COOKIE, cookie)));
        all().insert(id, session);
    }
    Ok(response)
}

fn id_of(headers: &HeaderMap) -> Option<String> {
    let cookies = headers.get_all(COOKIE).iter().filter_map(|value| value.to_str().ok());
    cookies.flat_map(|value| value.split("; ")).find_map(|cookie| cookie.strip_prefix("sid=")).map(str::to_owned)
}

#[tokio::main]
async fn main() -> Result<(), Failure> {
    let listen = std::env::var("LISTEN").unwrap_or_else(|_| "127.0.0.1:3004".into());
    let listener = TcpListener::bind(listen.parse::<SocketAddr>()?).await?;
    let base_url = format!("http://localhost:{}", listener.local_addr()?.port());

    // A provider in this process, so that the example needs no account: an application of yours has an `IdentityConfig` of its own.
    let provider = DevProvider::start().await?;
    let auth = WebAuth::new(provider.config(&base_url)?.with_scopes(["offline_access"]).build()?)?;

    println!("Open {base_url}/ and pick somebody to sign in as.");
    let sessions = Sessions::default();
    loop {
        let (stream, _) = listener.accept().await?;
        let (auth, sessions) = (auth.clone(), Arc::clone(&sessions));
        tokio::spawn(async move {
            let service = service_fn(|request| answer(auth.clone(), Arc::clone(&sessions), request));
            if let Err(error) = http1::Builder::new().serve_connection(TokioIo::new(stream), service).await {
                eprintln!("connection: {error}");
            }
        });
    }
}
