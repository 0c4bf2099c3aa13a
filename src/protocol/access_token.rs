//! Verification of access tokens for this application as an API (RFC 9068, RFC 7662, Microsoft's
//! access token claims), in addition to the rules for every token ([`jwt`](super::jwt)).
//!
//! - `aud` is checked before key and signature, and no setting accepts another one. Introspection
//!   answers without one are accepted where a setting says so (`opaque_audience_optional`).
//! - A claim that affects a decision must be understood if it is present; `null` is refused too.
//! - Other kinds of token are refused: ID tokens, logout tokens, DPoP proofs, and tokens bound to a
//!   key (`cnf`), because a bearer token proves no possession of that key.
//! - A token of Microsoft must name its client and have a scope or an app role. A token of another
//!   provider must have a sign that it is an access token.

use serde_json::Value;

use super::{
    access_kind::{self, CallerKind, ClientProof},
    id_token::check_subject_text,
    json::{self, Object},
    jwks::JwkSet,
    jwt::{TokenRules, UnverifiedJwt, malformed},
    jwt_claims::{directory_claim, numeric_date},
};
use crate::{
    authority::Authority,
    clock::UnixTime,
    error::{Error, ErrorKind, shown},
    secret,
};

/// A verified access token. Only the verifier creates values of this type.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct VerifiedAccessToken {
    /// The claims as JSON: the payload of the JWT, or the introspection response.
    pub(crate) claims: String,
    pub(crate) iss: String,
    /// The end of validity (`exp`).
    pub(crate) exp: UnixTime,
    pub(crate) facts: AccessFacts,
}

/// The claims of an access token that authorization decisions use.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct AccessFacts {
    pub(crate) kind: CallerKind,
    pub(crate) sub: Option<String>,
    /// A random text in place of the claims that identify, for a user whom the token does not
    /// identify. It is of this token alone.
    pub(crate) stand_in: Option<String>,
    /// Tenant and object ID (Microsoft only).
    pub(crate) tid: Option<String>,
    pub(crate) oid: Option<String>,
    /// The ID of the calling application.
    pub(crate) application: Option<String>,
    pub(crate) proof: ClientProof,
    pub(crate) scopes: Vec<String>,
    pub(crate) roles: Vec<String>,
    pub(crate) acr: Option<String>,
    pub(crate) acrs: Vec<String>,
    pub(crate) auth_time: Option<UnixTime>,
    /// From `xms_idrel`: `true` for a guest, `false` for a member, `None` for other values.
    pub(crate) is_guest: Option<bool>,
}

/// Verifies an access token completely.
///
/// # Errors
///
/// The kind of the first check that fails.
pub(super) fn verify(
    token: &UnverifiedJwt<'_>,
    rules: &TokenRules<'_>,
    keys: &JwkSet,
) -> Result<VerifiedAccessToken, Error> {
    let verified = token.verify(rules, keys)?;
    let exp = verified.exp.ok_or_else(|| malformed("the token has no `exp`"))?;
    let source = match token.is_typed_access_token() {
        true => ClaimsSource::TypedJwt,
        false => ClaimsSource::Jwt,
    };
    let own = token.signing_input();
    let facts = facts(verified.claims, source, &verified.iss, rules.authority, own)?;
    Ok(VerifiedAccessToken { claims: verified.payload.to_owned(), iss: verified.iss, exp, facts })
}

/// Checks that `aud` contains a name of this API. Further audiences are allowed.
///
/// Access tokens of Amazon Cognito have no `aud`. There the application that the token was issued
/// to has to be one of the names, as AWS documents for its own verifiers (Amazon Cognito Developer
/// Guide, "Verifying JSON web tokens"). `may_be_of_cognito`: neither the type nor the provider of
/// the token requires `aud`. The issuer does not decide: emulators of Cognito have other ones.
pub(super) fn check_audience(
    claims: &Object,
    own: &[String],
    may_be_of_cognito: bool,
) -> Result<(), Error> {
    let refused = |detail: String| Err(Error::new(ErrorKind::TokenAudience, detail));
    let listed = || own.iter().map(|own| shown(own)).collect::<Vec<_>>().join(", ");
    let is_of_cognito = || may_be_of_cognito && json::text(claims, "token_use") == Some("access");
    let audiences = match (claims.get("aud"), claims.get("client_id")) {
        (None, Some(Value::String(id))) if is_of_cognito() => {
            if own.contains(id) {
                return Ok(());
            }
            return refused(format!(
                "the access token has no `aud`, and its `client_id` is {}; this API is {}: at \
                 Amazon Cognito add the client ids of the API's clients as its audiences",
                shown(id),
                listed()
            ));
        }
        (Some(one @ Value::String(_)), _) => std::slice::from_ref(one),
        (Some(Value::Array(several)), _) => several.as_slice(),
        // No further name of this API would help.
        (None, _) => {
            let detail = format!("the access token has no `aud`; this API is {}", listed());
            return Err(Error::new(ErrorKind::TokenAudience, detail).with_remedy(
                "have the provider put this API into `aud` of its access tokens (an API resource, \
                 a `resource` or `audience` in the client's request, an audience mapper; RFC 9068 \
                 section 2.2), or issue opaque tokens and introspect them \
                 (`ApiConfig::with_introspection`, IDENTITY_INTROSPECTION)",
            ));
        }
        (Some(_), _) => return refused("`aud` is neither text nor a list".into()),
    };
    if !audiences.iter().all(Value::is_string) {
        return refused("`aud` has a member that is not text".into());
    }
    if audiences.is_empty() {
        return refused(format!(
            "the access token's `aud` is an empty list; this API is {}",
            listed()
        ));
    }
    let is_own = |audience: &Value| own.iter().any(|own| audience.as_str() == Some(own));
    if audiences.iter().any(is_own) {
        return Ok(());
    }
    let came = audiences
        .iter()
        .filter_map(Value::as_str)
        .take(4)
        .map(shown)
        .collect::<Vec<_>>()
        .join(", ");
    refused(format!("the access token's `aud` is {came}; this API is {}", listed()))
}

