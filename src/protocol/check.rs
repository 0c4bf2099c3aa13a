//! Asking the provider whether a configuration can work, before anybody signs in:
//! [`ValidConfig::check`].
//!
//! - What is wrong with the document is listed completely, where a sign-in stops at the first
//!   fault. What a sign-in refuses is always a problem here.
//! - Nothing is left behind at the provider: the sign-in that is begun is not gone on with, and the
//!   code that is redeemed does not exist.
//! - Findings hold this crate's own words, addresses and the provider's error codes: no secret, and
//!   nothing about a person.

use std::{fmt, sync::Arc};

use bytes::Bytes;
use http::{Method, Response, StatusCode, header};

use super::{
    channel::{Channel, empty_request},
    check_document, check_requests,
    error_answer::{http_date, http_error},
    http::{HttpClient, ReqwestClient},
    jwks::JwkSet,
    metadata::Metadata,
};
use crate::{
    authority::{KeyIssuer, TokenIssuer},
    clock::{Clock, SystemClock, UnixTime},
    config::{Algorithm, Finding, Severity, SignInMethod, ValidConfig},
    error::{Error, ProviderError},
};

/// What [`ValidConfig::check`] found. `Display` shows it to a person, a line for each finding and a
/// last one that sums up.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CheckReport {
    authority: String,
    client_id: String,
    findings: Vec<Finding>,
}

impl CheckReport {
    /// Whether people can sign in, as far as that can be known without one: there is no problem.
    #[must_use]
    pub fn is_ok(&self) -> bool {
        self.problems().next().is_none()
    }

    /// Everything that was looked at, in that order.
    #[must_use]
    pub fn findings(&self) -> &[Finding] {
        &self.findings
    }

    /// What keeps people from signing in.
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
        match (self.is_ok(), count(Severity::Warning)) {
            (true, 0) => write!(f, "All is well: people can sign in."),
            (true, _) => write!(f, "People can sign in; {warnings}."),
            (false, _) => write!(f, "People cannot sign in yet: {problems}, {warnings}."),
        }
    }
}

impl ValidConfig {
    /// Asks the provider whether this configuration can work, and lists what is wrong, each with
    /// what to do about it.
    ///
    /// It looks at: whether the provider can be reached and is the one that is meant (tenant,
    /// issuer, cloud); this machine's clock; the endpoints and the keys; what the provider offers
    /// of what is configured (response mode, PKCE, scopes, signature algorithms, authentication of
    /// the application); whether the provider knows the application and its redirect address (with
    /// [`SignInMethod::DeviceCode`]: whether it gives device codes); and whether it accepts the
    /// credential. It makes a handful of requests, signs nobody in and changes nothing.
    ///
    /// It never fails: a provider that is down is a finding. An application that checks itself at
    /// its start goes on all the same, because providers come back.
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
    /// The credential is sent once or twice, to the token endpoint, and only if the provider's
    /// document passed every check that a sign-in makes.
    pub async fn check(&self) -> CheckReport {
        self.check_with(ReqwestClient::new(), SystemClock).await
    }

    /// The same through another HTTP client and with another clock: those that the layer is given.
    pub async fn check_with(&self, http: impl HttpClient, clock: impl Clock) -> CheckReport {
        let check = Check {
            config: self,
            channel: Channel::to(Arc::new(http), self.authority()),
            clock: &clock,
        };
        let mut findings = self.check_settings(clock.now());
        check.provider(&mut findings).await;
        CheckReport {
            authority: self.authority().to_string(),
            client_id: self.client_id().to_owned(),
            findings,
        }
    }
}

/// A check under way.
struct Check<'a> {
    config: &'a ValidConfig,
    channel: Channel,
    clock: &'a dyn Clock,
}

