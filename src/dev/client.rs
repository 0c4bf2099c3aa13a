//! [`DevClient`]: a client of the development provider.

use std::net::{Ipv4Addr, Ipv6Addr};

use serde_json::{Map, Value};
use url::{Host, Url};

use super::{
    fault::Fault,
    realm::{Audience, Realm},
    tenant::{Accounts, DevTenant},
};
use crate::{config::ClientAuthMethod, secret::Secret};

/// An application that is registered at the development provider (a client, in OAuth).
///
/// ```
/// use tower_identity::dev::DevClient;
///
/// let web = DevClient::confidential("web", "a secret of the web application")
///     .with_redirect_uri("http://localhost:3000/auth/callback")
///     .with_post_logout_redirect_uri("http://localhost:3000/auth/signed-out");
/// let cli = DevClient::public("cli").with_any_loopback_redirect();
/// assert_ne!(web, cli);
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DevClient {
    pub(super) id: String,
    pub(super) secret: Option<Secret>,
    pub(super) method: Option<ClientAuthMethod>,
    pub(super) redirect_uris: Vec<String>,
    pub(super) post_logout_redirect_uris: Vec<String>,
    pub(super) any_loopback: bool,
    pub(super) consent: Consent,
    pub(super) refresh_tokens: RefreshTokens,
    pub(super) accounts: Accounts,
    pub(super) admin_scopes: Vec<String>,
    /// The resource indicators under which the application is an API.
    pub(super) resources: Vec<String>,
    /// Whether the API gets tokens of version 1.0 (Entra ID).
    pub(super) is_version_1: bool,
    /// The app roles that an administrator assigned to it (Entra ID).
    pub(super) app_roles: Vec<String>,
    /// Public keys, as the members of a JWK.
    pub(super) keys: Vec<Map<String, Value>>,
    /// The application whose tokens authenticate this agent (Entra ID).
    pub(super) blueprint: Option<String>,
    /// The client authentication of the current request.
    pub(super) proof: ClientAuthKind,
}

/// The kind of client authentication. Access tokens of Entra ID contain it as `azpacr`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum ClientAuthKind {
    #[default]
    Nothing,
    Secret,
    /// A client assertion, usually signed with the key of a certificate.
    Key,
}

impl ClientAuthKind {
    /// The value of `azpacr`.
    pub(super) const fn class(self) -> &'static str {
        match self {
            Self::Nothing => "0",
            Self::Secret => "1",
            Self::Key => "2",
        }
    }
}

/// The rule for consent pages.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Consent {
    /// Once per user, client and scope. The default.
    #[default]
    Asked,
    /// Never, as if an administrator had consented for all users: for grants that show no page,
    /// such as on-behalf-of. `prompt=consent` still shows the page.
    Given,
}

/// The rule for issuing refresh tokens.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum RefreshTokens {
    /// With the scope `offline_access` (OpenID Connect Core section 11). The default.
    #[default]
    WithOfflineAccess,
    /// With every code, as some providers do.
    Always,
    /// Never.
    Never,
}

impl DevClient {
    /// A confidential client with a secret, accepted by `client_secret_basic` and
    /// `client_secret_post`.
    #[must_use]
    pub fn confidential(id: impl Into<String>, secret: impl Into<Secret>) -> Self {
        Self { secret: Some(secret.into()), ..Self::public(id) }
    }

