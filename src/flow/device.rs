//! Signing in by device code (RFC 8628): a page with a code, in the place of a redirect.
//!
//! - The sign-in path gets a code and leads to its page, which is at the callback path, under the `state` of the attempt. The attempt is this browser's cookie: nobody else sees the page, or is signed in
//!   by it.
//! - Codes, addresses, end and pace are in the sealed attempt, so that any process goes on with it. Memory holds who is asking at the moment, how long the provider wants to be left alone, and what came of
//!   it.
//! - One question at a time, in a task of its own, and never sooner than the provider allows, whatever browsers do; in between the answer is "not yet". A code is redeemed once.

use std::{
    convert::Infallible,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use http::Method;
use quick_cache::{DefaultHashBuilder, Lifecycle, UnitWeighter, sync::Cache};
use tokio::sync::OnceCell;
use tracing::Instrument as _;

use super::{Answer, Asked, Flow, Reply, answer::answer_of, callback::Done, request::Request, web_auth::WebAuth};
use crate::{
    caller::{Caller, is_prefetch},
    clock::UnixTime,
    config::SignInMethod,
    error::{Error, ErrorKind},
    protocol::{Asked as AskedFor, Grant, Nonce, Pace, TokenAnswer},
    session::{Attempt, DeviceCode, Lookup, Opened, State},
    user::User,
};

/// What the page with the code shows.
#[derive(Debug)]
pub(crate) struct CodePage {
    pub(crate) user_code: String,
    pub(crate) verification_uri: String,
    pub(crate) verification_uri_complete: Option<String>,
    /// How long the code still works.
    pub(crate) expires_in: Duration,
    /// When asking again makes sense.
    pub(crate) wait: Duration,
    /// The person asked to go on, and was not done.
    pub(crate) not_yet: bool,
    pub(crate) poll_address: String,
    pub(crate) continue_address: String,
    /// Where a new code is to be had.
    pub(crate) again: String,
}

/// What the page's script hears.
#[derive(Debug)]
pub(crate) enum Polled {
    /// To ask again after this time.
    Pending { wait: Duration },
    /// The person is signed in.
    Done { location: String },
    /// It failed: the page says why.
    Ended,
}

impl Polled {
    pub(super) fn as_str(&self) -> &'static str {
        match self {
            Self::Pending { .. } => "pending",
            Self::Done { .. } => "done",
            Self::Ended => "ended",
        }
    }
}

/// How many sign-ins are remembered that wait, or that ended a while ago. What is forgotten costs a question that is asked too soon, at most.
const WAITING: usize = 4096;

/// The sign-ins that wait for their person, by their `state`.
pub(super) struct Waiting(Cache<String, Arc<Mutex<Stage>>, UnitWeighter, DefaultHashBuilder, InUse>);

/// Keeps what somebody works with, however many others come meanwhile.
#[derive(Clone, Debug, Default)]
struct InUse;

impl Lifecycle<String, Arc<Mutex<Stage>>> for InUse {
    type RequestState = ();

    fn is_pinned(&self, _state: &String, stage: &Arc<Mutex<Stage>>) -> bool {
        Arc::strong_count(stage) > 1
    }
}

/// How far a sign-in is.
#[derive(Debug)]
enum Stage {
    /// The provider is left alone.
    Resting { interval: Duration, next: UnixTime },
    /// It is being asked.
    Asking { question: Question, interval: Duration },
    /// Nothing more is to be asked.
    Over(Result<Done, Error>),
}

/// One question, for everybody who asks meanwhile.
type Question = Arc<OnceCell<Heard>>;

/// What is known.
#[derive(Clone, Debug)]
enum Heard {
    NotYet { interval: Duration, next: UnixTime },
    Over(Result<Done, Error>),
}

/// Whose turn it is.
enum Turn {
    /// Nobody's: this is known.
    Known(Heard),
    /// To ask the provider, or to wait for who is asking it.
    Ask(Question, Duration),
}

