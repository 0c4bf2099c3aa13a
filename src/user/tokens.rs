//! What a handler gets besides the user: [`Tokens`].

use crate::{
    client::AppTokens,
    error::{Error, TokenOwner},
    secret::Secret,
    strings::StringList,
    tokens::{AccessToken, TokenRequest},
    user::{Groups, User},
};

/// Gets access tokens for the person who is signed in, and for the application itself.
///
/// It belongs to one session and can never give another person's token. Cheap to clone; may be
/// moved into a task that outlives the request.
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

    /// The owner of the tokens.
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
    /// What the provider gave for these scopes answers the same request until it is due, also if it
    /// granted less: [`AccessToken::missing_scopes`] tells. A guard with
    /// [`with_scopes`](crate::RequireSignIn::with_scopes) lets nobody through without them.
    ///
    /// # Errors
    ///
    /// By [`kind`](Error::kind): `InteractionRequired` if the provider wants to ask the person;
    /// `NoRefreshToken` if there is nothing to refresh with; `SessionEnded` if the session is gone;
    /// `ProviderUnreachable` or `StoreUnavailable` for passing faults.
    pub async fn for_user<Kind>(
        &self,
        scopes: impl StringList<Kind>,
    ) -> Result<AccessToken, Error> {
        self.acquire(&TokenRequest::new(scopes)?).await
    }

    /// An access token that answers this request: for another tenant or resource, with claims, or
    /// past what is kept.
    ///
    /// # Errors
    ///
    /// See [`for_user`](Self::for_user).
    pub async fn acquire(&self, request: &TokenRequest) -> Result<AccessToken, Error> {
        let asked = self.0.grants().access_token(self.0.grant(), request).await;
        asked
            .map_err(|error| error.for_token(TokenOwner::User, request.scopes()))
            .inspect_err(|error| self.0.token_failed(error))
    }

    /// A token of the application itself (client credentials), for one resource or its `/.default`.
    /// It is kept for the whole layer, whoever is signed in.
    ///
    /// ```
    /// use tower_identity::{Error, Tokens};
    ///
    /// async fn count_everybody(tokens: &Tokens) -> Result<(), Error> {
    ///     let token = tokens.for_app(["https://graph.microsoft.com/.default"]).await?;
    ///     let _header = format!("Bearer {}", token.expose());
    ///     Ok(())
    /// }
    /// ```
    ///
    /// # Errors
    ///
    /// As [`Client::for_app`](crate::client::Client::for_app). Passed on from a handler they become
    /// a page about this application's set-up, and never a sign-in: the person can do nothing about
    /// them.
    pub async fn for_app<Kind>(&self, scopes: impl StringList<Kind>) -> Result<AccessToken, Error> {
        self.app_tokens().acquire(&TokenRequest::new(scopes)?).await
    }

    /// A token for another API on behalf of whoever called this application with `assertion`, an
    /// access token for it. It is kept for that assertion alone.
    ///
    /// The caller need not be the person who is signed in here.
    ///
    /// # Errors
    ///
    /// As [`Client::on_behalf_of`](crate::client::Client::on_behalf_of). Passed on from a handler,
    /// what only the caller can do something about becomes a 401 with `WWW-Authenticate: Bearer`
    /// and the provider's claims.
    pub async fn on_behalf_of<Kind>(
        &self,
        assertion: &Secret,
        scopes: impl StringList<Kind>,
    ) -> Result<AccessToken, Error> {
        self.app_tokens().on_behalf_of(assertion, &TokenRequest::new(scopes)?).await
    }

    /// The application itself as a source of tokens: for [`ApiClient`](crate::outgoing::ApiClient),
    /// and where a request needs more than scopes, for example a tenant.
    #[must_use]
    pub fn app_tokens(&self) -> AppTokens {
        self.0.app_tokens()
    }

    /// The groups of the person, by their ids: those of the token, or where these are [too
    /// many](crate::Groups::TooMany), from Microsoft Graph.
    ///
    /// Graph is asked once and its answer kept until the claims are renewed. It takes the
    /// permission `User.Read` of Graph; up to 10,000 groups are read.
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
    /// By [`kind`](Error::kind): `GroupsUnavailable` if Graph refuses, or there are more;
    /// `NotConfigured` at providers without Graph; those of [`for_user`](Self::for_user).
    pub async fn groups(&self) -> Result<Vec<String>, Error> {
        match self.0.groups() {
            Groups::Listed(groups) => Ok(groups.to_vec()),
            Groups::TooMany => self.0.all_groups().await,
        }
    }
}
