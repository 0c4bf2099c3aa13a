//! The configuration from environment variables.

use std::{env, fs, net::SocketAddr, time::Duration};

use super::{
    Algorithm, AzureAdSection, IdentityConfig,
    env_authority::authority,
    variables::{Named, Variables},
};
use crate::error::ConfigError;

impl IdentityConfig {
    /// The configuration that the environment describes.
    ///
    /// | variable | sets |
    /// |---|---|
    /// | `IDENTITY_AUTHORITY` | the provider, by any address that [`Authority::parse`](crate::Authority::parse) knows |
    /// | `IDENTITY_OIDC_AUTHORITY` | the provider, by its issuer: [`Authority::oidc`](crate::Authority::oidc) |
    /// | `IDENTITY_CLIENT_ID` | the client id |
    /// | `IDENTITY_CLIENT_SECRET` | the client secret |
    /// | `IDENTITY_CLIENT_AUTH_METHOD` | `client_secret_basic`, `client_secret_post`, `private_key_jwt`, or `none` for a public client |
    /// | `IDENTITY_CLIENT_CERTIFICATE_FILE` | instead of a secret: a file with private key and certificate, PEM or PFX |
    /// | `IDENTITY_CLIENT_CERTIFICATE_PASSWORD` | the password of that PFX file |
    /// | `IDENTITY_CLIENT_SEND_CERTIFICATE_CHAIN` | `true`: the certificates are sent along (`x5c`) |
    /// | `IDENTITY_CLIENT_KEY_ID` | by which name (`kid`) the provider knows the private key; then the file needs no certificate |
    /// | `IDENTITY_CLIENT_ASSERTION_FILE` | instead of a secret: a file that somebody else keeps an assertion in |
    /// | `IDENTITY_TENANTS` | the tenants that may sign in: GUIDs with commas or spaces between them, or `any` |
    /// | `IDENTITY_BASE_URL` | where browsers find the application; the default is `http://localhost:` and the port of `LISTEN` (`127.0.0.1:3000`) |
    /// | `IDENTITY_REDIRECT_URI` | the redirect address, if it is not the base URL and `/auth/callback` |
    /// | `IDENTITY_SCOPE` | scopes beyond those of the sign-in itself, with spaces between them |
    /// | `IDENTITY_ID_TOKEN_ALGORITHMS` | what ID tokens may be signed with, narrower than what the provider lists: `RS256`, `ES256`, `EdDSA`, …, with commas or spaces between them |
    /// | `IDENTITY_COOKIE_SECRET` | cookie secrets of 32 bytes or more, one on each line, the newest first |
    /// | `IDENTITY_COOKIE_LIFETIME` | how long browsers keep the session cookie: `browser` (the default: until they end) or `session` |
    /// | `IDENTITY_SIGN_IN_METHOD` | `redirect` (the default) or `device_code`, which needs no redirect address |
    /// | `IDENTITY_RESPONSE_MODE` | `query` (the default) or `form_post` |
    /// | `IDENTITY_STORE_TIMEOUT` | how long an operation of the session store may take, in seconds; the default is 3 |
    ///
    /// Each secret can be in a file instead, whose path is in the variable with `_FILE` after its name. An empty variable is as good as none.
    ///
    /// Names that people have already are read too, and say the same as those above:
    ///
    /// - those of Python's `identity`: `AUTHORITY`, `OIDC_AUTHORITY`, `CLIENT_ID`, `CLIENT_SECRET`, `REDIRECT_URI`, and for B2C `B2C_TENANT_NAME`, `SIGNUPSIGNIN_USER_FLOW`,
    ///   `EDITPROFILE_USER_FLOW` and `RESETPASSWORD_USER_FLOW` (also with `IDENTITY_` before them);
    /// - `AzureAd__Instance`, `AzureAd__TenantId` and the other members of the [`AzureAd` section](AzureAdSection), with its defaults, also in capitals;
    /// - `AZURE_TENANT_ID`, `AZURE_CLIENT_ID`, `AZURE_CLIENT_SECRET` and `AZURE_AUTHORITY_HOST`, and where nothing else is a credential `AZURE_CLIENT_CERTIFICATE_PATH` (with
    ///   `AZURE_CLIENT_CERTIFICATE_PASSWORD` and `AZURE_CLIENT_SEND_CERTIFICATE_CHAIN`) or `AZURE_FEDERATED_TOKEN_FILE`, unless `AZURE_CLIENT_ID` is another application than the one that is named
    ///   elsewhere: Azure puts these into containers for its own purposes.
    ///
    /// ```no_run
    /// use tower_identity::{IdentityConfig, IdentityLayer};
    ///
    /// let layer = IdentityLayer::new(IdentityConfig::from_env()?.build()?);
    /// # Ok::<_, Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    ///
    /// No provider or client id is named, a value cannot be read, or two variables contradict each other; the error names them.
    /// The secret and the base URL are asked for by
    /// [`build`](Self::build), so that they can come from elsewhere.
    pub fn from_env() -> Result<Self, ConfigError> {
        from_variables(&Variables { get: &|name| env::var_os(name), read: &|path| fs::read_to_string(path) })
    }
}

