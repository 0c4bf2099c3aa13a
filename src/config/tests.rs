//! The validation of a configuration by `build()`.

use std::time::Duration;

use super::*;
use crate::authority::{Authority, B2cPolicies};

const TENANT: &str = "f645ad92-e38d-4d1a-b510-d1b09a74a8ca";
const LONG: &str = "0123456789abcdef0123456789abcdef";

pub(super) fn at(authority: Authority) -> IdentityConfig {
    IdentityConfig::new(authority, "client-id")
        .with_credential(ClientCredential::secret("hush-hush"))
        .with_base_url("https://app.example.com")
        .unwrap()
}

pub(super) fn config() -> IdentityConfig {
    at(Authority::oidc("https://op.example.com").unwrap())
}

pub(super) fn built(change: impl FnOnce(IdentityConfig) -> IdentityConfig) -> ValidConfig {
    change(config()).build().unwrap()
}

/// The configuration is refused because of `setting`, and the error says `hint`.
#[track_caller]
pub(super) fn refuses(config: IdentityConfig, setting: &str, hint: &str) {
    let error = config.build().unwrap_err();
    assert!(error.setting() == setting && error.to_string().contains(hint), "{error}");
}

#[test]
fn the_defaults_are_those_that_the_documentation_states() {
    let valid = built(|config| config);
    assert_eq!(valid.scopes(valid.sign_in()), ["openid", "profile", "email", "offline_access"]);
    assert_eq!(valid.redirect_uri(), "https://app.example.com/auth/callback");
    assert_eq!(valid.signed_out_url(), "https://app.example.com/auth/signed-out");
    assert_eq!(
        (valid.origin(), valid.external_prefix(), valid.home().as_str()),
        ("https://app.example.com", "", "/")
    );
    let paths: Vec<&str> = valid.paths().iter().map(|(_, path)| path).collect();
    assert_eq!(paths, ["/auth/login", "/auth/callback", "/auth/logout", "/auth/signed-out"]);
    assert!(valid.secure() && !valid.public_paths().is_public("/"));
    assert!(valid.id_token_algorithms().is_none(), "the provider's document decides");
    assert_eq!(valid.response_mode(), ResponseMode::Query);
    assert_eq!(valid.clock_leeway(), Duration::from_secs(60));
    assert_eq!(valid.idle_timeout(), Duration::from_secs(24 * 3600));
    assert_eq!(valid.absolute_timeout(), Duration::from_secs(7 * 24 * 3600));
    assert_eq!(valid.cookie_key_source(), CookieKeySource::Random);
    assert_eq!((valid.user_info(), valid.preflight()), (UserInfo::IfMissing, Preflight::Challenge));
    assert_eq!(
        (valid.session_end(), valid.provider_session()),
        (SessionEnd::OwnLimits, ProviderSession::End)
    );
}

// C-448: http base URL with secure cookies; `none` alg; scope without openid; missing secret
#[test]
fn what_is_missing_is_named() {
    let bare = IdentityConfig::new(Authority::oidc("https://op.example.com").unwrap(), "client-id");
    refuses(
        bare.clone().with_base_url("https://app.example.com").unwrap(),
        "credential",
        "ClientCredential::none()",
    );
    refuses(bare.with_credential(ClientCredential::none()), "base_url", "missing");
    refuses(config().with_credential(ClientCredential::secret("")), "credential", "empty");
    for client_id in ["", " a", "a ", "a\n", "a\tb", "ü"] {
        refuses(
            IdentityConfig { client_id: client_id.into(), ..config() },
            "client_id",
            "cannot contain",
        );
    }
}

