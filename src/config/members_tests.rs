//! The configuration from files: TOML, JSON and YAML, beside the environment.

use serde_json::{Value as Json, json};

use crate::{
    authority::Authority,
    config::{
        Access, ApiConfig, ClientAuthMethod, ClientCredential, CookieLifetime, GroupsFrom,
        IdentityConfig, PathPrefix, Preflight, Prompt, ProviderSession, ResponseMode, SessionEnd,
        SignInMethod, SignInOptions, SignedOutUser, UserInfo,
    },
};

const TENANT: &str = "f645ad92-e38d-4d1a-b510-d1b09a74a8ca";

const TOML: &str = r#"
authority = "https://op.example.com"
client_id = "client-id"
client_secret = "hush-hush"
client_auth_method = "client_secret_post"
base_url = "https://app.example.com/app"
redirect_uri = "https://app.example.com/app/cb"
path_prefix = "kept"
sign_in_path = "/in"
sign_in_page = "/welcome"
sign_out_path = "/out"
signed_out_path = "/bye"
page_after_sign_out = "/about"
edit_profile_path = "/edit"
reset_password_path = "/reset"
default_access = "public"
public_paths = ["/", "/about"]
protected_paths = "/account"
protected_prefixes = ["/assets/paid/"]
public_prefixes = ["/assets/"]
preflight = "pass"
user_path = "/auth/user"
user_claims = ["name", "email"]
signed_out_user = "no_user"
kept_form_path = "/auth/form"
trusted_origins = ["https://staff.example.com"]
cross_site_paths = ["/paid", "/hook"]
cross_site_prefixes = ["/embed/"]
response_mode = "form_post"
openid_scopes = ["openid", "profile"]
scope = ["api.read", "api.write"]
prompt = ["login", "consent"]
login_hint = "ada@example.com"
domain_hint = "example.com"
max_age = 600
acr_values = ["gold", "silver"]
auth_context = "c1"
claims = { id_token = { email = { essential = true } } }
ui_locales = ["de", "fr"]
languages = ["de", "en"]
user_info = "never"
groups = "graph"
client_capabilities = ["cp1"]
id_token_algorithms = ["RS256", "ES256"]
trusted_audiences = ["a", "b"]
required_acr = ["gold"]
max_token_age = 300
clock_leeway = 30
cookie_secret = ["the newest cookie secret of 32 bytes", "the one before it, also of 32 bytes"]
idle_timeout = 3600
absolute_timeout = 86400
store_timeout = 0.5
cookie_lifetime = "session"
session_end = "id_token_expiry"
provider_session = "keep"
end_session_endpoint = "https://op.example.com/out"
sign_out_return_parameter = "next"
back_channel = "https://10.0.0.1"
discovery_url = "https://op.example.com/d"
danger_allow_http = true

[sign_in_parameters]
audience = "https://api.example.com/?a&b"

[sign_out_parameters]
federated = ""
"#;

