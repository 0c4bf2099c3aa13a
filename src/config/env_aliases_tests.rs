//! Authority and client by the names of other libraries: `AzureAd__…`, `AZURE_…`, names of B2C
//! user flows; and contradictions between them.

use super::{tests::*, *};
use crate::{authority::Authority, config::ClientCredential};

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
        &[("AZURE_TENANT_ID", TENANT), ("CLIENT_ID", "other")],
        &["IDENTITY_CLIENT_ID", "CLIENT_ID", "client-id", "other"],
    );
}

/// The variables that AKS injects into a pod with workload identity, for this tenant and client.
fn of_aks<'a>(tenant: &'a str, client_id: &'a str) -> [(&'a str, &'a str); 4] {
    [
        ("AZURE_TENANT_ID", tenant),
        ("AZURE_CLIENT_ID", client_id),
        ("AZURE_AUTHORITY_HOST", "https://login.microsoftonline.com/"),
        ("AZURE_FEDERATED_TOKEN_FILE", "/var/run/secrets/azure/tokens/azure-identity-token"),
    ]
}

/// A GUID and a domain may denote the same tenant, and one application may be at home in the one
/// tenant and sign in the users of another.
#[test]
fn what_aks_injects_never_contradicts_the_authority_of_the_application() {
    let token = ClientCredential::federated_token_file(
        "/var/run/secrets/azure/tokens/azure-identity-token",
    );
    let own = "6731de76-14a6-49ae-97bc-6eba6914391e";
    for authority in [
        "https://login.microsoftonline.com/contoso.onmicrosoft.com",
        "https://login.microsoftonline.com/organizations",
        "https://login.microsoftonline.com/common",
        "https://login.microsoftonline.com/consumers",
        "https://login.microsoftonline.us/contoso.onmicrosoft.us",
        "https://contoso.b2clogin.com/contoso.onmicrosoft.com/B2C_1_a",
        "https://contoso.ciamlogin.com/contoso.onmicrosoft.com",
        &format!("https://login.microsoftonline.com/{TENANT}"),
        &format!("https://login.microsoftonline.com/{OTHER}"),
        "https://op.example.com",
    ] {
        let explicit =
            [("IDENTITY_AUTHORITY", authority), ("IDENTITY_CLIENT_ID", &own.to_uppercase())];
        // The client ids are equal, since those of Entra ID are GUIDs.
        let config = config(&[&explicit[..], &of_aks(TENANT, own)].concat());
        assert_eq!(config.authority, Authority::parse(authority).unwrap());
        assert_eq!(config.client_id, own.to_uppercase());
        assert_eq!(config.credential.as_ref(), Some(&token), "{authority}");
        // The pod has the identity of another application.
        let other = self::config(&[&explicit[..], &of_aks(TENANT, OTHER)].concat());
        assert_eq!((&other.authority, &other.credential), (&config.authority, &None));
    }
    // No client id but that of the platform.
    for authority in ["contoso.onmicrosoft.com", "organizations", TENANT] {
        let authority = format!("https://login.microsoftonline.com/{authority}");
        let explicit = [("IDENTITY_AUTHORITY", authority.as_str())];
        let config = config(&[&explicit[..], &of_aks(TENANT, own)].concat());
        assert_eq!((config.client_id.as_str(), config.credential.as_ref()), (own, Some(&token)));
    }
    for authority in [&format!("https://login.microsoftonline.com/{OTHER}"), "https://op.example"] {
        let explicit = [("IDENTITY_AUTHORITY", authority)];
        let error = read(&[&explicit[..], &of_aks(TENANT, own)].concat()).unwrap_err();
        assert_eq!(error.setting(), "IDENTITY_CLIENT_ID");
        let text = error.to_string();
        assert!(text.contains("AZURE_CLIENT_ID") && text.contains("AZURE_TENANT_ID"), "{text}");
    }
}

#[test]
fn an_explicit_setting_has_precedence_over_one_of_azure() {
    let azure = [("AZURE_TENANT_ID", OTHER), ("AZURE_CLIENT_SECRET", "theirs")];
    assert_eq!(with(&azure), config(BASIC));
    let method = |method| ("IDENTITY_CLIENT_AUTH_METHOD", method);
    let tenant = [("AZURE_TENANT_ID", TENANT), ("IDENTITY_CLIENT_ID", "client-id")];
    let credential = |more: &[(&str, &str)]| config(&[&tenant[..], more].concat()).credential;
    let secret = ("AZURE_CLIENT_SECRET", "theirs");
    assert_eq!(credential(&[secret]), Some(ClientCredential::secret("theirs")));
    for (name, own) in [
        ("CLIENT_SECRET", ClientCredential::secret("/own")),
        ("AzureAd__ClientSecret", ClientCredential::secret("/own")),
        ("IDENTITY_CLIENT_CERTIFICATE_FILE", ClientCredential::certificate_file("/own")),
        ("IDENTITY_CLIENT_ASSERTION_FILE", ClientCredential::federated_token_file("/own")),
    ] {
        assert_eq!(credential(&[secret, (name, "/own")]), Some(own), "{name}");
    }
    assert_eq!(credential(&[secret, method("none")]), Some(ClientCredential::none()));
    let certificate = ("AZURE_CLIENT_CERTIFICATE_PATH", "/azure.pem");
    let of_azure = ClientCredential::certificate_file("/azure.pem");
    assert_eq!(credential(&[secret, certificate, method("private_key_jwt")]), Some(of_azure));
    assert_eq!(credential(&[("AZURE_CLIENT_CERTIFICATE_PASSWORD", "hush")]), None);
    // The secret or the key is set in code.
    assert_eq!(credential(&[certificate, method("client_secret_post")]), None);
    assert_eq!(credential(&[secret, method("private_key_jwt")]), None);
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

/// As in .NET, where an empty variable in one file takes an item of another file away.
#[test]
fn a_list_of_the_section_goes_on_after_an_empty_or_missing_item() {
    let section = config(&[
        ("AzureAd__TenantId", TENANT),
        ("AzureAd__ClientId", "a"),
        ("AzureAd__ClientCredentials__0__ClientSecret", ""),
        ("azuread__clientcredentials__10__SourceType", "ClientSecret"),
        ("azuread__clientcredentials__10__ClientSecret", "hush-hush"),
        ("AzureAd__ClientCapabilities__0", " "),
        ("AzureAd__ClientCapabilities__2", "cp1"),
    ]);
    assert_eq!(section.client_capabilities, ["cp1"]);
    assert!(section.build().unwrap().credential().is_confidential());
}

#[test]
fn a_list_of_the_section_in_one_variable_is_refused() {
    for name in ["AzureAd__Audiences", "AzureAd__ClientCredentials__ClientSecret"] {
        refused(&[("AzureAd__TenantId", TENANT), (name, "hush-hush")], &[name, "a list of"]);
    }
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
    assert_eq!(read("AzureAd__ResponseType", "code"), 0);
    assert_eq!(read("AzureAd__ResponseType", "id_token"), 1);
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

#[test]
fn variables_of_azure_about_another_application_are_named_where_the_authority_is_missing() {
    let azure = [("AZURE_TENANT_ID", TENANT), ("AZURE_CLIENT_ID", "another")];
    let because = "AZURE_TENANT_ID is not used, because AZURE_CLIENT_ID";
    refused(&azure, &["IDENTITY_AUTHORITY: missing", because]);
    let error = read(&[("IDENTITY_CLIENT_ID", "client-id")]).unwrap_err().to_string();
    assert!(!error.contains("AZURE_TENANT_ID"), "{error}");
}
