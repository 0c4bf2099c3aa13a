//! The description of a configuration: value and source of each setting.

use crate::{
    authority::Authority,
    config::{
        ApiConfig, AzureAdSection, ClientCredential, Description, IdentityConfig, SignInOptions,
        api_env::api_from_variables, env::from_variables, test_variables::read_variables,
        variables::Variables,
    },
    error::ConfigError,
};

const BASIC: [(&str, &str); 3] = [
    ("IDENTITY_AUTHORITY", "https://op.example.com"),
    ("IDENTITY_CLIENT_ID", "client-id"),
    ("IDENTITY_CLIENT_SECRET", "hush-hush-hush-hush-hush-hush-hush"),
];

fn read<T>(pairs: &[(&str, &str)], reader: fn(&Variables<'_>) -> Result<T, ConfigError>) -> T {
    read_variables(pairs, reader).unwrap_or_else(|error| panic!("{error}"))
}

fn from_env(more: &[(&str, &str)]) -> IdentityConfig {
    read(&[&BASIC, more].concat(), from_variables)
}

/// The value and the source of a setting.
fn of<'d>(described: &'d Description, name: &str) -> (&'d str, &'d str) {
    let setting = described.setting(name).unwrap_or_else(|| panic!("{name}"));
    (setting.value().unwrap_or("not set"), setting.source())
}

#[test]
fn a_variable_is_named_as_it_was_read() {
    let described = from_env(&[("LISTEN", "127.0.0.1:4000")]).describe();
    assert_eq!(of(&described, "authority"), ("https://op.example.com", "IDENTITY_AUTHORITY"));
    assert_eq!(of(&described, "base_url"), ("http://localhost:4000/", "LISTEN"));
    assert_eq!(of(&described, "clock_leeway"), ("60 s", "default"));
    let azure = [
        ("AZURE_TENANT_ID", "contoso.onmicrosoft.com"),
        ("AZURE_CLIENT_ID", "client-id"),
        ("IDENTITY_CLIENT_SECRET_FILE", "/run/secret"),
    ];
    let described = read(&azure, from_variables).describe();
    assert_eq!(of(&described, "authority").1, "AZURE_TENANT_ID");
    assert_eq!(of(&described, "client_id"), ("client-id", "AZURE_CLIENT_ID"));
    assert_eq!(of(&described, "credential"), ("a secret", "IDENTITY_CLIENT_SECRET_FILE"));
    // As .NET reads it, in any letter case.
    let section = [
        ("AZUREAD__TENANTID", "contoso.onmicrosoft.com"),
        ("AzureAd__ClientId", "client-id"),
        ("AzureAd__ClientCredentials__0__SourceType", "ClientSecret"),
        ("AzureAd__ClientCredentials__0__ClientSecret", "hush"),
    ];
    let described = read(&section, from_variables).describe();
    assert_eq!(of(&described, "authority").1, "AZUREAD__TENANTID");
    assert!(of(&described, "credential").1.contains("AzureAd__ClientCredentials__0__ClientSecret"));
    assert_eq!(of(&described, "callback_path"), ("/signin-oidc", "default"));
}

#[test]
fn a_variable_that_azure_sets_for_another_application_is_no_source() {
    let described = from_env(&[("AZURE_CLIENT_ID", "other"), ("AZURE_TENANT_ID", "x")]).describe();
    assert_eq!(of(&described, "client_id"), ("client-id", "IDENTITY_CLIENT_ID"));
    assert_eq!(of(&described, "authority").1, "IDENTITY_AUTHORITY");
}

