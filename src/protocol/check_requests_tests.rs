//! The findings of a check from its requests to the authorization, token and device endpoints, and
//! what it finds at Microsoft Entra.

use bytes::Bytes;
use http::{Request, Response};
use serde_json::{Value, json};

use super::{
    check_tests::*,
    http::HttpError,
    test_support::{FakeHttp, Signer, answer, config, key_set},
};
use crate::{
    authority::Authority,
    config::{ClientCredential, IdentityConfig, Severity},
};

#[tokio::test]
async fn the_response_to_a_sign_in_shows_whether_the_provider_knows_the_application() {
    use Severity::{Note, Passed, Problem, Warning};
    let page = |text: &str| (200, format!("<html>{text}"));
    let to = |query: &str| (303, format!("{CALLBACK}?{query}"));
    for ((status, told), severity, code) in [
        (to("error=login_required"), Passed, "redirect_uri_accepted"),
        (
            to("error=interaction_required&error_description=AADSTS50058%3A+x"),
            Passed,
            "redirect_uri_accepted",
        ),
        (to("code=c&state=x"), Passed, "redirect_uri_accepted"),
        (to("error=invalid_scope&error_description=Ada"), Problem, "scope_invalid"),
        (to("error=unauthorized_client"), Problem, "client_not_authorized"),
        (
            to("error=invalid_request&error_description=AADSTS90100%3A+x"),
            Problem,
            "request_malformed",
        ),
        (to("error=temporarily_unavailable"), Warning, "provider_unavailable"),
        ((302, "/login?next=1".into()), Note, "redirect_uri_not_checked"),
        (
            (302, "https://app.example/elsewhere?error=login_required".into()),
            Note,
            "redirect_uri_not_checked",
        ),
        (
            page("Sorry. AADSTS50011: The redirect URI of 'Contoso'"),
            Problem,
            "redirect_uri_not_registered",
        ),
        (page("AADSTS700016: Application"), Problem, "application_not_found"),
        (page("AADB2C90006: The redirect"), Problem, "redirect_uri_not_registered"),
        (page("AADSTS50058: nobody"), Passed, "redirect_uri_accepted"),
        (page("<input name=error value=login_required>"), Passed, "redirect_uri_accepted"),
        (page("Who are you?"), Note, "redirect_uri_not_checked"),
        ((400, "redirect_uri is not registered".into()), Problem, "sign_in_request_refused"),
        ((403, String::new()), Problem, "sign_in_request_refused"),
        ((500, String::new()), Warning, "provider_unreachable"),
    ] {
        let shown = told.clone();
        let report = answering("/authorize", move || {
            Ok(if (300..400).contains(&status) { redirect(&told) } else { answer(status, &told) })
        })
        .await;
        let finding = report.findings().iter().rev().nth(1).unwrap();
        assert_eq!(
            (finding.severity(), finding.code()),
            (severity, code),
            "{status} {shown}: {report}"
        );
        assert!(
            !report.to_string().contains("Contoso") && !report.to_string().contains("Ada"),
            "{report}"
        );
        if severity == Problem {
            assert!(finding.to_string().contains(CALLBACK), "{finding}");
        }
    }
}

#[tokio::test]
async fn the_response_of_the_token_endpoint_shows_whether_the_credential_is_right() {
    use Severity::{Note, Passed, Problem, Warning};
    for (status, body, severity, code) in [
        (400, json!({"error": "invalid_grant"}), Passed, "credential_accepted"),
        (401, json!({"error": "invalid_client"}), Problem, "client_credential_refused"),
        (401, json!({"error": "unauthorized_client"}), Problem, "client_credential_refused"),
        (401, json!(null), Problem, "client_refused"),
        (
            400,
            json!({"error": "invalid_client", "error_description": "AADSTS7000222: x"}),
            Problem,
            "client_secret_expired",
        ),
        (
            400,
            json!({"error": "unauthorized_client", "error_description": "AADSTS700016: x"}),
            Problem,
            "application_not_found",
        ),
        (400, json!({"error": "invalid_request"}), Note, "credential_not_checked"),
        (400, json!({"error": "unauthorized_client"}), Note, "credential_not_checked"),
        (403, json!(null), Note, "credential_not_checked"),
        (503, json!(null), Warning, "provider_unreachable"),
    ] {
        let shown = body.clone();
        let report = answering("/token", move || Ok(answer(status, &body))).await;
        let finding = report.findings().last().unwrap();
        assert_eq!(
            (finding.severity(), finding.code()),
            (severity, code),
            "{status} {shown}: {report}"
        );
    }
}

fn entra(tenant: &str, secret: &str) -> IdentityConfig {
    let authority = Authority::entra(tenant).unwrap();
    IdentityConfig::new(authority, APPLICATION)
        .with_credential(ClientCredential::secret(secret))
        .with_base_url("https://app.example")
        .unwrap()
}

/// A document of Entra's, whose keys are for any tenant.
fn entras(request: &Request<Bytes>, tenant: &str) -> Response<Bytes> {
    let base = "https://login.microsoftonline.com";
    let issuer = if tenant == "common" {
        format!("{base}/{{tenantid}}/v2.0")
    } else {
        format!("{base}/{tenant}/v2.0")
    };
    let document = json!({
        "issuer": issuer, "authorization_endpoint": format!("{base}/x/authorize"),
        "token_endpoint": format!("{base}/x/token"),
        "jwks_uri": format!("{base}/x/keys"), "end_session_endpoint": format!("{base}/x/logout"),
        "cloud_instance_name": "microsoftonline.com",
    });
    let mut key = Signer::shared().jwk("k1");
    key["issuer"] = json!(format!("{base}/{{tenantid}}/v2.0"));
    match request.uri().path() {
        "/x/authorize" => redirect(&format!("{CALLBACK}?error=login_required")),
        "/x/token" => answer(
            400,
            json!({
                "error": "invalid_request", "error_description": "AADSTS9002313: Invalid request.",
                "error_codes": [9002313]
            }),
        ),
        "/x/keys" => answer(200, json!({"keys": [key]})),
        _ => dated(answer(200, document)),
    }
}

