//! Findings about the configuration in its environment: settings that are likely, but not
//! certainly, a mistake where the process runs.

use std::ffi::OsString;

use super::{Finding, IdentityConfig, SignInMethod, address::Site};

/// Reads an environment variable. It is a function so that tests do not change their process.
pub(super) type Environment<'a> = &'a dyn Fn(&str) -> Option<OsString>;

/// Variables that hosting platforms set, with the name of the platform.
const PLATFORMS: &[(&str, &str)] = &[
    ("WEBSITE_HOSTNAME", "Azure App Service"),
    ("CONTAINER_APP_HOSTNAME", "Azure Container Apps"),
    ("KUBERNETES_SERVICE_HOST", "Kubernetes"),
    ("K_SERVICE", "Cloud Run"),
    ("FLY_APP_NAME", "Fly.io"),
    ("RENDER_EXTERNAL_URL", "Render"),
    ("RAILWAY_PUBLIC_DOMAIN", "Railway"),
    ("DYNO", "Heroku"),
    ("VERCEL_URL", "Vercel"),
    ("ECS_CONTAINER_METADATA_URI_V4", "Amazon ECS"),
];

impl IdentityConfig {
    /// The findings of [`build`](Self::build): notices, and settings that are suspicious here.
    pub(super) fn surroundings(&self, site: &Site, environment: Environment<'_>) -> Vec<Finding> {
        let get = |name: &str| {
            environment(name)
                .and_then(|value| value.into_string().ok())
                .filter(|value| !value.is_empty())
        };
        let mut found: Vec<Finding> = self.notices.clone();
        let mut add = |code, text: String| found.push(Finding::warning(code, text));
        let callback = site.url(&site.callback_path);
        // App Service intercepts `/.auth/` before the application only if its authentication is on.
        if callback.path().starts_with("/.auth/")
            && get("WEBSITE_AUTH_ENABLED")
                .is_some_and(|value| value.eq_ignore_ascii_case("true") || value == "1")
        {
            add(
                "redirect_uri_taken_by_platform",
                format!(
                    "The redirect URI {callback} is below /.auth/, where the built-in \
                     authentication of Azure App Service answers (WEBSITE_AUTH_ENABLED is set): \
                     choose another callback path (`with_callback_path`, IDENTITY_CALLBACK_PATH; \
                     IDENTITY_REDIRECT_URI), or switch the built-in authentication off."
                ),
            );
        }
        let platform = PLATFORMS.iter().find(|(variable, _)| get(variable).is_some());
        // A warning, because an application on the platform can also be behind a port forward.
        if let Some((variable, platform)) = platform
            && self.sign_in_method == SignInMethod::Redirect
            && !self.without_pages
            && crate::authority::is_loopback(&callback)
        {
            add(
                "base_url_of_this_machine",
                format!(
                    "The redirect URI is {callback}, on this machine, but the application seems \
                     to run on {platform} ({variable} is set): set the URL at which browsers \
                     reach it (`with_base_url`, IDENTITY_BASE_URL)."
                ),
            );
        }
        found.extend(self.two_resources());
        found.extend(self.http_finding());
        found
    }

    /// A warning about scopes of different resources, which one access token of Microsoft cannot
    /// have together.
    fn two_resources(&self) -> Option<Finding> {
        let mut scopes = self.api_scopes();
        let first = scopes.next()?;
        let other = scopes.find(|scope| resource_of_scope(scope) != resource_of_scope(first))?;
        let text = format!(
            "The scopes {first:?} and {other:?} are for different APIs, and a token of {} is for \
             one API: the sign-in requests consent to both and gets a token for the first. Get the \
             other with `Tokens::for_user`, in a call of its own (`with_scopes`, IDENTITY_SCOPE).",
            self.authority
        );
        Some(Finding::warning("scopes_of_two_resources", text))
    }

    /// The scopes for APIs if the provider is Microsoft's; none for other providers, whose scopes
    /// do not name a resource.
    pub(super) fn api_scopes(&self) -> impl Iterator<Item = &str> {
        let scopes = self.authority.is_microsoft().then_some(&self.sign_in.scopes);
        scopes.into_iter().flatten().map(String::as_str).filter(|scope| !is_openid_scope(scope))
    }
}

/// Whether a scope is one of OpenID Connect Core (sections 5.4 and 11). These belong to no
/// resource.
pub(crate) fn is_openid_scope(scope: &str) -> bool {
    matches!(scope, "openid" | "profile" | "email" | "offline_access" | "address" | "phone")
}

/// The resource of a Microsoft scope: `https://api.example` of `https://api.example/read`. A scope
/// without a resource is one of Microsoft Graph.
pub(crate) fn resource_of_scope(scope: &str) -> &str {
    match scope.rsplit_once('/') {
        Some((resource, _)) => resource.trim_end_matches('/'),
        None => "https://graph.microsoft.com",
    }
}
