//! The sign-in methods of [`WebAuth`]: by a redirect to the provider, or by device code.

use std::sync::Arc;

use super::{
    WebAuth,
    outcomes::{SignIn, SignInOutcome, SignedIn, UserCode},
    value_sessions::{CompletedSignIn, CurrentLogin},
};
use crate::{
    clock::UnixTime,
    config::SignInOptions,
    error::{Error, ErrorKind},
    protocol::CallbackParameters,
    session::{AttemptLookup, SessionValue, StoredLogin, WebSession},
    sign_in::{
        Attempt, DeviceCode, PersonKey, PollState, Remedy, SignInRecords, Start, VerifiedAnswer,
        fingerprint, no_code, response_of,
    },
};

/// Longest list of scopes, in bytes, with which an incremental consent also requests the scopes of
/// earlier ones. All have to fit into the URL.
const MOST_SCOPE_BYTES: usize = 2000;

impl WebAuth {
    /// Starts a sign-in: stores it in the value, and returns the URL to redirect to. `next` is the
    /// path to return to; a path that is not safe to redirect to becomes the home page.
    ///
    /// `options` override those of the configuration. If a person is signed in and the options
    /// require more (scopes, claims, a stronger or more recent sign-in), the sign-in is a step-up
    /// of that person. If another person completes it, they are signed in instead and return to the
    /// home page.
    ///
    /// One browser may have eight sign-ins under way, each for ten minutes.
    ///
    /// # Errors
    ///
    /// The value is unchanged. By [`kind`](Error::kind):
    ///
    /// - `ProviderUnreachable`, `ProviderMisconfigured`
    /// - `Busy`: too many device codes were requested.
    /// - `NotConfigured`: the options contradict each other.
    /// - `Forbidden`, or `ScopeNotGranted` if the options contain only scopes: the signed-in person
    ///   completed the same step-up less than ten minutes ago. Another one would be a redirect
    ///   loop.
    pub async fn sign_in(
        &self,
        session: &mut WebSession,
        next: &str,
        options: &SignInOptions,
    ) -> Result<SignIn, Error> {
        let contents = self.open(session);
        let known = if options.has_requirements() { self.known(&contents) } else { None };
        let next = self.config().return_path(next);
        let step_ups = match &known {
            Some(known) => {
                self.relying_party().step_ups(Some(known.login.record.origin()), options, &next)?
            }
            None => Vec::new(),
        };
        let start = Start { options: options.clone(), step_ups, ..Start::fresh(next) };
        self.begin(session, contents, known, start).await
    }

    /// Starts the sign-in that resolves a token error (consent, a stronger sign-in, lost tokens)
    /// and returns to `next`. `None` if a sign-in cannot resolve the error: handle it like any
    /// other error.
    ///
    /// # Errors
    ///
    /// As [`sign_in`](Self::sign_in).
    pub async fn sign_in_for(
        &self,
        session: &mut WebSession,
        next: &str,
        error: &Error,
    ) -> Result<Option<SignIn>, Error> {
        let contents = self.open(session);
        let known = self.known(&contents);
        let next = self.config().return_path(next);
        let remedy = Remedy::of(error, self.config().sign_in(), self.clock().now());
        let (known, options, step_ups) = match (remedy, known) {
            (Remedy::Nothing, _) => return Ok(None),
            (Remedy::StepUp(step_up), Some(known)) => {
                let grants = (&self.sessions().grants, &known.in_use.grant);
                let origin = known.login.record.origin();
                let (step_up, username) = (step_up.with_pages(), known.user.username());
                let due =
                    self.relying_party().due(step_up, origin, grants, username, &next).await?;
                (Some(known), due.options, due.step_ups)
            }
            (Remedy::StepUp(_) | Remedy::SignIn, _) => {
                (None, SignInOptions::new().with_scopes(error.scopes()), Vec::new())
            }
        };
        let start = Start { options, step_ups, ..Start::fresh(next) };
        self.begin(session, contents, known, start).await.map(Some)
    }

    /// Starts a sign-in with these parameters. `known` is the signed-in person, if the sign-in is a
    /// step-up.
    async fn begin(
        &self,
        session: &mut WebSession,
        mut contents: SessionValue,
        known: Option<CurrentLogin>,
        mut start: Start,
    ) -> Result<SignIn, Error> {
        if let Some(known) = &known {
            self.relying_party()
                .add_granted(
                    &mut start.options,
                    &self.sessions().grants,
                    &known.in_use.grant,
                    MOST_SCOPE_BYTES,
                )
                .await;
        }
        let user = known.as_ref().map(|known| known.user.at_sign_in());
        let (request, mut attempt) = self.relying_party().begin(start, user).await?;
        let sign_in = if self.relying_party().by_code() {
            let code = self.relying_party().new_code(&request).await?;
            let shown = UserCode {
                text: code.user_code.clone(),
                url_with_code: code.verification_uri_complete.clone(),
                expires_at: code.expires_at,
                interval: code.interval,
            };
            let url = code.verification_uri.clone();
            attempt.device = Some(Box::new(code));
            contents.begin(attempt)?;
            SignIn { url, code: Some(shown) }
        } else {
            let state = contents.begin(attempt.clone())?;
            SignIn { url: request.url(&attempt, &state)?, code: None }
        };
        self.keep(session, &mut contents)?;
        tracing::debug!("sign-in started");
        Ok(sign_in)
    }

