//! The first half of a sign-in: an attempt in a cookie, and the address at the provider.

use std::time::Duration;

use http::HeaderMap;

use super::{
    Answer, Asked, Flow, Reply,
    errands::{Errand, policy_of},
};
use crate::{
    caller::is_prefetch,
    config::{Prompt, ReturnPath, SignInOptions},
    error::{Error, ErrorKind},
    protocol::{AuthorizationRequest, claims_request, code_challenge},
    session::{Attempt, AttemptPurpose, Cause, Opened, PersonKey, Slot},
    user::{PERSONAL_TENANT, User},
};

/// What a sign-in is started with.
#[derive(Debug)]
pub(crate) struct Start {
    pub(crate) return_path: ReturnPath,
    /// Over the configured ones.
    pub(crate) options: SignInOptions,
    /// How often it was tried before.
    pub(crate) retry: u8,
    /// What inside the application asked for it, if something did, and what asked before for the same page.
    pub(crate) causes: Vec<Cause>,
    /// The attempt that it goes on from, and its slot, which it takes.
    pub(crate) after: Option<(Slot, Attempt)>,
    pub(crate) step: Step,
}

/// Which way a person is sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Step {
    /// To sign in.
    SignIn,
    /// To sign in with pages, whatever the configured `prompt` says: a silent sign-in was declined.
    WithPages,
    /// Through another policy of the B2C tenant.
    Errand(Errand),
    /// Through the sign-in policy without a page, to read the claims again.
    ReadAgain,
}

/// So many sessions in a row may be lost as soon as they began; then the person is told instead of sent round once more.
const MOST_LOST: u8 = 1;

impl Start {
    /// A sign-in with the configured options.
    pub(crate) fn fresh(return_path: ReturnPath) -> Self {
        Self { return_path, options: SignInOptions::new(), retry: 0, causes: Vec::new(), after: None, step: Step::SignIn }
    }

    /// Goes on from an attempt: for what that was started for, and asking for no less. Otherwise the page that wants it would ask again.
    pub(crate) fn following(before: Attempt, slot: Slot, return_path: ReturnPath) -> Self {
        let words = |text: &Option<String>| text.iter().flat_map(|text| text.split(' ')).map(str::to_owned).collect::<Vec<_>>();
        let mut options = SignInOptions::new().with_scopes(words(&before.scopes)).with_acr_values(words(&before.acr));
        options.auth_context.clone_from(&before.auth_context);
        options.max_age = before.max_age.map(|seconds| Duration::from_secs(seconds.into()));
        Self { options, causes: before.causes.clone(), after: Some((slot, before)), ..Self::fresh(return_path) }
    }

    /// What to ask the provider for.
    fn asked(&self, config: &SignInOptions) -> SignInOptions {
        match self.step {
            Step::SignIn => self.options.over(config),
            Step::WithPages => SignInOptions { prompt: Vec::new(), ..self.options.over(config) },
            // Of what a sign-in asks, only how its pages look means something to other policies.
            Step::Errand(_) => SignInOptions {
                ui_locales: config.ui_locales.clone(),
                parameters: config.parameters.clone(),
                ..SignInOptions::new()
            },
            Step::ReadAgain => SignInOptions { prompt: vec![Prompt::None], ..self.options.over(config) },
        }
    }
}

impl Flow {
    /// The sign-in path. `?return_to=` is read (security rules 1 and 3), and `account=other`, which asks for the provider's account picker: otherwise it would sign the
    /// person in with the account again that was just turned away. A `wish` counts for the session that it was made for.
    pub(super) async fn sign_in(&self, asked: Asked<'_>) -> Reply {
        let return_path = self.asked_return_path(asked);
        if asked.method != http::Method::GET {
            let error = Error::new(ErrorKind::RequestInvalid, "the sign-in path takes GET");
            return Reply::failed(error, Some(self.sign_in_address(&return_path)));
        }
        if is_unseen(asked.headers) {
            return Reply::new(Answer::SignInNeeded { sign_in: self.sign_in_address(&return_path), why: None });
        }
        if let Some(options) = self.wished(asked).await {
            return self.step_up(asked, &options, Some(&return_path)).await;
        }
        let mut start = Start::fresh(return_path);
        let query = asked.uri.query().unwrap_or_default().as_bytes();
        if url::form_urlencoded::parse(query).any(|(name, value)| (&*name, &*value) == ("account", "other")) {
            start.options.prompt = vec![Prompt::SelectAccount];
        }
        self.start(asked, start).await
    }

    /// Where `?return_to=` wants to go.
    pub(super) fn asked_return_path(&self, asked: Asked<'_>) -> ReturnPath {
        url::form_urlencoded::parse(asked.uri.query().unwrap_or_default().as_bytes())
            .find(|(name, _)| name == "return_to")
            .map_or_else(|| self.config.home().clone(), |(_, path)| self.config.return_path(&path))
    }

