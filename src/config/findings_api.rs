//! The checks of an API's configuration that need no provider, with Microsoft's rules for APIs that
//! clients find by their URL, such as MCP servers.

use super::{Finding, ValidApiConfig, findings::log_mistakes};
use crate::clock::UnixTime;

impl ValidApiConfig {
    /// The findings that need no request to the provider.
    pub(crate) fn offline_findings(&self, now: UnixTime) -> Vec<Finding> {
        let mut found = self.identity().shared_findings(now);
        let Some(resource) = self.resource() else {
            let text = "No metadata is published (RFC 9728), because the URL of the API is not \
                        set: clients that find their provider by it, such as MCP clients, need it \
                        (`with_resource`, IDENTITY_RESOURCE).";
            found.push(Finding::note("resource_not_set", text));
            return found;
        };
        found.push(Finding::passed(
            "metadata_published",
            format!("Clients find the metadata of the API at {}.", resource.metadata_url()),
        ));
        if self.identity().authority().compares_resource() {
            self.microsoft_resource_findings(&resource.url, &mut found);
        }
        found
    }

    /// Logs the findings that need no provider and are problems or warnings, once, where the layer
    /// of the API starts.
    pub(crate) fn log_mistakes(&self, now: UnixTime) {
        log_mistakes(&self.offline_findings(now), self.identity().notices());
    }

    /// Clients send the URL of the API as the parameter `resource`, which Entra compares with the
    /// Application ID URI as text (AADSTS9010010).
    fn microsoft_resource_findings(&self, resource: &str, found: &mut Vec<Finding>) {
        let has_path = resource.split_once("://").is_some_and(|(_, rest)| rest.contains('/'));
        if !has_path {
            let text = format!(
                "The URL of the API, {resource}, has no path: many clients write a slash at the \
                 end of such a URL, which is then not the Application ID URI (AADSTS9010010). Use \
                 a URL with a path, such as {resource}/mcp (`with_resource`, IDENTITY_RESOURCE)."
            );
            found.push(Finding::warning("resource_without_path", text));
        }
        let client_id = self.identity().client_id();
        if !self.audiences().iter().any(|audience| audience == client_id) {
            let text = format!(
                "The client id {client_id} is not among the audiences, but it is the `aud` of \
                 every token of version 2.0: add it (`add_audience`, IDENTITY_AUDIENCE)."
            );
            found.push(Finding::warning("client_id_not_an_audience", text));
        }
        let text = format!(
            "What only the registration shows: its Application ID URI has to be exactly \
             {resource}, and `requestedAccessTokenVersion` in its manifest 2. Otherwise clients \
             that send `resource`, as MCP clients do, get AADSTS9010010."
        );
        found.push(Finding::note("application_id_uri", text));
        if self.scopes().is_empty() {
            let text = "No scope of the API is published (`with_scopes`, IDENTITY_API_SCOPES): \
                        MCP clients ask for none then, or for those of OpenID Connect, and Entra \
                        refuses both.";
            found.push(Finding::note("scopes_not_set", text));
        }
    }
}
