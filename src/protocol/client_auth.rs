//! How the application proves to the token endpoint who it is (RFC 6749 section 2.3.1, OpenID Connect Core section 9, RFC 7521 section 4.2).
//!
//! What is sent was obtained before ([`credential`](super::credential)); here it is put into a request.
//!
//! `client_secret_basic` form-encodes id and secret before it joins them (RFC 6749 appendix B): a secret with a `:` or `%` in it would otherwise be another one.
//! Credentials never go into an address.

use http::HeaderValue;
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};

use super::metadata::Metadata;
use crate::{
    config::ClientAuthMethod,
    error::{Error, ErrorKind},
    secret::Secret,
};

/// What the methods are called in metadata.
const BASIC: &str = "client_secret_basic";
const POST: &str = "client_secret_post";

/// What `client_assertion_type` says of a JWT (RFC 7523 section 2.2).
const JWT_BEARER: &str = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer";

/// Who asks, and how they prove it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Client<'a> {
    pub(crate) id: &'a str,
    pub(crate) proof: &'a Proof,
}

/// What one request proves it with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Proof {
    /// A public client.
    Nothing,
    /// The secret, and how the user wants it to be sent.
    Secret(Secret, Option<ClientAuthMethod>),
    /// A JWT.
    Assertion(Secret),
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
        let (secret, chosen) = match self.proof {
            Proof::Secret(secret, chosen) => (secret, *chosen),
            Proof::Nothing => {
                form.push(("client_id", self.id.into()));
                return Ok(None);
            }
            Proof::Assertion(jwt) => {
                form.push(("client_id", self.id.into()));
                form.push(("client_assertion_type", JWT_BEARER.into()));
                form.push(("client_assertion", jwt.clone()));
                return Ok(None);
            }
        };
        match method(chosen, metadata)? {
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

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::protocol::testing::metadata;

    type Form = Vec<(&'static str, Secret)>;

    /// What is sent to a provider that advertises these methods: the header and the form.
    fn sent(id: &str, proof: &Proof, advertised: Value) -> Result<(Option<String>, Form), Error> {
        let metadata = metadata(|document| document["token_endpoint_auth_methods_supported"] = advertised);
        let mut form = Vec::new();
        let header = Client { id, proof }.authenticate(&metadata, &mut form)?;
        Ok((header.map(|value| value.to_str().unwrap().to_owned()), form))
    }

    fn secret(secret: &str) -> Proof {
        Proof::Secret(secret.into(), None)
    }

    fn decoded(header: Option<&str>) -> String {
        let text = header.unwrap().strip_prefix("Basic ").unwrap();
        String::from_utf8(base64_simd::STANDARD.decode_to_vec(text).unwrap()).unwrap()
    }

    /// C-366
    #[test]
    fn basic_form_encodes_id_and_secret() {
        let text = "client %&+-_.!~*'()";
        let (header, form) = sent(text, &secret(text), json!(null)).unwrap();
        let encoded = "client+%25%26%2B%2D%5F%2E%21%7E%2A%27%28%29";
        assert_eq!(decoded(header.as_deref()), format!("{encoded}:{encoded}"));
        assert!(form.is_empty());
        let (header, _) = sent("a:b", &secret("ü:%"), json!(null)).unwrap();
        assert_eq!(decoded(header.as_deref()), "a%3Ab:%C3%BC%3A%25");
    }

    /// C-006
    #[test]
    fn with_basic_the_body_holds_no_credential() {
        for advertised in [json!(null), json!(["client_secret_basic"]), json!(["client_secret_post", "client_secret_basic"])] {
            let (header, form) = sent("id", &secret("s"), advertised).unwrap();
            assert_eq!((decoded(header.as_deref()).as_str(), form.len()), ("id:s", 0));
        }
    }

    /// C-007
    #[test]
    fn with_post_there_is_no_header() {
        for advertised in [json!(["client_secret_post"]), json!(["private_key_jwt", "client_secret_post"])] {
            let (header, form) = sent("id", &secret("s"), advertised).unwrap();
            assert_eq!((header, form), (None, vec![("client_id", "id".into()), ("client_secret", "s".into())]));
        }
    }

    /// C-008
    #[test]
    fn methods_that_a_secret_cannot_be_sent_by_are_named() {
        for advertised in [json!(["client_secret_jwt"]), json!(["private_key_jwt", "none"]), json!([])] {
            let error = sent("id", &secret("s"), advertised).unwrap_err();
            assert!(
                error.kind() == ErrorKind::ProviderMisconfigured && error.to_string().contains("client_secret_basic"),
                "{error}"
            );
        }
    }

    #[test]
    fn what_the_user_chose_counts() {
        let post = Proof::Secret("s".into(), Some(ClientAuthMethod::Post));
        let basic = Proof::Secret("s".into(), Some(ClientAuthMethod::Basic));
        for advertised in [json!(null), json!(["client_secret_basic"]), json!(["client_secret_post"]), json!([])] {
            assert!(sent("id", &post, advertised.clone()).unwrap().0.is_none());
            assert!(sent("id", &basic, advertised).unwrap().0.is_some());
        }
    }

    #[test]
    fn a_public_client_only_names_itself() {
        for advertised in [json!(null), json!(["none"]), json!(["client_secret_basic"])] {
            let (header, form) = sent("id", &Proof::Nothing, advertised).unwrap();
            assert_eq!((header, form), (None, vec![("client_id", "id".into())]));
        }
    }

    /// RFC 7521 section 4.2
    #[test]
    fn an_assertion_goes_into_the_body_whatever_the_document_says() {
        for advertised in [json!(null), json!(["private_key_jwt"]), json!(["client_secret_basic"])] {
            let (header, form) = sent("id", &Proof::Assertion("a.b.c".into()), advertised).unwrap();
            let jwt_bearer = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer".into();
            let expected =
                vec![("client_id", "id".into()), ("client_assertion_type", jwt_bearer), ("client_assertion", "a.b.c".into())];
            assert_eq!((header, form), (None, expected));
        }
    }

    #[test]
    fn the_header_does_not_print_itself() {
        let header = Client { id: "id", proof: &secret("s") }.authenticate(&metadata(|_| ()), &mut Vec::new());
        assert_eq!(format!("{:?}", header.unwrap().unwrap()), "Sensitive");
    }
}