#[test]
fn a_method_that_replaces_a_variable_says_so() {
    let variables = [
        ("IDENTITY_BASE_URL", "https://old.example"),
        ("IDENTITY_PROMPT", "login"),
        ("IDENTITY_PUBLIC_PATHS", "/"),
        ("IDENTITY_IDLE_TIMEOUT", "900"),
    ];
    let config = from_env(&variables)
        .with_base_url("https://new.example")
        .unwrap()
        .with_sign_in(SignInOptions::new())
        .add_public_path("/health")
        .with_credential(ClientCredential::secret("another"))
        .with_user_path("/me");
    let described = config.describe();
    for (name, expected) in [
        ("base_url", ("https://new.example/", "with_base_url in place of IDENTITY_BASE_URL")),
        ("prompt", ("not set", "with_sign_in in place of IDENTITY_PROMPT")),
        ("public_paths", ("/ /health", "add_public_path after IDENTITY_PUBLIC_PATHS")),
        ("idle_timeout", ("900 s", "IDENTITY_IDLE_TIMEOUT")),
        ("credential", ("a secret", "with_credential in place of IDENTITY_CLIENT_SECRET")),
        ("user_path", ("/me", "with_user_path")),
    ] {
        assert_eq!(of(&described, name), expected, "{name}");
    }
    let text = described.to_string();
    assert!(text.contains("\nprompt is not set (with_sign_in in place of IDENTITY_PROMPT)\n"));
    assert!(!text.contains("login_hint"), "{text}");
}

