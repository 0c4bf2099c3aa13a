//! Every mistake of the set-up, and what people read then: the setting, the value that was given,
//! and what to do.

use std::ffi::OsString;

use super::*;
use crate::authority::Authority;

type Built = Result<ValidConfig, crate::error::ConfigError>;

fn oidc() -> IdentityConfig {
    at(Authority::oidc("https://op.example.com").unwrap())
}

fn entra() -> IdentityConfig {
    at(Authority::entra("contoso.onmicrosoft.com").unwrap())
}

fn at(authority: Authority) -> IdentityConfig {
    IdentityConfig::new(authority, "client-id")
        .with_credential(ClientCredential::secret("hush-hush-hush"))
        .with_base_url("https://app.example.com")
        .unwrap()
}

/// Each mistake with the setting that the error names and words that have to be in its text.
#[test]
fn every_mistake_names_setting_value_and_remedy() {
    let http = || at(Authority::oidc("http://keycloak:8080/realms/x").unwrap());
    let mistakes: Vec<(Built, &str, &[&str])> = vec![
        (
            IdentityConfig::new(Authority::oidc("https://op.example.com").unwrap(), "c").build(),
            "credential",
            &["IDENTITY_CLIENT_SECRET"],
        ),
        (
            IdentityConfig::new(Authority::oidc("https://op.example.com").unwrap(), "c")
                .with_credential(ClientCredential::none())
                .build(),
            "base_url",
            &["with_base_url", "IDENTITY_BASE_URL"],
        ),
        (
            at(Authority::entra("common").unwrap()).build(),
            "tenants",
            &["with_tenants", "IDENTITY_TENANTS", "common"],
        ),
        (oidc().with_scopes(["a,b"]).build(), "scopes", &["a,b", "IDENTITY_SCOPE", "spaces"]),
        (oidc().with_scopes(["a b"]).build(), "scopes", &["a b"]),
        (
            oidc().with_openid_scopes(["openid,email"]).build(),
            "openid_scopes",
            &["openid,email", "IDENTITY_OPENID_SCOPES"],
        ),
        (
            entra().with_scopes(["User.Read", ".default"]).build(),
            "scopes",
            &[".default", "User.Read", "AADSTS70011", "IDENTITY_SCOPE"],
        ),
        (
            entra().with_scopes(["https://graph.microsoft.com/.default", "Mail.Read"]).build(),
            "scopes",
            &["https://graph.microsoft.com/.default", "Mail.Read"],
        ),
        (
            http().build(),
            "authority",
            &["http://keycloak:8080/realms/x", "danger_allow_http", "IDENTITY_DANGER_ALLOW_HTTP"],
        ),
        (
            oidc().with_back_channel("http://keycloak:8080").unwrap().build(),
            "back_channel",
            &["http://keycloak:8080", "danger_allow_http", "IDENTITY_DANGER_ALLOW_HTTP"],
        ),
        (
            entra().with_discovery_url("https://id.example/document").unwrap().build(),
            "discovery_url",
            &["remove it"],
        ),
        (
            entra().with_back_channel("https://inside.example").unwrap().build(),
            "back_channel",
            &["remove the back channel"],
        ),
        (
            oidc().with_base_url("https://app.example.com/auth/callback").unwrap().build(),
            "base_url",
            &[
                "https://app.example.com/auth/callback",
                "\"https://app.example.com\"",
                "IDENTITY_BASE_URL",
                "IDENTITY_REDIRECT_URI",
            ],
        ),
        (
            oidc()
                .with_base_url("https://app.example.com/app/cb/")
                .unwrap()
                .with_callback_path("/cb")
                .build(),
            "base_url",
            &["\"https://app.example.com/app\""],
        ),
        (
            oidc().with_base_url("https://app.example.com/auth/login").unwrap().build(),
            "base_url",
            &["sign-in path"],
        ),
        (
            oidc().with_base_url("https://app.example.com/auth/logout").unwrap().build(),
            "base_url",
            &["sign-out path"],
        ),
        (
            oidc().add_sign_out_parameter("client_id", "x").build(),
            "sign_out_parameters",
            &["client_id"],
        ),
        (
            oidc().add_sign_out_parameter("Post_Logout_Redirect_Uri", "x").build(),
            "sign_out_parameters",
            &["Post_Logout_Redirect_Uri", "this crate sets"],
        ),
        (
            oidc()
                .with_sign_out_return_parameter("logout_uri")
                .add_sign_out_parameter("LOGOUT_URI", "x")
                .build(),
            "sign_out_parameters",
            &["LOGOUT_URI"],
        ),
        (
            oidc().with_sign_in(SignInOptions::new().add_parameter("STATE", "x")).build(),
            "sign_in_parameters",
            &["STATE", "this crate sets"],
        ),
        (
            oidc()
                .with_sign_in(SignInOptions::new().add_parameter("a", "1").add_parameter("A", "1"))
                .build(),
            "sign_in_parameters",
            &["twice"],
        ),
        (
            oidc().add_sign_out_parameter("a", "1").add_sign_out_parameter("a", "2").build(),
            "sign_out_parameters",
            &["\"a\"", "twice"],
        ),
        (
            oidc().with_sign_out_return_parameter("a b").build(),
            "sign_out_return_parameter",
            &["a b", "logout_uri"],
        ),
        (
            oidc().with_clock_leeway(std::time::Duration::from_secs(301)).build(),
            "clock_leeway",
            &["300"],
        ),
        (
            oidc().add_trusted_origin("https://app.example.com").unwrap().build(),
            "trusted_origins",
            &["\"https://app.example.com\"", "base URL"],
        ),
        (
            oidc()
                .add_cross_site_path("/hook")
                .with_cross_site_requests(CrossSiteRequests::Allow)
                .build(),
            "cross_site_requests",
            &["`allow`", "remove"],
        ),
        (
            oidc().add_cross_site_prefix("/").build(),
            "cross_site_paths",
            &["\"/\"", "IDENTITY_CROSS_SITE_REQUESTS=allow"],
        ),
        (oidc().add_cross_site_path("/{id}").build(), "cross_site_paths", &["/{id}", "pattern"]),
        (
            oidc().with_user_claims(["name"]).build(),
            "user_claims",
            &["with_user_path", "IDENTITY_USER_PATH"],
        ),
        (
            oidc().with_user_path("/auth/login").build(),
            "user_path",
            &["\"/auth/login\"", "sign_in_path"],
        ),
        (
            oidc().with_kept_form_path("/auth/logout").build(),
            "kept_form_path",
            &["\"/auth/logout\"", "sign_out_path"],
        ),
        (
            oidc().with_kept_form_path("/form").add_public_path("/form").build(),
            "public_paths",
            &["\"/form\"", "kept_form_path"],
        ),
        (oidc().add_trusted_audience("client-id").build(), "trusted_audiences", &["client-id"]),
    ];
    for (outcome, setting, words) in mistakes {
        let error = outcome.map(|_| setting).unwrap_err();
        let text = error.to_string();
        assert_eq!(error.setting(), setting, "{text}");
        assert!(words.iter().all(|word| text.contains(word)), "{text}");
        assert!(!text.contains("hush"), "{text}");
    }
    for (setting, outcome) in [
        ("base_url", oidc().with_base_url("app.example.com").map(drop)),
        ("redirect_uri", oidc().with_redirect_uri("/cb").map(drop)),
        ("trusted_origins", oidc().add_trusted_origin("admin.example.com").map(drop)),
        ("trusted_origins", oidc().add_trusted_origin("https://a.example/app").map(drop)),
        ("back_channel", oidc().with_back_channel("keycloak:8080").map(drop)),
        ("back_channel", oidc().with_back_channel("http://keycloak:8080/auth").map(drop)),
        (
            "end_session_endpoint",
            oidc().with_end_session_endpoint("http://op.example.com/logout").map(drop),
        ),
    ] {
        let text = outcome.unwrap_err().to_string();
        assert!(text.starts_with(setting) && text.contains('"'), "{text}");
    }
    // A part of a URL that may be a password is not shown.
    for secret in ["https://user:hush@", "user:hush@app.example.com", "app.example.com?token=hush"]
    {
        assert!(
            !oidc().with_base_url(secret).unwrap_err().to_string().contains("hush"),
            "{secret}"
        );
    }
}