    /// An API that calls further APIs on behalf of its callers: a
    /// [confidential client](Self::confidential) with [a consent](Consent::Given), since that grant
    /// shows no page on which somebody could give it. Its id is its name in `aud`;
    /// [`with_resource`](Self::with_resource) adds others.
    ///
    /// ```
    /// use tower_identity::dev::{DevClient, DevProvider};
    ///
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), tower_identity::ConfigError> {
    /// let api = DevClient::api("notes", "the secret of the API");
    /// let provider = DevProvider::builder().with_client(api).start().await?;
    /// let token = provider.access_token("ada", "notes", "Notes.Read")?;
    /// # Ok(())
    /// # }
    /// ```
    #[must_use]
    pub fn api(id: impl Into<String>, secret: impl Into<Secret>) -> Self {
        Self { consent: Consent::Given, ..Self::confidential(id, secret) }
    }

    /// A public client: it has no secret and is protected by PKCE only.
    #[must_use]
    pub fn public(id: impl Into<String>) -> Self {
        Self {
            id: id.into(),
            secret: None,
            method: None,
            redirect_uris: Vec::new(),
            post_logout_redirect_uris: Vec::new(),
            any_loopback: false,
            consent: Consent::default(),
            refresh_tokens: RefreshTokens::default(),
            accounts: Accounts::default(),
            admin_scopes: Vec::new(),
            resources: Vec::new(),
            is_version_1: false,
            app_roles: Vec::new(),
            keys: Vec::new(),
            blueprint: None,
            proof: ClientAuthKind::default(),
        }
    }

    /// An agent identity (Entra ID). It has no credential of its own: it authenticates with a token
    /// that its blueprint got for `api://AzureADTokenExchange/.default`, with the agent's client ID
    /// as `fmi_path`.
    ///
    /// A token of the agent for that API is the credential of the grant `user_fic`, for every user
    /// who has consented to the scopes.
    #[must_use]
    pub fn agent(id: impl Into<String>, blueprint: impl Into<String>) -> Self {
        Self { blueprint: Some(blueprint.into()), ..Self::public(id) }
    }

    /// Whether the client authenticates.
    pub(super) fn is_confidential(&self) -> bool {
        self.secret.is_some() || !self.keys.is_empty() || self.blueprint.is_some()
    }

    /// The registered kind of authentication, for tokens that are issued without a request.
    pub(super) fn registered_proof(&self) -> ClientAuthKind {
        match (&self.secret, self.is_confidential()) {
            (Some(_), _) => ClientAuthKind::Secret,
            (None, true) => ClientAuthKind::Key,
            (None, false) => ClientAuthKind::Nothing,
        }
    }

    pub(super) fn proven_by(mut self, proof: ClientAuthKind) -> Self {
        self.proof = proof;
        self
    }

    /// Registers a redirect URI for sign-in. It is compared as a string (RFC 9700 section 2.1),
    /// except for the port of a loopback address such as `http://127.0.0.1/callback`: a program
    /// listens at a port that is free (RFC 8252 section 7.3). Entra ID ignores the port of
    /// `http://localhost` as well.
    #[must_use]
    pub fn with_redirect_uri(mut self, uri: impl Into<String>) -> Self {
        self.redirect_uris.push(uri.into());
        self
    }

    /// Registers a redirect URI for sign-out. It is compared as a string.
    #[must_use]
    pub fn with_post_logout_redirect_uri(mut self, uri: impl Into<String>) -> Self {
        self.post_logout_redirect_uris.push(uri.into());
        self
    }

    /// Accepts every `http` or `https` URL on a loopback host (`localhost`, `127.0.0.0/8`, `[::1]`)
    /// with any port and path as a redirect URI, for sign-in and sign-out.
    ///
    /// No real provider should do this. The client `quickstart` has it, so that an application on
    /// any port works without registration.
    #[must_use]
    pub fn with_any_loopback_redirect(mut self) -> Self {
        self.any_loopback = true;
        self
    }

    /// Accepts the secret by this method only. The default is both methods.
    #[must_use]
    pub fn with_authentication(mut self, method: ClientAuthMethod) -> Self {
        self.method = Some(method);
        self
    }

    /// Sets whether users are asked for consent. The default is [`Consent::Asked`].
    #[must_use]
    pub fn with_consent(mut self, consent: Consent) -> Self {
        self.consent = consent;
        self
    }

    /// Sets when there is a refresh token. The default is [`RefreshTokens::WithOfflineAccess`].
    #[must_use]
    pub fn with_refresh_tokens(mut self, when: RefreshTokens) -> Self {
        self.refresh_tokens = when;
        self
    }

    /// Registers a public key, given by its JWK members (RFC 7517), for client assertions
    /// (`private_key_jwt` with RS256, PS256 or ES256).
    ///
    /// If the key has `kid`, `x5t#S256` or `x5t`, the assertion's header must contain one of them
    /// with the same value.
    #[must_use]
    pub fn with_key(mut self, jwk: Map<String, Value>) -> Self {
        self.keys.push(jwk);
        self
    }

    /// Registers the application as the API with this resource indicator (RFC 8707). It may
    /// exchange tokens for that resource on behalf of their users. In Entra ID the client ID is
    /// sufficient.
    #[must_use]
    pub fn with_resource(mut self, resource: impl Into<String>) -> Self {
        self.resources.push(resource.into());
        self
    }

    /// Registers the application as an API with access tokens of version 1.0 (Entra ID:
    /// `requestedAccessTokenVersion` 1 or `null` in the manifest). Their `aud` is the resource of
    /// the request, and their issuer differs. The default is version 2.0.
    #[must_use]
    pub fn with_version_1_tokens(mut self) -> Self {
        self.is_version_1 = true;
        self
    }

    /// Assigns app roles to the application (Entra ID). Its own access tokens contain them as
    /// `roles`. The default is none, and an API refuses such a token.
    #[must_use]
    pub fn with_app_roles<T: Into<String>>(mut self, roles: impl IntoIterator<Item = T>) -> Self {
        self.app_roles = roles.into_iter().map(Into::into).collect();
        self
    }

    /// Whether a token for this audience is for this application.
    pub(super) fn is_api(&self, audience: &str) -> bool {
        // A final slash is part of the scope that was requested (`https://host//.default`), not of
        // the API.
        let audience = audience.trim_end_matches('/');
        // `api://` and the client ID is the Application ID URI that Entra ID proposes.
        self.id == audience
            || audience.strip_prefix("api://") == Some(&self.id)
            || self.resources.iter().any(|own| own.trim_end_matches('/') == audience)
    }

    /// Sets the kinds of accounts that can sign in (Entra). The default is [`Accounts::Everyone`].
    #[must_use]
    pub fn with_accounts(mut self, accounts: Accounts) -> Self {
        self.accounts = accounts;
        self
    }

    /// Sets the scopes to which only an administrator can consent (Entra, AADSTS90094). The default
    /// is none.
    #[must_use]
    pub fn with_admin_scopes<T: Into<String>>(
        mut self,
        scopes: impl IntoIterator<Item = T>,
    ) -> Self {
        self.admin_scopes = scopes.into_iter().map(Into::into).collect();
        self
    }

    /// Whether the application exists in a realm. An application of one tenant exists only there.
    pub(super) fn is_known_in(&self, realm: &Realm) -> bool {
        match (&self.accounts, realm) {
            // Another tenant has no service principal of the application (AADSTS700016).
            (
                Accounts::Tenant(own),
                Realm::Entra(Audience::Tenant(tenant)) | Realm::B2c { tenant, .. },
            ) => own == tenant,
            _ => true,
        }
    }

    /// Checks that the application may use this kind of authority.
    pub(super) fn check_accounts(&self, realm: &Realm) -> Result<(), Fault> {
        match (&self.accounts, realm) {
            // `common` stands for every tenant, and the application is known in one of them.
            (Accounts::Tenant(_), Realm::Entra(Audience::Everyone | Audience::Organizations)) => {
                let description = "the application is of one tenant, so that common and \
                                   organizations cannot be used for it";
                Err(Fault::new("invalid_request", description).entra(50_194))
            }
            (Accounts::Tenant(_) | Accounts::AnyTenant, Realm::Entra(Audience::Consumers)) => Err(
                Fault::new("unauthorized_client", "the application is not for personal accounts")
                    .entra(700_016),
            ),
            _ => Ok(()),
        }
    }

    /// Whether users of this tenant can sign in to the application.
    pub(super) fn serves(&self, tenant: &DevTenant) -> bool {
        match &self.accounts {
            Accounts::Everyone => true,
            Accounts::AnyTenant => *tenant != DevTenant::PERSONAL,
            Accounts::Tenant(own) => own == tenant,
            Accounts::Personal => *tenant == DevTenant::PERSONAL,
        }
    }

    /// Whether `uri` is accepted as the redirect URI of a sign-in.
    pub(super) fn may_redirect_to(&self, uri: &str, realm: &Realm) -> bool {
        let is_same = |registered: &String| {
            registered == uri || is_same_but_port(registered, uri, matches!(realm, Realm::Entra(_)))
        };
        self.redirect_uris.iter().any(is_same) || (self.any_loopback && is_on_loopback(uri))
    }

    /// Whether `uri` is accepted as the redirect URI of a sign-out.
    pub(super) fn may_sign_out_to(&self, uri: &str) -> bool {
        self.post_logout_redirect_uris.iter().any(|registered| registered == uri)
            || (self.any_loopback && is_on_loopback(uri))
    }
}

