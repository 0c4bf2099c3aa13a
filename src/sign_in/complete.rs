//! The second half of a sign-in: from a code to the records of a session. It does not know cookies.

use std::time::Duration;

use super::{
    attempt::{Attempt, Fingerprint, Purpose},
    begin::{NONCE, VERIFIER},
    loop_guard::ReturnedTo,
    relying_party::RelyingParty,
};
use crate::{
    clock::UnixTime,
    config::{ReturnPath, SessionEnd},
    error::{Error, ErrorKind},
    protocol::{
        AuthorizationCode, ClaimsOfPerson, ClientInfo, IdTokenExpectation, Nonce, Provider,
        SignedClaims, TokenAnswer, VerifiedIdToken,
    },
    secret::Secret,
    tokens::{GrantRecord, Person, Scopes, TokenSet, VerifiedClaims},
};

/// A token response with its verified ID token.
pub(crate) struct VerifiedAnswer {
    pub(crate) answer: TokenAnswer,
    pub(crate) token: VerifiedIdToken,
    /// The home account (Microsoft only).
    pub(crate) client_info: Option<ClientInfo>,
}

impl VerifiedAnswer {
    /// Verifies the ID token of a response (OpenID Connect Core section 3.1.3.7), together with the
    /// access token (`at_hash`) and Microsoft's `client_info`.
    ///
    /// # Errors
    ///
    /// `TokenResponseInvalid`: the response has no ID token although `openid` was requested; the
    /// errors of ID token verification.
    pub(crate) async fn verify(
        provider: &Provider,
        answer: TokenAnswer,
        expectation: IdTokenExpectation<'_>,
    ) -> Result<Self, Error> {
        let id_token = answer.required_id_token()?;
        // Only Microsoft defines `client_info`.
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

    /// The claims of the person, including those of UserInfo where it is configured.
    pub(crate) async fn claims(&self, provider: &Provider) -> Result<ClaimsOfPerson, Error> {
        let Self { answer, token, .. } = self;
        let signed = SignedClaims {
            json: token.claims(),
            sub: &token.person().sub,
            access_token: answer.access_token.as_ref(),
            granted: answer.scope.as_deref(),
            earlier_from_user_info: false,
        };
        provider.claims(signed).await
    }
}

impl VerifiedClaims {
    /// The verified claims of an ID token; `claims` may include those of UserInfo.
    pub(crate) fn of(
        token: &VerifiedIdToken,
        claims: ClaimsOfPerson,
        expires_at: UnixTime,
    ) -> Self {
        Self { id_token: token.raw().into(), claims, person: token.person().clone(), expires_at }
    }
}

impl From<TokenAnswer> for TokenSet {
    /// The tokens of a response except the ID token.
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

/// The session record of a completed sign-in, before it is stored.
pub(crate) struct NewSession {
    pub(crate) person: Person,
    /// The claims as JSON.
    pub(crate) claims: String,
    /// The account in its home tenant, from Microsoft's `client_info`.
    pub(crate) home_account_id: Option<String>,
    pub(crate) renew_at: Option<UnixTime>,
    /// An end before the absolute lifetime of the session.
    pub(crate) ends: Option<UnixTime>,
    /// The authentication context that the sign-in was checked for.
    pub(crate) auth_context: Option<String>,
    /// The step-ups that the sign-in was started for.
    pub(crate) step_ups: Vec<Fingerprint>,
    /// The response that created the session, and the page that it returned to.
    pub(crate) returned_to: Option<ReturnedTo>,
    /// The number of consecutive sessions that were lost right after the sign-in, before this one.
    pub(crate) lost: u8,
}

/// The session and the grant of a completed sign-in, before they are stored.
pub(crate) struct SignInRecords {
    pub(crate) session: NewSession,
    pub(crate) grant: GrantRecord,
    /// The page that the browser is sent to.
    pub(crate) return_path: ReturnPath,
}

/// The fingerprint of the response to the request with this `state`.
pub(crate) fn response_of(state: &str) -> Fingerprint {
    Fingerprint::new(&["answer", state])
}

impl RelyingParty {
    /// Redeems the code of an attempt.
    pub(crate) async fn redeem(
        &self,
        attempt: &Attempt,
        code: &AuthorizationCode,
    ) -> Result<VerifiedAnswer, Error> {
        let verifier = Secret::from(attempt.derive(VERIFIER)?);
        let provider = self.provider_of(attempt)?;
        let redirect_uri = self.config().redirect_uri();
        let answer = provider.redeem_code(code, &verifier, redirect_uri).await?;
        let nonce = attempt.derive(NONCE)?;
        let nonce = Nonce::expected(self.config().nonce(), &nonce);
        self.verify(provider, attempt, answer, nonce).await
    }

