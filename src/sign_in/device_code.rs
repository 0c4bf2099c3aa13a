//! Sign-ins in progress by device code (RFC 8628), and the rate at which the provider is polled for
//! them (section 3.4).

use std::{sync::Arc, time::Duration};

use quick_cache::sync::Cache;

use super::{
    attempt::Attempt, begin::Request, complete::VerifiedAnswer, relying_party::RelyingParty,
};
use crate::{
    clock::UnixTime,
    codec,
    config::SignInMethod,
    error::{Error, ErrorKind},
    protocol::{Grant, Nonce, Pace, Permit, TokenAnswer, TokenParams},
    secret::Secret,
    single_flight::{Order, SingleFlight, Tokio},
};

/// The codes of a device authorization response, with the state of polling.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct DeviceCode {
    /// Sent to the provider alone: the code is sufficient to get the person's tokens.
    pub(crate) device_code: Secret,
    /// The code that the person types.
    pub(crate) user_code: String,
    pub(crate) verification_uri: String,
    pub(crate) verification_uri_complete: Option<String>,
    /// The scopes that were sent, separated by spaces, if they are not those of the attempt: the
    /// provider refuses some of them.
    pub(crate) scopes: Option<String>,
    /// The requested claims, as JSON.
    pub(crate) claims: Option<String>,
    pub(crate) expires_at: UnixTime,
    /// The time between two polls.
    pub(crate) interval: Duration,
    /// The earliest time of the next poll.
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
    9 scopes,
});

/// The number of sign-ins to remember, including recently finished ones. A forgotten sign-in can be
/// polled once too early.
const WAITING: usize = 4096;

/// The sign-ins in progress by device code, by their `state`.
pub(crate) struct DevicePolls<T> {
    known: Arc<Cache<String, PollState<T>>>,
    /// At most one poll per sign-in at a time; concurrent callers share its result.
    questions: Arc<SingleFlight<String, (), PollState<T>>>,
}

/// The last result of polling for a sign-in.
#[derive(Clone, Debug)]
pub(crate) enum PollState<T> {
    NotYet { interval: Duration, next: UnixTime },
    Over(Result<T, Error>),
}

impl<T> PollState<T> {
    /// Goes on with the result of the poll, if it brought one.
    pub(crate) async fn then<U, W: Future<Output = Result<U, Error>>>(
        self,
        next: impl FnOnce(T) -> W,
    ) -> PollState<U> {
        match self {
            Self::NotYet { interval, next } => PollState::NotYet { interval, next },
            Self::Over(Ok(result)) => PollState::Over(next(result).await),
            Self::Over(Err(error)) => PollState::Over(Err(error)),
        }
    }
}

/// The decision of [`turn`].
enum Turn<T> {
    /// The provider is not polled: this result is known.
    Known(PollState<T>),
    /// The provider is polled. The value is the current interval between polls.
    Ask(Duration),
}

