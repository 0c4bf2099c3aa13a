//! Two verifiers for every access token that the development provider can spoil: this crate's layer
//! and npm's `express-oauth2-jwt-bearer`. If their verdicts differ, a table says which is right,
//! and why. `tests/run verifier` installs the other verifier.

use std::{
    io::{BufRead as _, BufReader, Write as _},
    path::Path,
    process::{Command, Stdio},
};

use serde_json::json;
use tower_identity::dev::{DevAccessToken, SpoilAccessToken as S};

use crate::{
    api_verdicts::{API, Api},
    process::EndedChild,
};

/// The spoilt part, the verdict of this crate, and the reason for the opposite verdict of the
/// other.
const DIFFERENCES: &[(S, bool, &str)] = &[
    (
        S::NotBeforeSoon,
        true,
        "either: RFC 7519 section 4.1.5 allows some leeway: 5 seconds there, a minute here",
    ),
    (
        S::IssuedAtFuture,
        false,
        "either: RFC 7519 section 4.1.6 has no rule; what is of the future was not issued yet",
    ),
    (S::RolesNumber, false, "either: the other one reads no roles, so that a guard has to"),
    (
        S::BoundToCertificate,
        false,
        "this crate: RFC 8705 section 3, the API MUST compare the certificate, and has none",
    ),
    (
        S::BoundNull,
        false,
        "this crate: RFC 7800 section 3.1, `cnf` is an object; null is not absence",
    ),
    (S::Padded, false, "this crate: RFC 7515 section 2, base64url without padding"),
    (S::Oversized, false, "either: no specification says how long a token may be"),
];

/// The process of the other verifier, which ends when its standard input is closed.
struct Verifier {
    process: EndedChild,
    lines: std::io::Lines<BufReader<std::process::ChildStdout>>,
}

impl Verifier {
    fn start(api: &Api) -> Self {
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/verifier/verifier.mjs");
        let issuer = api.provider.issuer();
        let settings = json!({
            "issuer": issuer, "jwksUri": format!("{issuer}/keys"), "audience": API,
            "scopes": "Notes.Read",
        });
        let mut process = Command::new("node")
            .arg(script)
            .arg(settings.to_string())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("Node.js is missing: run `tests/run verifier`, which installs it");
        let lines = BufReader::new(process.stdout.take().unwrap()).lines();
        Self { process: EndedChild(process), lines }
    }

    /// The verdict: `accepted`, or `refused` with status and message.
    fn says(&mut self, token: &str) -> String {
        writeln!(self.process.0.stdin.as_mut().unwrap(), "{token}").unwrap();
        let line = self.lines.next().and_then(Result::ok);
        line.expect("the verifier ended: run `tests/run verifier`, which installs it")
    }
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "tests/run verifier installs what it needs"]
async fn the_other_verifier_agrees_but_for_differences_that_have_a_reason() {
    let api = Api::generic(Vec::new()).await;
    let mut verifier = Verifier::start(&api);
    let good = DevAccessToken::person("ada", API).with_scopes("Notes.Read");
    let token = api.provider.issue_access_token(&good).unwrap();
    assert!(api.ask(token.expose()).await.0.passed());
    assert_eq!(verifier.says(token.expose()), "accepted");
    let mut wrong = Vec::new();
    for spoil in S::ALL {
        let token = good.clone().spoilt(*spoil);
        let token = api.provider.issue_access_token(&token).unwrap();
        let (ours, _) = api.ask(token.expose()).await;
        let theirs = verifier.says(token.expose());
        let differs = ours.passed() != (theirs == "accepted");
        let listed = DIFFERENCES.iter().find(|row| row.0 == *spoil);
        if differs != listed.is_some() || listed.is_some_and(|row| row.1 != ours.passed()) {
            wrong.push(format!("{spoil:?}: {ours:?}; the other: {theirs}"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}
