//! The layer around a service: which tokens pass, and how the others are answered.

use std::time::Duration;

use http::StatusCode;
use serde_json::{Value, json};

use super::{
    AccessTokenType,
    test_api::{
        APP, OTHER_TID, TID, TestApi, changed, claims, entra, merge, signed, token, v1, v2,
    },
};
use crate::{
    authority::Authority,
    config::{Algorithm, ApiConfig},
    protocol::{
        HttpError,
        test_support::{CLIENT_ID, ISSUER, NOW, Signer, document, key_set, published, settle},
    },
};

#[tokio::test]
async fn a_token_of_rfc_9068_passes_once_verified_and_from_then_on_remembered() {
    let api = TestApi::plain();
    let token = token(|_| ());
    assert_eq!(api.takes(&token).await, "person Notes.Read,Notes.Write");
    for _ in 0..10 {
        api.takes(&token).await;
    }
    assert_eq!(api.http.count("/keys"), 1);
    api.clock.advance(Duration::from_secs(700));
    api.refuses(&token, "token_expired").await;
}

#[tokio::test]
async fn version_1_and_version_2_of_entra_pass_one_configuration() {
    let api = TestApi::entra(|config| config);
    assert_eq!(api.takes(&entra(v2(), |_| ())).await, "person Notes.Read");
    for audience in [format!("api://{APP}"), format!("api://{APP}/"), APP.to_owned()] {
        let token = entra(v1(), |claims| claims["aud"] = json!(audience));
        assert_eq!(api.takes(&token).await, "person Notes.Read");
    }
    for (change, reason) in [
        (json!({"iss": format!("https://sts.windows.net/{OTHER_TID}/")}), "token_key_issuer"),
        (json!({"iss": format!("https://sts.windows.net/{TID}")}), "token_key_issuer"),
        (json!({"iss": format!("https://sts.chinacloudapi.cn/{TID}/")}), "token_key_issuer"),
        (
            json!({"iss": format!("https://sts.windows.net/{OTHER_TID}/"), "tid": OTHER_TID}),
            "tenant_not_allowed",
        ),
        (json!({"ver": "2.0"}), "token_mismatch"),
        (json!({"aud": "api://other"}), "token_audience"),
    ] {
        api.refuses(&entra(v1(), |claims| merge(claims, &change)), reason).await;
    }
}

/// The audience is looked at first, whatever else is wrong, and never left out.
#[tokio::test]
async fn the_audience_comes_first_and_without_a_name_there_is_no_configuration() {
    let api = TestApi::entra(|config| config);
    let foreign = entra(v2(), |claims| {
        merge(claims, &json!({"aud": "other", "tid": OTHER_TID, "iss": "x", "exp": 1}));
    });
    api.refuses(&foreign, "token_audience").await;
    assert_eq!(api.http.count("/common/keys"), 1);
    let plain = TestApi::plain();
    for odd in [json!(null), json!(7), json!([]), json!([7]), json!({}), json!("CLIENT-1")] {
        plain.refuses(&token(|claims| claims["aud"] = odd.clone()), "token_audience").await;
    }
    plain.takes(&token(|claims| claims["aud"] = json!(["other", CLIENT_ID]))).await;
    let config = || ApiConfig::new(Authority::oidc(ISSUER).unwrap(), CLIENT_ID);
    for none in [
        config().with_audiences([""; 0]),
        config().with_audiences([""]),
        config().add_audience("*"),
    ] {
        assert_eq!(none.build().unwrap_err().setting(), "audiences");
    }
}