/// The B2C policy that a token names as its own: `tfp`, or `acr` of older custom policies.
pub(super) fn policy_of(claims: &Object) -> Result<Option<String>, Error> {
    let (tfp, acr) = (text(claims, "tfp")?, text(claims, "acr")?);
    Ok(tfp.or(acr))
}

/// Checks that a token is of the B2C policy whose document and keys verify it. `accepted`: the
/// policies of this API.
///
/// A token without a scope may be of an application by itself, which signs in by no policy.
pub(super) fn check_policy(
    claims: &Object,
    authority: &Authority,
    accepted: &[String],
) -> Result<(), Error> {
    if authority.b2c_policies().is_none() {
        return Ok(());
    }
    match policy_of(claims)? {
        None if words(claims, "scp")?.is_empty() => Ok(()),
        policy => authority.check_api_policy(policy.as_deref(), accepted),
    }
}

/// The claims that affect a decision. A claim of this list must not be `null`: another
/// implementation could read that as absent.
const DECISIVE: [&str; 26] = [
    "iss",
    "aud",
    "exp",
    "nbf",
    "iat",
    "sub",
    "tid",
    "oid",
    "scp",
    "scope",
    "roles",
    "role",
    "azp",
    "appid",
    "client_id",
    "cid",
    "azpacr",
    "appidacr",
    "idtyp",
    "cnf",
    "acr",
    "acrs",
    "auth_time",
    "gty",
    "xms_act_fct",
    "xms_sub_fct",
];

/// Where the claims about an access token come from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum ClaimsSource {
    /// A JWT whose header has the type `at+jwt` (RFC 9068 section 2.1).
    TypedJwt,
    /// A JWT without that type.
    Jwt,
    /// An introspection response (RFC 7662).
    Introspection,
}

/// The facts in the claims of a verified token or of an introspection response.
///
/// # Errors
///
/// [`ErrorKind::TokenMalformed`]; [`ErrorKind::TokenKind`]: not an access token for a bearer.
pub(super) fn facts(
    claims: &Object,
    source: ClaimsSource,
    iss: &str,
    authority: &Authority,
    token: &str,
) -> Result<AccessFacts, Error> {
    check_no_null(claims)?;
    // RFC 9068 section 2.2. Other providers number their tokens.
    if source == ClaimsSource::TypedJwt {
        text(claims, "jti")?;
    }
    let is_b2c = authority.b2c_policies().is_some();
    access_kind::check_no_other_kind(claims, source, is_b2c)?;
    let is_microsoft = authority.is_microsoft();
    let rights = AccessRights { scopes: scopes(claims, is_microsoft)?, roles: roles(claims)? };
    let names = AccessNames::read(claims, is_microsoft)?;
    let proof = access_kind::proof(claims, is_microsoft)?;
    let kind = if is_microsoft {
        check_version(claims, iss, authority)?;
        kind_at_microsoft(claims, &rights, &names)?
    } else {
        kind_elsewhere(claims, source, authority, &rights, &names)?
    };
    let is_unknown = kind.is_person() && !names.identify_user();
    let stand_in = is_unknown.then(|| stand_in(authority, token));
    let AccessNames { sub, tid, oid, application } = names;
    Ok(AccessFacts {
        kind,
        sub,
        stand_in,
        tid: tid.or_else(|| authority.tenant_in(iss).map(str::to_owned)),
        oid,
        application,
        proof,
        scopes: rights.scopes,
        roles: rights.roles,
        acr: text(claims, "acr")?,
        acrs: words(claims, "acrs")?,
        auth_time: auth_time(claims),
        is_guest: is_guest(claims)?,
    })
}

