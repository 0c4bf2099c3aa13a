//! Whose people may sign in.

use std::fmt;

use crate::error::ConfigError;

/// The tenants whose people may sign in: some, or explicitly every one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Tenants(Option<Vec<String>>);

impl Tenants {
    /// Every tenant there is.
    pub(crate) const fn any() -> Self {
        Self(None)
    }

    /// These tenants, by GUID.
    pub(crate) fn only<S: AsRef<str>>(tenants: impl IntoIterator<Item = S>) -> Result<Self, ConfigError> {
        let mut only = Vec::new();
        for tenant in tenants {
            let tenant = tenant.as_ref().trim().to_ascii_lowercase();
            if !is_guid(&tenant) {
                return Err(ConfigError::new(
                    "tenants",
                    format!("{tenant:?} is not a tenant's GUID, as the portal shows it under \"Directory (tenant) ID\""),
                ));
            }
            only.push(tenant);
        }
        if only.is_empty() {
            return Err(ConfigError::new(
                "tenants",
                "the list is empty, so nobody could sign in: name the tenants, or allow any tenant",
            ));
        }
        Ok(Self(Some(only)))
    }

    /// Whether people of the tenant may sign in.
    pub(crate) fn allow(&self, tid: &str) -> bool {
        self.0.as_ref().is_none_or(|only| only.iter().any(|tenant| tenant == tid))
    }
}

impl fmt::Display for Tenants {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            None => f.write_str("any tenant"),
            Some(only) => f.write_str(&only.join(", ")),
        }
    }
}

/// Whether it is a GUID in lower case with hyphens, as tokens write it.
pub(super) fn is_guid(text: &str) -> bool {
    text.len() == 36
        && text.bytes().enumerate().all(|(at, byte)| match at {
            8 | 13 | 18 | 23 => byte == b'-',
            _ => matches!(byte, b'0'..=b'9' | b'a'..=b'f'),
        })
}
