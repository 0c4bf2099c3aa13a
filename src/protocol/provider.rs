//! [`Provider`]: one method per step of the protocol, each of which sends its request and has a
//! tracing span.
//!
//! The steps of verification are in [`provider_verify`](super::provider_verify), those for groups
//! in [`provider_groups`](super::provider_groups).
//!
//! A span has the name of its step and records its end (`outcome`, and `reason` of an error), at
//! Microsoft's authorities also the ID of its last request (`client_request_id`). Spans hold no
//! secrets and no personal data.

use std::{
    borrow::Cow,
    fmt,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
};

use bytes::Bytes;
use http::Response;
use quick_cache::sync::Cache;
use tracing::{field::Empty, info_span};

use super::{
    app_refusal::of_application,
    callback::AuthorizationCode,
    channel::{Channel, observed},
    client_auth::{ClientAuth, Proof},
    credential::{Credentials, ProofRequest},
    default_scopes::{self, DEFAULT_SCOPES_REFUSED},
    device::{self, DeviceAnswer},
    discovery::Discovery,
    error_answer::{may_lack_the_client_id, of_refresh},
    grant::{Grant, TokenParams, first_resource_scopes, grant_request},
    http::HttpClient,
    metadata::Metadata,
    permits::{Permit, Permits},
    provider_client::ClientRequest,
    token::{self, AccessTokenRule, TokenAnswer},
};
use crate::{
    authority::Authority,
    clock::{Clock, UnixTime},
    config::{GroupsFrom, SignInOptions, ValidConfig},
    error::{Error, ErrorKind},
    secret::Secret,
};

/// The provider of one application: its configuration with the cached documents, credentials and
/// limits. Clones are cheap and share them.
#[derive(Clone)]
pub(crate) struct Provider {
    pub(super) config: ValidConfig,
    /// The authority of the configuration, or another policy or tenant derived from it.
    pub(super) authority: Authority,
    pub(super) clock: Arc<dyn Clock>,
    pub(super) channel: Channel,
    pub(super) discovery: Discovery,
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

/// The span of a step of the provider.
macro_rules! step {
    ($name:literal, $provider:expr) => {
        info_span!(
            $name,
            authority = %$provider.authority.name(),
            client_request_id = Empty,
            outcome = Empty,
            reason = Empty,
        )
    };
}
pub(super) use step;

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

    /// Whether it is the provider for this B2C policy.
    pub(super) fn is_policy(&self, name: &str) -> bool {
        // B2C reads the names of policies in any letter case.
        self.authority.b2c_policies().is_some_and(|(_, policy)| policy.eq_ignore_ascii_case(name))
    }

    /// The authority, with its B2C policy.
    pub(crate) fn authority(&self) -> &Authority {
        &self.authority
    }

    pub(crate) fn clock(&self) -> &Arc<dyn Clock> {
        &self.clock
    }

    pub(crate) fn now(&self) -> UnixTime {
        self.clock.now()
    }

    pub(super) fn credentials(&self) -> &Credentials {
        &self.credentials
    }

    pub(super) fn channel(&self) -> &Channel {
        &self.channel
    }

    pub(super) fn groups_from(&self) -> GroupsFrom {
        self.config.groups()
    }

    /// A permit for a step of a sign-in. Acquire it before the step gets a task of its own, and
    /// hold it until the provider has answered.
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

    /// A permit to introspect a token that was active before: one of those of sessions, which
    /// anonymous requests cannot use up.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Busy`]
    pub(crate) async fn permit_for_known_token(&self) -> Result<Permit, Error> {
        self.permits.session().await
    }

    /// Counts the introspection of a token of which nothing is known: their rate is limited,
    /// because anyone can send random tokens.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Busy`]
    pub(crate) fn count_introspection(&self) -> Result<(), Error> {
        self.permits.introspection(self.clock.now())
    }

    /// Takes the last count back, because the token is active.
    pub(crate) fn introspected_active(&self) {
        self.permits.introspected_active();
    }

