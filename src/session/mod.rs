//! Browser sessions: a sealed ticket in the cookie, sealed records in a store, and sealed attempts
//! while a sign-in is under way.
//!
//! - The session cookie is a **ticket**: record id, key, and the time when it was last rolled. It
//!   carries half of the record's key, so neither the cookie nor a dump of the store is enough to
//!   open a record.
//! - The **session record** is created once and never saved again. A person is signed in exactly as
//!   long as it exists.
//! - The **grant record** holds the tokens. Its id is derived from the session's, only a single
//!   flight writes it after the sign-in, and it never outlives the session.
//! - An **attempt** is a cookie in one of eight slots. A request for the sign-in page stores
//!   nothing on the server.
//!
//! A cookie or record that does not open means "signed out"; it is never an error.

mod attempts;
mod caches;
mod cookies;
mod ended;
#[cfg(any(test, fuzzing))]
mod fuzzing;
mod grants;
mod into_store;
mod kept_form;
mod local;
mod memory_caches;
mod record;
mod records;
mod request_cookies;
mod session_cache;
mod sessions;
mod siblings;
mod step_up;
mod store;
mod ticket;
mod value;
mod values;
mod weight;

pub use caches::StoredCaches;
pub use ended::SessionEndCause;
#[cfg(any(test, fuzzing))]
pub(crate) use fuzzing::PARSERS;
pub use into_store::IntoSessionStore;
pub use value::WebSession;
pub(crate) use {
    attempts::{AttemptLookup, Attempts, Slot, State},
    cookies::Cookies,
    ended::EndedSession,
    local::LocalStore,
    records::Records,
    request_cookies::RequestCookies,
    session_cache::Session,
    sessions::{PeekOutcome, Roll, Sessions},
    siblings::SiblingKey,
    store::Store,
    value::{SessionValue, StoredLogin},
    values::{LoginInUse, Values},
};
#[cfg(test)]
mod lifetime_tests;
#[cfg(test)]
mod store_tests;
#[cfg(test)]
mod test_support;
#[cfg(test)]
mod tests;
#[cfg(test)]
pub(crate) use sessions::CreatedSession;
