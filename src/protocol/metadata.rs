//! The provider's metadata (OpenID Connect Discovery 1.0 sections 3 and 4, RFC 8414, RFC 9207 section 3).
//!
//! - The document's `issuer` must be one that may speak for the authority (section 4.3).
//! - Every endpoint that it names must be one to which the authority lets something be sent, also those that are not needed yet: a document that sends
//!   one thing elsewhere is not to be trusted with another (RFC 9700 section 2.6).
//! - Members that we do not know are ignored; `null` and an empty text mean that the provider has no such thing.

use serde_json::Value;
use url::Url;

use super::{
    json::{self, Object},
    jwks,
};
use crate::{
    authority::Authority,
    config::Algorithm,
    error::{Error, ErrorKind},
};

/// A checked discovery document: what of it is used.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Metadata {
    pub(crate) issuer: String,
    pub(crate) authorization_endpoint: Url,
    pub(crate) token_endpoint: Url,
    pub(crate) jwks_uri: Url,
    pub(crate) userinfo_endpoint: Option<Url>,
    pub(crate) end_session_endpoint: Option<Url>,
    pub(crate) revocation_endpoint: Option<Url>,
    pub(crate) device_authorization_endpoint: Option<Url>,
    /// Which algorithms ID tokens are signed with, as far as we know them; `None` if the document does not say.
    pub(crate) id_token_algorithms: Option<Vec<Algorithm>>,
    /// The same for UserInfo.
    pub(crate) userinfo_algorithms: Option<Vec<Algorithm>>,
    /// `token_endpoint_auth_methods_supported`; `None` means `client_secret_basic`.
    pub(crate) token_endpoint_auth_methods: Option<Vec<String>>,
    /// `token_endpoint_auth_signing_alg_values_supported`, as far as we know them; `None` if the document does not say.
    pub(crate) token_endpoint_auth_algorithms: Option<Vec<Algorithm>>,
    /// Whether authorization responses carry `iss`.
    pub(crate) authorization_response_iss: bool,
    /// Whether token answers tell about the account if they are asked to (`client_info`): Microsoft's do.
    pub(crate) tells_client_info: bool,
    /// Microsoft's word for where Graph is.
    pub(crate) msgraph_host: Option<String>,
}

impl Metadata {
    /// Reads and checks a document.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::ProviderMisconfigured`], naming the member.
    pub(crate) fn parse(document: &[u8], authority: &Authority) -> Result<Self, Error> {
        let object = json::object(document).map_err(|refused| {
            Error::new(ErrorKind::ProviderMisconfigured, format!("the discovery document: {}", refused.as_str()))
        })?;
        let members = Members { object: &object, authority };
        let issuer = json::text(&object, "issuer").ok_or_else(|| wrong("issuer", "is missing or not text"))?;
        authority.check_metadata_issuer(issuer)?;
        authority.check_metadata_cloud(json::text(&object, "cloud_instance_name"))?;
        let algorithms = |name| -> Result<Option<Vec<Algorithm>>, Error> {
            Ok(members.list(name)?.map(|names| names.iter().filter_map(|name| jwks::algorithm(name)).collect()))
        };
        Ok(Self {
            issuer: issuer.to_owned(),
            authorization_endpoint: members.required("authorization_endpoint")?,
            token_endpoint: members.required("token_endpoint")?,
            jwks_uri: members.required("jwks_uri")?,
            userinfo_endpoint: members.endpoint("userinfo_endpoint")?,
            end_session_endpoint: members.endpoint("end_session_endpoint")?,
            revocation_endpoint: members.endpoint("revocation_endpoint")?,
            device_authorization_endpoint: members.endpoint("device_authorization_endpoint")?,
            id_token_algorithms: algorithms("id_token_signing_alg_values_supported")?,
            userinfo_algorithms: algorithms("userinfo_signing_alg_values_supported")?,
            token_endpoint_auth_methods: members.list("token_endpoint_auth_methods_supported")?,
            token_endpoint_auth_algorithms: algorithms("token_endpoint_auth_signing_alg_values_supported")?,
            authorization_response_iss: members.flag("authorization_response_iss_parameter_supported")?,
            tells_client_info: authority.is_microsoft(),
            msgraph_host: json::text(&object, "msgraph_host").map(str::to_owned),
        })
    }

    /// The algorithms that an ID token may have: the configured ones, narrowed to those that the provider says it uses.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::ProviderMisconfigured`]: there is none.
    pub(crate) fn allowed_algorithms(&self, configured: &[Algorithm]) -> Result<Vec<Algorithm>, Error> {
        narrowed(configured, self.id_token_algorithms.as_deref(), "id_token_signing_alg_values_supported")
    }

    /// The same for a signed UserInfo answer.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::ProviderMisconfigured`]: there is none.
    pub(crate) fn allowed_user_info_algorithms(&self, configured: &[Algorithm]) -> Result<Vec<Algorithm>, Error> {
        narrowed(configured, self.userinfo_algorithms.as_deref(), "userinfo_signing_alg_values_supported")
    }
}

