//! What the surroundings of the process say about the configuration: hints of a mistake that is
//! none everywhere.

use std::ffi::OsString;

use super::{Finding, IdentityConfig, Severity, SignInMethod, address::Site};

/// The environment, as a function so that tests need no process of their own.
pub(super) type Environment<'a> = &'a dyn Fn(&str) -> Option<OsString>;

/// Variables that a platform sets where it publishes an application, each with the platform's name.
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
    /// What looks wrong here and may be right.
    pub(super) fn surroundings(&self, site: &Site, environment: Environment<'_>) -> Vec<Finding> {
        let get = |name: &str| {
            environment(name)
                .and_then(|value| value.into_string().ok())
                .filter(|value| !value.is_empty())
        };
        let mut found: Vec<Finding> = self.notices.clone();
        let mut add = |code, text: String| found.push(Finding::new(Severity::Warning, code, text));
        let callback = site.url(&site.callback_path);
        if callback.path().starts_with("/.auth/")
            && get("WEBSITE_AUTH_ENABLED")
                .is_some_and(|value| value.eq_ignore_ascii_case("true") || value == "1")
        {
            add(
                "redirect_uri_taken_by_platform",
                format!(
                    "The redirect address {callback} is below /.auth/, which the built-in sign-in of Azure App Service answers itself \
                     (WEBSITE_AUTH_ENABLED is set): choose another callback path (`with_callback_path`, IDENTITY_CALLBACK_PATH; \
                     IDENTITY_REDIRECT_URI), or switch the built-in sign-in off."
                ),
            );
        }
        let platform = PLATFORMS.iter().find(|(variable, _)| get(variable).is_some());
        if let Some((variable, platform)) = platform
            && self.sign_in_method == SignInMethod::Redirect
            && !self.without_pages
            && crate::authority::is_loopback(&callback)
        {
            add(
                "base_url_of_this_machine",
                format!(
                    "The redirect address is {callback}, on this machine, but the application seems to run on {platform} \
                     ({variable} is set): set the address at which browsers find it (`with_base_url`, IDENTITY_BASE_URL)."
                ),
            );
        }
        if let Some((first, other)) = self.two_resources() {
            add(
                "scopes_of_two_resources",
                format!(
                    "The scopes {first:?} and {other:?} are for different APIs, and a token of {} is for one: the sign-in asks for \
                     consent to both and brings a token for the first. Get the other with `Tokens::for_user`, each API by a call of its \
                     own (`with_scopes`, IDENTITY_SCOPE).",
                    self.authority
                ),
            );
        }
        found.extend(self.http_finding());
        found
    }

    /// The first two scopes that no token of Microsoft's can have together.
    fn two_resources(&self) -> Option<(&str, &str)> {
        let mut scopes = self.api_scopes();
        let first = scopes.next()?;
        Some((first, scopes.find(|scope| resource(scope) != resource(first))?))
    }

    /// The scopes of APIs at a provider of Microsoft's; none elsewhere.
    pub(super) fn api_scopes(&self) -> impl Iterator<Item = &str> {
        let scopes = self.authority.is_microsoft().then_some(&self.sign_in.scopes);
        scopes.into_iter().flatten().map(String::as_str).filter(|scope| !is_openid(scope))
    }
}

fn is_openid(scope: &str) -> bool {
    matches!(scope, "openid" | "profile" | "email" | "offline_access" | "address" | "phone")
}

/// What a scope of Microsoft's is for: `https://api.example/read`, `api://id/read`; without a
/// resource before it, it is Graph's.
pub(super) fn resource(scope: &str) -> &str {
    match scope.rsplit_once('/') {
        Some((resource, _)) => resource.trim_end_matches('/'),
        None => "https://graph.microsoft.com",
    }
}
