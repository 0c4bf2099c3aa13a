//! The authorization code flow of a [`Client`] in two steps ([`Client::initiate`],
//! [`Client::complete`]), and each half alone for applications that have the other one elsewhere.

use std::{fmt, time::Duration};

use serde::{Deserialize, Serialize};

use super::{
    AccountSource, AcquiredTokens,
    core::{Client, SignInRequest},
    stored_request::StoredRequest,
};
use crate::{
    clock::UnixTime,
    config::SignInOptions,
    error::{Error, ErrorKind},
    protocol::{
        CallbackParameters, Grant, IdTokenExpectation, Nonce, RequestBinding, check_verifier,
        claims_of, first_resource_scopes,
    },
    secret::{self, Secret, base64url, random},
    strings::StringList,
    tokens::TokenRequest,
};

/// A pending sign-in: the URL of the authorization request, and the values that the provider's
/// answer is checked against.
///
/// It can be stored until the answer arrives, with serde or in memory.
///
/// # Security
///
/// It contains the secrets of this sign-in (`nonce` and code verifier): keep it on the server or
/// encrypted, bound to the browser that was sent to the provider, and use it once.
#[derive(Clone, Serialize, Deserialize)]
pub struct AuthorizationFlow {
    #[serde(rename = "u")]
    url: String,
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
    /// The scopes of the authorization request, as it was sent.
    #[serde(rename = "sc", default)]
    sent_scopes: String,
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

/// The same lifetime as a sign-in attempt of the layer: ten minutes.
const FLOW_LIFE: Duration = Duration::from_secs(600);

impl AuthorizationFlow {
    /// The URL of the authorization request. Redirect the browser there.
    #[must_use]
    pub fn url(&self) -> &str {
        &self.url
    }

    /// The end of the flow, ten minutes after its start by the client's clock. Later answers are
    /// refused.
    #[must_use]
    pub fn expires_at(&self) -> UnixTime {
        self.expires_at
    }

    /// The `state` of the authorization request. The answer repeats it, so it can be the key under
    /// which the flow is stored. It proves nothing about the browser.
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

/// An authorization code from a sign-in that started elsewhere, for example in a page with its own
/// OAuth library.
///
/// ```
/// use tower_identity::client::BareCode;
///
/// let code = BareCode::new("0.AbCd", "https://app.example/callback")
///     .with_verifier("dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk")
///     .with_nonce("the nonce that was sent");
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
    claims: Option<String>,
}

impl BareCode {
    /// A code with the redirect URI that it was delivered to.
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
            claims: None,
        }
    }

    /// Sets the PKCE code verifier: 43 to 128 unreserved characters (RFC 7636 section 4.1). The
    /// default is none, for an authorization request without `code_challenge`.
    #[must_use]
    pub fn with_verifier(mut self, verifier: impl Into<Secret>) -> Self {
        self.verifier = Some(verifier.into());
        self
    }

    /// Sets the `nonce` of the authorization request. Without one, an ID token with a nonce is
    /// refused.
    #[must_use]
    pub fn with_nonce(mut self, nonce: impl Into<Secret>) -> Self {
        self.nonce = Some(nonce.into());
        self
    }

    /// Sets the scopes of the authorization request, without those of the sign-in itself (`openid`
    /// …). The default is none.
    #[must_use]
    pub fn with_scopes<Kind>(mut self, scopes: impl StringList<Kind>) -> Self {
        self.scopes = scopes.into_strings();
        self
    }

    /// Sets the tenant of the authorization request by its GUID, where the authority stands for
    /// several. The default accepts the person's own tenant.
    #[must_use]
    pub fn with_tenant(mut self, tenant: impl Into<String>) -> Self {
        self.tenant = Some(tenant.into());
        self
    }

    /// Sets the `resource` of the authorization request (RFC 8707). The default is none.
    #[must_use]
    pub fn with_resource(mut self, resource: impl Into<String>) -> Self {
        self.resource = Some(resource.into());
        self
    }

    /// Sets the claims (a JSON object) of the authorization request, such as those of an API's
    /// challenge: they are sent again with the code. The default is none.
    #[must_use]
    pub fn with_claims(mut self, claims: impl Into<String>) -> Self {
        self.claims = Some(claims.into());
        self
    }
}

impl fmt::Debug for BareCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("BareCode").field("redirect_uri", &self.redirect_uri).finish_non_exhaustive()
    }
}

