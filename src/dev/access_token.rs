//! Access tokens without a browser, for tests of an API.

use std::time::Duration;

use serde_json::{Map, Value, json};

use super::{
    client::DevClient,
    entra_access,
    entra_issue::EntraResource,
    grants,
    issue::{self, Part},
    provider::DevProvider,
    realm::{self, Realm},
    server::Server,
    spoil_access_token::{self, SpoilAccessToken},
    state::{AccessTokenEntry, IssuedGrant, ProviderState, unguessable},
    tenant::{DevTenant, guid_of},
};
use crate::{
    error::{ConfigError, Error},
    secret::Secret,
};

/// The description of an access token to issue, for tests of an API: caller, audience and rights.
///
/// A generic provider issues it by RFC 9068. A provider that imitates Entra ID issues it with the
/// claims of Microsoft's access tokens, in the version that the API is registered for.
///
/// ```
/// use tower_identity::dev::{DevAccessToken, DevProvider, SpoilAccessToken};
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), tower_identity::ConfigError> {
/// let provider = DevProvider::builder().entra().start().await?;
///
/// let ada = provider.access_token("ada", "api://notes", "Notes.Read")?;
/// let daemon = DevAccessToken::application("api://notes").with_roles(["Notes.Read.All"]);
/// let daemon = provider.issue_access_token(&daemon)?;
/// let stale = DevAccessToken::person("ada", "api://notes")
///     .with_scopes("Notes.Read")
///     .spoilt(SpoilAccessToken::ExpiryPast);
/// let stale = provider.issue_access_token(&stale)?;
/// // … send each as `Authorization: Bearer …` …
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug, PartialEq)]
#[must_use = "no token is issued until `DevProvider::issue_access_token`"]
pub struct DevAccessToken {
    caller: DevCaller,
    /// The user, or the user account of an agent.
    person: String,
    audience: String,
    scopes: Vec<String>,
    roles: Option<Vec<String>>,
    client: Option<String>,
    tenant: Option<DevTenant>,
    is_version_1: bool,
    is_opaque: bool,
    contexts: Vec<String>,
    capabilities: Vec<String>,
    sign_in_age: Option<Duration>,
    /// Claims to set, and claims to remove (`None`).
    changes: Vec<(String, Option<Value>)>,
    spoil: Option<SpoilAccessToken>,
}

/// The kinds of caller. A generic provider has a person and an application only.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum DevCaller {
    Person,
    PersonThroughAgent,
    AgentUser,
    Agent,
    Application,
    ManagedIdentity,
}

impl DevAccessToken {
    fn of(caller: DevCaller, person: impl Into<String>, audience: impl Into<String>) -> Self {
        Self {
            caller,
            person: person.into(),
            audience: audience.into(),
            scopes: Vec::new(),
            roles: None,
            client: None,
            tenant: None,
            is_version_1: false,
            is_opaque: false,
            contexts: Vec::new(),
            capabilities: Vec::new(),
            sign_in_age: None,
            changes: Vec::new(),
            spoil: None,
        }
    }

    /// The token of a person. The client is `quickstart` unless
    /// [another](Self::with_client) is set.
    pub fn person(id: impl Into<String>, audience: impl Into<String>) -> Self {
        Self::of(DevCaller::Person, id, audience)
    }

    /// The token of a person, issued to an agent identity of Entra ID.
    pub fn person_through_agent(id: impl Into<String>, audience: impl Into<String>) -> Self {
        Self::of(DevCaller::PersonThroughAgent, id, audience)
    }

    /// The token of an agent's user account in Entra ID. `id` is the user that represents the
    /// account.
    pub fn agent_user(id: impl Into<String>, audience: impl Into<String>) -> Self {
        Self::of(DevCaller::AgentUser, id, audience)
    }

    /// The token of an agent identity of Entra ID itself.
    pub fn agent(audience: impl Into<String>) -> Self {
        Self::of(DevCaller::Agent, "", audience)
    }

    /// The token of an application itself.
    pub fn application(audience: impl Into<String>) -> Self {
        Self::of(DevCaller::Application, "", audience)
    }

    /// The token of a managed identity of Azure.
    pub fn managed_identity(audience: impl Into<String>) -> Self {
        Self::of(DevCaller::ManagedIdentity, "", audience)
    }

    /// Sets the scopes, separated by spaces, as the token contains them. The default is none.
    pub fn with_scopes(mut self, scopes: &str) -> Self {
        self.scopes = scopes.split_whitespace().map(ToOwned::to_owned).collect();
        self
    }

    /// Sets the app roles. The default is the app roles of the person or of the application.
    pub fn with_roles<T: Into<String>>(mut self, roles: impl IntoIterator<Item = T>) -> Self {
        self.roles = Some(roles.into_iter().map(Into::into).collect());
        self
    }

    /// Sets the client ID of the calling application, which need not be registered.
    pub fn with_client(mut self, id: impl Into<String>) -> Self {
        self.client = Some(id.into());
        self
    }