impl Stage {
    /// What somebody does who comes at `now` with this code: pure. What the code says of the pace may be newer than what is known here, if another process asked.
    fn turn(&mut self, code: &DeviceCode, now: UnixTime) -> Turn {
        match self {
            Self::Over(outcome) => Turn::Known(Heard::Over(outcome.clone())),
            Self::Asking { question, interval } => Turn::Ask(Arc::clone(question), *interval),
            Self::Resting { interval, next } => {
                *interval = code.interval.max(*interval);
                *next = code.next.max(*next);
                let (interval, next) = (*interval, *next);
                if now < next {
                    return Turn::Known(Heard::NotYet { interval, next });
                }
                let question = Question::default();
                *self = Self::Asking { question: Arc::clone(&question), interval };
                Turn::Ask(question, interval)
            }
        }
    }
}

impl From<&Heard> for Stage {
    fn from(heard: &Heard) -> Self {
        match heard {
            Heard::NotYet { interval, next } => Self::Resting { interval: *interval, next: *next },
            Heard::Over(outcome) => Self::Over(outcome.clone()),
        }
    }
}

impl Waiting {
    pub(super) fn new() -> Self {
        Self(Cache::with(WAITING, WAITING as u64, UnitWeighter, DefaultHashBuilder::default(), InUse))
    }

    fn of(&self, state: &str, code: &DeviceCode) -> Arc<Mutex<Stage>> {
        let fresh = || Arc::new(Mutex::new(Stage::Resting { interval: code.interval, next: code.next }));
        match self.0.get_or_insert_with(state, || Ok::<_, Infallible>(fresh())) {
            Ok(stage) => stage,
            Err(never) => match never {},
        }
    }
}

fn lock(stage: &Mutex<Stage>) -> MutexGuard<'_, Stage> {
    stage.lock().unwrap_or_else(PoisonError::into_inner)
}

impl WebAuth {
    /// Asks the provider once whether the person is done.
    async fn ask(&self, code: &DeviceCode) -> Result<TokenAnswer, Error> {
        let asked = AskedFor { claims: code.claims.as_deref(), ..AskedFor::default() };
        self.provider().tokens(Grant::DeviceCode(&code.device_code), &asked).await
    }
}

impl Flow {
    /// Whether people sign in by device code.
    pub(super) fn by_code(&self) -> bool {
        self.config.sign_in_method() == SignInMethod::DeviceCode
    }

