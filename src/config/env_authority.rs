//! The authority from environment variables, of which several can name it.

use super::{
    AzureAdSection,
    azure_ad::CredentialDescription,
    azure_ad_ignored,
    members::is_in_section,
    variables::{NamedValue, Variables, contradiction},
};
use crate::{
    authority::{Authority, B2cPolicies},
    error::ConfigError,
};

/// The authority that all variables agree on, other than those of Azure (`AZURE_*`), over which
/// they have precedence; `None` if none of them names one.
///
/// # Errors
///
/// A value is not valid, or two of them contradict each other.
pub(super) fn explicit(
    all: &Variables<'_>,
    section: &AzureAdSection,
) -> Result<Option<Authority>, ConfigError> {
    let mut found: Vec<NamedValue<Authority>> = Vec::new();
    if let Some(text) = all.one(&["IDENTITY_AUTHORITY", "AUTHORITY"])? {
        found.push(named(text.name, Authority::parse(&text.value))?);
    }
    if let Some(text) = all.one(&["IDENTITY_OIDC_AUTHORITY", "OIDC_AUTHORITY"])? {
        found.push(named(text.name, Authority::oidc(&text.value))?);
    }
    if let Some(value) = section.authority()? {
        found.push(NamedValue { name: "AzureAd__…".into(), value });
    }
    let flows = Flows::of(all)?;
    // The form of Python's `identity`: tenant and user flows in variables of their own.
    if let Some(name) = all.one(&["IDENTITY_B2C_TENANT_NAME", "B2C_TENANT_NAME"])? {
        found.push(named(name.name, Authority::b2c(&name.value, flows.policies()?))?);
    } else if let Some(first) = found.first_mut() {
        first.value = flows.added_to(first.value.clone())?;
    }
    let mut found = found.into_iter();
    let Some(first) = found.next() else { return Ok(None) };
    // Several variables may name the same authority, in different forms.
    match found.find(|other| other.value != first.value) {
        Some(other) => Err(contradiction((&first.name, &first.value), (&other.name, &other.value))),
        None => Ok(Some(first.value)),
    }
}

/// A parsed authority with the name of its variable, which an error names too.
fn named(
    name: String,
    authority: Result<Authority, ConfigError>,
) -> Result<NamedValue<Authority>, ConfigError> {
    match authority {
        Ok(value) => Ok(NamedValue { name, value }),
        Err(error) => Err(error.named(name)),
    }
}

/// The authority of `AZURE_TENANT_ID`, in the public cloud unless `AZURE_AUTHORITY_HOST` says
/// otherwise. `applies`: whether these variables are about this application.
///
/// # Errors
///
/// The variable is not set or does not apply, or a value is not valid.
pub(super) fn of_azure(all: &Variables<'_>, applies: bool) -> Result<Authority, ConfigError> {
    let tenant = if applies { all.text("AZURE_TENANT_ID")? } else { None };
    let tenant = tenant.ok_or_else(|| {
        let unused = if !applies && all.has_value("AZURE_TENANT_ID") {
            "; AZURE_TENANT_ID is not used, because AZURE_CLIENT_ID is not the configured client id"
        } else {
            ""
        };
        ConfigError::missing(
            "IDENTITY_AUTHORITY",
            format!(
                "set the URL of the provider, such as \
                 https://login.microsoftonline.com/contoso.onmicrosoft.com or \
                 https://id.example.com{unused}"
            ),
        )
    })?;
    let host = all
        .text("AZURE_AUTHORITY_HOST")?
        .map_or_else(|| "https://login.microsoftonline.com".to_owned(), |host| host.value);
    Ok(named(tenant.name, Authority::at_instance(&host, &tenant.value))?.value)
}

/// The B2C user flows in the variables of Python's `identity`.
struct Flows {
    sign_in: Option<NamedValue<String>>,
    edit_profile: Option<NamedValue<String>>,
    reset_password: Option<NamedValue<String>>,
}

impl Flows {
    fn of(all: &Variables<'_>) -> Result<Self, ConfigError> {
        Ok(Self {
            sign_in: all.one(&["IDENTITY_SIGNUPSIGNIN_USER_FLOW", "SIGNUPSIGNIN_USER_FLOW"])?,
            edit_profile: all.one(&["IDENTITY_EDITPROFILE_USER_FLOW", "EDITPROFILE_USER_FLOW"])?,
            reset_password: all
                .one(&["IDENTITY_RESETPASSWORD_USER_FLOW", "RESETPASSWORD_USER_FLOW"])?,
        })
    }

    /// The policies of a tenant that `B2C_TENANT_NAME` names.
    fn policies(&self) -> Result<B2cPolicies, ConfigError> {
        let Some(sign_in) = &self.sign_in else {
            return Err(ConfigError::missing(
                "SIGNUPSIGNIN_USER_FLOW",
                "with B2C_TENANT_NAME set it to the user flow for signing up and in",
            ));
        };
        let mut policies = B2cPolicies::new(&sign_in.value);
        policies.edit_profile = self.edit_profile.as_ref().map(|flow| flow.value.clone());
        policies.reset_password = self.reset_password.as_ref().map(|flow| flow.value.clone());
        Ok(policies)
    }

