//! [`Account`]: a person with tokens in the cache of a client.

use std::fmt;

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use crate::{
    error::{Error, ErrorKind},
    json::{self, OptionalMembers},
    protocol::{ClientInfo, VerifiedIdToken},
    tokens::Person,
};

/// A person whose tokens are in the cache of a [`Client`](super::Client).
///
/// An account contains no token and may be stored. It identifies the tokens in the cache, after a
/// restart too if the cache was exported and imported.
#[derive(Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Account {
    #[serde(rename = "id")]
    home_account_id: String,
    #[serde(rename = "iss")]
    issuer: String,
    #[serde(rename = "sub")]
    subject: String,
    #[serde(rename = "name", default, skip_serializing_if = "Option::is_none")]
    username: Option<String>,
    #[serde(rename = "tid", default, skip_serializing_if = "Option::is_none")]
    tenant_id: Option<String>,
    #[serde(rename = "oid", default, skip_serializing_if = "Option::is_none")]
    object_id: Option<String>,
    #[serde(rename = "by", default, skip_serializing_if = "Option::is_none")]
    source: Option<AccountSource>,
}

/// The grant by which a person signed in (MSAL's `account_source`).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum AccountSource {
    /// An authorization code: the person signed in with a browser.
    AuthorizationCode,
    /// A device code (RFC 8628).
    DeviceCode,
    /// The person's password.
    Password,
    /// The federated identity credential of an agent ([`FederatedUser`](super::FederatedUser)).
    FederatedIdentity,
}

/// The claims that can be the user name, in the order of preference that MSAL uses.
const NAMING_CLAIMS: [&str; 3] = ["preferred_username", "upn", "email"];

/// The user name by the claims of an ID token. AD FS and B2C may send an empty claim, which counts
/// as missing.
pub(super) fn username(claims: &json::Object) -> Option<String> {
    let claims = OptionalMembers::of(claims, "ID token");
    NAMING_CLAIMS.iter().find_map(|name| claims.text(name)).map(str::to_owned)
}

/// The parts of an account from another library's cache that its person does not have.
pub(super) struct ImportedAccount {
    pub(super) home_account_id: String,
    pub(super) username: Option<String>,
    pub(super) source: Option<AccountSource>,
}

impl Account {
    /// The account of a person from another library's cache.
    pub(super) fn imported(account: ImportedAccount, person: &Person) -> Self {
        let ImportedAccount { home_account_id, username, source } = account;
        Self {
            home_account_id,
            issuer: person.iss.clone(),
            subject: person.sub.clone(),
            username,
            tenant_id: person.tid.clone(),
            object_id: person.oid.clone(),
            source,
        }
    }

    /// The account of a verified ID token, with the `client_info` of the same token response.
    /// `source` is the grant, and `entered` the user name of its request.
    pub(super) fn of(
        token: &VerifiedIdToken,
        client_info: Option<&ClientInfo>,
        source: Option<AccountSource>,
        entered: Option<&str>,
    ) -> Self {
        // `client_info` names the home tenant. `oid` and `tid` are those of the sign-in's tenant,
        // which differ for a guest. `sub` is unique at other providers.
        let home = client_info.and_then(ClientInfo::home_account_id);
        let person = token.person().clone();
        let directory = || Some(format!("{}.{}", person.oid.as_ref()?, person.tid.as_ref()?));
        let named = json::object(token.claims().as_bytes()).ok().as_ref().and_then(username);
        let username = named.or_else(|| entered.map(str::to_owned));
        Self {
            home_account_id: home.or_else(directory).unwrap_or_else(|| person.sub.clone()),
            issuer: person.iss,
            subject: person.sub,
            username,
            tenant_id: person.tid,
            object_id: person.oid,
            source,
        }
    }

    /// The identifier of the account at the provider: `{uid}.{utid}` at Microsoft, `sub` elsewhere.
    #[must_use]
    pub fn home_account_id(&self) -> &str {
        &self.home_account_id
    }

    /// The `iss` claim: the provider that signed the person in.
    #[must_use]
    pub fn issuer(&self) -> &str {
        &self.issuer
    }

    /// The `sub` claim: the person's identifier. It is unique together with the issuer.
    #[must_use]
    pub fn subject(&self) -> &str {
        &self.subject
    }

    /// The name with which the person signs in. It can change and proves nothing: do not use it as
    /// a key or for authorization.
    #[must_use]
    pub fn username(&self) -> Option<&str> {
        self.username.as_deref()
    }

    /// The tenant in which the person signed in (`tid`, Microsoft only).
    #[must_use]
    pub fn tenant_id(&self) -> Option<&str> {
        self.tenant_id.as_deref()
    }

    /// The person's object ID in that tenant (`oid`, Microsoft only).
    #[must_use]
    pub fn object_id(&self) -> Option<&str> {
        self.object_id.as_deref()
    }

    /// The person's home tenant (Microsoft only). It differs from [`tenant_id`](Self::tenant_id) if
    /// the person is a guest in the tenant of the sign-in.
    ///
    /// It comes from `client_info` of the token response, which is not signed.
    #[must_use]
    pub fn home_tenant_id(&self) -> Option<&str> {
        // Elsewhere the identifier is `sub`, which may have a dot as well.
        self.tenant_id.as_ref()?;
        self.home_account_id.rsplit_once('.').map(|(_, tenant)| tenant)
    }

    /// The grant of the last sign-in; `None` if the tokens came from an imported refresh token.
    #[must_use]
    pub fn source(&self) -> Option<AccountSource> {
        self.source
    }

    pub(super) fn partition(&self) -> String {
        super::partition::Partition::Users.name(&self.home_account_id)
    }

    /// Whether a cache record belongs to this account.
    ///
    /// The partition's name alone does not prove that: a stored account may have been altered, and
    /// one home account has a different `sub` and `iss` in each tenant.
    pub(super) fn is(&self, person: &Person) -> bool {
        self.issuer == person.iss && self.subject == person.sub
    }

    pub(super) fn to_raw(&self) -> Result<Box<RawValue>, Error> {
        serde_json::value::to_raw_value(self)
            .map_err(|_| Error::new(ErrorKind::Internal, "an account cannot be written as JSON"))
    }

    pub(super) fn from_raw(raw: &RawValue) -> Option<Self> {
        serde_json::from_str(raw.get()).ok()
    }
}

impl fmt::Debug for Account {
    /// Prints no personal data.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Account")
            .field("issuer", &self.issuer)
            .field("tenant_id", &self.tenant_id)
            .finish_non_exhaustive()
    }
}
