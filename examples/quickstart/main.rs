//! A small application with sign-in, on axum.
//!
//! ```console
//! $ cargo run --example quickstart
//! ```
//!
//! Without configuration it starts the development provider, which has a few test accounts. With
//! `IDENTITY_DEV` that provider imitates one of Microsoft's:
//!
//! | `IDENTITY_DEV` | |
//! |---|---|
//! | `entra` | Entra ID, the tenant Contoso with its members and guests |
//! | `entra-common` | Entra ID, `common`: accounts of Contoso and personal accounts may sign in, those of Fabrikam may not |
//! | `b2c` | Azure AD B2C, with policies for profile and password |
//! | `external-id` | External ID |
//!
//! With the development provider the application also calls an API of its own (`notes.rs`) with a
//! token, and shows how it handles a claims challenge from the API or from the provider.
//! With `IDENTITY_SIGN_IN_METHOD=device_code` the user signs in by entering a code at the provider,
//! which needs no redirect URI.
//!
//! `/last-sign-in` shows the steps of the last sign-in, from the spans of the crate.
//!
//! `IDENTITY_DEV_QUIRKS` enables deviations of real providers, for example
//! `null-claims,scope-list`: `tower_identity::dev::Quirk` lists them. `IDENTITY_DEV_TOKEN_SECONDS`
//! sets the lifetime of ID tokens, to watch the renewal of the session.
//!
//! With other `IDENTITY_*` variables it uses a real provider:
//!
//! | variable | |
//! |---|---|
//! | `IDENTITY_AUTHORITY` | an Entra authority, for example `https://login.microsoftonline.com/contoso.onmicrosoft.com`, or |
//! | `IDENTITY_OIDC_AUTHORITY` | the issuer of any other OpenID Connect provider |
//! | `IDENTITY_CLIENT_ID`, `IDENTITY_CLIENT_SECRET` | as registered there |
//! | `IDENTITY_BASE_URL` | the URL at which browsers reach this application; the default is `http://localhost:<port>` |
//! | `IDENTITY_REDIRECT_URI` | the default is the base URL with `/auth/callback` |
//! | `IDENTITY_SCOPE` | scopes beyond the OpenID Connect scopes |
//! | `IDENTITY_ENDPOINT` | the URL of an API that the page *Call an API* shows, with a token for `IDENTITY_SCOPE`; at Entra the default is Microsoft Graph's `/me` with `User.Read` |
//! | `IDENTITY_COOKIE_SECRET` | 32 random characters or more, so that other processes can open the sessions |
//! | `IDENTITY_RESPONSE_MODE` | `query` (the default) or `form_post` |
//! | `LISTEN` | the default is `127.0.0.1:3000` |
//!
//! Each secret can also be in a file: `IDENTITY_CLIENT_SECRET_FILE`,
//! `IDENTITY_COOKIE_SECRET_FILE`.

#![allow(clippy::print_stdout, clippy::print_stderr, reason = "the example reports on the console")]

mod call_api;
mod last_sign_in;
mod notes;
mod playground;

use std::{env, process::ExitCode, time::Duration};

use aws_lc_rs::digest::{SHA256, digest};
use axum::{
    Json, Router,
    extract::Query,
    http::{HeaderValue, header},
    middleware::map_response,
    response::{Html, Response},
    routing::get,
};
use maud::{DOCTYPE, Markup, PreEscaped, html};
use serde::Deserialize;
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tower_identity::{
    ApiConfig, Authority, Clock, ConfigError, Error, IdentityConfig, IdentityLayer, SystemClock,
    Tokens, User, ValidConfig,
    client::TokenRequest,
    dev::{AccessTokenFormat, DevProvider, DevProviderBuilder, DevTenant, Quirk, StepLog},
    require_sign_in,
};

use tracing_subscriber::{
    filter::LevelFilter,
    layer::{Layer as _, SubscriberExt as _},
    util::SubscriberInitExt as _,
};

use call_api::CallApi;
use playground::Playground;

#[tokio::main]
async fn main() -> ExitCode {
    let steps = StepLog::new();
    let log = tracing_subscriber::fmt::layer().with_filter(LevelFilter::INFO);
    tracing_subscriber::registry().with(log).with(steps.clone()).init();
    match run(steps).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}

async fn run(steps: StepLog) -> Result<(), Box<dyn std::error::Error>> {
    let listener =
        TcpListener::bind(variable("LISTEN").unwrap_or_else(|| "127.0.0.1:3000".into())).await?;
    let home = format!("http://localhost:{}", listener.local_addr()?.port());

    let builder = development_provider()?;
    let (playground, config) = match variable("IDENTITY_DEV") {
        Some(kind) => {
            let (playground, config) = microsoft(builder, &kind, &home).await?;
            (Some(playground), config)
        }
        None => {
            let (provider, config) = builder.config_or_env(&home).await?;
            let playground = match provider {
                Some(provider) => {
                    let api = ApiConfig::new(Authority::oidc(provider.issuer())?, API);
                    Some(Playground::start(provider, api, false).await?)
                }
                None => None,
            };
            (playground, config)
        }
    };
    let config = config
        .add_public_path("/")
        .add_public_path("/health")
        .add_public_path("/last-sign-in")
        .build()?;

    match &playground {
        Some(playground) => println!("No provider is configured. Started {playground}"),
        None => println!("{config}"),
    }
    println!("\n  Open {} and sign in.\n", variable("IDENTITY_BASE_URL").unwrap_or(home));
    let api = CallApi::from_env(&config)?;
    axum::serve(listener, app(config, playground, api, steps)).await?;
    Ok(())
}

