//! The ID token of an account, after each way to get one.

use super::*;

/// The claim `roles` of an ID token.
fn roles(id_token: &IdToken) -> Value {
    id_token.claims::<Value>().unwrap()["roles"].clone()
}

/// Tokens of Ada with these roles in her ID token.
fn with_roles(roles: Value) -> Value {
    person("ada", |claims| claims["roles"] = roles)
}

#[tokio::test]
async fn the_id_token_of_a_sign_in_can_be_handed_to_the_sign_out_of_the_provider() {
    let world = World::new();
    let acquired = world.sign_in("ada", &["x"]).await;
    let id_token = acquired.id_token().unwrap();
    assert_eq!(id_token.expose().split('.').count(), 3);
    assert_eq!(id_token.claims::<Value>().unwrap()["sub"], "ada");
    let kept = world.client.id_token(acquired.account().unwrap()).unwrap();
    assert_eq!(kept.secret(), id_token.secret());
    let shown = format!("{id_token:?} {acquired:?}");
    assert!(!shown.contains("eyJ") && !shown.contains("ada"), "{shown}");
    assert!(id_token.claims::<Vec<String>>().is_err());
}

#[tokio::test]
async fn the_id_token_is_that_of_the_last_refresh_whatever_its_scopes() {
    let world = World::new();
    let ada = world.sign_in("ada", &["x"]).await.account().unwrap().clone();
    let long = json!(["a role with a long name".repeat(1000)]);
    for (scopes, renewed) in [("x", json!(["a"])), ("y", json!(["b"])), ("y", long)] {
        world.next_is(200, with_roles(renewed.clone()));
        let request = asks(scopes).forced();
        world.client.acquire_silent(&ada, &request).await.unwrap().token().unwrap();
        assert_eq!(roles(&world.client.id_token(&ada).unwrap()), renewed, "{scopes}");
    }
    let other = World::new();
    other.client.import_cache(&world.client.export_cache()).unwrap();
    assert!(other.client.id_token(&ada).is_some(), "it moves with the cache");
}

#[tokio::test]
async fn a_refresh_in_another_tenant_leaves_the_id_token_of_the_sign_in() {
    let world = World::entra("organizations", IdentityConfig::with_any_tenant);
    let in_tenant = |tenant: &str, sub: &str| {
        let iss = format!("https://login.microsoftonline.com/{tenant}/v2.0");
        let tenant = tenant.to_owned();
        person(sub, |claims| {
            claims["iss"] = json!(iss);
            claims["tid"] = json!(tenant);
            claims["oid"] = json!("43af47a9-6e52-4a4e-9a6b-3a8f0b2b6f51");
        })
    };
    world.next_is(200, in_tenant(TENANT, "ada"));
    let acquired = world.client.import_refresh_token(&"theirs".into(), &asks("x")).await.unwrap();
    let ada = acquired.account().unwrap();
    let before = world.client.id_token(ada).unwrap();
    world.next_is(200, in_tenant(OTHER_TENANT, "guest"));
    let elsewhere = asks("y").with_tenant(OTHER_TENANT);
    world.client.acquire_silent(ada, &elsewhere).await.unwrap().token().unwrap();
    assert_eq!(world.client.id_token(ada).unwrap().secret(), before.secret());
    assert_eq!(ada.home_tenant_id(), Some(TENANT));
    assert_eq!(ada.source(), None, "an imported refresh token is no sign-in");
}

#[tokio::test]
async fn an_account_that_is_removed_or_of_another_person_has_no_id_token() {
    let world = World::new();
    let ada = world.sign_in("ada", &["x"]).await.account().unwrap().clone();
    let mut altered = serde_json::to_value(&ada).unwrap();
    altered["sub"] = json!("eve");
    assert!(world.client.id_token(&serde_json::from_value(altered).unwrap()).is_none());
    world.client.remove_account(&ada);
    assert!(world.client.id_token(&ada).is_none());
}

#[tokio::test]
async fn an_id_token_on_behalf_of_a_caller_is_found_by_the_assertion_alone() {
    let world = World::new();
    let assertion = Secret::from("the.callers.token");
    world.next_is(200, with_roles(json!(["a"])));
    world.client.on_behalf_of(&assertion, &asks("openid x")).await.unwrap();
    assert_eq!(world.last()["scope"], "openid x");
    assert_eq!(roles(&world.client.id_token_on_behalf_of(&assertion).unwrap()), json!(["a"]));
    assert!(world.client.id_token_on_behalf_of(&"another.callers.token".into()).is_none());
    assert!(world.client.accounts().is_empty());
}

