//! Sign-in on another device.

use super::*;

fn pending() -> Value {
    json!({"error": "authorization_pending"})
}

async fn begun(world: &World, expires_in: u64) -> DeviceFlow {
    world.next_is(
        200,
        json!({
            "device_code": "d3v1c3", "user_code": "WDJB-MJHT",
            "verification_uri": "https://id.example/device",
            "expires_in": expires_in, "interval": 5,
        }),
    );
    world.client.begin_device(&asks("api")).await.unwrap()
}

#[tokio::test]
async fn the_person_gets_a_code_and_the_device_tokens() {
    let world = World::with(|config| config.with_credential(ClientCredential::none()));
    let flow = begun(&world, 900).await;
    assert_eq!(world.last()["scope"], "api email offline_access openid profile");
    assert_eq!(
        flow.message(),
        "To sign in, open https://id.example/device in a browser and enter the code WDJB-MJHT."
    );
    assert!(!format!("{flow:?}").contains("d3v1c3") && !format!("{flow:?}").contains("WDJB"));
    let flow: DeviceFlow = serde_json::from_str(&serde_json::to_string(&flow).unwrap()).unwrap();
    world.next_is(400, pending());
    world.next_is(400, json!({"error": "slow_down"}));
    world.next_is(503, json!({}));
    world.next_is(400, pending());
    world.next(|_| answer(200, person("ada", |_| ())));
    let acquired = world.client.complete_device(flow).await.unwrap();
    assert_eq!(acquired.account().unwrap().subject(), "ada");
    assert_eq!(
        *world.pauses.1.lock().unwrap(),
        [5, 5, 10, 20, 20],
        "slower when asked to, and when nobody answers"
    );
    let form = world.last();
    assert_eq!(
        (form["grant_type"].as_str(), form["device_code"].as_str()),
        ("urn:ietf:params:oauth:grant-type:device_code", "d3v1c3")
    );
}

/// A code that is typed in vain helps nobody.
#[tokio::test]
async fn where_no_id_token_could_be_verified_no_code_is_requested() {
    let mut document = document();
    document["device_authorization_endpoint"] = json!("https://id.example/device");
    document["id_token_signing_alg_values_supported"] = json!(["HS256"]);
    let world = World::at(Authority::oidc(ISSUER).unwrap(), document, |config| config);
    let error = world.client.begin_device(&asks("api")).await.unwrap_err();
    assert_eq!((error.kind(), world.calls()), (ErrorKind::ProviderMisconfigured, 0));
}

#[tokio::test]
async fn the_provider_says_how_long_to_wait() {
    let world = World::new();
    let flow = begun(&world, 7200).await;
    for _ in 0..13 {
        world.next_is(400, json!({"error": "slow_down"}));
    }
    for (status, body) in [(429, json!({})), (503, json!({})), (429, pending())] {
        world.next(move |_| {
            let mut busy = answer(status, body);
            busy.headers_mut().insert("retry-after", "300".parse().unwrap());
            busy
        });
    }
    world.next_is(400, pending());
    world.next(|_| answer(200, person("ada", |_| ())));
    world.client.complete_device(flow).await.unwrap();
    let slower = (1..=14).map(|times| times * 5);
    let expected: Vec<u64> = slower.chain([300, 300, 300, 70]).collect();
    assert_eq!(*world.pauses.1.lock().unwrap(), expected);
}

// MSAL-110: Device flow answer `authorization_pending`; poll
#[tokio::test]
async fn a_pending_answer_is_not_cached() {
    let world = World::new();
    let mut flow = begun(&world, 900).await;
    for asked in 1..10 {
        world.next_is(400, pending());
        assert!(matches!(world.client.poll_device(&mut flow).await.unwrap(), DevicePoll::Pending));
        assert_eq!(world.calls(), 1 + asked);
    }
}

// MSAL-111: Device flow `expires_at` reached; poll
#[tokio::test]
async fn an_unused_code_expires_with_the_last_answer() {
    let world = World::new();
    let flow = begun(&world, 60).await;
    for _ in 0..100 {
        world.next_is(400, pending());
    }
    let error = world.client.complete_device(flow).await.unwrap_err();
    assert_eq!(
        (error.kind(), error.provider().unwrap().error.as_str()),
        (ErrorKind::CodeExpired, "authorization_pending")
    );
    assert_eq!(world.calls(), 1 + 11, "55 seconds of 60, one question each 5");
}

