//! The kind of a token, and the kind of its caller.

use serde_json::Value;

use super::{
    access_token::{ClaimsSource, other_kind, text, words},
    json::Object,
    jwt::malformed,
};
use crate::error::{Error, ErrorKind};

/// The kind of a caller: a person through an application, or an application by itself.
///
/// Scopes are the rights that a person gave to an application; app roles are the rights that an
/// administrator gave to an application itself. Guards accept scopes from the first kind only, and
/// app roles of an application from the second only.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum CallerKind {
    /// A person through an application.
    Person,
    /// A person through an agent identity of Entra ID.
    PersonThroughAgent,
    /// The user account of an agent of Entra ID, through that agent.
    AgentUser,
    /// An agent identity of Entra ID by itself.
    Agent,
    /// An application by itself.
    Application,
    /// A managed identity of Azure, if its token shows that.
    ManagedIdentity,
}

impl CallerKind {
    /// Whether the caller acts for a user account, so that scopes apply.
    #[must_use]
    pub const fn is_person(self) -> bool {
        matches!(self, Self::Person | Self::PersonThroughAgent | Self::AgentUser)
    }

    /// Whether an agent acts, by itself or for a person.
    #[must_use]
    pub const fn is_agent(self) -> bool {
        matches!(self, Self::PersonThroughAgent | Self::AgentUser | Self::Agent)
    }

    /// The name in logs and documents: `person`, `person_through_agent`, `agent_user`, `agent`,
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

/// The client's authentication at the token endpoint (`azpacr`, `appidacr`).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ClientProof {
    /// The token does not say.
    Unknown,
    /// None: a public client.
    Nothing,
    /// A client secret.
    Secret,
    /// A certificate or a signed assertion.
    Certificate,
}

/// The values of `xms_act_fct` and `xms_sub_fct` for an agent identity and for its user account.
const AGENT: u64 = 11;
const AGENT_USER: u64 = 13;

/// Refuses tokens of another kind, and tokens that are bound to a key.
pub(super) fn check_no_other_kind(
    claims: &Object,
    source: ClaimsSource,
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
    // Older versions of Keycloak put the nonce into access tokens, and so does Azure AD B2C, whose
    // ID tokens have no `scp`.
    let is_typed = source == ClaimsSource::TypedJwt;
    let may_have_nonce = is_named || is_typed || (is_b2c && claims.contains_key("scp"));
    if claims.contains_key("nonce") && !may_have_nonce {
        return Err(other_kind(
            "it has a `nonce`, as ID tokens do: the client has to send the access token",
        ));
    }
    Ok(())
}

/// Whether a claim names the kind `access token`: `typ` in tokens of Keycloak, `token_use` in
/// tokens of Cognito and in introspection responses of Ory Hydra, `mode` in those of OpenAuth. The
/// last name may mean anything elsewhere, so no other value of it refuses a token.
///
/// # Errors
///
/// [`ErrorKind::TokenKind`](crate::ErrorKind::TokenKind): the claim names another kind.
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
    let by_mode = claims.get("mode").and_then(Value::as_str) == Some("access");
    Ok(by_type || by_use || by_mode)
}

/// The caller kind from the claims of a Microsoft token.
///
/// `idtyp` is an optional claim; without it the presence of a scope decides. A token with neither
/// scope nor app role gives no right, and cannot be distinguished from an ID token.
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
            return Err(malformed(
                "`xms_sub_fct` and the kind of the token name different kinds of caller",
            ));
        }
        (true, false, false) if acts => CallerKind::PersonThroughAgent,
        (true, false, false) => CallerKind::Person,
        (false, _, is_itself) if is_itself || acts => CallerKind::Agent,
        (false, ..) if text(claims, "xms_mirid")?.is_some() => CallerKind::ManagedIdentity,
        (false, ..) => CallerKind::Application,
    })
}

/// The caller kind from the claims of another provider's token, if they show that it is an access
/// token.
pub(super) fn elsewhere(
    claims: &Object,
    source: ClaimsSource,
    scopes: &[String],
    sub: Option<&str>,
    application: Option<&str>,
) -> Result<CallerKind, Error> {
    // `azp` alone is no evidence: ID tokens have it too (OpenID Connect Core section 2).
    let is_access_token = source == ClaimsSource::TypedJwt
        || !scopes.is_empty()
        || ["client_id", "cid", "gty", "appid"].iter().any(|name| claims.contains_key(*name))
        || is_named_access_token(claims)?;
    if !is_access_token {
        return Err(other_kind(
            "nothing in it says that it is an access token: no `typ` of `at+jwt`, no scope, no \
             `client_id` (RFC 9068 section 2)",
        ));
    }
    let is_itself = is_application(claims, source, scopes, sub, application)?
        || is_service_account(claims, application);
    Ok(if is_itself { CallerKind::Application } else { CallerKind::Person })
}

