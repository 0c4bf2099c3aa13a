//! The logout request: the URL that signs the user out at the provider (OpenID Connect
//! RP-Initiated Logout section 2).
//!
//! With `id_token_hint` the provider knows the session and need not ask the user. A hint that would
//! make the URL too long is left out: the provider then asks the user, instead of answering 414.

use url::Url;

use super::{authorize::escape_spaces, metadata::Metadata};
use crate::config::SignOutRequest;

/// The longest URL, in bytes. Most servers and proxies accept a request line of 8 KiB.
const MAX_URL_BYTES: usize = 7 * 1024;

/// The values of a logout request.
#[derive(Clone, Copy, Default)]
pub(crate) struct EndSession<'a> {
    pub(crate) client_id: &'a str,
    /// The serialized ID token of the session.
    pub(crate) id_token_hint: Option<&'a str>,
    /// Entra's claim `login_hint`, with which the user need not choose the account to sign out.
    pub(crate) logout_hint: Option<&'a str>,
    pub(crate) post_logout_redirect_uri: Option<&'a str>,
    pub(crate) state: Option<&'a str>,
    /// The configured endpoint, parameters and name of the return parameter.
    pub(crate) settings: Option<&'a SignOutRequest>,
}

impl EndSession<'_> {
    /// The URL to redirect the browser to; `None` if the provider has no such endpoint.
    pub(crate) fn url(&self, metadata: &Metadata) -> Option<Url> {
        let configured = self.settings.and_then(|settings| settings.endpoint.as_ref());
        let endpoint = configured.or(metadata.end_session_endpoint.as_ref())?;
        // Some providers have another name for the return parameter. That is known for the endpoint
        // of the document, not for a configured one.
        let known = if configured.is_some() { None } else { metadata.sign_out_return_parameter };
        let named = self.settings.and_then(|settings| settings.return_parameter.as_deref());
        let return_parameter = named.or(known).unwrap_or("post_logout_redirect_uri");
        let without_hint =
            || Self { id_token_hint: None, ..*self }.appended(endpoint, return_parameter);
        if metadata.refuses_id_token_hint {
            return Some(without_hint());
        }
        let url = self.appended(endpoint, return_parameter);
        Some(if url.as_str().len() <= MAX_URL_BYTES { url } else { without_hint() })
    }

    /// The endpoint's URL with the parameters appended.
    fn appended(&self, endpoint: &Url, return_parameter: &str) -> Url {
        let extra =
            self.settings.map(|settings| settings.parameters.as_slice()).unwrap_or_default();
        let parameters = [
            ("id_token_hint", self.id_token_hint),
            ("client_id", Some(self.client_id)),
            (return_parameter, self.post_logout_redirect_uri),
            ("state", self.state),
            ("logout_hint", self.logout_hint),
        ];
        let extra = extra.iter().filter(|(name, _)| {
            !parameters.iter().any(|(ours, value)| ours == name && value.is_some())
        });
        let mut url = endpoint.clone();
        // The query of the endpoint (B2C: `?p=policy`) is retained, except for parameters that
        // would then occur twice.
        let kept: Vec<_> = endpoint.query_pairs().into_owned().collect();
        let kept = kept.iter().filter(|(name, _)| {
            !parameters.iter().any(|(ours, value)| ours == name && value.is_some())
                && !extra.clone().any(|(ours, _)| ours == name)
        });
        url.query_pairs_mut()
            .clear()
            .extend_pairs(kept)
            .extend_pairs(parameters.iter().filter_map(|(name, value)| Some((name, (*value)?))))
            .extend_pairs(extra.clone());
        escape_spaces(&mut url);
        url
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::protocol::test_support::{CLIENT_ID, metadata};

    fn request(id_token_hint: &str) -> EndSession<'_> {
        EndSession {
            client_id: CLIENT_ID,
            id_token_hint: Some(id_token_hint),
            logout_hint: Some("ada&x"),
            post_logout_redirect_uri: Some("https://app.example/auth/signed-out"),
            state: Some("s-1"),
            settings: None,
        }
    }

    fn names(url: &Url) -> Vec<String> {
        url.query_pairs().map(|(name, _)| name.into_owned()).collect()
    }

    // C-072: end_session request
    // C-291: logout with an ID token
    // C-407: RP-initiated logout
    #[test]
    fn every_parameter_that_identifies_the_session_to_end_is_sent() {
        let url = request("a.b.c").url(&metadata(|_| ())).unwrap();
        assert_eq!(
            url.as_str(),
            "https://id.example/logout?id_token_hint=a.b.c&client_id=client-1\
             &post_logout_redirect_uri=https%3A%2F%2Fapp.example%2Fauth%2Fsigned-out\
             &state=s-1&logout_hint=ada%26x"
        );
    }

    /// Login.gov shows an error where the hint is sent.
    #[test]
    fn no_hint_is_sent_where_the_provider_refuses_it() {
        for (issuer, has_hint) in [
            ("https://secure.login.gov/", false),
            ("https://idp.int.identitysandbox.gov/", false),
            ("https://login.gov.example/", true),
        ] {
            let authority = crate::authority::Authority::oidc(issuer).unwrap();
            let document = json!({"issuer": issuer, "end_session_endpoint": "https://x.example/"});
            let metadata = Metadata::parse(document.to_string().as_bytes(), &authority).unwrap();
            let names = names(&request("a.b.c").url(&metadata).unwrap());
            assert_eq!(names.contains(&"id_token_hint".to_owned()), has_hint, "{issuer}");
            assert!(names.contains(&"client_id".to_owned()), "{issuer}");
        }
    }

    /// Amazon Cognito answers 400 without `logout_uri`, Auth0's `/v2/logout` knows `returnTo` and
    /// `federated`.
    #[test]
    fn parameters_can_be_added_and_that_of_the_return_address_named() {
        let with = |settings: &SignOutRequest, without_endpoint: bool| {
            let metadata = metadata(|document| {
                if without_endpoint {
                    document["end_session_endpoint"] = json!(null);
                }
            });
            EndSession {
                settings: Some(settings),
                id_token_hint: None,
                logout_hint: None,
                ..request("")
            }
            .url(&metadata)
        };
        let cognito = SignOutRequest {
            return_parameter: Some("logout_uri".into()),
            ..SignOutRequest::default()
        };
        assert_eq!(names(&with(&cognito, false).unwrap()), ["client_id", "logout_uri", "state"]);
        let auth0 = SignOutRequest {
            endpoint: Some(Url::parse("https://id.example/v2/logout?client_id=evil&x=1").unwrap()),
            return_parameter: Some("returnTo".into()),
            parameters: vec![("federated".into(), String::new())],
        };
        let url = with(&auth0, true).unwrap();
        assert_eq!(
            url.as_str(),
            "https://id.example/v2/logout?x=1&client_id=client-1\
             &returnTo=https%3A%2F%2Fapp.example%2Fauth%2Fsigned-out&state=s-1&federated="
        );
        assert_eq!(with(&SignOutRequest::default(), true), None);
    }

    #[test]
    fn a_known_provider_gets_the_return_address_under_its_own_parameter() {
        let mut metadata = metadata(|_| ());
        metadata.sign_out_return_parameter = Some("logout_uri");
        assert_eq!(names(&request("a").url(&metadata).unwrap())[2], "logout_uri");
        let named =
            SignOutRequest { return_parameter: Some("back".into()), ..SignOutRequest::default() };
        let url = EndSession { settings: Some(&named), ..request("a") }.url(&metadata).unwrap();
        assert_eq!(names(&url)[2], "back", "a setting counts more");
    }

    // C-294: no end_session_endpoint
    #[test]
    fn a_provider_without_an_endpoint_has_no_address() {
        assert_eq!(
            request("a.b.c")
                .url(&metadata(|document| document["end_session_endpoint"] = json!(null))),
            None
        );
    }

    // C-301: id_token_hint too long for a URL
    #[test]
    fn a_hint_that_makes_the_address_too_long_is_left_out() {
        let (short, long) = ("a".repeat(6000), "a".repeat(8000));
        assert!(
            names(&request(&short).url(&metadata(|_| ())).unwrap())
                .contains(&"id_token_hint".to_owned())
        );
        let url = request(&long).url(&metadata(|_| ())).unwrap();
        assert_eq!(names(&url), ["client_id", "post_logout_redirect_uri", "state", "logout_hint"]);
        assert!(url.as_str().len() < 1000);
    }

    #[test]
    fn the_endpoints_own_query_stays_but_nothing_is_there_twice() {
        let metadata = metadata(|document| {
            document["end_session_endpoint"] =
                json!("https://id.example/logout?p=b2c_1_in&state=evil")
        });
        let url = request("a.b.c").url(&metadata).unwrap();
        assert_eq!(
            names(&url),
            ["p", "id_token_hint", "client_id", "post_logout_redirect_uri", "state", "logout_hint"]
        );
    }
}
