//! What each kind of partition asks the provider for when it has no token that lasts.

use async_trait::async_trait;

use super::long_running::OFFLINE_ACCESS;
use crate::{
    error::Error,
    protocol::{Grant, Provider},
    secret::Secret,
    sign_in::refresh_with,
    single_flight::Order,
    tokens::{Issued, RefreshRequest, Refreshed, Refresher},
};

/// By the refresh token of an account.
#[derive(Debug)]
pub(super) struct ForUser(pub(super) Provider);

#[async_trait]
impl Refresher for ForUser {
    async fn refresh(
        &self,
        refresh_token: &Secret,
        request: &RefreshRequest,
    ) -> Result<Refreshed, Error> {
        // The scopes of the sign-in keep refresh token and ID token coming.
        let config = self.0.config();
        let metadata = self.0.metadata().await?;
        let scopes =
            metadata.offered(config, config.openid_scopes().iter().map(String::as_str), &[]);
        let scopes: Vec<String> = scopes.into_iter().map(str::to_owned).collect();
        refresh_with(&self.0, refresh_token, request, &scopes).await
    }
}

/// By the application's own credential. What stands for a refresh token in its record is not sent.
#[derive(Debug)]
pub(super) struct ForApp(pub(super) Provider);

#[async_trait]
impl Refresher for ForApp {
    async fn refresh(&self, _: &Secret, request: &RefreshRequest) -> Result<Refreshed, Error> {
        exchanged(&self.0, Grant::ClientCredentials, request).await
    }

    /// Nothing is used up: requests for other scopes need not wait.
    fn order(&self) -> Order {
        Order::AtOnce
    }
}

/// By the assertion that an API was called with, which stands for a refresh token in the record.
#[derive(Debug)]
pub(super) struct OnBehalf(pub(super) Provider);

#[async_trait]
impl Refresher for OnBehalf {
    async fn refresh(
        &self,
        assertion: &Secret,
        request: &RefreshRequest,
    ) -> Result<Refreshed, Error> {
        exchanged(&self.0, Grant::OnBehalfOf(assertion), request).await
    }

    /// Nothing is used up: requests for other scopes need not wait.
    fn order(&self) -> Order {
        Order::AtOnce
    }
}

/// By the refresh token that came on behalf of a caller, for work that goes on without the caller.
/// Nothing in an ID token is of interest, so that none is asked for.
#[derive(Debug)]
pub(super) struct ForWork(pub(super) Provider);

#[async_trait]
impl Refresher for ForWork {
    async fn refresh(
        &self,
        refresh_token: &Secret,
        request: &RefreshRequest,
    ) -> Result<Refreshed, Error> {
        let also = [OFFLINE_ACCESS.to_owned()];
        let refreshed = refresh_with(&self.0, refresh_token, request, &also).await?;
        Ok(Refreshed { identity: None, ..refreshed })
    }
}

/// The scopes as they were given, and the access token alone: a refresh token would outlive what it
/// was given for.
async fn exchanged(
    provider: &Provider,
    grant: Grant<'_>,
    request: &RefreshRequest,
) -> Result<Refreshed, Error> {
    let asked = request.asked(request.scopes().as_str());
    let answer = match request.tenant() {
        Some(tenant) => provider.in_tenant(tenant)?.tokens(grant, &asked).await?,
        None => provider.tokens(grant, &asked).await?,
    };
    let issued = Issued { refresh_token: None, ..answer.into() };
    Ok(Refreshed { issued, identity: None })
}
