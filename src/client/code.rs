//! The authorization code flow in two steps, and its parts for who has only one of them.

use std::{fmt, time::Duration};

use serde::{Deserialize, Serialize};

use super::{
    AcquiredTokens,
    core::{Client, SignInRequest},
    stored_request::StoredRequest,
};
use crate::{
    clock::UnixTime,
    config::SignInOptions,
    error::{Error, ErrorKind},
    protocol::{
        CallbackParameters, Grant, IdTokenExpectation, Nonce, claims_of, first_resource_scopes,
    },
    secret::{self, Secret, base64url, random},
    sign_in::RequestBinding,
    strings::StringList,
    tokens::TokenRequest,
};

/// A sign-in that was begun: where to send the person, and what the answer will be held to.
///
/// It can be stored until the answer comes, by serde or in memory.
///
/// # Security
///
/// It holds the secrets of this sign-in: keep it on the server or encrypted, bound to the browser
/// that was sent to the provider, and use it once.
#[derive(Clone, Serialize, Deserialize)]
pub struct AuthorizationFlow {
    #[serde(rename = "u")]
    address: String,
    #[serde(rename = "s")]
    state: String,
    #[serde(rename = "n", serialize_with = "secret::exposed")]
    nonce: Secret,
    #[serde(rename = "v", serialize_with = "secret::exposed")]
    verifier: Secret,
    #[serde(rename = "r")]
    redirect_uri: String,
    #[serde(flatten)]
    request: StoredRequest,
    #[serde(rename = "m", default, skip_serializing_if = "Option::is_none")]
    max_age: Option<Duration>,
    #[serde(rename = "x", default, skip_serializing_if = "Option::is_none")]
    auth_context: Option<String>,
    #[serde(rename = "i")]
    client_id: String,
    #[serde(rename = "a")]
    authority: String,
    #[serde(rename = "e")]
    expires_at: UnixTime,
}

/// As long as an attempt at the layer.
const FLOW_LIFE: Duration = Duration::from_secs(600);

impl AuthorizationFlow {
    /// Where to send the person.
    #[must_use]
    pub fn address(&self) -> &str {
        &self.address
    }

    /// When the answer comes too late: ten minutes after the start.
    #[must_use]
    pub fn expires_at(&self) -> UnixTime {
        self.expires_at
    }

    /// What the answer carries as `state`: by it the flow can be found again. It proves nothing.
    #[must_use]
    pub fn state(&self) -> &str {
        &self.state
    }
}

impl fmt::Debug for AuthorizationFlow {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AuthorizationFlow")
            .field("redirect_uri", &self.redirect_uri)
            .field("scopes", &self.request.scopes())
            .field("expires_at", &self.expires_at)
            .finish_non_exhaustive()
    }
}

/// A code whose sign-in was begun elsewhere, for example by a page with a library of its own.
///
/// ```
/// use tower_identity::client::BareCode;
///
/// let code = BareCode::new("0.AbCd", "https://app.example/callback").with_verifier("the verifier of its challenge").with_nonce("the nonce that was sent");
/// assert!(!format!("{code:?}").contains("AbCd"));
/// ```
#[derive(Clone)]
pub struct BareCode {
    code: Secret,
    redirect_uri: String,
    verifier: Option<Secret>,
    nonce: Option<Secret>,
    scopes: Vec<String>,
    tenant: Option<String>,
    resource: Option<String>,
}

impl BareCode {
    /// The code, and the redirect address that it was sent to.
    pub fn new(code: impl Into<Secret>, redirect_uri: impl Into<String>) -> Self {
        let (code, redirect_uri) = (code.into(), redirect_uri.into());
        Self {
            code,
            redirect_uri,
            verifier: None,
            nonce: None,
            scopes: Vec::new(),
            tenant: None,
            resource: None,
        }
    }

    /// The verifier of the code challenge that was sent. The default is none, for a request without
    /// PKCE.
    #[must_use]
    pub fn with_verifier(mut self, verifier: impl Into<Secret>) -> Self {
        self.verifier = Some(verifier.into());
        self
    }

    /// The nonce that was sent. The default is none; then an ID token with a nonce is refused.
    #[must_use]
    pub fn with_nonce(mut self, nonce: impl Into<Secret>) -> Self {
        self.nonce = Some(nonce.into());
        self
    }

    /// The scopes that were asked for, beyond those of the sign-in itself. The default is none.
    #[must_use]
    pub fn with_scopes<Kind>(mut self, scopes: impl StringList<Kind>) -> Self {
        self.scopes = scopes.into_strings();
        self
    }
}

