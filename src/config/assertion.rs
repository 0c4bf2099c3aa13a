//! Assertions that somebody else makes, and whom an assertion is for.

use std::{fmt, future::Future, pin::Pin, sync::Arc};

use crate::secret::Secret;

/// What an assertion says in `aud`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum AssertionAudience {
    /// The address of the token endpoint (OpenID Connect Core section 9). The default, because
    /// every provider takes it.
    #[default]
    TokenEndpoint,
    /// The provider's issuer identifier, as the revision of RFC 7523 asks for.
    Issuer,
}

/// What a function that makes assertions is asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AssertionRequest {
    client_id: String,
    audience: String,
}

impl AssertionRequest {
    pub(crate) fn new(client_id: impl Into<String>, audience: impl Into<String>) -> Self {
        Self { client_id: client_id.into(), audience: audience.into() }
    }

    /// The application: what belongs into `iss` and `sub`, where the application itself is the
    /// issuer.
    #[must_use]
    pub fn client_id(&self) -> &str {
        &self.client_id
    }

    /// What belongs into `aud`, unless the provider was told to expect something else (Entra:
    /// `api://AzureADTokenExchange` for federated credentials).
    #[must_use]
    pub fn audience(&self) -> &str {
        &self.audience
    }
}

/// What the function returns.
pub(crate) type AssertionFuture =
    Pin<Box<dyn Future<Output = Result<Secret, Box<dyn std::error::Error + Send + Sync>>> + Send>>;

/// The function. Two are equal if they are the same one.
#[derive(Clone)]
pub(crate) struct AssertionFunction(Arc<dyn Fn(AssertionRequest) -> AssertionFuture + Send + Sync>);

impl AssertionFunction {
    pub(crate) fn new(
        make: impl Fn(AssertionRequest) -> AssertionFuture + Send + Sync + 'static,
    ) -> Self {
        Self(Arc::new(make))
    }

    pub(crate) fn call(&self, request: AssertionRequest) -> AssertionFuture {
        (self.0)(request)
    }
}

impl PartialEq for AssertionFunction {
    fn eq(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }
}

impl Eq for AssertionFunction {}

impl fmt::Debug for AssertionFunction {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("AssertionFunction")
    }
}
