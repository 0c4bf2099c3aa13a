//! Sign-in without a browser on this machine (RFC 8628): the user opens a URL on another device and
//! enters a code.
//!
//! ```console
//! $ cargo run --example device
//! $ IDENTITY_AUTHORITY=https://login.microsoftonline.com/contoso.onmicrosoft.com \
//!     IDENTITY_CLIENT_ID=… IDENTITY_CLIENT_AUTH_METHOD=none \
//!     cargo run --example device -- User.Read
//! ```
//!
//! Without configuration it starts the development provider, which has a few test accounts.

#![allow(clippy::print_stdout, clippy::print_stderr, reason = "the example reports on the console")]

use std::process::ExitCode;

use tower_identity::{
    client::{Client, SilentOutcome, TokenRequest},
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
    let client = Client::new(config)?;
    let request = TokenRequest::new(&scopes)?;
    let flow = client.begin_device(&request).await?;
    println!("{}", flow.message());
    let acquired = client.complete_device(flow).await?;
    let account = acquired.account().ok_or("the provider did not say who signed in")?;
    println!("hello {}", account.username().unwrap_or_else(|| account.subject()));

    // Later tokens need no interaction with the user.
    match client.acquire_silent(account, &request).await? {
        SilentOutcome::Token(token) => {
            println!("a token until {}", token.expires_at().as_seconds())
        }
        SilentOutcome::Refused(error) => println!("sign in again: {error}"),
        _ => println!("sign in again"),
    }
    Ok(())
}
