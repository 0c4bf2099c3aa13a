//! Calls to APIs with the token that is for them.

use std::{
    collections::VecDeque,
    sync::{Arc, Mutex},
    time::Duration,
};

use async_trait::async_trait;
use bytes::Bytes;
use http::{Method, Request, Response, StatusCode};
use serde_json::{Value, json};

use super::{AcquireToken, Api, ApiClient};
use crate::{
    AccessToken, Error, ErrorKind, HttpClient, HttpError, HttpFuture, UnixTime,
    client::TokenRequest, tokens::TokenSet,
};

#[derive(Debug)]
struct Token;

#[async_trait]
impl AcquireToken for Token {
    async fn acquire(&self, request: &TokenRequest) -> Result<AccessToken, Error> {
        let issued = TokenSet {
            access_token: Some("a token".into()),
            expires_in: Some(Duration::from_secs(60)),
            ..TokenSet::default()
        };
        Ok(AccessToken::not_kept(request, issued, UnixTime::from_seconds(0)).unwrap())
    }
}

type CannedResponse = (u16, &'static [(&'static str, &'static str)], &'static str);

/// Answers in this order, and notes what it was asked, and when.
#[derive(Clone, Debug, Default)]
struct Script {
    answers: Arc<Mutex<VecDeque<CannedResponse>>>,
    requests: Arc<Mutex<Vec<Request<Bytes>>>>,
}

impl HttpClient for Script {
    fn send(&self, request: Request<Bytes>) -> HttpFuture<'_> {
        self.requests.lock().unwrap().push(request);
        let (status, headers, body) = self.answers.lock().unwrap().pop_front().unwrap();
        let mut answer = Response::builder().status(status);
        for (name, value) in headers {
            answer = answer.header(*name, *value);
        }
        let answer = answer.body(Bytes::from_static(body.as_bytes())).unwrap();
        Box::pin(async move { Ok(answer) })
    }
}

fn api(answers: &[CannedResponse]) -> (Script, ApiClient) {
    let script = Script::default();
    script.answers.lock().unwrap().extend(answers);
    let api = Api::at("https://api.example/v1", ["notes"]).unwrap();
    (script.clone(), ApiClient::new(api).with_http_client(script))
}