/// Refuses a token in which a [decisive](DECISIVE) claim is `null`.
fn check_no_null(claims: &Object) -> Result<(), Error> {
    let mut null = claims.iter().filter(|(_, value)| value.is_null());
    match null.find(|(name, _)| DECISIVE.contains(&name.as_str())) {
        Some((name, _)) => Err(malformed(format!("`{name}` is null"))),
        None => Ok(()),
    }
}

/// The rights that a token grants.
struct AccessRights {
    scopes: Vec<String>,
    roles: Vec<String>,
}

/// The user and the client that a token names.
struct AccessNames {
    sub: Option<String>,
    tid: Option<String>,
    oid: Option<String>,
    application: Option<String>,
}

impl AccessNames {
    fn read(claims: &Object, is_microsoft: bool) -> Result<Self, Error> {
        let application = application(claims, is_microsoft)?;
        // Microsoft's `oid` identifies where `sub` is empty.
        let sub = text(claims, "sub")?.filter(|sub| !(is_microsoft && sub.is_empty()));
        // The rule of ID tokens, so that a user has the same key in the pages and in the API.
        sub.as_deref().map_or(Ok(()), check_subject_text)?;
        let directory = |name: &'static str| match is_microsoft {
            true => directory_claim(claims, name).map(|id| id.map(str::to_owned)),
            false => Ok(None),
        };
        Ok(Self { sub, tid: directory("tid")?, oid: directory("oid")?, application })
    }

    fn identify_user(&self) -> bool {
        self.oid.is_some() || self.sub.is_some()
    }
}

/// The kind of the caller at Entra ID, External ID and B2C.
fn kind_at_microsoft(
    claims: &Object,
    rights: &AccessRights,
    names: &AccessNames,
) -> Result<CallerKind, Error> {
    if names.application.is_none() {
        return Err(other_kind(
            "it names no client (`azp`, `appid`), as ID tokens do: the client has to send the \
             access token",
        ));
    }
    let kind = access_kind::at_microsoft(claims, &rights.scopes, &rights.roles)?;
    // Otherwise all users of a tenant would share one key.
    if kind.is_person() && !names.identify_user() {
        let detail = "neither `oid` nor `sub` identifies the user";
        return Err(Error::new(ErrorKind::TokenSubject, detail));
    }
    Ok(kind)
}

/// The kind of the caller at a generic provider and at AD FS.
fn kind_elsewhere(
    claims: &Object,
    source: ClaimsSource,
    authority: &Authority,
    rights: &AccessRights,
    names: &AccessNames,
) -> Result<CallerKind, Error> {
    let (sub, application) = (names.sub.as_deref(), names.application.as_deref());
    let kind = access_kind::elsewhere(claims, source, &rights.scopes, sub, application)?;
    if !authority.is_adfs() || sub.is_some() {
        return Ok(kind);
    }
    // AD FS sends `sub` only if a rule of the application group issues it: a token without it is a
    // person's if it has a scope. Tokens of applications have `auth_time` there, too.
    Ok(match rights.scopes.is_empty() {
        true => CallerKind::Application,
        false => CallerKind::Person,
    })
}

/// The identifier of a user whom the token does not identify: another one for each token, so that
/// two users never share a key. It is made of the token, so that it stays the same as long as the
/// token, in every process.
fn stand_in(authority: &Authority, token: &str) -> String {
    let remedy = if authority.is_adfs() {
        "have AD FS issue `sub` to this API (an issuance transform rule of the web API in the \
         application group)"
    } else {
        "have the provider put `sub` into access tokens and introspection answers (at Keycloak the \
         client scope `basic`; RFC 9068 section 2.2, RFC 7662 section 2.2)"
    };
    tracing::warn!(
        "the access token does not identify its user, so that `ApiCaller::key` is another one for \
         each token: {remedy}"
    );
    secret::base64url(&secret::fingerprint("user of a token", [token.as_bytes()]))
}

/// The time of the person's authentication. A value that is no number satisfies no maximum age, as
/// in an ID token; AD FS writes a date.
fn auth_time(claims: &Object) -> Option<UnixTime> {
    let time = claims.get("auth_time").and_then(numeric_date);
    time.filter(|time| time.as_seconds() >= 0)
}

/// Whether the person is a guest of the tenant: `xms_idrel` contains 5 for a guest, 1 for a member.
fn is_guest(claims: &Object) -> Result<Option<bool>, Error> {
    let relation = access_kind::numbers(claims, "xms_idrel")?;
    Ok(match (relation.contains(&5), relation.contains(&1)) {
        (true, _) => Some(true),
        (false, true) => Some(false),
        (false, false) => None,
    })
}

