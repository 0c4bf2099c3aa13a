//! [`StepLog`]: the last steps of sign-ins, from the spans of the crate.

use std::{
    collections::VecDeque,
    fmt,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use tracing::{
    Subscriber,
    field::{Field, Visit},
    span::{Attributes, Id, Record},
};
use tracing_subscriber::{Layer, layer::Context, registry::LookupSpan};

/// The greatest number of steps that are kept.
const MOST: usize = 500;
/// The fields of a span that are read. No other can reach a page.
const FIELDS: [&str; 3] = ["outcome", "reason", "kind"];

/// A `tracing` subscriber layer that keeps the last steps of sign-ins in memory, to show during
/// development what happened: names, times, outcomes and reason codes, nothing else.
///
/// Clones share one log.
///
/// ```
/// use tower_identity::dev::StepLog;
/// use tracing_subscriber::layer::SubscriberExt as _;
///
/// let steps = StepLog::new();
/// let subscriber = tracing_subscriber::registry().with(steps.clone());
/// // `tracing_subscriber::util::SubscriberInitExt::init` in an application.
/// let _listening = tracing::subscriber::set_default(subscriber);
/// // … sign in …
/// for step in steps.last_sign_in() {
///     let at = step.at().as_millis();
///     println!("{at:>5} ms  {} → {}: {}", step.from(), step.to(), step.title());
/// }
/// ```
///
/// It is for one developer at one machine: the steps of several people at the same time are one
/// list.
#[derive(Clone, Default)]
pub struct StepLog(Arc<Mutex<Steps>>);

#[derive(Default)]
struct Steps {
    all: VecDeque<StepRecord>,
    /// The number of the next step.
    next: u64,
}

struct StepRecord {
    number: u64,
    name: &'static str,
    start: Instant,
    took: Option<Duration>,
    fields: [Option<String>; FIELDS.len()],
}

/// A step of a sign-in, of a token request, or of a sign-out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Step {
    name: &'static str,
    at: Duration,
    took: Option<Duration>,
    outcome: Option<String>,
    reason: Option<String>,
    kind: Option<String>,
}

impl StepLog {
    /// An empty log.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// All steps that are kept, in the order in which they began.
    #[must_use]
    pub fn steps(&self) -> Vec<Step> {
        steps_from(self.lock().all.iter())
    }

    /// The steps since the last request that began a sign-in: the request, the redirect, the
    /// callback with the calls to the provider in it, and the token requests after it.
    #[must_use]
    pub fn last_sign_in(&self) -> Vec<Step> {
        let steps = self.lock();
        let begins = |entry: &&StepRecord| BEGINNINGS.contains(&entry.name);
        let first = steps.all.iter().rev().find(begins).map_or(0, |entry| entry.number);
        steps_from(steps.all.iter().filter(|entry| entry.number >= first))
    }

    fn lock(&self) -> MutexGuard<'_, Steps> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The spans that begin a sign-in.
const BEGINNINGS: [&str; 2] = ["identity.require_sign_in", "identity.sign_in"];

fn steps_from<'a>(entries: impl Iterator<Item = &'a StepRecord>) -> Vec<Step> {
    let mut first = None;
    let step = |entry: &StepRecord| {
        let first = *first.get_or_insert(entry.start);
        let [outcome, reason, kind] = entry.fields.clone();
        let at = entry.start.saturating_duration_since(first);
        Step { name: entry.name, at, took: entry.took, outcome, reason, kind }
    };
    entries.map(step).collect()
}

