//! Tokens for other APIs, on behalf of the caller.

use super::{bearer, caller::ApiCaller};
use crate::{
    client::Client,
    error::{Error, ErrorKind, TokenOwner},
    secret::Secret,
    strings::StringList,
    tokens::{AccessToken, TokenRequest},
};

impl ApiCaller {
    /// A token for another API with these scopes, on behalf of the person behind the call. It is
    /// kept for this caller's token alone; callers that come at the same time share one request.
    ///
    /// Returned from a handler, an error becomes the challenge of the layer: the client gets the
    /// claims or the consent that the provider requires of the person.
    ///
    /// ```
    /// use tower_identity::{ApiCaller, Error};
    ///
    /// async fn mailbox(caller: ApiCaller) -> Result<String, Error> {
    ///     let token = caller.on_behalf_of(["https://graph.microsoft.com/Mail.Read"]).await?;
    ///     # let _ = token;
    ///     Ok("call Graph with the token".into())
    /// }
    /// ```
    ///
    /// # Errors
    ///
    /// - `Forbidden`: no person is behind the call;
    /// - `NotConfigured`: the API has no credential
    ///   ([`ApiConfig::with_credential`](crate::ApiConfig::with_credential));
    /// - those of [`Client::on_behalf_of`](crate::client::Client::on_behalf_of).
    pub async fn on_behalf_of<Kind>(
        &self,
        scopes: impl StringList<Kind>,
    ) -> Result<AccessToken, Error> {
        let request = TokenRequest::new(scopes)?;
        self.on_behalf_of_with(request).await
    }

    /// The same for a request with more than scopes.
    ///
    /// # Errors
    ///
    /// As [`on_behalf_of`](Self::on_behalf_of).
    pub async fn on_behalf_of_with(&self, request: TokenRequest) -> Result<AccessToken, Error> {
        let (client, assertion, request) = self.assertion(request)?;
        client.on_behalf_of(&assertion, &request).await
    }

    /// Starts work on behalf of the person behind the call that continues after the caller's token
    /// has expired. `client` caches its tokens under `key`: it is
    /// [`ApiLayer::client`](crate::ApiLayer::client), or a client of
    /// [`StoredCaches`](crate::StoredCaches), which outlive this process.
    ///
    /// The work acquires its tokens with
    /// [`Client::long_running_token`](crate::client::Client::long_running_token).
    ///
    /// ```
    /// use tower_identity::{ApiCaller, Error, StoredCaches};
    ///
    /// async fn export(
    ///     caller: ApiCaller,
    ///     caches: &StoredCaches,
    ///     job: &str,
    /// ) -> Result<String, Error> {
    ///     let scopes = ["https://graph.microsoft.com/Mail.Read"];
    ///     let begin = async |client| caller.begin_long_running(&client, job, scopes).await;
    ///     caches.with(job, begin).await?;
    ///     Ok(format!("the export {job} has begun"))
    /// }
    /// ```
    ///
    /// # Errors
    ///
    /// As [`on_behalf_of`](Self::on_behalf_of), and those of
    /// [`Client::begin_long_running`](crate::client::Client::begin_long_running).
    pub async fn begin_long_running<Kind>(
        &self,
        client: &Client,
        key: &str,
        scopes: impl StringList<Kind>,
    ) -> Result<AccessToken, Error> {
        let (_, assertion, request) = self.assertion(TokenRequest::new(scopes)?)?;
        client.begin_long_running(key, &assertion, &request).await
    }

    /// The API's client, the caller's token, and the request in the caller's tenant.
    fn assertion(&self, request: TokenRequest) -> Result<(&Client, Secret, TokenRequest), Error> {
        if !self.kind().is_person() {
            return Err(Error::new(
                ErrorKind::Forbidden,
                "an application called by itself: there is no person for whom a token could be \
                 acquired",
            )
            .for_token(TokenOwner::Caller, request.scopes()));
        }
        let (Some(client), Some(token)) =
            (self.shared().client(), self.header.as_ref().and_then(bearer::token_of))
        else {
            return Err(Error::new(
                ErrorKind::NotConfigured,
                "a token on behalf of a caller takes the API's own credential: \
                 `ApiConfig::with_credential` (IDENTITY_CLIENT_SECRET)",
            ));
        };
        let is_multi_tenant = self.shared().config.identity().authority().is_multi_tenant();
        let request = match self.tenant_id().filter(|_| is_multi_tenant) {
            Some(tenant) => request.with_tenant(tenant),
            None => request,
        };
        Ok((client, Secret::from(token), request))
    }
}
