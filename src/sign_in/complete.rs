//! The second half of a sign-in without cookies: from a code to somebody who is signed in.

use std::{fmt, time::Duration};

use serde_json::value::RawValue;

use super::{
    attempt::{Attempt, AttemptPurpose, Cause},
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
    tokens::{CacheLimits, GrantRecord, Issued, Person, Scopes, VerifiedClaims},
};

/// An answer whose ID token was verified.
#[derive(Debug)]
pub(crate) struct Verified {
    answer: TokenAnswer,
    token: VerifiedIdToken,
    person: Person,
    home_account_id: Option<String>,
}

impl Verified {
    /// Who it is about.
    pub(crate) fn person(&self) -> &Person {
        &self.person
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
            // An errand asked for no more than to learn whose it was.
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
        let id_token = answer.id_token.as_ref().ok_or_else(|| {
            Error::new(ErrorKind::TokenResponseInvalid, "the token answer has no ID token")
        })?;
        let client_info = self.client_info(&answer);
        // How strong or recent a sign-in is means nothing at a policy that signs nobody in.
        let signs_in = attempt.policy.is_none();
        let expectation = IdTokenExpectation {
            nonce,
            max_age: attempt
                .max_age
                .filter(|_| signs_in)
                .map(|seconds| Duration::from_secs(seconds.into())),
            acr: if signs_in { self.config().required_acr() } else { &[] },
            auth_context: attempt.auth_context.as_deref().filter(|_| signs_in),
            access_token: answer.access_token.as_ref().map(Secret::expose),
            client_info: client_info.as_ref(),
        };
        let token = provider.verify_id_token(id_token.expose(), &expectation).await?;
        let person = Person {
            iss: token.iss().to_owned(),
            sub: token.sub().to_owned(),
            tid: token.tid().map(str::to_owned),
            oid: token.oid().map(str::to_owned),
        };
        Ok(Verified {
            home_account_id: client_info.and_then(|info| info.home_account_id()),
            answer,
            token,
            person,
        })
    }

    /// Signs somebody in: reads the claims, and decides where they go. `state` names the answer.
    pub(crate) async fn record(
        &self,
        attempt: &Attempt,
        verified: Verified,
        state: &str,
    ) -> Result<Completed, Error> {
        let Verified { mut answer, token, person, home_account_id } = verified;
        let provider = self.provider_of(attempt)?;
        let claims =
            provider.claims(&token, answer.access_token.as_ref(), answer.scope.as_deref()).await?;
        let claims = provider.with_groups(claims, &mut answer, None).await;
        let renew_at = claims.renew_at(token.exp(), self.clock().now());
        let claims = claims.claims;
        // Somebody else than the attempt was for: a session of their own, and nothing of the
        // other's, the page included.
        let someone_else = attempt.expected.is_some_and(|expected| !expected.is(&person));
        // Without a page nobody has chosen another account.
        if someone_else && (attempt.purpose == AttemptPurpose::ReadAgain || attempt.silent) {
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
        let grant = self.grant(&token, &claims, renew_at, &person, attempt, answer)?;
        let signed_in = NewSession {
            person,
            claims: claims.get().into(),
            home_account_id,
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

    /// What Microsoft told about the account. From anybody else it would mean nothing.
    fn client_info(&self, answer: &TokenAnswer) -> Option<ClientInfo> {
        answer
            .client_info
            .as_deref()
            .filter(|_| self.config().authority().is_microsoft())
            .and_then(ClientInfo::parse)
    }

    fn grant(
        &self,
        token: &VerifiedIdToken,
        claims: &RawValue,
        renew_at: UnixTime,
        person: &Person,
        attempt: &Attempt,
        answer: TokenAnswer,
    ) -> Result<GrantRecord, Error> {
        let config = self.config();
        let scopes = match &attempt.scopes {
            // Microsoft redeems a code for the scopes of the sign-in; others that were agreed to
            // come by refresh.
            Some(scopes) if !config.authority().is_microsoft() => Scopes::asked(scopes.split(' '))?,
            _ => Scopes::asked(config.scopes(config.sign_in()))?,
        };
        let identity = VerifiedClaims {
            id_token: token.raw().into(),
            claims: claims.to_owned(),
            person: person.clone(),
            expires_at: renew_at,
        };
        // By a device code Microsoft's is for the scopes that a page asked for, and not for those
        // of the sign-in.
        let of_sign_in = attempt.device.is_none()
            || attempt.scopes.is_none()
            || !config.authority().is_microsoft();
        let issued = Issued {
            access_token: answer.access_token.filter(|_| of_sign_in),
            expires_in: answer.expires_in,
            refresh_in: answer.refresh_in,
            refresh_token: answer.refresh_token,
            scope: answer.scope,
        };
        Ok(GrantRecord::at_sign_in(
            &identity,
            scopes,
            issued,
            CacheLimits::default(),
            self.clock().now(),
        ))
    }
}
