//! Access tokens that are issued without a browser, and their introspection.

use std::time::Duration;

use reqwest::{StatusCode, header};
use serde_json::{Value, json};

use super::{
    test_browser::{part, text},
    *,
};

const API: &str = "api://notes";

async fn entra() -> DevProvider {
    let api =
        DevClient::confidential("3f2504e0-4f89-41d3-9a0c-0305e82c3301", "a secret of the API")
            .with_resource(API);
    DevProvider::builder().entra().with_client(api).start().await.unwrap()
}

fn claims(provider: &DevProvider, token: &DevAccessToken) -> Value {
    part(provider.issue_access_token(token).unwrap().expose(), 1)
}

#[tokio::test]
async fn a_generic_provider_issues_tokens_of_rfc_9068() {
    let provider = DevProvider::start().await.unwrap();
    let token = provider.access_token("ada", "https://api.example", "a b").unwrap();
    let (header, claims) = (part(token.expose(), 0), part(token.expose(), 1));
    assert_eq!(header["typ"], "at+jwt");
    for (name, value) in [
        ("iss", json!(provider.issuer())),
        ("aud", json!("https://api.example")),
        ("client_id", json!("quickstart")),
        ("scope", json!("a b")),
        ("roles", json!(["Admin"])),
    ] {
        assert_eq!(claims[name], value, "{name}");
    }
    let by_itself = DevAccessToken::application("https://api.example").with_client("daemon");
    let token = provider.issue_access_token(&by_itself).unwrap();
    assert_eq!(part(token.expose(), 1)["sub"], "daemon");
    assert!(provider.access_token("nobody", "https://api.example", "a").is_err());
}

#[tokio::test]
async fn each_of_entras_callers_has_the_claims_that_identify_its_kind() {
    let provider = entra().await;
    let person = claims(&provider, &DevAccessToken::person("ada", API).with_scopes("Notes.Read"));
    assert_eq!(
        (&person["ver"], &person["aud"], &person["scp"], &person["xms_idrel"]),
        (
            &json!("2.0"),
            &json!("3f2504e0-4f89-41d3-9a0c-0305e82c3301"),
            &json!("Notes.Read"),
            &json!("1 26")
        )
    );
    assert!(person.get("idtyp").is_none() && person.get("auth_time").is_none());

    let facets = |token: DevAccessToken| {
        let claims = claims(&provider, &token.with_scopes("Notes.Read").with_roles(["R"]));
        let text = |name: &str| claims[name].as_str().unwrap_or_default().to_owned();
        (text("idtyp"), text("xms_act_fct"), text("xms_sub_fct"))
    };
    let told = |idtyp: &str, actor: &str, subject: &str| {
        (idtyp.to_owned(), actor.to_owned(), subject.to_owned())
    };
    assert_eq!(facets(DevAccessToken::person_through_agent("ada", API)), told("", "11", ""));
    assert_eq!(facets(DevAccessToken::agent_user("alan", API)), told("", "11", "13"));
    assert_eq!(facets(DevAccessToken::agent(API)), told("app", "11", "11"));
    assert_eq!(facets(DevAccessToken::application(API)), told("app", "", ""));
    let managed = claims(&provider, &DevAccessToken::managed_identity(API).with_roles(["R"]));
    assert!(managed["xms_mirid"].is_string() && managed["roles"] == json!(["R"]));
    assert!(managed.get("scp").is_none());

    let old = claims(&provider, &DevAccessToken::person("ada", API).version_1());
    let issuer = format!("http://{}/{}/", provider.address(), DevTenant::CONTOSO.id());
    assert_eq!(
        (&old["ver"], &old["aud"], &old["iss"], &old["appidacr"]),
        (&json!("1.0"), &json!(API), &json!(issuer), &json!("1"))
    );
    assert!(old["appid"].is_string() && old.get("azp").is_none());

    let guest = DevAccessToken::person("katherine", API).with_tenant(DevTenant::CONTOSO);
    let guest = claims(&provider, &guest);
    assert_eq!((&guest["xms_idrel"], &guest["acct"]), (&json!("5 26"), &json!(1)));
    let many = claims(&provider, &DevAccessToken::person("grace", API));
    assert!(many["_claim_names"]["groups"].is_string() && many.get("groups").is_none());
    let strong = DevAccessToken::person("ada", API)
        .with_auth_contexts(["c1"])
        .with_client_capabilities(["cp1"])
        .with_sign_in_age(Duration::from_secs(60));
    let strong = claims(&provider, &strong);
    assert_eq!((&strong["acrs"], &strong["xms_cc"]), (&json!(["c1"]), &json!(["cp1"])));
    assert!(strong["auth_time"].as_i64() < strong["iat"].as_i64());
    assert!(
        provider
            .issue_access_token(
                &DevAccessToken::person("mary", API).with_tenant(DevTenant::CONTOSO)
            )
            .is_err(),
        "she is not known there"
    );
}