/// What the variables say together.
fn from_variables(all: &Variables<'_>) -> Result<IdentityConfig, ConfigError> {
    let section = AzureAdSection::from_variables(all)?;
    let named = all.one(&["IDENTITY_CLIENT_ID", "AzureAd__ClientId", "CLIENT_ID"])?;
    let azure = all.text("AZURE_CLIENT_ID")?;
    let azure_is_us = match (&named, &azure) {
        (Some(named), Some(azure)) => named.value == azure.value,
        _ => true,
    };
    let client_id = named.or(azure).ok_or_else(|| {
        ConfigError::new("IDENTITY_CLIENT_ID", "missing: it is the id under which the provider knows the application")
    })?;
    let azure_tenant = if azure_is_us { all.text("AZURE_TENANT_ID")? } else { None };
    let authority = authority(all, &section, azure_tenant)?;

    let mut config = IdentityConfig::new(authority, client_id.value);
    if !section.is_empty() {
        config = section.apply(config);
    }
    config.credential = super::env_credential::credential(all, &section, azure_is_us)?;
    if let Some(tenants) = all.text("IDENTITY_TENANTS")? {
        config = match tenants.value.as_str() {
            "any" => config.with_any_tenant(),
            list => config
                .with_tenants(list.split([',', ' ']).filter(|tenant| !tenant.is_empty()))
                .map_err(|error| error.named(tenants.name))?,
        };
    }
    if let Some(scope) = all.text("IDENTITY_SCOPE")? {
        config = config.with_scopes(scope.value.split_whitespace());
    }
    if let Some(method) = all.one(&["IDENTITY_SIGN_IN_METHOD", "AzureAd__SignInMethod"])? {
        config = config.with_sign_in_method(method.value.parse().map_err(|error: ConfigError| error.named(method.name))?);
    }
    if let Some(mode) = all.text("IDENTITY_RESPONSE_MODE")? {
        config = config.with_response_mode(mode.value.parse().map_err(|error: ConfigError| error.named(mode.name))?);
    }
    if let Some(algorithms) = all.text("IDENTITY_ID_TOKEN_ALGORITHMS")? {
        let names = algorithms.value.split([',', ' ']).filter(|name| !name.is_empty());
        let parsed: Result<Vec<Algorithm>, ConfigError> = names.map(str::parse).collect();
        config = config.with_id_token_algorithms(parsed.map_err(|error| error.named(algorithms.name))?);
    }
    if let Some(timeout) = all.text("IDENTITY_STORE_TIMEOUT")? {
        let seconds = timeout.value.parse().ok().and_then(|seconds| Duration::try_from_secs_f64(seconds).ok());
        let wrong = || ConfigError::new(timeout.name, format!("{:?} is not a number of seconds such as 3 or 0.5", timeout.value));
        config = config.with_store_timeout(seconds.ok_or_else(wrong)?);
    }
    if let Some(lifetime) = all.text("IDENTITY_COOKIE_LIFETIME")? {
        config = config.with_cookie_lifetime(lifetime.value.parse().map_err(|error: ConfigError| error.named(lifetime.name))?);
    }
    if let Some(secrets) = all.secret(&["IDENTITY_COOKIE_SECRET"])? {
        config = config.with_cookie_secrets(secrets.value.expose().lines().map(str::trim).filter(|secret| !secret.is_empty()));
    }
    addresses(all, config)
}

