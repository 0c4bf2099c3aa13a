//! [`Provider`]: one method per step of the protocol, each of which sends its request and has a
//! tracing span.
//!
//! The steps of verification are in [`provider_verify`](super::provider_verify), those for groups in
//! [`provider_groups`](super::provider_groups).
//!
//! A span has the name of its step and records its end (`outcome`, and `reason` of an error). Spans
//! hold no secrets and no personal data.

use std::{
    fmt,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
};

use bytes::Bytes;
use http::Request;
use quick_cache::sync::Cache;
use serde_json::value::RawValue;
use tracing::{field::Empty, info_span};

use super::{
    callback::AuthorizationCode,
    channel::{Channel, observed},
    client_auth::{Client, Proof},
    credential::Credentials,
    device::{self, DeviceAnswer},
    discovery::Discovery,
    error_answer::{may_be_about_a_scope, of_refresh},
    grant::{Grant, TokenParams, first_resource_scopes, grant_request},
    http::HttpClient,
    id_token::{self, IdTokenExpectation, VerifiedIdToken},
    json::{self, Object},
    jwks::JwkSet,
    jwt::{TokenKind, TokenRules, UnverifiedJwt},
    metadata::Metadata,
    permits::{Permit, Permits},
    token::{self, AccessTokenRule, TokenAnswer},
    user_info::{self, UserInfoAnswer},
};
use crate::{
    authority::Authority,
    clock::{Clock, UnixTime},
    config::{Algorithm, GroupsFrom, SignInOptions, UserInfo, ValidConfig},
    error::{Error, ErrorKind},
    secret::Secret,
};

/// The provider of one application: its configuration with the cached documents, credentials and
/// limits. Clones are cheap and share them.
#[derive(Clone)]
pub(crate) struct Provider {
    config: ValidConfig,
    /// The authority of the configuration, or another policy or tenant derived from it.
    authority: Authority,
    clock: Arc<dyn Clock>,
    channel: Channel,
    discovery: Discovery,
    credentials: Arc<Credentials>,
    permits: Arc<Permits>,
    /// The documents of other tenants of the same cloud, by tenant id.
    tenants: Arc<Cache<String, Discovery>>,
    /// Whether the device authorization endpoint has refused the default scopes and accepted the
    /// others. Refusals of the authorization endpoint are not remembered: they come through the
    /// browser, so a forged one would take the scopes from all users.
    refuses_default_scopes: Arc<AtomicBool>,
}

/// The greatest number of other tenants whose documents are cached.
const MAX_TENANTS: usize = 256;

/// Makes the span of a step.
macro_rules! step {
    ($name:literal, $provider:expr) => {
        info_span!($name, authority = %$provider.authority.name(), outcome = Empty, reason = Empty)
    };
}

impl Provider {
    /// A provider without cached documents. Nothing is fetched before it is needed.
    pub(crate) fn new(
        config: ValidConfig,
        http: Arc<dyn HttpClient>,
        clock: Arc<dyn Clock>,
    ) -> Self {
        let authority = config.authority().clone();
        let channel = Channel::to(http, &authority);
        let discovery = Discovery::new(authority.clone(), channel.clone(), &clock);
        let credentials =
            Arc::new(Credentials::new(config.credential(), config.client_id(), authority.clone()));
        let (permits, tenants) =
            (Arc::new(Permits::new(clock.now())), Arc::new(Cache::new(MAX_TENANTS)));
        Self {
            config,
            authority,
            clock,
            channel,
            discovery,
            credentials,
            permits,
            tenants,
            refuses_default_scopes: Arc::default(),
        }
    }

    /// The provider for another policy of the B2C tenant, with documents of its own; `None` if the
    /// provider is not B2C.
    pub(crate) fn for_policy(&self, policy: &str) -> Option<Self> {
        let authority = self.authority.for_policy(policy)?;
        let discovery = Discovery::new(authority.clone(), self.channel.clone(), &self.clock);
        Some(Self { authority, discovery, ..self.clone() })
    }

    /// The authority, with its B2C policy.
    pub(crate) fn authority(&self) -> &Authority {
        &self.authority
    }

    pub(crate) fn now(&self) -> UnixTime {
        self.clock.now()
    }

    pub(super) fn channel(&self) -> &Channel {
        &self.channel
    }

    /// The HTTP client that sends the requests.
    pub(crate) fn http(&self) -> Arc<dyn HttpClient> {
        self.channel.http()
    }

    pub(super) fn groups_from(&self) -> GroupsFrom {
        self.config.groups()
    }

    /// A permit for a step of a sign-in. Acquire it before the step gets a task of its own, and hold
    /// it until the provider has answered.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Busy`]
    pub(crate) async fn permit(&self) -> Result<Permit, Error> {
        self.permits.sign_in().await
    }

    /// A permit to request a device code. Each code is stored at the provider, so their rate is
    /// limited as well.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Busy`]
    pub(crate) async fn permit_for_device_code(&self) -> Result<Permit, Error> {
        self.permits.device_code(self.clock.now())?;
        self.permit().await
    }

    /// The discovery document.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::ProviderUnreachable`], [`ErrorKind::ProviderMisconfigured`].
    pub(crate) async fn metadata(&self) -> Result<Arc<Metadata>, Error> {
        self.discovery.metadata().await
    }

    /// Redeems an authorization code for tokens. The request is never repeated: if the first one
    /// arrived, a second would be a replay, after which the provider should revoke the tokens (RFC
    /// 6749 section 4.1.2).
    ///
    /// # Errors
    ///
    /// Those of [`token::read_answer`]; [`ErrorKind::ProviderUnreachable`].
    pub(crate) async fn redeem_code(
        &self,
        code: &AuthorizationCode,
        verifier: &Secret,
        redirect_uri: &str,
    ) -> Result<TokenAnswer, Error> {
        let grant = Grant::Code { code: code.secret(), verifier: Some(verifier), redirect_uri };
        // A code of Microsoft's may cover several resources, but a token request only one
        // (AADSTS28000): that of the configured sign-in.
        let own = if self.authority.is_microsoft() {
            first_resource_scopes(&self.config.scopes(self.config.sign_in())).join(" ")
        } else {
            String::new()
        };
        let asked = TokenParams { scopes: &own, ..TokenParams::default() };
        observed(step!("identity.redeem_code", self), self.exchange(grant, &asked)).await
    }

