//! Authority and client by the names of other libraries: `AzureAd__…`, `AZURE_…`, names of B2C
//! user flows; and contradictions between them.

use super::{tests::*, *};

fn authority(pairs: &[(&str, &str)]) -> String {
    config(&[&[("IDENTITY_CLIENT_ID", "client-id")], pairs].concat()).authority.to_string()
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
