//! Acquisition of tokens without user interaction.

use std::{sync::Arc, time::Duration};

use quick_cache::sync::Cache;
use tracing::Instrument as _;

use super::{
    Account, AccountSource, AcquiredTokens,
    app::fingerprint,
    core::{Client, SignInRequest},
    partition::Partition,
};
use crate::{
    clock::UnixTime,
    error::{Error, ErrorKind},
    protocol::{Grant, IdTokenExpectation, Nonce, interaction_suberror},
    secret::Secret,
    single_flight::{Order, SingleFlight, Tasks},
    tokens::{AccessToken, GrantRecord, GrantSource, TokenRequest, is_passing},
};

/// Lifetime of the record that maps an imported refresh token to its successor, until the import
/// has succeeded.
const IMPORT_LIFE: Duration = Duration::from_secs(24 * 3600);
/// How long an import that has replaced its refresh token is remembered, and how many are.
const REMEMBERED: (Duration, usize) = (Duration::from_secs(600), 1_000);

/// The result of a silent acquisition.
#[derive(Clone, Debug)]
#[non_exhaustive]
#[must_use]
pub enum SilentOutcome {
    /// A token, from the cache or by refresh.
    Token(AccessToken),
    /// The cache has no refresh token of the account: the person has to sign in.
    NothingCached,
    /// The provider refused the refresh. With the kind `InteractionRequired` the person has to sign
    /// in with the claims in [`Error::provider`]. The refresh token stays cached, but an equal
    /// request gets the same answer for a minute without being sent.
    Refused(Error),
}

impl SilentOutcome {
    /// The token, if there is one.
    #[must_use]
    pub fn token(self) -> Option<AccessToken> {
        match self {
            Self::Token(token) => Some(token),
            Self::NothingCached | Self::Refused(_) => None,
        }
    }

    /// Entra ID's suberror if a person can resolve it (`basic_action`, `consent_required`, …),
    /// otherwise an empty text, as MSAL's `classification`. `None` if the provider did not refuse.
    #[must_use]
    pub fn classification(&self) -> Option<&str> {
        match self {
            Self::Refused(error) => Some(interaction_suberror(error).unwrap_or_default()),
            Self::Token(_) | Self::NothingCached => None,
        }
    }
}

impl Client {
    /// A token of the account for this request: a cached token of an equal request or of one with
    /// more scopes, or a new one by refresh.
    ///
    /// A token counts as expired five minutes before its end, but is still returned while it is
    /// valid if the provider is unreachable. A token whose `refresh_in` has passed is renewed in
    /// the background. If this future is dropped, the refresh still finishes.
    ///
    /// # Errors
    ///
    /// Temporary ones, such as `ProviderUnreachable`, which say nothing about the account. All
    /// other results are in [`SilentOutcome`].
    pub async fn acquire_silent(
        &self,
        account: &Account,
        request: &TokenRequest,
    ) -> Result<SilentOutcome, Error> {
        let shared = self.shared();
        let found = shared.partitions.find_of(&account.partition(), |person| account.is(person));
        let Some(grant) = found else { return Ok(SilentOutcome::NothingCached) };
        match shared.users.access_token(&grant, request).await {
            Ok(token) => Ok(SilentOutcome::Token(token)),
            // The account exists, but has no refresh token.
            Err(error) if crate::tokens::is_without_grant(&error) => {
                Ok(SilentOutcome::NothingCached)
            }
            // A refusal says something about the account; any other error may pass on its own.
            Err(error) => match error.kind() {
                ErrorKind::InvalidGrant
                | ErrorKind::InteractionRequired
                | ErrorKind::AccessDenied
                | ErrorKind::AuthContextMissing
                | ErrorKind::ClientRefused
                | ErrorKind::ProviderError
                | ErrorKind::PersonChanged
                | ErrorKind::TenantNotAllowed => Ok(SilentOutcome::Refused(error)),
                _ => Err(error),
            },
        }
    }

