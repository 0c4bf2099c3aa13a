//! [`RequestId`]: the ID by which Microsoft's sign-in log finds a request.

use bytes::Bytes;
use http::{Extensions, HeaderValue, Request};

use super::assertion::guid;
use crate::error::{Error, ErrorKind};

/// The header that Microsoft's endpoints take the ID from.
const HEADER: &str = "client-request-id";

/// The ID of one request: a GUID that this application chooses, so that a request without an answer
/// has one as well. It is an extension of the request, and of the response to it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct RequestId(String);

impl RequestId {
    /// Gives the request a new ID, as a header and as an extension.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Internal`]: no random number could be generated.
    pub(super) fn add_to(request: &mut Request<Bytes>) -> Result<(), Error> {
        let id = guid()?;
        let value = HeaderValue::from_str(&id)
            .map_err(|_| Error::new(ErrorKind::Internal, "a GUID is no header value"))?;
        request.headers_mut().insert(HEADER, value);
        request.extensions_mut().insert(Self(id));
        Ok(())
    }

    /// The ID of the request with these extensions, or of the one that a response answers.
    pub(super) fn of(extensions: &Extensions) -> Option<&Self> {
        extensions.get()
    }

    pub(super) fn as_str(&self) -> &str {
        &self.0
    }
}

#[cfg(test)]
mod tests {
    use std::sync::{
        Arc, Mutex,
        atomic::{AtomicU8, Ordering},
    };

    use http::Response;
    use serde_json::{Value, json};
    use tracing::field::{Field, Visit};
    use tracing_subscriber::{Layer, layer::Context, prelude::*};

    use super::*;
    use crate::{
        authority::Authority,
        config::{ClientCredential, IdentityConfig},
        protocol::{
            grant::TokenParams,
            http::HttpError,
            provider::Provider,
            test_support::{CLIENT_ID, FakeHttp, answer, config, document, key_set, published},
        },
    };

    const TENANT: &str = "https://login.microsoftonline.com/8de7bde5-55c0-4afb-a6ae-52f7b3b0a6a0";

    /// The values of `client_request_id` that spans recorded.
    #[derive(Clone, Default)]
    struct Recorded(Arc<Mutex<Vec<String>>>);

    impl Visit for Recorded {
        fn record_debug(&mut self, _: &Field, _: &dyn std::fmt::Debug) {}

        fn record_str(&mut self, field: &Field, value: &str) {
            if field.name() == "client_request_id" {
                self.0.lock().unwrap().push(value.to_owned());
            }
        }
    }

    impl<S: tracing::Subscriber> Layer<S> for Recorded {
        fn on_record(
            &self,
            _: &tracing::span::Id,
            values: &tracing::span::Record<'_>,
            _: Context<'_, S>,
        ) {
            values.record(&mut self.clone());
        }
    }

    fn entra(http: &Arc<FakeHttp>) -> Provider {
        let config = IdentityConfig::new(Authority::entra_url(TENANT).unwrap(), CLIENT_ID)
            .with_credential(ClientCredential::secret("s"))
            .with_base_url("https://app.example")
            .unwrap();
        http.provider(config).0
    }

    /// The answers of Entra's endpoints, one request after the other.
    fn answered(request: &Request<Bytes>, step: &AtomicU8) -> Result<Response<Bytes>, HttpError> {
        if request.uri().path().ends_with("openid-configuration") {
            return Ok(answer(
                200,
                json!({
                    "issuer": format!("{TENANT}/v2.0"),
                    "authorization_endpoint": format!("{TENANT}/oauth2/v2.0/authorize"),
                    "token_endpoint": format!("{TENANT}/oauth2/v2.0/token"),
                    "jwks_uri": format!("{TENANT}/discovery/v2.0/keys"),
                }),
            ));
        }
        match step.fetch_add(1, Ordering::SeqCst) {
            0 => Err(HttpError::new("too slow")),
            1 => Ok(answer(502, "<html>")),
            2 => Ok(answer(400, json!({"error": "invalid_grant", "correlation_id": "own-1"}))),
            _ => Ok(answer(200, json!({"access_token": "at", "token_type": "Bearer"}))),
        }
    }

    #[tokio::test(flavor = "current_thread")]
    async fn a_request_to_entra_has_an_id_that_the_span_and_the_error_name() {
        let recorded = Recorded::default();
        let subscriber = tracing_subscriber::registry().with(recorded.clone());
        let _guard = tracing::subscriber::set_default(subscriber);
        // With a second dispatcher `tracing` asks this one about every span, although a test beside
        // this one may have come to the span first.
        let _deaf = tracing::Dispatch::new(tracing::subscriber::NoSubscriber::default());
        let step = AtomicU8::new(0);
        let http = FakeHttp::new(move |request| answered(request, &step));
        let provider = entra(&http);
        let mut sent: Vec<String> = Vec::new();
        for named in [true, true, false, true] {
            let outcome = provider.refresh(&"rt".into(), &TokenParams::default()).await;
            let id = http.last().headers()[HEADER].to_str().unwrap().to_owned();
            assert!(id.len() == 36 && !sent.contains(&id), "a new GUID each time: {id}");
            if let Err(error) = outcome {
                // An ID in the provider's answer takes precedence.
                assert_eq!(error.to_string().contains(&id), named, "{error}");
                assert_eq!(error.to_string().contains("own-1"), !named, "{error}");
            }
            sent.push(id);
        }
        assert_eq!(*recorded.0.lock().unwrap(), sent);
    }

    #[tokio::test]
    async fn other_providers_get_no_header_of_microsofts() {
        let answer_token = |request: &Request<Bytes>| match request.uri().path() {
            "/token" => Ok(answer(400, Value::Null)),
            _ => Ok(published(request, &document(), &key_set())),
        };
        let http = FakeHttp::new(answer_token);
        let (provider, _) = http.provider(config());
        let refused = provider.refresh(&"rt".into(), &TokenParams::default()).await.err().unwrap();
        assert!(refused.provider().unwrap().correlation_id.is_none());
        assert!(!http.find("/token").headers().contains_key(HEADER));
    }
}