impl<T: Clone + Send + Sync + 'static> DevicePolls<T> {
    pub(crate) fn new() -> Self {
        Self { known: Arc::new(Cache::new(WAITING)), questions: SingleFlight::new(Arc::new(Tokio)) }
    }

    /// The state of a sign-in at `now`. It polls the provider with `question` if the interval has
    /// passed and a permit is available, which the question holds as long as it needs the provider.
    /// The poll finishes even if the caller's future is dropped.
    pub(crate) async fn poll<W>(
        &self,
        state: &str,
        code: &DeviceCode,
        now: UnixTime,
        permit: impl Future<Output = Result<Permit, Error>>,
        question: impl FnOnce(Duration, Permit) -> W,
    ) -> PollState<T>
    where
        W: Future<Output = PollState<T>> + Send + 'static,
    {
        let state = state.to_owned();
        if let Some(flight) = self.questions.under_way(&state).pop() {
            return flight.finished().await.unwrap_or_else(|error| PollState::Over(Err(error)));
        }
        let interval = match turn(&self.known, &state, code, now) {
            Turn::Known(known) => return known,
            Turn::Ask(interval) => interval,
        };
        // Before the task starts: a caller that gives up while it waits leaves nothing behind.
        let permit = match permit.await {
            Ok(permit) => permit,
            // The provider was not polled: a later caller tries again.
            Err(error) if error.kind() == ErrorKind::Busy => {
                return PollState::NotYet { interval, next: now + interval };
            }
            Err(error) => return PollState::Over(Err(error)),
        };
        let work = || {
            let (all, state, code) = (Arc::clone(&self.known), state.clone(), code.clone());
            let asking = question(interval, permit);
            async move {
                // Another caller may have polled while this one waited for its permit.
                if let Turn::Known(known) = turn(&all, &state, &code, now) {
                    return known;
                }
                let outcome = asking.await;
                all.insert(state, outcome.clone());
                outcome
            }
        };
        let outcome = self.questions.run(&state, (), Order::AtOnce, work).await;
        outcome.unwrap_or_else(|error| PollState::Over(Err(error)))
    }
}

/// Decides whether a caller at `now` polls. The cookie's interval can be newer than the one in this
/// process, if another process polled: the longer one applies.
fn turn<T: Clone>(
    known: &Cache<String, PollState<T>>,
    state: &str,
    code: &DeviceCode,
    now: UnixTime,
) -> Turn<T> {
    let (interval, next) = match known.get(state) {
        // A device code is redeemed once: another poll would fail.
        Some(PollState::Over(outcome)) => return Turn::Known(PollState::Over(outcome)),
        Some(PollState::NotYet { interval, next }) => {
            (code.interval.max(interval), code.next.max(next))
        }
        None => (code.interval, code.next),
    };
    let not_yet = PollState::NotYet { interval, next };
    known.insert(state.to_owned(), not_yet.clone());
    if now < next { Turn::Known(not_yet) } else { Turn::Ask(interval) }
}

impl RelyingParty {
    /// Whether the configured sign-in method is the device code.
    pub(crate) fn by_code(&self) -> bool {
        self.config().sign_in_method() == SignInMethod::DeviceCode
    }

    /// Requests the codes of a new sign-in.
    pub(crate) async fn new_code(&self, request: &Request<'_>) -> Result<DeviceCode, Error> {
        let now = self.clock().now();
        let _permit = self.provider().permit_for_device_code().await?;
        let requested = request.scopes().join(" ");
        let (codes, claims) = request.device_code().await?;
        Ok(DeviceCode {
            device_code: codes.device_code,
            user_code: codes.user_code,
            verification_uri: codes.verification_uri,
            verification_uri_complete: codes.verification_uri_complete,
            scopes: (codes.scopes != requested).then_some(codes.scopes),
            claims,
            expires_at: now + codes.expires_in,
            interval: codes.interval,
            // The interval is a minimum (RFC 8628 section 3.5): earlier polls make the provider
            // lengthen it for good.
            next: self.clock().now_rounded_up() + codes.interval,
        })
    }

    /// Polls the token endpoint once (RFC 8628 section 3.4), and verifies the token response. Its
    /// ID token has no nonce, because there is no authorization request.
    pub(crate) async fn ask(
        &self,
        attempt: &Attempt,
        code: &DeviceCode,
        interval: Duration,
    ) -> PollState<VerifiedAnswer> {
        let verify = |answer| self.verify(self.provider(), attempt, answer, Nonce::NotSent);
        self.poll_once(code, interval).await.then(verify).await
    }

    async fn poll_once(&self, code: &DeviceCode, interval: Duration) -> PollState<TokenAnswer> {
        let asked = TokenParams { challenge: code.claims.as_deref(), ..TokenParams::default() };
        let refused =
            match self.provider().tokens(Grant::DeviceCode(&code.device_code), &asked).await {
                Ok(answer) => return PollState::Over(Ok(answer)),
                Err(refused) => refused,
            };
        let mut pace = Pace::new(interval);
        let had_credential = self.provider().authenticates_device_requests();
        match pace.refused(refused, had_credential) {
            Ok(()) => PollState::NotYet {
                interval: pace.interval,
                next: self.clock().now_rounded_up() + pace.wait(),
            },
            Err(error) => PollState::Over(Err(error)),
        }
    }
}