    /// Sends the person to the provider.
    pub(crate) async fn start(&self, asked: Asked<'_>, start: Start) -> Reply {
        let again = self.sign_in_address(&start.return_path);
        match self.begin(asked, start).await {
            Ok(reply) => reply,
            Err(error) => Reply::failed(error, Some(again)),
        }
    }

    async fn begin(&self, asked: Asked<'_>, start: Start) -> Result<Reply, Error> {
        let now = self.clock.now();
        let provider = self.provider_for(start.step)?;
        let mut options = start.asked(self.config.sign_in());
        let session = match self.sessions.load(asked.headers, now).await {
            Ok(session) => session,
            // A store that is down must not keep anybody from the sign-in page; it is found out at the callback.
            Err(_) if start.causes.is_empty() && matches!(start.step, Step::SignIn | Step::WithPages) => None,
            Err(error) => return Err(error),
        };
        if let Some(session) = session.as_ref().filter(|_| !start.causes.is_empty()) {
            hint_at(&session.value, &mut options);
        }
        options.check().map_err(|error| Error::new(ErrorKind::NotConfigured, error.to_string()))?;
        let in_claims = options.auth_context.as_deref().filter(|_| self.config.authority().is_microsoft());
        let claims = claims_request(options.claims.as_deref(), in_claims);
        if let (None, Some(context)) = (in_claims, &options.auth_context) {
            options.acr_values = vec![context.clone()];
        }
        let metadata = provider.metadata().await?;
        let scopes = match start.step {
            // Nothing of the answer is kept.
            Step::Errand(_) => vec!["openid"],
            _ => self.config.scopes(&options),
        };

        let lost = if session.is_some() { 0 } else { self.sessions.lost(asked.headers, now) };
        if lost > MOST_LOST {
            let error = Error::new(
                ErrorKind::StoreUnavailable,
                "sessions are gone from the store as soon as they begin: does it keep what it is given, and do all nodes share it?",
            );
            let again = self.sign_in_address(&start.return_path);
            return Ok(Reply::failed(error, Some(again)).with_cookies([self.cookies.remove_session()]));
        }
        // The answer to the attempt before may have been posted by the provider's site, without the session's cookie.
        let (slot, before) = start.after.unzip();
        let (started_from, awaited) = before.as_ref().map_or((None, None), |before| (before.started_from, before.expected));
        let person = session.as_ref().map(|session| PersonKey::of(session.value.person())).or(awaited);
        let purpose = match start.step {
            Step::Errand(errand) => errand.purpose(),
            Step::ReadAgain => AttemptPurpose::ReadAgain,
            _ if !start.causes.is_empty() && person.is_some() => AttemptPurpose::StepUp,
            _ => AttemptPurpose::SignIn,
        };
        let is_errand = matches!(start.step, Step::Errand(_));
        let mut attempt = Attempt::new(purpose, start.return_path.as_str(), now)?;
        attempt.retry = start.retry;
        attempt.lost = lost;
        attempt.resets = before.map_or(0, |before| before.resets.saturating_add(is_errand.into()));
        attempt.silent = options.prompt.contains(&Prompt::None);
        attempt.policy = if is_errand { policy_of(provider).map(str::to_owned) } else { None };
        attempt.causes = start.causes;
        // What an errand leads back to is asked for then.
        let (own, kept) = (&start.options, if is_errand { &start.options } else { &options });
        let all_scopes = || if is_errand { own.scopes.join(" ") } else { scopes.join(" ") };
        attempt.scopes = (!own.scopes.is_empty()).then(all_scopes);
        attempt.max_age = kept.max_age.map(|age| u32::try_from(age.as_secs()).unwrap_or(u32::MAX));
        attempt.acr = (!own.acr_values.is_empty()).then(|| own.acr_values.join(" "));
        attempt.auth_context.clone_from(&kept.auth_context);
        attempt.started_from = session.map(|session| session.session()).or(started_from);
        attempt.expected = person.filter(|_| purpose != AttemptPurpose::SignIn);

        let begun = match slot {
            Some(slot) => self.attempts.begin_in(slot, attempt)?,
            None => self.attempts.begin(asked.headers, attempt, now)?,
        };
        let nonce = begun.attempt.derive(NONCE)?;
        let verifier = begun.attempt.derive(VERIFIER)?;
        let url = AuthorizationRequest {
            client_id: self.config.client_id(),
            redirect_uri: self.config.redirect_uri().as_str(),
            response_mode: self.config.response_mode(),
            scopes: &scopes,
            state: &begun.state,
            nonce: &nonce,
            code_challenge: &code_challenge(&verifier),
            options: &options,
            claims: claims.as_deref(),
            id_token_hint: None,
        }
        .url(&metadata)?;
        tracing::debug!(retry = start.retry, "sign-in started");
        Ok(Reply::redirect(url).with_cookies(begun.set_cookies))
    }

