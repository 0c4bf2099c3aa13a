//! The configuration that variables give, and the errors of variables.

use super::*;
use crate::config::{
    api_env::api_from_variables,
    env_dev::{FromEnv, from_variables_at},
    test_variables::read_variables,
};

pub(super) const TENANT: &str = "f645ad92-e38d-4d1a-b510-d1b09a74a8ca";
pub(super) const OTHER: &str = "775527ff-9a37-4307-8b3d-cc311f58d925";
pub(super) const BASIC: &[(&str, &str)] = &[
    ("IDENTITY_AUTHORITY", "https://op.example.com"),
    ("IDENTITY_CLIENT_ID", "client-id"),
    ("IDENTITY_CLIENT_SECRET", "hush-hush"),
];

pub(super) fn read(pairs: &[(&str, &str)]) -> Result<IdentityConfig, ConfigError> {
    read_variables(pairs, from_variables)
}

pub(super) fn config(pairs: &[(&str, &str)]) -> IdentityConfig {
    read(pairs).unwrap_or_else(|error| panic!("{error}"))
}

pub(super) fn basic_and(
    more: &[(&'static str, &'static str)],
) -> Vec<(&'static str, &'static str)> {
    [BASIC, more].concat()
}

pub(super) fn with(more: &[(&'static str, &'static str)]) -> IdentityConfig {
    config(&basic_and(more))
}

/// The error of these variables beside a client id; it names each of `names`.
#[track_caller]
pub(super) fn refused(pairs: &[(&str, &str)], names: &[&str]) {
    let error =
        read(&[&[("IDENTITY_CLIENT_ID", "client-id")], pairs].concat()).unwrap_err().to_string();
    assert!(names.iter().all(|name| error.contains(name)), "{error}");
}

#[test]
fn three_variables_are_enough_for_the_quickstart() {
    let valid = config(BASIC).build().unwrap();
    assert_eq!(valid.redirect_uri(), "http://localhost:3000/auth/callback");
    assert_eq!(
        (valid.authority().to_string().as_str(), valid.client_id()),
        ("https://op.example.com", "client-id")
    );
    assert_eq!(valid.credential().client_secret().unwrap().expose(), "hush-hush");
}

/// `DevProvider::config_or_env`.
#[test]
fn the_development_provider_starts_unless_a_variable_describes_a_provider_or_a_client() {
    let at = |pairs: &[(&str, &str)]| {
        read_variables(pairs, |all| from_variables_at(all, "http://localhost:8080"))
    };
    let development = |base_url: &str| FromEnv::NotConfigured { base_url: base_url.to_owned() };
    for pair in [
        ("IDENTITY_AUTHORITY", ""),
        ("IDENTITY_SCOPE", "a"),
        ("PATH", "/bin"),
        ("IDENTITY_ENDPOINT", "http://a"),
        ("IDENTITY_DEV", "entra"),
        ("IDENTITY_PORT", "1"),
        ("IDENTITY_SIGN_IN_PATH", "/in"),
        ("IDENTITY_COOKIE_SECRET", "hush"),
        ("IDENTITY_STORE_TIMEOUT", "1"),
        ("IDENTITY_SCOPES", "misspelt, and not about the client"),
        // The platform or a command line sets them; they describe no client without its id.
        ("AZURE_TENANT_ID", "contoso.onmicrosoft.com"),
    ] {
        assert_eq!(at(&[pair]), Ok(development("http://localhost:8080")), "{}", pair.0);
    }
    let placed = [("IDENTITY_BASE_URL", "http://localhost:4000")];
    assert_eq!(at(&placed), Ok(development("http://localhost:4000")));
    for name in ["IDENTITY_AUTHORITY", "OIDC_AUTHORITY", "IDENTITY_CLIENT_ID"]
        .into_iter()
        .chain(["AZURE_CLIENT_ID", "IDENTITY_CLIENT_SECRET", "IDENTITY_CLIENT_SECRET_FILE"])
        .chain(["IDENTITY_CLIENT_AUTH_METHOD", "IDENTITY_TENANTS", "AzureAd__TenantId"])
        .chain(["AZUREAD__CALLBACKPATH", "IDENTITY_REDIRECT_URI", "IDENTITY_DISCOVERY_URL"])
        .chain(["IDENTITY_AUTHORTY", "IDENTITY_TENANT_ID", "IDENTITY_CLIENTID"])
    {
        let error = at(&[(name, "https://op.example.com"), placed[0]]).unwrap_err();
        let why = format!("The development provider was not started because {name} is set.");
        assert!(error.to_string().contains(&why), "{error}");
    }
    // An application for other machines has lost its variables; the misspelt one is named.
    let error = at(&[("IDENTITY_BASE_URL", "https://app.example.com"), ("IDENTITY_SCOPES", "a")])
        .unwrap_err();
    let text = error.to_string();
    assert!(
        error.setting() == "IDENTITY_AUTHORITY"
            && text.contains("https://app.example.com")
            && text.contains("is IDENTITY_SCOPE meant?"),
        "{text}"
    );
    let configured = |pairs: &[(&str, &str)]| match at(pairs) {
        Ok(FromEnv::Configured(config)) => config.build().unwrap(),
        other => panic!("{other:?}"),
    };
    let ours = configured(BASIC);
    assert_eq!(ours.redirect_uri(), "http://localhost:8080/auth/callback");
    let placed = configured(&basic_and(&[("IDENTITY_BASE_URL", "https://app.example.com")]));
    assert_eq!(placed.redirect_uri(), "https://app.example.com/auth/callback");
}

