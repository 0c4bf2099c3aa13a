//! Addresses: the base URL and the redirect address.

use url::Url;

use super::path;
use crate::{authority::is_loopback, error::ConfigError};

/// An absolute URL, and how it may be shown: without what may be secret in it.
fn absolute(setting: &'static str, text: &str) -> Result<(Url, String), ConfigError> {
    match Url::parse(text) {
        Ok(url) if matches!(url.scheme(), "https" | "http") && url.has_host() => {
            let shown = format!("{}{}", url.origin().ascii_serialization(), url.path());
            Ok((url, shown))
        }
        _ => {
            let end = text.find(['?', '#', '@']).unwrap_or(text.len());
            let shown: String = text.get(..end).unwrap_or_default().chars().take(200).collect();
            // What is before an `@` may be a password.
            let shown = if text.contains('@') { String::new() } else { format!("{shown:?} is ") };
            Err(ConfigError::new(
                setting,
                format!("{shown}not an absolute URL such as https://app.example.com"),
            ))
        }
    }
}

/// An endpoint of the provider that is set by hand.
pub(super) fn endpoint(setting: &'static str, text: &str) -> Result<Url, ConfigError> {
    let (url, shown) = absolute(setting, text)?;
    let wrong = |problem: String| Err(ConfigError::new(setting, problem));
    if url.scheme() == "http" && !is_loopback(&url) {
        return wrong(format!(
            "{shown:?} has to begin with https:// (http:// is for localhost, 127.0.0.1 and [::1] only)"
        ));
    }
    if !url.username().is_empty() || url.password().is_some() || url.fragment().is_some() {
        return wrong(format!("{shown:?} must come without user name, password and fragment"));
    }
    Ok(url)
}

/// The URL of an API (RFC 9728 section 1.2); a query would not be wrong there, and nobody could tell
/// clients which one is meant.
pub(super) fn resource(text: &str) -> Result<Url, ConfigError> {
    let url = endpoint("resource", text)?;
    if url.query().is_some() {
        return Err(ConfigError::new("resource", "it must come without a query"));
    }
    Ok(url)
}

/// Scheme, host and port alone.
pub(super) fn origin(setting: &'static str, text: &str) -> Result<Url, ConfigError> {
    let (url, shown) = absolute(setting, text)?;
    let is_bare = url.username().is_empty()
        && url.password().is_none()
        && url.query().is_none()
        && url.fragment().is_none();
    if url.path() != "/" || !is_bare {
        return Err(ConfigError::new(
            setting,
            format!(
                "{shown:?} has to be scheme, host and port alone, such as http://keycloak:8080: paths stay those of the provider"
            ),
        ));
    }
    Ok(url)
}

/// An absolute URL that browsers are sent to.
fn web_url(setting: &'static str, text: &str) -> Result<Url, ConfigError> {
    let wrong = |problem: String| Err(ConfigError::new(setting, problem));
    let (url, shown) = absolute(setting, text)?;
    if url.scheme() == "http" && !is_loopback(&url) {
        return wrong(format!(
            "{shown:?} has to begin with https:// (http:// is for localhost, 127.0.0.1 and [::1] only): sessions are lost to whoever listens"
        ));
    }
    if !url.username().is_empty()
        || url.password().is_some()
        || url.query().is_some()
        || url.fragment().is_some()
    {
        return wrong(format!(
            "{shown:?} must come without user name, password, query and fragment"
        ));
    }
    Ok(url)
}

/// The base URL.
pub(super) fn base_url(text: &str) -> Result<Url, ConfigError> {
    let url = web_url("base_url", text)?;
    let prefix = url.path().trim_end_matches('/');
    if !prefix.is_empty() && !path::is_plain(prefix) {
        return Err(ConfigError::new(
            "base_url",
            format!(
                "its path {prefix:?} has empty segments or special characters, which could be read in two ways"
            ),
        ));
    }
    Ok(url)
}

/// The redirect address.
pub(super) fn redirect_uri(text: &str) -> Result<Url, ConfigError> {
    let url = web_url("redirect_uri", text)?;
    if !path::is_plain(url.path()) {
        return Err(ConfigError::new(
            "redirect_uri",
            format!(
                "{text:?} needs a plain path of its own without a slash at the end, such as /auth/callback, because the layer answers there instead of the application"
            ),
        ));
    }
    Ok(url)
}

/// Where the application is, for browsers.
pub(super) struct Site {
    /// Scheme, host and port.
    pub(super) origin: String,
    /// The path of the base URL, without a slash at the end; often empty.
    pub(super) prefix: String,
    /// Relative to the base URL.
    pub(super) callback_path: String,
    url: Url,
}

impl Site {
    /// What the base URL, redirect address and callback path say together; each but one of the
    /// first two may be missing.
    pub(super) fn new(
        base_url: Option<&Url>,
        redirect_uri: Option<&Url>,
        callback_path: Option<&str>,
    ) -> Result<Self, ConfigError> {
        let url = match (base_url, redirect_uri) {
            (Some(base_url), _) => base_url.clone(),
            (None, Some(redirect_uri)) => {
                let mut url = redirect_uri.clone();
                url.set_path("");
                url
            }
            (None, None) => {
                return Err(ConfigError::new(
                    "base_url",
                    "missing: call `with_base_url` (IDENTITY_BASE_URL) with the address at which browsers find the application, such as https://app.example.com",
                ));
            }
        };
        let origin = url.origin().ascii_serialization();
        let prefix = url.path().trim_end_matches('/').to_owned();
        let callback_path = match redirect_uri {
            None => callback_path.unwrap_or("/auth/callback").to_owned(),
            Some(redirect_uri) => below(&origin, &prefix, redirect_uri, callback_path)?,
        };
        Ok(Self { origin, prefix, callback_path, url })
    }

    /// The address of a path that is relative to the base URL.
    pub(super) fn url(&self, path: &str) -> Url {
        let mut url = self.url.clone();
        url.set_path(&format!("{}{path}", self.prefix));
        url
    }
}

/// The callback path that a redirect address names.
fn below(
    origin: &str,
    prefix: &str,
    redirect_uri: &Url,
    callback_path: Option<&str>,
) -> Result<String, ConfigError> {
    let wrong = |problem: String| Err(ConfigError::new("redirect_uri", problem));
    if redirect_uri.origin().ascii_serialization() != origin {
        return wrong(format!(
            "{redirect_uri} is not on {origin}, where the base URL is: the sign-in's cookie would not come along"
        ));
    }
    let Some(path) = redirect_uri.path().strip_prefix(prefix).filter(|path| path.starts_with('/'))
    else {
        return wrong(format!(
            "{redirect_uri} is not below the base URL {origin}{prefix}: the callback would not reach the layer"
        ));
    };
    match callback_path {
        Some(callback_path) if callback_path != path => wrong(format!(
            "{redirect_uri} contradicts the callback path {callback_path:?}, which is {origin}{prefix}{callback_path}: leave one out"
        )),
        _ => Ok(path.to_owned()),
    }
}
