//! The authorization code flow.

use super::*;
use crate::config::SignInNonce;

pub(super) const CALLBACK: &str = "https://app.example/cb";
/// The verifier of RFC 7636 appendix B.
const VERIFIER: &str = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk";

async fn flow(world: &World) -> AuthorizationFlow {
    world
        .client
        .initiate(CALLBACK, &SignInOptions::new().with_scopes(["api", "openid"]))
        .await
        .unwrap()
}

#[tokio::test]
async fn claims_that_were_requested_with_a_code_are_sent_with_it_again() {
    let world = World::new();
    let claims = r#"{"access_token":{"nbf":{"essential":true}}}"#;
    let code = |claims: &str| BareCode::new("c0de", "https://app.example/cb").with_claims(claims);
    world.next_is(200, person("ada", |_| {}));
    world.client.redeem_code(&code(claims)).await.unwrap();
    assert_eq!(world.last()["claims"], claims);
    let refused = world.client.redeem_code(&code("no object")).await.unwrap_err();
    assert_eq!((refused.kind(), world.calls()), (ErrorKind::RequestInvalid, 1));
}

// MSAL-098: Caller passes a reserved scope (openid/profile/offline_access) itself; request
/// Requesting the scopes that the client adds by itself is allowed.
#[tokio::test]
async fn a_stored_flow_completes_with_an_account_and_a_token() {
    let world = World::new();
    let begun = flow(&world).await;
    let address = begun.url().to_owned();
    for (name, value) in [
        ("client_id", CLIENT_ID),
        ("redirect_uri", CALLBACK),
        ("scope", "openid profile email offline_access api"),
        ("code_challenge_method", "S256"),
        ("response_type", "code"),
        ("state", begun.state()),
    ] {
        assert_eq!(parameter(&address, name), value);
    }
    let shown = format!("{begun:?}");
    let stored = serde_json::to_string(&begun).unwrap();
    let read: AuthorizationFlow = serde_json::from_str(&stored).unwrap();
    let nonce = parameter(&address, "nonce");
    assert!(!shown.contains(&nonce));
    world.next(move |_| answer(200, person("ada", |claims| claims["nonce"] = json!(nonce))));
    let acquired =
        world.client.complete(&read, &format!("?code=c0de&state={}", begun.state())).await.unwrap();

    let form = world.last();
    assert_eq!(
        (form["grant_type"].as_str(), form["code"].as_str(), form["redirect_uri"].as_str()),
        ("authorization_code", "c0de", CALLBACK)
    );
    assert_eq!(
        crate::protocol::code_challenge(&form["code_verifier"]),
        parameter(&address, "code_challenge")
    );
    assert!(!form.contains_key("scope"));
    let account = acquired.account().unwrap();
    assert_eq!(
        (account.username(), account.subject(), account.issuer()),
        (Some("ada@Example.com"), "ada", ISSUER)
    );
    let token = acquired.token().unwrap();
    assert_eq!((token.expose(), token.source()), ("access-of-ada", TokenSource::SignIn));
    assert_eq!(acquired.claims::<Value>().unwrap()["sub"], "ada");
    assert!(!format!("{acquired:?}").contains("ada"));
}

// MSAL-026: Flow stored without `state`; callback `{code: foo}` arrives
// MSAL-027: Flow `state=1`; callback `state=2`
// MSAL-029: Flow `state=s`; callback `state=s&error=foo&error_uri=bar&access_token=fake`
#[tokio::test]
async fn nothing_is_sent_for_an_answer_to_another_flow() {
    let world = World::new();
    let begun = flow(&world).await;
    for (answer, kind) in [
        ("code=foo".to_owned(), ErrorKind::StateMismatch),
        ("code=foo&state=2".to_owned(), ErrorKind::StateMismatch),
        (format!("state={}", begun.state()), ErrorKind::CallbackInvalid),
        (
            format!("code=foo&state={}&iss=https%3A%2F%2Fevil.example", begun.state()),
            ErrorKind::ResponseIssuerMismatch,
        ),
        (
            format!("state={}&error=access_denied&error_uri=bar&access_token=fake", begun.state()),
            ErrorKind::AccessDenied,
        ),
    ] {
        let error = world.client.complete(&begun, &answer).await.unwrap_err();
        assert_eq!(error.kind(), kind, "{answer}");
        assert!(!format!("{error} {error:?}").contains("fake"));
    }
    let mut stored = serde_json::to_value(&begun).unwrap();
    stored["s"] = json!("");
    let without: AuthorizationFlow = serde_json::from_value(stored).unwrap();
    assert_eq!(
        world.client.complete(&without, "code=foo&state=").await.unwrap_err().kind(),
        ErrorKind::StateMismatch
    );
    let right = format!("code=foo&state={}", begun.state());
    for member in ["i", "a"] {
        let mut stored = serde_json::to_value(&begun).unwrap();
        stored[member] = json!("https://evil.example");
        let other: AuthorizationFlow = serde_json::from_value(stored).unwrap();
        assert_eq!(
            world.client.complete(&other, &right).await.unwrap_err().kind(),
            ErrorKind::StateMismatch
        );
    }
    assert_eq!(begun.expires_at(), NOW + seconds(600));
    world.clock.advance(seconds(600));
    assert_eq!(
        world.client.complete(&begun, &right).await.unwrap_err().kind(),
        ErrorKind::AttemptExpired
    );
    assert_eq!(world.calls(), 0);
}

