//! A job that goes on for a person after the request, after a sign-out and after a restart: a grant
//! of its own, which the person gives (*Connect*) and ends (*Disconnect*).
//!
//! `cargo run --example job`, then open the URL that it prints.
//!
//! The grant is stored under the key of the person, sealed, in any `tower-sessions` store; here
//! that is one in memory. The job has a client and caches of its own, as in another process: it
//! shares only the store and the cookie secret with the pages.

#![allow(clippy::print_stdout, reason = "the example reports on the console")]

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
};

use axum::{
    Router,
    extract::{RawQuery, State},
    response::{Html, Redirect},
    routing::{get, post},
};
use tokio::net::TcpListener;
use tower_identity::{
    ConfigError, Error, IdentityConfig, IdentityLayer, SignInOptions, StoredCaches, User,
    client::{AuthorizationFlow, Client, SilentOutcome, TokenRequest},
    dev::DevProvider,
};
use tower_sessions_memory_store::MemoryStore;

const SCOPES: [&str; 2] = ["calendar.read", "offline_access"];

#[derive(Clone)]
struct Calendar {
    client: Client,
    /// The grants, as the pages see them.
    caches: StoredCaches,
    /// The same grants, as the job sees them.
    of_the_job: StoredCaches,
    /// Registered at the provider, beside the layer's callback.
    connected: String,
    /// The flows that people have begun; an application keeps them in its own session.
    flows: Arc<Mutex<HashMap<String, AuthorizationFlow>>>,
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let listen = std::env::var("LISTEN").unwrap_or_else(|_| "127.0.0.1:3001".into());
    let listener = TcpListener::bind(listen).await?;
    let base_url = format!("http://localhost:{}", listener.local_addr()?.port());
    let provider = DevProvider::start().await?;
    let config = provider.config(&base_url)?;
    let store = MemoryStore::default();
    let calendar = Calendar {
        client: Client::new(config.clone())?,
        caches: grants(&config, &store)?,
        of_the_job: grants(&config, &store)?,
        connected: format!("{base_url}/connected"),
        flows: Arc::default(),
    };
    let app = Router::new()
        .route("/", get(home))
        .route("/connect", post(connect))
        .route("/connected", get(connected))
        .route("/disconnect", post(disconnect))
        .with_state(calendar)
        .layer(IdentityLayer::new(config.build()?));
    println!("Open {base_url}/ and choose an account to sign in with.");
    axum::serve(listener, app).await?;
    Ok(())
}

/// Shows whether the job gets a token at the moment.
async fn home(State(calendar): State<Calendar>, user: User) -> Result<Html<String>, Error> {
    let says = match run_job(&calendar, &user.key().to_string()).await? {
        true => "The job reads your calendar.",
        false => "The job has no access to your calendar.",
    };
    Ok(Html(format!(
        "<p>{says}</p>
         <form method=post action=/connect><button>Connect</button></form>
         <form method=post action=/disconnect><button>Disconnect</button></form>
         <form method=post action=/auth/logout><button>Sign out</button></form>"
    )))
}

/// Sends the person to the provider, to consent to what the job needs.
async fn connect(State(calendar): State<Calendar>, user: User) -> Result<Redirect, Error> {
    let mut options = SignInOptions::new().with_scopes(SCOPES);
    // Not every provider has a user name, and an empty hint is refused.
    if let Some(username) = user.username() {
        options = options.with_login_hint(username);
    }
    let flow = calendar.client.initiate(&calendar.connected, &options).await?;
    let address = flow.url().to_owned();
    let mut flows = calendar.flows.lock().unwrap_or_else(PoisonError::into_inner);
    flows.insert(user.key().to_string(), flow);
    Ok(Redirect::to(&address))
}

/// The provider's answer. The grant is kept if it is that of the person who is signed in; an
/// earlier one of theirs stays in any case.
async fn connected(
    State(calendar): State<Calendar>,
    user: User,
    RawQuery(query): RawQuery,
) -> Result<Redirect, Error> {
    let name = user.key().to_string();
    let flow = calendar.flows.lock().unwrap_or_else(PoisonError::into_inner).remove(&name);
    if let Some(flow) = flow {
        let query = query.unwrap_or_default();
        let same = (user.issuer(), user.subject());
        let connected = calendar.caches.with(&name, |client| async move {
            let acquired = client.complete(&flow, &query).await?;
            let account = acquired.account();
            if let Some(other) = account.filter(|own| (own.issuer(), own.subject()) != same) {
                client.remove_account(other);
            }
            Ok::<_, Error>(())
        });
        connected.await?;
    }
    Ok(Redirect::to("/"))
}

async fn disconnect(State(calendar): State<Calendar>, user: User) -> Result<Redirect, Error> {
    calendar.caches.remove(&user.key().to_string()).await?;
    Ok(Redirect::to("/"))
}

/// The job: gets a token for the person with this key, without the person. `false`: they have to
/// connect again.
async fn run_job(calendar: &Calendar, person: &str) -> Result<bool, Error> {
    let request = TokenRequest::new([SCOPES[0]])?;
    let silent = calendar.of_the_job.with(person, |client| async move {
        match client.accounts().first() {
            Some(account) => client.acquire_silent(account, &request).await,
            None => Ok(SilentOutcome::NothingCached),
        }
    });
    // With this token the job would call the calendar's API.
    Ok(silent.await?.token().is_some())
}

/// The grants, as any process with this configuration and this store finds them.
fn grants(config: &IdentityConfig, store: &MemoryStore) -> Result<StoredCaches, ConfigError> {
    StoredCaches::new(&Client::new(config.clone())?, store.clone())
}
