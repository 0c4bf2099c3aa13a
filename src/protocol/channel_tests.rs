//! Redirects of documents, and the errors of the transport.

use super::*;
use crate::protocol::test_support::{FakeHttp, answer};

/// Answers `/{n}` with the n-th of these redirects, and what comes after the last with a
/// document.
fn chain(status: u16, places: &'static [&'static str]) -> (Channel, Arc<FakeHttp>) {
    let http = FakeHttp::new(move |request| {
        let step: usize = request.uri().path().trim_start_matches('/').parse().unwrap();
        let mut reply = answer(if step < places.len() { status } else { 200 }, "{}");
        if let Some(place) = places.get(step) {
            reply.headers_mut().insert(LOCATION, place.parse().unwrap());
        }
        Ok(reply)
    });
    (Channel::new(Arc::clone(&http) as _), http)
}

async fn document(channel: &Channel) -> Result<Response<Bytes>, Error> {
    channel.document("the discovery document", &Url::parse("https://id.example/0").unwrap()).await
}

#[tokio::test]
async fn a_document_is_followed_within_its_origin() {
    for status in [301, 302, 303, 307, 308] {
        let (channel, http) = chain(status, &["/1", "https://id.example:443/2?x=1#y", "3"]);
        assert_eq!(document(&channel).await.unwrap().status(), 200, "{status}");
        assert_eq!(http.last().uri().path(), "/3");
        assert!(http.last().headers().get("authorization").is_none());
    }
}

#[tokio::test]
async fn a_document_is_not_followed_to_another_origin_nor_for_ever() {
    for places in [
        &["https://evil.example/1?token=x"][..],
        &["http://id.example/1"],
        &["https://id.example:8443/1"],
        &["//evil.example/1"],
        &["/1", "/2", "/3", "/4", "/5"],
        &["/0"],
    ] {
        let (channel, http) = chain(302, places);
        let error = document(&channel).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::ProviderMisconfigured);
        let text = error.to_string();
        assert!(
            text.contains("302")
                && text.contains("IDENTITY_OIDC_AUTHORITY")
                && !text.contains("token=x"),
            "{text}"
        );
        assert_eq!(http.last().uri().host(), Some("id.example"));
    }
    for place in ["https://user:pass@id.example/1", "data:text/plain,x", ""] {
        let (channel, _) = chain(302, Box::leak(Box::new([place])));
        assert_eq!(
            document(&channel).await.unwrap_err().kind(),
            ErrorKind::ProviderMisconfigured,
            "{place}"
        );
    }
}

#[tokio::test]
async fn an_error_response_names_its_endpoint_and_is_not_reported_as_unreachable() {
    for (status, body) in
        [(502, "<html>Bad Gateway</html>"), (429, ""), (503, r#"{"error":"server_error"}"#)]
    {
        let http = FakeHttp::new(move |_| Ok(answer(status, body)));
        let error = document(&Channel::new(http)).await.unwrap_err();
        let text = error.to_string();
        assert!(
            text.contains("the discovery document: the provider answered")
                && text.contains(&format!("status={status}"))
                && !text.contains("error=\"\"")
                && !text.contains("check the network"),
            "{text}"
        );
        assert!(!error.user_message().contains("cannot be reached"), "{text}");
    }
}

#[tokio::test]
async fn the_error_of_a_missing_document_names_its_url() {
    let http = FakeHttp::new(|_| Ok(answer(404, "")));
    let text = document(&Channel::new(http)).await.unwrap_err().to_string();
    assert!(text.contains("the status is 404 at \"https://id.example/0\""), "{text}");
}

#[tokio::test]
async fn nothing_but_a_document_is_followed() {
    let (channel, http) = chain(307, &["/1"]);
    let request =
        empty_request(Method::POST, &Url::parse("https://id.example/0").unwrap()).unwrap();
    assert_eq!(channel.send("the token endpoint", request).await.unwrap().status(), 307);
    assert_eq!(http.last().uri().path(), "/0");
}
