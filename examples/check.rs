//! Checks a configuration before any user signs in: prints the settings with the variable that each
//! was read from, and the findings of a check against the provider.
//!
//! ```console
//! $ IDENTITY_AUTHORITY=https://login.microsoftonline.com/contoso.com \
//!     IDENTITY_CLIENT_ID=… IDENTITY_CLIENT_SECRET=… cargo run --example check
//! ```
//!
//! With the argument `api` the settings are those of an API behind access tokens, such as an MCP
//! server: `cargo run --example check api`.
//!
//! The exit code is 0 if no problem was found, 1 if there is one, and 2 if the settings are not
//! valid.

#![allow(clippy::print_stdout, clippy::print_stderr, reason = "the example reports on the console")]

use std::process::ExitCode;

use tower_identity::{ApiConfig, CheckReport, ConfigError, IdentityConfig};

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    let is_api = std::env::args().nth(1).as_deref() == Some("api");
    let report = match is_api {
        true => check_api().await,
        false => check_sign_in().await,
    };
    match report {
        Ok(report) => {
            println!("{report}");
            if report.is_ok() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
        }
        Err(error) => {
            eprintln!("{error}");
            ExitCode::from(2)
        }
    }
}

async fn check_sign_in() -> Result<CheckReport, ConfigError> {
    let config = IdentityConfig::from_env()?.build()?;
    println!("{config}\n\n{}", config.describe());
    Ok(config.check().await)
}

async fn check_api() -> Result<CheckReport, ConfigError> {
    let config = ApiConfig::from_env()?.build()?;
    println!("{}", config.describe());
    Ok(config.check().await)
}
