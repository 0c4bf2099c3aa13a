//! [`ValidConfig::check`]: tests a configuration against the provider before the first sign-in.
//!
//! - It lists all faults of the discovery document, where a sign-in stops at the first one. A
//!   document that a sign-in refuses is always a problem here.
//! - It leaves no state at the provider: the authorization request is not continued, and the code
//!   that it tries to redeem does not exist.
//! - Findings hold texts of this crate, URLs and error codes of the provider; no secrets and no
//!   personal data.

use std::{fmt, sync::Arc};

use bytes::Bytes;
use http::{Response, StatusCode, header};
use url::Url;

use super::{
    channel::{Channel, DiscoveryAnswer},
    check_document,
    discovery::age,
    error_answer::{http_date, http_error},
    http::{HttpClient, ReqwestClient},
    jwks::{Jwk, JwkSet},
    metadata::Metadata,
};
use crate::{
    authority::{Authority, TokenIssuer},
    clock::{Clock, SystemClock, UnixTime},
    config::{Algorithm, Finding, Severity, SignInMethod, ValidConfig},
    error::{Error, ErrorKind, ProviderError},
};

/// The findings of [`ValidConfig::check`], or of [`check`](crate::ValidApiConfig::check) of an API.
/// `Display` shows one line for each finding and a summary.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CheckReport {
    purpose: ConfigUse,
    authority: String,
    client_id: String,
    findings: Vec<Finding>,
}

/// The purpose of the configuration.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum ConfigUse {
    SignIn,
    AccessTokens,
}

impl ConfigUse {
    /// The words for the purpose: within a sentence, at its beginning, and for what does not work
    /// yet.
    const fn outcomes(self) -> [&'static str; 3] {
        match self {
            Self::SignIn => ["users can sign in", "Users can sign in", "Users cannot sign in yet"],
            Self::AccessTokens => [
                "access tokens can be verified",
                "Access tokens can be verified",
                "Callers cannot use the API yet",
            ],
        }
    }
}

impl CheckReport {
    pub(super) fn new(config: &ValidConfig, purpose: ConfigUse, findings: Vec<Finding>) -> Self {
        Self {
            purpose,
            authority: config.authority().to_string(),
            client_id: config.client_id().to_owned(),
            findings,
        }
    }

    /// Whether no problem was found, so that sign-in, or the API, works as far as that can be
    /// tested without a user.
    #[must_use]
    pub fn is_ok(&self) -> bool {
        self.problems().next().is_none()
    }

    /// All findings, in the order of the checks.
    #[must_use]
    pub fn findings(&self) -> &[Finding] {
        &self.findings
    }

    /// The findings that prevent sign-in, or calls of the API.
    pub fn problems(&self) -> impl Iterator<Item = &Finding> {
        self.findings.iter().filter(|finding| finding.severity() == Severity::Problem)
    }
}

impl fmt::Display for CheckReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{} for the application {}", self.authority, self.client_id)?;
        let width =
            self.findings.iter().map(|finding| finding.code().len()).max().unwrap_or_default();
        for finding in &self.findings {
            writeln!(
                f,
                "{:<7}  {:<width$}  {finding}",
                finding.severity().as_str(),
                finding.code()
            )?;
        }
        let count =
            |wanted| self.findings.iter().filter(|finding| finding.severity() == wanted).count();
        let plural = |count: usize, word: &str| {
            if count == 1 { format!("1 {word}") } else { format!("{count} {word}s") }
        };
        let (problems, warnings) = (
            plural(count(Severity::Problem), "problem"),
            plural(count(Severity::Warning), "warning"),
        );
        let [works, however, fails] = self.purpose.outcomes();
        match (self.is_ok(), count(Severity::Warning)) {
            (true, 0) => write!(f, "No problems: {works}."),
            (true, _) => write!(f, "{however}; {warnings}."),
            (false, _) => write!(f, "{fails}: {problems}, {warnings}."),
        }
    }
}

