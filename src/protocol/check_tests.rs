//! A check against providers that are wrong in every way.

use std::{sync::Arc, time::Duration};

use bytes::Bytes;
use http::{Request, Response};
use proptest::prelude::*;
use serde_json::{Value, json};

use super::{
    check::CheckReport,
    http::HttpError,
    test_support::{CLIENT_ID, FakeHttp, ISSUER, NOW, Signer, answer, config, document, key_set},
};
use crate::{
    clock::ManualClock,
    config::{Algorithm, IdentityConfig, Severity},
};

/// [`NOW`] as providers write it.
const DATE: &str = "Fri, 15 Jan 2027 08:00:00 GMT";
pub(super) const CALLBACK: &str = "https://app.example/auth/callback";
pub(super) const TENANT: &str = "f645ad92-e38d-4d1a-b510-d1b09a74a8ca";
pub(super) const APPLICATION: &str = "6731de76-14a6-49ae-97bc-6eba6914391e";

pub(super) type Answered = Result<Response<Bytes>, HttpError>;

pub(super) fn good() -> Value {
    let mut document = document();
    document["code_challenge_methods_supported"] = json!(["S256"]);
    document
}

pub(super) fn dated(mut answer: Response<Bytes>) -> Response<Bytes> {
    answer.headers_mut().insert("date", DATE.parse().unwrap());
    answer
}

pub(super) fn redirect(to: &str) -> Response<Bytes> {
    let mut answer = answer(303, "");
    answer.headers_mut().insert("location", to.parse().unwrap());
    answer
}

/// The responses of a provider that is set up correctly.
pub(super) fn as_it_should(
    request: &Request<Bytes>,
    document: &Value,
    keys: &Value,
) -> Response<Bytes> {
    match request.uri().path() {
        "/authorize" => redirect(&format!("{CALLBACK}?error=login_required&state=x")),
        "/token" => answer(400, json!({"error": "invalid_grant"})),
        "/keys" => answer(200, keys),
        path if path.ends_with("/.well-known/openid-configuration") => dated(answer(200, document)),
        _ => answer(404, ""),
    }
}

pub(super) async fn report(config: IdentityConfig, http: &Arc<FakeHttp>) -> CheckReport {
    config.build().unwrap().check_with(Arc::clone(http), ManualClock::at(NOW)).await
}

/// With this document.
pub(super) async fn of_document(
    config: IdentityConfig,
    document: Value,
) -> (CheckReport, Arc<FakeHttp>) {
    let http = FakeHttp::new(move |request| Ok(as_it_should(request, &document, &key_set())));
    (report(config, &http).await, http)
}

/// With one path that answers so.
pub(super) async fn answering(
    path: &'static str,
    told: impl Fn() -> Answered + Send + 'static,
) -> CheckReport {
    let http = FakeHttp::new(move |request| match request.uri().path() == path {
        true => told(),
        false => Ok(as_it_should(request, &good(), &key_set())),
    });
    report(config(), &http).await
}

/// The codes of everything that is not in order. The URLs to register are always listed.
pub(super) fn codes(report: &CheckReport) -> Vec<(Severity, &'static str)> {
    let wrong = report.findings().iter().filter(|finding| {
        finding.severity() > Severity::Passed && finding.code() != "urls_to_register"
    });
    wrong.map(|finding| (finding.severity(), finding.code())).collect()
}

pub(super) fn text(report: &CheckReport, code: &str) -> String {
    report
        .findings()
        .iter()
        .find(|finding| finding.code() == code)
        .unwrap_or_else(|| panic!("no {code}: {report}"))
        .to_string()
}