/// The name of the API at the provider.
const API: &str = "notes";

/// The development provider as the variables describe it.
fn development_provider() -> Result<DevProviderBuilder, Box<dyn std::error::Error>> {
    let mut builder = DevProvider::builder().with_access_token_format(AccessTokenFormat::Jwt);
    if let Some(seconds) = variable("IDENTITY_DEV_TOKEN_SECONDS") {
        builder = builder.with_id_token_life(Duration::from_secs(seconds.parse()?));
    }
    if let Some(names) = variable("IDENTITY_DEV_QUIRKS") {
        let names = names.split([',', ' ']).filter(|name| !name.is_empty());
        builder = builder.with_quirks(names.map(str::parse).collect::<Result<Vec<Quirk>, _>>()?);
    }
    Ok(builder)
}

/// Starts the development provider as one of Microsoft's, and the API; also returns the
/// configuration for the application at the URL `home`.
async fn microsoft(
    builder: DevProviderBuilder,
    kind: &str,
    home: &str,
) -> Result<(Playground, IdentityConfig), Box<dyn std::error::Error>> {
    let provider = builder.entra().start().await?;
    let api = |tenant| Ok::<_, ConfigError>(ApiConfig::new(provider.entra_authority(tenant)?, API));
    let mut scope = "email";
    let (config, api) = match kind {
        "entra" => {
            let id = DevTenant::CONTOSO.id();
            (provider.entra_config(id, home)?, api(id)?)
        }
        "entra-common" => {
            let allowed = [DevTenant::CONTOSO.id(), DevTenant::PERSONAL.id()];
            let config = provider.entra_config("common", home)?.with_tenants(allowed)?;
            (config, api("common")?.with_tenants(allowed)?)
        }
        "b2c" => {
            let domain = DevTenant::PROSEWARE.domain();
            // With its own client id as scope, B2C issues an access token at sign-in.
            scope = provider.client_id();
            (provider.entra_config(domain, home)?, api(domain)?)
        }
        "external-id" => {
            let id = DevTenant::WOODGROVE.id();
            (provider.entra_config(id, home)?, api(id)?)
        }
        other => {
            return Err(format!(
                "IDENTITY_DEV is entra, entra-common, b2c or external-id, not {other:?}"
            )
            .into());
        }
    };
    let config = config.with_scopes([scope]);
    let config = match variable("IDENTITY_SIGN_IN_METHOD") {
        Some(method) => config.with_sign_in_method(method.parse()?),
        None => config,
    };
    Ok((Playground::start(provider, api, true).await?, config))
}

/// The value of a variable. An empty one counts as missing.
fn variable(name: &str) -> Option<String> {
    env::var(name).ok().filter(|value| !value.is_empty())
}

/// The router with the layer around it: every route needs a signed-in user, except the public paths
/// of the configuration. Routes that are added after `.layer` would not be protected.
fn app(
    config: ValidConfig,
    playground: Option<Playground>,
    api: Option<CallApi>,
    steps: StepLog,
) -> Router {
    let shown = Shown { playground: playground.is_some(), api: api.is_some() };
    let admin = Router::new()
        .route("/admin", get(admin))
        .route_layer(require_sign_in().with_roles(["Admin"]));
    Router::new()
        .route("/", get(move |user: Option<User>| index(user, shown)))
        .route("/health", get(|| async { "ok" }))
        .route("/me", get(me))
        .route("/token", get(token))
        .merge(admin)
        .merge(playground.map(Playground::routes).unwrap_or_default())
        .merge(last_sign_in::routes(steps))
        .merge(api.map(CallApi::routes).unwrap_or_default())
        .layer(map_response(with_policy))
        .layer(IdentityLayer::new(config))
}

/// The policy of the application's own pages; those of the layer have one. There is no
/// `form-action`: browsers hold each redirect after a form to it, and the sign-out leads through
/// the provider to origins that are not known here.
async fn with_policy(mut response: Response) -> Response {
    // `connect-src` is for a `fetch` that a developer tries in the browser's console.
    let policy = "default-src 'none'; style-src 'unsafe-inline'; img-src data:; \
                  connect-src 'self'; base-uri 'none'; frame-ancestors 'none'";
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_SECURITY_POLICY, HeaderValue::from_static(policy));
    headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    response
}

