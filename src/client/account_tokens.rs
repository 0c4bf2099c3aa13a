//! [`AccountTokens`]: the tokens of one account of a client.

use super::{account::Account, core::Client, silent::SilentOutcome};
use crate::{
    error::{Error, ErrorKind},
    tokens::{AccessToken, TokenRequest},
};

/// The tokens of one account, for [`ApiClient`](crate::outgoing::ApiClient) and
/// [`AuthorizeLayer`](crate::outgoing::AuthorizeLayer); made by [`Client::account_tokens`].
#[derive(Clone, Debug)]
pub struct AccountTokens {
    client: Client,
    account: Account,
}

impl AccountTokens {
    /// A token of the account that answers this request, see [`Client::acquire_silent`].
    ///
    /// # Errors
    ///
    /// By [`kind`](Error::kind):
    ///
    /// - `NoRefreshToken`: nothing usable is cached
    ///   ([`NothingCached`](SilentOutcome::NothingCached)), so the user has to sign in;
    /// - the refusal of the provider ([`Refused`](SilentOutcome::Refused)): with
    ///   `InteractionRequired` the user has to sign in, too;
    /// - those of [`Client::acquire_silent`].
    pub async fn acquire(&self, request: &TokenRequest) -> Result<AccessToken, Error> {
        match self.client.acquire_silent(&self.account, request).await? {
            SilentOutcome::Token(token) => Ok(token),
            SilentOutcome::Refused(error) => Err(error),
            SilentOutcome::NothingCached => Err(Error::new(
                ErrorKind::NoRefreshToken,
                "the cache has no token of this account that can be used: the user has to sign in",
            )),
        }
    }
}

impl Client {
    /// The account as a source of tokens, without a sign-in: see
    /// [`acquire_silent`](Self::acquire_silent).
    ///
    /// ```
    /// use tower_identity::{Error, client::Client, outgoing::ApiClient};
    ///
    /// /// `None`: the user has to sign in first.
    /// async fn notes(client: &Client, api: &ApiClient) -> Result<Option<Vec<String>>, Error> {
    ///     let Some(account) = client.accounts().into_iter().next() else { return Ok(None) };
    ///     api.get_json(&client.account_tokens(&account), "/notes").await.map(Some)
    /// }
    /// ```
    #[must_use]
    pub fn account_tokens(&self, account: &Account) -> AccountTokens {
        AccountTokens { client: self.clone(), account: account.clone() }
    }
}
