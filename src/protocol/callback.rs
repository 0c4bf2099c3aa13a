//! The authorization response: its parameters and the checks before its code is redeemed (OpenID
//! Connect Core sections 3.1.2.5 to 3.1.2.7, RFC 6749 sections 4.1.2 and 4.1.2.1, RFC 9207).
//!
//! Any page can send the browser to the callback with any parameters. Therefore:
//!
//! 1. The response and each parameter are bounded in size. No name may occur twice, known or not; a
//!    parameter without a value counts as absent (RFC 6749 section 3.1).
//! 2. `state` must belong to a sign-in attempt of this browser. Otherwise nothing of the response
//!    is used, not even an error.
//! 3. `iss`, if it is present or the provider announces it, must be the provider's issuer (RFC 9207
//!    section 2.4).
//! 4. An error takes precedence over a code.
//! 5. A response of another flow (tokens of the implicit and hybrid flows, `response` of JARM) is
//!    refused.
//!
//! Other parameters (`session_state`, `client_info`, …) are ignored, as RFC 6749 section 4.1.2
//! requires.

use std::collections::HashSet;

use super::{error_answer, metadata::Metadata};
use crate::{
    authority::{Authority, Tenants, TokenIssuer},
    error::{Error, ErrorKind, shown},
    secret::{Secret, same},
};

/// The largest accepted query or form, in bytes. No provider sends as much.
const MAX_CALLBACK_BYTES: usize = 32 * 1024;
const MAX_PARAMETERS: usize = 64;
const MAX_STATE_BYTES: usize = 512;
const MAX_CODE_BYTES: usize = 16 * 1024;
const MAX_ISSUER_BYTES: usize = 2048;

/// The parameters of an authorization response. Nothing is checked yet.
#[derive(Default)]
pub(crate) struct CallbackParameters {
    state: Option<String>,
    code: Option<Secret>,
    iss: Option<String>,
    error: Option<String>,
    error_description: Option<String>,
    /// Whether there is a parameter of the implicit or hybrid flow, or of JARM.
    has_other_flow: bool,
    admin_consent: bool,
}

/// An authorization code from a response that passed the checks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct AuthorizationCode(Secret);

impl AuthorizationCode {
    pub(crate) fn secret(&self) -> &Secret {
        &self.0
    }

    #[cfg(test)]
    pub(crate) fn expose(&self) -> &str {
        self.0.expose()
    }
}

impl CallbackParameters {
    /// Parses a query or an `application/x-www-form-urlencoded` body (Form Post Response Mode).
    ///
    /// # Errors
    ///
    /// [`ErrorKind::CallbackInvalid`]: too large, or a parameter is repeated, too long, or has
    /// characters that it cannot have.
    pub(crate) fn parse(form: &[u8]) -> Result<Self, Error> {
        if form.len() > MAX_CALLBACK_BYTES {
            return Err(invalid("the authorization response is larger than 32 KiB"));
        }
        let mut this = Self::default();
        let mut names = HashSet::new();
        for (name, value) in url::form_urlencoded::parse(form) {
            if names.len() >= MAX_PARAMETERS {
                return Err(invalid("the authorization response has more than 64 parameters"));
            }
            this.set(&name, &value)?;
            // RFC 6749 section 3.1. An attacker could otherwise append parameters to a response and
            // have another one read than a proxy in front has checked.
            if !names.insert(name) {
                return Err(invalid("a parameter of the authorization response is repeated"));
            }
        }
        Ok(this)
    }

    fn set(&mut self, name: &str, value: &str) -> Result<(), Error> {
        // RFC 6749 appendix A: these values are printable ASCII.
        let text = |max_bytes: usize| {
            let fits =
                value.len() <= max_bytes && value.bytes().all(|byte| matches!(byte, b' '..=b'~'));
            let problem = || {
                invalid(
                    "a parameter of the authorization response is too long or has characters \
                     other than printable ASCII",
                )
            };
            if fits { Ok(value.to_owned()) } else { Err(problem()) }
        };
        match name {
            _ if value.is_empty() => {}
            "state" => self.state = Some(text(MAX_STATE_BYTES)?),
            "code" => self.code = Some(text(MAX_CODE_BYTES)?.into()),
            "iss" => self.iss = Some(text(MAX_ISSUER_BYTES)?),
            "error" => self.error = Some(value.to_owned()),
            "error_description" => self.error_description = Some(value.to_owned()),
            "response" | "id_token" | "access_token" | "token" => self.has_other_flow = true,
            "admin_consent" => self.admin_consent = true,
            _ => {}
        }
        Ok(())
    }

