//! Token introspection (RFC 7662), for tokens that only the provider can read, including signed
//! responses (RFC 9701).

use bytes::Bytes;
use http::{HeaderValue, Request, Response, StatusCode, header::ACCEPT};
use serde_json::{Number, Value};

use super::{
    access_token::{self, ClaimsSource, VerifiedAccessToken},
    client_auth::ClientAuth,
    error_answer,
    json::{self, Object},
    json_or_jwt::JsonOrJwt,
    jwt::malformed,
    jwt_claims::numeric_date,
    metadata::Metadata,
    token::form_request,
};
use crate::{
    authority::Authority,
    clock::UnixTime,
    config::AccessTokenRules,
    error::{Error, ErrorKind, shown},
};

/// The media type of a signed response (RFC 9701 section 5).
const SIGNED: &str = "application/token-introspection+jwt";

/// The introspection request for one token.
///
/// # Errors
///
/// [`ErrorKind::ProviderMisconfigured`]: the provider has no introspection endpoint, or supports no
/// client authentication that the API has.
pub(super) fn request(
    metadata: &Metadata,
    client: ClientAuth<'_>,
    token: &str,
) -> Result<Request<Bytes>, Error> {
    let endpoint = metadata.introspection_endpoint.as_ref().ok_or_else(|| {
        Error::new(ErrorKind::ProviderMisconfigured, metadata.missing("introspection_endpoint"))
    })?;
    let form = vec![("token", token.into()), ("token_type_hint", "access_token".into())];
    let mut request = form_request(endpoint, metadata, client, form)?;
    let accepted = match metadata.signs_introspection {
        true => "application/token-introspection+jwt, application/json;q=0.9",
        false => "application/json",
    };
    request.headers_mut().insert(ACCEPT, HeaderValue::from_static(accepted));
    Ok(request)
}

/// Parses an introspection response.
///
/// # Errors
///
/// [`ErrorKind::ClientRefused`]: the API's own credential was refused;
/// [`ErrorKind::TokenResponseInvalid`], [`ErrorKind::ProviderUnreachable`].
pub(super) fn read_answer(answer: &Response<Bytes>) -> Result<JsonOrJwt, Error> {
    match answer.status() {
        StatusCode::OK => {}
        StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN => {
            let detail = "the introspection endpoint did not take the API's own credential";
            let refused = error_answer::http_error(answer).with_kind(ErrorKind::ClientRefused);
            return Err(refused.with_detail(detail.to_owned()));
        }
        _ => return Err(error_answer::http_error(answer)),
    }
    JsonOrJwt::read(answer, SIGNED).map_err(invalid)
}

/// The failure to verify a signed response. It is between this API and the provider: whether the
/// token is active is not known, so the caller must not be told that it is not (RFC 6750 section
/// 3.1), and nothing is remembered of the token. A failure to get the keys stays what it is.
pub(super) fn unverified(error: Error) -> Error {
    if !error.kind().is_of_verification() {
        return error;
    }
    let problem = format!("its signed answer cannot be verified: {}", error.detail());
    invalid(problem).with_remedy(
        "have the provider sign its introspection answers for this API (`typ`, `iss` and \
         `aud` of RFC 9701 section 5, with a key of its document), or send them unsigned; \
         opaque tokens are introspected because of `ApiConfig::with_introspection` \
         (IDENTITY_INTROSPECTION)",
    )
}

/// The introspection response inside a signed one (RFC 9701 section 5).
///
/// # Errors
///
/// [`ErrorKind::TokenResponseInvalid`]: the member is missing.
pub(super) fn of_signed(claims: &Object) -> Result<Object, Error> {
    match claims.get("token_introspection") {
        Some(Value::Object(answer)) => Ok(answer.clone()),
        _ => Err(invalid("the signed answer has no object `token_introspection`")),
    }
}

/// The current time, with the accepted difference of the provider's clock.
#[derive(Clone, Copy, Debug)]
pub(super) struct Moment {
    pub(super) now: UnixTime,
    pub(super) leeway: std::time::Duration,
}

/// The token that an API asks about, and the rules of the API.
#[derive(Clone, Copy)]
pub(super) struct IntrospectionRules<'a> {
    pub(super) client_id: &'a str,
    pub(super) own: &'a AccessTokenRules,
    pub(super) token: &'a str,
}