/// A provider, or a proxy before it, can name any time to wait.
#[tokio::test]
async fn no_wait_goes_on_after_the_end_of_the_code() {
    let world = World::new();
    world.next_is(
        200,
        json!({
            "device_code": "d3v1c3", "user_code": "WDJB-MJHT", "expires_in": 900,
            "verification_uri": "https://id.example/device", "interval": 1_000_000_000,
        }),
    );
    let rare = world.client.begin_device(&asks("api")).await.unwrap();
    let busy = begun(&world, 60).await;
    let (rare_end, busy_end) = (rare.expires_at(), busy.expires_at());
    world.next(|_| {
        let mut busy = answer(503, json!({}));
        busy.headers_mut().insert("retry-after", "99999999".parse().unwrap());
        busy
    });
    let error = world.client.complete_device(busy).await.unwrap_err();
    assert_eq!((error.kind(), world.clock.now()), (ErrorKind::CodeExpired, busy_end));
    let error = world.client.complete_device(rare).await.unwrap_err();
    assert_eq!((error.kind(), world.clock.now()), (ErrorKind::CodeExpired, rare_end));
    assert_eq!(world.calls(), 3);
}

/// RFC 9700 section 4.4, mix-up: the device code is worth the tokens of its user.
#[tokio::test]
async fn a_device_code_goes_to_no_other_provider_and_from_no_other_application() {
    let flow = begun(&World::new(), 900).await;
    let stored = serde_json::to_string(&flow).unwrap();
    let other_application = IdentityConfig::new(Authority::oidc(ISSUER).unwrap(), "another")
        .with_credential(ClientCredential::secret("s3cr3t"));
    for other in [World::with(|_| other_application), World::entra(TENANT, |config| config)] {
        let mut flow: DeviceFlow = serde_json::from_str(&stored).unwrap();
        let error = other.client.poll_device(&mut flow).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::RequestInvalid, "{error}");
        let error = other.client.complete_device(flow).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::RequestInvalid, "{error}");
        assert_eq!(other.calls(), 0);
    }
}

#[tokio::test]
async fn the_provider_can_end_the_flow() {
    for (said, kind) in [
        ("expired_token", ErrorKind::CodeExpired),
        ("access_denied", ErrorKind::AccessDenied),
        ("authorization_declined", ErrorKind::AccessDenied),
        ("invalid_client", ErrorKind::ClientRefused),
    ] {
        let world = World::new();
        let flow = begun(&world, 900).await;
        world.next_is(400, json!({"error": said}));
        if said == "invalid_client" {
            // `complete_device` gives the same error.
            world.next_is(400, json!({"error": said}));
        }
        let error = world.client.complete_device(flow).await.unwrap_err();
        assert_eq!((error.kind(), error.provider().unwrap().error.as_str()), (kind, said));
    }
}

#[tokio::test]
async fn a_sign_in_on_another_device_has_to_be_as_strong() {
    for (acr, kind) in [("phr", None), ("pwd", Some(ErrorKind::TokenAcr))] {
        let world = World::with(|config| config.with_required_acr(["phr"]));
        let strong = |world: &World| {
            world.next(move |_| answer(200, person("ada", |claims| claims["acr"] = json!(acr))))
        };
        let flow = begun(&world, 900).await;
        strong(&world);
        assert_eq!(world.client.complete_device(flow).await.err().map(|error| error.kind()), kind);
        strong(&world);
        let imported = world.client.import_refresh_token(&"theirs".into(), &asks("x")).await;
        assert_eq!(imported.err().map(|error| error.kind()), kind);
        strong(&world);
        let signed_in = world.client.acquire_by_password("ada", &"pa55".into(), &asks("x")).await;
        assert_eq!(signed_in.err().map(|error| error.kind()), kind);
        world.next_is(200, json!({"access_token": "bare", "token_type": "Bearer"}));
        let unknown = world.client.acquire_by_password("ada", &"pa55".into(), &asks("x")).await;
        assert_eq!(
            unknown.unwrap_err().kind(),
            ErrorKind::TokenResponseInvalid,
            "nothing says how strong it was"
        );
        assert_eq!(world.client.accounts().len(), usize::from(kind.is_none()));
    }
}

