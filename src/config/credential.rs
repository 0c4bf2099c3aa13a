//! The credential with which the application authenticates at the provider.

use std::{
    fmt,
    path::{Path, PathBuf},
};

use super::{
    Algorithm,
    assertion::{AssertionAudience, AssertionFunction, AssertionFuture, AssertionRequest},
};
use crate::secret::Secret;

/// The credential of the application at the token endpoint (RFC 6749 section 2.3, RFC 7523 section
/// 2.2, OpenID Connect Core 1.0 section 9).
///
/// - [`none`](Self::none): a public client;
/// - [`secret`](Self::secret): a client secret;
/// - a certificate: [`certificate_file`](Self::certificate_file),
///   [`certificate_pem`](Self::certificate_pem), [`certificate_pfx`](Self::certificate_pfx). Each
///   request to the provider then has a new assertion: a JWT that is valid for five minutes and has
///   a random `jti`. Entra ID gets PS256 with `x5t#S256`, AD FS RS256 with `x5t`, other providers
///   the best algorithm in their metadata;
/// - a private key without a certificate: [`private_key_file`](Self::private_key_file),
///   [`private_key_pem`](Self::private_key_pem) (`private_key_jwt`);
/// - an assertion that is made outside this crate: [`assertion`](Self::assertion),
///   [`assertion_from`](Self::assertion_from), [`federated_token_file`](Self::federated_token_file)
///   (workload identity), or the token of a managed identity:
///   [`ManagedIdentity::credential`](crate::client::ManagedIdentity::credential);
/// - several of these, of which the first usable one is used: [`first_of`](Self::first_of).
///
/// Files are read whenever the credential is needed, so a replaced file takes effect at once; a key
/// is parsed once for each content. They have to be regular files of at most 1 MiB. If the provider
/// refuses a credential because it has expired or was rotated, it is loaded again, and the request
/// is repeated once if the credential has changed.
///
/// ```
/// use tower_identity::config::{ClientAuthMethod, ClientCredential};
///
/// let secret = ClientCredential::secret("from a vault").with_method(ClientAuthMethod::Post);
/// assert!(!format!("{secret:?}").contains("vault"));
/// let certificate =
///     ClientCredential::certificate_file("/run/secrets/app.pem").with_certificate_chain();
/// assert_eq!(certificate.to_string(), "the certificate in /run/secrets/app.pem");
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClientCredential {
    pub(super) kind: CredentialKind,
    pub(super) method: Option<ClientAuthMethod>,
    pub(super) password: Option<Secret>,
    pub(super) options: AssertionOptions,
}

/// The kind of a credential, with its material.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum CredentialKind {
    /// A public client.
    None,
    /// A client secret.
    Secret(Secret),
    /// A private key that signs assertions.
    Key(KeySource),
    /// An assertion that does not change.
    Assertion(Secret),
    /// A file whose content is an assertion.
    AssertionFile(PathBuf),
    /// A function that makes assertions.
    AssertionFunction(AssertionFunction),
    /// Several credentials, of which the first usable one is used.
    FirstOf(Vec<ClientCredential>),
}

/// The source of a private key and its certificates.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum KeySource {
    /// A PEM text with the private key and optional certificates.
    Pem(Secret),
    /// A PFX file, in base64.
    Pfx(Secret),
    /// A PEM or PFX file, which are distinguished by their content.
    File(PathBuf),
}

/// The optional parts of assertions, and the names by which the provider knows the key.
#[derive(Clone, Default, PartialEq, Eq)]
pub(crate) struct AssertionOptions {
    pub(crate) certificates: Option<String>,
    pub(crate) key_id: Option<String>,
    /// In lower-case hexadecimal.
    pub(crate) thumbprints: Vec<String>,
    pub(crate) chain: bool,
    pub(crate) algorithm: Option<Algorithm>,
    pub(crate) audience: Option<AssertionAudience>,
    pub(crate) claims: serde_json::Map<String, serde_json::Value>,
}

impl fmt::Debug for AssertionOptions {
    /// Omits the certificates: they are long, and the private key may have been put there by
    /// mistake.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { certificates, key_id, thumbprints, chain, algorithm, audience, claims } = self;
        f.debug_struct("AssertionOptions")
            .field("certificates", &certificates.as_ref().map(|_| "…"))
            .field("key_id", key_id)
            .field("thumbprints", thumbprints)
            .field("chain", chain)
            .field("algorithm", algorithm)
            .field("audience", audience)
            .field("claims", claims)
            .finish()
    }
}

/// The way in which a client secret is sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ClientAuthMethod {
    /// `client_secret_basic`: in the `Authorization` header.
    Basic,
    /// `client_secret_post`: in the body.
    Post,
}

impl ClientCredential {
    fn new(kind: CredentialKind) -> Self {
        Self { kind, method: None, password: None, options: AssertionOptions::default() }
    }

