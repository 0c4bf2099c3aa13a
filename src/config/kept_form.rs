//! The kept-form path: the page that restores a form posted after its session had ended.

use super::IdentityConfig;

impl IdentityConfig {
    /// Sets the path, relative to the base URL, of the page that restores a form posted after its
    /// session had ended, for example `/auth/form`. By default there is none: the page that asks to
    /// sign in says that nothing was saved, and the form is lost. The variable is
    /// `IDENTITY_KEPT_FORM_PATH`.
    ///
    /// With it, the page that asks to sign in carries the form as sealed text, which the browser's
    /// tab keeps (`sessionStorage`) while its user signs in. Afterwards the page at this path says
    /// which form was not sent, and has a button that sends it. The layer never sends it by itself,
    /// and keeps nothing on the server.
    ///
    /// A form is kept if
    ///
    /// - it is a `POST` of a page of this origin, in the format
    ///   `application/x-www-form-urlencoded`, of at most 64 KiB;
    /// - its path needs a signed-in user by the rules of the layer, and not by a guard of a public
    ///   page;
    /// - the session ended by its idle or absolute timeout, and its record can still be read.
    ///   After a sign-out, or if the provider refused to renew the session, nothing is kept;
    /// - the browser runs the script of the page.
    ///
    /// It is offered for an hour, only to the user whose session ended, and only in the session
    /// that was begun from that page. [The guide](crate::guide::kept_forms) has the points that an
    /// application has to consider.
    ///
    /// ```
    /// use tower_identity::{Authority, ClientCredential, IdentityConfig};
    ///
    /// let config = IdentityConfig::new(Authority::oidc("https://id.example.com")?, "client-id")
    ///     .with_credential(ClientCredential::secret("the client secret of the registration"))
    ///     .with_base_url("https://app.example.com")?
    ///     .with_kept_form_path("/auth/form")
    ///     .build()?;
    /// # Ok::<_, tower_identity::ConfigError>(())
    /// ```
    #[must_use]
    pub fn with_kept_form_path(mut self, path: impl Into<String>) -> Self {
        self.kept_form_path = Some(path.into());
        self
    }
}
