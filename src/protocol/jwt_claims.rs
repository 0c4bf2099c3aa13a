//! The checks of the claims that every kind of token has: `iss`, `aud` and `azp`, the times.

use std::borrow::Cow;

use serde_json::Value;

use super::{
    json::{self, Object},
    jwt::{TokenKind, TokenRules, malformed},
};
use crate::{
    authority::TokenIssuer,
    clock::UnixTime,
    error::{Error, ErrorKind, shown},
};

/// The latest date that can be represented: 9999-12-31T23:59:59Z, in seconds of Unix time.
pub(super) const MAX_DATE: i64 = 253_402_300_799;

/// An entry of the trusted audiences that stands for every audience. For a token with an audience
/// that no other entry names, `azp` must then name this client.
const ANY_AUDIENCE: &str = "*";

/// Refuses, at Microsoft's authorities, a claim such as `TID` beside or instead of `tid`.
///
/// Microsoft's own libraries have compared claim names without regard to letter case, so such
/// a token could belong to one tenant here and to another there. Names of claims are case
/// sensitive (RFC 7519 section 10.1.1).
pub(super) fn check_letter_case(claims: &Object, rules: &TokenRules<'_>) -> Result<(), Error> {
    const DECISIVE: [&str; 8] = ["iss", "sub", "aud", "tid", "oid", "tfp", "acr", "nonce"];
    /// Claims that decide in an access token only.
    const RIGHTS: [&str; 8] =
        ["scp", "roles", "azp", "appid", "idtyp", "acrs", "cnf", "xms_sub_fct"];
    if !rules.authority.is_microsoft() {
        return Ok(());
    }
    let rights: &[&str] =
        if matches!(rules.kind, TokenKind::AccessToken(_)) { &RIGHTS } else { &[] };
    let differs_in_case = |name: &String| {
        let mut decisive = DECISIVE.iter().chain(rights);
        decisive.any(|claim| name.eq_ignore_ascii_case(claim) && name != claim)
    };
    match claims.keys().find(|name| differs_in_case(name)) {
        Some(name) => Err(malformed(format!(
            "the claim `{name}` is written in another letter case than specified"
        ))),
        None => Ok(()),
    }
}

/// `iss` and `tid` as the token claims them. They choose the key and are checked afterwards.
pub(super) fn claimed_issuer<'t>(
    claims: &'t Object,
    rules: &TokenRules<'t>,
) -> Result<TokenIssuer<'t>, Error> {
    let iss = match (claims.get("iss"), rules.kind) {
        (Some(Value::String(iss)), _) => iss,
        // OpenID Connect Core section 5.3.2: a signed UserInfo response *should* have `iss`.
        (None, TokenKind::UserInfo) => rules.metadata_issuer,
        (None | Some(Value::Null), _) => {
            return Err(without_issuer("the token has no `iss`"));
        }
        (Some(_), _) => return Err(without_issuer("`iss` is not a string")),
    };
    Ok(TokenIssuer { iss, tid: json::text(claims, "tid") })
}

/// The error for a token that names no issuer: no setting makes up for that.
fn without_issuer(detail: &'static str) -> Error {
    Error::new(ErrorKind::TokenIssuer, detail).with_remedy(
        "the provider has to write its issuer into the token, as a string (`iss`, RFC 7519 section \
         4.1.1, OpenID Connect Core section 2): change that at the provider, or report it there",
    )
}

/// Checks `aud` and `azp`: steps 3 to 5 of OpenID Connect Core section 3.1.3.7.
pub(super) fn check_audience(claims: &Object, rules: &TokenRules<'_>) -> Result<(), Error> {
    let client_id = shown(rules.audience);
    let audiences = match json::present(claims, "aud") {
        // RFC 7519 section 4.1.3: one audience may be written without an array.
        Some(one @ Value::String(_)) => std::slice::from_ref(one),
        Some(Value::Array(several)) => several.as_slice(),
        None if rules.kind == TokenKind::UserInfo => return Ok(()),
        None => {
            let detail = format!("the token has no `aud`; expected the client id {client_id}");
            return Err(wrong_audience(detail));
        }
        Some(_) => return Err(wrong_audience("`aud` is neither a string nor an array")),
    };
    // RFC 9701 section 5: the audience of a signed introspection answer is the API, by its client
    // id or by one of its own names.
    let is_ours = |audience: &Value| {
        audience == rules.audience
            || rules.kind == TokenKind::Introspection
                && rules.trusted_audiences.iter().any(|name| audience == name)
    };
    if !audiences.iter().any(is_ours) {
        let came = shown_audiences(audiences);
        let others = match rules.kind {
            TokenKind::Introspection => " and the other names of the API",
            _ => "",
        };
        return Err(wrong_audience(format!(
            "the token's `aud` is {came}, without the client id {client_id}{others}"
        )));
    }
    let unnamed = check_other_audiences(audiences, rules)?;
    check_authorized_party(claims, rules, unnamed)
}

