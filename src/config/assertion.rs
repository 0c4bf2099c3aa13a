//! Client assertions that a function of the application makes, and the audience of assertions.

use std::{fmt, future::Future, pin::Pin, sync::Arc};

use super::choice::choices;
use crate::secret::Secret;

/// The `aud` of a client assertion.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum AssertionAudience {
    /// The URL of the token endpoint (OpenID Connect Core 1.0 section 9). The default, because most
    /// providers accept it.
    #[default]
    TokenEndpoint,
    /// The provider's issuer identifier, which FAPI 2.0 and the revision of RFC 7523 require.
    Issuer,
}

choices!(
    AssertionAudience,
    "assertion_audience",
    TokenEndpoint = "token_endpoint",
    Issuer = "issuer"
);

/// The values for a client assertion that a function of the application is to make.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AssertionRequest {
    client_id: String,
    audience: String,
    fmi_path: Option<String>,
    after_refusal: bool,
}

impl AssertionRequest {
    pub(crate) fn new(client_id: impl Into<String>, audience: impl Into<String>) -> Self {
        Self {
            client_id: client_id.into(),
            audience: audience.into(),
            fmi_path: None,
            after_refusal: false,
        }
    }

    /// The same request, for a token of this path.
    pub(crate) fn for_fmi_path(self, path: Option<&str>) -> Self {
        Self { fmi_path: path.map(str::to_owned), ..self }
    }

    /// The same request, or the one after the provider refused an assertion.
    pub(crate) fn after_refusal(self, after_refusal: bool) -> Self {
        Self { after_refusal, ..self }
    }

    /// The client id. It belongs in `iss` and `sub`, unless the assertion is a token of another
    /// issuer.
    #[must_use]
    pub fn client_id(&self) -> &str {
        &self.client_id
    }

    /// The `aud` that this provider expects, unless its registration says otherwise (Entra ID's
    /// federated credentials: `api://AzureADTokenExchange`).
    #[must_use]
    pub fn audience(&self) -> &str {
        &self.audience
    }

    /// The path of a federated managed identity, if the token is requested [for
    /// one](crate::client::TokenRequest::with_fmi_path). Each path has an assertion of its own.
    #[must_use]
    pub fn fmi_path(&self) -> Option<&str> {
        self.fmi_path.as_deref()
    }

    /// Whether the provider has just refused an assertion: a function with a cache of its own makes
    /// a new one then.
    #[must_use]
    pub fn is_after_refusal(&self) -> bool {
        self.after_refusal
    }
}

/// The future of an [`AssertionFunction`]: the assertion.
pub(crate) type AssertionFuture =
    Pin<Box<dyn Future<Output = Result<Secret, Box<dyn std::error::Error + Send + Sync>>> + Send>>;

/// A function that makes client assertions. Two are equal if they are the same instance.
#[derive(Clone)]
pub(crate) struct AssertionFunction {
    make: Arc<dyn Fn(AssertionRequest) -> AssertionFuture + Send + Sync>,
    /// Whether it caches assertions itself, and renews them earlier than a minute before their end.
    caches: bool,
}

impl AssertionFunction {
    pub(crate) fn new(
        make: impl Fn(AssertionRequest) -> AssertionFuture + Send + Sync + 'static,
        caches: bool,
    ) -> Self {
        Self { make: Arc::new(make), caches }
    }

    pub(crate) fn caches(&self) -> bool {
        self.caches
    }

    pub(crate) fn call(&self, request: AssertionRequest) -> AssertionFuture {
        (self.make)(request)
    }
}

impl PartialEq for AssertionFunction {
    fn eq(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.make, &other.make)
    }
}

impl Eq for AssertionFunction {}

impl fmt::Debug for AssertionFunction {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // The closure may capture secrets, so nothing of it is written.
        f.write_str("AssertionFunction")
    }
}
