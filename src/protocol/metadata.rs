//! The provider's metadata: the discovery document, parsed and checked (OpenID Connect Discovery
//! sections 3 and 4, RFC 8414, RFC 9207 section 3).
//!
//! - `issuer` must be the issuer of the configured authority (Discovery section 4.3).
//! - A URL is used only if the authority allows it: https, except on loopback or if http was
//!   explicitly allowed. A required endpoint with an unsafe URL refuses the document. An optional
//!   one counts as absent: a wrong `revocation_endpoint` must not prevent sign-in.
//! - At Microsoft's authorities every endpoint must be on a host of the authority's cloud.
//!   Otherwise the document is refused, even for an optional endpoint.
//! - Unknown members are ignored. `null` and an empty string count as absent, and so does an
//!   optional member of the wrong type.
//!
//! [`Metadata::left_out`] lists the members that count as absent although they have a value;
//! [`ValidConfig::check`] reports them.

use serde_json::Value;
use url::Url;

use super::{
    error_answer,
    json::{self, Object},
};
use crate::{
    authority::Authority,
    config::{Algorithm, SignInOptions, ValidConfig},
    error::{Error, ErrorKind},
};

/// The members of a checked discovery document that this crate uses.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Metadata {
    pub(crate) issuer: String,
    pub(crate) authorization_endpoint: Url,
    pub(crate) token_endpoint: Url,
    pub(crate) jwks_uri: Url,
    pub(crate) userinfo_endpoint: Option<Url>,
    pub(crate) end_session_endpoint: Option<Url>,
    /// The name of the return parameter of the end session endpoint, if it is not
    /// `post_logout_redirect_uri`.
    pub(crate) sign_out_return_parameter: Option<&'static str>,
    pub(crate) revocation_endpoint: Option<Url>,
    pub(crate) introspection_endpoint: Option<Url>,
    /// Whether introspection answers are to be had signed (RFC 9701 section 7).
    pub(crate) signs_introspection: bool,
    /// The issuer of access tokens, where it is another one than that of ID tokens (AD FS).
    pub(crate) access_token_issuer: Option<String>,
    pub(crate) device_authorization_endpoint: Option<Url>,
    /// `id_token_signing_alg_values_supported`; `None` if absent.
    pub(crate) id_token_algorithms: Option<Vec<String>>,
    /// `userinfo_signing_alg_values_supported`; `None` if absent.
    pub(crate) userinfo_algorithms: Option<Vec<String>>,
    /// `token_endpoint_auth_methods_supported`; `None` means `client_secret_basic`.
    pub(crate) token_endpoint_auth_methods: Option<Vec<String>>,
    /// `token_endpoint_auth_signing_alg_values_supported` without unknown algorithms; `None` if
    /// absent.
    pub(crate) token_endpoint_auth_algorithms: Option<Vec<Algorithm>>,
    /// `scopes_supported`; `None` if absent.
    pub(crate) scopes: Option<Vec<String>>,
    /// Whether a refresh token is requested by `access_type=offline` instead of a scope (Google).
    pub(crate) offline_by_parameter: bool,
    /// `authorization_response_iss_parameter_supported` (RFC 9207 section 3).
    pub(crate) authorization_response_iss: bool,
    /// Whether the token endpoint takes `client_info=1` (Microsoft).
    pub(crate) has_client_info: bool,
    /// The host of Microsoft Graph (Microsoft).
    pub(crate) msgraph_host: Option<String>,
    /// The optional members that count as absent because their values cannot be used.
    pub(crate) left_out: Vec<UnusableMember>,
}

/// A member of the document that counts as absent, and the reason.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct UnusableMember {
    pub(crate) member: &'static str,
    pub(crate) problem: String,
}

