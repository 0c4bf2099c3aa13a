//! Resource indicators (RFC 8707): the APIs that a token is for.

use url::Url;

use super::{client::DevClient, fault::Fault, request::Parameters, state::IssuedGrant};

/// The resources in a request: absolute URIs without a fragment (section 2).
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

/// The resources of one token: those in the request, or else all of the grant. If the sign-in named
/// some, others are refused (section 2.2).
pub(super) fn of_token(parameters: &Parameters, grant: &IssuedGrant) -> Result<Vec<String>, Fault> {
    let named = named(parameters)?;
    if named.is_empty() {
        // Without the parameter the token is for the resources of the sign-in.
        return Ok(grant.resources.clone());
    }
    if !grant.resources.is_empty()
        && named.iter().any(|resource| !grant.resources.contains(resource))
    {
        return Err(Fault::new("invalid_target", "the sign-in was for other resources"));
    }
    Ok(named)
}

/// Whether `client` is an API among these audiences.
pub(super) fn is_meant(client: &DevClient, audiences: &[String]) -> bool {
    audiences.iter().any(|audience| client.is_api(audience))
}