    /// A code for a sign-in that begins.
    pub(super) async fn new_code(&self, request: &Request<'_>) -> Result<DeviceCode, Error> {
        let (codes, claims) = request.device_code().await?;
        let now = self.clock.now();
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

    /// Where the page of a sign-in is.
    pub(super) fn code_address(&self, state: &str) -> String {
        format!("{}?state={state}", self.config.external_path(&self.config.paths().callback))
    }

    /// The page with the code; for its script, whether the person is done.
    pub(super) async fn device_code(self: &Arc<Self>, asked: Asked<'_>) -> Reply {
        let again = || self.sign_in_address(self.config.home());
        if *asked.method != Method::GET {
            return Reply::failed(Error::new(ErrorKind::RequestInvalid, "the page with the code takes GET"), Some(again()));
        }
        if is_prefetch(asked.headers) {
            return Reply::new(Answer::SignInNeeded { sign_in: again(), why: None });
        }
        let query = asked.uri.query().unwrap_or_default().as_bytes();
        let parameter = |wanted: &str| url::form_urlencoded::parse(query).find(|(name, _)| name == wanted);
        let Some((_, text)) = parameter("state") else {
            return Reply::failed(Error::new(ErrorKind::CallbackInvalid, "the address has no `state`"), Some(again()));
        };
        let Some(state) = State::parse(&text) else {
            return Reply::failed(Error::new(ErrorKind::StateMismatch, "the `state` was not made here"), Some(again()));
        };
        let is_page = matches!(Caller::of(asked.method, asked.headers), Caller::Navigation | Caller::Document);
        let present = match self.sessions.load(asked.headers, self.clock.now()).await {
            Ok(present) => present,
            // Nobody could be signed in: the code is kept for later.
            Err(_) if !is_page => return Reply::new(Answer::Polled(Polled::Pending { wait: WHILE_DOWN })),
            Err(error) => return Reply::failed(error, Some(self.code_address(&text))),
        };
        // Another tab, or an answer that was lost on its way: whoever is signed in by this code is there already.
        if let Some(page) = present.as_ref().and_then(|session| session.beginning().landing(&answer_of(&text))) {
            let reply = if is_page { Reply::redirect(page) } else { Reply::new(done(page)) };
            return reply.with_cookies([self.attempts.remove(state.slot)]);
        }
        match self.attempts.find(asked.headers, state, self.clock.now()) {
            Lookup::Found(attempt) => self.waits(&text, state, *attempt, present, is_page, parameter("continue").is_some()).await,
            Lookup::Expired(_) if !is_page => Reply::new(Answer::Polled(Polled::Ended)),
            Lookup::Expired(attempt) => {
                let error = Error::new(ErrorKind::CodeExpired, "the code was not used in time");
                let again = self.sign_in_address(&self.return_path(&attempt));
                Reply::failed(error, Some(again)).with_cookies([self.attempts.remove(state.slot)])
            }
            Lookup::Missing if is_page => self.without_attempt(asked, state, &text).await,
            Lookup::Missing => Reply::new(Answer::SignInNeeded { sign_in: again(), why: None }),
        }
    }

    async fn waits(
        self: &Arc<Self>,
        text: &str,
        state: State<'_>,
        mut attempt: Attempt,
        present: Option<Arc<Opened<User>>>,
        is_page: bool,
        not_yet: bool,
    ) -> Reply {
        let again = self.sign_in_address(&self.return_path(&attempt));
        let (interval, next) = match self.heard(text, &attempt, present).await {
            Heard::NotYet { interval, next } => (interval, next),
            Heard::Over(Ok(Done::Page { return_path, cookie })) => {
                let reply = match is_page {
                    true => Reply::redirect(return_path.as_str()),
                    false => Reply::new(done(return_path.as_str())),
                };
                return reply.with_cookies([self.attempts.remove(state.slot)]).with_cookies(cookie);
            }
            Heard::Over(_) if !is_page => return Reply::new(Answer::Polled(Polled::Ended)),
            // No device code is for an errand of B2C.
            Heard::Over(Ok(_)) => return Reply::failed(Error::new(ErrorKind::Internal, "a code of another kind"), Some(again)),
            Heard::Over(Err(error)) => {
                return Reply::failed(error, Some(again)).with_cookies([self.attempts.remove(state.slot)]);
            }
        };
        let now = self.clock.now();
        let Some(code) = &mut attempt.device else { return Reply::failed(no_code(), Some(again)) };
        let changed = (code.interval, code.next) != (interval, next);
        (code.interval, code.next) = (interval, next);
        let wait = next.since(now).max(Duration::from_secs(1));
        let reply = if is_page {
            let address = self.code_address(text);
            Reply::new(Answer::Code(Box::new(CodePage {
                user_code: code.user_code.clone(),
                verification_uri: code.verification_uri.clone(),
                verification_uri_complete: code.verification_uri_complete.clone(),
                expires_in: code.expires_at.since(now),
                wait,
                not_yet,
                continue_address: format!("{address}&continue"),
                poll_address: address,
                again,
            })))
        } else {
            Reply::new(Answer::Polled(Polled::Pending { wait }))
        };
        // Whichever process is asked next keeps to the same pace.
        let kept = if changed { self.attempts.keep(state.slot, &attempt, now).ok() } else { None };
        reply.with_cookies(kept)
    }

    /// What is known of a sign-in, after asking the provider if it is time.
    async fn heard(self: &Arc<Self>, state: &str, attempt: &Attempt, present: Option<Arc<Opened<User>>>) -> Heard {
        let Some(code) = &attempt.device else { return Heard::Over(Err(no_code())) };
        let stage = self.waiting.of(state, code);
        let turn = lock(&stage).turn(code, self.clock.now());
        let (question, interval) = match turn {
            Turn::Known(heard) => return heard,
            Turn::Ask(question, interval) => (question, interval),
        };
        let (flow, state, attempt) = (Arc::clone(self), state.to_owned(), attempt.clone());
        let span = tracing::info_span!("complete_sign_in");
        let task = async move {
            let asking = async {
                let heard = flow.question(&state, &attempt, interval, present.as_deref()).await;
                *lock(&stage) = Stage::from(&heard);
                heard
            };
            question.get_or_init(|| asking).await.clone()
        };
        let ended = || Heard::Over(Err(Error::new(ErrorKind::Internal, "the task of a sign-in was ended from outside")));
        tokio::spawn(task.instrument(span)).await.unwrap_or_else(|_| ended())
    }

    /// One question, and if the person is done the session.
    async fn question(&self, state: &str, attempt: &Attempt, interval: Duration, present: Option<&Opened<User>>) -> Heard {
        let Some(code) = &attempt.device else { return Heard::Over(Err(no_code())) };
        let refused = match self.auth.ask(code).await {
            Ok(answer) => return Heard::Over(self.signed_in_by_code(state, attempt, answer, present).await),
            Err(refused) => refused,
        };
        let mut pace = Pace::new(interval);
        match pace.refused(refused) {
            Ok(()) => Heard::NotYet { interval: pace.interval, next: self.clock.now() + pace.wait() },
            Err(error) => Heard::Over(Err(error)),
        }
    }

    async fn signed_in_by_code(
        &self,
        state: &str,
        attempt: &Attempt,
        answer: TokenAnswer,
        present: Option<&Opened<User>>,
    ) -> Result<Done, Error> {
        let verified = self.auth.verify(self.auth.provider(), attempt, answer, Nonce::NotSent).await?;
        self.establish(state, attempt, verified, present).await
    }
}

/// How long a script waits while sessions cannot be stored.
const WHILE_DOWN: Duration = Duration::from_secs(10);

fn done(location: &str) -> Answer {
    Answer::Polled(Polled::Done { location: location.to_owned() })
}

/// Attempts of another kind are bound to another key, so that none is found.
fn no_code() -> Error {
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

    fn is_asked(stage: &Mutex<Stage>, code: &DeviceCode, seconds: u64) -> bool {
        matches!(lock(stage).turn(code, after(seconds)), Turn::Ask(..))
    }

    fn not_yet(interval: u64, next: u64) -> Stage {
        Stage::from(&Heard::NotYet { interval: Duration::from_secs(interval), next: after(next) })
    }

    #[test]
    fn nobody_asks_before_it_is_time_and_one_question_is_everybodys() {
        let waiting = Waiting::new();
        let stage = waiting.of("state", &code(5, 5));
        assert!(!is_asked(&stage, &code(5, 5), 0) && !is_asked(&stage, &code(5, 5), 4));
        let Turn::Ask(one, _) = lock(&stage).turn(&code(5, 5), after(5)) else { panic!() };
        let Turn::Ask(other, _) = lock(&waiting.of("state", &code(5, 5))).turn(&code(5, 5), after(6)) else { panic!() };
        assert!(Arc::ptr_eq(&one, &other));
        *lock(&stage) = not_yet(10, 15);
        assert!(!is_asked(&stage, &code(5, 5), 14), "an old cookie makes nobody faster");
        assert!(is_asked(&stage, &code(5, 5), 15));
    }

    #[test]
    fn what_another_process_heard_counts_here() {
        let stage = Waiting::new().of("state", &code(5, 5));
        assert!(!is_asked(&stage, &code(10, 60), 30));
        let Turn::Ask(_, interval) = lock(&stage).turn(&code(5, 5), after(60)) else { panic!() };
        assert_eq!(interval.as_secs(), 10, "for good");
    }

    #[test]
    fn what_is_over_stays_over() {
        let stage = Mutex::new(Stage::from(&Heard::Over(Err(no_code()))));
        assert!(!is_asked(&stage, &code(5, 5), 800));
    }

    #[test]
    fn whoever_is_asking_is_not_forgotten_however_many_others_there_are() {
        let waiting = Waiting::new();
        let asking = waiting.of("asking", &code(5, 5));
        for number in 0..3 * WAITING {
            waiting.of(&number.to_string(), &code(5, 5));
        }
        assert!(Arc::ptr_eq(&asking, &waiting.of("asking", &code(5, 5))));
        assert!(waiting.0.len() <= WAITING + 1);
    }
}
