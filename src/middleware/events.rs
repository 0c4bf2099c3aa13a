//! The events of an application: sign-ins, sign-outs and ends of sessions, their handlers, and when
//! these are called.
//!
//! An event owns what it holds: the sign-in of a callback goes on in a task of its own, also if the
//! browser goes away.

use std::{borrow::Cow, convert::Infallible, fmt, pin::Pin, sync::Arc, time::Duration};

use http::request::Parts;
use quick_cache::sync::Cache;
use tracing::Instrument as _;

use super::{callback::BrowserState, flow::Flow, layer::IdentityLayer};
use crate::{
    error::{Error, ErrorKind},
    http_message::{BoxError, RequestHead},
    session::{EndedSession, RequestCookies, Session, SessionEndCause},
    sign_in::{Attempt, Purpose},
    single_flight::{self, Tokio},
    tokens::RecordId,
    user::User,
};

/// Why a person signed in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum SignInCause {
    /// To sign in: the browser had no session, or one of another person.
    SignIn,
    /// To give the application more: the person was signed in, and a page asked for consent, for a
    /// stronger or a more recent sign-in, or for tokens that were gone.
    StepUp,
    /// The person was signed in and edited the profile (B2C): the claims were read again.
    ProfileEdited,
}

/// A sign-in that is about to be completed: what
/// [`IdentityLayer::on_signed_in`](crate::IdentityLayer::on_signed_in) hands to its handler.
#[derive(Clone)]
pub struct SignInEvent {
    user: User,
    previous: Option<User>,
    cause: SignInCause,
    request: Arc<Parts>,
}

impl SignInEvent {
    /// The person. [`User::tokens`] works already, for example to read a profile.
    #[must_use]
    pub fn user(&self) -> &User {
        &self.user
    }

    /// The person who was signed in in this browser until now, as far as the request tells: the
    /// same person at a step-up, maybe another one otherwise. `None` if nobody was, and with
    /// [`ResponseMode::FormPost`](crate::config::ResponseMode::FormPost), whose request comes
    /// without cookies.
    #[must_use]
    pub fn previous_user(&self) -> Option<&User> {
        self.previous.as_ref()
    }

    /// Why the person signed in.
    #[must_use]
    pub fn cause(&self) -> SignInCause {
        self.cause
    }

    /// The head of the request that completes the sign-in, with what outer layers put into its
    /// extensions. Its URL has no query, because the code of the provider is in it.
    #[must_use]
    pub fn request(&self) -> &Parts {
        &self.request
    }
}

/// A sign-out that a page of the application asked for: what
/// [`IdentityLayer::on_signed_out`](crate::IdentityLayer::on_signed_out) hands to its handler.
#[derive(Clone)]
pub struct SignOutEvent {
    user: Option<User>,
    request: Arc<Parts>,
}

impl SignOutEvent {
    /// The person who was signed in. `None` if the session had ended before: there may still be
    /// something of the person to clear.
    #[must_use]
    pub fn user(&self) -> Option<&User> {
        self.user.as_ref()
    }

    /// The head of the request, with what outer layers put into its extensions. Its URL has no
    /// query.
    #[must_use]
    pub fn request(&self) -> &Parts {
        &self.request
    }
}

/// The end of a session without a sign-out, for the handler of
/// [`IdentityLayer::on_session_ended`](crate::IdentityLayer::on_session_ended).
#[derive(Clone)]
pub struct SessionEndEvent {
    user: User,
    cause: SessionEndCause,
    request: Arc<Parts>,
}

impl SessionEndEvent {
    /// The person whose session it was. Their tokens may be gone already.
    #[must_use]
    pub fn user(&self) -> &User {
        &self.user
    }

    /// Why it ended.
    #[must_use]
    pub fn cause(&self) -> SessionEndCause {
        self.cause
    }

    /// The head of the request that came with the session's cookie, with what outer layers put into
    /// its extensions. At the layer's own paths its URL has no query.
    #[must_use]
    pub fn request(&self) -> &Parts {
        &self.request
    }
}

/// The error with which a handler of [`on_signed_in`](crate::IdentityLayer::on_signed_in) refuses
/// a sign-in.
///
/// - [`new`](Self::new) refuses the person: 403, reason code `sign_in_refused`.
/// - Any other error converts into it, so that `?` refuses the sign-in where it could not be
///   completed (a database that is down): 500, reason code `event_handler_failed`.
#[derive(Debug)]
pub struct SignInRefusal(Error);