/// Checks the audiences beside the client id (step 3). Returns one that is trusted by `*` only, if
/// there is one.
fn check_other_audiences<'t>(
    audiences: &'t [Value],
    rules: &TokenRules<'_>,
) -> Result<Option<&'t str>, Error> {
    let is_named =
        |audience: &str| rules.trusted_audiences.iter().any(|trusted| trusted == audience);
    let are_all_trusted = is_named(ANY_AUDIENCE);
    let mut unnamed = None;
    for audience in audiences {
        match audience.as_str() {
            Some(audience) if audience == rules.audience => {}
            Some(ANY_AUDIENCE) if are_all_trusted => unnamed = Some(ANY_AUDIENCE),
            Some(audience) if is_named(audience) => {}
            Some(audience) if are_all_trusted => unnamed = Some(audience),
            // Step 3: an audience that is not trusted refuses the token, since its holder could
            // present the same token here.
            Some(audience) => {
                let (other, client_id) = (shown(audience), shown(rules.audience));
                return Err(wrong_audience(format!(
                    "the token's `aud` has {other} beside the client id {client_id}, and it is not \
                     trusted"
                )));
            }
            None => return Err(wrong_audience("`aud` has an element that is not a string")),
        }
    }
    Ok(unnamed)
}

/// Checks `azp` (steps 4 and 5): the client that the token was issued to. `unnamed` is an audience
/// that is trusted by `*` only.
fn check_authorized_party(
    claims: &Object,
    rules: &TokenRules<'_>,
    unnamed: Option<&str>,
) -> Result<(), Error> {
    let client_id = shown(rules.audience);
    match (json::present(claims, "azp"), unnamed) {
        (Some(Value::String(azp)), _) if azp == rules.audience => Ok(()),
        (Some(Value::String(azp)), _) => Err(wrong_audience(format!(
            "`azp` is {}; expected the client id {client_id}",
            shown(azp)
        ))),
        (Some(_), _) => Err(wrong_audience(format!(
            "`azp` is not a string; expected the client id {client_id} as a string"
        ))),
        // Step 4. Where no setting names the other audiences, `azp` alone could say that the token
        // is for this client.
        (None, Some(audience)) => Err(wrong_audience(format!(
            "the token has no `azp` and is also for {}, which is trusted by `*` only: trust it by \
             its name instead",
            shown(audience)
        ))),
        (None, None) => Ok(()),
    }
}

fn wrong_audience(detail: impl Into<Cow<'static, str>>) -> Error {
    Error::new(ErrorKind::TokenAudience, detail)
}

/// The audiences of a token for a message, four at most.
fn shown_audiences(audiences: &[Value]) -> String {
    const MOST: usize = 4;
    let shown: Vec<_> = audiences
        .iter()
        .take(MOST)
        .map(|audience| audience.as_str().map_or_else(|| "not a string".to_owned(), shown))
        .collect();
    match audiences.len() {
        0 => "empty".to_owned(),
        more if more > MOST => format!("[{}, and {} more]", shown.join(", "), more - MOST),
        _ => format!("[{}]", shown.join(", ")),
    }
}

/// The value of Microsoft's `tid` or `oid`, which are in the key of the user. One that is not a
/// text refuses the token: if it counted as absent, `sub` would take its place in the key. A text
/// that cannot identify counts as absent ([`json::identifier`]).
pub(super) fn directory_claim<'c>(
    claims: &'c Object,
    name: &str,
) -> Result<Option<&'c str>, Error> {
    match json::present(claims, name) {
        None | Some(Value::String(_)) => Ok(json::identifier(claims, name)),
        Some(_) => Err(malformed(format!("`{name}` is not a string"))),
    }
}

