//! Tokens of the application itself, and tokens on behalf of a caller.

use std::time::Duration;

use aws_lc_rs::digest::{self, SHA256};
use serde_json::{Map, Value};

use super::{core::Client, partition::Partition};
use crate::{
    authority::PERSONAL,
    error::{Error, ErrorKind},
    protocol::unverified_end,
    secret::{Secret, base64url, unverified_payload},
    tokens::{AccessToken, GrantRecord, GrantSource, Person, TokenRequest},
};

/// How long an assertion without an `exp` claim stays cached, by the client's clock.
const UNSTATED_LIFE: Duration = Duration::from_secs(3600);
/// The upper limit for every assertion, whatever its `exp` claim says.
const LONGEST_LIFE: Duration = Duration::from_secs(24 * 3600);
/// In bytes. Access tokens of real providers are far shorter; the limit protects the memory.
const LONGEST_ASSERTION: usize = 64 * 1024;

/// The tokens of the application itself, for [`ApiClient`](crate::outgoing::ApiClient) and
/// [`AuthorizeLayer`](crate::outgoing::AuthorizeLayer).
#[derive(Clone, Debug)]
pub struct AppTokens(Client);

impl AppTokens {
    /// A token of the application itself that answers this request, see [`Client::for_app`].
    ///
    /// # Errors
    ///
    /// Those of [`Client::for_app`].
    pub async fn acquire(&self, request: &TokenRequest) -> Result<AccessToken, Error> {
        self.0.for_app(request).await
    }

    /// A token on behalf of the caller of this application, see [`Client::on_behalf_of`].
    ///
    /// # Errors
    ///
    /// Those of [`Client::on_behalf_of`].
    pub async fn on_behalf_of(
        &self,
        assertion: &Secret,
        request: &TokenRequest,
    ) -> Result<AccessToken, Error> {
        self.0.on_behalf_of(assertion, request).await
    }
}

impl Client {
    /// This client as a source of application tokens, see [`for_app`](Self::for_app).
    #[must_use]
    pub fn app_tokens(&self) -> AppTokens {
        AppTokens(self.clone())
    }

    /// Acquires a token of the application itself with the client credentials grant (RFC 6749
    /// section 4.4), for the scopes of one resource. Entra ID wants the resource's `/.default`.
    /// The scopes are sent unchanged.
    ///
    /// # Errors
    ///
    /// - `RequestInvalid`: the request has neither a scope nor a resource; at providers other than
    ///   Microsoft's a [parameter](TokenRequest::add_parameter) is enough;
    /// - `NotConfigured`: the application has no credential; or the authority stands for several
    ///   tenants (`common`, `organizations`) or for personal accounts (`consumers`), and the
    ///   request names no tenant, or that name;
    /// - `ClientRefused`: the provider refused, also where its answer demands an interaction: an
    ///   application cannot sign in interactively;
    /// - other errors of the provider, `CredentialUnavailable`, `ProviderUnreachable`.
    pub async fn for_app(&self, request: &TokenRequest) -> Result<AccessToken, Error> {
        let shared = self.shared();
        let config = shared.provider.config();
        self.check_application(request)?;
        self.check_tenant_of_applications(request)?;
        let tenant = request.tenant().unwrap_or_default().to_ascii_lowercase();
        let grant =
            shared.partitions.find_or_insert(&Partition::Apps.name(&tenant), None, || {
                // The grant has no refresh token (RFC 6749 section 4.4.3): a new token is requested
                // with the credential.
                let person = self.person(config.client_id(), request.tenant());
                GrantRecord::without_sign_in(person, GrantSource::Application)
            })?;
        let asked = shared.apps.access_token(&grant, request).await;
        asked.map_err(|error| match error.kind() {
            ErrorKind::InteractionRequired | ErrorKind::InvalidGrant | ErrorKind::AccessDenied => {
                error.with_kind(ErrorKind::ClientRefused)
            }
            _ => error,
        })
    }