#[test]
fn an_unknown_variable_and_a_forgotten_base_url_are_warnings_of_the_configuration() {
    let codes = |more: &[(&'static str, &'static str)]| {
        let valid = with(more).build_in(&|_| None).unwrap();
        valid.notices().iter().map(super::super::Finding::code).collect::<Vec<_>>()
    };
    assert_eq!(codes(&[]), [""; 0]);
    assert_eq!(
        codes(&[("IDENTITY_SCOPES", "x"), ("IDENTITY_ENDPOINT", "http://169.254.1.1")]),
        ["unknown_variable"]
    );
    assert_eq!(codes(&[("LISTEN", "0.0.0.0:3000")]), ["base_url_not_set"]);
    assert_eq!(
        codes(&[("LISTEN", "0.0.0.0:3000"), ("IDENTITY_BASE_URL", "https://app.example.com")]),
        [""; 0]
    );
    assert_eq!(codes(&[("LISTEN", "127.0.0.1:3000")]), [""; 0]);
}

// C-367: empty secret
// C-448: http base URL with secure cookies; `none` alg; scope without openid; missing secret
#[test]
fn a_public_client_is_asked_for() {
    let public = |more: &[(&str, &str)]| config(&[&BASIC[..2], more].concat());
    assert_eq!(public(&[]).build().unwrap_err().setting(), "IDENTITY_CLIENT_SECRET");
    assert_eq!(
        public(&[("IDENTITY_CLIENT_SECRET", "")]).build().unwrap_err().setting(),
        "IDENTITY_CLIENT_SECRET"
    );
    assert!(public(&[("IDENTITY_CLIENT_AUTH_METHOD", "none")]).build().is_ok());
    assert_eq!(
        public(&[("IDENTITY_CLIENT_SECRET_FILE", "/run/secret")]).credential,
        config(BASIC).credential
    );
    refused(
        &[
            ("IDENTITY_AUTHORITY", "https://op.example.com"),
            ("IDENTITY_CLIENT_SECRET", "x"),
            ("IDENTITY_CLIENT_AUTH_METHOD", "none"),
        ],
        &["IDENTITY_CLIENT_SECRET", "IDENTITY_CLIENT_AUTH_METHOD"],
    );
    refused(
        &[
            ("IDENTITY_AUTHORITY", "https://op.example.com"),
            ("IDENTITY_CLIENT_AUTH_METHOD", "basic"),
        ],
        &["client_secret_basic"],
    );
}

// MSAL-088: Configuration is missing (client_id None); app is built, then login is asked
#[test]
fn the_error_of_a_missing_value_names_its_variable() {
    assert_eq!(read(&BASIC[..1]).unwrap_err().setting(), "IDENTITY_CLIENT_ID");
    assert_eq!(read(&BASIC[1..]).unwrap_err().setting(), "IDENTITY_AUTHORITY");
    refused(&[("IDENTITY_AUTHORITY", "op.example.com")], &["IDENTITY_AUTHORITY", "https://"]);
    assert_eq!(
        read(&basic_and(&[("IDENTITY_RESPONSE_MODE", "fragment")])).unwrap_err().setting(),
        "IDENTITY_RESPONSE_MODE"
    );
}

#[test]
fn the_error_of_a_missing_setting_names_the_variables_that_may_be_misspelt() {
    let misspelt = [
        ("IDENTITY_AUTHORTY", "https://op.example.com"),
        ("IDENTITY_CLIENTID", "shop"),
        ("IDENTITY_SECRET", "hush-hush"),
        ("IDENTITY_COOKIE_SECRETS", ""),
    ];
    let told = |text: &str| {
        for (name, meant) in [
            ("IDENTITY_AUTHORTY", "IDENTITY_AUTHORITY"),
            ("IDENTITY_CLIENTID", "IDENTITY_CLIENT_ID"),
            ("IDENTITY_SECRET", "IDENTITY_CLIENT_SECRET"),
        ] {
            let sentence =
                format!("{name} is set, which is not a variable of this crate: is {meant} meant?");
            assert_eq!(text.matches(&sentence).count(), 1, "{text}");
        }
        assert!(!text.contains("hush") && !text.contains("COOKIE_SECRETS"), "{text}");
    };
    let beside = |right: &[(&'static str, &'static str)]| [&misspelt, right].concat();
    let error = read(&misspelt).unwrap_err();
    assert_eq!(error.setting(), "IDENTITY_AUTHORITY");
    told(&error.to_string());
    let error = read(&beside(&BASIC[1..2])).unwrap_err();
    assert_eq!(error.setting(), "IDENTITY_AUTHORITY");
    told(&error.to_string());
    let error = read(&beside(&BASIC[..2])).unwrap().build().unwrap_err();
    assert_eq!(error.setting(), "IDENTITY_CLIENT_SECRET");
    told(&error.to_string());
    told(&read_variables(&misspelt, api_from_variables).unwrap_err().to_string());
    // A mistake of another kind has its own remedy.
    let wrong = [("IDENTITY_MAX_AGE", "soon"), ("IDENTITY_SECRET", "hush-hush")];
    assert!(!read(&basic_and(&wrong)).unwrap_err().to_string().contains("IDENTITY_SECRET"));
}

#[test]
fn an_error_of_build_names_the_variable_unless_a_method_replaced_its_value() {
    let config = with(&[("IDENTITY_COOKIE_SECRET", "hush")]);
    let error = config.clone().build().unwrap_err();
    assert_eq!(error.setting(), "IDENTITY_COOKIE_SECRET");
    let error = config.with_cookie_secrets(["hush-hush"]).build().unwrap_err();
    assert_eq!(error.setting(), "cookie_secrets");
}
