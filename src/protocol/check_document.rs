//! The part of [`ValidConfig::check`] for the discovery document. It reports all faults, where a
//! sign-in stops at the first one.

use super::{
    check::ConfigUse,
    json::{self, Object},
    metadata::{MemberReader, Metadata},
};
use crate::{
    authority::TokenIssuer,
    config::{
        Algorithm, ClientAuthMethod, Finding, ProviderSession, ResponseMode, Severity,
        SignInMethod, SignInNonce, UserInfo, ValidConfig, is_openid_scope,
    },
    error::ErrorKind,
};

/// Checks the document, and returns its metadata if a sign-in would accept it. An API needs issuer
/// and keys of the provider alone.
pub(super) fn examine(
    document: &[u8],
    config: &ValidConfig,
    purpose: ConfigUse,
    found: &mut Vec<Finding>,
) -> Option<Metadata> {
    let before = found.len();
    let object = object(document, found)?;
    let look = Look { object: &object, config };
    look.issuer(found);
    if purpose == ConfigUse::SignIn {
        look.endpoints(found);
        look.offers(found);
    }
    look.metadata(document, before, found)
}

/// The document as a JSON object.
fn object(document: &[u8], found: &mut Vec<Finding>) -> Option<Object> {
    if json::without_byte_order_mark(document).len() < document.len() {
        let text = "The discovery document begins with a byte order mark, which is ignored.";
        found.push(Finding::new(Severity::Note, "discovery_byte_order_mark", text));
    }
    match json::document(document) {
        Ok(object) => Some(object),
        Err(refused) => {
            let text = format!(
                "The response is not a discovery document ({}): check the authority.",
                refused.as_str()
            );
            found.push(Finding::new(Severity::Problem, "discovery_malformed", text));
            None
        }
    }
}

/// The document, and the configuration that it is compared with.
struct Look<'a> {
    object: &'a Object,
    config: &'a ValidConfig,
}

