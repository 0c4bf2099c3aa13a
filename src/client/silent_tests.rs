//! Silent acquisition, imported refresh tokens and the cache.

use super::*;

pub(super) async fn silent(
    world: &World,
    account: &Account,
    request: TokenRequest,
) -> SilentOutcome {
    world.client.acquire_silent(account, &request).await.unwrap()
}

/// A [`World`] in which Ada has signed in for the scope `x`.
pub(super) async fn signed_in() -> (World, Account) {
    let world = World::new();
    let account = world.sign_in("ada", &["x"]).await.account().unwrap().clone();
    (world, account)
}

// MSAL-061: Token expires_in=900, refresh_in=450; silent call at t=0
#[tokio::test]
async fn a_fresh_token_comes_from_the_cache() {
    let (world, ada) = signed_in().await;
    let token = silent(&world, &ada, asks("x")).await.token().unwrap();
    assert_eq!((token.expose(), world.calls()), ("access-of-ada", 1));
    assert_eq!(
        silent(&world, &ada, asks("openid")).await.token().unwrap().source(),
        TokenSource::Provider,
        "its like only"
    );
}

/// A program calls its API by `ApiClient` with the account, and hears when the user has to sign in.
#[tokio::test]
async fn an_account_is_a_source_of_tokens() {
    let (world, ada) = signed_in().await;
    let tokens = world.client.account_tokens(&ada);
    assert_eq!(tokens.acquire(&asks("x")).await.unwrap().expose(), "access-of-ada");
    world.client.remove_account(&ada);
    let error = tokens.acquire(&asks("x")).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::NoRefreshToken);
    assert!(error.to_string().contains("has to sign in"), "{error}");
}

// MSAL-060: Token with `expires_in=60`; silent call
// MSAL-065: Token expires_in=60, refresh_in=-900; IdP answers 200; silent call
#[tokio::test]
async fn a_token_with_less_than_five_minutes_left_is_renewed() {
    let (world, ada) = signed_in().await;
    world.clock.advance(seconds(3300 - 1));
    assert_eq!(silent(&world, &ada, asks("x")).await.token().unwrap().expose(), "access-of-ada");
    world.clock.advance(seconds(1));
    let renewed = json!({
        "access_token": "new", "token_type": "Bearer", "expires_in": 3600,
        "refresh_token": "rotated",
    });
    world.next_is(200, renewed);
    let token = silent(&world, &ada, asks("x")).await.token().unwrap();
    assert_eq!((token.expose(), token.source()), ("new", TokenSource::Provider));
    assert_eq!((world.last()["refresh_token"].as_str(), world.calls()), ("refresh-of-ada", 2));
    // MSAL-071: Refresh response holds a new refresh token; it is handled
    silent(&world, &ada, asks("y")).await.token().unwrap();
    assert_eq!(
        (world.last()["refresh_token"].as_str(), world.last()["scope"].as_str()),
        ("rotated", "email offline_access openid profile y")
    );
}

// MSAL-062: Token expires_in=3599, refresh_in=-1; IdP answers 200 `{access_token:"new
//   AT",refresh_in:123}`; silent call
/// In the background: the caller already has a valid token.
#[tokio::test]
async fn after_refresh_in_the_old_token_is_returned_and_renewed_in_the_background() {
    let (world, ada) = signed_in().await;
    let aging = json!({
        "access_token": "aging", "token_type": "Bearer", "expires_in": 3599, "refresh_in": 100,
    });
    world.next_is(200, aging);
    silent(&world, &ada, asks("y")).await.token().unwrap();
    world.clock.advance(seconds(99));
    assert_eq!(
        (silent(&world, &ada, asks("y")).await.token().unwrap().expose(), world.calls()),
        ("aging", 2)
    );
    world.clock.advance(seconds(1));
    assert_eq!(silent(&world, &ada, asks("y")).await.token().unwrap().expose(), "aging");
    settle().await;
    assert_eq!(world.calls(), 3);
    assert_eq!(silent(&world, &ada, asks("y")).await.token().unwrap().expose(), "access-3");
}

// MSAL-067: Valid cached token; silent call with claims challenge or force_refresh
// MSAL-092: no capabilities, challenge only; merged
#[tokio::test]
async fn force_and_challenge_bypass_the_cache_and_replace_its_token() {
    let (world, ada) = signed_in().await;
    let token = silent(&world, &ada, asks("x").forced()).await.token().unwrap();
    assert_eq!((token.expose(), world.last().contains_key("claims")), ("access-2", false));
    let claims = r#"{"access_token":{"nbf":{"essential":true,"value":"1604106651"}}}"#;
    let token = silent(&world, &ada, asks("x").with_challenge(claims)).await.token().unwrap();
    assert_eq!((token.expose(), world.last()["claims"].as_str()), ("access-3", claims));
    assert_eq!(silent(&world, &ada, asks("x")).await.token().unwrap().expose(), "access-3");
    assert_eq!(world.calls(), 3);
}