    /// Where a challenge of the application leads (D8): to the provider, or to 403 if the same was asked for and answered just now.
    pub(crate) async fn step_up(&self, asked: Asked<'_>, options: &SignInOptions, return_path: Option<&ReturnPath>) -> Reply {
        let return_path = return_path.cloned().unwrap_or_else(|| self.page_of(asked));
        let session = match self.present(asked.headers).await {
            // Whether it would loop is not known.
            Err(error) => return Reply::failed(error, None),
            Ok(session) => session,
        };
        let causes = match self.causes(session.as_deref(), options, &return_path) {
            Err(error) => return Reply::failed(error, None),
            Ok(causes) => causes,
        };
        let mut options = options.clone();
        if let Some(session) = session.filter(|_| !options.scopes.is_empty()) {
            self.add_granted(&mut options, &session).await;
        }
        self.challenge(asked, Start { options, causes, ..Start::fresh(return_path) }).await
    }

    /// What a sign-in with these options is started for.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Forbidden`]: the same was asked for and answered just now, so that it would go round.
    pub(super) fn causes(
        &self,
        session: Option<&Opened<User>>,
        options: &SignInOptions,
        return_path: &ReturnPath,
    ) -> Result<Vec<Cause>, Error> {
        let now = self.clock.now();
        let cause = cause_of(options);
        let mut causes = vec![cause];
        // Nobody, or somebody whose session goes on only after a sign-in: whatever that was started for, this is another one.
        let Some(session) = session else { return Ok(causes) };
        causes.extend(session.causes_of(return_path.as_str(), now).iter().filter(|other| **other != cause));
        if session.started_for(&cause, asked_again_within(options), now) || causes.len() > MOST_CAUSES {
            return Err(Error::new(
                ErrorKind::Forbidden,
                "the sign-in that this page asks for was done just now, and the page still asks for it",
            ));
        }
        Ok(causes)
    }

    /// Asks for what was granted before as well, so that one consent does not undo another. Microsoft's providers remember it themselves, and redeem a code
    /// for one resource only.
    async fn add_granted(&self, options: &mut SignInOptions, session: &Opened<User>) {
        if self.config.authority().is_microsoft() {
            return;
        }
        let granted = self.grants.scopes(session.grant()).await;
        let asked: usize = options.scopes.iter().map(String::len).sum();
        let more: Vec<_> = granted.into_iter().filter(|scope| !options.scopes.contains(scope)).collect();
        // All of it has to fit into the cookie of the attempt.
        if asked + more.iter().map(String::len).sum::<usize>() <= MOST_SCOPE_BYTES {
            options.scopes.extend(more);
        }
    }
}

/// How long the scopes of an incremental consent may be in all to ask for the earlier ones again.
const MOST_SCOPE_BYTES: usize = 200;

/// Who steps up at Entra is not asked again who they are: the account is named, and where it is at home.
fn hint_at(user: &User, options: &mut SignInOptions) {
    let chooses = options.prompt.contains(&Prompt::SelectAccount) || options.prompt.contains(&Prompt::Create);
    if chooses || options.login_hint.is_some() {
        return;
    }
    let Some(home) = user.home_tenant() else { return };
    let told = user.claim("login_hint").and_then(|hint| hint.as_str()).or_else(|| user.username());
    options.login_hint = told.filter(|hint| !hint.contains(char::is_control)).map(str::to_owned);
    if options.login_hint.is_some() && options.domain_hint.is_none() {
        options.domain_hint = Some(if home == PERSONAL_TENANT { "consumers" } else { "organizations" }.to_owned());
    }
}

/// For so many reasons one page may ask for a sign-in within ten minutes: two guards that undo each other's sign-in would never stop.
const MOST_CAUSES: usize = 8;

/// How soon the same wish counts as a circle. A sign-in that has to be recent ages while its owner works, and tokens without a refresh token run out, so only at once.
fn asked_again_within(options: &SignInOptions) -> Duration {
    if options.max_age.is_some() || options.prompt.contains(&Prompt::None) { Duration::from_secs(60) } else { Duration::MAX }
}

/// A frame, a script or a prefetch cannot sign anybody in, and must not use up the attempts of somebody who does.
pub(super) fn is_unseen(headers: &HeaderMap) -> bool {
    headers.get("sec-fetch-dest").is_some_and(|place| place != "document") || is_prefetch(headers)
}

pub(super) const NONCE: &str = "nonce";
pub(super) const VERIFIER: &str = "code verifier";

/// What makes two sign-ins of an application the same one. Its parts are those that change what the provider does.
fn cause_of(options: &SignInOptions) -> Cause {
    let prompt: Vec<&str> = options.prompt.iter().map(|prompt| prompt.as_str()).collect();
    let mut scopes = options.scopes.clone();
    scopes.sort_unstable();
    let max_age = options.max_age.map(|age| age.as_secs().to_string()).unwrap_or_default();
    let context = options.auth_context.as_deref().unwrap_or_default();
    Cause::new(&["sign-in", &scopes.join(" "), &prompt.join(" "), &options.acr_values.join(" "), &max_age, context])
}
