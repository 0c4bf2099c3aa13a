//! What a [check](super::check) says about the discovery document: everything at once, where a
//! sign-in stops at the first fault.

use super::{
    json::{self, Object},
    metadata::{Members, Metadata},
};
use crate::{
    authority::TokenIssuer,
    config::{
        ClientAuthMethod, Finding, ProviderSession, ResponseMode, Severity, SignInMethod, UserInfo,
        ValidConfig,
    },
    error::ErrorKind,
};

/// Judges the document; its metadata, if a sign-in would take it.
pub(super) fn examine(
    document: &[u8],
    config: &ValidConfig,
    found: &mut Vec<Finding>,
) -> Option<Metadata> {
    let before = found.len();
    if json::without_byte_order_mark(document).len() < document.len() {
        let text = "A byte order mark stands in front of the discovery document; it is left out.";
        found.push(Finding::new(Severity::Note, "discovery_byte_order_mark", text));
    }
    let object = match json::document(document) {
        Ok(object) => object,
        Err(refused) => {
            let text = format!(
                "What the provider answers is no discovery document ({}): check the authority.",
                refused.as_str()
            );
            found.push(Finding::new(Severity::Problem, "discovery_malformed", text));
            return None;
        }
    };
    let look = Look { object: &object, config };
    look.issuer(found);
    look.endpoints(found);
    look.offers(found);
    match Metadata::parse(document, config.authority()) {
        Ok(metadata) => {
            look.left_out(&metadata, found);
            look.algorithms(&metadata, found);
            Some(metadata)
        }
        // Whatever was looked at above: what a sign-in refuses is never in order.
        Err(error) => {
            if !found.iter().skip(before).any(|finding| finding.severity() == Severity::Problem) {
                found.push(Finding::new(
                    Severity::Problem,
                    "discovery_refused",
                    format!("A sign-in refuses {}.", error.detail()),
                ));
            }
            None
        }
    }
}

struct Look<'a> {
    object: &'a Object,
    config: &'a ValidConfig,
}

