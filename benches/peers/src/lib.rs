//! What a signed-in request costs: tower-identity beside bare axum and the crates that would be
//! used otherwise. `benches/run` is the way in.

pub mod api;
pub mod api_peers;
pub mod app;
pub mod browser;
pub mod controls;
pub mod count;
pub mod flood;
pub mod http;
pub mod ours;
pub mod peers;
pub mod person;
pub mod provider;
pub mod storm;
pub mod subject;
pub mod table;
pub mod time;