    /// Redeems a code for an ID token only, without scopes of an API.
    ///
    /// # Errors
    ///
    /// As [`redeem_code`](Self::redeem_code).
    pub(crate) async fn redeem_code_for_identity(
        &self,
        code: &AuthorizationCode,
        verifier: &Secret,
        redirect_uri: &str,
    ) -> Result<TokenAnswer, Error> {
        let grant = Grant::Code { code: code.secret(), verifier: Some(verifier), redirect_uri };
        let asked = TokenParams { scopes: "openid", ..TokenParams::default() };
        observed(step!("identity.redeem_code", self), self.exchange(grant, &asked)).await
    }

    /// Redeems a refresh token (RFC 6749 section 6).
    ///
    /// # Errors
    ///
    /// Those of [`token::read_answer`]; [`ErrorKind::NoRefreshToken`],
    /// [`ErrorKind::ProviderUnreachable`].
    pub(crate) async fn refresh(
        &self,
        refresh_token: &Secret,
        asked: &TokenParams<'_>,
    ) -> Result<TokenAnswer, Error> {
        observed(
            step!("identity.refresh", self),
            self.exchange(Grant::RefreshToken(refresh_token), asked),
        )
        .await
    }

    /// Redeems any grant for tokens. The request is never repeated.
    ///
    /// # Errors
    ///
    /// Those of [`token::read_answer`]; [`ErrorKind::NoRefreshToken`],
    /// [`ErrorKind::ProviderUnreachable`], [`ErrorKind::CredentialUnavailable`].
    pub(crate) async fn tokens(
        &self,
        grant: Grant<'_>,
        asked: &TokenParams<'_>,
    ) -> Result<TokenAnswer, Error> {
        observed(step!("identity.tokens", self), self.exchange(grant, asked)).await
    }

    /// Requests a device code and its user code (RFC 8628 section 3.1).
    ///
    /// # Errors
    ///
    /// [`ErrorKind::ProviderMisconfigured`]: the provider has no device authorization endpoint;
    /// [`ErrorKind::TokenResponseInvalid`], [`ErrorKind::ProviderUnreachable`]; the kind of the
    /// provider's error.
    pub(crate) async fn device_codes(
        &self,
        asked: &TokenParams<'_>,
    ) -> Result<DeviceAnswer, Error> {
        let exchange = async {
            let named_alone = self.refuses_default_scopes.load(Ordering::Relaxed);
            match self.device_codes_for(asked, named_alone).await {
                Err(error) if !named_alone && self.may_refuse_default_scopes(&error) => {
                    let answer = self.device_codes_for(asked, true).await?;
                    tracing::warn!(
                        reason = error.reason(),
                        "the provider refuses this application a default scope that it lists, so \
                         the default scopes are left out from now on: allow `profile`, `email` \
                         and `offline_access` to the application there, or configure the scopes \
                         that it may have (`with_openid_scopes`, IDENTITY_OPENID_SCOPES)"
                    );
                    self.refuses_default_scopes.store(true, Ordering::Relaxed);
                    Ok(answer)
                }
                outcome => outcome,
            }
        };
        observed(step!("identity.device", self), exchange).await
    }

    /// One device authorization request; `named_alone`: without the default scopes.
    async fn device_codes_for(
        &self,
        asked: &TokenParams<'_>,
        named_alone: bool,
    ) -> Result<DeviceAnswer, Error> {
        let metadata = self.metadata().await?;
        // Entra takes no client authentication at this endpoint.
        let proof = match self.authority.is_microsoft() {
            true => Proof::Nothing,
            false => self.credentials.proof(&metadata, self.clock.now()).await?.proof,
        };
        let client = Client { id: self.config.client_id(), proof: &proof };
        let mut scopes = metadata.offered(&self.config, asked.scopes.split(' '), &[]);
        // Google issues a refresh token to every device, and refuses the scope.
        scopes.retain(|scope| !metadata.offline_by_parameter || *scope != "offline_access");
        scopes.retain(|scope| !named_alone || !self.config.is_default_scope(scope));
        let asked = &TokenParams { scopes: &scopes.join(" "), ..*asked };
        let capabilities = self.config.client_capabilities();
        let request = device::device_request(&metadata, client, asked, capabilities)?;
        let answer = self.channel.send("the device authorization endpoint", request).await?;
        device::read_answer(&answer, &metadata)
    }