/// Base URL and redirect address.
fn addresses(all: &Variables<'_>, mut config: IdentityConfig) -> Result<IdentityConfig, ConfigError> {
    let redirect_uri = all.one(&["IDENTITY_REDIRECT_URI", "REDIRECT_URI"])?;
    let base_url = match (all.text("IDENTITY_BASE_URL")?, &redirect_uri) {
        (None, None) => default_base_url(all)?,
        (base_url, _) => base_url,
    };
    if let Some(base_url) = base_url {
        config = config.with_base_url(&base_url.value).map_err(|error| error.named(base_url.name))?;
    }
    if let Some(redirect_uri) = redirect_uri {
        // The section's default is for an application that says nothing.
        if all.text("AzureAd__CallbackPath")?.is_none() {
            config.callback_path = None;
        }
        config = config.with_redirect_uri(&redirect_uri.value).map_err(|error| error.named(redirect_uri.name))?;
    }
    Ok(config)
}

/// `http://localhost:` and the port that the application listens on; none if the system chooses it.
fn default_base_url(all: &Variables<'_>) -> Result<Option<Named<String>>, ConfigError> {
    let listen = all.text("LISTEN")?.unwrap_or_else(|| Named { name: "LISTEN".into(), value: "127.0.0.1:3000".into() });
    let address: SocketAddr = listen.value.parse().map_err(|_| {
        ConfigError::new("LISTEN", format!("{:?} is not an address and port such as 127.0.0.1:3000", listen.value))
    })?;
    let value = format!("http://localhost:{}", address.port());
    Ok((address.port() != 0).then_some(Named { name: listen.name, value }))
}

#[cfg(test)]
mod tests {
    use std::{ffi::OsString, io};

    use super::*;
    use crate::config::{ClientAuthMethod, CookieKeySource, CookieLifetime, ResponseMode, SignInMethod};

    const TENANT: &str = "f645ad92-e38d-4d1a-b510-d1b09a74a8ca";
    const OTHER: &str = "775527ff-9a37-4307-8b3d-cc311f58d925";
    const BASIC: &[(&str, &str)] = &[
        ("IDENTITY_AUTHORITY", "https://op.example.com"),
        ("IDENTITY_CLIENT_ID", "client-id"),
        ("IDENTITY_CLIENT_SECRET", "hush-hush"),
    ];

    fn read(pairs: &[(&str, &str)]) -> Result<IdentityConfig, ConfigError> {
        let get = |name: &str| pairs.iter().rfind(|(key, _)| *key == name).map(|(_, value)| OsString::from(value));
        let read = |path: &std::path::Path| match path.to_str() {
            Some("/run/secret") => Ok("hush-hush\n".to_owned()),
            _ => Err(io::Error::from(io::ErrorKind::NotFound)),
        };
        from_variables(&Variables { get: &get, read: &read })
    }

    fn config(pairs: &[(&str, &str)]) -> IdentityConfig {
        read(pairs).unwrap_or_else(|error| panic!("{error}"))
    }

    fn basic_and(more: &[(&'static str, &'static str)]) -> Vec<(&'static str, &'static str)> {
        [BASIC, more].concat()
    }

    fn with(more: &[(&'static str, &'static str)]) -> IdentityConfig {
        config(&basic_and(more))
    }

    fn authority(pairs: &[(&str, &str)]) -> String {
        config(&[&[("IDENTITY_CLIENT_ID", "client-id")], pairs].concat()).authority.to_string()
    }

    /// The error of these variables beside a client id; it names each of `names`.
    #[track_caller]
    fn refused(pairs: &[(&str, &str)], names: &[&str]) {
        let error = read(&[&[("IDENTITY_CLIENT_ID", "client-id")], pairs].concat()).unwrap_err().to_string();
        assert!(names.iter().all(|name| error.contains(name)), "{error}");
    }

