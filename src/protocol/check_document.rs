//! The part of [`ValidConfig::check`] for the discovery document. It reports all faults, where a
//! sign-in stops at the first one.

use super::{
    check::ConfigUse,
    json::{self, Object},
    metadata::{MemberReader, Metadata},
};
use crate::{
    authority::TokenIssuer,
    config::{Algorithm, Finding, ProviderSession, Severity, SignInMethod, UserInfo, ValidConfig},
    error::ErrorKind,
};

/// Checks the document, and returns its metadata if a sign-in, or the API, would accept it. An API
/// uses issuer and keys of the provider alone: an endpoint that is missing is no finding there, and
/// one with an unsafe URL refuses the document ([`Metadata::parse`]).
pub(super) fn examine(
    document: &[u8],
    config: &ValidConfig,
    purpose: ConfigUse,
    found: &mut Vec<Finding>,
) -> Option<Metadata> {
    let before = found.len();
    let object = object(document, found)?;
    let check = DocumentCheck { object: &object, config };
    check.issuer(found);
    if purpose == ConfigUse::SignIn {
        check.endpoints(found);
        check.offers(found);
    }
    check.metadata(document, purpose, before, found)
}

/// The document as a JSON object.
fn object(document: &[u8], found: &mut Vec<Finding>) -> Option<Object> {
    if json::without_byte_order_mark(document).len() < document.len() {
        let text = "The discovery document begins with a byte order mark, which is ignored.";
        found.push(Finding::note("discovery_byte_order_mark", text));
    }
    match json::document(document) {
        Ok(object) => Some(object),
        Err(refused) => {
            let text = format!(
                "The response is not a discovery document ({}): check the authority.",
                refused.as_str()
            );
            found.push(Finding::problem("discovery_malformed", text));
            None
        }
    }
}

/// The document, and the configuration that it is compared with.
pub(super) struct DocumentCheck<'a> {
    pub(super) object: &'a Object,
    pub(super) config: &'a ValidConfig,
}

