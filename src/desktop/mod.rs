//! Sign-in of a program on the user's own machine: in the system's browser, with the answer at a
//! loopback address (RFC 8252 sections 4.1 and 7.3; feature `desktop`). It is MSAL's
//! `acquire_token_interactive`.
//!
//! For a program on a machine without a browser use a device code
//! ([`Client::begin_device`](crate::client::Client::begin_device)). [`InteractiveSignIn`] has an
//! example.

mod listener;

use std::{fmt, sync::Arc, time::Duration};

use http::{
    HeaderValue, StatusCode,
    header::{CACHE_CONTROL, X_CONTENT_TYPE_OPTIONS},
};
use tokio::{net::TcpListener, sync::mpsc, task::JoinSet, time::Instant};
use url::{Host, Url};

use self::listener::Arrival;
use crate::{
    client::{AcquiredTokens, AuthorizationFlow, Client},
    config::SignInOptions,
    error::{Error, ErrorKind},
    http_message::{self, NOT_STORED},
    pages::{DefaultPages, Languages, Page, PageKind, PageRenderer, PageRequest, texts},
};

/// The default time limit: the lifetime of an [`AuthorizationFlow`].
const TIME_LIMIT: Duration = Duration::from_secs(600);

type Browser = Box<dyn FnOnce(&str) + Send>;

/// A sign-in in the browser of this machine.
///
/// - It listens on a loopback address while it waits, at a free port. The first answer that belongs
///   to it ends it and closes the port: a second answer finds nothing. Any other request gets a
///   page that says so, and the sign-in goes on.
/// - `state`, `nonce` and PKCE are sent as by [`Client::initiate`], and the answer is checked by
///   [`Client::complete`]. The browser shows success or failure when the tokens are there, in its
///   own language.
/// - [`SignInOptions`] say the rest: scopes, `prompt`, `login_hint`, `max_age`, claims.
/// - Dropping the future ends the sign-in and closes the port.
///
/// Register `http://localhost` at Entra ID, as a redirect URI of the platform *Mobile and desktop
/// applications*, and `http://127.0.0.1` elsewhere. Providers accept any port there (RFC 8252
/// section 7.3). For one that does not, see [`with_redirect_uri`](Self::with_redirect_uri).
///
/// ```no_run
/// use std::time::Duration;
/// use tower_identity::{
///     Authority, ClientCredential, IdentityConfig, SignInOptions, client::Client,
///     desktop::InteractiveSignIn,
/// };
///
/// # async fn sign_in() -> Result<(), Box<dyn std::error::Error>> {
/// let authority = Authority::entra("contoso.onmicrosoft.com")?;
/// let config = IdentityConfig::new(authority, "6731de76-14a6-49ae-97bc-6eba6914391e")
///     .with_credential(ClientCredential::none());
/// let client = Client::new(config)?;
///
/// // Open the URL with a crate of your choice, or let the user do it.
/// let acquired = InteractiveSignIn::new(&client, |url| println!("Open {url}"))
///     .with_time_limit(Duration::from_secs(120))
///     .acquire(&SignInOptions::new().with_scopes(["User.Read"]))
///     .await?;
/// println!("hello {:?}", acquired.account().and_then(|account| account.username()));
/// # Ok(())
/// # }
/// ```
///
/// # Security
///
/// Any program of this machine can connect to the port. An answer needs the random `state`, and its
/// code is useless without the PKCE verifier, which never leaves this process. The application is a
/// public client ([`ClientCredential::none`](crate::ClientCredential::none)): a secret in a program
/// that users have is no secret (RFC 8252 section 8.5).
pub struct InteractiveSignIn {
    client: Client,
    browser: Browser,
    redirect_uri: Option<String>,
    time_limit: Duration,
    pages: Arc<dyn PageRenderer>,
}

impl InteractiveSignIn {
    /// A sign-in for this client. `browser` gets the URL of the authorization request and opens it,
    /// or shows it to the user. It is called once, when the port is open, and must not block.
    pub fn new(client: &Client, browser: impl FnOnce(&str) + Send + 'static) -> Self {
        Self {
            client: client.clone(),
            browser: Box::new(browser),
            redirect_uri: None,
            time_limit: TIME_LIMIT,
            pages: Arc::new(DefaultPages),
        }
    }

    /// Sets the redirect URI, with the host and path that are registered at the provider, such as
    /// `http://127.0.0.1:8400/callback`. Without a port a free one is added. The default is
    /// `http://localhost` at Microsoft and `http://127.0.0.1` elsewhere.
    #[must_use]
    pub fn with_redirect_uri(mut self, redirect_uri: impl Into<String>) -> Self {
        self.redirect_uri = Some(redirect_uri.into());
        self
    }

    /// Sets how long the user may take, until the browser comes back. The default is ten minutes,
    /// which is also the most: then the flow has expired.
    #[must_use]
    pub fn with_time_limit(mut self, time_limit: Duration) -> Self {
        self.time_limit = time_limit.min(TIME_LIMIT);
        self
    }

    /// Replaces the pages that the browser shows at the end: [`PageKind::SignedIn`] and
    /// [`PageKind::Error`].
    #[must_use]
    pub fn with_pages(mut self, pages: impl PageRenderer) -> Self {
        self.pages = Arc::new(pages);
        self
    }