    /// A public client, which has no credential and relies on PKCE. It has to be chosen explicitly,
    /// so that a forgotten secret is an error.
    #[must_use]
    pub fn none() -> Self {
        Self::new(CredentialKind::None)
    }

    /// A client secret.
    pub fn secret(secret: impl Into<Secret>) -> Self {
        Self::new(CredentialKind::Secret(secret.into()))
    }

    /// A PEM text with a private key, its certificate, and optionally the certificates of its
    /// issuers.
    pub fn certificate_pem(pem: impl Into<Secret>) -> Self {
        Self::new(CredentialKind::Key(KeySource::Pem(pem.into())))
    }

    /// The content of a PFX (PKCS #12) file, with its password, which may be empty. It needs the
    /// feature `pfx`.
    pub fn certificate_pfx(pfx: impl AsRef<[u8]>, password: impl Into<Secret>) -> Self {
        let base64 = base64_simd::STANDARD.encode_to_string(pfx);
        Self::new(CredentialKind::Key(KeySource::Pfx(base64.into()))).with_password(password)
    }

    /// A file with a private key and its certificate: PEM, or PFX with the feature `pfx`. It is
    /// read whenever it is needed.
    pub fn certificate_file(path: impl Into<PathBuf>) -> Self {
        Self::new(CredentialKind::Key(KeySource::File(path.into())))
    }

    /// A private key in PEM, whose public key is registered at the provider under a [key
    /// id](Self::with_key_id) or a [thumbprint](Self::add_thumbprint).
    pub fn private_key_pem(pem: impl Into<Secret>) -> Self {
        Self::certificate_pem(pem)
    }

    /// A file with a private key in PEM, which is read whenever it is needed.
    pub fn private_key_file(path: impl Into<PathBuf>) -> Self {
        Self::certificate_file(path)
    }

    /// An assertion (RFC 7523) that was made elsewhere. It is sent even after it has expired,
    /// because the crate cannot make another.
    pub fn assertion(jwt: impl Into<Secret>) -> Self {
        Self::new(CredentialKind::Assertion(jwt.into()))
    }

    /// An async function that makes an assertion.
    ///
    /// An assertion with an `exp` is cached until a minute before that time, for each
    /// [path](AssertionRequest::fmi_path); one without is used for a single request. So for a
    /// provider that accepts each assertion only once, use a private key instead.
    ///
    /// ```
    /// use tower_identity::ClientCredential;
    ///
    /// let credential = ClientCredential::assertion_from(|request| async move {
    ///     let assertion = sign_in_the_vault(request.client_id(), request.audience()).await?;
    ///     Ok(assertion.into())
    /// });
    /// # async fn sign_in_the_vault(_: &str, _: &str) -> Result<String, std::io::Error> {
    /// #     Ok(String::new())
    /// # }
    /// ```
    pub fn assertion_from<F, R>(make: F) -> Self
    where
        F: Fn(AssertionRequest) -> R + Send + Sync + 'static,
        R: Future<Output = Result<Secret, Box<dyn std::error::Error + Send + Sync>>>
            + Send
            + 'static,
    {
        let make = move |request| -> AssertionFuture { Box::pin(make(request)) };
        Self::new(CredentialKind::AssertionFunction(AssertionFunction::new(make, false)))
    }

    /// A function with a cache of its own, which is called for every request.
    pub(crate) fn cached_assertion_from(
        make: impl Fn(AssertionRequest) -> AssertionFuture + Send + Sync + 'static,
    ) -> Self {
        Self::new(CredentialKind::AssertionFunction(AssertionFunction::new(make, true)))
    }

    /// A file that contains an assertion, as workload identity mounts it in a container
    /// (`AZURE_FEDERATED_TOKEN_FILE`). It is read for every request, because the platform replaces
    /// it.
    pub fn federated_token_file(path: impl Into<PathBuf>) -> Self {
        Self::new(CredentialKind::AssertionFile(path.into()))
    }

    /// Several credentials, of which the first that can be loaded is used. A missing file is an
    /// error only if no other credential can be loaded.
    #[must_use]
    pub fn first_of(credentials: impl IntoIterator<Item = Self>) -> Self {
        Self::new(CredentialKind::FirstOf(credentials.into_iter().collect()))
    }

    /// Sets how the secret is sent. The default is the method in the discovery document,
    /// `client_secret_basic` if it has both or none.
    #[must_use]
    pub fn with_method(mut self, method: ClientAuthMethod) -> Self {
        self.method = Some(method);
        self
    }

    /// Sets the password of the PFX file, or of the encrypted private key in PEM (`BEGIN ENCRYPTED
    /// PRIVATE KEY`, which needs the feature `pfx` as well). The default is none.
    #[must_use]
    pub fn with_password(mut self, password: impl Into<Secret>) -> Self {
        self.password = Some(password.into());
        self
    }

