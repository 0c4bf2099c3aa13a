//! The configuration that variables give, and the errors of variables.

use super::*;
use crate::config::{
    Access, ClientAuthMethod, CookieKeySource, CookieLifetime, CrossSiteRequests, ResponseMode,
    SignInMethod, SignedOutUser, api_env::api_from_variables, test_variables::read_variables,
};

const TENANT: &str = "f645ad92-e38d-4d1a-b510-d1b09a74a8ca";
const OTHER: &str = "775527ff-9a37-4307-8b3d-cc311f58d925";
const BASIC: &[(&str, &str)] = &[
    ("IDENTITY_AUTHORITY", "https://op.example.com"),
    ("IDENTITY_CLIENT_ID", "client-id"),
    ("IDENTITY_CLIENT_SECRET", "hush-hush"),
];

fn read(pairs: &[(&str, &str)]) -> Result<IdentityConfig, ConfigError> {
    read_variables(pairs, from_variables)
}

fn config(pairs: &[(&str, &str)]) -> IdentityConfig {
    read(pairs).unwrap_or_else(|error| panic!("{error}"))
}

fn basic_and(more: &[(&'static str, &'static str)]) -> Vec<(&'static str, &'static str)> {
    [BASIC, more].concat()
}

fn with(more: &[(&'static str, &'static str)]) -> IdentityConfig {
    config(&basic_and(more))
}

fn authority(pairs: &[(&str, &str)]) -> String {
    config(&[&[("IDENTITY_CLIENT_ID", "client-id")], pairs].concat()).authority.to_string()
}

