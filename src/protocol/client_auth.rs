//! Client authentication: adds the client's credential to a request to the token endpoint (RFC 6749
//! section 2.3.1, OpenID Connect Core section 9, RFC 7521 section 4.2).
//!
//! [`credential`](super::credential) obtains the credential; this module only writes it into the
//! request, never into a URL.
//!
//! `client_secret_basic` form-encodes id and secret before it joins them with `:` (RFC 6749 section
//! 2.3.1 and appendix B), so that a `:` or `%` in them keeps its meaning. Many servers compare
//! without decoding, though, and nearly every client id has a `-` or `_`. Therefore:
//!
//! - Characters that a decoder reads alike, raw or escaped, are sent raw.
//! - If other special characters are left and the provider supports both methods, the secret is
//!   sent in the form (`client_secret_post`), whose encoding every server decodes.

use http::HeaderValue;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};

use super::metadata::Metadata;
use crate::{
    config::ClientAuthMethod,
    error::{Error, ErrorKind},
    secret::Secret,
};

/// The names of the methods in `token_endpoint_auth_methods_supported`.
const BASIC: &str = "client_secret_basic";
const POST: &str = "client_secret_post";

/// The bytes that are escaped: all but letters, digits, the unreserved marks of RFC 3986 section
/// 2.3, and `*`, which the form encoding of HTML leaves raw.
const ESCAPED: &AsciiSet =
    &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~').remove(b'*');

/// The `client_assertion_type` of a JWT (RFC 7523 section 2.2).
const JWT_BEARER: &str = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer";

/// The client of a request with its means of authentication.
#[derive(Clone, Copy, Debug)]
pub(crate) struct ClientAuth<'a> {
    pub(crate) id: &'a str,
    pub(crate) proof: &'a Proof,
}

/// The means by which one request authenticates the client.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Proof {
    /// A public client: nothing but the client id.
    Nothing,
    /// A client secret, and the configured method.
    Secret(Secret, Option<ClientAuthMethod>),
    /// A client secret by `client_secret_basic`, with `client_id` in the body as well.
    SecretWithId(Secret),
    /// A signed JWT (`private_key_jwt`).
    Assertion(Secret),
}

impl ClientAuth<'_> {
    /// The client secret, if the client has one.
    pub(super) fn secret(&self) -> Option<&Secret> {
        match self.proof {
            Proof::Secret(secret, _) | Proof::SecretWithId(secret) => Some(secret),
            Proof::Nothing | Proof::Assertion(_) => None,
        }
    }

    /// Adds the authentication to the form, or returns the `Authorization` header that carries it.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Internal`]: the header cannot be made.
    pub(crate) fn authenticate(
        &self,
        metadata: &Metadata,
        form: &mut Vec<(&str, Secret)>,
    ) -> Result<Option<HeaderValue>, Error> {
        let (secret, chosen) = match self.proof {
            Proof::Secret(secret, chosen) => (secret, *chosen),
            Proof::Nothing => {
                self.add_id(form);
                return Ok(None);
            }
            Proof::SecretWithId(secret) => {
                self.add_id(form);
                return basic(self.id, secret).map(Some);
            }
            Proof::Assertion(jwt) => {
                self.add_id(form);
                form.push(("client_assertion_type", JWT_BEARER.into()));
                form.push(("client_assertion", jwt.clone()));
                return Ok(None);
            }
        };
        match method(chosen, metadata, self.id, secret) {
            ClientAuthMethod::Basic => basic(self.id, secret).map(Some),
            ClientAuthMethod::Post => {
                self.add_id(form);
                form.push(("client_secret", secret.clone()));
                Ok(None)
            }
        }
    }

    /// Adds `client_id` to a form that does not have it yet.
    fn add_id(&self, form: &mut Vec<(&str, Secret)>) {
        if form.iter().all(|(name, _)| *name != "client_id") {
            form.push(("client_id", self.id.into()));
        }
    }
}