impl DocumentCheck<'_> {
    /// Checks that the document belongs to the configured provider, tenant and cloud, and that the
    /// users of that tenant may sign in.
    fn issuer(&self, found: &mut Vec<Finding>) {
        let authority = self.config.authority();
        let mut problem = |code, text: String| found.push(Finding::problem(code, text));
        let Some(issuer) = json::text(self.object, "issuer").filter(|issuer| !issuer.is_empty())
        else {
            return problem("issuer_missing", "The discovery document has no `issuer`.".into());
        };
        if let Err(error) = authority.check_metadata_issuer(issuer) {
            return problem(
                "issuer_mismatch",
                format!("The document is of another provider or tenant: {}.", error.detail()),
            );
        }
        if let Err(error) =
            authority.check_metadata_cloud(json::text(self.object, "cloud_instance_name"))
        {
            return problem(
                "tenant_in_other_cloud",
                format!("The document is of another cloud: {}.", error.detail()),
            );
        }
        let (iss, tid) = authority.example_token_issuer(self.config.tenants(), issuer);
        let token = TokenIssuer { iss: &iss, tid: tid.as_deref() };
        match authority.check_token_issuer(self.config.tenants(), issuer, &token) {
            Err(error) if error.kind() == ErrorKind::TenantNotAllowed => {
                let tenants = self.config.tenants();
                let tenant = tid.unwrap_or(iss);
                problem(
                    "tenant_not_allowed",
                    format!(
                        "The authority is the tenant {tenant}, which is not on the list of \
                         allowed tenants ({tenants}), so no user could sign in (`with_tenants`, \
                         IDENTITY_TENANTS)."
                    ),
                );
            }
            _ => found.push(Finding::passed(
                "issuer_right",
                format!("The provider is the configured one: {issuer}."),
            )),
        }
    }

    /// Checks that the needed endpoints are present, and that their URLs may be used.
    fn endpoints(&self, found: &mut Vec<Finding>) {
        let members = MemberReader::of(self.object, self.config.authority());
        let before = found.len();
        for (name, what) in [
            ("authorization_endpoint", "users cannot be redirected to sign in"),
            ("token_endpoint", "codes cannot be redeemed"),
            ("jwks_uri", "ID tokens cannot be verified"),
            ("userinfo_endpoint", "UserInfo, which is configured, cannot be requested"),
            (
                "end_session_endpoint",
                "sign-out ends the session here and not at the provider \
                 (`with_end_session_endpoint`, IDENTITY_END_SESSION_ENDPOINT, if it has one)",
            ),
            (
                "device_authorization_endpoint",
                "users cannot sign in by device code, which is configured (`with_sign_in_method`)",
            ),
        ] {
            let needed = match name {
                "userinfo_endpoint" => {
                    (self.config.user_info() == UserInfo::AtSignIn).then_some(Severity::Problem)
                }
                "device_authorization_endpoint" => self.by_code().then_some(Severity::Problem),
                "end_session_endpoint" => self.needs_end_session().then_some(Severity::Warning),
                _ => Some(Severity::Problem),
            };
            match (members.endpoint(name), needed) {
                (Ok(Some(_)), _) | (Ok(None), None) => {}
                (Ok(None), Some(severity)) => {
                    found.push(Finding::new(
                        severity,
                        "endpoint_missing",
                        format!("The discovery document has no `{name}`: {what}."),
                    ));
                }
                // An unsafe URL that is never requested does no harm; sign-in ignores it, too.
                (Err(_), None) => {}
                (Err(error), Some(severity)) => {
                    let text =
                        format!("An endpoint cannot be used: {}, so {what}.", error.detail());
                    found.push(Finding::new(severity, "endpoint_refused", text));
                }
            }
        }
        if found.len() == before {
            found.push(Finding::passed(
                "endpoints_complete",
                "Every needed endpoint is present, and its URL belongs to the provider.",
            ));
        }
    }

    /// Whether sign-out at the provider needs an endpoint from the document.
    fn needs_end_session(&self) -> bool {
        self.config.provider_session() == ProviderSession::End
            && self.config.sign_out().endpoint.is_none()
            && self.config.authority().sign_out_endpoint(None).0.is_none()
    }

    /// Whether users sign in by device code.
    pub(super) fn by_code(&self) -> bool {
        self.config.sign_in_method() == SignInMethod::DeviceCode
    }

    /// The metadata, if a sign-in or an API would accept the document.
    fn metadata(
        &self,
        document: &[u8],
        purpose: ConfigUse,
        before: usize,
        found: &mut Vec<Finding>,
    ) -> Option<Metadata> {
        match Metadata::parse(document, self.config.authority()) {
            Ok(metadata) => {
                self.left_out(&metadata, found);
                if purpose == ConfigUse::AccessTokens {
                    return Some(metadata);
                }
                self.algorithms(&metadata, found);
                // The endpoints that are missing were reported above.
                metadata.check_sign_in().is_ok().then_some(metadata)
            }
            // A document that is refused is a problem even if no check above explains it.
            Err(error) => {
                if !found.iter().skip(before).any(|found| found.severity() == Severity::Problem) {
                    let text = format!("The document is refused: {}.", error.detail());
                    found.push(Finding::problem("discovery_refused", text));
                }
                None
            }
        }
    }

    /// Reports the members that a sign-in ignores, except those that were reported before.
    fn left_out(&self, metadata: &Metadata, found: &mut Vec<Finding>) {
        for left_out in &metadata.left_out {
            let name = format!("`{}`", left_out.member);
            if !found.iter().any(|finding| {
                finding.code() == "endpoint_refused" && finding.to_string().contains(&name)
            }) {
                let text = format!(
                    "The discovery document's {name} {}, so it is ignored.",
                    left_out.problem
                );
                found.push(Finding::warning("member_left_out", text));
            }
        }
    }

    /// Checks that the provider signs ID tokens with an accepted algorithm.
    fn algorithms(&self, metadata: &Metadata, found: &mut Vec<Finding>) {
        if let Some(hmac) = self.config.id_token_hmac() {
            let text = format!(
                "ID tokens are verified with the client secret ({hmac}): each party that knows it \
                 can make them. A signing key at the provider is better."
            );
            return found.push(Finding::note("signed_by_secret", text));
        }
        let configured = self.config.id_token_algorithms().as_deref();
        if let Err(error) = metadata.allowed_algorithms(configured) {
            let text = format!("No accepted signature algorithm for ID tokens: {error}.");
            return found.push(Finding::problem("algorithm_not_offered", text));
        }
        // The setting counts, because documents are wrong about this.
        let listed = metadata.allowed_algorithms(None).unwrap_or_default();
        if let Some(configured) = configured
            && configured.iter().all(|algorithm| !listed.contains(algorithm))
        {
            let text = format!(
                "The discovery document lists {} as signature algorithms of ID tokens, and the \
                 configuration accepts {} alone (IDENTITY_ID_TOKEN_ALGORITHMS).",
                Algorithm::list(&listed),
                Algorithm::list(configured)
            );
            found.push(Finding::warning("algorithm_not_listed", text));
        }
    }

    pub(super) fn list(&self, name: &'static str) -> Option<Vec<String>> {
        MemberReader::of(self.object, self.config.authority()).list(name)
    }

    /// Whether the document has this list and the list does not have the value. An empty list
    /// counts as absent.
    pub(super) fn lacks(&self, list: &'static str, value: &str) -> bool {
        let values = self.list(list).filter(|values| !values.is_empty());
        values.is_some_and(|values| !values.iter().any(|offered| offered == value))
    }
}
