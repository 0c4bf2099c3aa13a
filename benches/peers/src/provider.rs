//! The provider that people sign in with: our development provider, in a process of its own.
//!
//! Of its own, so that a profiler of this process sees nothing of it: making its RSA key alone
//! costs more instructions than all requests, and never the same number twice.

use std::{
    env,
    io::{self, BufRead, BufReader, Read},
    process::{Child, Command, Stdio},
    time::Duration,
};

use tower_identity::dev::{AccessTokenFormat, Consent, DevClient, DevProvider};

use crate::app::{self, Fallible};

pub const CLIENT_ID: &str = "bench";
pub const CLIENT_SECRET: &str = "a secret of the benchmark, 32 characters and more";
/// The base URL of the application. Nothing listens there: the browser of this program hands
/// requests for it to the application itself.
pub const BASE_URL: &str = "https://app.example.com";
/// Where axum-oidc expects the code.
pub const OIDC_CALLBACK: &str = "/oidc";
/// How long ID tokens live: years, so that a benchmark that turns its clock needs no new one.
pub const TOKEN_LIFE: Duration = Duration::from_secs(10 * 365 * 24 * 60 * 60);

/// The API that access tokens are for, and its scope.
pub const API: &str = "https://api.example.com";
pub const API_SCOPE: &str = "notes.read";

/// A running provider; it ends with the handle.
pub struct Provider {
    issuer: String,
    /// Access tokens for the API, as many as were asked for.
    tokens: Vec<String>,
    child: Child,
}

impl Provider {
    pub fn start() -> Fallible<Self> {
        Self::with_tokens(0)
    }

    /// One that issues so many access tokens at once.
    pub fn with_tokens(count: usize) -> Fallible<Self> {
        let mut child = Command::new(env::current_exe()?)
            .args(["provider", &count.to_string()])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()?;
        let mut lines = BufReader::new(child.stdout.take().ok_or("no standard output")?).lines();
        let issuer = lines.next().ok_or("the provider did not start")??;
        let tokens: Vec<String> = lines.by_ref().take(count).collect::<Result<_, _>>()?;
        Ok(Self { issuer, tokens, child })
    }

    pub fn tokens(&self) -> &[String] {
        &self.tokens
    }

    pub fn issuer(&self) -> &str {
        &self.issuer
    }
}

impl Drop for Provider {
    fn drop(&mut self) {
        // The end of its standard input ends it.
        drop(self.child.stdin.take());
        let _ = self.child.wait();
    }
}

/// Runs the provider, says where, issues so many access tokens, and ends when nothing reads its
/// output any more.
pub fn serve(tokens: usize) -> Fallible<()> {
    app::runtime()?.block_on(async {
        let client = DevClient::confidential(CLIENT_ID, CLIENT_SECRET)
            .with_redirect_uri(format!("{BASE_URL}/auth/callback"))
            .with_redirect_uri(format!("{BASE_URL}{OIDC_CALLBACK}"))
            .with_consent(Consent::Given);
        // A session caches a thousand opaque tokens, but fewer JWTs, which an API is measured with.
        let format = match tokens {
            0 => AccessTokenFormat::Opaque,
            _ => AccessTokenFormat::Jwt,
        };
        let provider = DevProvider::builder()
            .with_client(client)
            .with_access_token_format(format)
            .with_id_token_life(TOKEN_LIFE)
            .start()
            .await?;
        provider.sign_in_as("ada")?;
        println!("{}", provider.issuer());
        for _ in 0..tokens {
            println!("{}", provider.access_token("ada", API, API_SCOPE)?.expose());
        }
        tokio::task::spawn_blocking(|| io::stdin().read_to_end(&mut Vec::new())).await??;
        provider.shutdown().await;
        Ok(())
    })
}