// C-105: authorization request
// C-448: http base URL with secure cookies; `none` alg; scope without openid; missing secret
// MSAL-098: Caller passes a reserved scope (openid/profile/offline_access) itself; request
// MSAL-099: B2C: scope list holds the client_id; decorated
#[test]
fn only_the_scopes_that_were_asked_for_are_sent() {
    let scopes = |config: IdentityConfig| {
        let valid = config.build().unwrap();
        valid.scopes(valid.sign_in()).join(" ")
    };
    assert_eq!(
        scopes(config().with_scopes(["User.Read", "openid", "User.Read"])),
        "openid profile email offline_access User.Read"
    );
    assert_eq!(scopes(config().with_openid_scopes(["openid"])), "openid");
    let b2c = at(Authority::b2c("contoso", B2cPolicies::new("B2C_1_susi")).unwrap());
    assert_eq!(scopes(b2c.with_scopes(["client-id"])), "openid profile offline_access client-id");
    refuses(config().with_openid_scopes(["profile"]), "openid_scopes", "openid");
    refuses(config().with_openid_scopes(Vec::<String>::new()), "openid_scopes", "openid");
    refuses(
        at(Authority::entra(TENANT).unwrap()).with_openid_scopes(["openid"]),
        "openid_scopes",
        "profile",
    );
    for scope in ["", "a b", "a\"b", "a\\b", "ü", "a\n"] {
        refuses(config().with_scopes([scope]), "scopes", "one scope");
        refuses(config().with_openid_scopes(["openid", scope]), "openid_scopes", "one scope");
    }
}

// C-103: default login
#[test]
fn a_sign_in_asks_for_nothing_that_contradicts_itself() {
    let with = |options| config().with_sign_in(options);
    let options = SignInOptions::new;
    refuses(
        with(options().with_prompt(Prompt::None).with_max_age(Duration::ZERO)),
        "max_age",
        "prompt=none",
    );
    refuses(with(options().with_prompt(Prompt::None).add_prompt(Prompt::Login)), "prompt", "none");
    refuses(with(options().with_acr_values(["a b"])), "acr_values", "spaces");
    refuses(with(options().with_ui_locales([""])), "ui_locales", "empty");
    refuses(with(options().with_login_hint("a\r\nb")), "login_hint", "control");
    refuses(with(options().with_domain_hint("")), "domain_hint", "empty");
    assert!(
        with(
            options()
                .with_prompt(Prompt::Login)
                .add_prompt(Prompt::Consent)
                .with_max_age(Duration::ZERO)
        )
        .build()
        .is_ok()
    );
    assert!(
        with(options().with_prompt(Prompt::None).with_max_age(Duration::from_secs(60)))
            .build()
            .is_ok()
    );
}

#[test]
fn extra_parameters_cannot_replace_those_of_the_protocol() {
    let with = |name: &str, value: &str| {
        config().with_sign_in(SignInOptions::new().add_parameter(name, value))
    };
    for reserved in [
        "client_id",
        "redirect_uri",
        "response_type",
        "scope",
        "state",
        "nonce",
        "code_challenge",
        "code_challenge_method",
        "request",
        "request_uri",
        "max_age",
        "claims",
    ] {
        refuses(with(reserved, "x"), "sign_in_parameters", reserved);
    }
    refuses(with("", "x"), "sign_in_parameters", "name");
    refuses(with("a b", "x"), "sign_in_parameters", "name");
    refuses(with("a", "x\ny"), "sign_in_parameters", "control");
    let twice = |name: &str| {
        config()
            .with_sign_in(SignInOptions::new().add_parameter(name, "1").add_parameter(name, "2"))
    };
    refuses(twice("audience"), "sign_in_parameters", "twice");
    for claims in ["[]", "{", r#"{"a":1,"a":2}"#, r#"{"id_token":{"acr":null,"acr":null}}"#] {
        let options = SignInOptions::new().with_claims(claims);
        refuses(config().with_sign_in(options), "claims", "JSON object");
    }
    assert!(twice("resource").build().is_ok());
}

#[test]
fn a_single_sign_ins_options_stand_above_the_configurations() {
    let config = SignInOptions::new()
        .with_scopes(["a"])
        .with_prompt(Prompt::Login)
        .with_login_hint("ada")
        .add_parameter("p", "1")
        .add_parameter("q", "1");
    let options = SignInOptions::new()
        .with_scopes(["b", "a"])
        .with_prompt(Prompt::None)
        .add_parameter("p", "2")
        .over(&config);
    let wanted = SignInOptions::new()
        .with_scopes(["a", "b"])
        .with_prompt(Prompt::None)
        .with_login_hint("ada")
        .add_parameter("p", "2")
        .add_parameter("q", "1");
    assert_eq!(options, wanted);
    assert_eq!(SignInOptions::new().over(&config), config);
}

