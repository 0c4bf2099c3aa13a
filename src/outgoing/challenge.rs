//! What an API's 401 asks for.

use http::{HeaderMap, Response, StatusCode, header::WWW_AUTHENTICATE};
use serde_json::Map;

/// The longest challenge that is looked at, in bytes.
const LONGEST: usize = 8 * 1024;

/// The claims (JSON) that a 401 wants a token with; `None` for every other answer.
pub(super) fn claims_wanted<B>(answer: &Response<B>) -> Option<String> {
    if answer.status() != StatusCode::UNAUTHORIZED {
        return None;
    }
    let encoded = parameter(answer.headers(), "claims")?;
    let claims = decoded(&encoded).filter(|claims| serde_json::from_str::<Map<String, serde_json::Value>>(claims).is_ok());
    if claims.is_none() {
        tracing::warn!("an API asks for claims that are not a JSON object in Base64: its answer is passed on");
    }
    claims
}

/// A parameter of the `Bearer` challenge (RFC 9110 section 11.6.1, RFC 6750 section 3).
fn parameter(headers: &HeaderMap, name: &str) -> Option<String> {
    let texts = headers.get_all(WWW_AUTHENTICATE).iter().filter_map(|value| value.to_str().ok());
    texts.filter(|text| text.len() <= LONGEST).find_map(|text| {
        let challenges = http_auth::parse_challenges(text).ok()?;
        let bearer = challenges.into_iter().find(|challenge| challenge.scheme.eq_ignore_ascii_case("bearer"))?;
        let (_, value) = bearer.params.iter().find(|(own, _)| own.eq_ignore_ascii_case(name))?;
        Some(value.to_unescaped())
    })
}

/// APIs write either alphabet, with or without padding.
fn decoded(text: &str) -> Option<String> {
    let text = text.trim_end_matches('=');
    let bytes =
        [base64_simd::URL_SAFE_NO_PAD, base64_simd::STANDARD_NO_PAD].iter().find_map(|base64| base64.decode_to_vec(text).ok())?;
    String::from_utf8(bytes).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn asked(status: u16, header: &str) -> Option<String> {
        claims_wanted(&Response::builder().status(status).header(WWW_AUTHENTICATE, header).body(()).unwrap())
    }

    #[test]
    fn the_claims_of_a_bearer_challenge_are_read() {
        let json = r#"{"access_token":{"nbf":{"essential":true,"value":"1702682181"}}}"#;
        let encoded = base64_simd::STANDARD.encode_to_string(json);
        for header in [
            format!(
                r#"Bearer realm="", authorization_uri="https://id.example/authorize", error="insufficient_claims", claims="{encoded}""#
            ),
            format!(r#"bearer claims="{}", error=insufficient_claims"#, base64_simd::URL_SAFE_NO_PAD.encode_to_string(json)),
            format!(r#"Basic realm="a, b", Bearer error="insufficient_claims", CLAIMS="{encoded}""#),
        ] {
            assert_eq!(asked(401, &header).as_deref(), Some(json), "{header}");
            assert_eq!(asked(403, &header), None);
        }
    }

    /// C-432, C-433
    #[test]
    fn everything_else_asks_for_nothing() {
        let list = base64_simd::STANDARD.encode_to_string("[1]");
        for header in [
            "Bearer".to_owned(),
            r#"Bearer error="invalid_token""#.to_owned(),
            r#"Bearer claims="%%%""#.to_owned(),
            r#"Bearer claims="eyJh""#.to_owned(),
            format!(r#"Bearer claims="{list}""#),
            r#"Basic claims="e30=""#.to_owned(),
            format!(r#"Bearer claims="{}""#, "A".repeat(9000)),
            "not a challenge \" at all".to_owned(),
        ] {
            assert_eq!(asked(401, &header), None, "{header}");
        }
    }
}
