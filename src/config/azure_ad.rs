//! The `AzureAd` section of an `appsettings.json` file.

use serde::{
    Deserialize, Deserializer,
    de::{MapAccess, Visitor, value::MapAccessDeserializer},
};

use super::{
    ApiConfig, ClientCredential, IdentityConfig,
    any_letter_case::{AnyLetterCase, deserialize_in_any_letter_case},
    azure_ad_ignored,
    description::Origin,
};
use crate::{
    authority::{Authority, B2cPolicies},
    error::ConfigError,
    secret::Secret,
};

/// The `AzureAd` (or `AzureAdB2C`) section of applications with Microsoft.Identity.Web, from any
/// serde source.
///
/// It converts into an [`IdentityConfig`] by [`TryFrom`], and an `IdentityConfig` can be
/// deserialized from it directly. The defaults are those of Microsoft.Identity.Web, so that
/// registered URLs stay valid: `CallbackPath` is `/signin-oidc`, `SignedOutCallbackPath` is
/// `/signout-callback-oidc`. `SignInMethod` (`redirect` or `device_code`) and `DefaultAccess`
/// (`signed_in` or `public`) are additions of this crate. `ClientCertificates` is read like
/// `ClientCredentials`. A member that has an effect in Microsoft.Identity.Web and none here, such
/// as `ExtraQueryParameters`, is a warning of [`build`](IdentityConfig::build) in the log, and of
/// [`ValidConfig::check`](crate::ValidConfig::check), with the setting that replaces it. Other
/// unknown members are ignored, and so is the letter case of names, as in .NET.
///
/// The section has no base URL, and no list of tenants that may sign in for a `TenantId` of
/// `common` or `organizations`: set both on the `IdentityConfig`.
///
/// ```
/// use tower_identity::IdentityConfig;
///
/// let config: IdentityConfig = serde_json::from_str(r#"{
///     "Instance": "https://login.microsoftonline.com/",
///     "TenantId": "contoso.onmicrosoft.com",
///     "ClientId": "6731de76-14a6-49ae-97bc-6eba6914391e",
///     "ClientSecret": "from a vault"
/// }"#)?;
/// let config = config.with_base_url("https://app.example.com")?.build()?;
/// # Ok::<_, Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default, remote = "Self")]
pub struct AzureAdSection {
    pub(super) instance: Option<String>,
    pub(super) authority: Option<String>,
    #[serde(rename = "tenantid")]
    pub(super) tenant_id: Option<String>,
    pub(super) domain: Option<String>,
    #[serde(rename = "clientid")]
    pub(super) client_id: Option<String>,
    #[serde(rename = "clientsecret")]
    pub(super) client_secret: Option<Secret>,
    #[serde(rename = "sendx5c")]
    pub(super) send_x5c: bool,
    #[serde(rename = "clientcredentials")]
    pub(super) client_credentials: Vec<CredentialDescription>,
    /// The name of `ClientCredentials` in older versions.
    #[serde(rename = "clientcertificates")]
    pub(super) client_certificates: Vec<CredentialDescription>,
    #[serde(rename = "clientcapabilities")]
    pub(super) client_capabilities: Vec<String>,
    #[serde(rename = "callbackpath")]
    pub(super) callback_path: Option<String>,
    #[serde(rename = "signedoutcallbackpath")]
    pub(super) signed_out_callback_path: Option<String>,
    #[serde(rename = "signupsigninpolicyid")]
    pub(super) sign_up_sign_in_policy_id: Option<String>,
    #[serde(rename = "resetpasswordpolicyid")]
    pub(super) reset_password_policy_id: Option<String>,
    #[serde(rename = "editprofilepolicyid")]
    pub(super) edit_profile_policy_id: Option<String>,
    #[serde(rename = "signinmethod")]
    pub(super) sign_in_method: Option<String>,
    #[serde(rename = "defaultaccess")]
    pub(super) default_access: Option<String>,
    pub(super) audience: Option<String>,
    pub(super) audiences: Vec<String>,
    /// The members that are set and have no effect here.
    #[serde(skip)]
    pub(super) ignored: Vec<&'static str>,
}

