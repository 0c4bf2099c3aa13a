//! Sign-out at the provider (OpenID Connect RP-Initiated Logout 1.0 section 2).
//!
//! `id_token_hint` tells the provider whom to sign out, so that it need not ask. An address has its limits, though: a hint that would make it too long is left out,
//! and the provider asks the person instead of answering 414.

use url::Url;

use super::{json, metadata::Metadata};

/// What servers and proxies take as a rule, with room for the rest of the request line.
const LONGEST_ADDRESS: usize = 7 * 1024;

/// A request to end the provider's session.
#[derive(Clone, Copy, Default)]
pub(crate) struct EndSession<'a> {
    pub(crate) client_id: &'a str,
    /// The ID token as it came.
    pub(crate) id_token_hint: Option<&'a str>,
    /// From the `login_hint` claim: [`logout_hint`].
    pub(crate) logout_hint: Option<&'a str>,
    pub(crate) post_logout_redirect_uri: Option<&'a str>,
    pub(crate) state: Option<&'a str>,
}

impl EndSession<'_> {
    /// The address to send the browser to; `None` if the provider has none.
    pub(crate) fn url(&self, metadata: &Metadata) -> Option<Url> {
        let endpoint = metadata.end_session_endpoint.as_ref()?;
        let without = Self { id_token_hint: None, ..*self };
        let url = self.appended(endpoint);
        Some(if url.as_str().len() <= LONGEST_ADDRESS { url } else { without.appended(endpoint) })
    }

    fn appended(&self, endpoint: &Url) -> Url {
        let parameters = [
            ("id_token_hint", self.id_token_hint),
            ("client_id", Some(self.client_id)),
            ("post_logout_redirect_uri", self.post_logout_redirect_uri),
            ("state", self.state),
            ("logout_hint", self.logout_hint),
        ];
        let mut url = endpoint.clone();
        // What the endpoint's address brings along (B2C: `?p=policy`) stays, unless it would be there twice.
        let kept: Vec<_> = endpoint.query_pairs().into_owned().collect();
        let kept = kept.iter().filter(|(name, _)| !parameters.iter().any(|(ours, value)| ours == name && value.is_some()));
        url.query_pairs_mut()
            .clear()
            .extend_pairs(kept)
            .extend_pairs(parameters.iter().filter_map(|(name, value)| Some((name, (*value)?))));
        url
    }
}

/// Entra's `login_hint` claim, which as `logout_hint` spares people the choice of the account to sign out.
pub(crate) fn logout_hint(claims: &str) -> Option<String> {
    let claims = json::object(claims.as_bytes()).ok()?;
    json::text(&claims, "login_hint").filter(|hint| !hint.is_empty() && hint.len() <= 1024).map(str::to_owned)
}
