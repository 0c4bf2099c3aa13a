//! Checks a configuration before any user signs in: prints the settings from the environment, and
//! the findings of a check against the provider.
//!
//! ```console
//! $ IDENTITY_AUTHORITY=https://login.microsoftonline.com/contoso.com \
//!     IDENTITY_CLIENT_ID=… IDENTITY_CLIENT_SECRET=… cargo run --example check
//! ```
//!
//! The exit code is 0 if users can sign in, 1 if they cannot, and 2 if the settings are not valid.

#![allow(clippy::print_stdout, clippy::print_stderr, reason = "the example reports on the console")]

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
