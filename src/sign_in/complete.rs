//! The second half of a sign-in without cookies: from a code to somebody who is signed in.

use std::{fmt, time::Duration};

use serde_json::value::RawValue;

use super::{
    attempt::{Attempt, Cause, Purpose},
    begin::{NONCE, VERIFIER},
    loop_guard::ReturnedTo,
    relying_party::RelyingParty,
};
use crate::{
    clock::UnixTime,
    config::{ReturnPath, SessionEnd},
    error::{Error, ErrorKind},
    protocol::{
        AuthorizationCode, ClientInfo, IdTokenExpectation, Nonce, Provider, TokenAnswer,
        VerifiedIdToken,
    },
    secret::Secret,
    tokens::{GrantRecord, Issued, Person, Scopes, VerifiedClaims},
};

/// A token answer whose ID token was verified.
#[derive(Debug)]
pub(crate) struct Verified {
    pub(crate) answer: TokenAnswer,
    pub(crate) token: VerifiedIdToken,
    /// The account, from Microsoft.
    pub(crate) client_info: Option<ClientInfo>,
}

impl Verified {
    /// Verifies the ID token of an answer (OpenID Connect Core section 3.1.3.7), together with what
    /// came beside it: the access token (`at_hash`), and Microsoft's account.
    ///
    /// # Errors
    ///
    /// `TokenResponseInvalid`: there is none, although `openid` was asked for; those of the checks.
    pub(crate) async fn verify(
        provider: &Provider,
        answer: TokenAnswer,
        expectation: IdTokenExpectation<'_>,
    ) -> Result<Self, Error> {
        let id_token = answer.id_token.as_ref().ok_or_else(|| {
            Error::new(ErrorKind::TokenResponseInvalid, "the token answer has no ID token")
        })?;
        // From another provider it would mean nothing.
        let is_microsoft = provider.authority().is_microsoft();
        let client_info =
            answer.client_info.as_deref().filter(|_| is_microsoft).and_then(ClientInfo::parse);
        let expectation = IdTokenExpectation {
            access_token: answer.access_token.as_ref().map(Secret::expose),
            client_info: client_info.as_ref(),
            ..expectation
        };
        let token = provider.verify_id_token(id_token.expose(), &expectation).await?;
        Ok(Self { answer, token, client_info })
    }

    /// The claims of the person, with those of UserInfo where it is asked.
    pub(crate) async fn claims(&self, provider: &Provider) -> Result<Box<RawValue>, Error> {
        let Self { answer, token, .. } = self;
        provider.claims(token, answer.access_token.as_ref(), answer.scope.as_deref()).await
    }

    pub(crate) fn person(&self) -> Person {
        Person::from(&self.token)
    }
}

impl From<&VerifiedIdToken> for Person {
    fn from(token: &VerifiedIdToken) -> Self {
        Self {
            iss: token.iss().to_owned(),
            sub: token.sub().to_owned(),
            tid: token.tid().map(str::to_owned),
            oid: token.oid().map(str::to_owned),
        }
    }
}

impl VerifiedClaims {
    /// What a verified ID token says, with the claims that were read beside it.
    pub(crate) fn of(token: &VerifiedIdToken, claims: Box<RawValue>, expires_at: UnixTime) -> Self {
        Self { id_token: token.raw().into(), claims, person: Person::from(token), expires_at }
    }
}

impl From<TokenAnswer> for Issued {
    /// What came with a token answer, apart from the ID token.
    fn from(answer: TokenAnswer) -> Self {
        Self {
            access_token: answer.access_token,
            expires_in: answer.expires_in,
            refresh_in: answer.refresh_in,
            refresh_token: answer.refresh_token,
            scope: answer.scope,
        }
    }
}

/// Who just signed in.
pub(crate) struct NewSession {
    pub(crate) person: Person,
    /// The claims as JSON.
    pub(crate) claims: String,
    /// The account in its home tenant, where Microsoft told it.
    pub(crate) home_account_id: Option<String>,
    pub(crate) renew_at: Option<UnixTime>,
    /// An end before the absolute one.
    pub(crate) ends: Option<UnixTime>,
    /// The authentication context that the sign-in was held to.
    pub(crate) auth_context: Option<String>,
    /// For what the application itself started the sign-in.
    pub(crate) causes: Vec<Cause>,
    /// The answer that led here, and where to go now.
    pub(crate) returned_to: Option<ReturnedTo>,
    /// What [`Sessions::lost`] counted when the sign-in began.
    pub(crate) lost: u8,
}

impl fmt::Debug for NewSession {
    /// Says when, not who.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("NewSession")
            .field("renew_at", &self.renew_at)
            .field("ends", &self.ends)
            .finish_non_exhaustive()
    }
}

/// A sign-in that is done, before it is kept anywhere.
#[derive(Debug)]
pub(crate) struct Completed {
    pub(crate) signed_in: NewSession,
    pub(crate) grant: GrantRecord,
    /// Where the person goes now.
    pub(crate) return_path: ReturnPath,
}

