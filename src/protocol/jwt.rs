//! The one verifier of JSON Web Tokens, whatever their kind (RFC 7515, RFC 7519, RFC 8725; OpenID Connect Core section 3.1.3.7).
//!
//! In this order, and nothing of a token is used before all of it holds:
//!
//! 1. three base64url parts, the first two JSON objects without repeated members; encrypted tokens are refused as such;
//! 2. `alg` on an explicit list, which has no way to name `none` or a symmetric algorithm; no `crit`; a `typ` that names no other kind of token;
//! 3. a key of the provider's key set, chosen by `kid`; what the header says about keys (`jwk`, `jku`, `x5u`, `x5c`) is not read;
//! 4. the key may speak for this issuer and cloud, and made the signature;
//! 5. `iss` and tenant; 6. `aud` and `azp`; 7. `exp`, `nbf`, `iat` with leeway, and the greatest age.
//!
//! What is special to a kind comes on top, in the module of that kind.

use std::time::Duration;

use serde_json::Value;

use super::{
    json::{self, Object},
    jwks::{self, Keys},
};
use crate::{
    authority::{Authority, KeyIssuer, Tenants, TokenIssuer},
    clock::UnixTime,
    config::Algorithm,
    error::{Error, ErrorKind},
    secret::from_base64url,
};

/// The largest token that is looked at. ID tokens with hundreds of claims stay below 20 KB.
const LARGEST_TOKEN: usize = 64 * 1024;
/// The last moment that a date can show: 9999-12-31T23:59:59Z.
const LAST_MOMENT: i64 = 253_402_300_799;

/// What a token is for; decides what its `typ` may say and which claims it must have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// An ID token: `iss`, `aud`, `exp` and `iat` are required.
    IdToken,
    /// A signed UserInfo answer: the claims are checked where they are there (OpenID Connect Core section 5.3.2).
    UserInfo,
}