/// Whether an application calls by itself, by the claims that are not Keycloak's alone.
fn is_application(
    claims: &Object,
    source: ClaimsSource,
    scopes: &[String],
    sub: Option<&str>,
    application: Option<&str>,
) -> Result<bool, Error> {
    let by_subject = match (sub, application) {
        (None, None) => return Err(malformed("it has neither `sub` nor `client_id`")),
        (Some(""), _) => return Err(malformed("`sub` is empty")),
        // Without a person `sub` is the client (RFC 9068 section 2.2). Auth0 appends `@clients`,
        // authgent puts `client:` before it.
        (Some(sub), Some(id)) => {
            sub == id
                || sub.strip_suffix("@clients") == Some(id)
                || sub.strip_prefix("client:") == Some(id)
        }
        _ => false,
    };
    let by_grant = is_grant_of_application(claims)?;
    let is_itself = match (by_grant, sub) {
        (Some(by_grant), _) => by_grant,
        (None, Some(_)) => by_subject,
        // Duende IdentityServer leaves out the `sub` of an application by itself. Others leave out
        // that of users: Keycloak without the client scope `basic`, Django OAuth Toolkit and
        // Doorkeeper in every introspection answer. As an application, all users would share the
        // key and the app roles of one.
        (None, None) => source != ClaimsSource::Introspection && !is_about_user(claims, scopes),
    };
    // Where people choose the names that become `sub`, one could choose that of a client, and would
    // get its key and its app roles (RFC 9068 section 5). Nothing else shows a session: Cognito
    // writes `auth_time` for applications, too, and Ory Hydra grants them the scope `openid`.
    let has_session = ["sid", "session_state"].iter().any(|name| claims.contains_key(*name));
    if (is_itself && has_session) || (by_subject && !is_itself) {
        let detail = "`sub` or `gty` says that an application calls by itself, and `gty`, `sid` or \
                      `session_state` that a person signed in";
        return Err(Error::new(ErrorKind::TokenSubject, detail).with_remedy(
            "have the provider use identifiers of people as `sub` that no client can have, such \
             as UUIDs (RFC 9068 section 5)",
        ));
    }
    Ok(is_itself)
}

/// Whether the grants of a token (`gty` of Auth0 and Kinde) are those of an application by itself;
/// `None` if it has none. Kinde writes a list and spells the grant as RFC 6749 does, Auth0 writes a
/// list after a refresh.
fn is_grant_of_application(claims: &Object) -> Result<Option<bool>, Error> {
    let is_of_application =
        |grant: &String| matches!(grant.as_str(), "client-credentials" | "client_credentials");
    let grants = words(claims, "gty")?;
    match grants.iter().filter(|grant| is_of_application(grant)).count() {
        _ if grants.is_empty() => Ok(None),
        0 => Ok(Some(false)),
        all if all == grants.len() => Ok(Some(true)),
        _ => Err(malformed("`gty` names the grant of an application and that of a person")),
    }
}

/// Whether a claim or a scope is about a user: names, and what belongs to the sign-in of a person
/// (OpenID Connect Core sections 2 and 5, RFC 7662 section 2.2, RFC 9068 section 2.2.1). A `null`
/// one says so, too.
fn is_about_user(claims: &Object, scopes: &[String]) -> bool {
    const CLAIMS: [&str; 16] = [
        "sid",
        "session_state",
        "auth_time",
        "amr",
        "acr",
        "idp",
        "username",
        "preferred_username",
        "name",
        "given_name",
        "family_name",
        "nickname",
        "email",
        "email_verified",
        "upn",
        "unique_name",
    ];
    const SCOPES: [&str; 4] = ["openid", "profile", "email", "offline_access"];
    CLAIMS.iter().any(|name| claims.contains_key(*name))
        || scopes.iter().any(|scope| SCOPES.contains(&scope.as_str()))
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

/// The client's authentication, from the claims `azpacr` or `appidacr`.
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

/// The numbers in a claim of Entra ID: a list, or a string with separators. Unknown numbers are
/// kept, because new facets may be added. Anything else is refused: it decides whether the caller
/// is an agent or a guest.
pub(super) fn numbers(claims: &Object, name: &str) -> Result<Vec<u64>, Error> {
    let read = match claims.get(name) {
        None | Some(Value::Null) => Some(Vec::new()),
        Some(Value::Number(number)) => number.as_u64().map(|number| vec![number]),
        Some(Value::String(text)) => text
            .split([' ', ',', ';'])
            .filter(|word| !word.is_empty())
            .map(|word| word.parse().ok())
            .collect(),
        Some(Value::Array(items)) => items
            .iter()
            .map(|item| item.as_u64().or_else(|| item.as_str().and_then(|text| text.parse().ok())))
            .collect(),
        Some(_) => None,
    };
    read.ok_or_else(|| malformed(format!("`{name}` is no list of numbers")))
}
