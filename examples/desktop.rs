//! Sign-in of a program on the user's own machine, with the browser there (RFC 8252).
//!
//! ```console
//! $ cargo run --example desktop
//! $ IDENTITY_AUTHORITY=https://login.microsoftonline.com/contoso.onmicrosoft.com \
//!     IDENTITY_CLIENT_ID=… IDENTITY_CLIENT_AUTH_METHOD=none \
//!     cargo run --example desktop -- User.Read
//! ```
//!
//! Without configuration it starts the development provider, which has a few test accounts. It
//! prints the URL; a program of your own would open it, for example with the crate `open`.

#![allow(clippy::print_stdout, clippy::print_stderr, reason = "the example reports on the console")]

use std::process::ExitCode;

use tower_identity::{SignInOptions, client::Client, desktop::InteractiveSignIn, dev::DevProvider};

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
    // used: the program has no pages.
    let (_provider, config) = DevProvider::config_or_env("http://localhost").await?;
    let client = Client::new(config)?;
    let options = SignInOptions::new().with_scopes(std::env::args().skip(1));
    let acquired =
        InteractiveSignIn::new(&client, |url| println!("Open {url}")).acquire(&options).await?;
    let account = acquired.account().ok_or("the provider did not say who signed in")?;
    println!("hello {}", account.username().unwrap_or_else(|| account.subject()));
    Ok(())
}