fn codes(config: IdentityConfig, variables: &[(&str, &str)]) -> Vec<&'static str> {
    let environment = |name: &str| {
        variables.iter().find(|(known, _)| *known == name).map(|(_, value)| OsString::from(value))
    };
    config.build_in(&environment).unwrap().notices().iter().map(Finding::code).collect()
}

/// App Service with authentication turned on takes every path below `/.auth`.
#[test]
fn a_redirect_address_that_app_service_answers_itself_is_a_warning() {
    let below = || entra().with_callback_path("/.auth/login/aad/callback");
    assert_eq!(
        codes(below(), &[("WEBSITE_AUTH_ENABLED", "True")]),
        ["redirect_uri_taken_by_platform"]
    );
    assert_eq!(codes(below(), &[("WEBSITE_AUTH_ENABLED", "False")]), [""; 0]);
    assert_eq!(codes(below(), &[]), [""; 0]);
    assert_eq!(codes(entra(), &[("WEBSITE_AUTH_ENABLED", "True")]), [""; 0]);
    let valid =
        below().build_in(&|name| (name == "WEBSITE_AUTH_ENABLED").then(|| "true".into())).unwrap();
    let found = valid.offline_findings(crate::clock::UnixTime::from_seconds(0));
    let text = found
        .iter()
        .find(|finding| finding.code() == "redirect_uri_taken_by_platform")
        .unwrap()
        .to_string();
    assert!(
        text.contains("/.auth/login/aad/callback") && text.contains("IDENTITY_CALLBACK_PATH"),
        "{text}"
    );
}

