//! Tokens without anybody being asked.

use std::time::Duration;

use tracing::Instrument as _;

use super::{
    Account, AcquiredTokens,
    app::fingerprint,
    core::{Client, IMPORTS, SignInRequest},
};
use crate::{
    error::{Error, ErrorKind},
    protocol::{Grant, IdTokenExpectation, Nonce, interaction_suberror},
    secret::Secret,
    single_flight::{Order, SingleFlight},
    tokens::{AccessToken, GrantRecord, TokenRequest, is_passing},
};

/// How long is remembered what took the place of a refresh token whose import did not end with an
/// account.
const IMPORT_LIFE: Duration = Duration::from_secs(24 * 3600);

/// What became of a silent acquisition.
#[derive(Clone, Debug)]
#[non_exhaustive]
#[must_use]
pub enum Silent {
    /// A token: from the cache, or by refresh.
    Token(AccessToken),
    /// Nothing is kept of the account that a token could be had with: let the person sign in.
    NothingCached,
    /// The provider was asked and refused. The kind `InteractionRequired` says that the person can
    /// do something about it: let them sign in with the claims in [`Error::provider`]. The refresh
    /// token stays, but the same request is answered so for a minute.
    Refused(Error),
}

impl Silent {
    /// The token, if there is one.
    #[must_use]
    pub fn token(self) -> Option<AccessToken> {
        match self {
            Self::Token(token) => Some(token),
            Self::NothingCached | Self::Refused(_) => None,
        }
    }

    /// Why the provider refused: Entra's suberror, if it is one that a person can do something
    /// about (`basic_action`, `consent_required`, …); otherwise an empty text, as in MSAL's
    /// `classification`. `None` if it did not refuse.
    #[must_use]
    pub fn classification(&self) -> Option<&str> {
        match self {
            Self::Refused(error) => Some(interaction_suberror(error).unwrap_or_default()),
            Self::Token(_) | Self::NothingCached => None,
        }
    }
}

impl Client {
    /// A token of the account for what the request asks for: the one of an equal request, or one
    /// that carries more, or a new one by refresh.
    ///
    /// A token counts as expired five minutes early; but one that is still valid is given out where
    /// the provider cannot be asked. Where the provider said when it would like to be asked again
    /// (`refresh_in`), that is done in the background. The refresh runs to its end also if the
    /// caller goes away.
    ///
    /// # Errors
    ///
    /// Passing ones: `ProviderUnreachable` and others that say nothing about the account.
    /// [`Silent`] has the rest.
    pub async fn acquire_silent(
        &self,
        account: &Account,
        request: &TokenRequest,
    ) -> Result<Silent, Error> {
        let shared = self.shared();
        let found = shared.partitions.find_of(&account.partition(), |person| account.is(person));
        let Some(grant) = found else { return Ok(Silent::NothingCached) };
        match shared.users.access_token(&grant, request).await {
            Ok(token) => Ok(Silent::Token(token)),
            Err(error) if crate::tokens::is_without_grant(&error) => Ok(Silent::NothingCached),
            Err(error) => match error.kind() {
                ErrorKind::InvalidGrant
                | ErrorKind::InteractionRequired
                | ErrorKind::AccessDenied
                | ErrorKind::AuthContextMissing
                | ErrorKind::ClientRefused
                | ErrorKind::ProviderError
                | ErrorKind::PersonChanged
                | ErrorKind::TenantNotAllowed => Ok(Silent::Refused(error)),
                _ => Err(error),
            },
        }
    }

    /// Redeems a refresh token that was obtained elsewhere, by the same application, and keeps what
    /// it brings.
    ///
    /// A provider that rotates refresh tokens gives another one, and takes this one no more:
    ///
    /// - if it gave no ID token, there is no account to keep it with: [`AcquiredTokens::refresh_token`]
    ///   has it. Store it in the place of the old one;
    /// - if this fails for a passing reason after the exchange, call it again with the same refresh
    ///   token: the new one is remembered for a day, and sent.
    ///
    /// It is done to the end, also if the caller goes away. Of imports of one refresh token at the
    /// same time the first is sent, and the others get their tokens from what it brought.
    ///
    /// # Errors
    ///
    /// `InvalidGrant` and the like if the provider refuses it; those of a token's checks;
    /// `ProviderUnreachable`.
    pub async fn import_refresh_token(
        &self,
        refresh_token: &Secret,
        request: &TokenRequest,
    ) -> Result<AcquiredTokens, Error> {
        let signing_in = self.signing_in(request)?;
        let name = fingerprint(refresh_token);
        let mut is_first = false;
        let outcome = self.shared().imports.run(&name, (), Order::AtOnce, || {
            is_first = true;
            let (client, refresh_token) = (self.clone(), refresh_token.clone());
            let (name, signing_in) = (name.clone(), signing_in);
            async move { client.imported_once(refresh_token, &name, &signing_in).await }
                .in_current_span()
        });
        match outcome.await? {
            // The refresh token is spent, and its account is there.
            Ok(first) if !is_first => self.again(&first, request).await,
            outcome => outcome,
        }
    }