fn narrowed(configured: &[Algorithm], advertised: Option<&[Algorithm]>, name: &'static str) -> Result<Vec<Algorithm>, Error> {
    let Some(advertised) = advertised else { return Ok(configured.to_vec()) };
    let allowed: Vec<Algorithm> = configured.iter().copied().filter(|algorithm| advertised.contains(algorithm)).collect();
    if allowed.is_empty() {
        let list =
            |algorithms: &[Algorithm]| algorithms.iter().map(|algorithm| algorithm.as_str()).collect::<Vec<_>>().join(", ");
        let (ours, theirs) = (list(configured), list(advertised));
        return Err(wrong(name, &format!("has none of the configured algorithms ({ours}), but: {theirs}")));
    }
    Ok(allowed)
}

/// The members of a document, read with the authority's eyes.
pub(super) struct Members<'a> {
    pub(super) object: &'a Object,
    pub(super) authority: &'a Authority,
}

impl Members<'_> {
    fn required(&self, name: &'static str) -> Result<Url, Error> {
        self.endpoint(name)?.ok_or_else(|| wrong(name, "is missing"))
    }

    pub(super) fn endpoint(&self, name: &'static str) -> Result<Option<Url>, Error> {
        let address = match json::present(self.object, name) {
            None => return Ok(None),
            Some(Value::String(address)) if address.is_empty() => return Ok(None),
            Some(Value::String(address)) => Url::parse(address).map_err(|_| wrong(name, "is not a URL"))?,
            Some(_) => return Err(wrong(name, "is not text")),
        };
        if !address.username().is_empty() || address.password().is_some() || address.fragment().is_some() {
            return Err(wrong(name, "has credentials or a fragment"));
        }
        self.authority.check_endpoint(name, &address)?;
        Ok(Some(address))
    }

    pub(super) fn list(&self, name: &'static str) -> Result<Option<Vec<String>>, Error> {
        let Some(value) = json::present(self.object, name) else { return Ok(None) };
        let texts =
            value.as_array().map(|items| items.iter().map(|item| item.as_str().map(str::to_owned)).collect::<Option<Vec<_>>>());
        texts.flatten().map(Some).ok_or_else(|| wrong(name, "is not a list of texts"))
    }

    fn flag(&self, name: &'static str) -> Result<bool, Error> {
        match json::present(self.object, name) {
            None => Ok(false),
            Some(value) => value.as_bool().ok_or_else(|| wrong(name, "is neither true nor false")),
        }
    }
}