impl Step {
    /// The name of the span, such as `identity.callback`.
    #[must_use]
    pub fn name(&self) -> &'static str {
        self.name
    }

    /// When it began, counted from the first step of the list.
    #[must_use]
    pub fn at(&self) -> Duration {
        self.at
    }

    /// How long it took; `None` while it is running.
    #[must_use]
    pub fn took(&self) -> Option<Duration> {
        self.took
    }

    /// One word for the outcome: `ok`, `redirected`, `failed`, …
    #[must_use]
    pub fn outcome(&self) -> Option<&str> {
        self.outcome.as_deref()
    }

    /// The reason code of a failure.
    #[must_use]
    pub fn reason(&self) -> Option<&str> {
        self.reason.as_deref()
    }

    /// The party that sends: `browser` or `application`.
    #[must_use]
    pub fn from(&self) -> &'static str {
        self.described().0
    }

    /// The party that answers: `application` or `provider`.
    #[must_use]
    pub fn to(&self) -> &'static str {
        self.described().1
    }

    /// The message, in a few words.
    #[must_use]
    pub fn title(&self) -> &'static str {
        self.described().2
    }

    fn described(&self) -> (&'static str, &'static str, &'static str) {
        let (browser, application, provider) = ("browser", "application", "provider");
        match self.name {
            "identity.require_sign_in" => (browser, application, "a page that needs a sign-in"),
            "identity.sign_in" => (browser, application, "the sign-in path"),
            "identity.callback" => (browser, application, "the provider's response (callback)"),
            "identity.device_code" => (browser, application, "the page with the code"),
            "identity.sign_out" => (browser, application, "the sign-out path"),
            "identity.edit_profile" => (browser, application, "the path to edit the profile"),
            "identity.reset_password" => (browser, application, "the path to reset the password"),
            "identity.discovery" => (application, provider, "the discovery document"),
            "identity.keys" => (application, provider, "the keys of ID tokens"),
            "identity.redeem_code" => (application, provider, "the code, for tokens"),
            "identity.refresh" => (application, provider, "a refresh token, for new tokens"),
            "identity.tokens" => (application, provider, "a request for tokens"),
            "identity.device" => (application, provider, "a request for a device code"),
            "identity.user_info" => (application, provider, "the claims of UserInfo"),
            "identity.groups" => (application, provider, "the groups from Microsoft Graph"),
            "identity.introspect" => (application, provider, "a token, to be introspected"),
            "identity.verify_id_token" => (application, application, "the checks of the ID token"),
            "identity.grant" if self.kind.as_deref() == Some("renewal") => {
                (application, application, "the renewal of the session")
            }
            "identity.grant" => (application, application, "an access token by refresh"),
            other => (application, application, other),
        }
    }
}

impl fmt::Debug for StepLog {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("StepLog").finish_non_exhaustive()
    }
}

/// The number of a span's entry.
struct Number(u64);

impl<S: Subscriber + for<'a> LookupSpan<'a>> Layer<S> for StepLog {
    #[allow(clippy::disallowed_methods, reason = "a duration that is shown, and decides nothing")]
    fn on_new_span(&self, attributes: &Attributes<'_>, id: &Id, context: Context<'_, S>) {
        let metadata = attributes.metadata();
        let is_ours = metadata.target().starts_with("tower_identity")
            && metadata.name().starts_with("identity.");
        let Some(span) = context.span(id).filter(|_| is_ours) else { return };
        let mut fields = Default::default();
        attributes.record(&mut FieldReader(&mut fields));
        let mut steps = self.lock();
        let number = steps.next;
        steps.next += 1;
        if steps.all.len() >= MOST {
            steps.all.pop_front();
        }
        let (name, start) = (metadata.name(), Instant::now());
        steps.all.push_back(StepRecord { number, name, start, took: None, fields });
        span.extensions_mut().insert(Number(number));
    }

    fn on_record(&self, id: &Id, values: &Record<'_>, context: Context<'_, S>) {
        self.change(id, &context, |entry| values.record(&mut FieldReader(&mut entry.fields)));
    }

    fn on_close(&self, id: Id, context: Context<'_, S>) {
        self.change(&id, &context, |entry| entry.took = Some(entry.start.elapsed()));
    }
}

impl StepLog {
    fn change<S: Subscriber + for<'a> LookupSpan<'a>>(
        &self,
        id: &Id,
        context: &Context<'_, S>,
        change: impl FnOnce(&mut StepRecord),
    ) {
        let Some(span) = context.span(id) else { return };
        let Some(number) = span.extensions().get::<Number>().map(|number| number.0) else { return };
        if let Some(entry) = self.lock().all.iter_mut().find(|entry| entry.number == number) {
            change(entry);
        }
    }
}

/// Reads the fields of [`FIELDS`], and ignores all others.
struct FieldReader<'a>(&'a mut [Option<String>; FIELDS.len()]);

impl FieldReader<'_> {
    fn set(&mut self, field: &Field, value: impl FnOnce() -> String) {
        let place = FIELDS.iter().position(|known| *known == field.name());
        if let Some(slot) = place.and_then(|place| self.0.get_mut(place)) {
            *slot = Some(value());
        }
    }
}

impl Visit for FieldReader<'_> {
    fn record_str(&mut self, field: &Field, value: &str) {
        self.set(field, || value.to_owned());
    }

    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        self.set(field, || format!("{value:?}"));
    }
}
