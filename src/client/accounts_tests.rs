//! The accounts of a client: found, moved to another process, imported with a refresh token.

use super::{silent::*, *};

// MSAL-081: Accounts listed with a username filter in another case
#[tokio::test]
async fn accounts_are_found_by_name_in_any_case() {
    let world = World::new();
    for name in ["eve", "ada"] {
        world.sign_in(name, &[]).await;
    }
    let names = |accounts: Vec<Account>| {
        accounts.iter().map(|account| account.subject().to_owned()).collect::<Vec<_>>()
    };
    assert_eq!(names(world.client.accounts()), ["ada", "eve"]);
    assert_eq!(names(world.client.accounts_named("ADA@example.COM")), ["ada"]);
    assert!(world.client.accounts_named("ada").is_empty());
    let stored: Account =
        serde_json::from_str(&serde_json::to_string(&world.client.accounts()[0]).unwrap()).unwrap();
    assert_eq!(stored, world.client.accounts()[0]);
}

#[tokio::test]
async fn an_account_is_identified_by_issuer_and_subject() {
    let (world, ada) = signed_in().await;
    for (member, value) in [("iss", "https://evil.example"), ("sub", "eve")] {
        let mut stored = serde_json::to_value(&ada).unwrap();
        stored[member] = json!(value);
        let other: Account = serde_json::from_value(stored).unwrap();
        assert_eq!(other.home_account_id(), ada.home_account_id());
        assert!(matches!(silent(&world, &other, asks("x")).await, SilentOutcome::NothingCached));
        assert!(!world.client.remove_account(&other));
    }
    assert!(
        silent(&world, &ada, asks("x")).await.token().is_some()
            && world.client.remove_account(&ada)
    );
}

// MSAL-053: Debug logging on; an entry is added
#[tokio::test]
async fn a_cache_moves_to_another_process() {
    let (world, ada) = signed_in().await;
    let before = world.client.cache_changes();
    world.client.for_app(&asks("x")).await.unwrap();
    assert!(world.client.cache_changes() > before);
    let exported = world.client.export_cache();
    let shown = format!("{exported:?} {:?} {ada:?}", world.client);
    assert!(
        !shown.contains("refresh-of") && !shown.contains("access-") && !shown.contains("ada"),
        "{shown}"
    );

    let other = World::new();
    let damaged = other.client.import_cache(&"{}".into()).unwrap_err().to_string();
    assert!(damaged.contains("damaged"), "{damaged}");
    let elsewhere = World::entra(TENANT, |config| config);
    let foreign = elsewhere.client.import_cache(&exported).unwrap_err().to_string();
    assert!(foreign.contains("IDENTITY_CLIENT_ID"), "{foreign}");
    assert!(elsewhere.client.accounts().is_empty());
    other.client.import_cache(&exported).unwrap();
    assert_eq!(other.client.accounts(), std::slice::from_ref(&ada));
    assert_eq!(silent(&other, &ada, asks("x")).await.token().unwrap().expose(), "access-of-ada");
    other.client.for_app(&asks("x")).await.unwrap();
    assert_eq!(other.calls(), 0);
    silent(&other, &ada, asks("y")).await.token().unwrap();
    assert_eq!(other.last()["refresh_token"], "refresh-of-ada");
}

#[tokio::test]
async fn an_imported_refresh_token_becomes_an_account() {
    let world = World::new();
    world.next(|_| {
        let mut tokens = person("ada", |claims| claims["nonce"] = json!("of the first sign-in"));
        tokens["refresh_token"] = json!(null);
        answer(200, tokens)
    });
    let ada = world.client.import_refresh_token(&"theirs".into(), &asks("x")).await.unwrap();
    assert_eq!(
        (world.last()["refresh_token"].as_str(), world.last()["scope"].as_str()),
        ("theirs", "email offline_access openid profile x")
    );
    silent(&world, ada.account().unwrap(), asks("y")).await.token().unwrap();
    assert_eq!(world.last()["refresh_token"], "theirs");
    world.next_is(
        200,
        json!({"access_token": "bare", "token_type": "Bearer", "refresh_token": "r"}),
    );
    let bare = world.client.import_refresh_token(&"theirs".into(), &asks("x")).await.unwrap();
    assert!(
        bare.account().is_none()
            && bare.token().unwrap().expose() == "bare"
            && bare.claims::<Value>().is_err()
    );
    assert_eq!(world.client.accounts().len(), 1);
}