#[test]
fn values_that_may_be_secret_or_about_a_user_are_compared_and_not_shown() {
    let variables = [
        ("IDENTITY_SIGN_IN_PARAMETERS", "audience=hush-hush"),
        ("IDENTITY_SIGN_OUT_PARAMETERS", "key=hush-hush"),
        ("IDENTITY_LOGIN_HINT", "hush-hush@example.com"),
        ("IDENTITY_CLAIMS", r#"{"id_token":{"hush-hush":null}}"#),
        ("IDENTITY_DISCOVERY_URL", "https://op.example.com/document?key=hush-hush"),
        ("IDENTITY_END_SESSION_ENDPOINT", "https://op.example.com/end?key=hush-hush"),
    ];
    let described = from_env(&variables).describe();
    for (name, expected) in [
        ("sign_in_parameters", ("audience", "IDENTITY_SIGN_IN_PARAMETERS")),
        ("sign_out_parameters", ("key", "IDENTITY_SIGN_OUT_PARAMETERS")),
        ("login_hint", ("set", "IDENTITY_LOGIN_HINT")),
        ("claims", ("set", "IDENTITY_CLAIMS")),
        ("discovery_url", ("https://op.example.com/document?…", "IDENTITY_DISCOVERY_URL")),
        ("end_session_endpoint", ("https://op.example.com/end?…", "IDENTITY_END_SESSION_ENDPOINT")),
    ] {
        assert_eq!(of(&described, name), expected, "{name}");
    }
    assert!(!described.to_string().contains("hush"), "{described}");
    let other = from_env(&variables).with_sign_in(SignInOptions::new().with_login_hint("alan"));
    let source = of(&other.describe(), "login_hint").1.to_owned();
    assert_eq!(source, "with_sign_in in place of IDENTITY_LOGIN_HINT");
}

#[test]
fn settings_in_code_are_named_by_their_methods() {
    let config = IdentityConfig::new(Authority::oidc("https://id.example").unwrap(), "client-id")
        .with_credential(ClientCredential::none());
    let described = config.describe();
    assert_eq!(of(&described, "authority"), ("https://id.example", "new"));
    assert_eq!(of(&described, "client_id"), ("client-id", "new"));
    assert_eq!(of(&described, "credential").1, "with_credential");
    assert_eq!(of(&described, "base_url"), ("not set", "default"));
}

#[test]
fn a_member_of_a_file_is_named_as_it_stands_there() {
    let text = r#"
        client_secret = "hush-hush"
        public_paths = ["/", "/about"]
        [Azure_AD]
        TenantId = "contoso.onmicrosoft.com"
        clientid = "client-id"
    "#;
    let config: IdentityConfig = toml::from_str(text).unwrap();
    let described = config.describe();
    assert_eq!(of(&described, "authority").1, "Azure_AD.TenantId");
    assert_eq!(of(&described, "client_id").1, "Azure_AD.clientid");
    assert_eq!(of(&described, "credential").1, "client_secret");
    assert_eq!(of(&described, "public_paths"), ("/ /about", "public_paths"));
    // The section alone.
    let json = r#"{"TenantId": "contoso.onmicrosoft.com", "ClientId": "client-id"}"#;
    let section: IdentityConfig = serde_json::from_str(json).unwrap();
    assert_eq!(of(&section.describe(), "authority").1, "TenantId");
    let section: AzureAdSection = serde_json::from_str(json).unwrap();
    let described = IdentityConfig::try_from(section).unwrap().describe();
    assert_eq!(of(&described, "client_id").1, "the AzureAd section");
    assert_eq!(of(&described, "idle_timeout").1, "default");
}

#[test]
fn no_secret_is_part_of_it() {
    let secrets = [
        ("IDENTITY_COOKIE_SECRET", "hush-cookie-hush-cookie-hush-cookie"),
        ("IDENTITY_BASE_URL", "https://app.example.com"),
    ];
    let config = from_env(&secrets);
    for described in [config.describe(), config.clone().build().unwrap().describe()] {
        assert_eq!(of(&described, "cookie_secret"), ("set", "IDENTITY_COOKIE_SECRET"));
        assert!(!format!("{described} {described:?} {config:?}").contains("hush"));
    }
}

#[test]
fn a_valid_configuration_describes_what_is_in_effect() {
    let config = from_env(&[
        ("IDENTITY_BASE_URL", "https://app.example.com"),
        ("IDENTITY_ABSOLUTE_TIMEOUT", "600"),
    ]);
    let described = config.build().unwrap().describe();
    assert_eq!(
        of(&described, "redirect_uri"),
        ("https://app.example.com/auth/callback", "default")
    );
    assert_eq!(of(&described, "idle_timeout"), ("600 s", "default"));
    assert_eq!(of(&described, "cookie_secret"), ("derived from the client secret", "default"));
}

#[test]
fn a_variable_without_effect_is_listed_with_the_nearest_name() {
    let described = from_env(&[
        ("IDENTITY_SCOPES", "a"),
        ("IDENTITY_AUDIENCE", "https://api.example"),
        ("IDENTITY_RESOURCE", " "),
        ("IDENTITY_ENDPOINT", "of the platform"),
        ("IDENTITY_SOMETHING_QUITE_DIFFERENT", "b"),
    ])
    .describe();
    let names: Vec<&str> = described.unused().iter().map(|variable| variable.name()).collect();
    assert_eq!(
        names,
        ["IDENTITY_AUDIENCE", "IDENTITY_SCOPES", "IDENTITY_SOMETHING_QUITE_DIFFERENT"]
    );
    let text = described.to_string();
    assert!(
        text.contains("IDENTITY_SCOPES has no effect: ") && text.contains("is IDENTITY_SCOPE ")
    );
    assert!(text.contains("IDENTITY_AUDIENCE has no effect: only an API reads it"), "{text}");
}

#[test]
fn the_settings_of_an_api_are_its_own() {
    let variables = [
        &BASIC[..],
        &[
            ("IDENTITY_AUDIENCE", "https://api.example api://notes"),
            ("IDENTITY_CLIENT_CAPABILITIES", "cp1"),
            ("IDENTITY_BASE_URL", "https://app.example"),
        ],
    ]
    .concat();
    let config: ApiConfig = read(&variables, api_from_variables);
    let config = config.with_clock_leeway(std::time::Duration::from_secs(5));
    let described = config.build().unwrap().describe();
    assert_eq!(of(&described, "authority").1, "IDENTITY_AUTHORITY");
    assert_eq!(
        of(&described, "audience"),
        ("https://api.example api://notes", "IDENTITY_AUDIENCE")
    );
    assert_eq!(of(&described, "client_capabilities"), ("cp1", "IDENTITY_CLIENT_CAPABILITIES"));
    assert_eq!(of(&described, "clock_leeway"), ("5 s", "with_clock_leeway"));
    assert_eq!(of(&described, "introspection"), ("never", "default"));
    assert_eq!(described.unused().len(), 1, "{described}");
    assert!(described.to_string().contains("IDENTITY_BASE_URL has no effect: an API does not"));
    let section = r#"{"azure_ad": {"TenantId": "contoso.onmicrosoft.com", "ClientId": "client-id",
        "Audiences": ["api://a", "api://b"]}, "introspection": "never"}"#;
    let described = serde_json::from_str::<ApiConfig>(section).unwrap().describe();
    let audience = of(&described, "audience");
    assert_eq!(audience, ("api://a api://b", "azure_ad.Audiences.0, azure_ad.Audiences.1"));
    assert_eq!(of(&described, "introspection").1, "introspection");
}
