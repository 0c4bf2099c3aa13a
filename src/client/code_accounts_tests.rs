//! The accounts to which sign-ins by authorization code lead.

use super::{code::CALLBACK, *};
use crate::clock::UnixTime;

// MSAL-042: Response with id_token and client_info; it is stored
// MSAL-043: Response from ADFS (no client_info); it is stored
// MSAL-099: B2C: scope list holds the client_id; decorated
#[tokio::test]
async fn an_account_is_identified_by_its_home_or_by_its_subject() {
    let world = World::new();
    let ada = world.sign_in("ada", &[CLIENT_ID]).await;
    assert!(ada.token().unwrap().scopes().eq([
        CLIENT_ID,
        "email",
        "offline_access",
        "openid",
        "profile"
    ]));
    assert_eq!(ada.account().unwrap().home_account_id(), "ada");

    let world = World::entra(TENANT, |config| config);
    let begun = world.client.initiate(CALLBACK, &SignInOptions::new()).await.unwrap();
    let nonce = parameter(begun.url(), "nonce");
    world.next(move |form| {
        assert_eq!(form["client_info"], "1");
        let mut answer = person("ada", |claims| {
            claims["nonce"] = json!(nonce);
            claims["iss"] = json!(format!("https://login.microsoftonline.com/{TENANT}/v2.0"));
            claims["tid"] = json!(TENANT);
            claims["oid"] = json!("00000000-0000-0000-0000-000000000001");
            claims["ver"] = json!("2.0");
        });
        answer["client_info"] = json!(base64url(br#"{"uid":"u1","utid":"t1"}"#));
        self::answer(200, answer)
    });
    let guest =
        world.client.complete(&begun, &format!("code=c0de&state={}", begun.state())).await.unwrap();
    let account = guest.account().unwrap();
    assert_eq!((account.home_account_id(), account.tenant_id()), ("u1.t1", Some(TENANT)));
    assert_eq!(account.object_id(), Some("00000000-0000-0000-0000-000000000001"));
}

// MSAL-072: Authorization-code response holds a refresh token; it is handled
#[tokio::test]
async fn a_second_sign_in_adds_to_the_first() {
    let world = World::new();
    let ada = world.sign_in("ada", &["x"]).await;
    let again = world.sign_in("ada", &["y"]).await;
    assert_eq!(world.client.accounts(), [ada.account().unwrap().clone()]);
    assert_eq!(again.account(), ada.account());
    for scope in ["x", "y"] {
        assert!(
            world
                .client
                .acquire_silent(ada.account().unwrap(), &asks(scope))
                .await
                .unwrap()
                .token()
                .is_some()
        );
    }
    assert_eq!(world.calls(), 2, "both tokens are there");
    assert_eq!(world.clock.now(), UnixTime::from_seconds(NOW.as_seconds()));
}

/// Changes the claims of an ID token into those of a user of this tenant.
fn claims_of(nonce: String, tenant: &'static str) -> impl FnOnce(&mut Value) {
    move |claims| {
        claims["nonce"] = json!(nonce);
        claims["iss"] = json!(format!("https://login.microsoftonline.com/{tenant}/v2.0"));
        claims["tid"] = json!(tenant);
        claims["ver"] = json!("2.0");
    }
}

/// D18: after a sign-in at `common` the account belongs to its tenant and is refreshed there;
/// another tenant is used only when the request names it.
#[tokio::test]
async fn after_a_sign_in_for_many_tenants_the_account_is_one_of_its_own() {
    let paths = |world: &World| {
        world.seen.lock().unwrap().iter().map(|(path, _)| path.clone()).collect::<Vec<_>>()
    };
    for chosen in [None, Some(TENANT)] {
        let world = World::entra("organizations", |config| config.with_tenants([TENANT]).unwrap());
        let mut options = SignInOptions::new();
        if let Some(tenant) = chosen {
            options = options.with_tenant(tenant);
        }
        let begun = world.client.initiate(CALLBACK, &options).await.unwrap();
        let at = chosen.unwrap_or("organizations");
        assert!(
            begun.url().starts_with(&format!("https://login.microsoftonline.com/{at}/")),
            "{}",
            begun.url()
        );
        let nonce = parameter(begun.url(), "nonce");
        world.next(move |_| answer(200, person("ada", claims_of(nonce, TENANT))));
        let ada = world
            .client
            .complete(&begun, &format!("code=c&state={}", begun.state()))
            .await
            .unwrap();
        let token = async |request: TokenRequest| {
            world.client.acquire_silent(ada.account().unwrap(), &request).await
        };
        token(asks("x")).await.unwrap().token().unwrap();
        assert_eq!(
            paths(&world),
            [at, TENANT].map(|tenant| format!("/{tenant}/oauth2/v2.0/token"))
        );
        let SilentOutcome::Refused(error) =
            token(asks("x").with_tenant(OTHER_TENANT)).await.unwrap()
        else {
            panic!("allowed")
        };
        assert_eq!((error.kind(), world.calls()), (ErrorKind::TenantNotAllowed, 2));
    }
}

// MSAL-075: Silent call for an account; request goes out
#[tokio::test]
async fn a_refresh_tells_entra_whose_it_is_and_no_other_provider() {
    let hint = |world: &World| world.http.last().headers().get("x-anchormailbox").cloned();
    let world = World::entra(TENANT, |config| config);
    let begun = world.client.initiate(CALLBACK, &SignInOptions::new()).await.unwrap();
    let claims = claims_of(parameter(begun.url(), "nonce"), TENANT);
    world.next(move |_| {
        answer(
            200,
            person("ada", |members| {
                claims(members);
                members["oid"] = json!("00000000-0000-0000-0000-000000000001");
            }),
        )
    });
    let answered = format!("code=c&state={}", begun.state());
    let ada = world.client.complete(&begun, &answered).await.unwrap();
    let _ = world.client.acquire_silent(ada.account().unwrap(), &asks("x")).await.unwrap();
    let sent = hint(&world).unwrap();
    assert_eq!(sent, format!("Oid:00000000-0000-0000-0000-000000000001@{TENANT}"));
    assert!(sent.is_sensitive(), "it names a person");
    world.client.for_app(&asks("y")).await.unwrap();
    assert_eq!(hint(&world), None, "an application is no user");

    let elsewhere = World::new();
    let eve = elsewhere.sign_in("eve", &[]).await;
    let _ = elsewhere.client.acquire_silent(eve.account().unwrap(), &asks("x")).await.unwrap();
    assert_eq!(elsewhere.last()["grant_type"], "refresh_token");
    assert_eq!(hint(&elsewhere), None);
}

#[tokio::test]
async fn a_sign_in_of_another_tenant_than_requested_is_refused() {
    let world = World::entra("common", IdentityConfig::with_any_tenant);
    let begun = world
        .client
        .initiate(CALLBACK, &SignInOptions::new().with_tenant(OTHER_TENANT))
        .await
        .unwrap();
    let nonce = parameter(begun.url(), "nonce");
    world.next(move |_| answer(200, person("ada", claims_of(nonce, TENANT))));
    let outcome = world.client.complete(&begun, &format!("code=c&state={}", begun.state())).await;
    assert_eq!(outcome.unwrap_err().kind(), ErrorKind::TokenIssuer);
}