/// The parts of the home page that depend on the configuration.
#[derive(Clone, Copy)]
struct Shown {
    playground: bool,
    api: bool,
}

/// A public page, with or without a signed-in user.
async fn index(user: Option<User>, shown: Shown) -> Html<String> {
    let Some(user) = user else {
        return page(
            "Quickstart",
            &html! {
                h1 { "Hello" }
                p { "This page is public. " a href="me" { "Another page" } " needs a sign-in." }
                p { a.button href="auth/login" { "Sign in" } }
            },
        );
    };
    page(
        "Quickstart",
        &html! {
            h1 { "Hello " (user.display_name()) }
            p {
                "You are signed in"
                @if let Some(username) = user.username() { " as " strong { (username) } }
                "."
            }
            ul {
                li { a href="me" { "Who you are" } " (" code { "/me" } ")" }
                li {
                    a href="token" { "An access token" }
                    " (" code { "/token" } ", its fingerprint only)"
                }
                li {
                    a href="token?scope=notes.read" { "One for more" }
                    " (" code { "/token?scope=notes.read" } ", after you have agreed to it)"
                }
                @if shown.api {
                    li { a href="call-an-api" { "Call an API" } " (" code { "/call-an-api" } ")" }
                }
                li {
                    a href="admin" { "For administrators" }
                    " (" code { "/admin" } ", needs the role " code { "Admin" } ")"
                }
            }
            p { a href="last-sign-in" { "What happened at the last sign-in" } }
            @if shown.playground { (playground::buttons()) }
            @if let Some(path) = user.edit_profile_path() {
                p { a href=(path) { "Edit your profile" } }
            }
            @if let Some(path) = user.reset_password_path() {
                p { a href=(path) { "Choose a new password" } }
            }
            form method="post" action="auth/logout" { button { "Sign out" } }
        },
    )
}

fn page(title: &str, content: &Markup) -> Html<String> {
    let page = html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta name="viewport" content="width=device-width, initial-scale=1";
                title { (title) }
                link rel="icon" href="data:,";
                style { (PreEscaped(STYLE)) }
            }
            body { main { (content) } }
        }
    };
    Html(page.into_string())
}

/// A protected page: the layer passes only requests of signed-in users.
async fn me(user: User) -> Json<Value> {
    Json(json!({
        "sub": user.subject(),
        "iss": user.issuer(),
        "name": user.name(),
        "username": user.username(),
        "email": user.email(),
        "claims": user.all_claims(),
    }))
}

/// A page for users with the role, which the guard checks.
async fn admin(user: User) -> String {
    format!("Hello {}, you are an administrator.\n", user.display_name())
}

#[derive(Deserialize)]
struct TokenQuery {
    /// Scopes separated by spaces. Without any it is the token of the sign-in.
    #[serde(default)]
    scope: String,
    /// With any value, the cached token is not used.
    fresh: Option<String>,
}

/// The properties of an access token. The token itself is for calling an API and must not be sent
/// to a browser.
///
/// `?` is sufficient: if consent to the scopes is missing, the layer turns the error into a
/// redirect to the provider and back to this page.
async fn token(tokens: Tokens, Query(wanted): Query<TokenQuery>) -> Result<Json<Value>, Error> {
    let request = TokenRequest::new(wanted.scope.split_whitespace())?;
    let token =
        tokens.acquire(&if wanted.fresh.is_some() { request.forced() } else { request }).await?;
    let sha256 = digest(&SHA256, token.expose().as_bytes());
    Ok(Json(json!({
        "scopes": token.scopes().collect::<Vec<_>>(),
        "expires_in": token.expires_at().since(SystemClock.now()).as_secs(),
        "source": token.source().as_str(),
        "token_sha256":
            sha256.as_ref().iter().map(|byte| format!("{byte:02x}")).collect::<String>(),
    })))
}

const STYLE: &str = "
    :root {
        color-scheme: light dark; font: 1.05rem/1.6 system-ui, sans-serif;
        background: light-dark(#f4f5f7, #0d1117); color: light-dark(#1b1f24, #e6edf3)
    }
    body { margin: 0; min-height: 100vh; display: grid; place-items: center }
    main {
        margin: 1rem; padding: 2rem 2.5rem; max-width: 32rem; border-radius: .75rem;
        background: light-dark(#fff, #161b22); border: 1px solid light-dark(#d0d7de, #30363d)
    }
    h1 { margin-top: 0; line-height: 1.25 }
    pre { white-space: pre-wrap; overflow-wrap: anywhere }
    form { margin: .8rem 0 }
    li { margin: .4rem 0 }
    a { color: light-dark(#0b5cad, #58a6ff) }
    button, .button {
        font: inherit; padding: .5rem 1.4rem; border: 0; border-radius: .5rem;
        background: #0b5cad; color: #fff; text-decoration: none; cursor: pointer
    }
    button:focus-visible, a:focus-visible { outline: 3px solid #f5a623; outline-offset: 2px }
";
