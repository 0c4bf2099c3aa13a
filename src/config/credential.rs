//! How the application proves to the token endpoint who it is.

use std::{
    fmt,
    path::{Path, PathBuf},
};

use super::{
    Algorithm,
    assertion::{AssertionAudience, AssertionFunction, AssertionFuture, AssertionRequest},
};
use crate::secret::Secret;

/// The application's credential at the token endpoint (RFC 6749 section 2.3, RFC 7523 section 2.2,
/// OpenID Connect Core section 9).
///
/// - [`none`](Self::none): a public client;
/// - [`secret`](Self::secret);
/// - a certificate: [`certificate_file`](Self::certificate_file),
///   [`certificate_pem`](Self::certificate_pem), [`certificate_pfx`](Self::certificate_pfx). Each
///   request to the provider then has an assertion of its own: a JWT that lives ten minutes and has
///   a random `jti`. Entra gets PS256 with `x5t#S256`, AD FS RS256 with `x5t`, other providers the
///   best that their metadata names;
/// - a private key without a certificate: [`private_key_file`](Self::private_key_file),
///   [`private_key_pem`](Self::private_key_pem) (`private_key_jwt`);
/// - an assertion that somebody else makes: [`assertion`](Self::assertion),
///   [`assertion_from`](Self::assertion_from), [`federated_token_file`](Self::federated_token_file)
///   (workload identity);
/// - several of these, of which the first that can be used is: [`first_of`](Self::first_of).
///
/// Files are read whenever the credential is needed, so that one that was replaced is used from
/// then on; a key is taken apart once for each content. Files are regular ones of 1 MiB at most.
/// Where the provider refuses a credential because it has expired or was rotated, it is loaded
/// anew, and the request is sent once more if that brought another one.
///
/// ```
/// use tower_identity::config::{ClientAuthMethod, ClientCredential};
///
/// let secret = ClientCredential::secret("from a vault").with_method(ClientAuthMethod::Post);
/// assert!(!format!("{secret:?}").contains("vault"));
/// let certificate = ClientCredential::certificate_file("/run/secrets/app.pem").with_certificate_chain();
/// assert_eq!(certificate.to_string(), "the certificate in /run/secrets/app.pem");
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClientCredential {
    pub(super) kind: CredentialKind,
    pub(super) method: Option<ClientAuthMethod>,
    pub(super) password: Option<Secret>,
    pub(super) options: AssertionOptions,
}

/// What the credential is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum CredentialKind {
    /// A public client.
    None,
    /// A client secret.
    Secret(Secret),
    /// A private key that signs assertions.
    Key(KeySource),
    /// A ready assertion.
    Assertion(Secret),
    /// A file whose content is an assertion.
    AssertionFile(PathBuf),
    /// Whoever makes assertions.
    AssertionFunction(AssertionFunction),
    /// The first that can be used.
    FirstOf(Vec<ClientCredential>),
}

/// Where a private key and its certificates are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum KeySource {
    /// A text with the private key, and maybe certificates.
    Pem(Secret),
    /// A PFX file, in base64.
    Pfx(Secret),
    /// A PEM or PFX file, told apart by what is in it.
    File(PathBuf),
}

/// What assertions say beyond what they have to.
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
    /// Without the certificates: they are long, and somebody may have put the key in their place.
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