/// Checks that the token is for this API. RFC 7662 section 2.2 makes `aud` optional. A response
/// without it is accepted if the API's own client got the token, or if the configuration leaves the
/// decision to the provider, which section 4 requires to answer only an API that a token is for.
fn check_audience(answer: &Object, rules: IntrospectionRules<'_>) -> Result<(), Error> {
    if answer.contains_key("aud") {
        return access_token::check_audience(answer, &rules.own.audiences, false);
    }
    let client = access_token::text(answer, "client_id")?;
    if rules.own.audience_optional || client.as_deref() == Some(rules.client_id) {
        return Ok(());
    }
    let client = client.map_or_else(|| "missing".to_owned(), |client| shown(&client));
    let detail = format!(
        "the introspection answer has no `aud`, and its `client_id` is {client}, not this API's \
         own {}",
        shown(rules.client_id)
    );
    Err(Error::new(ErrorKind::TokenAudience, detail).with_remedy(
        "have the provider name the audience in its introspection answers, or, if it answers \
         `active` only to the API that a token is for, accept answers without it \
         (`ApiConfig::with_introspection`, IDENTITY_INTROSPECTION=opaque_audience_optional)",
    ))
}

/// Checks an introspection response by the same rules as a signed token, except for `null`: all
/// members but `active` are optional (RFC 7662 section 2.2), and some servers write `null` for
/// those that they do not have. There is no signed text here that another reader could understand
/// otherwise.
///
/// # Errors
///
/// [`ErrorKind::TokenInactive`]: the token is not active; [`ErrorKind::TokenResponseInvalid`]: the
/// response does not say; otherwise the kind of the check that fails.
pub(super) fn check(
    answer: Object,
    rules: IntrospectionRules<'_>,
    metadata: &Metadata,
    authority: &Authority,
    moment: Moment,
) -> Result<VerifiedAccessToken, Error> {
    let mut answer = json::without_null(answer);
    match answer.remove("active") {
        Some(Value::Bool(true)) => {}
        Some(Value::Bool(false)) => {
            return Err(Error::new(
                ErrorKind::TokenInactive,
                "the provider says that it is not active",
            ));
        }
        // RFC 7662 section 2.2: a boolean, the one required member, which alone admits the token. A
        // text is no boolean: `"false"` is true in many languages, so that the writer may mean
        // either.
        _ => return Err(invalid("`active` is neither true nor false (a boolean, not a text)")),
    }
    check_audience(&answer, rules)?;
    if let Some(iss) = access_token::text(&answer, "iss")?
        && authority.canonical_issuer(&iss, &metadata.issuer) != metadata.issuer
    {
        return Err(Error::new(ErrorKind::TokenIssuer, "`iss` is not the provider's"));
    }
    if access_token::text(&answer, "token_type")?.is_some_and(|kind| {
        !matches!(kind.to_ascii_lowercase().as_str(), "bearer" | "access_token")
    }) {
        return Err(access_token::other_kind("`token_type` is not `Bearer`"));
    }
    let time = |name: &str| match answer.get(name) {
        None => Ok(None),
        Some(value) => {
            date(value).map(Some).ok_or_else(|| malformed(format!("`{name}` is not a number")))
        }
    };
    // `exp` is optional (RFC 7662 section 2.2). Without it the usual cache time applies.
    let exp = time("exp")?.unwrap_or(moment.now + MEMORY);
    if exp + moment.leeway <= moment.now {
        return Err(Error::new(ErrorKind::TokenExpired, "`exp` has passed"));
    }
    if time("nbf")?.is_some_and(|nbf| nbf > moment.now + moment.leeway) {
        return Err(Error::new(ErrorKind::TokenNotYetValid, "`nbf` lies in the future"));
    }
    let (source, iss) = (ClaimsSource::Introspection, &metadata.issuer);
    let facts = access_token::facts(&answer, source, iss, authority, rules.token)?;
    let claims = serde_json::to_string(&answer)
        .map_err(|_| invalid("the answer cannot be written as JSON"))?;
    Ok(VerifiedAccessToken { claims, iss: metadata.issuer.clone(), exp, facts })
}

/// A time (RFC 7662 section 2.2: an integer), also with a fraction or as the text of a number. It
/// can only end the token earlier than the provider's `active`, so that a reading which is
/// unambiguous needs no refusal.
fn date(value: &Value) -> Option<UnixTime> {
    let number = |text: &str| {
        let is_number = text.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.');
        text.parse().ok().filter(|_| is_number).and_then(Number::from_f64).map(Value::Number)
    };
    match value {
        Value::String(text) => numeric_date(&number(text)?),
        value => numeric_date(value),
    }
}

/// The maximum time that an active token is cached: a revoked token is accepted that long.
pub(crate) const MEMORY: std::time::Duration = std::time::Duration::from_secs(60);

fn invalid(problem: impl std::fmt::Display) -> Error {
    Error::new(ErrorKind::TokenResponseInvalid, format!("the introspection endpoint: {problem}"))
}
