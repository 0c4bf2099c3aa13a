//! The token responses of the imitated Entra, which are those of Entra.

use std::time::Duration;

use aws_lc_rs::digest::{SHA256, digest};
use base64_simd::URL_SAFE_NO_PAD;
use reqwest::{Client, StatusCode, redirect::Policy};
use serde_json::{Value, json};
use tower_identity::{
    ManualClock,
    dev::{DevProvider, DevTenant},
};
use url::Url;

const VERIFIER: &str = "a-verifier-of-at-least-43-characters-0123456789";
const REDIRECT: &str = "http://localhost:3000/auth/callback";

async fn provider() -> DevProvider {
    DevProvider::builder().entra().start().await.unwrap()
}

fn http() -> Client {
    Client::builder().no_proxy().redirect(Policy::none()).build().unwrap()
}

async fn post(provider: &DevProvider, tenant: &str, form: &[(&str, &str)]) -> (StatusCode, Value) {
    let origin = provider.graph_url().trim_end_matches("/graph").to_owned();
    let secret = provider.client_secret();
    let mut all = vec![("client_id", provider.client_id()), ("client_secret", secret.expose())];
    for (name, value) in form {
        all.retain(|(known, _)| known != name);
        all.push((name, value));
    }
    all.retain(|(_, value)| !value.is_empty());
    let answer = http()
        .post(format!("{origin}/{tenant}/oauth2/v2.0/token"))
        .form(&all)
        .send()
        .await
        .unwrap();
    (answer.status(), answer.json().await.unwrap())
}

fn refresh_token(provider: &DevProvider, person: &str, scopes: &str) -> String {
    let tokens = provider.issue_tokens(person, provider.client_id(), scopes, None).unwrap();
    tokens.refresh_token.unwrap().expose().to_owned()
}

#[tokio::test]
async fn errors_have_what_support_asks_for() {
    let provider = provider().await;
    let contoso = DevTenant::CONTOSO.domain().to_owned();
    let code = [("grant_type", "authorization_code"), ("code", "unknown")];
    for (tenant, changed, status, error, number) in [
        (contoso.as_str(), ("code", "unknown"), 400, "invalid_grant", 70_000),
        (&contoso, ("client_secret", "wrong"), 401, "invalid_client", 7_000_215),
        (&contoso, ("client_secret", ""), 401, "invalid_client", 7_000_218),
        (
            &contoso,
            ("client_id", "00000000-1111-4222-8333-444444444444"),
            400,
            "unauthorized_client",
            700_016,
        ),
        (&contoso, ("grant_type", "magic"), 400, "unsupported_grant_type", 70_003),
        (&contoso, ("code", ""), 400, "invalid_request", 900_144),
        ("nowhere.onmicrosoft.com", ("code", "unknown"), 400, "invalid_tenant", 90_002),
    ] {
        let form: Vec<_> =
            code.iter().filter(|(name, _)| *name != changed.0).copied().chain([changed]).collect();
        let (got, body) = post(&provider, tenant, &form).await;
        assert_eq!(
            (got.as_u16(), &body["error"], &body["error_codes"]),
            (status, &json!(error), &json!([number])),
            "{body}"
        );
        let description = body["error_description"].as_str().unwrap();
        assert!(description.starts_with(&format!("AADSTS{number}: ")), "{description}");
        for part in ["trace_id", "correlation_id", "timestamp"] {
            assert!(description.contains(body[part].as_str().unwrap()), "{part}: {body}");
        }
    }
}