    /// The authority with the user flows that its URL does not contain.
    fn added_to(&self, authority: Authority) -> Result<Authority, ConfigError> {
        let value =
            |flow: &'_ Option<NamedValue<String>>| flow.as_ref().map(|flow| flow.value.clone());
        let name = [&self.sign_in, &self.edit_profile, &self.reset_password]
            .into_iter()
            .flatten()
            .next()
            .map_or_else(String::new, |flow| flow.name.clone());
        let (sign_in, edit_profile, reset_password) =
            (value(&self.sign_in), value(&self.edit_profile), value(&self.reset_password));
        authority
            .with_b2c_policies(
                sign_in.as_deref(),
                edit_profile.as_deref(),
                reset_password.as_deref(),
            )
            .map_err(|error| error.named(name))
    }
}

impl AzureAdSection {
    /// The section from environment variables, in the form in which .NET reads it.
    ///
    /// # Errors
    ///
    /// A member is a list in place of a value, or the reverse: nothing would read it.
    pub(super) fn from_variables(all: &Variables<'_>) -> Result<Self, ConfigError> {
        for name in all.names.iter().filter(|name| all.has_value(name)) {
            if let Some(problem) = Variables::section_member(name).and_then(wrong_shape) {
                return Err(ConfigError::new(all.label(name), problem));
            }
        }
        let text = |member: &str| {
            Ok::<_, ConfigError>(all.text(&format!("AzureAd__{member}"))?.map(|named| named.value))
        };
        let texts = |list: &str| {
            let positions = all.positions(list).into_iter();
            positions
                .filter_map(|position| text(&format!("{list}__{position}")).transpose())
                .collect::<Result<_, _>>()
        };
        Ok(Self {
            instance: text("Instance")?,
            authority: text("Authority")?,
            tenant_id: text("TenantId")?,
            domain: text("Domain")?,
            client_id: text("ClientId")?,
            client_secret: all.secret(&["AzureAd__ClientSecret"])?.map(|named| named.value),
            send_x5c: all.flag("AzureAd__SendX5C")?,
            client_credentials: credential_descriptions(all, "ClientCredentials")?,
            client_certificates: credential_descriptions(all, "ClientCertificates")?,
            client_capabilities: texts("ClientCapabilities")?,
            callback_path: text("CallbackPath")?,
            signed_out_callback_path: text("SignedOutCallbackPath")?,
            sign_up_sign_in_policy_id: text("SignUpSignInPolicyId")?,
            reset_password_policy_id: text("ResetPasswordPolicyId")?,
            edit_profile_policy_id: text("EditProfilePolicyId")?,
            sign_in_method: text("SignInMethod")?,
            default_access: text("DefaultAccess")?,
            audience: text("Audience")?,
            audiences: texts("Audiences")?,
            ignored: azure_ad_ignored::of_variables(all),
        })
    }
}

/// The mistake where a member of the section is not written as the list or the value that it is.
/// `path` is the part of the variable's name after that of the section.
fn wrong_shape(path: &str) -> Option<&'static str> {
    let (member, rest) = match path.split_once("__") {
        Some((member, rest)) => (member, Some(rest)),
        None => (path, None),
    };
    let is_one_of = |names: &[&str]| names.iter().any(|name| name.eq_ignore_ascii_case(member));
    let item = |position: &str| position.parse::<u32>().is_ok_and(|it| it.to_string() == position);
    if is_one_of(&["Audiences", "ClientCapabilities"]) {
        let is_item = rest.is_some_and(item);
        return (!is_item).then_some("is no list: a list of values is expected");
    }
    if is_one_of(&["ClientCertificates", "ClientCredentials"]) {
        let of_item = rest.and_then(|rest| rest.split_once("__"));
        let is_item = of_item.is_some_and(|(position, _)| item(position));
        return (!is_item).then_some("is no list of credentials: a list of tables is expected");
    }
    (rest.is_some() && is_in_section(member))
        .then_some("is a list or a table: one value is expected")
}

/// The items of a list of credentials of the section.
fn credential_descriptions(
    all: &Variables<'_>,
    list: &str,
) -> Result<Vec<CredentialDescription>, ConfigError> {
    let mut found = Vec::new();
    for position in all.positions(list) {
        let item = format!("{list}__{position}");
        match credential_description(all, &item)? {
            Some(credential) => found.push(credential),
            None if all.has_members(&item) => {
                let problem = "none of the members of this item is one that is read";
                return Err(ConfigError::new(format!("AzureAd__{item}"), problem));
            }
            None => {}
        }
    }
    Ok(found)
}

/// An item such as `ClientCredentials__0` of the section; `None` if it is empty.
fn credential_description(
    all: &Variables<'_>,
    item: &str,
) -> Result<Option<CredentialDescription>, ConfigError> {
    let name = |member: &str| format!("AzureAd__{item}__{member}");
    let text =
        |member: &str| Ok::<_, ConfigError>(all.text(&name(member))?.map(|named| named.value));
    let secret =
        |member: &str| Ok::<_, ConfigError>(all.secret(&[&name(member)])?.map(|named| named.value));
    let mut description = CredentialDescription {
        source_type: text("SourceType")?,
        client_secret: secret("ClientSecret")?,
        certificate_disk_path: text("CertificateDiskPath")?,
        certificate_password: secret("CertificatePassword")?,
        base64_encoded_value: secret("Base64EncodedValue")?,
        signed_assertion_file_disk_path: text("SignedAssertionFileDiskPath")?,
    };
    if description.is_empty() {
        return Ok(None);
    }
    // As in Microsoft.Identity.Web, the path that Azure's workload identity sets is the default.
    if description.source_type.as_deref() == Some("SignedAssertionFilePath")
        && description.signed_assertion_file_disk_path.is_none()
    {
        description.signed_assertion_file_disk_path =
            all.text("AZURE_FEDERATED_TOKEN_FILE")?.map(|named| named.value);
    }
    Ok(Some(description))
}
