//! [`Account`]: whose tokens are kept.

use std::fmt;

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use crate::{
    error::{Error, ErrorKind},
    protocol::{ClientInfo, VerifiedIdToken},
    tokens::Person,
};

/// A person whose tokens a [`Client`](super::Client) has.
///
/// It holds no token and can be stored; the client finds the tokens by it, also after a restart, if
/// the cache was exported and imported.
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
}

/// The claims that name people, in the order of MSAL's precedence.
#[derive(Deserialize)]
struct Names {
    preferred_username: Option<String>,
    upn: Option<String>,
    email: Option<String>,
}

impl Account {
    /// Whom a verified ID token and the answer that it came in are about.
    pub(super) fn of(token: &VerifiedIdToken, client_info: Option<&ClientInfo>) -> Self {
        let home = client_info.and_then(ClientInfo::home_account_id);
        let directory = || Some(format!("{}.{}", token.oid()?, token.tid()?));
        let names: Option<Names> = serde_json::from_str(token.claims()).ok();
        let username = names
            .and_then(|names| names.preferred_username.or(names.upn).or(names.email))
            .filter(|name| !name.is_empty());
        Self {
            home_account_id: home.or_else(directory).unwrap_or_else(|| token.sub().to_owned()),
            issuer: token.iss().to_owned(),
            subject: token.sub().to_owned(),
            username,
            tenant_id: token.tid().map(str::to_owned),
            object_id: token.oid().map(str::to_owned),
        }
    }

    /// What tells it from every other account at this provider: `{uid}.{utid}` at Microsoft's,
    /// `sub` elsewhere.
    #[must_use]
    pub fn home_account_id(&self) -> &str {
        &self.home_account_id
    }

    /// Who signed the person in.
    #[must_use]
    pub fn issuer(&self) -> &str {
        &self.issuer
    }

    /// The person as this application knows them, together with the issuer.
    #[must_use]
    pub fn subject(&self) -> &str {
        &self.subject
    }

    /// What the person calls themselves when they sign in. It can change, and proves nothing.
    #[must_use]
    pub fn username(&self) -> Option<&str> {
        self.username.as_deref()
    }

    /// The tenant in which the person signed in (Microsoft).
    #[must_use]
    pub fn tenant_id(&self) -> Option<&str> {
        self.tenant_id.as_deref()
    }

    /// The person in that tenant (Microsoft).
    #[must_use]
    pub fn object_id(&self) -> Option<&str> {
        self.object_id.as_deref()
    }

    pub(super) fn partition(&self) -> String {
        format!("{}{}", super::core::USERS, self.home_account_id)
    }

    /// Whether a record is about this account. The name of a partition alone is not enough: whoever
    /// stored the account may have changed it, and one home account can be somebody else in another
    /// tenant.
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
    /// Without anything about the person.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Account")
            .field("issuer", &self.issuer)
            .field("tenant_id", &self.tenant_id)
            .finish_non_exhaustive()
    }
}