impl ValidConfig {
    /// Tests this configuration against the provider, and lists each fault with its remedy.
    ///
    /// The checks:
    ///
    /// - the provider can be reached and is the configured one (tenant, issuer, cloud);
    /// - the clock of this machine agrees with the provider's;
    /// - the endpoints and keys are usable;
    /// - the provider supports the configured response mode, PKCE, scopes, signature algorithms and
    ///   client authentication;
    /// - it knows the application and its redirect URI (with [`SignInMethod::DeviceCode`]: it
    ///   issues device codes);
    /// - it accepts the credential.
    ///
    /// The report also lists the URLs to register at the provider: the redirect URI, and the one
    /// after a sign-out, which no request can test. Findings that need no request to the provider
    /// are logged when a layer starts, if they are problems or warnings.
    ///
    /// The check makes a few requests. No user signs in, and nothing changes at the provider.
    ///
    /// It never fails: an unreachable provider is a finding. An application that calls it at start
    /// should continue after a problem, since an outage of the provider passes.
    ///
    /// ```no_run
    /// # async fn check() -> Result<(), Box<dyn std::error::Error>> {
    /// let config = tower_identity::IdentityConfig::from_env()?.build()?;
    /// let report = config.check().await;
    /// eprintln!("{report}");
    /// if !report.is_ok() {
    ///     eprintln!("sign-in will not work before this is solved");
    /// }
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Security
    ///
    /// The credential is sent a few times at most, and only if the discovery document passed every
    /// check of a sign-in. It is sent to the token endpoint, and with the sign-in method
    /// [`DeviceCode`](crate::config::SignInMethod::DeviceCode) to the device authorization endpoint
    /// of providers other than Microsoft's.
    pub async fn check(&self) -> CheckReport {
        self.check_with(ReqwestClient::new(), SystemClock).await
    }

    /// [`check`](Self::check) with another HTTP client and clock. Pass those of the layer.
    pub async fn check_with(&self, http: impl HttpClient, clock: impl Clock) -> CheckReport {
        let check = Check {
            config: self,
            channel: Channel::to(Arc::new(http), self.authority()),
            clock: &clock,
        };
        let mut findings = self.offline_findings(clock.now());
        check.provider(&mut findings).await;
        CheckReport::new(self, ConfigUse::SignIn, findings)
    }
}

/// The configuration under check, and the means to reach the provider.
pub(super) struct Check<'a> {
    pub(super) config: &'a ValidConfig,
    pub(super) channel: Channel,
    pub(super) clock: &'a dyn Clock,
}