    /// Opens the port, hands the URL to the browser, and waits for the tokens of the user.
    ///
    /// # Errors
    ///
    /// - `RequestInvalid`: the redirect URI is not `http` on a loopback host, or its port is taken;
    ///   an option is not valid;
    /// - `AttemptExpired`: no answer came within the time limit;
    /// - `AccessDenied`: the user declined; and the other errors of [`Client::complete`].
    pub async fn acquire(self, options: &SignInOptions) -> Result<AcquiredTokens, Error> {
        let Self { client, browser, redirect_uri, time_limit, pages } = self;
        let (listener, redirect_uri) = listen(redirect_uri, &client).await?;
        let path = Url::parse(&redirect_uri).map(|url| url.path().to_owned()).unwrap_or_default();
        let flow = client.initiate(&redirect_uri, options).await?;
        let (sender, mut arrivals) = mpsc::channel(1);
        // Dropping the set, with this future, ends the task that listens.
        let mut tasks = JoinSet::new();
        tasks.spawn(listener::serve(listener, path, sender));
        browser(flow.url());
        // The limit is for the user alone. The tokens of an answer in time are not lost, and the
        // requests for them have limits of their own.
        let end = Instant::now() + time_limit;
        loop {
            let arrived = tokio::time::timeout_at(end, arrivals.recv()).await.ok();
            // Requests that are no answer may arrive without end.
            let arrival = arrived.filter(|_| Instant::now() < end).ok_or_else(|| {
                let seconds = time_limit.as_secs();
                Error::new(
                    ErrorKind::AttemptExpired,
                    format!("the browser did not come back within {seconds} seconds"),
                )
            })?;
            let arrival = arrival.ok_or_else(|| {
                Error::new(ErrorKind::Internal, "the listener of the sign-in has ended")
            })?;
            if let Some(outcome) = answered(&client, &flow, arrival, &*pages).await {
                return outcome;
            }
        }
    }
}

impl fmt::Debug for InteractiveSignIn {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("InteractiveSignIn")
            .field("client", &self.client)
            .field("redirect_uri", &self.redirect_uri)
            .field("time_limit", &self.time_limit)
            .finish_non_exhaustive()
    }
}

/// A listener at the host of the redirect URI, and the redirect URI with its port.
async fn listen(
    redirect_uri: Option<String>,
    client: &Client,
) -> Result<(TcpListener, String), Error> {
    // Entra ID ignores the port of `http://localhost` alone. Elsewhere RFC 8252 section 8.3 advises
    // against the name, which may resolve to another address.
    let is_microsoft = client.config().authority().is_microsoft();
    let default = if is_microsoft { "http://localhost" } else { "http://127.0.0.1" };
    let refused = |detail: String| Error::new(ErrorKind::RequestInvalid, detail);
    let uri = redirect_uri.as_deref().unwrap_or(default);
    let is_usable = |url: &Url| {
        url.scheme() == "http" && url.query().is_none() && crate::authority::is_loopback(url)
    };
    let mut url = Url::parse(uri).ok().filter(is_usable).ok_or_else(|| {
        refused(format!(
            "the redirect URI {uri:?} of a program has to be http on a loopback host, such as \
             http://127.0.0.1/callback (`with_redirect_uri`)"
        ))
    })?;
    let address = match url.host() {
        Some(Host::Ipv6(address)) => format!("[{address}]"),
        Some(Host::Ipv4(address)) => address.to_string(),
        // The interface is named by number (RFC 8252 section 8.3).
        Some(Host::Domain(_)) | None => "127.0.0.1".to_owned(),
    };
    let wanted = url.port().unwrap_or(0);
    let unbound =
        |error| refused(format!("the program cannot listen at {address}:{wanted}: {error}"));
    let listener = TcpListener::bind(format!("{address}:{wanted}")).await.map_err(unbound)?;
    let port = listener.local_addr().map_err(unbound)?.port();
    // Providers compare the text, so a URI that was written without a path stays without one.
    let has_path = url.path() != "/" || uri.ends_with('/');
    if url.set_port(Some(port)).is_err() {
        return Err(refused("the redirect URI cannot have a port".into()));
    }
    let text = url.to_string();
    Ok((listener, if has_path { text } else { text.trim_end_matches('/').to_owned() }))
}

/// Completes the sign-in with an answer and shows the page for it; `None` if the answer belongs to
/// another sign-in.
async fn answered(
    client: &Client,
    flow: &AuthorizationFlow,
    arrival: Arrival,
    pages: &dyn PageRenderer,
) -> Option<Result<AcquiredTokens, Error>> {
    let outcome = client.complete(flow, arrival.answer.expose()).await;
    let accepted = arrival.accept_language.as_ref().and_then(|value| value.to_str().ok());
    let language = Languages::new(&[], &[]).best(accepted);
    let (status, page) = match &outcome {
        Ok(_) => {
            let page =
                Page::new(language, PageKind::SignedIn, texts::SIGNED_IN, texts::RETURN_TO_PROGRAM);
            (StatusCode::OK, page)
        }
        Err(error) => {
            let mut page = Page::of_error(language, PageKind::Error, texts::SIGN_IN_FAILED, error);
            page.code = error.provider().map(|said| said.error.clone());
            (StatusCode::BAD_REQUEST, page)
        }
    };
    let request = PageRequest::new(language).with_accept_language(accepted.unwrap_or_default());
    let mut response = http_message::page(status, pages.render(&page, &request), language);
    let headers = response.headers_mut();
    headers.insert(CACHE_CONTROL, NOT_STORED);
    headers.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    arrival.reply(response).await;
    // Any page or program can send requests to the port. Without the `state` they end nothing (RFC
    // 6749 section 10.12).
    let is_foreign = |error: &Error| {
        matches!(error.kind(), ErrorKind::StateMismatch | ErrorKind::CallbackInvalid)
    };
    match outcome {
        Err(error) if is_foreign(&error) => {
            tracing::info!(%error, "a request to the redirect URI of the sign-in was refused");
            None
        }
        outcome => Some(outcome),
    }
}
