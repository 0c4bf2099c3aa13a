//! `config.check()` against the development provider: its report agrees with a sign-in.

use std::time::Duration;

use serde_json::{Value, json};
use tower_identity::{
    ApiConfig, CheckReport, ClientCredential, Clock, IdentityConfig, ManualClock, Prompt,
    ReqwestClient, Severity, SignInOptions,
    config::SignInMethod,
    dev::{
        Accounts, DevClient, DevProvider, DevTenant, Endpoint, Failure, Quirk, SpoilDiscovery,
        SpoilKeys, Verdict,
    },
};

use crate::app::fail_document;

const BASE: &str = "http://localhost:3000";

async fn check(provider: &DevProvider) -> CheckReport {
    provider.config(BASE).unwrap().build().unwrap().check().await
}

fn problems(report: &CheckReport) -> Vec<&str> {
    report.problems().map(tower_identity::Finding::code).collect()
}

#[tokio::test]
async fn a_provider_that_is_set_up_right_has_no_problems() {
    let provider = DevProvider::start().await.unwrap();
    let report = check(&provider).await;
    assert!(report.is_ok(), "{report}");
    for code in [
        "provider_reachable",
        "clock_right",
        "issuer_right",
        "keys_usable",
        "redirect_uri_accepted",
        "credential_accepted",
    ] {
        let finding = report
            .findings()
            .iter()
            .find(|finding| finding.code() == code)
            .unwrap_or_else(|| panic!("{code}: {report}"));
        assert_eq!(finding.severity(), Severity::Passed, "{report}");
    }
    assert_eq!(provider.requests(Endpoint::Token), 1);
    assert!(!format!("{report} {report:?}").contains(provider.client_secret().expose()));
}

/// No request of the check shows whether the second one is registered.
#[tokio::test]
async fn the_urls_to_register_are_listed_for_every_provider() {
    for provider in [DevProvider::builder(), DevProvider::builder().entra()] {
        let provider = provider.start().await.unwrap();
        let config = provider.config("http://localhost:3000/app").unwrap();
        let listed = async |config: tower_identity::IdentityConfig| {
            let report = config.build().unwrap().check().await;
            let found = report.findings().iter().find(|one| one.code() == "urls_to_register");
            found.map(|found| (found.severity(), found.to_string()))
        };
        let (severity, text) = listed(config.clone()).await.unwrap();
        assert_eq!(severity, Severity::Note);
        for url in ["/app/auth/callback as", "/app/auth/signed-out as"] {
            assert!(text.contains(&format!("http://localhost:3000{url}")), "{text}");
        }
        let by_code = config.with_sign_in_method(SignInMethod::DeviceCode);
        assert_eq!(listed(by_code).await, None);
    }
}

#[tokio::test]
async fn what_is_wrong_with_the_application_is_found_before_a_sign_in() {
    let provider = DevProvider::builder()
        .with_client(
            DevClient::confidential("strict", "a secret")
                .with_redirect_uri("https://app.example.com/auth/callback"),
        )
        .start()
        .await
        .unwrap();
    let config = provider.config(BASE).unwrap();
    let wrong_secret = config.clone().with_credential(ClientCredential::secret("another secret"));
    let report = wrong_secret.build().unwrap().check().await;
    assert_eq!(problems(&report), ["client_credential_refused"], "{report}");
    assert!(report.to_string().contains("whether the secret has expired"), "{report}");

    let authority = tower_identity::Authority::oidc(provider.issuer()).unwrap();
    let application = |id: &str| {
        let config = tower_identity::IdentityConfig::new(authority.clone(), id);
        config
            .with_credential(ClientCredential::secret("a secret"))
            .with_base_url(BASE)
            .unwrap()
            .build()
            .unwrap()
    };
    let elsewhere = application("strict").check().await;
    assert_eq!(problems(&elsewhere), ["sign_in_request_refused"], "{elsewhere}");
    assert!(elsewhere.to_string().contains("http://localhost:3000/auth/callback"), "{elsewhere}");
    let unknown = application("nobody").check().await;
    assert_eq!(
        problems(&unknown),
        ["sign_in_request_refused", "client_credential_refused"],
        "{unknown}"
    );
}