/// An answer, for recognising it again.
pub(crate) fn answer_of(state: &str) -> Cause {
    Cause::new(&["answer", state])
}

impl RelyingParty {
    /// Redeems the code of an attempt.
    pub(crate) async fn redeem(
        &self,
        attempt: &Attempt,
        code: &AuthorizationCode,
    ) -> Result<Verified, Error> {
        let verifier = Secret::from(attempt.derive(VERIFIER)?);
        let provider = self.provider_of(attempt)?;
        let redirect_uri = self.config().redirect_uri();
        let answer = match attempt.policy {
            // Another policy was asked for no more than the identity of the person.
            Some(_) => provider.redeem_code_for_identity(code, &verifier, redirect_uri).await?,
            None => provider.redeem_code(code, &verifier, redirect_uri).await?,
        };
        let nonce = attempt.derive(NONCE)?;
        self.verify(provider, attempt, answer, Nonce::Sent(&nonce)).await
    }

    /// Verifies what an attempt was answered with.
    pub(crate) async fn verify(
        &self,
        provider: &Provider,
        attempt: &Attempt,
        answer: TokenAnswer,
        nonce: Nonce<'_>,
    ) -> Result<Verified, Error> {
        // How strong or recent a sign-in is means nothing at a policy that signs nobody in.
        if attempt.purpose.is_policy() {
            let expectation = IdTokenExpectation { nonce, ..IdTokenExpectation::default() };
            return Verified::verify(provider, answer, expectation).await;
        }
        let expectation = IdTokenExpectation {
            nonce,
            max_age: attempt.max_age.map(|seconds| Duration::from_secs(seconds.into())),
            acr: self.config().required_acr(),
            auth_context: attempt.auth_context.as_deref(),
            ..IdTokenExpectation::default()
        };
        Verified::verify(provider, answer, expectation).await
    }

    /// Signs somebody in: reads the claims, and decides where they go. `state` names the answer.
    pub(crate) async fn record(
        &self,
        attempt: &Attempt,
        verified: Verified,
        state: &str,
    ) -> Result<Completed, Error> {
        let provider = self.provider_of(attempt)?;
        let (claims, person) = (verified.claims(provider).await?, verified.person());
        let Verified { mut answer, token, client_info } = verified;
        let claims = provider.with_groups(claims, &mut answer, None).await;
        let renew_at = claims.renew_at(token.exp(), self.clock().now());
        let claims = claims.claims;
        // Somebody else than the attempt was for: a session of their own, and nothing of the
        // other's, the page included.
        let someone_else = attempt.expected.is_some_and(|expected| !expected.is(&person));
        // Without a page nobody has chosen another account.
        if someone_else && (attempt.purpose == Purpose::ReadClaims || attempt.silent) {
            return Err(Error::new(
                ErrorKind::PersonChanged,
                "somebody else is signed in at the provider than here",
            ));
        }
        let config = self.config();
        let return_path = if someone_else {
            config.home().clone()
        } else {
            config.return_path(&attempt.return_path)
        };
        let renewable = answer.refresh_token.is_some();
        let ends = (!renewable && config.session_end() == SessionEnd::IdTokenExpiry)
            .then(|| token.exp() + config.clock_leeway());
        let verified = VerifiedClaims::of(&token, claims.clone(), renew_at);
        let grant = self.grant(&verified, attempt, answer)?;
        let signed_in = NewSession {
            person,
            claims: claims.get().into(),
            home_account_id: client_info.and_then(|info| info.home_account_id()),
            renew_at: renewable.then_some(renew_at),
            ends,
            auth_context: attempt.auth_context.clone(),
            causes: if someone_else { Vec::new() } else { attempt.causes.clone() },
            returned_to: Some(ReturnedTo {
                answer: answer_of(state),
                path: return_path.as_str().into(),
            }),
            lost: attempt.lost,
        };
        Ok(Completed { signed_in, grant, return_path })
    }

    fn grant(
        &self,
        verified: &VerifiedClaims,
        attempt: &Attempt,
        mut answer: TokenAnswer,
    ) -> Result<GrantRecord, Error> {
        let config = self.config();
        let scopes = match &attempt.scopes {
            // Microsoft redeems a code for the scopes of the sign-in; others that were agreed to
            // come by refresh.
            Some(scopes) if !config.authority().is_microsoft() => Scopes::asked(scopes.split(' '))?,
            _ => Scopes::asked(config.scopes(config.sign_in()))?,
        };
        // By a device code Microsoft's access token is for the scopes that a page asked for, and not
        // for those of the sign-in.
        if attempt.device.is_some() && attempt.scopes.is_some() && config.authority().is_microsoft()
        {
            answer.access_token = None;
        }
        let now = self.clock().now();
        Ok(GrantRecord::at_sign_in(verified, scopes, answer.into(), now))
    }
}
