//! Tokens of the wrong Microsoft tenant or cloud: each is refused with its reason.

use axum::http::StatusCode;
use serde_json::json;
use tower_identity::{
    ErrorKind,
    dev::{DevPerson, DevTenant, SpoilEntra, Verdict},
};

use crate::entra_app::{self, app_at, me, refused};

/// The reason for each refusal at `common` with a list of tenants. The issuer of the signing key is
/// checked first: a key with the template signs for every tenant whose `tid` and `iss` agree, the
/// key of personal accounts only for those.
fn reason(spoil: SpoilEntra, personal: bool) -> Option<ErrorKind> {
    Some(match spoil {
        SpoilEntra::TenantForeign if !personal => ErrorKind::TenantNotAllowed,
        SpoilEntra::TenantSwapped | SpoilEntra::TenantName if personal => ErrorKind::TokenIssuer,
        SpoilEntra::TenantInCapitals => ErrorKind::TokenMalformed,
        SpoilEntra::KeyOfPersonalAccounts if personal => return None,
        _ if spoil.verdict() == Verdict::Refuse => ErrorKind::TokenKeyIssuer,
        _ => return None,
    })
}

// C-411: ID token's tid missing on a multi-tenant authority
/// Security rule 11: a token of a foreign tenant, a swapped `tid`, a key of another cloud.
#[tokio::test]
async fn every_token_from_the_wrong_place_is_refused_with_its_reason() {
    let list = [DevTenant::CONTOSO.id(), DevTenant::PERSONAL.id()];
    let app = entra_app::builder("common")
        .config(|config| config.with_tenants(list).unwrap())
        .start()
        .await;
    for person in ["ada", "mary"] {
        for spoil in SpoilEntra::ALL {
            app.provider.spoil_next_entra_token(*spoil);
            match reason(*spoil, person == "mary") {
                Some(kind) => drop(refused(&app, person, kind).await),
                None => drop(me(&app, person).await),
            }
        }
    }
}

#[tokio::test]
async fn a_single_tenant_refuses_them_as_well() {
    let app = app_at(DevTenant::CONTOSO.id()).await;
    for spoil in SpoilEntra::ALL.iter().filter(|spoil| spoil.verdict() == Verdict::Refuse) {
        app.provider.spoil_next_entra_token(*spoil);
        let kind = match spoil {
            SpoilEntra::TenantForeign => ErrorKind::TokenIssuer,
            // Its key set has only the keys that are for it.
            SpoilEntra::KeyOfOtherCloud | SpoilEntra::KeyOfPersonalAccounts => {
                ErrorKind::TokenKeyUnknown
            }
            _ => reason(*spoil, false).unwrap(),
        };
        refused(&app, "ada", kind).await;
        // Unknown keys are looked for at most once a minute.
        app.turn(61);
    }
}

/// Security rule 10 (nOAuth): an e-mail address that another person had, or that an account claims
/// to have, does not identify the person.
#[tokio::test]
async fn the_same_address_is_not_the_same_person() {
    let app = app_at(DevTenant::CONTOSO.id()).await;
    let ada = me(&app, "ada").await;
    let again = DevPerson::new("eve", "Eve")
        .with_username("ada@contoso.onmicrosoft.com")
        .with_email("ada@contoso.onmicrosoft.com");
    app.provider.add_person(again);
    let eve = me(&app, "eve").await;
    assert_eq!(eve["claims"]["preferred_username"], ada["claims"]["preferred_username"]);
    assert_ne!(eve["claims"]["oid"], ada["claims"]["oid"]);
    assert_ne!(eve["sub"], ada["sub"]);
}

/// `oid` is in the key of the person: one that is not a text does not count as absent.
#[tokio::test]
async fn an_object_id_that_is_no_text_signs_nobody_in() {
    let app = app_at(DevTenant::CONTOSO.id()).await;
    app.provider.sign_in_as("ada").unwrap();
    for odd in [json!(7), json!(["o"]), json!({}), json!(true)] {
        let change = odd.clone();
        app.provider.change_next_id_token(move |claims| drop(claims.insert("oid".into(), change)));
        let mut tab = app.browser().tab();
        let page = tab.open(app.at("/me")).await;
        assert_eq!(page.status, StatusCode::BAD_REQUEST, "{odd}: {}", page.body);
        assert!(page.body.contains("token_malformed"), "{odd}: {}", page.body);
    }
}

/// A renewal with another `oid` and the same e-mail address ends the session.
#[tokio::test]
async fn a_renewal_never_changes_the_object_id() {
    let app = app_at(DevTenant::CONTOSO.id()).await;
    app.provider.sign_in_as("ada").unwrap();
    let mut tab = app.browser().tab();
    tab.open(app.at("/me")).await;
    app.provider.spoil_next_entra_token(SpoilEntra::ObjectOther);
    app.provider.show_pages();
    app.provider.sign_everybody_out();
    app.turn(3600 + 300);
    assert!(tab.open(app.at("/me")).await.body.contains("Choose an account"));
}