impl BareCode {
    /// The tenant that was asked for, by its GUID, where the authority stands for many. The default
    /// is whichever the person is in.
    #[must_use]
    pub fn with_tenant(mut self, tenant: impl Into<String>) -> Self {
        self.tenant = Some(tenant.into());
        self
    }

    /// The resource that was asked for (RFC 8707). The default is none.
    #[must_use]
    pub fn with_resource(mut self, resource: impl Into<String>) -> Self {
        self.resource = Some(resource.into());
        self
    }
}

impl fmt::Debug for BareCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("BareCode").field("redirect_uri", &self.redirect_uri).finish_non_exhaustive()
    }
}

impl Client {
    /// Begins a sign-in that comes back to `redirect_uri`, which is registered at the provider.
    /// PKCE, `state` and `nonce` are always part of it.
    ///
    /// [`SignInOptions`] say the rest: scopes, claims, the tenant; a resource (RFC 8707) by
    /// [`add_parameter`](SignInOptions::add_parameter), and if it is one, the token is for it.
    ///
    /// # Errors
    ///
    /// `RequestInvalid`: an option or the redirect address cannot be sent; `ProviderUnreachable`,
    /// `ProviderMisconfigured`.
    pub async fn initiate(
        &self,
        redirect_uri: &str,
        options: &SignInOptions,
    ) -> Result<AuthorizationFlow, Error> {
        let [state, nonce, verifier] =
            [random::<32>()?, random::<32>()?, random::<32>()?].map(|bytes| base64url(&bytes));
        let (verifier, nonce) = (Secret::from(verifier), Secret::from(nonce));
        let address = self
            .authorization_url(redirect_uri, &state, nonce.expose(), &verifier, options)
            .await?;
        let shared = self.shared();
        let config = shared.provider.config();
        let options = options.over(config.sign_in());
        let request = request_of(&options)?;
        Ok(AuthorizationFlow {
            address,
            state,
            nonce,
            verifier,
            redirect_uri: redirect_uri.to_owned(),
            request: StoredRequest::of(&request),
            max_age: options.max_age,
            auth_context: options.auth_context,
            client_id: config.client_id().to_owned(),
            authority: config.authority().name().to_owned(),
            expires_at: shared.clock.now() + FLOW_LIFE,
        })
    }

    /// Ends a sign-in with the provider's answer: the query of the request to the redirect address,
    /// or the form that was posted there.
    ///
    /// The code is redeemed once, the ID token is verified completely and held to what was asked
    /// (nonce, `max_age`, authentication context), and the tokens are kept: to the end, also if the
    /// caller goes away.
    ///
    /// # Errors
    ///
    /// `CallbackInvalid`, `StateMismatch`, `ResponseIssuerMismatch` if the answer is not one to
    /// this flow, or the flow not one of this client ID and authority; `AttemptExpired` if it comes
    /// later than [`AuthorizationFlow::expires_at`]: nothing was sent then. What the provider
    /// answers (`AccessDenied`, `InteractionRequired`, …), with nothing of the answer but its
    /// error. `TokenResponseInvalid` if there is no ID token. Those of a token's checks;
    /// `ProviderUnreachable`.
    pub async fn complete(
        &self,
        flow: &AuthorizationFlow,
        answer: &str,
    ) -> Result<AcquiredTokens, Error> {
        let provider = &self.shared().provider;
        let parameters = CallbackParameters::parse(answer.trim_start_matches('?').as_bytes())?;
        if flow.state.is_empty() {
            return Err(Error::new(ErrorKind::StateMismatch, "the flow has no `state`"));
        }
        let config = provider.config();
        if flow.client_id != config.client_id() || flow.authority != config.authority().name() {
            return Err(Error::new(
                ErrorKind::StateMismatch,
                "the flow was begun by another application or at another provider",
            ));
        }
        if flow.expires_at <= self.shared().clock.now() {
            return Err(Error::new(
                ErrorKind::AttemptExpired,
                "the answer came more than ten minutes after the start",
            ));
        }
        let signing_in = self.signing_in(&flow.request.request())?;
        let code = parameters.check(
            &flow.state,
            &*signing_in.provider.metadata().await?,
            signing_in.provider.authority(),
        )?;
        let (client, flow) = (self.clone(), flow.clone());
        self.to_the_end(async move {
            let grant = Grant::Code {
                code: code.secret(),
                verifier: Some(&flow.verifier),
                redirect_uri: &flow.redirect_uri,
            };
            let expectation = IdTokenExpectation {
                nonce: Nonce::Sent(flow.nonce.expose()),
                max_age: flow.max_age,
                auth_context: flow.auth_context.as_deref(),
                ..client.required()
            };
            client.redeem(grant, &signing_in, expectation).await
        })
        .await
    }