#[tokio::test]
async fn a_provider_that_fits_passes_and_the_report_says_so() {
    let (report, http) = of_document(config(), good()).await;
    assert!(report.is_ok() && codes(&report).is_empty(), "{report}");
    let passed: Vec<&str> = report.findings().iter().map(crate::config::Finding::code).collect();
    let wanted = [
        "urls_to_register",
        "clock_right",
        "provider_reachable",
        "issuer_right",
        "endpoints_complete",
        "offers_what_is_configured",
        "keys_usable",
        "redirect_uri_accepted",
        "credential_accepted",
    ];
    assert_eq!(passed, wanted);
    let shown = report.to_string();
    assert!(
        shown.starts_with(&format!("{ISSUER} for the application {CLIENT_ID}\nnote ")),
        "{shown}"
    );
    assert!(shown.ends_with("No problems: users can sign in."), "{shown}");
    assert_eq!((http.count("/authorize"), http.count("/token"), http.count("/keys")), (1, 1, 1));
}

#[tokio::test]
async fn the_questions_lead_nowhere_and_give_nothing_away() {
    let (report, http) = of_document(config(), good()).await;
    let token_request = http.last();
    let form = String::from_utf8(token_request.body().to_vec()).unwrap();
    assert!(form.starts_with("grant_type=authorization_code&code="), "{form}");
    assert!(!report.to_string().contains("thirty-two"), "{report}");
    let sign_in = http.find("/authorize").uri().to_string();
    for part in [
        "prompt=none",
        "code_challenge_method=S256",
        "response_type=code",
        "client_id=client-1",
        "redirect_uri=https%3A%2F%2Fapp.example%2Fauth%2Fcallback",
    ] {
        assert!(sign_in.contains(part), "{part}: {sign_in}");
    }
    assert!(!sign_in.contains("secret"), "{sign_in}");
}

/// The `Date` of the answer, whatever time it took, and whatever cache it came from.
#[tokio::test]
async fn a_wrong_clock_is_found_by_the_providers_date() {
    for (ours, age, wanted, words) in [
        (0, 0, None, ""),
        (9, 0, None, ""),
        (-9, 0, None, ""),
        (30, 0, Some(Severity::Warning), "30 s ahead of"),
        (-45, 0, Some(Severity::Warning), "45 s behind"),
        (421, 0, Some(Severity::Problem), "421 s ahead of"),
        (-86_400, 0, Some(Severity::Problem), "86400 s behind"),
        (3600, 3600, None, ""),
    ] {
        let http = FakeHttp::new(move |request| {
            let mut answer = as_it_should(request, &good(), &key_set());
            answer.headers_mut().insert("age", age.to_string().parse().unwrap());
            Ok(answer)
        });
        let now = if ours < 0 {
            NOW - Duration::from_secs(-ours as u64)
        } else {
            NOW + Duration::from_secs(ours as u64)
        };
        let report = config().build().unwrap().check_with(http, ManualClock::at(now)).await;
        assert_eq!(
            codes(&report).first().map(|(severity, _)| *severity),
            wanted,
            "{ours}: {report}"
        );
        if wanted.is_some() {
            assert!(text(&report, "clock_skew").contains(words), "{report}");
        }
    }
    let silent = FakeHttp::publishing(good(), key_set());
    assert!(codes(&report(config(), &silent).await).contains(&(Severity::Note, "clock_unknown")));
}

#[tokio::test]
async fn a_redirected_document_is_followed_as_at_a_sign_in() {
    const WELL_KNOWN: &str = "/.well-known/openid-configuration";
    let http = FakeHttp::new(|request| match request.uri().path() {
        WELL_KNOWN => Ok(redirect("/index.php/openid-configuration")),
        "/index.php/openid-configuration" => Ok(answer(200, good().to_string())),
        _ => Ok(as_it_should(request, &good(), &key_set())),
    });
    let report = report(config(), &http).await;
    assert_eq!(report.problems().count(), 0, "{report}");
    let report = answering(WELL_KNOWN, || Ok(redirect("https://evil.example/document"))).await;
    let problems: Vec<&str> = report.problems().map(crate::config::Finding::code).collect();
    assert_eq!(problems, ["provider_misconfigured"], "{report}");
    assert!(
        text(&report, "provider_misconfigured").contains("a redirect to another origin"),
        "{report}"
    );
}

