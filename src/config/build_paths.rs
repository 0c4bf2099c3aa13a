//! The paths of the layer and the public paths, with their checks for [`IdentityConfig::build`].

use super::{
    AccessRules, IdentityConfig, PathPrefix, Paths, access::PathRule, address::Site, path,
};
use crate::error::ConfigError;

impl IdentityConfig {
    /// Checks that the base URL does not end in a path of the layer: a redirect URI pasted as base
    /// URL would put the callback below itself.
    pub(super) fn check_base_url(&self, site: &Site) -> Result<(), ConfigError> {
        let own = [
            ("callback", site.callback_path.as_str()),
            ("sign-in", self.sign_in_path.as_str()),
            ("sign-out", self.sign_out_path.as_str()),
            ("signed-out", self.signed_out_path.as_str()),
        ];
        let ends = |path: &str| path.len() > 1 && site.prefix.strip_suffix(path).is_some();
        match own.into_iter().find(|(_, path)| ends(path)) {
            Some((purpose, path)) => {
                let base = site.base_url();
                let intended = base.strip_suffix(path).unwrap_or(&base).to_owned();
                Err(ConfigError::new(
                    "base_url",
                    format!(
                        "{base:?} ends in the {purpose} path {path:?}, which is appended to it: \
                         set the URL at which browsers reach the application, {intended:?} \
                         (`with_base_url`, IDENTITY_BASE_URL), and the redirect URI, if it is not \
                         that URL followed by {:?}, by `with_redirect_uri` (IDENTITY_REDIRECT_URI)",
                        site.callback_path
                    ),
                ))
            }
            None => Ok(()),
        }
    }

    /// The paths of the layer, in the form in which requests have them.
    pub(super) fn own_paths(&self, site: &Site) -> Result<Paths, ConfigError> {
        let at = |path: &str| format!("{}{path}", self.request_prefix(site));
        let (edit_profile, reset_password) = self.policy_paths()?;
        let paths = Paths::new(
            [
                at(&self.sign_in_path),
                at(&site.callback_path),
                at(&self.sign_out_path),
                at(&self.signed_out_path),
            ],
            [
                edit_profile.map(at),
                reset_password.map(at),
                self.user_path.path.as_deref().map(at),
                self.kept_form_path.as_deref().map(at),
            ],
        );
        for (index, (setting, own)) in paths.iter().enumerate() {
            if !path::is_plain(own) {
                return Err(ConfigError::new(
                    setting,
                    format!(
                        "{own:?} has to be a plain path such as /auth/login: it begins with a \
                         slash, does not end with one, and has no query or special characters"
                    ),
                ));
            }
            // Requests are matched by the path alone, so one of the two would never be reached.
            if let Some((other, _)) = paths.iter().take(index).find(|(_, other)| *other == own) {
                return Err(ConfigError::new(
                    setting,
                    format!("{own:?} is also the {other}: each needs a path of its own"),
                ));
            }
        }
        Ok(paths)
    }

    /// The paths that edit a profile and reset a password, each only if the authority has the B2C
    /// policy for it.
    fn policy_paths(&self) -> Result<(Option<&str>, Option<&str>), ConfigError> {
        let policies = self.authority.b2c_policies().map(|(policies, _)| policies);
        let has_edit_profile = policies.is_some_and(|all| all.edit_profile.is_some());
        let has_reset_password = policies.is_some_and(|all| all.reset_password.is_some());
        Ok((
            policy_path(
                "edit_profile_path",
                self.edit_profile_path.as_deref(),
                "/auth/edit-profile",
                has_edit_profile,
            )?,
            policy_path(
                "reset_password_path",
                self.reset_password_path.as_deref(),
                "/auth/reset-password",
                has_reset_password,
            )?,
        ))
    }

    /// The public paths, in the form in which requests have them.
    pub(super) fn public_paths(
        &self,
        site: &Site,
        own: &Paths,
    ) -> Result<AccessRules, ConfigError> {
        let mut rules = self.paths.clone();
        // A protected page would send people to itself.
        if let Some(page) = &self.sign_in_page {
            path::rule("sign_in_page", "", page)?;
            rules.public.push(PathRule::Exact(page.clone()));
        }
        let public_paths = AccessRules::new(self.request_prefix(site), &rules)?;
        for (setting, path) in own.iter() {
            // The layer answers its own paths first, so such a rule would have no effect there.
            if let Some(rule) = public_paths.matching_rule(path) {
                return Err(ConfigError::new(
                    "public_paths",
                    format!(
                        "{rule:?} covers the {setting} {path:?}, where the layer answers: choose \
                         another path for one of them"
                    ),
                ));
            }
        }
        Ok(public_paths)
    }

    /// The prefix that requests have before the configured paths.
    pub(super) fn request_prefix<'s>(&self, site: &'s Site) -> &'s str {
        match self.path_prefix {
            PathPrefix::Stripped => "",
            PathPrefix::Kept => &site.prefix,
        }
    }
}

/// The path of a B2C policy, if the authority has that policy.
fn policy_path<'p>(
    setting: &'static str,
    path: Option<&'p str>,
    default: &'p str,
    has_policy: bool,
) -> Result<Option<&'p str>, ConfigError> {
    match path {
        Some(path) if !has_policy => Err(ConfigError::new(
            setting,
            format!("{path:?} has no effect: the authority has no B2C policy for it"),
        )),
        _ => Ok(has_policy.then(|| path.unwrap_or(default))),
    }
}
