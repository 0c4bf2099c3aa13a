//! An application beside an imitated Entra, at any of its authorities.

use axum::http::StatusCode;
use tower_identity::{ErrorKind, dev::DevProviderBuilder};

use crate::{
    app::{App, AppBuilder},
    browser::Page,
};

/// An application that people of `tenant` sign in to: a GUID, a domain name, `common`,
/// `organizations` or `consumers`.
pub async fn app_at(tenant: &str) -> App {
    builder(tenant).start().await
}

/// The builder of an application that people of `tenant` sign in to.
pub fn builder(tenant: &str) -> AppBuilder<'_> {
    App::builder().provider(DevProviderBuilder::entra).authority(move |provider, url| {
        App::common_settings(provider.entra_config(tenant, url).unwrap())
    })
}

/// The text of `/me` after `person` has signed in.
pub async fn me(app: &App, person: &str) -> serde_json::Value {
    let page = signed_in(app, person).await;
    assert_eq!(page.status, StatusCode::OK, "{}", page.body);
    page.json()
}

/// The page on which a sign-in of `person` ends.
pub async fn signed_in(app: &App, person: &str) -> Page {
    app.provider.sign_in_as(person).unwrap();
    app.browser().tab().open(app.at("/me")).await.clone()
}

/// Asserts that the page has this reason and that nobody is signed in.
pub async fn refused(app: &App, person: &str, kind: ErrorKind) -> Page {
    app.provider.sign_in_as(person).unwrap();
    let mut tab = app.browser().tab();
    let page = tab.open(app.at("/me")).await.clone();
    let said = page.body.split("Reason</dt><dd>").nth(1).and_then(|rest| rest.split('<').next());
    assert_eq!((page.status.is_success(), said), (false, Some(kind.reason())), "{}", page.body);
    assert_eq!(tab.open(app.at("/")).await.body, "nobody");
    page
}
