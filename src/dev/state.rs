//! The mutable state of the provider: users, clients, browsers, codes, grants, tokens.

use std::{
    collections::{HashMap, HashSet, VecDeque},
    time::Duration,
};

use serde_json::{Map, Value};

use super::{
    authorize::IncomingAuthorization,
    client::{ClientAuthKind, DevClient},
    device::Device,
    entra_issue::EntraResource,
    keys::{EntraKeys, ProviderKeys},
    person::DevPerson,
    quirk::Quirks,
    realm::Realm,
    requested_claims::RequestedClaims,
    spoil::{Orders, Spoil},
    spoil_access_token::SpoilAccessToken,
    spoil_answers::{SpoilTokenAnswer, SpoilUserInfo},
    spoil_callback::{self, SpoilCallback},
    spoil_documents::{SpoilDiscovery, SpoilKeys},
    spoil_entra::SpoilEntra,
    switches::Switches,
    tenant::{DevTenant, TenantKind},
};
use crate::{
    clock::UnixTime,
    config::Algorithm,
    error::Error,
    secret::{base64url, random},
};

/// The maximum number of entries of one map. The oldest are dropped first.
const CAPACITY: usize = 100_000;

/// A new unguessable identifier or token: 256 bits.
pub(super) fn unguessable() -> Result<String, Error> {
    Ok(base64url(&random::<32>()?))
}

/// A bounded map from identifiers to entries.
#[derive(Debug)]
pub(super) struct BoundedMap<V> {
    entries: HashMap<String, V>,
    order: VecDeque<String>,
}

impl<V> Default for BoundedMap<V> {
    fn default() -> Self {
        Self { entries: HashMap::new(), order: VecDeque::new() }
    }
}

impl<V> BoundedMap<V> {
    pub(super) fn put(&mut self, id: String, value: V) {
        // A long run of tests begins requests without end; memory stays bounded.
        if self.order.len() >= CAPACITY
            && let Some(oldest) = self.order.pop_front()
        {
            self.entries.remove(&oldest);
        }
        if self.entries.insert(id.clone(), value).is_none() {
            self.order.push_back(id);
        }
    }

    pub(super) fn find(&self, id: &str) -> Option<&V> {
        self.entries.get(id)
    }

    pub(super) fn find_mut(&mut self, id: &str) -> Option<&mut V> {
        self.entries.get_mut(id)
    }

    pub(super) fn remove(&mut self, id: &str) -> Option<V> {
        let value = self.entries.remove(id)?;
        self.order.retain(|known| known != id);
        Some(value)
    }

    pub(super) fn values(&self) -> impl Iterator<Item = &V> {
        self.entries.values()
    }

    pub(super) fn values_mut(&mut self) -> impl Iterator<Item = &mut V> {
        self.entries.values_mut()
    }

    pub(super) fn clear(&mut self) {
        self.entries.clear();
        self.order.clear();
    }
}

/// The session of one browser at the provider.
#[derive(Clone, Debug)]
pub(super) struct BrowserSession {
    pub(super) person: String,
    pub(super) auth_time: UnixTime,
    pub(super) acr: Option<String>,
    pub(super) sid: String,
    /// The authentication contexts that the sign-in satisfied (`acrs`).
    pub(super) contexts: Vec<String>,
    /// Whether the account was created in this sign-in.
    pub(super) is_new: bool,
}

impl BrowserSession {
    /// A sign-in that nothing was demanded of.
    pub(super) fn new(person: &str, now: UnixTime) -> Result<Self, Error> {
        Ok(Self {
            person: person.to_owned(),
            auth_time: now,
            acr: None,
            sid: unguessable()?,
            contexts: Vec::new(),
            is_new: false,
        })
    }
}

/// An authorization request that waits for a submitted form.
#[derive(Clone, Debug)]
pub(super) struct Interaction {
    pub(super) request: IncomingAuthorization,
    /// The browser in which the page was shown. Only that browser may submit the form.
    pub(super) browser: String,
    pub(super) started: UnixTime,
    /// The user who was chosen for this request.
    pub(super) picked: Option<BrowserSession>,
    pub(super) consented: bool,
    /// Whether the profile form was submitted (B2C policy for editing).
    pub(super) edited: bool,
}

