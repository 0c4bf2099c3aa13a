//! [`ValidApiConfig::check`]: tests the configuration of an API against the provider.

use std::sync::Arc;

use super::{
    channel::Channel,
    check::{Check, CheckReport, ConfigUse},
    check_document,
    http::{HttpClient, ReqwestClient},
    metadata::Metadata,
};
use crate::{
    clock::{Clock, SystemClock},
    config::{Finding, Introspection, Severity, ValidApiConfig},
};

impl ValidApiConfig {
    /// Tests this configuration against the provider, and lists each fault with its remedy.
    ///
    /// The checks:
    ///
    /// - the provider can be reached and is the configured one (tenant, issuer, cloud);
    /// - the clock of this machine agrees with the provider's;
    /// - its keys are usable, and opaque tokens can be introspected where that is configured;
    /// - the further B2C policies whose tokens are accepted exist;
    /// - clients that find the provider by the metadata of the API (RFC 9728), such as MCP clients,
    ///   will accept it and can get an id there: at Microsoft's authorities by Microsoft's rules
    ///   for the URL of the API, its scopes and the Application ID URI.
    ///
    /// It makes at most three requests, redirects apart, and one more for each further policy,
    /// without a credential. It never fails: an unreachable provider is a finding.
    ///
    /// ```no_run
    /// # async fn check() -> Result<(), Box<dyn std::error::Error>> {
    /// let config = tower_identity::ApiConfig::from_env()?.build()?;
    /// eprintln!("{}", config.check().await);
    /// # Ok(())
    /// # }
    /// ```
    pub async fn check(&self) -> CheckReport {
        self.check_with(ReqwestClient::new(), SystemClock).await
    }

    /// [`check`](Self::check) with another HTTP client and clock. Pass those of the layer.
    pub async fn check_with(&self, http: impl HttpClient, clock: impl Clock) -> CheckReport {
        let identity = self.identity();
        let channel = Channel::to(Arc::new(http), identity.authority());
        let check = Check { config: identity, channel, clock: &clock };
        let mut findings = self.offline_findings(clock.now());
        if let Some(document) = check.document(ConfigUse::AccessTokens, &mut findings).await
            && let Some(metadata) = check_document::examine(
                document.body(),
                identity,
                ConfigUse::AccessTokens,
                &mut findings,
            )
        {
            if self.needs_keys(&metadata) {
                check.keys(&metadata, ConfigUse::AccessTokens, &mut findings).await;
            }
            self.policy_findings(&check, &mut findings).await;
            findings.extend(self.issuer_finding(&metadata));
            self.client_findings(&metadata, &mut findings);
            findings.extend(self.introspection_finding(&metadata));
        }
        CheckReport::new(identity, ConfigUse::AccessTokens, findings)
    }

    /// Checks the B2C policies whose tokens are accepted beside those of the sign-in policy, whose
    /// document was examined before.
    async fn policy_findings(&self, check: &Check<'_>, found: &mut Vec<Finding>) {
        for policy in self.rules().policies.iter().skip(1) {
            let exists = format!("The policy {policy:?}, whose tokens are accepted, exists.");
            let refused = format!(
                "Tokens of the policy {policy:?} cannot be verified (`with_b2c_policies`, \
                 IDENTITY_API_B2C_POLICIES)"
            );
            found.extend(check.policy(policy, exists, Severity::Problem, &refused).await);
        }
    }

    /// Whether signed tokens are to be verified. A server that issues opaque tokens alone has no
    /// key set (RFC 8414 section 2).
    fn needs_keys(&self, metadata: &Metadata) -> bool {
        self.introspection() == Introspection::Never || metadata.jwks_uri().is_ok()
    }

    /// Clients compare the issuer of the provider's document with the one that the API names,
    /// letter by letter (RFC 8414 section 3.3).
    fn issuer_finding(&self, metadata: &Metadata) -> Option<Finding> {
        self.resource()?;
        let issuer = metadata.issuer.as_str();
        let named = self.identity().authority().authorization_server(issuer);
        (named != issuer).then(|| {
            let text = format!(
                "The metadata of the API names the provider {named}, whose issuer is {issuer}: \
                 clients that compare the two refuse it. Configure the authority as the issuer, \
                 at Entra with the id of the tenant (IDENTITY_AUTHORITY)."
            );
            Finding::warning("issuer_not_in_metadata", text)
        })
    }

    /// What keeps clients from signing users in that know the URL of the API alone. Both are notes:
    /// an API at Entra has them always.
    fn client_findings(&self, metadata: &Metadata, found: &mut Vec<Finding>) {
        if self.resource().is_none() {
            return;
        }
        let mut note = |code, text: &str| found.push(Finding::note(code, text));
        // MCP, "Authorization Code Protection": clients refuse a provider without it. Most of them
        // do not, because Microsoft's documents have no such list.
        if !metadata.announces_pkce {
            let text = "The provider does not announce PKCE with S256 \
                        (`code_challenge_methods_supported`): MCP clients that follow the \
                        specification to the letter refuse it.";
            note("pkce_not_announced", text);
        }
        if !metadata.registers_clients {
            let text = "The provider gives no ids to clients that it does not know: register a \
                        client, and give its id to the users of MCP clients.";
            note("clients_not_registered", text);
        }
    }

    fn introspection_finding(&self, metadata: &Metadata) -> Option<Finding> {
        let is_missing = self.introspection() != Introspection::Never
            && metadata.introspection_endpoint.is_none();
        is_missing.then(|| {
            let text = "Opaque tokens are to be introspected, and the discovery document has no \
                        `introspection_endpoint`: they are all refused \
                        (`with_introspection`, IDENTITY_INTROSPECTION).";
            Finding::problem("introspection_not_offered", text)
        })
    }
}
