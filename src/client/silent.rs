//! Tokens without anybody being asked.

use super::{Account, Acquired, core::Client};
use crate::{
    error::{Error, ErrorKind},
    protocol::{Asked, Grant, IdTokenExpectation, Nonce},
    secret::Secret,
    tokens::{AccessToken, Scopes, TokenRequest},
};

/// What became of a silent acquisition.
#[derive(Clone, Debug)]
#[non_exhaustive]
#[must_use]
pub enum Silent {
    /// A token: from the cache, or by refresh.
    Token(AccessToken),
    /// Nothing is kept of the account that a token could be had with: let the person sign in.
    NothingCached,
    /// The provider was asked and refused. The kind `InteractionRequired` says that the person can do something about it: let them sign in with the claims in
    /// [`Error::provider`]. The refresh token stays, but the same request is answered so for a minute.
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

    /// Why the provider refused: Entra's suberror, if it is one that a person can do something about (`basic_action`, `consent_required`, …); otherwise an empty text, as in MSAL's
    /// `classification`. `None` if it did not refuse.
    #[must_use]
    pub fn classification(&self) -> Option<&str> {
        match self {
            Self::Refused(error) => Some(crate::tokens::classification(error).unwrap_or_default()),
            Self::Token(_) | Self::NothingCached => None,
        }
    }
}

impl Client {
    /// A token of the account for what the request asks for: the one of an equal request, or one that carries more, or a new one by refresh.
    ///
    /// A token counts as expired five minutes early; but one that is still valid is given out where the provider cannot be asked. Where the provider said when it would like to be
    /// asked again (`refresh_in`), that is done in the background. The refresh runs to its end also if the caller goes away.
    ///
    /// # Errors
    ///
    /// Passing ones: `ProviderUnreachable` and others that say nothing about the account. [`Silent`] has the rest.
    pub async fn acquire_silent(&self, account: &Account, request: &TokenRequest) -> Result<Silent, Error> {
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
                | ErrorKind::ClientRefused
                | ErrorKind::ProviderError
                | ErrorKind::PersonChanged
                | ErrorKind::TenantNotAllowed => Ok(Silent::Refused(error)),
                _ => Err(error),
            },
        }
    }

    /// Redeems a refresh token that was obtained elsewhere, by the same application, and keeps what it brings.
    ///
    /// # Errors
    ///
    /// `InvalidGrant` and the like if the provider refuses it; those of a token's checks; `ProviderUnreachable`.
    pub async fn import_refresh_token<S: AsRef<str>>(
        &self,
        refresh_token: &Secret,
        scopes: impl IntoIterator<Item = S>,
    ) -> Result<Acquired, Error> {
        let scopes = self.with_openid_scopes(&Scopes::asked(scopes)?)?;
        let claims = self.own_claims()?;
        let (client, refresh_token) = (self.clone(), refresh_token.clone());
        self.to_the_end(async move {
            let asked = Asked { scopes: scopes.as_str(), resource: None, claims: claims.as_deref() };
            let mut answer = client.shared().provider.tokens(Grant::RefreshToken(&refresh_token), &asked).await?;
            // A provider that does not rotate says nothing: the token stays the one.
            answer.refresh_token.get_or_insert(refresh_token);
            client.take(&answer, &scopes, IdTokenExpectation { nonce: Nonce::Renewal(None), ..client.required() }).await
        })
        .await
    }

    /// Exchanges somebody's user name and password for tokens (RFC 6749 section 4.3).
    ///
    /// # Errors
    ///
    /// `InvalidGrant` if they are wrong, `InteractionRequired` if the provider wants to see the person; those of a token's checks; `ProviderUnreachable`.
    ///
    /// # Security
    ///
    /// **Do not use this where anything else is possible.** The application sees the password, second factors and Conditional Access cannot be asked for, personal accounts and federated
    /// ones often do not work, and OAuth 2.1 has removed the grant. It is here for test accounts and for devices that cannot be changed; [`begin_device`](Self::begin_device) needs no
    /// password.
    pub async fn acquire_by_password<S: AsRef<str>>(
        &self,
        username: &str,
        password: &Secret,
        scopes: impl IntoIterator<Item = S>,
    ) -> Result<Acquired, Error> {
        let scopes = self.with_openid_scopes(&Scopes::asked(scopes)?)?;
        let claims = self.own_claims()?;
        let (client, username, password) = (self.clone(), username.to_owned(), password.clone());
        self.to_the_end(async move {
            let asked = Asked { scopes: scopes.as_str(), resource: None, claims: claims.as_deref() };
            let grant = Grant::Password { username: &username, password: &password };
            let answer = client.shared().provider.tokens(grant, &asked).await?;
            client.take(&answer, &scopes, client.required()).await
        })
        .await
    }
}
