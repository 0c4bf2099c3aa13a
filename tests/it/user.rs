//! `User`: the data about a person that a handler gets.

use std::time::Duration;

use axum::{Json, routing::get};
use serde_json::{Value, json};
use tower_identity::{
    Clock as _, User,
    dev::{DevPerson, DevTenant, Endpoint},
};

use crate::{app::App, entra_app};

/// All values of `User`'s methods.
pub async fn told(user: User) -> Json<Value> {
    let key = user.key();
    Json(json!({
        "key": key.to_string(), "realm": key.realm(), "id": key.id(),
        "object_id": user.object_id(), "tenant_id": user.tenant_id(),
        "home_account_id": user.home_account_id(),
        "username": user.username(), "roles": user.roles(), "groups": user.groups().listed(),
        "is_guest": user.is_guest(),
        "is_email_verified": user.is_email_verified(),
        "auth_time": user.auth_time().map(|time| time.as_seconds()),
        "session_started": user.session_started().as_seconds(),
        "session_expires": user.session_expires().as_seconds(),
    }))
}

async fn told_about(person: DevPerson) -> (App, Value) {
    let id = person.id().to_owned();
    let app = App::builder()
        .provider(|provider| provider.with_people([person]))
        .router(|router| router.route("/told", get(told)))
        .start()
        .await;
    app.provider.sign_in_as(&id).unwrap();
    let told = app.browser().tab().open(app.at("/told")).await.json();
    (app, told)
}

/// The end of a session is the absolute timeout after its sign-in; no request and no renewal of the
/// claims moves either.
#[tokio::test]
async fn a_user_knows_when_the_session_started_and_when_it_ends_at_the_latest() {
    let app = App::builder().router(|router| router.route("/told", get(told))).start().await;
    app.provider.sign_in_as("ada").unwrap();
    let week = Duration::from_secs(7 * 24 * 3600);
    let started = app.clock.now();
    let expected = (started.as_seconds(), (started + week).as_seconds());
    let mut tab = app.browser().tab();
    let mut times = async || {
        let told = tab.open(app.at("/told")).await.json();
        (told["session_started"].as_i64().unwrap(), told["session_expires"].as_i64().unwrap())
    };
    assert_eq!(times().await, expected);
    app.turn(3600);
    assert_eq!(times().await, expected);
    assert_eq!(app.provider.requests(Endpoint::Token), 2, "the claims are renewed");
}

// C-394: identity key
// C-395: e-mail of another tenant's user equals a local account
// MSAL-043: Response from ADFS (no client_info); it is stored
/// At authorities other than Microsoft's a person is identified by issuer and subject alone.
#[tokio::test]
async fn elsewhere_a_person_is_issuer_and_subject() {
    let ada = DevPerson::new("ada", "Ada")
        .with_subject("ada-1")
        .with_claim("tid", "f645ad92-e38d-4d1a-b510-d1b09a74a8ca")
        .with_claim("oid", "775527ff-9a37-4307-8b3d-cc311f58d925")
        .with_claim("acct", 1)
        .with_claim("idp", "https://sts.windows.net/775527ff-9a37-4307-8b3d-cc311f58d925/");
    let (app, told) = told_about(ada).await;
    let issuer = app.provider.issuer();
    assert_eq!((&told["realm"], &told["id"]), (&json!(issuer), &json!("ada-1")));
    assert_eq!(told["key"], format!("{issuer} ada-1"));
    assert_eq!(
        (&told["object_id"], &told["tenant_id"], &told["is_guest"]),
        (&Value::Null, &Value::Null, &json!(false))
    );
    assert_eq!(told["home_account_id"], "ada-1");
}

/// `client_info` is requested from and accepted of Microsoft's authorities only.
#[tokio::test]
async fn another_providers_client_info_means_nothing() {
    let app = App::builder().router(|router| router.route("/told", get(told))).start().await;
    app.provider.sign_in_as("ada").unwrap();
    app.provider.change_next_token_answer(|answer| {
        drop(answer.insert("client_info".into(), "eyJ1aWQiOiJ1IiwidXRpZCI6InQifQ".into()))
    });
    let told = app.browser().tab().open(app.at("/told")).await.json();
    assert_eq!(told["home_account_id"], app.provider.person("ada").unwrap().subject());
    assert_eq!(
        app.provider
            .last_request(tower_identity::dev::Endpoint::Token)
            .unwrap()
            .parameter("client_info"),
        None
    );
}