/// The same authentication with `client_id` in the body as well, for a provider that does not take
/// it from the header (RFC 6749 section 3.2.1 allows the parameter). `None` if the body has it
/// already.
///
/// It is not sent in the first request: some providers refuse it beside the header as a second
/// method of authentication (section 2.3).
pub(super) fn with_id(client: ClientAuth<'_>, metadata: &Metadata) -> Option<Proof> {
    let Proof::Secret(secret, chosen) = client.proof else { return None };
    let is_basic = method(*chosen, metadata, client.id, secret) == ClientAuthMethod::Basic;
    is_basic.then(|| Proof::SecretWithId(secret.clone()))
}

/// The method by which the secret is sent: the configured one, or one that the provider supports.
fn method(
    chosen: Option<ClientAuthMethod>,
    metadata: &Metadata,
    id: &str,
    secret: &Secret,
) -> ClientAuthMethod {
    // The provider's list says what it can do; the registration of this client may allow less. The
    // configuration knows the registration.
    if let Some(method) = chosen {
        return method;
    }
    // OpenID Connect Discovery section 3: without the list the method is `client_secret_basic`.
    let Some(supported) = &metadata.token_endpoint_auth_methods else {
        return ClientAuthMethod::Basic;
    };
    let takes = |name: &str| supported.iter().any(|supported| supported == name);
    let is_plain = || form_encoded(id) == id && form_encoded(secret.expose()) == secret.expose();
    match (takes(BASIC), takes(POST)) {
        // With special characters Basic depends on whether the server decodes; a form does not.
        (true, true) if !is_plain() => ClientAuthMethod::Post,
        (true, _) => ClientAuthMethod::Basic,
        (false, true) => ClientAuthMethod::Post,
        // The list may be incomplete (oauth2-mock-server lists only `none`), and a configured
        // secret has no other use. `ValidConfig::check` warns of it.
        (false, false) => ClientAuthMethod::Basic,
    }
}

/// The other method for the secret, to be tried once after the provider refused the client; `None`
/// if the provider's list excludes it or there is no secret.
pub(super) fn other_method(
    client: ClientAuth<'_>,
    metadata: &Metadata,
) -> Option<ClientAuthMethod> {
    let sent = match client.proof {
        Proof::Secret(secret, chosen) => method(*chosen, metadata, client.id, secret),
        Proof::SecretWithId(_) => ClientAuthMethod::Basic,
        Proof::Nothing | Proof::Assertion(_) => return None,
    };
    let (other, name) = match sent {
        ClientAuthMethod::Basic => (ClientAuthMethod::Post, POST),
        ClientAuthMethod::Post => (ClientAuthMethod::Basic, BASIC),
    };
    let listed = metadata.token_endpoint_auth_methods.as_ref();
    let takes = |supported: &[String], name: &str| supported.iter().any(|own| own == name);
    listed
        .is_none_or(|supported| {
            takes(supported, name) || (!takes(supported, BASIC) && !takes(supported, POST))
        })
        .then_some(other)
}

fn basic(id: &str, secret: &Secret) -> Result<HeaderValue, Error> {
    let credentials =
        Secret::from(format!("{}:{}", form_encoded(id), form_encoded(secret.expose())));
    let header = Secret::from(format!(
        "Basic {}",
        base64_simd::STANDARD.encode_to_string(credentials.expose())
    ));
    let mut header = HeaderValue::from_str(header.expose())
        .map_err(|_| Error::new(ErrorKind::Internal, "the Authorization header is invalid"))?;
    header.set_sensitive(true);
    Ok(header)
}

/// The text in `application/x-www-form-urlencoded` (RFC 6749 appendix B): a space becomes `+`, the
/// bytes of [`ESCAPED`] are escaped.
fn form_encoded(text: &str) -> String {
    utf8_percent_encode(text, ESCAPED).to_string().replace("%20", "+")
}

#[cfg(test)]
#[path = "client_auth_tests.rs"]
mod tests;