#[tokio::test]
async fn an_imported_refresh_token_that_was_spent_is_followed_by_its_successor() {
    let world = World::with(|config| config.with_user_info(UserInfo::AtSignIn));
    let rotated = |number: u32| {
        let mut tokens = person("ada", |_| ());
        tokens["refresh_token"] = json!(format!("r-{number}"));
        tokens
    };
    world.next_is(
        200,
        json!({"access_token": "bare", "token_type": "Bearer", "refresh_token": "theirs-2"}),
    );
    let bare = world.client.import_refresh_token(&"theirs".into(), &asks("x")).await.unwrap();
    assert_eq!(bare.refresh_token().unwrap().expose(), "theirs-2");
    assert!(!format!("{bare:?} {:?}", world.client).contains("theirs"));
    world.next(move |form| {
        assert_eq!(form["refresh_token"], "theirs-2", "whether or not it was stored");
        answer(200, rotated(1))
    });
    world.next_is(503, json!({}));
    let error = world.client.import_refresh_token(&"theirs".into(), &asks("x")).await.unwrap_err();
    assert!(
        matches!(error.kind(), ErrorKind::ProviderUnreachable | ErrorKind::UserInfoFailed),
        "{error}"
    );
    world.next(move |form| {
        assert_eq!(form["refresh_token"], "r-1");
        answer(200, rotated(2))
    });
    world.next_is(200, json!({"sub": "ada"}));
    let ada = world.client.import_refresh_token(&"theirs".into(), &asks("x")).await.unwrap();
    assert!(ada.refresh_token().is_none());
    silent(&world, ada.account().unwrap(), asks("y")).await.token().unwrap();
    assert_eq!(world.last()["refresh_token"], "r-2");
    assert!(!world.client.keeps("r-1") && !world.client.keeps("theirs"), "nothing is left of it");
}

#[tokio::test]
async fn a_password_is_sent_once_and_never_shown() {
    let world = World::new();
    world.next(|_| answer(200, person("ada", |_| ())));
    let ada =
        world.client.acquire_by_password("ada", &"pa55w0rd".into(), &asks("x")).await.unwrap();
    let form = world.last();
    assert_eq!(
        (form["grant_type"].as_str(), form["username"].as_str(), form["password"].as_str()),
        ("password", "ada", "pa55w0rd")
    );
    assert_eq!(ada.account().unwrap().subject(), "ada");
    world
        .next_is(400, json!({"error": "invalid_grant", "error_description": "AADSTS50126: wrong"}));
    let error =
        world.client.acquire_by_password("ada", &"wr0ng".into(), &asks("x")).await.unwrap_err();
    assert!(!format!("{error} {error:?}").contains("wr0ng"));
    assert_eq!(world.calls(), 2);
}

// MSAL-044: Access-token key; two responses for different tenants, same user
/// A token of another tenant has its own entry, and the refresh token is the same.
#[tokio::test]
async fn a_guest_has_a_token_in_each_tenant() {
    let world = World::entra(TENANT, |config| config);
    let begun =
        world.client.initiate("https://app.example/cb", &SignInOptions::new()).await.unwrap();
    let nonce = parameter(begun.url(), "nonce");
    world.next(move |_| {
        let claims = |claims: &mut Value| {
            claims["nonce"] = json!(nonce);
            claims["iss"] = json!(format!("https://login.microsoftonline.com/{TENANT}/v2.0"));
            claims["tid"] = json!(TENANT);
            claims["ver"] = json!("2.0");
        };
        answer(200, person("ada", claims))
    });
    let ada =
        world.client.complete(&begun, &format!("code=c&state={}", begun.state())).await.unwrap();
    let here = silent(&world, ada.account().unwrap(), asks("x")).await.token().unwrap();
    let there = silent(&world, ada.account().unwrap(), asks("x").with_tenant(OTHER_TENANT))
        .await
        .token()
        .unwrap();
    assert_ne!(here.expose(), there.expose());
    let paths: Vec<String> =
        world.seen.lock().unwrap().iter().map(|(path, _)| path.clone()).collect();
    assert_eq!(
        paths,
        [TENANT, TENANT, OTHER_TENANT].map(|tenant| format!("/{tenant}/oauth2/v2.0/token"))
    );
    assert_eq!(world.last()["refresh_token"], "refresh-of-ada");
}

