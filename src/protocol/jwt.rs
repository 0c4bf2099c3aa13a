//! The one verifier of JSON Web Tokens, whatever their kind (RFC 7515, RFC 7519, RFC 8725; OpenID
//! Connect Core section 3.1.3.7).
//!
//! In this order, and nothing of a token is used before all of it holds:
//!
//! 1. three base64url parts, the first two JSON objects without repeated members; encrypted tokens
//!    are refused as such;
//! 2. `alg` on an explicit list, which has no way to name `none` or a symmetric algorithm; no
//!    `crit`; a `typ` that names no other kind of token;
//! 3. a key of the provider's key set, chosen by `kid`; what the header says about keys (`jwk`,
//!    `jku`, `x5u`, `x5c`) is not read;
//! 4. the key may speak for this issuer and cloud, and made the signature;
//! 5. `iss` and tenant; 6. `aud` and `azp`; 7. `exp`, `nbf`, `iat` with leeway, and the greatest
//!    age.
//!
//! What is special to a kind comes on top, in the module of that kind. `null` is absent, for every
//! claim and header, as everywhere ([`OptionalMembers`](super::json::OptionalMembers)); a claim
//! that decides and is there is understood or refused.

use std::time::Duration;

use serde_json::Value;

use super::{
    error_answer,
    json::{self, Object},
    jwks::{self, Keys},
    metadata::ALGORITHMS_SETTING,
};
use crate::{
    authority::{Authority, KeyIssuer, Tenants, TokenIssuer},
    clock::UnixTime,
    config::Algorithm,
    error::{Error, ErrorKind, shown},
    secret::from_base64url,
};

/// The largest token that is looked at. ID tokens with hundreds of claims stay below 20 KB.
const LARGEST_TOKEN: usize = 64 * 1024;
/// The last moment that a date can show: 9999-12-31T23:59:59Z.
const LAST_MOMENT: i64 = 253_402_300_799;

/// In the place of a trusted audience: every one, as long as `azp` says that the token was made for
/// this client.
const ANY_AUDIENCE: &str = "*";

/// What a token is for; decides what its `typ` may say and which claims it must have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind<'a> {
    /// An ID token: `iss`, `aud`, `exp` and `iat` are required.
    IdToken,
    /// A signed UserInfo answer: the claims are checked where they are there (OpenID Connect Core
    /// section 5.3.2).
    UserInfo,
    /// An access token for this application as an API: `iss`, `aud` and `exp` are required, and
    /// `aud` is looked at before anything else.
    AccessToken(ForApi<'a>),
    /// A signed introspection answer (RFC 9701 section 5): `iss`, `aud` and `iat` are required.
    Introspection,
}

/// What the access tokens of an API are held to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct ForApi<'a> {
    /// The names of the API, of which `aud` has one.
    pub(crate) audiences: &'a [String],
    /// Whether the header has to say `at+jwt` (RFC 9068 section 4).
    pub(crate) type_required: bool,
    /// The issuer of access tokens, where the document tells one of its own (AD FS).
    pub(crate) issuer: Option<&'a str>,
}

/// What every token is held to.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Rules<'a> {
    pub(crate) kind: Kind<'a>,
    pub(crate) algorithms: &'a [Algorithm],
    pub(crate) authority: &'a Authority,
    pub(crate) tenants: &'a Tenants,
    pub(crate) metadata_issuer: &'a str,
    pub(crate) audience: &'a str,
    pub(crate) trusted_audiences: &'a [String],
    pub(crate) now: UnixTime,
    pub(crate) leeway: Duration,
    pub(crate) max_age: Option<Duration>,
}

/// A token that has been taken apart; nothing in it is to be believed.
pub(crate) struct Unverified<'a> {
    header: Object,
    claims: Object,
    payload: String,
    signing_input: &'a str,
    signature: Vec<u8>,
}

/// The claims of a token that passed every check of [`Rules`].
pub(crate) struct Verified {
    /// The claims as they were signed.
    pub(crate) payload: String,
    pub(crate) claims: Object,
    pub(crate) algorithm: Algorithm,
    pub(crate) iss: String,
    /// Always there in an ID token.
    pub(crate) exp: Option<UnixTime>,
}

