//! The verdict of an API on access tokens in the form of Entra: one row for each caller, audience,
//! issuer, version and kind of token.

use std::time::Duration;

use serde_json::json;
use tower_identity::{
    api::CallerKind,
    dev::{DevAccessToken, DevTenant},
};

use crate::api_verdicts::{API, API_ID, Api, Outcome};

/// A row of the table: description, token, verdict.
type Row = (&'static str, DevAccessToken, Result<CallerKind, (u16, &'static str)>);

fn rows() -> Vec<Row> {
    use CallerKind as K;
    let person = || DevAccessToken::person("ada", API).with_scopes("Notes.Read");
    let daemon = || DevAccessToken::application(API).with_roles(["Notes.Read.All"]);
    let kind = |reason| Err((401, reason));
    vec![
        // The six callers, and the claims that distinguish them.
        ("a person", person(), Ok(K::Person)),
        ("a person, with `idtyp`", person().with_claim("idtyp", "user"), Ok(K::Person)),
        (
            "a person through an agent",
            DevAccessToken::person_through_agent("ada", API).with_scopes("Notes.Read"),
            Ok(K::PersonThroughAgent),
        ),
        (
            "an agent's user account",
            DevAccessToken::agent_user("alan", API).with_scopes("Notes.Read"),
            Ok(K::AgentUser),
        ),
        ("an agent", DevAccessToken::agent(API).with_roles(["Notes.Read.All"]), Ok(K::Agent)),
        ("an application", daemon(), Ok(K::Application)),
        ("an application without `idtyp`", daemon().without_claim("idtyp"), Ok(K::Application)),
        (
            "a managed identity",
            DevAccessToken::managed_identity(API).with_roles(["Notes.Read.All"]),
            Ok(K::ManagedIdentity),
        ),
        (
            "facets in any order, with others that nobody knows",
            person().with_claim("xms_act_fct", "3 11 99").with_claim("xms_sub_fct", "99 13"),
            Ok(K::AgentUser),
        ),
        ("facets that nobody knows", person().with_claim("xms_act_fct", "9"), Ok(K::Person)),
        ("the blueprint alone", person().with_claim("xms_par_app_azp", API_ID), Ok(K::Person)),
        // Audiences.
        ("the URI as the audience", person().with_claim("aud", API), Ok(K::Person)),
        ("the URI with a slash", person().with_claim("aud", "api://notes/"), Ok(K::Person)),
        (
            "the URI by client id",
            person().with_claim("aud", format!("api://{API_ID}")),
            Ok(K::Person),
        ),
        ("version 1 with the GUID", person().version_1().with_claim("aud", API_ID), Ok(K::Person)),
        (
            "the URI in other letters",
            person().with_claim("aud", "api://Notes"),
            kind("token_audience"),
        ),
        ("a longer URI", person().with_claim("aud", "api://notes.evil"), kind("token_audience")),
        (
            "Graph's audience",
            person().with_claim("aud", "https://graph.microsoft.com"),
            kind("token_audience"),
        ),
        ("an empty audience", person().with_claim("aud", ""), kind("token_audience")),
        (
            "two audiences, one a number",
            person().with_claim("aud", json!([API_ID, 1])),
            kind("token_audience"),
        ),
        // Tenants and issuers.
        (
            "a guest",
            DevAccessToken::person("katherine", API)
                .with_tenant(DevTenant::CONTOSO)
                .with_scopes("Notes.Read"),
            Ok(K::Person),
        ),
        (
            "another tenant",
            DevAccessToken::person("dorothy", API).with_scopes("Notes.Read"),
            kind("token_issuer"),
        ),
        (
            "another tenant's application",
            daemon().with_tenant(DevTenant::FABRIKAM),
            kind("token_issuer"),
        ),
        ("no tenant", person().without_claim("tid"), kind("token_key_issuer")),
        (
            "a tenant by its domain",
            person().with_claim("tid", "contoso.onmicrosoft.com"),
            kind("token_key_issuer"),
        ),
        (
            "the issuer's template",
            person().with_claim("iss", "http://127.0.0.1/{tenantid}/v2.0"),
            kind("token_key_issuer"),
        ),
        // Rights: scopes count for people, roles for applications, never crosswise.
        ("several scopes", person().with_scopes("User.Read Notes.Read Mail"), Ok(K::Person)),
        ("another scope", person().with_scopes("Notes.Write"), Err((403, "insufficient_scope"))),
        (
            "a scope that begins so",
            person().with_scopes("Notes.Read.All"),
            Err((403, "insufficient_scope")),
        ),
        (
            "a scope in other letters",
            person().with_scopes("notes.read"),
            Err((403, "insufficient_scope")),
        ),
        (
            "a person with the application's role",
            DevAccessToken::person("ada", API).with_scopes("Other").with_roles(["Notes.Read.All"]),
            Err((403, "insufficient_scope")),
        ),
        (
            "an application with the scope as a role",
            daemon().with_roles(["Notes.Read"]),
            Err((403, "insufficient_scope")),
        ),
        (
            "an application with `scp` of a slash",
            daemon().with_claim("scp", "/"),
            Ok(K::Application),
        ),
        ("an application with an empty `scp`", daemon().with_claim("scp", ""), Ok(K::Application)),
        ("an application with no role", daemon().without_claim("roles"), kind("token_kind")),
        (
            "an application with an empty list of roles",
            daemon().with_claim("roles", json!([])),
            kind("token_kind"),
        ),
        ("a role as text", daemon().with_claim("roles", "Notes.Read.All"), Ok(K::Application)),
        ("a person with no scope", DevAccessToken::person("alan", API), kind("token_kind")),
        (
            "a person with a role alone, who counts as an application with that role",
            person().without_claim("scp"),
            Err((403, "insufficient_scope")),
        ),
        (
            "a scope of a slash for a person",
            person().with_claim("scp", "/").with_claim("roles", json!([])),
            kind("token_kind"),
        ),
        ("scopes of an unknown kind", person().with_claim("scp", true), kind("token_malformed")),
        (
            "a list of scopes with a number",
            person().with_claim("scp", json!(["Notes.Read", 1])),
            kind("token_malformed"),
        ),
        ("an unknown `idtyp`", person().with_claim("idtyp", "thing"), kind("token_malformed")),
        (
            "`idtyp` of a person without scope",
            daemon().with_claim("idtyp", "user"),
            kind("token_kind"),
        ),
        ("`idtyp` as a number", person().with_claim("idtyp", 1), kind("token_malformed")),
        // The client.
        ("no client", person().without_claim("azp"), kind("token_kind")),
        ("an empty client", person().with_claim("azp", ""), kind("token_malformed")),
        ("a client that is a number", person().with_claim("azp", 1), kind("token_malformed")),
        ("two clients", person().with_claim("appid", "another"), kind("token_malformed")),
        ("a client's proof that nobody knows", person().with_claim("azpacr", "7"), Ok(K::Person)),
        // What the sign-in satisfied, and more than a token holds.
        ("authentication contexts", person().with_auth_contexts(["c1", "c2"]), Ok(K::Person)),
        (
            "a client that handles challenges",
            person().with_client_capabilities(["cp1"]),
            Ok(K::Person),
        ),
        (
            "250 groups",
            DevAccessToken::person("grace", API).with_scopes("Notes.Read"),
            Ok(K::Person),
        ),
        (
            "a sign-in of yesterday",
            person().with_sign_in_age(Duration::from_secs(86_400)),
            Ok(K::Person),
        ),
        (
            // It counts as absent, so that it satisfies no `with_max_age`.
            "a time of sign-in that is a list",
            person().with_claim("auth_time", json!([1])),
            Ok(K::Person),
        ),
        ("contexts that are a number", person().with_claim("acrs", 1), kind("token_malformed")),
        // Versions.
        ("version 1", person().version_1(), Ok(K::Person)),
        ("version 1 of an application", daemon().version_1(), Ok(K::Application)),
        (
            "version 1 that says it is 2.0",
            person().version_1().with_claim("ver", "2.0"),
            kind("token_mismatch"),
        ),
        (
            "version 2 that says it is 1.0",
            person().with_claim("ver", "1.0"),
            kind("token_mismatch"),
        ),
        ("no version", person().without_claim("ver"), Ok(K::Person)),
        // Other tokens.
        ("an opaque token", person().opaque(), kind("token_malformed")),
        ("a nonce", person().with_claim("nonce", "n"), kind("token_kind")),
        ("a hash of another token", person().with_claim("at_hash", "h"), kind("token_kind")),
        ("bound to a key", person().with_claim("cnf", json!({ "jkt": "x" })), kind("token_kind")),
        ("`token_use` of an ID token", person().with_claim("token_use", "id"), kind("token_kind")),
    ]
}

#[tokio::test]
async fn entras_tokens_are_taken_for_what_they_are() {
    let api = Api::entra().await;
    let mut wrong = Vec::new();
    for (name, token, expected) in rows() {
        let expected = match expected {
            Ok(kind) => Outcome::Passed(kind.to_string()),
            Err((status, reason)) => Outcome::Refused(status, reason.to_owned()),
        };
        let outcome = api.outcome(&token).await;
        if outcome != expected {
            wrong.push(format!("{name}: {outcome:?} instead of {expected:?}"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}