impl Metadata {
    /// Parses and checks a discovery document.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::ProviderMisconfigured`], with the name of the member.
    pub(crate) fn parse(document: &[u8], authority: &Authority) -> Result<Self, Error> {
        let object = json::document(document).map_err(|refused| {
            Error::new(
                ErrorKind::ProviderMisconfigured,
                format!("the discovery document: {}", refused.as_str()),
            )
        })?;
        let mut members = Members::of(&object, authority);
        let issuer = json::text(&object, "issuer")
            .ok_or_else(|| wrong("issuer", "is missing or not a string"))?;
        // Discovery section 4.3. Otherwise a document could speak for another provider, whose
        // tokens it would let through with its own keys (RFC 9700 section 4.4).
        authority.check_metadata_issuer(issuer)?;
        authority.check_metadata_cloud(json::text(&object, "cloud_instance_name"))?;
        let auth_algorithms = members.list("token_endpoint_auth_signing_alg_values_supported");
        let (end_session_endpoint, sign_out_return_parameter) =
            authority.sign_out_endpoint(members.optional("end_session_endpoint")?);
        Ok(Self {
            issuer: issuer.to_owned(),
            authorization_endpoint: authority
                .for_browsers(members.required("authorization_endpoint")?),
            token_endpoint: members.required("token_endpoint")?,
            jwks_uri: members.required("jwks_uri")?,
            userinfo_endpoint: members.optional("userinfo_endpoint")?,
            end_session_endpoint,
            sign_out_return_parameter,
            revocation_endpoint: members.optional("revocation_endpoint")?,
            introspection_endpoint: members.optional("introspection_endpoint")?,
            signs_introspection: members
                .list("introspection_signing_alg_values_supported")
                .is_some_and(|algorithms| !algorithms.is_empty()),
            access_token_issuer: json::text(&object, "access_token_issuer")
                .filter(|issuer| authority.is_adfs() && !issuer.is_empty())
                .map(str::to_owned),
            device_authorization_endpoint: members.optional("device_authorization_endpoint")?,
            id_token_algorithms: members.list("id_token_signing_alg_values_supported"),
            userinfo_algorithms: members.list("userinfo_signing_alg_values_supported"),
            token_endpoint_auth_methods: members.list("token_endpoint_auth_methods_supported"),
            token_endpoint_auth_algorithms: auth_algorithms
                .map(|names| names.iter().filter_map(|name| Algorithm::named(name)).collect()),
            // B2C lists only `openid` and accepts the others, so Microsoft's lists are not used.
            scopes: members.list("scopes_supported").filter(|_| !authority.is_microsoft()),
            offline_by_parameter: authority.is_google(),
            authorization_response_iss: members
                .flag("authorization_response_iss_parameter_supported"),
            has_client_info: authority.is_microsoft(),
            msgraph_host: json::text(&object, "msgraph_host").map(str::to_owned),
            left_out: members.left_out,
        })
    }

    /// The scopes of `scopes` to request: default scopes that the provider does not list are left
    /// out, unless `named` has them.
    ///
    /// OpenID Connect Core section 3.1.2.1 tells providers to ignore unknown scopes; some refuse the
    /// request instead.
    pub(crate) fn offered<'s>(
        &self,
        config: &ValidConfig,
        scopes: impl IntoIterator<Item = &'s str>,
        named: &[String],
    ) -> Vec<&'s str> {
        let is_offered = |scope: &str| {
            self.scopes
                .as_ref()
                .is_none_or(|offered| offered.iter().any(|offered| offered == scope))
                || (self.offline_by_parameter && scope == "offline_access")
                || named.iter().any(|named| named == scope)
        };
        scopes
            .into_iter()
            .filter(|scope| !config.is_default_scope(scope) || is_offered(scope))
            .collect()
    }

    /// The scopes of a sign-in with these options.
    pub(crate) fn scopes_of<'s>(
        &self,
        config: &'s ValidConfig,
        options: &'s SignInOptions,
    ) -> Vec<&'s str> {
        self.offered(config, config.scopes(options), &options.scopes)
    }

    /// The text of an error about an absent optional member: it is missing, or the reason why it
    /// was left out.
    pub(crate) fn missing(&self, member: &'static str) -> String {
        let problem = self
            .left_out
            .iter()
            .find(|left_out| left_out.member == member)
            .map_or("is missing", |left_out| &left_out.problem);
        format!("the discovery document: `{member}` {problem}")
    }

    /// The accepted signature algorithms of ID tokens: those that the provider lists and that are
    /// configured. Without a list, the configured ones or RS256; without a configuration, all that
    /// are listed.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::ProviderMisconfigured`]: none is left.
    pub(crate) fn allowed_algorithms(
        &self,
        configured: Option<&[Algorithm]>,
    ) -> Result<Vec<Algorithm>, Error> {
        allowed(
            configured,
            self.id_token_algorithms.as_deref(),
            "id_token_signing_alg_values_supported",
        )
    }

    /// The accepted signature algorithms of UserInfo responses; those of ID tokens if the document
    /// has no list for UserInfo.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::ProviderMisconfigured`]: none is left.
    pub(crate) fn allowed_user_info_algorithms(
        &self,
        configured: Option<&[Algorithm]>,
    ) -> Result<Vec<Algorithm>, Error> {
        match self.userinfo_algorithms.as_deref() {
            None | Some([]) => self.allowed_algorithms(configured),
            listed => allowed(configured, listed, "userinfo_signing_alg_values_supported"),
        }
    }
}