#[tokio::test]
async fn an_api_registered_for_version_1_gets_it_over_the_wire_and_applications_get_their_roles() {
    let provider = DevProvider::builder()
        .entra()
        .with_client(
            DevClient::confidential("daemon", "a secret of the daemon")
                .with_app_roles(["Notes.Read.All"]),
        )
        .with_client(DevClient::public("api").with_resource(API).with_version_1_tokens())
        .start()
        .await
        .unwrap();
    let http = reqwest::Client::builder().no_proxy().build().unwrap();
    let token = http
        .post(format!(
            "http://{}/{}/oauth2/v2.0/token",
            provider.address(),
            DevTenant::CONTOSO.id()
        ))
        .form(&[
            ("grant_type", "client_credentials"),
            ("client_id", "daemon"),
            ("client_secret", "a secret of the daemon"),
            ("scope", "api://notes/.default"),
        ]);
    let answer: Value = token.send().await.unwrap().json().await.unwrap();
    let claims = part(text(&answer, "access_token"), 1);
    assert_eq!(
        (&claims["ver"], &claims["aud"], &claims["roles"], &claims["idtyp"]),
        (&json!("1.0"), &json!(API), &json!(["Notes.Read.All"]), &json!("app"))
    );
}

#[tokio::test]
async fn an_opaque_token_is_active_for_its_api_until_it_is_revoked() {
    let provider = DevProvider::builder()
        .with_client(
            DevClient::confidential("notes", "a secret of the notes")
                .with_resource("https://api.example"),
        )
        .with_client(DevClient::confidential("other", "a secret of the other"))
        .start()
        .await
        .unwrap();
    let token =
        DevAccessToken::person("ada", "https://api.example").with_scopes("notes.read").opaque();
    let token = provider.issue_access_token(&token).unwrap();
    assert!(!token.expose().contains('.'));
    let http = reqwest::Client::builder().no_proxy().build().unwrap();
    let ask = async |client: &str, accept: &str| {
        let request = http
            .post(format!("{}/introspect", provider.issuer()))
            .basic_auth(client, Some(format!("a+secret+of+the+{client}")))
            .header(header::ACCEPT, accept)
            .form(&[("token", token.expose())]);
        let answer = request.send().await.unwrap();
        assert_eq!(answer.status(), StatusCode::OK);
        answer.text().await.unwrap()
    };
    let read = |answer: String| serde_json::from_str::<Value>(&answer).unwrap();

    let status = read(ask("notes", "application/json").await);
    assert_eq!(
        (&status["active"], &status["scope"], &status["aud"], &status["username"]),
        (
            &json!(true),
            &json!("notes.read"),
            &json!(["https://api.example"]),
            &json!("ada@example.com")
        )
    );
    assert_eq!(read(ask("other", "application/json").await), json!({ "active": false }));
    let signed = ask("notes", "application/token-introspection+jwt").await;
    assert_eq!(part(&signed, 0)["typ"], "token-introspection+jwt");
    let signed = part(&signed, 1);
    assert_eq!(
        (&signed["aud"], &signed["token_introspection"]["sub"]),
        (&json!("notes"), &status["sub"])
    );
    assert!(signed.get("sub").is_none() && signed.get("exp").is_none());

    assert!(provider.revoke_access_token(token.expose()));
    assert_eq!(read(ask("notes", "application/json").await), json!({ "active": false }));
    assert!(!provider.revoke_access_token("unknown"));
}

#[tokio::test]
async fn a_fault_that_was_ordered_is_in_the_next_token_only() {
    let provider = DevProvider::start().await.unwrap();
    provider.spoil_next_access_token(SpoilAccessToken::BoundToKey);
    let next = || part(provider.access_token("ada", "a", "b").unwrap().expose(), 1);
    assert!(next()["cnf"]["jkt"].is_string());
    assert!(next().get("cnf").is_none());
    provider.spoil_next_access_token(SpoilAccessToken::BoundToKey);
    provider.forget_orders();
    assert!(next().get("cnf").is_none());
}

#[tokio::test]
async fn every_spoilt_access_token_differs_from_a_good_one_by_its_fault() {
    let provider = entra().await;
    for spoil in SpoilAccessToken::ALL {
        let token = DevAccessToken::person("ada", API).with_scopes("Notes.Read").spoilt(*spoil);
        let token = provider.issue_access_token(&token).unwrap();
        let token = token.expose();
        if token.split('.').count() != 3 || token.len() > 100_000 {
            continue;
        }
        // Readable tokens differ in the claim or header that the fault's name says.
        let read = |index: usize| {
            let text = token.split('.').nth(index).unwrap();
            let bytes = crate::secret::from_base64url(text)?;
            serde_json::from_slice::<Value>(&bytes).ok()
        };
        let (Some(header), Some(claims)) = (read(0), read(1)) else { continue };
        let name = format!("{spoil:?}");
        let expected = match name.as_str() {
            "KeyBeside" | "KeyEmbedded" => header.get("jwk").is_some(),
            "CertificateEmbedded" => header.get("x5c").is_some(),
            "CriticalHeader" | "CriticalEmpty" => header.get("crit").is_some(),
            "IdToken" => claims.get("nonce").is_some() && claims.get("scp").is_none(),
            "LogoutToken" => header["typ"] == "logout+jwt",
            "DpopProof" => header["typ"] == "dpop+jwt",
            "NoRights" => claims.get("scp").is_none() && claims.get("roles").is_none(),
            "AudienceExtra" => claims["aud"].as_array().map(Vec::len) == Some(2),
            "ScopeNumber" => claims["scp"] == json!(1),
            "BoundNull" => claims.get("cnf") == Some(&Value::Null),
            _ => true,
        };
        assert!(expected, "{name}: {header} {claims}");
    }
}
