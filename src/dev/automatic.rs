//! Browsers whose pages are answered automatically, each as a person of its own.

use super::{person::DevPerson, provider::DevProvider, state::unguessable};
use crate::error::ConfigError;

/// The person whom a test signs in: the id of a user of the provider, or a [`DevPerson`].
///
/// A [`DevPerson`] is added to the provider, in place of a user with the same id.
pub trait IntoDevPerson {
    /// The id of the person, who exists at the provider from now on.
    ///
    /// # Errors
    ///
    /// There is no user with this id.
    fn into_id(self, provider: &DevProvider) -> Result<String, ConfigError>;
}

impl IntoDevPerson for &str {
    fn into_id(self, provider: &DevProvider) -> Result<String, ConfigError> {
        let state = provider.server.state();
        if state.person(self).is_some() {
            return Ok(self.to_owned());
        }
        let known = state.people.iter().map(|person| person.id.as_str()).collect::<Vec<_>>();
        Err(ConfigError::new(
            "person",
            format!("there is no person with the id {self:?}, only {}", known.join(", ")),
        ))
    }
}

impl IntoDevPerson for &String {
    fn into_id(self, provider: &DevProvider) -> Result<String, ConfigError> {
        self.as_str().into_id(provider)
    }
}

impl IntoDevPerson for DevPerson {
    fn into_id(self, provider: &DevProvider) -> Result<String, ConfigError> {
        let id = self.id.clone();
        provider.add_person(self);
        Ok(id)
    }
}

impl DevProvider {
    /// The cookie (`name=value`) of a new browser in which every page is answered at once, as this
    /// person. Other browsers are as before.
    pub(crate) fn automatic_browser(
        &self,
        person: impl IntoDevPerson,
    ) -> Result<String, ConfigError> {
        let person = person.into_id(self)?;
        let browser =
            unguessable().map_err(|error| ConfigError::new("person", error.to_string()))?;
        let cookie = format!("{}={browser}", self.server.cookie_name());
        // Only this browser answers by itself: two tests with two users can share one provider.
        self.server.state().automatic.put(browser, person);
        Ok(cookie)
    }

    /// Declines the next consent that would be given automatically, as a person who cancels on the
    /// consent page. Called twice, it declines the next two.
    ///
    /// The application receives the error `access_denied`; in Entra with AADSTS65004.
    pub fn refuse_next_consent(&self) {
        self.server.state().refused_consents += 1;
    }
}