#[tokio::test]
async fn the_user_name_is_what_people_sign_in_with() {
    let upn = |person: DevPerson| person.with_claim("upn", "ada@contoso.example");
    let (_, told) = told_about(upn(DevPerson::new("ada", "Ada"))).await;
    assert_eq!(told["username"], "ada@example.com");
    let (_, told) =
        told_about(upn(DevPerson::new("ada", "Ada")).with_claim("preferred_username", "")).await;
    assert_eq!(told["username"], "ada@contoso.example");
}

async fn told_at(tenant: &str, person: &str) -> (App, Value) {
    let app =
        entra_app::builder(tenant).router(|router| router.route("/told", get(told))).start().await;
    app.provider.sign_in_as(person).unwrap();
    let told = app.browser().tab().open(app.at("/told")).await.json();
    (app, told)
}

// C-394: identity key
// MSAL-042: Response with id_token and client_info; it is stored
/// At Entra a person is identified by tenant and object id, and has one home account.
#[tokio::test]
async fn at_entra_a_person_is_tenant_and_object_id() {
    let (app, told) = told_at(DevTenant::CONTOSO.id(), "ada").await;
    let id = app.provider.object_id("ada", DevTenant::CONTOSO).unwrap();
    assert_eq!(
        (&told["tenant_id"], &told["object_id"]),
        (&json!(DevTenant::CONTOSO.id()), &json!(id))
    );
    assert_eq!(told["key"], format!("{} {id}", DevTenant::CONTOSO.id()));
    assert_eq!(told["home_account_id"], json!(app.provider.home_account_id("ada")));
    assert_eq!(told["is_guest"], false);
}

/// D18: the home account of a guest is in another tenant, which is not refused.
#[tokio::test]
async fn a_guest_is_one_in_the_tenant_that_they_visit() {
    let (app, abroad) = told_at(DevTenant::CONTOSO.id(), "katherine").await;
    let (_, at_home) = told_at(DevTenant::FABRIKAM.id(), "katherine").await;
    assert_eq!((&abroad["is_guest"], &at_home["is_guest"]), (&json!(true), &json!(false)));
    assert_eq!(abroad["home_account_id"], json!(app.provider.home_account_id("katherine")));
    assert_eq!(abroad["home_account_id"], at_home["home_account_id"]);
    assert_ne!(abroad["key"], at_home["key"]);
}

/// A guest is recognised without `acct`, also by the home tenant alone.
#[tokio::test]
async fn a_guest_is_known_without_optional_claims() {
    for left_out in [&["acct"][..], &["acct", "idp"]] {
        let app = entra_app::builder(DevTenant::CONTOSO.id())
            .router(|router| router.route("/told", get(told)))
            .start()
            .await;
        app.provider.sign_in_as("katherine").unwrap();
        app.provider.change_next_id_token(|claims| {
            left_out.iter().for_each(|name| drop(claims.remove(*name)))
        });
        let told = app.browser().tab().open(app.at("/told")).await.json();
        assert_eq!(told["is_guest"], true, "{left_out:?}");
    }
}

// C-416: email present without xms_edov
/// An e-mail address that an administrator has written is not verified.
#[tokio::test]
async fn an_address_at_entra_is_verified_only_if_entra_says_so() {
    for (claim, verified) in [("email_verified", false), ("xms_edov", true)] {
        let app = entra_app::builder(DevTenant::CONTOSO.id())
            .router(|router| router.route("/told", get(told)))
            .start()
            .await;
        app.provider.sign_in_as("ada").unwrap();
        app.provider
            .change_next_id_token(move |claims| drop(claims.insert(claim.into(), true.into())));
        assert_eq!(
            app.browser().tab().open(app.at("/told")).await.json()["is_email_verified"],
            verified,
            "{claim}"
        );
    }
}

/// `client_info` is read from the token response. The one in the callback URL could be forged.
#[tokio::test]
async fn client_info_of_the_callback_means_nothing() {
    let app = entra_app::builder(DevTenant::CONTOSO.id())
        .router(|router| router.route("/told", get(told)))
        .start()
        .await;
    app.provider.sign_in_as("ada").unwrap();
    app.provider.change_next_callback(|parameters| {
        parameters.push(("client_info".into(), "eyJ1aWQiOiJ1IiwidXRpZCI6InQifQ".into()))
    });
    let told = app.browser().tab().open(app.at("/told")).await.json();
    assert_eq!(told["home_account_id"], json!(app.provider.home_account_id("ada")));
}
