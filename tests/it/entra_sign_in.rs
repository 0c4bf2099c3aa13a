//! Sign-in at every kind of Microsoft authority, imitated on loopback.

use axum::http::StatusCode;
use tower_identity::{
    ErrorKind,
    dev::{Accounts, DevClient, DevTenant, Endpoint},
};

use crate::{
    app::App,
    entra_app::{self, app_at, me, refused, signed_in},
};

const PEOPLE_OF_CONTOSO: [&str; 3] = ["ada", "alan", "katherine"];

/// An allow-list.
async fn common_for(tenants: &[DevTenant]) -> App {
    let ids: Vec<&str> = tenants.iter().map(DevTenant::id).collect();
    entra_app::builder("common").config(|config| config.with_tenants(ids).unwrap()).start().await
}

#[tokio::test]
async fn a_single_tenant_signs_in_its_people_and_its_guests() {
    for tenant in [DevTenant::CONTOSO.id(), DevTenant::CONTOSO.domain()] {
        let app = app_at(tenant).await;
        for person in PEOPLE_OF_CONTOSO {
            let me = me(&app, person).await;
            assert_eq!(me["claims"]["tid"], DevTenant::CONTOSO.id());
            assert_eq!(
                me["claims"]["oid"],
                app.provider.object_id(person, DevTenant::CONTOSO).unwrap()
            );
            assert_eq!(me["claims"]["ver"], "2.0");
            assert_eq!(
                me["claims"]["preferred_username"].as_str().unwrap().split('@').next(),
                Some(person)
            );
        }
    }
}

#[tokio::test]
async fn a_user_of_another_tenant_stays_at_microsoft() {
    let app = app_at(DevTenant::CONTOSO.id()).await;
    for person in ["dorothy", "mary"] {
        let page = signed_in(&app, person).await;
        assert_eq!(page.status, StatusCode::BAD_REQUEST);
        assert!(
            page.body.contains("AADSTS50020") && page.url.host_str() == Some("127.0.0.1"),
            "{}",
            page.body
        );
    }
}

// C-411: ID token's tid missing on a multi-tenant authority
#[tokio::test]
async fn common_takes_the_tenants_on_the_list_and_no_other() {
    let app = common_for(&[DevTenant::CONTOSO, DevTenant::PERSONAL]).await;
    for (person, tenant) in
        [("ada", DevTenant::CONTOSO), ("alan", DevTenant::CONTOSO), ("mary", DevTenant::PERSONAL)]
    {
        let me = me(&app, person).await;
        assert_eq!(me["claims"]["tid"], tenant.id());
        assert_eq!(
            me["iss"],
            format!("{}/{}/v2.0", app.provider.graph_url().trim_end_matches("/graph"), tenant.id())
        );
    }
    for person in ["dorothy", "katherine"] {
        refused(&app, person, ErrorKind::TenantNotAllowed).await;
    }
}

#[tokio::test]
async fn every_tenant_may_be_meant_but_has_to_be_said() {
    let app = entra_app::builder("common").config(|config| config.with_any_tenant()).start().await;
    for person in ["ada", "dorothy", "mary"] {
        me(&app, person).await;
    }
    let unsaid = app.provider.entra_config("common", &app.url).unwrap().build().unwrap_err();
    assert!(unsaid.to_string().contains("with_any_tenant"), "{unsaid}");
}

#[tokio::test]
async fn organizations_and_consumers_are_what_they_are_called() {
    let app =
        entra_app::builder("organizations").config(|config| config.with_any_tenant()).start().await;
    me(&app, "ada").await;
    assert!(signed_in(&app, "mary").await.body.contains("AADSTS50020"));
    let app = app_at("consumers").await;
    assert_eq!(me(&app, "mary").await["claims"]["tid"], DevTenant::PERSONAL.id());
    assert!(signed_in(&app, "ada").await.body.contains("AADSTS50020"));
}

/// A person has another object id in each tenant, and the same home account.
#[tokio::test]
async fn a_guest_has_another_object_id_and_one_home() {
    let (abroad, at_home) =
        (app_at(DevTenant::CONTOSO.id()).await, app_at(DevTenant::FABRIKAM.id()).await);
    let (guest, member) = (me(&abroad, "katherine").await, me(&at_home, "katherine").await);
    assert_ne!(guest["claims"]["oid"], member["claims"]["oid"]);
    assert_eq!(
        (&guest["claims"]["acct"], &member["claims"]["acct"]),
        (&1.into(), &serde_json::Value::Null)
    );
    let home = format!("https://sts.windows.net/{}/", DevTenant::FABRIKAM.id());
    assert_eq!(
        (&guest["claims"]["idp"], &member["claims"]["idp"]),
        (&home.into(), &serde_json::Value::Null)
    );
    let account = abroad.provider.home_account_id("katherine").unwrap();
    assert!(
        account.ends_with(DevTenant::FABRIKAM.id())
            && account.starts_with(member["claims"]["oid"].as_str().unwrap())
    );
}