impl Check<'_> {
    /// Runs the checks that need the provider. Each stage needs the one before.
    async fn provider(&self, found: &mut Vec<Finding>) {
        let Some(document) = self.document(ConfigUse::SignIn, found).await else { return };
        let Some(metadata) =
            check_document::examine(document.body(), self.config, ConfigUse::SignIn, found)
        else {
            return;
        };
        self.keys(&metadata, ConfigUse::SignIn, found).await;
        self.policies(found).await;
        found.extend(match self.config.sign_in_method() {
            // The missing endpoint was reported with the document.
            SignInMethod::DeviceCode if metadata.device_authorization_endpoint.is_none() => None,
            SignInMethod::DeviceCode => Some(self.device_code(&metadata).await),
            SignInMethod::Redirect => Some(self.sign_in(&metadata).await),
        });
        found.push(self.credential(&metadata).await);
    }

    /// Fetches the discovery document, and compares the clocks by its `Date` header.
    pub(super) async fn document(
        &self,
        purpose: ConfigUse,
        found: &mut Vec<Finding>,
    ) -> Option<Response<Bytes>> {
        let authority = self.config.authority();
        let address = authority.metadata_url();
        let before = self.clock.now();
        let DiscoveryAnswer { url, answer, is_oauth, oauth_url } =
            match self.channel.discovery(authority).await {
                Ok(found) => found,
                Err(error) if error.kind() == ErrorKind::ProviderMisconfigured => {
                    let text = "The discovery document cannot be used";
                    found.push(finding_of(Severity::Problem, &error, text));
                    return None;
                }
                Err(error) => {
                    let remedy = error
                        .own_remedy()
                        .unwrap_or("check the URL, the network, the proxy and its certificates");
                    let text = format!(
                        "{address} cannot be reached ({}). {}",
                        error.detail(),
                        sentence(remedy)
                    );
                    found.push(Finding::problem("provider_unreachable", text));
                    return None;
                }
            };
        found.push(clock_finding(
            &answer,
            before,
            self.clock.now(),
            self.config.clock_leeway().as_secs(),
        ));
        if answer.status() != StatusCode::OK {
            found.push(without_document(authority, &answer, oauth_url.as_ref()));
            return None;
        }
        let text = format!("The provider answers at {url}.");
        found.push(Finding::passed("provider_reachable", text));
        if purpose == ConfigUse::SignIn && is_oauth {
            let text = format!(
                "There is no discovery document at {address}, only the metadata of an \
                 authorization server (RFC 8414) at {url}. If the server issues no ID tokens, \
                 users cannot sign in."
            );
            found.push(Finding::warning("openid_not_announced", text));
        }
        Some(answer)
    }

    /// Checks the B2C policies for editing the profile and resetting the password.
    async fn policies(&self, found: &mut Vec<Finding>) {
        let authority = self.config.authority();
        let Some((policies, _)) = authority.b2c_policies() else { return };
        for (what, policy) in [
            ("edit the profile", &policies.edit_profile),
            ("reset the password", &policies.reset_password),
        ] {
            let Some(policy) = policy else { continue };
            let exists = format!("The policy {policy:?} to {what} exists.");
            let refused = format!("Users cannot {what}: the policy {policy:?} cannot be used");
            found.extend(self.policy(policy, exists, Severity::Warning, &refused).await);
        }
    }

    /// The finding about the document of a B2C policy: `exists`, or `refused` with the error and
    /// this severity. `None` at other authorities.
    pub(super) async fn policy(
        &self,
        policy: &str,
        exists: String,
        severity: Severity,
        refused: &str,
    ) -> Option<Finding> {
        let authority = self.config.authority().for_policy(policy)?;
        let what = "the policy's discovery document";
        let answer = self.channel.document(what, authority.metadata_url()).await;
        Some(match answer.and_then(|answer| Metadata::parse(answer.body(), &authority)) {
            Ok(_) => Finding::passed("policy_usable", exists),
            Err(error) => finding_of(severity, &error, refused),
        })
    }

    /// Checks that the key set has a key for the accepted algorithms, and for this issuer.
    pub(super) async fn keys(
        &self,
        metadata: &Metadata,
        purpose: ConfigUse,
        found: &mut Vec<Finding>,
    ) {
        let configured = self.config.id_token_algorithms().as_deref();
        let algorithms = match purpose {
            // The key is the client secret; such a provider may publish none.
            ConfigUse::SignIn if self.config.id_token_hmac().is_some() => return,
            ConfigUse::SignIn => metadata.allowed_algorithms(configured).unwrap_or_default(),
            // The document lists none for access tokens: the type of the key decides.
            ConfigUse::AccessTokens => configured.unwrap_or(Algorithm::ALL).to_vec(),
        };
        let Ok(uri) = metadata.jwks_uri() else {
            return found.push(Finding::problem("endpoint_missing", NO_KEYS));
        };
        let keys = match self.key_set(uri).await {
            Ok(keys) => keys,
            Err(finding) => return found.push(finding),
        };
        let candidates: Vec<&Jwk> =
            algorithms.iter().flat_map(|algorithm| keys.candidates(*algorithm, None)).collect();
        let accepted = Algorithm::list(&algorithms);
        found.push(if candidates.is_empty() {
            let text = format!(
                "None of the {} usable keys at {uri} can verify a token with an accepted algorithm \
                 ({accepted}){}.",
                keys.len(),
                keys.unusable_summary()
            );
            Finding::problem("keys_unusable", text)
        } else if !self.speaks_for_issuer(metadata, &candidates) {
            let text = format!("The keys at {uri} may sign for other issuers only.");
            Finding::problem("keys_of_other_issuers", text)
        } else {
            let text = "The provider's keys can verify tokens.";
            Finding::passed("keys_usable", text)
        });
        // Many key sets have keys for encryption, so an unusable key is only worth a note.
        for unusable in keys.unusable().iter().filter(|_| !candidates.is_empty()) {
            found.push(Finding::note(
                "key_left_out",
                format!("Left out of the key set: {unusable}."),
            ));
        }
    }

    /// The key set, or the finding that it cannot be had.
    async fn key_set(&self, uri: &Url) -> Result<JwkSet, Finding> {
        let problem = |code, text| Finding::problem(code, text);
        let answer = self.channel.document("the key set", uri).await.map_err(|error| {
            let remedy = error.own_remedy().map(|remedy| format!(" {}", sentence(remedy)));
            let text = format!(
                "The key set at {uri} cannot be fetched ({}).{}",
                error.detail(),
                remedy.unwrap_or_default()
            );
            problem("keys_unreachable", text)
        })?;
        JwkSet::parse(answer.body()).map_err(|error| {
            let text = format!("The key set at {uri} cannot be parsed ({}).", error.detail());
            problem("keys_malformed", text)
        })
    }

    /// Whether one of the keys may sign tokens of the issuer. Key sets of Microsoft have keys for
    /// other issuers, too.
    fn speaks_for_issuer(&self, metadata: &Metadata, keys: &[&Jwk]) -> bool {
        let authority = self.config.authority();
        let (iss, tid) = authority.example_token_issuer(self.config.tenants(), &metadata.issuer);
        let token = TokenIssuer { iss: &iss, tid: tid.as_deref() };
        let speaks =
            |key: &Jwk| authority.check_key(&metadata.issuer, &key.issuer(), &token).is_ok();
        keys.iter().any(|key| speaks(key))
    }
}