/// The members of the section in lower case: names are compared without their letter case.
pub(super) const MEMBERS_IN_LOWER_CASE: &[&str] = &[
    "audience",
    "audiences",
    "authority",
    "callbackpath",
    "clientcapabilities",
    "clientcertificates",
    "clientcredentials",
    "clientid",
    "clientsecret",
    "defaultaccess",
    "domain",
    "editprofilepolicyid",
    "instance",
    "resetpasswordpolicyid",
    "sendx5c",
    "signedoutcallbackpath",
    "signinmethod",
    "signupsigninpolicyid",
    "tenantid",
];

/// An item of `ClientCredentials`: the description of a credential.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default, remote = "Self")]
pub(super) struct CredentialDescription {
    #[serde(rename = "sourcetype")]
    pub(super) source_type: Option<String>,
    #[serde(rename = "clientsecret")]
    pub(super) client_secret: Option<Secret>,
    #[serde(rename = "certificatediskpath")]
    pub(super) certificate_disk_path: Option<String>,
    #[serde(rename = "certificatepassword")]
    pub(super) certificate_password: Option<Secret>,
    #[serde(rename = "base64encodedvalue")]
    pub(super) base64_encoded_value: Option<Secret>,
    #[serde(rename = "signedassertionfilediskpath")]
    pub(super) signed_assertion_file_disk_path: Option<String>,
}

deserialize_in_any_letter_case!(AzureAdSection, "an AzureAd section", |section, ignored| {
    AzureAdSection { ignored, ..section }
});
deserialize_in_any_letter_case!(
    CredentialDescription,
    "an item of ClientCredentials",
    |credential, _| credential
);

impl CredentialDescription {
    /// Whether no member is set.
    pub(super) fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    /// The described credential. `send_x5c` sends its certificates along.
    fn credential(&self, send_x5c: bool) -> Result<ClientCredential, ConfigError> {
        let wrong = |problem: String| Err(ConfigError::new("AzureAd:ClientCredentials", problem));
        let of_certificate = |credential: ClientCredential| {
            let credential =
                self.certificate_password.iter().fold(credential, |credential, password| {
                    credential.with_password(password.clone())
                });
            if send_x5c { credential.with_certificate_chain() } else { credential }
        };
        let source = self.source_type.as_deref().unwrap_or("ClientSecret");
        let missing =
            |member: &str| wrong(format!("an item of SourceType {source:?} needs {member}"));
        let (path, base64) = (&self.certificate_disk_path, &self.base64_encoded_value);
        match (source, &self.client_secret, path, base64) {
            ("ClientSecret", Some(secret), ..) => Ok(ClientCredential::secret(secret.clone())),
            ("Path", _, Some(path), _) => {
                Ok(of_certificate(ClientCredential::certificate_file(path)))
            }
            ("Base64Encoded", .., Some(value)) => {
                let pfx = base64_simd::STANDARD.decode_to_vec(value.expose().trim());
                let Ok(pfx) = pfx.map(zeroize::Zeroizing::new) else {
                    return wrong("Base64EncodedValue is not base64".into());
                };
                let none = Secret::default();
                let password = self.certificate_password.clone().unwrap_or(none);
                let credential = ClientCredential::certificate_pfx(&*pfx, password);
                Ok(if send_x5c { credential.with_certificate_chain() } else { credential })
            }
            ("SignedAssertionFilePath", ..) => match &self.signed_assertion_file_disk_path {
                Some(path) => Ok(ClientCredential::federated_token_file(path)),
                None => {
                    missing("SignedAssertionFileDiskPath, the path in AZURE_FEDERATED_TOKEN_FILE")
                }
            },
            ("ClientSecret", ..) => missing("ClientSecret"),
            ("Path", ..) => missing("CertificateDiskPath"),
            ("Base64Encoded", ..) => missing("Base64EncodedValue"),
            (other, ..) => wrong(format!(
                "SourceType {other:?} is not supported: use \"ClientSecret\", \"Path\", \
                 \"Base64Encoded\" or \"SignedAssertionFilePath\", or set in code \
                 ManagedIdentity::credential (\"SignedAssertionFromManagedIdentity\") or \
                 ClientCredential::assertion_from"
            )),
        }
    }
}

