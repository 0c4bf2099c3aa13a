//! Configurations from sections of `appsettings.json`.

use serde_json::{Value, json};

use super::*;

const TENANT: &str = "f645ad92-e38d-4d1a-b510-d1b09a74a8ca";

fn read(mut section: Value) -> Result<IdentityConfig, String> {
    let members = section.as_object_mut().unwrap();
    members.entry("ClientId").or_insert_with(|| "client-id".into());
    members.entry("ClientSecret").or_insert_with(|| "hush-hush".into());
    serde_json::from_value(section).map_err(|error| error.to_string())
}

fn authority(section: Value) -> String {
    read(section).unwrap_or_else(|error| panic!("{error}")).authority.to_string()
}

/// As .NET reads it, and as figment's environment writes it.
#[test]
fn members_have_their_names_in_any_letter_case() {
    let section = |convert: fn(&str) -> String| {
        let item = json!({convert("SourceType"): "ClientSecret", convert("ClientSecret"): "hush"});
        let section = json!({
            convert("TenantId"): TENANT, convert("ClientId"): "c",
            convert("CallbackPath"): "/cb", convert("ClientCredentials"): [item],
            convert("SignInMethod"): "redirect", convert("SendX5C"): true,
            convert("DefaultAccess"): "public",
        });
        serde_json::from_value::<IdentityConfig>(section).unwrap()
    };
    let as_it_is = section(str::to_owned);
    assert!(as_it_is.credential.is_some() && as_it_is.callback_path.as_deref() == Some("/cb"));
    for convert in [str::to_lowercase, str::to_uppercase] {
        assert_eq!(section(convert), as_it_is);
    }
    let twice = json!({"TenantId": TENANT, "tenantid": TENANT, "ClientId": "c"});
    assert!(serde_json::from_value::<IdentityConfig>(twice).is_err());
}

#[test]
fn instance_and_tenant_make_an_authority_of_every_kind() {
    for (section, wanted) in [
        (
            json!({
                "Instance": "https://login.microsoftonline.com/", "TenantId": TENANT,
                "Domain": "contoso.com",
            }),
            format!("https://login.microsoftonline.com/{TENANT}/v2.0"),
        ),
        (
            json!({"TenantId": "organizations"}),
            "https://login.microsoftonline.com/organizations/v2.0".into(),
        ),
        (
            json!({"instance": "https://login.microsoftonline.us", "tenantId": "contoso.com"}),
            "https://login.microsoftonline.us/contoso.com/v2.0".into(),
        ),
        (
            json!({"Domain": "contoso.com"}),
            "https://login.microsoftonline.com/contoso.com/v2.0".into(),
        ),
        (
            json!({"Instance": "https://contoso.ciamlogin.com/"}),
            "https://contoso.ciamlogin.com/contoso.onmicrosoft.com/v2.0".into(),
        ),
        (
            json!({"Instance": "https://contoso.ciamlogin.com/", "TenantId": TENANT}),
            format!("https://contoso.ciamlogin.com/{TENANT}/v2.0"),
        ),
        (
            json!({"Authority": "https://contoso.ciamlogin.com/"}),
            "https://contoso.ciamlogin.com/contoso.onmicrosoft.com/v2.0".into(),
        ),
        (
            json!({
                "Instance": "https://contoso.b2clogin.com", "Domain": "contoso.onmicrosoft.com",
                "SignUpSignInPolicyId": "B2C_1_susi",
            }),
            "https://contoso.b2clogin.com/contoso.onmicrosoft.com/B2C_1_susi/v2.0".into(),
        ),
        (
            json!({
                "Instance": "https://login.contoso.com/tfp/",
                "Domain": "contoso.onmicrosoft.com", "SignUpSignInPolicyId": "susi",
            }),
            "https://login.contoso.com/contoso.onmicrosoft.com/susi/v2.0".into(),
        ),
        (
            json!({"Instance": "http://127.0.0.1:9/", "TenantId": "common"}),
            "http://127.0.0.1:9/common/v2.0".into(),
        ),
    ] {
        assert_eq!(authority(section.clone()), wanted, "{section}");
    }
}

// MSAL-022: `Authority` and also `Instance`+`TenantId` configured; options are merged
#[test]
fn a_contradiction_names_both_sides() {
    let both = |section: Value, one: &str, other: &str| {
        let error = read(section).unwrap_err();
        assert!(error.contains(one) && error.contains(other), "{error}");
    };
    let common = "https://login.microsoftonline.com/common";
    both(json!({"Authority": common, "TenantId": TENANT}), common, TENANT);
    both(
        json!({"Authority": common, "Instance": "https://login.microsoftonline.us/"}),
        common,
        "https://login.microsoftonline.us/",
    );
    both(
        json!({
            "Authority": "https://contoso.b2clogin.com/contoso.onmicrosoft.com/B2C_1_a",
            "SignUpSignInPolicyId": "B2C_1_b",
        }),
        "B2C_1_a",
        "B2C_1_b",
    );
    both(
        json!({
            "ClientCredentials": [{"SourceType": "ClientSecret", "ClientSecret": "other"}],
            "TenantId": TENANT,
        }),
        "AzureAd:ClientSecret",
        "ClientCredentials",
    );
    assert_eq!(
        authority(json!({
            "Authority": common, "Instance": "https://login.microsoftonline.com/",
            "TenantId": "common",
        })),
        format!("{common}/v2.0")
    );
}

