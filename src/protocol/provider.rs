//! [`Provider`]: the steps of the protocol, each sent through the [`HttpClient`] and watched by a span.
//!
//! It keeps the discovery document and the keys ([`cache`](super::cache)) and has no other state. Every span is called after its step and says how it ended (`outcome`,
//! and the error's `reason`); none holds a secret or anything about a person.

use std::{fmt, future::Future, sync::Arc, time::Duration};

use bytes::Bytes;
use http::{Method, Request, Response, StatusCode, header::CACHE_CONTROL};
use tracing::{Instrument as _, Span, field::Empty, info_span};
use url::Url;

use super::{
    cache::{Cached, Fetched},
    callback::Code,
    client_auth::Client,
    error_answer,
    http::{HttpClient, LARGEST_ANSWER},
    id_token::{self, IdTokenExpectation, VerifiedIdToken},
    json::Object,
    jwks::Keys,
    jwt::{Kind, Rules, Unverified},
    metadata::Metadata,
    token::{self, AccessTokenRule, TokenAnswer},
    user_info::{self, UserInfoAnswer},
};
use crate::{
    clock::Clock,
    config::{Algorithm, ValidConfig},
    error::{Error, ErrorKind},
    secret::Secret,
};

/// A provider as one application sees it. Cloning it is cheap; clones share what is cached.
#[derive(Clone)]
pub(crate) struct Provider {
    config: ValidConfig,
    http: Arc<dyn HttpClient>,
    clock: Arc<dyn Clock>,
    metadata: Arc<Cached<Metadata>>,
    keys: Arc<Cached<Keys>>,
}

/// Makes the span of a step.
macro_rules! step {
    ($name:literal, $config:expr) => {
        info_span!($name, authority = %$config.authority().name(), outcome = Empty, reason = Empty)
    };
}

impl Provider {
    /// Nothing is fetched before it is needed.
    pub(crate) fn new(config: ValidConfig, http: Arc<dyn HttpClient>, clock: Arc<dyn Clock>) -> Self {
        let (metadata, keys) = (Cached::new(Arc::clone(&clock)), Cached::new(Arc::clone(&clock)));
        Self { config, http, clock, metadata, keys }
    }

    /// The discovery document.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::ProviderUnreachable`], [`ErrorKind::ProviderMisconfigured`].
    pub(crate) async fn metadata(&self) -> Result<Arc<Metadata>, Error> {
        self.metadata.get(|known| observed(step!("identity.discovery", self.config), self.clone().fetch_metadata(known))).await
    }

    /// The keys.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::ProviderUnreachable`], [`ErrorKind::ProviderMisconfigured`].
    pub(crate) async fn keys(&self) -> Result<Arc<Keys>, Error> {
        let metadata = self.metadata().await?;
        self.keys.get(|_| self.key_flight(metadata)).await
    }

    /// Exchanges a code for tokens. It is sent once: a code that may have arrived must not be sent again.
    ///
    /// # Errors
    ///
    /// As [`token::read_answer`] says; [`ErrorKind::ProviderUnreachable`].
    pub(crate) async fn redeem_code(&self, code: &Code, verifier: &Secret, redirect_uri: &str) -> Result<TokenAnswer, Error> {
        let exchange = async {
            let metadata = self.metadata().await?;
            self.ask_for_tokens(token::code_request(&metadata, self.client(), code, verifier, redirect_uri)?).await
        };
        observed(step!("identity.redeem_code", self.config), exchange).await
    }

    /// Gets fresh tokens for a refresh token.
    ///
    /// # Errors
    ///
    /// As [`token::read_answer`] says; [`ErrorKind::NoRefreshToken`], [`ErrorKind::ProviderUnreachable`].
    pub(crate) async fn refresh(&self, refresh_token: &Secret, scopes: Option<&[String]>) -> Result<TokenAnswer, Error> {
        let exchange = async {
            let metadata = self.metadata().await?;
            self.ask_for_tokens(token::refresh_request(&metadata, self.client(), refresh_token, scopes)?).await
        };
        observed(step!("identity.refresh", self.config), exchange).await
    }