/// What every token is held to.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Rules<'a> {
    pub(crate) kind: Kind,
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
    /// Always there in an ID token.
    pub(crate) iat: Option<UnixTime>,
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
                return Err(malformed("it is encrypted (JWE), which is not supported: have the provider send signed tokens"));
            }
            _ => return Err(malformed("it has not the three parts of a signed token")),
        };
        let signing_input = token.get(..header.len() + 1 + claims.len()).unwrap_or_default();
        let decode = |part: &str| from_base64url(part).ok_or_else(|| malformed("a part is not base64url"));
        let object = |text: &[u8]| json::object(text).map_err(|refused| malformed(refused.as_str()));
        let header = object(&decode(header)?)?;
        let payload = String::from_utf8(decode(claims)?).map_err(|_| malformed("the claims are not UTF-8"))?;
        Ok(Self { header, claims: object(payload.as_bytes())?, payload, signing_input, signature: decode(signature)? })
    }

    /// Whether the token names its key.
    pub(crate) fn names_its_key(&self) -> bool {
        self.kid().is_ok_and(|kid| kid.is_some())
    }

    /// Does all the checks, in the order above.
    ///
    /// # Errors
    ///
    /// The kind of the first check that fails. [`ErrorKind::TokenKeyUnknown`] may mean that the keys are too old.
    pub(crate) fn verify(&self, rules: &Rules<'_>, keys: &Keys) -> Result<Verified, Error> {
        let algorithm = self.algorithm(rules)?;
        let issuer = self.issuer(rules)?;
        self.check_signature(algorithm, &issuer, rules, keys)?;
        rules.authority.check_token_issuer(rules.tenants, rules.metadata_issuer, &issuer)?;
        self.check_audience(rules)?;
        let (exp, iat) = self.check_times(rules)?;
        Ok(Verified {
            payload: self.payload.clone(),
            claims: self.claims.clone(),
            algorithm,
            iss: issuer.iss.to_owned(),
            exp,
            iat,
        })
    }

    /// The header's algorithm, if the header asks for nothing that is not allowed (RFC 7515 section 4.1, RFC 8725 sections 3.1 and 3.11).
    fn algorithm(&self, rules: &Rules<'_>) -> Result<Algorithm, Error> {
        let refused = |detail: &'static str| Error::new(ErrorKind::TokenAlgorithm, detail);
        for member in ["crit", "b64", "zip", "enc"] {
            if self.header.contains_key(member) {
                return Err(Error::new(ErrorKind::TokenAlgorithm, format!("the header's `{member}` is not supported")));
            }
        }
        let types_match = match self.header.get("typ") {
            None => true,
            Some(Value::String(typ)) => names_no_other_kind(typ),
            Some(_) => return Err(malformed("the header's `typ` is not text")),
        };
        if !types_match {
            return Err(refused("the header's `typ` is that of another kind of token"));
        }
        let name = json::text(&self.header, "alg").ok_or_else(|| malformed("the header has no `alg`"))?;
        jwks::algorithm(name).filter(|algorithm| rules.algorithms.contains(algorithm)).ok_or_else(|| {
            let allowed: Vec<&str> = rules.algorithms.iter().map(|algorithm| algorithm.as_str()).collect();
            Error::new(
                ErrorKind::TokenAlgorithm,
                format!("the token's algorithm is not one of those allowed: {}", allowed.join(", ")),
            )
        })
    }

    fn kid(&self) -> Result<Option<&str>, Error> {
        match self.header.get("kid") {
            None => Ok(None),
            Some(Value::String(kid)) => Ok(Some(kid)),
            Some(_) => Err(malformed("the header's `kid` is not text")),
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
        let candidates = keys.candidates(algorithm, self.kid()?);
        if candidates.is_empty() {
            return Err(Error::new(
                ErrorKind::TokenKeyUnknown,
                format!("none of the provider's {} usable keys has the token's `kid` and is for {algorithm}", keys.len()),
            ));
        }
        let mut outcome = Err(Error::new(ErrorKind::TokenSignature, "the signature is wrong"));
        for key in candidates.iter().filter(|key| key.verifies(algorithm, self.signing_input.as_bytes(), &self.signature)) {
            let key_issuer = KeyIssuer { issuer: key.issuer(), cloud_instance_name: key.cloud_instance_name() };
            outcome = rules.authority.check_key(rules.metadata_issuer, &key_issuer, issuer);
            if outcome.is_ok() {
                break;
            }
        }
        outcome
    }

    /// Steps 3 to 5 of OpenID Connect Core section 3.1.3.7.
    fn check_audience(&self, rules: &Rules<'_>) -> Result<(), Error> {
        let refused = |detail: &'static str| Err(Error::new(ErrorKind::TokenAudience, detail));
        let audiences = match self.claims.get("aud") {
            Some(one @ Value::String(_)) => std::slice::from_ref(one),
            Some(Value::Array(several)) => several.as_slice(),
            None if rules.kind == Kind::UserInfo => return Ok(()),
            None => return refused("the token has no `aud`"),
            Some(_) => return refused("`aud` is neither text nor a list"),
        };
        let mut ours = false;
        for audience in audiences {
            match audience.as_str() {
                Some(audience) if audience == rules.audience => ours = true,
                Some(audience) if rules.trusted_audiences.iter().any(|trusted| trusted == audience) => {}
                _ => return refused("the token is also for an audience that is not trusted"),
            }
        }
        if !ours {
            return refused("the token is not for this client");
        }
        match self.claims.get("azp") {
            Some(Value::String(azp)) if azp == rules.audience => Ok(()),
            Some(_) => refused("`azp` is not this client"),
            None if audiences.len() > 1 => refused("the token has several audiences and no `azp`"),
            None => Ok(()),
        }
    }

    /// Steps 9 and 10 of OpenID Connect Core section 3.1.3.7, RFC 7519 sections 4.1.4 to 4.1.6.
    fn check_times(&self, rules: &Rules<'_>) -> Result<(Option<UnixTime>, Option<UnixTime>), Error> {
        let required = rules.kind == Kind::IdToken;
        let now = rules.now;
        let refused = |kind: ErrorKind, detail: &'static str| Err(Error::new(kind, detail));
        let (exp, nbf, iat) = (self.time("exp", required)?, self.time("nbf", false)?, self.time("iat", required)?);
        if exp.is_some_and(|exp| exp + rules.leeway <= now) {
            return refused(ErrorKind::TokenExpired, "`exp` has passed");
        }
        if nbf.is_some_and(|nbf| nbf > now + rules.leeway) {
            return refused(ErrorKind::TokenNotYetValid, "`nbf` lies in the future");
        }
        if iat.is_some_and(|iat| iat > now + rules.leeway) {
            return refused(ErrorKind::TokenNotYetValid, "`iat` lies in the future");
        }
        if let (Some(iat), Some(max_age)) = (iat, rules.max_age)
            && iat + max_age + rules.leeway < now
        {
            return refused(ErrorKind::TokenTooOld, "`iat` is too long ago");
        }
        Ok((exp, iat))
    }

    fn time(&self, name: &'static str, required: bool) -> Result<Option<UnixTime>, Error> {
        match self.claims.get(name) {
            Some(value) => numeric_date(value).map(Some).ok_or_else(|| malformed(format!("`{name}` is not a number"))),
            None if required => Err(malformed(format!("the token has no `{name}`"))),
            None => Ok(None),
        }
    }
}

/// A `NumericDate` (RFC 7519 section 2): any number, also with a fraction. What lies beyond the calendar is its end.
pub(crate) fn numeric_date(value: &Value) -> Option<UnixTime> {
    // The cast saturates, and a JSON number is never NaN.
    #[allow(clippy::cast_possible_truncation, reason = "saturation is what is wanted")]
    let seconds = value.as_i64().or_else(|| value.as_f64().map(|seconds| seconds.floor() as i64))?;
    Some(UnixTime::from_seconds(seconds.clamp(-LAST_MOMENT, LAST_MOMENT)))
}

/// Whether a `typ` leaves it open what kind of token it is: `JWT` or something unknown, but no `…+jwt` (RFC 8725 section 3.11).
fn names_no_other_kind(typ: &str) -> bool {
    let typ = typ.to_ascii_lowercase();
    !typ.ends_with("+jwt") || matches!(typ.as_str(), "id_token+jwt" | "application/id_token+jwt")
}

pub(super) fn malformed(detail: impl Into<std::borrow::Cow<'static, str>>) -> Error {
    Error::new(ErrorKind::TokenMalformed, detail)
}
