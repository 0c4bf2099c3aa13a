//! Signing in over a value: by a redirect, or by device code.

use std::sync::Arc;

use super::{
    WebAuth,
    outcomes::{SignIn, SignInOutcome, SignedIn, UserCode},
    value_sessions::{CompletedSignIn, CurrentLogin},
};
use crate::{
    config::{ReturnPath, SignInOptions},
    error::{Error, ErrorKind},
    protocol::{CallbackParameters, Nonce, TokenAnswer},
    session::{Lookup, SessionValue, StoredLogin, WebSession},
    sign_in::{
        Attempt, DeviceCode, Fallback, Fingerprint, PersonKey, PollState, Purpose, Remedy,
        SignInRecords, VerifiedAnswer, answer_of, fingerprint, no_code,
    },
    user::User,
};

/// How long the scopes of an incremental consent may be in all to ask for the earlier ones again:
/// they have to fit into an address.
const MOST_SCOPE_BYTES: usize = 2000;

/// What a sign-in is begun with.
struct Start {
    options: SignInOptions,
    next: ReturnPath,
    causes: Vec<Fingerprint>,
    fallback: Fallback,
    /// How often it was tried before.
    retry: u8,
}

impl Start {
    fn first(options: SignInOptions, next: ReturnPath, causes: Vec<Fingerprint>) -> Self {
        Self { options, next, causes, fallback: Fallback::None, retry: 0 }
    }
}

impl WebAuth {
    /// Begins a sign-in: remembers it in the value, and says where to send the person. `next` is
    /// the path to come back to; one that is not safe to redirect to becomes the home page.
    ///
    /// `options` go over those of the configuration. If somebody is signed in and the options ask
    /// for more (scopes, claims, a stronger or more recent sign-in), the answer has to be about the
    /// same person; about anybody else it is a sign-in of theirs that leads to the home page. At
    /// most eight sign-ins are under way in one browser, for ten minutes each.
    ///
    /// # Errors
    ///
    /// By [`kind`](Error::kind): `ProviderUnreachable`, `ProviderMisconfigured`; `Busy`: too many
    /// device codes were asked for; `NotConfigured`: the options contradict each other; `Forbidden`
    /// (for nothing but scopes `ScopeNotGranted`): the person who is signed in was asked for the
    /// same more less than ten minutes ago, and asking again would go round. The value is unchanged
    /// then.
    pub async fn sign_in(
        &self,
        session: &mut WebSession,
        next: &str,
        options: &SignInOptions,
    ) -> Result<SignIn, Error> {
        let contents = self.open(session);
        let known = if options.has_requirements() { self.known(&contents) } else { None };
        let next = self.config().return_path(next);
        let causes = match &known {
            Some(known) => {
                self.relying_party().causes(Some(known.held.record.origin()), options, &next)?
            }
            None => Vec::new(),
        };
        let start = Start::first(options.clone(), next, causes);
        self.begin(session, contents, known, start).await
    }