#[tokio::test]
async fn dropping_the_flow_ends_it() {
    let world = Arc::new(World::new());
    let flow = begun(&world, 900).await;
    world.http.hold();
    let waiting = tokio::spawn({
        let world = Arc::clone(&world);
        async move { world.client.complete_device(flow).await }
    });
    settle().await;
    waiting.abort();
    assert!(waiting.await.unwrap_err().is_cancelled());
    world.http.release();
    settle().await;
    assert!(world.client.accounts().is_empty());
}

#[tokio::test]
async fn a_cancelled_flow_sends_nothing_more() {
    let world = World::new();
    let mut flow = begun(&world, 900).await;
    let asked = world.calls();
    flow.cancel();
    assert_eq!(
        world.client.poll_device(&mut flow).await.unwrap_err().kind(),
        ErrorKind::CodeExpired
    );
    assert_eq!(
        world.client.complete_device(flow).await.unwrap_err().kind(),
        ErrorKind::CodeExpired
    );
    let flow = begun(&world, 900).await;
    let given_up = world.client.complete_device_until(flow, std::future::ready(())).await.unwrap();
    assert!(given_up.is_none());
    assert_eq!(world.calls(), asked + 1, "nobody asked whether the person was done");
    let flow = begun(&world, 900).await;
    world.next(|_| answer(200, person("ada", |_| ())));
    let done = world.client.complete_device_until(flow, std::future::pending()).await.unwrap();
    assert!(done.unwrap().account().is_some());
}

#[tokio::test]
async fn every_sign_in_sends_claims_and_resource() {
    let world = World::new();
    let claims = r#"{"access_token":{"acrs":{"essential":true,"value":"c1"}}}"#;
    let request = asks("api").with_resource("https://api.example").with_challenge(claims);
    let sent = |world: &World| {
        let form = world.last();
        assert_eq!(
            (form["resource"].as_str(), form["claims"].as_str()),
            ("https://api.example", claims)
        );
    };
    world.next_is(
        200,
        json!({
            "device_code": "d", "user_code": "u", "verification_uri": "https://id.example/d",
            "expires_in": 900,
        }),
    );
    let flow = world.client.begin_device(&request).await.unwrap();
    sent(&world);
    let flow: DeviceFlow = serde_json::from_str(&serde_json::to_string(&flow).unwrap()).unwrap();
    world.next(|_| answer(200, person("ada", |_| ())));
    let ada = world.client.complete_device(flow).await.unwrap();
    sent(&world);
    assert_eq!(ada.token().unwrap().expose(), "access-of-ada");
    world.next(|_| answer(200, person("bob", |_| ())));
    world.client.acquire_by_password("bob", &"pa55".into(), &request).await.unwrap();
    sent(&world);
    world.next(|_| answer(200, person("eve", |_| ())));
    world.client.import_refresh_token(&"theirs".into(), &request).await.unwrap();
    sent(&world);
    for broken in [asks("api").with_challenge("[]"), asks("api").with_tenant(TENANT)] {
        assert_eq!(
            world.client.begin_device(&broken).await.unwrap_err().kind(),
            ErrorKind::RequestInvalid
        );
    }
}

/// A token file that is being replaced, or a vault that is slow once: the code is still good.
#[tokio::test]
async fn an_assertion_that_cannot_be_had_for_a_moment_does_not_end_the_flow() {
    let asked = Arc::new(AtomicUsize::new(0));
    let credential = ClientCredential::assertion_from(move |_| {
        let is_second = asked.fetch_add(1, SeqCst) == 1;
        async move { if is_second { Err("the vault is slow".into()) } else { Ok("a.b.c".into()) } }
    });
    let world = World::with(|config| config.with_credential(credential));
    let flow = begun(&world, 900).await;
    world.next(|_| answer(200, person("ada", |_| ())));
    let acquired = world.client.complete_device(flow).await.unwrap();
    assert_eq!(acquired.account().unwrap().subject(), "ada");
    assert_eq!(*world.pauses.1.lock().unwrap(), [5, 10]);
}
