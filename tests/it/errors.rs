//! Error pages: the same reason, code and references on the page, in the log and in the span, and
//! no personal data in log and span.

use std::sync::{Arc, Mutex};

use axum::http::StatusCode;
use serde_json::json;
use tower_identity::{
    Clock,
    dev::{Endpoint, Failure},
    pages::{DefaultPages, Page, PageRenderer, PageRequest, RenderedPage},
};

use crate::{app::App, captured_log::Log};

const TRACE: &str = "0000aaaa-11bb-cccc-dd33-eeeeee333333";
const CORRELATION: &str = "aaaa0000-bb11-2222-33cc-444444dddddd";

/// An error response of Entra, with names of people in it.
fn body(error: &str, number: u64) -> String {
    let description = format!(
        "AADSTS{number}: Something about 'Contoso Sales' and ada@contoso.com in tenant \
         'Contoso'.\r\nTrace ID: {TRACE}\r\nCorrelation ID: {CORRELATION}\r\n\
         Timestamp: 2026-01-09 02:02:12Z"
    );
    json!({
        "error": error, "error_description": description, "error_codes": [number],
        "trace_id": TRACE, "correlation_id": CORRELATION, "timestamp": "2026-01-09 02:02:12Z",
    })
    .to_string()
}

/// Errors of the token endpoint: `error`, number of Entra, status and reason of the response, words
/// on its page.
const TOKEN_ERRORS: &[(&str, u64, u16, &str, &str)] = &[
    (
        "invalid_client",
        7_000_215,
        502,
        "client_secret_wrong",
        "does not accept this application&#39;s secret",
    ),
    (
        "invalid_client",
        7_000_222,
        502,
        "client_secret_expired",
        "secret at the sign-in service has expired",
    ),
    ("invalid_client", 700_024, 502, "client_assertion_clock_skew", "clock of this application"),
    (
        "unauthorized_client",
        700_016,
        502,
        "application_not_found",
        "does not know this application",
    ),
    ("invalid_request", 50_011, 502, "redirect_uri_not_registered", "address is not registered"),
    ("invalid_request", 9_002_327, 502, "redirect_uri_wrong_platform", "registered incorrectly"),
    ("invalid_grant", 54_005, 401, "code_redeemed", "already used"),
    ("invalid_grant", 65_001, 401, "consent_required", "not yet agreed"),
    ("interaction_required", 50_076, 401, "mfa_required", "second step"),
    (
        "interaction_required",
        53_003,
        403,
        "conditional_access_blocked",
        "rule of your organisation",
    ),
    ("invalid_resource", 500_011, 502, "resource_not_found", "not available in your organisation"),
    ("temporarily_unavailable", 90_033, 503, "service_unavailable", "in a little while"),
    ("invalid_request", 90_055, 503, "throttled", "busy"),
];

// C-410: error_description with AADSTS50105, 50126, 65001, 700082 …
// MSAL-121: IdP answers invalid_client with AADSTS7000215, 700016, 7000222, 50011, 50012; or
//   unauthorized_client; or empty body; token request
/// There is one request to the token endpoint, and the page says what to do.
#[tokio::test]
async fn an_error_of_the_token_endpoint_says_what_to_do() {
    let app = App::start().await;
    app.provider.sign_in_as("ada").unwrap();
    for (error, number, status, reason, words) in TOKEN_ERRORS.iter().copied() {
        let asked = app.provider.requests(Endpoint::Token);
        app.provider.fail_next(Endpoint::Token, 1, Failure::json(400, body(error, number)));
        let mut tab = app.browser().tab();
        let page = tab.open(app.at("/other")).await.clone();
        assert_eq!(page.status.as_u16(), status, "{number}: {}", page.body);
        assert_eq!(app.provider.requests(Endpoint::Token), asked + 1, "{number}: asked again");
        for fact in [
            &format!("<dd>AADSTS{number}</dd>"),
            &format!("<dd>{reason}</dd>"),
            &format!("<dd>{CORRELATION}</dd>"),
            &format!("<dd>{TRACE}</dd>"),
        ] {
            assert!(page.body.contains(fact.as_str()), "{fact} is not on the page: {}", page.body);
        }
        assert!(
            page.body.replace('\'', "&#39;").contains(words),
            "{number}: {words:?} is not on the page: {}",
            page.body
        );
        assert!(page.body.contains("<time datetime="), "{}", page.body);
        assert_eq!(tab.click("Try again").await.status, StatusCode::OK, "{number}");
    }
}