impl SignInRefusal {
    /// Refuses the person. `detail` is for the log, and for the page of an application on its
    /// developer's machine; the page says that this application does not accept the sign-in, and
    /// offers to use another account.
    #[must_use]
    pub fn new(detail: impl Into<String>) -> Self {
        Self(Error::new(ErrorKind::SignInRefused, detail.into()))
    }

    /// The sentence that the page shows to the user, in place of the one that this application does
    /// not accept the sign-in. It is text: a page shows markup as it is written.
    ///
    /// ```
    /// use tower_identity::SignInRefusal;
    ///
    /// let refusal = SignInRefusal::new("the invoice of March is unpaid")
    ///     .with_user_message("Your subscription has ended. Write to accounts@example.com.");
    /// # let _ = refusal;
    /// ```
    #[must_use]
    pub fn with_user_message(self, message: impl Into<String>) -> Self {
        Self(self.0.with_own_message(message.into()))
    }

    fn into_error(self) -> Error {
        self.0
    }
}

impl<E: Into<Box<dyn std::error::Error + Send + Sync>>> From<E> for SignInRefusal {
    fn from(error: E) -> Self {
        Self(Error::new(
            ErrorKind::EventHandlerFailed,
            format!("the handler of `on_signed_in` failed: {}", error.into()),
        ))
    }
}

impl fmt::Debug for SignInEvent {
    /// Nothing about the person.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SignInEvent").field("cause", &self.cause).finish_non_exhaustive()
    }
}

impl fmt::Debug for SignOutEvent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SignOutEvent").finish_non_exhaustive()
    }
}

impl fmt::Debug for SessionEndEvent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SessionEndEvent").field("cause", &self.cause).finish_non_exhaustive()
    }
}

type Handler<E, R> = Arc<dyn Fn(E) -> Pin<Box<dyn Future<Output = R> + Send>> + Send + Sync>;

/// The handlers that the application has set.
#[derive(Clone, Default)]
pub(super) struct Handlers {
    signed_in: Option<Handler<SignInEvent, Result<(), SignInRefusal>>>,
    signed_out: Option<Handler<SignOutEvent, Result<(), BoxError>>>,
    session_ended: Option<Handler<SessionEndEvent, Result<(), BoxError>>>,
}

/// How many ends of sessions are remembered, so that each is reported once.
const MOST_REPORTED: usize = 10_000;

/// The sessions whose end was reported to the application.
pub(super) struct ReportedEnds(Cache<[u8; 16], ()>);

impl ReportedEnds {
    pub(super) fn new() -> Self {
        Self(Cache::new(MOST_REPORTED))
    }

    /// Adds a session. `true` if it was not there, for one of several callers at the same time.
    fn insert(&self, session: RecordId) -> bool {
        let mut is_new = false;
        let _ = self.0.get_or_insert_with(&session.bytes(), || {
            is_new = true;
            Ok::<_, Infallible>(())
        });
        is_new
    }
}

/// How long the browser waits for a handler. A handler of `on_signed_in` is dropped then. The limit
/// is that of a request to the provider.
const HANDLER_LIMIT: Duration = Duration::from_secs(10);

