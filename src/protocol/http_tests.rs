use std::{
    net::SocketAddr,
    sync::atomic::{AtomicUsize, Ordering},
};

use reqwest::dns::{Addrs, Name, Resolve, Resolving};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpListener,
};

use super::*;

/// Answers every connection with these bytes and counts nothing but on the wire.
async fn server(answer: Vec<u8>) -> (http::Uri, tokio::sync::mpsc::UnboundedReceiver<String>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let (sender, requests) = tokio::sync::mpsc::unbounded_channel();
    tokio::spawn(async move {
        while let Ok((mut connection, _)) = listener.accept().await {
            let mut request = vec![0; 4096];
            let read = connection.read(&mut request).await.unwrap_or(0);
            let _ = sender.send(String::from_utf8_lossy(&request[..read]).into_owned());
            let _ = connection.write_all(&answer).await;
        }
    });
    (format!("http://{address}/token").parse().unwrap(), requests)
}

async fn post(uri: http::Uri) -> Result<Response<Bytes>, HttpError> {
    ReqwestClient::new().send(Request::post(uri).body(Bytes::from_static(b"code=c")).unwrap()).await
}

// C-152: token endpoint redirects (30x)
#[tokio::test]
async fn a_redirect_is_an_answer_and_is_not_followed() {
    let (uri, mut requests) = server(
        b"HTTP/1.1 307 Temporary Redirect\r\nlocation: /elsewhere\r\ncontent-length: 0\r\n\r\n"
            .to_vec(),
    )
    .await;
    assert_eq!(post(uri).await.unwrap().status(), 307);
    assert!(requests.recv().await.unwrap().starts_with("POST /token "));
    assert!(requests.try_recv().is_err());
}

// C-153: response larger than a cap; endless body
// C-230: oversized or gzip-bomb answer
#[tokio::test]
async fn an_endless_answer_is_cut_off() {
    let mut answer = b"HTTP/1.1 200 OK\r\n\r\n".to_vec();
    answer.resize(MAX_RESPONSE_BYTES + 4096, b' ');
    let (uri, _requests) = server(answer).await;
    assert_eq!(post(uri).await.unwrap_err(), HttpError::too_large());
}

// C-230: oversized or gzip-bomb answer
/// Compressed responses are not requested, so that none can grow in memory.
#[tokio::test]
async fn a_compressed_answer_is_neither_asked_for_nor_unpacked() {
    let (uri, mut requests) = server(
        b"HTTP/1.1 200 OK\r\ncontent-encoding: gzip\r\ncontent-length: 3\r\n\r\n\x1f\x8b\x08"
            .to_vec(),
    )
    .await;
    assert_eq!(post(uri).await.unwrap().body().as_ref(), b"\x1f\x8b\x08");
    // Without the header every coding would be acceptable (RFC 9110 section 12.5.3).
    let head = requests.recv().await.unwrap().to_ascii_lowercase();
    assert!(head.contains("\r\naccept-encoding: identity\r\n"), "{head}");
}

