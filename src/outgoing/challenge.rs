//! The challenge in an API's 401 response (RFC 6750 section 3, RFC 9470, Entra's claims
//! challenges).

use std::time::Duration;

use http::{Response, StatusCode};

use crate::{
    error::{Error, ErrorKind, TokenOwner},
    json,
    www_authenticate::{ReceivedChallenge, challenges},
};

/// The greatest length of `acr_values`, in bytes: they must fit into the cookie of an attempt.
const MAX_ACR_VALUES_BYTES: usize = 200;

/// The requirement for another token.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum ApiChallenge {
    /// A token with these claims (JSON): Entra's claims challenge.
    Claims(String),
    /// A token of a stronger or more recent sign-in (RFC 9470 section 3).
    SignIn(RequiredSignIn),
}

/// The sign-in that the API requires. At least one of the two is present.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct RequiredSignIn {
    acr_values: Vec<String>,
    max_age: Option<Duration>,
}

impl RequiredSignIn {
    /// The error that leads to this sign-in, for a token with these scopes.
    pub(super) fn error<'a>(self, scopes: impl Iterator<Item = &'a str>) -> Error {
        Error::new(
            ErrorKind::StrongerSignInNeeded,
            "an API requires a token of a stronger or more recent sign-in (RFC 9470)",
        )
        .for_token(TokenOwner::User, scopes)
        .with_requirements(self.acr_values, self.max_age)
    }
}

/// The challenge in a response; `None` if it is not a 401, or has no challenge that another token
/// can satisfy.
pub(super) fn api_challenge<B>(answer: &Response<B>) -> Option<ApiChallenge> {
    if answer.status() != StatusCode::UNAUTHORIZED {
        return None;
    }
    let mut bearer = challenges(answer.headers());
    bearer.retain(|challenge| challenge.is("Bearer"));
    bearer
        .iter()
        .find_map(claims)
        .map(ApiChallenge::Claims)
        .or_else(|| bearer.iter().find_map(sign_in).map(ApiChallenge::SignIn))
}

/// The JSON object in `claims`, which is sent in Base64.
fn claims(challenge: &ReceivedChallenge) -> Option<String> {
    let encoded = challenge.parameter("claims")?;
    let claims = decoded(encoded).filter(|claims| json::object_of_text(claims).is_ok());
    if claims.is_none() {
        tracing::warn!(
            "`claims` of an API's challenge is not a JSON object in Base64: the response is \
             returned to the caller"
        );
    }
    claims
}

/// The sign-in that a challenge of RFC 9470 requires.
fn sign_in(challenge: &ReceivedChallenge) -> Option<RequiredSignIn> {
    if challenge.parameter("error")? != "insufficient_user_authentication" {
        return None;
    }
    let acr_values = challenge.parameter("acr_values").unwrap_or_default();
    let acr_values = if acr_values.len() <= MAX_ACR_VALUES_BYTES {
        acr_values.split_ascii_whitespace().map(str::to_owned).collect()
    } else {
        tracing::warn!(
            "`acr_values` of an API's challenge is longer than 200 bytes and is ignored"
        );
        Vec::new()
    };
    let max_age = challenge.parameter("max_age").and_then(|text| {
        // Digits only: `parse` would accept a sign.
        let seconds = text
            .bytes()
            .all(|byte| byte.is_ascii_digit())
            .then(|| text.parse::<u32>().ok())
            .flatten();
        if seconds.is_none() {
            tracing::warn!(
                "`max_age` of an API's challenge is not a number of seconds and is ignored"
            );
        }
        seconds.map(|seconds| Duration::from_secs(seconds.into()))
    });
    if acr_values.is_empty() && max_age.is_none() {
        tracing::warn!(
            "an API requires another sign-in without usable `acr_values` or `max_age`: the \
             response is returned to the caller"
        );
        return None;
    }
    Some(RequiredSignIn { acr_values, max_age })
}

/// The text in Base64, in either alphabet, with or without padding: APIs use all of them.
fn decoded(text: &str) -> Option<String> {
    let text = text.trim_end_matches('=');
    let bytes = [base64_simd::URL_SAFE_NO_PAD, base64_simd::STANDARD_NO_PAD]
        .iter()
        .find_map(|base64| base64.decode_to_vec(text).ok())?;
    String::from_utf8(bytes).ok()
}

#[cfg(test)]
mod tests {
    use http::header::{HeaderValue, WWW_AUTHENTICATE};

    use super::*;

    fn of(status: u16, headers: &[&str]) -> Option<ApiChallenge> {
        let mut answer = Response::builder().status(status).body(()).unwrap();
        for header in headers {
            answer
                .headers_mut()
                .append(WWW_AUTHENTICATE, HeaderValue::from_bytes(header.as_bytes()).unwrap());
        }
        api_challenge(&answer)
    }

    fn claims_of(header: &str) -> Option<String> {
        match of(401, &[header])? {
            ApiChallenge::Claims(claims) => Some(claims),
            ApiChallenge::SignIn(_) => None,
        }
    }

    fn stronger(acr_values: &[&str], max_age: Option<u64>) -> Option<ApiChallenge> {
        let acr_values = acr_values.iter().map(|&value| value.to_owned()).collect();
        Some(ApiChallenge::SignIn(RequiredSignIn {
            acr_values,
            max_age: max_age.map(Duration::from_secs),
        }))
    }

