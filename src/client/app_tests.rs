//! Tokens of the application itself, and on behalf of callers.

use super::*;

const GRAPH: &str = "https://graph.microsoft.com/.default";

// MSAL-104: Client credentials asked twice, same scope; second call
// MSAL-107: Client credentials; request
#[tokio::test]
async fn an_application_token_is_requested_once_with_the_scope_unchanged() {
    let world = World::entra(TENANT, |config| config);
    let first = world.client.for_app(&asks(GRAPH)).await.unwrap();
    let second = world.client.for_app(&asks(GRAPH)).await.unwrap();
    assert_eq!(
        (first.source(), second.source(), first.expose()),
        (TokenSource::Provider, TokenSource::Cache, second.expose())
    );
    assert_eq!(world.calls(), 1);
    let form = world.last();
    assert_eq!(
        (form["grant_type"].as_str(), form["scope"].as_str()),
        ("client_credentials", GRAPH)
    );
}

/// Anyone can send invalid tokens to an API: a refused assertion must not occupy memory, and must
/// not cause a second request at once.
#[tokio::test]
async fn refused_assertions_leave_nothing_behind() {
    let world = World::new();
    let assertion = |number: usize| Secret::from(format!("{number}{}", "x".repeat(60_000)));
    for number in 0..200 {
        world.next_is(400, json!({"error": "invalid_grant"}));
        let error = world.client.on_behalf_of(&assertion(number), &asks("x")).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidGrant);
        assert!(world.client.export_cache().expose().len() < 1000, "{number}");
    }
    assert_eq!(world.calls(), 200);
    assert_eq!(
        world.client.on_behalf_of(&assertion(7), &asks("x")).await.unwrap_err().kind(),
        ErrorKind::InvalidGrant
    );
    assert_eq!(world.calls(), 200, "for a minute the refusal is remembered");
    world.clock.advance(seconds(61));
    assert!(world.client.on_behalf_of(&assertion(7), &asks("x")).await.is_ok());
    assert!(
        world.client.on_behalf_of(&assertion(7), &asks("x")).await.unwrap().source()
            == TokenSource::Cache
    );
    let exported = world.client.export_cache();
    assert!(
        (80_000..90_000).contains(&exported.expose().len()),
        "what something was obtained for is kept"
    );
    // For a day at most, whatever its `exp` claim says.
    world.clock.advance(seconds(24 * 3600));
    world.client.import_cache(&exported).unwrap();
    assert!(!world.client.keeps("xxxx"));
}

#[tokio::test]
async fn an_assertion_over_64_kib_is_refused_before_anything_is_kept_or_sent() {
    let world = World::new();
    for (length, is_sent) in [(64 * 1024, true), (64 * 1024 + 1, false)] {
        let before = world.calls();
        let outcome =
            world.client.on_behalf_of(&Secret::from("a".repeat(length)), &asks("x")).await;
        assert_eq!(
            outcome.as_ref().err().map(Error::kind),
            (!is_sent).then_some(ErrorKind::RequestInvalid),
            "{length}"
        );
        assert_eq!(world.calls() - before, usize::from(is_sent));
    }
}

// MSAL-131: GET discovery 200; asked again
#[tokio::test]
async fn the_metadata_document_is_cached_for_a_day() {
    let world = World::new();
    for _ in 0..23 {
        world.client.for_app(&asks("x")).await.unwrap();
        world.clock.advance(seconds(3600));
    }
    assert_eq!((world.calls(), world.http.count("/.well-known/openid-configuration")), (23, 1));
}

// MSAL-104: Client credentials asked twice, same scope; second call
#[tokio::test]
async fn an_already_expired_token_is_requested_again() {
    let world = World::new();
    world.next_is(200, json!({"access_token": "a", "token_type": "Bearer", "expires_in": 0}));
    assert_eq!(world.client.for_app(&asks("x")).await.unwrap().expose(), "a");
    assert_eq!(world.client.for_app(&asks("x")).await.unwrap().source(), TokenSource::Provider);
    assert_eq!(world.client.for_app(&asks("x")).await.unwrap().source(), TokenSource::Cache);
    assert_eq!(world.calls(), 2);
}

