//! The parts of requests and records that only [`Client`](crate::client::Client) needs.

use super::{
    access::AccessToken,
    key::{Scopes, TokenKey, TokenRequest},
    record::GrantRecord,
    refresher::{TokenSet, VerifiedClaims},
};
use crate::clock::UnixTime;

impl TokenRequest {
    /// The resource indicator (RFC 8707).
    pub(crate) fn resource(&self) -> Option<&str> {
        self.key.resource()
    }

    /// The claims (JSON) that the application itself requests.
    pub(crate) fn client_claims(&self) -> Option<&str> {
        self.key.claims()
    }

    /// The parameters that the crate does not know, form-encoded.
    pub(crate) fn extra(&self) -> Option<&str> {
        self.key.extra()
    }

    /// The value of the `scope` parameter.
    pub(crate) fn scope_value(&self) -> &str {
        self.key.scopes().as_str()
    }

    /// Whether nothing but its scopes says which token answers it.
    pub(crate) fn has_only_scopes(&self) -> bool {
        self.key.differs_only_in_scopes(&TokenKey::default())
    }

    /// The same request with other scopes.
    pub(crate) fn with_scopes(&self, scopes: Scopes) -> Self {
        let mut request = self.clone();
        request.key.scopes = scopes;
        request
    }

    /// The same request with these scopes, which are those of the sign-in.
    pub(crate) fn signing_in_with(&self, scopes: Scopes) -> Self {
        let request = Self::from(TokenKey { scopes, ..self.key.clone() });
        match self.challenge() {
            Some(claims) => request.with_challenge(claims),
            None => request,
        }
    }
}

impl GrantRecord {
    /// The record of a sign-in for this request, and its access token. A token for a resource, or
    /// with claims or parameters of the application, is cached under them: it does not answer every
    /// request for the scopes.
    pub(crate) fn of_sign_in(
        request: &TokenRequest,
        identity: &VerifiedClaims,
        issued: TokenSet,
        now: UnixTime,
    ) -> (Self, Option<AccessToken>) {
        let scopes = request.key.scopes().clone();
        // Without the tenant: the record belongs to the tenant of the sign-in already.
        let own = TokenKey { tenant: None, ..request.key.clone() };
        if own == TokenKey::new(scopes.clone()) {
            let record = Self::at_sign_in(identity, scopes, issued, now);
            let token = record.sign_in_token();
            return (record, token);
        }
        // The refresh token belongs to the record of the sign-in, not to the token of the resource.
        let of_token = TokenSet { refresh_token: None, ..issued.clone() };
        let record =
            Self::at_sign_in(identity, scopes, TokenSet { access_token: None, ..issued }, now);
        record.refreshed(own, of_token, None, now)
    }

    /// When the last of its access tokens expires.
    pub(crate) fn last_end(&self) -> Option<UnixTime> {
        self.tokens().iter().map(|token| token.expires_at).max()
    }
}
