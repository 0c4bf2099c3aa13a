//! An MCP server behind access tokens: streamable HTTP by the crate `rmcp`, on axum.
//!
//! ```console
//! $ cargo run --example mcp
//! ```
//!
//! Without configuration it starts the development provider, which imitates Microsoft Entra and has
//! a registration for MCP clients. Clients have to be given its id, as in
//!
//! ```console
//! $ npx @modelcontextprotocol/inspector --cli http://localhost:3004/mcp \
//!     --client-id mcp-client --method tools/list
//! ```
//!
//! With `IDENTITY_*` variables it accepts the tokens of another provider; at Microsoft Entra:
//!
//! | variable | |
//! |---|---|
//! | `IDENTITY_AUTHORITY` | `https://login.microsoftonline.com/{tenant id}`: the GUID, since clients compare the issuer |
//! | `IDENTITY_CLIENT_ID` | of this server's registration, whose tokens are of version 2.0 |
//! | `IDENTITY_RESOURCE` | the URL of this server, as in `https://notes.example.com/mcp`: also the Application ID URI of the registration, without a slash at the end |
//! | `LISTEN` | the default is `127.0.0.1:3004` |
//!
//! | tool | |
//! |---|---|
//! | `list_notes` | people with the scope `Notes.Read`, applications with the app role `Notes.Read.All` |
//! | `add_note` | people with the scopes `Notes.Read` and `Notes.Write` |

#![allow(clippy::print_stdout, clippy::print_stderr, reason = "the example reports on the console")]

use std::{
    env,
    process::ExitCode,
    sync::{Arc, Mutex, PoisonError},
};

use axum::{
    Router,
    http::{Uri, request::Parts},
};
use rmcp::{
    handler::server::{tool::Extension, wrapper::Parameters},
    schemars::JsonSchema,
    tool, tool_router,
    transport::streamable_http_server::{
        StreamableHttpServerConfig, StreamableHttpService, session::never::NeverSessionManager,
    },
};
use serde::Deserialize;
use tokio::net::TcpListener;
use tower_identity::{
    ApiCaller, ApiConfig, ApiLayer,
    api::{require_for_tools, require_scopes},
    dev::{DevClient, DevProvider, DevTenant},
};

/// The scopes and the app role of this server, as they stand in a token.
const READ: &str = "Notes.Read";
const WRITE: &str = "Notes.Write";
const READ_ALL: &str = "Notes.Read.All";

/// The registrations at the development provider: of this server, and of every MCP client.
const SERVER: &str = "30f1ad42-8c2e-4f5f-9b0e-5c8f3f5d2a11";
const CLIENT: &str = "mcp-client";

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
    let listen = variable("LISTEN").unwrap_or_else(|| "127.0.0.1:3004".into());
    let listener = TcpListener::bind(listen).await?;
    let resource = variable("IDENTITY_RESOURCE");

    // The provider has to stay alive as long as the server.
    let (config, resource, provider) = if is_configured() {
        let resource = resource.ok_or("IDENTITY_RESOURCE is missing: the URL of this server")?;
        (ApiConfig::from_env()?, resource, None)
    } else {
        let resource = format!("http://localhost:{}/mcp", listener.local_addr()?.port());
        let (config, provider) = development_provider(&resource).await?;
        (config, resource, Some(provider))
    };
    println!("The MCP server is at {resource}");
    if provider.is_some() {
        println!("MCP clients sign in with the client id {CLIENT} and no secret; for example:");
        println!("\n  npx @modelcontextprotocol/inspector --cli {resource} \\");
        println!("    --client-id {CLIENT} --method tools/list\n");
    }
    axum::serve(listener, app(config, &resource.parse()?)?).await?;
    Ok(())
}

/// The layer goes around the finished router; the guard knows the tools by their names.
fn app(config: ApiConfig, resource: &Uri) -> Result<Router, tower_identity::ConfigError> {
    let config = config.with_scopes([READ]).build()?;
    let guard = require_for_tools([
        ("list_notes", require_scopes([READ]).or_app_roles([READ_ALL])),
        ("add_note", require_scopes([READ, WRITE])),
    ]);
    Ok(Router::new()
        .route_service(resource.path(), mcp(resource))
        .route_layer(guard)
        .layer(ApiLayer::new(config)))
}

/// The server itself. It keeps no sessions: every request has the token of its caller.
fn mcp(resource: &Uri) -> StreamableHttpService<Notes, NeverSessionManager> {
    // Requests with another `Host` are refused, which stops DNS rebinding, and those of pages of
    // another origin (MCP, "Streamable HTTP"). Clients that are no browsers send no `Origin`.
    let hosts = resource.host().into_iter().chain(["localhost", "127.0.0.1"]);
    let scheme = resource.scheme_str().unwrap_or("https");
    let port = resource.port_u16().unwrap_or(if scheme == "http" { 80 } else { 443 });
    let own = resource.host().map(|host| format!("{scheme}://{host}:{port}"));
    let local = ["http://localhost:*", "http://127.0.0.1:*"].map(str::to_owned);
    let config = StreamableHttpServerConfig::default()
        .with_allowed_hosts(hosts)
        .with_allowed_origins(own.into_iter().chain(local))
        .with_legacy_session_mode(false)
        .with_json_response(true);
    let notes = Notes::default();
    StreamableHttpService::new(move || Ok(notes.clone()), Arc::default(), config)
}

#[derive(Clone, Default)]
struct Notes {
    notes: Arc<Mutex<Vec<String>>>,
}

#[derive(Deserialize, JsonSchema)]
#[schemars(crate = "rmcp::schemars")]
struct NewNote {
    /// The text of the note.
    text: String,
}

#[tool_router(server_handler)]
impl Notes {
    /// The guard has checked the caller's scopes.
    #[tool(description = "Lists all notes")]
    fn list_notes(&self) -> String {
        self.notes.lock().unwrap_or_else(PoisonError::into_inner).join("\n")
    }

    /// `rmcp` hands over the head of the HTTP request, whose extensions have the caller.
    #[tool(description = "Adds a note")]
    fn add_note(
        &self,
        Parameters(NewNote { text }): Parameters<NewNote>,
        Extension(head): Extension<Parts>,
    ) -> String {
        let author = head.extensions.get::<ApiCaller>().map(|caller| caller.key().to_string());
        let note = format!("{text} (by {})", author.unwrap_or_default());
        self.notes.lock().unwrap_or_else(PoisonError::into_inner).push(note);
        "added".into()
    }
}

/// A provider in this process that knows this server and a client for MCP clients.
async fn development_provider(
    resource: &str,
) -> Result<(ApiConfig, DevProvider), Box<dyn std::error::Error>> {
    let client = DevClient::public(CLIENT).with_any_loopback_redirect();
    let server = DevClient::public(SERVER).with_resource(resource);
    let provider =
        DevProvider::builder().entra().with_client(client).with_client(server).start().await?;
    let authority = provider.entra_authority(DevTenant::CONTOSO.id())?;
    println!("No provider is configured. Started the development provider; ada is a test account.");
    Ok((ApiConfig::new(authority, SERVER).with_resource(resource)?, provider))
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
