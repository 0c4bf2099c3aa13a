//! What a handler gets besides the user: [`Tokens`].

use crate::{
    error::Error,
    tokens::{AccessToken, TokenRequest},
    user::{Groups, User},
};

/// Gets access tokens for the person who is signed in.
///
/// It belongs to one session and can never give another person's token. Cheap to clone; may be moved into a task that outlives the request.
///
/// With feature `axum` it is an extractor; elsewhere take it from the user: [`User::tokens`].
///
/// ```
/// use tower_identity::{Error, User};
///
/// async fn call_api(user: &User) -> Result<(), Error> {
///     let token = user.tokens().for_sign_in().await?;
///     let _header = format!("Bearer {}", token.expose());
///     Ok(())
/// }
/// ```
#[derive(Clone, Debug)]
pub struct Tokens(User);

impl Tokens {
    pub(crate) fn of(user: User) -> Self {
        Self(user)
    }

    /// Whose tokens these are.
    #[must_use]
    pub fn user(&self) -> &User {
        &self.0
    }

    /// The access token of the sign-in, refreshed when it is due.
    ///
    /// # Errors
    ///
    /// See [`for_user`](Self::for_user).
    pub async fn for_sign_in(&self) -> Result<AccessToken, Error> {
        self.for_user([""; 0]).await
    }

    /// An access token for these scopes: from the session, or by refresh.
    ///
    /// # Errors
    ///
    /// By [`kind`](Error::kind): `InteractionRequired` if the provider wants to ask the person; `NoRefreshToken` if there is nothing to refresh with;
    /// `SessionEnded` if the session is gone; `ProviderUnreachable` or `StoreUnavailable` for passing faults.
    pub async fn for_user<S: AsRef<str>>(&self, scopes: impl IntoIterator<Item = S>) -> Result<AccessToken, Error> {
        self.acquire(&TokenRequest::new(scopes)?).await
    }

    /// An access token that answers this request: for another tenant or resource, with claims, or past what is kept.
    ///
    /// # Errors
    ///
    /// See [`for_user`](Self::for_user).
    pub async fn acquire(&self, request: &TokenRequest) -> Result<AccessToken, Error> {
        let asked = self.0.grants().access_token(self.0.grant(), request).await;
        asked.map_err(|error| error.for_scopes(request.scopes()))
    }

    /// The groups of the person, by their ids: those of the token, or where these are [too many](crate::Groups::TooMany), from Microsoft Graph.
    ///
    /// Graph is asked once and its answer kept until the claims are renewed. It takes the permission `User.Read` of Graph; up to 10,000 groups are read.
    ///
    /// ```
    /// use tower_identity::{Error, User};
    ///
    /// async fn is_editor(user: &User) -> Result<bool, Error> {
    ///     Ok(user.tokens().groups().await?.iter().any(|group| group == "5d3c8f1e-0000-4000-8000-000000000000"))
    /// }
    /// ```
    ///
    /// # Errors
    ///
    /// By [`kind`](Error::kind): `GroupsUnavailable` if Graph refuses, or there are more; `NotConfigured` at providers without Graph; those of
    /// [`for_user`](Self::for_user).
    pub async fn groups(&self) -> Result<Vec<String>, Error> {
        match self.0.groups() {
            Groups::Listed(groups) => Ok(groups.to_vec()),
            Groups::TooMany => self.0.all_groups().await,
        }
    }
}