impl<'a> Unverified<'a> {
    /// Takes a token apart.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::TokenMalformed`].
    pub(crate) fn parse(token: &'a str) -> Result<Self, Error> {
        if token.len() > LARGEST_TOKEN {
            return Err(malformed("it is larger than 64 KiB"));
        }
        let parts: Vec<&str> = token.split('.').take(6).collect();
        let (header, claims, signature) = match parts.as_slice() {
            [header, claims, signature] => (*header, *claims, *signature),
            [_, _, _, _, _] => {
                return Err(malformed(
                    "it is encrypted (JWE), which is not supported: have the provider send signed tokens",
                ));
            }
            _ => return Err(malformed("it has not the three parts of a signed token")),
        };
        let signing_input = token.get(..header.len() + 1 + claims.len()).unwrap_or_default();
        let decode =
            |part: &str| from_base64url(part).ok_or_else(|| malformed("a part is not base64url"));
        let object =
            |text: &[u8]| json::object(text).map_err(|refused| malformed(refused.as_str()));
        let header = object(&decode(header)?)?;
        let payload = String::from_utf8(decode(claims)?)
            .map_err(|_| malformed("the claims are not UTF-8"))?;
        Ok(Self {
            header,
            claims: object(payload.as_bytes())?,
            payload,
            signing_input,
            signature: decode(signature)?,
        })
    }

    /// The algorithm of the header, if it is one that can be verified here at all.
    pub(crate) fn asymmetric_algorithm(&self) -> Option<Algorithm> {
        Algorithm::named(json::text(&self.header, "alg")?)
    }

    /// Does all the checks, in the order above.
    ///
    /// # Errors
    ///
    /// The kind of the first check that fails. [`ErrorKind::TokenKeyUnknown`] may mean that the
    /// keys are too old.
    pub(crate) fn verify(&self, rules: &Rules<'_>, keys: &Keys) -> Result<Verified, Error> {
        let algorithm = self.algorithm(rules)?;
        self.check_letter_case(rules)?;
        let told = self.issuer(rules)?;
        let mut as_id_token = None;
        if let Kind::AccessToken(api) = rules.kind {
            // First, whatever else holds: a token for another API is none of ours.
            self.check_api_audience(api.audiences)?;
            as_id_token =
                rules.authority.issuer_as_in_id_tokens(rules.metadata_issuer, api.issuer, &told);
        }
        let issuer = TokenIssuer { iss: as_id_token.as_deref().unwrap_or(told.iss), ..told };
        self.check_signature(algorithm, &issuer, rules, keys)?;
        rules.authority.check_token_issuer(rules.tenants, rules.metadata_issuer, &issuer)?;
        if !matches!(rules.kind, Kind::AccessToken(_)) {
            self.check_audience(rules)?;
        }
        let exp = self.check_times(rules)?;
        Ok(Verified {
            payload: self.payload.clone(),
            claims: self.claims.clone(),
            algorithm,
            iss: rules.authority.canonical_issuer(told.iss, rules.metadata_issuer).to_owned(),
            exp,
        })
    }

    /// Whether the header says `at+jwt` (RFC 9068 section 2.1).
    pub(crate) fn is_typed_access_token(&self) -> bool {
        json::text(&self.header, "typ").is_some_and(|typ| media_type(typ) == "at+jwt")
    }

    /// Microsoft's own libraries have read claims in any letter case: a token with `TID` beside
    /// `tid` could be of one tenant here and of another there.
    fn check_letter_case(&self, rules: &Rules<'_>) -> Result<(), Error> {
        const DECISIVE: [&str; 8] = ["iss", "sub", "aud", "tid", "oid", "tfp", "acr", "nonce"];
        const RIGHTS: [&str; 8] =
            ["scp", "roles", "azp", "appid", "idtyp", "acrs", "cnf", "xms_sub_fct"];
        let rights: &[&str] =
            if matches!(rules.kind, Kind::AccessToken(_)) { &RIGHTS } else { &[] };
        let is_twin = |name: &String| {
            DECISIVE.iter().chain(rights).any(|own| name.eq_ignore_ascii_case(own) && name != own)
        };
        match self.claims.keys().find(|name| is_twin(name)) {
            Some(_) if rules.authority.is_microsoft() => {
                Err(malformed("a claim that decides who signs in is written in other letter case"))
            }
            _ => Ok(()),
        }
    }

