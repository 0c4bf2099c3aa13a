//! Claims and header members that two readers could read differently: which application it is,
//! whether a person or an application calls, whether the token is for this API.

use http::StatusCode;
use serde_json::{Value, json};

use super::{
    AccessTokenType, Introspection, require_app_roles, require_caller, require_scopes,
    test_api::{TestApi, changed, claims, entra, merge, signed, token, v2},
};
use crate::{
    config::ClientCredential,
    protocol::test_support::{CLIENT_ID, Signer, answer, document, key_set},
};

/// The claims of RFC 9068, changed, without the claims that are `"-"`.
fn with(more: &Value) -> Value {
    changed(claims(), |claims| {
        merge(claims, more);
        claims.as_object_mut().unwrap().retain(|_, value| value != "-");
    })
}

/// An API that introspects opaque tokens, and is answered with these claims of an active one.
fn introspecting(members: &Value) -> TestApi {
    let mut document = document();
    document["introspection_endpoint"] = json!("https://id.example/introspect");
    let config = TestApi::plain_config()
        .with_credential(ClientCredential::secret("a secret of the API that is long enough"))
        .with_introspection(Introspection::Opaque);
    let api = TestApi::at(config, document.clone(), key_set());
    let answered = changed(members.clone(), |answer| answer["active"] = json!(true));
    api.http.answer_with(move |request| {
        Ok(match request.uri().path() {
            "/introspect" => answer(200, &answered),
            "/.well-known/openid-configuration" => answer(200, &document),
            _ => answer(200, key_set()),
        })
    });
    api
}

/// The kind of the caller with these claims, as JWT and by introspection; the reason of a refusal.
async fn judged(claims: &Value) -> String {
    let signed = TestApi::plain().with_token(&signed("JWT", claims)).await;
    let opaque = introspecting(claims).with_token("opaque").await;
    assert_eq!((signed.status, signed.verdict()), (opaque.status, opaque.verdict()), "{claims}");
    assert!(signed.status == StatusCode::OK || signed.status == StatusCode::UNAUTHORIZED);
    signed.verdict()
}

/// RFC 8693 section 4.3 (`client_id`) and OpenID Connect Core section 2 (`azp`) name the same
/// client. Keycloak's mapper "Client ID" writes the client of the first token after an exchange.
#[tokio::test]
async fn a_token_of_two_applications_is_refused() {
    for (more, verdict) in [
        (json!({"azp": "app"}), "person"),
        (json!({"azp": "another"}), "token_malformed"),
        (json!({"azp": "another", "sub": "another"}), "token_malformed"),
        (json!({"azp": "another", "sub": "app"}), "token_malformed"),
        (json!({"client_id": "-", "azp": "web"}), "person"),
        // Okta's name and Microsoft's are private ones: they count where no registered name is.
        (json!({"cid": "another"}), "person"),
        (json!({"appid": "another"}), "person"),
        (json!({"client_id": "-", "cid": "ada"}), "application"),
        (json!({"client_id": "-", "cid": "app", "appid": "app"}), "person"),
        (json!({"client_id": "-", "cid": "app", "appid": "another"}), "token_malformed"),
    ] {
        assert_eq!(judged(&with(&more)).await, verdict, "{more}");
    }
    let guarded = TestApi::plain().guarded(require_caller().with_applications(["app"]));
    let mixed = token(|claims| merge(claims, &json!({"cid": "app", "client_id": "another"})));
    assert_eq!(guarded.with_token(&mixed).await.status, StatusCode::FORBIDDEN);
    let error = TestApi::plain().error_of(&token(|claims| claims["azp"] = json!("another"))).await;
    for part in ["`client_id` is \"app\"", "`azp` is \"another\"", "Client ID"] {
        assert!(error.contains(part), "{part}: {error}");
    }
}

