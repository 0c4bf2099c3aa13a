//! Measurements through the `metrics` facade (feature `metrics`).
//!
//! Without the feature every function is empty, and [`Stopwatch`] has no size. The names, labels
//! and units are documented in `guide/deployments.md`, which a test compares with [`ALL`].

#[cfg(feature = "metrics")]
use std::time::Instant;

/// The kind of a measurement.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(not(feature = "metrics"), allow(dead_code))]
enum Kind {
    Counter,
    Gauge,
    /// In seconds.
    Histogram,
}

/// A measurement: kind, name, labels, description.
type Measurement = (Kind, &'static str, &'static [&'static str], &'static str);

const SIGN_INS: &str = "identity_sign_ins_total";
const TOKENS: &str = "identity_token_requests_total";
const REFRESHES: &str = "identity_refreshes_total";
const ENDED: &str = "identity_sessions_ended_total";
const SESSIONS: &str = "identity_local_sessions";
const STORE: &str = "identity_store_duration_seconds";
const PROVIDER: &str = "identity_provider_duration_seconds";

/// All measurements.
#[cfg_attr(not(any(test, feature = "metrics")), allow(dead_code))]
const ALL: &[Measurement] = &[
    (Kind::Counter, SIGN_INS, &["outcome", "reason"], "Sign-ins that ended, by outcome"),
    (Kind::Counter, TOKENS, &["source", "reason"], "Access tokens that were asked for"),
    (Kind::Counter, REFRESHES, &["kind", "outcome", "reason"], "Refreshes of a grant"),
    (Kind::Counter, ENDED, &[], "Sessions that were ended before their time"),
    (Kind::Gauge, SESSIONS, &[], "Sessions in the memory of this process"),
    (Kind::Histogram, STORE, &["operation", "outcome"], "Operations of the session store"),
    (Kind::Histogram, PROVIDER, &["endpoint", "outcome"], "Requests to the provider"),
];

/// The value of the label `reason` where nothing failed.
const OK: &str = "ok";

/// Describes all measurements to the recorder, which the application has installed by then.
pub(crate) fn describe() {
    #[cfg(feature = "metrics")]
    for (kind, name, _, text) in ALL {
        match kind {
            Kind::Counter => metrics::describe_counter!(*name, metrics::Unit::Count, *text),
            Kind::Gauge => metrics::describe_gauge!(*name, metrics::Unit::Count, *text),
            Kind::Histogram => metrics::describe_histogram!(*name, metrics::Unit::Seconds, *text),
        }
    }
}

/// A sign-in that has begun a session.
pub(crate) fn signed_in() {
    count(SIGN_INS, [("outcome", "signed_in"), ("reason", OK)]);
}

/// A sign-in that failed.
pub(crate) fn sign_in_failed(reason: &'static str) {
    count(SIGN_INS, [("outcome", "failed"), ("reason", reason)]);
}

/// An access token that was asked for, with its source or the reason of the failure.
pub(crate) fn token_request(outcome: Result<&'static str, &'static str>) {
    let (source, reason) = outcome.map_or_else(|reason| ("none", reason), |source| (source, OK));
    count(TOKENS, [("source", source), ("reason", reason)]);
}

/// A refresh of a grant that ended, with the outcome and reason of its span.
pub(crate) fn refresh(kind: &'static str, outcome: &'static str, reason: Option<&'static str>) {
    let reason = reason.unwrap_or(OK);
    count(REFRESHES, [("kind", kind), ("outcome", outcome), ("reason", reason)]);
}

/// A session that was ended before its time.
pub(crate) fn session_ended() {
    count(ENDED, []);
}

/// A session more in the memory of this process.
pub(crate) fn local_session_added() {
    #[cfg(feature = "metrics")]
    metrics::gauge!(SESSIONS).increment(1.0);
    #[cfg(not(feature = "metrics"))]
    let _ = SESSIONS;
}

/// A session less in the memory of this process.
pub(crate) fn local_session_removed() {
    #[cfg(feature = "metrics")]
    metrics::gauge!(SESSIONS).decrement(1.0);
    #[cfg(not(feature = "metrics"))]
    let _ = SESSIONS;
}

fn count<const N: usize>(name: &'static str, labels: [(&'static str, &'static str); N]) {
    #[cfg(feature = "metrics")]
    metrics::counter!(name, &labels).increment(1);
    #[cfg(not(feature = "metrics"))]
    let _ = (name, labels);
}

/// Measures one operation of the store or one request to the provider.
#[derive(Debug)]
pub(crate) struct Stopwatch {
    #[cfg(feature = "metrics")]
    start: Instant,
}

impl Stopwatch {
    #[allow(
        clippy::disallowed_methods,
        reason = "a duration of this process, which decides nothing"
    )]
    pub(crate) fn start() -> Self {
        Self {
            #[cfg(feature = "metrics")]
            start: Instant::now(),
        }
    }

    /// An operation of the session store has ended.
    pub(crate) fn store(self, operation: &'static str, outcome: &'static str) {
        self.record(STORE, [("operation", operation), ("outcome", outcome)]);
    }

    /// A request to the provider has ended: with a status, or without a response. `what` is the
    /// name of the endpoint in errors.
    pub(crate) fn provider(self, what: &'static str, status: Option<u16>) {
        let outcome = match status.map(|status| status / 100) {
            Some(2) => "2xx",
            Some(3) => "3xx",
            Some(4) => "4xx",
            Some(5) => "5xx",
            Some(_) => "other",
            None => "no_response",
        };
        self.record(PROVIDER, [("endpoint", endpoint(what)), ("outcome", outcome)]);
    }

    fn record<const N: usize>(self, name: &'static str, labels: [(&'static str, &'static str); N]) {
        #[cfg(feature = "metrics")]
        metrics::histogram!(name, &labels).record(self.start.elapsed().as_secs_f64());
        #[cfg(not(feature = "metrics"))]
        let _ = (name, labels);
    }
}

/// The label of an endpoint.
fn endpoint(what: &'static str) -> &'static str {
    match what.strip_prefix("the ").unwrap_or(what) {
        "token endpoint" => "token",
        "UserInfo endpoint" => "userinfo",
        "introspection endpoint" => "introspection",
        "device authorization endpoint" => "device_authorization",
        "discovery document" => "discovery",
        "key set" => "keys",
        "Microsoft Graph" => "graph",
        _ => "other",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_measurement_is_documented_with_its_labels() {
        let guide = include_str!("guide/deployments.md");
        for (kind, name, labels, _) in ALL {
            let line = guide.lines().find(|line| line.starts_with(&format!("| `{name}` ")));
            let line = line.unwrap_or_else(|| panic!("{name} is not documented"));
            let kind = format!("{kind:?}").to_lowercase();
            assert!(line.contains(&kind), "{line}: {kind}");
            assert!(labels.iter().all(|label| line.contains(&format!("`{label}`"))), "{line}");
        }
        assert_eq!(guide.matches("| `identity_").count(), ALL.len());
    }
}