// MSAL-105: Client-credentials token aging, IdP fails; call
#[tokio::test]
async fn while_the_provider_fails_the_old_token_is_given_out() {
    let world = World::new();
    let first = world.client.for_app(&asks("x")).await.unwrap();
    world.clock.advance(seconds(3600 - 60));
    world.next_is(503, json!({}));
    assert_eq!(world.client.for_app(&asks("x")).await.unwrap().expose(), first.expose());
    world.clock.advance(seconds(60));
    world.next_is(503, json!({}));
    assert_eq!(
        world.client.for_app(&asks("x")).await.unwrap_err().kind(),
        ErrorKind::ProviderUnreachable
    );
}

// C-378: client credentials with common/organizations
// MSAL-106: Authority `common` or `organizations`; client credentials
#[tokio::test]
async fn the_application_belongs_to_a_tenant() {
    for authority in ["common", "organizations"] {
        let world = World::entra(authority, IdentityConfig::with_any_tenant);
        let on_behalf = |request: TokenRequest| {
            let client = world.client.clone();
            async move { client.on_behalf_of(&"a.b.c".into(), &request).await }
        };
        // The name of the authority is not that of a tenant.
        for request in [asks(GRAPH), asks(GRAPH).with_tenant(&authority.to_uppercase())] {
            let outcomes = [world.client.for_app(&request).await, on_behalf(request.clone()).await];
            for error in outcomes.map(Result::unwrap_err) {
                assert_eq!(error.kind(), ErrorKind::NotConfigured, "{error}");
                assert!(error.to_string().contains("with_tenant"), "{error}");
            }
        }
        assert_eq!(world.calls(), 0);
        let one = world.client.for_app(&asks(GRAPH).with_tenant(TENANT)).await.unwrap();
        let other = world.client.for_app(&asks(GRAPH).with_tenant(OTHER_TENANT)).await.unwrap();
        assert_ne!(one.expose(), other.expose());
        let paths: Vec<String> =
            world.seen.lock().unwrap().iter().map(|(path, _)| path.clone()).collect();
        assert_eq!(
            paths,
            [TENANT, OTHER_TENANT].map(|tenant| format!("/{tenant}/oauth2/v2.0/token"))
        );
        assert_eq!(
            world.client.for_app(&asks(GRAPH).with_tenant(TENANT)).await.unwrap().expose(),
            one.expose()
        );
        on_behalf(asks(GRAPH).with_tenant(OTHER_TENANT)).await.unwrap();
        assert_eq!(
            world.seen.lock().unwrap().pop().unwrap().0,
            format!("/{OTHER_TENANT}/oauth2/v2.0/token")
        );
    }
    let listed = World::entra("common", |config| config.with_tenants([TENANT]).unwrap());
    let error = listed.client.for_app(&asks(GRAPH).with_tenant(OTHER_TENANT)).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::TenantNotAllowed);
}

#[tokio::test]
async fn an_impossible_request_is_not_sent() {
    let world = World::new();
    assert_eq!(
        world.client.for_app(&asks("")).await.unwrap_err().kind(),
        ErrorKind::RequestInvalid
    );
    assert_eq!(
        world.client.on_behalf_of(&Secret::default(), &asks("x")).await.unwrap_err().kind(),
        ErrorKind::RequestInvalid
    );
    let public = World::with(|config| config.with_credential(ClientCredential::none()));
    assert_eq!(
        public.client.for_app(&asks("x")).await.unwrap_err().kind(),
        ErrorKind::NotConfigured
    );
    assert_eq!(
        public.client.on_behalf_of(&"a.b.c".into(), &asks("x")).await.unwrap_err().kind(),
        ErrorKind::NotConfigured
    );
    assert_eq!((world.calls(), public.calls()), (0, 0));
}

