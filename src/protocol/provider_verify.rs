//! The steps of [`Provider`] that verify: ID tokens, UserInfo responses, and the claims from both.
//!
//! The checks themselves are in [`id_token`] and [`jwt`](super::jwt). Here the metadata and keys
//! for them are fetched, and fetched again if the provider has changed them (OpenID Connect Core
//! section 10.1.1).

use std::sync::Arc;

use serde_json::value::RawValue;
use tracing::{field::Empty, info_span};

use super::{
    channel::observed,
    discovery::KeyReason,
    id_token::{self, IdTokenExpectation, VerifiedIdToken},
    json::Object,
    json_or_jwt::JsonOrJwt,
    jwks::JwkSet,
    jwt::{SignatureRule, TokenKind, TokenRules, UnverifiedJwt},
    metadata::Metadata,
    names::{self, ClaimsOfPerson},
    provider::{Provider, step},
    user_info,
};
use crate::{
    config::{Algorithm, UserInfo},
    error::{Error, ErrorKind},
    secret::Secret,
};

/// The verified claims of a sign-in or of a renewal, to which UserInfo may add.
pub(crate) struct SignedClaims<'a> {
    /// The claims of the ID token, as JSON, and its `sub`.
    pub(crate) json: &'a str,
    pub(crate) sub: &'a str,
    pub(crate) access_token: Option<&'a Secret>,
    /// `scope` of the token response, if it had one.
    pub(crate) granted: Option<&'a str>,
    /// At a renewal: whether the claims that it replaces have some of UserInfo.
    pub(crate) earlier_from_user_info: bool,
}

impl Provider {
    /// Verifies an ID token ([`id_token::verify`]).
    ///
    /// An unknown key or a wrong signature fetches newer keys, and an algorithm that the document
    /// does not list a newer document (OpenID Connect Core section 10.1.1), within limits.
    ///
    /// # Errors
    ///
    /// The kind of the first check that fails; [`ErrorKind::ProviderUnreachable`],
    /// [`ErrorKind::ProviderMisconfigured`].
    pub(crate) async fn verify_id_token(
        &self,
        raw: &str,
        expectation: &IdTokenExpectation<'_>,
    ) -> Result<VerifiedIdToken, Error> {
        let verification = async {
            let token = UnverifiedJwt::parse(raw)?;
            self.with_signature_of(
                &token,
                TokenKind::IdToken,
                Metadata::allowed_algorithms,
                |rules, keys| id_token::verify(raw, &token, expectation, rules, keys),
            )
            .await
        };
        observed(step!("identity.verify_id_token", self), verification).await
    }

    /// The claims of the UserInfo endpoint about the user with that `sub`.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::UserInfoFailed`], [`ErrorKind::UserInfoSubject`],
    /// [`ErrorKind::ProviderUnreachable`]; for a signed response also those of the verification.
    pub(crate) async fn user_info(
        &self,
        access_token: &Secret,
        expected_sub: &str,
    ) -> Result<Object, Error> {
        let exchange = async {
            let metadata = self.metadata().await?;
            let answer = self
                .channel
                .send("the UserInfo endpoint", user_info::request(&metadata, access_token)?)
                .await?;
            let claims = match user_info::read_answer(&answer)? {
                JsonOrJwt::Json(claims) => claims,
                JsonOrJwt::Jwt(raw) => {
                    let token = UnverifiedJwt::parse(&raw)?;
                    self.with_signature_of(
                        &token,
                        TokenKind::UserInfo,
                        Metadata::allowed_user_info_algorithms,
                        |rules, keys| token.verify(rules, keys).map(|ok| ok.claims.clone()),
                    )
                    .await?
                }
            };
            user_info::check_subject(claims, expected_sub)
        };
        observed(step!("identity.user_info", self), exchange).await
    }

