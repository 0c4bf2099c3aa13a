//! OpenID Connect and OAuth 2.0 on the side of the relying party.
//!
//! Functions build requests and parse responses without any I/O. [`provider`] and its siblings send
//! them through [`channel`] and the [`HttpClient`] of [`http`]. The files in the order of a
//! sign-in:
//!
//! | step | files |
//! |---|---|
//! | discovery document and key set | [`discovery`], [`metadata`], [`jwks`], [`cache`], [`key_search`] |
//! | authorization request | [`authorize`], [`claims`] |
//! | authorization response | [`callback`] |
//! | token request | [`grant`], [`token`], [`routing`] |
//! | client authentication | [`client_auth`], [`credential`], [`assertion`] |
//! | token response, errors | [`token`], [`error_answer`], [`sent_secrets`], [`client_info`] |
//! | verification of the ID token | [`id_token`], on top of [`jwt`] and [`json`] |
//! | UserInfo, names at a renewal, groups | [`user_info`], [`names`], [`graph`] |
//! | device code | [`device`], [`pace`] |
//! | sign-out | [`logout`] |
//! | access tokens for an API | [`access_token`], [`access_kind`] |
//! | test of a configuration | [`check`] |

mod access_kind;
mod access_token;
mod app_refusal;
mod assertion;
mod assertion_cache;
mod authorize;
mod cache;
mod callback;
mod channel;
mod check;
mod check_api;
mod check_document;
#[cfg(test)]
mod check_document_tests;
mod check_offers;
mod check_requests;
#[cfg(test)]
mod check_requests_tests;
mod check_scopes;
#[cfg(test)]
mod check_tests;
mod claims;
mod client_auth;
mod client_info;
mod correlation;
mod credential;
mod default_scopes;
mod device;
mod discovery;
mod error_answer;
#[cfg(any(test, fuzzing))]
mod fuzzing;
mod grant;
mod graph;
mod http;
mod id_token;
mod introspection;
mod json_or_jwt;
mod jwks;
mod jwt;
mod jwt_claims;
mod key_search;
mod logout;
mod managed_identity;
mod metadata;
mod names;
mod pace;
mod permits;
mod pinned;
mod provider;
mod provider_access;
mod provider_client;
mod provider_groups;
#[cfg(test)]
mod provider_groups_tests;
mod provider_verify;
mod routing;
mod sent_secrets;
mod session_rules;
#[cfg(test)]
pub(crate) mod test_support;
mod tls_fault;
mod token;
mod user_info;

use crate::json;

#[cfg(test)]
pub(crate) use self::authorize::code_challenge;
#[cfg(any(test, fuzzing))]
pub(crate) use self::fuzzing::PARSERS;
pub use self::{
    access_kind::{CallerKind, ClientProof},
    check::CheckReport,
    http::{HttpClient, HttpError, HttpFuture, ReqwestClient},
};
pub(crate) use self::{
    access_token::{AccessFacts, VerifiedAccessToken},
    assertion::{unverified_beginning, unverified_end},
    authorize::{RequestBinding, check_verifier},
    callback::{AuthorizationCode, CallbackParameters},
    claims::claims_of,
    client_info::ClientInfo,
    default_scopes::{CONSENT_REQUIRED, DEFAULT_SCOPES_REFUSED},
    device::DeviceAnswer,
    error_answer::{
        asks_for_consent, asks_to_begin_again, interaction_suberror, refuses_languages, retry_after,
    },
    grant::{Grant, TokenParams, first_resource_scopes},
    graph::is_overage,
    http::is_compressed,
    id_token::{IdTokenExpectation, Nonce, Person, VerifiedIdToken, claims_of_stored},
    introspection::MEMORY as INTROSPECTION_MEMORY,
    logout::EndSession,
    managed_identity::token as managed_identity_token,
    metadata::Metadata,
    names::{ClaimsOfPerson, with_names_of},
    pace::Pace,
    permits::Permit,
    provider::Provider,
    provider_verify::SignedClaims,
    session_rules::PastSignIn,
    token::TokenAnswer,
};