/// Keys and addresses of keys in a token are not read.
#[tokio::test]
async fn no_key_and_no_algorithm_comes_from_the_token() {
    let api = TestApi::plain();
    let own = Signer::new(Algorithm::Rs256);
    for (member, value) in [
        ("jwk", own.jwk("k1")),
        ("jku", json!("https://evil.example/keys")),
        ("x5c", json!(["MIIB"])),
    ] {
        let mut header = json!({"alg": "RS256", "kid": "k1", "typ": "at+jwt"});
        header[member] = value;
        api.refuses(&own.sign(&header, &claims()), "token_signature").await;
        assert_eq!(
            api.takes(&Signer::shared().sign(&header, &claims())).await,
            "person Notes.Read,Notes.Write"
        );
    }
    for (header, reason) in [
        (json!({"alg": "none", "typ": "at+jwt"}), "token_algorithm"),
        (json!({"alg": "HS256", "kid": "k1", "typ": "at+jwt"}), "token_algorithm"),
        (json!({"alg": "RS256", "kid": "k1", "typ": "at+jwt", "crit": ["x"]}), "token_malformed"),
    ] {
        api.refuses(&Signer::shared().sign(&header, &claims()), reason).await;
    }
}

#[tokio::test]
async fn a_subject_is_held_to_the_rule_of_id_tokens() {
    let api = TestApi::plain();
    for odd in ["", "a\nb", "a\u{0}", "a\u{85}", &"s".repeat(256)] {
        api.refuses(&token(|claims| claims["sub"] = json!(odd)), "token_subject").await;
    }
    for sub in ["s".repeat(255), "Jürgen".to_owned()] {
        api.takes(&token(|claims| claims["sub"] = json!(sub))).await;
    }
}

/// Access tokens of Amazon Cognito have no `aud`.
#[tokio::test]
async fn a_cognito_token_is_for_the_api_that_has_its_client_as_an_audience() {
    let api = TestApi::with(|config| config.add_audience("app-client"));
    let cognito = |client: &str, token_use: Option<&str>| {
        let claims = changed(claims(), |claims| {
            claims.as_object_mut().unwrap().remove("aud");
            claims["client_id"] = json!(client);
            token_use.into_iter().for_each(|kind| claims["token_use"] = json!(kind));
        });
        signed("JWT", &claims)
    };
    api.takes(&cognito("app-client", Some("access"))).await;
    api.refuses(&cognito("another", Some("access")), "token_audience").await;
    api.refuses(&cognito("app-client", Some("id")), "token_audience").await;
    api.refuses(&cognito("app-client", None), "token_audience").await;
    let for_another = token(|claims| {
        claims["aud"] = json!("another-api");
        claims["client_id"] = json!("app-client");
        claims["token_use"] = json!("access");
    });
    api.refuses(&for_another, "token_audience").await;
}

/// A member that is present and cannot be understood is refused.
#[tokio::test]
async fn what_decides_is_understood_or_refused() {
    for (name, odd) in [
        ("scope", json!(7)),
        ("scope", json!(null)),
        ("scope", json!(["a", 1])),
        ("scp", json!({})),
        ("roles", json!(true)),
        ("sub", json!(7)),
        ("client_id", json!(7)),
        ("client_id", json!("")),
        ("exp", json!("tomorrow")),
        ("exp", json!(null)),
        ("nbf", json!(null)),
        ("acr", json!(1)),
        ("cnf", json!(null)),
    ] {
        TestApi::plain()
            .refuses(&token(|claims| claims[name] = odd.clone()), "token_malformed")
            .await;
    }
    let api = TestApi::entra(|config| config);
    for (name, odd) in [
        ("idtyp", json!("device")),
        ("idtyp", json!(1)),
        ("azpacr", json!([])),
        ("xms_sub_fct", json!({})),
        ("SCP", json!("Admin")),
        ("oid", json!(1)),
        ("ver", json!(2)),
    ] {
        api.refuses(&entra(v2(), |claims| claims[name] = odd.clone()), "token_malformed").await;
    }
    // The resource of a managed identity decides for applications alone.
    let unclear = json!({"scp": "/", "roles": ["A"], "xms_mirid": 1});
    api.refuses(&entra(v2(), |claims| merge(claims, &unclear)), "token_malformed").await;
}

