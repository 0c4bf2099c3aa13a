//! The requests that renew the tokens of each kind of cache partition.

use async_trait::async_trait;

use crate::{
    error::Error,
    protocol::{Grant, IdTokenExpectation, Nonce, Provider},
    secret::Secret,
    sign_in::refresh_with,
    single_flight::Order,
    tokens::{OFFLINE_ACCESS, RefreshAnswer, RefreshRequest, Refresher, TokenSet},
};

/// Renews with the refresh token of an account.
#[derive(Debug)]
pub(super) struct UserRefresher(pub(super) Provider);

#[async_trait]
impl Refresher for UserRefresher {
    async fn refresh(
        &self,
        refresh_token: &Secret,
        request: &RefreshRequest,
    ) -> Result<RefreshAnswer, Error> {
        // `openid` and `offline_access` make the answer include an ID token and a refresh token.
        let config = self.0.config();
        let metadata = self.0.metadata().await?;
        let scopes =
            metadata.offered(config, config.openid_scopes().iter().map(String::as_str), &[]);
        let scopes: Vec<String> = scopes.into_iter().map(str::to_owned).collect();
        let mut refreshed = refresh_with(&self.0, refresh_token, request, &scopes).await?;
        if let Some(Ok(identity)) = &refreshed.identity {
            refreshed.id_token = Some(identity.id_token.clone());
        }
        Ok(refreshed)
    }
}

/// Renews with the application's own credential. The record's placeholder for a refresh token is
/// not sent.
#[derive(Debug)]
pub(super) struct AppRefresher(pub(super) Provider);

#[async_trait]
impl Refresher for AppRefresher {
    async fn refresh(&self, _: &Secret, request: &RefreshRequest) -> Result<RefreshAnswer, Error> {
        exchanged(&self.0, Grant::ClientCredentials, request).await
    }

    /// The grant is not used up, so requests for other scopes may run at the same time.
    fn order(&self) -> Order {
        Order::AtOnce
    }
}

/// Renews with the caller's assertion, which the record has in the place of a refresh token.
#[derive(Debug)]
pub(super) struct OnBehalfRefresher(pub(super) Provider);

#[async_trait]
impl Refresher for OnBehalfRefresher {
    async fn refresh(
        &self,
        assertion: &Secret,
        request: &RefreshRequest,
    ) -> Result<RefreshAnswer, Error> {
        exchanged(&self.0, Grant::OnBehalfOf(assertion), request).await
    }

    /// The grant is not used up, so requests for other scopes may run at the same time.
    fn order(&self) -> Order {
        Order::AtOnce
    }
}

/// Renews with the refresh token of an on-behalf-of grant, for work that continues without the
/// caller. It requests no ID token, because its claims are not needed.
#[derive(Debug)]
pub(super) struct LongRunningRefresher(pub(super) Provider);

#[async_trait]
impl Refresher for LongRunningRefresher {
    async fn refresh(
        &self,
        refresh_token: &Secret,
        request: &RefreshRequest,
    ) -> Result<RefreshAnswer, Error> {
        let also = [OFFLINE_ACCESS.to_owned()];
        let refreshed = refresh_with(&self.0, refresh_token, request, &also).await?;
        Ok(RefreshAnswer { identity: None, ..refreshed })
    }
}

/// Sends a grant with exactly the requested scopes, and takes the access token, and the verified ID
/// token if the scopes have `openid`. A refresh token would outlive the assertion or credential of
/// the request.
async fn exchanged(
    provider: &Provider,
    grant: Grant<'_>,
    request: &RefreshRequest,
) -> Result<RefreshAnswer, Error> {
    let asked = request.asked(request.scopes().as_str());
    // An application has a token per tenant: the token endpoint of that tenant issues it, and the
    // issuer of an ID token is that tenant.
    let provider = provider.in_tenant_of(request.tenant())?;
    let answer = provider.tokens(grant, &asked).await?;
    // Some providers send an ID token that was not requested, also to an application: it is not
    // looked at, so that a mistake in it does not cost the access token.
    let asks_for_it = request.scopes().iter().any(|scope| scope == "openid");
    let id_token = match answer.id_token.as_ref().filter(|_| asks_for_it) {
        // It is not compared with the person of the record, who is unknown for an assertion.
        Some(id_token) => {
            let expectation = IdTokenExpectation {
                nonce: Nonce::Renewal(None),
                access_token: answer.access_token.as_ref().map(Secret::expose),
                ..IdTokenExpectation::default()
            };
            provider.verify_id_token(id_token.expose(), &expectation).await?;
            Some(id_token.clone())
        }
        None => None,
    };
    let issued = TokenSet { refresh_token: None, ..answer.into() };
    Ok(RefreshAnswer { issued, id_token, ..RefreshAnswer::default() })
}