// C-225: authorization_endpoint or token_endpoint missing
// C-226: discovery down at start
// MSAL-016: Metadata request returns 5xx; the client starts
#[tokio::test]
async fn a_provider_that_is_down_is_a_finding_and_no_failure() {
    let provider = DevProvider::start().await.unwrap();
    let config = provider.config(BASE).unwrap().build().unwrap();
    for failure in [
        Failure::Disconnect,
        Failure::Status(503),
        Failure::html(200, "<p>Welcome"),
        Failure::Redirect("/".into()),
    ] {
        fail_document(&provider, Endpoint::Discovery, &failure);
        assert_eq!(config.check().await.problems().count(), 1, "{failure:?}");
    }
    provider.fail_next(Endpoint::Token, 1, Failure::Status(503));
    provider.fail_next(Endpoint::Authorization, 1, Failure::Status(503));
    let shaky = config.check().await;
    assert!(shaky.is_ok(), "a passing fault is a warning: {shaky}");
    provider.shutdown().await;
    let gone = config.check().await;
    assert_eq!(problems(&gone), ["provider_unreachable"], "{gone}");
}

#[tokio::test]
async fn a_wrong_clock_is_reported_with_its_direction() {
    let provider = DevProvider::start().await.unwrap();
    let config = provider.config(BASE).unwrap().build().unwrap();
    let clock = ManualClock::at_system_time();
    clock.set(clock.now() - Duration::from_secs(420));
    let report = config.check_with(ReqwestClient::new(), clock).await;
    assert_eq!(problems(&report), ["clock_skew"], "{report}");
    assert!(report.to_string().contains("s behind the provider's"), "{report}");
}

/// The check reports a problem exactly if a sign-in is refused, by the verdicts that the tests of
/// sign-ins follow as well.
#[tokio::test]
async fn the_check_follows_the_verdicts_of_sign_ins() {
    let provider = DevProvider::start().await.unwrap();
    for spoil in SpoilDiscovery::ALL {
        provider.spoil_next_discovery(*spoil);
        let report = check(&provider).await;
        if spoil.verdict() != Verdict::Either {
            assert_eq!(report.is_ok(), spoil.verdict() == Verdict::Accept, "{spoil:?}: {report}");
        }
    }
    // Which key a token will name is not known before there is one.
    for spoil in SpoilKeys::ALL.iter().filter(|spoil| **spoil != SpoilKeys::KeyIdOther) {
        provider.spoil_next_keys(*spoil);
        let report = check(&provider).await;
        if spoil.verdict() != Verdict::Either {
            assert_eq!(report.is_ok(), spoil.verdict() == Verdict::Accept, "{spoil:?}: {report}");
        }
    }
}

/// Entra, External ID and B2C, at each kind of authority.
#[tokio::test]
async fn every_authority_of_the_imitated_entra_passes() {
    let provider = DevProvider::builder().entra().start().await.unwrap();
    for tenant in [
        DevTenant::CONTOSO.domain(),
        DevTenant::FABRIKAM.id(),
        "common",
        "organizations",
        "consumers",
        DevTenant::WOODGROVE.domain(),
        DevTenant::PROSEWARE.domain(),
    ] {
        let mut config = provider.entra_config(tenant, BASE).unwrap();
        if ["common", "organizations"].contains(&tenant) {
            config = config.with_tenants([DevTenant::CONTOSO.id()]).unwrap();
        }
        let report = config.build().unwrap().check().await;
        assert!(report.is_ok(), "{tenant}: {report}");
        let passed = |code| {
            report
                .findings()
                .iter()
                .any(|finding| (finding.severity(), finding.code()) == (Severity::Passed, code))
        };
        assert!(
            passed("redirect_uri_accepted") && passed("keys_usable") && passed("issuer_right"),
            "{tenant}: {report}"
        );
        assert_eq!(passed("policy_usable"), tenant == DevTenant::PROSEWARE.domain(), "{report}");
    }
}

