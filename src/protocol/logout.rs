//! Sign-out at the provider (OpenID Connect RP-Initiated Logout 1.0 section 2).
//!
//! `id_token_hint` tells the provider whom to sign out, so that it need not ask. An address has its limits, though: a hint that would make it too long is left out,
//! and the provider asks the person instead of answering 414.

use url::Url;

use super::metadata::Metadata;

/// What servers and proxies take as a rule, with room for the rest of the request line.
const LONGEST_ADDRESS: usize = 7 * 1024;

/// A request to end the provider's session.
#[derive(Clone, Copy, Default)]
pub(crate) struct EndSession<'a> {
    pub(crate) client_id: &'a str,
    /// The ID token as it came.
    pub(crate) id_token_hint: Option<&'a str>,
    /// Entra's `login_hint` claim: it spares people the choice of the account to sign out.
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

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::protocol::testing::{CLIENT_ID, metadata};

    fn request(id_token_hint: &str) -> EndSession<'_> {
        EndSession {
            client_id: CLIENT_ID,
            id_token_hint: Some(id_token_hint),
            logout_hint: Some("ada&x"),
            post_logout_redirect_uri: Some("https://app.example/auth/signed-out"),
            state: Some("s-1"),
        }
    }

    fn names(url: &Url) -> Vec<String> {
        url.query_pairs().map(|(name, _)| name.into_owned()).collect()
    }

    /// C-072, C-291, C-407
    #[test]
    fn everything_that_tells_the_provider_whom_to_sign_out_is_sent() {
        let url = request("a.b.c").url(&metadata(|_| ())).unwrap();
        assert_eq!(
            url.as_str(),
            "https://id.example/logout?id_token_hint=a.b.c&client_id=client-1&post_logout_redirect_uri=https%3A%2F%2Fapp.example%2Fauth%2Fsigned-out&state=s-1&logout_hint=ada%26x"
        );
    }

    /// C-294
    #[test]
    fn a_provider_without_an_endpoint_has_no_address() {
        assert_eq!(request("a.b.c").url(&metadata(|document| document["end_session_endpoint"] = json!(null))), None);
    }

    /// C-301
    #[test]
    fn a_hint_that_makes_the_address_too_long_is_left_out() {
        let (short, long) = ("a".repeat(6000), "a".repeat(8000));
        assert!(names(&request(&short).url(&metadata(|_| ())).unwrap()).contains(&"id_token_hint".to_owned()));
        let url = request(&long).url(&metadata(|_| ())).unwrap();
        assert_eq!(names(&url), ["client_id", "post_logout_redirect_uri", "state", "logout_hint"]);
        assert!(url.as_str().len() < 1000);
    }

    #[test]
    fn the_endpoints_own_query_stays_but_nothing_is_there_twice() {
        let metadata =
            metadata(|document| document["end_session_endpoint"] = json!("https://id.example/logout?p=b2c_1_in&state=evil"));
        let url = request("a.b.c").url(&metadata).unwrap();
        assert_eq!(names(&url), ["p", "id_token_hint", "client_id", "post_logout_redirect_uri", "state", "logout_hint"]);
    }
}
