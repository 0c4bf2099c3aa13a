//! The token cache of MSAL, in the form in which MSAL Python 1.39 writes it.

use super::*;

const OID: &str = "43af47a9-6e52-4a4e-9a6b-3a8f0b2b6f51";
const HOST: &str = "login.microsoftonline.com";

fn claims_of_ada(tenant: &str) -> Value {
    json!({
        "iss": format!("https://{HOST}/{tenant}/v2.0"), "sub": format!("ada at {tenant}"),
        "aud": CLIENT_ID, "oid": OID, "tid": tenant, "preferred_username": "Ada@Example.com",
        "exp": 1, "iat": 0,
    })
}

/// The cache of a sign-in of Ada in her home tenant.
fn cache(environment: &str, client_id: &str) -> Value {
    cache_with(environment, client_id, &claims_of_ada(TENANT))
}

fn cache_with(environment: &str, client_id: &str, claims: &Value) -> Value {
    let home = format!("{OID}.{TENANT}");
    let jwt = format!("e30.{}.c2ln", base64url(claims.to_string().as_bytes()));
    let entry = |kind: &str, secret: &str| {
        json!({
            "credential_type": kind, "secret": secret, "home_account_id": home,
            "environment": environment, "client_id": client_id,
        })
    };
    let mut id_token = entry("IdToken", &jwt);
    id_token["realm"] = json!(TENANT);
    let refresh_token = |secret: &str, time: &str| {
        let mut token = entry("RefreshToken", secret);
        token["target"] = json!("User.Read openid");
        token["last_modification_time"] = json!(time);
        token
    };
    json!({
        "AccessToken": {"1": entry("AccessToken", "old access token")},
        "Account": {"2": {
            "home_account_id": home, "environment": environment, "realm": TENANT,
            "local_account_id": OID, "username": "Ada@Example.com", "authority_type": "MSSTS",
            "account_source": "authorization_code",
        }},
        "IdToken": {"3": id_token},
        "RefreshToken": {
            "4": refresh_token("older-refresh-token", "999"),
            "5": refresh_token("newest-refresh-token", "1000"),
        },
        "AppMetadata": {"6": {"client_id": client_id, "environment": environment}},
    })
}

fn text(cache: &Value) -> Secret {
    cache.to_string().into()
}

/// The answer to the refresh of an account in this tenant.
fn answer_for(sub: &str) -> Value {
    let mut claims = claims_of_ada(TENANT);
    claims["sub"] = json!(sub);
    let now = NOW.as_seconds();
    (claims["exp"], claims["iat"]) = (json!(now + 3600), json!(now));
    json!({
        "access_token": "new access token", "token_type": "Bearer", "expires_in": 3600,
        "refresh_token": "next", "scope": "User.Read",
        "id_token": Signer::shared().sign(&header(), &claims),
    })
}

#[tokio::test]
async fn an_account_of_msal_goes_on_without_a_sign_in() {
    // The cache was written at an alias of the authority's host.
    for environment in [HOST, "login.windows.net", "LOGIN.microsoftonline.com"] {
        let world = World::entra(TENANT, |config| config);
        let accounts =
            world.client.import_msal_cache(&text(&cache(environment, CLIENT_ID))).unwrap();
        assert_eq!(world.calls(), 0, "nothing is sent");
        assert_eq!(world.client.accounts(), accounts);
        let [ada] = &accounts[..] else { panic!("{accounts:?}") };
        assert_eq!(ada.username(), Some("Ada@Example.com"));
        assert_eq!(ada.home_account_id(), format!("{OID}.{TENANT}"));
        assert_eq!((ada.object_id(), ada.tenant_id()), (Some(OID), Some(TENANT)));
        assert_eq!(ada.source(), Some(AccountSource::AuthorizationCode));

        world.next_is(200, answer_for(ada.subject()));
        let silent = world.client.acquire_silent(ada, &asks("User.Read")).await.unwrap();
        assert_eq!(silent.token().unwrap().expose(), "new access token");
        assert_eq!(world.last()["refresh_token"], "newest-refresh-token");
    }
}