/// For a work account one refresh token works for every resource, and in every tenant that the
/// person is a member or guest of.
#[tokio::test]
async fn a_refresh_token_serves_resources_and_tenants() {
    let provider = provider().await;
    let token = refresh_token(
        &provider,
        "katherine",
        "openid profile offline_access User.Read api://tasks/Tasks.Read",
    );
    let refresh = |scope: &'static str| {
        [("grant_type", "refresh_token"), ("refresh_token", token.as_str()), ("scope", scope)]
    };
    let fabrikam = DevTenant::FABRIKAM.id();
    let (status, answer) =
        post(&provider, fabrikam, &refresh("openid offline_access User.Read")).await;
    assert_eq!(
        (status, &answer["scope"]),
        (StatusCode::OK, &json!("openid User.Read")),
        "{answer}"
    );
    let (_, answer) = post(&provider, "common", &refresh("api://tasks/Tasks.Read")).await;
    assert_eq!(
        (&answer["scope"], answer["access_token"].as_str().unwrap().split('.').count()),
        (&json!("api://tasks/Tasks.Read"), 3)
    );
    let (status, guest) =
        post(&provider, DevTenant::CONTOSO.id(), &refresh("openid User.Read")).await;
    assert_eq!(status, StatusCode::OK, "{guest}");
    let (_, nobody) = post(&provider, "consumers", &refresh("openid User.Read")).await;
    assert_eq!(nobody["error_codes"], json!([50_020]));
    let without_scope = [("grant_type", "refresh_token"), ("refresh_token", token.as_str())];
    let (_, first) = post(&provider, fabrikam, &without_scope).await;
    assert_eq!(
        first["scope"], "openid profile User.Read",
        "the API of the sign-in's first token (RFC 6749 section 6): {first}"
    );
    let (_, two) = post(&provider, fabrikam, &refresh("User.Read api://tasks/Tasks.Read")).await;
    assert_eq!(two["error_codes"], json!([28_000]));
    let (_, consent) = post(&provider, fabrikam, &refresh("Mail.Read")).await;
    assert_eq!(
        (&consent["error"], &consent["suberror"]),
        (&json!("invalid_grant"), &json!("consent_required"))
    );
}

#[tokio::test]
async fn a_stronger_sign_in_is_demanded_with_the_claims_to_ask_for() {
    let provider = provider().await;
    let token = refresh_token(&provider, "ada", "openid offline_access Files.Read");
    provider.require_authentication_context("Files.Read", "c1");
    let form = [
        ("grant_type", "refresh_token"),
        ("refresh_token", token.as_str()),
        ("scope", "Files.Read"),
    ];
    let (status, answer) = post(&provider, DevTenant::CONTOSO.id(), &form).await;
    assert_eq!(
        (status, &answer["error"], &answer["error_codes"]),
        (StatusCode::BAD_REQUEST, &json!("interaction_required"), &json!([50_076]))
    );
    let claims: Value = serde_json::from_str(answer["claims"].as_str().unwrap()).unwrap();
    assert_eq!(claims["access_token"]["acrs"]["value"], "c1");
}

/// At B2C a refresh token belongs to its policy, and errors have a format of their own.
#[tokio::test]
async fn b2c_answers_in_its_own_way() {
    let provider = provider().await;
    let token = refresh_token(&provider, "rosalind", "openid offline_access");
    let refresh = [("grant_type", "refresh_token"), ("refresh_token", token.as_str())];
    let at = |policy: &str| format!("{}/{policy}", DevTenant::PROSEWARE.domain());
    let (status, answer) = post(&provider, &at("b2c_1_susi"), &refresh).await;
    assert_eq!((status, answer.get("access_token")), (StatusCode::OK, None), "{answer}");
    assert!(answer["id_token"].is_string() && answer["refresh_token"].is_string());
    let (_, own) = post(
        &provider,
        &format!("tfp/{}", at("B2C_1_SUSI")),
        &[&refresh[..], &[("scope", provider.client_id())]].concat(),
    )
    .await;
    assert!(own["access_token"].is_string(), "{own}");
    let (status, other) = post(&provider, &at("b2c_1_reset"), &refresh).await;
    assert_eq!((status, other.get("error_codes")), (StatusCode::BAD_REQUEST, None));
    assert!(other["error_description"].as_str().unwrap().starts_with("AADB2C90088: "), "{other}");
    let (_, wrong) =
        post(&provider, &at("b2c_1_susi"), &[&refresh[..], &[("client_secret", "wrong")]].concat())
            .await;
    assert!(wrong["error_description"].as_str().unwrap().contains("AADB2C90081"), "{wrong}");
}