// MSAL-033: `max_age` requested; ID token has no `auth_time`, or it is older than max_age + 120 s
// MSAL-036: ID token with exp in the past; code is redeemed
#[tokio::test]
async fn the_id_token_is_checked_against_the_request() {
    type Change = fn(&mut Value);
    let changes: [(Change, ErrorKind); 4] = [
        (|claims| claims["nonce"] = json!("another"), ErrorKind::TokenNonce),
        (|claims| claims["exp"] = json!(NOW.as_seconds() - 61), ErrorKind::TokenExpired),
        (|claims| claims["aud"] = json!("another"), ErrorKind::TokenAudience),
        (|claims| claims["auth_time"] = json!(NOW.as_seconds() - 161), ErrorKind::TokenAuthTime),
    ];
    for (change, kind) in changes {
        let world = World::new();
        let begun = world
            .client
            .initiate(CALLBACK, &SignInOptions::new().with_max_age(seconds(100)))
            .await
            .unwrap();
        assert_eq!(parameter(begun.url(), "max_age"), "100");
        let nonce = parameter(begun.url(), "nonce");
        world.next(move |_| {
            answer(
                200,
                person("ada", |claims| {
                    claims["nonce"] = json!(nonce);
                    claims["auth_time"] = json!(NOW.as_seconds());
                    change(claims);
                }),
            )
        });
        let outcome =
            world.client.complete(&begun, &format!("code=c0de&state={}", begun.state())).await;
        assert_eq!(outcome.unwrap_err().kind(), kind);
        assert!(world.client.accounts().is_empty());
    }
}

/// A provider that loses the nonce: PKCE alone protects.
#[tokio::test]
async fn a_client_that_omits_the_nonce_sends_none_and_takes_none() {
    let world = World::with(|config| config.with_nonce(SignInNonce::Omit));
    for (nonce, is_taken) in [(None, true), (Some("n-1"), false)] {
        let begun = flow(&world).await;
        assert!(!begun.url().contains("nonce="), "{}", begun.url());
        assert!(begun.url().contains("code_challenge_method=S256"));
        world.next(move |_| answer(200, person("ada", |claims| claims["nonce"] = json!(nonce))));
        let answered = format!("code=c0de&state={}", begun.state());
        let outcome = world.client.complete(&begun, &answered).await;
        let kind = outcome.err().map(|error| error.kind());
        assert_eq!(kind, (!is_taken).then_some(ErrorKind::TokenNonce));
    }
    // A code without PKCE is protected by the nonce alone.
    let code = BareCode::new("c0de", CALLBACK).with_nonce("n-1");
    for (code, is_taken) in [(code.clone().with_verifier(VERIFIER), true), (code, false)] {
        world.next(|_| answer(200, person("ada", |_| ())));
        assert_eq!(world.client.redeem_code(&code).await.is_ok(), is_taken);
    }
}

#[tokio::test]
async fn an_answer_without_an_id_token_is_refused() {
    let bare = json!({"access_token": "bare", "token_type": "Bearer"});
    let world = World::new();
    let begun = flow(&world).await;
    world.next_is(200, bare.clone());
    let outcome =
        world.client.complete(&begun, &format!("code=c0de&state={}", begun.state())).await;
    assert_eq!(outcome.unwrap_err().kind(), ErrorKind::TokenResponseInvalid);
    world.next_is(200, bare.clone());
    let outcome = world.client.redeem_code(&BareCode::new("c0de", CALLBACK)).await;
    assert_eq!(outcome.unwrap_err().kind(), ErrorKind::TokenResponseInvalid);

    world.next_is(200, bare.clone());
    let tokens =
        world.client.acquire_by_password("ada", &"pa55".into(), &asks("api")).await.unwrap();
    assert!(tokens.account().is_none() && tokens.token().unwrap().expose() == "bare");
}

