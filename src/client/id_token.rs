//! [`IdToken`]: the verified ID token of an account.

use std::fmt;

use serde::de::DeserializeOwned;

use super::{Account, app::fingerprint, core::Client, partition::Partition};
use crate::{
    error::{Error, ErrorKind},
    secret::{Secret, unverified_payload},
};

/// A verified ID token with its claims, as MSAL's results have them in `id_token` and
/// `id_token_claims`. `Debug` shows nothing of it.
///
/// ```
/// use serde::Deserialize;
/// use tower_identity::{Error, client::{Account, Client}};
///
/// #[derive(Deserialize)]
/// struct Claims {
///     #[serde(default)]
///     roles: Vec<String>,
/// }
///
/// /// The application roles of the account as of the last sign-in or refresh.
/// fn roles(client: &Client, account: &Account) -> Result<Vec<String>, Error> {
///     match client.id_token(account) {
///         Some(id_token) => Ok(id_token.claims::<Claims>()?.roles),
///         None => Ok(Vec::new()),
///     }
/// }
/// ```
#[derive(Clone)]
pub struct IdToken(Secret);

impl IdToken {
    /// An ID token that was verified before.
    pub(super) fn of(verified: Secret) -> Self {
        Self(verified)
    }

    /// The token itself, for the `id_token_hint` of a sign-out. It says who the person is: it is
    /// not for APIs, which take access tokens.
    #[must_use]
    pub fn expose(&self) -> &str {
        self.0.expose()
    }

    /// The token as a value that redacts itself.
    #[must_use]
    pub fn secret(&self) -> &Secret {
        &self.0
    }

    /// The claims of the token, as the provider signed them. It was verified when it was received,
    /// and may have expired since (`exp`).
    ///
    /// # Errors
    ///
    /// `TokenMalformed`: the claims do not deserialize into `T`.
    pub fn claims<T: DeserializeOwned>(&self) -> Result<T, Error> {
        let payload = unverified_payload(&self.0);
        payload.and_then(|payload| serde_json::from_slice(&payload).ok()).ok_or_else(|| {
            Error::new(
                ErrorKind::TokenMalformed,
                "the claims are not of the type that was asked for",
            )
        })
    }
}

impl fmt::Debug for IdToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("IdToken([redacted])")
    }
}

impl Client {
    /// The last ID token of an account in the cache: that of its sign-in, or of its last refresh,
    /// with renewed claims. To renew it now, acquire a token with
    /// [`TokenRequest::forced`](super::TokenRequest::forced). `None` if the account is not in the
    /// cache, or was imported without an ID token.
    ///
    /// Refreshes in another tenant ([`with_tenant`](super::TokenRequest::with_tenant)) leave it as
    /// it is, because the same person has other identifiers there.
    #[must_use]
    pub fn id_token(&self, account: &Account) -> Option<IdToken> {
        let record = self.shared().partitions.record(&account.partition())?;
        record.id_token().filter(|_| account.is(record.person())).cloned().map(IdToken::of)
    }

    /// The ID token that came with the last token [on behalf of](Self::on_behalf_of) the caller
    /// with this assertion. The provider issues one if the scopes of the
    /// [`TokenRequest`](super::TokenRequest) have `openid`, which MSAL adds to every such request
    /// and this crate does not: the claims of the assertion are about the same person. `None`
    /// without one, or if no token is cached for the assertion.
    #[must_use]
    pub fn id_token_on_behalf_of(&self, assertion: &Secret) -> Option<IdToken> {
        let partitions = &self.shared().partitions;
        let name = Partition::Assertions.name(&fingerprint(assertion));
        partitions.find(&name)?;
        partitions.record(&name)?.id_token().cloned().map(IdToken::of)
    }
}