// MSAL-045: Scopes given as [s2,s1] then [s1,s2]; stored
// MSAL-044: Access-token key; two responses for different tenants, same user
/// Every parameter that changes the answer is part of the cache key; the order of scopes is not.
#[tokio::test]
async fn two_requests_share_a_token_only_if_they_are_the_same() {
    let world = World::entra("organizations", IdentityConfig::with_any_tenant);
    let app = |request: TokenRequest| {
        let client = world.client.clone();
        async move { client.for_app(&request).await.unwrap().expose().to_owned() }
    };
    let base = || asks("s2 s1").with_tenant(TENANT);
    let first = app(base()).await;
    assert_eq!(app(asks("s1 s2").with_tenant(TENANT)).await, first);
    let others = [
        asks("s1 s2").with_tenant(OTHER_TENANT),
        base().with_resource("https://api"),
        base().with_client_claims(r#"{"a":1}"#),
        base().with_client_claims(r#"{"a":2}"#),
        asks("s1 s3").with_tenant(TENANT),
    ];
    let mut seen = vec![first];
    for other in others {
        let token = app(other.clone()).await;
        assert!(!seen.contains(&token), "{other:?}");
        assert_eq!(app(other).await, token);
        seen.push(token);
    }
}

// MSAL-050: Requested scope `invalid_scope`, response scope `valid_scope1 valid_scope2`; the same
//   request is made again
#[tokio::test]
async fn a_token_is_cached_for_the_granted_scopes_and_not_for_the_requested_ones() {
    let (world, ada) = signed_in().await;
    let granted = json!({
        "access_token": "less", "token_type": "Bearer", "expires_in": 3600,
        "scope": "valid1 valid2",
    });
    world.next_is(200, granted.clone());
    let token = silent(&world, &ada, asks("invalid")).await.token().unwrap();
    assert_eq!(token.missing_scopes().collect::<Vec<_>>(), ["invalid"]);
    let token = silent(&world, &ada, asks("invalid")).await.token().unwrap();
    assert_eq!(
        (token.missing_scopes().collect::<Vec<_>>(), world.calls()),
        (vec!["invalid"], 2),
        "the provider is not asked again"
    );
    assert_eq!(
        (silent(&world, &ada, asks("valid1")).await.token().unwrap().expose(), world.calls()),
        ("less", 2)
    );
    assert_eq!(
        (
            silent(&world, &ada, asks("invalid").forced())
                .await
                .token()
                .unwrap()
                .missing_scopes()
                .count(),
            world.calls()
        ),
        (0, 3)
    );
}

// MSAL-058: Refresh answers `suberror=basic_action`; silent call with error
// MSAL-059: Refresh answers suberror in {bad_token, token_expired, protection_policy_required,
//   client_mismatch, device_authentication_failed}; silent call with error
// MSAL-068: Refresh fails with `invalid_grant`; later silent call
#[tokio::test]
async fn nothing_cached_is_not_a_refusal() {
    for (suberror, kind, classification) in [
        ("basic_action", ErrorKind::InteractionRequired, "basic_action"),
        ("consent_required", ErrorKind::InteractionRequired, "consent_required"),
        ("bad_token", ErrorKind::InvalidGrant, ""),
        ("token_expired", ErrorKind::InvalidGrant, ""),
        ("client_mismatch", ErrorKind::InvalidGrant, ""),
    ] {
        let (world, ada) = signed_in().await;
        world.next_is(400, json!({"error": "invalid_grant", "suberror": suberror}));
        let outcome = silent(&world, &ada, asks("y")).await;
        assert_eq!(outcome.classification(), Some(classification));
        let SilentOutcome::Refused(error) = outcome else { panic!("it was refused") };
        assert_eq!(error.kind(), kind);
        world.clock.advance(seconds(60));
        assert!(
            silent(&world, &ada, asks("y")).await.token().is_some(),
            "the refresh token has stayed"
        );
    }
    let (world, ada) = signed_in().await;
    assert!(world.client.remove_account(&ada) && !world.client.remove_account(&ada));
    assert!(matches!(silent(&world, &ada, asks("x")).await, SilentOutcome::NothingCached));
    world.next(|_| {
        let mut tokens = person("eve", |_| ());
        tokens["refresh_token"] = json!(null);
        answer(200, tokens)
    });
    let eve = world.client.acquire_by_password("eve", &"pa55".into(), &asks("")).await.unwrap();
    assert!(
        matches!(
            silent(&world, eve.account().unwrap(), asks("y")).await,
            SilentOutcome::NothingCached
        ),
        "no refresh token"
    );
}

// MSAL-126: IdP answers 400 `Retry-After: 1`; same request within 1 s
// MSAL-129: 400 (invalid_grant / interaction_required), no Retry-After; identical request within 60
//   s
// MSAL-130: Retry-After absent on 429/5xx, or huge
#[tokio::test]
async fn a_request_that_failed_is_not_sent_again_at_once() {
    for (status, retry_after, wait) in
        [(400, None, 60), (503, None, 5), (503, Some("7"), 7), (429, Some("999999"), 3600)]
    {
        let (world, ada) = signed_in().await;
        world.next(move |_| {
            let mut refusal = answer(status, r#"{"error":"invalid_grant"}"#);
            if let Some(after) = retry_after {
                refusal.headers_mut().insert("retry-after", after.parse().unwrap());
            }
            refusal
        });
        for _ in 0..3 {
            let outcome = world.client.acquire_silent(&ada, &asks("y")).await;
            assert!(matches!(outcome, Ok(SilentOutcome::Refused(_)) | Err(_)));
        }
        assert_eq!(world.calls(), 2);
        let other = silent(&world, &ada, asks("y").with_challenge(r#"{"a":1}"#)).await;
        assert!(other.token().is_some(), "other claims are another request");
        world.clock.advance(seconds(wait - 1));
        assert_eq!(world.calls(), 3);
        assert!(silent(&world, &ada, asks("z")).await.token().is_some());
        world.clock.advance(seconds(1));
        silent(&world, &ada, asks("y").forced()).await.token().unwrap();
        assert_eq!(world.calls(), 5, "{status} {retry_after:?}");
    }
}

// MSAL-070: Account removed while a refresh is in flight; the refresh ends
#[tokio::test]
async fn an_account_that_is_removed_during_a_refresh_does_not_come_back() {
    let (world, ada) = signed_in().await;
    let world = Arc::new(world);
    world.http.hold();
    let refreshing = tokio::spawn({
        let (world, ada) = (Arc::clone(&world), ada.clone());
        async move { world.client.acquire_silent(&ada, &asks("y")).await }
    });
    settle().await;
    assert!(world.client.remove_account(&ada));
    world.http.release();
    assert!(matches!(refreshing.await.unwrap().unwrap(), SilentOutcome::NothingCached));
    assert!(world.client.accounts().is_empty());
    assert!(!world.client.keeps("access-"));
}

#[tokio::test]
async fn a_thousand_callers_make_one_request() {
    let (world, ada) = signed_in().await;
    let world = Arc::new(world);
    let callers: Vec<_> = (0..1000)
        .map(|_| {
            let (world, ada) = (Arc::clone(&world), ada.clone());
            tokio::spawn(async move {
                silent(&world, &ada, asks("y")).await.token().unwrap().expose().to_owned()
            })
        })
        .collect();
    for caller in callers {
        assert_eq!(caller.await.unwrap(), "access-2");
    }
    assert_eq!(world.calls(), 2);
}

#[tokio::test]
async fn a_cancelled_caller_loses_no_token() {
    let world = Arc::new(World::new());
    let begun =
        world.client.initiate("https://app.example/cb", &SignInOptions::new()).await.unwrap();
    let device = {
        world.next_is(
            200,
            json!({
                "device_code": "d", "user_code": "u",
                "verification_uri": "https://id.example/device",
                "expires_in": 900,
            }),
        );
        world.client.begin_device(&asks("x")).await.unwrap()
    };
    let nonce = parameter(begun.url(), "nonce");
    for number in 0..4 {
        let nonce = Some(nonce.clone()).filter(|_| number == 0);
        world.next(move |_| {
            answer(
                200,
                person(&format!("person-{number}"), |claims| {
                    nonce.into_iter().for_each(|nonce| claims["nonce"] = json!(nonce))
                }),
            )
        });
        world.http.hold();
        let (caller, begun, mut device) = (Arc::clone(&world), begun.clone(), device.clone());
        let caller = tokio::spawn(async move {
            let client = &caller.client;
            let code = BareCode::new("c0de", "https://app.example/cb");
            match number {
                0 => {
                    drop(client.complete(&begun, &format!("code=c&state={}", begun.state())).await)
                }
                1 => drop(client.redeem_code(&code).await),
                2 => drop(client.import_refresh_token(&"theirs".into(), &asks("x")).await),
                _ => drop(client.poll_device(&mut device).await),
            }
        });
        settle().await;
        caller.abort();
        assert!(caller.await.unwrap_err().is_cancelled());
        world.http.release();
        settle().await;
        assert_eq!(world.client.accounts().len(), number + 1);
    }
}