    /// The claims of an ID token, as JSON, with those of UserInfo about its `sub` added if it is
    /// configured. Claims of the ID token are never replaced, because they are signed.
    ///
    /// # Errors
    ///
    /// Those of [`user_info`](Self::user_info) with [`UserInfo::AtSignIn`]; otherwise those that
    /// may pass, at a renewal of claims with some of UserInfo.
    pub(crate) async fn claims(&self, signed: SignedClaims<'_>) -> Result<ClaimsOfPerson, Error> {
        let SignedClaims { json, sub, access_token, granted, earlier_from_user_info } = signed;
        let unreadable =
            |_| Error::new(ErrorKind::TokenMalformed, "the claims cannot be written as JSON");
        let alone = || {
            let json = RawValue::from_string(json.to_owned()).map_err(unreadable)?;
            Ok(ClaimsOfPerson::of_id_token(json))
        };
        let configured = self.config.user_info();
        let (Some(access_token), UserInfo::IfMissing | UserInfo::AtSignIn) =
            (access_token, configured)
        else {
            return alone();
        };
        let signed: Object = serde_json::from_str(json).map_err(unreadable)?;
        if configured == UserInfo::IfMissing && !self.lacks_names(&signed, granted).await? {
            return alone();
        }
        let mut claims = match self.user_info(access_token, sub).await {
            Ok(claims) => claims,
            // Without UserInfo the renewed claims would lack groups and roles that are there alone.
            // The renewal is tried again instead.
            Err(error) if earlier_from_user_info && passes_soon(&error) => return Err(error),
            // UserInfo was requested on our own account, so its failure does not end the sign-in.
            Err(error) if configured == UserInfo::IfMissing => {
                tracing::warn!(
                    %error,
                    "the ID token has neither name nor e-mail address, and UserInfo failed, so \
                     `User` has only the claims of the ID token (`with_user_info`, \
                     IDENTITY_USER_INFO=never)"
                );
                return alone();
            }
            Err(error) => return Err(error),
        };
        user_info::remove_authentication(&mut claims);
        // A claim that is `null` in the ID token counts as absent, so UserInfo may have it.
        claims.extend(signed.into_iter().filter(|(_, value)| !value.is_null()));
        let json = serde_json::value::to_raw_value(&claims).map_err(unreadable)?;
        Ok(ClaimsOfPerson { json, from_user_info: true })
    }

    /// Whether the claims lack every name and e-mail address although `profile` or `email` was
    /// granted (OpenID Connect Core section 5.4), and there is a UserInfo endpoint.
    async fn lacks_names(&self, claims: &Object, granted: Option<&str>) -> Result<bool, Error> {
        if self.authority.is_microsoft() || !names::are_missing(claims) {
            return Ok(false);
        }
        let metadata = self.metadata().await?;
        let scopes = match granted {
            Some(granted) => granted.split(' ').collect(),
            None => self.scopes_of(&metadata, self.config.sign_in()),
        };
        let is_granted = scopes.iter().any(|scope| matches!(*scope, "profile" | "email"));
        Ok(is_granted && metadata.userinfo_endpoint.is_some())
    }

