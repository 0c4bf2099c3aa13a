//! What kind of token it is, and which of the six callers sent it.

use serde_json::Value;

use super::{
    access_token::{other_kind, text},
    json::Object,
    jwt::malformed,
};
use crate::error::Error;

/// The kind of a caller: a person through something, or something by itself.
///
/// Scopes are what a person let an application do; app roles are what an administrator let an
/// application do by itself. A guard counts each for its own kind alone.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum CallerKind {
    /// A person, through an application.
    Person,
    /// A person, through an agent identity of Entra.
    PersonThroughAgent,
    /// The user account that belongs to an agent of Entra, through that agent.
    AgentUser,
    /// An agent identity of Entra by itself.
    Agent,
    /// An application by itself.
    Application,
    /// A managed identity of Azure, where its token tells it.
    ManagedIdentity,
}

impl CallerKind {
    /// Whether a user account is behind the call, so that scopes count.
    #[must_use]
    pub const fn is_person(self) -> bool {
        matches!(self, Self::Person | Self::PersonThroughAgent | Self::AgentUser)
    }

    /// Whether an agent acts, alone or for a person.
    #[must_use]
    pub const fn is_agent(self) -> bool {
        matches!(self, Self::PersonThroughAgent | Self::AgentUser | Self::Agent)
    }

    /// Its name in logs and documents: `person`, `person_through_agent`, `agent_user`, `agent`,
    /// `application`, `managed_identity`.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Person => "person",
            Self::PersonThroughAgent => "person_through_agent",
            Self::AgentUser => "agent_user",
            Self::Agent => "agent",
            Self::Application => "application",
            Self::ManagedIdentity => "managed_identity",
        }
    }
}

impl std::fmt::Display for CallerKind {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.as_str())
    }
}

/// How the client proved itself to the provider when it got the token (`azpacr`, `appidacr`).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ClientProof {
    /// The token does not tell.
    Unknown,
    /// Not at all: a public client.
    Nothing,
    /// By a client secret.
    Secret,
    /// By a certificate or a signed assertion.
    Certificate,
}

/// Facets of Entra: an agent identity, and the user account of one.
const AGENT: u64 = 11;
const AGENT_USER: u64 = 13;

/// Refuses what is a token of another kind, and what is bound to a key.
pub(super) fn check_no_other_kind(
    claims: &Object,
    is_typed: bool,
    is_b2c: bool,
) -> Result<(), Error> {
    if claims.contains_key("cnf") {
        return Err(other_kind(
            "it is bound to a key (`cnf`), so that it may not be sent as a plain bearer token \
             (RFC 7800)",
        ));
    }
    if claims.contains_key("events") {
        return Err(other_kind("it is a security event or logout token (`events`)"));
    }
    if claims.contains_key("htm") || claims.contains_key("htu") {
        return Err(other_kind("it is a DPoP proof"));
    }
    if ["at_hash", "c_hash", "s_hash"].iter().any(|name| claims.contains_key(*name)) {
        return Err(other_kind("it is an ID token: the client has to send the access token"));
    }
    let is_named = is_named_access_token(claims)?;
    // Older versions of Keycloak put the nonce into access tokens, and so does Azure AD B2C, where
    // no ID token has a scope.
    let may_have_nonce = is_named || is_typed || (is_b2c && claims.contains_key("scp"));
    if claims.contains_key("nonce") && !may_have_nonce {
        return Err(other_kind(
            "it has a `nonce`, as ID tokens do: the client has to send the access token",
        ));
    }
    Ok(())
}

/// Whether a claim names the kind `access token`: `typ` in Keycloak's tokens, `token_use` in those of
/// Cognito and in what Ory Hydra says of a token.
///
/// # Errors
///
/// [`ErrorKind::TokenKind`](crate::ErrorKind::TokenKind): another kind is named.
fn is_named_access_token(claims: &Object) -> Result<bool, Error> {
    let by_type = match text(claims, "typ")?.as_deref() {
        Some("Bearer" | "at+jwt") => true,
        None | Some("JWT") => false,
        Some(_) => return Err(other_kind("the claim `typ` names another kind of token")),
    };
    let by_use = match text(claims, "token_use")?.as_deref() {
        Some("access" | "access_token") => true,
        None => false,
        Some(_) => return Err(other_kind("the claim `token_use` names another kind of token")),
    };
    Ok(by_type || by_use)
}