    /// Redeems a refresh token that the same application obtained elsewhere, and caches the tokens.
    ///
    /// A provider that rotates refresh tokens returns a new one and invalidates this one:
    ///
    /// - If the response has no ID token, there is no account to cache the new one for:
    ///   [`AcquiredTokens::refresh_token`] returns it. Store it instead of the old one.
    /// - If the import fails for a temporary reason after the exchange, call this method again with
    ///   the same refresh token: the new one is remembered for a day and sent in its place.
    ///
    /// If this future is dropped, the import still finishes. Concurrent imports of one refresh
    /// token send one request; the others then acquire their tokens from its result. Where the
    /// provider has replaced the refresh token, so do those that come to this client in the next
    /// ten minutes, as long as the account is in the cache.
    ///
    /// # Errors
    ///
    /// `InvalidGrant` and the like if the provider refuses the refresh token; the errors of ID
    /// token verification; `ProviderUnreachable`.
    pub async fn import_refresh_token(
        &self,
        refresh_token: &Secret,
        request: &TokenRequest,
    ) -> Result<AcquiredTokens, Error> {
        let signing_in = self.signing_in(request)?;
        let name = fingerprint(refresh_token);
        let mut is_first = false;
        let outcome = self.shared().imports.running.run(&name, (), Order::AtOnce, || {
            is_first = true;
            let (client, refresh_token) = (self.clone(), refresh_token.clone());
            let (name, signing_in) = (name.clone(), signing_in);
            async move {
                // An earlier import may have ended since this one was begun.
                if let Some(earlier) = client.imported_before(&name) {
                    return Ok((earlier, false));
                }
                let acquired = client.imported_once(refresh_token, &name, &signing_in).await?;
                Ok((acquired, true))
            }
            .in_current_span()
        });
        match outcome.await?? {
            (acquired, true) if is_first => Ok(acquired),
            // The first import has redeemed the refresh token: its account has a newer one.
            (first, _) => self.again(&first, request).await,
        }
    }

    /// The import of this refresh token that has replaced it a moment ago, unless its account is
    /// gone.
    fn imported_before(&self, name: &str) -> Option<AcquiredTokens> {
        let (done, first) = self.shared().imports.done.get(name)?;
        let account = first.account()?;
        let partition = account.partition();
        let is_there = self.shared().partitions.find_of(&partition, |person| account.is(person));
        if is_there.is_some() && done.is_within(REMEMBERED.0, self.now()) {
            return Some(first);
        }
        self.shared().imports.done.remove(name);
        None
    }

    /// Imports a refresh token, and drops the record of its successor once that is not needed: the
    /// account has the successor, or the provider has refused for good.
    async fn imported_once(
        &self,
        refresh_token: Secret,
        name: &str,
        signing_in: &SignInRequest,
    ) -> Result<AcquiredTokens, Error> {
        let partition = Partition::Imports.name(name);
        let outcome = self.import(refresh_token, name, &partition, signing_in).await;
        let is_settled = match &outcome {
            Ok(acquired) => acquired.account().is_some(),
            Err(error) => !is_passing(error),
        };
        let was_replaced = is_settled && self.shared().partitions.remove_of(&partition, |_| true);
        if let Ok(acquired) = &outcome
            && was_replaced
        {
            self.shared().imports.remember(name, acquired, self.now());
        }
        outcome
    }

    /// The tokens for a request that joined an import of the same refresh token.
    async fn again(
        &self,
        first: &AcquiredTokens,
        request: &TokenRequest,
    ) -> Result<AcquiredTokens, Error> {
        let Some(account) = first.account() else { return Ok(first.clone()) };
        match self.acquire_silent(account, request).await? {
            SilentOutcome::Token(token) => Ok(first.with_token(token)),
            SilentOutcome::Refused(error) => Err(error),
            SilentOutcome::NothingCached => Err(Error::new(
                ErrorKind::InvalidGrant,
                "the account of the refresh token is gone already",
            )),
        }
    }

