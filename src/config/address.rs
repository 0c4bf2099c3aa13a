//! Addresses: the base URL, the redirect address and the paths that hang off them.

use url::Url;

use super::path;
use crate::{authority::is_loopback, error::ConfigError};

/// An absolute URL that a browser or this process may be sent to.
fn web_url(setting: &'static str, text: &str) -> Result<Url, ConfigError> {
    let wrong = |problem: String| Err(ConfigError::new(setting, problem));
    let url = match Url::parse(text) {
        Ok(url) if url.has_host() => url,
        _ => return wrong(format!("{text:?} is not an absolute URL such as https://app.example.com")),
    };
    if url.scheme() != "https" && !(url.scheme() == "http" && is_loopback(&url)) {
        return wrong(format!("{text:?} has to begin with https:// (http:// is for localhost, 127.0.0.1 and [::1] only)"));
    }
    if !url.username().is_empty() || url.password().is_some() || url.query().is_some() || url.fragment().is_some() {
        return wrong(format!("{:?} must have no user name, password, query or fragment", without_credentials(&url)));
    }
    Ok(url)
}

/// The URL without what may be secret in it, for messages.
fn without_credentials(url: &Url) -> String {
    format!("{}{}", url.origin().ascii_serialization(), url.path())
}

/// The base URL, its path without a slash at the end.
pub(super) fn base_url(text: &str) -> Result<Url, ConfigError> {
    let mut url = web_url("base_url", text)?;
    let prefix = url.path().trim_end_matches('/').to_owned();
    if !prefix.is_empty() && !path::is_plain(&prefix) {
        return Err(ConfigError::new(
            "base_url",
            format!("the path {prefix:?} has empty segments, dots or other characters that could be read in two ways"),
        ));
    }
    url.set_path(&prefix);
    Ok(url)
}

/// The redirect address.
pub(super) fn redirect_uri(text: &str) -> Result<Url, ConfigError> {
    let url = web_url("redirect_uri", text)?;
    if url.path() == "/" || !path::is_plain(url.path()) || url.path().ends_with('/') {
        return Err(ConfigError::new(
            "redirect_uri",
            format!(
                "{text:?} needs a path of its own without a slash at the end, for example /auth/callback, because the layer answers there instead of the application"
            ),
        ));
    }
    Ok(url)
}
