//! The token responses of Entra and B2C: claims, scopes and resources, `client_info`.

use serde_json::{Map, Value, json};

use super::{
    entra_access,
    fault::Fault,
    issue,
    metadata::members,
    person::DevPerson,
    realm::{Realm, token_issuer},
    server::Server,
    spoil_access_token,
    state::{AccessTokenEntry, IssuedGrant, ProviderState, unguessable},
    tenant::{DevTenant, EntraTenants, TenantKind, guid_of, object_id, subject},
};
use crate::{error::Error, secret::base64url};

/// The greatest number of groups in a token.
const GROUPS_IN_TOKEN: usize = 200;

/// The resource of an access token.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum EntraResource {
    /// The imitated Microsoft Graph, which includes UserInfo.
    Graph,
    /// Another API, by the resource part of the scope: `api://…`, a GUID, a URL.
    Api(String),
}

/// The scopes of OpenID Connect, which belong to no API.
pub(super) fn is_openid(scope: &str) -> bool {
    matches!(scope, "openid" | "profile" | "email" | "offline_access")
}

/// The resource part of a scope, and the scope's name at that resource.
pub(super) fn resource<'a>(server: &Server, scope: &'a str) -> Option<(EntraResource, &'a str)> {
    if is_openid(scope) {
        return None;
    }
    let graph = server.url("/graph");
    Some(match scope.rsplit_once('/') {
        Some((at, name))
            if at == graph || at.trim_end_matches('/') == "https://graph.microsoft.com" =>
        {
            (EntraResource::Graph, name)
        }
        Some((at, name)) => (EntraResource::Api(at.to_owned()), name),
        // A GUID alone is an application, usually the client itself: so B2C is asked for an access
        // token.
        None if scope.len() == 36 && scope.matches('-').count() == 4 => {
            (EntraResource::Api(scope.to_owned()), ".default")
        }
        // A bare name (`User.Read`) is a permission of Microsoft Graph.
        None => (EntraResource::Graph, scope),
    })
}

/// The stored form of a consented scope: in Entra mode the same for all spellings of a Graph scope.
pub(super) fn consent_key(server: &Server, scope: &str) -> String {
    match server.entra.as_ref().and_then(|_| resource(server, scope)) {
        Some((EntraResource::Graph, name)) => name.to_owned(),
        _ => scope.to_owned(),
    }
}

/// Checks the parameter `resource`. Entra ID accepts it beside scopes only if it equals the API in
/// them, character by character.
pub(super) fn check_resource(server: &Server, named: &str, scopes: &[String]) -> Result<(), Fault> {
    let mut of_scopes = scopes.iter().filter_map(|scope| resource(server, scope)).peekable();
    let names_one = of_scopes.peek().is_some();
    if names_one && of_scopes.all(|(own, _)| matches!(own, EntraResource::Api(own) if own == named))
    {
        return Ok(());
    }
    let description =
        "The resource parameter provided in the request doesn't match with the requested scopes";
    Err(Fault::new("invalid_target", description).entra(9_010_010))
}

/// The single resource of these scopes, or the first one if `several` are allowed.
pub(super) fn one_resource(
    server: &Server,
    scopes: &[String],
    several: bool,
) -> Result<EntraResource, Fault> {
    let mut found: Option<EntraResource> = None;
    for scope in scopes {
        match (resource(server, scope), &found) {
            (Some((resource, _)), None) => found = Some(resource),
            (Some((resource, _)), Some(first)) if resource != *first && !several => {
                let description =
                    "the scopes are of more than one resource, and an access token is for one";
                return Err(Fault::new("invalid_request", description).entra(28_000));
            }
            _ => {}
        }
    }
    Ok(found.unwrap_or(EntraResource::Graph))
}

/// The parameters of a token response.
pub(super) struct EntraAnswerParts<'a> {
    pub(super) grant_id: &'a str,
    pub(super) grant: &'a IssuedGrant,
    /// The tenant that issues the tokens.
    pub(super) tenant: &'a DevTenant,
    pub(super) scopes: &'a [String],
    pub(super) resource: EntraResource,
    pub(super) nonce: Option<&'a str>,
    pub(super) refresh_token: Option<String>,
    pub(super) client_info: bool,
}

impl<'a> EntraAnswerParts<'a> {
    /// A response with an access token for all scopes of the grant, and nothing that is optional.
    pub(super) fn of(
        grant_id: &'a str,
        grant: &'a IssuedGrant,
        tenant: &'a DevTenant,
        resource: EntraResource,
    ) -> Self {
        Self {
            grant_id,
            grant,
            tenant,
            scopes: &grant.scopes,
            resource,
            nonce: None,
            refresh_token: None,
            client_info: false,
        }
    }
}

