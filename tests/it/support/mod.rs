//! What the tests are made with: an application with the layer, browsers, nodes, stores and
//! providers.

pub mod app;
#[allow(dead_code, reason = "a browser can do more than today's tests ask for")]
pub mod browser;
pub mod captured_log;
pub mod certified_app;
pub mod entra_app;
pub mod example;
pub mod node;
pub mod raw;
pub mod stores;
