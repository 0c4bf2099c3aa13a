//! [`Mistakes`]: the mistakes of a configuration that do not depend on each other, so that one
//! start shows all of them.

use crate::error::ConfigError;

/// The mistakes that were found so far, as one error.
#[derive(Debug, Default)]
pub(super) struct Mistakes(Option<ConfigError>);

impl Mistakes {
    pub(super) fn add(&mut self, mistake: ConfigError) {
        match &mut self.0 {
            Some(first) => first.and(mistake),
            None => self.0 = Some(mistake),
        }
    }

    /// The value; `None` after a mistake, which is noted.
    pub(super) fn value<T>(&mut self, checked: Result<T, ConfigError>) -> Option<T> {
        checked.map_err(|mistake| self.add(mistake)).ok()
    }

    /// Whether one of them is that a setting is missing.
    pub(super) fn is_one_missing(&self) -> bool {
        self.0.as_ref().is_some_and(ConfigError::any_is_missing)
    }

    /// The outcome of the whole: a value counts only without mistakes.
    pub(super) fn end<T>(self, value: Option<T>) -> Result<T, ConfigError> {
        match (self.0, value) {
            (None, Some(value)) => Ok(value),
            (Some(mistakes), _) => Err(mistakes),
            // A value is missing only after a mistake.
            (None, None) => Err(ConfigError::new("configuration", "it was not checked to its end")),
        }
    }
}

#[cfg(test)]
mod tests {
    use crate::{
        authority::Authority,
        config::{
            ApiConfig, ClientCredential, IdentityConfig, api_env::api_from_variables,
            env::from_variables, test_variables::read_variables,
        },
        error::ConfigError,
    };

    const AUTHORITY: (&str, &str) = ("IDENTITY_AUTHORITY", "https://op.example.com");
    const ID: (&str, &str) = ("IDENTITY_CLIENT_ID", "client-id");
    const SECRET: (&str, &str) = ("IDENTITY_CLIENT_SECRET", "hush-hush-hush");

    /// The settings that the lines of an error name, in their order.
    fn settings(error: &ConfigError) -> Vec<String> {
        let named: Vec<&str> =
            std::iter::once(error).chain(error.others()).map(ConfigError::setting).collect();
        let lines: Vec<String> = error
            .to_string()
            .lines()
            .filter_map(|line| Some(line.split_once(':')?.0.into()))
            .collect();
        assert_eq!(named, lines, "{error}");
        lines
    }

    fn read(pairs: &[(&str, &str)]) -> Result<IdentityConfig, ConfigError> {
        read_variables(pairs, from_variables)
    }

    #[test]
    fn all_missing_variables_are_named_at_once_the_provider_first() {
        let all = [AUTHORITY.0, ID.0, SECRET.0];
        assert_eq!(settings(&read(&[]).unwrap_err()), all);
        assert_eq!(settings(&read(&[ID]).unwrap_err()), [all[0], all[2]]);
        assert_eq!(settings(&read(&[AUTHORITY, SECRET]).unwrap_err()), [all[1]]);
        let public = ("IDENTITY_CLIENT_AUTH_METHOD", "none");
        assert_eq!(settings(&read(&[AUTHORITY, public]).unwrap_err()), [all[1]]);
        // Code can set it.
        assert!(read(&[AUTHORITY, ID]).is_ok());
        // An API needs none.
        let api = read_variables(&[], api_from_variables).unwrap_err();
        assert_eq!(settings(&api), [all[0], all[1]]);
        // What may be meant stands once, at the end.
        let misspelt = read(&[("IDENTITY_CLIENTID", "c")]).unwrap_err().to_string();
        assert_eq!(misspelt.matches("is IDENTITY_CLIENT_ID meant?").count(), 1, "{misspelt}");
        assert!(misspelt.ends_with('?'), "{misspelt}");
    }

    #[test]
    fn every_variable_with_a_wrong_value_is_named() {
        let wrong = [
            ("IDENTITY_OIDC_AUTHORITY", "op.example.com"),
            ("IDENTITY_TENANTS", "contoso"),
            ("IDENTITY_RESPONSE_MODE", "fragment"),
            ("IDENTITY_COOKIE_LIFETIME", "long"),
            ("IDENTITY_BASE_URL", "app"),
            ("IDENTITY_DEFAULT_ACCESS", "open"),
            ("IDENTITY_NONCE", "never"),
            ("IDENTITY_IDLE_TIMEOUT", "1h"),
            ("IDENTITY_END_SESSION_ENDPOINT", "logout"),
            ("IDENTITY_DANGER_ALLOW_HTTP", "maybe"),
        ];
        let error = read(&[&[ID, SECRET], wrong.as_slice()].concat()).unwrap_err();
        let mut named = settings(&error);
        named.sort_unstable();
        let mut expected = wrong.map(|(name, _)| name);
        expected.sort_unstable();
        assert_eq!(named, expected, "{error}");
    }

    #[test]
    fn every_mistake_that_build_can_find_by_itself_is_named() {
        let authority = || Authority::oidc("https://op.example.com").unwrap();
        let error = IdentityConfig::new(authority(), "client id ")
            .with_scopes(["a b"])
            .with_openid_scopes(["email"])
            .with_languages(["x y"])
            .with_cookie_secrets(["short"])
            .build()
            .unwrap_err();
        let expected = [
            "client_id",
            "openid_scopes",
            "scopes",
            "languages",
            "credential",
            "base_url",
            "cookie_secrets",
        ];
        assert_eq!(settings(&error), expected, "{error}");
        // In the words of the place where they were read.
        let read =
            read(&[AUTHORITY, ID, ("IDENTITY_SCOPE", "openid"), ("IDENTITY_COOKIE_SECRET", "x")]);
        let error = read.unwrap().with_openid_scopes(["email"]).build().unwrap_err();
        let expected = ["openid_scopes", "IDENTITY_CLIENT_SECRET", "IDENTITY_COOKIE_SECRET"];
        assert_eq!(settings(&error), expected, "{error}");
        let error = ApiConfig::new(Authority::entra("common").unwrap(), "api-id")
            .with_scopes(["a b"])
            .with_b2c_policies(["B2C_1_x"])
            .add_public_path("nowhere")
            .build()
            .unwrap_err();
        let expected = ["scopes", "b2c_policies", "public_paths", "tenants"];
        assert_eq!(settings(&error), expected, "{error}");
    }

    /// One line for one mistake, as before there were several.
    #[test]
    fn a_single_mistake_has_no_others() {
        let config = IdentityConfig::new(Authority::oidc("https://op.example.com").unwrap(), "c");
        let config = config.with_credential(ClientCredential::secret("hush-hush-hush"));
        let error = config.build().unwrap_err();
        assert!(error.others().is_empty() && !error.to_string().contains('\n'), "{error}");
    }
}
