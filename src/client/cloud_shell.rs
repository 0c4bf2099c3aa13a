//! [`CloudShell`]: the endpoint of Azure Cloud Shell, with the tokens of the user who is there.

use std::borrow::Cow;

use bytes::Bytes;
use http::{Request, header::CONTENT_TYPE};
use url::form_urlencoded;

use super::{
    managed_identity::ManagedIdentityId,
    managed_identity_endpoint::{ManagedIdentityEndpoint, ManagedIdentitySource, http_url},
};
use crate::error::ConfigError;

/// The endpoint of Azure Cloud Shell.
///
/// It has no identity of a machine: its tokens are those of the user who is signed in to the shell,
/// for the resources that the shell knows. A user-assigned identity is refused before anything is
/// sent.
#[derive(Clone, Debug)]
pub struct CloudShell {
    endpoint: Cow<'static, str>,
}

impl CloudShell {
    /// The endpoint at its usual address, on port 50342 of this machine.
    #[must_use]
    pub fn new() -> Self {
        Self { endpoint: "http://localhost:50342/oauth2/token".into() }
    }

    /// The same endpoint at another URL (`MSI_ENDPOINT`).
    ///
    /// # Errors
    ///
    /// The text is not an `http` or `https` URL.
    pub fn at(url: &str) -> Result<Self, ConfigError> {
        Ok(Self { endpoint: String::from(http_url("MSI_ENDPOINT", url)?).into() })
    }
}

impl Default for CloudShell {
    fn default() -> Self {
        Self::new()
    }
}

impl ManagedIdentityEndpoint for CloudShell {
    fn request(
        &self,
        resource: &str,
        _: &ManagedIdentityId,
    ) -> Result<Request<Bytes>, http::Error> {
        let body = form_urlencoded::Serializer::new(String::new())
            .append_pair("resource", resource)
            .finish();
        Request::post(&*self.endpoint)
            .header(CONTENT_TYPE, "application/x-www-form-urlencoded")
            .header("Metadata", "true")
            .body(body.into())
    }

    fn takes(&self, identity: &ManagedIdentityId) -> bool {
        *identity == ManagedIdentityId::SystemAssigned
    }

    fn source(&self) -> ManagedIdentitySource {
        ManagedIdentitySource::CloudShell
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use serde_json::json;

    use super::*;
    use crate::{
        client::ManagedIdentity,
        error::ErrorKind,
        protocol::test_support::{FakeHttp, answer},
    };

    #[tokio::test]
    async fn the_token_of_the_user_comes_for_a_posted_resource() {
        let http = FakeHttp::new(|_| {
            Ok(answer(
                200,
                json!({
                    "access_token": "of the user", "refresh_token": "", "expires_in": "2830",
                    "resource": "https://vault.azure.net", "token_type": "Bearer",
                }),
            ))
        });
        let identity = |id| {
            ManagedIdentity::builder(id)
                .with_endpoint(CloudShell::new())
                .with_http_client(Arc::clone(&http))
                .build()
                .unwrap()
        };
        let chosen = identity(ManagedIdentityId::ClientId("c".into()));
        let error = chosen.token("https://vault.azure.net").await.unwrap_err();
        assert_eq!((error.kind(), http.count("/oauth2/token")), (ErrorKind::RequestInvalid, 0));
        let own = identity(ManagedIdentityId::SystemAssigned);
        let token = own.token("https://vault.azure.net/.default").await.unwrap();
        assert_eq!(token.expose(), "of the user");
        let sent = http.last();
        assert_eq!(sent.method(), "POST");
        assert_eq!(sent.headers()["metadata"], "true");
        assert_eq!(sent.uri(), "http://localhost:50342/oauth2/token");
        assert_eq!(sent.body(), "resource=https%3A%2F%2Fvault.azure.net");
    }

    #[tokio::test]
    async fn an_error_of_the_shell_has_its_code() {
        let http = FakeHttp::new(|_| {
            Ok(answer(400, json!({"error": {"code": "AudienceNotSupported", "message": "x"}})))
        });
        let identity = ManagedIdentity::builder(ManagedIdentityId::SystemAssigned)
            .with_endpoint(CloudShell::new())
            .with_http_client(http)
            .build()
            .unwrap();
        let error = identity.token("https://example.org").await.unwrap_err();
        assert_eq!(error.provider().unwrap().error, "AudienceNotSupported");
    }
}
