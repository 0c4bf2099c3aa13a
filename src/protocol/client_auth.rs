//! How the application proves to the token endpoint who it is (RFC 6749 section 2.3.1, OpenID Connect Core section 9).
//!
//! `client_secret_basic` form-encodes id and secret before it joins them (RFC 6749 appendix B): a secret with a `:` or `%` in it would otherwise be another one.
//! Credentials never go into an address.

use http::HeaderValue;
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};

use super::metadata::Metadata;
use crate::{
    config::{ClientAuthMethod, ClientCredential},
    error::{Error, ErrorKind},
    secret::Secret,
};

/// What the methods are called in metadata.
const BASIC: &str = "client_secret_basic";
const POST: &str = "client_secret_post";

/// Who asks, and how they prove it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Client<'a> {
    pub(crate) id: &'a str,
    pub(crate) credential: &'a ClientCredential,
}

impl Client<'_> {
    /// Adds the proof to a request's form, or returns the `Authorization` header that carries it.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::ProviderMisconfigured`]: the provider takes none of the methods that a client secret can be sent by.
    pub(crate) fn authenticate(
        &self,
        metadata: &Metadata,
        form: &mut Vec<(&'static str, Secret)>,
    ) -> Result<Option<HeaderValue>, Error> {
        let Some(secret) = self.credential.client_secret() else {
            form.push(("client_id", self.id.into()));
            return Ok(None);
        };
        match method(self.credential.method(), metadata)? {
            ClientAuthMethod::Basic => basic(self.id, secret).map(Some),
            ClientAuthMethod::Post => {
                form.push(("client_id", self.id.into()));
                form.push(("client_secret", secret.clone()));
                Ok(None)
            }
        }
    }
}

/// The chosen method, or the first one that the provider takes. Metadata that says nothing means `client_secret_basic` (Discovery 1.0 section 3).
fn method(chosen: Option<ClientAuthMethod>, metadata: &Metadata) -> Result<ClientAuthMethod, Error> {
    let Some(supported) = &metadata.token_endpoint_auth_methods else { return Ok(chosen.unwrap_or(ClientAuthMethod::Basic)) };
    let takes = |name: &str| supported.iter().any(|supported| supported == name);
    match chosen {
        // The registration of this client decides, not the list of all that the provider can do.
        Some(method) => Ok(method),
        None if takes(BASIC) => Ok(ClientAuthMethod::Basic),
        None if takes(POST) => Ok(ClientAuthMethod::Post),
        None => Err(Error::new(
            ErrorKind::ProviderMisconfigured,
            format!("the token endpoint takes neither {BASIC} nor {POST}, but {supported:?}"),
        )),
    }
}

fn basic(id: &str, secret: &Secret) -> Result<HeaderValue, Error> {
    let credentials = Secret::from(format!("{}:{}", form_encoded(id), form_encoded(secret.expose())));
    let header = Secret::from(format!("Basic {}", base64_simd::STANDARD.encode_to_string(credentials.expose())));
    let mut header =
        HeaderValue::from_str(header.expose()).map_err(|_| Error::new(ErrorKind::Internal, "no header can be made"))?;
    header.set_sensitive(true);
    Ok(header)
}

/// `application/x-www-form-urlencoded` as RFC 6749 appendix B has it: letters and digits stay, a space is `+`, every other byte is escaped.
fn form_encoded(text: &str) -> String {
    utf8_percent_encode(text, NON_ALPHANUMERIC).to_string().replace("%20", "+")
}