/// Whether two redirect URIs of a program on this machine differ in nothing but the port.
fn is_same_but_port(registered: &str, uri: &str, is_name_enough: bool) -> bool {
    // RFC 8252 section 7.3 has the two forms with an IP literal. Section 8.3 advises against the
    // name `localhost`, whose port Entra ID ignores.
    let is_loopback = |host: &str| {
        host.parse::<Ipv4Addr>().is_ok_and(|address| address.is_loopback())
            || host
                .strip_prefix('[')
                .and_then(|host| host.strip_suffix(']')?.parse::<Ipv6Addr>().ok())
                .is_some_and(|address| address.is_loopback())
            || (is_name_enough && host == "localhost")
    };
    match (without_port(registered), without_port(uri)) {
        (Some((own, rest)), Some(other)) => (own, rest) == other && is_loopback(own),
        _ => false,
    }
}

/// The host of an `http` URI, and what follows its port.
fn without_port(uri: &str) -> Option<(&str, &str)> {
    let rest = uri.strip_prefix("http://")?;
    let end = rest.find(['/', '?', '#']).unwrap_or(rest.len());
    let (authority, rest) = rest.split_at_checked(end)?;
    let is_port =
        |text: &str| text.bytes().all(|byte| byte.is_ascii_digit()) && text.parse::<u16>().is_ok();
    // The last colon of `[::1]` belongs to the address.
    let host = match authority.rsplit_once(':') {
        Some((host, port)) if is_port(port) => host,
        _ => authority,
    };
    Some((host, rest))
}

/// Whether `uri` is an absolute http or https URL on a loopback host, without user name or
/// fragment.
fn is_on_loopback(uri: &str) -> bool {
    let Ok(url) = Url::parse(uri) else { return false };
    let host = match url.host() {
        Some(Host::Domain(name)) => name.eq_ignore_ascii_case("localhost"),
        Some(Host::Ipv4(address)) => address.is_loopback(),
        Some(Host::Ipv6(address)) => address.is_loopback(),
        None => false,
    };
    // RFC 6749 section 3.1.2: a redirect URI has no fragment. A user name has no use in one either.
    host && matches!(url.scheme(), "http" | "https")
        && url.fragment().is_none()
        && url.username().is_empty()
}