#[tokio::test]
async fn an_application_of_one_tenant_is_refused_at_common() {
    let single = |provider: &tower_identity::dev::DevProvider| {
        let known = DevClient::confidential(provider.client_id(), provider.client_secret());
        provider.add_client(
            known.with_any_loopback_redirect().with_accounts(Accounts::Tenant(DevTenant::CONTOSO)),
        );
    };
    let app = common_for(&[DevTenant::CONTOSO]).await;
    single(&app.provider);
    assert!(signed_in(&app, "ada").await.body.contains("AADSTS50194"));
    let app = app_at(DevTenant::FABRIKAM.id()).await;
    single(&app.provider);
    assert!(signed_in(&app, "dorothy").await.body.contains("AADSTS700016"));
    let app = app_at(DevTenant::CONTOSO.id()).await;
    single(&app.provider);
    me(&app, "ada").await;
}

#[tokio::test]
async fn b2c_signs_in_without_an_access_token() {
    let app = app_at(DevTenant::PROSEWARE.domain()).await;
    let me = me(&app, "rosalind").await;
    assert_eq!(
        (&me["claims"]["tfp"], &me["name"]),
        (&"B2C_1_susi".into(), &"Rosalind Franklin".into())
    );
    assert!(
        me["iss"].as_str().unwrap().ends_with(&format!("/{}/v2.0/", DevTenant::PROSEWARE.id()))
    );
    assert_eq!(app.provider.requests(Endpoint::UserInfo), 0);
}

#[tokio::test]
async fn external_id_has_the_tenants_guid_in_the_issuers_host() {
    for tenant in [DevTenant::WOODGROVE.id(), DevTenant::WOODGROVE.domain()] {
        let app = app_at(tenant).await;
        let me = me(&app, "emmy").await;
        let (iss, guid) = (me["iss"].as_str().unwrap(), DevTenant::WOODGROVE.id());
        assert!(
            iss.starts_with(&format!("http://{guid}.localhost:"))
                && iss.ends_with(&format!("/{guid}/v2.0")),
            "{iss}"
        );
    }
}

#[tokio::test]
async fn sessions_are_renewed_at_every_kind_of_authority() {
    let any = entra_app::builder("common").config(|config| config.with_any_tenant()).start().await;
    let rest = [
        (app_at(DevTenant::CONTOSO.id()).await, "katherine"),
        (app_at("consumers").await, "mary"),
        (app_at(DevTenant::PROSEWARE.domain()).await, "rosalind"),
        (app_at(DevTenant::WOODGROVE.id()).await, "emmy"),
    ];
    for (app, person) in std::iter::once((any, "ada")).chain(rest) {
        app.provider.sign_in_as(person).unwrap();
        let mut tab = app.browser().tab();
        let before = tab.open(app.at("/me")).await.json();
        app.turn(3600 + 300);
        let after = tab.open(app.at("/me")).await.json();
        assert!(after["claims"]["exp"].as_i64() > before["claims"]["exp"].as_i64(), "{person}");
        assert_eq!(after["sub"], before["sub"]);
        assert_eq!(
            (
                app.provider.requests(Endpoint::Authorization),
                app.provider.requests(Endpoint::Token)
            ),
            (1, 2),
            "{person}"
        );
    }
}

/// The token response for an API does not list the scopes of OpenID Connect. A renewal requests
/// them all the same.
#[tokio::test]
async fn a_session_for_an_api_is_renewed_with_its_claims() {
    let tenant = DevTenant::CONTOSO.id();
    let scopes = ["offline_access", "api://tasks/Tasks.Read"];
    let app = entra_app::builder(tenant).config(|config| config.with_scopes(scopes)).start().await;
    app.provider.sign_in_as("ada").unwrap();
    let mut tab = app.browser().tab();
    let before = tab.open(app.at("/me")).await.json();
    app.turn(3600 + 300);
    let after = tab.open(app.at("/me")).await.json();
    assert!(after["claims"]["exp"].as_i64() > before["claims"]["exp"].as_i64(), "{after}");
    assert_eq!(
        (app.provider.requests(Endpoint::Authorization), app.provider.requests(Endpoint::Token)),
        (1, 2)
    );
}

#[tokio::test]
async fn signing_out_ends_at_home_and_at_microsoft() {
    for (tenant, person) in [
        (DevTenant::CONTOSO.id(), "ada"),
        ("consumers", "mary"),
        (DevTenant::PROSEWARE.domain(), "rosalind"),
        (DevTenant::WOODGROVE.id(), "emmy"),
    ] {
        let app = app_at(tenant).await;
        app.provider.sign_in_as(person).unwrap();
        let mut tab = app.browser().tab();
        tab.open(app.at("/me")).await;
        app.provider.show_pages();
        let page = tab.submit(crate::browser::html::Form::post("/auth/logout")).await;
        assert_eq!(page.url.host_str(), Some("localhost"), "{tenant}: {}", page.body);
        assert_eq!(app.provider.requests(Endpoint::EndSession), 1);
        let body = tab.open(app.at("/me")).await.body.clone();
        assert!(body.contains("Choose an account") || body.contains("Sign in"), "{body}");
    }
}
