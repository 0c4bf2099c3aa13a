//! The steps of [`Provider`] for an API: verification and introspection of access tokens.

use tracing::{field::Empty, info_span};

use super::{
    access_token::{self, VerifiedAccessToken},
    channel::observed,
    client_auth::ClientAuth,
    introspection::{self, IntrospectionRules, Moment},
    json_or_jwt::JsonOrJwt,
    jwt::{ApiTokenRules, SignatureRule, TokenKind, UnverifiedJwt},
    provider::{Provider, step},
    provider_client::ClientRequest,
};
use crate::{
    config::{AccessTokenRules, Algorithm},
    error::Error,
};

impl Provider {
    /// Verifies a signed access token completely. `policies`: the providers of the other B2C
    /// policies whose tokens are accepted.
    ///
    /// # Errors
    ///
    /// The kind of the first check that fails; [`ErrorKind::ProviderUnreachable`],
    /// [`ErrorKind::ProviderMisconfigured`].
    pub(crate) async fn verify_access_token(
        &self,
        raw: &str,
        own: &AccessTokenRules,
        policies: &[Self],
    ) -> Result<VerifiedAccessToken, Error> {
        let provider = self.of_policy(raw, policies);
        let verification = async {
            let token = UnverifiedJwt::parse(raw)?;
            let metadata = provider.metadata().await?;
            // The metadata lists no algorithms for access tokens, so the type of the key decides.
            let algorithms = provider.config().id_token_algorithms().as_deref();
            let algorithms = algorithms.unwrap_or(Algorithm::ALL);
            let api = ApiTokenRules {
                audiences: &own.audiences,
                policies: &own.policies,
                type_required: own.type_required,
                issuer: metadata.access_token_issuer.as_deref(),
            };
            let rules = provider.rules(
                TokenKind::AccessToken(api),
                &metadata,
                SignatureRule::Keys(algorithms),
            );
            provider
                .with_keys(&token, &metadata, |keys| access_token::verify(&token, &rules, keys))
                .await
        };
        let span = step!("identity.verify_access_token", provider);
        observed(span, async { verification.await.map_err(Error::at_api) }).await
    }

    /// The provider that verifies a token: of several B2C policies that of the token's own, whose
    /// document and keys then decide whether the token is of that policy.
    fn of_policy<'a>(&'a self, raw: &str, others: &'a [Self]) -> &'a Self {
        if others.is_empty() {
            return self;
        }
        let claimed = UnverifiedJwt::parse(raw).ok().and_then(|token| token.claimed_policy());
        let is_claimed = |other: &&Self| claimed.as_deref().is_some_and(|own| other.is_policy(own));
        others.iter().find(is_claimed).unwrap_or(self)
    }

    /// Asks the provider about a token that only the provider can read (RFC 7662). The caller has a
    /// [permit](Self::permit), because anyone can send random tokens.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::TokenInactive`] and the kinds of the checks of a token;
    /// [`ErrorKind::ClientRefused`], [`ErrorKind::TokenResponseInvalid`],
    /// [`ErrorKind::ProviderUnreachable`], [`ErrorKind::ProviderMisconfigured`].
    pub(crate) async fn introspect(
        &self,
        raw: &str,
        own: &AccessTokenRules,
    ) -> Result<VerifiedAccessToken, Error> {
        let asking = async {
            let metadata = self.metadata().await?;
            let request = ClientRequest {
                what: "the introspection endpoint",
                proof: self.proof_request(&metadata),
                build: |client: ClientAuth<'_>| introspection::request(&metadata, client, raw),
                read: introspection::read_answer,
            };
            let claims = match self.as_client(request, |_, second| second).await? {
                JsonOrJwt::Json(claims) => claims,
                JsonOrJwt::Jwt(raw) => {
                    let token = UnverifiedJwt::parse(&raw).map_err(introspection::unverified)?;
                    let rules = self.rules(
                        TokenKind::Introspection,
                        &metadata,
                        SignatureRule::Keys(Algorithm::ALL),
                    );
                    let verified =
                        self.with_keys(&token, &metadata, |keys| token.verify(&rules, keys));
                    let verified = verified.await.map_err(introspection::unverified)?;
                    introspection::of_signed(verified.claims)?
                }
            };
            let moment = Moment { now: self.now(), leeway: self.config().clock_leeway() };
            let client_id = self.config().client_id();
            let rules = IntrospectionRules { client_id, own, token: raw };
            introspection::check(claims, rules, &metadata, self.authority(), moment)
        };
        let span = step!("identity.introspect", self);
        observed(span, async { asking.await.map_err(Error::at_api) }).await
    }
}