fn built_in_code() -> IdentityConfig {
    use std::time::Duration;
    let sign_in = SignInOptions::new()
        .with_scopes(["api.read", "api.write"])
        .with_prompt(Prompt::Login)
        .add_prompt(Prompt::Consent)
        .with_login_hint("ada@example.com")
        .with_domain_hint("example.com")
        .with_max_age(Duration::from_secs(600))
        .with_acr_values(["gold", "silver"])
        .with_auth_context("c1")
        .with_claims(r#"{"id_token":{"email":{"essential":true}}}"#)
        .with_ui_locales(["de", "fr"])
        .add_parameter("audience", "https://api.example.com/?a&b");
    IdentityConfig::new(Authority::oidc("https://op.example.com").unwrap(), "client-id")
        .with_credential(ClientCredential::secret("hush-hush").with_method(ClientAuthMethod::Post))
        .with_base_url("https://app.example.com/app")
        .unwrap()
        .with_redirect_uri("https://app.example.com/app/cb")
        .unwrap()
        .with_path_prefix(PathPrefix::Kept)
        .with_sign_in_path("/in")
        .with_sign_in_page("/welcome")
        .with_sign_out_path("/out")
        .with_signed_out_path("/bye")
        .with_page_after_sign_out("/about")
        .with_edit_profile_path("/edit")
        .with_reset_password_path("/reset")
        .add_public_path("/")
        .add_public_path("/about")
        .with_default_access(Access::Public)
        .add_protected_path("/account")
        .add_protected_prefix("/assets/paid/")
        .add_public_prefix("/assets/")
        .with_preflight(Preflight::Pass)
        .with_user_path("/auth/user")
        .with_user_claims(["name", "email"])
        .with_signed_out_user(SignedOutUser::NoUser)
        .with_kept_form_path("/auth/form")
        .add_trusted_origin("https://staff.example.com")
        .unwrap()
        .add_cross_site_path("/paid")
        .add_cross_site_path("/hook")
        .add_cross_site_prefix("/embed/")
        .with_response_mode(ResponseMode::FormPost)
        .with_openid_scopes(["openid", "profile"])
        .with_sign_in(sign_in)
        .with_languages(["de", "en"])
        .with_user_info(UserInfo::Never)
        .with_groups(GroupsFrom::Graph)
        .with_client_capabilities(["cp1"])
        .with_id_token_algorithms(["RS256", "ES256"].map(|name| name.parse().unwrap()))
        .add_trusted_audience("a")
        .add_trusted_audience("b")
        .with_required_acr(["gold"])
        .with_max_token_age(Duration::from_secs(300))
        .with_clock_leeway(Duration::from_secs(30))
        .with_cookie_secrets([
            "the newest cookie secret of 32 bytes",
            "the one before it, also of 32 bytes",
        ])
        .with_idle_timeout(Duration::from_secs(3600))
        .with_absolute_timeout(Duration::from_secs(86400))
        .with_store_timeout(Duration::from_millis(500))
        .with_cookie_lifetime(CookieLifetime::Session)
        .with_session_end(SessionEnd::IdTokenExpiry)
        .with_provider_session(ProviderSession::Keep)
        .with_end_session_endpoint("https://op.example.com/out")
        .unwrap()
        .with_sign_out_return_parameter("next")
        .add_sign_out_parameter("federated", "")
        .with_back_channel("https://10.0.0.1")
        .unwrap()
        .with_discovery_url("https://op.example.com/d")
        .unwrap()
        .danger_allow_http()
}

fn refused(members: &Json, words: &[&str]) {
    let error = serde_json::from_value::<IdentityConfig>(members.clone()).unwrap_err().to_string();
    assert!(words.iter().all(|word| error.contains(word)), "{members}: {error}");
    assert!(!error.contains("hush") && !error.contains("IDENTITY_"), "{error}");
}

#[test]
fn toml_json_and_yaml_say_what_the_methods_say() {
    let wanted = built_in_code();
    let toml: IdentityConfig = toml::from_str(TOML).unwrap_or_else(|error| panic!("{error}"));
    assert_eq!(toml, wanted);
    let tree: Json = toml::from_str(TOML).unwrap();
    assert_eq!(serde_json::from_value::<IdentityConfig>(tree.clone()).unwrap(), wanted);
    let yaml = serde_yaml_ng::to_string(&tree).unwrap();
    assert_eq!(serde_yaml_ng::from_str::<IdentityConfig>(&yaml).unwrap(), wanted);
}

#[test]
fn the_environment_without_its_prefix_is_a_source_too() {
    let all = json!({
        "authority": "https://op.example.com", "client_id": "client-id",
        "client_secret": "hush-hush", "base_url": "https://app.example.com",
        "scope": "a b", "danger_allow_http": "true", "idle_timeout": "60",
        // Azure's own variables begin with the same prefix.
        "endpoint": "http://127.0.0.1:41/msi/token", "header": "x",
    });
    let config: IdentityConfig = serde_json::from_value(all).unwrap();
    assert_eq!(config.sign_in.scopes, ["a", "b"]);
    assert!(config.danger_http && config.idle_timeout.as_secs() == 60);
}

#[test]
fn an_unknown_member_is_refused_with_the_nearest_setting() {
    for (name, meant) in [
        ("client_secrets", "`client_secret`"),
        ("client-id", "`client_id`"),
        ("scopes", "`scope`"),
        ("redirect_url", "`redirect_uri`"),
        ("tenant_id", "`authority`"),
        ("Base_Url", "`base_url`"),
        ("something_quite_different", "IdentityConfig::from_env"),
    ] {
        let members = json!({
            "authority": "https://op.example.com", "client_id": "a", name: "hush-hush",
        });
        let error = serde_json::from_value::<IdentityConfig>(members).unwrap_err().to_string();
        assert!(error.starts_with(&format!("{name}: ")) && error.contains(meant), "{error}");
        assert!(!error.contains("hush"), "{error}");
    }
}

#[test]
fn a_setting_in_the_spelling_of_a_section_is_a_misspelling_beside_settings_of_this_crate() {
    for (name, meant, others) in [
        ("clientid", "`client_id`", &["authority", "client_secret", "base_url"][..]),
        ("clientId", "`client_id`", &["authority", "base_url"]),
        ("ClientID", "`client_id`", &["authority", "cookie_secret"]),
        ("clientSecret", "`client_secret`", &["authority", "client_id"]),
        ("tenantid", "`authority`", &["authority", "client_id"]),
        ("callbackPath", "`callback_path`", &["authority", "client_id", "base_url"]),
        ("Authority", "`authority`", &["client_id", "base_url"]),
    ] {
        let mut members = json!({name: "https://op.example.com/hush"});
        for other in others {
            members[*other] = json!("https://op.example.com/hush");
        }
        let error = serde_json::from_value::<IdentityConfig>(members).unwrap_err().to_string();
        assert!(
            error.starts_with(&format!("{name}: not a setting: is {meant} meant")),
            "{others:?}: {error}"
        );
        assert!(!error.contains("hush"), "{error}");
    }
}

#[test]
fn a_whole_appsettings_file_is_refused_with_the_name_of_the_section_to_read() {
    for (section, problem) in
        [("AzureAd", "the member `AzureAd` alone"), ("AzureAdB2C", "`AzureAdB2C`")]
    {
        let file = json!({
            "AllowedHosts": "*",
            section: {"TenantId": "contoso.onmicrosoft.com", "ClientId": "a"},
            "Logging": {"LogLevel": {"Default": "Information"}},
        });
        let error = serde_json::from_value::<IdentityConfig>(file).unwrap_err().to_string();
        assert!(
            error.starts_with("AllowedHosts: not a setting") && error.contains(problem),
            "{error}"
        );
    }
    // Beside settings of this crate it may be a misspelt one.
    let file = json!({"azure_ad": {"ClientId": "a"}, "idletimeout": 60, "scope": "email"});
    let error = serde_json::from_value::<IdentityConfig>(file).unwrap_err().to_string();
    assert!(error.contains("`idle_timeout`"), "{error}");
}

#[test]
fn an_error_of_build_names_the_member_of_the_file_and_no_variable() {
    let built = |more: &str| {
        let text = format!("authority = \"https://op.example.com\"\nclient_id = \"a\"\n{more}");
        let config: IdentityConfig =
            toml::from_str(&text).unwrap_or_else(|error| panic!("{error}"));
        config.build().unwrap_err()
    };
    let placed = "base_url = \"https://app.example.com\"\n";
    let secret = "client_secret = \"hush\"\n";
    for (more, setting, words) in [
        (placed.to_owned(), "client_secret", "client_auth_method=none"),
        (secret.to_owned(), "base_url", "missing"),
        (format!("{placed}{secret}cookie_secret = \"hush\""), "cookie_secret", "32"),
        (format!("{placed}{secret}scope = ['a\"b']"), "scope", "one scope"),
        (
            format!("{placed}{secret}openid_scopes = ['openid', 'a\"b']"),
            "openid_scopes",
            "one scope",
        ),
        (format!("{placed}{secret}clock_leeway = 301"), "clock_leeway", "300"),
    ] {
        let error = built(&more);
        let text = error.to_string();
        assert!(error.setting() == setting && text.contains(words), "{text}");
        assert!(!text.contains("hush") && !text.contains("IDENTITY_"), "{text}");
    }
    let section: IdentityConfig = toml::from_str(&format!(
        "{placed}azure_ad = {{ TenantId = \"common\", ClientId = \"a\", ClientSecret = \"hush\" }}"
    ))
    .unwrap_or_else(|error| panic!("{error}"));
    assert_eq!(section.build().unwrap_err().setting(), "tenants");
}

#[test]
fn a_mistake_is_reported_under_the_name_of_the_member() {
    let with = |name: &str, value: Json| {
        let mut members = json!({
            "authority": "https://op.example.com", "client_id": "a", "client_secret": "hush-hush",
        });
        members[name] = value;
        members
    };
    refused(&json!({}), &["client_id: missing"]);
    refused(&json!({"client_id": "a"}), &["authority: missing"]);
    refused(&with("max_age", json!("soon")), &["max_age: ", "seconds"]);
    refused(&with("max_age", json!([1, 2])), &["max_age: ", "one value"]);
    refused(&with("scope", json!(["a b"])), &["scope: ", "white space"]);
    refused(&with("scope", json!([["a"]])), &["scope: ", "a list or a table"]);
    refused(&with("base_url", json!({"a": 1})), &["base_url: ", "table"]);
    refused(&with("base_url", json!("app")), &["base_url: "]);
    refused(&with("user_info", json!("maybe")), &["user_info: ", "`if_missing`"]);
    refused(&with("client_secret_file", json!("/no/such/file")), &["client_secret_file: "]);
    refused(
        &with("client_auth_method", json!("none")),
        &["client_auth_method: ", "client_secret,"],
    );
    let twice = r#"{"authority": "https://op.example.com", "client_id": "a", "client_id": "b"}"#;
    let error = serde_json::from_str::<IdentityConfig>(twice).unwrap_err().to_string();
    assert!(error.contains("`client_id` occurs twice"), "{error}");
    assert!(serde_json::from_value::<IdentityConfig>(json!([])).is_err());
}

#[test]
fn an_azure_ad_section_stands_alone_or_in_a_member() {
    let section = json!({
        "Instance": "https://login.microsoftonline.com/", "TenantId": TENANT, "ClientId": "a",
        "ClientCredentials": [{"SourceType": "ClientSecret", "ClientSecret": "hush-hush"}],
        "AllowWebApiToBeAuthorizedByACL": true,
    });
    let alone: IdentityConfig = serde_json::from_value(section.clone()).unwrap();
    for name in ["azure_ad", "AzureAd", "azuread"] {
        let both = json!({name: section, "base_url": "https://app.example.com", "scope": ["x"]});
        let both: IdentityConfig = serde_json::from_value(both).unwrap();
        assert_eq!(both.callback_path.as_deref(), Some("/signin-oidc"));
        assert_eq!(both.sign_in.scopes, ["x"]);
        assert_eq!((&both.authority, &both.credential), (&alone.authority, &alone.credential));
    }
    let mut mixed = section;
    mixed["base_url"] = json!("https://app.example.com");
    refused(&mixed, &["base_url: ", "`azure_ad`"]);
}

#[test]
fn a_list_of_an_azure_ad_section_goes_on_after_an_empty_item() {
    let config: IdentityConfig = serde_json::from_value(json!({
        "TenantId": TENANT, "ClientId": "a",
        "ClientCredentials": [
            {}, null, {"SourceType": ""},
            {"SourceType": "ClientSecret", "ClientSecret": "hush-hush"},
        ],
        "ClientCapabilities": ["", "cp1"],
    }))
    .unwrap();
    assert!(config.credential.is_some());
    assert_eq!(config.client_capabilities, ["cp1"]);
}

/// A file is for the machine that it is written for: nothing about it is guessed.
#[test]
fn a_file_has_no_default_base_url() {
    let config: IdentityConfig = serde_json::from_value(json!({
        "authority": "https://op.example.com", "client_id": "a", "client_secret": "hush-hush",
    }))
    .unwrap();
    assert!(config.build().unwrap_err().to_string().contains("base_url"));
}

#[test]
fn an_api_has_the_same_format() {
    let api: ApiConfig = serde_json::from_value(json!({
        "authority": "https://op.example.com", "client_id": "api", "audience": ["a", "b"],
        "resource": "https://api.example.com", "api_scopes": ["read", "write"],
        "access_token_type": "at+jwt", "introspection": "opaque",
    }))
    .unwrap();
    let wanted = ApiConfig::new(Authority::oidc("https://op.example.com").unwrap(), "api")
        .add_audience("a")
        .add_audience("b")
        .with_resource("https://api.example.com")
        .unwrap()
        .with_scopes(["read", "write"])
        .with_token_type(crate::config::AccessTokenType::AtJwt)
        .with_introspection(crate::config::Introspection::Opaque);
    assert_eq!(api, wanted);
}

#[test]
fn a_sign_in_by_device_code_can_be_written_in_a_file() {
    let config: IdentityConfig = toml::from_str(
        "authority = \"https://op.example.com\"\nclient_id = \"a\"\n\
         sign_in_method = \"device_code\"",
    )
    .unwrap();
    assert_eq!(config.sign_in_method, SignInMethod::DeviceCode);
}