    /// Imports a refresh token, and forgets what took its place once that is of no more use.
    async fn imported_once(
        &self,
        refresh_token: Secret,
        name: &str,
        signing_in: &SignInRequest,
    ) -> Result<AcquiredTokens, Error> {
        let partition = format!("{IMPORTS}{name}");
        let outcome = self.import(refresh_token, name, &partition, signing_in).await;
        let is_settled = match &outcome {
            Ok(acquired) => acquired.account().is_some(),
            Err(error) => !is_passing(error),
        };
        if is_settled {
            self.shared().partitions.remove_of(&partition, |_| true);
        }
        outcome
    }

    /// The token of an import that was joined while it was under way.
    async fn again(
        &self,
        first: &AcquiredTokens,
        request: &TokenRequest,
    ) -> Result<AcquiredTokens, Error> {
        let Some(account) = first.account() else { return Ok(first.clone()) };
        match self.acquire_silent(account, request).await? {
            Silent::Token(token) => Ok(first.with_token(token)),
            Silent::Refused(error) => Err(error),
            Silent::NothingCached => Err(Error::new(
                ErrorKind::InvalidGrant,
                "the account of the refresh token is gone already",
            )),
        }
    }

    /// Sends what has taken the refresh token's place by now, and remembers what takes that one's
    /// before anything else can fail.
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
        let asked = signing_in.asked(signing_in.request.key_scopes());
        let mut answer =
            signing_in.provider.tokens(Grant::RefreshToken(&refresh_token), &asked).await?;
        match &answer.refresh_token {
            Some(next) => {
                let ends = shared.clock.now() + IMPORT_LIFE;
                shared.partitions.remove_of(partition, |_| true);
                let record = || GrantRecord::without_sign_in(self.person(name, None), next.clone());
                shared.partitions.find_or_insert(partition, Some(ends), record)?;
            }
            // A provider that does not rotate says nothing: the token stays the one.
            None => answer.refresh_token = Some(refresh_token),
        }
        self.take(
            answer,
            signing_in,
            IdTokenExpectation { nonce: Nonce::Renewal(None), ..self.required() },
        )
        .await
    }

    /// Exchanges somebody's user name and password for tokens (RFC 6749 section 4.3).
    ///
    /// # Errors
    ///
    /// `InvalidGrant` if they are wrong, `InteractionRequired` if the provider wants to see the
    /// person; those of a token's checks; `ProviderUnreachable`.
    ///
    /// # Security
    ///
    /// **Do not use this where anything else is possible.** The application sees the password,
    /// second factors and Conditional Access cannot be asked for, personal accounts and federated
    /// ones often do not work, and OAuth 2.1 has removed the grant. It is here for test accounts
    /// and for devices that cannot be changed; [`begin_device`](Self::begin_device) needs no
    /// password.
    pub async fn acquire_by_password(
        &self,
        username: &str,
        password: &Secret,
        request: &TokenRequest,
    ) -> Result<AcquiredTokens, Error> {
        let signing_in = self.signing_in(request)?;
        let (client, username, password) = (self.clone(), username.to_owned(), password.clone());
        self.to_the_end(async move {
            let asked = signing_in.asked(signing_in.request.key_scopes());
            let grant = Grant::Password { username: &username, password: &password };
            let answer = signing_in.provider.tokens(grant, &asked).await?;
            client.take(answer, &signing_in, client.required()).await
        })
        .await
    }
}

/// Imports that are under way, by the fingerprint of the refresh token: most providers take it once.
pub(super) type Imports = SingleFlight<String, (), Result<AcquiredTokens, Error>>;