#[tokio::test]
async fn a_provider_that_cannot_be_had_is_a_finding() {
    const WELL_KNOWN: &str = "/.well-known/openid-configuration";
    for (told, code, words) in [
        (
            Err(HttpError::new("no connection: name not known")),
            "provider_unreachable",
            "no connection: name not known",
        ),
        (
            Err(HttpError::new("invalid peer certificate: certificate expired")),
            "provider_unreachable",
            "The server's certificate has expired: renew it there",
        ),
        (Ok((404, "")), "discovery_not_found", "status 404"),
        (Ok((301, "")), "discovery_not_found", "status 301"),
        (Ok((503, "<html>")), "discovery_not_found", "status 503"),
        (Ok((200, "<html>Welcome")), "discovery_malformed", "not a discovery document"),
        (Ok((200, "[]")), "discovery_malformed", "not a JSON object"),
        (
            Ok((
                400,
                r#"{"error": "invalid_tenant", "error_codes": [90002],
                    "error_description": "AADSTS90002: Tenant 'kontoso.com' not found."}"#,
            )),
            "tenant_not_found",
            "AADSTS90002",
        ),
    ] {
        let report =
            answering(WELL_KNOWN, move || told.clone().map(|(status, body)| answer(status, body)))
                .await;
        let problems: Vec<&str> = report.problems().map(crate::config::Finding::code).collect();
        assert_eq!(problems, [code], "{report}");
        assert!(
            text(&report, code).contains(words) && !report.to_string().contains("kontoso"),
            "{report}"
        );
    }
}

#[tokio::test]
async fn keys_that_cannot_verify_anything_are_a_problem() {
    let weak = json!({"keys": [{"kty": "oct", "k": "c2VjcmV0"}]});
    let other = json!({"keys": [Signer::new(Algorithm::Es256).jwk("e1")]});
    let foreign = {
        let mut key = Signer::shared().jwk("k1");
        key["issuer"] = json!("https://other.example");
        json!({"keys": [key]})
    };
    for (status, keys, code) in [
        (200, weak, "keys_unusable"),
        (200, json!({"keys": []}), "keys_unusable"),
        (200, other, "keys_unusable"),
        (200, foreign, "keys_of_other_issuers"),
        (200, json!([]), "keys_malformed"),
        (404, json!({}), "keys_unreachable"),
    ] {
        let shown = keys.clone();
        let report = answering("/keys", move || Ok(answer(status, &keys))).await;
        assert_eq!(codes(&report), [(Severity::Problem, code)], "{shown}: {report}");
        assert_eq!(
            shown.to_string().contains("oct"),
            report.to_string().contains("left out: key number 1: it holds a secret")
        );
    }
    let mut mixed = key_set();
    mixed["keys"].as_array_mut().unwrap().push(json!({"kty": "RSA", "kid": "enc-1", "use": "enc"}));
    let report = answering("/keys", move || Ok(answer(200, &mixed))).await;
    assert_eq!(codes(&report), [(Severity::Note, "key_left_out")]);
    assert!(text(&report, "key_left_out").contains("\"enc-1\": `use` is `enc`"), "{report}");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]
    #[test]
    fn arbitrary_answers_are_findings(
        status in 100_u16..600,
        body in ".{0,200}",
        location in "[ -~]{0,80}",
        date in "[ -~]{0,40}",
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
        let strange = move |path: &'static str| {
            let mut strange = answer(status, &body);
            strange.headers_mut().insert("location", location.parse().unwrap());
            strange.headers_mut().insert("date", date.parse().unwrap());
            let http = FakeHttp::new(move |request| {
                let asked = request.uri().path() == path;
                Ok(if asked { strange.clone() } else { as_it_should(request, &good(), &key_set()) })
            });
            let report = runtime.block_on(report(config(), &http));
            assert!(report.findings().len() > 1 && !report.to_string().is_empty());
        };
        for path in ["/.well-known/openid-configuration", "/keys", "/authorize", "/token"] {
            strange(path);
        }
    }
}