    /// Acquires a token for another API on behalf of the caller of this one. `assertion` is the
    /// caller's bearer token: it must have been verified, and be issued for this application.
    ///
    /// The new tokens are cached for that assertion alone, until the assertion expires and for a
    /// day at most. If the provider refuses, the refusal alone is cached, for a minute.
    ///
    /// # Errors
    ///
    /// - `RequestInvalid`: the request has neither a scope nor a resource, or the assertion is
    ///   empty or longer than 64 KiB;
    /// - `NotConfigured`: the application has no credential; or the authority stands for several
    ///   tenants (`common`, `organizations`) and the request does not name the caller's;
    /// - `InteractionRequired`: the caller has to sign in again with the claims in
    ///   [`Error::provider`]; pass them to the caller as a challenge;
    /// - `InvalidGrant`: the assertion has expired; or, at Entra ID, it is a token of version 1.0
    ///   or for another application (detected before anything is sent);
    /// - other errors of the provider, `CredentialUnavailable`, `ProviderUnreachable`.
    pub async fn on_behalf_of(
        &self,
        assertion: &Secret,
        request: &TokenRequest,
    ) -> Result<AccessToken, Error> {
        let shared = self.shared();
        self.check_on_behalf(assertion, request)?;
        // The key is a hash of the whole assertion: tokens of one caller are never found by
        // another.
        let hash = digest::digest(&SHA256, assertion.expose().as_bytes());
        let (name, now) = (base64url(hash.as_ref()), shared.clock.now());
        let id = hash.as_ref().first_chunk().copied().unwrap_or_default();
        let ends = unverified_end(assertion)
            .unwrap_or_else(|| now + UNSTATED_LIFE)
            .min(now + LONGEST_LIFE);
        let partition =
            shared.partitions.enter(&Partition::Assertions.name(&name), id, ends, || {
                let source = GrantSource::Assertion(assertion.clone());
                GrantRecord::without_sign_in(self.person(&name, None), source)
            });
        let asked = shared.assertions.access_token(partition.grant(), request).await;
        asked.map_err(|error| self.for_caller(error, request))
    }

    /// Checks a request on behalf of a caller before anything is cached or sent.
    pub(super) fn check_on_behalf(
        &self,
        assertion: &Secret,
        request: &TokenRequest,
    ) -> Result<(), Error> {
        self.check_application(request)?;
        if assertion.is_empty() {
            return Err(Error::new(ErrorKind::RequestInvalid, "there is no assertion to act on"));
        }
        if assertion.expose().len() > LONGEST_ASSERTION {
            return Err(Error::new(
                ErrorKind::RequestInvalid,
                format!(
                    "the assertion has {} bytes, and no access token has more than 65,536",
                    assertion.expose().len()
                ),
            ));
        }
        self.check_assertion(assertion).map_err(|error| self.for_caller(error, request))
    }

    /// The failure of a request on behalf of a caller, who gets the challenge.
    pub(super) fn for_caller(&self, error: Error, request: &TokenRequest) -> Error {
        // The tenant that answered is the one that the claims are for.
        let provider = self.shared().provider.in_tenant_of(request.tenant()).ok();
        let authorization_uri = provider.and_then(|there| there.authority().authorization_uri());
        error.for_caller(request.scopes(), authorization_uri)
    }

