//! The long-form guide: pages to read from top to bottom, with examples that are compiled.
//!
//! - [`providers`]: what to register at a provider, and which settings it needs beyond the
//!   defaults.

#[doc = include_str!("providers.md")]
pub mod providers {}