    /// The discovery document.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::ProviderUnreachable`], [`ErrorKind::ProviderMisconfigured`].
    pub(crate) async fn metadata(&self) -> Result<Arc<Metadata>, Error> {
        self.discovery.metadata().await
    }

    /// Redeems an authorization code for tokens. The request is repeated only if the provider
    /// refused the client, before it looked at the code (see [`as_client`](Self::as_client)): if
    /// the code was looked at, a second request would be a replay, after which the provider should
    /// revoke the tokens (RFC 6749 section 4.1.2).
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
        let scopes = match self.authority.b2c_policies() {
            // The policies for profile and password are used for the identity of the user alone.
            Some((policies, policy)) if *policy != policies.sign_in => "openid".to_owned(),
            // A code of Microsoft's may cover several resources, but a token request only one
            // (AADSTS28000): that of the configured sign-in.
            _ if self.authority.is_microsoft() => {
                first_resource_scopes(&self.config.scopes(self.config.sign_in())).join(" ")
            }
            _ => String::new(),
        };
        let grant = Grant::Code { code: code.secret(), verifier: Some(verifier), redirect_uri };
        let params = TokenParams { scopes: &scopes, ..TokenParams::default() };
        observed(step!("identity.redeem_code", self), self.exchange(grant, &params)).await
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
        params: &TokenParams<'_>,
    ) -> Result<TokenAnswer, Error> {
        observed(
            step!("identity.refresh", self),
            self.exchange(Grant::RefreshToken(refresh_token), params),
        )
        .await
    }

    /// Redeems any grant for tokens. The request is repeated only if the provider refused the
    /// client ([`as_client`](Self::as_client)).
    ///
    /// # Errors
    ///
    /// Those of [`token::read_answer`]; [`ErrorKind::NoRefreshToken`],
    /// [`ErrorKind::ProviderUnreachable`], [`ErrorKind::CredentialUnavailable`].
    pub(crate) async fn tokens(
        &self,
        grant: Grant<'_>,
        params: &TokenParams<'_>,
    ) -> Result<TokenAnswer, Error> {
        observed(step!("identity.tokens", self), self.exchange(grant, params)).await
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
        params: &TokenParams<'_>,
    ) -> Result<DeviceAnswer, Error> {
        let exchange = async {
            let named_alone = self.refuses_default_scopes.load(Ordering::Relaxed);
            match self.device_codes_for(params, named_alone).await {
                Err(error) if !named_alone && self.may_refuse_default_scopes(&error) => {
                    let answer = self.device_codes_for(params, true).await?;
                    tracing::warn!(
                        reason = error.reason(),
                        "{DEFAULT_SCOPES_REFUSED}: they are left out from now on"
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
        params: &TokenParams<'_>,
        named_alone: bool,
    ) -> Result<DeviceAnswer, Error> {
        let metadata = self.metadata().await?;
        let mut scopes = metadata.offered(&self.config, params.scopes.split(' '), &[]);
        // Google issues a refresh token to every device, and refuses the scope.
        scopes.retain(|scope| !metadata.offline_by_parameter || *scope != "offline_access");
        scopes.retain(|scope| !named_alone || !self.config.is_default_scope(scope));
        let scopes = scopes.join(" ");
        let params = &TokenParams { scopes: &scopes, ..*params };
        let capabilities = self.config.client_capabilities();
        let what = "the device authorization endpoint";
        let build = |client: ClientAuth<'_>| {
            device::device_request(&metadata, client, params, capabilities)
        };
        let read = |answer: &Response<Bytes>| device::read_answer(answer, &metadata);
        let answer = if !self.authenticates_device_requests() {
            let client = ClientAuth { id: self.config.client_id(), proof: &Proof::Nothing };
            read(&self.channel.send(what, build(client)?).await?)?
        } else {
            let proof = self.proof_request(&metadata);
            let request = ClientRequest { what, proof, build, read };
            self.as_client(request, |_, second| second).await?
        };
        Ok(DeviceAnswer { scopes, ..answer })
    }

    /// Whether the client proves itself where it gets a device code. Entra takes no client
    /// authentication at that endpoint.
    pub(crate) fn authenticates_device_requests(&self) -> bool {
        !self.authority.is_microsoft()
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
        default_scopes::may_be_refused(&self.config, error)
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

    /// The provider for the tenant that a request names, or this one if it names none.
    ///
    /// # Errors
    ///
    /// Those of [`in_tenant`](Self::in_tenant).
    pub(crate) fn in_tenant_of(&self, request: Option<&str>) -> Result<Cow<'_, Self>, Error> {
        request.map_or(Ok(Cow::Borrowed(self)), |tenant| self.in_tenant(tenant).map(Cow::Owned))
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

    /// Sends the token request for a grant, and parses the response.
    async fn exchange(
        &self,
        grant: Grant<'_>,
        params: &TokenParams<'_>,
    ) -> Result<TokenAnswer, Error> {
        let _permit = match grant {
            // A sign-in of the layer has acquired one before. A program that signs its own users in
            // waits for none.
            Grant::Code { .. } | Grant::DeviceCode(_) => None,
            _ => Some(self.permits.session().await?),
        };
        let metadata = self.metadata().await?;
        let fmi_path = params.fmi_path();
        let proof = ProofRequest { fmi_path: fmi_path.as_deref(), ..self.proof_request(&metadata) };
        let capabilities = self.config.client_capabilities();
        // B2C issues an access token only for a scope of an API.
        let rule = match self.authority.is_microsoft() {
            true => AccessTokenRule::OrIdToken,
            false => AccessTokenRule::Required,
        };
        let request = ClientRequest {
            what: "the token endpoint",
            proof,
            build: |client: ClientAuth<'_>| {
                grant_request(&metadata, client, grant, params, capabilities)
            },
            read: |answer: &Response<Bytes>| token::read_answer(answer, rule),
        };
        let outcome = self.as_client(request, |first, second| first_cause(first, second, grant));
        let outcome = outcome.await.map(|answer| answer.for_scopes(params.scopes));
        match grant {
            // Microsoft's error codes say what is wrong with a refresh token.
            Grant::RefreshToken(_) if !self.authority.is_microsoft() => {
                outcome.map_err(|error| of_refresh(error, params.is_empty()))
            }
            Grant::ClientCredentials if !self.authority.is_microsoft() => {
                outcome.map_err(|error| of_application(error, params.scopes))
            }
            _ => outcome,
        }
    }

    /// The request for client authentication to an endpoint of this provider, now.
    pub(super) fn proof_request<'a>(&self, metadata: &'a Metadata) -> ProofRequest<'a> {
        ProofRequest::new(metadata, self.clock.now())
    }
}

/// The error of a request that was refused twice. A provider may spend a code with the request that
/// it refuses for its client, so that `invalid_grant` after that is a consequence, and the next
/// sign-in succeeds. A refresh token that is refused is lost whatever the cause, and its session
/// with it.
fn first_cause(first: Error, second: Error, grant: Grant<'_>) -> Error {
    if matches!(grant, Grant::RefreshToken(_)) {
        return second;
    }
    // The second request may lack what only the first had, such as `client_id` in the body.
    if first.kind() == ErrorKind::ClientRefused && may_lack_the_client_id(&second) {
        return first;
    }
    if second.kind() != ErrorKind::InvalidGrant {
        return second;
    }
    let detail = format!(
        "{}; sent once more with another client authentication, the request was refused as \
         `invalid_grant`",
        first.detail()
    );
    let first = first.with_detail(detail);
    match grant {
        Grant::Code { .. } => first.with_spent_grant(),
        // A sign-in brings no other grant that the provider would accept.
        _ => first,
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
#[path = "provider_keys_tests.rs"]
mod keys_tests;
#[cfg(test)]
#[path = "provider_tests.rs"]
mod tests;