/// The writers of the schema differ: some write `null` for a member without a value, and times as
/// numbers.
#[tokio::test]
async fn an_optional_member_of_another_type_costs_itself_alone() {
    let world = World::entra(TENANT, |config| config);
    let mut cache = cache(HOST, CLIENT_ID);
    for (entry, time) in [("4", 999), ("5", 1000)] {
        let token = &mut cache["RefreshToken"][entry];
        (token["last_modification_time"], token["realm"]) = (json!(time), Value::Null);
    }
    cache["IdToken"]["3"]["last_modification_time"] = json!([1]);
    let account = &mut cache["Account"]["2"];
    (account["username"], account["account_source"]) = (Value::Null, json!({}));
    let accounts = world.client.import_msal_cache(&text(&cache)).unwrap();
    let [ada] = &accounts[..] else { panic!("{accounts:?}") };
    assert_eq!((ada.username(), ada.source()), (Some("Ada@Example.com"), None));
    world.next_is(200, answer_for(ada.subject()));
    let _ = world.client.acquire_silent(ada, &asks("User.Read")).await.unwrap();
    assert_eq!(world.last()["refresh_token"], "newest-refresh-token");
}

/// A claim of the wrong type costs itself alone; without issuer and subject there is no person.
#[test]
fn an_account_is_imported_whatever_its_optional_claims_are() {
    let world = World::entra(TENANT, |config| config);
    let import = |name: &str, value: Value| {
        let mut claims = claims_of_ada(TENANT);
        claims[name] = value;
        let mut cache = cache_with(HOST, CLIENT_ID, &claims);
        cache["Account"] = json!({});
        world.client.clear_cache();
        world.client.import_msal_cache(&text(&cache)).unwrap()
    };
    for name in ["upn", "email", "roles"] {
        let [ada] = &import(name, json!(7))[..] else { panic!("{name}") };
        assert_eq!(ada.username(), Some("Ada@Example.com"), "{name}");
    }
    assert_eq!(import("preferred_username", json!(7))[0].username(), None);
    assert_eq!(import("upn", json!(""))[0].username(), Some("Ada@Example.com"));
    for name in ["iss", "sub"] {
        for value in [json!(7), json!(null), json!("")] {
            assert_eq!(import(name, value.clone()), [], "{name}: {value}");
        }
    }
}

#[tokio::test]
async fn the_tokens_of_another_user_are_not_taken_for_an_imported_account() {
    let world = World::entra(TENANT, |config| config);
    let accounts = world.client.import_msal_cache(&text(&cache(HOST, CLIENT_ID))).unwrap();
    world.next_is(200, answer_for("eve"));
    let outcome = world.client.acquire_silent(&accounts[0], &asks("User.Read")).await.unwrap();
    let SilentOutcome::Refused(error) = outcome else { panic!("{outcome:?}") };
    assert_eq!(error.kind(), ErrorKind::PersonChanged);
}

#[tokio::test]
async fn entries_of_another_client_or_cloud_stay_out() {
    let world = World::entra(TENANT, |config| config);
    let mut without_id_token = cache(HOST, CLIENT_ID);
    without_id_token["IdToken"] = json!({});
    let mut odd = cache(HOST, CLIENT_ID);
    odd["RefreshToken"] = json!({"1": "text", "2": null, "3": {"secret": 7}, "4": {}});
    for cache in [
        cache(HOST, "another-client"),
        cache("login.microsoftonline.us", CLIENT_ID),
        cache("login.attacker.example", CLIENT_ID),
        cache("", CLIENT_ID),
        without_id_token,
        odd,
        json!({}),
    ] {
        assert_eq!(world.client.import_msal_cache(&text(&cache)).unwrap(), [], "{cache}");
    }
    assert_eq!(world.client.accounts(), []);
}

#[tokio::test]
async fn an_account_that_is_there_already_stays_as_it_is() {
    let world = World::entra(TENANT, |config| config);
    let text = text(&cache(HOST, CLIENT_ID));
    assert_eq!(world.client.import_msal_cache(&text).unwrap().len(), 1);
    let changes = world.client.cache_changes();
    assert_eq!(world.client.import_msal_cache(&text).unwrap(), []);
    assert_eq!(world.client.cache_changes(), changes);
}

#[test]
fn a_text_that_is_no_cache_is_refused_without_its_secrets() {
    let world = World::entra(TENANT, |config| config);
    for text in [
        r#"{"RefreshToken": "s3cr3t-value"}"#,
        r#"{"RefreshToken": {"a": {"secret": "s3cr3t-value"}}"#,
        "s3cr3t-value",
        "[]",
        "",
    ] {
        let error = world.client.import_msal_cache(&text.into()).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::RequestInvalid, "{text}");
        assert!(!format!("{error} {error:?}").contains("s3cr3t"), "{error}");
    }
}