/// Five frequent mistakes with a first registration at Entra, each reported with its reason.
#[tokio::test]
async fn the_usual_mistakes_at_entra_are_found_with_their_reason() {
    let strict = DevClient::confidential("strict", "a secret")
        .with_redirect_uri("https://app.example.com/auth/callback");
    let single = DevClient::confidential("single", "a secret").with_any_loopback_redirect();
    let single = single.with_accounts(Accounts::Tenant(DevTenant::CONTOSO));
    let provider = DevProvider::builder()
        .entra()
        .with_client(strict)
        .with_client(single)
        .start()
        .await
        .unwrap();
    let contoso = DevTenant::CONTOSO.domain();
    let application = |tenant: &str, id: &str, secret: &str| {
        let config =
            tower_identity::IdentityConfig::new(provider.entra_authority(tenant).unwrap(), id);
        config.with_credential(ClientCredential::secret(secret)).with_base_url(BASE).unwrap()
    };
    let report = application(contoso, "strict", "a secret").build().unwrap().check().await;
    assert_eq!(problems(&report), ["redirect_uri_not_registered"], "{report}");
    let report = application(contoso, "single", "another secret").build().unwrap().check().await;
    assert_eq!(problems(&report), ["client_secret_wrong"], "{report}");
    let report = application(contoso, "nobody", "a secret").build().unwrap().check().await;
    assert_eq!(
        report.problems().next().map(tower_identity::Finding::code),
        Some("application_not_found"),
        "{report}"
    );
    let report = application("common", "single", "a secret")
        .with_any_tenant()
        .build()
        .unwrap()
        .check()
        .await;
    assert!(problems(&report).contains(&"application_not_multi_tenant"), "{report}");
    // A tenant that does not exist.
    let origin = provider.issuer().split('/').take(3).collect::<Vec<_>>().join("/");
    let authority =
        tower_identity::Authority::entra_url(&format!("{origin}/kontoso.onmicrosoft.com")).unwrap();
    let config = tower_identity::IdentityConfig::new(authority, "single")
        .with_credential(ClientCredential::secret("a secret"));
    let report = config.with_base_url(BASE).unwrap().build().unwrap().check().await;
    assert_eq!(problems(&report), ["tenant_not_found"], "{report}");
}

/// Severity and code of each finding about an API, without those that passed.
async fn told(config: ApiConfig) -> Vec<(Severity, &'static str)> {
    let report = config.build().unwrap().check().await;
    let shown = report.to_string();
    assert!(!shown.contains("sers can"), "{shown}");
    let said = report.findings().iter().map(|found| (found.severity(), found.code()));
    said.filter(|(severity, _)| *severity != Severity::Passed).collect()
}

#[tokio::test]
async fn an_api_is_checked_by_microsoft_s_rules_for_its_url_and_its_registration() {
    use Severity::{Note, Warning};
    let provider = DevProvider::builder().entra().start().await.unwrap();
    let api = |tenant: &str, resource: &str| {
        let authority = provider.entra_authority(tenant).unwrap();
        let config = ApiConfig::new(authority, "notes").with_resource(resource).unwrap();
        config.with_scopes(["Notes.Read"])
    };
    let contoso = DevTenant::CONTOSO;
    let (good, recipe) = ("https://notes.example.com/mcp", (Note, "application_id_uri"));
    // What is the same for every registration at Entra.
    let [pkce, clients] = [(Note, "pkce_not_announced"), (Note, "clients_not_registered")];
    assert_eq!(told(api(contoso.id(), good)).await, [recipe, pkce, clients]);
    assert_eq!(
        told(api(contoso.id(), "https://notes.example.com")).await,
        [(Warning, "resource_without_path"), recipe, pkce, clients]
    );
    assert_eq!(
        told(api(contoso.id(), good).with_audiences([good])).await,
        [(Warning, "client_id_not_an_audience"), recipe, pkce, clients]
    );
    let several = api("organizations", good).with_tenants([contoso.id()]).unwrap();
    let of_another = (Warning, "issuer_not_in_metadata");
    assert_eq!(told(several).await, [recipe, of_another, pkce, clients]);
    let without_scopes = api(contoso.id(), good).with_scopes([""; 0]);
    assert_eq!(told(without_scopes).await, [recipe, (Note, "scopes_not_set"), pkce, clients]);
}

/// The clients of an API that find its provider by the metadata read the provider's document.
#[tokio::test]
async fn an_api_learns_what_its_clients_need_of_the_provider() {
    use Severity::Note;
    let provider = DevProvider::start().await.unwrap();
    let authority = tower_identity::Authority::oidc(provider.issuer()).unwrap();
    let api = || ApiConfig::new(authority.clone(), "notes");
    let named = || api().with_resource("https://notes.example.com/mcp").unwrap();
    let (pkce, clients) = ((Note, "pkce_not_announced"), (Note, "clients_not_registered"));
    assert_eq!(told(named()).await, [clients]);
    provider.spoil_next_discovery(SpoilDiscovery::ChallengeMethodsMissing);
    assert_eq!(told(named()).await, [pkce, clients]);
    // Without the metadata no client looks for the provider.
    provider.spoil_next_discovery(SpoilDiscovery::ChallengeMethodsMissing);
    assert_eq!(told(api()).await, [(Note, "resource_not_set")]);
    let url = format!("{}/.well-known/openid-configuration", provider.issuer());
    let http = reqwest::Client::builder().no_proxy().build().unwrap();
    let document: Value = http.get(url).send().await.unwrap().json().await.unwrap();
    for (member, value) in [
        ("registration_endpoint", json!("https://id.example/register")),
        ("client_id_metadata_document_supported", json!(true)),
    ] {
        let mut offered = document.clone();
        offered[member] = value;
        let answer = Failure::json(200, offered.to_string());
        provider.fail_next(Endpoint::Discovery, 1, answer);
        assert_eq!(told(named()).await, [], "{member}");
    }
}

