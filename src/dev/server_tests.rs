//! The listening address, the accepted hosts, and the content security policy of pages.

use reqwest::{StatusCode, header};

use super::{test_browser::TestBrowser, *};

#[tokio::test]
async fn pages_have_a_strict_policy_and_nothing_secret() {
    let provider = DevProvider::start().await.unwrap();
    let mut browser = TestBrowser::new(&provider);
    let hostile = "<script>alert(1)</script>";
    for page in [
        browser.get("/").await,
        browser.authorize(&[("login_hint", hostile), ("state", hostile)]).await,
    ] {
        let policy = page.header("content-security-policy");
        assert!(
            policy.starts_with("default-src 'none'") && policy.contains("frame-ancestors 'none'"),
            "{policy}"
        );
        assert!(!policy.contains("unsafe") && !policy.contains("script-src"), "{policy}");
        assert_eq!(page.header("cache-control"), "no-store");
        assert!(
            !page.body.contains(provider.client_secret().expose())
                && !page.body.contains("a nonce")
        );
        assert!(!page.body.contains("<script"));
    }
}

#[tokio::test]
async fn it_listens_and_answers_on_loopback_only() {
    for address in ["0.0.0.0:0", "192.0.2.1:0", "[::]:0"] {
        let refused = DevProvider::builder().bind(address.parse().unwrap()).start().await;
        assert_eq!(refused.unwrap_err().setting(), "bind", "{address}");
    }
    let provider = DevProvider::start().await.unwrap();
    let mut browser = TestBrowser::new(&provider);
    let port = provider.address().port();
    let discovery = format!("{}/.well-known/openid-configuration", provider.issuer());
    for (host, status) in [
        (format!("127.0.0.1:{port}"), StatusCode::OK),
        (format!("localhost:{port}"), StatusCode::OK),
        (format!("evil.example:{port}"), StatusCode::MISDIRECTED_REQUEST),
        (format!("localhost.evil.example:{port}"), StatusCode::MISDIRECTED_REQUEST),
        (format!("192.0.2.1:{port}"), StatusCode::MISDIRECTED_REQUEST),
        (format!("any.localhost:{port}"), StatusCode::OK),
        (format!("evillocalhost:{port}"), StatusCode::MISDIRECTED_REQUEST),
        ("localhost".to_owned(), StatusCode::MISDIRECTED_REQUEST),
    ] {
        let request = browser.http.get(&discovery).header(header::HOST, &host);
        assert_eq!(browser.send(request).await.unwrap().status, status, "{host}");
    }
}

#[tokio::test]
async fn it_stops_when_it_is_dropped() {
    let provider = DevProvider::start().await.unwrap();
    let mut browser = TestBrowser::new(&provider);
    browser.get("/").await;
    let url = format!("{}/", provider.issuer());
    provider.shutdown().await;
    assert!(browser.http.get(&url).send().await.is_err());
}

#[tokio::test]
async fn ids_are_unique() {
    let twins = [DevPerson::new("x", "X"), DevPerson::new("x", "Y")];
    assert_eq!(
        DevProvider::builder().with_people(twins).start().await.unwrap_err().setting(),
        "with_people"
    );
    let provider = DevProvider::start().await.unwrap();
    assert_eq!(provider.sign_in_as("nobody").unwrap_err().setting(), "sign_in_as");
}