    /// Sends the newest successor of the refresh token, and records the next successor before any
    /// later step (verification, caching) can fail.
    async fn import(
        &self,
        refresh_token: Secret,
        name: &str,
        partition: &str,
        signing_in: &SignInRequest,
    ) -> Result<AcquiredTokens, Error> {
        let shared = self.shared();
        let earlier = shared.partitions.record(partition);
        let refresh_token =
            earlier.and_then(|record| record.refresh_token().cloned()).unwrap_or(refresh_token);
        let asked = signing_in.asked(signing_in.request.scope_value());
        let mut answer =
            signing_in.provider.tokens(Grant::RefreshToken(&refresh_token), &asked).await?;
        match &answer.refresh_token {
            Some(next) => {
                let ends = shared.clock.now() + IMPORT_LIFE;
                shared.partitions.remove_of(partition, |_| true);
                let record = || {
                    let source = GrantSource::RefreshToken(next.clone());
                    GrantRecord::without_sign_in(self.person(name, None), source)
                };
                shared.partitions.find_or_insert(partition, Some(ends), record)?;
            }
            // Without a new one the old refresh token stays valid (RFC 6749 section 6).
            None => answer.refresh_token = Some(refresh_token),
        }
        self.take(
            answer,
            signing_in,
            IdTokenExpectation { nonce: Nonce::Renewal(None), ..self.required() },
        )
        .await
    }

    /// Exchanges a user name and a password for tokens (RFC 6749 section 4.3).
    ///
    /// # Errors
    ///
    /// `InvalidGrant` if the password is wrong, `InteractionRequired` if the provider demands an
    /// interactive sign-in; the errors of ID token verification; `ProviderUnreachable`.
    ///
    /// # Security
    ///
    /// **Do not use this where anything else is possible.** The application sees the password;
    /// second factors and Conditional Access do not work; personal and federated accounts often do
    /// not either; OAuth 2.1 has removed the grant. It exists for test accounts and for devices
    /// that cannot be changed; [`begin_device`](Self::begin_device) needs no password.
    pub async fn acquire_by_password(
        &self,
        username: &str,
        password: &Secret,
        request: &TokenRequest,
    ) -> Result<AcquiredTokens, Error> {
        let mut signing_in = self.signing_in(request)?.by(AccountSource::Password);
        signing_in.username = Some(username.to_owned());
        let (client, username, password) = (self.clone(), username.to_owned(), password.clone());
        self.to_the_end(async move {
            let asked = signing_in.asked(signing_in.request.scope_value());
            let grant = Grant::Password { username: &username, password: &password };
            let answer = signing_in.provider.tokens(grant, &asked).await?;
            client.take(answer, &signing_in, client.required()).await
        })
        .await
    }
}

/// Imports by the fingerprint of the refresh token: most providers accept it once, and may revoke
/// its successor if it comes again (RFC 9700 section 4.14.2).
pub(super) struct Imports {
    running: Arc<SingleFlight<String, (), ImportOutcome>>,
    /// Those that have replaced their refresh token, for a caller that was dropped meanwhile and
    /// one that comes a moment too late.
    done: Cache<String, (UnixTime, AcquiredTokens)>,
}

/// The result of a flight, and whether it is of this one or of an earlier one.
type ImportOutcome = Result<(AcquiredTokens, bool), Error>;

impl Imports {
    pub(super) fn new(tasks: Arc<dyn Tasks>) -> Self {
        Self { running: SingleFlight::new(tasks), done: Cache::new(REMEMBERED.1) }
    }

    fn remember(&self, name: &str, acquired: &AcquiredTokens, now: UnixTime) {
        self.done.retain(|_, (done, _)| done.is_within(REMEMBERED.0, now));
        self.done.insert(name.to_owned(), (now, acquired.clone()));
    }

    /// Forgets the tokens of an account; without one, all.
    pub(super) fn forget(&self, account: Option<&Account>) {
        let is_other = |first: &AcquiredTokens| {
            account
                .zip(first.account())
                .is_some_and(|(one, own)| one.partition() != own.partition())
        };
        self.done.retain(|_, (_, first)| is_other(first));
    }
}