impl AzureAdSection {
    /// The authority of the section; `None` if it has none.
    pub(super) fn authority(&self) -> Result<Option<Authority>, ConfigError> {
        let sign_in = self.sign_up_sign_in_policy_id.as_deref();
        let (edit, reset) =
            (self.edit_profile_policy_id.as_deref(), self.reset_password_policy_id.as_deref());
        let Some(text) = &self.authority else { return self.assembled() };
        let authority = Authority::parse(text).map_err(|error| error.named("AzureAd:Authority"))?;
        let contradicts = |setting: &'static str, value: &str| {
            Err(ConfigError::new(
                setting,
                format!("{value:?} contradicts AzureAd:Authority, which is {text:?}: remove one"),
            ))
        };
        match (&self.tenant_id, &self.instance) {
            (Some(tenant), _) if !authority.is_tenant(tenant) => {
                contradicts("AzureAd:TenantId", tenant)
            }
            (_, Some(instance)) if !authority.is_at(instance) => {
                contradicts("AzureAd:Instance", instance)
            }
            _ => authority
                .with_b2c_policies(sign_in, edit, reset)
                .map(Some)
                .map_err(|error| error.named("AzureAd:SignUpSignInPolicyId")),
        }
    }

    /// The authority from instance, tenant and policies; `None` if they are all missing.
    fn assembled(&self) -> Result<Option<Authority>, ConfigError> {
        let missing = |setting: &'static str, remedy: &'static str| {
            Err(ConfigError::missing(setting, remedy))
        };
        let instance = self.instance.as_deref();
        if let Some(sign_in) = &self.sign_up_sign_in_policy_id {
            let Some(instance) = instance else {
                return missing(
                    "AzureAd:Instance",
                    "a B2C policy needs it, https://{name}.b2clogin.com or your own domain",
                );
            };
            let Some(tenant) = self.domain.as_ref().or(self.tenant_id.as_ref()) else {
                return missing("AzureAd:Domain", "a B2C policy needs it, {name}.onmicrosoft.com");
            };
            let mut policies = B2cPolicies::new(sign_in);
            policies.edit_profile.clone_from(&self.edit_profile_policy_id);
            policies.reset_password.clone_from(&self.reset_password_policy_id);
            // `Domain` is the B2C tenant in Microsoft.Identity.Web; `TenantId` is optional there.
            return Authority::b2c_at_instance(instance, tenant, policies)
                .map(Some)
                .map_err(|error| error.named("AzureAd"));
        }
        if self.edit_profile_policy_id.is_some() || self.reset_password_policy_id.is_some() {
            return missing(
                "AzureAd:SignUpSignInPolicyId",
                "the other policies have no effect without it",
            );
        }
        let authority = match (instance, self.tenant_id.as_deref().or(self.domain.as_deref())) {
            (None, None) => return Ok(None),
            (instance, Some(tenant)) => Authority::at_instance(
                instance.unwrap_or("https://login.microsoftonline.com"),
                tenant,
            ),
            // The host of External ID determines the tenant. Other hosts get the error of `parse`.
            (Some(instance), None) => Authority::parse(instance),
        };
        authority.map(Some).map_err(|error| error.named("AzureAd"))
    }

    /// The credential of the section; of several the first usable one.
    pub(super) fn credential(&self) -> Result<Option<ClientCredential>, ConfigError> {
        let wrong =
            |problem: &'static str| Err(ConfigError::new("AzureAd:ClientCredentials", problem));
        let mut credentials: Vec<ClientCredential> = Vec::new();
        if let Some(secret) = self.client_secret.as_ref().filter(|secret| !secret.is_empty()) {
            credentials.push(ClientCredential::secret(secret.clone()));
        }
        for description in self.client_credentials.iter().chain(&self.client_certificates) {
            let credential = description.credential(self.send_x5c)?;
            let secrets = || credentials.iter().filter_map(ClientCredential::client_secret);
            match credential.client_secret() {
                // The same secret in both places is not a contradiction.
                Some(secret) if secrets().any(|other| other == secret) => continue,
                Some(_) if secrets().next().is_some() => {
                    return wrong(
                        "has another secret than AzureAd:ClientSecret or an earlier item: remove \
                         one",
                    );
                }
                None if self.client_secret.as_ref().is_some_and(|secret| !secret.is_empty()) => {
                    return wrong(
                        "has a credential in addition to AzureAd:ClientSecret: remove one, or \
                         move the secret into the list",
                    );
                }
                _ => credentials.push(credential),
            }
        }
        Ok(match credentials.len() {
            0 | 1 => credentials.pop(),
            _ => Some(ClientCredential::first_of(credentials)),
        })
    }

    /// Whether no member is set.
    pub(super) fn is_empty(&self) -> bool {
        Self { ignored: Vec::new(), ..self.clone() } == Self::default()
    }

    /// Sets the paths and client capabilities of the section on the configuration, with a notice
    /// for each member without effect.
    pub(super) fn apply(&self, mut config: IdentityConfig) -> IdentityConfig {
        config.notices.extend(azure_ad_ignored::findings(&self.ignored));
        if !self.client_capabilities.is_empty() {
            config = config.with_client_capabilities(&self.client_capabilities);
        }
        if self.is_empty() {
            return config;
        }
        let or = |path: &Option<String>, default: &str| {
            path.clone().unwrap_or_else(|| default.to_owned())
        };
        config
            .with_callback_path(or(&self.callback_path, "/signin-oidc"))
            .with_signed_out_path(or(&self.signed_out_callback_path, "/signout-callback-oidc"))
    }
}