#[tokio::test]
async fn an_authentication_context_is_requested_and_required() {
    for (is_entra, met, kind) in [
        (true, json!({"acrs": ["c2", "c1"]}), None),
        (true, json!({"acrs": ["c2"]}), Some(ErrorKind::AuthContextMissing)),
        (true, json!({}), Some(ErrorKind::AuthContextMissing)),
        (false, json!({"acr": "c1"}), None),
        (false, json!({"acr": "c2"}), Some(ErrorKind::AuthContextMissing)),
    ] {
        let capable = |config: IdentityConfig| config.with_client_capabilities(["cp1"]);
        let world = if is_entra { World::entra(TENANT, capable) } else { World::with(capable) };
        let begun = world
            .client
            .initiate(CALLBACK, &SignInOptions::new().with_auth_context("c1"))
            .await
            .unwrap();
        let claims: Value = serde_json::from_str(&parameter(begun.url(), "claims")).unwrap();
        let mut asked = json!({"access_token": {"xms_cc": {"values": ["cp1"]}}});
        if is_entra {
            asked["id_token"] = json!({"acrs": {"essential": true, "value": "c1"}});
        } else {
            assert_eq!(parameter(begun.url(), "acr_values"), "c1");
        }
        assert_eq!(claims, asked);
        let begun: AuthorizationFlow =
            serde_json::from_str(&serde_json::to_string(&begun).unwrap()).unwrap();
        let nonce = parameter(begun.url(), "nonce");
        world.next(move |_| {
            let tokens = person("ada", |claims| {
                claims["nonce"] = json!(nonce);
                if is_entra {
                    claims["iss"] =
                        json!(format!("https://login.microsoftonline.com/{TENANT}/v2.0"));
                    claims["tid"] = json!(TENANT);
                    claims["ver"] = json!("2.0");
                }
                for (name, value) in met.as_object().unwrap() {
                    claims[name] = value.clone();
                }
            });
            answer(200, tokens)
        });
        let outcome =
            world.client.complete(&begun, &format!("code=c0de&state={}", begun.state())).await;
        assert_eq!(outcome.err().map(|error| error.kind()), kind, "{is_entra}");
        assert_eq!(world.client.accounts().len(), usize::from(kind.is_none()));
    }
}