    #[test]
    fn three_variables_are_enough_for_the_quickstart() {
        let valid = config(BASIC).build().unwrap();
        assert_eq!(valid.redirect_uri().as_str(), "http://localhost:3000/auth/callback");
        assert_eq!((valid.authority().to_string().as_str(), valid.client_id()), ("https://op.example.com", "client-id"));
        assert_eq!(valid.credential().client_secret().unwrap().expose(), "hush-hush");
    }

    #[test]
    fn every_variable_sets_its_setting() {
        let config = with(&[
            ("IDENTITY_BASE_URL", "https://app.example.com"),
            ("IDENTITY_REDIRECT_URI", "https://app.example.com/cb"),
            ("IDENTITY_SCOPE", "User.Read  Mail.Read"),
            ("IDENTITY_COOKIE_SECRET", "0123456789abcdef0123456789abcdef\n0123456789abcdef0123456789abcdeg"),
            ("IDENTITY_RESPONSE_MODE", "form_post"),
            ("IDENTITY_COOKIE_LIFETIME", "session"),
            ("IDENTITY_CLIENT_AUTH_METHOD", "client_secret_post"),
            ("IDENTITY_ID_TOKEN_ALGORITHMS", "ES256, Ed25519 RS512"),
            ("LISTEN", "not looked at"),
        ]);
        let valid = config.build().unwrap();
        assert_eq!(valid.redirect_uri().as_str(), "https://app.example.com/cb");
        assert_eq!(valid.scopes(valid.sign_in()).join(" "), "openid profile offline_access User.Read Mail.Read");
        assert_eq!((valid.cookie_keys().len(), valid.cookie_key_source()), (2, CookieKeySource::Configured));
        assert_eq!(valid.response_mode(), ResponseMode::FormPost);
        assert_eq!(valid.cookie_lifetime(), CookieLifetime::Session);
        let error = read(&basic_and(&[("IDENTITY_COOKIE_LIFETIME", "30d")])).unwrap_err();
        assert!(error.setting() == "IDENTITY_COOKIE_LIFETIME" && error.to_string().contains("\"30d\""), "{error}");
        assert_eq!(valid.credential().method(), Some(ClientAuthMethod::Post));
        assert_eq!(valid.id_token_algorithms().as_deref(), Some(&[Algorithm::Es256, Algorithm::EdDsa, Algorithm::Rs512][..]));
    }

    #[test]
    fn the_base_url_follows_from_where_the_application_listens() {
        let origin = |more: &[(&'static str, &'static str)]| with(more).build().unwrap().origin().to_owned();
        assert_eq!(origin(&[("LISTEN", "0.0.0.0:8080")]), "http://localhost:8080");
        assert_eq!(origin(&[("IDENTITY_REDIRECT_URI", "https://app.example.com/x/y")]), "https://app.example.com");
        assert_eq!(with(&[("LISTEN", "127.0.0.1:0")]).build().unwrap_err().setting(), "base_url");
        assert_eq!(read(&basic_and(&[("LISTEN", "3000")])).unwrap_err().setting(), "LISTEN");
        assert_eq!(
            read(&basic_and(&[("IDENTITY_BASE_URL", "http://app.example.com")])).unwrap_err().setting(),
            "IDENTITY_BASE_URL"
        );
    }

    #[test]
    fn a_device_code_is_asked_for_by_its_name() {
        let method = |pairs: &[(&'static str, &'static str)]| with(pairs).build().unwrap().sign_in_method();
        assert_eq!(method(&[]), SignInMethod::Redirect);
        assert_eq!(method(&[("IDENTITY_SIGN_IN_METHOD", "redirect")]), SignInMethod::Redirect);
        assert_eq!(method(&[("IDENTITY_SIGN_IN_METHOD", "device_code")]), SignInMethod::DeviceCode);
        let section =
            config(&[("AzureAd__TenantId", TENANT), ("AZUREAD__SIGNINMETHOD", "device_code"), ("AzureAd__ClientId", "c")]);
        assert_eq!(section.sign_in_method, SignInMethod::DeviceCode);
        let error = read(&basic_and(&[("IDENTITY_SIGN_IN_METHOD", "device")])).unwrap_err();
        assert!(error.setting() == "IDENTITY_SIGN_IN_METHOD" && error.to_string().contains("device_code"), "{error}");
        let both = [("IDENTITY_SIGN_IN_METHOD", "device_code"), ("AzureAd__SignInMethod", "redirect")];
        refused(&[&both[..], &[("AzureAd__TenantId", TENANT)]].concat(), &["IDENTITY_SIGN_IN_METHOD", "AzureAd__SignInMethod"]);
    }