/// The source of settings in `describe`.
const SECTION: &str = "the AzureAd section";

impl TryFrom<AzureAdSection> for ApiConfig {
    type Error = ConfigError;

    /// Tokens may be for `Audience` and `Audiences`, and for the client id.
    fn try_from(section: AzureAdSection) -> Result<Self, ConfigError> {
        let audiences: Vec<String> =
            section.audience.iter().chain(&section.audiences).cloned().collect();
        let config = Self::of(IdentityConfig::try_from(section)?);
        let mut config = audiences.into_iter().fold(config, Self::add_audience);
        config.origin = Origin::elsewhere(config.clone(), SECTION);
        Ok(config)
    }
}

impl TryFrom<AzureAdSection> for IdentityConfig {
    type Error = ConfigError;

    fn try_from(section: AzureAdSection) -> Result<Self, ConfigError> {
        let authority = section.authority()?.ok_or_else(|| {
            ConfigError::missing(
                "AzureAd:TenantId",
                "set a GUID, a domain name, common, organizations or consumers",
            )
        })?;
        let client_id = section
            .client_id
            .as_ref()
            .ok_or_else(|| ConfigError::missing("AzureAd:ClientId", "set the client id"))?;
        let mut config = section.apply(Self::new(authority, client_id));
        if let Some(access) = &section.default_access {
            config = config.with_default_access(
                access
                    .parse()
                    .map_err(|error: ConfigError| error.named("AzureAd:DefaultAccess"))?,
            );
        }
        if let Some(method) = &section.sign_in_method {
            config = config.with_sign_in_method(
                method.parse().map_err(|error: ConfigError| error.named("AzureAd:SignInMethod"))?,
            );
        }
        if let Some(credential) = section.credential()? {
            config = config.with_credential(credential);
        }
        config.origin = Origin::elsewhere(config.clone(), SECTION);
        Ok(config)
    }
}

#[cfg(test)]
mod tests {
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
            let item =
                json!({convert("SourceType"): "ClientSecret", convert("ClientSecret"): "hush"});
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
        assert_eq!(
            credential(json!([base64]), false),
            ClientCredential::certificate_pfx([1, 2], "")
        );
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
                .check_settings(crate::clock::UnixTime::from_seconds(0));
            let codes = found.iter().map(super::super::Finding::code);
            let ours = codes.filter(|code| *code == "azure_ad_member_without_effect");
            assert_eq!(ours.count(), 3);
        }
    }

    #[test]
    fn what_was_registered_for_the_application_stays() {
        let built = |section| {
            read(section)
                .unwrap()
                .with_base_url("https://app.example.com")
                .unwrap()
                .build()
                .unwrap()
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
}