// C-138: prompt=none → login_required / interaction_required
// C-410: error_description with AADSTS50105, 50126, 65001, 700082 …
#[tokio::test]
async fn an_error_of_the_callback_says_what_to_do() {
    let app = App::start().await;
    app.provider.sign_in_as("ada").unwrap();
    for (error, description, status, code, reason) in [
        ("access_denied", "AADSTS65004: x", 403, "AADSTS65004", "consent_declined"),
        ("invalid_request", "AADSTS50105: x", 403, "AADSTS50105", "user_not_assigned"),
        ("interaction_required", "AADSTS50020: x", 403, "AADSTS50020", "account_not_in_tenant"),
        ("access_denied", "AADSTS90094: x", 403, "AADSTS90094", "admin_consent_required"),
        ("server_error", "AADB2C90048: x", 503, "AADB2C90048", "service_unavailable"),
        ("invalid_request", "AADSTS50194: x", 502, "AADSTS50194", "application_not_multi_tenant"),
        ("invalid_scope", "no such scope", 502, "invalid_scope", "scope_invalid"),
        // Unknown ones pass through as they are.
        ("invalid_request", "AADSTS4711: new", 502, "AADSTS4711", "request_malformed"),
        ("access_denied", "AADSTS4711: new", 403, "AADSTS4711", "access_denied"),
        ("brand_new", "never seen", 502, "brand_new", "provider_error"),
    ] {
        app.provider.refuse_next_sign_in(error, description);
        if error == "invalid_scope" {
            // The first such answer leads to a request without the default scopes.
            app.provider.refuse_next_sign_in(error, description);
        }
        let page = app.browser().tab().open(app.at("/other")).await.clone();
        assert_eq!(page.status.as_u16(), status, "{error} {description}: {}", page.body);
        for fact in [code, reason] {
            assert!(
                page.body.contains(&format!("<dd>{fact}</dd>")),
                "{error} {description}: {fact} is not in {}",
                page.body
            );
        }
    }
}

/// The errors with which LinkedIn and Apple report a cancelled sign-in lead to the same page as
/// `access_denied`.
#[tokio::test]
async fn a_sign_in_that_the_person_cancelled_is_403_whatever_the_provider_calls_it() {
    let app = App::start().await;
    app.provider.sign_in_as("ada").unwrap();
    for error in
        ["access_denied", "user_cancelled_login", "user_cancelled_authorize", "user_denied"]
    {
        app.provider.refuse_next_sign_in(error, "");
        let page = app.browser().tab().open(app.at("/other")).await.clone();
        assert_eq!(page.status, StatusCode::FORBIDDEN, "{error}: {}", page.body);
        assert!(page.body.contains("<dd>access_denied</dd>"), "{error}: {}", page.body);
    }
}

/// `server_error` at the callback means that the provider was reached: the page does not say that
/// it cannot be.
#[tokio::test]
async fn an_error_of_the_callback_is_no_outage() {
    let app = App::start().await;
    app.provider.sign_in_as("ada").unwrap();
    for error in ["server_error", "temporarily_unavailable"] {
        app.provider.refuse_next_sign_in(error, "down for maintenance");
        let page = app.browser().tab().open(app.at("/other")).await.clone();
        assert!(
            !page.body.contains("cannot be reached") && page.body.contains("provider_unavailable"),
            "{error}: {}",
            page.body
        );
    }
}

/// Keycloak: the sign-in page was open for too long, and the person has signed in meanwhile.
#[tokio::test]
async fn a_sign_in_that_expired_at_the_provider_is_begun_again_once() {
    let app = App::start().await;
    app.provider.sign_in_as("ada").unwrap();
    let expired =
        || app.provider.refuse_next_sign_in("temporarily_unavailable", "authentication_expired");
    expired();
    let mut tab = app.browser().tab();
    let page = tab.open(app.at("/other")).await;
    assert_eq!((page.status, page.url.path()), (StatusCode::OK, "/other"), "{}", page.body);
    assert_eq!(app.provider.requests(Endpoint::Authorization), 2);
    (0..9).for_each(|_| expired());
    let page = app.browser().tab().open(app.at("/other")).await.clone();
    assert_eq!(page.status, StatusCode::SERVICE_UNAVAILABLE, "{}", page.body);
    assert_eq!(app.provider.requests(Endpoint::Authorization), 4, "once, and then it is told");
}