/// The error of these variables beside a client id; it names each of `names`.
#[track_caller]
fn refused(pairs: &[(&str, &str)], names: &[&str]) {
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
fn every_variable_sets_its_setting() {
    let config = with(&[
        ("IDENTITY_BASE_URL", "https://app.example.com"),
        ("IDENTITY_REDIRECT_URI", "https://app.example.com/cb"),
        ("IDENTITY_SCOPE", "User.Read  Mail.Read"),
        (
            "IDENTITY_COOKIE_SECRET",
            "0123456789abcdef0123456789abcdef\n0123456789abcdef0123456789abcdeg",
        ),
        ("IDENTITY_RESPONSE_MODE", "form_post"),
        ("IDENTITY_COOKIE_LIFETIME", "session"),
        ("IDENTITY_CLIENT_AUTH_METHOD", "client_secret_post"),
        ("IDENTITY_ID_TOKEN_ALGORITHMS", "ES256, Ed25519 RS512"),
        ("LISTEN", "not looked at"),
    ]);
    let valid = config.build().unwrap();
    assert_eq!(valid.redirect_uri(), "https://app.example.com/cb");
    assert_eq!(
        valid.scopes(valid.sign_in()).join(" "),
        "openid profile email offline_access User.Read Mail.Read"
    );
    assert_eq!(
        (valid.cookie_keys().len(), valid.cookie_key_source()),
        (2, CookieKeySource::Configured)
    );
    assert_eq!(valid.response_mode(), ResponseMode::FormPost);
    assert_eq!(valid.cookie_lifetime(), CookieLifetime::Session);
    let error = read(&basic_and(&[("IDENTITY_COOKIE_LIFETIME", "30d")])).unwrap_err();
    assert!(
        error.setting() == "IDENTITY_COOKIE_LIFETIME" && error.to_string().contains("\"30d\""),
        "{error}"
    );
    assert_eq!(valid.credential().method(), Some(ClientAuthMethod::Post));
    assert_eq!(
        valid.id_token_algorithms().as_deref(),
        Some(&[Algorithm::Es256, Algorithm::EdDsa, Algorithm::Rs512][..])
    );
    let secret = ("IDENTITY_CLIENT_SECRET", "a secret of 32 bytes or even more");
    let config = read(&basic_and(&[secret, ("IDENTITY_ID_TOKEN_ALGORITHMS", "HS256")])).unwrap();
    let valid = config.build().unwrap();
    assert_eq!(valid.id_token_hmac(), Some(HmacAlgorithm::Hs256));
    let mixed = [secret, ("IDENTITY_ID_TOKEN_ALGORITHMS", "HS256 RS256")];
    let error = read(&basic_and(&mixed)).unwrap_err().to_string();
    assert!(error.contains("the only algorithm"), "{error}");
}

/// A setting that a provider or a deployment makes necessary must not need another build of the
/// application.
#[test]
fn every_setting_has_a_variable_that_stands_in_the_table() {
    let sources = [
        include_str!("settings.rs"),
        include_str!("access.rs"),
        include_str!("sign_out.rs"),
        include_str!("network.rs"),
        include_str!("cross_site.rs"),
        include_str!("user_path.rs"),
        include_str!("kept_form.rs"),
    ];
    let rows = || TABLE.iter().copied().flatten();
    let mut methods: Vec<&str> = rows().flat_map(|row| row.methods).copied().collect();
    methods.retain(|method| *method != "new");
    methods.sort_unstable();
    methods.dedup();
    let mut found = 0;
    for line in sources.iter().flat_map(|source| source.lines()) {
        let Some(name) =
            line.strip_prefix("    pub fn ").and_then(|rest| rest.split(['(', '<']).next())
        else {
            continue;
        };
        if !["with_", "add_", "danger_"].iter().any(|prefix| name.starts_with(prefix)) {
            continue;
        }
        found += 1;
        assert!(methods.contains(&name), "{name} is in no row of the table of settings");
    }
    assert_eq!(found, methods.len(), "a method in the table is gone");
    let documentation: String = include_str!("env.rs")
        .lines()
        .filter(|line| line.trim_start().starts_with("/// |"))
        .collect();
    let tabled = |name: &str| documentation.contains(&format!("`{name}`"));
    for row in rows() {
        let own = format!("IDENTITY_{}", row.name.to_uppercase());
        let other = row.variables.iter().copied().find(|name| env_names::is_known(name));
        let variable = if env_names::is_known(&own) { own.as_str() } else { other.unwrap() };
        assert!(tabled(variable), "{variable} is not in the table of `from_env`");
    }
    let aliases = ["USER_FLOW", "IDENTITY_B2C_TENANT_NAME"];
    for known in env_names::KNOWN {
        let settings = rows().filter(|row| row.is_named_by(known)).count();
        assert_eq!(settings, usize::from(!env_names::is_of_api(known)), "{known}");
        assert!(
            aliases.iter().any(|alias| known.ends_with(alias))
                || tabled(
                    known
                        .strip_suffix("_SECRET_FILE")
                        .map_or(known, |_| known.strip_suffix("_FILE").unwrap_or(known))
                )
                || known.ends_with("PASSWORD_FILE"),
            "{known} is read and not in the table"
        );
    }
}

#[test]
fn a_variable_sets_what_its_method_does() {
    use crate::config::{
        Algorithm, GroupsFrom, PathPrefix, Prompt, ProviderSession, SessionEnd, SignInNonce,
        SignInOptions, UserInfo,
    };
    use std::time::Duration;
    type Change = fn(IdentityConfig) -> IdentityConfig;
    let cases: &[(&'static str, &'static str, Change)] = &[
        ("IDENTITY_OPENID_SCOPES", "openid email", |config| {
            config.with_openid_scopes(["openid", "email"])
        }),
        ("IDENTITY_ID_TOKEN_ALGORITHMS", "ES256 RS256", |config| {
            config.with_id_token_algorithms([Algorithm::Es256, Algorithm::Rs256])
        }),
        ("IDENTITY_TRUSTED_AUDIENCES", "other another", |config| {
            config.add_trusted_audience("other").add_trusted_audience("another")
        }),
        ("IDENTITY_REQUIRED_ACR", "gold", |config| config.with_required_acr(["gold"])),
        ("IDENTITY_CLOCK_LEEWAY", "120", |config| {
            config.with_clock_leeway(Duration::from_secs(120))
        }),
        ("IDENTITY_MAX_TOKEN_AGE", "60", |config| {
            config.with_max_token_age(Duration::from_secs(60))
        }),
        ("IDENTITY_NONCE", "omit", |config| config.with_nonce(SignInNonce::Omit)),
        ("IDENTITY_USER_INFO", "at_sign_in", |config| config.with_user_info(UserInfo::AtSignIn)),
        ("IDENTITY_GROUPS", "graph", |config| config.with_groups(GroupsFrom::Graph)),
        ("IDENTITY_CLIENT_CAPABILITIES", "cp1", |config| config.with_client_capabilities(["cp1"])),
        ("IDENTITY_PROMPT", "login consent", |config| {
            config.with_sign_in(
                SignInOptions::new().with_prompt(Prompt::Login).add_prompt(Prompt::Consent),
            )
        }),
        ("IDENTITY_LOGIN_HINT", "ada@example.com", |config| {
            config.with_sign_in(SignInOptions::new().with_login_hint("ada@example.com"))
        }),
        ("IDENTITY_DOMAIN_HINT", "organizations", |config| {
            config.with_sign_in(SignInOptions::new().with_domain_hint("organizations"))
        }),
        ("IDENTITY_MAX_AGE", "0", |config| {
            config.with_sign_in(SignInOptions::new().with_max_age(Duration::ZERO))
        }),
        ("IDENTITY_ACR_VALUES", "a b", |config| {
            config.with_sign_in(SignInOptions::new().with_acr_values(["a", "b"]))
        }),
        ("IDENTITY_AUTH_CONTEXT", "c1", |config| {
            config.with_sign_in(SignInOptions::new().with_auth_context("c1"))
        }),
        ("IDENTITY_CLAIMS", "{}", |config| {
            config.with_sign_in(SignInOptions::new().with_claims("{}"))
        }),
        ("IDENTITY_UI_LOCALES", "de fr", |config| {
            config.with_sign_in(SignInOptions::new().with_ui_locales(["de", "fr"]))
        }),
        ("IDENTITY_SIGN_IN_PARAMETERS", "audience=https%3A%2F%2Fapi.example&x=a+b", |config| {
            config.with_sign_in(
                SignInOptions::new()
                    .add_parameter("audience", "https://api.example")
                    .add_parameter("x", "a b"),
            )
        }),
        ("IDENTITY_SIGN_OUT_PARAMETERS", "federated=", |config| {
            config.add_sign_out_parameter("federated", "")
        }),
        ("IDENTITY_SIGN_OUT_RETURN_PARAMETER", "returnTo", |config| {
            config.with_sign_out_return_parameter("returnTo")
        }),
        ("IDENTITY_END_SESSION_ENDPOINT", "https://op.example.com/v2/logout", |config| {
            config.with_end_session_endpoint("https://op.example.com/v2/logout").unwrap()
        }),
        ("IDENTITY_PROVIDER_SESSION", "keep", |config| {
            config.with_provider_session(ProviderSession::Keep)
        }),
        ("IDENTITY_PATH_PREFIX", "kept", |config| config.with_path_prefix(PathPrefix::Kept)),
        ("IDENTITY_DEFAULT_ACCESS", "public", |config| config.with_default_access(Access::Public)),
        ("IDENTITY_PUBLIC_PATHS", "/ /health", |config| {
            config.add_public_path("/").add_public_path("/health")
        }),
        ("IDENTITY_PUBLIC_PREFIXES", "/assets/", |config| config.add_public_prefix("/assets/")),
        ("IDENTITY_PROTECTED_PATHS", "/admin", |config| config.add_protected_path("/admin")),
        ("IDENTITY_PROTECTED_PREFIXES", "/account/ /orders/", |config| {
            config.add_protected_prefix("/account/").add_protected_prefix("/orders/")
        }),
        ("IDENTITY_PREFLIGHT", "pass", |config| {
            config.with_preflight(crate::config::Preflight::Pass)
        }),
        ("IDENTITY_SIGN_IN_PAGE", "/welcome", |config| config.with_sign_in_page("/welcome")),
        ("IDENTITY_PAGE_AFTER_SIGN_OUT", "/gone", |config| {
            config.with_page_after_sign_out("/gone")
        }),
        ("IDENTITY_LANGUAGES", "de en", |config| config.with_languages(["de", "en"])),
        ("IDENTITY_CALLBACK_PATH", "/cb", |config| config.with_callback_path("/cb")),
        ("IDENTITY_SIGN_IN_PATH", "/in", |config| config.with_sign_in_path("/in")),
        ("IDENTITY_SIGN_OUT_PATH", "/out", |config| config.with_sign_out_path("/out")),
        ("IDENTITY_SIGNED_OUT_PATH", "/bye", |config| config.with_signed_out_path("/bye")),
        ("IDENTITY_EDIT_PROFILE_PATH", "/edit", |config| config.with_edit_profile_path("/edit")),
        ("IDENTITY_RESET_PASSWORD_PATH", "/reset", |config| {
            config.with_reset_password_path("/reset")
        }),
        ("IDENTITY_USER_PATH", "/whoami", |config| config.with_user_path("/whoami")),
        ("IDENTITY_USER_CLAIMS", "name roles", |config| config.with_user_claims(["name", "roles"])),
        ("IDENTITY_SIGNED_OUT_USER", "no_user", |config| {
            config.with_signed_out_user(SignedOutUser::NoUser)
        }),
        ("IDENTITY_KEPT_FORM_PATH", "/form", |config| config.with_kept_form_path("/form")),
        ("IDENTITY_CROSS_SITE_REQUESTS", "allow", |config| {
            config.with_cross_site_requests(CrossSiteRequests::Allow)
        }),
        ("IDENTITY_TRUSTED_ORIGINS", "https://a.example HTTPS://B.example:443/", |config| {
            let config = config.add_trusted_origin("https://a.example").unwrap();
            config.add_trusted_origin("https://b.example").unwrap()
        }),
        ("IDENTITY_CROSS_SITE_PATHS", "/hooks/pay /paid", |config| {
            config.add_cross_site_path("/hooks/pay").add_cross_site_path("/paid")
        }),
        ("IDENTITY_CROSS_SITE_PREFIXES", "/embed/", |config| {
            config.add_cross_site_prefix("/embed/")
        }),
        ("IDENTITY_IDLE_TIMEOUT", "900", |config| {
            config.with_idle_timeout(Duration::from_secs(900))
        }),
        ("IDENTITY_ABSOLUTE_TIMEOUT", "3600", |config| {
            config.with_absolute_timeout(Duration::from_secs(3600))
        }),
        ("IDENTITY_STORE_TIMEOUT", "5", |config| config.with_store_timeout(Duration::from_secs(5))),
        ("IDENTITY_SESSION_END", "id_token_expiry", |config| {
            config.with_session_end(SessionEnd::IdTokenExpiry)
        }),
        ("IDENTITY_DISCOVERY_URL", "https://id.example.com/tenant/document", |config| {
            config.with_discovery_url("https://id.example.com/tenant/document").unwrap()
        }),
        ("IDENTITY_BACK_CHANNEL", "https://inside.example:8443", |config| {
            config.with_back_channel("https://inside.example:8443").unwrap()
        }),
        ("IDENTITY_DANGER_ALLOW_HTTP", "true", IdentityConfig::danger_allow_http),
    ];
    for (name, value, change) in cases {
        let (read, changed) = (with(&[(*name, *value)]), change(config(BASIC)));
        assert_eq!(read, changed, "{name}");
        // The description says the same of both, and where each comes from.
        let setting = name.strip_prefix("IDENTITY_").unwrap().to_lowercase();
        let described = |config: &IdentityConfig| {
            let described = config.describe();
            let setting = described.setting(&setting).unwrap_or_else(|| panic!("{name}"));
            (setting.value().map(str::to_owned), setting.source().to_owned())
        };
        let ((value, source), (same, method)) = (described(&read), described(&changed));
        assert_eq!((&source, &value), (&(*name).to_owned(), &same), "{name}");
        assert!(value.is_some() && method != "default" && !method.contains(name), "{method}");
        let (unset, source) = described(&config(BASIC));
        assert_eq!((unset != value, source.as_str()), (true, "default"), "{name}");
    }
    for (name, value) in [
        ("IDENTITY_PROMPT", "sometimes"),
        ("IDENTITY_CLOCK_LEEWAY", "1m"),
        ("IDENTITY_MAX_AGE", "-1"),
        ("IDENTITY_USER_INFO", "yes"),
        ("IDENTITY_NONCE", "never"),
        ("IDENTITY_ID_TOKEN_ALGORITHMS", "HS1"),
        ("IDENTITY_BACK_CHANNEL", "keycloak:8080"),
        ("IDENTITY_TRUSTED_ORIGINS", "https://a.example/path"),
        ("IDENTITY_DISCOVERY_URL", "http://id.example.com/document"),
        ("IDENTITY_DANGER_ALLOW_HTTP", "maybe"),
        ("IDENTITY_OPENID_SCOPES", "openid,email"),
        ("IDENTITY_DEFAULT_ACCESS", "everybody"),
    ] {
        let error = read(&basic_and(&[(name, value)])).unwrap_err();
        assert!(
            error.setting() == name && error.to_string().contains(&format!("{value:?}")),
            "{error}"
        );
    }
}

#[test]
fn commas_in_a_list_of_scopes_are_told() {
    let error =
        read(&basic_and(&[("IDENTITY_SCOPE", "User.Read,Mail.Read")])).unwrap_err().to_string();
    assert!(
        error.contains("IDENTITY_SCOPE")
            && error.contains("User.Read,Mail.Read")
            && error.contains("spaces"),
        "{error}"
    );
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

#[test]
fn the_base_url_follows_from_where_the_application_listens() {
    let origin =
        |more: &[(&'static str, &'static str)]| with(more).build().unwrap().origin().to_owned();
    assert_eq!(origin(&[("LISTEN", "0.0.0.0:8080")]), "http://localhost:8080");
    assert_eq!(
        origin(&[("IDENTITY_REDIRECT_URI", "https://app.example.com/x/y")]),
        "https://app.example.com"
    );
    assert_eq!(
        with(&[("LISTEN", "127.0.0.1:0")]).build().unwrap_err().setting(),
        "IDENTITY_BASE_URL"
    );
    assert_eq!(read(&basic_and(&[("LISTEN", "3000")])).unwrap_err().setting(), "LISTEN");
    assert_eq!(
        read(&basic_and(&[("IDENTITY_BASE_URL", "http://app.example.com")])).unwrap_err().setting(),
        "IDENTITY_BASE_URL"
    );
}

#[test]
fn a_device_code_is_asked_for_by_its_name() {
    let method =
        |pairs: &[(&'static str, &'static str)]| with(pairs).build().unwrap().sign_in_method();
    assert_eq!(method(&[]), SignInMethod::Redirect);
    assert_eq!(method(&[("IDENTITY_SIGN_IN_METHOD", "redirect")]), SignInMethod::Redirect);
    assert_eq!(method(&[("IDENTITY_SIGN_IN_METHOD", "device_code")]), SignInMethod::DeviceCode);
    let section = config(&[
        ("AzureAd__TenantId", TENANT),
        ("AZUREAD__SIGNINMETHOD", "device_code"),
        ("AzureAd__ClientId", "c"),
    ]);
    assert_eq!(section.sign_in_method, SignInMethod::DeviceCode);
    let error = read(&basic_and(&[("IDENTITY_SIGN_IN_METHOD", "device")])).unwrap_err();
    assert!(
        error.setting() == "IDENTITY_SIGN_IN_METHOD" && error.to_string().contains("device_code"),
        "{error}"
    );
    let both = [("IDENTITY_SIGN_IN_METHOD", "device_code"), ("AzureAd__SignInMethod", "redirect")];
    refused(
        &[&both[..], &[("AzureAd__TenantId", TENANT)]].concat(),
        &["IDENTITY_SIGN_IN_METHOD", "AzureAd__SignInMethod"],
    );
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
fn what_is_missing_is_told_by_its_variable() {
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
    assert_eq!(error.setting(), "IDENTITY_CLIENT_ID");
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

/// A setting to which the application has added more by a method, too.
#[test]
fn a_bad_value_of_a_variable_is_told_by_that_variable() {
    for (variable, value) in [
        ("IDENTITY_PUBLIC_PATHS", "/a/../b"),
        ("IDENTITY_PUBLIC_PATHS", "/{id}"),
        ("IDENTITY_PUBLIC_PREFIXES", "/a"),
        ("IDENTITY_PUBLIC_PREFIXES", "/"),
        ("IDENTITY_PROTECTED_PATHS", "/a//b"),
        ("IDENTITY_PROTECTED_PREFIXES", "/a"),
        ("IDENTITY_CROSS_SITE_PATHS", "/a?b"),
        ("IDENTITY_SIGN_IN_PAGE", "//evil"),
        ("IDENTITY_SIGN_IN_PAGE", "/{id}"),
        ("IDENTITY_SIGN_IN_PATH", "/a//b"),
        ("IDENTITY_CALLBACK_PATH", "/a?b"),
        ("IDENTITY_SIGN_OUT_PATH", "/"),
        ("IDENTITY_SIGNED_OUT_PATH", "a"),
        ("IDENTITY_USER_PATH", "//a"),
        ("IDENTITY_KEPT_FORM_PATH", "/auth/login"),
        ("IDENTITY_SIGN_IN_PARAMETERS", "State=x"),
        ("IDENTITY_SIGN_OUT_PARAMETERS", "client_id=x"),
        ("IDENTITY_SIGN_OUT_RETURN_PARAMETER", "a b"),
        ("IDENTITY_COOKIE_SECRET", "short"),
        ("IDENTITY_LANGUAGES", "no_language"),
        ("IDENTITY_TRUSTED_AUDIENCES", "client-id"),
        ("IDENTITY_TRUSTED_ORIGINS", "http://localhost:3000"),
        ("IDENTITY_EDIT_PROFILE_PATH", "/profile"),
        ("IDENTITY_RESET_PASSWORD_PATH", "/reset"),
        ("IDENTITY_USER_CLAIMS", "name"),
        ("IDENTITY_CLOCK_LEEWAY", "3000"),
        ("IDENTITY_SCOPE", "a,b"),
        ("IDENTITY_OPENID_SCOPES", "openid,email"),
        ("IDENTITY_BASE_URL", "https://app.example/auth/callback"),
        ("IDENTITY_CLAIMS", "[]"),
        ("IDENTITY_BACK_CHANNEL", "http://keycloak:8080"),
    ] {
        let outcome = read(&basic_and(&[(variable, value)])).and_then(|config| {
            let more = config.add_public_path("/added").add_public_prefix("/added/");
            more.add_trusted_audience("added").build()
        });
        let error = outcome.map(|_| variable).unwrap_err();
        assert_eq!(error.setting(), variable, "{value}: {error}");
    }
}

#[test]
fn tenants_are_listed_or_explicitly_any() {
    let common = |tenants: &str| {
        config(&[
            ("IDENTITY_AUTHORITY", "https://login.microsoftonline.com/common"),
            ("IDENTITY_CLIENT_ID", "c"),
            ("IDENTITY_CLIENT_SECRET", "s"),
            ("IDENTITY_TENANTS", tenants),
        ])
    };
    assert_eq!(common("").build().unwrap_err().setting(), "IDENTITY_TENANTS");
    assert_eq!(common("any").build().unwrap().tenants().to_string(), "any");
    assert_eq!(
        common(&format!("{TENANT}, {OTHER}")).build().unwrap().tenants().to_string(),
        format!("{TENANT}, {OTHER}")
    );
    refused(
        &[("IDENTITY_AUTHORITY", "https://op.example.com"), ("IDENTITY_TENANTS", "contoso.com")],
        &["IDENTITY_TENANTS", "GUID"],
    );
}

#[test]
fn the_names_that_people_have_say_the_same() {
    let entra = format!("https://login.microsoftonline.com/{TENANT}/v2.0");
    for pairs in [
        &[("AUTHORITY", entra.as_str())][..],
        &[("IDENTITY_OIDC_AUTHORITY", &entra)],
        &[("OIDC_AUTHORITY", &entra), ("IDENTITY_AUTHORITY", &entra)],
        &[("AzureAd__TenantId", TENANT)],
        &[
            ("AzureAd__Instance", "https://login.microsoftonline.com/"),
            ("AzureAd__TenantId", TENANT),
        ],
        &[("AZURE_TENANT_ID", TENANT)],
        &[
            ("AZURE_TENANT_ID", TENANT),
            ("AZURE_AUTHORITY_HOST", "https://login.microsoftonline.com/"),
        ],
        &[("AZURE_TENANT_ID", TENANT), ("AUTHORITY", &entra), ("AzureAd__TenantId", TENANT)],
    ] {
        assert_eq!(authority(pairs), entra, "{pairs:?}");
    }
    let azure = config(&[
        ("AZURE_TENANT_ID", TENANT),
        ("AZURE_CLIENT_ID", "azure-id"),
        ("AZURE_CLIENT_SECRET", "azure-secret"),
    ]);
    assert_eq!(
        (azure.client_id.as_str(), azure.credential.unwrap().client_secret().unwrap().expose()),
        ("azure-id", "azure-secret")
    );
    let identity = config(&[
        ("OIDC_AUTHORITY", "https://op.example.com"),
        ("CLIENT_ID", "i"),
        ("CLIENT_SECRET", "s"),
        ("REDIRECT_URI", "http://localhost:5000/redirect"),
    ]);
    assert_eq!(identity.build().unwrap().redirect_uri(), "http://localhost:5000/redirect");
}

#[test]
fn b2c_flows_come_with_a_tenant_name_or_a_b2c_address() {
    let flows = [
        ("SIGNUPSIGNIN_USER_FLOW", "B2C_1_susi"),
        ("RESETPASSWORD_USER_FLOW", "B2C_1_reset"),
        ("EDITPROFILE_USER_FLOW", "B2C_1_edit"),
    ];
    let b2c = |more: &[(&'static str, &'static str)]| {
        config(&[&flows[..], more, BASIC.get(1..).unwrap()].concat())
    };
    let named = b2c(&[("B2C_TENANT_NAME", "contoso")]);
    assert_eq!(
        named.authority.to_string(),
        "https://contoso.b2clogin.com/contoso.onmicrosoft.com/B2C_1_susi/v2.0"
    );
    assert!(named.clone().build().unwrap().paths().edit_profile.is_some());
    let parsed = b2c(&[(
        "IDENTITY_AUTHORITY",
        "https://contoso.b2clogin.com/contoso.onmicrosoft.com/b2c_1_SUSI",
    )]);
    assert!(parsed.build().unwrap().paths().reset_password.is_some());
    assert_eq!(named.authority, b2c(&[("IDENTITY_B2C_TENANT_NAME", "contoso")]).authority);
    refused(&[("B2C_TENANT_NAME", "contoso")], &["SIGNUPSIGNIN_USER_FLOW"]);
    refused(
        &[("AUTHORITY", "https://op.example.com"), ("RESETPASSWORD_USER_FLOW", "B2C_1_reset")],
        &["RESETPASSWORD_USER_FLOW", "no effect"],
    );
    refused(
        &[
            ("AUTHORITY", "https://contoso.b2clogin.com/contoso.onmicrosoft.com/B2C_1_a"),
            ("SIGNUPSIGNIN_USER_FLOW", "B2C_1_b"),
        ],
        &["B2C_1_a", "B2C_1_b"],
    );
}

// MSAL-022: `Authority` and also `Instance`+`TenantId` configured; options are merged
#[test]
fn a_contradiction_names_both_variables() {
    let entra = format!("https://login.microsoftonline.com/{TENANT}");
    refused(
        &[("IDENTITY_AUTHORITY", &entra), ("AZURE_TENANT_ID", OTHER)],
        &["IDENTITY_AUTHORITY", TENANT, "AZURE_TENANT_ID", OTHER],
    );
    refused(
        &[("IDENTITY_AUTHORITY", &entra), ("AzureAd__TenantId", OTHER)],
        &["IDENTITY_AUTHORITY", TENANT, "AzureAd__", OTHER],
    );
    refused(
        &[("IDENTITY_AUTHORITY", &entra), ("AUTHORITY", "https://op.example.com")],
        &["IDENTITY_AUTHORITY", "AUTHORITY", TENANT, "op.example.com"],
    );
    refused(
        &[("IDENTITY_AUTHORITY", &entra), ("IDENTITY_OIDC_AUTHORITY", "https://op.example.com")],
        &["IDENTITY_AUTHORITY", "IDENTITY_OIDC_AUTHORITY"],
    );
    refused(
        &[("AzureAd__Authority", &entra), ("AzureAd__TenantId", OTHER)],
        &["AzureAd:Authority", "AzureAd:TenantId", TENANT, OTHER],
    );
    refused(
        &[
            ("AZURE_TENANT_ID", TENANT),
            ("IDENTITY_AUTHORITY", "https://contoso.b2clogin.com/contoso.onmicrosoft.com/B2C_1_a"),
        ],
        &["AZURE_TENANT_ID", "B2C_1_a"],
    );
    refused(
        &[("AZURE_TENANT_ID", TENANT), ("CLIENT_ID", "other")],
        &["IDENTITY_CLIENT_ID", "CLIENT_ID", "client-id", "other"],
    );
    refused(
        &[
            ("AZURE_TENANT_ID", TENANT),
            ("CLIENT_SECRET", "hush-1"),
            ("AZURE_CLIENT_SECRET", "hush-2"),
        ],
        &["AZURE_CLIENT_SECRET", "CLIENT_SECRET"],
    );
}

#[test]
fn what_azure_puts_into_a_container_for_another_application_is_not_ours() {
    let config = with(&[
        ("AZURE_CLIENT_ID", "workload-identity"),
        ("AZURE_TENANT_ID", TENANT),
        ("AZURE_CLIENT_SECRET", "theirs"),
    ]);
    assert_eq!(config, self::config(BASIC));
}

#[test]
fn the_section_comes_with_its_defaults() {
    let section = [
        ("AzureAd__TenantId", TENANT),
        ("AzureAd__ClientId", "a"),
        ("AzureAd__ClientCredentials__0__SourceType", "ClientSecret"),
        ("AzureAd__ClientCredentials__0__ClientSecret", "s"),
    ];
    let valid = config(&section).build().unwrap();
    assert_eq!(valid.redirect_uri(), "http://localhost:3000/signin-oidc");
    let moved =
        config(&[&section[..], &[("IDENTITY_REDIRECT_URI", "http://localhost:3000/cb")]].concat());
    assert_eq!(moved.build().unwrap().paths().callback, "/cb");
    let both = config(
        &[
            &section[..],
            &[
                ("AzureAd__CallbackPath", "/other"),
                ("IDENTITY_REDIRECT_URI", "http://localhost:3000/cb"),
            ],
        ]
        .concat(),
    );
    assert!(both.build().unwrap_err().to_string().contains("contradicts"));
}

#[test]
fn a_member_of_the_section_without_effect_is_a_warning_in_variables_too() {
    let read = |name: &str, value: &str| {
        let section = [
            ("AzureAd__TenantId", TENANT),
            ("AzureAd__ClientId", "c"),
            ("AzureAd__ClientSecret", "hush-hush"),
            ("AzureAd__ClientCapabilities__0", "cp1"),
            (name, value),
        ];
        let config = config(&section);
        assert_eq!(config.client_capabilities, ["cp1"]);
        config.notices.iter().filter(|notice| notice.code().starts_with("azure_ad")).count()
    };
    assert_eq!(read("AzureAd__ExtraQueryParameters__dc", "x"), 1);
    assert_eq!(read("AZUREAD__USETOKENLIFETIME", "true"), 1);
    assert_eq!(read("AzureAd__UseTokenLifetime", "false"), 0);
    assert_eq!(read("AzureAd__EnablePiiLogging", "true"), 0);
}

/// Every member of the section, from variables as .NET writes them, and in capitals.
#[test]
fn variables_and_the_section_say_the_same() {
    let members = [
        ("DefaultAccess", "public"),
        ("Instance", "https://contoso.b2clogin.com/"),
        ("Domain", "contoso.onmicrosoft.com"),
        ("ClientId", "client-id"),
        ("ClientSecret", "hush-hush"),
        ("CallbackPath", "/cb"),
        ("SignedOutCallbackPath", "/bye"),
        ("SignUpSignInPolicyId", "B2C_1_susi"),
        ("ResetPasswordPolicyId", "B2C_1_reset"),
        ("EditProfilePolicyId", "B2C_1_edit"),
    ];
    let section: serde_json::Map<String, serde_json::Value> =
        members.iter().map(|(name, value)| ((*name).to_owned(), (*value).into())).collect();
    let section: IdentityConfig = serde_json::from_value(section.into()).unwrap();
    let section = section.with_base_url("http://localhost:3000").unwrap();
    let spellings: [fn(&str) -> String; 4] = [
        |name| format!("AzureAd__{name}"),
        |name| format!("AZUREAD__{}", name.to_uppercase()),
        |name| format!("azuread__{}", name.to_lowercase()),
        |name| format!("AzureAD__{}{}", name[..1].to_lowercase(), &name[1..]),
    ];
    for named in spellings {
        let variables: Vec<(String, &str)> =
            members.iter().map(|(name, value)| (named(name), *value)).collect();
        let pairs: Vec<(&str, &str)> =
            variables.iter().map(|(name, value)| (name.as_str(), *value)).collect();
        assert_eq!(config(&pairs), section, "{pairs:?}");
    }
    refused(
        &[("AzureAd__TenantId", TENANT), ("AZUREAD__TENANTID", OTHER)],
        &["AzureAd__TenantId", "AZUREAD__TENANTID"],
    );
}
