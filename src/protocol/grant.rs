//! Authorization grants, and the token requests for them (RFC 6749 section 1.3).

use bytes::Bytes;
use http::Request;
use url::form_urlencoded;

use super::{
    claims,
    client_auth::ClientAuth,
    metadata::Metadata,
    routing::RoutingHint,
    token::{Form, request},
};
use crate::{
    config::{ProviderRequest, is_openid_scope, resource_of_scope},
    error::{Error, ErrorKind},
    secret::Secret,
};

/// An authorization grant: the credential that a token request exchanges for tokens.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Grant<'a> {
    /// An authorization code (RFC 6749 section 4.1.3) with its PKCE verifier (RFC 7636 section
    /// 4.5). The verifier is absent only for a code that was requested elsewhere without PKCE.
    Code { code: &'a Secret, verifier: Option<&'a Secret>, redirect_uri: &'a str },
    /// A refresh token (RFC 6749 section 6).
    RefreshToken(&'a Secret),
    /// The client's own credentials: a token for the application itself (RFC 6749 section 4.4).
    ClientCredentials,
    /// The user's password (RFC 6749 section 4.3).
    Password { username: &'a str, password: &'a Secret },
    /// A device code (RFC 8628 section 3.4).
    DeviceCode(&'a Secret),
    /// An access token with which this API was called, in exchange for one for another API (RFC
    /// 7523 section 2.1, with Entra's parameter `requested_token_use`).
    OnBehalfOf(&'a Secret),
    /// The federated identity credential of an agent, with the parameter that names its user
    /// (Entra's `user_fic`).
    UserFederatedIdentity { credential: &'a Secret, user: (&'static str, &'a str) },
}

/// The parameters of a token or device authorization request that say what the tokens are for.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct TokenParams<'a> {
    /// The scopes, separated by spaces. Empty: the parameter is not sent, and the provider decides.
    pub(crate) scopes: &'a str,
    /// The resource indicator (RFC 8707).
    pub(crate) resource: Option<&'a str>,
    /// The claims (JSON) that the application itself requests.
    pub(crate) client_claims: Option<&'a str>,
    /// The claims challenge (JSON) of an API or of the provider.
    pub(crate) challenge: Option<&'a str>,
    /// Further parameters of the application, form-encoded.
    pub(crate) extra: &'a str,
    /// The user, for the header of Microsoft's endpoints.
    pub(crate) user: Option<&'a RoutingHint>,
}

impl TokenParams<'_> {
    /// Whether no parameter is sent: the provider then issues what was granted before.
    pub(super) fn is_empty(&self) -> bool {
        self.scopes.is_empty()
            && self.resource.is_none()
            && self.client_claims.is_none()
            && self.challenge.is_none()
            && self.extra.is_empty()
    }

    /// The further parameters of the application. Their values may be secrets.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::RequestInvalid`]: a name is one of the protocol's, or invalid; a value has
    /// control characters.
    pub(super) fn extra(&self) -> Result<Vec<(String, Secret)>, Error> {
        let mut extra = Vec::new();
        for (name, value) in form_urlencoded::parse(self.extra.as_bytes()) {
            if let Some(problem) = ProviderRequest::Token.problem_of(&name, &value) {
                return Err(Error::new(ErrorKind::RequestInvalid, problem));
            }
            extra.push((name.into_owned(), value.into_owned().into()));
        }
        Ok(extra)
    }

    /// The path of a federated managed identity, which is one of the further parameters.
    pub(super) fn fmi_path(&self) -> Option<String> {
        let mut extra = form_urlencoded::parse(self.extra.as_bytes());
        extra.find(|(name, _)| name == "fmi_path").map(|(_, path)| path.into_owned())
    }

    /// The `claims` parameter, with the client capabilities merged in.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::RequestInvalid`]: the claims are not a JSON object.
    pub(super) fn claims(&self, capabilities: &[String]) -> Result<Option<String>, Error> {
        claims::merged(capabilities, self.client_claims, self.challenge)
    }
}

/// The token request for a grant, from a client with these capabilities.
///
/// # Errors
///
/// - [`ErrorKind::NoRefreshToken`]: the refresh token is empty.
/// - [`ErrorKind::RequestInvalid`]: the claims are not a JSON object, or a further parameter is one
///   of the protocol's.
/// - Those of [`ClientAuth::authenticate`].
pub(crate) fn grant_request(
    metadata: &Metadata,
    client: ClientAuth<'_>,
    grant: Grant<'_>,
    params: &TokenParams<'_>,
    capabilities: &[String],
) -> Result<Request<Bytes>, Error> {
    let extra = params.extra()?;
    let mut form: Form<'_> = Vec::new();
    let mut put = |name, value: &Secret| form.push((name, value.clone()));
    match grant {
        Grant::Code { code, verifier, redirect_uri } => {
            put("grant_type", &"authorization_code".into());
            put("code", code);
            put("redirect_uri", &redirect_uri.into());
            verifier.into_iter().for_each(|verifier| put("code_verifier", verifier));
        }
        Grant::RefreshToken(token) if token.is_empty() => {
            return Err(Error::new(ErrorKind::NoRefreshToken, "there is no refresh token to send"));
        }
        Grant::RefreshToken(token) => {
            put("grant_type", &"refresh_token".into());
            put("refresh_token", token);
        }
        Grant::ClientCredentials => put("grant_type", &"client_credentials".into()),
        Grant::Password { username, password } => {
            put("grant_type", &"password".into());
            put("username", &username.into());
            put("password", password);
        }
        Grant::DeviceCode(code) => {
            put("grant_type", &"urn:ietf:params:oauth:grant-type:device_code".into());
            put("device_code", code);
        }
        Grant::OnBehalfOf(assertion) => {
            put("grant_type", &"urn:ietf:params:oauth:grant-type:jwt-bearer".into());
            put("assertion", assertion);
            put("requested_token_use", &"on_behalf_of".into());
        }
        Grant::UserFederatedIdentity { credential, user: (parameter, name) } => {
            put("grant_type", &"user_fic".into());
            put("user_federated_identity_credential", credential);
            put(parameter, &name.into());
        }
    }
    let claims = params.claims(capabilities)?;
    let optional = [
        ("scope", Some(params.scopes).filter(|scopes| !scopes.is_empty())),
        ("resource", params.resource),
        ("claims", claims.as_deref()),
    ];
    for (name, value) in optional {
        value.into_iter().for_each(|value| put(name, &value.into()));
    }
    form.extend(extra.iter().map(|(name, value)| (name.as_str(), value.clone())));
    let mut request = request(metadata, client, form)?;
    // Only Microsoft's endpoints know the header.
    if let Some(user) = params.user.filter(|_| metadata.has_client_info) {
        user.add_to(&mut request);
    }
    Ok(request)
}

/// The scopes of the first resource, together with those of OpenID Connect.
///
/// An access token of Microsoft's is for one resource, so a token request may name only one
/// (AADSTS28000), even if the user consented to several.
pub(crate) fn first_resource_scopes<'s>(scopes: &[&'s str]) -> Vec<&'s str> {
    let first = scopes.iter().find(|scope| !is_openid_scope(scope)).map(|s| resource_of_scope(s));
    scopes
        .iter()
        .copied()
        .filter(|scope| is_openid_scope(scope) || Some(resource_of_scope(scope)) == first)
        .collect()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use crate::protocol::{client_auth::Proof, test_support::metadata};

    fn form(grant: Grant<'_>, params: &TokenParams<'_>) -> BTreeMap<String, String> {
        let client = ClientAuth { id: "id", proof: &Proof::Nothing };
        let request = grant_request(&metadata(|_| ()), client, grant, params, &[]).unwrap();
        let pairs: Vec<(String, String)> =
            url::form_urlencoded::parse(request.body()).into_owned().collect();
        let form: BTreeMap<_, _> = pairs.iter().cloned().collect();
        assert_eq!(form.len(), pairs.len(), "nothing is there twice");
        assert_eq!(form["client_id"], "id");
        form
    }

    #[test]
    fn every_grant_is_named_as_its_specification_has_it() {
        let secret = Secret::from("s3cr3t");
        for (grant, name, members) in [
            (
                Grant::Code {
                    code: &secret,
                    verifier: Some(&secret),
                    redirect_uri: "https://app/cb",
                },
                "authorization_code",
                vec!["code", "code_verifier", "redirect_uri"],
            ),
            (
                Grant::Code { code: &secret, verifier: None, redirect_uri: "https://app/cb" },
                "authorization_code",
                vec!["code", "redirect_uri"],
            ),
            (Grant::RefreshToken(&secret), "refresh_token", vec!["refresh_token"]),
            (Grant::ClientCredentials, "client_credentials", vec![]),
            (
                Grant::Password { username: "ada", password: &secret },
                "password",
                vec!["username", "password"],
            ),
            (
                Grant::DeviceCode(&secret),
                "urn:ietf:params:oauth:grant-type:device_code",
                vec!["device_code"],
            ),
            (
                Grant::OnBehalfOf(&secret),
                "urn:ietf:params:oauth:grant-type:jwt-bearer",
                vec!["assertion", "requested_token_use"],
            ),
            (
                Grant::UserFederatedIdentity { credential: &secret, user: ("user_id", "7") },
                "user_fic",
                vec!["user_federated_identity_credential", "user_id"],
            ),
        ] {
            let form = form(grant, &TokenParams::default());
            assert_eq!(form["grant_type"], name);
            let others: Vec<&str> = form
                .keys()
                .map(String::as_str)
                .filter(|name| !matches!(*name, "client_id" | "grant_type"))
                .collect();
            let mut members = members;
            members.sort_unstable();
            assert_eq!(others, members, "and nothing else");
        }
    }

    #[test]
    fn what_is_asked_for_is_said_and_nothing_else() {
        let params = TokenParams {
            scopes: "b a",
            resource: Some("https://api"),
            challenge: Some("{}"),
            ..TokenParams::default()
        };
        let form = form(Grant::ClientCredentials, &params);
        assert_eq!(
            (form["scope"].as_str(), form["resource"].as_str(), form["claims"].as_str()),
            ("b a", "https://api", "{}")
        );
        assert_eq!(form.len(), 5, "{form:?}");
    }

    #[test]
    fn parameters_of_the_protocol_are_refused() {
        let client = ClientAuth { id: "id", proof: &Proof::Nothing };
        let request = |extra: &str| {
            let params = TokenParams { extra, ..TokenParams::default() };
            grant_request(&metadata(|_| ()), client, Grant::ClientCredentials, &params, &[])
        };
        let reserved = ["client_secret", "Client_Secret", "GRANT_TYPE", "Resource", "scope"];
        for name in reserved.into_iter().chain(["", "a b", "\u{e4}", "a\n"]) {
            let extra = form_urlencoded::Serializer::new(String::new())
                .append_pair("audience", "x")
                .append_pair(name, "s3cr3t-value")
                .finish();
            let error = request(&extra).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::RequestInvalid, "{name:?}");
            assert!(!format!("{error:?} {error}").contains("s3cr3t"), "{name:?}");
        }
        assert!(request("audience=a%0Ab").is_err());
        let sent = request("audience=https%3A%2F%2Fapi&fmi_path=a+b").unwrap();
        assert!(sent.body().windows(8).any(|part| part == b"fmi_path"));
    }

    #[test]
    fn it_is_a_form_posted_with_the_clients_proof() {
        let metadata = metadata(|_| ());
        let (code, verifier) = (Secret::from("c+1"), Secret::from("v"));
        let grant =
            Grant::Code { code: &code, verifier: Some(&verifier), redirect_uri: "https://app/cb" };
        let proof = Proof::Secret("s".into(), None);
        let request = grant_request(
            &metadata,
            ClientAuth { id: "id", proof: &proof },
            grant,
            &TokenParams::default(),
            &[],
        )
        .unwrap();
        assert_eq!(
            (request.method().as_str(), request.uri().to_string()),
            ("POST", "https://id.example/token".to_owned())
        );
        assert_eq!(request.headers()["content-type"], "application/x-www-form-urlencoded");
        assert!(request.headers()["authorization"].is_sensitive());
        assert_eq!(
            request.body().as_ref(),
            b"grant_type=authorization_code&code=c%2B1\
              &redirect_uri=https%3A%2F%2Fapp%2Fcb&code_verifier=v"
        );
    }

    // C-055: refresh grant
    #[test]
    fn a_refresh_requests_no_other_scopes_than_given() {
        let token = Secret::from("rt");
        assert!(!form(Grant::RefreshToken(&token), &TokenParams::default()).contains_key("scope"));
        let params = TokenParams { scopes: "openid a", ..TokenParams::default() };
        assert_eq!(form(Grant::RefreshToken(&token), &params)["scope"], "openid a");
    }

    // C-104: any configuration
    /// No sign-in of a web application sends a password. An application that needs the grant has
    /// `client` for it.
    #[test]
    fn only_the_client_sends_passwords_and_only_when_asked_to() {
        let mut folders = vec![std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("src")];
        while let Some(folder) = folders.pop() {
            for entry in std::fs::read_dir(folder).unwrap() {
                let path = entry.unwrap().path();
                if path.is_dir() {
                    folders.push(path);
                } else if std::fs::read_to_string(&path).unwrap().contains("Grant::Password {") {
                    assert!(
                        path.ends_with("client/silent.rs") || path.ends_with("protocol/grant.rs"),
                        "{}",
                        path.display()
                    );
                }
            }
        }
    }

    // C-239: no refresh token in the session
    #[test]
    fn an_empty_refresh_token_is_not_sent() {
        let client = ClientAuth { id: "id", proof: &Proof::Nothing };
        let outcome = grant_request(
            &metadata(|_| ()),
            client,
            Grant::RefreshToken(&Secret::default()),
            &TokenParams::default(),
            &[],
        );
        assert_eq!(outcome.unwrap_err().kind(), ErrorKind::NoRefreshToken);
    }

    /// AADSTS28000
    #[test]
    fn a_code_is_redeemed_for_one_resource() {
        let scopes = [
            "openid",
            "api://tasks/read",
            "User.Read",
            "api://tasks/write",
            "https://b.example/x",
            "offline_access",
        ];
        assert_eq!(
            first_resource_scopes(&scopes),
            ["openid", "api://tasks/read", "api://tasks/write", "offline_access"]
        );
        assert_eq!(
            first_resource_scopes(&["openid", "User.Read", "api://tasks/read", "Mail.Read"]),
            ["openid", "User.Read", "Mail.Read"]
        );
        let graph = ["User.Read", "https://graph.microsoft.com/Mail.Read", "phone"];
        assert_eq!(first_resource_scopes(&graph), graph, "two spellings of one resource");
        let vault = ["https://vault.azure.net//read", "https://vault.azure.net/write"];
        assert_eq!(first_resource_scopes(&vault), vault, "its Application ID URI ends in a slash");
        assert_eq!(first_resource_scopes(&["openid", "profile"]), ["openid", "profile"]);
    }
}