/// How a client secret is sent.
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

    /// A public client: no credential, PKCE alone. It has to be asked for; forgetting the secret is
    /// a set-up error.
    #[must_use]
    pub fn none() -> Self {
        Self::new(CredentialKind::None)
    }

    /// A client secret.
    pub fn secret(secret: impl Into<Secret>) -> Self {
        Self::new(CredentialKind::Secret(secret.into()))
    }

    /// A PEM text with a private key and its certificate, and maybe those that it was issued with.
    pub fn certificate_pem(pem: impl Into<Secret>) -> Self {
        Self::new(CredentialKind::Key(KeySource::Pem(pem.into())))
    }

    /// A PFX (PKCS #12) file's content with its password, which may be empty. It needs the feature
    /// `pfx`.
    pub fn certificate_pfx(pfx: impl AsRef<[u8]>, password: impl Into<Secret>) -> Self {
        let base64 = base64_simd::STANDARD.encode_to_string(pfx);
        Self::new(CredentialKind::Key(KeySource::Pfx(base64.into()))).with_password(password)
    }

    /// A file with a private key and its certificate: PEM, or with the feature `pfx` PFX. It is
    /// read whenever it is needed.
    pub fn certificate_file(path: impl Into<PathBuf>) -> Self {
        Self::new(CredentialKind::Key(KeySource::File(path.into())))
    }

    /// A private key in PEM, whose public half the provider knows, by a [key id](Self::with_key_id)
    /// or a [thumbprint](Self::add_thumbprint).
    pub fn private_key_pem(pem: impl Into<Secret>) -> Self {
        Self::certificate_pem(pem)
    }

    /// The same in a file, which is read whenever it is needed.
    pub fn private_key_file(path: impl Into<PathBuf>) -> Self {
        Self::certificate_file(path)
    }

    /// An assertion (RFC 7523) that was made elsewhere. It is sent until it has expired and after:
    /// nobody here can make another one.
    pub fn assertion(jwt: impl Into<Secret>) -> Self {
        Self::new(CredentialKind::Assertion(jwt.into()))
    }

    /// An async function that makes an assertion.
    ///
    /// An assertion with an `exp` is remembered until a minute before that; another one is used
    /// once. So for a provider that takes each assertion only once, sign with a key of your own
    /// instead.
    ///
    /// ```
    /// use tower_identity::ClientCredential;
    ///
    /// let credential = ClientCredential::assertion_from(|request| async move {
    ///     let assertion = sign_in_the_vault(request.client_id(), request.audience()).await?;
    ///     Ok(assertion.into())
    /// });
    /// # async fn sign_in_the_vault(_: &str, _: &str) -> Result<String, std::io::Error> { Ok(String::new()) }
    /// ```
    pub fn assertion_from<F, R>(make: F) -> Self
    where
        F: Fn(AssertionRequest) -> R + Send + Sync + 'static,
        R: Future<Output = Result<Secret, Box<dyn std::error::Error + Send + Sync>>>
            + Send
            + 'static,
    {
        let make = move |request| -> AssertionFuture { Box::pin(make(request)) };
        Self::new(CredentialKind::AssertionFunction(AssertionFunction::new(make)))
    }

    /// A file whose content is an assertion, as workload identity puts it into a container
    /// (`AZURE_FEDERATED_TOKEN_FILE`). It is read for every request, because whoever writes it
    /// renews it.
    pub fn federated_token_file(path: impl Into<PathBuf>) -> Self {
        Self::new(CredentialKind::AssertionFile(path.into()))
    }

    /// Several credentials: the first that can be loaded is used. A file that is missing is a
    /// set-up error only if there is nothing else.
    #[must_use]
    pub fn first_of(credentials: impl IntoIterator<Item = Self>) -> Self {
        Self::new(CredentialKind::FirstOf(credentials.into_iter().collect()))
    }

    /// How the secret is sent. The default is what the discovery document allows,
    /// `client_secret_basic` if it allows both or says nothing.
    #[must_use]
    pub fn with_method(mut self, method: ClientAuthMethod) -> Self {
        self.method = Some(method);
        self
    }

    /// The password of the PFX file. The default is none.
    #[must_use]
    pub fn with_password(mut self, password: impl Into<Secret>) -> Self {
        self.password = Some(password.into());
        self
    }

    /// The certificate of a private key that stands elsewhere: PEM, also several, or base64 without
    /// BEGIN and END lines.
    #[must_use]
    pub fn with_certificate(mut self, certificate: impl Into<String>) -> Self {
        self.options.certificates = Some(certificate.into());
        self
    }

    /// Sends the certificates along (`x5c`), so that the provider can trust whoever issued them
    /// instead of each one. The default is not to.
    #[must_use]
    pub fn with_certificate_chain(mut self) -> Self {
        self.options.chain = true;
        self
    }

    /// By which name (`kid`) the provider knows the key. The default is none.
    #[must_use]
    pub fn with_key_id(mut self, key_id: impl Into<String>) -> Self {
        self.options.key_id = Some(key_id.into());
        self
    }

    /// A thumbprint of the certificate in hexadecimal, SHA-256 (64 digits) or SHA-1 (40 digits),
    /// where the certificate itself is not at hand. With a certificate it is computed.
    #[must_use]
    pub fn add_thumbprint(mut self, thumbprint: &str) -> Self {
        let plain =
            thumbprint.chars().filter(|letter| !matches!(letter, ':' | ' ')).collect::<String>();
        self.options.thumbprints.push(plain.to_ascii_lowercase());
        self
    }

    /// The algorithm of the assertions' signatures. The default is what the provider wants, see
    /// [above](Self).
    #[must_use]
    pub fn with_algorithm(mut self, algorithm: Algorithm) -> Self {
        self.options.algorithm = Some(algorithm);
        self
    }

    /// What assertions say whom they are for. The default is [`AssertionAudience::TokenEndpoint`].
    #[must_use]
    pub fn with_assertion_audience(mut self, audience: AssertionAudience) -> Self {
        self.options.audience = Some(audience);
        self
    }

    /// A claim that assertions have beyond `iss`, `sub`, `aud`, `iat`, `exp` and `jti`, which it
    /// cannot replace.
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

    /// The client secret, if it is one.
    pub(crate) fn client_secret(&self) -> Option<&Secret> {
        match &self.kind {
            CredentialKind::Secret(secret) => Some(secret),
            _ => None,
        }
    }

    /// How the user wants the secret to be sent, if they said so.
    pub(crate) fn method(&self) -> Option<ClientAuthMethod> {
        self.method
    }

    /// Whether it is any credential at all.
    pub(crate) fn is_confidential(&self) -> bool {
        self.kind != CredentialKind::None
    }

    pub(crate) fn options(&self) -> &AssertionOptions {
        &self.options
    }

    /// Those to try, in order.
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