#[test]
fn times_are_limits_that_can_be_met() {
    refuses(config().with_idle_timeout(Duration::ZERO), "idle_timeout", "second");
    refuses(
        config().with_absolute_timeout(Duration::from_millis(900)),
        "absolute_timeout",
        "second",
    );
    refuses(config().with_max_token_age(Duration::ZERO), "max_token_age", "second");
    refuses(
        config().with_clock_leeway(Duration::from_secs(301)),
        "clock_leeway",
        "correct the clock",
    );
    assert_eq!(
        built(|config| config.with_absolute_timeout(Duration::from_secs(600))).idle_timeout(),
        Duration::from_secs(600)
    );
}

#[test]
fn what_tokens_must_have_can_be_met_and_is_asked_for() {
    refuses(config().with_id_token_algorithms([]), "id_token_algorithms", "empty");
    refuses(config().add_trusted_audience("client-id"), "trusted_audiences", "no effect");
    let hmac = |secret: &str| {
        let credential = ClientCredential::secret(secret.to_owned());
        config().with_credential(credential).with_id_token_hmac(HmacAlgorithm::Hs256)
    };
    assert!(hmac("a secret of 32 bytes or even more").build().is_ok());
    refuses(hmac("a secret that is too short"), "id_token_algorithms", "32 bytes");
    let public = config().with_credential(ClientCredential::none());
    let public = public.with_id_token_hmac(HmacAlgorithm::Hs256);
    refuses(public, "id_token_algorithms", "IDENTITY_CLIENT_SECRET");
    let entra = Authority::entra("common").unwrap();
    refuses(
        at(entra).with_id_token_hmac(HmacAlgorithm::Hs256),
        "id_token_algorithms",
        "private keys only",
    );
    refuses(config().with_required_acr(["a b"]), "required_acr", "spaces");
    let valid = built(|config| config.with_required_acr(["phr"]));
    assert_eq!(valid.sign_in().acr_values, ["phr"]);
    let other = built(|config| {
        config
            .with_required_acr(["phr"])
            .with_sign_in(SignInOptions::new().with_acr_values(["phr", "phrh"]))
    });
    assert_eq!(other.sign_in().acr_values, ["phr", "phrh"]);
}

#[test]
fn cookie_secrets_are_long_enough_or_made() {
    refuses(config().with_cookie_secrets(["short"]), "cookie_secrets", "at least 32");
    let configured =
        built(|config| config.with_cookie_secrets([format!("{LONG}-new"), format!("{LONG}-old")]));
    assert_eq!(
        (configured.keys().secrets(), configured.cookie_key_source()),
        (2, CookieKeySource::Configured)
    );
    let derived = built(|config| config.with_credential(ClientCredential::secret(LONG)));
    assert_eq!(derived.cookie_key_source(), CookieKeySource::Derived);
}

#[test]
fn tenants_are_asked_for_where_everyone_could_come() {
    let common = || at(Authority::entra("common").unwrap());
    refuses(common(), "tenants", "with_tenants");
    assert!(common().with_tenants([TENANT]).unwrap().build().is_ok());
    assert!(common().with_any_tenant().build().is_ok());
    assert!(common().with_tenants(["contoso.com"]).is_err());
    refuses(config().with_any_tenant(), "tenants", "no effect");
}

// C-437: debug/trace logging
/// Nothing that is printed shows a secret.
#[test]
fn secrets_are_not_printed() {
    let config = config()
        .with_credential(ClientCredential::secret(LONG))
        .with_cookie_secrets([format!("{LONG}{LONG}")]);
    let valid = config.clone().build().unwrap();
    for text in [format!("{config:?}"), format!("{config:#?}"), format!("{valid:?}")] {
        assert!(!text.contains(LONG) && text.contains("client-id"), "{text}");
    }
}

