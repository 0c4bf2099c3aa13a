//! An agent that acts for a user.

use super::*;

fn tokens_of_ada() -> Value {
    let mut answer = person("ada", |claims| {
        claims["iss"] = json!(format!("https://login.microsoftonline.com/{TENANT}/v2.0"));
        claims["tid"] = json!(TENANT);
        claims["oid"] = json!("43af47a9-6e52-4a4e-9a6b-3a8f0b2b6f51");
        claims["preferred_username"] = json!(null);
    });
    answer["scope"] = json!("x");
    answer
}

// MSAL: test_user_fic
#[tokio::test]
async fn an_agent_acts_for_its_user_and_goes_on_silently() {
    let users = [
        (FederatedUser::Username("ada@contoso.com".into()), "username", "ada@contoso.com"),
        (FederatedUser::ObjectId("43af47a9".into()), "user_id", "43af47a9"),
    ];
    for (user, parameter, value) in users {
        let world = World::entra(TENANT, |config| config);
        world.next_is(200, tokens_of_ada());
        let acquired = world
            .client
            .acquire_by_federated_identity(&user, &"agent.token".into(), &asks("x"))
            .await
            .unwrap();
        let form = world.last();
        assert_eq!(form["grant_type"], "user_fic");
        assert_eq!(form["user_federated_identity_credential"], "agent.token");
        assert_eq!(form[parameter], value);
        assert_ne!(form.contains_key("username"), form.contains_key("user_id"));
        assert_eq!(form["client_info"], "1");
        let scopes: Vec<&str> = form["scope"].split(' ').collect();
        assert!(scopes.contains(&"x") && scopes.contains(&"openid"), "{scopes:?}");
        assert!(scopes.contains(&"offline_access"), "{scopes:?}");
        let ada = acquired.account().unwrap();
        assert_eq!(ada.source(), Some(AccountSource::FederatedIdentity));
        assert_eq!(ada.username().is_some(), parameter == "username");
        let calls = world.calls();
        let silent = world.client.acquire_silent(ada, &asks("x")).await.unwrap();
        assert_eq!(silent.token().unwrap().expose(), "access-of-ada");
        assert_eq!(world.calls(), calls);
        assert!(!format!("{user:?}").contains(value));
        assert!(!world.client.keeps("agent.token"), "the credential is not kept");
    }
}

#[tokio::test]
async fn a_request_of_an_agent_that_cannot_succeed_is_not_sent() {
    let ada = FederatedUser::ObjectId("43af47a9".into());
    let nobody = FederatedUser::Username(String::new());
    let public = |config: IdentityConfig| config.with_credential(ClientCredential::none());
    for (world, user, credential, kind) in [
        (World::new(), &ada, "a", ErrorKind::RequestInvalid),
        (World::entra(TENANT, public), &ada, "a", ErrorKind::NotConfigured),
        (World::entra(TENANT, |config| config), &ada, "", ErrorKind::RequestInvalid),
        (World::entra(TENANT, |config| config), &nobody, "a", ErrorKind::RequestInvalid),
    ] {
        let refused = world
            .client
            .acquire_by_federated_identity(user, &credential.into(), &asks("x"))
            .await
            .unwrap_err();
        assert_eq!((refused.kind(), world.calls()), (kind, 0), "{user:?} {credential:?}");
    }
}

#[tokio::test]
async fn an_added_parameter_cannot_name_another_user() {
    let world = World::entra(TENANT, |config| config);
    let user = FederatedUser::Username("ada@contoso.com".into());
    for name in ["user_id", "User_Id", "username", "user_federated_identity_credential"] {
        let request = asks("x").add_parameter(name, "b.lovelace");
        let refused = world
            .client
            .acquire_by_federated_identity(&user, &"agent.token".into(), &request)
            .await
            .unwrap_err();
        assert_eq!((refused.kind(), world.calls()), (ErrorKind::RequestInvalid, 0), "{name}");
    }
}

#[tokio::test]
async fn the_credential_and_the_user_are_not_repeated_in_an_error() {
    let world = World::entra(TENANT, |config| config);
    let user = FederatedUser::Username("ada@contoso.com".into());
    world.next_is(
        400,
        json!({
            "error": "invalid_grant", "error_description": "no: agent.token of ada@contoso.com"
        }),
    );
    let refused = world
        .client
        .acquire_by_federated_identity(&user, &"agent.token".into(), &asks("x"))
        .await
        .unwrap_err();
    assert_eq!(refused.kind(), ErrorKind::InvalidGrant);
    let shown = format!("{refused} {refused:?}");
    assert!(!shown.contains("agent.token") && !shown.contains("ada@"), "{shown}");
}
