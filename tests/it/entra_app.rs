//! An application beside an imitated Entra, at any of its authorities.

use axum::{Router, http::StatusCode};
use tower_identity::{
    ErrorKind, IdentityConfig,
    dev::{DevProvider, DevProviderBuilder},
};

use crate::{app::App, browser::Page};

/// An application whose people come from `tenant`: a GUID, a domain name, `common` or one of its
/// siblings.
pub async fn app_at(tenant: &str) -> App {
    app_with(tenant, |provider| provider, |config| config).await
}

/// The same, with another provider and more settings.
pub async fn app_with(
    tenant: &str,
    provider: impl FnOnce(DevProviderBuilder) -> DevProviderBuilder,
    settings: impl FnOnce(IdentityConfig) -> IdentityConfig,
) -> App {
    let tenant = tenant.to_owned();
    let at = move |provider: &DevProvider, url: &str| provider.entra_config(&tenant, url).unwrap();
    App::at_authority(|builder| provider(builder.entra()), at, settings).await
}

/// The same with more settings and routes.
pub async fn app_with_routes(
    tenant: &str,
    settings: impl FnOnce(IdentityConfig) -> IdentityConfig,
    more: impl FnOnce(Router) -> Router,
) -> App {
    let first = |provider: &DevProvider, url: &str| {
        App::common_settings(provider.entra_config(tenant, url).unwrap())
    };
    App::starting_from(first, DevProviderBuilder::entra, settings, |layer| layer, more).await
}

/// What `/me` shows, once `person` has signed in.
pub async fn me(app: &App, person: &str) -> serde_json::Value {
    let page = signed_in(app, person).await;
    assert_eq!(page.status, StatusCode::OK, "{}", page.body);
    page.json()
}

/// Where a sign-in of `person` ends.
pub async fn signed_in(app: &App, person: &str) -> Page {
    app.provider.sign_in_as(person).unwrap();
    app.browser().tab().open(app.at("/me")).await.clone()
}

/// The page says so with this reason, and nobody is signed in.
pub async fn refused(app: &App, person: &str, kind: ErrorKind) -> Page {
    app.provider.sign_in_as(person).unwrap();
    let mut tab = app.browser().tab();
    let page = tab.open(app.at("/me")).await.clone();
    let said = page.body.split("Reason</dt><dd>").nth(1).and_then(|rest| rest.split('<').next());
    assert_eq!((page.status.is_success(), said), (false, Some(kind.reason())), "{}", page.body);
    assert_eq!(tab.open(app.at("/")).await.body, "nobody");
    page
}