// MSAL-083: App tokens and user tokens in one cache; `remove_tokens_for_client`
#[tokio::test]
async fn removing_the_applications_tokens_leaves_those_of_people() {
    let world = World::new();
    let ada = world.sign_in("ada", &["x"]).await;
    world.client.for_app(&asks("x")).await.unwrap();
    world.client.remove_app_tokens();
    assert_eq!(world.client.accounts().len(), 1);
    let silent = world.client.acquire_silent(ada.account().unwrap(), &asks("x")).await.unwrap();
    assert_eq!(silent.token().unwrap().expose(), "access-of-ada");
    assert_eq!(world.client.for_app(&asks("x")).await.unwrap().source(), TokenSource::Provider);
}

// MSAL-109: OBO for two incoming tokens of different users; two calls
#[tokio::test]
async fn tokens_on_behalf_of_one_caller_are_never_given_to_another() {
    let world = Arc::new(World::new());
    let callers: Vec<_> = (0..200)
        .map(|number| {
            let world = Arc::clone(&world);
            tokio::spawn(async move {
                let assertion = Secret::from(format!("assertion-{}", number % 100));
                (
                    number % 100,
                    world
                        .client
                        .on_behalf_of(&assertion, &asks("x"))
                        .await
                        .unwrap()
                        .expose()
                        .to_owned(),
                )
            })
        })
        .collect();
    let mut tokens = HashMap::new();
    for caller in callers {
        let (number, token) = caller.await.unwrap();
        assert_eq!(tokens.entry(number).or_insert_with(|| token.clone()), &token);
    }
    let different: std::collections::HashSet<_> = tokens.values().collect();
    assert_eq!((different.len(), world.calls()), (100, 100));
    for form in world.seen() {
        assert_eq!(form["requested_token_use"], "on_behalf_of");
        assert!(
            form["assertion"].starts_with("assertion-")
                && form["scope"] == "x"
                && !form.contains_key("refresh_token")
        );
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn first_calls_at_the_same_time_make_one_request() {
    for _ in 0..50 {
        let world = Arc::new(World::new());
        let start = Arc::new(tokio::sync::Barrier::new(16));
        let callers: Vec<_> = (0..16)
            .map(|number| {
                let (world, start) = (Arc::clone(&world), Arc::clone(&start));
                tokio::spawn(async move {
                    start.wait().await;
                    match number % 2 {
                        0 => world.client.for_app(&asks("x")).await,
                        _ => world.client.on_behalf_of(&"a.b.c".into(), &asks("x")).await,
                    }
                })
            })
            .collect();
        for caller in callers {
            caller.await.unwrap().unwrap();
        }
        assert_eq!(world.calls(), 2, "one for the application and one for the assertion");
    }
}

#[tokio::test]
async fn an_assertion_is_cached_no_longer_than_it_is_valid() {
    let end = NOW.as_seconds() + 600;
    // A time may have a fraction (RFC 7519 section 2).
    for exp in [end.to_string(), format!("{end}.5"), format!("{end}e0")] {
        let world = World::new();
        let claims = format!(r#"{{"exp":{exp}}}"#);
        let assertion = Secret::from(format!("h.{}.s", base64url(claims.as_bytes())));
        world.client.on_behalf_of(&assertion, &asks("x")).await.unwrap();
        world.clock.advance(seconds(599));
        assert_eq!(
            world.client.on_behalf_of(&assertion, &asks("x")).await.unwrap().source(),
            TokenSource::Cache
        );
        world.clock.advance(seconds(1));
        world.next_is(400, json!({"error": "invalid_grant"}));
        let outcome = world.client.on_behalf_of(&assertion, &asks("x")).await;
        assert_eq!(outcome.err().map(|error| error.kind()), Some(ErrorKind::InvalidGrant), "{exp}");
    }
}

#[tokio::test]
async fn a_callers_claims_challenge_is_passed_on() {
    let world = World::new();
    let claims = r#"{"access_token":{"acrs":{"essential":true,"value":"c1"}}}"#;
    world.next_is(
        400,
        json!({"error": "interaction_required", "suberror": "basic_action", "claims": claims}),
    );
    let error = world.client.on_behalf_of(&"a.b.c".into(), &asks("x")).await.unwrap_err();
    assert_eq!(
        (error.kind(), error.provider().unwrap().claims.as_deref()),
        (ErrorKind::InteractionRequired, Some(claims))
    );
}

// C-381: OBO with a v1 or foreign-audience incoming token
#[tokio::test]
async fn an_assertion_that_entra_would_refuse_is_not_sent() {
    let jwt = |claims: Value| {
        Secret::from(format!(
            "{}.{}.c2ln",
            base64url(b"{}"),
            base64url(claims.to_string().as_bytes())
        ))
    };
    let world =
        World::entra(TENANT, |config| config.add_trusted_audience("https://api.contoso.com"));
    for refused in [
        json!({"ver": "1.0", "aud": CLIENT_ID}),
        json!({"ver": "1.0", "aud": format!("api://{CLIENT_ID}")}),
        json!({"ver": "2.0", "aud": OTHER_TENANT}),
        json!({"aud": "https://graph.microsoft.com"}),
        json!({"ver": "2.0", "aud": ["00000003-0000-0000-c000-000000000000"]}),
        json!({"ver": "2.0", "aud": 7}),
    ] {
        let error =
            world.client.on_behalf_of(&jwt(refused.clone()), &asks(GRAPH)).await.unwrap_err();
        assert_eq!((error.kind(), world.calls()), (ErrorKind::InvalidGrant, 0), "{refused}");
    }
    for (number, sent) in [
        jwt(json!({"ver": "2.0", "aud": CLIENT_ID})),
        jwt(json!({"aud": [format!("api://{CLIENT_ID}"), "other"]})),
        jwt(json!({"aud": "https://api.contoso.com"})),
        jwt(json!({"sub": "somebody"})),
        // An opaque or encrypted token cannot be read, so it is sent.
        "an opaque one".into(),
        "a.b.c.d.e".into(),
        "a.!.c".into(),
    ]
    .iter()
    .enumerate()
    {
        world.client.on_behalf_of(sent, &asks(GRAPH)).await.unwrap();
        assert_eq!(world.calls(), number + 1);
    }
    // At other providers the audience can be any name of the API.
    let world = World::new();
    world
        .client
        .on_behalf_of(&jwt(json!({"ver": "1.0", "aud": "https://api.example"})), &asks("x"))
        .await
        .unwrap();
}

/// MSAL's `azure_region=`: the host of the region issues tokens with the issuer of the cloud.
#[tokio::test]
async fn an_application_asks_at_the_host_of_its_region() {
    const REGION: &str = "westus2.login.microsoft.com";
    let http = FakeHttp::new(|request: &Request<Bytes>| {
        assert_eq!(request.uri().host(), Some(REGION));
        if request.uri().path().ends_with("openid-configuration") {
            // As Entra answers there: its own endpoints, and the issuer of the public cloud.
            let mut document = entra_document(TENANT);
            for member in ["authorization_endpoint", "token_endpoint", "jwks_uri"] {
                let url = document[member].as_str().unwrap();
                document[member] = json!(url.replace("login.microsoftonline.com", REGION));
            }
            return Ok(answer(200, document));
        }
        let token = json!({"access_token": "regional", "token_type": "Bearer", "expires_in": 60});
        Ok(answer(200, token))
    });
    let authority = Authority::parse(&format!("https://{REGION}/{TENANT}")).unwrap();
    let config = IdentityConfig::new(authority, CLIENT_ID)
        .with_credential(ClientCredential::secret("s3cr3t"));
    let client = Client::builder(config)
        .with_clock(ManualClock::at(NOW))
        .with_http_client(SharedHttp(Arc::clone(&http)))
        .build()
        .unwrap();
    assert_eq!(client.for_app(&asks(GRAPH)).await.unwrap().expose(), "regional");
    assert_eq!(http.count(&format!("/{TENANT}/oauth2/v2.0/token")), 1);
}

#[tokio::test]
async fn a_user_signs_in_at_a_regional_authority_with_the_issuer_of_the_public_cloud() {
    let authority = Authority::parse(&format!("https://westus2.login.microsoft.com/{TENANT}"));
    let world = World::at(authority.unwrap(), Value::Null, |config| config);
    for (host, is_taken) in
        [("login.microsoftonline.com", true), ("westus2.login.microsoft.com", false)]
    {
        let answer = person("ada", |claims| {
            claims["iss"] = json!(format!("https://{host}/{TENANT}/v2.0"));
            claims["tid"] = json!(TENANT);
        });
        world.next_is(200, answer);
        let code = BareCode::new("c0de", "https://app.example/cb");
        let outcome = world.client.redeem_code(&code).await;
        assert_eq!(outcome.is_ok(), is_taken, "{host}: {outcome:?}");
    }
}

#[tokio::test]
async fn an_application_proves_itself_by_its_managed_identity() {
    let issued = AtomicUsize::new(1);
    let machine = FakeHttp::new(move |request| {
        let query = request.uri().query().unwrap();
        assert!(query.contains("resource=api%3A%2F%2FAzureADTokenExchange&client_id=c"), "{query}");
        let token = format!("token-{}", issued.fetch_add(1, SeqCst));
        Ok(answer(200, json!({"access_token": token, "expires_in": "86400"})))
    });
    let identity = ManagedIdentity::builder(ManagedIdentityId::ClientId("c".into()))
        .with_endpoint(VirtualMachine::new())
        .with_clock(ManualClock::at(NOW))
        .with_http_client(Arc::clone(&machine))
        .build()
        .unwrap();
    let world = World::entra(TENANT, |config| config.with_credential(identity.credential()));
    let assertion = |form: &Form| form["client_assertion"].clone();

    world.client.for_app(&asks(GRAPH)).await.unwrap();
    assert_eq!(assertion(&world.last()), "token-1");
    world.client.for_app(&asks("https://vault.azure.net/.default")).await.unwrap();
    assert_eq!(assertion(&world.last()), "token-1", "from the cache of the identity");
    assert_eq!(machine.count("/metadata/identity/oauth2/token"), 1);

    // AADSTS700027: the assertion is refused, so the cached token would be refused again.
    world.next_is(401, json!({"error": "invalid_client", "error_codes": [700_027]}));
    world.client.for_app(&asks("https://storage.azure.com/.default")).await.unwrap();
    assert_eq!(assertion(&world.last()), "token-2");
    assert!(!format!("{:?}", identity.credential()).contains("token"));
}

#[tokio::test]
async fn a_parameter_of_a_token_request_is_sent_and_its_token_answers_no_other_request() {
    let world = World::new();
    let request = asks("read:notes").add_parameter("audience", "https://notes.example");
    let token = world.client.for_app(&request).await.unwrap();
    assert_eq!(world.last()["audience"], "https://notes.example");
    let again = world.client.for_app(&request).await.unwrap();
    assert_eq!((again.source(), again.expose()), (TokenSource::Cache, token.expose()));
    for other in [
        asks("read:notes"),
        asks("read:notes").add_parameter("audience", "https://other.example"),
        request.clone().with_fmi_path("/agents/7"),
    ] {
        assert_eq!(world.client.for_app(&other).await.unwrap().source(), TokenSource::Provider);
    }
    assert_eq!(world.last()["fmi_path"], "/agents/7");
    assert_eq!(world.calls(), 4);
    let error = world.client.for_app(&request.add_parameter("scope", "all")).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::RequestInvalid);
    assert_eq!(world.calls(), 4, "nothing is sent");
}
