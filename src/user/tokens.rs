//! [`Tokens`]: access tokens for the signed-in person.

use crate::{
    client::AppTokens,
    error::{Error, TokenOwner},
    secret::Secret,
    strings::StringList,
    tokens::{AccessToken, TokenRequest},
    user::{Groups, User},
};

/// A handle that gets access tokens for the signed-in person, and for the application itself.
///
/// It belongs to one session and cannot return another person's token. It is cheap to clone, and
/// may be moved into a task that outlives the request. Get it with [`User::tokens`]; with feature
/// `axum` it is also an extractor.
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

    /// The access token for the scopes of the sign-in, refreshed if it is due.
    ///
    /// # Errors
    ///
    /// See [`for_user`](Self::for_user).
    pub async fn for_sign_in(&self) -> Result<AccessToken, Error> {
        self.for_user([""; 0]).await
    }

    /// An access token for these scopes, from the session or by a refresh.
    ///
    /// A token is used for equal requests until it is due, even if the provider granted fewer
    /// scopes: see [`AccessToken::missing_scopes`]. To refuse requests without the scopes, use a
    /// guard with [`with_scopes`](crate::RequireSignIn::with_scopes).
    ///
    /// # Errors
    ///
    /// By [`kind`](Error::kind):
    ///
    /// - `InteractionRequired`: the provider requires the person, for example to consent.
    /// - `NoRefreshToken`: there is no refresh token.
    /// - `SessionEnded`: the session has ended.
    /// - `ProviderUnreachable`, `StoreUnavailable`: transient faults.
    pub async fn for_user<Kind>(
        &self,
        scopes: impl StringList<Kind>,
    ) -> Result<AccessToken, Error> {
        self.acquire(&TokenRequest::new(scopes)?).await
    }

    /// An access token for this request: for another tenant or resource, with a claims challenge,
    /// or without the cache.
    ///
    /// # Errors
    ///
    /// See [`for_user`](Self::for_user).
    pub async fn acquire(&self, request: &TokenRequest) -> Result<AccessToken, Error> {
        let token = self.0.grants().access_token(self.0.grant(), request).await;
        token
            .map_err(|error| error.for_token(TokenOwner::User, request.scopes()))
            .inspect_err(|error| self.0.token_failed(error))
    }

    /// An access token of the application itself (client credentials, RFC 6749 section 4.4), for
    /// one resource or its `/.default`. It is cached in the layer and shared by all sessions.
    ///
    /// ```
    /// use tower_identity::{Error, Tokens};
    ///
    /// async fn count_users(tokens: &Tokens) -> Result<(), Error> {
    ///     let token = tokens.for_app(["https://graph.microsoft.com/.default"]).await?;
    ///     let _header = format!("Bearer {}", token.expose());
    ///     Ok(())
    /// }
    /// ```
    ///
    /// # Errors
    ///
    /// As [`Client::for_app`](crate::client::Client::for_app). If a handler returns them, the layer
    /// responds with a page about the application's set-up and not with a sign-in, because the
    /// person cannot resolve them.
    pub async fn for_app<Kind>(&self, scopes: impl StringList<Kind>) -> Result<AccessToken, Error> {
        self.app_tokens().acquire(&TokenRequest::new(scopes)?).await
    }

    /// An access token for another API on behalf of the caller of this application. `assertion` is
    /// the access token with which the caller called, and the result is cached for that assertion
    /// only. The caller need not be the person who is signed in here.
    ///
    /// # Errors
    ///
    /// As [`Client::on_behalf_of`](crate::client::Client::on_behalf_of). If a handler returns an
    /// error that only the caller can resolve, the layer responds with 401, `WWW-Authenticate:
    /// Bearer` and the provider's claims challenge.
    pub async fn on_behalf_of<Kind>(
        &self,
        assertion: &Secret,
        scopes: impl StringList<Kind>,
    ) -> Result<AccessToken, Error> {
        self.app_tokens().on_behalf_of(assertion, &TokenRequest::new(scopes)?).await
    }

    /// The handle for tokens of the application itself: for
    /// [`ApiClient`](crate::outgoing::ApiClient), and for requests with more than scopes, such as a
    /// tenant.
    #[must_use]
    pub fn app_tokens(&self) -> AppTokens {
        self.0.app_tokens()
    }

    /// The ids of the person's groups: those in the token, or, if there are [too
    /// many](crate::Groups::TooMany), those that Microsoft Graph returns.
    ///
    /// Graph is called once, and the result is kept until the claims are renewed. The call needs
    /// the permission `User.Read` of Microsoft Graph. Up to 10,000 groups are read.
    ///
    /// ```
    /// use tower_identity::{Error, User};
    ///
    /// const EDITORS: &str = "5d3c8f1e-0000-4000-8000-000000000000";
    ///
    /// async fn is_editor(user: &User) -> Result<bool, Error> {
    ///     Ok(user.tokens().groups().await?.iter().any(|group| group == EDITORS))
    /// }
    /// ```
    ///
    /// # Errors
    ///
    /// By [`kind`](Error::kind):
    ///
    /// - `GroupsUnavailable`: Graph refuses the request, or there are more than 10,000 groups.
    /// - `NotConfigured`: the provider has no Graph.
    /// - Those of [`for_user`](Self::for_user).
    pub async fn groups(&self) -> Result<Vec<String>, Error> {
        match self.0.groups() {
            Groups::Listed(groups) => Ok(groups.to_vec()),
            Groups::TooMany => self.0.all_groups().await,
        }
    }
}