/// An authorization code (RFC 6749 section 4.1.2).
#[derive(Clone, Debug)]
pub(super) struct Code {
    pub(super) grant: String,
    pub(super) client: String,
    pub(super) redirect_uri: String,
    pub(super) challenge: String,
    pub(super) nonce: Option<String>,
    pub(super) expires: UnixTime,
    pub(super) used: bool,
}

/// A grant of one sign-in to one client. Its tokens form a family and are revoked together.
#[derive(Clone, Debug)]
pub(super) struct IssuedGrant {
    pub(super) client: String,
    pub(super) person: String,
    pub(super) scopes: Vec<String>,
    /// The resources that the authorization request named (RFC 8707).
    pub(super) resources: Vec<String>,
    pub(super) claims: RequestedClaims,
    pub(super) signed_in: BrowserSession,
    pub(super) revoked: bool,
    /// The authority and the tenant of the sign-in.
    pub(super) realm: Realm,
    pub(super) tenant: Option<DevTenant>,
    /// Whether the ID token has `auth_time`, which Entra ID adds on request only.
    pub(super) tells_auth_time: bool,
    /// Whether the authorization request had `client_info=1`.
    pub(super) client_info: bool,
    /// The client authentication of the current request.
    pub(super) proof: ClientAuthKind,
    /// The path of a federated managed identity that the client asked for (Entra ID).
    pub(super) fmi_path: Option<String>,
}

/// An access token.
#[derive(Clone, Debug)]
pub(super) struct AccessTokenEntry {
    pub(super) grant: String,
    pub(super) tenant: Option<DevTenant>,
    /// The resource of the token (Entra ID).
    pub(super) resource: Option<EntraResource>,
    /// The requested resources (generic provider). Empty means the client itself.
    pub(super) audiences: Vec<String>,
    pub(super) scopes: Vec<String>,
    pub(super) issued: UnixTime,
    pub(super) expires: UnixTime,
    pub(super) revoked: bool,
}

/// A refresh token.
#[derive(Clone, Debug)]
pub(super) struct RefreshTokenEntry {
    pub(super) grant: String,
    pub(super) issued: UnixTime,
    pub(super) expires: UnixTime,
    pub(super) used: bool,
}

/// The lifetimes of tokens and codes.
#[derive(Clone, Copy, Debug)]
pub(super) struct Lifetimes {
    pub(super) code: Duration,
    pub(super) access_token: Duration,
    pub(super) id_token: Duration,
    pub(super) refresh_token: Duration,
}

impl Default for Lifetimes {
    fn default() -> Self {
        Self {
            code: Duration::from_secs(60),
            access_token: Duration::from_secs(3600),
            id_token: Duration::from_secs(3600),
            refresh_token: Duration::from_secs(14 * 24 * 3600),
        }
    }
}

/// Whether a refresh replaces the refresh token.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum RefreshRotation {
    /// Each refresh issues a new one. If the old one is used again, the whole family is revoked
    /// (RFC 9700 section 4.14.2). The default.
    #[default]
    Rotate,
    /// The refresh token stays valid, and the response has no new one.
    Keep,
}

/// The format of access tokens. The default is [`Jwt`](Self::Jwt) for a token whose request names
/// the API that it is for (`resource`, RFC 8707), which verifies it, and [`Opaque`](Self::Opaque)
/// for every other.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AccessTokenFormat {
    /// Random characters that only the provider can interpret.
    Opaque,
    /// A signed JWT (RFC 9068). `aud` is the requested resource (RFC 8707), or the client ID.
    Jwt,
}

/// The ordered faults of future responses.
#[derive(Debug, Default)]
pub(super) struct Spoils {
    pub(super) id_tokens: Orders<Spoil, Map<String, Value>>,
    pub(super) entra_tokens: VecDeque<SpoilEntra>,
    pub(super) access_tokens: VecDeque<SpoilAccessToken>,
    pub(super) callbacks: Orders<SpoilCallback, spoil_callback::ResponseParameters>,
    pub(super) token_answers: Orders<SpoilTokenAnswer, Map<String, Value>>,
    pub(super) user_infos: Orders<SpoilUserInfo, Map<String, Value>>,
    pub(super) discoveries: Orders<SpoilDiscovery, Map<String, Value>>,
    pub(super) key_sets: Orders<SpoilKeys, Map<String, Value>>,
}