    /// Verifies the token response to an attempt.
    pub(crate) async fn verify(
        &self,
        provider: &Provider,
        attempt: &Attempt,
        answer: TokenAnswer,
        nonce: Nonce<'_>,
    ) -> Result<VerifiedAnswer, Error> {
        // Microsoft's token request names its own scopes, which may be fewer.
        let sent = attempt.sent_scopes().filter(|_| !provider.authority().is_microsoft());
        let answer = answer.for_scopes(sent.unwrap_or_default());
        // These policies start no session: `max_age`, `acr` and `acrs` do not apply.
        if attempt.purpose.is_policy() {
            let expectation = IdTokenExpectation { nonce, ..IdTokenExpectation::default() };
            return VerifiedAnswer::verify(provider, answer, expectation).await;
        }
        let expectation = IdTokenExpectation {
            nonce,
            max_age: attempt.max_age.map(|seconds| Duration::from_secs(seconds.into())),
            acr: self.config().required_acr(),
            auth_context: attempt.auth_context.as_deref(),
            ..IdTokenExpectation::default()
        };
        VerifiedAnswer::verify(provider, answer, expectation).await
    }

    /// Reads the claims and creates the records of the session. `state` identifies the response.
    ///
    /// # Errors
    ///
    /// `PersonChanged`: a silent sign-in returned another person; those of UserInfo and B2C.
    pub(crate) async fn record(
        &self,
        attempt: &Attempt,
        verified: VerifiedAnswer,
        state: &str,
    ) -> Result<SignInRecords, Error> {
        let provider = self.provider_of(attempt)?;
        let (claims, person) = (verified.claims(provider).await?, verified.token.person().clone());
        let VerifiedAnswer { mut answer, token, client_info } = verified;
        let found = provider.with_groups(claims.json, &mut answer, None).await;
        let renew_at = found.renew_at(token.exp(), self.clock().now());
        let claims = ClaimsOfPerson { json: found.claims, ..claims };
        // Another person may have signed in at the provider. That person gets a new session and
        // nothing of the expected person's, not even the return path.
        let someone_else = attempt.expected.is_some_and(|expected| !expected.is(&person));
        // In a silent sign-in the person cannot have chosen the other account.
        if someone_else && (attempt.purpose == Purpose::ReadClaims || attempt.silent) {
            return Err(Error::new(
                ErrorKind::PersonChanged,
                "another person is signed in at the provider than here",
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
        let session = NewSession {
            person,
            claims: claims.json.get().into(),
            home_account_id: client_info.and_then(|info| info.home_account_id()),
            renew_at: renewable.then_some(renew_at),
            ends,
            auth_context: attempt.auth_context.clone(),
            step_ups: if someone_else { Vec::new() } else { attempt.step_ups.clone() },
            returned_to: Some(ReturnedTo {
                response: response_of(state),
                path: return_path.as_str().into(),
            }),
            lost: attempt.lost,
        };
        Ok(SignInRecords { session, grant, return_path })
    }

    fn grant(
        &self,
        verified: &VerifiedClaims,
        attempt: &Attempt,
        mut answer: TokenAnswer,
    ) -> Result<GrantRecord, Error> {
        let config = self.config();
        let scopes = match attempt.sent_scopes() {
            // Microsoft redeems a code for the scopes of the sign-in; tokens for other consented
            // scopes are acquired by refresh.
            Some(scopes) if !config.authority().is_microsoft() => Scopes::asked(scopes.split(' '))?,
            _ => Scopes::asked(config.scopes(config.sign_in()))?,
        };
        // The device code grant at Microsoft returned an access token for the page's scopes, not
        // for those of the sign-in that the record names. It is dropped; a refresh gets another.
        if attempt.device.is_some() && attempt.scopes.is_some() && config.authority().is_microsoft()
        {
            answer.access_token = None;
        }
        let now = self.clock().now();
        Ok(GrantRecord::at_sign_in(verified, scopes, answer.into(), now))
    }
}