    /// The header's algorithm, if the header asks for nothing that is not allowed (RFC 7515 section
    /// 4.1, RFC 8725 sections 3.1 and 3.11).
    fn algorithm(&self, rules: &Rules<'_>) -> Result<Algorithm, Error> {
        let refused = |detail: &'static str| Error::new(ErrorKind::TokenAlgorithm, detail);
        for member in ["crit", "b64", "zip", "enc"] {
            if self.header.contains_key(member) {
                return Err(Error::new(
                    ErrorKind::TokenAlgorithm,
                    format!("the header's `{member}` is not supported"),
                ));
            }
        }
        let typ = match json::present(&self.header, "typ") {
            None => None,
            Some(Value::String(typ)) => Some(typ.as_str()),
            Some(_) => return Err(malformed("the header's `typ` is not text")),
        };
        let types_match = match rules.kind {
            Kind::IdToken | Kind::UserInfo => typ.is_none_or(names_no_other_kind),
            Kind::Introspection => {
                typ.is_some_and(|typ| media_type(typ) == "token-introspection+jwt")
            }
            Kind::AccessToken(api) => match typ.map(media_type).as_deref() {
                Some("at+jwt") => true,
                None | Some("jwt") if api.type_required => {
                    return Err(refused(
                        "the header's `typ` is not `at+jwt`, which is required (`with_token_type`, IDENTITY_ACCESS_TOKEN_TYPE)",
                    ));
                }
                None | Some("jwt") => true,
                Some(_) => false,
            },
        };
        if !types_match {
            return Err(refused("the header's `typ` is that of another kind of token"));
        }
        let name =
            json::text(&self.header, "alg").ok_or_else(|| malformed("the header has no `alg`"))?;
        Algorithm::named(name).filter(|algorithm| rules.algorithms.contains(algorithm)).ok_or_else(
            || {
                let (came, accepted) =
                    (error_answer::code(name), Algorithm::list(rules.algorithms));
                Error::new(
                    ErrorKind::TokenAlgorithm,
                    format!(
                        "the token's algorithm is {came:?}, accepted are: {accepted} \
                     (those that the provider's document lists, narrowed by {ALGORITHMS_SETTING})"
                    ),
                )
            },
        )
    }

    fn kid(&self) -> Result<Option<String>, Error> {
        match (json::present(&self.header, "kid"), jwks::kid(&self.header)) {
            (Some(_), None) => Err(malformed("the header's `kid` is neither text nor a number")),
            (_, kid) => Ok(kid),
        }
    }

    /// `iss` and `tid` as the token claims them.
    fn issuer<'t>(&'t self, rules: &Rules<'t>) -> Result<TokenIssuer<'t>, Error> {
        let iss = match (self.claims.get("iss"), rules.kind) {
            (Some(Value::String(iss)), _) => iss,
            (None, Kind::UserInfo) => rules.metadata_issuer,
            _ => return Err(Error::new(ErrorKind::TokenIssuer, "the token has no `iss`")),
        };
        Ok(TokenIssuer { iss, tid: json::text(&self.claims, "tid") })
    }

    fn check_signature(
        &self,
        algorithm: Algorithm,
        issuer: &TokenIssuer<'_>,
        rules: &Rules<'_>,
        keys: &Keys,
    ) -> Result<(), Error> {
        let kid = self.kid()?;
        let candidates = keys.candidates(algorithm, kid.as_deref());
        if candidates.is_empty() {
            let kid = kid.map_or_else(
                || "no `kid`".to_owned(),
                |kid| format!("the `kid` {:?}", error_answer::code(&kid)),
            );
            let (count, left_out) = (keys.len(), keys.why_left_out());
            return Err(Error::new(
                ErrorKind::TokenKeyUnknown,
                format!(
                    "the token has {kid} and is signed with {algorithm}: none of the provider's {count} usable keys fits{left_out}"
                ),
            ));
        }
        let mut outcome = Err(Error::new(ErrorKind::TokenSignature, "the signature is wrong"));
        for key in candidates
            .iter()
            .filter(|key| key.verifies(algorithm, self.signing_input.as_bytes(), &self.signature))
        {
            let key_issuer =
                KeyIssuer { issuer: key.issuer(), cloud_instance_name: key.cloud_instance_name() };
            outcome = rules.authority.check_key(rules.metadata_issuer, &key_issuer, issuer);
            if outcome.is_ok() {
                break;
            }
        }
        outcome
    }

    /// Steps 3 to 5 of OpenID Connect Core section 3.1.3.7.
    fn check_audience(&self, rules: &Rules<'_>) -> Result<(), Error> {
        let refused = |detail: String| Err(Error::new(ErrorKind::TokenAudience, detail));
        let us = shown(rules.audience);
        let audiences = match json::present(&self.claims, "aud") {
            Some(one @ Value::String(_)) => std::slice::from_ref(one),
            Some(Value::Array(several)) => several.as_slice(),
            None if rules.kind == Kind::UserInfo => return Ok(()),
            None => {
                return refused(format!(
                    "the token has no `aud`, which has to be the client id {us}"
                ));
            }
            Some(_) => return refused("`aud` is neither text nor a list".into()),
        };
        let (mut ours, mut others) = (false, false);
        for audience in audiences {
            match audience.as_str() {
                Some(audience) if audience == rules.audience => ours = true,
                Some(audience)
                    if rules
                        .trusted_audiences
                        .iter()
                        .any(|trusted| trusted == ANY_AUDIENCE || trusted == audience) =>
                {
                    others = true
                }
                Some(audience) => {
                    let other = shown(audience);
                    return refused(format!(
                        "the token's `aud` has {other}, which is neither the client id {us} nor trusted"
                    ));
                }
                None => return refused("`aud` has a member that is not text".into()),
            }
        }
        if !ours {
            return refused(format!("the token's `aud` does not have the client id {us}"));
        }
        match json::present(&self.claims, "azp") {
            Some(Value::String(azp)) if azp == rules.audience => Ok(()),
            Some(azp) => refused(format!(
                "`azp` is {}, not the client id {us}",
                shown(azp.as_str().unwrap_or_default())
            )),
            // The same audience twice is one audience.
            None if others => refused("the token has several audiences and no `azp`".into()),
            None => Ok(()),
        }
    }

