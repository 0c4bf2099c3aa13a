//! Sign-ins by device code that wait for their person (RFC 8628 section 3.4): who may ask the
//! provider when, whoever keeps the rest.

use std::{
    convert::Infallible,
    fmt,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use quick_cache::{DefaultHashBuilder, Lifecycle, UnitWeighter, sync::Cache};

use super::{begin::Request, once::Once, relying_party::RelyingParty};
use crate::{
    clock::UnixTime,
    config::SignInMethod,
    error::{Error, ErrorKind},
    protocol::{Asked, Grant, Pace, Permit, TokenAnswer},
    secret::Secret,
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
pub(crate) struct Waiting<T>(
    Cache<String, Arc<Mutex<Stage<T>>>, UnitWeighter, DefaultHashBuilder, InUse>,
);

/// Keeps what somebody works with, however many others come meanwhile.
#[derive(Clone, Debug, Default)]
struct InUse;

impl<T> Lifecycle<String, Arc<Mutex<Stage<T>>>> for InUse {
    type RequestState = ();

    fn is_pinned(&self, _state: &String, stage: &Arc<Mutex<Stage<T>>>) -> bool {
        Arc::strong_count(stage) > 1
    }
}

/// How far a sign-in is.
#[derive(Debug)]
enum Stage<T> {
    /// The provider is left alone.
    Resting { interval: Duration, next: UnixTime },
    /// It is being asked.
    Asking { question: Question<T>, interval: Duration },
    /// Nothing more is to be asked.
    Over(Result<T, Error>),
}

/// One question, for everybody who asks meanwhile.
type Question<T> = Once<Heard<T>>;

/// What is known.
#[derive(Clone, Debug)]
pub(crate) enum Heard<T> {
    NotYet { interval: Duration, next: UnixTime },
    Over(Result<T, Error>),
}

/// Whose turn it is.
enum Turn<T> {
    /// Nobody's: this is known.
    Known(Heard<T>),
    /// To ask the provider, or to wait for who is asking it.
    Ask(Question<T>, Duration),
}

impl<T: Clone> Stage<T> {
    /// What somebody does who comes at `now` with this code: pure. What the code says of the pace
    /// may be newer than what is known here, if another process asked.
    fn turn(&mut self, code: &DeviceCode, now: UnixTime) -> Turn<T> {
        match self {
            Self::Over(outcome) => Turn::Known(Heard::Over(outcome.clone())),
            Self::Asking { question, interval } => Turn::Ask(question.clone(), *interval),
            Self::Resting { interval, next } => {
                *interval = code.interval.max(*interval);
                *next = code.next.max(*next);
                let (interval, next) = (*interval, *next);
                if now < next {
                    return Turn::Known(Heard::NotYet { interval, next });
                }
                let question = Question::default();
                *self = Self::Asking { question: question.clone(), interval };
                Turn::Ask(question, interval)
            }
        }
    }
}

impl<T: Clone> From<&Heard<T>> for Stage<T> {
    fn from(heard: &Heard<T>) -> Self {
        match heard {
            Heard::NotYet { interval, next } => Self::Resting { interval: *interval, next: *next },
            Heard::Over(outcome) => Self::Over(outcome.clone()),
        }
    }
}

impl<T: Clone + Send + Sync + 'static> Waiting<T> {
    pub(crate) fn new() -> Self {
        Self(Cache::with(
            WAITING,
            WAITING as u64,
            UnitWeighter,
            DefaultHashBuilder::default(),
            InUse,
        ))
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
        let stage = self.of(state, code);
        let turn = lock(&stage).turn(code, now);
        let (shared, interval) = match turn {
            Turn::Known(heard) => return heard,
            Turn::Ask(shared, interval) => (shared, interval),
        };
        let work = question(interval);
        let asking = async move {
            let heard = work.await;
            *lock(&stage) = Stage::from(&heard);
            heard
        };
        match shared.outcome(permit, asking).await {
            Ok(heard) => heard,
            // Nobody was asked: whoever comes next tries again.
            Err(error) if error.kind() == ErrorKind::Busy => {
                Heard::NotYet { interval, next: now + interval }
            }
            Err(error) => Heard::Over(Err(error)),
        }
    }

    fn of(&self, state: &str, code: &DeviceCode) -> Arc<Mutex<Stage<T>>> {
        let fresh =
            || Arc::new(Mutex::new(Stage::Resting { interval: code.interval, next: code.next }));
        match self.0.get_or_insert_with(state, || Ok::<_, Infallible>(fresh())) {
            Ok(stage) => stage,
            Err(never) => match never {},
        }
    }
}

fn lock<T>(stage: &Mutex<Stage<T>>) -> MutexGuard<'_, Stage<T>> {
    stage.lock().unwrap_or_else(PoisonError::into_inner)
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
        let asked = Asked { challenge: code.claims.as_deref(), ..Asked::default() };
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

    fn is_asked(stage: &Mutex<Stage<()>>, code: &DeviceCode, seconds: u64) -> bool {
        matches!(lock(stage).turn(code, after(seconds)), Turn::Ask(..))
    }

    fn not_yet(interval: u64, next: u64) -> Stage<()> {
        Stage::from(&Heard::<()>::NotYet {
            interval: Duration::from_secs(interval),
            next: after(next),
        })
    }

    #[test]
    fn nobody_asks_before_it_is_time_and_one_question_is_everybodys() {
        let waiting = Waiting::<()>::new();
        let stage = waiting.of("state", &code(5, 5));
        assert!(!is_asked(&stage, &code(5, 5), 0) && !is_asked(&stage, &code(5, 5), 4));
        let Turn::Ask(one, _) = lock(&stage).turn(&code(5, 5), after(5)) else { panic!() };
        let Turn::Ask(other, _) =
            lock(&waiting.of("state", &code(5, 5))).turn(&code(5, 5), after(6))
        else {
            panic!()
        };
        assert!(one.is(&other));
        *lock(&stage) = not_yet(10, 15);
        assert!(!is_asked(&stage, &code(5, 5), 14), "an old cookie makes nobody faster");
        assert!(is_asked(&stage, &code(5, 5), 15));
    }

    #[test]
    fn what_another_process_heard_counts_here() {
        let stage = Waiting::<()>::new().of("state", &code(5, 5));
        assert!(!is_asked(&stage, &code(10, 60), 30));
        let Turn::Ask(_, interval) = lock(&stage).turn(&code(5, 5), after(60)) else { panic!() };
        assert_eq!(interval.as_secs(), 10, "for good");
    }

    #[test]
    fn what_is_over_stays_over() {
        let stage = Mutex::new(Stage::from(&Heard::<()>::Over(Err(no_code()))));
        assert!(!is_asked(&stage, &code(5, 5), 800));
    }

    #[test]
    fn whoever_is_asking_is_not_forgotten_however_many_others_there_are() {
        let waiting = Waiting::<()>::new();
        let asking = waiting.of("asking", &code(5, 5));
        for number in 0..3 * WAITING {
            waiting.of(&number.to_string(), &code(5, 5));
        }
        assert!(Arc::ptr_eq(&asking, &waiting.of("asking", &code(5, 5))));
        assert!(waiting.0.len() <= WAITING + 1);
    }
}
