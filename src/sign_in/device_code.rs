//! Sign-ins by device code that wait for their person (RFC 8628 section 3.4): who may ask the
//! provider when, whoever keeps the rest.

use std::{fmt, sync::Arc, time::Duration};

use quick_cache::sync::Cache;

use super::{begin::Request, relying_party::RelyingParty};
use crate::{
    clock::UnixTime,
    codec,
    config::SignInMethod,
    error::{Error, ErrorKind},
    protocol::{Grant, Pace, Permit, TokenAnswer, TokenParams},
    secret::Secret,
    single_flight::{Order, SingleFlight, Tokio},
};

/// The codes that the provider gave, and what may be done with them.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct DeviceCode {
    /// For the provider alone: whoever has it gets the person's tokens.
    pub(crate) device_code: Secret,
    /// For the person.
    pub(crate) user_code: String,
    pub(crate) verification_uri: String,
    pub(crate) verification_uri_complete: Option<String>,
    /// What the tokens are asked for beside scopes, as JSON.
    pub(crate) claims: Option<String>,
    pub(crate) expires_at: UnixTime,
    /// Between two questions to the provider.
    pub(crate) interval: Duration,
    /// When the next question may be asked.
    pub(crate) next: UnixTime,
}

codec::record!(DeviceCode {
    1 device_code,
    2 user_code,
    3 verification_uri,
    4 verification_uri_complete,
    5 claims,
    6 expires_at,
    7 interval,
    8 next,
});

impl fmt::Debug for DeviceCode {
    /// Shows no code.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DeviceCode")
            .field("expires_at", &self.expires_at)
            .field("interval", &self.interval)
            .field("next", &self.next)
            .finish_non_exhaustive()
    }
}

/// How many sign-ins are remembered that wait, or that ended a while ago. What is forgotten costs a
/// question that is asked too soon, at most.
const WAITING: usize = 4096;

/// The sign-ins that wait for their person, by their `state`.
pub(crate) struct Waiting<T> {
    heard: Arc<Cache<String, Heard<T>>>,
    /// One question at a time, for everybody who asks meanwhile.
    questions: Arc<SingleFlight<String, (), Heard<T>>>,
}

/// What is known.
#[derive(Clone, Debug)]
pub(crate) enum Heard<T> {
    NotYet { interval: Duration, next: UnixTime },
    Over(Result<T, Error>),
}

/// What a caller does who asks about a sign-in.
enum Turn<T> {
    /// Nothing: this is known.
    Known(Heard<T>),
    /// To ask the provider, which wants this long between two questions.
    Ask(Duration),
}

impl<T: Clone + Send + Sync + 'static> Waiting<T> {
    pub(crate) fn new() -> Self {
        Self { heard: Arc::new(Cache::new(WAITING)), questions: SingleFlight::new(Arc::new(Tokio)) }
    }

    /// What is known of a sign-in at `now`, after asking the provider by `question` if it is time
    /// and there is a permit. That runs to its end, whatever becomes of the caller.
    pub(crate) async fn heard<W>(
        &self,
        state: &str,
        code: &DeviceCode,
        now: UnixTime,
        permit: impl Future<Output = Result<Permit, Error>>,
        question: impl FnOnce(Duration) -> W,
    ) -> Heard<T>
    where
        W: Future<Output = Heard<T>> + Send + 'static,
    {
        let state = state.to_owned();
        if let Some(flight) = self.questions.under_way(&state).pop() {
            return flight.landed().await.unwrap_or_else(|error| Heard::Over(Err(error)));
        }
        let interval = match turn(&self.heard, &state, code, now) {
            Turn::Known(heard) => return heard,
            Turn::Ask(interval) => interval,
        };
        // Before there is a task: a caller that goes away without a permit has cost nothing.
        let permit = match permit.await {
            Ok(permit) => permit,
            // Nobody was asked: the next caller tries again.
            Err(error) if error.kind() == ErrorKind::Busy => {
                return Heard::NotYet { interval, next: now + interval };
            }
            Err(error) => return Heard::Over(Err(error)),
        };
        let work = || {
            let (all, state, code) = (Arc::clone(&self.heard), state.clone(), code.clone());
            let asking = question(interval);
            async move {
                // Another caller may have asked while this one waited for its permit.
                if let Turn::Known(heard) = turn(&all, &state, &code, now) {
                    return heard;
                }
                let heard = asking.await;
                all.insert(state, heard.clone());
                drop(permit);
                heard
            }
        };
        let heard = self.questions.run(&state, (), Order::AtOnce, work).await;
        heard.unwrap_or_else(|error| Heard::Over(Err(error)))
    }
}

/// What a caller does who comes at `now` with this code. What the code says of the pace may be newer
/// than what is known here, if another process asked.
fn turn<T: Clone>(
    heard: &Cache<String, Heard<T>>,
    state: &str,
    code: &DeviceCode,
    now: UnixTime,
) -> Turn<T> {
    let (interval, next) = match heard.get(state) {
        Some(Heard::Over(outcome)) => return Turn::Known(Heard::Over(outcome)),
        Some(Heard::NotYet { interval, next }) => {
            (code.interval.max(interval), code.next.max(next))
        }
        None => (code.interval, code.next),
    };
    let not_yet = Heard::NotYet { interval, next };
    heard.insert(state.to_owned(), not_yet.clone());
    if now < next { Turn::Known(not_yet) } else { Turn::Ask(interval) }
}

impl RelyingParty {
    /// Whether people sign in by device code.
    pub(crate) fn by_code(&self) -> bool {
        self.config().sign_in_method() == SignInMethod::DeviceCode
    }

