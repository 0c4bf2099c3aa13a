//! [`AcquiredTokens`]: the result of a grant that involves a person.

use std::fmt;

use super::{
    Account, IdToken,
    core::{Client, SignInRequest},
};
use crate::{
    error::{Error, ErrorKind},
    protocol::{IdTokenExpectation, Nonce, TokenAnswer},
    secret::Secret,
    sign_in::VerifiedAnswer,
    tokens::{AccessToken, GrantRecord, VerifiedClaims},
};

/// The verified tokens of a person, which the client has also put into its cache.
#[derive(Clone)]
pub struct AcquiredTokens {
    account: Option<Box<Account>>,
    token: Option<AccessToken>,
    claims: Option<Box<str>>,
    id_token: Option<IdToken>,
    refresh_token: Option<Secret>,
}

impl AcquiredTokens {
    /// The account of the tokens, for [`Client::acquire_silent`]. `None` if the token response had
    /// no ID token; then nothing was cached.
    #[must_use]
    pub fn account(&self) -> Option<&Account> {
        self.account.as_deref()
    }

    /// The access token. Azure AD B2C issues none for a sign-in without API scopes.
    #[must_use]
    pub fn token(&self) -> Option<&AccessToken> {
        self.token.as_ref()
    }

    /// The ID token, for an `id_token_hint` at the provider's sign-out, or for claims as the
    /// provider signed them. `None` if the token response had none. Later it is
    /// [`Client::id_token`].
    #[must_use]
    pub fn id_token(&self) -> Option<&IdToken> {
        self.id_token.as_ref()
    }

    /// The refresh token, if the response had no [`account`](Self::account) to cache it for.
    #[must_use]
    pub fn refresh_token(&self) -> Option<&Secret> {
        self.refresh_token.as_ref()
    }

    /// The same sign-in with another access token.
    pub(super) fn with_token(&self, token: AccessToken) -> Self {
        Self { token: Some(token), ..self.clone() }
    }

    /// The claims of the verified ID token, with those of UserInfo where it is configured.
    ///
    /// # Errors
    ///
    /// `TokenMalformed`: there was no ID token, or its claims do not deserialize into `T`.
    pub fn claims<T: serde::de::DeserializeOwned>(&self) -> Result<T, Error> {
        let claims = self
            .claims
            .as_deref()
            .ok_or_else(|| Error::new(ErrorKind::TokenMalformed, "there was no ID token"))?;
        serde_json::from_str(claims).map_err(|_| {
            Error::new(
                ErrorKind::TokenMalformed,
                "the claims are not of the type that was asked for",
            )
        })
    }
}

impl fmt::Debug for AcquiredTokens {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AcquiredTokens")
            .field("account", &self.account)
            .field("token", &self.token)
            .finish_non_exhaustive()
    }
}

impl Client {
    /// The checks that apply to every ID token, whichever grant returned it.
    pub(super) fn required(&self) -> IdTokenExpectation<'_> {
        IdTokenExpectation {
            acr: self.shared().provider.config().required_acr(),
            ..IdTokenExpectation::default()
        }
    }

    /// Verifies a token response and caches its tokens.
    ///
    /// Earlier tokens of the account stay cached while they are valid: the access tokens of other
    /// scopes, and the refresh token if the response has none.
    pub(super) async fn take(
        &self,
        answer: TokenAnswer,
        signing_in: &SignInRequest,
        expectation: IdTokenExpectation<'_>,
    ) -> Result<AcquiredTokens, Error> {
        let shared = self.shared();
        let SignInRequest { provider, request, .. } = signing_in;
        let now = shared.clock.now();
        if answer.id_token.is_none() {
            check_needs_no_id_token(&expectation)?;
            let refresh_token = answer.refresh_token.clone();
            let token = AccessToken::not_kept(request, answer.into(), now);
            return Ok(AcquiredTokens {
                account: None,
                token,
                claims: None,
                id_token: None,
                refresh_token,
            });
        }
        let verified = VerifiedAnswer::verify(provider, answer, expectation).await?;
        let claims = verified.claims(provider).await?;
        let VerifiedAnswer { answer, token, client_info } = verified;
        let account = Account::of(
            &token,
            client_info.as_ref(),
            signing_in.source,
            signing_in.username.as_deref(),
        );
        let text: Box<str> = claims.json.get().into();
        let identity = VerifiedClaims::of(&token, claims, token.exp());
        let (record, access_token) =
            GrantRecord::of_sign_in(request, &identity, answer.into(), now);
        let partition = account.partition();
        let record = record.with_id_token(token.raw().into());
        // A refresh under way replaces the refresh token that this sign-in takes over.
        if record.refresh_token().is_none()
            && let Some(grant) = shared.partitions.find(&partition)
        {
            shared.users.idle(&grant).await;
        }
        let record = match shared.partitions.record(&partition) {
            Some(earlier) => record.after(&earlier, now),
            None => record,
        };
        shared.partitions.put(&partition, account.to_raw()?, record)?;
        Ok(AcquiredTokens {
            account: Some(Box::new(account)),
            token: access_token,
            claims: Some(text),
            id_token: Some(IdToken::of(token.raw().into())),
            refresh_token: None,
        })
    }
}

/// Refuses a token response without an ID token where its claims have to prove something.
///
/// A refresh response may have none (OpenID Connect Core section 12.2). A sign-in with `max_age`,
/// an authentication context or `acr` needs one: only its claims prove that the provider satisfied
/// the requirement.
fn check_needs_no_id_token(expectation: &IdTokenExpectation<'_>) -> Result<(), Error> {
    let is_refresh = matches!(expectation.nonce, Nonce::Renewal(_));
    let is_held_to_something = expectation.max_age.is_some()
        || expectation.auth_context.is_some()
        || !expectation.acr.is_empty();
    if !is_refresh && is_held_to_something {
        return Err(Error::new(
            ErrorKind::TokenResponseInvalid,
            "the token answer has no ID token, which would say how and when the person signed in",
        ));
    }
    Ok(())
}
