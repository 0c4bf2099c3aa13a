//! Tokens of the application itself, and of somebody who called it.

use std::time::Duration;

use aws_lc_rs::digest::{self, SHA256};
use serde_json::{Map, Value};

use super::core::{APPS, ASSERTIONS, Client};
use crate::{
    clock::UnixTime,
    error::{Error, ErrorKind, TokenOwner},
    secret::{Secret, base64url, from_base64url},
    tokens::{AccessToken, GrantRecord, Person, TokenRequest},
};

/// How long an assertion that does not say when it ends is remembered.
const UNSTATED_LIFE: Duration = Duration::from_secs(3600);
/// No assertion is remembered for longer, whatever it says of its end.
const LONGEST_LIFE: Duration = Duration::from_secs(24 * 3600);
/// No provider's token is longer; what is longer is somebody's attempt to fill memory.
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

    /// A token on behalf of whoever called this application, see [`Client::on_behalf_of`].
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
    /// The application itself as a source of tokens, see [`for_app`](Self::for_app).
    #[must_use]
    pub fn app_tokens(&self) -> AppTokens {
        AppTokens(self.clone())
    }

    /// A token of the application itself, for one resource or its `/.default` (RFC 6749 section
    /// 4.4). The scopes are sent as they are.
    ///
    /// # Errors
    ///
    /// - `RequestInvalid`: no scope and no resource is asked for;
    /// - `NotConfigured`: the application has no credential; or the authority stands for several
    ///   tenants (`common`, `organizations`) and the request names none;
    /// - `ClientRefused`, also where the provider would ask somebody something: nobody is there;
    ///   and what else it answers; `CredentialUnavailable`, `ProviderUnreachable`.
    pub async fn for_app(&self, request: &TokenRequest) -> Result<AccessToken, Error> {
        let shared = self.shared();
        let config = shared.provider.config();
        self.check_application(request)?;
        let tenant = request.tenant().unwrap_or_default().to_ascii_lowercase();
        let grant = shared.partitions.find_or_insert(&format!("{APPS}{tenant}"), None, || {
            // There is nothing to refresh with and nothing is needed: the credential is.
            GrantRecord::without_sign_in(
                self.person(config.client_id(), request.tenant()),
                "client_credentials".into(),
            )
        })?;
        let asked = shared.apps.access_token(&grant, request).await;
        asked.map_err(|error| match error.kind() {
            ErrorKind::InteractionRequired | ErrorKind::InvalidGrant | ErrorKind::AccessDenied => {
                error.with_kind(ErrorKind::ClientRefused)
            }
            _ => error,
        })
    }

    /// A token for another API, on behalf of whoever called this one with `assertion`: a bearer
    /// token that was verified and is for this application.
    ///
    /// What is obtained is kept for that assertion alone, and no longer than it lives, a day at
    /// most. Of an assertion that nothing is obtained for nothing is kept but that it was refused,
    /// for a minute.
    ///
    /// # Errors
    ///
    /// - `RequestInvalid`: no scope and no resource is asked for, or the assertion is empty or
    ///   longer than 64 KiB;
    /// - `NotConfigured`: the application has no credential; or the authority stands for several
    ///   tenants (`common`, `organizations`) and the request does not name the caller's;
    /// - `InteractionRequired`: the caller has to sign in with the claims in [`Error::provider`];
    ///   hand them on as a challenge;
    /// - `InvalidGrant` if the assertion is over, or at Entra ID plainly one of version 1.0 or for
    ///   another application, which is not sent; and what else the provider answers;
    ///   `CredentialUnavailable`, `ProviderUnreachable`.
    pub async fn on_behalf_of(
        &self,
        assertion: &Secret,
        request: &TokenRequest,
    ) -> Result<AccessToken, Error> {
        let shared = self.shared();
        self.check_on_behalf(assertion, request)?;
        let hash = digest::digest(&SHA256, assertion.expose().as_bytes());
        let (name, now) = (base64url(hash.as_ref()), shared.clock.now());
        let id = hash.as_ref().first_chunk().copied().unwrap_or_default();
        let ends = end_of(assertion).unwrap_or_else(|| now + UNSTATED_LIFE).min(now + LONGEST_LIFE);
        let partition = shared.partitions.enter(&format!("{ASSERTIONS}{name}"), id, ends, || {
            GrantRecord::without_sign_in(self.person(&name, None), assertion.clone())
        });
        let asked = shared.assertions.access_token(partition.grant(), request).await;
        asked.map_err(|error| error.for_token(TokenOwner::Caller, request.scopes()))
    }

    /// Refuses what cannot be asked for on behalf of the caller with this assertion.
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
        self.check_assertion(assertion)
            .map_err(|error| error.for_token(TokenOwner::Caller, request.scopes()))
    }

    /// Refuses what Entra would not take, as far as an assertion can be read; what it says is not
    /// verified here.
    fn check_assertion(&self, assertion: &Secret) -> Result<(), Error> {
        let config = self.config();
        let Some(claims) = claims_of(assertion).filter(|_| config.authority().is_entra()) else {
            return Ok(());
        };
        let refused = |detail| Err(Error::new(ErrorKind::InvalidGrant, detail));
        if claims.get("ver").and_then(Value::as_str) == Some("1.0") {
            return refused(
                "the assertion is an access token of version 1.0: set `requestedAccessTokenVersion` to 2 in the manifest of this application's registration",
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
            ),
        }
    }

    pub(super) fn check_application(&self, request: &TokenRequest) -> Result<(), Error> {
        if !self.shared().provider.config().credential().is_confidential() {
            return Err(Error::new(
                ErrorKind::NotConfigured,
                "only an application with a credential can ask for this: the client is public",
            ));
        }
        if request.asks_for_nothing() {
            return Err(Error::new(
                ErrorKind::RequestInvalid,
                "a token of the application itself needs a scope, such as https://graph.microsoft.com/.default",
            ));
        }
        if self.shared().provider.config().authority().is_multi_tenant()
            && request.tenant().is_none()
        {
            return Err(Error::new(
                ErrorKind::NotConfigured,
                "the token is one of a tenant, and the authority stands for many: name the tenant, the caller's if it is on behalf of one, by `TokenRequest::with_tenant`, or in the authority",
            ));
        }
        Ok(())
    }

    /// The person of a record that belongs to no account.
    pub(super) fn person(&self, name: &str, tenant: Option<&str>) -> Person {
        let iss = self.shared().provider.config().authority().name().to_owned();
        Person { iss, sub: name.to_owned(), tid: tenant.map(str::to_owned), oid: None }
    }
}

/// A name for a secret that tells nothing about it.
pub(super) fn fingerprint(secret: &Secret) -> String {
    base64url(digest::digest(&SHA256, secret.expose().as_bytes()).as_ref())
}

/// When a JWT says that it ends. Nothing in it is believed beyond how long to remember it.
fn end_of(jwt: &Secret) -> Option<UnixTime> {
    Some(UnixTime::from_seconds(claims_of(jwt)?.get("exp")?.as_i64()?))
}

/// What a JWT says, unverified; `None` for a token that nobody but its provider reads.
fn claims_of(jwt: &Secret) -> Option<Map<String, Value>> {
    let mut parts = jwt.expose().split('.');
    let (_, claims, _, None) = (parts.next()?, parts.next()?, parts.next()?, parts.next()) else {
        return None;
    };
    serde_json::from_slice(&from_base64url(claims)?).ok()
}