impl IdentityLayer {
    /// Calls `handler` at every sign-in, by redirect or by device code, step-ups included: to
    /// provision the person in the application's own database, to take over a session of the
    /// application's own, to write an audit log. The default is none; a second call replaces the
    /// handler.
    ///
    /// It is called once, when everything is verified and before the browser gets its cookie, which
    /// waits for it. `Ok(())` goes on. An error refuses the sign-in with a page, and a session that
    /// was there before continues: [`SignInRefusal`] says how. A handler that has not returned
    /// after 10 s is dropped, and the sign-in fails (`event_handler_failed`), as it does after a
    /// panic.
    ///
    /// ```
    /// use tower_identity::{IdentityLayer, SignInRefusal};
    ///
    /// # async fn upsert(_: tower_identity::UserKey) -> Result<bool, std::io::Error> { Ok(true) }
    /// # fn with_events(layer: IdentityLayer) -> IdentityLayer {
    /// layer.on_signed_in(|event| async move {
    ///     // A database that is down refuses the sign-in.
    ///     let is_active = upsert(event.user().key()).await?;
    ///     if !is_active {
    ///         return Err(SignInRefusal::new("the account is suspended here"));
    ///     }
    ///     Ok(())
    /// })
    /// # }
    /// ```
    ///
    /// To go on although something failed, log it and return `Ok(())`. With
    /// [`WebAuth`](crate::WebAuth) there are no events: its methods return to the application's own
    /// code at the same moments.
    pub fn on_signed_in<F>(self, handler: impl Fn(SignInEvent) -> F + Send + Sync + 'static) -> Self
    where
        F: Future<Output = Result<(), SignInRefusal>> + Send + 'static,
    {
        let handler: Handler<SignInEvent, Result<(), SignInRefusal>> =
            Arc::new(move |event| Box::pin(handler(event)));
        self.with(|setup| setup.handlers.signed_in = Some(handler))
    }

    /// Calls `handler` at every sign-out that a page of the application asks for, after the session
    /// has ended and before the browser goes on to the provider. It can clear a session of the
    /// application's own, or write an audit log. The default is none; a second call replaces the
    /// handler.
    ///
    /// ```
    /// use std::convert::Infallible;
    /// use tower_identity::IdentityLayer;
    ///
    /// fn with_audit(layer: IdentityLayer) -> IdentityLayer {
    ///     layer.on_signed_out(|event| async move {
    ///         let user = event.user().map(|user| user.key().to_string());
    ///         tracing::info!(target: "audit", user, "signed out");
    ///         // Without `?` the type of the error has to be named.
    ///         Ok::<_, Infallible>(())
    ///     })
    /// }
    /// ```
    ///
    /// The person is signed out in any case. The browser waits for the handler at most 10 s; the
    /// handler then runs on, and this is logged (`event_handler_failed`), as are an error and a
    /// panic.
    pub fn on_signed_out<F, E>(
        self,
        handler: impl Fn(SignOutEvent) -> F + Send + Sync + 'static,
    ) -> Self
    where
        F: Future<Output = Result<(), E>> + Send + 'static,
        E: Into<Box<dyn std::error::Error + Send + Sync>> + 'static,
    {
        self.with(|setup| setup.handlers.signed_out = Some(boxed(handler)))
    }

    /// Calls `handler` when the layer learns that a session has ended without a sign-out: at the
    /// next request of that browser that reads the session or starts a sign-in, and when another
    /// person signs in in its place. [`SessionEndCause`] lists the causes. The default is none; a
    /// second call replaces the handler.
    ///
    /// The end of a session is not reported if its browser does not come back, or if its store has
    /// deleted it. A process reports each end once; several processes may report the same one.
    ///
    /// The session has ended in any case. The browser waits for the handler at most 10 s; the
    /// handler then runs on, and this is logged (`event_handler_failed`), as are an error and a
    /// panic.
    pub fn on_session_ended<F, E>(
        self,
        handler: impl Fn(SessionEndEvent) -> F + Send + Sync + 'static,
    ) -> Self
    where
        F: Future<Output = Result<(), E>> + Send + 'static,
        E: Into<Box<dyn std::error::Error + Send + Sync>> + 'static,
    {
        self.with(|setup| setup.handlers.session_ended = Some(boxed(handler)))
    }
}

/// A handler without its own types of future and error.
fn boxed<T, F, E>(
    handler: impl Fn(T) -> F + Send + Sync + 'static,
) -> Handler<T, Result<(), BoxError>>
where
    F: Future<Output = Result<(), E>> + Send + 'static,
    E: Into<BoxError> + 'static,
{
    Arc::new(move |event| {
        let running = handler(event);
        Box::pin(async move { running.await.map_err(Into::into) })
    })
}

impl Flow {
    /// The head of a request that may complete a sign-in, for its events; `None` if no handler is
    /// called then.
    pub(super) fn event_request(&self, head: &RequestHead<'_>) -> Option<Arc<Parts>> {
        let is_any = self.handlers.signed_in.is_some() || self.reports_ends();
        is_any.then(|| Arc::new(head.parts_without_query()))
    }

    /// Whether the application handles ends of sessions.
    pub(super) fn reports_ends(&self) -> bool {
        self.handlers.session_ended.is_some()
    }