/// No other kind of token stands in for an access token.
#[tokio::test]
async fn id_tokens_logout_tokens_proofs_and_bound_tokens_are_no_access_tokens() {
    let plain = TestApi::plain();
    let now = NOW.as_seconds();
    let id_token =
        json!({"iss": ISSUER, "sub": "ada", "aud": CLIENT_ID, "exp": now + 60, "iat": now});
    for more in [
        json!({}),
        json!({"nonce": "n"}),
        json!({"azp": CLIENT_ID, "at_hash": "x"}),
        json!({"nonce": "n", "scope": "Notes.Read"}),
        json!({"at_hash": "x", "scope": "Notes.Read"}),
        json!({"typ": "ID", "scope": "Notes.Read"}),
        json!({"token_use": "id", "scope": "Notes.Read"}),
        json!({"events": {}, "scope": "Notes.Read"}),
        json!({"htm": "GET", "htu": "x", "scope": "Notes.Read"}),
        json!({"cnf": {"jkt": "x"}, "scope": "Notes.Read"}),
        json!({"typ": "Refresh", "scope": "Notes.Read"}),
    ] {
        let claims = changed(id_token.clone(), |claims| merge(claims, &more));
        plain.refuses(&signed("JWT", &claims), "token_kind").await;
    }
    plain.refuses(&token(|claims| claims["cnf"] = json!({"x5t#S256": "x"})), "token_kind").await;
    for typ in ["logout+jwt", "dpop+jwt", "client-authentication+jwt", "id_token+jwt", "JWS"] {
        plain.refuses(&signed(typ, &claims()), "token_kind").await;
    }
    for typ in ["at+jwt", "AT+JWT", "application/at+jwt", "JWT"] {
        plain.takes(&signed(typ, &claims())).await;
    }
    let strict = TestApi::with(|config| config.with_token_type(AccessTokenType::AtJwt));
    strict.refuses(&signed("JWT", &claims()), "token_kind").await;
    strict.takes(&signed("application/at+jwt", &claims())).await;
    // At Entra an ID token names no client, whatever roles it has.
    let entra_api = TestApi::entra(|config| config);
    for more in
        [json!({"azp": null, "azpacr": null, "scp": null}), json!({"roles": ["Notes.Read.All"]})]
    {
        let mut claims = v2();
        for name in ["azp", "azpacr", "scp"] {
            claims.as_object_mut().unwrap().remove(name);
        }
        let reason = if more.get("azp").is_some() { "token_malformed" } else { "token_kind" };
        merge(&mut claims, &more);
        entra_api.refuses(&signed("JWT", &claims), reason).await;
    }
}

#[tokio::test]
async fn at_entra_a_token_has_a_scope_or_an_app_role() {
    let api = TestApi::entra(|config| config);
    for (more, caller) in [
        (json!({"idtyp": "user"}), Some("person Notes.Read")),
        (json!({"scp": "", "roles": ["A"]}), Some("application ")),
        (json!({"scp": "/", "roles": ["A"]}), Some("application ")),
        (json!({"scp": "/", "roles": "A", "idtyp": "app"}), Some("application ")),
        (
            json!({"scp": "/", "roles": ["A"], "xms_mirid": "/subscriptions/x"}),
            Some("managed_identity "),
        ),
        (
            json!({"scp": "/", "roles": ["A"], "xms_act_fct": "9 11", "xms_sub_fct": "11 3"}),
            Some("agent "),
        ),
        (json!({"xms_act_fct": "3 11 77"}), Some("person_through_agent Notes.Read")),
        (json!({"xms_act_fct": "11", "xms_sub_fct": "99 13"}), Some("agent_user Notes.Read")),
        (json!({"scp": ""}), None),
        (json!({"scp": "/"}), None),
        (json!({"scp": "/", "roles": []}), None),
        (json!({"idtyp": "app"}), None),
        (json!({"idtyp": "user", "scp": "/", "roles": ["A"]}), None),
    ] {
        let token = entra(v2(), |claims| merge(claims, &more));
        match caller {
            Some(caller) => assert_eq!(api.takes(&token).await, caller, "{more}"),
            None => api.refuses(&token, "token_kind").await,
        }
    }
}