/// Checks that `ver` is the version of the issuer. Only the rules of that version were applied.
fn check_version(claims: &Object, iss: &str, authority: &Authority) -> Result<(), Error> {
    let is_first = !iss.trim_end_matches('/').ends_with("/v2.0");
    match (text(claims, "ver")?.as_deref(), is_first) {
        (Some("1.0"), true) | (Some("2.0"), false) | (None, _) => Ok(()),
        _ if !authority.is_entra() => Ok(()),
        _ => Err(Error::new(
            ErrorKind::TokenMismatch,
            "`ver` is another version than that of the issuer",
        )),
    }
}

/// The scopes. Entra ID writes a `/` in place of an empty list; it is left out.
fn scopes(claims: &Object, is_microsoft: bool) -> Result<Vec<String>, Error> {
    let names: &[&str] = if is_microsoft { &["scp"] } else { &["scope", "scp"] };
    let mut scopes: Vec<String> = Vec::new();
    for name in names {
        for scope in words(claims, name)? {
            if scope != "/" && !scopes.contains(&scope) {
                scopes.push(scope);
            }
        }
    }
    Ok(scopes)
}

/// The app roles, from the claims `roles` and `role`.
fn roles(claims: &Object) -> Result<Vec<String>, Error> {
    let mut roles: Vec<String> = Vec::new();
    for role in words(claims, "roles")?.into_iter().chain(words(claims, "role")?) {
        if !role.is_empty() && !roles.contains(&role) {
            roles.push(role);
        }
    }
    Ok(roles)
}

/// The client ID of the caller: `azp` in version 2.0, `appid` in 1.0, `client_id` in RFC 9068.
///
/// Both registered names are the client that requested the token (RFC 8693 section 4.3, OpenID
/// Connect Core section 2). Two clients are refused, because another reader could take the other
/// one. The private names of Okta (`cid`) and AD FS (`appid`) count where there is no registered
/// one: at other providers they can mean anything.
fn application(claims: &Object, is_microsoft: bool) -> Result<Option<String>, Error> {
    if is_microsoft {
        return one_client(claims, ["azp", "appid"]);
    }
    match one_client(claims, ["client_id", "azp"])? {
        Some(client) => Ok(Some(client)),
        None => one_client(claims, ["cid", "appid"]),
    }
}

/// The client that these claims name.
fn one_client(claims: &Object, names: [&'static str; 2]) -> Result<Option<String>, Error> {
    let [first, second] = names.map(|name| match text(claims, name) {
        Ok(Some(id)) if id.is_empty() => Err(malformed(format!("`{name}` is empty"))),
        read => read,
    });
    match (first?, second?) {
        (Some(one), Some(other)) if one != other => {
            let [first, second] = names;
            Err(malformed(format!(
                "it is of two applications: `{first}` is {}, and `{second}` is {}",
                shown(&one),
                shown(&other)
            ))
            .with_remedy(
                "have the provider name one client in each token; at Keycloak the mapper \"Client \
                 ID\" of a service account writes the client of the first token into the tokens \
                 that others exchange it for: remove the mapper",
            ))
        }
        (one, other) => Ok(one.or(other)),
    }
}

/// An optional string claim.
pub(super) fn text(claims: &Object, name: &str) -> Result<Option<String>, Error> {
    match claims.get(name) {
        None => Ok(None),
        Some(Value::String(text)) => Ok(Some(text.clone())),
        Some(_) => Err(malformed(format!("`{name}` is not text"))),
    }
}

/// An optional claim that is a list of strings, or one string of words separated by spaces.
pub(super) fn words(claims: &Object, name: &str) -> Result<Vec<String>, Error> {
    match claims.get(name) {
        None => Ok(Vec::new()),
        // A role may contain spaces; a scope may not (RFC 6749 section 3.3).
        Some(Value::String(text)) if matches!(name, "roles" | "role") => Ok(vec![text.clone()]),
        // Spaces alone separate (RFC 6749 section 3.3).
        Some(Value::String(text)) => {
            Ok(text.split(' ').filter(|word| !word.is_empty()).map(str::to_owned).collect())
        }
        Some(Value::Array(items)) => items
            .iter()
            .map(|item| item.as_str().map(str::to_owned))
            .collect::<Option<Vec<_>>>()
            .ok_or_else(|| malformed(format!("`{name}` has a member that is not text"))),
        Some(_) => Err(malformed(format!("`{name}` is neither text nor a list of texts"))),
    }
}

pub(super) fn other_kind(detail: &'static str) -> Error {
    Error::new(ErrorKind::TokenKind, detail)
}