#[tokio::test]
async fn an_answer_that_is_too_large_has_words_of_its_own() {
    let app = App::start().await;
    app.provider.sign_in_as("ada").unwrap();
    app.provider.fail_next(Endpoint::Token, 1, Failure::Endless(3_000_000));
    let page = app.browser().tab().open(app.at("/other")).await.clone();
    assert_eq!(page.status, StatusCode::BAD_GATEWAY, "{}", page.body);
    assert!(
        page.body.contains("answer_too_large") && !page.body.contains("cannot be reached"),
        "{}",
        page.body
    );
}

/// Security rule 19: Microsoft's error descriptions name accounts, applications and tenants. Only
/// their codes and references are logged.
#[tokio::test]
async fn log_span_and_page_carry_the_same_reason_and_the_log_no_user() {
    let (log, _listening) = Log::listen();
    let app = App::start().await;
    app.provider.sign_in_as("ada").unwrap();
    app.provider.fail_next(
        Endpoint::Token,
        1,
        Failure::json(401, body("invalid_client", 7_000_222)),
    );
    let page = app.browser().tab().open(app.at("/other")).await.body.clone();
    let log = log.text();
    let reference = page.split_once("<dt>Reference</dt><dd>").unwrap().1.split_once('<').unwrap().0;
    let line = log.lines().find(|line| line.contains("request refused")).unwrap();
    for part in [
        " WARN ",
        "client_secret_expired",
        "AADSTS7000222",
        CORRELATION,
        TRACE,
        reference,
        "Certificates & secrets",
    ] {
        assert!(line.contains(part), "{part} is not in {line}");
    }
    let spans = ["identity.callback", "identity.redeem_code"];
    for span in spans {
        let closed = log
            .lines()
            .find(|line| line.contains(span) && line.contains("close") && line.contains("reason="))
            .unwrap();
        assert!(closed.contains("client_secret_expired"), "{closed}");
    }
    for name in ["Contoso", "ada@contoso"] {
        assert!(!log.contains(name), "{:?}", log.lines().find(|line| line.contains(name)));
    }
}

/// The application's own error pages get all facts.
#[derive(Clone, Debug, Default)]
struct Seen(Arc<Mutex<Option<Page>>>);

impl PageRenderer for Seen {
    fn render(&self, page: &Page, request: &PageRequest<'_>) -> RenderedPage {
        *self.0.lock().unwrap() = Some(page.clone());
        DefaultPages.render(page, request)
    }
}

#[tokio::test]
async fn pages_of_ones_own_get_code_advice_references_and_time() {
    let seen = Seen::default();
    let pages = seen.clone();
    let app = App::builder().layer(|layer| layer.with_pages(pages)).start().await;
    app.provider.sign_in_as("ada").unwrap();
    app.provider.fail_next(
        Endpoint::Token,
        1,
        Failure::json(401, body("invalid_client", 7_000_222)),
    );
    app.browser().tab().open(app.at("/other")).await;
    let page = seen.0.lock().unwrap().take().unwrap();
    let advice = page.advice.unwrap();
    assert_eq!(
        (page.code.as_deref(), page.reason, advice.code),
        (Some("AADSTS7000222"), Some("client_secret_expired"), "AADSTS7000222")
    );
    assert_eq!(
        (&*page.message, page.error),
        (advice.for_user, Some(tower_identity::ErrorKind::ClientRefused))
    );
    assert_eq!(
        (page.provider_correlation_id.as_deref(), page.provider_trace_id.as_deref()),
        (Some(CORRELATION), Some(TRACE))
    );
    assert_eq!(page.time, Some(app.clock.now()));
    assert!(page.correlation_id.is_some_and(|reference| reference.len() == 8));
}

/// A person who was refused can choose another account: the provider would otherwise use the same
/// account again without showing a page.
#[tokio::test]
async fn a_refused_user_can_use_another_account() {
    let app = App::start().await;
    app.provider.sign_in_as("ada").unwrap();
    app.provider.refuse_next_sign_in("invalid_request", "AADSTS50105: x");
    let mut tab = app.browser().tab();
    assert_eq!(tab.open(app.at("/other?page=2")).await.status, StatusCode::FORBIDDEN);
    let page = tab.click("Use another account").await.clone();
    assert_eq!(
        (page.status, page.url.as_str()),
        (StatusCode::OK, app.at("/other?page=2").as_str())
    );
    assert_eq!(
        app.provider.last_request(Endpoint::Authorization).unwrap().parameter("prompt"),
        Some("select_account")
    );
    // Where it would not help it is not offered.
    (0..2).for_each(|_| app.provider.refuse_next_sign_in("invalid_scope", "x"));
    let page = app.browser().tab().open(app.at("/other")).await.clone();
    assert!(
        page.body.contains("Try again") && !page.body.contains("another account"),
        "{}",
        page.body
    );
}