/// The provider accepts the refresh token once, and two callers import the same one.
#[tokio::test]
async fn two_imports_of_one_refresh_token_send_it_once() {
    let world = Arc::new(World::new());
    world.next(|_| answer(200, person("ada", |_| ())));
    world.http.hold();
    let imports: Vec<_> = (0..8)
        .map(|number| {
            let world = Arc::clone(&world);
            let scope = ["x", "y"][number % 2];
            tokio::spawn(async move {
                world.client.import_refresh_token(&"theirs".into(), &asks(scope)).await
            })
        })
        .collect();
    settle().await;
    world.http.release();
    for import in imports {
        let acquired = import.await.unwrap().unwrap();
        assert_eq!(acquired.account().unwrap().subject(), "ada");
        assert!(acquired.token().is_some());
    }
    let sent = world.seen().iter().filter(|form| form["refresh_token"] == "theirs").count();
    assert_eq!((sent, world.client.accounts().len()), (1, 1));
}

/// Its caller was dropped before the answer, or has read the old session a moment ago.
#[tokio::test]
async fn an_import_that_comes_again_sends_the_spent_refresh_token_no_more() {
    let world = Arc::new(World::new());
    let import = |scope: &'static str| {
        let world = Arc::clone(&world);
        async move { world.client.import_refresh_token(&"theirs".into(), &asks(scope)).await }
    };
    world.next(|_| answer(200, person("ada", |_| ())));
    world.http.hold();
    let dropped = tokio::spawn(import("x"));
    settle().await;
    dropped.abort();
    assert!(dropped.await.unwrap_err().is_cancelled());
    world.http.release();
    settle().await;
    let again = import("x").await.unwrap();
    let ada = again.account().unwrap();
    assert_eq!((ada.subject(), again.token().unwrap().expose()), ("ada", "access-of-ada"));
    assert_eq!(world.calls(), 1);
    import("y").await.unwrap();
    assert_eq!(world.last()["refresh_token"], "refresh-of-ada");
    // Ten minutes later, and without the account, only the provider knows what the token is worth.
    world.clock.advance(Duration::from_secs(601));
    world.next(|_| answer(200, person("ada", |_| ())));
    import("x").await.unwrap();
    assert_eq!(world.last()["refresh_token"], "theirs");
    world.client.remove_account(ada);
    world.next_is(400, json!({"error": "invalid_grant"}));
    assert_eq!(import("x").await.unwrap_err().kind(), ErrorKind::InvalidGrant);
    assert_eq!(world.last()["refresh_token"], "theirs");
}

/// An account can be renewed by its refresh token; the application's own tokens only expire.
#[tokio::test]
async fn the_end_of_a_cache_is_that_of_its_last_token_unless_it_can_be_renewed() {
    use crate::client::CacheEnd;
    let world = World::new();
    assert_eq!(world.client.cache_end(), CacheEnd::Empty);
    world.client.for_app(&asks("x")).await.unwrap();
    assert_eq!(world.client.cache_end(), CacheEnd::At(NOW + seconds(3600)));
    let ada = world.sign_in("ada", &["x"]).await;
    assert_eq!(world.client.cache_end(), CacheEnd::Open);
    world.client.remove_account(ada.account().unwrap());
    world.clock.advance(seconds(3600));
    assert_eq!(world.client.cache_end(), CacheEnd::Empty);
}
