//! The device authorization request and its answer (RFC 8628 sections 3.1 and 3.2).
//!
//! The address that a person is to open comes from the provider: it has to be `https`, or on this
//! machine where the provider is.

use std::time::Duration;

use bytes::Bytes;
use http::{Request, Response, StatusCode};
use url::Url;

use super::{
    client_auth::Client,
    error_answer,
    grant::Asked,
    json::{self, OptionalMembers},
    metadata::Metadata,
    token::{Form, form_request},
};
use crate::{
    authority::is_loopback,
    error::{Error, ErrorKind},
    secret::Secret,
};

/// What section 3.2 says where the answer does not.
const INTERVAL: Duration = Duration::from_secs(5);
/// Nobody waits longer for somebody with a code in hand.
const LONGEST_LIFE: Duration = Duration::from_secs(24 * 3600);
/// A person has to read and type it.
const LONGEST_USER_CODE: usize = 64;
const LONGEST_MESSAGE: usize = 1000;

/// A code for the device, and one for the person.
#[derive(Clone, Debug)]
pub(crate) struct DeviceAnswer {
    pub(crate) device_code: Secret,
    pub(crate) user_code: String,
    pub(crate) verification_uri: String,
    /// With the code in it.
    pub(crate) verification_uri_complete: Option<String>,
    /// Entra's sentence for the person.
    pub(crate) message: Option<String>,
    pub(crate) expires_in: Duration,
    pub(crate) interval: Duration,
}

/// Asks for codes, for a client with these capabilities.
///
/// # Errors
///
/// [`ErrorKind::ProviderMisconfigured`]: the provider has no endpoint for that; or the client cannot prove who it is to this provider.
pub(crate) fn device_request(
    metadata: &Metadata,
    client: Client<'_>,
    asked: &Asked<'_>,
    capabilities: &[String],
) -> Result<Request<Bytes>, Error> {
    let endpoint = metadata.device_authorization_endpoint.as_ref().ok_or_else(|| {
        let missing = metadata.missing("device_authorization_endpoint");
        Error::new(
            ErrorKind::ProviderMisconfigured,
            format!("{missing}, so there is no device flow"),
        )
    })?;
    let mut form: Form = vec![("scope", asked.scopes.into())];
    let claims = asked.claims(capabilities)?;
    for (name, value) in [("resource", asked.resource), ("claims", claims.as_deref())] {
        form.extend(value.map(|value| (name, value.into())));
    }
    form_request(endpoint, metadata, client, form)
}