    /// Completes a sign-in with an authorization response: the query of the request to the redirect
    /// URI, or its form body with `response_mode=form_post`.
    ///
    /// A response is redeemed once. The same response again, from a reload or the Back button,
    /// returns the same session and page. If the provider asks for a new sign-in, refuses a scope
    /// that no setting names, or spends the code with a client authentication that it refuses, a
    /// new sign-in is started: [`SignInOutcome::Again`].
    ///
    /// # Errors
    ///
    /// A person who was signed in before still is. Show [`Error::user_message`] with a link to try
    /// again. By [`kind`](Error::kind), among others:
    ///
    /// - `AttemptMissing`: this browser did not start the sign-in, or its session was lost.
    /// - `AttemptExpired`: the sign-in was started more than ten minutes ago.
    /// - `Busy`: too many sign-ins are under way. The code was not sent, and the value is
    ///   unchanged: the same response can be handed in again.
    /// - `CallbackInvalid`: the text is not an authorization response.
    /// - `AccessDenied` and other errors of the authorization response.
    /// - The kinds that begin with `Token`: the token response or the ID token is not valid (OpenID
    ///   Connect Core section 3.1.3.7).
    pub async fn complete_sign_in(
        &self,
        session: &mut WebSession,
        response: &str,
    ) -> Result<SignInOutcome, Error> {
        let mut contents = self.open(session);
        let parameters =
            CallbackParameters::parse(response.strip_prefix('?').unwrap_or(response).as_bytes())?;
        let state = parameters.state()?.to_owned();
        let attempt = match contents.take(&state, self.clock().now()) {
            AttemptLookup::Found(attempt) => *attempt,
            // The `state` of an attempt in a value is found as a whole, or not at all.
            AttemptLookup::Missing | AttemptLookup::Altered => {
                return self.completed_before(&contents, &state).map(SignInOutcome::SignedIn);
            }
            AttemptLookup::Expired(_) => {
                self.keep(session, &mut contents)?;
                return Err(Error::new(
                    ErrorKind::AttemptExpired,
                    "the sign-in was started more than ten minutes ago",
                ));
            }
        };
        // The value has not been written yet. If the provider cannot be reached here, the attempt
        // is still in it, and a reload of the page tries again.
        let metadata = self.relying_party().provider().metadata().await?;
        let code = match parameters.check(
            &state,
            &metadata,
            self.relying_party().provider().authority(),
        ) {
            Ok(code) => code,
            Err(error) => return self.begin_again(session, contents, &attempt, error).await,
        };
        let (auth, own_state, begun) = (self.clone(), state.clone(), attempt.clone());
        let redeemed = code.clone();
        // The state is known before the person has signed in, so concurrent requests share an
        // exchange only if their codes are equal as well.
        let work = move |permit| async move {
            let _permit = permit;
            let verified = auth.relying_party().redeem(&attempt, &redeemed).await?;
            auth.signed_in(&attempt, verified, &own_state).await
        };
        let permit = self.relying_party().provider().permit();
        let (key, now) = (fingerprint(&state, &code), self.clock().now());
        let signed_in = match self.sessions().exchanges.once(key, now, permit, work).await {
            Ok(signed_in) => signed_in,
            // The code was not sent, so the attempt stays in the value.
            Err(error) if error.kind() == ErrorKind::Busy => return Err(error),
            Err(error) => return self.begin_again(session, contents, &begun, error).await,
        };
        self.finish(session, contents, &signed_in).map(SignInOutcome::SignedIn)
    }

    /// Starts a refused sign-in again if a fallback may succeed; otherwise returns the error.
    ///
    /// # Errors
    ///
    /// The given `error`, or those of [`sign_in`](Self::sign_in).
    async fn begin_again(
        &self,
        session: &mut WebSession,
        mut contents: SessionValue,
        attempt: &Attempt,
        error: Error,
    ) -> Result<SignInOutcome, Error> {
        let Some(fallbacks) = self.relying_party().fallbacks_after(attempt, &error) else {
            self.keep(session, &mut contents)?;
            return Err(error);
        };
        let next = self.config().return_path(&attempt.return_path);
        let start = Start { fallbacks, ..Start::following(attempt.clone(), next) };
        // Another person may have signed in since: the step-up is not theirs.
        let is_of = |expected: PersonKey| {
            self.known(&contents).filter(|known| expected.is(known.user.person()))
        };
        let known = attempt.expected.and_then(is_of);
        self.begin(session, contents, known, start).await.map(SignInOutcome::Again)
    }

