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
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;
    use crate::{
        protocol::testing::{
            self, CLIENT_ID, ISSUER, NOW, Signer, authority, claims, header, id_token, key_set,
            keys,
        },
        secret::base64url,
    };

    const RS256: &[Algorithm] = &[Algorithm::Rs256];

    /// Checks a token under rules with one thing changed.
    fn check_with(
        token: &str,
        set: &Value,
        change: impl FnOnce(&mut Rules<'_>),
    ) -> Result<Verified, Error> {
        let (authority, tenants) = (authority(), Tenants::any());
        let mut rules = Rules {
            kind: Kind::IdToken,
            algorithms: RS256,
            authority: &authority,
            tenants: &tenants,
            metadata_issuer: ISSUER,
            audience: CLIENT_ID,
            trusted_audiences: &[],
            now: NOW,
            leeway: Duration::from_secs(60),
            max_age: None,
        };
        change(&mut rules);
        Unverified::parse(token)?.verify(&rules, &keys(set))
    }

    fn check(token: &str) -> Result<Verified, Error> {
        check_with(token, &key_set(), |_| ())
    }

    fn rejects(change: impl FnOnce(&mut Value), kind: ErrorKind) {
        let token = id_token(change);
        assert_eq!(
            check(&token).err().map(|error| error.kind()),
            Some(kind),
            "{}",
            payload(&token)
        );
    }

    fn accepts(change: impl FnOnce(&mut Value)) {
        let token = id_token(change);
        assert_eq!(check(&token).err().map(|error| error.to_string()), None, "{}", payload(&token));
    }

    fn rejects_header(header: &Value, kind: ErrorKind) {
        let token = Signer::shared().sign(header, &claims());
        assert_eq!(check(&token).err().map(|error| error.kind()), Some(kind), "{header}");
    }

    fn payload(token: &str) -> String {
        String::from_utf8(from_base64url(token.split('.').nth(1).unwrap()).unwrap()).unwrap()
    }

    fn now(plus: i64) -> Value {
        json!(NOW.as_seconds() + plus)
    }

    /// C-011
    #[test]
    fn a_good_token_passes_and_keeps_its_text() {
        let text = format!(
            r#" {{ "iss":{ISSUER:?}, "aud":{CLIENT_ID:?}, "exp":{}, "iat":{}, "sub":"s" }} "#,
            now(9),
            now(0)
        );
        let verified = check(&Signer::shared().sign_text(&header().to_string(), &text)).unwrap();
        assert_eq!(
            (verified.payload.as_str(), verified.algorithm, verified.iss.as_str()),
            (text.as_str(), Algorithm::Rs256, ISSUER)
        );
    }

    /// What came, what is accepted, and where that is set.
    #[test]
    fn a_refused_algorithm_is_named_with_those_accepted_and_the_setting() {
        for (alg, shown) in
            [("HS256", "HS256"), ("none", "none"), ("ES384", "ES384"), ("x\n\"y", "xy")]
        {
            let token = Signer::shared().sign(&json!({"alg": alg, "kid": "k1"}), &claims());
            let error = check_with(&token, &key_set(), |rules| {
                rules.algorithms = &[Algorithm::Rs256, Algorithm::Es256]
            })
            .err()
            .unwrap();
            for part in
                [shown, "RS256, ES256", "with_id_token_algorithms", "IDENTITY_ID_TOKEN_ALGORITHMS"]
            {
                assert!(error.to_string().contains(part), "{part} is not in {error}");
            }
        }
    }

    #[test]
    fn a_key_that_was_left_out_is_named_where_one_is_missing() {
        let mut encryption = Signer::new(Algorithm::Es256).jwk("e1");
        encryption["use"] = json!("enc");
        let token = Signer::shared().sign(&json!({"alg": "RS256", "kid": "k9"}), &claims());
        let error = check_with(&token, &json!({"keys": [encryption]}), |_| ()).err().unwrap();
        for part in ["\"k9\"", "RS256", "0 usable keys", "key \"e1\": `use` says"] {
            assert!(error.to_string().contains(part), "{part} is not in {error}");
        }
    }

    /// C-012
    #[test]
    fn a_configured_algorithm_passes_and_another_does_not() {
        let signer = Signer::new(Algorithm::Es256);
        let token = signer.sign(&json!({"alg": "ES256", "kid": "e"}), &claims());
        let set = json!({"keys": [signer.jwk("e")]});
        assert!(check_with(&token, &set, |rules| rules.algorithms = &[Algorithm::Es256]).is_ok());
        assert_eq!(
            check_with(&token, &set, |_| ()).err().unwrap().kind(),
            ErrorKind::TokenAlgorithm
        );
        let signer = Signer::new(Algorithm::EdDsa);
        for name in ["EdDSA", "Ed25519"] {
            let token = signer.sign(&json!({"alg": name, "kid": "e"}), &claims());
            assert!(
                check_with(&token, &json!({"keys": [signer.jwk("e")]}), |rules| rules.algorithms =
                    &[Algorithm::EdDsa])
                .is_ok()
            );
        }
    }

    /// C-082
    #[test]
    fn the_default_algorithm_is_refused_where_another_was_agreed() {
        for agreed in [&[Algorithm::Ps256][..], &[Algorithm::Es256]] {
            let outcome =
                check_with(&id_token(|_| ()), &key_set(), |rules| rules.algorithms = agreed);
            assert_eq!(outcome.err().unwrap().kind(), ErrorKind::TokenAlgorithm);
        }
    }

    /// C-014, C-081: there is no list that `none` could be on.
    #[test]
    fn an_unsigned_token_is_refused() {
        for alg in ["none", "None", "NONE", "nOnE", "", " none"] {
            let parts = [json!({"alg": alg}), claims()]
                .map(|part| base64url(part.to_string().as_bytes()))
                .join(".");
            for token in [format!("{parts}."), format!("{parts}.c2ln")] {
                let outcome =
                    check_with(&token, &key_set(), |rules| rules.algorithms = Algorithm::ALL);
                assert_eq!(outcome.err().unwrap().kind(), ErrorKind::TokenAlgorithm, "{alg}");
            }
        }
        for alg in [json!(null), json!(1), json!(["RS256"]), json!({})] {
            rejects_header(&json!({"alg": alg, "kid": "k1"}), ErrorKind::TokenMalformed);
        }
        rejects_header(&json!({"kid": "k1"}), ErrorKind::TokenMalformed);
    }

    /// C-013, C-018: HS256 cannot be configured: whoever knows the client secret could write ID
    /// tokens, and a public key is no secret at all.
    #[test]
    fn a_symmetric_algorithm_is_refused_whatever_it_is_keyed_with() {
        for alg in ["HS256", "HS384", "HS512", "rs256", "RS1", "RS256 "] {
            let token = Signer::shared().sign(&json!({"alg": alg, "kid": "k1"}), &claims());
            let outcome = check_with(&token, &key_set(), |rules| rules.algorithms = Algorithm::ALL);
            assert_eq!(outcome.err().unwrap().kind(), ErrorKind::TokenAlgorithm, "{alg}");
        }
    }

    /// C-017, C-164
    #[test]
    fn a_wrong_or_missing_signature_is_refused() {
        let good = id_token(|_| ());
        let (message, signature) = good.rsplit_once('.').unwrap();
        let mut bytes = from_base64url(signature).unwrap();
        bytes[100] ^= 1;
        let other = Signer::new(Algorithm::Rs256).sign(&header(), &claims());
        for token in [
            format!("{message}."),
            format!("{message}.{}", base64url(&bytes)),
            format!("{message}.AAAA"),
            other,
        ] {
            assert_eq!(check(&token).err().unwrap().kind(), ErrorKind::TokenSignature);
        }
        let signer = Signer::new(Algorithm::Es256);
        let mut token = signer.sign(&json!({"alg": "ES256", "kid": "e"}), &claims());
        let last = if token.pop() == Some('A') { 'Q' } else { 'A' };
        token.push(last);
        let outcome = check_with(&token, &json!({"keys": [signer.jwk("e")]}), |rules| {
            rules.algorithms = &[Algorithm::Es256]
        });
        assert_eq!(outcome.err().unwrap().kind(), ErrorKind::TokenSignature);
    }

    #[test]
    fn changed_claims_do_not_pass_under_the_old_signature() {
        let good = id_token(|_| ());
        let parts: Vec<&str> = good.split('.').collect();
        let changed = base64url(claims().to_string().replace("subject-1", "admin").as_bytes());
        assert_eq!(
            check(&format!("{}.{changed}.{}", parts[0], parts[2])).err().unwrap().kind(),
            ErrorKind::TokenSignature
        );
    }

    /// C-149
    #[test]
    fn what_is_no_jwt_is_refused() {
        let good = id_token(|_| ());
        let parts: Vec<&str> = good.split('.').collect();
        let mut bad =
            ["", "foo", "a.b", "a.b.c", "..", ".", "a.b.c.d", "a.b.c.d.e.f", "{}.{}.{}", "é.é.é"]
                .map(str::to_owned)
                .to_vec();
        bad.push(format!("{}=.{}.{}", parts[0], parts[1], parts[2]));
        bad.push(format!(" {good}"));
        bad.push(format!("{good}\n"));
        bad.push(format!("{}.{}.{}", parts[0], base64url(b"[]"), parts[2]));
        bad.push(format!("{}.{}.{}", base64url(b"null"), parts[1], parts[2]));
        bad.push(format!("{}.{}.{}", parts[0], base64url(b"{\"a\":\"\xff\"}"), parts[2]));
        bad.push("a".repeat(LARGEST_TOKEN + 1));
        for token in bad {
            assert_eq!(
                check(&token).err().unwrap().kind(),
                ErrorKind::TokenMalformed,
                "{token:.40}"
            );
        }
    }

    /// C-015, C-090: five parts are an encrypted token, whatever is in them.
    #[test]
    fn an_encrypted_token_is_refused_as_such() {
        for token in ["a.b.c.d.e", "eyJhbGciOiJSU0ExXzUiLCJlbmMiOiJBMTI4R0NNIn0.QQ.QQ.QQ.QQ"] {
            let error = check(token).err().unwrap();
            assert!(
                error.kind() == ErrorKind::TokenMalformed && error.to_string().contains("JWE"),
                "{error}"
            );
        }
    }

    /// C-162
    #[test]
    fn a_header_that_asks_for_what_we_do_not_know_is_refused() {
        for (member, value) in [
            ("crit", json!(["exp"])),
            ("crit", json!([])),
            ("crit", json!(null)),
            ("b64", json!(false)),
            ("zip", json!("DEF")),
        ] {
            let mut header = header();
            header[member] = value;
            rejects_header(&header, ErrorKind::TokenAlgorithm);
        }
        let mut unknown = header();
        unknown["x-anything"] = json!([1]);
        assert!(check(&Signer::shared().sign(&unknown, &claims())).is_ok());
    }

    #[test]
    fn a_key_in_the_header_is_not_read() {
        let attacker = Signer::new(Algorithm::Rs256);
        for header in [
            json!({"alg": "RS256", "jwk": attacker.jwk("k1")}),
            json!({"alg": "RS256", "kid": "k1", "jku": "https://evil.example/keys", "jwk": attacker.jwk("k1")}),
        ] {
            assert_eq!(
                check(&attacker.sign(&header, &claims())).err().unwrap().kind(),
                ErrorKind::TokenSignature
            );
        }
    }

    /// C-181
    #[test]
    fn a_token_of_another_kind_is_refused() {
        for typ in [
            "at+jwt",
            "AT+JWT",
            "application/at+jwt",
            "logout+jwt",
            "application/logout+jwt",
            "dpop+jwt",
            "secevent+jwt",
            "token-introspection+jwt",
        ] {
            rejects_header(
                &json!({"alg": "RS256", "kid": "k1", "typ": typ}),
                ErrorKind::TokenAlgorithm,
            );
        }
        for typ in [json!(1), json!(["JWT"])] {
            rejects_header(
                &json!({"alg": "RS256", "kid": "k1", "typ": typ}),
                ErrorKind::TokenMalformed,
            );
        }
        for typ in [
            json!("JWT"),
            json!("jwt"),
            json!("application/jwt"),
            json!("id_token+jwt"),
            json!(null),
        ] {
            assert!(
                check(
                    &Signer::shared()
                        .sign(&json!({"alg": "RS256", "kid": "k1", "typ": typ}), &claims())
                )
                .is_ok(),
                "{typ}"
            );
        }
    }

    #[test]
    fn the_key_is_found_by_its_name_or_tried_where_there_is_none() {
        let outcome = |header: Value, set: &Value| {
            check_with(&Signer::shared().sign(&header, &claims()), set, |_| ())
                .err()
                .map(|error| error.kind())
        };
        let two =
            json!({"keys": [Signer::new(Algorithm::Rs256).jwk("k0"), Signer::shared().jwk("k1")]});
        assert_eq!(outcome(json!({"alg": "RS256"}), &two), None);
        assert_eq!(outcome(json!({"alg": "RS256", "kid": "k1"}), &two), None);
        assert_eq!(
            outcome(json!({"alg": "RS256", "kid": "k0"}), &two),
            Some(ErrorKind::TokenSignature)
        );
        assert_eq!(
            outcome(json!({"alg": "RS256", "kid": "k2"}), &two),
            Some(ErrorKind::TokenKeyUnknown)
        );
        for odd in [json!(["k1"]), json!({}), json!(true)] {
            assert_eq!(
                outcome(json!({"alg": "RS256", "kid": odd}), &two),
                Some(ErrorKind::TokenMalformed)
            );
        }
        assert_eq!(outcome(json!({"alg": "RS256", "kid": null}), &two), None);
        let mut numbered = key_set();
        numbered["keys"][0]["kid"] = json!(20_260_101);
        assert_eq!(
            outcome(json!({"alg": "RS256", "kid": 20_260_101}), &numbered),
            None,
            "a number here as there"
        );
        assert_eq!(outcome(json!({"alg": "RS256", "kid": "20260101"}), &numbered), None);
        assert_eq!(
            outcome(json!({"alg": "RS256"}), &json!({"keys": []})),
            Some(ErrorKind::TokenKeyUnknown)
        );
    }

    /// C-019, C-079
    #[test]
    fn another_issuer_is_refused() {
        for iss in [
            json!("https://id.example1"),
            json!("https://id.example/"),
            json!("https://ID.example"),
            json!(""),
            json!(null),
            json!([ISSUER]),
            json!(1),
        ] {
            rejects(|claims| claims["iss"] = iss, ErrorKind::TokenIssuer);
        }
        rejects(
            |claims| drop(claims.as_object_mut().unwrap().remove("iss")),
            ErrorKind::TokenIssuer,
        );
    }

    /// C-021, C-083
    #[test]
    fn a_token_for_somebody_else_is_refused() {
        for aud in [
            json!("client-2"),
            json!("CLIENT-1"),
            json!(""),
            json!([]),
            json!(null),
            json!(1),
            json!({}),
            json!(["client-2"]),
            json!([[CLIENT_ID]]),
        ] {
            rejects(|claims| claims["aud"] = aud, ErrorKind::TokenAudience);
        }
        for aud in
            [json!([CLIENT_ID, "client-11"]), json!([CLIENT_ID, 1]), json!([CLIENT_ID, null])]
        {
            rejects(|claims| claims["aud"] = aud.clone(), ErrorKind::TokenAudience);
            let with_azp =
                |claims: &mut Value| (claims["aud"], claims["azp"]) = (aud, json!(CLIENT_ID));
            rejects(with_azp, ErrorKind::TokenAudience);
        }
        rejects(
            |claims| drop(claims.as_object_mut().unwrap().remove("aud")),
            ErrorKind::TokenAudience,
        );
        accepts(|claims| claims["aud"] = json!([CLIENT_ID]));
    }

    #[test]
    fn azp_is_this_client_wherever_it_is_and_has_to_be_there_with_several_audiences() {
        for azp in [json!("client-2"), json!(""), json!([CLIENT_ID])] {
            rejects(|claims| claims["azp"] = azp, ErrorKind::TokenAudience);
        }
        for azp in [json!(CLIENT_ID), json!(null)] {
            accepts(|claims| claims["azp"] = azp);
        }
        accepts(|claims| claims["aud"] = json!([CLIENT_ID, CLIENT_ID]));
        accepts(|claims| {
            (claims["aud"], claims["azp"]) = (json!([CLIENT_ID, CLIENT_ID]), json!(CLIENT_ID))
        });
        let trusted: &'static [String] = vec!["api".to_owned()].leak();
        let outcome = |azp: Option<&str>| {
            let token = id_token(|claims| {
                claims["aud"] = json!(["api", CLIENT_ID]);
                if let Some(azp) = azp {
                    claims["azp"] = json!(azp);
                }
            });
            check_with(&token, &key_set(), |rules| rules.trusted_audiences = trusted).is_ok()
        };
        assert!(outcome(Some(CLIENT_ID)));
        assert!(!outcome(None));
        assert!(!outcome(Some("api")));
        let token = id_token(|claims| claims["aud"] = json!("api"));
        assert!(
            check_with(&token, &key_set(), |rules| rules.trusted_audiences = trusted).is_err(),
            "a trusted audience is not us"
        );
    }

    /// Zitadel's tokens are also for every other application of the project, those of tomorrow
    /// included.
    #[test]
    fn every_other_audience_is_trusted_by_a_star_where_azp_is_this_client() {
        let trusted: &'static [String] = vec!["*".to_owned()].leak();
        let outcome = |aud: Value, azp: Value| {
            let token = id_token(|claims| (claims["aud"], claims["azp"]) = (aud, azp));
            check_with(&token, &key_set(), |rules| rules.trusted_audiences = trusted).is_ok()
        };
        assert!(outcome(json!([CLIENT_ID, "app-2", "project"]), json!(CLIENT_ID)));
        for azp in [json!(null), json!("app-2"), json!("*")] {
            assert!(!outcome(json!([CLIENT_ID, "app-2"]), azp));
        }
        for aud in [
            json!(["app-2", "project"]),
            json!("app-2"),
            json!(["*"]),
            json!([]),
            json!([CLIENT_ID, 1]),
        ] {
            assert!(!outcome(aud, json!(CLIENT_ID)));
        }
    }

    /// C-169
    #[test]
    fn times_are_numbers() {
        for name in ["exp", "iat", "nbf"] {
            for value in [json!(""), json!("1800000000"), json!(true), json!([now(0)]), json!({})] {
                rejects(|claims| claims[name] = value, ErrorKind::TokenMalformed);
            }
        }
        for name in ["exp", "iat"] {
            rejects(|claims| claims[name] = json!(null), ErrorKind::TokenMalformed);
        }
        accepts(|claims| claims["nbf"] = json!(null));
        for name in ["exp", "iat"] {
            rejects(
                |claims| drop(claims.as_object_mut().unwrap().remove(name)),
                ErrorKind::TokenMalformed,
            );
        }
    }

    /// C-170
    #[test]
    fn times_may_be_floats_and_huge_ones_do_not_overflow() {
        accepts(|claims| {
            (claims["exp"], claims["iat"], claims["nbf"]) =
                (json!(1.8e9 + 30.5), json!(1.8e9 - 0.5), json!(0.0))
        });
        accepts(|claims| claims["exp"] = json!(1e300));
        accepts(|claims| claims["exp"] = json!(u64::MAX));
        for exp in [json!(-1e300), json!(-2), json!(i64::MIN), json!(0), json!(1.7e9)] {
            rejects(|claims| claims["exp"] = exp, ErrorKind::TokenExpired);
        }
        for name in ["iat", "nbf"] {
            rejects(|claims| claims[name] = json!(1e300), ErrorKind::TokenNotYetValid);
        }
        let token = id_token(|claims| claims["exp"] = json!(1e300));
        assert_eq!(
            check(&token).unwrap().exp,
            Some(UnixTime::from_seconds(LAST_MOMENT)),
            "a moment that every calendar knows"
        );
    }

    /// MSAL-036: also where a wrong clock is the reason
    #[test]
    fn an_expired_token_is_refused_beyond_the_leeway() {
        accepts(|claims| claims["exp"] = now(-59));
        rejects(|claims| claims["exp"] = now(-60), ErrorKind::TokenExpired);
    }

    /// C-171
    #[test]
    fn a_token_that_is_not_valid_yet_is_refused_beyond_the_leeway() {
        accepts(|claims| claims["nbf"] = now(60));
        rejects(|claims| claims["nbf"] = now(61), ErrorKind::TokenNotYetValid);
    }

    /// C-172
    #[test]
    fn a_token_issued_in_the_future_is_refused_beyond_the_leeway() {
        accepts(|claims| claims["iat"] = now(60));
        rejects(|claims| claims["iat"] = now(61), ErrorKind::TokenNotYetValid);
    }

    /// C-088, C-173
    #[test]
    fn an_old_token_is_refused_only_if_a_greatest_age_is_configured() {
        let week = id_token(|claims| claims["iat"] = now(-7 * 24 * 3600));
        assert!(check(&week).is_ok());
        let outcome =
            check_with(&week, &key_set(), |rules| rules.max_age = Some(Duration::from_secs(3600)));
        assert_eq!(outcome.err().unwrap().kind(), ErrorKind::TokenTooOld);
        assert!(
            check_with(&id_token(|_| ()), &key_set(), |rules| rules.max_age = Some(Duration::ZERO))
                .is_ok()
        );
    }

    /// C-187
    #[test]
    fn a_member_given_twice_is_refused_in_header_and_claims() {
        let (header, claims) = (header().to_string(), claims().to_string());
        for (header, claims) in [
            (header.clone(), claims.replacen('{', r#"{"aud":"client-1","#, 1)),
            (header.clone(), claims.replacen('{', r#"{"iss":"https://evil.example","#, 1)),
            (header.clone(), claims.replacen('{', r#"{"address":{"a":1,"a":2},"#, 1)),
            (header.replacen('{', r#"{"alg":"none","#, 1), claims.clone()),
            (header.replacen('{', r#"{"kid":"k1","#, 1), claims),
        ] {
            let outcome = check(&Signer::shared().sign_text(&header, &claims));
            assert_eq!(
                outcome.err().unwrap().kind(),
                ErrorKind::TokenMalformed,
                "{header} {claims}"
            );
        }
    }

    proptest! {
        #[test]
        fn arbitrary_text_never_panics(token in r"[A-Za-z0-9_.\-=é]{0,200}") {
            let _ = check(&token);
        }

        #[test]
        fn arbitrary_claims_under_a_good_signature_never_panic(
            name in "iss|aud|exp|nbf|iat|azp|tid|sub", text in any::<String>(), number in any::<f64>(), whole in any::<i64>(), kind in 0..6,
        ) {
            let value = match kind { 0 => json!(text), 1 => json!(number), 2 => json!(whole), 3 => json!([text, number]), 4 => json!({text: whole}), _ => json!(null) };
            let _ = check(&id_token(|claims| claims[name] = value));
        }

        #[test]
        fn a_token_with_one_byte_changed_never_passes(at in any::<prop::sample::Index>(), byte in prop::sample::select(b"ABCDwxyz0189-_.".to_vec())) {
            let mut token = testing::id_token(|_| ()).into_bytes();
            let at = at.index(token.len());
            prop_assume!(token[at] != byte);
            token[at] = byte;
            prop_assert!(check(std::str::from_utf8(&token).unwrap()).is_err());
        }
    }
}
