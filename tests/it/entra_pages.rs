//! The pages of the imitated Entra and B2C, filled in by the tests.

use axum::http::StatusCode;
use tower_identity::dev::{DevClient, DevTenant, Endpoint};

use crate::{
    app::App,
    browser::{Tab, html},
    entra_app::{self, app_at},
};

/// Presses a button of the page, in any of its forms.
async fn press(tab: &mut Tab, text: &str) {
    let forms = html::forms(&tab.page().body);
    let form = forms
        .into_iter()
        .find(|form| form.buttons.iter().any(|(_, value, own)| own == text || value == text));
    let form = form.unwrap_or_else(|| panic!("no button {text:?}: {}", tab.page().body));
    tab.submit(form.press(text)).await;
}

async fn at_provider(app: &App) -> Tab {
    let mut tab = app.browser().tab();
    tab.open(app.at("/me")).await;
    tab
}

#[tokio::test]
async fn the_account_picker_offers_every_user_but_customers() {
    let app = entra_app::builder("common").config(|config| config.with_any_tenant()).start().await;
    let mut tab = at_provider(&app).await;
    let body = tab.page().body.clone();
    for name in ["Ada Lovelace", "Katherine Johnson", "Dorothy Vaughan", "Mary Jackson"] {
        assert!(body.contains(name), "{name}");
    }
    assert!(!body.contains("Rosalind") && !body.contains("Emmy"));
    press(&mut tab, "mary").await;
    press(&mut tab, "agree").await;
    assert_eq!(tab.page().json()["name"], "Mary Jackson");
}

#[tokio::test]
async fn a_declined_consent_is_returned_with_its_number() {
    let app = app_at(DevTenant::CONTOSO.id()).await;
    let mut tab = at_provider(&app).await;
    press(&mut tab, "alan").await;
    press(&mut tab, "Decline").await;
    let back = tab.hops.iter().find(|hop| hop.url.path() == "/auth/callback").unwrap().url.clone();
    let query: Vec<_> = back.query_pairs().into_owned().collect();
    let value =
        |name: &str| query.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str());
    assert_eq!((value("error"), value("error_subcode")), (Some("access_denied"), Some("cancel")));
    assert!(value("error_description").unwrap().starts_with("AADSTS65004: "));
    assert_eq!(app.provider.requests(Endpoint::Token), 0);
}

#[tokio::test]
async fn an_administrator_consents_for_the_whole_tenant() {
    let app = entra_app::builder(DevTenant::CONTOSO.id())
        .config(|config| config.with_scopes(["Directory.Read.All"]))
        .start()
        .await;
    let client = DevClient::confidential(app.provider.client_id(), app.provider.client_secret());
    app.provider
        .add_client(client.with_any_loopback_redirect().with_admin_scopes(["Directory.Read.All"]));
    let mut tab = at_provider(&app).await;
    press(&mut tab, "alan").await;
    assert!(tab.page().body.contains("AADSTS90094"), "{}", tab.page().body);
    press(&mut tab, "decline").await;
    assert!(tab.hops.iter().any(|hop| hop.url.as_str().contains("AADSTS90094")));
    let mut tab = at_provider(&app).await;
    press(&mut tab, "ada").await;
    press(&mut tab, "agree-for-all").await;
    assert_eq!(tab.page().json()["name"], "Ada Lovelace");
    let mut tab = at_provider(&app).await;
    press(&mut tab, "alan").await;
    assert_eq!(tab.page().json()["name"], "Alan Turing", "nothing is asked any more");
}

#[tokio::test]
async fn what_cannot_be_sent_back_is_a_page() {
    let app = app_at(DevTenant::CONTOSO.id()).await;
    let origin = app.provider.graph_url().trim_end_matches("/graph").to_owned();
    let mut tab = app.browser().tab();
    let client = app.provider.client_id();
    for (tenant, query, number) in [
        (
            "contoso.onmicrosoft.com",
            format!("client_id={client}&redirect_uri=https://elsewhere.example/"),
            "AADSTS50011",
        ),
        (
            "contoso.onmicrosoft.com",
            "client_id=unknown&redirect_uri=http://localhost/".to_owned(),
            "AADSTS700016",
        ),
        (
            "nowhere.onmicrosoft.com",
            format!("client_id={client}&redirect_uri=http://localhost/"),
            "AADSTS90002",
        ),
    ] {
        let page = tab.open(format!("{origin}/{tenant}/oauth2/v2.0/authorize?{query}")).await;
        assert!(
            page.status == StatusCode::BAD_REQUEST && page.body.contains(number),
            "{number}: {}",
            page.body
        );
    }
}

#[tokio::test]
async fn without_a_session_and_without_a_page_the_error_is_login_required() {
    let app = app_at(DevTenant::CONTOSO.id()).await;
    let mut tab = at_provider(&app).await;
    let mut silent = tab.page().url.clone();
    silent.query_pairs_mut().append_pair("prompt", "none");
    tab.open(silent.as_str()).await;
    let back =
        tab.hops.iter().find(|hop| hop.url.path() == "/auth/callback").unwrap().url.to_string();
    assert!(back.contains("error=login_required") && back.contains("AADSTS50058"), "{back}");
}

#[tokio::test]
async fn b2c_has_ways_to_sign_up_and_to_say_that_the_password_is_forgotten() {
    let app = app_at(DevTenant::PROSEWARE.domain()).await;
    let mut tab = at_provider(&app).await;
    assert!(
        tab.page().body.contains("Rosalind") && !tab.page().body.contains("Ada"),
        "{}",
        tab.page().body
    );
    let forms = html::forms(&tab.page().body);
    let sign_up =
        forms.into_iter().find(|form| form.fields.iter().any(|(name, _)| name == "name")).unwrap();
    tab.submit(sign_up.with("name", "Lise Meitner")).await;
    let me = tab.page().json();
    assert_eq!((&me["name"], &me["claims"]["newUser"]), (&"Lise Meitner".into(), &true.into()));
    for (button, number) in [("forgot", "AADB2C90118"), ("decline", "AADB2C90091")] {
        let mut tab = at_provider(&app).await;
        press(&mut tab, button).await;
        assert!(
            tab.hops.iter().any(|hop| hop.url.as_str().contains(number)),
            "{number}: {:#?}",
            tab.hops
        );
    }
}
