//! The authorities that URLs of every form give, and the errors of the others.

use super::*;

const GUID: &str = "f645ad92-e38d-4d1a-b510-d1b09a74a8ca";

fn address(url: &str) -> String {
    Authority::parse(url).unwrap_or_else(|error| panic!("{url}: {error}")).to_string()
}

fn metadata(url: &str) -> String {
    Authority::parse(url).unwrap().metadata_url().to_string()
}

fn refused(url: &str) -> String {
    Authority::parse(url)
        .map_or_else(|error| error.to_string(), |authority| panic!("{url} became {authority}"))
}

// MSAL-001: Authority `https://login.microsoftonline.com/common` (well-known host); the client
//   starts
// MSAL-011: Authority `https://host/tenant/subpath?foo=bar#fragment`; it is canonicalised
// MSAL-025: Authority `login.microsoftonline.com/tenant` (no scheme), `https://…//tenant`,
//   trailing slash, no tenant; it is parsed into instance + tenant
#[test]
fn an_entra_address_is_read_in_every_form_that_people_have() {
    let wanted = "https://login.microsoftonline.com/contoso.onmicrosoft.com/v2.0";
    for form in [
        "https://login.microsoftonline.com/contoso.onmicrosoft.com",
        "https://login.microsoftonline.com/contoso.onmicrosoft.com/",
        "https://LOGIN.microsoftonline.com/Contoso.onmicrosoft.com/v2.0/",
        "https://login.microsoftonline.com/contoso.onmicrosoft.com/v2.0\
         /.well-known/openid-configuration",
        "https://login.microsoftonline.com/contoso.onmicrosoft.com/oauth2/v2.0/authorize",
        "https://login.microsoftonline.com/contoso.onmicrosoft.com/subpath#fragment",
        "https://login.microsoftonline.com:443/contoso.onmicrosoft.com?",
    ] {
        assert_eq!(address(form), wanted, "{form}");
        assert_eq!(Authority::parse(form), Authority::entra("contoso.onmicrosoft.com"), "{form}");
    }
    assert_eq!(metadata(wanted), format!("{wanted}/.well-known/openid-configuration"));
}

// MSAL-014: Authority with port or query; endpoints are derived
// MSAL-023: Authority with query `?dc=…` (several, empty `?`, parameter without value); options
//   are merged
#[test]
fn port_and_query_go_to_the_document_and_not_into_the_tenant() {
    let url = "https://login.microsoftonline.com/common/v2.0?appid=6731de76&empty";
    assert_eq!(
        metadata(url),
        "https://login.microsoftonline.com/common/v2.0/.well-known/openid-configuration\
         ?appid=6731de76&empty"
    );
    assert_eq!(address(url), "https://login.microsoftonline.com/common/v2.0");
    assert_eq!(
        metadata("http://localhost:8080/common?dc=x"),
        "http://localhost:8080/common/v2.0/.well-known/openid-configuration?dc=x"
    );
}

// MSAL-012: Authority with `http://`; it is canonicalised
// MSAL-025: Authority `login.microsoftonline.com/tenant` (no scheme), `https://…//tenant`,
//   trailing slash, no tenant; it is parsed into instance + tenant
#[test]
fn an_invalid_authority_names_the_expected_form() {
    assert!(refused("http://login.microsoftonline.com/common").contains("https://"));
    for text in ["login.microsoftonline.com/common", "contoso.onmicrosoft.com", "common"] {
        assert!(refused(text).contains("https://login.microsoftonline.com/{tenant}"), "{text}");
    }
    assert!(
        refused("https://login.microsoftonline.com")
            .contains("https://login.microsoftonline.com/{tenant}")
    );
    assert!(refused("https://login.microsoftonline.com//common").contains("two slashes"));
    assert!(refused("https://login.microsoftonline.com/{tenant-id}").contains("domain name"));
    assert!(refused("https://login.microsoftonline.com/common/v1.1").contains("v2.0"));
    assert!(
        refused("https://login.microsoftonline.com/tfp/contoso.onmicrosoft.com/B2C_1_x")
            .contains("b2clogin.com")
    );
    assert!(refused("https://contoso.b2clogin.com/contoso.onmicrosoft.com").contains("{policy}"));
    assert!(
        refused("https://contoso.ciamlogin.com/custom/path").contains("ciamlogin.com/{tenant}")
    );
    assert!(refused("https://contoso.ciamlogin.com/common").contains("not one tenant"));
    assert!(refused("https://user:secret@op.example.com").contains("user name or password"));
    assert!(!refused("https://user:secret@op.example.com").contains("secret"));
    for text in [
        "",
        "common",
        "ftp://op.example.com",
        "https://",
        "mailto:a@example.com",
        "https://op.example.com/?a=b",
        "https://op.example.com/#x",
    ] {
        refused(text);
    }
}

