//! The configuration of an API: from code, from variables, from an `AzureAd` section.

use serde_json::json;

use super::{
    AccessTokenType, ApiConfig, ClientCredential, Introspection, ValidApiConfig, api_env,
    test_variables::read_variables,
};
use crate::{authority::Authority, error::ConfigError};

const TENANT: &str = "f645ad92-e38d-4d1a-b510-d1b09a74a8ca";
const APP: &str = "6731de76-14a6-49ae-97bc-6eba6914391e";

fn entra() -> ApiConfig {
    ApiConfig::new(Authority::entra(TENANT).unwrap(), APP)
}

fn plain() -> ApiConfig {
    ApiConfig::new(Authority::oidc("https://id.example.com").unwrap(), "api")
}

fn read(pairs: &[(&str, &str)]) -> Result<ApiConfig, ConfigError> {
    read_variables(pairs, api_env::api_from_variables)
}

fn audiences(config: ApiConfig) -> Vec<String> {
    config.build().unwrap().audiences().to_vec()
}

#[test]
fn neither_a_secret_nor_a_base_url_is_needed() {
    assert_eq!(audiences(plain()), ["api"]);
    let (bare, named) = (format!("api://{APP}"), format!("api://{APP}/"));
    assert_eq!(audiences(entra()), [APP, &bare, &named]);
    assert_eq!(
        audiences(plain().with_resource("https://api.example.com/mcp").unwrap().add_audience("b")),
        ["api", "b", "https://api.example.com/mcp"]
    );
    for (resource, other) in [
        ("https://api.example.com", "https://api.example.com/"),
        ("https://api.example.com/", "https://api.example.com"),
    ] {
        let named = audiences(plain().with_resource(resource).unwrap());
        assert_eq!(named, ["api", resource, other], "clients write both");
    }
    assert_eq!(audiences(plain().with_audiences(["urn:notes"])), ["urn:notes"]);
    let spaced = ApiConfig::new(Authority::oidc("https://id.example.com").unwrap(), "my api");
    assert_eq!(audiences(spaced), ["my api"]);
}

#[test]
fn every_mistake_is_found_when_it_is_built() {
    let problem = |config: ApiConfig| config.build().unwrap_err().setting().to_owned();
    assert_eq!(problem(plain().with_audiences([""; 0])), "audiences");
    assert_eq!(problem(plain().add_audience("a b")), "audiences");
    assert_eq!(problem(plain().with_introspection(Introspection::Opaque)), "introspection");
    assert_eq!(problem(plain().add_public_prefix("/")), "public_prefixes");
    assert_eq!(problem(plain().with_tenants([TENANT]).unwrap()), "tenants");
    assert_eq!(
        problem(ApiConfig::new(Authority::entra("common").unwrap(), APP)),
        "tenants",
        "everyone in the world is never a default"
    );
    for resource in
        ["api", "http://api.example.com", "https://a.example/#x", "https://a.example/?x"]
    {
        assert_eq!(plain().with_resource(resource).unwrap_err().setting(), "resource");
    }
    for (written, sent) in [
        ("HTTPS://api.example.com/mcp", "https://api.example.com/mcp"),
        ("https://API.example.com/mcp", "https://api.example.com/mcp"),
        ("https://api.example.com:443/mcp", "https://api.example.com/mcp"),
        ("https://api.example.com/a/../mcp", "https://api.example.com/mcp"),
        ("https://api.example.com/m cp", "https://api.example.com/m%20cp"),
        (" https://api.example.com/mcp", "https://api.example.com/mcp"),
        ("https://bücher.example/mcp", "https://xn--bcher-kva.example/mcp"),
    ] {
        let error = plain().with_resource(written).unwrap_err();
        assert_eq!(error.setting(), "resource");
        assert!(error.to_string().contains(&format!("write {sent:?}")), "{error}");
        assert!(plain().with_resource(sent).is_ok(), "{sent}");
    }
    for resource in ["https://api.example.com/", "https://api.example.com/mcp/"] {
        let error = entra().with_resource(resource).unwrap().build().unwrap_err();
        assert_eq!(error.setting(), "resource");
        assert!(error.to_string().contains("AADSTS9010010"), "{error}");
        assert!(plain().with_resource(resource).unwrap().build().is_ok());
    }
    assert!(plain().add_public_prefix("/auth/").build().is_ok(), "no paths of its own are there");
}

