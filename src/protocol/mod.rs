//! OpenID Connect and OAuth 2.0 as a relying party speaks them. Functions build requests and read answers; only [`provider`] sends, through the [`HttpClient`] of [`http`].

mod authorize;
mod callback;
mod client_auth;
mod error_answer;
mod http;
mod id_token;
mod json;
mod jwks;
mod jwt;
mod logout;
mod metadata;
mod token;
mod user_info;

pub use self::http::{HttpClient, HttpError, HttpFuture, ReqwestClient};