#[test]
fn what_is_missing_or_has_no_effect_is_named() {
    for (section, hint) in [
        (json!({}), "AzureAd:TenantId"),
        (json!({"Instance": "https://login.microsoftonline.com/"}), "names no tenant"),
        (
            json!({"SignUpSignInPolicyId": "B2C_1_a", "Domain": "contoso.onmicrosoft.com"}),
            "AzureAd:Instance",
        ),
        (
            json!({
                "SignUpSignInPolicyId": "B2C_1_a", "Instance": "https://contoso.b2clogin.com",
            }),
            "AzureAd:Domain",
        ),
        (
            json!({"TenantId": TENANT, "ResetPasswordPolicyId": "B2C_1_a"}),
            "AzureAd:SignUpSignInPolicyId",
        ),
        (
            json!({"TenantId": TENANT, "Instance": "https://idp.contoso.com"}),
            "not a Microsoft host",
        ),
        (json!({"TenantId": "[Enter the tenant id]"}), "not a tenant"),
        (
            json!({"TenantId": TENANT, "ClientCredentials": [{"SourceType": "KeyVault"}]}),
            "KeyVault",
        ),
        (
            json!({"TenantId": TENANT, "ClientCredentials": [{"SourceType": "Path"}]}),
            "CertificateDiskPath",
        ),
        (
            json!({
                "TenantId": TENANT,
                "ClientCredentials": [
                    {"SourceType": "Base64Encoded", "Base64EncodedValue": "!"}
                ],
            }),
            "not base64",
        ),
        (
            json!({
                "TenantId": TENANT,
                "ClientCredentials": [{"SourceType": "SignedAssertionFilePath"}],
            }),
            "AZURE_FEDERATED_TOKEN_FILE",
        ),
        (
            json!({
                "TenantId": TENANT,
                "ClientCredentials": [{"SourceType": "Path", "CertificateDiskPath": "/a"}],
            }),
            "in addition to AzureAd:ClientSecret",
        ),
    ] {
        let error = read(section.clone()).unwrap_err();
        assert!(error.contains(hint), "{section}: {error}");
    }
    let error = serde_json::from_value::<IdentityConfig>(json!({"TenantId": TENANT}))
        .unwrap_err()
        .to_string();
    assert!(error.contains("AzureAd:ClientId"), "{error}");
}

#[test]
fn every_source_of_a_credential_is_read() {
    let credential = |credentials: Value, send_x5c: bool| {
        read(json!({
            "TenantId": TENANT, "ClientSecret": null, "SendX5C": send_x5c,
            "ClientCredentials": credentials,
        }))
        .unwrap()
        .credential
        .unwrap()
    };
    let path = json!({
        "SourceType": "Path", "CertificateDiskPath": "/a.pfx", "CertificatePassword": "hush",
    });
    let file = ClientCredential::certificate_file("/a.pfx").with_password("hush");
    assert_eq!(credential(json!([path]), false), file);
    assert_eq!(credential(json!([path]), true), file.clone().with_certificate_chain());
    let base64 = json!({"SourceType": "Base64Encoded", "Base64EncodedValue": "AQI="});
    assert_eq!(credential(json!([base64]), false), ClientCredential::certificate_pfx([1, 2], ""));
    let federated = json!({
        "SourceType": "SignedAssertionFilePath", "SignedAssertionFileDiskPath": "/token",
    });
    assert_eq!(
        credential(json!([path, federated, {"ClientSecret": "s"}]), false),
        ClientCredential::first_of([
            file,
            ClientCredential::federated_token_file("/token"),
            ClientCredential::secret("s")
        ])
    );
}

#[test]
fn older_names_of_credentials_are_read() {
    let path = json!({"SourceType": "Path", "CertificateDiskPath": "/a.pem"});
    let secret = json!({"SourceType": "ClientSecret", "ClientSecret": "s"});
    let file = ClientCredential::certificate_file("/a.pem");
    let credential = |section: Value| read(section).unwrap().credential.unwrap();
    assert_eq!(
        credential(json!({
            "TenantId": TENANT, "ClientSecret": null, "ClientCertificates": [path],
        })),
        file
    );
    assert_eq!(
        credential(json!({
            "TenantId": TENANT, "ClientSecret": null, "ClientCertificates": [path],
            "ClientCredentials": [secret],
        })),
        ClientCredential::first_of([ClientCredential::secret("s"), file])
    );
}

#[test]
fn client_capabilities_are_read() {
    let config = read(json!({"TenantId": TENANT, "ClientCapabilities": ["cp1"]})).unwrap();
    assert_eq!(config.client_capabilities, ["cp1"]);
}