impl Client {
    /// Starts a sign-in. `redirect_uri` has to be registered at the provider. PKCE and `state` are
    /// always sent, and so is `nonce` unless
    /// [`with_nonce`](crate::IdentityConfig::with_nonce) omits it.
    ///
    /// [`SignInOptions`] carry everything else: scopes, claims, the tenant. A single `resource`
    /// (RFC 8707), set with [`add_parameter`](SignInOptions::add_parameter), becomes the resource
    /// of the access token.
    ///
    /// # Errors
    ///
    /// `RequestInvalid`: an option or the redirect URI is not valid in a request; `NotConfigured`:
    /// the configuration omits the nonce and the provider does not announce PKCE;
    /// `ProviderUnreachable`, `ProviderMisconfigured`.
    pub async fn initiate(
        &self,
        redirect_uri: &str,
        options: &SignInOptions,
    ) -> Result<AuthorizationFlow, Error> {
        let [state, nonce, verifier] =
            [random::<32>()?, random::<32>()?, random::<32>()?].map(|bytes| base64url(&bytes));
        let (verifier, nonce) = (Secret::from(verifier), Secret::from(nonce));
        let binding = RequestBinding {
            redirect_uri,
            state: &state,
            nonce: nonce.expose(),
            verifier: verifier.expose(),
        };
        let (url, sent_scopes) = self.authorization_request(&binding, options).await?;
        let shared = self.shared();
        let config = shared.provider.config();
        let options = options.over(config.sign_in());
        let request = request_of(&options)?;
        Ok(AuthorizationFlow {
            url,
            state,
            nonce,
            verifier,
            redirect_uri: redirect_uri.to_owned(),
            request: StoredRequest::of(&request),
            sent_scopes,
            max_age: options.max_age,
            auth_context: options.auth_context,
            client_id: config.client_id().to_owned(),
            authority: config.authority().name().to_owned(),
            expires_at: shared.clock.now() + FLOW_LIFE,
        })
    }