/// Checks `exp`, `nbf` and `iat`, and returns `exp` (steps 9 and 10 of OpenID Connect Core
/// section 3.1.3.7, RFC 7519 sections 4.1.4 to 4.1.6).
pub(super) fn check_times(
    claims: &Object,
    rules: &TokenRules<'_>,
) -> Result<Option<UnixTime>, Error> {
    let (exp_required, iat_required) = match rules.kind {
        TokenKind::IdToken => (true, true),
        // RFC 9068 section 2.2 requires `iat` as well; older providers leave it out.
        TokenKind::AccessToken(_) => (true, false),
        TokenKind::Introspection => (false, true),
        TokenKind::UserInfo => (false, false),
    };
    let now = rules.now;
    let leeway = rules.leeway.as_secs();
    let refused = |kind: ErrorKind, detail: String| Err(Error::new(kind, detail));
    let future = |name: &str, time: UnixTime| {
        let ahead = time.since(now).as_secs();
        refused(
            ErrorKind::TokenNotYetValid,
            format!("`{name}` lies {ahead} s in the future; {leeway} s are tolerated"),
        )
    };
    let (exp, nbf, iat) = (
        time(claims, "exp", exp_required)?,
        time(claims, "nbf", false)?,
        time(claims, "iat", iat_required)?,
    );
    // RFC 7519 section 4.1.4: the token is not accepted *on* or after `exp`, hence `<=`.
    if let Some(exp) = exp.filter(|exp| *exp + rules.leeway <= now) {
        let ago = now.since(exp).as_secs();
        return refused(
            ErrorKind::TokenExpired,
            format!("`exp` passed {ago} s ago; {leeway} s are tolerated"),
        );
    }
    if let Some(nbf) = nbf.filter(|nbf| *nbf > now + rules.leeway) {
        return future("nbf", nbf);
    }
    // No specification forbids an `iat` in the future. It means that a clock is wrong, and such
    // a token would pass the check of the age below for too long.
    if let Some(iat) = iat.filter(|iat| *iat > now + rules.leeway) {
        return future("iat", iat);
    }
    // Step 10: "the acceptable range is Client specific".
    if let (Some(iat), Some(max_age)) = (iat, rules.max_age)
        && iat + max_age + rules.leeway < now
    {
        let (ago, most) = (now.since(iat).as_secs(), max_age.as_secs());
        return refused(
            ErrorKind::TokenTooOld,
            format!("`iat` is {ago} s ago; at most {most} s are accepted"),
        );
    }
    Ok(exp)
}

fn time(claims: &Object, name: &'static str, required: bool) -> Result<Option<UnixTime>, Error> {
    match json::present(claims, name) {
        // As seconds it would be a date beyond the year 9999, and the token would not end.
        Some(value) if is_in_milliseconds(value) => Err(malformed(format!(
            "`{name}` is {value}, which are milliseconds; a time is in seconds (RFC 7519 section 2)"
        ))),
        Some(value) => numeric_date(value)
            .map(Some)
            .ok_or_else(|| malformed(format!("`{name}` is not a number"))),
        None if required => Err(malformed(format!("the token has no `{name}`"))),
        None => Ok(None),
    }
}

/// Whether a time lies behind the last representable date as seconds, and not as milliseconds.
fn is_in_milliseconds(value: &Value) -> bool {
    let behind = MAX_DATE + 1;
    whole(value).is_some_and(|time| (behind..behind.saturating_mul(1000)).contains(&time))
}

/// A `NumericDate`: seconds of Unix time, possibly with a fraction (RFC 7519 section 2). Dates
/// beyond the year 9999 become its last second.
pub(crate) fn numeric_date(value: &Value) -> Option<UnixTime> {
    Some(UnixTime::from_seconds(whole(value)?.clamp(-MAX_DATE, MAX_DATE)))
}

/// A number without its fraction.
#[allow(clippy::cast_possible_truncation, reason = "saturates; a JSON number is never NaN")]
fn whole(value: &Value) -> Option<i64> {
    value.as_i64().or_else(|| value.as_f64().map(|number| number.floor() as i64))
}