/// The setting that narrows the algorithms, as messages name it.
pub(super) const ALGORITHMS_SETTING: &str =
    "`with_id_token_algorithms`, IDENTITY_ID_TOKEN_ALGORITHMS";

/// The algorithms that are both listed and configured. [`Algorithm`] has no value for `none` and
/// HMAC algorithms, so neither a document nor a setting can allow them.
fn allowed(
    configured: Option<&[Algorithm]>,
    listed: Option<&[String]>,
    member: &'static str,
) -> Result<Vec<Algorithm>, Error> {
    let Some(listed) = listed.filter(|listed| !listed.is_empty()) else {
        // The default of `id_token_signed_response_alg` is RS256 (OpenID Connect Dynamic Client
        // Registration section 2).
        return Ok(configured.unwrap_or(&[Algorithm::Rs256]).to_vec());
    };
    let mut allowed: Vec<Algorithm> = Vec::new();
    for algorithm in listed.iter().filter_map(|name| Algorithm::named(name)) {
        if configured.is_none_or(|configured| configured.contains(&algorithm))
            && !allowed.contains(&algorithm)
        {
            allowed.push(algorithm);
        }
    }
    if allowed.is_empty() {
        let listed = error_answer::code(&listed.join(", "));
        let problem = match configured {
            Some(configured) => {
                let configured = Algorithm::list(configured);
                format!(
                    "lists {listed}, and none of the configured algorithms ({configured}; \
                     {ALGORITHMS_SETTING})"
                )
            }
            None => format!(
                "lists {listed}, of which none can be verified with a public key: register the \
                 client at the provider for one of {}",
                Algorithm::list(Algorithm::ALL)
            ),
        };
        return Err(wrong(member, &problem));
    }
    Ok(allowed)
}

/// The reader of the members of a document. URLs are checked by the rules of the authority.
pub(super) struct Members<'a> {
    object: &'a Object,
    authority: &'a Authority,
    /// The members that were left out so far.
    pub(super) left_out: Vec<UnusableMember>,
}

impl<'a> Members<'a> {
    pub(super) fn of(object: &'a Object, authority: &'a Authority) -> Self {
        Self { object, authority, left_out: Vec::new() }
    }

    /// An endpoint that every sign-in needs.
    fn required(&self, name: &'static str) -> Result<Url, Error> {
        self.endpoint(name)?.ok_or_else(|| wrong(name, "is missing"))
    }

    /// An endpoint that counts as absent if its URL cannot be used.
    fn optional(&mut self, name: &'static str) -> Result<Option<Url>, Error> {
        match self.address(name) {
            Ok(Some(address)) => match self.authority.check_endpoint(name, &address) {
                Ok(()) => Ok(Some(address)),
                // A host outside the cloud of the authority: the document is not Microsoft's, or not
                // of this cloud.
                Err(error) if self.authority.is_microsoft() => Err(error),
                Err(error) => {
                    self.leave_out(name, format!("is not safe to use ({})", error.detail()));
                    Ok(None)
                }
            },
            Ok(None) => Ok(None),
            Err(problem) => {
                self.leave_out(name, problem.to_owned());
                Ok(None)
            }
        }
    }

    /// The URL of an endpoint, if it is present and the authority allows it.
    pub(super) fn endpoint(&self, name: &'static str) -> Result<Option<Url>, Error> {
        let address = self.address(name).map_err(|problem| wrong(name, problem))?;
        if let Some(address) = &address {
            self.authority.check_endpoint(name, address)?;
        }
        Ok(address)
    }