    /// C-367, C-448
    #[test]
    fn a_public_client_is_asked_for() {
        let public = |more: &[(&str, &str)]| config(&[&BASIC[..2], more].concat());
        assert_eq!(public(&[]).build().unwrap_err().setting(), "credential");
        assert_eq!(public(&[("IDENTITY_CLIENT_SECRET", "")]).build().unwrap_err().setting(), "credential");
        assert!(public(&[("IDENTITY_CLIENT_AUTH_METHOD", "none")]).build().is_ok());
        assert_eq!(public(&[("IDENTITY_CLIENT_SECRET_FILE", "/run/secret")]).credential, config(BASIC).credential);
        refused(
            &[
                ("IDENTITY_AUTHORITY", "https://op.example.com"),
                ("IDENTITY_CLIENT_SECRET", "x"),
                ("IDENTITY_CLIENT_AUTH_METHOD", "none"),
            ],
            &["IDENTITY_CLIENT_SECRET", "IDENTITY_CLIENT_AUTH_METHOD"],
        );
        refused(
            &[("IDENTITY_AUTHORITY", "https://op.example.com"), ("IDENTITY_CLIENT_AUTH_METHOD", "basic")],
            &["client_secret_basic"],
        );
    }

    /// MSAL-088
    #[test]
    fn what_is_missing_is_told_by_its_variable() {
        assert_eq!(read(&BASIC[..1]).unwrap_err().setting(), "IDENTITY_CLIENT_ID");
        assert_eq!(read(&BASIC[1..]).unwrap_err().setting(), "IDENTITY_AUTHORITY");
        refused(&[("IDENTITY_AUTHORITY", "op.example.com")], &["IDENTITY_AUTHORITY", "https://"]);
        assert_eq!(read(&basic_and(&[("IDENTITY_RESPONSE_MODE", "fragment")])).unwrap_err().setting(), "IDENTITY_RESPONSE_MODE");
    }

    #[test]
    fn tenants_are_listed_or_explicitly_any() {
        let common = |tenants: &str| {
            config(&[
                ("IDENTITY_AUTHORITY", "https://login.microsoftonline.com/common"),
                ("IDENTITY_CLIENT_ID", "c"),
                ("IDENTITY_CLIENT_SECRET", "s"),
                ("IDENTITY_TENANTS", tenants),
            ])
        };
        assert_eq!(common("").build().unwrap_err().setting(), "tenants");
        assert_eq!(common("any").build().unwrap().tenants().to_string(), "any");
        assert_eq!(common(&format!("{TENANT}, {OTHER}")).build().unwrap().tenants().to_string(), format!("{TENANT}, {OTHER}"));
        refused(
            &[("IDENTITY_AUTHORITY", "https://op.example.com"), ("IDENTITY_TENANTS", "contoso.com")],
            &["IDENTITY_TENANTS", "GUID"],
        );
    }