#[tokio::test]
async fn entras_ways_are_known() {
    const SECRET: &str = "a client secret of more than thirty-two characters";
    let http = FakeHttp::new(|request| Ok(entras(request, TENANT)));
    let good = report(entra("contoso.com", SECRET), &http).await;
    assert_eq!(codes(&good), [(Severity::Note, "credential_not_checked")], "{good}");
    assert!(text(&good, "issuer_right").contains(TENANT));
    // First for a token of its own, then for a code.
    assert_eq!(http.count("/x/token"), 2);
    // A tenant that is not on the list: nobody could sign in.
    let listed = entra("contoso.com", SECRET)
        .with_tenants(["775527ff-9a37-4307-8b3d-cc311f58d925"])
        .unwrap();
    let listed = report(listed, &http).await;
    assert!(text(&listed, "tenant_not_allowed").contains(TENANT), "{listed}");
    let common = FakeHttp::new(|request| Ok(entras(request, "common")));
    let common = report(entra("common", SECRET).with_any_tenant(), &common).await;
    assert_eq!(
        codes(&common),
        [(Severity::Warning, "any_tenant"), (Severity::Note, "credential_not_checked")],
        "{common}"
    );
    let expired = FakeHttp::new(|request| match request.uri().path() {
        "/x/token" => Ok(answer(
            401,
            json!({
                "error": "invalid_client", "error_description": "AADSTS7000222: x",
                "error_codes": [7000222]
            }),
        )),
        _ => Ok(entras(request, TENANT)),
    });
    let report = report(entra(TENANT, SECRET), &expired).await;
    assert_eq!(codes(&report), [(Severity::Problem, "client_secret_expired")], "{report}");
    assert!(text(&report, "client_secret_expired").contains("Certificates & secrets"), "{report}");
    assert_eq!(expired.count("/x/token"), 1);
}

/// As it should, with device codes.
fn with_device_codes(
    request: &http::Request<bytes::Bytes>,
    document: &Value,
) -> Response<bytes::Bytes> {
    match request.uri().path() {
        "/device" => answer(
            200,
            json!({
                "device_code": "d", "user_code": "U", "verification_uri": "https://id.example/d",
                "expires_in": 900
            }),
        ),
        _ => as_it_should(request, document, &key_set()),
    }
}

#[tokio::test]
async fn with_a_device_code_the_endpoint_is_checked_and_no_redirect_uri() {
    let device = || config().with_sign_in_method(crate::config::SignInMethod::DeviceCode);
    let mut document = good();
    document["device_authorization_endpoint"] = json!("https://id.example/device");
    for without in ["code_challenge_methods_supported", "response_modes_supported"] {
        document[without] = json!([]);
    }
    let published = document.clone();
    let http = FakeHttp::new(move |request| Ok(with_device_codes(request, &published)));
    let report = report(device(), &http).await;
    assert!(report.is_ok() && codes(&report).is_empty(), "{report}");
    assert!(text(&report, "device_code_given").contains("https://id.example/d"), "{report}");
    let told = report.to_string();
    assert!(!told.contains("redirect URI") && !told.contains("redirect_uri"), "{report}");

    let (report, _) = of_document(device(), good()).await;
    assert_eq!(codes(&report), [(Severity::Problem, "endpoint_missing")], "{report}");
    assert!(text(&report, "endpoint_missing").contains("device_authorization_endpoint"));

    document["grant_types_supported"] = json!(["authorization_code", "refresh_token"]);
    let http = FakeHttp::new(move |request| match request.uri().path() {
        "/device" => Ok(answer(400, json!({"error": "unauthorized_client"}))),
        _ => Ok(as_it_should(request, &document, &key_set())),
    });
    let report = self::report(device(), &http).await;
    let codes = codes(&report);
    assert_eq!(codes.first(), Some(&(Severity::Warning, "device_code_not_offered")), "{report}");
    assert!(
        codes.iter().any(|(severity, _)| *severity == Severity::Problem) && codes.len() == 2,
        "{report}"
    );
}

#[tokio::test]
async fn mistakes_of_copying_are_seen_without_the_provider() {
    let http = FakeHttp::new(|_| Err(HttpError::new("no connection")));
    let secret_id = report(entra(TENANT, "0f2b9c1a-7a8d-4a5f-9c55-3d1de2b1f0aa"), &http).await;
    assert!(
        codes(&secret_id).contains(&(Severity::Warning, "client_secret_looks_like_its_id")),
        "{secret_id}"
    );
    assert!(!secret_id.to_string().contains("0f2b9c1a"), "{secret_id}");
    let named = IdentityConfig::new(Authority::entra(TENANT).unwrap(), "my-application")
        .with_credential(ClientCredential::secret("short"))
        .with_base_url("http://127.0.0.1:3000")
        .unwrap();
    let named = report(named, &http).await;
    for code in [
        "client_id_not_a_guid",
        "redirect_uri_http",
        "redirect_uri_loopback_number",
        "cookie_secret_random",
        "provider_unreachable",
    ] {
        assert!(codes(&named).iter().any(|(_, found)| *found == code), "{code}: {named}");
    }
}
