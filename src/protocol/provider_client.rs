//! Requests of [`Provider`] in which the client authenticates, and what is sent once more where the
//! provider refuses the client.

use bytes::Bytes;
use http::{Request, Response};

use super::{
    client_auth::{ClientAuth, Proof},
    credential::{ProofRequest, Sent},
    error_answer::{lacks_the_secret, may_lack_the_client_id, specified_error},
    provider::Provider,
};
use crate::error::{Error, ErrorKind};

/// A request in which the client authenticates, to one endpoint.
pub(super) struct ClientRequest<'a, Build, Read> {
    /// The endpoint, in words for errors.
    pub(super) what: &'static str,
    pub(super) proof: ProofRequest<'a>,
    /// Builds the request with this authentication.
    pub(super) build: Build,
    /// Parses the response.
    pub(super) read: Read,
}

impl Provider {
    /// Sends a request, and again if the provider refused the client: with another credential, in
    /// another way, or for another audience. The provider has not looked at the rest of the request
    /// then, so this is no replay of a code.
    ///
    /// Every request goes to the same endpoint of the verified document, so that another audience
    /// or method shows the credential to no other server; and only the provider accepts an
    /// assertion for its issuer, as it is with one for its token endpoint.
    ///
    /// # Errors
    ///
    /// Those of the request; of a refused client the last one, with the settings of the credential
    /// that was sent. `first_cause` chooses where the second request had another error.
    pub(super) async fn as_client<T>(
        &self,
        request: ClientRequest<
            '_,
            impl Fn(ClientAuth<'_>) -> Result<Request<Bytes>, Error>,
            impl Fn(&Response<Bytes>) -> Result<T, Error>,
        >,
        first_cause: impl FnOnce(Error, Error) -> Error,
    ) -> Result<T, Error> {
        let sent = self.credentials().proof(request.proof).await?;
        let error = match self.sent_as(&request, &sent).await {
            Err(error) if self.refuses_client(&error, &sent.proof) => error,
            outcome => return outcome,
        };
        let again = ProofRequest { now: self.now(), ..request.proof };
        let newer = if may_lack_the_client_id(&error) && !lacks_the_secret(&error) {
            self.credentials().with_id(again.metadata, &sent)
        } else {
            self.credentials().another(again, &sent).await
        };
        let Some(newer) = newer else { return Err(with_settings(error, &sent.proof)) };
        let second = self.sent_as(&request, &newer).await;
        let (outcome, newer) = match second {
            // `invalid_request` without a description was not about the client then, but about
            // something else, such as the refresh token.
            Err(refusal) if self.names_client(&refusal, &newer.proof) => {
                match self.credentials().in_another_way(again, &newer).await {
                    Some(last) => (self.sent_as(&request, &last).await, last),
                    None => (Err(refusal), newer),
                }
            }
            second => (second, newer),
        };
        // Any error but a refused client, such as a refused code, means that the credential was
        // accepted.
        let is_refused = outcome.as_ref().is_err_and(|error| {
            error.provider().is_none() || self.refuses_client(error, &newer.proof)
        });
        if !is_refused {
            self.credentials().remember(&newer);
        }
        outcome.map_err(|second| {
            let first = with_settings(error, &sent.proof);
            first_cause(first, with_settings(second, &newer.proof))
        })
    }

    async fn sent_as<T>(
        &self,
        request: &ClientRequest<
            '_,
            impl Fn(ClientAuth<'_>) -> Result<Request<Bytes>, Error>,
            impl Fn(&Response<Bytes>) -> Result<T, Error>,
        >,
        sent: &Sent,
    ) -> Result<T, Error> {
        let client = ClientAuth { id: self.config().client_id(), proof: &sent.proof };
        let answer = self.channel().send(request.what, (request.build)(client)?).await?;
        (request.read)(&answer)
    }

    fn refuses_client(&self, error: &Error, proof: &Proof) -> bool {
        may_lack_the_client_id(error) || self.names_client(error, proof)
    }

    /// Whether the error can be about nothing but the client.
    fn names_client(&self, error: &Error, proof: &Proof) -> bool {
        lacks_the_secret(error) || self.credentials().is_outdated(error, proof)
    }
}

/// What can be wrong with a refused assertion. A client with a key has no secret.
const ASSERTION_REFUSED: &str = "the provider does not accept the client id or the assertion that \
     proves it: check the client id (IDENTITY_CLIENT_ID), that the public key or certificate of \
     this key is registered there under this `kid` (`ClientCredential::with_key_id`, \
     IDENTITY_CLIENT_KEY_ID), the algorithm (`with_algorithm`), the audience \
     (`with_assertion_audience`, IDENTITY_ASSERTION_AUDIENCE=token_endpoint or issuer), and the \
     clock of this machine";

/// The error of a refused client with the settings of what was sent. Microsoft's codes have advice
/// of their own.
pub(super) fn with_settings(error: Error, proof: &Proof) -> Error {
    let is_refused = error.kind() == ErrorKind::ClientRefused
        && error.provider().is_some_and(|said| {
            said.codes.is_empty() && matches!(specified_error(said), "" | "invalid_client")
        });
    match proof {
        Proof::Assertion(_) if is_refused => error.with_remedy(ASSERTION_REFUSED),
        _ => error,
    }
}
