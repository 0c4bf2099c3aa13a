//! The refresh of a session's tokens and claims: the [`Provider`] as a [`Refresher`].

use async_trait::async_trait;

use crate::{
    error::{Error, ErrorKind, ProviderError},
    protocol::{
        IdTokenExpectation, Nonce, Provider, SignedClaims, TokenAnswer, TokenParams,
        claims_of_stored,
    },
    secret::Secret,
    tokens::{RefreshAnswer, RefreshRequest, Refresher, Renewal, Scopes, VerifiedClaims, life_of},
};

#[async_trait]
impl Refresher for Provider {
    async fn refresh(
        &self,
        refresh_token: &Secret,
        request: &RefreshRequest,
    ) -> Result<RefreshAnswer, Error> {
        refresh_with(self, refresh_token, request, &[]).await
    }
}

/// Sends a refresh token once, for the scopes of the request and those in `also`, in the tenant of
/// the request.
pub(crate) async fn refresh_with(
    provider: &Provider,
    refresh_token: &Secret,
    request: &RefreshRequest,
    also: &[String],
) -> Result<RefreshAnswer, Error> {
    let scopes = Scopes::asked(request.scopes().iter().chain(also.iter().map(String::as_str)))?;
    // Without `scope` a refresh is for the granted scopes; a scope that was not granted is an error
    // (RFC 6749 section 6).
    let named = !request.is_as_granted || provider.refresh_needs_scopes();
    let user = request.person.routing_hint();
    let asked = request.asked(if named { scopes.as_str() } else { "" });
    let asked = TokenParams { user: user.as_ref(), ..asked };
    // At `common` and the like the person was verified in one tenant: the refresh token is redeemed
    // there.
    let is_in_a_tenant = request.is_elsewhere() || provider.authority().is_multi_tenant();
    let tenant = request.tenant().filter(|_| is_in_a_tenant);
    let answer = provider.in_tenant_of(tenant)?.refresh(refresh_token, &asked).await;
    let mut answer = answer.map_err(ask_for_consent)?;
    // A repeated one was verified when it was new: the answer counts as one without an ID token
    // (OpenID Connect Core section 12.2).
    let new_id_token = answer.id_token.as_ref().filter(|sent| !request.repeats(sent));
    let mut identity = match new_id_token {
        // In another tenant the same person has other identifiers, so that ID token is not used.
        _ if request.is_elsewhere() => None,
        Some(id_token) => Some(identity(provider, id_token, &answer, request).await),
        // Outside of a renewal only the answer about another person costs the access token: the
        // claims stay those of before, and the next renewal asks again.
        None => without_id_token(provider, &answer, request).await.filter(|claims| {
            let error = claims.as_ref().err().map(Error::kind);
            request.is_renewal || matches!(error, None | Some(ErrorKind::UserInfoSubject))
        }),
    };
    if let Some(Ok(identity)) =
        identity.as_mut().filter(|_| request.is_renewal || request.is_as_granted)
    {
        let claims = identity.claims.json.clone();
        let found = provider.with_groups(claims, &mut answer, Some(refresh_token)).await;
        identity.expires_at = found.renew_at(identity.expires_at, provider.now());
        identity.claims.json = found.claims;
    }
    Ok(RefreshAnswer { issued: answer.into(), identity, id_token: None })
}

/// Turns `invalid_scope` (RFC 6749 section 5.2) into `InteractionRequired`: the person has not
/// consented to the scope yet, and a sign-in that requests it can change that.
fn ask_for_consent(error: Error) -> Error {
    match error.provider() {
        Some(said) if said.error == "invalid_scope" => {
            // The advice for `invalid_scope` is about scopes that do not exist.
            Error::from_provider(
                ErrorKind::InteractionRequired,
                ProviderError { advice: None, ..said.clone() },
            )
        }
        _ => error,
    }
}

/// Verifies the ID token of a refresh. Only the nonce is optional (OpenID Connect Core section
/// 12.2).
///
/// Its claims replace the earlier ones. UserInfo is asked only if the access token has the scopes
/// of the sign-in, because it accepts that one.
async fn identity(
    provider: &Provider,
    id_token: &Secret,
    answer: &TokenAnswer,
    request: &RefreshRequest,
) -> Result<VerifiedClaims, Error> {
    let access_token = answer.access_token.as_ref();
    let expectation = IdTokenExpectation {
        nonce: Nonce::Renewal(None),
        access_token: access_token.map(Secret::expose),
        ..IdTokenExpectation::default()
    };
    let token = provider.verify_id_token(id_token.expose(), &expectation).await?;
    let access_token = access_token.filter(|_| request.is_as_granted);
    let claims = provider
        .claims(SignedClaims {
            json: token.claims(),
            sub: &token.person().sub,
            access_token,
            granted: answer.scope.as_deref(),
            earlier_from_user_info: request.is_from_user_info,
        })
        .await?;
    let expires_at = token.exp();
    Ok(VerifiedClaims::of(&token, claims, expires_at))
}

/// The claims of a session after a refresh without an ID token, which is optional there (OpenID
/// Connect Core section 12.2): those of its last ID token, with those that UserInfo has now. Roles
/// and groups may be there alone, and would otherwise stay as they were at the sign-in until the
/// session ends. `None` if nothing of the session came from UserInfo, or nothing can be asked.
async fn without_id_token(
    provider: &Provider,
    answer: &TokenAnswer,
    request: &RefreshRequest,
) -> Option<Result<VerifiedClaims, Error>> {
    if !request.is_from_user_info || !request.is_as_granted {
        return None;
    }
    let (id_token, access_token) = (request.id_token.as_ref()?, answer.access_token.as_ref()?);
    let (signed, person) = (claims_of_stored(id_token)?, &request.person);
    let claims = provider
        .claims(SignedClaims {
            json: &signed,
            sub: &person.sub,
            access_token: Some(access_token),
            granted: answer.scope.as_deref(),
            earlier_from_user_info: true,
        })
        .await;
    let now = provider.now();
    let expires_at = now + life_of(answer.expires_in, Some(access_token), Renewal::BySignIn, now);
    Some(claims.map(|claims| VerifiedClaims {
        id_token: id_token.clone(),
        claims,
        person: person.clone(),
        expires_at,
    }))
}