impl Look<'_> {
    /// Checks that the document belongs to the configured provider, tenant and cloud, and that the
    /// users of that tenant may sign in.
    fn issuer(&self, found: &mut Vec<Finding>) {
        let authority = self.config.authority();
        let mut problem =
            |code, text: String| found.push(Finding::new(Severity::Problem, code, text));
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
            _ => found.push(Finding::new(
                Severity::Passed,
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
            ("revocation_endpoint", ""),
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
                _ => (!what.is_empty()).then_some(Severity::Problem),
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
            found.push(Finding::new(
                Severity::Passed,
                "endpoints_complete",
                "Every needed endpoint is present, and its URL belongs to the provider.",
            ));
        }
    }

    /// Compares what the provider supports with the configuration. A missing list means nothing:
    /// most lists are optional (OpenID Connect Discovery section 3).
    fn offers(&self, found: &mut Vec<Finding>) {
        let before = found.len();
        let config = self.config;
        let mut add = |severity, code, text: String| found.push(Finding::new(severity, code, text));
        if self.by_code() {
            if self.lacks("grant_types_supported", "urn:ietf:params:oauth:grant-type:device_code") {
                let text = "The provider does not list the device code grant, which is configured.";
                add(Severity::Warning, "device_code_not_offered", text.into());
            }
        } else {
            self.code_flow(&mut add);
        }
        let asked = config.scopes(config.sign_in());
        for scope in &asked {
            self.scope(scope, &mut add);
        }
        if asked.contains(&"offline_access") && self.lacks("grant_types_supported", "refresh_token")
        {
            add(
                Severity::Warning,
                "refresh_not_offered",
                "The provider issues no refresh tokens: sessions cannot be renewed.".into(),
            );
        }
        for acr in
            config.required_acr().iter().filter(|acr| self.lacks("acr_values_supported", acr))
        {
            add(
                Severity::Warning,
                "acr_not_offered",
                format!(
                    "The provider does not list the authentication context {acr:?}, which is \
                     required."
                ),
            );
        }
        self.authentication(&mut add);
        if found.len() == before {
            found.push(Finding::new(
                Severity::Passed,
                "offers_what_is_configured",
                "The provider supports what is configured.",
            ));
        }
    }

    /// Compares a requested scope of OpenID Connect with the list of the document.
    fn scope(&self, scope: &str, add: &mut impl FnMut(Severity, &'static str, String)) {
        let config = self.config;
        if !is_openid_scope(scope) || !self.lacks("scopes_supported", scope) {
            return;
        }
        if config.is_default_scope(scope) && !config.authority().is_microsoft() {
            let without = match scope {
                // Google has the parameter `access_type=offline` instead.
                "offline_access" if config.authority().is_google() => return,
                "offline_access" => "sessions may not be renewed",
                "email" => "`User::email` may be empty",
                _ => "names may be missing",
            };
            let text = format!(
                "The provider does not list the scope {scope:?}, so it is not requested and \
                 {without}: configure it if the provider accepts it anyway \
                 (`with_openid_scopes`, IDENTITY_OPENID_SCOPES)."
            );
            return add(Severity::Note, "scope_not_sent", text);
        }
        let effect = match scope {
            "offline_access" => ": sessions may not be renewed, or the sign-in refused",
            _ => "",
        };
        let text = format!(
            "The provider does not list the scope {scope:?}{effect}; remove it if the provider \
             refuses it."
        );
        add(Severity::Warning, "scope_not_offered", text);
    }

    /// Checks the support for the authorization code flow with PKCE.
    fn code_flow(&self, add: &mut impl FnMut(Severity, &'static str, String)) {
        let config = self.config;
        // Warnings, because a sign-in does not look at these lists, and documents are wrong here.
        if self.lacks("response_types_supported", "code") {
            add(
                Severity::Warning,
                "code_flow_not_offered",
                "The provider does not announce the authorization code flow, which sign-in uses."
                    .into(),
            );
        }
        if self.lacks("grant_types_supported", "authorization_code") {
            add(
                Severity::Warning,
                "code_flow_not_offered",
                "The provider does not announce that it redeems authorization codes.".into(),
            );
        }
        let mode = config.response_mode();
        if self.lacks("response_modes_supported", mode.as_str()) {
            let other = if mode == ResponseMode::Query {
                ResponseMode::FormPost
            } else {
                ResponseMode::Query
            };
            // A warning, because lists are wrong here: Slack lists `form_post` and answers by
            // query.
            add(
                Severity::Warning,
                "response_mode_not_offered",
                format!(
                    "The provider does not announce the response mode {mode}: if sign-ins fail, \
                     configure {other} (`with_response_mode`, IDENTITY_RESPONSE_MODE={other})."
                ),
            );
        }
        self.request_kinds(add);
        self.pkce(add);
    }

    /// Checks that the provider supports PKCE, and announces it if nothing else protects the code.
    fn pkce(&self, add: &mut impl FnMut(Severity, &'static str, String)) {
        let config = self.config;
        let is_alone = config.nonce() == SignInNonce::Omit;
        // Microsoft's documents have no such list although its providers support PKCE.
        match self.list("code_challenge_methods_supported") {
            Some(methods) if !methods.iter().any(|method| method == "S256") && is_alone => {
                let text = "The provider does not announce PKCE with S256, which has to protect \
                            sign-ins alone because the nonce is omitted: users cannot sign in.";
                add(Severity::Problem, "pkce_not_offered", text.into());
            }
            Some(methods) if !methods.iter().any(|method| method == "S256") => {
                let text = "The provider does not announce PKCE with S256, which every sign-in \
                            uses: the provider may refuse it.";
                add(Severity::Warning, "pkce_not_offered", text.into());
            }
            None if is_alone => {
                let text = "The provider does not announce PKCE with S256, which has to protect \
                            sign-ins alone because the nonce is omitted: users cannot sign in. \
                            Send the nonce (`with_nonce`, IDENTITY_NONCE=send), or have the \
                            provider announce PKCE.";
                add(Severity::Problem, "pkce_not_announced", text.into());
            }
            Some(_) if is_alone => {
                let text = "The nonce is omitted (`with_nonce`, IDENTITY_NONCE=omit): PKCE alone \
                            protects sign-ins, so make sure that the provider enforces it.";
                add(Severity::Note, "nonce_omitted", text.into());
            }
            None if !config.authority().is_microsoft() => {
                add(
                    Severity::Note,
                    "pkce_not_announced",
                    "The provider does not announce PKCE; it is used anyway.".into(),
                );
            }
            _ => {}
        }
    }

    /// Whether the provider accepts authorization requests in the form in which this crate sends
    /// them: as query parameters.
    fn request_kinds(&self, add: &mut impl FnMut(Severity, &'static str, String)) {
        for (member, form) in [
            ("require_pushed_authorization_requests", "pushed (RFC 9126)"),
            ("require_signed_request_object", "as signed request objects (RFC 9101)"),
        ] {
            if self.object.get(member).and_then(json::flag) == Some(true) {
                add(
                    Severity::Problem,
                    "request_kind_not_supported",
                    format!(
                        "The provider accepts authorization requests only {form} (`{member}`), \
                         which this crate does not support: configure the provider to accept \
                         plain requests from this client."
                    ),
                );
            }
        }
    }

    /// Whether sign-out at the provider needs an endpoint from the document.
    fn needs_end_session(&self) -> bool {
        self.config.provider_session() == ProviderSession::End
            && self.config.sign_out().endpoint.is_none()
            && self.config.authority().sign_out_endpoint(None).0.is_none()
    }

    /// Whether users sign in by device code.
    fn by_code(&self) -> bool {
        self.config.sign_in_method() == SignInMethod::DeviceCode
    }

    /// Checks that the provider supports a method for the configured client secret.
    fn authentication(&self, add: &mut impl FnMut(Severity, &'static str, String)) {
        const LIST: &str = "token_endpoint_auth_methods_supported";
        let (Some(offered), Some(_)) = (self.list(LIST), self.config.credential().client_secret())
        else {
            return;
        };
        let takes =
            |method: ClientAuthMethod| offered.iter().any(|offered| offered == method.as_str());
        match self.config.credential().method() {
            Some(method) if !takes(method) => {
                add(
                    Severity::Warning,
                    "auth_method_not_offered",
                    format!(
                        "The provider does not list {}, the configured method for the client \
                         secret (IDENTITY_CLIENT_AUTH_METHOD); it lists {}.",
                        method.as_str(),
                        offered.join(", ")
                    ),
                );
            }
            None if !takes(ClientAuthMethod::Basic) && !takes(ClientAuthMethod::Post) => {
                add(
                    Severity::Warning,
                    "auth_method_not_offered",
                    format!(
                        "The provider lists no method for a client secret, but {}; the secret is \
                         sent by client_secret_basic. If it is refused, configure a credential \
                         that the provider takes (`with_credential`: a key by \
                         IDENTITY_CLIENT_CERTIFICATE_FILE), or the method \
                         (`ClientCredential::with_method`, IDENTITY_CLIENT_AUTH_METHOD).",
                        offered.join(", ")
                    ),
                );
            }
            _ => {}
        }
    }

    /// The metadata, if a sign-in or an API would accept the document.
    fn metadata(
        &self,
        document: &[u8],
        before: usize,
        found: &mut Vec<Finding>,
    ) -> Option<Metadata> {
        match Metadata::parse(document, self.config.authority()) {
            Ok(metadata) => {
                self.left_out(&metadata, found);
                self.algorithms(&metadata, found);
                Some(metadata)
            }
            // A document that is refused is a problem even if no check above explains it.
            Err(error) => {
                if !found.iter().skip(before).any(|found| found.severity() == Severity::Problem) {
                    let text = format!("The document is refused: {}.", error.detail());
                    found.push(Finding::new(Severity::Problem, "discovery_refused", text));
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
                found.push(Finding::new(Severity::Warning, "member_left_out", text));
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
            return found.push(Finding::new(Severity::Note, "signed_by_secret", text));
        }
        let configured = self.config.id_token_algorithms().as_deref();
        if let Err(error) = metadata.allowed_algorithms(configured) {
            let text = format!("No accepted signature algorithm for ID tokens: {error}.");
            return found.push(Finding::new(Severity::Problem, "algorithm_not_offered", text));
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
            found.push(Finding::new(Severity::Warning, "algorithm_not_listed", text));
        }
    }

    fn list(&self, name: &'static str) -> Option<Vec<String>> {
        MemberReader::of(self.object, self.config.authority()).list(name)
    }

    /// Whether the document has this list and the list does not have the value. An empty list
    /// counts as absent.
    fn lacks(&self, list: &'static str, value: &str) -> bool {
        let values = self.list(list).filter(|values| !values.is_empty());
        values.is_some_and(|values| !values.iter().any(|offered| offered == value))
    }
}