/// RFC 9068 section 5: a person with the identifier of a client must not pass for the client. A
/// session of a person says that it is one.
#[tokio::test]
async fn a_person_whose_subject_is_a_client_does_not_pass_for_it() {
    for (more, verdict) in [
        (json!({}), "application"),
        // Cognito writes the time of the request for a token.
        (json!({"auth_time": 1}), "application"),
        (json!({"username": "app"}), "application"),
        (json!({"sid": "1"}), "token_subject"),
        (json!({"session_state": "1"}), "token_subject"),
        (json!({"gty": "password"}), "token_subject"),
        (json!({"gty": ["authorization_code"]}), "token_subject"),
        (json!({"gty": "client_credentials"}), "application"),
        (json!({"gty": "client_credentials", "sid": "1"}), "token_subject"),
        // Ory Hydra grants applications every scope that they have.
        (json!({"scope": "openid Notes.Read"}), "application"),
    ] {
        let claims = changed(with(&more), |claims| claims["sub"] = json!("app"));
        assert_eq!(judged(&claims).await, verdict, "{more}");
    }
}

/// Kinde writes a list, as Auth0 does after a refresh, and spells the grant as RFC 6749 does.
#[tokio::test]
async fn the_grant_of_a_token_may_be_a_list() {
    for (gty, verdict) in [
        (json!("client-credentials"), "application"),
        (json!("client_credentials"), "application"),
        (json!(["client_credentials"]), "application"),
        (json!("password"), "person"),
        (json!(["authorization_code"]), "person"),
        (json!(["refresh_token", "password"]), "person"),
        (json!([]), "person"),
        (json!(["client_credentials", "authorization_code"]), "token_malformed"),
        (json!("client_credentials password"), "token_malformed"),
        (json!({"client_credentials": true}), "token_malformed"),
        (json!([7]), "token_malformed"),
        (json!(7), "token_malformed"),
    ] {
        let claims = with(&json!({"gty": gty, "client_id": "-", "azp": "app"}));
        assert_eq!(judged(&claims).await, verdict, "{gty}");
    }
    for (more, verdict) in [
        (json!({"gty": "client-credentials", "sid": "1"}), "token_subject"),
        (json!({"gty": "client-credentials", "sub": "-"}), "application"),
        (json!({"gty": "authorization_code", "sub": "-"}), "person"),
    ] {
        assert_eq!(judged(&with(&more)).await, verdict, "{more}");
    }
    let null = with(&json!({"gty": null}));
    TestApi::plain().refuses(&signed("JWT", &null), "token_malformed").await;
    // Kinde's two tokens, as it documents them.
    let person = with(&json!({
        "client_id": "-", "scope": "-", "jti": "8a567995", "sub": "kp_0", "azp": "web",
        "gty": ["authorization_code"], "scp": ["openid", "profile"],
    }));
    let application = with(&json!({
        "client_id": "-", "sub": "-", "scope": "", "azp": "machine", "v": "2", "scp": [],
        "gty": ["client_credentials"],
    }));
    let api = TestApi::plain();
    assert_eq!(api.takes(&signed("JWT", &person)).await, "person openid,profile");
    assert_eq!(api.takes(&signed("JWT", &application)).await, "application ");
}

/// Only Cognito leaves out `aud`, and its tokens have no type.
#[tokio::test]
async fn a_token_without_audience_passes_as_cognito_s_alone() {
    let cognito = with(&json!({"aud": "-", "token_use": "access", "client_id": CLIENT_ID}));
    let plain = TestApi::plain();
    for typ in ["JWT", ""] {
        let header = match typ {
            "" => json!({"alg": "RS256", "kid": "k1"}),
            typ => json!({"alg": "RS256", "kid": "k1", "typ": typ}),
        };
        plain.takes(&Signer::shared().sign(&header, &cognito)).await;
    }
    // RFC 9068 section 4 requires `aud`.
    plain.refuses(&signed("at+jwt", &cognito), "token_audience").await;
    let azp = changed(cognito.clone(), |claims| claims["azp"] = json!("another"));
    plain.refuses(&signed("JWT", &azp), "token_malformed").await;
    let of_entra = entra(v2(), |claims| {
        claims.as_object_mut().unwrap().remove("aud");
        merge(claims, &json!({"token_use": "access", "client_id": super::test_api::APP}));
    });
    TestApi::entra(|config| config).refuses(&of_entra, "token_audience").await;
}