    #[test]
    fn the_claims_of_a_bearer_challenge_are_read() {
        let json = r#"{"access_token":{"nbf":{"essential":true,"value":"1702682181"}}}"#;
        let encoded = base64_simd::STANDARD.encode_to_string(json);
        for header in [
            format!(
                "Bearer realm=\"\", authorization_uri=\"https://id.example/authorize\", \
             error=\"insufficient_claims\", claims=\"{encoded}\""
            ),
            format!(
                r#"bearer claims="{}", error=insufficient_claims"#,
                base64_simd::URL_SAFE_NO_PAD.encode_to_string(json)
            ),
            format!(
                r#"Basic realm="a, b", Bearer error="insufficient_claims", CLAIMS="{encoded}""#
            ),
            format!(r#"Negotiate, Bearer realm="x", Bearer claims="{encoded}""#),
            // A proxy in front of the API joins the lines of two challenges.
            format!(r#"Negotiate YIIB==, Bearer  claims = "{encoded}""#),
            format!(r#"Bearer error_description="müde", claims="{encoded}""#),
            format!(r#"Bearer realm="a \"claims=\\\" b", claims="{encoded}", Broken ="""#),
        ] {
            assert_eq!(claims_of(&header).as_deref(), Some(json), "{header}");
            assert_eq!(of(403, &[&header]), None);
        }
    }

    /// Microsoft's services write base64, some with and some without padding, and others base64url.
    #[test]
    fn claims_are_read_in_both_alphabets_with_and_without_padding() {
        for json in [r#"{"access_token":{"a":"??>"}}"#, r#"{"access_token":{"a":"??>~"}}"#] {
            for base64 in [
                base64_simd::STANDARD,
                base64_simd::STANDARD_NO_PAD,
                base64_simd::URL_SAFE,
                base64_simd::URL_SAFE_NO_PAD,
            ] {
                let encoded = base64.encode_to_string(json);
                let header = format!(r#"Bearer error="insufficient_claims", claims="{encoded}""#);
                assert_eq!(claims_of(&header).as_deref(), Some(json), "{encoded}");
            }
        }
    }

    // C-432: 401 without claims
    // C-433: claims value not base64 or not JSON
    #[test]
    fn everything_else_asks_for_nothing() {
        let list = base64_simd::STANDARD.encode_to_string("[1]");
        let repeated = base64_simd::STANDARD.encode_to_string(r#"{"a":{"b":1,"b":2}}"#);
        for header in [
            "Bearer".to_owned(),
            r#"Bearer error="invalid_token""#.to_owned(),
            r#"Bearer claims="%%%""#.to_owned(),
            r#"Bearer claims="eyJh""#.to_owned(),
            format!(r#"Bearer claims="{repeated}""#),
            format!(r#"Bearer claims="{list}""#),
            r#"Basic claims="e30=""#.to_owned(),
            r#"Bearer claims="e30=", claims="eyJhIjoxfQ==""#.to_owned(),
            format!(r#"Bearer claims="{}""#, "A".repeat(9000)),
            "not a challenge \" at all".to_owned(),
            r#"Bearer error="insufficient_user_authentication""#.to_owned(),
            r#"Bearer error="insufficient_user_authentication", acr_values="", max_age="soon""#
                .to_owned(),
            r#"Bearer error="invalid_token", acr_values="high", max_age="5""#.to_owned(),
            r#"Bearer acr_values="high""#.to_owned(),
            r#"DPoP error="insufficient_user_authentication", acr_values="high""#.to_owned(),
            r#"Bearer realm="error=\"insufficient_user_authentication\", acr_values=\"high\"""#
                .to_owned(),
            r#"Bearer error="insufficient_user_authentication", error="x", acr_values="high""#
                .to_owned(),
        ] {
            assert_eq!(of(401, &[&header]), None, "{header}");
        }
    }

    // C-427: API answers 401 insufficient_user_authentication with acr_values, max_age
    #[test]
    fn a_stronger_or_more_recent_sign_in_is_asked_for() {
        let error = r#"error="insufficient_user_authentication""#;
        for (rest, acr_values, max_age) in [
            (
                r#"error_description="A different level is required", acr_values="myACR""#,
                &["myACR"][..],
                None,
            ),
            (r#"error_description="More recent, please", max_age="5""#, &[], Some(5)),
            ("max_age=300", &[], Some(300)),
            (r#"acr_values="phr  phrh", max_age=0"#, &["phr", "phrh"], Some(0)),
            (r#"acr_values="a\"b""#, &["a\"b"], None),
            // Each of the two can do without the other.
            (r#"acr_values=high, max_age="soon""#, &["high"], None),
            (r#"acr_values=high, max_age="-5""#, &["high"], None),
            (r#"acr_values=high, max_age="+5""#, &["high"], None),
            (r#"acr_values=high, max_age="99999999999""#, &["high"], None),
            (r#"acr_values=high, max_age=5, max_age=6"#, &["high"], None),
            (r#"acr_values=a, acr_values=b, max_age=5"#, &[], Some(5)),
        ] {
            let header = format!("Bearer {error}, {rest}");
            assert_eq!(of(401, &[&header]), stronger(acr_values, max_age), "{header}");
            assert_eq!(
                of(401, &["Negotiate", &format!(r#"Basic realm="Bearer {}", {header}"#, "x")]),
                stronger(acr_values, max_age)
            );
            assert_eq!(of(403, &[&header]), None);
        }
        let long = format!(r#"Bearer {error}, acr_values="{}", max_age=5"#, "a ".repeat(150));
        assert_eq!(of(401, &[&long]), stronger(&[], Some(5)));
    }

    #[test]
    fn claims_are_tried_before_the_person_is_asked() {
        let stronger = r#"Bearer error="insufficient_user_authentication", max_age=5"#;
        let claims = Some(ApiChallenge::Claims("{}".into()));
        assert_eq!(
            of(401, &[stronger, r#"Bearer error="insufficient_claims", claims="e30=""#]),
            claims
        );
        let many = ["Basic"; 20];
        assert_eq!(of(401, &[&many[..], &[stronger]].concat()), None, "headers without end");
    }
}
