//! The URLs in the configuration: base URL, redirect URI, and endpoints that are set by hand.

use url::Url;

use super::path;
use crate::{authority::is_loopback, error::ConfigError};

/// An absolute URL, and its form for errors: without query, fragment and credentials, which may be
/// secret.
fn absolute(setting: &'static str, text: &str) -> Result<(Url, String), ConfigError> {
    match Url::parse(text) {
        Ok(url) if matches!(url.scheme(), "https" | "http") && url.has_host() => {
            let shown = format!("{}{}", url.origin().ascii_serialization(), url.path());
            Ok((url, shown))
        }
        _ => {
            let end = text.find(['?', '#', '@']).unwrap_or(text.len());
            let shown: String = text.get(..end).unwrap_or_default().chars().take(200).collect();
            // The text before an `@` may be a password.
            let shown = if text.contains('@') { String::new() } else { format!("{shown:?} is ") };
            Err(ConfigError::new(
                setting,
                format!("{shown}not an absolute URL such as https://app.example.com"),
            ))
        }
    }
}

/// An endpoint of the provider that is configured by hand.
pub(super) fn endpoint(setting: &'static str, text: &str) -> Result<Url, ConfigError> {
    let (url, shown) = absolute(setting, text)?;
    let wrong = |problem: String| Err(ConfigError::new(setting, problem));
    // Session cookies, codes, tokens and secrets travel to these URLs.
    if url.scheme() == "http" && !is_loopback(&url) {
        return wrong(format!(
            "{shown:?} has to begin with https:// (http:// is accepted for localhost, 127.0.0.1 \
             and [::1] only): without TLS what is sent there can be read in the network"
        ));
    }
    if !url.username().is_empty() || url.password().is_some() || url.fragment().is_some() {
        return wrong(format!("{shown:?} must not have a user name, password or fragment"));
    }
    Ok(url)
}

/// The resource identifier of an API (RFC 9728 section 1.2). That section discourages a query,
/// which is refused here.
pub(super) fn resource(text: &str) -> Result<Url, ConfigError> {
    let url = web_url("resource", text)?;
    // Clients write URLs in the normal form of the URL Standard, and providers compare `resource`
    // and `aud` as text. The slash of a URL without a path is the one difference that is usual.
    let normal = url.as_str();
    if normal != text && normal.strip_suffix('/') != Some(text) {
        return Err(ConfigError::new(
            "resource",
            format!(
                "{text:?} is written in another form than clients send it, so that providers would \
                 take it for another API: write {normal:?}"
            ),
        ));
    }
    Ok(url)
}

/// The other spelling of a URL without a path: with the slash at its end, or without.
pub(super) fn other_spelling(resource: &str) -> Option<String> {
    let (_, rest) = resource.split_once("://")?;
    match rest.split_once('/') {
        None => Some(format!("{resource}/")),
        Some((_, "")) => resource.strip_suffix('/').map(str::to_owned),
        Some(_) => None,
    }
}

/// A URL that is only scheme, host and port.
pub(super) fn origin(setting: &'static str, text: &str) -> Result<Url, ConfigError> {
    let (url, shown) = absolute(setting, text)?;
    // A path here would be ambiguous: it could be meant to replace or to precede that of the
    // endpoint.
    let is_bare = url.username().is_empty()
        && url.password().is_none()
        && url.query().is_none()
        && url.fragment().is_none();
    if url.path() != "/" || !is_bare {
        return Err(ConfigError::new(
            setting,
            format!(
                "{shown:?} has to be only scheme, host and port, such as \
                 https://host.example.com:8443, without a path"
            ),
        ));
    }
    Ok(url)
}

/// An [`endpoint`] without a query: that of the application, or of an API.
fn web_url(setting: &'static str, text: &str) -> Result<Url, ConfigError> {
    let url = endpoint(setting, text)?;
    match url.query() {
        None => Ok(url),
        Some(_) => {
            let (_, shown) = absolute(setting, text)?;
            Err(ConfigError::new(setting, format!("{shown:?} must not have a query")))
        }
    }
}

