//! The crates that would be used otherwise, each as its own documentation shows it, with sessions
//! in memory.

use std::{collections::HashMap, convert::Infallible, sync::Arc};

use axum::{
    Router, error_handling::HandleErrorLayer, extract::FromRequestParts, http::request::Parts,
    response::IntoResponse, routing::get,
};
use axum_login::{AuthManagerLayerBuilder, AuthSession, AuthUser, AuthnBackend, UserId};
use axum_oidc::{
    AdditionalClaims, OidcAuthLayer, OidcClaims, OidcClient, OidcLoginLayer,
    error::MiddlewareError,
    handle_oidc_redirect,
    openidconnect::{self, ClientId, ClientSecret, IssuerUrl, Scope, core::CoreGenderClaim},
};
use serde::{Deserialize, Serialize};
use tower::ServiceBuilder;
use tower_sessions::{MemoryStore, Session, SessionManagerLayer, session};

use crate::{
    app::{Fallible, PATH, Runner},
    browser,
    person::Person,
    provider::{BASE_URL, CLIENT_ID, CLIENT_SECRET, OIDC_CALLBACK},
};

const SIGN_IN: &str = "/sign-in";
const USER: &str = "user";

/// tower-sessions: the person is read from the session, once.
pub async fn tower_sessions() -> Fallible<Runner> {
    let sessions = SessionManagerLayer::new(MemoryStore::default());
    let sign_in = |session: Session| async move {
        session.insert(USER, Person::ada()).await.expect("a store")
    };
    let cookie = browser::sign_in(
        &Router::new().route(SIGN_IN, get(sign_in)).layer(sessions.clone()),
        SIGN_IN,
    )
    .await?;
    let me = |session: Session| async move {
        let person: Option<Person> = session.get(USER).await.expect("a store");
        person.expect("somebody is signed in").name
    };
    Ok(Runner::new(Router::new().route(PATH, get(me)).layer(sessions), Some(cookie)))
}

/// axum-login: the session says who it is, and a map stands for the database that knows the rest.
pub async fn axum_login() -> Fallible<Runner> {
    let account = Account(Arc::new(Person::ada()));
    let accounts = Accounts(Arc::new(HashMap::from([(account.id(), account.clone())])));
    let layer =
        AuthManagerLayerBuilder::new(accounts, SessionManagerLayer::new(MemoryStore::default()))
            .build();
    let sign_in = |mut session: AuthSession<Accounts>| async move {
        session.login(&account).await.expect("a store")
    };
    let cookie =
        browser::sign_in(&Router::new().route(SIGN_IN, get(sign_in)).layer(layer.clone()), SIGN_IN)
            .await?;
    let me = |session: AuthSession<Accounts>| async move {
        session.user.expect("somebody is signed in").0.name.clone()
    };
    Ok(Runner::new(Router::new().route(PATH, get(me)).layer(layer), Some(cookie)))
}

/// Shared, so that a clone is as cheap as it can be.
#[derive(Clone, Debug)]
struct Account(Arc<Person>);

impl AuthUser for Account {
    type Id = String;

    fn id(&self) -> String {
        self.0.sub.clone()
    }

    fn session_auth_hash(&self) -> &[u8] {
        self.0.sid.as_bytes()
    }
}

#[derive(Clone, Debug)]
struct Accounts(Arc<HashMap<String, Account>>);

impl AuthnBackend for Accounts {
    type User = Account;
    type Credentials = ();
    type Error = Infallible;

    async fn authenticate(&self, (): ()) -> Result<Option<Account>, Infallible> {
        Ok(None)
    }

    async fn get_user(&self, id: &UserId<Self>) -> Result<Option<Account>, Infallible> {
        Ok(self.0.get(id).cloned())
    }
}

/// axum-oidc: signed in at the provider; the claims come from the ID token, which it verifies with
/// each request.
pub async fn axum_oidc(issuer: &str) -> Fallible<Runner> {
    let client = OidcClient::<Extra>::builder()
        .with_default_http_client()
        .with_redirect_url(format!("{BASE_URL}{OIDC_CALLBACK}").try_into()?)
        .with_client_id(ClientId::new(CLIENT_ID.to_owned()))
        .with_client_secret(ClientSecret::new(CLIENT_SECRET.to_owned()))
        .add_scope(Scope::new("profile".to_owned()))
        .add_scope(Scope::new("email".to_owned()))
        .discover(IssuerUrl::new(issuer.to_owned())?)
        .await?
        .build();
    let refused =
        || HandleErrorLayer::new(|error: MiddlewareError| async move { error.into_response() });
    let login =
        ServiceBuilder::new().layer(refused()).layer(OidcLoginLayer::<Extra, Stored>::new());
    let auth =
        ServiceBuilder::new().layer(refused()).layer(OidcAuthLayer::<Extra, Stored>::new(client));
    let me = |claims: OidcClaims<Extra>| async move {
        claims
            .name()
            .and_then(|name| name.get(None))
            .map(|name| name.as_str().to_owned())
            .unwrap_or_default()
    };
    let application = Router::new()
        .route(PATH, get(me))
        .layer(login)
        .route(OIDC_CALLBACK, get(handle_oidc_redirect::<Extra, Stored>))
        .layer(auth)
        // The redirect from the provider's site has to carry the cookie.
        .layer(
            SessionManagerLayer::new(MemoryStore::default())
                .with_same_site(tower_sessions::cookie::SameSite::Lax),
        );
    let cookie = browser::sign_in(&application, PATH).await?;
    Ok(Runner::new(application, Some(cookie)))
}

/// The claims that `openidconnect` does not know.
#[derive(Clone, Debug, Default, Deserialize, Serialize)]
struct Extra {
    #[serde(default)]
    sid: Option<String>,
    #[serde(default)]
    roles: Vec<String>,
}

impl AdditionalClaims for Extra {}
impl openidconnect::AdditionalClaims for Extra {}

/// Keeps axum-oidc's session in tower-sessions.
struct Stored(Session);

impl<AC: AdditionalClaims> axum_oidc::Session<AC> for Stored {
    type Error = session::Error;

    async fn get(&self) -> Result<axum_oidc::OidcSession<AC, CoreGenderClaim>, session::Error> {
        Ok(self.0.get(USER).await?.unwrap_or_default())
    }

    async fn set(
        &mut self,
        value: axum_oidc::OidcSession<AC, CoreGenderClaim>,
    ) -> Result<(), session::Error> {
        self.0.insert(USER, value).await
    }
}

impl<S: Send + Sync> FromRequestParts<S> for Stored {
    type Rejection = <Session as FromRequestParts<S>>::Rejection;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Self::Rejection> {
        Session::from_request_parts(parts, state).await.map(Self)
    }
}