    #[test]
    fn the_names_that_people_have_say_the_same() {
        let entra = format!("https://login.microsoftonline.com/{TENANT}/v2.0");
        for pairs in [
            &[("AUTHORITY", entra.as_str())][..],
            &[("IDENTITY_OIDC_AUTHORITY", &entra)],
            &[("OIDC_AUTHORITY", &entra), ("IDENTITY_AUTHORITY", &entra)],
            &[("AzureAd__TenantId", TENANT)],
            &[("AzureAd__Instance", "https://login.microsoftonline.com/"), ("AzureAd__TenantId", TENANT)],
            &[("AZURE_TENANT_ID", TENANT)],
            &[("AZURE_TENANT_ID", TENANT), ("AZURE_AUTHORITY_HOST", "https://login.microsoftonline.com/")],
            &[("AZURE_TENANT_ID", TENANT), ("AUTHORITY", &entra), ("AzureAd__TenantId", TENANT)],
        ] {
            assert_eq!(authority(pairs), entra, "{pairs:?}");
        }
        let azure =
            config(&[("AZURE_TENANT_ID", TENANT), ("AZURE_CLIENT_ID", "azure-id"), ("AZURE_CLIENT_SECRET", "azure-secret")]);
        assert_eq!(
            (azure.client_id.as_str(), azure.credential.unwrap().client_secret().unwrap().expose()),
            ("azure-id", "azure-secret")
        );
        let identity = config(&[
            ("OIDC_AUTHORITY", "https://op.example.com"),
            ("CLIENT_ID", "i"),
            ("CLIENT_SECRET", "s"),
            ("REDIRECT_URI", "http://localhost:5000/redirect"),
        ]);
        assert_eq!(identity.build().unwrap().redirect_uri().as_str(), "http://localhost:5000/redirect");
    }

    #[test]
    fn b2c_flows_come_with_a_tenant_name_or_a_b2c_address() {
        let flows = [
            ("SIGNUPSIGNIN_USER_FLOW", "B2C_1_susi"),
            ("RESETPASSWORD_USER_FLOW", "B2C_1_reset"),
            ("EDITPROFILE_USER_FLOW", "B2C_1_edit"),
        ];
        let b2c = |more: &[(&'static str, &'static str)]| config(&[&flows[..], more, BASIC.get(1..).unwrap()].concat());
        let named = b2c(&[("B2C_TENANT_NAME", "contoso")]);
        assert_eq!(named.authority.to_string(), "https://contoso.b2clogin.com/contoso.onmicrosoft.com/B2C_1_susi/v2.0");
        assert!(named.clone().build().unwrap().paths().edit_profile.is_some());
        let parsed = b2c(&[("IDENTITY_AUTHORITY", "https://contoso.b2clogin.com/contoso.onmicrosoft.com/b2c_1_SUSI")]);
        assert!(parsed.build().unwrap().paths().reset_password.is_some());
        assert_eq!(named.authority, b2c(&[("IDENTITY_B2C_TENANT_NAME", "contoso")]).authority);
        refused(&[("B2C_TENANT_NAME", "contoso")], &["SIGNUPSIGNIN_USER_FLOW"]);
        refused(
            &[("AUTHORITY", "https://op.example.com"), ("RESETPASSWORD_USER_FLOW", "B2C_1_reset")],
            &["RESETPASSWORD_USER_FLOW", "no effect"],
        );
        refused(
            &[
                ("AUTHORITY", "https://contoso.b2clogin.com/contoso.onmicrosoft.com/B2C_1_a"),
                ("SIGNUPSIGNIN_USER_FLOW", "B2C_1_b"),
            ],
            &["B2C_1_a", "B2C_1_b"],
        );
    }

