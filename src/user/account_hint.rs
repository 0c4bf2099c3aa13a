//! [`AccountHint`]: the provider's account that a person signed in with, for the next sign-in.

use super::{User, claims::PERSONAL};
use crate::sign_in::AccountHint;

impl User {
    /// The account at Entra ID: the optional claim `login_hint`, otherwise the user name. `None` at
    /// other authorities.
    pub(crate) fn account_hint(&self) -> Option<AccountHint> {
        let is_personal = self.home_tenant()? == PERSONAL;
        let hint = self.claim("login_hint").and_then(|hint| hint.as_str());
        let login = hint.or_else(|| self.username()).map(str::to_owned);
        Some(AccountHint { login, is_personal })
    }
}