impl Check<'_> {
    async fn provider(&self, found: &mut Vec<Finding>) {
        let Some(document) = self.document(found).await else { return };
        let Some(metadata) = check_document::examine(document.body(), self.config, found) else {
            return;
        };
        self.keys(&metadata, found).await;
        self.policies(found).await;
        found.extend(match self.config.sign_in_method() {
            // That there is none was found in the document.
            SignInMethod::DeviceCode if metadata.device_authorization_endpoint.is_none() => None,
            SignInMethod::DeviceCode => Some(
                check_requests::device_code(
                    self.config,
                    &self.channel,
                    &metadata,
                    self.clock.now(),
                )
                .await,
            ),
            SignInMethod::Redirect => {
                Some(check_requests::sign_in(self.config, &self.channel, &metadata).await)
            }
        });
        found.push(
            check_requests::credential(self.config, &self.channel, &metadata, self.clock.now())
                .await,
        );
    }

    /// The discovery document, and by the way the time.
    async fn document(&self, found: &mut Vec<Finding>) -> Option<Response<Bytes>> {
        let address = self.config.authority().metadata_url();
        let before = self.clock.now();
        let answer = match empty_request(Method::GET, address) {
            Ok(request) => self.channel.send("the discovery document", request).await,
            Err(error) => Err(error),
        };
        let answer = match answer {
            Ok(answer) => answer,
            Err(error) => {
                let text = format!(
                    "{address} cannot be reached ({}): check the address, the network, the proxy and its certificates.",
                    error.detail()
                );
                found.push(Finding::new(Severity::Problem, "provider_unreachable", text));
                return None;
            }
        };
        found.push(clock_finding(
            &answer,
            before,
            self.clock.now(),
            self.config.clock_leeway().as_secs(),
        ));
        match answer.status() {
            StatusCode::OK => {
                found.push(Finding::new(
                    Severity::Passed,
                    "provider_reachable",
                    format!("The provider answers at {address}."),
                ));
                return Some(answer);
            }
            status => {
                let error = http_error(&answer);
                found.push(match error.provider().and_then(|said| said.code.as_ref()) {
                    Some(_) => finding_of(Severity::Problem, &error, "The provider refuses its discovery document"),
                    None => Finding::new(
                        Severity::Problem,
                        "discovery_not_found",
                        format!("There is no discovery document at {address} (status {}): check the authority.", status.as_u16()),
                    ),
                });
            }
        }
        None
    }

    /// The B2C policies beside the one that signs in: people are sent to them later.
    async fn policies(&self, found: &mut Vec<Finding>) {
        let authority = self.config.authority();
        let Some((policies, _)) = authority.b2c_policies() else { return };
        for (what, policy) in [
            ("edit the profile", &policies.edit_profile),
            ("reset the password", &policies.reset_password),
        ] {
            let Some((policy, authority)) =
                policy.as_ref().and_then(|policy| Some((policy, authority.for_policy(policy)?)))
            else {
                continue;
            };
            let answer = self
                .channel
                .document("the policy's discovery document", authority.metadata_url())
                .await;
            found.push(
                match answer.and_then(|answer| Metadata::parse(answer.body(), &authority)) {
                    Ok(_) => Finding::new(
                        Severity::Passed,
                        "policy_usable",
                        format!("The policy {policy:?} to {what} is there."),
                    ),
                    Err(error) => finding_of(
                        Severity::Warning,
                        &error,
                        &format!("People cannot {what}: the policy {policy:?} cannot be used"),
                    ),
                },
            );
        }
    }

    async fn keys(&self, metadata: &Metadata, found: &mut Vec<Finding>) {
        let mut problem =
            |code, text: String| found.push(Finding::new(Severity::Problem, code, text));
        let keys = match self.channel.document("the key set", &metadata.jwks_uri).await {
            Ok(answer) => JwkSet::parse(answer.body()),
            Err(error) => {
                return problem(
                    "keys_unreachable",
                    format!(
                        "The keys at {} cannot be had ({}).",
                        metadata.jwks_uri,
                        error.detail()
                    ),
                );
            }
        };
        let keys = match keys {
            Ok(keys) => keys,
            Err(error) => {
                return problem(
                    "keys_malformed",
                    format!(
                        "The keys at {} cannot be read ({}).",
                        metadata.jwks_uri,
                        error.detail()
                    ),
                );
            }
        };
        let algorithms = metadata
            .allowed_algorithms(self.config.id_token_algorithms().as_deref())
            .unwrap_or_default();
        let authority = self.config.authority();
        let (iss, tid) = authority.promised_issuer(self.config.tenants(), &metadata.issuer);
        let token = TokenIssuer { iss: &iss, tid: tid.as_deref() };
        let (mut fit, mut usable) = (0, 0);
        for algorithm in &algorithms {
            let candidates = keys.candidates(*algorithm, None);
            fit += candidates.len();
            let speaks = |issuer, cloud_instance_name| {
                authority
                    .check_key(&metadata.issuer, &KeyIssuer { issuer, cloud_instance_name }, &token)
                    .is_ok()
            };
            usable += candidates
                .iter()
                .filter(|key| speaks(key.issuer(), key.cloud_instance_name()))
                .count();
        }
        let accepted = Algorithm::list(&algorithms);
        match (fit, usable) {
            (_, 1..) => found.push(Finding::new(
                Severity::Passed,
                "keys_usable",
                "The provider's keys can verify ID tokens.",
            )),
            (0, _) => problem(
                "keys_unusable",
                format!(
                    "None of the {} usable keys at {} can verify a token of an algorithm that is accepted ({accepted}){}.",
                    keys.len(),
                    metadata.jwks_uri,
                    keys.unusable_summary()
                ),
            ),
            _ => problem(
                "keys_of_other_issuers",
                format!("The keys at {} may sign for other issuers only.", metadata.jwks_uri),
            ),
        }
        // Keys for encryption are in many key sets, so this alone is no reason to worry.
        for unusable in keys.unusable().iter().filter(|_| fit > 0) {
            found.push(Finding::new(
                Severity::Note,
                "key_left_out",
                format!("Left out of the key set: {unusable}."),
            ));
        }
    }
}