const BUSY: CannedResponse = (429, &[("retry-after", "2")], "");
const DOWN: CannedResponse = (
    503,
    &[("retry-after", "Fri, 27 Nov 2026 10:00:03 GMT"), ("date", "Fri, 27 Nov 2026 10:00:00 GMT")],
    "",
);
const DONE: CannedResponse = (200, &[], r#"{"id":7}"#);

#[tokio::test]
async fn json_goes_out_and_comes_in_with_the_token() {
    let (script, api) = api(&[DONE, DONE, DONE, DONE, (204, &[], ""), (204, &[], "")]);
    let note = json!({ "text": "Hi" });
    let _: Value = api.get_json(&Token, "/notes/7").await.unwrap();
    let _: Value = api.post_json(&Token, "/notes", &note).await.unwrap();
    let _: Value = api.put_json(&Token, "/notes/7", &note).await.unwrap();
    let _: Value = api.patch_json(&Token, "/notes/7", &note).await.unwrap();
    let () = api.post_json(&Token, "/notes/7/read", &note).await.unwrap();
    api.delete(&Token, "/notes/7").await.unwrap();
    let requests = script.requests.lock().unwrap();
    let sent = |at: usize| (requests[at].method().clone(), requests[at].uri().to_string());
    assert_eq!(sent(0), (Method::GET, "https://api.example/v1/notes/7".into()));
    assert_eq!(sent(1), (Method::POST, "https://api.example/v1/notes".into()));
    assert_eq!(sent(5), (Method::DELETE, "https://api.example/v1/notes/7".into()));
    assert_eq!(requests[1].body(), &Bytes::from(r#"{"text":"Hi"}"#));
    assert_eq!(requests[1].headers()["content-type"], "application/json");
    assert!(requests.iter().all(|request| request.headers()["authorization"] == "Bearer a token"));
}

#[tokio::test]
async fn a_status_that_is_no_success_is_an_error_with_its_reason() {
    let (_, api) = api(&[(
        404,
        &[],
        r#"{"error":{"code":"Request_ResourceNotFound","message":"ada@example.com is unknown"}}"#,
    )]);
    let error = api.get_json::<Value>(&Token, "/me").await.unwrap_err();
    assert_eq!((error.kind(), error.reason()), (ErrorKind::ApiRefused, "api_refused"));
    let refusal = error.api_refusal().unwrap();
    assert_eq!(refusal.status(), StatusCode::NOT_FOUND);
    assert_eq!(refusal.reason(), Some("Request_ResourceNotFound"));
    assert!(refusal.body().ends_with(b"is unknown\"}}"));
    let log = format!("{error} {error:?}");
    assert!(log.contains("404") && log.contains("Request_ResourceNotFound"), "{log}");
    assert!(!log.contains("ada@example.com"), "{log}");
}

#[tokio::test]
async fn a_body_that_is_not_the_expected_json_is_an_error_without_its_contents() {
    let (_, api) = api(&[(200, &[], r#"{"id":"secret"}"#), (200, &[], "<html>"), (200, &[], "")]);
    #[derive(Debug, serde::Deserialize)]
    struct Note {
        #[allow(dead_code)]
        id: u8,
    }
    for _ in 0..3 {
        let error = api.get_json::<Note>(&Token, "/notes/7").await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::ApiAnswerInvalid);
        assert!(!format!("{error} {error:?}").contains("secret"));
    }
}

/// An HTTP client that fails with this error.
#[derive(Debug)]
struct Broken(HttpError);

impl HttpClient for Broken {
    fn send(&self, _request: Request<Bytes>) -> HttpFuture<'_> {
        let error = self.0.clone();
        Box::pin(async move { Err(error) })
    }
}

#[tokio::test]
async fn an_answer_that_is_too_large_is_a_wrong_answer_and_not_a_missing_one() {
    let (_, api) = api(&[]);
    let error = async |error| {
        let api = api.clone().with_http_client(Broken(error));
        api.get_json::<Value>(&Token, "/notes").await.unwrap_err()
    };
    let large = error(HttpError::too_large()).await;
    assert_eq!(large.kind(), ErrorKind::ApiAnswerInvalid);
    assert!(large.to_string().contains("1 MiB") && large.to_string().contains("less at a time"));
    assert_eq!(error(HttpError::new("no connection")).await.kind(), ErrorKind::ApiUnreachable);
}

#[cfg(feature = "dev-provider")]
#[tokio::test]
async fn an_api_whose_certificate_is_not_trusted_is_told_with_the_ways_to_trust_it() {
    let server = crate::dev::DevProvider::builder().with_tls().start().await.unwrap();
    let api = ApiClient::new(Api::at(server.issuer(), ["notes"]).unwrap());
    let error = api.get_json::<Value>(&Token, "/notes").await.unwrap_err();
    let text = error.to_string();
    assert_eq!(error.kind(), ErrorKind::ApiUnreachable, "{text}");
    assert!(text.contains("ReqwestClient::with_root_certificates"), "{text}");
    assert!(!text.contains("provider"), "{text}");
}

#[tokio::test]
async fn a_compressed_answer_is_an_error_that_says_so() {
    const GZIP: CannedResponse = (200, &[("content-encoding", "gzip")], "\u{1f}...");
    const PLAIN: CannedResponse = (200, &[("content-encoding", "identity")], "7");
    const MISNAMED: CannedResponse = (200, &[("content-encoding", "utf-8")], "7");
    const EMPTY: CannedResponse = (204, &[("content-encoding", "gzip")], "");
    let (_, api) = api(&[GZIP, PLAIN, MISNAMED, EMPTY, GZIP]);
    let error = api.get_json::<Value>(&Token, "/notes").await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::ApiAnswerInvalid);
    assert!(error.to_string().contains("compressed"), "{error}");
    // Some servers name a coding that the body does not have.
    for _ in [PLAIN, MISNAMED] {
        assert_eq!(api.get_json::<u8>(&Token, "/notes").await.unwrap(), 7);
    }
    assert_eq!(api.get_json::<Value>(&Token, "/notes").await.unwrap(), Value::Null);
    // The application reads it itself.
    assert_eq!(api.get(&Token, "/notes").await.unwrap().headers()["content-encoding"], "gzip");
}

#[tokio::test(start_paused = true)]
async fn a_request_is_sent_again_after_the_time_that_the_api_asks_for() {
    let (script, api) = api(&[BUSY, DOWN, DONE]);
    let start = tokio::time::Instant::now();
    let note: Value = api.get_json(&Token, "/notes/7").await.unwrap();
    assert_eq!((note["id"].as_u64(), start.elapsed().as_secs()), (Some(7), 5));
    assert_eq!(script.requests.lock().unwrap().len(), 3);
}

#[tokio::test(start_paused = true)]
async fn retries_have_a_limit_in_number_and_time() {
    let refused = async |times, seconds, answers: &[CannedResponse]| {
        let (script, api) = api(answers);
        let api = api.with_retries(times, Duration::from_secs(seconds));
        let answer = api.get(&Token, "/notes/7").await.unwrap();
        assert!(!answer.status().is_success());
        script.requests.lock().unwrap().len()
    };
    assert_eq!(refused(1, 60, &[BUSY, BUSY, DONE]).await, 2, "one more time");
    assert_eq!(refused(9, 3, &[BUSY, BUSY, DONE]).await, 2, "no more than three seconds");
    assert_eq!(refused(0, 60, &[BUSY, DONE]).await, 1, "never");
    const LATER: CannedResponse = (503, &[("retry-after", "3600")], "");
    assert_eq!(refused(9, 60, &[LATER, DONE]).await, 1, "an hour is too long");
    assert_eq!(refused(9, 60, &[(503, &[], ""), DONE]).await, 1, "no time is named");
    assert_eq!(refused(9, 60, &[(500, &[("retry-after", "1")], ""), DONE]).await, 1, "a failure");
}

#[tokio::test(start_paused = true)]
async fn only_idempotent_methods_are_sent_again() {
    let note = json!({});
    let (script, client) = api(&[BUSY, BUSY]);
    assert!(client.post_json::<Value>(&Token, "/notes", &note).await.is_err());
    assert!(client.patch_json::<Value>(&Token, "/notes/7", &note).await.is_err());
    assert_eq!(script.requests.lock().unwrap().len(), 2);
    let (script, client) = api(&[BUSY, DONE, DOWN, (204, &[], "")]);
    client.put_json::<Value>(&Token, "/notes/7", &note).await.unwrap();
    client.delete(&Token, "/notes/7").await.unwrap();
    assert_eq!(script.requests.lock().unwrap().len(), 4);
}