#[tokio::test]
async fn documents_and_keys_are_as_microsofts() {
    let provider = provider().await;
    let origin = provider.graph_url().trim_end_matches("/graph").to_owned();
    let get = async |path: String| -> Value {
        http().get(format!("{origin}{path}")).send().await.unwrap().json().await.unwrap()
    };
    let document =
        async |tenant: &str| get(format!("/{tenant}/v2.0/.well-known/openid-configuration")).await;
    let template = format!("{origin}/{{tenantid}}/v2.0");
    let own = |tenant: &DevTenant| format!("{origin}/{}/v2.0", tenant.id());
    for (tenant, issuer) in [
        ("common", template.clone()),
        ("organizations", template.clone()),
        ("consumers", own(&DevTenant::PERSONAL)),
        (DevTenant::CONTOSO.domain(), own(&DevTenant::CONTOSO)),
        (DevTenant::FABRIKAM.id(), own(&DevTenant::FABRIKAM)),
    ] {
        let document = document(tenant).await;
        assert_eq!(
            (&document["issuer"], &document["userinfo_endpoint"]),
            (&json!(issuer), &json!(format!("{origin}/graph/oidc/userinfo")))
        );
    }
    let b2c = document(&format!("{}/B2C_1_SuSi", DevTenant::PROSEWARE.domain())).await;
    assert_eq!(
        (&b2c["issuer"], b2c.get("userinfo_endpoint")),
        (&json!(format!("{}/", own(&DevTenant::PROSEWARE))), None)
    );
    assert_eq!(document("nowhere.onmicrosoft.com").await["error_codes"], json!([90_002]));
    let keys = get("/common/discovery/v2.0/keys".into()).await;
    let issuers: Vec<_> = keys["keys"]
        .as_array()
        .unwrap()
        .iter()
        .map(|key| (&key["issuer"], &key["cloud_instance_name"]))
        .collect();
    assert_eq!(issuers[0], (&json!(template), &json!("127.0.0.1")));
    assert_eq!(issuers[1].0, &json!(own(&DevTenant::PERSONAL)));
    assert_eq!(issuers[2].0, &json!(template));
    assert_ne!(issuers[2].1, "127.0.0.1");
}

/// The authorization code of a sign-in of `person`, and the other parameters of the response.
async fn code(
    provider: &DevProvider,
    tenant: &str,
    person: &str,
    scope: &str,
) -> Vec<(String, String)> {
    provider.sign_in_as(person).unwrap();
    let challenge = URL_SAFE_NO_PAD.encode_to_string(digest(&SHA256, VERIFIER.as_bytes()));
    let parameters = [
        ("response_type", "code"),
        ("client_id", provider.client_id()),
        ("redirect_uri", REDIRECT),
        ("scope", scope),
        ("state", "a state"),
        ("client_info", "1"),
        ("code_challenge", &challenge),
        ("code_challenge_method", "S256"),
    ];
    let url = format!("http://{}/{tenant}/oauth2/v2.0/authorize", provider.address());
    let answer =
        http().get(Url::parse_with_params(&url, parameters).unwrap()).send().await.unwrap();
    let back = Url::parse(answer.headers()["location"].to_str().unwrap()).unwrap();
    back.query_pairs().into_owned().collect()
}

fn value<'a>(parameters: &'a [(String, String)], name: &str) -> &'a str {
    parameters.iter().find(|(known, _)| known == name).map_or("", |(_, value)| value)
}

async fn redeem(
    provider: &DevProvider,
    tenant: &str,
    code: &str,
    changed: &[(&str, &str)],
) -> (StatusCode, Value) {
    let mut form = vec![
        ("grant_type", "authorization_code"),
        ("code", code),
        ("redirect_uri", REDIRECT),
        ("code_verifier", VERIFIER),
    ];
    form.retain(|(name, _)| !changed.iter().any(|(other, _)| other == name));
    form.extend(changed);
    post(provider, tenant, &form).await
}

