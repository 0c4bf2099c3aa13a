//! Signing people in for the tests of an application, without a browser (feature `dev-provider`).
//!
//! Every sign-in is a complete one: the layer sends its authorization request, the development
//! provider answers it, and the layer verifies the ID token. So a test sees the claims that a page
//! would see, and nothing here can make a [`User`] in another way than the layer does.

mod application;
mod steps;
mod walk;

#[cfg(test)]
mod api_tests;
#[cfg(test)]
mod tests;

use crate::{
    IdentityLayer, ReqwestClient, User,
    dev::{DevProvider, IntoDevPerson},
    error::ConfigError,
    outgoing::Api,
    strings::StringList,
};
use application::{InProcess, RunningApplication};
pub use steps::{Step, StepLog};

/// The base URL of the application for which [`DevProvider::user`] signs in. Nothing listens there.
const NOWHERE: &str = "http://localhost:3000";

/// Signing in for tests of an application: [`guide::testing`](crate::guide::testing).
impl DevProvider {
    /// The [`User`] of a person, for the unit test of a handler or of any other function.
    ///
    /// It comes from a complete sign-in at an application of its own with the scopes `openid`,
    /// `profile`, `email` and `offline_access`: the claims are those of the provider's ID token,
    /// and its [`tokens`](User::tokens) work. With the settings of your application use
    /// [`user_for`](Self::user_for).
    ///
    /// ```
    /// use tower_identity::{User, dev::{DevPerson, DevProvider}};
    ///
    /// async fn may_edit(user: User) -> bool {
    ///     user.has_role("Editor")
    /// }
    ///
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), tower_identity::ConfigError> {
    /// let provider = DevProvider::start().await?;
    /// let mary = DevPerson::new("mary", "Mary Somerville").with_roles(["Editor"]);
    /// assert!(may_edit(provider.user(mary).await?).await);
    /// assert!(!may_edit(provider.user("alan").await?).await);
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    ///
    /// There is no such person, or the sign-in failed: for example because a fault was ordered.
    pub async fn user(&self, person: impl IntoDevPerson) -> Result<User, ConfigError> {
        let config = self.config(NOWHERE)?.with_scopes(["email", "offline_access"]).build()?;
        let mut layer = IdentityLayer::new(config).with_clock(self.clock());
        if let Some(root) = self.root_certificate() {
            layer = layer.with_http_client(ReqwestClient::with_root_certificates(root)?);
        }
        self.user_for(&layer, person).await
    }

    /// The [`User`] of a person who signed in at the application that `layer` is around: with its
    /// scopes, its claims, its clock.
    ///
    /// # Errors
    ///
    /// Those of [`cookie_for`](Self::cookie_for).
    pub async fn user_for(
        &self,
        layer: &IdentityLayer,
        person: impl IntoDevPerson,
    ) -> Result<User, ConfigError> {
        self.sign_in_at(layer, person).await?.user().await
    }

    /// The value of a `Cookie` header with the session of a person who signed in, for an
    /// application that is called directly (`tower::ServiceExt::oneshot`).
    ///
    /// `layer` is the one that is around the application, or a clone of it: clones share their
    /// sessions. The clone is taken when all settings are made: a method such as `on_signed_in`
    /// makes another layer, which does not know the session of this one, and answers 401. Each call
    /// begins a new session, and calls the handlers of the layer's events. Nothing has to listen at
    /// the base URL.
    ///
    /// ```
    /// use axum::{Router, body::Body, http::{Request, StatusCode}, routing::get};
    /// use tower::ServiceExt as _;
    /// use tower_identity::{IdentityLayer, User, dev::DevProvider};
    ///
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// let provider = DevProvider::start().await?;
    /// let layer = IdentityLayer::new(provider.config("http://localhost:3000")?.build()?);
    /// let app = Router::new().route("/me", get(|_: User| async {})).layer(layer.clone());
    ///
    /// let cookie = provider.cookie_for(&layer, "ada").await?;
    /// let request = Request::get("/me").header("cookie", cookie).body(Body::empty())?;
    /// assert_eq!(app.oneshot(request).await?.status(), StatusCode::OK);
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    ///
    /// There is no such person; the layer's authority is not this provider; the application signs
    /// in by device code; or the sign-in failed, as it does after [`fail_next`](Self::fail_next)
    /// and similar orders. The text names the reason code.
    pub async fn cookie_for(
        &self,
        layer: &IdentityLayer,
        person: impl IntoDevPerson,
    ) -> Result<String, ConfigError> {
        Ok(self.sign_in_at(layer, person).await?.cookie_header())
    }

    /// The value of a `Cookie` header with a session that has ended: the person signed in, and
    /// signed out since. A session that expired is answered in the same way, apart from kept forms
    /// and `on_session_ended`; to see it expire, turn a [`ManualClock`](crate::ManualClock).
    ///
    /// # Errors
    ///
    /// Those of [`cookie_for`](Self::cookie_for).
    pub async fn ended_cookie_for(
        &self,
        layer: &IdentityLayer,
        person: impl IntoDevPerson,
    ) -> Result<String, ConfigError> {
        let mut application = self.sign_in_at(layer, person).await?;
        let cookie = application.cookie_header();
        application.sign_out().await?;
        Ok(cookie)
    }

    /// The imitated Microsoft Graph as an API with these scopes, for code that gets
    /// [`Api::graph`] in production. It has `/me` and the lists of the user's groups; a call
    /// without a token for Graph is answered with 401 and Graph's error object.
    ///
    /// To make Graph throttle the next call:
    /// `provider.fail_next(Endpoint::Graph, 1, Failure::RetryAfter { status: 429, pause })`.
    ///
    /// ```
    /// use tower_identity::{
    ///     Error, IdentityLayer, Tokens,
    ///     dev::{DevProvider, DevTenant},
    ///     outgoing::ApiClient,
    /// };
    ///
    /// async fn my_id(graph: &ApiClient, tokens: &Tokens) -> Result<serde_json::Value, Error> {
    ///     let me: serde_json::Value = graph.get_json(tokens, "/me").await?;
    ///     Ok(me["id"].clone())
    /// }
    ///
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// let provider = DevProvider::builder().entra().start().await?;
    /// let graph = ApiClient::new(provider.graph_api(["User.Read"])?);
    /// let tenant = DevTenant::CONTOSO;
    /// let config = provider.entra_config(tenant.id(), "http://localhost:3000")?;
    /// let layer = IdentityLayer::new(config.with_scopes(["User.Read"]).build()?);
    /// let ada = provider.user_for(&layer, "ada").await?;
    /// assert_eq!(my_id(&graph, &ada.tokens()).await?, provider.object_id("ada", tenant).unwrap());
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    ///
    /// The provider was not started with [`entra`](crate::dev::DevProviderBuilder::entra), or a
    /// scope is invalid.
    pub fn graph_api<Kind>(&self, scopes: impl StringList<Kind>) -> Result<Api, ConfigError> {
        Api::graph(&self.entra_authority("common")?, scopes)
    }

    /// An HTTP client with the cookies of a person who signed in at the running application with
    /// this base URL.
    ///
    /// It behaves like a browser in which that person clicks on the application's own pages:
    /// redirects are followed, and cookies are kept. The provider answers each of its pages at
    /// once, so that a consent or another sign-in is part of one call. Refuse the next consent with
    /// [`refuse_next_consent`](Self::refuse_next_consent). Other clients are not affected.
    ///
    /// `base` is the base URL, whose `auth/login` signs in; with another sign-in path it is the URL
    /// of that path, or of any protected page. Use the host of the base URL in all requests, since
    /// the cookies belong to it. The client does not run scripts: with
    /// [`ResponseMode::FormPost`](crate::config::ResponseMode) it is signed in, but cannot follow
    /// later sign-ins.
    ///
    /// ```
    /// use axum::{Router, routing::get};
    /// use tower_identity::{IdentityLayer, User, dev::DevProvider};
    ///
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// let provider = DevProvider::start().await?;
    /// let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await?;
    /// let base = format!("http://localhost:{}", listener.local_addr()?.port());
    /// let app = Router::new()
    ///     .route("/me", get(|user: User| async move { user.display_name().to_owned() }))
    ///     .layer(IdentityLayer::new(provider.config(&base)?.build()?));
    /// tokio::spawn(async move { axum::serve(listener, app).await });
    ///
    /// let ada = provider.signed_in(&base, "ada").await?;
    /// let page = ada.get(format!("{base}/me")).send().await?;
    /// assert_eq!(page.text().await?, "Ada Lovelace");
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    ///
    /// There is no such person; nothing answers at `base`, or does not send people to this
    /// provider; or the sign-in failed.
    pub async fn signed_in(
        &self,
        base: &str,
        person: impl IntoDevPerson,
    ) -> Result<reqwest::Client, ConfigError> {
        let cookie = self.automatic_browser(person)?;
        let mut site = RunningApplication::new(self, base)?;
        let provider = walk::sign_in(self, cookie.clone(), &mut site).await?;
        site.into_client(self, &cookie, &provider)
    }

    /// Signs a person in at the application that `layer` is around.
    async fn sign_in_at<'a>(
        &self,
        layer: &'a IdentityLayer,
        person: impl IntoDevPerson,
    ) -> Result<InProcess<'a>, ConfigError> {
        let mut application = InProcess::new(layer);
        walk::sign_in(self, self.automatic_browser(person)?, &mut application).await?;
        Ok(application)
    }
}