/// B2C has a document for each policy.
#[tokio::test]
async fn the_policies_whose_tokens_an_api_accepts_have_to_exist() {
    let provider = DevProvider::builder().entra().start().await.unwrap();
    let api = |policies: &[&str]| {
        let authority = provider.entra_authority(DevTenant::PROSEWARE.domain()).unwrap();
        let api = ApiConfig::new(authority, "notes").with_b2c_policies(policies);
        api.with_resource("https://notes.example.com/mcp").unwrap().build().unwrap()
    };
    let report = api(&["b2c_1_edit"]).check().await;
    assert!(report.is_ok() && report.to_string().contains("policy \"b2c_1_edit\""), "{report}");
    let report = api(&["b2c_1_edit", "b2c_1_nothing"]).check().await;
    assert_eq!(problems(&report).len(), 1, "{report}");
    let report = report.to_string();
    assert!(report.contains("\"b2c_1_nothing\"") && report.contains("IDENTITY_API_B2C_POLICIES"));
}

#[tokio::test]
async fn an_api_at_any_provider_gets_the_requirements_of_its_tokens() {
    let provider = DevProvider::start().await.unwrap();
    let authority = tower_identity::Authority::oidc(provider.issuer()).unwrap();
    let api = || ApiConfig::new(authority.clone(), "notes");
    assert_eq!(told(api()).await, [(Severity::Note, "resource_not_set")]);
    let named = || api().with_resource("https://notes.example.com").unwrap();
    assert_eq!(told(named()).await, [(Severity::Note, "clients_not_registered")]);
    let report = named().build().unwrap().check().await;
    assert!(report.to_string().ends_with("No problems: access tokens can be verified."));
    provider.shutdown().await;
    assert_eq!(told(named()).await, [(Severity::Problem, "provider_unreachable")]);
}

#[tokio::test]
async fn a_default_scope_that_the_provider_refuses_is_a_warning_because_users_can_sign_in() {
    let provider = DevProvider::start().await.unwrap();
    provider.refuse_next_sign_in("invalid_request", "invalid scopes: profile, offline_access");
    let report = check(&provider).await;
    assert!(report.is_ok(), "{report}");
    let is_reported = |line: &tower_identity::Finding| line.code() == "default_scopes_refused";
    let finding = report.findings().iter().find(|finding| is_reported(finding));
    assert_eq!(finding.map(tower_identity::Finding::severity), Some(Severity::Warning), "{report}");
    assert!(report.to_string().contains("IDENTITY_OPENID_SCOPES"), "{report}");
    // Where the second request is refused too, so is the sign-in.
    for _ in 0..2 {
        provider.refuse_next_sign_in("invalid_request", "invalid scopes: openid");
    }
    assert!(!check(&provider).await.is_ok());
}

/// The request of the check has `prompt=none`, so it cannot ask for the consent.
#[tokio::test]
async fn offline_access_that_needs_a_consent_is_a_warning_or_named_as_the_cause() {
    let quirk = [Quirk::OfflineAccessNeedsConsent];
    let provider = DevProvider::builder().with_quirks(quirk).start().await.unwrap();
    let found = async |config: IdentityConfig| {
        let report = config.build().unwrap().check().await;
        let is_reported = |line: &&tower_identity::Finding| line.code() == "offline_access_refused";
        let finding = report.findings().iter().find(is_reported);
        if finding.is_some() {
            assert!(report.to_string().contains("IDENTITY_PROMPT=consent"), "{report}");
        }
        (report.is_ok(), finding.map(tower_identity::Finding::severity))
    };
    let config = || provider.config("http://localhost:3000").unwrap();
    assert_eq!(found(config()).await, (true, Some(Severity::Warning)));
    let asks = SignInOptions::new().with_prompt(Prompt::Consent);
    assert_eq!(found(config().with_sign_in(asks)).await, (true, None));
    // A refusal that the provider shows on a page of its own ends each sign-in.
    let page = Failure::json(400, r#"{"error": "invalid_request"}"#);
    provider.fail_next(Endpoint::Authorization, 1, page);
    assert_eq!(found(config()).await, (false, Some(Severity::Problem)));
}
