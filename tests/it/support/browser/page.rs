//! The responses that a browser received: each request with its response, and the page of a tab.

use std::fmt;

use http::{HeaderMap, Method, StatusCode, header};
use url::Url;

use super::html::{self, Form};

/// One request of a navigation, as the network panel shows it.
#[derive(Clone)]
pub struct Hop {
    pub method: Method,
    pub url: Url,
    /// The `Cookie` header that was sent.
    pub cookies: Option<String>,
    pub status: StatusCode,
    pub headers: HeaderMap,
}

impl Hop {
    pub fn location(&self) -> Option<&str> {
        self.headers.get(header::LOCATION).map(|value| value.to_str().unwrap())
    }

    pub fn set_cookies(&self) -> Vec<&str> {
        self.headers
            .get_all(header::SET_COOKIE)
            .iter()
            .map(|value| value.to_str().unwrap())
            .collect()
    }
}

impl fmt::Debug for Hop {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {} -> {}", self.method, self.url, self.status.as_u16())?;
        if let Some(cookies) = &self.cookies {
            write!(f, "\n    sent {cookies}")?;
        }
        self.set_cookies().iter().try_for_each(|cookie| write!(f, "\n    set  {cookie}"))
    }
}

/// The page that a tab shows.
#[derive(Clone, Debug)]
pub struct Page {
    pub url: Url,
    pub status: StatusCode,
    pub headers: HeaderMap,
    pub body: String,
    pub(super) was_post: bool,
}

impl Page {
    pub fn header(&self, name: impl AsRef<str>) -> &str {
        self.headers.get(name.as_ref()).map_or("", |value| value.to_str().unwrap())
    }

    /// The only form of the page, or the first.
    pub fn form(&self) -> Form {
        html::forms(&self.body)
            .into_iter()
            .next()
            .unwrap_or_else(|| panic!("no form in {}: {}", self.url, self.body))
    }

    pub fn json(&self) -> serde_json::Value {
        serde_json::from_str(&self.body).unwrap_or_else(|error| {
            panic!("{error} in {} {}: {}", self.status, self.url, self.body)
        })
    }

    pub(super) fn is_kept(&self) -> bool {
        !self.header("cache-control").contains("no-store")
    }
}
