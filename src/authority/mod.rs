//! Who signs people in: the [`Authority`], its addresses and its issuer rules.

mod policy;
mod tenants;

pub(crate) use policy::{KeyIssuer, TokenIssuer};
pub(crate) use tenants::Tenants;
use url::{Host, Url};

use crate::error::ConfigError;

/// The provider that signs people in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Authority {
    issuer: String,
    metadata_url: Url,
}

impl Authority {
    /// Any OpenID Connect provider, by its issuer identifier.
    ///
    /// # Errors
    ///
    /// The issuer is not an `https` URL (`http` is accepted for loopback hosts), or has a query or fragment.
    pub fn oidc(issuer: &str) -> Result<Self, ConfigError> {
        let url = Url::parse(issuer).map_err(|_| ConfigError::new("authority", format!("{issuer:?} is not a URL")))?;
        if url.scheme() != "https" && !(url.scheme() == "http" && is_loopback(&url)) {
            return Err(ConfigError::new(
                "authority",
                format!("{issuer:?} has to begin with https:// (http:// is for localhost, 127.0.0.1 and [::1] only)"),
            ));
        }
        let metadata_url = Url::parse(&format!("{}/.well-known/openid-configuration", issuer.trim_end_matches('/')))
            .map_err(|_| ConfigError::new("authority", "not a URL"))?;
        Ok(Self { issuer: issuer.to_owned(), metadata_url })
    }

    /// Where the discovery document is, query included.
    pub(crate) fn metadata_url(&self) -> &Url {
        &self.metadata_url
    }

    /// What logs call it: its address, which holds no secret.
    pub(crate) fn name(&self) -> &str {
        &self.issuer
    }

    /// Whether it is one of Microsoft's, with tenants and their rules.
    pub(crate) fn is_microsoft(&self) -> bool {
        false
    }

    /// The tenants that may sign in, if what the user said about them fits this authority.
    pub(crate) fn check_tenants(&self, configured: Option<&Tenants>) -> Result<Tenants, ConfigError> {
        match configured {
            None => Ok(Tenants::any()),
            Some(_) => Err(ConfigError::new("tenants", "this authority knows no tenants: leave them out")),
        }
    }
}

/// Whether a URL's host is this machine, whatever a name server says.
pub(crate) fn is_loopback(url: &Url) -> bool {
    match url.host() {
        Some(Host::Domain(name)) => name == "localhost",
        Some(Host::Ipv4(address)) => address.is_loopback(),
        Some(Host::Ipv6(address)) => address.is_loopback(),
        None => false,
    }
}
