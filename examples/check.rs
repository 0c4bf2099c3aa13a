//! Says what is wrong with a configuration before anybody signs in: prints what was understood of
//! the environment and what the provider says to it.
//!
//! ```console
//! $ IDENTITY_AUTHORITY=https://login.microsoftonline.com/contoso.com IDENTITY_CLIENT_ID=… IDENTITY_CLIENT_SECRET=… cargo run --example check
//! ```
//!
//! The exit code is 0 if people can sign in, 1 if they cannot, 2 if the settings contradict
//! themselves.

#![allow(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "it talks to the person who started it"
)]

use std::process::ExitCode;

use tower_identity::IdentityConfig;

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    let config = match IdentityConfig::from_env().and_then(IdentityConfig::build) {
        Ok(config) => config,
        Err(error) => {
            eprintln!("{error}");
            return ExitCode::from(2);
        }
    };
    println!("{config}\n");
    let report = config.check().await;
    println!("{report}");
    if report.is_ok() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}