    /// The URL of an endpoint, whatever its host.
    fn address(&self, name: &'static str) -> Result<Option<Url>, &'static str> {
        let address = match json::present(self.object, name) {
            None => return Ok(None),
            Some(Value::String(address)) if address.is_empty() => return Ok(None),
            Some(Value::String(address)) => {
                Url::parse(address).map_err(|_| "is not an absolute URL")?
            }
            Some(_) => return Err("is not a string"),
        };
        if !address.username().is_empty()
            || address.password().is_some()
            || address.fragment().is_some()
        {
            return Err("has credentials or a fragment");
        }
        Ok(Some(address))
    }

    /// An array of strings; a single string counts as an array.
    pub(super) fn list(&mut self, name: &'static str) -> Option<Vec<String>> {
        let value = json::present(self.object, name)?;
        let texts = json::words(value).map(|texts| texts.into_iter().map(str::to_owned).collect());
        if texts.is_none() {
            self.leave_out(name, "is not an array of strings".to_owned());
        }
        texts
    }

    /// A boolean; `false` if it is absent or of another type.
    fn flag(&mut self, name: &'static str) -> bool {
        let Some(value) = json::present(self.object, name) else { return false };
        json::flag(value).unwrap_or_else(|| {
            self.leave_out(name, "is neither true nor false".to_owned());
            false
        })
    }

    fn leave_out(&mut self, member: &'static str, problem: String) {
        tracing::trace!(
            document = "discovery document",
            member,
            problem,
            "an optional member is ignored: its value cannot be used"
        );
        self.left_out.push(UnusableMember { member, problem });
    }
}

fn wrong(member: &'static str, problem: &str) -> Error {
    Error::new(
        ErrorKind::ProviderMisconfigured,
        format!("the discovery document: `{member}` {problem}"),
    )
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;
    use crate::{
        config::{ClientCredential, IdentityConfig},
        protocol::testing::{authority, config, document, metadata},
    };

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

    /// What nobody named is asked for only where the provider offers it.
    #[test]
    fn default_scopes_are_those_of_the_document() {
        let asked = |config: IdentityConfig, offered: Value| {
            let config = config.build().unwrap();
            let metadata = metadata(|document| document["scopes_supported"] = offered);
            metadata.scopes_of(&config, config.sign_in()).join(" ")
        };
        let all = "openid profile email offline_access";
        for (offered, wanted) in [
            (json!(null), all),
            (json!(["openid", "profile", "email", "offline_access", "phone"]), all),
            (json!(["openid", "email", "profile"]), "openid profile email"),
            (json!(["openid", "offline_access"]), "openid offline_access"),
            (json!([]), "openid"),
        ] {
            assert_eq!(asked(config(), offered.clone()), wanted, "{offered}");
        }
        let few = || json!(["openid"]);
        assert_eq!(
            asked(config().with_scopes(["offline_access", "read"]), few()),
            "openid offline_access read",
            "named"
        );
        assert_eq!(
            asked(config().with_openid_scopes(["openid", "email"]), few()),
            "openid email",
            "named"
        );
        // B2C lists `openid` alone and takes them all.
        let base = "https://login.microsoftonline.com/f645ad92-e38d-4d1a-b510-d1b09a74a8ca";
        let document = json!({
            "issuer": format!("{base}/v2.0"), "authorization_endpoint": format!("{base}/a"), "token_endpoint": format!("{base}/t"),
            "jwks_uri": format!("{base}/k"), "scopes_supported": ["openid"],
        });
        let authority = Authority::parse(base).unwrap();
        let metadata = Metadata::parse(document.to_string().as_bytes(), &authority).unwrap();
        let entra =
            IdentityConfig::new(authority, "client-id").with_credential(ClientCredential::none());
        let entra = entra.with_base_url("https://app.example").unwrap().build().unwrap();
        assert_eq!(
            metadata.scopes_of(&entra, entra.sign_in()),
            ["openid", "profile", "offline_access"]
        );
    }

    /// C-045
    #[test]
    fn endpoints_are_those_of_the_document() {
        let metadata = metadata(|document| {
            for name in
                ["authorization_endpoint", "token_endpoint", "jwks_uri", "userinfo_endpoint"]
            {
                document[name] = json!(format!("https://other.example/{name}-7f3a?x=1"));
            }
        });
        assert_eq!(
            metadata.authorization_endpoint.as_str(),
            "https://other.example/authorization_endpoint-7f3a?x=1"
        );
        assert_eq!(
            metadata.token_endpoint.as_str(),
            "https://other.example/token_endpoint-7f3a?x=1"
        );
        assert_eq!(
            metadata.userinfo_endpoint.unwrap().as_str(),
            "https://other.example/userinfo_endpoint-7f3a?x=1"
        );
    }

    /// C-046
    #[test]
    fn keys_are_where_the_document_says() {
        let metadata =
            metadata(|document| document["jwks_uri"] = json!("https://other.example/certs/42"));
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
            "https://id.example//",
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
        for address in [
            "http://id.example/x",
            "http://localhost/x",
            "ftp://id.example/x",
            "javascript:alert(1)",
            "file:///etc/passwd",
            "/relative",
            "https://user:secret@id.example/x",
            "https://id.example/x#fragment",
        ] {
            for name in ["authorization_endpoint", "token_endpoint", "jwks_uri"] {
                rejects(name, json!(address));
            }
            for name in [
                "userinfo_endpoint",
                "end_session_endpoint",
                "revocation_endpoint",
                "device_authorization_endpoint",
            ] {
                let metadata = metadata(|document| document[name] = json!(address));
                let all = [
                    &metadata.userinfo_endpoint,
                    &metadata.end_session_endpoint,
                    &metadata.revocation_endpoint,
                    &metadata.device_authorization_endpoint,
                ];
                assert!(
                    !all.into_iter()
                        .flatten()
                        .any(|url| url.path() != "/userinfo" && url.path() != "/logout"),
                    "{name} {address}"
                );
                assert_eq!(
                    metadata.left_out.iter().map(|left_out| left_out.member).collect::<Vec<_>>(),
                    [name],
                    "{address}"
                );
                assert!(
                    metadata.missing(name).contains(name)
                        && !metadata.missing(name).contains("is missing"),
                    "{address}"
                );
            }
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
        let parse = |document: Value| {
            Metadata::parse(document.to_string().as_bytes(), &authority)
                .map_err(|error| error.to_string())
        };
        assert!(parse(document()).is_ok());
        for name in [
            "authorization_endpoint",
            "token_endpoint",
            "jwks_uri",
            "device_authorization_endpoint",
            "end_session_endpoint",
        ] {
            for host in [
                "login.microsoftonline.us",
                "evil.example",
                "login.microsoftonline.com.evil.example",
            ] {
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
                for name in [
                    "userinfo_endpoint",
                    "end_session_endpoint",
                    "revocation_endpoint",
                    "device_authorization_endpoint",
                ] {
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
    fn optional_members_of_no_use_are_left_out_and_one_text_is_a_list() {
        let metadata = metadata(|document| {
            document["revocation_endpoint"] = json!(["https://id.example/revoke"]);
            document["id_token_signing_alg_values_supported"] = json!("RS256 ES256");
            document["userinfo_signing_alg_values_supported"] = json!(["RS256", 1, null]);
            document["token_endpoint_auth_methods_supported"] = json!({});
            document["token_endpoint_auth_signing_alg_values_supported"] = json!("RS256");
            document["authorization_response_iss_parameter_supported"] = json!("yes");
        });
        let left_out: Vec<&str> =
            metadata.left_out.iter().map(|left_out| left_out.member).collect();
        assert_eq!(
            left_out,
            [
                "revocation_endpoint",
                "token_endpoint_auth_methods_supported",
                "authorization_response_iss_parameter_supported"
            ]
        );
        assert_eq!(metadata.id_token_algorithms.as_deref().unwrap(), ["RS256", "ES256"]);
        assert_eq!(metadata.userinfo_algorithms.as_deref().unwrap(), ["RS256"]);
        assert_eq!(metadata.token_endpoint_auth_algorithms.as_deref().unwrap(), [Algorithm::Rs256]);
        assert_eq!(
            (metadata.token_endpoint_auth_methods, metadata.authorization_response_iss),
            (None, false)
        );
    }

    #[test]
    fn a_promise_of_the_issuer_as_text_is_a_promise() {
        for (said, promised) in
            [(json!("true"), true), (json!("false"), false), (json!(1), true), (json!(true), true)]
        {
            let metadata = metadata(|document| {
                document["authorization_response_iss_parameter_supported"] = said.clone()
            });
            assert_eq!(
                (metadata.authorization_response_iss, metadata.left_out.len()),
                (promised, 0),
                "{said}"
            );
        }
    }

    #[test]
    fn a_byte_order_mark_in_front_of_the_document_is_left_out() {
        assert!(
            Metadata::parse(format!("\u{feff}{}", document()).as_bytes(), &authority()).is_ok()
        );
    }

    #[test]
    fn what_is_no_document_is_refused() {
        for document in [
            "",
            "null",
            "[]",
            "\"\"",
            "<html>",
            r#"{"issuer":"https://id.example","issuer":"https://id.example"}"#,
        ] {
            let error = Metadata::parse(document.as_bytes(), &authority()).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::ProviderMisconfigured, "{document}");
        }
    }

    /// C-158, C-159
    #[test]
    fn algorithms_are_those_that_the_provider_lists_and_a_setting_narrows_them() {
        use Algorithm::{EdDsa, Es256, Es512, Ps256, Rs256, Rs512};
        let allowed = |configured: Option<&[Algorithm]>, listed: Value| {
            metadata(|document| document["id_token_signing_alg_values_supported"] = listed)
                .allowed_algorithms(configured)
        };
        for nothing in [json!(null), json!([]), json!({}), json!(7)] {
            assert_eq!(
                allowed(None, nothing.clone()).unwrap(),
                [Rs256],
                "nothing is said: RS256 alone"
            );
            assert_eq!(
                allowed(Some(&[Es256]), nothing).unwrap(),
                [Es256],
                "then the setting says it"
            );
        }
        assert_eq!(
            allowed(None, json!(["none", "HS256", "RS256", "ES256", "X"])).unwrap(),
            [Rs256, Es256]
        );
        assert_eq!(
            allowed(None, json!(["ES512", "EdDSA", "Ed25519", "RS512"])).unwrap(),
            [Es512, EdDsa, Rs512]
        );
        assert_eq!(allowed(None, json!("ES256")).unwrap(), [Es256], "one text instead of a list");
        let several = [Es256, EdDsa, Ps256];
        assert_eq!(
            allowed(Some(&several), json!(["Ed25519", "PS256", "RS256"])).unwrap(),
            [EdDsa, Ps256]
        );
        for listed in [json!(["ES256"]), json!(["none"]), json!(["HS256"])] {
            let error = allowed(Some(&[Rs256]), listed.clone()).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::ProviderMisconfigured);
            for part in [
                "RS256",
                listed[0].as_str().unwrap(),
                "with_id_token_algorithms",
                "IDENTITY_ID_TOKEN_ALGORITHMS",
            ] {
                assert!(error.to_string().contains(part), "{error}");
            }
        }
        for listed in
            [json!(["none"]), json!(["HS256", "none"]), json!(["ES256K"]), json!(["rs256"])]
        {
            let error = allowed(None, listed.clone()).unwrap_err();
            assert!(
                error.to_string().contains(listed[0].as_str().unwrap())
                    && error.to_string().contains("RS256"),
                "{error}"
            );
        }
    }

    #[test]
    fn a_signed_user_info_answer_may_have_the_algorithms_of_id_tokens_where_none_are_listed_for_it()
    {
        let allowed = |id_token: Value, user_info: Value| {
            let metadata = metadata(|document| {
                document["id_token_signing_alg_values_supported"] = id_token;
                document["userinfo_signing_alg_values_supported"] = user_info;
            });
            metadata.allowed_user_info_algorithms(None).ok()
        };
        assert_eq!(allowed(json!(["ES256"]), json!(null)), Some(vec![Algorithm::Es256]));
        assert_eq!(allowed(json!(["ES256"]), json!(["EdDSA"])), Some(vec![Algorithm::EdDsa]));
        assert_eq!(allowed(json!(null), json!(null)), Some(vec![Algorithm::Rs256]));
        assert_eq!(allowed(json!(["ES256"]), json!(["none", "HS256"])), None);
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