    /// Whether one of the API's names is in `aud` (RFC 9068 section 4, RFC 7519 section 4.1.3).
    fn check_api_audience(&self, own: &[String]) -> Result<(), Error> {
        super::access_token::check_audience(self.claims.get("aud"), own)
    }

    /// Steps 9 and 10 of OpenID Connect Core section 3.1.3.7, RFC 7519 sections 4.1.4 to 4.1.6.
    fn check_times(&self, rules: &Rules<'_>) -> Result<Option<UnixTime>, Error> {
        let (exp_required, iat_required) = match rules.kind {
            Kind::IdToken => (true, true),
            Kind::AccessToken(_) => (true, false),
            Kind::Introspection => (false, true),
            Kind::UserInfo => (false, false),
        };
        let now = rules.now;
        let leeway = rules.leeway.as_secs();
        let refused = |kind: ErrorKind, detail: String| Err(Error::new(kind, detail));
        let future = |name: &str, time: UnixTime| {
            let ahead = time.since(now).as_secs();
            refused(
                ErrorKind::TokenNotYetValid,
                format!("`{name}` lies {ahead} s in the future, and {leeway} s are tolerated"),
            )
        };
        let (exp, nbf, iat) = (
            self.time("exp", exp_required)?,
            self.time("nbf", false)?,
            self.time("iat", iat_required)?,
        );
        if let Some(exp) = exp.filter(|exp| *exp + rules.leeway <= now) {
            let ago = now.since(exp).as_secs();
            return refused(
                ErrorKind::TokenExpired,
                format!("`exp` passed {ago} s ago, and {leeway} s are tolerated"),
            );
        }
        if let Some(nbf) = nbf.filter(|nbf| *nbf > now + rules.leeway) {
            return future("nbf", nbf);
        }
        if let Some(iat) = iat.filter(|iat| *iat > now + rules.leeway) {
            return future("iat", iat);
        }
        if let (Some(iat), Some(max_age)) = (iat, rules.max_age)
            && iat + max_age + rules.leeway < now
        {
            let (ago, most) = (now.since(iat).as_secs(), max_age.as_secs());
            return refused(
                ErrorKind::TokenTooOld,
                format!("`iat` is {ago} s ago, more than {most} s"),
            );
        }
        Ok(exp)
    }

    fn time(&self, name: &'static str, required: bool) -> Result<Option<UnixTime>, Error> {
        match json::present(&self.claims, name) {
            Some(value) => numeric_date(value)
                .map(Some)
                .ok_or_else(|| malformed(format!("`{name}` is not a number"))),
            None if required => Err(malformed(format!("the token has no `{name}`"))),
            None => Ok(None),
        }
    }
}

/// A `NumericDate` (RFC 7519 section 2): any number, also with a fraction. What lies beyond the
/// calendar is its end.
pub(crate) fn numeric_date(value: &Value) -> Option<UnixTime> {
    // The cast saturates, and a JSON number is never NaN.
    #[allow(clippy::cast_possible_truncation, reason = "saturation is what is wanted")]
    let seconds =
        value.as_i64().or_else(|| value.as_f64().map(|seconds| seconds.floor() as i64))?;
    Some(UnixTime::from_seconds(seconds.clamp(-LAST_MOMENT, LAST_MOMENT)))
}

/// A `typ` in one spelling: the letter case says nothing, and `application/` may be left out (RFC
/// 7515 section 4.1.9).
fn media_type(typ: &str) -> String {
    let typ = typ.to_ascii_lowercase();
    typ.strip_prefix("application/").map_or(typ.clone(), str::to_owned)
}

/// Whether a `typ` leaves it open what kind of token it is: `JWT` or something unknown, but no
/// `…+jwt` (RFC 8725 section 3.11).
fn names_no_other_kind(typ: &str) -> bool {
    let typ = typ.to_ascii_lowercase();
    !typ.ends_with("+jwt") || matches!(typ.as_str(), "id_token+jwt" | "application/id_token+jwt")
}

pub(super) fn malformed(detail: impl Into<std::borrow::Cow<'static, str>>) -> Error {
    Error::new(ErrorKind::TokenMalformed, detail)
}

#[cfg(test)]
#[path = "jwt_tests.rs"]
mod tests;