/// RFC 7515 sections 4.1.4 and 4.1.9: strings.
#[tokio::test]
async fn a_header_member_that_is_null_is_malformed() {
    let api = TestApi::plain();
    for header in [
        json!({"alg": "RS256", "kid": null, "typ": "at+jwt"}),
        json!({"alg": "RS256", "kid": "k1", "typ": null}),
        json!({"alg": null, "kid": "k1"}),
    ] {
        api.refuses(&Signer::shared().sign(&header, &claims()), "token_malformed").await;
    }
}

/// RFC 9068 section 2.2. Keycloak has no `client_id` and Duende no `sub` of an application; what
/// is there has the type of the specification.
#[tokio::test]
async fn the_type_of_rfc_9068_brings_its_claims_in_their_types() {
    let api = TestApi::with(|config| config.with_token_type(AccessTokenType::AtJwt));
    for (more, verdict) in [
        (json!({}), "person"),
        (json!({"client_id": "-", "azp": "web", "typ": "Bearer"}), "person"),
        (json!({"sub": "-"}), "application"),
        (json!({"jti": "-"}), "person"),
        (json!({"jti": 7}), "token_malformed"),
        (json!({"jti": null}), "token_malformed"),
        (json!({"iat": "now"}), "token_malformed"),
        (json!({"client_id": ["app"]}), "token_malformed"),
        (json!({"sub": {}}), "token_malformed"),
        (json!({"aud": "-", "token_use": "access", "client_id": CLIENT_ID}), "token_audience"),
    ] {
        let told = api.with_token(&signed("at+jwt", &with(&more))).await;
        match told.status {
            StatusCode::OK => assert!(told.body.starts_with(verdict), "{more}: {told:?}"),
            _ => assert_eq!(told.reason(), verdict, "{more}"),
        }
    }
    // Other providers number their tokens.
    TestApi::plain().takes(&signed("JWT", &with(&json!({"jti": 7})))).await;
}

/// Zitadel writes no scopes into JWT: no guard for scopes ever admits them.
#[tokio::test]
async fn the_refusal_of_a_token_without_any_scope_says_that_it_has_none() {
    let error_of = async |more: &Value| {
        let api = TestApi::plain().guarded(require_scopes("Notes.Read"));
        let told = api.with_token(&signed("JWT", &with(more))).await;
        assert_eq!((told.status.as_u16(), told.reason().as_str()), (403, "insufficient_scope"));
        told.error.unwrap()
    };
    let without = error_of(&json!({"scope": "-"})).await;
    for part in ["no scope at all", "with_introspection", "IDENTITY_INTROSPECTION", "Zitadel"] {
        assert!(without.contains(part), "{part}: {without}");
    }
    let other = error_of(&json!({"scope": "Other"})).await;
    assert!(!other.contains("no scope at all") && other.contains("Other"), "{other}");
}

/// Whatever a token of a person says, it has no rights of an application, and the other way round.
#[tokio::test]
async fn rights_of_one_kind_do_not_count_for_the_other() {
    let roles = TestApi::plain().guarded(require_app_roles(["R"]));
    for more in [json!({}), json!({"gty": "password"}), json!({"azp": "app"})] {
        let person = with(&merged(&more, &json!({"roles": ["R"]})));
        assert_eq!(roles.with_token(&signed("JWT", &person)).await.status, StatusCode::FORBIDDEN);
    }
}

fn merged(one: &Value, other: &Value) -> Value {
    changed(one.clone(), |one| merge(one, other))
}