/// From every source: the section itself, a file with it, and variables.
#[test]
fn a_member_of_the_section_without_effect_is_a_warning() {
    let members = json!({
        "TenantId": TENANT, "ClientId": "c", "ClientSecret": "hush-hush",
        "extraqueryparameters": {"dc": "x"}, "AzureRegion": "westus2",
        "ResponseMode": "", "UseTokenLifetime": false, "Scopes": null,
        "TokenDecryptionCertificates": [{"SourceType": "Path"}],
        "EnablePiiLogging": true,
    });
    let section: AzureAdSection = serde_json::from_value(members.clone()).unwrap();
    for config in [
        IdentityConfig::try_from(section).unwrap(),
        serde_json::from_value(members.clone()).unwrap(),
        serde_json::from_value(json!({"azure_ad": members})).unwrap(),
    ] {
        let told: Vec<String> = config.notices.iter().map(ToString::to_string).collect();
        assert_eq!(told.len(), 3, "{told:?}");
        for (text, member, instead) in [
            (&told[0], "AzureAd:AzureRegion ", "AzureAd:Instance"),
            (&told[1], "AzureAd:ExtraQueryParameters ", "IDENTITY_SIGN_IN_PARAMETERS"),
            (&told[2], "AzureAd:TokenDecryptionCertificates ", "encryption key"),
        ] {
            assert!(text.starts_with(member) && text.contains(instead), "{text}");
        }
        let found = config
            .with_base_url("https://app.example.com")
            .unwrap()
            .build()
            .unwrap()
            .offline_findings(crate::clock::UnixTime::from_seconds(0));
        let codes = found.iter().map(super::super::Finding::code);
        let ours = codes.filter(|code| *code == "azure_ad_member_without_effect");
        assert_eq!(ours.count(), 3);
    }
}

/// The values that the crate uses in any case. `WithSpaAuthCode` asks for a second code.
#[test]
fn a_member_with_the_value_that_is_used_anyway_is_no_warning() {
    for (member, value, count) in [
        ("ResponseType", json!("code"), 0),
        ("ResponseType", json!("id_token"), 1),
        ("responsetype", json!("code id_token"), 1),
        ("WithSpaAuthCode", json!(true), 1),
        ("WithSpaAuthCode", json!(false), 0),
    ] {
        let members = json!({"TenantId": TENANT, member: value});
        assert_eq!(read(members).unwrap().notices.len(), count, "{member} {value}");
    }
}

#[test]
fn what_was_registered_for_the_application_stays() {
    let built = |section| {
        read(section).unwrap().with_base_url("https://app.example.com").unwrap().build().unwrap()
    };
    let valid = built(json!({"TenantId": TENANT, "AllowWebApiToBeAuthorizedByACL": true}));
    assert_eq!(
        (valid.paths().callback.as_str(), valid.paths().signed_out.as_str()),
        ("/signin-oidc", "/signout-callback-oidc")
    );
    assert_eq!(valid.credential().client_secret().unwrap().expose(), "hush-hush");
    let valid = built(json!({
        "Instance": "https://contoso.b2clogin.com", "Domain": "contoso.onmicrosoft.com",
        "CallbackPath": "/cb", "SignedOutCallbackPath": "/bye",
        "SignUpSignInPolicyId": "B2C_1_susi", "ResetPasswordPolicyId": "B2C_1_reset",
        "EditProfilePolicyId": "B2C_1_edit",
        "ClientCredentials": [{"SourceType": "ClientSecret", "ClientSecret": "hush-hush"}],
    }));
    assert_eq!(
        (valid.paths().callback.as_str(), valid.paths().signed_out.as_str()),
        ("/cb", "/bye")
    );
    assert_eq!(valid.paths().reset_password.as_deref(), Some("/auth/reset-password"));
}

/// Nothing would read it, so that a lost credential made a public client.
#[test]
fn a_member_of_an_azure_ad_section_in_another_shape_is_refused_with_its_name() {
    let secret = json!({"SourceType": "ClientSecret", "ClientSecret": "hush-hush"});
    for (member, value) in [
        ("Audiences", json!("api://x")),
        ("Audiences", json!([["api://x"]])),
        ("ClientCapabilities", json!("cp1")),
        ("clientcapabilities", json!({"first": "cp1"})),
        ("ClientCredentials", secret.clone()),
        ("ClientCredentials", json!(["hush-hush"])),
        ("ClientCredentials", json!([{"CertificateThumbprint": "a"}])),
        ("ClientCertificates", json!({"a": secret})),
        ("ClientId", json!(["a"])),
        ("ClientSecret", json!({"value": "hush-hush"})),
    ] {
        let mut section = json!({"TenantId": TENANT, member: value});
        let error = serde_json::from_value::<AzureAdSection>(section.clone());
        let error = error.unwrap_err().to_string();
        assert!(error.contains(member) && !error.contains("hush"), "{member}: {error}");
        section["Instance"] = json!("https://login.microsoftonline.com/");
        let error = serde_json::from_value::<IdentityConfig>(json!({"azure_ad": section}));
        assert!(error.unwrap_err().to_string().contains(member), "{member}");
    }
}