// MSAL-009: CIAM authority `https://contoso.ciamlogin.com` with no path; it is canonicalised
/// Row ISS-209 of `issuers.json`.
#[test]
fn an_external_id_address_without_a_path_gets_its_tenant_from_the_host() {
    let wanted = "https://contoso.ciamlogin.com/contoso.onmicrosoft.com/v2.0";
    for form in [
        "https://contoso.ciamlogin.com",
        "https://contoso.ciamlogin.com/",
        "https://contoso.ciamlogin.com/v2.0",
        wanted,
    ] {
        assert_eq!(address(form), wanted);
    }
    assert_eq!(Authority::parse(wanted), Authority::external_id("contoso"));
    assert_eq!(
        address(&format!("https://{GUID}.ciamlogin.com")),
        format!("https://{GUID}.ciamlogin.com/{GUID}/v2.0")
    );
}

// MSAL-024: B2C authority with `/tfp/` segment; token acquisition authority is built
#[test]
fn a_b2c_address_is_the_same_with_and_without_tfp() {
    let wanted = "https://contoso.b2clogin.com/contoso.onmicrosoft.com/B2C_1_susi/v2.0";
    for form in [
        "https://contoso.b2clogin.com/contoso.onmicrosoft.com/B2C_1_susi",
        "https://contoso.b2clogin.com/tfp/contoso.onmicrosoft.com/B2C_1_susi/v2.0/",
        "https://contoso.b2clogin.com/contoso.onmicrosoft.com/B2C_1_susi/v2.0\
         /.well-known/openid-configuration",
    ] {
        assert_eq!(address(form), wanted);
    }
    assert_eq!(Authority::parse(wanted), Authority::b2c("contoso", B2cPolicies::new("B2C_1_susi")));
    let custom =
        Authority::parse(&format!("https://login.contoso.com/{GUID}/b2c_1a_susi")).unwrap();
    assert_eq!(
        custom,
        Authority::b2c_custom_domain("login.contoso.com", GUID, B2cPolicies::new("b2c_1a_susi"))
            .unwrap()
    );
    let reset = custom.for_policy("b2c_1_reset").unwrap();
    assert_eq!(reset.to_string(), format!("https://login.contoso.com/{GUID}/b2c_1_reset/v2.0"));
}

// MSAL-002: Authority on an unknown Microsoft-style host; the client starts with defaults
// MSAL-005: `instance_discovery=false` with any of: public host, ADFS, B2C,
//   `https://private.cloud/foo`; the client starts
#[test]
fn a_host_outside_the_table_is_no_cloud_unless_the_user_vouches_for_it() {
    let private = "https://private.cloud/foo";
    assert!(!Authority::parse(private).unwrap().is_microsoft());
    assert!(
        Authority::entra_url(private).unwrap_err().to_string().contains("entra_unlisted_cloud")
    );
    assert_eq!(
        Authority::entra_unlisted_cloud(private).unwrap().to_string(),
        "https://private.cloud/foo/v2.0"
    );
    assert!(
        Authority::entra_unlisted_cloud("https://login.microsoftonline.us/common")
            .unwrap_err()
            .to_string()
            .contains("US government")
    );
}