    /// Verifies an ID token completely; an unknown key makes it look for new keys, once a minute at most.
    ///
    /// # Errors
    ///
    /// The kind of the first check that fails; [`ErrorKind::ProviderUnreachable`], [`ErrorKind::ProviderMisconfigured`].
    pub(crate) async fn verify_id_token(
        &self,
        raw: &str,
        expectation: &IdTokenExpectation<'_>,
    ) -> Result<VerifiedIdToken, Error> {
        let verification = async {
            let metadata = self.metadata().await?;
            let algorithms = metadata.allowed_algorithms(self.config.id_token_algorithms())?;
            let token = Unverified::parse(raw)?;
            let rules = self.rules(Kind::IdToken, &metadata, &algorithms);
            self.with_keys(&metadata, &token, |keys| id_token::verify(raw, &token, expectation, &rules, keys)).await
        };
        observed(step!("identity.verify_id_token", self.config), verification).await
    }

    /// The claims of the UserInfo endpoint about the person with that `sub`.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::UserInfoFailed`], [`ErrorKind::UserInfoSubject`], [`ErrorKind::ProviderUnreachable`]; for a signed answer also the kinds of a token's checks.
    pub(crate) async fn user_info(&self, access_token: &Secret, expected_sub: &str) -> Result<Object, Error> {
        let exchange = async {
            let metadata = self.metadata().await?;
            let answer = self.send("the UserInfo endpoint", user_info::request(&metadata, access_token)?).await?;
            let claims = match user_info::read_answer(&answer)? {
                UserInfoAnswer::Plain(claims) => claims,
                UserInfoAnswer::Signed(raw) => {
                    let algorithms = metadata.allowed_user_info_algorithms(self.config.id_token_algorithms())?;
                    let token = Unverified::parse(&raw)?;
                    let rules = self.rules(Kind::UserInfo, &metadata, &algorithms);
                    self.with_keys(&metadata, &token, |keys| token.verify(&rules, keys)).await?.claims
                }
            };
            user_info::check_subject(claims, expected_sub)
        };
        observed(step!("identity.user_info", self.config), exchange).await
    }

    /// Verifies with the keys we have, and once more with newer ones if the token may be signed with one of those.
    async fn with_keys<V>(
        &self,
        metadata: &Arc<Metadata>,
        token: &Unverified<'_>,
        verify: impl Fn(&Keys) -> Result<V, Error>,
    ) -> Result<V, Error> {
        let keys = self.keys().await?;
        let outcome = verify(&keys);
        let newer_may_help = match &outcome {
            Ok(_) => false,
            Err(error) if error.kind() == ErrorKind::TokenKeyUnknown => true,
            Err(error) => error.kind() == ErrorKind::TokenSignature && !token.names_its_key(),
        };
        if !newer_may_help {
            return outcome;
        }
        let newer = self.keys.newer_than(&keys, |_| self.key_flight(Arc::clone(metadata))).await?;
        if Arc::ptr_eq(&newer, &keys) { outcome } else { verify(&newer) }
    }