fn wrong(member: &'static str, problem: &str) -> Error {
    Error::new(ErrorKind::ProviderMisconfigured, format!("the discovery document: `{member}` {problem}"))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;
    use crate::protocol::testing::{authority, document, metadata};

    fn problem(document: &Value) -> String {
        let error = Metadata::parse(document.to_string().as_bytes(), &authority()).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::ProviderMisconfigured);
        error.to_string()
    }

    fn rejects(name: &str, value: Value) {
        let mut document = document();
        document[name] = value;
        let problem = problem(&document);
        assert!(problem.contains(name), "{problem}");
    }

    /// C-045
    #[test]
    fn endpoints_are_those_of_the_document() {
        let metadata = metadata(|document| {
            for name in ["authorization_endpoint", "token_endpoint", "jwks_uri", "userinfo_endpoint"] {
                document[name] = json!(format!("https://other.example/{name}-7f3a?x=1"));
            }
        });
        assert_eq!(metadata.authorization_endpoint.as_str(), "https://other.example/authorization_endpoint-7f3a?x=1");
        assert_eq!(metadata.token_endpoint.as_str(), "https://other.example/token_endpoint-7f3a?x=1");
        assert_eq!(metadata.userinfo_endpoint.unwrap().as_str(), "https://other.example/userinfo_endpoint-7f3a?x=1");
    }

    /// C-046
    #[test]
    fn keys_are_where_the_document_says() {
        let metadata = metadata(|document| document["jwks_uri"] = json!("https://other.example/certs/42"));
        assert_eq!(metadata.jwks_uri.as_str(), "https://other.example/certs/42");
    }

    /// C-225
    #[test]
    fn a_missing_member_is_named() {
        for name in ["issuer", "authorization_endpoint", "token_endpoint", "jwks_uri"] {
            let mut document = document();
            document.as_object_mut().unwrap().remove(name);
            assert!(problem(&document).contains(&format!("`{name}`")));
            for value in [json!(null), json!(""), json!(1), json!([]), json!("not a url")] {
                document[name] = value;
                assert!(problem(&document).contains("issuer") || problem(&document).contains(name));
            }
        }
    }

    /// C-222
    #[test]
    fn another_issuer_is_refused() {
        for issuer in [
            "https://id.example/",
            "https://ID.example",
            "https://id.example:443",
            "https://id.example/tenant",
            "https://evil.example",
        ] {
            let mut document = document();
            document["issuer"] = json!(issuer);
            problem(&document);
        }
    }

    /// C-224, C-208
    #[test]
    fn every_endpoint_is_https() {
        for name in [
            "authorization_endpoint",
            "token_endpoint",
            "jwks_uri",
            "userinfo_endpoint",
            "end_session_endpoint",
            "revocation_endpoint",
        ] {
            for address in [
                "http://id.example/x",
                "http://localhost/x",
                "ftp://id.example/x",
                "javascript:alert(1)",
                "file:///etc/passwd",
                "/relative",
            ] {
                rejects(name, json!(address));
            }
            rejects(name, json!("https://user:secret@id.example/x"));
            rejects(name, json!("https://id.example/x#fragment"));
        }
    }

    /// MSAL-019
    #[test]
    fn a_microsoft_document_sends_nobody_to_another_cloud() {
        let authority = Authority::entra("organizations").unwrap();
        let base = "https://login.microsoftonline.com";
        let document = || {
            json!({
                "issuer": format!("{base}/{{tenantid}}/v2.0"), "authorization_endpoint": format!("{base}/organizations/oauth2/v2.0/authorize"),
                "token_endpoint": format!("{base}/organizations/oauth2/v2.0/token"), "jwks_uri": format!("{base}/organizations/discovery/v2.0/keys"),
                "userinfo_endpoint": "https://graph.microsoft.com/oidc/userinfo", "cloud_instance_name": "microsoftonline.com",
            })
        };
        let parse =
            |document: Value| Metadata::parse(document.to_string().as_bytes(), &authority).map_err(|error| error.to_string());
        assert!(parse(document()).is_ok());
        for name in
            ["authorization_endpoint", "token_endpoint", "jwks_uri", "device_authorization_endpoint", "end_session_endpoint"]
        {
            for host in ["login.microsoftonline.us", "evil.example", "login.microsoftonline.com.evil.example"] {
                let mut document = document();
                document[name] = json!(format!("https://{host}/x"));
                assert!(parse(document).unwrap_err().contains(name), "{name} at {host}");
            }
        }
        let mut elsewhere = document();
        elsewhere["cloud_instance_name"] = json!("microsoftonline.us");
        assert!(parse(elsewhere).is_err());
    }

    /// MSAL-020
    #[test]
    fn what_is_optional_may_be_missing_null_or_empty() {
        for value in [json!(null), json!("")] {
            let metadata = metadata(|document| {
                for name in ["userinfo_endpoint", "end_session_endpoint", "revocation_endpoint", "device_authorization_endpoint"]
                {
                    document[name] = value.clone();
                }
                document["token_endpoint_auth_methods_supported"] = json!(null);
                document["authorization_response_iss_parameter_supported"] = json!(null);
                document["x_unknown"] = json!({"anything": [1, 2]});
            });
            assert_eq!((metadata.userinfo_endpoint, metadata.end_session_endpoint), (None, None));
            assert!(!metadata.authorization_response_iss);
        }
    }

    #[test]
    fn members_of_a_wrong_type_are_named() {
        rejects("id_token_signing_alg_values_supported", json!("RS256"));
        rejects("id_token_signing_alg_values_supported", json!(["RS256", 1]));
        rejects("token_endpoint_auth_methods_supported", json!({}));
        rejects("authorization_response_iss_parameter_supported", json!("true"));
    }

    #[test]
    fn what_is_no_document_is_refused() {
        for document in ["", "null", "[]", "\"\"", "<html>", r#"{"issuer":"https://id.example","issuer":"https://id.example"}"#] {
            let error = Metadata::parse(document.as_bytes(), &authority()).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::ProviderMisconfigured, "{document}");
        }
    }

    /// C-158, C-159
    #[test]
    fn algorithms_are_the_configured_ones_that_the_provider_has() {
        let allowed = |configured: &[Algorithm], advertised: Value| {
            let metadata = metadata(|document| document["id_token_signing_alg_values_supported"] = advertised);
            metadata.allowed_algorithms(configured)
        };
        let default = [Algorithm::Rs256];
        assert_eq!(allowed(&default, json!(null)).unwrap(), default, "nothing is said: RS256 alone");
        assert_eq!(allowed(&default, json!(["none", "HS256", "RS256", "ES256", "X"])).unwrap(), default);
        let several = [Algorithm::Es256, Algorithm::EdDsa, Algorithm::Ps256];
        assert_eq!(allowed(&several, json!(["Ed25519", "PS256", "RS256"])).unwrap(), [Algorithm::EdDsa, Algorithm::Ps256]);
        for advertised in [json!(["ES256"]), json!([]), json!(["none"]), json!(["HS256"])] {
            let error = allowed(&default, advertised).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::ProviderMisconfigured);
            assert!(error.to_string().contains("RS256"), "{error}");
        }
    }

    proptest! {
        #[test]
        fn arbitrary_bytes_never_panic(bytes in prop::collection::vec(any::<u8>(), 0..512)) {
            let _ = Metadata::parse(&bytes, &authority());
        }

        #[test]
        fn arbitrary_members_never_panic(name in "issuer|token_endpoint|jwks_uri|id_token_signing_alg_values_supported", value in ".{0,40}") {
            let mut document = document();
            document[name] = json!(value);
            let _ = Metadata::parse(document.to_string().as_bytes(), &authority());
        }
    }
}