    /// MSAL-022
    #[test]
    fn a_contradiction_names_both_variables() {
        let entra = format!("https://login.microsoftonline.com/{TENANT}");
        refused(
            &[("IDENTITY_AUTHORITY", &entra), ("AZURE_TENANT_ID", OTHER)],
            &["IDENTITY_AUTHORITY", TENANT, "AZURE_TENANT_ID", OTHER],
        );
        refused(
            &[("IDENTITY_AUTHORITY", &entra), ("AzureAd__TenantId", OTHER)],
            &["IDENTITY_AUTHORITY", TENANT, "AzureAd__", OTHER],
        );
        refused(
            &[("IDENTITY_AUTHORITY", &entra), ("AUTHORITY", "https://op.example.com")],
            &["IDENTITY_AUTHORITY", "AUTHORITY", TENANT, "op.example.com"],
        );
        refused(
            &[("IDENTITY_AUTHORITY", &entra), ("IDENTITY_OIDC_AUTHORITY", "https://op.example.com")],
            &["IDENTITY_AUTHORITY", "IDENTITY_OIDC_AUTHORITY"],
        );
        refused(
            &[("AzureAd__Authority", &entra), ("AzureAd__TenantId", OTHER)],
            &["AzureAd:Authority", "AzureAd:TenantId", TENANT, OTHER],
        );
        refused(
            &[
                ("AZURE_TENANT_ID", TENANT),
                ("IDENTITY_AUTHORITY", "https://contoso.b2clogin.com/contoso.onmicrosoft.com/B2C_1_a"),
            ],
            &["AZURE_TENANT_ID", "B2C_1_a"],
        );
        refused(
            &[("AZURE_TENANT_ID", TENANT), ("CLIENT_ID", "other")],
            &["IDENTITY_CLIENT_ID", "CLIENT_ID", "client-id", "other"],
        );
        refused(
            &[("AZURE_TENANT_ID", TENANT), ("CLIENT_SECRET", "hush-1"), ("AZURE_CLIENT_SECRET", "hush-2")],
            &["AZURE_CLIENT_SECRET", "CLIENT_SECRET"],
        );
    }

    #[test]
    fn what_azure_puts_into_a_container_for_another_application_is_not_ours() {
        let config =
            with(&[("AZURE_CLIENT_ID", "workload-identity"), ("AZURE_TENANT_ID", TENANT), ("AZURE_CLIENT_SECRET", "theirs")]);
        assert_eq!(config, self::config(BASIC));
    }

    #[test]
    fn the_section_comes_with_its_defaults() {
        let section = [
            ("AzureAd__TenantId", TENANT),
            ("AzureAd__ClientId", "a"),
            ("AzureAd__ClientCredentials__0__SourceType", "ClientSecret"),
            ("AzureAd__ClientCredentials__0__ClientSecret", "s"),
        ];
        let valid = config(&section).build().unwrap();
        assert_eq!(valid.redirect_uri().as_str(), "http://localhost:3000/signin-oidc");
        let moved = config(&[&section[..], &[("IDENTITY_REDIRECT_URI", "http://localhost:3000/cb")]].concat());
        assert_eq!(moved.build().unwrap().paths().callback, "/cb");
        let both = config(
            &[&section[..], &[("AzureAd__CallbackPath", "/other"), ("IDENTITY_REDIRECT_URI", "http://localhost:3000/cb")]]
                .concat(),
        );
        assert!(both.build().unwrap_err().to_string().contains("contradicts"));
    }

    /// Every member of the section, from variables as .NET writes them, and in capitals.
    #[test]
    fn variables_and_the_section_say_the_same() {
        let members = [
            ("Instance", "https://contoso.b2clogin.com/"),
            ("Domain", "contoso.onmicrosoft.com"),
            ("ClientId", "client-id"),
            ("ClientSecret", "hush-hush"),
            ("CallbackPath", "/cb"),
            ("SignedOutCallbackPath", "/bye"),
            ("SignUpSignInPolicyId", "B2C_1_susi"),
            ("ResetPasswordPolicyId", "B2C_1_reset"),
            ("EditProfilePolicyId", "B2C_1_edit"),
        ];
        let section: serde_json::Map<String, serde_json::Value> =
            members.iter().map(|(name, value)| ((*name).to_owned(), (*value).into())).collect();
        let section: IdentityConfig = serde_json::from_value(section.into()).unwrap();
        let section = section.with_base_url("http://localhost:3000").unwrap();
        for in_capitals in [false, true] {
            let named =
                |name: &str| if in_capitals { format!("AZUREAD__{}", name.to_uppercase()) } else { format!("AzureAd__{name}") };
            let variables: Vec<(String, &str)> = members.iter().map(|(name, value)| (named(name), *value)).collect();
            let pairs: Vec<(&str, &str)> = variables.iter().map(|(name, value)| (name.as_str(), *value)).collect();
            assert_eq!(config(&pairs), section, "{pairs:?}");
        }
        refused(&[("AzureAd__TenantId", TENANT), ("AZUREAD__TENANTID", OTHER)], &["AzureAd__TenantId", "AZUREAD__TENANTID"]);
    }
}
