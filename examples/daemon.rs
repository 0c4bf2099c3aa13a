//! A daemon without users: it gets a token for itself with the client credentials grant (RFC 6749
//! section 4.4), and would call an API with it.
//!
//! ```console
//! $ cargo run --example daemon
//! $ IDENTITY_AUTHORITY=https://login.microsoftonline.com/contoso.onmicrosoft.com \
//!     IDENTITY_CLIENT_ID=… IDENTITY_CLIENT_SECRET=… \
//!     cargo run --example daemon -- https://graph.microsoft.com/.default
//! ```
//!
//! Without configuration it starts the development provider. In place of a secret it accepts every
//! credential of `IdentityConfig::from_env`: `IDENTITY_CLIENT_CERTIFICATE_FILE`,
//! `AZURE_FEDERATED_TOKEN_FILE`, …

#![allow(clippy::print_stdout, clippy::print_stderr, reason = "the example reports on the console")]

use std::process::ExitCode;

use tower_identity::{
    client::{Client, TokenRequest},
    dev::DevProvider,
};

#[tokio::main]
async fn main() -> ExitCode {
    match run().await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}

async fn run() -> Result<(), Box<dyn std::error::Error>> {
    // Dropping the handle would stop the provider, so it is kept until the end. The base URL is not
    // used: there are no pages.
    let (_provider, config) = DevProvider::config_or_env("http://localhost").await?;
    let scopes: Vec<String> = std::env::args().skip(1).collect();
    let request =
        TokenRequest::new(if scopes.is_empty() { vec!["reports.read".into()] } else { scopes })?;
    let client = Client::new(config)?;
    // The second token comes from the cache.
    for _ in 0..2 {
        let token = client.for_app(&request).await?;
        let scopes: Vec<&str> = token.scopes().collect();
        println!(
            "a token for {:?} from the {}, of {} characters",
            scopes.join(" "),
            token.source().as_str(),
            token.expose().len()
        );
    }
    Ok(())
}