/// Reads the codes.
///
/// # Errors
///
/// [`ErrorKind::TokenResponseInvalid`]: a success that is none; otherwise what the provider's error means.
pub(crate) fn read_answer(
    answer: &Response<Bytes>,
    metadata: &Metadata,
) -> Result<DeviceAnswer, Error> {
    let invalid = |detail: &'static str| {
        Error::new(ErrorKind::TokenResponseInvalid, format!("the device answer: {detail}"))
    };
    if answer.status() != StatusCode::OK {
        return Err(error_answer::http_error(answer));
    }
    let object = json::document(answer.body()).map_err(|refused| invalid(refused.as_str()))?;
    let members = OptionalMembers::of(&object, "device answer");
    let text = |name: &str| members.text(name);
    let visible = |text: &&str| text.bytes().all(|byte| matches!(byte, b' '..=b'~'));
    let device_code = text("device_code")
        .filter(visible)
        .ok_or_else(|| invalid("`device_code` is missing or no code"))?;
    let user_code =
        text("user_code").filter(|code| code.len() <= LONGEST_USER_CODE && visible(code));
    let address = |name: &str| match text(name).map(Url::parse) {
        None => Ok(None),
        Some(Ok(url))
            if url.scheme() == "https"
                || (url.scheme() == "http" && is_loopback(&url) && is_loopback(&metadata.token_endpoint))
                // A provider without TLS was allowed by name (`danger_allow_http`).
                || (metadata.token_endpoint.scheme() == "http" && url.origin() == metadata.token_endpoint.origin()) =>
        {
            Ok(Some(url.to_string()))
        }
        Some(_) => Err(invalid("the address for the person is not https")),
    };
    let verification_uri = match address("verification_uri")? {
        Some(address) => address,
        // What the draft called it, and some providers still do.
        None => {
            address("verification_url")?.ok_or_else(|| invalid("`verification_uri` is missing"))?
        }
    };
    // Required (RFC 8628 section 3.2): a page shows until when the code counts.
    let life = members.seconds("expires_in").filter(|life| !life.is_zero());
    let life = life.ok_or_else(|| invalid("`expires_in` is not a number of seconds"))?;
    // Optional: without a useful one the specification's pace counts. A provider that wants a
    // slower one says `slow_down` (section 3.5).
    let interval = members
        .read("interval", |value| json::seconds(value).filter(|interval| !interval.is_zero()))
        .unwrap_or(INTERVAL);
    let message = text("message").map(|text| {
        text.chars().filter(|letter| !letter.is_control()).take(LONGEST_MESSAGE).collect()
    });
    Ok(DeviceAnswer {
        device_code: device_code.into(),
        user_code: user_code
            .ok_or_else(|| invalid("`user_code` is missing or no code"))?
            .to_owned(),
        verification_uri,
        // A convenience: the person types the code where this address is of no use.
        verification_uri_complete: address("verification_uri_complete").unwrap_or_default(),
        message,
        expires_in: life.min(LONGEST_LIFE),
        interval: interval.clamp(Duration::from_secs(1), LONGEST_LIFE),
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::{Value, json};

    use super::*;
    use crate::protocol::{
        client_auth::Proof,
        testing::{answer, metadata},
    };

    fn good() -> Value {
        json!({"device_code": "d3v1c3", "user_code": "WDJB-MJHT", "verification_uri": "https://id.example/device", "expires_in": 900})
    }

    fn read(body: &Value) -> Result<DeviceAnswer, Error> {
        read_answer(&answer(200, body), &metadata(|_| ()))
    }

    #[test]
    fn codes_and_times_are_read_with_the_specifications_defaults() {
        let codes = read(&good()).unwrap();
        assert_eq!(
            (codes.user_code.as_str(), codes.verification_uri.as_str()),
            ("WDJB-MJHT", "https://id.example/device")
        );
        assert_eq!((codes.expires_in.as_secs(), codes.interval.as_secs()), (900, 5));
        let mut body = good();
        body["interval"] = json!(7);
        body["expires_in"] = json!("60");
        body["verification_uri_complete"] = json!("https://id.example/device?user_code=WDJB-MJHT");
        body["message"] = json!("Open\u{7} the page");
        let codes = read(&body).unwrap();
        assert_eq!(
            (codes.expires_in.as_secs(), codes.interval.as_secs(), codes.message.as_deref()),
            (60, 7, Some("Open the page"))
        );
        assert!(codes.verification_uri_complete.is_some());
    }

    #[test]
    fn what_nobody_could_use_is_refused() {
        for (name, value) in [
            ("device_code", json!(null)),
            ("device_code", json!("a\nb")),
            ("user_code", json!("")),
            ("user_code", json!("x".repeat(65))),
            ("verification_uri", json!("http://id.example/device")),
            ("verification_uri", json!("javascript:alert(1)")),
            ("verification_uri", json!(null)),
            ("expires_in", json!(null)),
            ("expires_in", json!(-1)),
            ("expires_in", json!(0)),
            ("expires_in", json!("soon")),
        ] {
            let mut body = good();
            body[name] = value.clone();
            assert_eq!(
                read(&body).err().map(|error| error.kind()),
                Some(ErrorKind::TokenResponseInvalid),
                "{name} {value}"
            );
        }
    }

    #[test]
    fn an_address_with_the_code_that_cannot_be_opened_is_left_out() {
        for address in [
            json!("http://127.0.0.1/device"),
            json!("javascript:alert(1)"),
            json!("/device"),
            json!(null),
            json!(7),
        ] {
            let mut body = good();
            body["verification_uri_complete"] = address.clone();
            assert_eq!(read(&body).unwrap().verification_uri_complete, None, "{address}");
        }
    }

    /// C-351: decided as for every optional member. The pace is never faster than the
    /// specification's.
    #[test]
    fn an_interval_of_no_use_is_the_specifications() {
        let with = |interval: Value| {
            let mut body = good();
            body["interval"] = interval;
            read(&body).map(|codes| codes.interval.as_secs())
        };
        for odd in [
            json!(null),
            json!(""),
            json!(0),
            json!(0.5),
            json!(-1),
            json!(true),
            json!([5]),
            json!({}),
            json!("soon"),
        ] {
            assert_eq!(with(odd.clone()).unwrap(), 5, "{odd}");
        }
        assert_eq!(
            (with(json!(1)).unwrap(), with(json!(2.5)).unwrap(), with(json!("7")).unwrap()),
            (1, 2, 7)
        );
        assert_eq!(
            with(json!(u64::MAX)).unwrap(),
            LONGEST_LIFE.as_secs(),
            "and nobody waits for longer than a code can live"
        );
    }

    /// MSAL-020
    #[test]
    fn without_an_endpoint_only_the_device_flow_is_missing() {
        let client = Client { id: "id", proof: &Proof::Nothing };
        let error = device_request(
            &metadata(|_| ()),
            client,
            &Asked { scopes: "openid", ..Asked::default() },
            &[],
        )
        .unwrap_err();
        assert!(
            error.kind() == ErrorKind::ProviderMisconfigured
                && error.to_string().contains("device_authorization_endpoint")
        );
        let metadata = metadata(|document| {
            document["device_authorization_endpoint"] =
                json!("https://id.example/device_authorization")
        });
        let asked = Asked { scopes: "openid a", challenge: Some("{}"), ..Asked::default() };
        let request = device_request(&metadata, client, &asked, &[]).unwrap();
        assert_eq!(request.uri().path(), "/device_authorization");
        assert_eq!(request.body().as_ref(), b"scope=openid+a&claims=%7B%7D&client_id=id");
    }

    proptest! {
        #[test]
        fn arbitrary_bytes_never_panic(body in prop::collection::vec(any::<u8>(), 0..300)) {
            let _ = read_answer(&Response::new(Bytes::from(body)), &metadata(|_| ()));
        }
    }
}