    /// The scopes of a sign-in with these options.
    pub(crate) fn scopes_of<'s>(
        &'s self,
        metadata: &Metadata,
        options: &'s SignInOptions,
    ) -> Vec<&'s str> {
        let mut scopes = metadata.scopes_of(&self.config, options);
        if self.refuses_default_scopes.load(Ordering::Relaxed) {
            let is_named = |scope: &str| options.scopes.iter().any(|named| named == scope);
            scopes.retain(|scope| !self.config.is_default_scope(scope) || is_named(scope));
        }
        scopes
    }

    /// Whether the error may be the refusal of a default scope. A provider may list a scope and
    /// still not allow it to every client.
    pub(crate) fn may_refuse_default_scopes(&self, error: &Error) -> bool {
        let config = &self.config;
        let has_defaults =
            config.openid_scopes().iter().any(|scope| config.is_default_scope(scope));
        // Microsoft allows the default scopes to every application, and has codes of its own for
        // other scopes.
        has_defaults && !self.authority.is_microsoft() && may_be_about_a_scope(error)
    }

    /// The provider for another tenant of the same cloud, by its GUID.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::RequestInvalid`]: the authority is not one of Entra ID, or `tenant` is not a
    /// GUID; [`ErrorKind::TenantNotAllowed`].
    pub(crate) fn in_tenant(&self, tenant: &str) -> Result<Self, Error> {
        if self.authority.is_tenant(tenant) {
            return Ok(self.clone());
        }
        let authority = self.authority.for_tenant(tenant).ok_or_else(|| {
            Error::new(
                ErrorKind::RequestInvalid,
                "another tenant can only be requested by its GUID, at an authority of Entra ID",
            )
        })?;
        if !self.config.tenants().allow(Some(tenant)) {
            return Err(Error::new(
                ErrorKind::TenantNotAllowed,
                "the requested tenant is not on the list of allowed tenants",
            ));
        }
        let name = tenant.to_ascii_lowercase();
        let discovery = self.tenants.get(&name).unwrap_or_else(|| {
            let discovery = Discovery::new(authority.clone(), self.channel.clone(), &self.clock);
            self.tenants.insert(name, discovery.clone());
            discovery
        });
        Ok(Self { authority, discovery, ..self.clone() })
    }

    /// The application's configuration.
    pub(crate) fn config(&self) -> &ValidConfig {
        &self.config
    }

    /// Whether a refresh must name its scopes even if they are those of the sign-in. Entra would
    /// otherwise issue an access token for another resource.
    pub(crate) fn refresh_needs_scopes(&self) -> bool {
        self.authority.is_microsoft()
    }

    /// Verifies an ID token ([`id_token::verify`]).
    ///
    /// An unknown key or a wrong signature fetches newer keys, and an algorithm that the document
    /// does not list a newer document (OpenID Connect Core section 10.1.1), each at most once a
    /// minute.
    ///
    /// # Errors
    ///
    /// The kind of the first check that fails; [`ErrorKind::ProviderUnreachable`],
    /// [`ErrorKind::ProviderMisconfigured`].
    pub(crate) async fn verify_id_token(
        &self,
        raw: &str,
        expectation: &IdTokenExpectation<'_>,
    ) -> Result<VerifiedIdToken, Error> {
        let verification = async {
            let token = UnverifiedJwt::parse(raw)?;
            let (metadata, algorithms) =
                self.algorithms_for(&token, Metadata::allowed_algorithms).await?;
            let rules = self.rules(TokenKind::IdToken, &metadata, &algorithms);
            self.with_keys(&metadata, |keys| {
                id_token::verify(raw, &token, expectation, &rules, keys)
            })
            .await
        };
        observed(step!("identity.verify_id_token", self), verification).await
    }

    /// The claims of the UserInfo endpoint about the user with that `sub`.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::UserInfoFailed`], [`ErrorKind::UserInfoSubject`],
    /// [`ErrorKind::ProviderUnreachable`]; for a signed response also those of the verification.
    pub(crate) async fn user_info(
        &self,
        access_token: &Secret,
        expected_sub: &str,
    ) -> Result<Object, Error> {
        let exchange = async {
            let metadata = self.metadata().await?;
            let answer = self
                .channel
                .send("the UserInfo endpoint", user_info::request(&metadata, access_token)?)
                .await?;
            let claims = match user_info::read_answer(&answer)? {
                UserInfoAnswer::Plain(claims) => claims,
                UserInfoAnswer::Signed(raw) => {
                    let token = UnverifiedJwt::parse(&raw)?;
                    let (metadata, algorithms) =
                        self.algorithms_for(&token, Metadata::allowed_user_info_algorithms).await?;
                    let rules = self.rules(TokenKind::UserInfo, &metadata, &algorithms);
                    self.with_keys(&metadata, |keys| token.verify(&rules, keys)).await?.claims
                }
            };
            user_info::check_subject(claims, expected_sub)
        };
        observed(step!("identity.user_info", self), exchange).await
    }

    /// The claims of the ID token, with those of UserInfo added if it is configured. Claims of the
    /// ID token are never replaced, because they are signed. `granted` is `scope` of the token
    /// response, if it had one.
    ///
    /// # Errors
    ///
    /// Those of [`user_info`](Self::user_info), with [`UserInfo::AtSignIn`].
    pub(crate) async fn claims(
        &self,
        token: &VerifiedIdToken,
        access_token: Option<&Secret>,
        granted: Option<&str>,
    ) -> Result<Box<RawValue>, Error> {
        let unreadable =
            |_| Error::new(ErrorKind::TokenMalformed, "the claims cannot be written as JSON");
        let alone = || RawValue::from_string(token.claims().to_owned()).map_err(unreadable);
        let configured = self.config.user_info();
        let (Some(access_token), UserInfo::IfMissing | UserInfo::AtSignIn) =
            (access_token, configured)
        else {
            return alone();
        };
        let signed: Object = serde_json::from_str(token.claims()).map_err(unreadable)?;
        if configured == UserInfo::IfMissing && !self.lacks_names(&signed, granted).await? {
            return alone();
        }
        let mut claims = match self.user_info(access_token, token.sub()).await {
            Ok(claims) => claims,
            // UserInfo was requested on our own account, so its failure does not end the sign-in.
            Err(error) if configured == UserInfo::IfMissing => {
                tracing::warn!(
                    %error,
                    "the ID token has neither name nor e-mail address, and UserInfo failed, so \
                     `User` lacks them (`with_user_info`, IDENTITY_USER_INFO=never)"
                );
                return alone();
            }
            Err(error) => return Err(error),
        };
        // A claim that is `null` in the ID token counts as absent, so UserInfo may have it.
        claims.extend(signed.into_iter().filter(|(_, value)| !value.is_null()));
        serde_json::value::to_raw_value(&claims).map_err(unreadable)
    }

    /// Whether the claims lack every name and e-mail address although `profile` or `email` was
    /// granted (OpenID Connect Core section 5.4), and there is a UserInfo endpoint.
    async fn lacks_names(&self, claims: &Object, granted: Option<&str>) -> Result<bool, Error> {
        const NAMES: [&str; 6] =
            ["name", "given_name", "family_name", "nickname", "preferred_username", "email"];
        if self.authority.is_microsoft()
            || NAMES.iter().any(|name| json::present(claims, name).is_some())
        {
            return Ok(false);
        }
        let metadata = self.metadata().await?;
        let scopes = match granted {
            Some(granted) => granted.split(' ').collect(),
            None => self.scopes_of(&metadata, self.config.sign_in()),
        };
        let is_granted = scopes.iter().any(|scope| matches!(*scope, "profile" | "email"));
        Ok(is_granted && metadata.userinfo_endpoint.is_some())
    }

    /// The metadata, and the algorithms that it and the configuration allow. If the token's
    /// algorithm is not among them, a newer document is fetched: the provider may have changed it.
    async fn algorithms_for(
        &self,
        token: &UnverifiedJwt<'_>,
        allowed: impl Fn(&Metadata, Option<&[Algorithm]>) -> Result<Vec<Algorithm>, Error>,
    ) -> Result<(Arc<Metadata>, Vec<Algorithm>), Error> {
        let configured = self.config.id_token_algorithms().as_deref();
        let metadata = self.metadata().await?;
        let algorithms = allowed(&metadata, configured);
        let newer_may_help = token.asymmetric_algorithm().is_some_and(|algorithm| {
            configured.is_none_or(|configured| configured.contains(&algorithm))
                && algorithms.as_ref().map_or(true, |allowed| !allowed.contains(&algorithm))
        });
        if newer_may_help && let Ok(newer) = self.discovery.newer_metadata(&metadata).await {
            let algorithms = allowed(&newer, configured)?;
            return Ok((newer, algorithms));
        }
        Ok((metadata, algorithms?))
    }

    /// Verifies with the cached keys, and once more with newer ones if the failure may be due to a
    /// key rotation (OpenID Connect Core section 10.1.1).
    pub(super) async fn with_keys<V>(
        &self,
        metadata: &Arc<Metadata>,
        verify: impl Fn(&JwkSet) -> Result<V, Error>,
    ) -> Result<V, Error> {
        let keys = self.discovery.keys(metadata).await?;
        let outcome = verify(&keys);
        // Some providers give a new key the `kid` of the old one, so a wrong signature is a reason
        // as well. The cache limits fetches to one a minute, so forged tokens cannot cause more.
        let may_be_of_newer = |error: &Error| {
            matches!(error.kind(), ErrorKind::TokenKeyUnknown | ErrorKind::TokenSignature)
        };
        if !outcome.as_ref().is_err_and(may_be_of_newer) {
            return outcome;
        }
        let newer = self.discovery.newer_keys(metadata, &keys).await?;
        if Arc::ptr_eq(&newer, &keys) { outcome } else { verify(&newer) }
    }

    pub(super) fn rules<'a>(
        &'a self,
        kind: TokenKind<'a>,
        metadata: &'a Metadata,
        algorithms: &'a [Algorithm],
    ) -> TokenRules<'a> {
        TokenRules {
            kind,
            algorithms,
            authority: &self.authority,
            tenants: self.config.tenants(),
            metadata_issuer: &metadata.issuer,
            audience: self.config.client_id(),
            trusted_audiences: self.config.trusted_audiences(),
            now: self.clock.now(),
            leeway: self.config.clock_leeway(),
            max_age: self.config.max_token_age(),
        }
    }

    async fn exchange(
        &self,
        grant: Grant<'_>,
        asked: &TokenParams<'_>,
    ) -> Result<TokenAnswer, Error> {
        let _permit = match grant {
            // The sign-in that this belongs to has acquired one before.
            Grant::Code { .. } | Grant::DeviceCode(_) => None,
            _ => Some(self.permits.session().await?),
        };
        let metadata = self.metadata().await?;
        let outcome = self
            .ask_for_tokens(&metadata, |client| {
                grant_request(&metadata, client, grant, asked, self.config.client_capabilities())
            })
            .await;
        match grant {
            // Microsoft's error codes say what is wrong with a refresh token.
            Grant::RefreshToken(_) if !self.authority.is_microsoft() => {
                outcome.map_err(|error| of_refresh(error, asked.is_empty()))
            }
            _ => outcome,
        }
    }

    /// Sends a token request, and once more with another credential if the provider refused the
    /// client. It has not looked at the grant then, so this is no replay of a code.
    async fn ask_for_tokens(
        &self,
        metadata: &Metadata,
        build: impl Fn(Client<'_>) -> Result<Request<Bytes>, Error>,
    ) -> Result<TokenAnswer, Error> {
        let id = self.config.client_id();
        let sent = self.credentials.proof(metadata, self.clock.now()).await?;
        let error = match self.answer_to(build(Client { id, proof: &sent.proof })?).await {
            Err(error) if self.credentials.is_outdated(&error, &sent.proof) => error,
            outcome => return outcome,
        };
        match self.credentials.another(metadata, &sent, self.clock.now()).await {
            Some(newer) => {
                let outcome = self.answer_to(build(Client { id, proof: &newer.proof })?).await;
                // Any error but a refused client, such as a refused code, means that the credential
                // was accepted.
                if !outcome.as_ref().is_err_and(|error| {
                    error.provider().is_none() || self.credentials.is_outdated(error, &newer.proof)
                }) {
                    self.credentials.remember(&newer);
                }
                outcome
            }
            None => Err(error),
        }
    }

    async fn answer_to(&self, request: Request<Bytes>) -> Result<TokenAnswer, Error> {
        // B2C issues an access token only for a scope of an API.
        let rule = if self.authority.is_microsoft() {
            AccessTokenRule::OrIdToken
        } else {
            AccessTokenRule::Required
        };
        token::read_answer(&self.channel.send("the token endpoint", request).await?, rule)
    }
}

