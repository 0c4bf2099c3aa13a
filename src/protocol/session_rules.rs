//! The check of an existing session against the current configuration, which may have changed since
//! the user signed in, or may differ on the node where the user did.

use super::{
    id_token::{check_acr, check_auth_context},
    json,
};
use crate::{
    config::ValidConfig,
    error::{Error, ErrorKind},
};

/// A sign-in of the past, as its session record describes it.
#[derive(Clone, Copy)]
pub(crate) struct PastSignIn<'a> {
    /// The claims of the ID token as JSON.
    pub(crate) claims: &'a str,
    /// The tenant of the user, at Microsoft's authorities.
    pub(crate) tid: Option<&'a str>,
    /// The authentication context that the sign-in was checked for.
    pub(crate) auth_context: Option<&'a str>,
    /// Whether a page of the application requested the sign-in with options of its own.
    pub(crate) asked_by_a_page: bool,
}

impl PastSignIn<'_> {
    /// Checks that a sign-in with these claims would be accepted under the current configuration:
    /// allowed tenants, required `acr`, authentication context.
    ///
    /// These are the checks of every sign-in and no others, so that a session that began under the
    /// same settings always passes. A stricter check here would send the user to sign in again and
    /// again. Signature, issuer and audience need no check: the record is sealed for this
    /// application and authority.
    ///
    /// # Errors
    ///
    /// The error with which the sign-in would be refused now.
    pub(crate) fn check(&self, config: &ValidConfig) -> Result<(), Error> {
        if !config.tenants().allow(self.tid) {
            return Err(Error::new(
                ErrorKind::TenantNotAllowed,
                "the tenant of the session is not (or no longer) on the list of allowed tenants",
            ));
        }
        let asked = config.sign_in().auth_context.as_deref();
        if asked.is_none() && config.required_acr().is_empty() {
            return Ok(());
        }
        let claims = json::object(self.claims.as_bytes()).map_err(|refused| {
            Error::new(
                ErrorKind::TokenMalformed,
                format!("the session's claims: {}", refused.as_str()),
            )
        })?;
        check_acr(&claims, config.required_acr())?;
        // A page may request another context than the configured one. The sign-in was checked for
        // that one then, and the configured one was not requested.
        let is_of_a_page = self.asked_by_a_page && self.auth_context.is_some();
        check_auth_context(
            &claims,
            asked.filter(|_| !is_of_a_page),
            config.authority().is_microsoft(),
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        authority::Authority,
        config::{ClientCredential, IdentityConfig, SignInOptions},
    };

    const ONE: &str = "f645ad92-e38d-4d1a-b510-d1b09a74a8ca";
    const OTHER: &str = "775527ff-9a37-4307-8b3d-cc311f58d925";

    fn check(
        authority: &str,
        settings: impl FnOnce(IdentityConfig) -> IdentityConfig,
        past: PastSignIn<'_>,
    ) -> Option<ErrorKind> {
        let config = IdentityConfig::new(Authority::parse(authority).unwrap(), "client")
            .with_credential(ClientCredential::secret("secret"))
            .with_base_url("https://app.example")
            .unwrap();
        past.check(&settings(config).build().unwrap()).err().map(|error| error.kind())
    }

    fn past(claims: &'static str) -> PastSignIn<'static> {
        PastSignIn { claims, tid: Some(ONE), auth_context: None, asked_by_a_page: false }
    }

    #[test]
    fn a_tenant_that_was_taken_off_the_list_is_out() {
        let common = "https://login.microsoftonline.com/common";
        let with = |tenants: &[&'static str], past| {
            let tenants = tenants.to_vec();
            check(common, move |config| config.with_tenants(tenants).unwrap(), past)
        };
        assert_eq!(with(&[ONE, OTHER], past("{}")), None);
        assert_eq!(with(&[OTHER], past("{}")), Some(ErrorKind::TenantNotAllowed));
        assert_eq!(
            with(&[OTHER], PastSignIn { tid: None, ..past("{}") }),
            Some(ErrorKind::TenantNotAllowed)
        );
        assert_eq!(check(common, |config| config.with_any_tenant(), past("{}")), None);
    }

    #[test]
    fn a_class_or_context_that_is_required_now_has_to_have_been_met() {
        let acr =
            |past| check("https://op.example", |config| config.with_required_acr(["gold"]), past);
        assert_eq!(acr(past(r#"{"acr":"gold"}"#)), None);
        assert_eq!(acr(past(r#"{"acr":"silver"}"#)), Some(ErrorKind::TokenAcr));
        assert_eq!(acr(past("{}")), Some(ErrorKind::TokenAcr));
        assert_eq!(acr(past("no claims")), Some(ErrorKind::TokenMalformed));
        let context = |past| {
            let options = SignInOptions::new().with_auth_context("c1");
            check(
                &format!("https://login.microsoftonline.com/{ONE}"),
                |config| config.with_sign_in(options),
                past,
            )
        };
        assert_eq!(context(past(r#"{"acrs":["c1"]}"#)), None);
        assert_eq!(context(past("{}")), Some(ErrorKind::AuthContextMissing));
        assert_eq!(
            context(PastSignIn { asked_by_a_page: true, ..past("{}") }),
            Some(ErrorKind::AuthContextMissing)
        );
    }

    /// Otherwise its person would be sent to sign in by the page, and signed out by the
    /// configuration, for ever.
    #[test]
    fn a_page_that_asked_for_another_context_got_what_it_asked_for() {
        let options = SignInOptions::new().with_auth_context("c1");
        let of_a_page = PastSignIn {
            auth_context: Some("c2"),
            asked_by_a_page: true,
            ..past(r#"{"acr":"c2"}"#)
        };
        assert_eq!(
            check("https://op.example", |config| config.with_sign_in(options), of_a_page),
            None
        );
    }
}