    /// Begins the sign-in that mends a failed token (consent, a stronger sign-in, tokens that are
    /// gone), and comes back to `next`. `None` if no sign-in does: then it is an error like any
    /// other.
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
        let (known, options, causes) = match (remedy, known) {
            (Remedy::Nothing, _) => return Ok(None),
            (Remedy::StepUp(step_up), Some(known)) => {
                let options = step_up.with_pages().options(known.user.username());
                let causes = self.relying_party().causes(
                    Some(known.held.record.origin()),
                    &options,
                    &next,
                )?;
                (Some(known), options, causes)
            }
            (Remedy::StepUp(_) | Remedy::SignIn, _) => {
                (None, SignInOptions::new().with_scopes(error.scopes()), Vec::new())
            }
        };
        let start = Start::first(options, next, causes);
        self.begin(session, contents, known, start).await.map(Some)
    }

    async fn begin(
        &self,
        session: &mut WebSession,
        mut contents: SessionValue,
        known: Option<CurrentLogin>,
        start: Start,
    ) -> Result<SignIn, Error> {
        let Start { mut options, next, causes, fallback, retry } = start;
        if let Some(known) = &known {
            self.relying_party()
                .add_granted(
                    &mut options,
                    &self.sessions().grants,
                    &known.entered.grant,
                    MOST_SCOPE_BYTES,
                )
                .await;
        }
        let user = known.as_ref().map(|known| &known.user);
        let account = user.and_then(User::account_hint);
        let request = self
            .relying_party()
            .request(Purpose::SignIn, fallback, options, account.as_ref())
            .await?;
        let purpose = if user.is_some() { Purpose::StepUp } else { Purpose::SignIn };
        let mut attempt = request.attempt(purpose, next.as_str(), self.clock().now())?;
        attempt.expected = user.map(|user| PersonKey::of(user.person()));
        attempt.causes = causes;
        attempt.retry = retry;
        let sign_in = if self.relying_party().by_code() {
            let code = self.relying_party().new_code(&request).await?;
            let shown = UserCode {
                text: code.user_code.clone(),
                address_with_code: code.verification_uri_complete.clone(),
                expires_at: code.expires_at,
                interval: code.interval,
            };
            let address = code.verification_uri.clone();
            attempt.device = Some(Box::new(code));
            contents.begin(attempt)?;
            SignIn { address, code: Some(shown) }
        } else {
            let state = contents.begin(attempt.clone())?;
            SignIn { address: request.url(&attempt, &state)?, code: None }
        };
        self.keep(session, &mut contents)?;
        tracing::debug!("sign-in started");
        Ok(sign_in)
    }

    /// Completes a sign-in with what the page at the redirect address was called with: its query,
    /// or for `response_mode=form_post` its body.
    ///
    /// An answer is looked at once; the same one again leads to the same session and page. Where
    /// the provider wants the sign-in to be begun once more, or refuses a scope that no setting
    /// names, the person is to be sent there again: [`SignInOutcome::Again`].
    ///
    /// # Errors
    ///
    /// By [`kind`](Error::kind), among others: `AttemptMissing`: this browser did not ask, or its
    /// session was lost; `AttemptExpired`; `Busy`: too many sign-ins are under way, the code was
    /// not sent; `CallbackInvalid`: it is no answer; `AccessDenied` and what else the provider
    /// answers; the kinds that begin with `Token`: what it answered does not stand the test (OpenID
    /// Connect Core section 3.1.3.7). Who was signed in before still is. Show
    /// [`Error::user_message`] with a link to try again.
    pub async fn complete_sign_in(
        &self,
        session: &mut WebSession,
        response: &str,
    ) -> Result<SignInOutcome, Error> {
        let mut contents = self.open(session);
        let parameters =
            CallbackParameters::parse(response.strip_prefix('?').unwrap_or(response).as_bytes())?;
        let state = parameters
            .state()
            .map(str::to_owned)
            .ok_or_else(|| Error::new(ErrorKind::CallbackInvalid, "the answer has no `state`"))?;
        let attempt = match contents.take(&state, self.clock().now()) {
            Lookup::Found(attempt) => *attempt,
            Lookup::Missing => {
                return self.completed_before(&contents, &state).map(SignInOutcome::SignedIn);
            }
            Lookup::Expired(_) => {
                self.keep(session, &mut contents)?;
                return Err(Error::new(
                    ErrorKind::AttemptExpired,
                    "the sign-in was begun more than ten minutes ago",
                ));
            }
        };
        // Until here nothing is used up: when the provider cannot be reached, the same address can
        // be loaded again.
        let metadata = self.relying_party().provider().metadata().await?;
        let code = match parameters.check(
            &state,
            &metadata,
            self.relying_party().provider().authority(),
        ) {
            Ok(code) => code,
            Err(error) => return self.begin_again(session, contents, &attempt, error).await,
        };
        let (auth, answer, begun) = (self.clone(), state.clone(), attempt.clone());
        let redeemed = code.clone();
        let work = async move {
            let verified = auth.relying_party().redeem(&attempt, &redeemed).await?;
            auth.signed_in(&attempt, verified, &answer).await
        };
        let permit = self.relying_party().provider().permit();
        let signed_in =
            match self.sessions().exchanges.once(fingerprint(&state, &code), permit, work).await {
                Ok(signed_in) => signed_in,
                Err(error) => return self.begin_again(session, contents, &begun, error).await,
            };
        self.finish(session, contents, &signed_in).map(SignInOutcome::SignedIn)
    }

    /// A sign-in that the provider has refused, begun once more where the next one may not be
    /// refused alike; the error of any other.
    async fn begin_again(
        &self,
        session: &mut WebSession,
        mut contents: SessionValue,
        attempt: &Attempt,
        error: Error,
    ) -> Result<SignInOutcome, Error> {
        let Some(fallback) = self.relying_party().fallback_after(attempt, &error) else {
            self.keep(session, &mut contents)?;
            return Err(error);
        };
        let start = Start {
            options: attempt.options(),
            next: self.config().return_path(&attempt.return_path),
            causes: attempt.causes.clone(),
            fallback,
            retry: 1,
        };
        let steps_up = attempt.purpose == Purpose::StepUp;
        let known = if steps_up { self.known(&contents) } else { None };
        self.begin(session, contents, known, start).await.map(SignInOutcome::Again)
    }

    /// Asks whether the person has signed in by the code of [`sign_in`](Self::sign_in). `None`: not
    /// yet, ask again after [`UserCode::interval`]. The provider is never asked sooner than it
    /// wants to be, however often this is called.
    ///
    /// # Errors
    ///
    /// By [`kind`](Error::kind): `AttemptMissing`: this browser was shown no code, or is done;
    /// `CodeExpired`; `AccessDenied`: the person declined; those of a token's checks. Then another
    /// code is to be had by [`sign_in`](Self::sign_in). Who was signed in before still is.
    pub async fn complete_device_sign_in(
        &self,
        session: &mut WebSession,
    ) -> Result<Option<SignedIn>, Error> {
        let mut contents = self.open(session);
        let Some((state, mut attempt)) = contents.take_device() else {
            return Err(Error::new(
                ErrorKind::AttemptMissing,
                "this browser's session knows of no sign-in by device code",
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
            let (auth, attempt, answer, asked) =
                (self.clone(), attempt.clone(), state.clone(), code.clone());
            let question = move |interval| async move {
                match auth.relying_party().ask(&asked, interval).await {
                    PollState::NotYet { interval, next } => PollState::NotYet { interval, next },
                    PollState::Over(Ok(tokens)) => {
                        PollState::Over(auth.signed_in_by_code(&attempt, tokens, &answer).await)
                    }
                    PollState::Over(Err(error)) => PollState::Over(Err(error)),
                }
            };
            self.sessions()
                .device_polls
                .poll(&state, &code, now, self.relying_party().provider().permit(), question)
                .await
        };
        match state_now {
            PollState::Over(Ok(signed_in)) => self.finish(session, contents, &signed_in).map(Some),
            PollState::Over(Err(error)) => {
                self.keep(session, &mut contents)?;
                Err(error)
            }
            PollState::NotYet { interval, next } => {
                if (code.interval, code.next) != (interval, next) {
                    // Whichever process is asked next keeps to the same pace.
                    attempt.device = Some(Box::new(DeviceCode { interval, next, ..code }));
                    contents.begin(attempt)?;
                    self.keep(session, &mut contents)?;
                }
                Ok(None)
            }
        }
    }

    async fn signed_in_by_code(
        &self,
        attempt: &Attempt,
        tokens: TokenAnswer,
        answer: &str,
    ) -> Result<Arc<CompletedSignIn>, Error> {
        let verified = self
            .relying_party()
            .verify(self.relying_party().provider(), attempt, tokens, Nonce::NotSent)
            .await?;
        self.signed_in(attempt, verified, answer).await
    }

    /// A sign-in, to be kept.
    async fn signed_in(
        &self,
        attempt: &Attempt,
        verified: VerifiedAnswer,
        answer: &str,
    ) -> Result<Arc<CompletedSignIn>, Error> {
        let SignInRecords { session, grant, return_path } =
            self.relying_party().record(attempt, verified, answer).await?;
        let record = session.record(self.clock().now(), self.config().absolute_timeout());
        Ok(Arc::new(CompletedSignIn {
            held: Arc::new(StoredLogin::new(record, grant)?),
            next: return_path,
        }))
    }

    /// Keeps a sign-in in the place of what was there.
    fn finish(
        &self,
        session: &mut WebSession,
        mut contents: SessionValue,
        signed_in: &CompletedSignIn,
    ) -> Result<SignedIn, Error> {
        let before = contents.held.replace(Arc::clone(&signed_in.held));
        let Some(known) = self.known(&contents) else {
            return Err(Error::new(
                ErrorKind::SessionEnded,
                "the person has signed out since this answer came for the first time",
            ));
        };
        self.keep(session, &mut contents)?;
        if let Some(before) = before.filter(|before| before.id != signed_in.held.id) {
            self.sessions().values.end(before.id);
        }
        tracing::info!("signed in");
        Ok(SignedIn { user: known.user, next: signed_in.next.clone() })
    }

    /// The answer that somebody is signed in by already, delivered again.
    fn completed_before(&self, contents: &SessionValue, state: &str) -> Result<SignedIn, Error> {
        let same = contents.held.as_ref().and_then(|held| {
            let next = held.record.origin().returned_to(&answer_of(state))?;
            Some(SignedIn {
                user: self.known(contents)?.user,
                next: self.config().return_path(next),
            })
        });
        same.ok_or_else(|| {
            Error::new(
                ErrorKind::AttemptMissing,
                "this browser's session knows of no sign-in with this `state`: it was lost, or somebody else began it",
            )
        })
    }
}