impl fmt::Debug for Provider {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Provider")
            .field("authority", &self.authority.name())
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use std::{io::Write, sync::Mutex, time::Duration};

    use http::Response;
    use serde_json::{Value, json};
    use tracing_subscriber::fmt::format::FmtSpan;

    use super::*;
    use crate::{
        authority::B2cPolicies,
        clock::ManualClock,
        config::ClientCredential,
        protocol::{
            callback::CallbackParameters,
            http::HttpError,
            id_token::Nonce,
            testing::{
                A_WHILE, CLIENT_ID, FakeHttp, NONCE, NOW, SUBJECT, Signer, answer, authority,
                claims, config, document, header, id_token, key_set, metadata, published,
            },
        },
    };

    const SENT: IdTokenExpectation<'static> = IdTokenExpectation {
        nonce: Nonce::Sent(NONCE),
        max_age: None,
        acr: &[],
        auth_context: None,
        access_token: None,
        client_info: None,
    };

    fn code() -> AuthorizationCode {
        CallbackParameters::parse(b"code=c0de&state=s")
            .unwrap()
            .check("s", &metadata(|_| ()), &authority())
            .unwrap()
    }

    fn tokens() -> Value {
        json!({"access_token": "acce55", "token_type": "Bearer", "expires_in": 60, "refresh_token": "refre5h", "id_token": id_token(|_| ())})
    }

    /// Publishes its documents and answers one path so.
    fn answering(
        path: &'static str,
        content_type: &'static str,
        status: u16,
        body: String,
    ) -> Arc<FakeHttp> {
        FakeHttp::new(move |request| {
            if request.uri().path() != path {
                return Ok(published(request, &document(), &key_set()));
            }
            let mut answer = answer(status, &body);
            answer.headers_mut().insert("content-type", content_type.parse().unwrap());
            Ok(answer)
        })
    }

    const WELL_KNOWN: &str = "/.well-known/openid-configuration";

    async fn verify(provider: &Provider, token: &str) -> Result<VerifiedIdToken, ErrorKind> {
        provider.verify_id_token(token, &SENT).await.map_err(|error| error.kind())
    }

    /// A key of its own name, and a token that it signed.
    fn another_key(kid: &str) -> (Value, String) {
        let signer = Signer::new(Algorithm::Rs256);
        let mut header = header();
        header["kid"] = json!(kid);
        (signer.jwk(kid), signer.sign(&header, &claims()))
    }

    /// C-001
    #[tokio::test]
    async fn a_code_becomes_tokens_a_verified_id_token_and_claims() {
        let http = FakeHttp::new(|request| {
            Ok(match request.uri().path() {
                "/token" => answer(200, tokens()),
                "/userinfo" => answer(200, json!({"sub": SUBJECT, "email": "ada@example.com"})),
                _ => published(request, &document(), &key_set()),
            })
        });
        let (provider, _) = http.provider(config());
        let tokens = provider
            .redeem_code(&code(), &"verifier".into(), "https://app.example/auth/callback")
            .await
            .unwrap();
        let access_token = tokens.access_token.unwrap();
        let token =
            provider.verify_id_token(tokens.id_token.unwrap().expose(), &SENT).await.unwrap();
        let claims = provider.user_info(&access_token, token.sub()).await.unwrap();
        assert_eq!((token.sub(), &claims["email"]), (SUBJECT, &json!("ada@example.com")));
        assert_eq!(http.last().headers()["authorization"], "Bearer acce55");
        assert!(!http.last().uri().to_string().contains("acce55"));
    }

    /// C-154, C-097
    #[tokio::test]
    async fn a_code_is_sent_once_whatever_comes_back() {
        type Outcome = fn() -> Result<Response<Bytes>, HttpError>;
        let outcomes: [Outcome; 5] = [
            || Err(HttpError::new("too slow")),
            || Ok(answer(500, "")),
            || Ok(answer(302, "")),
            || {
                Ok(answer(
                    400,
                    r#"{"error":"invalid_request","error_description":"S256 is not supported"}"#,
                ))
            },
            || Ok(answer(200, "{")),
        ];
        for outcome in outcomes {
            let http = FakeHttp::new(move |request| match request.uri().path() {
                "/token" => outcome(),
                _ => Ok(published(request, &document(), &key_set())),
            });
            let (provider, _) = http.provider(config());
            assert!(
                provider
                    .redeem_code(&code(), &"verifier".into(), "https://app.example/cb")
                    .await
                    .is_err()
            );
            assert_eq!(http.count("/token"), 1);
            assert!(
                std::str::from_utf8(http.last().body()).unwrap().contains("code_verifier=verifier")
            );
        }
    }

    #[tokio::test]
    async fn nothing_is_sent_before_the_document_is_believed() {
        let mut wrong = document();
        wrong["issuer"] = json!("https://evil.example");
        let http = FakeHttp::publishing(wrong, key_set());
        let (provider, _) = http.provider(config());
        assert_eq!(
            provider.refresh(&"rt".into(), &TokenParams::default()).await.unwrap_err().kind(),
            ErrorKind::ProviderMisconfigured
        );
        assert_eq!(http.count("/token"), 0);
    }

    /// C-052, C-053
    #[tokio::test]
    async fn a_key_that_came_after_the_keys_were_read_is_looked_for_once() {
        let http = FakeHttp::publishing(document(), key_set());
        let (provider, _) = http.provider(config());
        assert!(verify(&provider, &id_token(|_| ())).await.is_ok());
        let (key, token) = another_key("k2");
        http.answer_with(move |request| {
            Ok(published(request, &document(), &json!({"keys": [key]})))
        });
        assert!(verify(&provider, &token).await.is_ok());
        assert_eq!(http.count("/keys"), 2);
        assert_eq!(
            verify(&provider, &id_token(|_| ())).await.unwrap_err(),
            ErrorKind::TokenKeyUnknown,
            "the old key is gone"
        );
    }

    #[tokio::test]
    async fn a_named_key_is_looked_for_also_where_a_nameless_one_could_have_been_it() {
        let mut nameless = another_key("x").0;
        nameless.as_object_mut().unwrap().remove("kid");
        let http = FakeHttp::publishing(document(), json!({"keys": [nameless]}));
        let (provider, _) = http.provider(config());
        assert_eq!(
            verify(&provider, &another_key("k3").1).await.unwrap_err(),
            ErrorKind::TokenSignature
        );
        let (provider, _) = http.provider(config());
        let (key, token) = another_key("k2");
        let asked = std::sync::atomic::AtomicUsize::new(0);
        http.answer_with(move |request| {
            let first = request.uri().path() == "/keys"
                && asked.fetch_add(1, std::sync::atomic::Ordering::SeqCst) == 0;
            let keys =
                if first { json!({"keys": [nameless]}) } else { json!({"keys": [nameless, key]}) };
            Ok(published(request, &document(), &keys))
        });
        assert!(verify(&provider, &token).await.is_ok());
    }

    #[tokio::test]
    async fn a_nameless_key_that_was_replaced_is_looked_for_too() {
        let (mut first, mut second) = (Signer::shared().jwk("x"), another_key("y").0);
        for key in [&mut first, &mut second] {
            key.as_object_mut().unwrap().remove("kid");
        }
        let http = FakeHttp::publishing(document(), json!({"keys": [second]}));
        let (provider, _) = http.provider(config());
        let nameless = Signer::shared().sign(&json!({"alg": "RS256"}), &claims());
        assert_eq!(verify(&provider, &nameless).await.unwrap_err(), ErrorKind::TokenSignature);
        assert_eq!(http.count("/keys"), 2);
        let (provider, _) = http.provider(config());
        provider.discovery.keys(&provider.metadata().await.unwrap()).await.unwrap();
        http.answer_with(move |request| {
            Ok(published(request, &document(), &json!({"keys": [first]})))
        });
        assert!(verify(&provider, &nameless).await.is_ok());
    }

    /// C-200
    #[tokio::test]
    async fn a_flood_of_unknown_keys_is_one_request_a_minute() {
        let http = FakeHttp::publishing(document(), key_set());
        let (provider, clock) = http.provider(config());
        let flood = |from: usize| {
            let provider = provider.clone();
            async move {
                for at in from..from + 50 {
                    let token = Signer::shared()
                        .sign(&json!({"alg": "RS256", "kid": format!("random-{at}")}), &claims());
                    assert_eq!(
                        verify(&provider, &token).await.unwrap_err(),
                        ErrorKind::TokenKeyUnknown
                    );
                }
            }
        };
        flood(0).await;
        assert_eq!(http.count("/keys"), 2, "the first, and one that looked for a new key");
        clock.advance(Duration::from_secs(59));
        flood(100).await;
        assert_eq!(http.count("/keys"), 2);
        clock.advance(Duration::from_secs(1));
        flood(200).await;
        assert_eq!(http.count("/keys"), 3);
        assert!(verify(&provider, &id_token(|_| ())).await.is_ok());
    }

    #[tokio::test]
    async fn a_token_that_fails_otherwise_causes_no_request() {
        let http = FakeHttp::publishing(document(), key_set());
        let (provider, _) = http.provider(config());
        verify(&provider, &id_token(|_| ())).await.ok();
        for (token, kind) in [
            ("foo".to_owned(), ErrorKind::TokenMalformed),
            (Signer::shared().sign(&json!({"alg": "none"}), &claims()), ErrorKind::TokenAlgorithm),
            (
                id_token(|claims| claims["iss"] = json!("https://evil.example")),
                ErrorKind::TokenIssuer,
            ),
        ] {
            assert_eq!(verify(&provider, &token).await.unwrap_err(), kind);
        }
        assert_eq!((http.count("/keys"), http.count(WELL_KNOWN)), (1, 1));
    }

    #[tokio::test]
    async fn a_new_key_under_the_old_name_is_looked_for() {
        let http = FakeHttp::publishing(document(), key_set());
        let (provider, _) = http.provider(config());
        assert!(verify(&provider, &id_token(|_| ())).await.is_ok());
        let (key, token) = another_key("k1");
        http.answer_with(move |request| {
            Ok(published(request, &document(), &json!({"keys": [key]})))
        });
        assert!(verify(&provider, &token).await.is_ok());
        assert_eq!(http.count("/keys"), 2);
    }

    #[tokio::test]
    async fn a_flood_of_wrong_signatures_is_one_request_a_minute() {
        let http = FakeHttp::publishing(document(), key_set());
        let (provider, clock) = http.provider(config());
        verify(&provider, &id_token(|_| ())).await.unwrap();
        let forged = another_key("k1").1;
        for minute in 1..4 {
            for _ in 0..50 {
                assert_eq!(
                    verify(&provider, &forged).await.unwrap_err(),
                    ErrorKind::TokenSignature
                );
            }
            assert_eq!(http.count("/keys"), 1 + minute);
            clock.advance(Duration::from_secs(60));
        }
        assert!(verify(&provider, &id_token(|_| ())).await.is_ok());
    }

    /// The document is kept for a day; a provider that goes over to other signatures must not lock
    /// everybody out for that long.
    #[tokio::test]
    async fn an_algorithm_that_came_after_the_document_was_read_is_looked_for() {
        let listing = |algorithms: Value| {
            let mut document = document();
            document["id_token_signing_alg_values_supported"] = algorithms;
            document
        };
        let signer = Signer::new(Algorithm::Es256);
        let token = signer.sign(&json!({"alg": "ES256", "kid": "e1"}), &claims());
        for first in [json!(["RS256"]), json!(["HS256"]), json!(null)] {
            let http = FakeHttp::publishing(listing(first), key_set());
            let (provider, clock) = http.provider(config());
            assert!(verify(&provider, &token).await.is_err());
            let (after, keys) =
                (listing(json!(["RS256", "ES256"])), json!({"keys": [signer.jwk("e1")]}));
            http.answer_with(move |request| Ok(published(request, &after, &keys)));
            for _ in 0..50 {
                assert!(verify(&provider, &token).await.is_err(), "not twice a minute");
            }
            assert_eq!(http.count(WELL_KNOWN), 2);
            clock.advance(Duration::from_secs(60));
            assert!(verify(&provider, &token).await.is_ok());
            assert_eq!(http.count(WELL_KNOWN), 3);
        }
    }

    #[tokio::test]
    async fn every_asymmetric_algorithm_that_the_document_lists_is_verified_by_default() {
        for algorithm in Algorithm::ALL.iter().copied() {
            let mut listing = document();
            listing["id_token_signing_alg_values_supported"] =
                json!(["HS256", "none", algorithm.as_str()]);
            let signer = Signer::new(algorithm);
            let http = FakeHttp::publishing(listing, json!({"keys": [signer.jwk("k")]}));
            let (provider, _) = http.provider(config());
            let token = |alg: &str| signer.sign(&json!({"alg": alg, "kid": "k"}), &claims());
            assert!(verify(&provider, &token(algorithm.as_str())).await.is_ok(), "{algorithm}");
            for other in Algorithm::ALL.iter().filter(|other| **other != algorithm) {
                assert_eq!(
                    verify(&provider, &token(other.as_str())).await.err(),
                    Some(ErrorKind::TokenAlgorithm),
                    "{algorithm} as {other}"
                );
            }
            for never in ["none", "HS256"] {
                assert_eq!(
                    verify(&provider, &token(never)).await.err(),
                    Some(ErrorKind::TokenAlgorithm),
                    "{never}"
                );
            }
        }
    }

    /// C-203, C-204
    #[tokio::test]
    async fn known_keys_go_on_working_while_the_provider_is_down() {
        let http = FakeHttp::publishing(document(), key_set());
        let (provider, clock) = http.provider(config());
        verify(&provider, &id_token(|_| ())).await.unwrap();
        http.answer_with(|_| Err(HttpError::new("no connection")));
        for _ in 0..3 {
            clock.advance(A_WHILE);
            assert!(verify(&provider, &id_token(|_| ())).await.is_ok());
        }
        let (_, token) = another_key("k2");
        assert_eq!(verify(&provider, &token).await.unwrap_err(), ErrorKind::ProviderUnreachable);
        for _ in 0..100 {
            assert_eq!(
                verify(&provider, &token).await.unwrap_err(),
                ErrorKind::TokenKeyUnknown,
                "refused, and nobody is asked"
            );
        }
        assert_eq!(http.count("/keys"), 2);
    }

    /// C-158, C-159
    #[tokio::test]
    async fn what_the_provider_says_it_signs_with_narrows_what_is_accepted() {
        let mut only_es256 = document();
        only_es256["id_token_signing_alg_values_supported"] = json!(["ES256"]);
        let http = FakeHttp::publishing(only_es256, key_set());
        let both = config().with_id_token_algorithms([Algorithm::Rs256, Algorithm::Es256]);
        assert_eq!(
            verify(&http.provider(both).0, &id_token(|_| ())).await.unwrap_err(),
            ErrorKind::TokenAlgorithm
        );
        let only_rs256 = config().with_id_token_algorithms([Algorithm::Rs256]);
        assert_eq!(
            verify(&http.provider(only_rs256).0, &id_token(|_| ())).await.unwrap_err(),
            ErrorKind::ProviderMisconfigured
        );
        assert_eq!(
            verify(&http.provider(config()).0, &id_token(|_| ())).await.unwrap_err(),
            ErrorKind::TokenAlgorithm
        );
    }

    /// C-214
    #[tokio::test]
    async fn a_signed_user_info_answer_passes_the_one_verifier() {
        let signed = |change: fn(&mut Value)| {
            let mut claims = json!({"sub": SUBJECT, "email": "ada@example.com"});
            change(&mut claims);
            Signer::shared().sign(&header(), &claims)
        };
        let outcome = async |token: String| {
            let http = answering("/userinfo", "application/jwt", 200, token);
            http.provider(config())
                .0
                .user_info(&"at".into(), SUBJECT)
                .await
                .map_err(|error| error.kind())
        };
        assert_eq!(outcome(signed(|_| ())).await.unwrap()["email"], "ada@example.com");
        assert!(
            outcome(signed(|claims| (claims["iss"], claims["aud"]) =
                (json!("https://id.example"), json!([CLIENT_ID]))))
            .await
            .is_ok()
        );
        assert_eq!(
            outcome(signed(|claims| claims["iss"] = json!("https://evil.example")))
                .await
                .unwrap_err(),
            ErrorKind::TokenIssuer
        );
        assert_eq!(
            outcome(signed(|claims| claims["aud"] = json!("client-2"))).await.unwrap_err(),
            ErrorKind::TokenAudience
        );
        assert_eq!(
            outcome(signed(|claims| claims["exp"] = json!(1))).await.unwrap_err(),
            ErrorKind::TokenExpired
        );
        assert_eq!(
            outcome(signed(|claims| claims["sub"] = json!("other"))).await.unwrap_err(),
            ErrorKind::UserInfoSubject
        );
        let forged = Signer::new(Algorithm::Rs256).sign(&header(), &json!({"sub": SUBJECT}));
        assert_eq!(outcome(forged).await.unwrap_err(), ErrorKind::TokenSignature);
        let es256 = Signer::new(Algorithm::Es256)
            .sign(&json!({"alg": "ES256", "kid": "k1"}), &json!({"sub": SUBJECT}));
        assert_eq!(outcome(es256).await.unwrap_err(), ErrorKind::TokenAlgorithm);
        let unsigned = "eyJhbGciOiJub25lIn0.eyJzdWIiOiJzdWJqZWN0LTEifQ.".to_owned();
        assert_eq!(outcome(unsigned).await.unwrap_err(), ErrorKind::TokenAlgorithm);
    }

    /// C-036
    #[tokio::test]
    async fn an_encrypted_user_info_answer_is_refused() {
        let http = answering("/userinfo", "application/jwt", 200, "a.b.c.d.e".into());
        let error = http.provider(config()).0.user_info(&"at".into(), SUBJECT).await.unwrap_err();
        assert!(
            error.kind() == ErrorKind::TokenMalformed && error.to_string().contains("JWE"),
            "{error}"
        );
    }

    /// C-143: a B2C policy gives an ID token alone; it has to be of that policy.
    #[tokio::test]
    async fn b2c_signs_in_without_an_access_token_and_names_its_policy() {
        const BASE: &str = "https://contoso.b2clogin.com/contoso.onmicrosoft.com/b2c_1_in";
        const TENANT: &str = "775527ff-9a37-4307-8b3d-cc311f58d925";
        let issuer = format!("https://contoso.b2clogin.com/{TENANT}/v2.0/");
        let document = json!({
            "issuer": issuer, "authorization_endpoint": format!("{BASE}/oauth2/v2.0/authorize"), "token_endpoint": format!("{BASE}/oauth2/v2.0/token"),
            "jwks_uri": format!("{BASE}/discovery/v2.0/keys"), "id_token_signing_alg_values_supported": ["RS256"],
            "token_endpoint_auth_methods_supported": ["client_secret_post", "client_secret_basic"],
        });
        let http = FakeHttp::new(move |request| {
            Ok(match request.uri().path() {
                path if path.ends_with("/openid-configuration") => answer(200, &document),
                path if path.ends_with("/keys") => answer(200, key_set()),
                _ => answer(
                    200,
                    json!({"id_token": "a.b.c", "token_type": "Bearer", "not_before": 1, "expires_in": "3600"}),
                ),
            })
        });
        let authority = Authority::b2c("contoso", B2cPolicies::new("b2c_1_in")).unwrap();
        let config = crate::config::IdentityConfig::new(authority, CLIENT_ID)
            .with_credential(ClientCredential::secret("s"))
            .with_base_url("https://app.example")
            .unwrap();
        let (provider, _) = http.provider(config);
        let tokens =
            provider.redeem_code(&code(), &"v".into(), "https://app.example/cb").await.unwrap();
        assert!(tokens.access_token.is_none() && tokens.id_token.is_some());
        let token = |policy: &str| {
            let issuer = issuer.clone();
            id_token(|claims| (claims["iss"], claims["tfp"]) = (json!(issuer), json!(policy)))
        };
        assert!(verify(&provider, &token("B2C_1_In")).await.is_ok());
        assert_eq!(
            verify(&provider, &token("B2C_1_reset")).await.unwrap_err(),
            ErrorKind::TokenMismatch
        );
    }

    /// A place to write to that can be read afterwards.
    #[derive(Clone, Default)]
    struct Output(Arc<Mutex<Vec<u8>>>);

    impl Write for Output {
        fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
            self.0.lock().unwrap().extend_from_slice(bytes);
            Ok(bytes.len())
        }

        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }

    /// C-437, C-438: every step at the most talkative level; how it ended is there, what it was
    /// about is not.
    #[tokio::test(flavor = "current_thread")]
    async fn spans_tell_outcome_and_reason_and_neither_secrets_nor_people() {
        let output = Output::default();
        let writer = output.clone();
        let subscriber = tracing_subscriber::fmt()
            .with_max_level(tracing::Level::TRACE)
            .with_span_events(FmtSpan::FULL)
            .with_ansi(false)
            .with_writer(move || writer.clone())
            .finish();
        let _guard = tracing::subscriber::set_default(subscriber);
        // With a second dispatcher `tracing` does not take the word of the thread that comes to a
        // span first: a test beside this one may be that thread.
        let _deaf = tracing::Dispatch::new(tracing::subscriber::NoSubscriber::default());

        let broken = std::sync::atomic::AtomicBool::new(false);
        let http = FakeHttp::new(move |request| {
            let broken = broken.fetch_xor(true, std::sync::atomic::Ordering::SeqCst);
            Ok(match request.uri().path() {
                "/token" if broken => answer(
                    400,
                    json!({"error": "invalid_grant", "error_description": "ada@example.com is gone"}),
                ),
                "/token" => answer(200, tokens()),
                "/userinfo" if broken => {
                    answer(200, json!({"sub": "somebody-else", "email": "ada@example.com"}))
                }
                "/userinfo" => answer(200, json!({"sub": SUBJECT, "email": "ada@example.com"})),
                _ => published(request, &document(), &key_set()),
            })
        });
        let (provider, _) = http.provider(config());
        for _ in 0..2 {
            let _ =
                provider.redeem_code(&code(), &"ver1fier".into(), "https://app.example/cb").await;
            let _ = provider.refresh(&"refre5h".into(), &TokenParams::default()).await;
            let _ = provider.user_info(&"acce55".into(), SUBJECT).await;
            let _ = verify(&provider, &id_token(|_| ())).await;
            let _ = verify(&provider, &id_token(|claims| claims["nonce"] = json!("another-n0nce")))
                .await;
        }
        let log = String::from_utf8(output.0.lock().unwrap().clone()).unwrap();
        for step in ["discovery", "keys", "redeem_code", "refresh", "verify_id_token", "user_info"]
        {
            assert!(log.contains(&format!("identity.{step}{{")), "{step}: {log}");
        }
        for told in [
            "outcome=\"ok\"",
            "outcome=\"failed\" reason=\"invalid_grant\"",
            "reason=\"token_nonce\"",
            "reason=\"userinfo_subject\"",
        ] {
            assert!(log.contains(told), "{told}: {log}");
        }
        let raw = id_token(|_| ());
        let secrets = [
            "c0de",
            "ver1fier",
            "refre5h",
            "acce55",
            "a client secret",
            NONCE,
            "n0nce",
            raw.as_str(),
            "Basic ",
            "Bearer ",
        ];
        for hidden in secrets.into_iter().chain(["ada@", SUBJECT, "somebody-else", "is gone"]) {
            assert!(!log.contains(hidden), "{hidden} in {log}");
        }
    }

    #[test]
    fn a_provider_prints_no_more_than_its_authority() {
        let http = FakeHttp::publishing(document(), key_set());
        let clock = ManualClock::at(NOW);
        let provider = Provider::new(config().build().unwrap(), http, Arc::new(clock));
        assert_eq!(format!("{provider:?}"), r#"Provider { authority: "https://id.example", .. }"#);
    }
}
