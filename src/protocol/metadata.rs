//! The provider's metadata: the discovery document, parsed and checked (OpenID Connect Discovery
//! sections 3 and 4, RFC 8414, RFC 9207 section 3).
//!
//! - `issuer` must be the issuer of the configured authority (Discovery section 4.3).
//! - A URL is used only if the authority allows it: https, except on loopback or if http was
//!   explicitly allowed. An endpoint of a sign-in with an unsafe URL refuses the document. An
//!   optional one counts as absent: a wrong `introspection_endpoint` must not prevent sign-in.
//! - A missing endpoint refuses what needs it, and not the document: an API that only verifies
//!   access tokens needs the key set alone, and an application by itself no authorization endpoint.
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
    config::{Algorithm, HmacAlgorithm, SignInOptions, ValidConfig},
    error::{Error, ErrorKind},
};

/// The members of a checked discovery document that this crate uses.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Metadata {
    pub(crate) issuer: String,
    /// Whether it was found as the metadata of an authorization server (RFC 8414).
    pub(super) is_oauth: bool,
    authorization_endpoint: Option<Url>,
    token_endpoint: Option<Url>,
    jwks_uri: Option<Url>,
    pub(crate) userinfo_endpoint: Option<Url>,
    pub(crate) end_session_endpoint: Option<Url>,
    /// The name of the return parameter of the end session endpoint, if it is not
    /// `post_logout_redirect_uri`.
    pub(crate) sign_out_return_parameter: Option<&'static str>,
    /// Whether `id_token_hint` is left out of sign-out requests.
    pub(super) refuses_id_token_hint: bool,
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
    /// Whether `code_challenge_methods_supported` has `S256` (RFC 8414 section 2).
    pub(crate) announces_pkce: bool,
    /// Whether clients get an id without an administrator: by dynamic registration (RFC 7591), or
    /// as the URL of a document about them (OAuth Client ID Metadata Document).
    pub(crate) registers_clients: bool,
    /// `scopes_supported`; `None` if absent.
    pub(crate) scopes: Option<Vec<String>>,
    /// Whether `grant_types_supported` is there and has no `refresh_token`.
    pub(crate) lists_no_refresh: bool,
    /// `ui_locales_supported`; `None` if absent.
    pub(crate) ui_locales: Option<Vec<String>>,
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
        let mut members = MemberReader::of(&object, authority);
        let issuer = json::text(&object, "issuer")
            .ok_or_else(|| wrong("issuer", "is missing or not a string"))?;
        // Discovery section 4.3. Otherwise a document could stand for another provider, whose
        // tokens it would let through with its own keys (RFC 9700 section 4.4).
        authority.check_metadata_issuer(issuer)?;
        authority.check_metadata_cloud(json::text(&object, "cloud_instance_name"))?;
        let auth_algorithms = members.list("token_endpoint_auth_signing_alg_values_supported");
        let (end_session_endpoint, sign_out_return_parameter) =
            authority.sign_out_endpoint(members.optional("end_session_endpoint")?);
        Ok(Self {
            issuer: issuer.to_owned(),
            is_oauth: false,
            authorization_endpoint: members
                .endpoint("authorization_endpoint")?
                .map(|endpoint| authority.for_browsers(endpoint)),
            token_endpoint: members.endpoint("token_endpoint")?,
            jwks_uri: members.endpoint("jwks_uri")?,
            userinfo_endpoint: members.optional("userinfo_endpoint")?,
            end_session_endpoint,
            sign_out_return_parameter,
            refuses_id_token_hint: authority.refuses_id_token_hint(),
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
            announces_pkce: members
                .list("code_challenge_methods_supported")
                .is_some_and(|methods| methods.iter().any(|method| method == "S256")),
            registers_clients: json::text(&object, "registration_endpoint").is_some()
                || members.flag("client_id_metadata_document_supported"),
            // B2C lists only `openid` and accepts the others, so Microsoft's lists are not used.
            scopes: members.list("scopes_supported").filter(|_| !authority.is_microsoft()),
            // At Microsoft's providers this list says as little as that of the scopes.
            lists_no_refresh: members.list("grant_types_supported").is_some_and(|grants| {
                !grants.is_empty() && !grants.iter().any(|grant| grant == "refresh_token")
            }) && !authority.is_microsoft(),
            ui_locales: members.list("ui_locales_supported"),
            offline_by_parameter: authority.is_google(),
            authorization_response_iss: members
                .flag("authorization_response_iss_parameter_supported"),
            has_client_info: authority.is_microsoft(),
            msgraph_host: json::text(&object, "msgraph_host").map(str::to_owned),
            left_out: members.left_out,
        })
    }

    /// The authorization endpoint, which grants without a browser do without (RFC 8414 section 2).
    ///
    /// # Errors
    ///
    /// [`ErrorKind::ProviderMisconfigured`]: the document has none.
    pub(crate) fn authorization_endpoint(&self) -> Result<&Url, Error> {
        needed("authorization_endpoint", self.authorization_endpoint.as_ref())
    }

    /// The token endpoint, which an API that only verifies access tokens does without.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::ProviderMisconfigured`]: the document has none.
    pub(crate) fn token_endpoint(&self) -> Result<&Url, Error> {
        needed("token_endpoint", self.token_endpoint.as_ref())
    }

    /// The URL of the key set, which opaque tokens do without.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::ProviderMisconfigured`]: the document has none.
    pub(crate) fn jwks_uri(&self) -> Result<&Url, Error> {
        needed("jwks_uri", self.jwks_uri.as_ref())
    }

    /// The error about the first endpoint of a sign-in that is missing.
    pub(crate) fn check_sign_in(&self) -> Result<(), Error> {
        self.authorization_endpoint().and(self.token_endpoint()).and(self.jwks_uri()).map(drop)
    }

    /// The error about an endpoint of a sign-in that `self` has and a newer document has not.
    pub(crate) fn check_successor(&self, newer: &Self) -> Result<(), Error> {
        for (had, endpoint) in [
            (&self.authorization_endpoint, newer.authorization_endpoint()),
            (&self.token_endpoint, newer.token_endpoint()),
            (&self.jwks_uri, newer.jwks_uri()),
        ] {
            if had.is_some() {
                endpoint?;
            }
        }
        Ok(())
    }

    /// The scopes of `scopes` to request: default scopes that the provider does not list are left
    /// out, unless `named` has them.
    ///
    /// OpenID Connect Core section 3.1.2.1 tells providers to ignore unknown scopes; some refuse
    /// the request instead. Without `scopes_supported` the grants say whether `offline_access` is
    /// known, if they are listed: their default (Discovery section 3) has no `refresh_token`, and
    /// many providers that issue refresh tokens leave the list out. Where both lists are there and
    /// disagree, the list of scopes is the right one (Casdoor, Better Auth).
    pub(crate) fn offered<'s>(
        &self,
        config: &ValidConfig,
        scopes: impl IntoIterator<Item = &'s str>,
        named: &[String],
    ) -> Vec<&'s str> {
        let is_offered = |scope: &str| {
            let is_listed = match &self.scopes {
                Some(listed) => listed.iter().any(|listed| listed == scope),
                None => scope != "offline_access" || !self.lists_no_refresh,
            };
            is_listed
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

    /// The accepted signature algorithms of ID tokens: the configured ones, otherwise those that
    /// the provider lists, and RS256 if it lists none.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::ProviderMisconfigured`]: none of those that are listed can be verified.
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
    /// [`ErrorKind::ProviderMisconfigured`]: none of those that are listed can be verified.
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

/// The remedy for ID tokens that are signed with the client secret.
pub(super) const SIGNED_BY_SECRET: &str = "have the provider sign ID tokens with a private key \
     (authentik: *Signing Key* of the provider; FusionAuth: the key of the application's ID token; \
     elsewhere `id_token_signed_response_alg` of the client), or accept the client secret as the \
     key (`with_id_token_hmac`, IDENTITY_ID_TOKEN_ALGORITHMS=HS256)";

/// The remedy for a document that lists no algorithm with a public key.
const NOT_VERIFIABLE: &str = "change that in the registration of the client at the provider; if \
     the document is wrong, name the algorithm that the provider signs with \
     (`with_id_token_algorithms`, IDENTITY_ID_TOKEN_ALGORITHMS)";

/// The origin of the accepted algorithms, as messages name it.
pub(super) const ALGORITHMS_ORIGIN: &str = "those of `with_id_token_algorithms`, \
     IDENTITY_ID_TOKEN_ALGORITHMS, otherwise those that the provider's document lists";

/// The configured algorithms, otherwise those that are listed. [`Algorithm`] has no value for
/// `none` and HMAC algorithms, so no document can allow them.
fn allowed(
    configured: Option<&[Algorithm]>,
    listed: Option<&[String]>,
    member: &'static str,
) -> Result<Vec<Algorithm>, Error> {
    if let Some(configured) = configured {
        return Ok(configured.to_vec());
    }
    let Some(listed) = listed.filter(|listed| !listed.is_empty()) else {
        // The default of `id_token_signed_response_alg` is RS256 (OpenID Connect Dynamic Client
        // Registration section 2).
        return Ok(vec![Algorithm::Rs256]);
    };
    let mut allowed: Vec<Algorithm> = Vec::new();
    for algorithm in listed.iter().filter_map(|name| Algorithm::named(name)) {
        if !allowed.contains(&algorithm) {
            allowed.push(algorithm);
        }
    }
    if allowed.is_empty() {
        let problem = format!(
            "lists {}, of which none can be verified with a public key: register the client at \
             the provider for one of {}",
            error_answer::code(&listed.join(", ")),
            Algorithm::list(Algorithm::ALL)
        );
        let is_hmac = listed.iter().any(|name| HmacAlgorithm::named(name).is_some());
        let remedy = if is_hmac { SIGNED_BY_SECRET } else { NOT_VERIFIABLE };
        return Err(wrong(member, &problem).with_remedy(remedy));
    }
    Ok(allowed)
}

/// The reader of the members of a document. URLs are checked by the rules of the authority.
pub(super) struct MemberReader<'a> {
    object: &'a Object,
    authority: &'a Authority,
    /// The members that were left out so far.
    pub(super) left_out: Vec<UnusableMember>,
}

impl<'a> MemberReader<'a> {
    pub(super) fn of(object: &'a Object, authority: &'a Authority) -> Self {
        Self { object, authority, left_out: Vec::new() }
    }

    /// An endpoint that counts as absent if its URL cannot be used.
    fn optional(&mut self, name: &'static str) -> Result<Option<Url>, Error> {
        match self.address(name) {
            Ok(Some(address)) => match self.authority.check_endpoint(name, &address) {
                Ok(()) => Ok(Some(address)),
                // A host outside the cloud of the authority: the document is not Microsoft's, or
                // not of this cloud.
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

fn needed<'m>(name: &'static str, endpoint: Option<&'m Url>) -> Result<&'m Url, Error> {
    endpoint.ok_or_else(|| wrong(name, "is missing"))
}

fn wrong(member: &'static str, problem: &str) -> Error {
    Error::new(
        ErrorKind::ProviderMisconfigured,
        format!("the discovery document: `{member}` {problem}"),
    )
}

#[cfg(test)]
#[path = "metadata_tests.rs"]
mod tests;