/// The caller by the claims of Microsoft's tokens.
///
/// `idtyp` is an optional claim; without it a scope makes the difference. A token with neither
/// scope nor app role allows nothing, and looks as an ID token does.
pub(super) fn at_microsoft(
    claims: &Object,
    scopes: &[String],
    roles: &[String],
) -> Result<CallerKind, Error> {
    let is_delegated = match text(claims, "idtyp")?.as_deref() {
        Some("user") => true,
        Some("app") => false,
        None => !scopes.is_empty(),
        Some(_) => return Err(malformed("`idtyp` is neither `user` nor `app`")),
    };
    if (is_delegated && scopes.is_empty()) || (!is_delegated && roles.is_empty()) {
        return Err(other_kind(
            "it has neither a scope (`scp`) of a person nor an app role (`roles`) of an \
             application: expose a scope, or assign an app role, in the API's registration",
        ));
    }
    let (actor, subject) = (numbers(claims, "xms_act_fct")?, numbers(claims, "xms_sub_fct")?);
    let (acts, is_account, is_itself) =
        (actor.contains(&AGENT), subject.contains(&AGENT_USER), subject.contains(&AGENT));
    Ok(match (is_delegated, is_account, is_itself) {
        (true, true, _) => CallerKind::AgentUser,
        (true, false, true) | (false, true, _) => {
            return Err(malformed("`xms_sub_fct` and the kind of the token are two subjects"));
        }
        (true, false, false) if acts => CallerKind::PersonThroughAgent,
        (true, false, false) => CallerKind::Person,
        (false, _, is_itself) if is_itself || acts => CallerKind::Agent,
        (false, ..) if text(claims, "xms_mirid")?.is_some() => CallerKind::ManagedIdentity,
        (false, ..) => CallerKind::Application,
    })
}

/// The caller by the claims of another provider's token, if something in them says that it is an
/// access token at all.
pub(super) fn elsewhere(
    claims: &Object,
    is_typed: bool,
    scopes: &[String],
    sub: Option<&str>,
    application: Option<&str>,
) -> Result<CallerKind, Error> {
    // `azp` alone says nothing: ID tokens have it, too.
    let is_access_token = is_typed
        || !scopes.is_empty()
        || ["client_id", "cid", "gty", "appid"].iter().any(|name| claims.contains_key(*name))
        || is_named_access_token(claims)?;
    if !is_access_token {
        return Err(other_kind(
            "nothing in it says that it is an access token: no `typ` of `at+jwt`, no scope, no \
             `client_id` (RFC 9068 section 2)",
        ));
    }
    let is_itself = match (sub, application) {
        (None, None) => return Err(malformed("it has neither `sub` nor `client_id`")),
        (None, Some(_)) => true,
        (Some(""), _) => return Err(malformed("`sub` is empty")),
        // RFC 9068 section 2.2: where no person is involved, `sub` is the client. Auth0 marks it.
        (Some(sub), Some(id)) => sub == id || sub.strip_suffix("@clients") == Some(id),
        (Some(_), None) => false,
    };
    let is_itself = is_itself || is_service_account(claims, application);
    Ok(if is_itself || text(claims, "gty")?.as_deref() == Some("client-credentials") {
        CallerKind::Application
    } else {
        CallerKind::Person
    })
}

/// Whether the token is of a service account of Keycloak, whose `sub` is a user of its own.
///
/// The name of that user alone does not decide, because a person could choose it. The session of a
/// service account has notes about the client besides, which a person's session never has.
fn is_service_account(claims: &Object, application: Option<&str>) -> bool {
    let claim = |name: &str| claims.get(name).and_then(Value::as_str);
    let noted = claim("clientId").or_else(|| claim("client_id"));
    let own_name =
        claim("preferred_username").and_then(|name| name.strip_prefix("service-account-"));
    application.zip(own_name).is_some_and(|(id, own_name)| {
        own_name.eq_ignore_ascii_case(id)
            && claim("azp") == Some(id)
            && noted == Some(id)
            && claim("clientHost").is_some()
    })
}

/// How the client proved itself.
pub(super) fn proof(claims: &Object, is_microsoft: bool) -> Result<ClientProof, Error> {
    let told = match (claims.get("azpacr"), claims.get("appidacr")) {
        _ if !is_microsoft => return Ok(ClientProof::Unknown),
        (None, None) => return Ok(ClientProof::Unknown),
        (Some(one), None) | (None, Some(one)) => one,
        (Some(one), Some(other)) if one == other => one,
        (Some(_), Some(_)) => return Err(malformed("`azpacr` and `appidacr` differ")),
    };
    Ok(match (told.as_str(), told.as_u64()) {
        (Some("0"), _) | (_, Some(0)) => ClientProof::Nothing,
        (Some("1"), _) | (_, Some(1)) => ClientProof::Secret,
        (Some("2"), _) | (_, Some(2)) => ClientProof::Certificate,
        (None, None) => return Err(malformed("`azpacr` or `appidacr` is not a number")),
        _ => ClientProof::Unknown,
    })
}

/// The numbers of a claim of Entra: a list, or a text with something between them. What is no
/// number is not known, and left out.
pub(super) fn numbers(claims: &Object, name: &str) -> Result<Vec<u64>, Error> {
    Ok(match claims.get(name) {
        None | Some(Value::Null) => Vec::new(),
        Some(Value::Number(number)) => number.as_u64().into_iter().collect(),
        Some(Value::String(text)) => {
            text.split([' ', ',', ';']).filter_map(|word| word.parse().ok()).collect()
        }
        Some(Value::Array(items)) => items
            .iter()
            .filter_map(|item| {
                item.as_u64().or_else(|| item.as_str().and_then(|text| text.parse().ok()))
            })
            .collect(),
        Some(_) => return Err(malformed(format!("`{name}` is no list of numbers"))),
    })
}