#[test]
fn variables_say_what_methods_do() {
    let base =
        [("IDENTITY_OIDC_AUTHORITY", "https://id.example.com"), ("IDENTITY_CLIENT_ID", "api")];
    let with = |more: &[(&'static str, &'static str)]| read(&[&base[..], more].concat());
    assert_eq!(with(&[]).unwrap().audiences, plain().audiences);
    let config = with(&[
        ("IDENTITY_AUDIENCE", "urn:a urn:b"),
        ("IDENTITY_RESOURCE", "https://api.example.com"),
        ("IDENTITY_API_SCOPES", "Notes.Read Notes.Write"),
        ("IDENTITY_ACCESS_TOKEN_TYPE", "at+jwt"),
        ("IDENTITY_INTROSPECTION", "opaque"),
        ("IDENTITY_CLIENT_SECRET", "a secret of the API that is long enough"),
        ("IDENTITY_CLIENT_CAPABILITIES", "cp1"),
        ("LISTEN", "0.0.0.0:3000"),
    ])
    .unwrap();
    let wanted = plain()
        .add_audience("urn:a")
        .add_audience("urn:b")
        .with_resource("https://api.example.com")
        .unwrap()
        .with_scopes(["Notes.Read", "Notes.Write"])
        .with_token_type(AccessTokenType::AtJwt)
        .with_introspection(Introspection::Opaque)
        .with_client_capabilities(["cp1"])
        .with_credential(ClientCredential::secret("a secret of the API that is long enough"));
    assert!(config.identity.notices.is_empty(), "{:?}", config.identity.notices);
    let told = |config: ApiConfig| {
        let valid = config.build().unwrap();
        let capabilities = valid.identity().client_capabilities().to_vec();
        (format!("{valid:?}"), valid.scopes().to_vec(), valid.rules().clone(), capabilities)
    };
    assert_eq!(told(config), told(wanted));
    // An application and its API may share the variable, which is about ID tokens then.
    assert!(with(&[("IDENTITY_ID_TOKEN_ALGORITHMS", "HS256")]).unwrap().build().is_ok());
    for (name, value) in [
        ("IDENTITY_RESOURCE", "api"),
        ("IDENTITY_ACCESS_TOKEN_TYPE", "jwt"),
        ("IDENTITY_INTROSPECTION", "always"),
        ("IDENTITY_API_B2C_POLICIES", "B2C_1_a, B2C_1_b"),
        ("IDENTITY_AUDIENCE", "urn:a,urn:b"),
        ("IDENTITY_API_SCOPES", "Notes.Read, Notes.Write"),
    ] {
        assert_eq!(with(&[(name, value)]).unwrap_err().setting(), name);
    }
}

#[test]
fn an_azure_ad_section_names_audiences() {
    let section = json!({
        "Instance": "https://login.microsoftonline.com/", "TenantId": TENANT, "ClientId": APP,
        "Audience": "api://notes", "Audiences": ["api://old"],
    });
    let config: ApiConfig = serde_json::from_value(section).unwrap();
    let valid: ValidApiConfig = config.build().unwrap();
    for name in [APP, "api://notes", "api://notes/", "api://old"] {
        assert!(valid.audiences().iter().any(|own| own == name), "{name}");
    }
    let config = read(&[
        ("AzureAd__TenantId", TENANT),
        ("AzureAd__ClientId", APP),
        ("AzureAd__Audience", "api://notes"),
        ("AzureAd__Audiences__0", "api://old"),
    ]);
    assert!(audiences(config.unwrap()).iter().any(|own| own == "api://old"));
}

#[test]
fn the_policies_of_an_api_are_of_b2c() {
    let of_b2c = [
        ("IDENTITY_B2C_TENANT_NAME", "contoso"),
        ("IDENTITY_SIGNUPSIGNIN_USER_FLOW", "B2C_1_in"),
        ("IDENTITY_EDITPROFILE_USER_FLOW", "B2C_1_edit"),
        ("IDENTITY_RESETPASSWORD_USER_FLOW", "B2C_1_reset"),
        ("IDENTITY_CLIENT_ID", APP),
    ];
    let with = |named: Option<&'static str>| {
        let mut variables = of_b2c.to_vec();
        variables.extend(named.map(|named| ("IDENTITY_API_B2C_POLICIES", named)));
        read(&variables).unwrap()
    };
    for (named, wanted) in [
        (None, &["B2C_1_in"][..]),
        (Some("B2C_1_edit B2C_1A_x b2c_1_IN"), &["B2C_1_in", "B2C_1_edit", "B2C_1A_x"]),
        (Some("B2C_1_in"), &["B2C_1_in"]),
    ] {
        assert_eq!(with(named).build().unwrap().rules().policies, wanted, "{named:?}");
    }
    let none: [&str; 0] = [];
    let alone = with(None).with_b2c_policies(none).build().unwrap();
    assert_eq!(alone.rules().policies, ["B2C_1_in"]);
    for odd in ["../x", "a/b", ""] {
        let error = with(None).with_b2c_policies([odd]).build().unwrap_err().to_string();
        assert!(error.contains("IDENTITY_API_B2C_POLICIES"), "{error}");
    }
    for config in [plain(), entra()] {
        assert!(config.clone().build().unwrap().rules().policies.is_empty());
        let error = config.with_b2c_policies(["B2C_1_in"]).build().unwrap_err().to_string();
        assert!(error.contains("not B2C") && error.contains("B2C_1_in"), "{error}");
    }
}
