//! Which documents, endpoints, tokens and keys an authority stands for.

use url::Url;

use super::{Authority, Tenants, is_loopback};
use crate::error::{Error, ErrorKind};

/// What a token says about where it comes from.
#[derive(Clone, Copy, Debug)]
pub(crate) struct TokenIssuer<'a> {
    /// The `iss` claim.
    pub(crate) iss: &'a str,
    /// The `tid` claim.
    pub(crate) tid: Option<&'a str>,
}

/// What a JSON Web Key says about whom it signs for (Microsoft's members).
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct KeyIssuer<'a> {
    /// The `issuer` member, maybe with `{tenantid}` in it.
    pub(crate) issuer: Option<&'a str>,
    /// The `cloud_instance_name` member.
    pub(crate) cloud_instance_name: Option<&'a str>,
}

impl Authority {
    /// Whether a discovery document with this `issuer` may speak for the authority.
    pub(crate) fn check_metadata_issuer(&self, issuer: &str) -> Result<(), Error> {
        if issuer == self.issuer { Ok(()) } else { Err(Error::new(ErrorKind::ProviderMisconfigured, "another issuer")) }
    }

    /// Whether something may be sent to this endpoint of the document.
    pub(crate) fn check_endpoint(&self, name: &'static str, url: &Url) -> Result<(), Error> {
        if url.scheme() == "https" || (url.scheme() == "http" && is_loopback(url) && is_loopback(&self.metadata_url)) {
            return Ok(());
        }
        Err(Error::new(ErrorKind::ProviderMisconfigured, format!("{name} is not https")))
    }

    /// Whether a token may come from where it says.
    pub(crate) fn check_token_issuer(
        &self,
        _tenants: &Tenants,
        metadata_issuer: &str,
        token: &TokenIssuer<'_>,
    ) -> Result<(), Error> {
        if token.iss == metadata_issuer { Ok(()) } else { Err(Error::new(ErrorKind::TokenIssuer, "iss is not the provider's")) }
    }

    /// Whether a key may sign such a token.
    pub(crate) fn check_key(&self, _metadata_issuer: &str, _key: &KeyIssuer<'_>, _token: &TokenIssuer<'_>) -> Result<(), Error> {
        Ok(())
    }
}