/// The error for an attempt without a device code. The key of device attempts is bound to the
/// sign-in method, so a cookie of another method cannot be decrypted and this does not occur.
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
            scopes: None,
            claims: None,
            expires_at: after(900),
            interval: Duration::from_secs(interval),
            next: after(next),
        }
    }

    fn after(seconds: u64) -> UnixTime {
        NOW + Duration::from_secs(seconds)
    }

    fn is_asked(polls: &DevicePolls<()>, code: &DeviceCode, seconds: u64) -> bool {
        matches!(turn(&polls.known, "state", code, after(seconds)), Turn::Ask(_))
    }

    fn not_yet(interval: u64, next: u64) -> PollState<()> {
        PollState::NotYet { interval: Duration::from_secs(interval), next: after(next) }
    }

    async fn permit() -> Result<Permit, Error> {
        Arc::new(tokio::sync::Semaphore::new(1))
            .acquire_owned()
            .await
            .map_err(|_| Error::new(ErrorKind::Busy, "closed"))
    }

    #[tokio::test]
    async fn concurrent_callers_share_one_poll_and_none_polls_too_early() {
        let polls = DevicePolls::<()>::new();
        assert!(!is_asked(&polls, &code(5, 5), 0) && !is_asked(&polls, &code(5, 5), 4));
        let gate = Arc::new(tokio::sync::Semaphore::new(0));
        let code = code(5, 5);
        let first = polls.poll("state", &code, after(5), permit(), |_, _| {
            let gate = Arc::clone(&gate);
            async move {
                gate.acquire().await.unwrap().forget();
                not_yet(10, 15)
            }
        });
        let second = polls.poll("state", &code, after(6), permit(), |_, _| async {
            unreachable!("the question is under way")
        });
        let (first, second, ()) = tokio::join!(first, second, async { gate.add_permits(1) });
        for state in [first, second] {
            assert!(matches!(state, PollState::NotYet { next, .. } if next == after(15)));
        }
        assert!(!is_asked(&polls, &code, 14), "an old cookie makes nobody faster");
        assert!(is_asked(&polls, &code, 15));
    }

    #[test]
    fn the_pace_of_another_process_applies() {
        let polls = DevicePolls::<()>::new();
        assert!(!is_asked(&polls, &code(10, 60), 30));
        let turn = turn(&polls.known, "state", &code(5, 5), after(60));
        assert!(matches!(turn, Turn::Ask(interval) if interval.as_secs() == 10), "for good");
    }

    #[test]
    fn a_code_is_read_as_it_was_written() {
        let complete = Some("https://id.example/device?user_code=WDJB-MJHT".to_owned());
        let code = DeviceCode { verification_uri_complete: complete, ..code(5, 5) };
        assert!(codec::Value::read(&codec::encode(&code)) == Some(code));
    }

    #[test]
    fn a_finished_sign_in_stays_finished() {
        let polls = DevicePolls::<()>::new();
        polls.known.insert("state".into(), PollState::Over(Err(no_code())));
        assert!(!is_asked(&polls, &code(5, 5), 800));
    }

    #[tokio::test]
    async fn a_caller_without_a_permit_polls_later() {
        let busy = async { Err(Error::new(ErrorKind::Busy, "too many sign-ins")) };
        let (polls, code) = (DevicePolls::<()>::new(), code(5, 5));
        let state = polls.poll("state", &code, after(5), busy, |_, _| async {
            unreachable!("without a permit nothing is asked")
        });
        assert!(matches!(state.await, PollState::NotYet { next, .. } if next == after(10)));
    }
}