/// The members of a token response (RFC 6749 section 5.1), in the form of Entra ID and B2C.
pub(super) fn answer(
    server: &Server,
    state: &mut ProviderState,
    wanted: EntraAnswerParts<'_>,
) -> Result<Map<String, Value>, Error> {
    let (grant, b2c) = (wanted.grant, matches!(wanted.grant.realm, Realm::B2c { .. }));
    let granted = granted(server, state, &wanted);
    let life = state.lifetimes.access_token.as_secs();
    let mut answer = members(json!({ "token_type": "Bearer", "scope": granted.join(" ") }));
    // B2C issues an access token only if the request has an API scope.
    if !b2c || wanted.scopes.iter().any(|scope| !is_openid(scope)) {
        let token = access_token(server, state, &wanted, &granted)?;
        answer.insert("access_token".into(), token.into());
        answer.insert("expires_in".into(), life.into());
        answer.insert("ext_expires_in".into(), life.into());
    }
    if b2c {
        // B2C adds these two, and leaves `expires_in` out without an access token.
        answer.insert("not_before".into(), server.now().as_seconds().into());
        answer.insert("id_token_expires_in".into(), state.lifetimes.id_token.as_secs().into());
    }
    if let Some(token) = wanted.refresh_token {
        answer.insert("refresh_token".into(), token.into());
        answer.insert(
            "refresh_token_expires_in".into(),
            state.lifetimes.refresh_token.as_secs().into(),
        );
    }
    if wanted.scopes.iter().any(|scope| scope == "openid") {
        let claims = id_token_claims(server, state, grant, wanted.tenant, wanted.nonce);
        answer.insert(
            "id_token".into(),
            issue::signed_id_token(server, state, claims, Some(wanted.tenant))?.into(),
        );
    }
    if wanted.client_info
        && let (Some(entra), Some(person)) = (&server.entra, state.person(&grant.person))
    {
        answer.insert("client_info".into(), client_info(entra, person, &grant.realm).into());
    }
    Ok(answer)
}

/// The scopes of the response: all consented scopes of the one resource. The scopes of OpenID
/// Connect belong to Graph, with UserInfo; `offline_access` is not listed.
fn granted(server: &Server, state: &ProviderState, wanted: &EntraAnswerParts<'_>) -> Vec<String> {
    let mut granted: Vec<String> = wanted
        .scopes
        .iter()
        .filter(|scope| match resource(server, scope) {
            None => *scope != "offline_access" && wanted.resource == EntraResource::Graph,
            Some((resource, _)) => resource == wanted.resource,
        })
        .cloned()
        .collect();
    let mut before: Vec<String> = state
        .consents
        .iter()
        .filter(|(person, client, _)| {
            *person == wanted.grant.person && *client == wanted.grant.client
        })
        .filter(|(_, _, scope)| {
            resource(server, scope).is_some_and(|(resource, _)| resource == wanted.resource)
        })
        .map(|(_, _, scope)| scope.clone())
        .filter(|scope| !granted.iter().any(|known| consent_key(server, known) == *scope))
        .collect();
    before.sort_unstable();
    granted.extend(before);
    granted
}

/// An access token: opaque for Graph, a JWT for an API.
fn access_token(
    server: &Server,
    state: &mut ProviderState,
    wanted: &EntraAnswerParts<'_>,
    granted: &[String],
) -> Result<String, Error> {
    let now = server.now();
    let expires = now + state.lifetimes.access_token;
    let (grant, tenant) = (wanted.grant, wanted.tenant);
    let token = match &wanted.resource {
        EntraResource::Graph => unguessable()?,
        EntraResource::Api(audience) => {
            let scopes: Vec<&str> = granted
                .iter()
                .filter_map(|scope| resource(server, scope))
                .map(|(_, name)| name)
                .collect();
            let claims = entra_access::claims(server, state, grant, tenant, audience, &scopes)?;
            let key = state.keys_of(Some(tenant)).current()?.clone();
            spoil_access_token::write(state, key, "JWT", claims, None, now)?
        }
    };
    let entry = AccessTokenEntry {
        grant: wanted.grant_id.to_owned(),
        tenant: Some(*tenant),
        resource: Some(wanted.resource.clone()),
        audiences: Vec::new(),
        scopes: granted.to_vec(),
        issued: now,
        expires,
        revoked: false,
    };
    state.access_tokens.put(token.clone(), entry);
    Ok(token)
}

/// The unique identifier of a token (`uti`).
pub(super) fn uti() -> Result<String, Error> {
    Ok(base64url(&crate::secret::random::<16>()?))
}

pub(super) fn list(claims: &mut Map<String, Value>, name: &str, values: &[String]) {
    if !values.is_empty() {
        claims.insert(name.to_owned(), values.to_vec().into());
    }
}