#[tokio::test]
async fn a_coding_that_the_application_reads_itself_is_asked_for() {
    let (uri, mut requests) =
        server(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n".to_vec()).await;
    let request = Request::get(uri).header("accept-encoding", "br").body(Bytes::new());
    ReqwestClient::new().send(request.unwrap()).await.unwrap();
    let head = requests.recv().await.unwrap().to_ascii_lowercase();
    assert!(head.contains("\r\naccept-encoding: br\r\n"), "{head}");
}

// C-154: timeout at the token endpoint
#[tokio::test]
async fn a_request_without_an_answer_is_not_repeated() {
    let (uri, mut requests) = server(Vec::new()).await;
    assert!(post(uri).await.is_err());
    assert!(requests.recv().await.is_some());
    assert!(requests.try_recv().is_err());
}

/// A resolver of names that fails a number of times before it knows the address.
struct FailingResolver {
    failures: AtomicUsize,
    asked: AtomicUsize,
    address: SocketAddr,
}

impl Resolve for FailingResolver {
    fn resolve(&self, _name: Name) -> Resolving {
        self.asked.fetch_add(1, Ordering::SeqCst);
        let fails = self
            .failures
            .fetch_update(Ordering::SeqCst, Ordering::SeqCst, |left| left.checked_sub(1))
            .is_ok();
        let address = self.address;
        Box::pin(async move {
            if fails {
                return Err("the name does not resolve".into());
            }
            Ok(Box::new(std::iter::once(address)) as Addrs)
        })
    }
}

#[tokio::test]
async fn a_request_that_never_reached_the_provider_is_sent_once_more() {
    for method in [Method::POST, Method::GET] {
        for (failures, is_answered) in [(1, true), (2, false)] {
            let (uri, mut requests) =
                server(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n{}".to_vec()).await;
            let address = uri.authority().unwrap().as_str().parse().unwrap();
            let resolver = Arc::new(FailingResolver {
                failures: AtomicUsize::new(failures),
                asked: AtomicUsize::new(0),
                address,
            });
            let client = reqwest::Client::builder()
                .no_proxy()
                .retry(reqwest::retry::never())
                .dns_resolver(Arc::clone(&resolver))
                .build()
                .unwrap();
            let uri = format!("http://op.example:{}/token", address.port());
            let request = Request::builder().method(&method).uri(uri);
            let sent = exchange(&client, request.body(Bytes::new()).unwrap()).await;
            assert_eq!(sent.is_ok(), is_answered, "{method} {failures}: {sent:?}");
            assert_eq!(resolver.asked.load(Ordering::SeqCst), 2, "once more, not for ever");
            assert_eq!(requests.try_recv().is_ok(), is_answered);
            assert!(requests.try_recv().is_err(), "the provider gets it once");
        }
    }
}

/// The provider closes an idle connection while a request is on its way on it.
#[tokio::test]
async fn a_get_request_on_a_connection_that_was_just_closed_is_sent_once_more() {
    const ANSWER: &[u8] = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n{}";
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let uri = format!("http://{}/keys", listener.local_addr().unwrap());
    let server = tokio::spawn(async move {
        let mut request = vec![0; 4096];
        let (mut first, _) = listener.accept().await.unwrap();
        assert_ne!(first.read(&mut request).await.unwrap(), 0);
        first.write_all(ANSWER).await.unwrap();
        // The second request on this connection is read, and not answered.
        assert_ne!(first.read(&mut request).await.unwrap(), 0);
        drop(first);
        let (mut second, _) = listener.accept().await.unwrap();
        assert_ne!(second.read(&mut request).await.unwrap(), 0);
        second.write_all(ANSWER).await.unwrap();
    });
    let client = ReqwestClient::new();
    for _ in 0..2 {
        let request = Request::get(&uri).body(Bytes::new()).unwrap();
        assert_eq!(client.send(request).await.unwrap().status(), 200);
    }
    server.await.unwrap();
}

/// A POST that meets a connection which the provider has just closed is lost, since it may not
/// be sent twice. The servers of Node, Apache and uvicorn close idle ones after five seconds.
#[tokio::test]
async fn a_connection_that_was_idle_for_five_seconds_takes_no_request() {
    const ANSWER: &[u8] = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n{}";
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let uri = format!("http://{}/token", listener.local_addr().unwrap());
    let server = tokio::spawn(async move {
        let mut request = vec![0; 4096];
        let (mut first, _) = listener.accept().await.unwrap();
        assert_ne!(first.read(&mut request).await.unwrap(), 0);
        first.write_all(ANSWER).await.unwrap();
        // The end of the connection, or a request that is lost.
        drop(tokio::spawn(async move { first.read(&mut [0; 4096]).await }));
        let (mut second, _) = listener.accept().await.unwrap();
        assert_ne!(second.read(&mut request).await.unwrap(), 0);
        second.write_all(ANSWER).await.unwrap();
    });
    let client = ReqwestClient::new();
    for _ in 0..2 {
        let request = Request::post(&uri).body(Bytes::new()).unwrap();
        assert_eq!(client.send(request).await.unwrap().status(), 200);
        tokio::time::pause();
        tokio::time::advance(Duration::from_secs(5)).await;
        tokio::time::resume();
    }
    server.await.unwrap();
}

/// One more, and not without end.
#[tokio::test]
async fn a_get_request_is_sent_twice_at_most() {
    let (uri, mut requests) = server(Vec::new()).await;
    let request = Request::get(uri).body(Bytes::new()).unwrap();
    assert!(ReqwestClient::new().send(request).await.is_err());
    assert!(requests.recv().await.is_some() && requests.recv().await.is_some());
    assert!(requests.try_recv().is_err());
}

// C-231: certificate invalid, wrong host
/// The peer offers no certificate that the machine trusts.
#[tokio::test]
async fn a_server_that_cannot_prove_itself_is_refused() {
    let (uri, _requests) = server(b"HTTP/1.1 200 OK\r\n\r\n".to_vec()).await;
    let https = uri.to_string().replacen("http://", "https://", 1).parse().unwrap();
    assert!(post(https).await.unwrap_err().to_string().starts_with("no connection"));
}

#[tokio::test]
async fn an_error_does_not_show_the_address() {
    let error = post("http://127.0.0.1:1/token?code=s3cr3t".parse().unwrap()).await.unwrap_err();
    assert!(!error.to_string().contains("s3cr3t"), "{error}");
}

#[test]
fn hosts_without_a_proxy() {
    for host in ["localhost", "LocalHost", "127.0.0.1", "127.9.9.9", "[::1]", "169.254.169.254"] {
        assert!(is_direct(host), "{host}");
    }
    for host in ["localhost.example", "128.0.0.1", "[::2]", "", "login.microsoftonline.com"] {
        assert!(!is_direct(host), "{host}");
    }
}
