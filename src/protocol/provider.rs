//! [`Provider`]: the steps of the protocol, each sent through the [`HttpClient`] and watched by a span.
//!
//! It keeps what the provider publishes ([`discovery`](super::discovery)) and has no other state. Every span is called after its step and says how it ended (`outcome`,
//! and the error's `reason`); none holds a secret or anything about a person.

use std::{fmt, sync::Arc};

use bytes::Bytes;
use http::Request;
use tracing::{field::Empty, info_span};

use super::{
    callback::Code,
    channel::{Channel, observed},
    client_auth::Client,
    discovery::Discovery,
    http::HttpClient,
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
    clock: Arc<dyn Clock>,
    channel: Channel,
    discovery: Discovery,
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
        let channel = Channel::new(http);
        let discovery = Discovery::new(config.authority().clone(), channel.clone(), &clock);
        Self { config, clock, channel, discovery }
    }

    /// The discovery document.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::ProviderUnreachable`], [`ErrorKind::ProviderMisconfigured`].
    pub(crate) async fn metadata(&self) -> Result<Arc<Metadata>, Error> {
        self.discovery.metadata().await
    }

    /// The keys.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::ProviderUnreachable`], [`ErrorKind::ProviderMisconfigured`].
    pub(crate) async fn keys(&self) -> Result<Arc<Keys>, Error> {
        let metadata = self.metadata().await?;
        self.discovery.keys(&metadata).await
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
            let answer = self.channel.send("the UserInfo endpoint", user_info::request(&metadata, access_token)?).await?;
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
        let keys = self.discovery.keys(metadata).await?;
        let outcome = verify(&keys);
        let newer_may_help = match &outcome {
            Ok(_) => false,
            Err(error) if error.kind() == ErrorKind::TokenKeyUnknown => true,
            Err(error) => error.kind() == ErrorKind::TokenSignature && !token.names_its_key(),
        };
        if !newer_may_help {
            return outcome;
        }
        let newer = self.discovery.newer_keys(metadata, &keys).await?;
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
        token::read_answer(&self.channel.send("the token endpoint", request).await?, rule)
    }
}

impl fmt::Debug for Provider {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Provider").field("authority", &self.config.authority().name()).finish_non_exhaustive()
    }
}
