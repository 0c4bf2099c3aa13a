//! Resource indicators (RFC 8707): which API a token is for, named beside the scopes.

use url::Url;

use super::{client::DevClient, fault::Fault, request::Parameters, state::Grant};

/// The resources that a request names: absolute addresses without a fragment (section 2).
pub(super) fn named(parameters: &Parameters) -> Result<Vec<String>, Fault> {
    let values =
        parameters.0.iter().filter(|(name, value)| name == "resource" && !value.is_empty());
    values
        .map(|(_, value)| match Url::parse(value) {
            Ok(url) if url.fragment().is_none() => Ok(value.clone()),
            _ => Err(Fault::new(
                "invalid_target",
                "a resource is an absolute address without a fragment",
            )),
        })
        .collect()
}

/// The resources of one token: those that the request names, else all of the grant. A sign-in that
/// named some allows no others (section 2.2).
pub(super) fn of_token(parameters: &Parameters, grant: &Grant) -> Result<Vec<String>, Fault> {
    let named = named(parameters)?;
    if named.is_empty() {
        return Ok(grant.resources.clone());
    }
    if !grant.resources.is_empty()
        && named.iter().any(|resource| !grant.resources.contains(resource))
    {
        return Err(Fault::new("invalid_target", "the sign-in was for other resources"));
    }
    Ok(named)
}

/// Whether a token for these audiences is one that `client` was called with.
pub(super) fn is_meant(client: &DevClient, audiences: &[String]) -> bool {
    audiences.iter().any(|audience| client.is_api(audience))
}
