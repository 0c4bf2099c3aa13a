//! An API behind access tokens, on axum.
//!
//! ```console
//! $ cargo run --example api
//! ```
//!
//! Without configuration it starts the development provider, which imitates Microsoft Entra, and
//! prints a `curl` line with a token. With `IDENTITY_*` variables it accepts the tokens of another
//! provider:
//!
//! | variable | |
//! |---|---|
//! | `IDENTITY_AUTHORITY` | an Entra authority, for example `https://login.microsoftonline.com/contoso.onmicrosoft.com`, or |
//! | `IDENTITY_OIDC_AUTHORITY` | the issuer of any other provider |
//! | `IDENTITY_CLIENT_ID` | of this API, as registered there: one of its audiences |
//! | `IDENTITY_AUDIENCE` | other names that `aud` may have |
//! | `IDENTITY_RESOURCE` | the URL at which clients find this API: its metadata is published then (RFC 9728) |
//! | `LISTEN` | the default is `127.0.0.1:3003` |
//!
//! | | |
//! |---|---|
//! | `GET /health` | public |
//! | `GET /whoami` | any caller: the claims about it |
//! | `GET /notes` | people with the scope `Notes.Read`, applications with the app role `Notes.Read.All` |
//! | `GET /fresh` | people who signed in within the last five minutes |
//! | `GET /.well-known/oauth-protected-resource` | the metadata |

#![allow(clippy::print_stdout, clippy::print_stderr, reason = "the example reports on the console")]

use std::{env, process::ExitCode, time::Duration};

use axum::{Json, Router, routing::get};
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tower_identity::{
    ApiCaller, ApiConfig, ApiLayer,
    api::{require_caller, require_scopes},
    dev::{DevAccessToken, DevProvider, DevTenant},
};

/// The scopes and the app role of this API, as they stand in a token.
const READ: &str = "Notes.Read";
const READ_ALL: &str = "Notes.Read.All";
const FIVE_MINUTES: Duration = Duration::from_secs(5 * 60);

#[tokio::main]
async fn main() -> ExitCode {
    tracing_subscriber::fmt().with_max_level(tracing::Level::INFO).init();
    match run().await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}

async fn run() -> Result<(), Box<dyn std::error::Error>> {
    let listen = variable("LISTEN").unwrap_or_else(|| "127.0.0.1:3003".into());
    let listener = TcpListener::bind(listen).await?;
    let home = format!("http://localhost:{}", listener.local_addr()?.port());

    // The provider has to stay alive as long as the API.
    let (config, _provider) = if is_configured() {
        println!("The API is at {home}: try {home}/health");
        (ApiConfig::from_env()?, None)
    } else {
        let (config, provider) = development_provider(&home).await?;
        (config, Some(provider))
    };
    axum::serve(listener, app(config)?).await?;
    Ok(())
}

/// The layer goes around the finished router: everything in it needs an access token, except what
/// the configuration declares public.
fn app(config: ApiConfig) -> Result<Router, tower_identity::ConfigError> {
    let config = config.add_public_path("/health").with_scopes([READ]).build()?;
    let notes = Router::new()
        .route("/notes", get(notes))
        .route_layer(require_scopes([READ]).or_app_roles([READ_ALL]));
    let fresh = Router::new()
        .route("/fresh", get(fresh))
        .route_layer(require_caller().with_max_age(FIVE_MINUTES));
    Ok(Router::new()
        .route("/health", get(|| async { "ok" }))
        .route("/whoami", get(who_am_i))
        .merge(notes)
        .merge(fresh)
        .layer(ApiLayer::new(config)))
}

/// The caller, as the token describes it.
async fn who_am_i(caller: ApiCaller) -> Json<Value> {
    Json(json!({
        "kind": caller.kind().as_str(),
        "iss": caller.issuer(),
        "sub": caller.subject(),
        "tid": caller.tenant_id(),
        "oid": caller.object_id(),
        "app": caller.application_id(),
        "scopes": caller.scopes(),
        "roles": caller.roles(),
    }))
}

/// Needs a scope or an app role, which the guard checks.
async fn notes(caller: ApiCaller) -> Json<Value> {
    Json(json!({
        "notes": ["Water the plants", "Call the engine a mill"],
        "of": caller.key().to_string(),
    }))
}

/// Needs a recent sign-in, which the guard checks.
async fn fresh() -> &'static str {
    "You signed in within the last five minutes.\n"
}

/// A provider in this process, and a `curl` line for the terminal next to this one.
async fn development_provider(
    home: &str,
) -> Result<(ApiConfig, DevProvider), Box<dyn std::error::Error>> {
    let provider = DevProvider::builder().entra().start().await?;
    let authority = provider.entra_authority(DevTenant::CONTOSO.id())?;
    let id = provider.client_id().to_owned();
    let token =
        DevAccessToken::person("ada", &id).with_scopes(READ).with_sign_in_age(Duration::ZERO);
    let token = provider.issue_access_token(&token)?;
    println!("No provider is configured. Started the development provider.");
    println!("A token of the test account ada, valid for an hour:");
    println!("\n  curl -H 'Authorization: Bearer {}' {home}/whoami\n", token.expose());
    Ok((ApiConfig::new(authority, id).with_resource(home)?, provider))
}

/// The value of a variable. An empty one counts as missing.
fn variable(name: &str) -> Option<String> {
    env::var(name).ok().filter(|value| !value.is_empty())
}

/// Whether a variable may describe a provider. A mistake in one is then reported, and the
/// development provider is not started instead.
fn is_configured() -> bool {
    let names_one = |name: &str| {
        ["IDENTITY_", "AUTHORITY", "OIDC_AUTHORITY", "AzureAd__"]
            .iter()
            .any(|start| name.starts_with(start))
    };
    env::vars_os().any(|(name, value)| names_one(&name.to_string_lossy()) && !value.is_empty())
}