    /// Sets the certificate of a private key that is stored without it: one or several in PEM, or
    /// base64 without BEGIN and END lines.
    #[must_use]
    pub fn with_certificate(mut self, certificate: impl Into<String>) -> Self {
        self.options.certificates = Some(certificate.into());
        self
    }

    /// Sends the certificates in the assertion (`x5c`), so that the provider can trust their issuer
    /// instead of each certificate. By default they are not sent.
    #[must_use]
    pub fn with_certificate_chain(mut self) -> Self {
        self.options.chain = true;
        self
    }

    /// Sets the `kid` under which the key is registered at the provider. The default is none.
    #[must_use]
    pub fn with_key_id(mut self, key_id: impl Into<String>) -> Self {
        self.options.key_id = Some(key_id.into());
        self
    }

    /// Adds a thumbprint of the certificate in hexadecimal, SHA-256 (64 digits) or SHA-1 (40
    /// digits), if the certificate itself is not available. With a certificate it is computed.
    #[must_use]
    pub fn add_thumbprint(mut self, thumbprint: &str) -> Self {
        let plain =
            thumbprint.chars().filter(|letter| !matches!(letter, ':' | ' ')).collect::<String>();
        self.options.thumbprints.push(plain.to_ascii_lowercase());
        self
    }

    /// Sets the signature algorithm of assertions. By default it depends on the provider, see
    /// [above](Self).
    #[must_use]
    pub fn with_algorithm(mut self, algorithm: Algorithm) -> Self {
        self.options.algorithm = Some(algorithm);
        self
    }

    /// Sets the audience of assertions.
    ///
    /// The default is [`AssertionAudience::TokenEndpoint`]. If the provider refuses the client with
    /// it, the request is sent once more with [`AssertionAudience::Issuer`], and the accepted
    /// audience is used from then on: each process learns it by a refused request. Microsoft's
    /// providers get the token endpoint alone.
    #[must_use]
    pub fn with_assertion_audience(mut self, audience: AssertionAudience) -> Self {
        self.options.audience = Some(audience);
        self
    }

    /// Adds a claim to assertions. `iss`, `sub`, `aud`, `iat`, `exp` and `jti` cannot be replaced.
    #[must_use]
    pub fn add_assertion_claim(
        mut self,
        name: impl Into<String>,
        value: impl Into<serde_json::Value>,
    ) -> Self {
        self.options.claims.insert(name.into(), value.into());
        self
    }

    pub(crate) fn kind(&self) -> &CredentialKind {
        &self.kind
    }

    /// The client secret, if the credential is one.
    pub(crate) fn client_secret(&self) -> Option<&Secret> {
        match &self.kind {
            CredentialKind::Secret(secret) => Some(secret),
            _ => None,
        }
    }

    /// The configured way of sending the secret; `None` if the discovery document decides.
    pub(crate) fn method(&self) -> Option<ClientAuthMethod> {
        self.method
    }

    /// Whether the client is confidential, that is, has a credential.
    pub(crate) fn is_confidential(&self) -> bool {
        self.kind != CredentialKind::None
    }

    pub(crate) fn options(&self) -> &AssertionOptions {
        &self.options
    }

    /// The client secrets among the credentials.
    pub(crate) fn client_secrets(&self) -> impl Iterator<Item = &Secret> {
        self.members().iter().filter_map(Self::client_secret)
    }

    /// The credentials to try, in order.
    pub(crate) fn members(&self) -> &[Self] {
        match &self.kind {
            CredentialKind::FirstOf(members) => members,
            _ => std::slice::from_ref(self),
        }
    }
}

impl fmt::Display for ClientCredential {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let file = |f: &mut fmt::Formatter<'_>, what: &str, path: &Path| {
            write!(f, "{what} in {}", path.display())
        };
        match &self.kind {
            CredentialKind::None => f.write_str("no credential (a public client)")?,
            CredentialKind::Secret(_) => f.write_str("a secret")?,
            CredentialKind::Key(KeySource::File(path)) => file(f, "the certificate", path)?,
            CredentialKind::Key(_) => f.write_str("a certificate")?,
            CredentialKind::Assertion(_) => f.write_str("an assertion made elsewhere")?,
            CredentialKind::AssertionFile(path) => file(f, "the assertion", path)?,
            CredentialKind::AssertionFunction(_) => f.write_str("assertions made by a function")?,
            CredentialKind::FirstOf(members) => {
                let members: Vec<String> = members.iter().map(ToString::to_string).collect();
                write!(f, "the first of: {}", members.join("; "))?;
            }
        }
        match self.method {
            Some(method) => write!(f, " sent as {}", method.as_str()),
            None => Ok(()),
        }
    }
}

impl ClientAuthMethod {
    /// The name of the method in the discovery document (OpenID Connect Core section 9).
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Basic => "client_secret_basic",
            Self::Post => "client_secret_post",
        }
    }
}
