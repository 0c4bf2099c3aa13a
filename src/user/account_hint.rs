//! Which account of the provider a person signed in with.

use super::{User, claims::PERSONAL};
use crate::sign_in::AccountHint;

impl User {
    /// `None` where people have no home tenant: outside of Microsoft's authorities.
    pub(crate) fn account_hint(&self) -> Option<AccountHint> {
        let is_personal = self.home_tenant()? == PERSONAL;
        let told = self.claim("login_hint").and_then(|hint| hint.as_str());
        let login = told.or_else(|| self.username()).map(str::to_owned);
        Some(AccountHint { login, is_personal })
    }
}