    fn rules<'a>(&'a self, kind: Kind, metadata: &'a Metadata, algorithms: &'a [Algorithm]) -> Rules<'a> {
        Rules {
            kind,
            algorithms,
            authority: self.config.authority(),
            tenants: self.config.tenants(),
            metadata_issuer: &metadata.issuer,
            audience: self.config.client_id(),
            trusted_audiences: self.config.trusted_audiences(),
            now: self.clock.now(),
            leeway: self.config.clock_leeway(),
            max_age: self.config.max_token_age(),
        }
    }

    fn client(&self) -> Client<'_> {
        Client { id: self.config.client_id(), credential: self.config.credential() }
    }

    async fn ask_for_tokens(&self, request: Request<Bytes>) -> Result<TokenAnswer, Error> {
        // B2C gives an access token only for the scope of an API.
        let rule = if self.config.authority().is_microsoft() { AccessTokenRule::OrIdToken } else { AccessTokenRule::Required };
        token::read_answer(&self.send("the token endpoint", request).await?, rule)
    }

    async fn fetch_metadata(self, known: Option<Arc<Metadata>>) -> Result<Fetched<Metadata>, Error> {
        let answer = self.document("the discovery document", self.config.authority().metadata_url()).await?;
        let metadata = Metadata::parse(answer.body(), self.config.authority())?;
        if let Some(known) = known {
            if known.issuer != metadata.issuer {
                return Err(Error::new(ErrorKind::ProviderMisconfigured, "the discovery document: `issuer` has changed"));
            }
            if known.jwks_uri != metadata.jwks_uri {
                self.keys.expire();
            }
        }
        Ok(Fetched { value: metadata, max_age: max_age(&answer) })
    }

    fn key_flight(&self, metadata: Arc<Metadata>) -> impl Future<Output = Result<Fetched<Keys>, Error>> + Send + 'static {
        let this = self.clone();
        observed(step!("identity.keys", self.config), async move {
            let answer = this.document("the key set", &metadata.jwks_uri).await?;
            Ok(Fetched { value: Keys::parse(answer.body())?, max_age: max_age(&answer) })
        })
    }

    /// A document by GET: 200 or an error.
    async fn document(&self, what: &'static str, url: &Url) -> Result<Response<Bytes>, Error> {
        let answer = self.send(what, token::empty_request(Method::GET, url)?).await?;
        match answer.status() {
            StatusCode::OK => Ok(answer),
            status if status.is_server_error() || status == StatusCode::TOO_MANY_REQUESTS => {
                Err(error_answer::http_error(&answer))
            }
            status => Err(Error::new(ErrorKind::ProviderMisconfigured, format!("{what}: the status is {}", status.as_u16()))),
        }
    }

    async fn send(&self, what: &'static str, request: Request<Bytes>) -> Result<Response<Bytes>, Error> {
        let unreachable = |fault: &dyn fmt::Display| Error::new(ErrorKind::ProviderUnreachable, format!("{what}: {fault}"));
        let answer = self.http.send(request).await.map_err(|error| unreachable(&error))?;
        if answer.body().len() > LARGEST_ANSWER {
            return Err(unreachable(&"the answer is larger than 1 MiB"));
        }
        Ok(answer)
    }
}

impl fmt::Debug for Provider {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Provider").field("authority", &self.config.authority().name()).finish_non_exhaustive()
    }
}

/// Runs a step inside its span and writes down how it ended.
fn observed<T>(span: Span, step: impl Future<Output = Result<T, Error>>) -> impl Future<Output = Result<T, Error>> {
    let inner = span.clone();
    async move {
        let outcome = step.await;
        match &outcome {
            Ok(_) => span.record("outcome", "ok"),
            Err(error) => {
                tracing::debug!(%error, "the step failed");
                span.record("outcome", "failed").record("reason", error.reason())
            }
        };
        outcome
    }
    .instrument(inner)
}

/// How long the answer may be kept, as its `Cache-Control` says (RFC 9111 section 5.2.2): what must not be stored lives as short as possible.
fn max_age(answer: &Response<Bytes>) -> Option<Duration> {
    let lines = answer.headers().get_all(CACHE_CONTROL).iter().filter_map(|value| value.to_str().ok());
    lines
        .flat_map(|line| line.split(','))
        .filter_map(|directive| {
            let directive = directive.trim().to_ascii_lowercase();
            match directive.split_once('=') {
                Some(("max-age", seconds)) => seconds.trim_matches('"').parse().ok().map(Duration::from_secs),
                None if matches!(directive.as_str(), "no-store" | "no-cache") => Some(Duration::ZERO),
                _ => None,
            }
        })
        .min()
}
