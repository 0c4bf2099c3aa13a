//! What the specifications demand at several endpoints: registered addresses, forms, challenges,
//! the user that a request is for.

use reqwest::StatusCode;

use super::{test_browser::with_ada, *};

/// RFC 8252 section 7.3, RFC 9700 section 2.1
#[tokio::test]
async fn the_port_of_a_loopback_redirect_uri_is_not_compared() {
    let (provider, mut browser) = with_ada().await;
    provider.add_client(
        DevClient::public("native")
            .with_redirect_uri("http://127.0.0.1/callback")
            .with_redirect_uri("http://[::1]:7000/callback")
            .with_redirect_uri("http://localhost/callback")
            .with_redirect_uri("https://127.0.0.1/callback")
            .with_redirect_uri("http://app.example/callback"),
    );
    for (uri, is_registered) in [
        ("http://127.0.0.1/callback", true),
        ("http://127.0.0.1:49152/callback", true),
        ("http://[::1]:49152/callback", true),
        ("http://[::1]/callback", true),
        ("http://localhost/callback", true),
        ("http://127.0.0.1:49152/callback/", false),
        ("http://127.0.0.1:49152/callback?a=b", false),
        ("http://127.0.0.1:49152/callback#a", false),
        ("http://127.0.0.1:49152", false),
        ("http://127.0.0.1:/callback", false),
        ("http://127.0.0.1:99999/callback", false),
        ("http://127.0.0.1:+80/callback", false),
        ("http://user@127.0.0.1:49152/callback", false),
        ("http://127.0.0.2:49152/callback", false),
        // RFC 8252 section 8.3: the name is not recommended, and no address.
        ("http://localhost:49152/callback", false),
        ("https://127.0.0.1:49152/callback", false),
        ("http://app.example:49152/callback", false),
    ] {
        let seen = browser.authorize(&[("client_id", "native"), ("redirect_uri", uri)]).await;
        let expected = if is_registered { StatusCode::SEE_OTHER } else { StatusCode::BAD_REQUEST };
        assert_eq!(seen.status, expected, "{uri}");
    }
}
