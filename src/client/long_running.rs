//! Long-running work on behalf of a caller, which continues after the caller's token has expired.

use super::{app::fingerprint, core::Client, partition::Partition};
use crate::{
    error::{Error, ErrorKind},
    protocol::Grant,
    secret::Secret,
    tokens::{
        AccessToken, GrantRecord, GrantSource, OFFLINE_ACCESS, Scopes, TokenRequest, TokenSet,
    },
};

impl Client {
    /// Starts work on behalf of the caller with `assertion` that continues after that token has
    /// expired, such as the export of a mailbox, or an agent. Returns a token like
    /// [`on_behalf_of`](Self::on_behalf_of), and caches the refresh token of the response under
    /// `key`, a name of your choice for the work. Earlier tokens under that name are replaced.
    ///
    /// The work acquires its tokens with [`long_running_token`](Self::long_running_token), and ends
    /// with [`end_long_running`](Self::end_long_running). With
    /// [`StoredCaches`](crate::StoredCaches) it can continue in another process or after a restart:
    ///
    /// ```
    /// use tower_identity::{AccessToken, Error, Secret, StoredCaches, client::TokenRequest};
    ///
    /// /// In the request that starts the work.
    /// async fn begin(
    ///     caches: &StoredCaches,
    ///     job: &str,
    ///     assertion: &Secret,
    /// ) -> Result<AccessToken, Error> {
    ///     let request = TokenRequest::new(["https://graph.microsoft.com/Mail.Read"])?;
    ///     let work = async |client: tower_identity::client::Client| {
    ///         client.begin_long_running(job, assertion, &request).await
    ///     };
    ///     caches.with(job, work).await
    /// }
    ///
    /// /// An hour later.
    /// async fn go_on(caches: &StoredCaches, job: &str) -> Result<AccessToken, Error> {
    ///     let request = TokenRequest::new(["https://graph.microsoft.com/Mail.Read"])?;
    ///     caches.with(job, async |client| client.long_running_token(job, &request).await).await
    /// }
    /// ```
    ///
    /// # Errors
    ///
    /// Those of [`on_behalf_of`](Self::on_behalf_of); `NoRefreshToken`: the provider
    /// issued none.
    ///
    /// # Security
    ///
    /// The key gives access to everything that the person allowed this application to do: do not
    /// disclose it to callers, or check at each use that it belongs to the caller.
    pub async fn begin_long_running(
        &self,
        key: &str,
        assertion: &Secret,
        request: &TokenRequest,
    ) -> Result<AccessToken, Error> {
        self.check_on_behalf(assertion, request)?;
        let (client, name) = (self.clone(), partition(key));
        let (assertion, request) = (assertion.clone(), request.clone());
        // In a task of its own: the tokens are cached even if the caller's future is dropped.
        self.to_the_end(async move {
            let begun = client.begin(&name, &assertion, &request).await;
            begun.map_err(|error| client.for_caller(error, &request))
        })
        .await
    }

    async fn begin(
        &self,
        name: &str,
        assertion: &Secret,
        request: &TokenRequest,
    ) -> Result<AccessToken, Error> {
        let shared = self.shared();
        let scopes = Scopes::asked(request.scopes().chain([OFFLINE_ACCESS]))?;
        let asked = request.params(scopes.as_str());
        let grant = Grant::OnBehalfOf(assertion);
        let provider = shared.provider.in_tenant_of(request.tenant())?;
        let issued: TokenSet = provider.tokens(grant, &asked).await?.into();
        let Some(refresh_token) = issued.refresh_token.clone() else {
            return Err(Error::new(
                ErrorKind::NoRefreshToken,
                "the provider gave no refresh token on behalf of the caller, so that the work \
                 could not go on: allow this application the scope `offline_access` there",
            ));
        };
        let person = self.person(name, request.tenant());
        let record = GrantRecord::without_sign_in(person, GrantSource::RefreshToken(refresh_token));
        let (record, token) = record.issued(request, issued, shared.clock.now());
        shared.partitions.put(name, None, record)?;
        token.ok_or_else(|| {
            Error::new(ErrorKind::TokenResponseInvalid, "the answer has no access token")
        })
    }

    /// A token for work that [`begin_long_running`](Self::begin_long_running) started under this
    /// key: the cached token of an equal request, or a new one by the refresh token of the work.
    ///
    /// # Errors
    ///
    /// - `NoRefreshToken`: the cache has no work under this key;
    /// - `InvalidGrant`, `InteractionRequired`: the work cannot continue until the person has
    ///   called the application again;
    /// - other errors of the provider, `CredentialUnavailable`, `ProviderUnreachable`.
    pub async fn long_running_token(
        &self,
        key: &str,
        request: &TokenRequest,
    ) -> Result<AccessToken, Error> {
        let shared = self.shared();
        self.check_application(request)?;
        let grant = shared.partitions.find(&partition(key)).ok_or_else(|| {
            Error::new(
                ErrorKind::NoRefreshToken,
                "no work of this key is kept: it was never begun, has ended, or is in another \
                 cache",
            )
        })?;
        shared.work.access_token(&grant, request).await
    }

    /// Removes the tokens of the work under this key; `false` if there were none.
    #[allow(clippy::must_use_candidate, reason = "most callers do not care whether it was there")]
    pub fn end_long_running(&self, key: &str) -> bool {
        self.shared().partitions.remove_of(&partition(key), |_| true)
    }
}

/// The partition's name: a hash of the key, of bounded length, that discloses nothing about it.
fn partition(key: &str) -> String {
    Partition::Work.name(&fingerprint(&Secret::from(key)))
}