/// The finding for a document without a key set at an API that introspects nothing.
const NO_KEYS: &str = "The discovery document has no `jwks_uri`: signed tokens cannot be verified, \
     and opaque ones are not introspected (`with_introspection`, IDENTITY_INTROSPECTION).";

/// The finding for an answer without a discovery document.
fn without_document(
    authority: &Authority,
    answer: &Response<Bytes>,
    oauth_url: Option<&Url>,
) -> Finding {
    let error = http_error(answer);
    // An error in the provider's own words says more than the status.
    if error.provider().is_some_and(|said| said.code.is_some()) {
        let said = "The provider refuses its discovery document";
        return finding_of(Severity::Problem, &error, said);
    }
    let nor = oauth_url.map(|other| format!(", nor at {other}"));
    // The URLs of Microsoft's documents are known, and the setting is refused there.
    let elsewhere = if authority.is_microsoft() {
        ""
    } else {
        ", or set the URL of its document if that is elsewhere (`with_discovery_url`, \
         IDENTITY_DISCOVERY_URL)"
    };
    let text = format!(
        "There is no discovery document at {} (status {}){}: check the authority{elsewhere}.",
        authority.metadata_url(),
        answer.status().as_u16(),
        nor.unwrap_or_default()
    );
    Finding::problem("discovery_not_found", text)
}

/// Compares this machine's clock with the `Date` of a response that was made between `before` and
/// `after`.
fn clock_finding(
    answer: &Response<Bytes>,
    before: UnixTime,
    after: UnixTime,
    leeway: u64,
) -> Finding {
    let header = |name: header::HeaderName| answer.headers().get(name)?.to_str().ok();
    let Some(date) = header(header::DATE).and_then(http_date) else {
        return Finding::note(
            "clock_unknown",
            "The response has no `Date`, so this machine's clock was not compared.",
        );
    };
    // A response from a cache keeps its original `Date`.
    let date = date + age(answer);
    let (ahead, behind) = (before.since(date).as_secs(), date.since(after).as_secs());
    let (seconds, side) = if ahead > behind { (ahead, "ahead of") } else { (behind, "behind") };
    let text = format!(
        "This machine's clock is {seconds} s {side} the provider's: correct it (NTP). Tokens are \
         checked against it, and {leeway} s are tolerated."
    );
    match seconds {
        _ if seconds > leeway => Finding::problem("clock_skew", text),
        _ if seconds > NOTICEABLE => Finding::warning("clock_skew", text),
        _ => Finding::passed("clock_right", "This machine's clock agrees with the provider's."),
    }
}

/// The difference of the clocks, in seconds, from which on it is reported. Smaller ones are due to
/// rounding and the time of the exchange.
const NOTICEABLE: u64 = 10;

/// A finding from an error: its reason, the provider's codes, and the remedy of its place, or else
/// the advice for the code.
pub(super) fn finding_of(severity: Severity, error: &Error, what: &str) -> Finding {
    let advice = match (error.own_remedy(), error.advice()) {
        (Some(remedy), _) => format!(" {}", sentence(remedy)),
        (None, Some(advice)) => format!(" {}", advice.for_operator),
        (None, None) => String::new(),
    };
    let said = match error.provider() {
        None => error.detail().to_owned(),
        Some(ProviderError { error, code: Some(code), .. }) if error.is_empty() => code.clone(),
        Some(said) => said.to_string(),
    };
    Finding::new(severity, error.reason(), format!("{what} ({said}).{advice}"))
}

/// A remedy, which ends the line of an error, as a sentence.
fn sentence(remedy: &str) -> String {
    let mut letters = remedy.chars();
    let first = letters.next().map(|first| first.to_ascii_uppercase());
    first.into_iter().chain(letters).chain(['.']).collect()
}
