//! What the provider remembers: people, clients, browsers, codes, grants, tokens.

use std::{
    collections::{HashMap, HashSet, VecDeque},
    time::Duration,
};

use serde_json::{Map, Value};

use super::{
    asked_claims::AskedClaims,
    authorize::AuthorizationRequest,
    client::{DevClient, Proof},
    device::Device,
    entra_issue::Resource,
    keys::{EntraKeys, Keys},
    person::DevPerson,
    quirk::Quirks,
    realm::Realm,
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

/// How many entries of one kind are kept; the oldest leave first.
const CAPACITY: usize = 100_000;

/// A new unguessable identifier or token: 256 bits.
pub(super) fn unguessable() -> Result<String, Error> {
    Ok(base64url(&random::<32>()?))
}

/// A bounded map from identifiers to what they stand for.
#[derive(Debug)]
pub(super) struct Shelf<V> {
    entries: HashMap<String, V>,
    order: VecDeque<String>,
}

impl<V> Default for Shelf<V> {
    fn default() -> Self {
        Self { entries: HashMap::new(), order: VecDeque::new() }
    }
}

impl<V> Shelf<V> {
    pub(super) fn put(&mut self, id: String, value: V) {
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

/// Who is signed in at the provider in one browser.
#[derive(Clone, Debug)]
pub(super) struct SignedIn {
    pub(super) person: String,
    pub(super) auth_time: UnixTime,
    pub(super) acr: Option<String>,
    pub(super) sid: String,
    /// The authentication contexts that were satisfied: `acrs`.
    pub(super) contexts: Vec<String>,
    /// Whether the account was made in this sign-in.
    pub(super) is_new: bool,
}

/// An authorization request that waits for somebody to click.
#[derive(Clone, Debug)]
pub(super) struct Interaction {
    pub(super) request: AuthorizationRequest,
    /// The browser that it was shown in: no other may answer it.
    pub(super) browser: String,
    pub(super) started: UnixTime,
    /// Whoever was picked for this request.
    pub(super) picked: Option<SignedIn>,
    pub(super) consented: bool,
    /// Whether the profile was looked at, which one policy of B2C is for.
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

/// What one sign-in gave to one client: the family that its tokens belong to and are revoked with.
#[derive(Clone, Debug)]
pub(super) struct Grant {
    pub(super) client: String,
    pub(super) person: String,
    pub(super) scopes: Vec<String>,
    /// The resources that the authorization request named (RFC 8707).
    pub(super) resources: Vec<String>,
    pub(super) claims: AskedClaims,
    pub(super) signed_in: SignedIn,
    pub(super) revoked: bool,
    /// Where people signed in, and the tenant that they signed in to.
    pub(super) realm: Realm,
    pub(super) tenant: Option<DevTenant>,
    /// Whether the ID token has `auth_time` in Entra, where it is asked for.
    pub(super) tells_auth_time: bool,
    /// Whether the authorization request asked for `client_info`.
    pub(super) client_info: bool,
    /// How the client has proven itself in the request at hand.
    pub(super) proof: Proof,
}

/// An access token.
#[derive(Clone, Debug)]
pub(super) struct AccessTokenEntry {
    pub(super) grant: String,
    pub(super) tenant: Option<DevTenant>,
    /// What it is for, in Entra.
    pub(super) resource: Option<Resource>,
    /// The resources that it was asked for with, elsewhere; without any it is the client's.
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

/// How long things live.
#[derive(Clone, Copy, Debug)]
pub(super) struct Lives {
    pub(super) code: Duration,
    pub(super) access_token: Duration,
    pub(super) id_token: Duration,
    pub(super) refresh_token: Duration,
}

impl Default for Lives {
    fn default() -> Self {
        Self {
            code: Duration::from_secs(60),
            access_token: Duration::from_secs(3600),
            id_token: Duration::from_secs(3600),
            refresh_token: Duration::from_secs(14 * 24 * 3600),
        }
    }
}

/// What a refresh does to the refresh token.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum RefreshRotation {
    /// Each refresh gives a new one; the old one, used again, revokes the whole family (RFC 9700
    /// section 4.14.2). The default.
    #[default]
    Rotate,
    /// The refresh token stays the same, and no new one is sent.
    Keep,
}

/// What access tokens look like.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum AccessTokenFormat {
    /// Random characters that only the provider understands. The default.
    #[default]
    Opaque,
    /// A signed JWT (RFC 9068). `aud` is the resource that was asked for (RFC 8707), or the client
    /// id.
    Jwt,
}

/// What a test has ordered for the coming answers.
#[derive(Debug, Default)]
pub(super) struct Spoils {
    pub(super) id_tokens: Orders<Spoil, Map<String, Value>>,
    pub(super) entra_tokens: VecDeque<SpoilEntra>,
    pub(super) access_tokens: VecDeque<SpoilAccessToken>,
    pub(super) callbacks: Orders<SpoilCallback, spoil_callback::Parameters>,
    pub(super) token_answers: Orders<SpoilTokenAnswer, Map<String, Value>>,
    pub(super) user_infos: Orders<SpoilUserInfo, Map<String, Value>>,
    pub(super) discoveries: Orders<SpoilDiscovery, Map<String, Value>>,
    pub(super) key_sets: Orders<SpoilKeys, Map<String, Value>>,
}

/// Everything that changes while the provider runs.
#[derive(Debug)]
pub(super) struct State {
    pub(super) people: Vec<DevPerson>,
    pub(super) clients: Vec<DevClient>,
    pub(super) keys: Keys,
    /// The keys that only Entra has.
    pub(super) entra_keys: Option<EntraKeys>,
    pub(super) algorithm: Algorithm,
    pub(super) lives: Lives,
    pub(super) rotation: RefreshRotation,
    pub(super) access_token_format: AccessTokenFormat,
    /// Who answers the pages in place of a person.
    pub(super) stand_in: Option<String>,
    pub(super) switches: Switches,
    pub(super) spoils: Spoils,
    pub(super) quirks: Quirks,
    pub(super) browsers: Shelf<SignedIn>,
    pub(super) interactions: Shelf<Interaction>,
    pub(super) codes: Shelf<Code>,
    pub(super) grants: Shelf<Grant>,
    pub(super) access_tokens: Shelf<AccessTokenEntry>,
    pub(super) refresh_tokens: Shelf<RefreshTokenEntry>,
    /// Person (or the tenant for everybody in it), client, scope.
    pub(super) consents: HashSet<(String, String, String)>,
    pub(super) devices: Shelf<Device>,
    /// Client and `jti` of the assertions that were used.
    pub(super) used_assertions: HashSet<String>,
    /// Scope, and the authentication context that it needs.
    pub(super) required_contexts: Vec<(String, String)>,
    /// The claims with which the next refreshes are refused.
    pub(super) challenges: VecDeque<String>,
}

impl State {
    pub(super) fn person(&self, id: &str) -> Option<&DevPerson> {
        self.people.iter().find(|person| person.id == id)
    }

    pub(super) fn client(&self, id: &str) -> Option<&DevClient> {
        self.clients.iter().find(|client| client.id == id)
    }

    /// The keys that sign for a tenant: personal accounts have their own.
    pub(super) fn keys_of(&self, tenant: Option<&DevTenant>) -> &Keys {
        match (&self.entra_keys, tenant) {
            (Some(keys), Some(tenant)) if tenant.kind == TenantKind::Personal => &keys.personal,
            _ => &self.keys,
        }
    }

    /// Whether somebody agreed: the person, or an administrator for everybody in the tenant.
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
        agreed(person) || tenant.is_some_and(|tenant| agreed(tenant.id))
    }

    /// Ends everything that came from one sign-in.
    pub(super) fn revoke_grant(&mut self, id: &str) {
        if let Some(grant) = self.grants.find_mut(id) {
            grant.revoked = true;
        }
    }
}