    /// Sets the tenant that issues the token (Entra ID): the tenant of an application, or a tenant
    /// in which the person is a guest. The default is the person's home tenant, or the first
    /// tenant for an application.
    pub fn with_tenant(mut self, tenant: DevTenant) -> Self {
        self.tenant = Some(tenant);
        self
    }

    /// Issues the token in version 1.0, regardless of the API's registration (Entra ID).
    pub fn version_1(mut self) -> Self {
        self.is_version_1 = true;
        self
    }

    /// Issues random characters instead of a JWT. The API has to use token introspection (RFC
    /// 7662).
    pub fn opaque(mut self) -> Self {
        self.is_opaque = true;
        self
    }

    /// Sets the authentication contexts of the sign-in (`acrs`).
    pub fn with_auth_contexts<T: Into<String>>(
        mut self,
        contexts: impl IntoIterator<Item = T>,
    ) -> Self {
        self.contexts = contexts.into_iter().map(Into::into).collect();
        self
    }

    /// Sets the capabilities of the client (`xms_cc`), such as `cp1` for claims challenges (Entra
    /// ID).
    pub fn with_client_capabilities<T: Into<String>>(
        mut self,
        capabilities: impl IntoIterator<Item = T>,
    ) -> Self {
        self.capabilities = capabilities.into_iter().map(Into::into).collect();
        self
    }

    /// Sets the time since the person's sign-in, and adds `auth_time`. In Entra ID the claim is
    /// optional and absent by default.
    pub fn with_sign_in_age(mut self, age: Duration) -> Self {
        self.sign_in_age = Some(age);
        self
    }

    /// Sets a claim, after all others.
    pub fn with_claim(mut self, name: impl Into<String>, value: impl Into<Value>) -> Self {
        self.changes.push((name.into(), Some(value.into())));
        self
    }

    /// Removes a claim, after all others were set.
    pub fn without_claim(mut self, name: impl Into<String>) -> Self {
        self.changes.push((name.into(), None));
        self
    }

    /// Applies a named fault.
    pub fn spoilt(mut self, spoil: SpoilAccessToken) -> Self {
        self.spoil = Some(spoil);
        self
    }

    fn is_agent(&self) -> bool {
        matches!(
            self.caller,
            DevCaller::PersonThroughAgent | DevCaller::AgentUser | DevCaller::Agent
        )
    }

    /// Applies the differences to the claims that a client would get over the wire.
    fn change(&self, client: &str, claims: &mut Map<String, Value>) {
        let mut set = |name: &str, value: Value| drop(claims.insert(name.to_owned(), value));
        // The facets that Microsoft's access tokens have: of an agent identity and of its user
        // account. They are numbers, written as text.
        let (agent, account) = ("11", "13");
        match self.caller {
            DevCaller::PersonThroughAgent => set("xms_act_fct", agent.into()),
            DevCaller::AgentUser => {
                set("xms_act_fct", agent.into());
                set("xms_sub_fct", account.into());
            }
            DevCaller::Agent => {
                set("xms_act_fct", agent.into());
                set("xms_sub_fct", agent.into());
            }
            DevCaller::ManagedIdentity => {
                let kind = "Microsoft.ManagedIdentity/userAssignedIdentities";
                let path = format!("/subscriptions/1/resourcegroups/notes/providers/{kind}/notes");
                set("xms_mirid", path.into());
            }
            DevCaller::Person | DevCaller::Application => {}
        }
        if self.is_agent() {
            // The agent's parent application: the blueprint, which is the registered client.
            set("xms_par_app_azp", client.into());
        }
        if let Some(roles) = &self.roles {
            set("roles", json!(roles));
        }
        if !self.capabilities.is_empty() {
            set("xms_cc", json!(self.capabilities));
        }
    }
}

/// Access tokens without a browser, for tests of an API.
impl DevProvider {
    /// Issues an access token of `person` for the API `audience`, with these scopes (separated by
    /// spaces, as the token contains them). It is a JWT, whatever the configured token format. For
    /// other callers and claims use [`issue_access_token`](Self::issue_access_token).
    ///
    /// # Errors
    ///
    /// The person does not exist, or the signature failed.
    pub fn access_token(
        &self,
        person: &str,
        audience: &str,
        scopes: &str,
    ) -> Result<Secret, ConfigError> {
        self.issue_access_token(&DevAccessToken::person(person, audience).with_scopes(scopes))
    }

    /// Issues an access token.
    ///
    /// # Errors
    ///
    /// The person does not exist, or not in that tenant, or the signature failed.
    pub fn issue_access_token(&self, wanted: &DevAccessToken) -> Result<Secret, ConfigError> {
        let mut state = self.server.state();
        let (grant, client) = grant_of(&self.server, &state, wanted, self.client_id())?;
        issued(&self.server, &mut state, wanted, &grant, &client)
            .map(Secret::from)
            .map_err(|error| ConfigError::new("issue_access_token", error.to_string()))
    }

    /// Revokes an access token: introspection reports it as inactive from now on. An API that
    /// verifies JWTs itself accepts it until it expires. Returns `false` for a token of another
    /// provider.
    #[must_use]
    pub fn revoke_access_token(&self, token: &str) -> bool {
        let mut state = self.server.state();
        let entry = state.access_tokens.find_mut(token);
        entry.map(|entry| entry.revoked = true).is_some()
    }