    /// `state`, by which the attempt is looked up. It is checked in [`check`](Self::check).
    ///
    /// # Errors
    ///
    /// [`ErrorKind::CallbackInvalid`]: there is none. Some providers leave it out of an error
    /// response, although RFC 6749 section 4.1.2.1 requires it. Such an error is not acted on, but
    /// its code is logged, because it is the cause. Its description is not: providers
    /// write names of accounts there (security rule 19).
    pub(crate) fn state(&self) -> Result<&str, Error> {
        self.state.as_deref().ok_or_else(|| {
            let missing = "the answer has no `state`";
            let detail = match &self.error {
                None => missing.to_owned(),
                Some(error) => {
                    format!("{missing}, so it is not used; its error is {}", shown(error))
                }
            };
            Error::new(ErrorKind::CallbackInvalid, detail)
        })
    }

    /// Whether this is an authorization response at all: it has a code or an error.
    pub(crate) fn is_answer(&self) -> bool {
        self.code.is_some() || self.error.is_some()
    }

    /// Checks that this is the response to the attempt with that `state`, from this provider, and
    /// returns its code.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::StateMismatch`], [`ErrorKind::ResponseIssuerMismatch`],
    /// [`ErrorKind::CallbackInvalid`]; for an error response the kind of the provider's error, with
    /// [`Error::provider`].
    pub(crate) fn check(
        self,
        expected_state: &str,
        metadata: &Metadata,
        authority: &Authority,
    ) -> Result<AuthorizationCode, Error> {
        // First, because it protects against forged responses (RFC 6749 section 10.12, RFC 9700
        // section 4.7): even an error may be acted on only if this browser asked for a sign-in.
        if !self
            .state
            .as_deref()
            .is_some_and(|state| same(state.as_bytes(), expected_state.as_bytes()))
        {
            return Err(Error::new(
                ErrorKind::StateMismatch,
                "`state` is missing or not that of the sign-in attempt",
            ));
        }
        // Error responses carry `iss`, too (RFC 9207 section 2), so it is checked before them.
        self.check_issuer(metadata, authority)?;
        if let Some(error) = &self.error {
            return Err(error_answer::authorization_error(
                error,
                self.error_description.as_deref(),
            ));
        }
        // Tokens from the front channel are never used (RFC 9700 section 2.1.2).
        if self.has_other_flow {
            return Err(invalid(
                "the response belongs to a flow that was not requested (implicit, hybrid or JARM)",
            ));
        }
        match self.code {
            Some(code) => Ok(AuthorizationCode(code)),
            // Entra's admin consent endpoint returns to a redirect URI of the application without a
            // code: nobody has signed in.
            None if self.admin_consent => {
                Err(invalid("the response to an administrator's consent is not a sign-in"))
            }
            None => Err(invalid("the authorization response has neither `code` nor `error`")),
        }
    }

    /// RFC 9207 section 2.4, against mix-up attacks (RFC 9700 section 4.4): a code of another
    /// provider must not be sent to this one. An `iss` that the provider did not announce is
    /// checked as well.
    fn check_issuer(&self, metadata: &Metadata, authority: &Authority) -> Result<(), Error> {
        let problem = match &self.iss {
            None if metadata.authorization_response_iss => {
                let error = self.error.as_deref().map(shown);
                format!(
                    "the authorization response{} has no `iss`, although the discovery document \
                     announces it (`authorization_response_iss_parameter_supported`): have the \
                     provider send it (Keycloak: switch *Exclude Issuer From Authentication \
                     Response* off in the client)",
                    error.map_or_else(String::new, |error| format!(" with the error {error}"))
                )
            }
            Some(iss) if !is_issuer(iss, &metadata.issuer, authority) => format!(
                "`iss` of the authorization response is {}, expected the provider's issuer {}",
                shown(iss),
                shown(&metadata.issuer)
            ),
            _ => return Ok(()),
        };
        Err(Error::new(ErrorKind::ResponseIssuerMismatch, problem))
    }
}

/// Whether `iss` is the issuer of the metadata, by simple string comparison (RFC 9207 section 2.4).
///
/// Entra's multi-tenant documents have a template with `{tenantid}` as their issuer. Any tenant
/// matches here; whether that tenant may sign in is decided with the verified ID token.
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
