//! Sites (for cookies) and origins: which URLs belong together.

use url::{Host, Url};

/// Scheme and registrable domain. `localhost` and `127.0.0.1` are two sites, two ports of one host
/// are one.
pub fn site(url: &Url) -> String {
    let host = url.host_str().unwrap_or_default();
    let domain = match url.host() {
        Some(Host::Domain(name)) => name
            .rsplitn(3, '.')
            .take(2)
            .collect::<Vec<_>>()
            .into_iter()
            .rev()
            .collect::<Vec<_>>()
            .join("."),
        _ => host.to_owned(),
    };
    format!("{}://{domain}", url.scheme())
}

pub fn is_loopback(url: &Url) -> bool {
    match url.host() {
        Some(Host::Domain(name)) => name == "localhost",
        Some(Host::Ipv4(address)) => address.is_loopback(),
        Some(Host::Ipv6(address)) => address.is_loopback(),
        None => false,
    }
}

/// `Sec-Fetch-Site` for a request that a page of `from` caused.
pub fn relation(from: &Url, to: &Url) -> &'static str {
    if from.origin() == to.origin() {
        "same-origin"
    } else if site(from) == site(to) {
        "same-site"
    } else {
        "cross-site"
    }
}

#[test]
fn loopback_names_are_different_sites_and_ports_are_not() {
    let relation =
        |from: &str, to: &str| relation(&Url::parse(from).unwrap(), &Url::parse(to).unwrap());
    assert_eq!(relation("http://localhost:1/a", "http://localhost:1/b"), "same-origin");
    assert_eq!(relation("http://localhost:1", "http://localhost:2"), "same-site");
    assert_eq!(relation("http://localhost:1", "http://127.0.0.1:1"), "cross-site");
    assert_eq!(relation("https://a.example.com", "https://b.example.com"), "same-site");
    assert_eq!(relation("http://example.com", "https://example.com"), "cross-site");
}