/// The mutable state of a running provider.
#[derive(Debug)]
pub(super) struct ProviderState {
    pub(super) people: Vec<DevPerson>,
    pub(super) clients: Vec<DevClient>,
    pub(super) keys: ProviderKeys,
    /// The keys of the imitated Entra.
    pub(super) entra_keys: Option<EntraKeys>,
    pub(super) algorithm: Algorithm,
    pub(super) lifetimes: Lifetimes,
    pub(super) rotation: RefreshRotation,
    /// The format of all access tokens, if it was chosen.
    pub(super) access_token_format: Option<AccessTokenFormat>,
    /// The ID of the user who answers pages automatically.
    pub(super) stand_in: Option<String>,
    /// The browsers whose pages are answered automatically, each with the id of its user.
    pub(super) automatic: BoundedMap<String>,
    /// How many of the next consents are declined instead of given automatically.
    pub(super) refused_consents: usize,
    pub(super) switches: Switches,
    pub(super) spoils: Spoils,
    pub(super) quirks: Quirks,
    pub(super) browsers: BoundedMap<BrowserSession>,
    pub(super) interactions: BoundedMap<Interaction>,
    pub(super) codes: BoundedMap<Code>,
    pub(super) grants: BoundedMap<IssuedGrant>,
    pub(super) access_tokens: BoundedMap<AccessTokenEntry>,
    pub(super) refresh_tokens: BoundedMap<RefreshTokenEntry>,
    /// Consents: user (or tenant, for all of its users), client, scope. They grow with the scopes
    /// that an application has, and not with its requests.
    pub(super) consents: HashSet<(String, String, String)>,
    pub(super) devices: BoundedMap<Device>,
    /// Client ID and `jti` of used assertions.
    pub(super) used_assertions: BoundedMap<()>,
    /// Scopes with the authentication contexts that they require.
    pub(super) required_contexts: Vec<(String, String)>,
    /// The claims challenges that refuse the next refreshes.
    pub(super) challenges: VecDeque<String>,
}

impl ProviderState {
    /// The format of an access token for these resources.
    pub(super) fn format_for(&self, resources: &[String]) -> AccessTokenFormat {
        let default = match resources {
            [] => AccessTokenFormat::Opaque,
            _ => AccessTokenFormat::Jwt,
        };
        self.access_token_format.unwrap_or(default)
    }

    pub(super) fn person(&self, id: &str) -> Option<&DevPerson> {
        self.people.iter().find(|person| person.id == id)
    }

    pub(super) fn client(&self, id: &str) -> Option<&DevClient> {
        self.clients.iter().find(|client| client.id == id)
    }

    /// The id of the user as whom the pages of a browser are answered automatically: that of the
    /// browser, otherwise the one for all browsers.
    pub(super) fn stand_in(&self, browser: &str) -> Option<&str> {
        self.automatic.find(browser).or(self.stand_in.as_ref()).map(String::as_str)
    }

    /// The keys that sign for a tenant. Personal accounts have keys of their own.
    pub(super) fn keys_of(&self, tenant: Option<&DevTenant>) -> &ProviderKeys {
        match (&self.entra_keys, tenant) {
            (Some(keys), Some(tenant)) if tenant.kind == TenantKind::Personal => &keys.personal,
            _ => &self.keys,
        }
    }

    /// Whether the user, or an administrator for the whole tenant, has consented.
    pub(super) fn has_consented(
        &self,
        person: &str,
        tenant: Option<&DevTenant>,
        client: &str,
        scope: &str,
    ) -> bool {
        let agreed = |who: &str| {
            self.consents.contains(&(who.to_owned(), client.to_owned(), scope.to_owned()))
        };
        // An administrator's consent is stored under the tenant's ID, which no user has.
        agreed(person) || tenant.is_some_and(|tenant| agreed(tenant.id))
    }

    /// Revokes all tokens of one sign-in.
    pub(super) fn revoke_grant(&mut self, id: &str) {
        if let Some(grant) = self.grants.find_mut(id) {
            grant.revoked = true;
        }
    }
}