/// How far this machine's clock is from the provider's, whose answer was made between `before` and
/// `after`.
fn clock_finding(
    answer: &Response<Bytes>,
    before: UnixTime,
    after: UnixTime,
    leeway: u64,
) -> Finding {
    let header = |name: header::HeaderName| answer.headers().get(name)?.to_str().ok();
    let Some(date) = header(header::DATE).and_then(http_date) else {
        return Finding::new(
            Severity::Note,
            "clock_unknown",
            "The provider does not tell the time, so this machine's clock was not compared.",
        );
    };
    // A cache between us and the provider keeps the date of when the answer was made.
    let age: u64 = header(header::AGE).and_then(|age| age.parse().ok()).unwrap_or_default();
    let date = date + std::time::Duration::from_secs(age);
    let (ahead, behind) = (before.since(date).as_secs(), date.since(after).as_secs());
    let (seconds, side) = if ahead > behind { (ahead, "ahead of") } else { (behind, "behind") };
    let text = format!(
        "This machine's clock is {seconds} s {side} the provider's: set it right (NTP). Tokens are judged by it, {leeway} s are tolerated."
    );
    match seconds {
        _ if seconds > leeway => Finding::new(Severity::Problem, "clock_skew", text),
        _ if seconds > NOTICEABLE => Finding::new(Severity::Warning, "clock_skew", text),
        _ => Finding::new(
            Severity::Passed,
            "clock_right",
            "This machine's clock agrees with the provider's.",
        ),
    }
}

/// Dates are whole seconds, and answers take a moment.
const NOTICEABLE: u64 = 10;

/// What the provider's error says: its reason, what to do, and its codes.
pub(super) fn finding_of(severity: Severity, error: &Error, what: &str) -> Finding {
    let advice =
        error.advice().map_or_else(String::new, |advice| format!(" {}", advice.for_operator));
    let said = match error.provider() {
        None => error.detail().to_owned(),
        Some(ProviderError { error, code: Some(code), .. }) if error.is_empty() => code.clone(),
        Some(said) => said.to_string(),
    };
    Finding::new(severity, error.reason(), format!("{what} ({said}).{advice}"))
}