#[test]
fn a_configuration_can_be_compared() {
    assert_eq!(config(), config().clone());
    assert_ne!(config(), config().with_response_mode(ResponseMode::FormPost));
}

#[test]
fn a_device_code_goes_with_what_can_be_asked_for_by_it() {
    let device = || config().with_sign_in_method(SignInMethod::DeviceCode);
    let valid = device()
        .with_scopes(["mail"])
        .with_required_acr(["phr"])
        .with_credential(ClientCredential::none())
        .build()
        .unwrap();
    assert_eq!(
        (valid.sign_in_method(), valid.provider_session()),
        (SignInMethod::DeviceCode, ProviderSession::Keep)
    );
    assert_eq!(
        (valid.required_acr(), valid.sign_in().acr_values.len()),
        (&["phr".to_owned()][..], 0),
        "held to, not asked for"
    );
    let ends = device().with_provider_session(ProviderSession::End).build().unwrap();
    assert_eq!(ends.provider_session(), ProviderSession::End);
    assert_ne!(device(), config());
}

#[test]
fn a_device_code_is_refused_with_what_cannot_be_requested_by_it() {
    let device = || config().with_sign_in_method(SignInMethod::DeviceCode);
    let options = SignInOptions::new;
    refuses(device().with_response_mode(ResponseMode::FormPost), "response_mode", "form_post");
    refuses(
        device().with_redirect_uri("https://app.example.com/cb").unwrap(),
        "redirect_uri",
        "https://app.example.com/cb",
    );
    refuses(
        device().with_sign_in(options().with_max_age(Duration::from_secs(60))),
        "sign_in",
        "max_age",
    );
    refuses(device().with_sign_in(options().with_prompt(Prompt::Login)), "sign_in", "prompt");
    refuses(device().with_sign_in(options().with_acr_values(["phr"])), "sign_in", "acr_values");
    refuses(
        device().with_sign_in(options().add_parameter("audience", "api")),
        "sign_in",
        "extra parameter",
    );
    refuses(
        device().with_sign_in(options().with_auth_context("c1")),
        "sign_in",
        "authentication context",
    );
    let entra = at(Authority::entra(TENANT).unwrap()).with_sign_in_method(SignInMethod::DeviceCode);
    assert!(
        entra
            .with_sign_in(options().with_auth_context("c1").with_login_hint("ada@contoso.com"))
            .build()
            .is_ok()
    );
    let b2c = Authority::b2c("contoso", B2cPolicies::new("B2C_1_susi")).unwrap();
    refuses(at(b2c).with_sign_in_method(SignInMethod::DeviceCode), "sign_in_method", "B2C");
    refuses(
        IdentityConfig::new(Authority::oidc("https://op.example.com").unwrap(), "client-id")
            .with_credential(ClientCredential::none())
            .with_sign_in_method(SignInMethod::DeviceCode),
        "base_url",
        "missing",
    );
}

#[test]
fn a_printed_configuration_with_a_device_code_names_no_address_to_register() {
    let text = built(|config| config.with_sign_in_method(SignInMethod::DeviceCode)).to_string();
    assert!(
        text.contains("sign-in method: device_code") && !text.contains("to register"),
        "{text}"
    );
    let text = built(|config| {
        config
            .with_sign_in_method(SignInMethod::DeviceCode)
            .with_provider_session(ProviderSession::End)
    });
    assert!(
        text.to_string().contains("page after sign-out, to register at the provider"),
        "{text}"
    );
}

#[test]
fn the_sign_in_method_has_a_name_in_a_section() {
    let section = |method: &str| {
        let section = serde_json::json!({
            "TenantId": TENANT, "ClientId": "c", "ClientSecret": "s", "SignInMethod": method,
        });
        serde_json::from_value::<IdentityConfig>(section).map_err(|error| error.to_string())
    };
    assert_eq!(section("device_code").unwrap().sign_in_method, SignInMethod::DeviceCode);
    assert_eq!(section("redirect").unwrap().sign_in_method, SignInMethod::Redirect);
    let error = section("device").unwrap_err();
    assert!(error.contains("AzureAd:SignInMethod") && error.contains("device_code"), "{error}");
}