impl Look<'_> {
    /// Whether it is the provider that is meant, and one whose people may sign in.
    fn issuer(&self, found: &mut Vec<Finding>) {
        let authority = self.config.authority();
        let mut problem =
            |code, text: String| found.push(Finding::new(Severity::Problem, code, text));
        let Some(issuer) = json::text(self.object, "issuer").filter(|issuer| !issuer.is_empty())
        else {
            return problem(
                "issuer_missing",
                "The discovery document does not say whose it is: `issuer` is missing.".into(),
            );
        };
        if let Err(error) = authority.check_metadata_issuer(issuer) {
            return problem(
                "issuer_mismatch",
                format!("It is another provider or tenant: {}.", error.detail()),
            );
        }
        if let Err(error) =
            authority.check_metadata_cloud(json::text(self.object, "cloud_instance_name"))
        {
            return problem(
                "tenant_in_other_cloud",
                format!("It is another cloud: {}.", error.detail()),
            );
        }
        let (iss, tid) = authority.promised_issuer(self.config.tenants(), issuer);
        let token = TokenIssuer { iss: &iss, tid: tid.as_deref() };
        match authority.check_token_issuer(self.config.tenants(), issuer, &token) {
            Err(error) if error.kind() == ErrorKind::TenantNotAllowed => {
                let tenants = self.config.tenants();
                let tenant = tid.unwrap_or(iss);
                problem(
                    "tenant_not_allowed",
                    format!(
                        "The authority is the tenant {tenant}, which is not on the list of tenants ({tenants}): nobody could sign in (`with_tenants`, IDENTITY_TENANTS)."
                    ),
                );
            }
            _ => found.push(Finding::new(
                Severity::Passed,
                "issuer_right",
                format!("The provider is the one that is meant: {issuer}."),
            )),
        }
    }

    /// Whether the endpoints that are needed are there, and where they may be.
    fn endpoints(&self, found: &mut Vec<Finding>) {
        let members = Members::of(self.object, self.config.authority());
        let before = found.len();
        for (name, what) in [
            ("authorization_endpoint", "people cannot be sent to sign in"),
            ("token_endpoint", "nobody can be signed in"),
            ("jwks_uri", "ID tokens cannot be verified"),
            ("userinfo_endpoint", "UserInfo cannot be asked, which is configured"),
            (
                "end_session_endpoint",
                "sign-out ends the session here and not at the provider (`with_end_session_endpoint`, IDENTITY_END_SESSION_ENDPOINT, if it has one)",
            ),
            ("revocation_endpoint", ""),
            (
                "device_authorization_endpoint",
                "nobody can sign in by device code, which is configured (`with_sign_in_method`)",
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
                        format!("The provider names no `{name}`: {what}."),
                    ));
                }
                // What nobody needs is as if it were not there.
                (Err(_), None) => {}
                (Err(error), Some(severity)) => {
                    let text = format!("An address cannot be used: {}, so {what}.", error.detail());
                    found.push(Finding::new(severity, "endpoint_refused", text));
                }
            }
        }
        if found.len() == before {
            found.push(Finding::new(
                Severity::Passed,
                "endpoints_complete",
                "Every address that is needed is there and belongs to the provider.",
            ));
        }
    }

    /// Whether the provider offers what is configured. A list that is missing says nothing.
    fn offers(&self, found: &mut Vec<Finding>) {
        let before = found.len();
        let config = self.config;
        let mut add = |severity, code, text: String| found.push(Finding::new(severity, code, text));
        if self.by_code() {
            if self.lacks("grant_types_supported", "urn:ietf:params:oauth:grant-type:device_code") {
                let text = "The provider does not list the device code grant, by which people sign in here.";
                add(Severity::Warning, "device_code_not_offered", text.into());
            }
        } else {
            self.code_flow(&mut add);
        }
        let asked = config.scopes(config.sign_in());
        let standard = ["openid", "profile", "email", "address", "phone", "offline_access"];
        for scope in asked
            .iter()
            .filter(|scope| standard.contains(scope) && self.lacks("scopes_supported", scope))
        {
            let effect = if *scope == "offline_access" {
                ": sessions may not be renewed, or the sign-in refused"
            } else {
                ""
            };
            if config.is_default_scope(scope) && !config.authority().is_microsoft() {
                let without = match *scope {
                    // By `access_type=offline`.
                    "offline_access" if config.authority().is_google() => continue,
                    "offline_access" => "sessions may not be renewed",
                    "email" => "`User::email` may be empty",
                    _ => "names may be missing",
                };
                let text = format!(
                    "The provider does not list the scope {scope:?}, so it is not asked for and {without}: name it if the provider \
                     takes it all the same (`with_openid_scopes`, IDENTITY_OPENID_SCOPES)."
                );
                add(Severity::Note, "scope_not_sent", text);
                continue;
            }
            add(
                Severity::Warning,
                "scope_not_offered",
                format!(
                    "The provider does not list the scope {scope:?}{effect}; leave it out if it is refused."
                ),
            );
        }
        if asked.contains(&"offline_access") && self.lacks("grant_types_supported", "refresh_token")
        {
            add(
                Severity::Warning,
                "refresh_not_offered",
                "The provider gives no refresh tokens: sessions cannot be renewed.".into(),
            );
        }
        for acr in
            config.required_acr().iter().filter(|acr| self.lacks("acr_values_supported", acr))
        {
            add(
                Severity::Warning,
                "acr_not_offered",
                format!(
                    "The provider does not list the authentication context {acr:?}, which is required."
                ),
            );
        }
        self.authentication(&mut add);
        if found.len() == before {
            found.push(Finding::new(
                Severity::Passed,
                "offers_what_is_configured",
                "The provider offers what is configured.",
            ));
        }
    }

    /// Whether people can be redirected to the provider and back.
    fn code_flow(&self, add: &mut impl FnMut(Severity, &'static str, String)) {
        let config = self.config;
        if self.lacks("response_types_supported", "code") {
            add(
                Severity::Problem,
                "code_flow_not_offered",
                "The provider does not offer the authorization code flow.".into(),
            );
        }
        if self.lacks("grant_types_supported", "authorization_code") {
            add(
                Severity::Problem,
                "code_flow_not_offered",
                "The provider does not redeem authorization codes.".into(),
            );
        }
        let mode = config.response_mode();
        if self.lacks("response_modes_supported", mode.as_str()) {
            let other = if mode == ResponseMode::Query {
                ResponseMode::FormPost
            } else {
                ResponseMode::Query
            };
            add(
                Severity::Problem,
                "response_mode_not_offered",
                format!(
                    "The provider does not answer by {mode}: configure {other} (`with_response_mode`, IDENTITY_RESPONSE_MODE={other})."
                ),
            );
        }
        // Microsoft's documents have no such list, and its providers do PKCE.
        match self.list("code_challenge_methods_supported") {
            Some(methods) if !methods.iter().any(|method| method == "S256") => {
                add(
                    Severity::Problem,
                    "pkce_not_offered",
                    "The provider does not do PKCE with S256, without which there is no sign-in here.".into(),
                );
            }
            None if !config.authority().is_microsoft() => {
                add(
                    Severity::Note,
                    "pkce_not_announced",
                    "The provider does not say that it does PKCE; it is used all the same.".into(),
                );
            }
            _ => {}
        }
    }

    /// Whether sign-out at the provider depends on the document.
    fn needs_end_session(&self) -> bool {
        self.config.provider_session() == ProviderSession::End
            && self.config.sign_out().endpoint.is_none()
            && self.config.authority().sign_out_endpoint(None).0.is_none()
    }

    /// Whether people sign in by device code.
    fn by_code(&self) -> bool {
        self.config.sign_in_method() == SignInMethod::DeviceCode
    }

    /// Whether the application can prove itself in a way that the provider takes.
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
                        "The provider does not list {}, by which the secret is sent (IDENTITY_CLIENT_AUTH_METHOD); it lists {}.",
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
                        "The provider does not list a way to send a client secret, but {}; it is sent by client_secret_basic. If it is \
                         refused, give the credential that the provider takes (`with_credential`: a key by \
                         IDENTITY_CLIENT_CERTIFICATE_FILE), or name the method (`ClientCredential::with_method`, \
                         IDENTITY_CLIENT_AUTH_METHOD).",
                        offered.join(", ")
                    ),
                );
            }
            _ => {}
        }
    }

    /// Members that are as if they were not there, beyond those that were found above.
    fn left_out(&self, metadata: &Metadata, found: &mut Vec<Finding>) {
        for left_out in &metadata.left_out {
            let name = format!("`{}`", left_out.member);
            if !found.iter().any(|finding| {
                finding.code() == "endpoint_refused" && finding.to_string().contains(&name)
            }) {
                let text = format!(
                    "The discovery document's {name} {}: it is as if it were not there.",
                    left_out.problem
                );
                found.push(Finding::new(Severity::Warning, "member_left_out", text));
            }
        }
    }

    fn algorithms(&self, metadata: &Metadata, found: &mut Vec<Finding>) {
        if let Err(error) =
            metadata.allowed_algorithms(self.config.id_token_algorithms().as_deref())
        {
            let text =
                format!("ID tokens are signed in a way that is not accepted: {}.", error.detail());
            found.push(Finding::new(Severity::Problem, "algorithm_not_offered", text));
        }
    }

    fn list(&self, name: &'static str) -> Option<Vec<String>> {
        Members::of(self.object, self.config.authority()).list(name)
    }

    fn lacks(&self, list: &'static str, value: &str) -> bool {
        self.list(list).is_some_and(|values| !values.iter().any(|offered| offered == value))
    }
}