    /// Applies a fault to the next access token. Calls queue up, one token each. Opaque tokens
    /// have no faults.
    pub fn spoil_next_access_token(&self, spoil: SpoilAccessToken) {
        self.server.state().spoils.access_tokens.push_back(spoil);
    }
}

/// The grant that the token belongs to, and its client. An agent uses the client of its blueprint.
fn grant_of(
    server: &Server,
    state: &ProviderState,
    wanted: &DevAccessToken,
    first_client: &str,
) -> Result<(IssuedGrant, String), ConfigError> {
    let wrong = |problem: String| ConfigError::new("issue_access_token", problem);
    let person = match wanted.person.as_str() {
        "" => None,
        id => Some(
            state
                .person(id)
                .ok_or_else(|| wrong(format!("there is no person with the id {id:?}")))?,
        ),
    };
    let tenant = server.entra.as_ref().map(|entra| {
        wanted.tenant.unwrap_or_else(|| match person {
            Some(person) => *entra.home(person),
            None => entra.tenants.first().copied().unwrap_or(DevTenant::CONTOSO),
        })
    });
    if let (Some(entra), Some(person), Some(tenant)) = (&server.entra, person, &tenant)
        && !entra.knows(person, tenant)
    {
        return Err(wrong(format!("{:?} is not known in {}", person.id(), tenant.domain())));
    }
    let client = wanted.client.clone().unwrap_or_else(|| first_client.to_owned());
    // An agent identity is an application of its own, so its ID differs from that of its blueprint.
    let actor = if wanted.is_agent() { guid_of(&["agent", &client]) } else { client.clone() };
    let proof = state.client(&client).map(DevClient::registered_proof).unwrap_or_default();
    let actor = DevClient::public(actor).proven_by(proof);
    let realm = tenant.as_ref().map_or(Realm::Plain, realm::at_home);
    let mut grant =
        grants::grant(server, &actor, &wanted.person, &realm, tenant, wanted.scopes.clone())
            .map_err(|error| wrong(error.to_string()))?;
    grant.resources = vec![wanted.audience.clone()];
    grant.signed_in.contexts.clone_from(&wanted.contexts);
    grant.signed_in.auth_time = server.now() - wanted.sign_in_age.unwrap_or_default();
    Ok((grant, client))
}

/// The `typ` and the claims of the token, before the changes that the test ordered.
fn content(
    server: &Server,
    state: &ProviderState,
    wanted: &DevAccessToken,
    grant: &IssuedGrant,
) -> Result<(&'static str, Map<String, Value>), Error> {
    let Some(tenant) = &grant.tenant else {
        let part = Part {
            scopes: &grant.scopes,
            resources: &grant.resources,
            format: state.format_for(&grant.resources),
        };
        // RFC 9068 section 2.1: `at+jwt`. Entra ID writes `JWT`; its access tokens are
        // distinguished from ID tokens by their claims.
        return Ok(("at+jwt", issue::access_claims(server, state, grant, part)?));
    };
    let (audience, scopes) = (&wanted.audience, grant.scopes.iter().map(String::as_str));
    let scopes: Vec<&str> = scopes.collect();
    let mut claims = entra_access::claims(server, state, grant, tenant, audience, &scopes)?;
    // The version is a setting of the API's registration (`requestedAccessTokenVersion`).
    if wanted.is_version_1 {
        claims = entra_access::to_version_1(server, tenant, audience, claims);
    }
    if wanted.sign_in_age.is_some() {
        claims.insert("auth_time".into(), json!(grant.signed_in.auth_time));
    }
    Ok(("JWT", claims))
}

/// Issues the token of this grant.
fn issued(
    server: &Server,
    state: &mut ProviderState,
    wanted: &DevAccessToken,
    grant: &IssuedGrant,
    client: &str,
) -> Result<String, Error> {
    let (now, audience) = (server.now(), &wanted.audience);
    let (typ, mut claims) = content(server, state, wanted, grant)?;
    wanted.change(client, &mut claims);
    // The changes of the test come last, so that they replace what caller and version imply.
    for (name, value) in &wanted.changes {
        match value {
            Some(value) => claims.insert(name.clone(), value.clone()),
            None => claims.remove(name),
        };
    }
    // RFC 6749 section 1.4: a token can be a mere identifier, which only the provider can look up.
    let token = if wanted.is_opaque {
        unguessable()?
    } else {
        let key = state.keys_of(grant.tenant.as_ref()).current()?.clone();
        spoil_access_token::write(state, key, typ, claims, wanted.spoil, now)?
    };
    let id = unguessable()?;
    let entry = AccessTokenEntry {
        grant: id.clone(),
        tenant: grant.tenant,
        resource: grant.tenant.is_some().then(|| EntraResource::Api(audience.clone())),
        audiences: grant.resources.clone(),
        scopes: grant.scopes.clone(),
        issued: now,
        expires: now + state.lifetimes.access_token,
        revoked: false,
    };
    state.grants.put(id, grant.clone());
    state.access_tokens.put(token.clone(), entry);
    Ok(token)
}