    /// Completes a sign-in with the provider's answer: the query of the request to the redirect
    /// URI, or the body of a `form_post` there.
    ///
    /// The code is redeemed once. The ID token is verified completely and checked against the
    /// request (nonce, `max_age`, authentication context). The tokens are cached. If this future is
    /// dropped, the work still finishes in a task of its own.
    ///
    /// # Errors
    ///
    /// - `CallbackInvalid`, `StateMismatch`, `ResponseIssuerMismatch`: the answer does not belong
    ///   to this flow, or the flow to another client ID or authority;
    /// - `AttemptExpired`: the answer came after [`AuthorizationFlow::expires_at`]; nothing is sent
    ///   then;
    /// - `AccessDenied`, `InteractionRequired` and the like: the error of the provider's answer,
    ///   without its other parameters;
    /// - `TokenResponseInvalid`: the token response has no ID token;
    /// - the errors of ID token verification, `ProviderUnreachable`.
    pub async fn complete(
        &self,
        flow: &AuthorizationFlow,
        answer: &str,
    ) -> Result<AcquiredTokens, Error> {
        let parameters = CallbackParameters::parse(answer.trim_start_matches('?').as_bytes())?;
        // An empty `state` would accept an answer without one.
        if flow.state.is_empty() {
            return Err(Error::new(ErrorKind::StateMismatch, "the flow has no `state`"));
        }
        if !self.has_begun(&flow.client_id, &flow.authority) {
            return Err(Error::new(
                ErrorKind::StateMismatch,
                "the flow was begun with another client id or authority: begin a new one",
            ));
        }
        if flow.expires_at <= self.shared().clock.now() {
            return Err(Error::new(
                ErrorKind::AttemptExpired,
                "the answer came more than ten minutes after the start",
            ));
        }
        let signing_in =
            self.signing_in(&flow.request.request())?.by(AccountSource::AuthorizationCode);
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
                nonce: Nonce::expected(client.config().nonce(), flow.nonce.expose()),
                max_age: flow.max_age,
                auth_context: flow.auth_context.as_deref(),
                ..client.required()
            };
            client.redeem(grant, &signing_in, &flow.sent_scopes, expectation).await
        })
        .await
    }

    /// The URL of an authorization request whose `state`, `nonce` and code verifier the caller
    /// creates and stores: random, used once, 22 to 128 unreserved characters; a verifier has at
    /// least 43 (RFC 7636 section 4.1).
    ///
    /// [`redeem_code`](Self::redeem_code) does not know these options. A caller that sets a maximum
    /// age or an authentication context has to check the claims itself, or use
    /// [`initiate`](Self::initiate).
    ///
    /// # Errors
    ///
    /// Those of [`initiate`](Self::initiate); `RequestInvalid` if `state`, `nonce` or the verifier
    /// has another form.
    pub async fn authorization_url(
        &self,
        redirect_uri: &str,
        state: &str,
        nonce: &str,
        verifier: &Secret,
        options: &SignInOptions,
    ) -> Result<String, Error> {
        let binding = RequestBinding { redirect_uri, state, nonce, verifier: verifier.expose() };
        self.authorization_request(&binding, options).await.map(|(url, _)| url)
    }

    /// The URL of an authorization request, and the scopes in it.
    async fn authorization_request(
        &self,
        binding: &RequestBinding<'_>,
        options: &SignInOptions,
    ) -> Result<(String, String), Error> {
        let config = self.config();
        let refused = |detail: String| Error::new(ErrorKind::RequestInvalid, detail);
        let mut options = options.over(config.sign_in());
        let provider = self.provider_in(options.tenant.take().as_deref())?;
        options.check().map_err(|error| refused(error.to_string()))?;
        if url::Url::parse(binding.redirect_uri).is_err() {
            return Err(refused("the redirect URI is not a URL".into()));
        }
        let claims = claims_of(&mut options, config.authority().is_microsoft());
        let metadata = provider.sign_in_metadata().await?;
        let scopes = provider.scopes_of(&metadata, &options);
        let url = binding.url(config, &metadata, &scopes, &options, claims.as_deref())?;
        Ok((url.into(), scopes.join(" ")))
    }

    /// Redeems a code of a sign-in that started elsewhere, and caches the tokens.
    ///
    /// # Errors
    ///
    /// `RequestInvalid`: the claims are not a JSON object, or the verifier has not the form of RFC
    /// 7636 section 4.1; the provider's error (`InvalidGrant`, …); `TokenResponseInvalid` if the
    /// response has no ID token; the errors of ID token verification; `ProviderUnreachable`.
    ///
    /// # Security
    ///
    /// This method cannot check that the code came from the browser in which the sign-in started.
    /// Use [`complete`](Self::complete) for sign-ins that start here.
    pub async fn redeem_code(&self, code: &BareCode) -> Result<AcquiredTokens, Error> {
        if let Some(verifier) = &code.verifier {
            check_verifier(verifier.expose())?;
        }
        let mut request = TokenRequest::new(&code.scopes)?;
        if let Some(tenant) = &code.tenant {
            request = request.with_tenant(tenant);
        }
        if let Some(resource) = &code.resource {
            request = request.with_resource(resource);
        }
        if let Some(claims) = &code.claims {
            request = request.with_challenge(claims);
        }
        let signing_in = self.signing_in(&request)?.by(AccountSource::AuthorizationCode);
        let (client, code) = (self.clone(), code.clone());
        self.to_the_end(async move {
            let grant = Grant::Code {
                code: &code.code,
                verifier: code.verifier.as_ref(),
                redirect_uri: &code.redirect_uri,
            };
            let nonce = match (&code.nonce, &code.verifier) {
                // `authorization_url` leaves the nonce out if the configuration says so.
                (Some(nonce), Some(_)) => Nonce::expected(client.config().nonce(), nonce.expose()),
                // Without PKCE only the nonce protects (RFC 9700 section 2.1.1).
                (Some(nonce), None) => Nonce::Sent(nonce.expose()),
                (None, _) => Nonce::NotSent,
            };
            client
                // The authorization request is not known here.
                .redeem(grant, &signing_in, "", IdTokenExpectation { nonce, ..client.required() })
                .await
        })
        .await
    }

    /// Redeems a code. The code itself determines the scopes (RFC 6749 section 4.1.3). Only Entra
    /// ID needs them repeated, and for one resource (AADSTS28000): tokens for the other resources
    /// are acquired by refresh.
    async fn redeem(
        &self,
        grant: Grant<'_>,
        signing_in: &SignInRequest,
        sent_scopes: &str,
        expectation: IdTokenExpectation<'_>,
    ) -> Result<AcquiredTokens, Error> {
        let provider = &signing_in.provider;
        let again = if provider.authority().is_microsoft() {
            first_resource_scopes(&signing_in.request.scopes().collect::<Vec<_>>()).join(" ")
        } else {
            String::new()
        };
        let answer = provider.tokens(grant, &signing_in.asked(&again)).await?;
        let answer = answer.for_scopes(sent_scopes);
        // Every configuration requests `openid`, so the ID token is mandatory here.
        answer.required_id_token()?;
        self.take(answer, signing_in, expectation).await
    }
}

/// The token request that a sign-in with these options satisfies. With several resources the
/// provider chooses one, so none is recorded.
fn request_of(options: &SignInOptions) -> Result<TokenRequest, Error> {
    let mut request = TokenRequest::new(&options.scopes)?;
    if let Some(tenant) = &options.tenant {
        request = request.with_tenant(tenant);
    }
    let mut resources =
        options.parameters.iter().filter(|(name, _)| name == "resource").map(|(_, value)| value);
    // RFC 8707 section 2 allows several resources; the token response does not name the chosen one.
    if let (Some(resource), None) = (resources.next(), resources.next()) {
        request = request.with_resource(resource);
    }
    // The token endpoint gets them as a claims challenge. Challenge claims are not part of the
    // cache key, so the token is found by requests without them.
    if let Some(claims) = &options.claims {
        request = request.with_challenge(claims);
    }
    Ok(request)
}
