//! Sessions of the browser: a sealed ticket in the cookie, sealed records in a store, sealed
//! attempts while somebody is signing in.
//!
//! - The cookie is a **ticket**: record id, key and the moment it was last rolled. Without it the
//!   store opens nothing; without the store it is nobody.
//! - The **session record** is created once and never saved again. It exists = somebody is signed
//!   in.
//! - The **grant record** beside it holds what tokens need; its id is derived, it is written by
//!   flights only, and it never outlives the session.
//! - An **attempt** is a cookie in one of eight slots; nothing is kept on this side for somebody
//!   who only looks at the sign-in page.
//!
//! Whatever does not open is "signed out": never an error, never a panic.

mod attempts;
mod caches;
mod cookies;
mod ended;
#[cfg(any(test, fuzzing))]
mod fuzzing;
mod grants;
mod into_store;
mod local;
mod record;
mod records;
mod request_cookies;
mod seal;
mod session_cache;
mod sessions;
mod siblings;
mod step_up;
mod store;
mod ticket;
mod value;
mod values;

pub use caches::StoredCaches;
pub use ended::SessionEndCause;
#[cfg(any(test, fuzzing))]
pub(crate) use fuzzing::PARSERS;
pub use into_store::IntoSessionStore;
pub use value::WebSession;
pub(crate) use {
    attempts::{Attempts, Lookup, Slot, State},
    cookies::Cookies,
    ended::EndedSession,
    local::LocalStore,
    records::Records,
    request_cookies::RequestCookies,
    seal::{Context, KeyRing},
    session_cache::Session,
    sessions::{Peek, Roll, Sessions},
    siblings::SiblingKey,
    store::Store,
    value::{SessionValue, StoredLogin},
    values::{LoginInUse, Values},
};
#[cfg(test)]
mod test_support;
#[cfg(test)]
mod tests;
#[cfg(test)]
pub(crate) use sessions::Created;