    /// Verifies a token that the provider signs as it signs ID tokens: with the client secret if
    /// the configuration says so, otherwise with a key of its key set.
    async fn with_signature_of<V>(
        &self,
        token: &UnverifiedJwt<'_>,
        kind: TokenKind<'_>,
        allowed: impl Fn(&Metadata, Option<&[Algorithm]>) -> Result<Vec<Algorithm>, Error>,
        verify: impl Fn(&TokenRules<'_>, &JwkSet) -> Result<V, Error>,
    ) -> Result<V, Error> {
        if let Some(hmac) = self.config.id_token_hmac() {
            let metadata = self.metadata().await?;
            let signature = SignatureRule::Secret(hmac, self.config.credential());
            // Such a provider may publish no keys, and none is looked at.
            return verify(&self.rules(kind, &metadata, signature), &JwkSet::default());
        }
        let (metadata, algorithms) = self.algorithms_for(token, allowed).await?;
        let rules = self.rules(kind, &metadata, SignatureRule::Keys(&algorithms));
        // `Busy` says that nothing was sent. This token is the provider's answer to a request.
        let verified = self.with_keys(token, &metadata, |keys| verify(&rules, keys)).await;
        verified.map_err(|error| match error.kind() {
            ErrorKind::Busy => error.with_kind(ErrorKind::ProviderUnreachable),
            _ => error,
        })
    }

    /// The metadata for a sign-in: with an algorithm of ID tokens that can be verified, so that no
    /// user types a password in vain. If there is none, a newer document is fetched.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::ProviderMisconfigured`], [`ErrorKind::ProviderUnreachable`].
    pub(crate) async fn sign_in_metadata(&self) -> Result<Arc<Metadata>, Error> {
        let configured = self.config.id_token_algorithms().as_deref();
        let metadata = self.metadata().await?;
        if self.config.id_token_hmac().is_some() || metadata.allowed_algorithms(configured).is_ok()
        {
            return Ok(metadata);
        }
        let newer = self.discovery.newer_metadata(&metadata).await?;
        newer.allowed_algorithms(configured)?;
        Ok(newer)
    }

    /// The metadata, and the algorithms that it or the configuration allows. If the token's
    /// algorithm is not among them, a newer document is fetched: the provider may have changed it.
    async fn algorithms_for(
        &self,
        token: &UnverifiedJwt<'_>,
        allowed: impl Fn(&Metadata, Option<&[Algorithm]>) -> Result<Vec<Algorithm>, Error>,
    ) -> Result<(Arc<Metadata>, Vec<Algorithm>), Error> {
        let configured = self.config.id_token_algorithms().as_deref();
        let metadata = self.metadata().await?;
        let algorithms = allowed(&metadata, configured);
        let newer_may_help = configured.is_none()
            && token.asymmetric_algorithm().is_some_and(|algorithm| {
                algorithms.as_ref().map_or(true, |allowed| !allowed.contains(&algorithm))
            });
        if newer_may_help && let Ok(newer) = self.discovery.newer_metadata(&metadata).await {
            let algorithms = allowed(&newer, configured)?;
            return Ok((newer, algorithms));
        }
        Ok((metadata, algorithms?))
    }

    /// Verifies with the cached keys, and once more with newer ones if the failure may be due to a
    /// key rotation (OpenID Connect Core section 10.1.1).
    ///
    /// # Errors
    ///
    /// The kind of the first check that fails; [`ErrorKind::Busy`]: it is not known whether newer
    /// keys would help.
    pub(super) async fn with_keys<V>(
        &self,
        token: &UnverifiedJwt<'_>,
        metadata: &Arc<Metadata>,
        verify: impl Fn(&JwkSet) -> Result<V, Error>,
    ) -> Result<V, Error> {
        let keys = self.discovery.keys(metadata).await?;
        let outcome = verify(&keys);
        let reason = match outcome.as_ref().err().map(Error::kind) {
            Some(ErrorKind::TokenKeyUnknown) => KeyReason::Unknown(token.kid().ok().flatten()),
            // Some providers give a new key the `kid` of the old one. Fetches for this reason are
            // limited to one a minute, and do not count as searches for an unknown key: a forged
            // signature is the cheapest garbage.
            Some(ErrorKind::TokenSignature) => KeyReason::WrongSignature,
            _ => return outcome,
        };
        let newer = self.discovery.newer_keys(metadata, &keys, reason).await?;
        if Arc::ptr_eq(&newer, &keys) { outcome } else { verify(&newer) }
    }

    pub(super) fn rules<'a>(
        &'a self,
        kind: TokenKind<'a>,
        metadata: &'a Metadata,
        signature: SignatureRule<'a>,
    ) -> TokenRules<'a> {
        TokenRules {
            kind,
            signature,
            authority: &self.authority,
            tenants: self.config.tenants(),
            metadata_issuer: &metadata.issuer,
            audience: self.config.client_id(),
            trusted_audiences: self.config.trusted_audiences(),
            now: self.clock.now(),
            leeway: self.config.clock_leeway(),
            max_age: self.config.max_token_age(),
        }
    }
}

/// Whether the same request may succeed in a moment: the provider, or every permit for requests to
/// it, is busy.
pub(super) fn passes_soon(error: &Error) -> bool {
    matches!(error.kind(), ErrorKind::ProviderUnreachable | ErrorKind::Busy)
}