/// The claims of an ID token of version 2.0, or of a B2C policy.
fn id_token_claims(
    server: &Server,
    state: &ProviderState,
    grant: &IssuedGrant,
    tenant: &DevTenant,
    nonce: Option<&str>,
) -> Map<String, Value> {
    let now = server.now();
    let mut claims = members(json!({
        "iss": token_issuer(server, tenant), "aud": grant.client, "iat": now, "nbf": now,
        "exp": (now + state.lifetimes.id_token).as_seconds(),
    }));
    if let Some(nonce) = nonce {
        claims.insert("nonce".into(), nonce.into());
    }
    let Some(person) = state.person(&grant.person) else { return claims };
    claims.insert("sub".into(), subject(person, tenant, &grant.client).into());
    claims.insert("oid".into(), object_id(person, tenant).into());
    if let Realm::B2c { policy, .. } = &grant.realm {
        policy_claims(&mut claims, grant, person, policy.name());
        return claims;
    }
    claims.insert("ver".into(), "2.0".into());
    claims.insert("tid".into(), tenant.id.into());
    claims.insert("sid".into(), guid_of(&["sid", &grant.signed_in.sid]).into());
    claims.insert("rh".into(), format!("1.{}.", base64url(tenant.id.as_bytes())).into());
    // Without random characters the token is valid, too.
    claims.extend(uti().ok().map(|uti| ("uti".to_owned(), uti.into())));
    if grant.tells_auth_time {
        claims.insert("auth_time".into(), grant.signed_in.auth_time.as_seconds().into());
    }
    let granted = |scope: &str| grant.scopes.iter().any(|granted| granted == scope);
    if granted("profile") {
        claims.insert("name".into(), person.name.clone().into());
        claims.insert("preferred_username".into(), person.username.clone().into());
    }
    if let Some(email) = person.email.as_ref().filter(|_| granted("email")) {
        claims.insert("email".into(), email.clone().into());
    }
    home(server, &mut claims, person, tenant);
    list(&mut claims, "roles", &person.roles);
    list(&mut claims, "acrs", &grant.signed_in.contexts);
    groups(&mut claims, person, tenant);
    claims.extend(person.claims.clone());
    claims
}

/// Adds the claims of a B2C policy, whose ID tokens are those of version 1.0 in part.
fn policy_claims(
    claims: &mut Map<String, Value>,
    grant: &IssuedGrant,
    person: &DevPerson,
    policy: &str,
) {
    claims.insert("ver".into(), "1.0".into());
    claims.insert("tfp".into(), policy.into());
    claims.insert("auth_time".into(), grant.signed_in.auth_time.as_seconds().into());
    claims.insert("name".into(), person.name.clone().into());
    list(claims, "emails", person.email.as_slice());
    // A user flow writes it only at the sign-in that created the account.
    if grant.signed_in.is_new {
        claims.insert("newUser".into(), true.into());
    }
    claims.extend(person.claims.clone());
}

/// The tenant of a guest's home account.
pub(super) fn home(
    server: &Server,
    claims: &mut Map<String, Value>,
    person: &DevPerson,
    tenant: &DevTenant,
) {
    if let Some(home) =
        server.entra.as_ref().map(|entra| entra.home(person)).filter(|home| *home != tenant)
    {
        claims.insert("idp".into(), format!("https://sts.windows.net/{}/", home.id).into());
        // 1 is a guest; members have 0 or no claim.
        claims.insert("acct".into(), 1.into());
    }
}

/// Adds the groups of a person, or the claims of an overage if they exceed the limit.
pub(super) fn groups(claims: &mut Map<String, Value>, person: &DevPerson, tenant: &DevTenant) {
    if person.groups.len() > GROUPS_IN_TOKEN {
        // Entra ID still writes URLs of a service that has been shut down: clients must treat them
        // as a sign of the overage and not call them.
        let endpoint = format!(
            "https://graph.windows.net/{}/users/{}/getMemberObjects",
            tenant.id,
            object_id(person, tenant)
        );
        claims.insert("_claim_names".into(), json!({ "groups": "src1" }));
        claims.insert("_claim_sources".into(), json!({ "src1": { "endpoint": endpoint } }));
    } else {
        list(claims, "groups", &person.groups);
    }
}

/// The `client_info` parameter: the home account (`uid` and `utid`), in base64url.
pub(super) fn client_info(entra: &EntraTenants, person: &DevPerson, realm: &Realm) -> String {
    let (uid, utid) = home_account(entra, person, realm);
    base64url(json!({ "uid": uid, "utid": utid }).to_string().as_bytes())
}

/// `uid` and `utid` of the home account. In B2C the policy is part of `uid`.
pub(super) fn home_account(
    entra: &EntraTenants,
    person: &DevPerson,
    realm: &Realm,
) -> (String, String) {
    let home = entra.home(person);
    let id = object_id(person, home);
    // MSAL keys its accounts by `uid.utid`; in B2C each policy has accounts of its own.
    let uid = match (realm, home.kind) {
        (Realm::B2c { policy, .. }, TenantKind::B2c) => {
            format!("{id}-{}", policy.name().to_ascii_lowercase())
        }
        _ => id,
    };
    (uid, home.id.to_string())
}
