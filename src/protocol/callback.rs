//! The authorization response (OpenID Connect Core section 3.1.2.5, RFC 6749 sections 4.1.2 and
//! 4.1.2.1, RFC 9207).
//!
//! Whatever comes to the callback was written by whoever sent the browser there. So:
//!
//! - the whole is bounded, every parameter too; no name may occur twice, also not one that we do
//!   not know; without a value means absent (RFC 6749 section 3.1);
//! - `state` belongs to an attempt of this browser, else nothing of the answer is acted on, errors
//!   included;
//! - `iss`, where it is there or announced, is the provider's, compared as text (RFC 9207 section
//!   2.4);
//! - an answer of a flow that was never asked for (`response` of JARM, tokens of the implicit and
//!   hybrid flows) is refused;
//! - an error wins over a code. What else a provider adds (`session_state`, `client_info`,
//!   `admin_consent`) is ignored.

use std::{collections::HashSet, fmt};

use super::{error_answer, metadata::Metadata};
use crate::{
    authority::{Authority, Tenants, TokenIssuer},
    error::{Error, ErrorKind},
    secret::{Secret, same},
};

/// The largest query or form: more than any provider sends, less than what is worth an attack.
const LARGEST_CALLBACK: usize = 32 * 1024;
const MOST_PARAMETERS: usize = 64;
const LONGEST_STATE: usize = 512;
const LONGEST_CODE: usize = 16 * 1024;
const LONGEST_ISSUER: usize = 2048;

/// The parameters of an authorization response, of which nothing is checked yet.
#[derive(Default)]
pub(crate) struct CallbackParameters {
    state: Option<String>,
    code: Option<Secret>,
    iss: Option<String>,
    error: Option<String>,
    error_description: Option<String>,
    foreign: bool,
    admin_consent: bool,
}

/// An authorization code whose answer passed the checks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Code(Secret);

impl Code {
    pub(crate) fn secret(&self) -> &Secret {
        &self.0
    }

    #[cfg(test)]
    pub(crate) fn expose(&self) -> &str {
        self.0.expose()
    }
}

impl CallbackParameters {
    /// Reads a query or an `application/x-www-form-urlencoded` body.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::CallbackInvalid`]: too large, or a parameter is there twice, is too long or has characters that it cannot have.
    pub(crate) fn parse(form: &[u8]) -> Result<Self, Error> {
        if form.len() > LARGEST_CALLBACK {
            return Err(invalid("the authorization response is too large"));
        }
        let mut this = Self::default();
        let mut names = HashSet::new();
        for (name, value) in url::form_urlencoded::parse(form) {
            if names.len() >= MOST_PARAMETERS {
                return Err(invalid("the authorization response has too many parameters"));
            }
            this.take(&name, &value)?;
            if !names.insert(name) {
                return Err(invalid("a parameter of the authorization response is there twice"));
            }
        }
        Ok(this)
    }

    fn take(&mut self, name: &str, value: &str) -> Result<(), Error> {
        let text = |longest: usize| {
            let fits =
                value.len() <= longest && value.bytes().all(|byte| matches!(byte, b' '..=b'~'));
            let problem = || {
                invalid(
                    "a parameter of the authorization response is too long or has characters that it cannot have",
                )
            };
            if fits { Ok(value.to_owned()) } else { Err(problem()) }
        };
        match name {
            _ if value.is_empty() => {}
            "state" => self.state = Some(text(LONGEST_STATE)?),
            "code" => self.code = Some(text(LONGEST_CODE)?.into()),
            "iss" => self.iss = Some(text(LONGEST_ISSUER)?),
            "error" => self.error = Some(value.to_owned()),
            "error_description" => self.error_description = Some(value.to_owned()),
            "response" | "id_token" | "access_token" | "token" => self.foreign = true,
            "admin_consent" => self.admin_consent = true,
            _ => {}
        }
        Ok(())
    }

    /// The `state`, by which the attempt is found. It proves nothing.
    pub(crate) fn state(&self) -> Option<&str> {
        self.state.as_deref()
    }

    /// Whether there is anything that a provider would answer with: a code or an error.
    pub(crate) fn is_answer(&self) -> bool {
        self.code.is_some() || self.error.is_some()
    }

    /// The code, if this is the answer to the attempt with that `state`.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::StateMismatch`], [`ErrorKind::ResponseIssuerMismatch`],
    /// [`ErrorKind::CallbackInvalid`]; or what the provider's error means, with
    /// [`Error::provider`].
    pub(crate) fn check(
        self,
        expected_state: &str,
        metadata: &Metadata,
        authority: &Authority,
    ) -> Result<Code, Error> {
        if !self
            .state
            .as_deref()
            .is_some_and(|state| same(state.as_bytes(), expected_state.as_bytes()))
        {
            return Err(Error::new(
                ErrorKind::StateMismatch,
                "`state` is missing or not the attempt's",
            ));
        }
        self.check_issuer(metadata, authority)?;
        if let Some(error) = &self.error {
            return Err(error_answer::authorization_error(
                error,
                self.error_description.as_deref(),
            ));
        }
        if self.foreign {
            return Err(invalid(
                "the answer is of a flow that was not asked for (implicit, hybrid or JARM)",
            ));
        }
        match self.code {
            Some(code) => Ok(Code(code)),
            None if self.admin_consent => {
                Err(invalid("the answer to an administrator's consent is not a sign-in"))
            }
            None => Err(invalid("there is neither `code` nor `error`")),
        }
    }

    /// RFC 9207 section 2.4; what the provider did not announce is checked all the same.
    fn check_issuer(&self, metadata: &Metadata, authority: &Authority) -> Result<(), Error> {
        let refused =
            |detail: &'static str| Err(Error::new(ErrorKind::ResponseIssuerMismatch, detail));
        match &self.iss {
            None if metadata.authorization_response_iss => {
                refused("`iss` is missing although the provider announced it")
            }
            Some(iss) if !is_issuer(iss, &metadata.issuer, authority) => {
                refused("`iss` is not the provider's")
            }
            _ => Ok(()),
        }
    }
}

impl fmt::Debug for CallbackParameters {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (code, error) = (self.code.is_some(), self.error.is_some());
        f.debug_struct("CallbackParameters")
            .field("code", &code)
            .field("error", &error)
            .finish_non_exhaustive()
    }
}

/// Whether an answer may call itself so: simple string comparison. Where the metadata's issuer
/// stands for many tenants, each of them may answer; which one it was is decided by the ID token.
fn is_issuer(iss: &str, metadata_issuer: &str, authority: &Authority) -> bool {
    let tenant = metadata_issuer
        .split_once("{tenantid}")
        .and_then(|(start, end)| iss.strip_prefix(start)?.strip_suffix(end));
    match tenant {
        Some(tid) => authority
            .check_token_issuer(
                &Tenants::any(),
                metadata_issuer,
                &TokenIssuer { iss, tid: Some(tid) },
            )
            .is_ok(),
        None => iss == metadata_issuer,
    }
}

fn invalid(detail: &'static str) -> Error {
    Error::new(ErrorKind::CallbackInvalid, detail)
}

#[cfg(test)]
#[path = "callback_tests.rs"]
mod tests;