    /// Polls for the result of a sign-in by device code (RFC 8628 section 3.4). `None` means not
    /// yet: call again after [`UserCode::interval`]. An earlier call does not reach the provider.
    ///
    /// # Errors
    ///
    /// A person who was signed in before still is. Start again with [`sign_in`](Self::sign_in). By
    /// [`kind`](Error::kind):
    ///
    /// - `AttemptMissing`: this browser has no sign-in by device code under way.
    /// - `CodeExpired`: the code was not used in time.
    /// - `AccessDenied`: the person declined.
    /// - The kinds that begin with `Token`: the token response is not valid.
    pub async fn complete_device_sign_in(
        &self,
        session: &mut WebSession,
    ) -> Result<Option<SignedIn>, Error> {
        let mut contents = self.open(session);
        let Some((state, mut attempt)) = contents.take_device() else {
            return Err(Error::new(
                ErrorKind::AttemptMissing,
                "this browser's session has no sign-in by device code",
            ));
        };
        let code = attempt.device.as_deref().cloned().ok_or_else(no_code)?;
        let now = self.clock().now();
        let state_now = if code.expires_at <= now {
            PollState::Over(Err(Error::new(
                ErrorKind::CodeExpired,
                "the code was not used in time",
            )))
        } else {
            self.poll(&state, &attempt, &code, now).await
        };
        match state_now {
            PollState::Over(Ok(signed_in)) => self.finish(session, contents, &signed_in).map(Some),
            PollState::Over(Err(error)) => {
                self.keep(session, &mut contents)?;
                Err(error)
            }
            PollState::NotYet { interval, next } => {
                if (code.interval, code.next) != (interval, next) {
                    // Stored in the value, so that another process polls with the same interval
                    // (`slow_down`, RFC 8628 section 3.5).
                    attempt.device = Some(Box::new(DeviceCode { interval, next, ..code }));
                    contents.begin(attempt)?;
                    self.keep(session, &mut contents)?;
                }
                Ok(None)
            }
        }
    }

    /// Asks the provider about the device code, at most once at a time for all callers.
    async fn poll(
        &self,
        state: &str,
        attempt: &Attempt,
        code: &DeviceCode,
        now: UnixTime,
    ) -> PollState<Arc<CompletedSignIn>> {
        let (auth, attempt, own_state, asked) =
            (self.clone(), attempt.clone(), state.to_owned(), code.clone());
        let question = move |interval, permit| async move {
            let _permit = permit;
            let answered = auth.relying_party().ask(&attempt, &asked, interval).await;
            answered.then(|verified| auth.signed_in(&attempt, verified, &own_state)).await
        };
        let permit = self.relying_party().provider().permit();
        self.sessions().device_polls.poll(state, code, now, permit, question).await
    }

    /// The records of a verified sign-in, with the page to return to.
    async fn signed_in(
        &self,
        attempt: &Attempt,
        verified: VerifiedAnswer,
        state: &str,
    ) -> Result<Arc<CompletedSignIn>, Error> {
        let SignInRecords { session, grant, return_path } =
            self.relying_party().record(attempt, verified, state).await?;
        let record = session.record(self.clock().now(), self.config().absolute_timeout());
        Ok(Arc::new(CompletedSignIn {
            login: Arc::new(StoredLogin::new(record, grant)?),
            next: return_path,
        }))
    }

    /// Writes a completed sign-in into the value, and ends the login that it replaces.
    fn finish(
        &self,
        session: &mut WebSession,
        mut contents: SessionValue,
        signed_in: &CompletedSignIn,
    ) -> Result<SignedIn, Error> {
        let before = contents.login.replace(Arc::clone(&signed_in.login));
        let Some(known) = self.known(&contents) else {
            return Err(Error::new(
                ErrorKind::SessionEnded,
                "the person has signed out since this response arrived for the first time",
            ));
        };
        self.keep(session, &mut contents)?;
        if let Some(before) = before.filter(|before| before.id != signed_in.login.id) {
            self.sessions().values.end(before.id);
        }
        tracing::info!("signed in");
        Ok(SignedIn { user: known.user, next: signed_in.next.clone() })
    }

    /// The session of an authorization response that arrives again.
    ///
    /// # Errors
    ///
    /// `AttemptMissing`: the session in the value was not created from this response.
    fn completed_before(&self, contents: &SessionValue, state: &str) -> Result<SignedIn, Error> {
        let same = contents.login.as_ref().and_then(|login| {
            let next = login.record.origin().returned_to(&response_of(state))?;
            Some(SignedIn {
                user: self.known(contents)?.user,
                next: self.config().return_path(next),
            })
        });
        same.ok_or_else(|| {
            Error::new(
                ErrorKind::AttemptMissing,
                "this browser's session has no sign-in with this `state`: it was lost, or another \
                 browser started it",
            )
        })
    }
}