    /// A code for a sign-in that begins.
    pub(crate) async fn new_code(&self, request: &Request<'_>) -> Result<DeviceCode, Error> {
        let now = self.clock().now();
        let _permit = self.provider().permit_for_device_code().await?;
        let (codes, claims) = request.device_code().await?;
        Ok(DeviceCode {
            device_code: codes.device_code,
            user_code: codes.user_code,
            verification_uri: codes.verification_uri,
            verification_uri_complete: codes.verification_uri_complete,
            claims,
            expires_at: now + codes.expires_in,
            interval: codes.interval,
            next: now + codes.interval,
        })
    }

    /// Asks the provider once whether the person is done.
    pub(crate) async fn ask(&self, code: &DeviceCode, interval: Duration) -> Heard<TokenAnswer> {
        let asked = TokenParams { challenge: code.claims.as_deref(), ..TokenParams::default() };
        let refused =
            match self.provider().tokens(Grant::DeviceCode(&code.device_code), &asked).await {
                Ok(answer) => return Heard::Over(Ok(answer)),
                Err(refused) => refused,
            };
        let mut pace = Pace::new(interval);
        match pace.refused(refused) {
            Ok(()) => {
                Heard::NotYet { interval: pace.interval, next: self.clock().now() + pace.wait() }
            }
            Err(error) => Heard::Over(Err(error)),
        }
    }
}

/// Attempts of another kind are bound to another key, so that none is found.
pub(crate) fn no_code() -> Error {
    Error::new(ErrorKind::Internal, "the attempt has no device code")
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: UnixTime = UnixTime::from_seconds(1_700_000_000);

    fn code(interval: u64, next: u64) -> DeviceCode {
        DeviceCode {
            device_code: "d3v1c3".into(),
            user_code: "WDJB-MJHT".into(),
            verification_uri: "https://id.example/device".into(),
            verification_uri_complete: None,
            claims: None,
            expires_at: after(900),
            interval: Duration::from_secs(interval),
            next: after(next),
        }
    }

    fn after(seconds: u64) -> UnixTime {
        NOW + Duration::from_secs(seconds)
    }

    fn is_asked(waiting: &Waiting<()>, code: &DeviceCode, seconds: u64) -> bool {
        matches!(turn(&waiting.heard, "state", code, after(seconds)), Turn::Ask(_))
    }

    fn not_yet(interval: u64, next: u64) -> Heard<()> {
        Heard::NotYet { interval: Duration::from_secs(interval), next: after(next) }
    }

    async fn permit() -> Result<Permit, Error> {
        Arc::new(tokio::sync::Semaphore::new(1))
            .acquire_owned()
            .await
            .map_err(|_| Error::new(ErrorKind::Busy, "closed"))
    }

    #[tokio::test]
    async fn nobody_asks_before_it_is_time_and_one_question_is_everybodys() {
        let waiting = Waiting::<()>::new();
        assert!(!is_asked(&waiting, &code(5, 5), 0) && !is_asked(&waiting, &code(5, 5), 4));
        let gate = Arc::new(tokio::sync::Semaphore::new(0));
        let code = code(5, 5);
        let first = waiting.heard("state", &code, after(5), permit(), |_| {
            let gate = Arc::clone(&gate);
            async move {
                gate.acquire().await.unwrap().forget();
                not_yet(10, 15)
            }
        });
        let second = waiting.heard("state", &code, after(6), permit(), |_| async {
            unreachable!("the question is under way")
        });
        let (first, second, ()) = tokio::join!(first, second, async { gate.add_permits(1) });
        for heard in [first, second] {
            assert!(matches!(heard, Heard::NotYet { next, .. } if next == after(15)));
        }
        assert!(!is_asked(&waiting, &code, 14), "an old cookie makes nobody faster");
        assert!(is_asked(&waiting, &code, 15));
    }

    #[test]
    fn what_another_process_heard_counts_here() {
        let waiting = Waiting::<()>::new();
        assert!(!is_asked(&waiting, &code(10, 60), 30));
        let turn = turn(&waiting.heard, "state", &code(5, 5), after(60));
        assert!(matches!(turn, Turn::Ask(interval) if interval.as_secs() == 10), "for good");
    }

    #[test]
    fn a_code_is_read_as_it_was_written() {
        let complete = Some("https://id.example/device?user_code=WDJB-MJHT".to_owned());
        let code = DeviceCode { verification_uri_complete: complete, ..code(5, 5) };
        assert!(codec::Value::read(&codec::encode(&code)) == Some(code));
    }

    /// C-363
    #[test]
    fn no_code_is_printed() {
        let printed = format!("{:?}", code(5, 5));
        assert!(!printed.contains("d3v1c3") && !printed.contains("WDJB"), "{printed}");
    }

    #[test]
    fn what_is_over_stays_over() {
        let waiting = Waiting::<()>::new();
        waiting.heard.insert("state".into(), Heard::Over(Err(no_code())));
        assert!(!is_asked(&waiting, &code(5, 5), 800));
    }

    #[tokio::test]
    async fn a_caller_without_a_permit_is_told_to_come_back() {
        let busy = async { Err(Error::new(ErrorKind::Busy, "too many sign-ins")) };
        let (waiting, code) = (Waiting::<()>::new(), code(5, 5));
        let heard = waiting.heard("state", &code, after(5), busy, |_| async {
            unreachable!("without a permit nothing is asked")
        });
        assert!(matches!(heard.await, Heard::NotYet { next, .. } if next == after(10)));
    }
}