#[test]
fn on_loopback_the_path_distinguishes_entra_from_a_generic_provider() {
    for entra in [
        "http://127.0.0.1:9/common",
        "http://localhost:9/organizations/v2.0",
        "http://[::1]:9/contoso.com/v2.0/",
        &format!("http://localhost/{GUID}"),
    ] {
        let authority = Authority::parse(entra).unwrap();
        assert!(authority.is_microsoft(), "{entra}");
        assert_eq!(Ok(authority), Authority::entra_url(entra));
    }
    for generic in [
        "http://127.0.0.1:9",
        "http://127.0.0.1:9/",
        "http://localhost:9/oidc",
        "http://localhost:9/realms/a",
        "http://localhost:9/realms/v2.0/a",
    ] {
        assert!(!Authority::parse(generic).unwrap().is_microsoft(), "{generic}");
        assert_eq!(address(generic), generic);
    }
    assert!(
        Authority::parse("http://127.0.0.1:9/contoso.com/B2C_1_susi")
            .unwrap()
            .b2c_policies()
            .is_some()
    );
}

#[test]
fn a_generic_issuer_is_kept_unchanged() {
    for (issuer, document) in [
        ("https://op.example.com", "https://op.example.com/.well-known/openid-configuration"),
        ("https://op.example.com/", "https://op.example.com/.well-known/openid-configuration"),
        (
            "https://op.example.com/a/b",
            "https://op.example.com/a/b/.well-known/openid-configuration",
        ),
        ("https://op.example.com/a/", "https://op.example.com/a/.well-known/openid-configuration"),
    ] {
        assert_eq!((address(issuer).as_str(), metadata(issuer).as_str()), (issuer, document));
        assert_eq!(Authority::oidc(issuer), Authority::parse(issuer));
    }
    assert_eq!(
        address("https://op.example.com/a/.well-known/openid-configuration"),
        "https://op.example.com/a"
    );
    assert!(
        Authority::oidc("https://login.microsoftonline.com/common/v2.0").unwrap().is_microsoft()
    );
}

#[test]
fn ad_fs_is_recognised_by_its_path() {
    let adfs = Authority::parse("https://sts.contoso.com/adfs/").unwrap();
    assert!(adfs.is_adfs() && !adfs.is_microsoft());
    assert_eq!(Ok(&adfs), Authority::adfs("sts.contoso.com").as_ref());
    assert_eq!(
        metadata("https://sts.contoso.com/adfs"),
        "https://sts.contoso.com/adfs/.well-known/openid-configuration"
    );
    assert!(!Authority::parse("https://op.example.com/adfs/realms/x").unwrap().is_adfs());
}

#[test]
fn constructors_take_names_and_not_addresses() {
    for name in ["", "contoso.com", "a/b", "https://contoso"] {
        assert!(Authority::external_id(name).is_err(), "{name}");
        assert!(Authority::b2c(name, B2cPolicies::new("B2C_1_x")).is_err(), "{name}");
    }
    for policy in ["", "a/b", "../x", "B2C 1"] {
        assert!(Authority::b2c("contoso", B2cPolicies::new(policy)).is_err(), "{policy}");
        assert!(
            Authority::b2c("contoso", B2cPolicies::new("B2C_1_x").with_reset_password(policy))
                .is_err(),
            "{policy}"
        );
    }
    for domain in
        ["", "login.contoso.com/path", "http://login.contoso.com", "contoso.ciamlogin.com", "a b"]
    {
        assert!(Authority::external_id_custom_domain(domain, GUID).is_err(), "{domain}");
    }
    assert!(Authority::external_id_custom_domain("login.contoso.com", "common").is_err());
    assert!(Authority::entra("contoso/../x").is_err());
    for url in ["https://login.microsoftonline.com/common", "login.microsoftonline.com/common"] {
        let error = Authority::entra(url).unwrap_err().to_string();
        assert!(error.contains("Authority::parse"), "{error}");
    }
}