/// `client_info` with the home account is in the token response and in the authorization response;
/// `iss` is not.
#[tokio::test]
async fn a_guest_has_the_claims_of_the_account_at_home() {
    let provider = provider().await;
    let back = code(&provider, DevTenant::CONTOSO.id(), "katherine", "openid profile").await;
    assert!(value(&back, "iss").is_empty() && !value(&back, "session_state").is_empty());
    let (status, answer) =
        redeem(&provider, DevTenant::CONTOSO.id(), value(&back, "code"), &[]).await;
    assert_eq!(
        (status, answer["client_info"].as_str()),
        (StatusCode::OK, Some(value(&back, "client_info"))),
        "{answer}"
    );
    let info: Value = serde_json::from_slice(
        &URL_SAFE_NO_PAD.decode_to_vec(answer["client_info"].as_str().unwrap()).unwrap(),
    )
    .unwrap();
    assert_eq!(info["utid"], DevTenant::FABRIKAM.id());
    assert_eq!(info["uid"], provider.object_id("katherine", DevTenant::FABRIKAM).unwrap());
    assert_eq!(
        answer["scope"], "openid profile",
        "offline_access and what was not asked for are not in it"
    );
}

/// One consent can cover several resources. The code returns a token for the first, the refresh
/// token those for the others.
#[tokio::test]
async fn a_code_brings_the_first_resource_and_the_refresh_token_the_others() {
    let provider = provider().await;
    let scopes = "openid offline_access api://tasks/Tasks.Read User.Read";
    let back = code(&provider, "common", "ada", scopes).await;
    let (_, answer) = redeem(&provider, "common", value(&back, "code"), &[]).await;
    assert_eq!(answer["scope"], "api://tasks/Tasks.Read", "{answer}");
    assert!(answer["id_token"].is_string(), "openid was asked for all the same");
    let token = answer["refresh_token"].as_str().unwrap();
    let form = [("grant_type", "refresh_token"), ("refresh_token", token), ("scope", "User.Read")];
    let (_, other) = post(&provider, DevTenant::CONTOSO.id(), &form).await;
    assert_eq!(other["scope"], "User.Read", "{other}");
}

#[tokio::test]
async fn what_is_wrong_with_a_code_has_its_number() {
    let clock = ManualClock::at_system_time();
    let provider = DevProvider::builder().entra().with_clock(clock.clone()).start().await.unwrap();
    let contoso = DevTenant::CONTOSO.id();
    let numbers = |answer: (StatusCode, Value)| answer.1["error_codes"].clone();
    let fresh = async || value(&code(&provider, contoso, "ada", "openid").await, "code").to_owned();
    let wrong = "another-verifier-of-at-least-43-characters-012345";
    assert_eq!(
        numbers(redeem(&provider, contoso, &fresh().await, &[("code_verifier", wrong)]).await),
        json!([501_481])
    );
    let elsewhere = [("redirect_uri", "http://localhost:3000/elsewhere")];
    assert_eq!(
        numbers(redeem(&provider, contoso, &fresh().await, &elsewhere).await),
        json!([500_112])
    );
    assert_eq!(
        numbers(redeem(&provider, DevTenant::FABRIKAM.id(), &fresh().await, &[]).await),
        json!([50_020])
    );
    let used = fresh().await;
    assert_eq!(redeem(&provider, contoso, &used, &[]).await.0, StatusCode::OK);
    assert_eq!(numbers(redeem(&provider, contoso, &used, &[]).await), json!([54_005]));
    let old = fresh().await;
    clock.advance(Duration::from_secs(61));
    assert_eq!(numbers(redeem(&provider, contoso, &old, &[]).await), json!([70_008]));
    let refresh = refresh_token(&provider, "ada", "openid offline_access");
    clock.advance(Duration::from_secs(15 * 24 * 3600));
    let form =
        [("grant_type", "refresh_token"), ("refresh_token", refresh.as_str()), ("scope", "openid")];
    assert_eq!(numbers(post(&provider, contoso, &form).await), json!([700_082]));
    provider.revoke_refresh_tokens("ada");
    assert_eq!(numbers(post(&provider, contoso, &form).await), json!([50_173]));
}