/// Parses the base URL. Its path is the external prefix of the application.
pub(super) fn base_url(text: &str) -> Result<Url, ConfigError> {
    let url = web_url("base_url", text)?;
    let prefix = url.path().trim_end_matches('/');
    // The prefix becomes part of cookie paths and return paths, which have to be unambiguous.
    if !prefix.is_empty() && !path::is_plain(prefix) {
        return Err(ConfigError::new(
            "base_url",
            format!(
                "its path {prefix:?} has empty segments or special characters, which a proxy and \
                 the application could read in different ways"
            ),
        ));
    }
    Ok(url)
}

/// Parses the redirect URI.
pub(super) fn redirect_uri(text: &str) -> Result<Url, ConfigError> {
    let url = web_url("redirect_uri", text)?;
    if !path::is_plain(url.path()) {
        return Err(ConfigError::new(
            "redirect_uri",
            format!(
                "{text:?} needs a plain path of its own without a slash at the end, such as \
                 /auth/callback, because the layer answers at this path instead of the application"
            ),
        ));
    }
    Ok(url)
}

/// The location of the application as browsers see it.
pub(super) struct Site {
    /// Scheme, host and port; the port only if it is not the default one.
    pub(super) origin: String,
    /// The path of the base URL without a slash at the end; empty for most applications.
    pub(super) prefix: String,
    /// The callback path, relative to the base URL.
    pub(super) callback_path: String,
    url: Url,
}

impl Site {
    /// The location from the settings base URL, redirect URI and callback path. Base URL or
    /// redirect URI is required; what is missing is derived from the others.
    ///
    /// # Errors
    ///
    /// Both are missing, or the settings contradict each other.
    pub(super) fn new(
        base_url: Option<&Url>,
        redirect_uri: Option<&Url>,
        callback_path: Option<&str>,
    ) -> Result<Self, ConfigError> {
        let url = match (base_url, redirect_uri) {
            (Some(base_url), _) => base_url.clone(),
            // Without a base URL the application is assumed at the root of the origin.
            (None, Some(redirect_uri)) => {
                let mut url = redirect_uri.clone();
                url.set_path("");
                url
            }
            (None, None) => {
                return Err(ConfigError::missing(
                    "base_url",
                    "call `with_base_url` (IDENTITY_BASE_URL) with the URL at which browsers reach \
                     the application, such as https://app.example.com",
                ));
            }
        };
        let origin = url.origin().ascii_serialization();
        let prefix = url.path().trim_end_matches('/').to_owned();
        let callback_path = match redirect_uri {
            None => callback_path.unwrap_or("/auth/callback").to_owned(),
            Some(redirect_uri) => callback_path_in(&origin, &prefix, redirect_uri, callback_path)?,
        };
        Ok(Self { origin, prefix, callback_path, url })
    }

    /// The absolute URL of a path that is relative to the base URL.
    pub(super) fn url(&self, path: &str) -> Url {
        let mut url = self.url.clone();
        url.set_path(&format!("{}{path}", self.prefix));
        url
    }

    /// Whether browsers use `https`.
    pub(super) fn is_secure(&self) -> bool {
        self.origin.starts_with("https:")
    }

    /// The base URL, without a slash at the end.
    pub(super) fn base_url(&self) -> String {
        format!("{}{}", self.origin, self.prefix)
    }
}

/// The path of a redirect URI, relative to the base URL.
fn callback_path_in(
    origin: &str,
    prefix: &str,
    redirect_uri: &Url,
    callback_path: Option<&str>,
) -> Result<String, ConfigError> {
    let wrong = |problem: String| Err(ConfigError::new("redirect_uri", problem));
    // The cookie of the sign-in attempt is set for the origin of the base URL.
    if redirect_uri.origin().ascii_serialization() != origin {
        return wrong(format!(
            "{redirect_uri} is not at {origin}, the origin of the base URL: the cookie of the \
             sign-in would not be sent to it"
        ));
    }
    let Some(path) = redirect_uri.path().strip_prefix(prefix).filter(|path| path.starts_with('/'))
    else {
        return wrong(format!(
            "{redirect_uri} is not below the base URL {origin}{prefix}: the callback would not \
             reach the layer"
        ));
    };
    match callback_path {
        Some(callback_path) if callback_path != path => wrong(format!(
            "{redirect_uri} contradicts the callback path {callback_path:?}, which is \
             {origin}{prefix}{callback_path}: remove one of the settings"
        )),
        _ => Ok(path.to_owned()),
    }
}