    /// Refuses assertions that Entra ID would refuse, as far as the unverified claims show it. A
    /// token for another application is not disclosed to the token endpoint.
    fn check_assertion(&self, assertion: &Secret) -> Result<(), Error> {
        let config = self.config();
        let Some(claims) = claims_of(assertion).filter(|_| config.authority().is_entra()) else {
            return Ok(());
        };
        // The remedy of the kind is about a refusal by the provider.
        let refused = |detail: &'static str, remedy| {
            Err(Error::new(ErrorKind::InvalidGrant, detail).with_remedy(remedy))
        };
        // Requests go to the endpoint of version 2.0. Maintainers of MSAL.NET report that it
        // refuses such an assertion, and its answer does not say that the manifest is the cause.
        // MSAL for Python sends it.
        if claims.get("ver").and_then(Value::as_str) == Some("1.0") {
            return refused(
                "the assertion is an access token of version 1.0",
                "set `requestedAccessTokenVersion` to 2 in the manifest of this application's \
                 registration",
            );
        }
        let is_ours = |audience: &Value| {
            let audience = audience.as_str().unwrap_or_default();
            audience
                .strip_prefix("api://")
                .unwrap_or(audience)
                .eq_ignore_ascii_case(config.client_id())
                || config.trusted_audiences().iter().any(|trusted| trusted == audience)
        };
        match claims.get("aud") {
            Some(Value::Array(audiences)) if audiences.iter().any(is_ours) => Ok(()),
            Some(audience) if is_ours(audience) => Ok(()),
            None => Ok(()),
            Some(_) => refused(
                "the assertion is an access token for another application: it is not sent on",
                "pass the token with which this application was called; if its `aud` is a name of \
                 this application, add that by `add_trusted_audience` \
                 (IDENTITY_TRUSTED_AUDIENCES), in an API by `add_audience`",
            ),
        }
    }

    /// Refuses a public client before anything is sent.
    pub(super) fn check_confidential(&self) -> Result<(), Error> {
        if self.config().credential().is_confidential() {
            return Ok(());
        }
        Err(Error::new(
            ErrorKind::NotConfigured,
            "only an application with a credential can ask for this, and the client is public: set \
             `IdentityConfig::with_credential` (IDENTITY_CLIENT_SECRET), and leave \
             IDENTITY_CLIENT_AUTH_METHOD=none out",
        ))
    }

    /// Refuses the tenant of personal accounts, in which no application is registered.
    fn check_tenant_of_applications(&self, request: &TokenRequest) -> Result<(), Error> {
        let is_personal = match request.tenant() {
            Some(tenant) => tenant == PERSONAL || tenant == "consumers",
            None => self.config().authority().is_personal(),
        };
        if is_personal && self.config().authority().is_microsoft() {
            return Err(Error::new(
                ErrorKind::NotConfigured,
                "the tenant of personal accounts (`consumers`) has no applications, so none gets a \
                 token of its own there: name the application's tenant by \
                 `TokenRequest::with_tenant`, or in the authority",
            ));
        }
        Ok(())
    }

    pub(super) fn check_application(&self, request: &TokenRequest) -> Result<(), Error> {
        self.check_confidential()?;
        if request.asks_for_nothing() {
            let is_microsoft = self.shared().provider.authority().is_microsoft();
            let detail = if is_microsoft {
                "a token of the application itself needs a scope, such as \
                 https://graph.microsoft.com/.default"
            } else {
                "a token of the application itself needs a scope, or what else names the API at \
                 this provider: `TokenRequest::with_resource`, or a parameter \
                 (`TokenRequest::add_parameter`: `audience` at Auth0)"
            };
            // RFC 6749 section 4.4.2: the scope is optional. Auth0 names the API by a parameter.
            if is_microsoft || !request.has_parameters() {
                return Err(Error::new(ErrorKind::RequestInvalid, detail));
            }
        }
        let authority = self.config().authority();
        // The authority's own name (`common`) stands for as many tenants as the authority.
        if authority.is_multi_tenant()
            && request.tenant().is_none_or(|name| authority.is_tenant(name))
        {
            return Err(Error::new(
                ErrorKind::NotConfigured,
                "the token is one of a tenant, and the authority stands for many: name the \
                 tenant, the caller's if it is on behalf of one, by `TokenRequest::with_tenant`, \
                 or in the authority",
            ));
        }
        Ok(())
    }

    /// The person in a record without an account, identified by `name`.
    pub(super) fn person(&self, name: &str, tenant: Option<&str>) -> Person {
        let iss = self.shared().provider.config().authority().name().to_owned();
        Person { iss, sub: name.to_owned(), tid: tenant.map(str::to_owned), oid: None }
    }
}

/// The SHA-256 hash of a secret, in base64url: a name that does not disclose it.
pub(super) fn fingerprint(secret: &Secret) -> String {
    base64url(digest::digest(&SHA256, secret.expose().as_bytes()).as_ref())
}

/// The unverified claims of a JWT; `None` for an opaque token.
fn claims_of(jwt: &Secret) -> Option<Map<String, Value>> {
    let is_signed = jwt.expose().matches('.').count() == 2;
    let claims = is_signed.then(|| unverified_payload(jwt)).flatten()?;
    serde_json::from_slice(&claims).ok()
}
