//! Tokens of a managed identity: what Azure's machines and services answer on an address that only
//! they can reach.
//!
//! The answers look like a token endpoint's, but the times are texts, `expires_on` is a moment, and
//! errors have shapes of their own.

use std::{sync::Arc, time::Duration};

use bytes::Bytes;
use http::{Request, Response, StatusCode};
use tracing::{field::Empty, info_span};

use super::{
    channel::{Channel, observed},
    error_answer,
    http::HttpClient,
    json::{self, OptionalMembers},
    token::TokenAnswer,
};
use crate::{
    clock::{Clock, UnixTime},
    error::{Error, ErrorKind},
};

/// How errors call it.
const ENDPOINT: &str = "the managed identity's endpoint";

/// Sends a request for a token, once more with the proof if the answer asks for one, and reads the
/// answer.
///
/// # Errors
///
/// [`ErrorKind::ProviderUnreachable`], [`ErrorKind::CredentialUnavailable`] if the proof cannot be
/// given, and those of [`read_answer`].
pub(crate) async fn token(
    http: Arc<dyn HttpClient>,
    request: Request<Bytes>,
    clock: &dyn Clock,
    proven: impl Fn(Request<Bytes>, &Response<Bytes>) -> Result<Option<Request<Bytes>>, &'static str>,
) -> Result<TokenAnswer, Error> {
    let exchange = async {
        let channel = Channel::new(http);
        let first = channel.send(ENDPOINT, request.clone()).await?;
        let again = proven(request, &first).map_err(|problem| {
            Error::new(ErrorKind::CredentialUnavailable, format!("{ENDPOINT}: {problem}"))
        })?;
        let answer = match again {
            Some(request) => channel.send(ENDPOINT, request).await?,
            None => first,
        };
        read_answer(&answer, clock.now())
    };
    observed(info_span!("identity.managed_identity", outcome = Empty, reason = Empty), exchange)
        .await
}

/// Reads a token.
///
/// # Errors
///
/// [`ErrorKind::TokenResponseInvalid`]: a success that is none; otherwise what the error means.
pub(super) fn read_answer(answer: &Response<Bytes>, now: UnixTime) -> Result<TokenAnswer, Error> {
    let invalid = |detail: &str| {
        Error::new(
            ErrorKind::TokenResponseInvalid,
            format!("the managed identity's answer: {detail}"),
        )
    };
    if answer.status() != StatusCode::OK {
        return Err(error_answer::http_error(answer));
    }
    let object = json::document(answer.body()).map_err(|refused| invalid(refused.as_str()))?;
    let token = json::text(&object, "access_token")
        .filter(|token| !token.is_empty() && token.bytes().all(|byte| matches!(byte, b' '..=b'~')))
        .ok_or_else(|| invalid("`access_token` is missing or no token"))?;
    if json::text(&object, "token_type").is_some_and(|kind| !kind.eq_ignore_ascii_case("bearer")) {
        return Err(invalid("`token_type` is not Bearer"));
    }
    let members = OptionalMembers::of(&object, "managed identity's answer");
    let moment = members.seconds("expires_on").map(|since| UnixTime::from_seconds(0) + since);
    let life = members.seconds("expires_in").or_else(|| moment.map(|moment| moment.since(now)));
    let life = life.ok_or_else(|| invalid("neither `expires_in` nor `expires_on` is a time"))?;
    let refresh_in = members.seconds("refresh_in").or_else(|| half_of_a_long_life(life));
    Ok(TokenAnswer {
        access_token: Some(token.into()),
        expires_in: Some(life),
        refresh_in,
        ..TokenAnswer::default()
    })
}

/// Tokens of managed identities live a day: renewing them half-way leaves room for an endpoint that
/// is out of order.
fn half_of_a_long_life(life: Duration) -> Option<Duration> {
    (life >= Duration::from_secs(2 * 3600)).then_some(life / 2)
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::protocol::testing::{NOW, answer};

    fn read(body: &Value) -> Result<TokenAnswer, Error> {
        read_answer(&answer(200, body), NOW)
    }

    #[test]
    fn times_are_texts_or_numbers_lives_or_moments() {
        let moment = (NOW + Duration::from_secs(3599)).as_seconds();
        for (name, value) in [
            ("expires_in", json!("3599")),
            ("expires_in", json!(3599)),
            ("expires_on", json!(moment.to_string())),
            ("expires_on", json!(moment)),
        ] {
            let tokens =
                read(&json!({"access_token": "a", "token_type": "Bearer", name: value})).unwrap();
            assert_eq!((tokens.expires_in.unwrap().as_secs(), tokens.refresh_in), (3599, None));
        }
        let tokens = read(&json!({"access_token": "a", "expires_in": "86400"})).unwrap();
        assert_eq!(tokens.refresh_in, Some(Duration::from_secs(43_200)));
    }

    #[test]
    fn what_is_no_token_is_refused() {
        for body in [
            json!({}),
            json!({"access_token": "", "expires_in": 1}),
            json!({"access_token": "a\nb", "expires_in": 1}),
            json!({"access_token": "a"}),
            json!({"access_token": "a", "expires_on": "06/20/2019 02:57:58 +00:00"}),
            json!({"access_token": "a", "expires_in": 1, "token_type": "pop"}),
        ] {
            assert_eq!(read(&body).unwrap_err().kind(), ErrorKind::TokenResponseInvalid, "{body}");
        }
        let error = read_answer(
            &answer(400, r#"{"error":"invalid_request","error_description":"Identity not found"}"#),
            NOW,
        )
        .unwrap_err();
        assert_eq!(error.provider().unwrap().error, "invalid_request");
        assert_eq!(
            read_answer(&answer(500, r#"{"statusCode":500,"message":"x"}"#), NOW)
                .unwrap_err()
                .kind(),
            ErrorKind::ProviderUnreachable
        );
    }
}