/// As Keycloak 26 writes them: `sub` is a user in either, and only a service account's session has
/// notes about its client.
#[tokio::test]
async fn a_service_account_of_keycloak_is_an_application_and_a_person_with_its_name_is_none() {
    let api = TestApi::plain();
    let account = json!({
        "typ": "Bearer", "azp": "app", "sub": "4d0d4b7e-1f6c-4a6e-9d0a-0c1ce1f3b1a1", "jti": "1",
        "preferred_username": "service-account-app", "client_id": "app",
        "clientHost": "10.0.0.7", "clientAddress": "10.0.0.7",
    });
    let kind = async |more: Value, without: &[&str]| {
        let token = token(|claims| {
            claims.as_object_mut().unwrap().remove("client_id");
            merge(claims, &account);
            merge(claims, &more);
            for name in without {
                claims.as_object_mut().unwrap().remove(*name);
            }
        });
        api.takes(&token).await.split(' ').next().unwrap().to_owned()
    };
    assert_eq!(kind(json!({}), &[]).await, "application");
    assert_eq!(kind(json!({"clientId": "app"}), &["client_id"]).await, "application", "before 24");
    for (more, without) in [
        (json!({}), &["clientHost", "client_id"][..]),
        (json!({}), &["clientHost"]),
        (json!({"preferred_username": "ada"}), &[]),
        (json!({"preferred_username": "service-account-other"}), &[]),
        (json!({"preferred_username": null}), &[]),
        (json!({}), &["azp"]),
    ] {
        assert_eq!(kind(more.clone(), without).await, "person", "{more} {without:?}");
    }
}

/// Keycloak 25 puts `sub` into access tokens by its client scope `basic`, which an imported realm
/// may lack.
#[tokio::test]
async fn users_whom_a_token_does_not_identify_share_no_key_and_no_rights_of_an_application() {
    let api = TestApi::plain();
    let of_keycloak = |name: &str, more: &Value| {
        token(|claims| {
            let members = claims.as_object_mut().unwrap();
            members.remove("sub");
            members.remove("client_id");
            let user = json!({"typ": "Bearer", "azp": "web", "jti": name, "roles": ["R"]});
            merge(claims, &user);
            merge(claims, more);
        })
    };
    for more in [
        json!({"sid": "1"}),
        json!({"session_state": "1"}),
        json!({"auth_time": 1}),
        json!({"amr": ["pwd"]}),
        json!({"acr": "1"}),
        json!({"idp": "local"}),
        json!({"preferred_username": "ada"}),
        json!({"preferred_username": null}),
        json!({"email": "a@b.c"}),
        json!({"scope": "openid Notes.Read"}),
    ] {
        let (ada, bob) = (of_keycloak("ada", &more), of_keycloak("bob", &more));
        assert!(api.takes(&ada).await.starts_with("person "), "{more}");
        let key = api.key_of(&ada).await;
        assert_ne!(key, api.key_of(&bob).await, "{more}");
        assert!(!key.ends_with(" web"), "{more}: the key of the application");
        assert_eq!(key, api.key_of(&ada).await, "{more}: the same token");
    }
    // Duende IdentityServer: the token of an application by itself has no `sub`.
    let of_duende = token(|claims| {
        claims.as_object_mut().unwrap().remove("sub");
    });
    assert!(api.takes(&of_duende).await.starts_with("application "));
    let name = format!("{ISSUER} {}", claims()["client_id"].as_str().unwrap());
    assert_eq!(api.key_of(&of_duende).await, name);
}

/// RFC 6749 section 3.3: a space separates, and nothing else.
#[tokio::test]
async fn a_scope_ends_at_a_space_alone() {
    let api = TestApi::plain();
    for (scope, shown) in [
        ("a  Notes.Read ", "a,Notes.Read"),
        ("a\tNotes.Read", "a\tNotes.Read"),
        ("a\nNotes.Read", "a\nNotes.Read"),
        ("a\u{a0}Notes.Read", "a\u{a0}Notes.Read"),
    ] {
        let token = token(|claims| claims["scope"] = json!(scope));
        assert_eq!(api.takes(&token).await, format!("person {shown}"));
    }
}