#[tokio::test]
async fn url_and_code_exchange_can_be_used_separately() {
    let world = World::with(|config| config.with_client_capabilities(["cp1"]));
    let state = "0123456789-0123456789-s";
    let (nonce, verifier) = ("0123456789-0123456789-n", Secret::from("0".repeat(43)));
    let options = SignInOptions::new().with_login_hint("ada");
    let address =
        world.client.authorization_url(CALLBACK, state, nonce, &verifier, &options).await.unwrap();
    assert_eq!(
        (parameter(&address, "state").as_str(), parameter(&address, "nonce").as_str()),
        (state, nonce)
    );
    assert_eq!(parameter(&address, "claims"), r#"{"access_token":{"xms_cc":{"values":["cp1"]}}}"#);
    for (redirect_uri, state, nonce, verifier) in [
        (CALLBACK, "short", nonce, &verifier),
        (CALLBACK, &"s".repeat(129), nonce, &verifier),
        (CALLBACK, state, "0123456789 0123456789-n", &verifier),
        (CALLBACK, state, nonce, &Secret::from("0".repeat(42))),
        ("nowhere", state, nonce, &verifier),
    ] {
        let made = world.client.authorization_url(redirect_uri, state, nonce, verifier, &options);
        assert_eq!(made.await.unwrap_err().kind(), ErrorKind::RequestInvalid);
    }

    let omitting = World::with(|config| config.with_nonce(SignInNonce::Omit));
    let url = omitting.client.authorization_url(CALLBACK, state, "", &verifier, &options).await;
    assert!(!url.unwrap().contains("nonce"));

    world.next(|_| answer(200, person("ada", |claims| claims["nonce"] = json!("n-1"))));
    let code = BareCode::new("c0de", CALLBACK)
        .with_verifier(VERIFIER)
        .with_nonce("n-1")
        .with_scopes(["api"]);
    let acquired = world.client.redeem_code(&code).await.unwrap();
    assert_eq!(
        (world.last()["code_verifier"].as_str(), acquired.account().unwrap().subject()),
        (VERIFIER, "ada")
    );
    assert!(world.last()["claims"].contains("cp1"));
    world.next(|_| answer(200, person("ada", |claims| claims["nonce"] = json!("n-1"))));
    let bare = world.client.redeem_code(&BareCode::new("c0de", CALLBACK)).await;
    assert_eq!(bare.unwrap_err().kind(), ErrorKind::TokenNonce, "a nonce that nobody sent");
    assert!(!world.last().contains_key("code_verifier"));
    // RFC 7636 section 4.1: the provider would refuse it, and the code would be spent.
    let calls = world.calls();
    for verifier in ["v", &"v".repeat(129), &" ".repeat(43)] {
        let code = BareCode::new("c0de", CALLBACK).with_verifier(verifier);
        let refused = world.client.redeem_code(&code).await.unwrap_err();
        assert_eq!(refused.kind(), ErrorKind::RequestInvalid);
        assert!(refused.to_string().contains("RFC 7636"), "{refused}");
    }
    assert_eq!(world.calls(), calls);
}

#[tokio::test]
async fn entra_redeems_a_code_for_one_of_several_resources() {
    for (scopes, sent) in [
        (
            vec!["User.Read", "Mail.Read", "api://tasks/write"],
            "Mail.Read User.Read offline_access openid profile",
        ),
        (
            vec!["api://tasks/write", "api://tasks/read", "api://files/read"],
            "api://files/read offline_access openid profile",
        ),
        (vec![], "offline_access openid profile"),
    ] {
        let world = World::entra(TENANT, |config| config);
        let begun = world
            .client
            .initiate(CALLBACK, &SignInOptions::new().with_scopes(scopes))
            .await
            .unwrap();
        let _ = world.client.complete(&begun, &format!("code=c0de&state={}", begun.state())).await;
        assert_eq!(world.last()["scope"], sent);
    }
}

/// Options of one sign-in: the claims of an API's challenge, a resource, and a tenant where the
/// authority stands for several.
#[tokio::test]
async fn claims_resource_and_tenant_go_to_the_provider_and_to_the_token() {
    let claims = r#"{"access_token":{"acrs":{"essential":true,"value":"c1"}}}"#;
    let world = World::new();
    let options = SignInOptions::new()
        .with_scopes(["api"])
        .with_claims(claims)
        .add_parameter("resource", "https://api.example");
    let begun = world.client.initiate(CALLBACK, &options).await.unwrap();
    let (sent, nonce) = (parameter(begun.url(), "claims"), parameter(begun.url(), "nonce"));
    assert_eq!(
        (sent.as_str(), parameter(begun.url(), "resource").as_str()),
        (claims, "https://api.example")
    );
    let begun: AuthorizationFlow =
        serde_json::from_str(&serde_json::to_string(&begun).unwrap()).unwrap();
    world.next(move |_| answer(200, person("ada", |claims| claims["nonce"] = json!(nonce))));
    let ada =
        world.client.complete(&begun, &format!("code=c&state={}", begun.state())).await.unwrap();
    assert_eq!(
        (world.last()["resource"].as_str(), world.last()["claims"].as_str()),
        ("https://api.example", claims)
    );
    // The token is for that resource, and for no request without it.
    let asked = async |request: TokenRequest| {
        world
            .client
            .acquire_silent(ada.account().unwrap(), &request)
            .await
            .unwrap()
            .token()
            .unwrap()
            .expose()
            .to_owned()
    };
    assert_eq!(asked(asks("api").with_resource("https://api.example")).await, "access-of-ada");
    assert_ne!(asked(asks("api")).await, "access-of-ada");

    for broken in ["", "[]", "{", "claims"] {
        let refused =
            world.client.initiate(CALLBACK, &SignInOptions::new().with_claims(broken)).await;
        assert_eq!(refused.unwrap_err().kind(), ErrorKind::RequestInvalid, "{broken}");
    }
    let refused = world.client.initiate(CALLBACK, &SignInOptions::new().with_tenant(TENANT)).await;
    assert_eq!(
        refused.unwrap_err().kind(),
        ErrorKind::RequestInvalid,
        "a provider without tenants"
    );
    let configured = IdentityConfig::new(Authority::oidc(ISSUER).unwrap(), CLIENT_ID)
        .with_credential(ClientCredential::secret("s3cr3t"))
        .with_sign_in(SignInOptions::new().with_tenant(TENANT));
    assert!(Client::new(configured).unwrap_err().to_string().contains("tenant"));
}
