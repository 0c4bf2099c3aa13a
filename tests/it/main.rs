//! Integration tests: an application with the layer, a provider on loopback, and a client that
//! behaves like a browser.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::must_use_candidate,
    unreachable_pub,
    missing_docs,
    missing_debug_implementations
)]

mod access;
mod all_devices;
mod answers;
mod api;
mod api_verdict_rows;
mod api_verdicts;
mod app_tokens;
mod assertions;
mod b2c;
mod caching;
mod callback;
mod capabilities;
mod certified;
mod challenged;
mod check;
mod client_certified;
mod client_dev;
mod compile_errors;
mod consent;
mod cookies;
mod cross_site;
mod default_scopes;
mod deployments;
mod desktop;
mod dev_addresses;
mod dev_grants;
mod dev_on_behalf_of;
mod device;
mod device_refused;
mod device_sessions;
mod end_of_process;
mod entra_attacks;
mod entra_client;
mod entra_graph;
mod entra_pages;
mod entra_sign_in;
mod entra_token;
mod errors;
mod events;
mod examples;
mod examples_quickstart;
mod first_contact;
mod flood;
mod foreign_clients;
mod foreign_verifier;
mod form_post;
mod forms;
mod granted;
mod guards;
mod handlers;
mod headers;
mod kept_forms;
mod languages;
mod layer;
mod long_running;
mod loops;
mod mcp;
mod methods;
mod metrics;
mod mistakes;
mod msal;
mod nodes;
mod observability;
mod odd_answers;
mod odd_providers;
mod outages;
mod outgoing;
mod overage;
mod own_errors;
mod process;
mod providers;
mod redis;
mod renewal;
mod repeated;
mod return_paths;
mod sessions;
mod sign_in;
mod sign_in_page;
mod sign_out;
mod sign_out_events;
mod spoilt;
mod step_up;
mod steps;
mod store;
mod storm;
mod support;
mod tabs;
mod tower_sessions;
mod user;
mod user_info;
mod user_path;
mod walks;
mod web_auth;
mod web_auth_device;
mod web_auth_repeated;

use support::{app, browser, captured_log, certified_app, entra_app, example, node, raw, stores};