    /// Reports a sign-in whose session exists and has not reached the browser.
    ///
    /// # Errors
    ///
    /// The handler refuses it: `SignInRefused`; it fails, panics or does not return in time:
    /// `EventHandlerFailed`.
    pub(super) async fn report_signed_in(
        &self,
        attempt: &Attempt,
        user: &User,
        browser: &BrowserState,
    ) -> Result<(), Error> {
        let (Some(handler), Some(request)) = (&self.handlers.signed_in, browser.request()) else {
            return Ok(());
        };
        let is_expected = attempt.expected.is_some_and(|expected| expected.is(user.person()));
        let event = SignInEvent {
            user: user.clone(),
            previous: browser.user().cloned(),
            cause: match attempt.purpose {
                Purpose::ReadClaims => SignInCause::ProfileEdited,
                Purpose::StepUp if is_expected => SignInCause::StepUp,
                _ => SignInCause::SignIn,
            },
            request: Arc::clone(request),
        };
        // In a task of its own: a panic is a failure like any other, after which the session is
        // discarded and the outcome is remembered.
        let handler = Arc::clone(handler);
        let running = async move { tokio::time::timeout(HANDLER_LIMIT, handler(event)).await };
        match single_flight::to_the_end(&Tokio, running.in_current_span()).await {
            Ok(Ok(decision)) => decision.map_err(SignInRefusal::into_error),
            Ok(Err(_)) => Err(failed_at_sign_in(format!(
                "the handler of `on_signed_in` did not return within {} s",
                HANDLER_LIMIT.as_secs()
            ))),
            Err(_) => Err(failed_at_sign_in(
                "the handler of `on_signed_in` panicked, or the runtime ended",
            )),
        }
    }

    /// Reports the ends of the sessions in whose place another person has signed in.
    pub(super) async fn report_replaced(&self, user: &User, browser: &BrowserState) {
        let Some(request) = browser.request() else { return };
        for (id, before) in browser.users() {
            // The session of the same person goes on under a new id: nothing has ended for them.
            if self.reported_ends.insert(id) && before != user {
                let (user, cause) = (before.clone(), SessionEndCause::AnotherPerson);
                self.report_end(EndedSession { id, user, cause }, Arc::clone(request)).await;
            }
        }
    }

    /// The head of a request to sign out, for its event; `None` if no handler is called then.
    pub(super) fn sign_out_request(&self, head: &RequestHead<'_>) -> Option<Arc<Parts>> {
        self.handlers.signed_out.is_some().then(|| Arc::new(head.parts_without_query()))
    }

    /// Reports a completed sign-out. `ended` are the sessions.
    pub(super) async fn report_signed_out(
        &self,
        ended: &[&Arc<Session>],
        request: Option<Arc<Parts>>,
    ) {
        if self.reports_ends() {
            for session in ended {
                self.reported_ends.insert(session.id());
            }
        }
        let (Some(handler), Some(request)) = (&self.handlers.signed_out, request) else { return };
        let user = ended.first().map(|session| session.user.clone());
        run("on_signed_out", handler, SignOutEvent { user, request }).await;
    }

    /// Reports the ended sessions of a request without a live one. `request` makes the copy of its
    /// head.
    pub(super) async fn report_ends(
        &self,
        cookies: &RequestCookies<'_>,
        request: impl Fn() -> Parts,
    ) {
        if !self.reports_ends() || !cookies.has_session() {
            return;
        }
        for ended in self.sessions.ended(cookies, self.clock.now()).await {
            if self.reported_ends.insert(ended.id) {
                self.report_end(ended.clone(), Arc::new(request())).await;
            }
        }
    }

    async fn report_end(&self, ended: EndedSession, request: Arc<Parts>) {
        let EndedSession { user, cause, .. } = ended;
        let Some(handler) = &self.handlers.session_ended else { return };
        let event = SessionEndEvent { user, cause, request };
        run("on_session_ended", handler, event).await;
    }
}

/// Runs a handler to its end, also if the client goes away: an event is not repeated. All of it is
/// in the task, so that a panic before its future fails the handler alone.
async fn run<E: Send + 'static>(
    name: &'static str,
    handler: &Handler<E, Result<(), BoxError>>,
    event: E,
) {
    let handler = Arc::clone(handler);
    let running = async move { handler(event).await };
    let running = single_flight::to_the_end(&Tokio, running.in_current_span());
    // The sign-in or sign-out goes on without it; the handler itself is not cut off.
    match tokio::time::timeout(HANDLER_LIMIT, running).await {
        Ok(Ok(Ok(()))) => {}
        Ok(Ok(Err(error))) => failed(name, &error),
        Ok(Err(error)) => failed(name, &error.into()),
        Err(_) => {
            let limit = HANDLER_LIMIT.as_secs();
            failed(name, &format!("it did not return within {limit} s, and runs on").into());
        }
    }
}

/// The error of a sign-in whose handler neither accepted nor refused it.
fn failed_at_sign_in(detail: impl Into<Cow<'static, str>>) -> Error {
    Error::new(ErrorKind::EventHandlerFailed, detail).with_remedy(
        "give the calls of the handler time limits of their own, or correct the panic in the log",
    )
}

fn failed(handler: &str, error: &BoxError) {
    tracing::warn!(
        reason = ErrorKind::EventHandlerFailed.reason(),
        %error,
        "the handler of `{handler}` failed"
    );
}