    /// The address of a sign-in whose `state`, `nonce` and verifier the caller makes and keeps: 22
    /// to 128 unreserved characters each, random, used once.
    ///
    /// [`redeem_code`](Self::redeem_code) does not know the options: whoever asks for a maximum age
    /// or an authentication context here looks for it in the claims, or uses
    /// [`initiate`](Self::initiate).
    ///
    /// # Errors
    ///
    /// As [`initiate`](Self::initiate); `Internal` if one of the three is not as it has to be.
    pub async fn authorization_url(
        &self,
        redirect_uri: &str,
        state: &str,
        nonce: &str,
        verifier: &Secret,
        options: &SignInOptions,
    ) -> Result<String, Error> {
        let config = self.config();
        let refused = |detail: String| Error::new(ErrorKind::RequestInvalid, detail);
        let mut options = options.over(config.sign_in());
        let provider = self.provider_in(options.tenant.take().as_deref())?;
        options.check().map_err(|error| refused(error.to_string()))?;
        if url::Url::parse(redirect_uri).is_err() {
            return Err(refused("the redirect address is not a URL".into()));
        }
        let claims = claims_of(&mut options, config.authority().is_microsoft());
        let metadata = provider.metadata().await?;
        let scopes = provider.scopes_of(&metadata, &options);
        let binding = RequestBinding { redirect_uri, state, nonce, verifier: verifier.expose() };
        binding.url(&provider, &metadata, &scopes, &options, claims.as_deref())
    }

    /// Redeems a code whose sign-in was begun elsewhere, and keeps what it brings.
    ///
    /// # Errors
    ///
    /// What the provider answers (`InvalidGrant`, …); `TokenResponseInvalid` if there is no ID
    /// token; those of a token's checks; `ProviderUnreachable`.
    ///
    /// # Security
    ///
    /// Nobody has checked here whose browser brought the code. Use [`complete`](Self::complete)
    /// where the sign-in began here.
    pub async fn redeem_code(&self, code: &BareCode) -> Result<AcquiredTokens, Error> {
        let mut request = TokenRequest::new(&code.scopes)?;
        if let Some(tenant) = &code.tenant {
            request = request.with_tenant(tenant);
        }
        if let Some(resource) = &code.resource {
            request = request.with_resource(resource);
        }
        let signing_in = self.signing_in(&request)?;
        let (client, code) = (self.clone(), code.clone());
        self.to_the_end(async move {
            let grant = Grant::Code {
                code: &code.code,
                verifier: code.verifier.as_ref(),
                redirect_uri: &code.redirect_uri,
            };
            let nonce =
                code.nonce.as_ref().map_or(Nonce::NotSent, |nonce| Nonce::Sent(nonce.expose()));
            client
                .redeem(grant, &signing_in, IdTokenExpectation { nonce, ..client.required() })
                .await
        })
        .await
    }

    /// A code is for what was asked for; only Entra wants to be told again, for one resource
    /// (AADSTS28000). Tokens for the others come by refresh.
    async fn redeem(
        &self,
        grant: Grant<'_>,
        signing_in: &SignInRequest,
        expectation: IdTokenExpectation<'_>,
    ) -> Result<AcquiredTokens, Error> {
        let provider = &signing_in.provider;
        let again = if provider.authority().is_microsoft() {
            first_resource_scopes(&signing_in.request.scopes().collect::<Vec<_>>()).join(" ")
        } else {
            String::new()
        };
        let answer = provider.tokens(grant, &signing_in.asked(&again)).await?;
        // No configuration leaves `openid` out.
        if answer.id_token.is_none() {
            return Err(Error::new(
                ErrorKind::TokenResponseInvalid,
                "the token answer has no ID token, although `openid` is asked for (OpenID Connect Core section 3.1.3.3)",
            ));
        }
        self.take(answer, signing_in, expectation).await
    }
}

/// What a sign-in with these options brings. Of several resources the provider chooses one.
fn request_of(options: &SignInOptions) -> Result<TokenRequest, Error> {
    let mut request = TokenRequest::new(&options.scopes)?;
    if let Some(tenant) = &options.tenant {
        request = request.with_tenant(tenant);
    }
    let mut resources =
        options.parameters.iter().filter(|(name, _)| name == "resource").map(|(_, value)| value);
    if let (Some(resource), None) = (resources.next(), resources.next()) {
        request = request.with_resource(resource);
    }
    // At the token endpoint they are asked for as the API's, which makes no other entry of the
    // token.
    if let Some(claims) = &options.claims {
        request = request.with_challenge(claims);
    }
    Ok(request)
}
