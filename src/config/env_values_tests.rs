//! The value that each variable gives, and the table of settings.

use std::{cell::RefCell, collections::BTreeSet, ffi::OsString, io, path::Path, time::Duration};

use super::{tests::*, *};
use crate::config::{
    Access, ClientAuthMethod, CookieKeySource, CookieLifetime, CrossSiteRequests, GroupsFrom,
    PathPrefix, Preflight, Prompt, ProviderSession, ResponseMode, SessionEnd, SignInMethod,
    SignInNonce, SignInOptions, SignedOutUser, UserInfo, api_env, variables::Source,
};

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
        (valid.keys().secrets(), valid.cookie_key_source()),
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
    for known in env_names::known() {
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

type Change = fn(IdentityConfig) -> IdentityConfig;

/// Variable, value, and the method that does the same.
const CHANGES: &[(&str, &str, Change)] = &[
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
    ("IDENTITY_CLOCK_LEEWAY", "120", |config| config.with_clock_leeway(Duration::from_secs(120))),
    ("IDENTITY_MAX_TOKEN_AGE", "60", |config| config.with_max_token_age(Duration::from_secs(60))),
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
    ("IDENTITY_CLAIMS", "{}", |config| config.with_sign_in(SignInOptions::new().with_claims("{}"))),
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
    ("IDENTITY_PREFLIGHT", "pass", |config| config.with_preflight(Preflight::Pass)),
    ("IDENTITY_SIGN_IN_PAGE", "/welcome", |config| config.with_sign_in_page("/welcome")),
    ("IDENTITY_PAGE_AFTER_SIGN_OUT", "/gone", |config| config.with_page_after_sign_out("/gone")),
    ("IDENTITY_LANGUAGES", "de en", |config| config.with_languages(["de", "en"])),
    ("IDENTITY_CALLBACK_PATH", "/cb", |config| config.with_callback_path("/cb")),
    ("IDENTITY_SIGN_IN_PATH", "/in", |config| config.with_sign_in_path("/in")),
    ("IDENTITY_SIGN_OUT_PATH", "/out", |config| config.with_sign_out_path("/out")),
    ("IDENTITY_SIGNED_OUT_PATH", "/bye", |config| config.with_signed_out_path("/bye")),
    ("IDENTITY_EDIT_PROFILE_PATH", "/edit", |config| config.with_edit_profile_path("/edit")),
    ("IDENTITY_RESET_PASSWORD_PATH", "/reset", |config| config.with_reset_password_path("/reset")),
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
    ("IDENTITY_CROSS_SITE_PREFIXES", "/embed/", |config| config.add_cross_site_prefix("/embed/")),
    ("IDENTITY_IDLE_TIMEOUT", "900", |config| config.with_idle_timeout(Duration::from_secs(900))),
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

/// Variables with a value that is refused.
const REFUSED: &[(&str, &str)] = &[
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
];

#[test]
fn a_variable_sets_what_its_method_does() {
    for (name, value, change) in CHANGES {
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
    for (name, value) in REFUSED.iter().copied() {
        let error = read(&basic_and(&[(name, value)])).unwrap_err();
        assert!(
            error.setting() == name && error.to_string().contains(&format!("{value:?}")),
            "{error}"
        );
    }
}

#[test]
fn the_error_of_commas_in_a_list_of_scopes_asks_for_spaces() {
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

/// A setting to which the application has added more by a method, too.
#[test]
fn the_error_of_a_bad_value_names_its_variable() {
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

/// A row of the table makes its variable known, so something has to read it.
#[test]
fn every_known_variable_is_read() {
    let asked = RefCell::new(BTreeSet::new());
    for more in [&[][..], &[("IDENTITY_CLIENT_CERTIFICATE_FILE", "/run/secret")]] {
        let get = |name: &str| {
            asked.borrow_mut().insert(name.to_owned());
            let set = BASIC.iter().chain(more);
            set.rev().find(|(set, _)| *set == name).map(|(_, value)| OsString::from(value))
        };
        let no_file = |_: &Path| Err(io::Error::from(io::ErrorKind::NotFound));
        let all = Variables::new(Source::Environment, &get, &[], &no_file);
        let _ = from_variables(&all);
        let _ = api_env::api_from_variables(&all);
    }
    let asked = asked.into_inner();
    let unread: Vec<_> = env_names::known().filter(|name| !asked.contains(*name)).collect();
    assert!(unread.is_empty(), "{unread:?}");
}