#[tokio::test]
async fn an_id_token_on_behalf_of_a_caller_is_one_of_the_requested_tenant() {
    for authority in [TENANT, "organizations"] {
        let world = World::entra(authority, |config| match authority {
            TENANT => config,
            _ => config.with_any_tenant(),
        });
        let of = |tenant: &str| {
            let (iss, tid) =
                (format!("https://login.microsoftonline.com/{tenant}/v2.0"), tenant.to_owned());
            person("ada", move |claims| {
                (claims["iss"], claims["tid"]) = (json!(iss), json!(tid));
                claims["oid"] = json!("43af47a9-6e52-4a4e-9a6b-3a8f0b2b6f51");
            })
        };
        let request = asks("openid x").with_tenant(OTHER_TENANT);
        let assertion = Secret::from("the.callers.token");
        world.next_is(200, of(OTHER_TENANT));
        world.client.on_behalf_of(&assertion, &request).await.unwrap();
        let id_token = world.client.id_token_on_behalf_of(&assertion).unwrap();
        assert_eq!(id_token.claims::<Value>().unwrap()["tid"], OTHER_TENANT);
        world.next_is(200, of(TENANT));
        let refused = world.client.on_behalf_of(&"another.callers.token".into(), &request).await;
        assert_eq!(refused.unwrap_err().kind(), ErrorKind::TokenIssuer, "{authority}");
    }
}

#[tokio::test]
async fn an_id_token_on_behalf_of_a_caller_is_verified() {
    let world = World::new();
    let assertion = Secret::from("the.callers.token");
    world.next_is(200, person("ada", |claims| claims["aud"] = json!("another application")));
    let error = world.client.on_behalf_of(&assertion, &asks("openid x")).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::TokenAudience);
    assert!(world.client.id_token_on_behalf_of(&assertion).is_none());
}

#[tokio::test]
async fn an_id_token_that_was_not_requested_is_not_looked_at() {
    let world = World::new();
    let assertion = Secret::from("the.callers.token");
    let odd = || person("ada", |claims| claims["aud"] = json!("another application"));
    world.next_is(200, odd());
    world.client.on_behalf_of(&assertion, &asks("x")).await.unwrap();
    assert!(world.client.id_token_on_behalf_of(&assertion).is_none());
    world.next_is(200, odd());
    world.client.for_app(&asks("y")).await.unwrap();
}

/// A claim of the wrong type costs itself alone.
#[tokio::test]
async fn an_account_has_the_first_usable_name_of_its_claims() {
    for (claims, name) in [
        (json!({"preferred_username": "ada@x", "upn": 7}), "ada@x"),
        (json!({"preferred_username": 7, "upn": "upn@x"}), "upn@x"),
        (json!({"preferred_username": "", "upn": [], "email": "mail@x"}), "mail@x"),
        (json!({"preferred_username": {}, "upn": null, "email": false}), "entered@x"),
    ] {
        let world = World::new();
        let own = claims.clone();
        world.next_is(
            200,
            person("ada", move |all| {
                for name in ["preferred_username", "upn", "email"] {
                    all[name] = own[name].clone();
                }
            }),
        );
        let acquired = world.client.acquire_by_password("entered@x", &"p".into(), &asks("x")).await;
        let acquired = acquired.unwrap();
        assert_eq!(acquired.account().unwrap().username(), Some(name), "{claims}");
    }
}

#[tokio::test]
async fn an_account_says_by_which_grant_its_person_signed_in() {
    let world = World::new();
    let by_code = world.sign_in("ada", &[]).await;
    assert_eq!(by_code.account().unwrap().source(), Some(AccountSource::AuthorizationCode));
    world.next_is(200, person("eve", |claims| claims["preferred_username"] = json!(null)));
    let by_password = world.client.acquire_by_password("eve@x", &"p".into(), &asks("x")).await;
    let eve = by_password.unwrap().account().unwrap().clone();
    assert_eq!(eve.source(), Some(AccountSource::Password));
    assert_eq!(eve.username(), Some("eve@x"), "the name that was entered");
}

#[tokio::test]
async fn a_token_says_when_the_provider_recommends_a_newer_one() {
    let world = World::new();
    let answered = json!({
        "access_token": "a", "token_type": "Bearer", "expires_in": 7200, "refresh_in": 3600,
    });
    world.next_is(200, answered);
    let token = world.client.for_app(&asks("x")).await.unwrap();
    assert_eq!(token.refresh_at(), Some(NOW + seconds(3600)));
    assert_eq!(world.client.for_app(&asks("y")).await.unwrap().refresh_at(), None);
}