/// The whole token finds what is remembered, and never a part of it.
#[tokio::test]
async fn a_token_with_anything_changed_is_another_token() {
    let api = TestApi::plain();
    let token = token(|_| ());
    api.takes(&token).await;
    let (head, signature) = token.rsplit_once('.').unwrap();
    for other in [
        format!("{head}.{}", signature.chars().rev().collect::<String>()),
        format!("{head}."),
        format!("{token}="),
        format!("{token}."),
        head.to_owned(),
    ] {
        assert_eq!(api.with_token(&other).await.status, StatusCode::UNAUTHORIZED, "{other}");
    }
    api.takes(&token).await;
    assert_eq!(format!("{:?}", api.layer).matches("eyJ").count(), 0);
}

#[tokio::test]
async fn unknown_keys_and_garbage_cause_no_calls_to_the_provider() {
    let api = TestApi::plain();
    api.takes(&token(|_| ())).await;
    for number in 0..200 {
        let header = json!({"alg": "RS256", "kid": format!("k-{number}"), "typ": "at+jwt"});
        api.with_token(&Signer::shared().sign(&header, &claims())).await;
        api.with_token(&format!("garbage-{number}")).await;
        api.with_token(&format!("a.{number}.c")).await;
    }
    assert!(api.http.count("/keys") <= 6, "{}", api.http.count("/keys"));
    // Whether a key is there that was not looked for is not known: the client keeps its token.
    let header = json!({"alg": "RS256", "kid": "k-another", "typ": "at+jwt"});
    let told = api.with_token(&Signer::shared().sign(&header, &claims())).await;
    let read = (told.status, told.reason(), told.challenge());
    assert_eq!(read, (StatusCode::SERVICE_UNAVAILABLE, "busy".to_owned(), ""));
    assert_eq!(told.headers["retry-after"], "5");
    assert_eq!(api.http.count("/.well-known/openid-configuration"), 1);
}

#[tokio::test]
async fn an_outage_of_the_provider_is_no_refusal_of_the_token() {
    let api = TestApi::plain();
    api.http.answer_with(|_| Err(HttpError::new("no connection")));
    let told = api.with_token(&token(|_| ())).await;
    assert_eq!((told.status, told.challenge()), (StatusCode::SERVICE_UNAVAILABLE, ""));
}

/// An application and its API may share the setting, which is about ID tokens.
#[tokio::test]
async fn the_maximum_age_of_id_tokens_is_not_one_of_access_tokens() {
    let shared = json!({"authority": ISSUER, "client_id": CLIENT_ID, "max_token_age": 60});
    let api = TestApi::at(serde_json::from_value(shared).unwrap(), document(), key_set());
    let old = token(|claims| claims["iat"] = json!(NOW.as_seconds() - 600));
    assert_eq!(api.takes(&old).await, "person Notes.Read,Notes.Write");
}

/// RFC 7517 section 5, OpenID Connect Core section 10.1.1: a provider that removes a key from its
/// set, because it was disclosed, ends the tokens that were signed with it, whatever `exp` they
/// have.
#[tokio::test]
async fn a_remembered_token_ends_soon_after_its_key_was_removed() {
    let api = TestApi::plain();
    let endless = token(|claims| claims["exp"] = json!(NOW.as_seconds() + 1000 * 24 * 3600));
    api.takes(&endless).await;
    let other = json!({"keys": [Signer::new(Algorithm::Rs256).jwk("k2")]});
    api.http.answer_with(move |request| Ok(published(request, &document(), &other)));
    // Without `Cache-Control` the key set is kept for a day, and then renewed by a request.
    for _ in 0..2 {
        api.clock.advance(Duration::from_secs(25 * 3600));
        api.with_token(&endless).await;
        settle().await;
    }
    api.refuses(&endless, "token_key_unknown").await;
}
