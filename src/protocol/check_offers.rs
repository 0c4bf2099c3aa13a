//! The part of [`ValidConfig::check`](crate::ValidConfig::check) that compares the lists of the
//! discovery document, what the provider supports, with what is configured.

use super::{check_document::DocumentCheck, json};
use crate::config::{ClientAuthMethod, Finding, ResponseMode, SignInNonce, is_openid_scope};

impl DocumentCheck<'_> {
    /// Compares what the provider supports with the configuration. A missing list means nothing:
    /// most lists are optional (OpenID Connect Discovery section 3).
    pub(super) fn offers(&self, found: &mut Vec<Finding>) {
        let before = found.len();
        let config = self.config;
        if self.by_code() {
            if self.lacks("grant_types_supported", "urn:ietf:params:oauth:grant-type:device_code") {
                let text = "The provider does not list the device code grant, which is configured.";
                found.push(Finding::warning("device_code_not_offered", text));
            }
        } else {
            self.code_flow(found);
        }
        let asked = config.scopes(config.sign_in());
        for scope in &asked {
            self.scope(scope, found);
        }
        if asked.contains(&"offline_access") && self.lacks("grant_types_supported", "refresh_token")
        {
            let text = "The provider does not list the grant of refresh tokens: sessions may not \
                        be renewed. Without a list of scopes `offline_access` is not requested \
                        either: configure it if the provider accepts it anyway \
                        (`with_openid_scopes`, IDENTITY_OPENID_SCOPES).";
            found.push(Finding::warning("refresh_not_offered", text));
        }
        for acr in
            config.required_acr().iter().filter(|acr| self.lacks("acr_values_supported", acr))
        {
            found.push(Finding::warning(
                "acr_not_offered",
                format!(
                    "The provider does not list the authentication context {acr:?}, which is \
                     required."
                ),
            ));
        }
        self.authentication(found);
        if found.len() == before {
            found.push(Finding::passed(
                "offers_what_is_configured",
                "The provider supports what is configured.",
            ));
        }
    }

    /// Compares a requested scope of OpenID Connect with the list of the document.
    fn scope(&self, scope: &str, found: &mut Vec<Finding>) {
        let config = self.config;
        if !is_openid_scope(scope) || !self.lacks("scopes_supported", scope) {
            return;
        }
        // Every sign-in needs it, so it cannot be removed.
        if scope == "openid" {
            let text = "The provider does not list the scope \"openid\", which every OpenID \
                        Provider has to support (OpenID Connect Discovery section 3); it is \
                        requested.";
            return found.push(Finding::note("openid_not_listed", text));
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
            return found.push(Finding::note("scope_not_sent", text));
        }
        let effect = match scope {
            "offline_access" => ": sessions may not be renewed, or the sign-in refused",
            _ => "",
        };
        let text = format!(
            "The provider does not list the scope {scope:?}{effect}; remove it if the provider \
             refuses it."
        );
        found.push(Finding::warning("scope_not_offered", text));
    }

    /// Checks the support for the authorization code flow with PKCE.
    fn code_flow(&self, found: &mut Vec<Finding>) {
        let config = self.config;
        // Warnings, because a sign-in does not look at these lists, and documents are wrong here.
        if self.lacks("response_types_supported", "code") {
            found.push(Finding::warning(
                "code_flow_not_offered",
                "The provider does not announce the authorization code flow, which sign-in uses.",
            ));
        }
        if self.lacks("grant_types_supported", "authorization_code") {
            found.push(Finding::warning(
                "code_flow_not_offered",
                "The provider does not announce that it redeems authorization codes.",
            ));
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
            found.push(Finding::warning(
                "response_mode_not_offered",
                format!(
                    "The provider does not announce the response mode {mode}: if sign-ins fail, \
                     configure {other} (`with_response_mode`, IDENTITY_RESPONSE_MODE={other})."
                ),
            ));
        }
        self.request_kinds(found);
        self.pkce(found);
    }

    /// Checks that the provider supports PKCE, and announces it if nothing else protects the code.
    fn pkce(&self, found: &mut Vec<Finding>) {
        let config = self.config;
        let is_alone = config.nonce() == SignInNonce::Omit;
        // Microsoft's documents have no such list although its providers support PKCE.
        match self.list("code_challenge_methods_supported") {
            Some(methods) if !methods.iter().any(|method| method == "S256") && is_alone => {
                let text = "The provider does not announce PKCE with S256, which has to protect \
                            sign-ins alone because the nonce is omitted: users cannot sign in.";
                found.push(Finding::problem("pkce_not_offered", text));
            }
            Some(methods) if !methods.iter().any(|method| method == "S256") => {
                let text = "The provider does not announce PKCE with S256, which every sign-in \
                            uses: the provider may refuse it.";
                found.push(Finding::warning("pkce_not_offered", text));
            }
            None if is_alone => {
                let text = "The provider does not announce PKCE with S256, which has to protect \
                            sign-ins alone because the nonce is omitted: users cannot sign in. \
                            Send the nonce (`with_nonce`, IDENTITY_NONCE=send), or have the \
                            provider announce PKCE.";
                found.push(Finding::problem("pkce_not_announced", text));
            }
            Some(_) if is_alone => {
                let text = "The nonce is omitted (`with_nonce`, IDENTITY_NONCE=omit): PKCE alone \
                            protects sign-ins, so make sure that the provider enforces it.";
                found.push(Finding::note("nonce_omitted", text));
            }
            None if !config.authority().is_microsoft() => {
                found.push(Finding::note(
                    "pkce_not_announced",
                    "The provider does not announce PKCE; it is used anyway.",
                ));
            }
            _ => {}
        }
    }

    /// Whether the provider accepts authorization requests in the form in which this crate sends
    /// them: as query parameters.
    fn request_kinds(&self, found: &mut Vec<Finding>) {
        for (member, form) in [
            ("require_pushed_authorization_requests", "pushed (RFC 9126)"),
            ("require_signed_request_object", "as signed request objects (RFC 9101)"),
        ] {
            if self.object.get(member).and_then(json::flag) == Some(true) {
                found.push(Finding::problem(
                    "request_kind_not_supported",
                    format!(
                        "The provider accepts authorization requests only {form} (`{member}`), \
                         which this crate does not support: configure the provider to accept \
                         plain requests from this client."
                    ),
                ));
            }
        }
    }

    /// Checks that the provider supports a method for the configured client secret.
    fn authentication(&self, found: &mut Vec<Finding>) {
        const LIST: &str = "token_endpoint_auth_methods_supported";
        let (Some(offered), Some(_)) = (self.list(LIST), self.config.credential().client_secret())
        else {
            return;
        };
        let takes =
            |method: ClientAuthMethod| offered.iter().any(|offered| offered == method.as_str());
        match self.config.credential().method() {
            Some(method) if !takes(method) => {
                found.push(Finding::warning(
                    "auth_method_not_offered",
                    format!(
                        "The provider does not list {}, the configured method for the client \
                         secret (IDENTITY_CLIENT_AUTH_METHOD); it lists {}.",
                        method.as_str(),
                        offered.join(", ")
                    ),
                ));
            }
            None if !takes(ClientAuthMethod::Basic) && !takes(ClientAuthMethod::Post) => {
                found.push(Finding::warning(
                    "auth_method_not_offered",
                    format!(
                        "The provider lists no method for a client secret, but {}; the secret is \
                         sent by client_secret_basic. If it is refused, configure a credential \
                         that the provider takes (`with_credential`: a key by \
                         IDENTITY_CLIENT_CERTIFICATE_FILE), or the method \
                         (`ClientCredential::with_method`, IDENTITY_CLIENT_AUTH_METHOD).",
                        offered.join(", ")
                    ),
                ));
            }
            _ => {}
        }
    }
}
