//! The `AzureAd` section of an `appsettings.json` file.

use super::{ApiConfig, ClientCredential, IdentityConfig, azure_ad_ignored, description::Origin};
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
#[derive(Clone, Debug, Default, PartialEq, Eq, serde::Deserialize)]
#[serde(try_from = "super::members::Members")]
pub struct AzureAdSection {
    pub(super) instance: Option<String>,
    pub(super) authority: Option<String>,
    pub(super) tenant_id: Option<String>,
    pub(super) domain: Option<String>,
    pub(super) client_id: Option<String>,
    pub(super) client_secret: Option<Secret>,
    pub(super) send_x5c: bool,
    pub(super) client_credentials: Vec<CredentialDescription>,
    /// The name of `ClientCredentials` in older versions.
    pub(super) client_certificates: Vec<CredentialDescription>,
    pub(super) client_capabilities: Vec<String>,
    pub(super) callback_path: Option<String>,
    pub(super) signed_out_callback_path: Option<String>,
    pub(super) sign_up_sign_in_policy_id: Option<String>,
    pub(super) reset_password_policy_id: Option<String>,
    pub(super) edit_profile_policy_id: Option<String>,
    pub(super) sign_in_method: Option<String>,
    pub(super) default_access: Option<String>,
    pub(super) audience: Option<String>,
    pub(super) audiences: Vec<String>,
    /// The members that are set and have no effect here.
    pub(super) ignored: Vec<&'static str>,
}

/// An item of `ClientCredentials`: the description of a credential.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct CredentialDescription {
    pub(super) source_type: Option<String>,
    pub(super) client_secret: Option<Secret>,
    pub(super) certificate_disk_path: Option<String>,
    pub(super) certificate_password: Option<Secret>,
    pub(super) base64_encoded_value: Option<Secret>,
    pub(super) signed_assertion_file_disk_path: Option<String>,
}

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
#[path = "azure_ad_tests.rs"]
mod tests;
