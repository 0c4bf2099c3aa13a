//! The steps of [`Provider`] that an API takes: verifying an access token, and asking about one.

use tracing::{field::Empty, info_span};

use super::{
    access_token::{self, VerifiedAccessToken},
    channel::observed,
    jwt::{ApiTokenRules, TokenKind, UnverifiedJwt},
    provider::Provider,
};
use crate::{
    config::{AccessTokenRules, Algorithm},
    error::Error,
};

impl Provider {
    /// Verifies a signed access token completely.
    ///
    /// # Errors
    ///
    /// The kind of the first check that fails; [`ErrorKind::ProviderUnreachable`],
    /// [`ErrorKind::ProviderMisconfigured`].
    pub(crate) async fn verify_access_token(
        &self,
        raw: &str,
        own: &AccessTokenRules,
    ) -> Result<VerifiedAccessToken, Error> {
        let verification = async {
            let token = UnverifiedJwt::parse(raw)?;
            let metadata = self.metadata().await?;
            // The document says nothing about access tokens; the key says what it is for.
            let algorithms = self.config().id_token_algorithms().as_deref();
            let algorithms = algorithms.unwrap_or(Algorithm::ALL);
            let api = ApiTokenRules {
                audiences: &own.audiences,
                type_required: own.type_required,
                issuer: metadata.access_token_issuer.as_deref(),
            };
            let rules = self.rules(TokenKind::AccessToken(api), &metadata, algorithms);
            self.with_keys(&metadata, |keys| access_token::verify(&token, &rules, keys)).await
        };
        let span = info_span!("identity.verify_access_token", authority = %self.authority().name(), outcome = Empty, reason = Empty);
        observed(span, verification).await
    }
}