#[test]
fn a_base_url_of_this_machine_on_a_platform_is_a_warning() {
    let local = || oidc().with_base_url("http://localhost:3000").unwrap();
    for (variable, _) in [("WEBSITE_HOSTNAME", ""), ("KUBERNETES_SERVICE_HOST", ""), ("DYNO", "")] {
        assert_eq!(codes(local(), &[(variable, "x")]), ["base_url_of_this_machine"], "{variable}");
        assert_eq!(codes(oidc(), &[(variable, "x")]), [""; 0]);
    }
    assert_eq!(codes(local(), &[]), [""; 0]);
}

#[test]
fn scopes_of_two_resources_are_a_warning_at_microsofts_providers() {
    assert_eq!(
        codes(entra().with_scopes(["User.Read", "api://tasks/read"]), &[]),
        ["scopes_of_two_resources"]
    );
    for scopes in [
        vec!["User.Read", "Mail.Read"],
        vec!["User.Read", "https://graph.microsoft.com/Mail.Read"],
        vec!["api://x/a"],
    ] {
        assert_eq!(codes(entra().with_scopes(scopes), &[]), [""; 0]);
    }
    assert_eq!(codes(oidc().with_scopes(["read", "https://api.example/read"]), &[]), [""; 0]);
}

#[test]
fn a_provider_without_tls_is_loud_and_never_a_default() {
    let http =
        || at(Authority::oidc("http://host.docker.internal:8080").unwrap()).danger_allow_http();
    assert_eq!(codes(http(), &[]), ["danger_http"]);
    let back = || oidc().with_back_channel("http://10.0.0.7:8080").unwrap().danger_allow_http();
    assert_eq!(codes(back(), &[]), ["danger_http"]);
    assert_eq!(codes(oidc().danger_allow_http(), &[]), [""; 0], "nothing goes without TLS");
    assert_eq!(codes(oidc().with_back_channel("http://127.0.0.1:8080").unwrap(), &[]), [""; 0]);
    assert_eq!(codes(at(Authority::oidc("http://localhost:8080").unwrap()), &[]), [""; 0]);
    for microsoft in [
        "http://login.microsoftonline.com/common",
        "http://adfs.example.com/adfs",
        "http://x.example/t/B2C_1_a",
    ] {
        assert!(
            Authority::parse(microsoft).unwrap_err().to_string().contains("https://"),
            "{microsoft}"
        );
    }
}
