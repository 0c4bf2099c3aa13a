//! What the client needs of requests and records beyond what sessions do.

use super::{
    access::AccessToken,
    key::{Scopes, TokenRequest},
    record::GrantRecord,
    refresher::{Issued, VerifiedClaims},
};
use crate::clock::UnixTime;

impl TokenRequest {
    /// The resource that it names.
    pub(crate) fn resource(&self) -> Option<&str> {
        self.key.resource()
    }

    /// The claims (JSON) that the application itself asks for.
    pub(crate) fn client_claims(&self) -> Option<&str> {
        self.key.claims()
    }

    /// The scopes as they are sent.
    pub(crate) fn key_scopes(&self) -> &str {
        self.key.scopes().as_str()
    }

    /// The same request, of a sign-in that asks for these scopes.
    pub(crate) fn signing_in_with(&self, scopes: Scopes) -> Self {
        let mut request = Self::of_scopes(scopes);
        if let Some(tenant) = self.tenant() {
            request = request.with_tenant(tenant);
        }
        if let Some(resource) = self.resource() {
            request = request.with_resource(resource);
        }
        if let Some(claims) = self.client_claims() {
            request = request.with_client_claims(claims);
        }
        match self.challenge() {
            Some(claims) => request.with_challenge(claims),
            None => request,
        }
    }
}

impl GrantRecord {
    /// The record of a sign-in that was made for this request, and its access token. A token that
    /// is for a resource, or for claims of the application's, is no token of every request for the
    /// scopes.
    pub(crate) fn of_sign_in(
        request: &TokenRequest,
        identity: &VerifiedClaims,
        issued: Issued,
        now: UnixTime,
    ) -> (Self, Option<AccessToken>) {
        let scopes = request.key.scopes().clone();
        // The tenant is that of the sign-in itself, which the record is in already.
        let mut own = TokenRequest::of_scopes(scopes.clone());
        if let Some(resource) = request.resource() {
            own = own.with_resource(resource);
        }
        if let Some(claims) = request.client_claims() {
            own = own.with_client_claims(claims);
        }
        if own == TokenRequest::of_scopes(scopes.clone()) {
            let record = Self::at_sign_in(identity, scopes, issued, now);
            let token = record.sign_in_token();
            return (record, token);
        }
        let of_token = Issued { refresh_token: None, ..issued.clone() };
        let record =
            Self::at_sign_in(identity, scopes, Issued { access_token: None, ..issued }, now);
        record.refreshed(own.key, of_token, None, now)
    }

    /// When the last of its access tokens ends.
    pub(crate) fn last_end(&self) -> Option<UnixTime> {
        self.tokens().iter().map(|token| token.expires_at).max()
    }
}
