//! Two verifiers over every ID token that the development provider can spoil: this crate's and that
//! of `openidconnect`. Where they differ, the table says which is right, and by which paragraph.

use tower_identity::{
    Authority, ClientCredential, IdentityConfig, SignInOptions,
    client::Client,
    dev::{DevProvider, Spoil},
};

use crate::openid_connect::{REDIRECT, SCOPES, answer, sign_in};

#[derive(Clone, Copy, Debug, PartialEq)]
enum Judgement {
    Accepted,
    Refused,
}
use Judgement::{Accepted, Refused};

/// What was spoilt, what this crate says, what `openidconnect` says, and what the specifications
/// say.
const DIFFERENCES: &[(Spoil, Judgement, Judgement, &str)] = &[
    (
        Spoil::AuthorizedPartyOther,
        Refused,
        Accepted,
        "either: Core section 3.1.3.7 point 5 says SHOULD",
    ),
    (
        Spoil::SubjectEmpty,
        Refused,
        Accepted,
        "either: Core section 2 has no shortest `sub`, but an empty one names nobody",
    ),
    (
        Spoil::SubjectTooLong,
        Refused,
        Accepted,
        "either: Core section 2 binds the provider to 255 characters, not the client",
    ),
    (
        Spoil::ExpiryHuge,
        Accepted,
        Refused,
        "either: RFC 7519 section 2 takes any number, which a date need not hold",
    ),
    (
        Spoil::NotBeforeFuture,
        Refused,
        Accepted,
        "this crate: RFC 7519 section 4.1.5, MUST NOT be accepted",
    ),
    (
        Spoil::NotBeforeString,
        Refused,
        Accepted,
        "this crate: RFC 7519 section 4.1.5, MUST be a number",
    ),
    (
        Spoil::IssuedAtFuture,
        Refused,
        Accepted,
        "either: Core section 3.1.3.7 point 10 leaves it to the client",
    ),
    (
        Spoil::AuthTimeString,
        Accepted,
        Refused,
        "either: Core section 2 binds the provider; nobody asked for the time",
    ),
    (
        Spoil::AccessTokenHashNumber,
        Accepted,
        Refused,
        "either: Core section 3.1.3.6 leaves `at_hash` out of the code flow, and a number proves \
         nothing",
    ),
    (
        Spoil::Oversized,
        Refused,
        Accepted,
        "either: no specification has a limit, and each client needs one",
    ),
];

async fn ours(provider: &DevProvider) -> Result<(), String> {
    let authority = Authority::oidc(provider.issuer()).unwrap();
    let credential = ClientCredential::secret(provider.client_secret());
    let client = Client::new(
        IdentityConfig::new(authority, provider.client_id()).with_credential(credential),
    )
    .unwrap();
    let options = SignInOptions::new().with_scopes(SCOPES);
    let flow = client.initiate(REDIRECT, &options).await.unwrap();
    let back = answer(flow.url()).await;
    client.complete(&flow, back.query().unwrap()).await.map(drop).map_err(|error| error.to_string())
}

async fn theirs(provider: &DevProvider) -> Result<(), String> {
    let secret = provider.client_secret();
    sign_in(provider, provider.client_id(), Some(secret.expose())).await.map(drop)
}

#[tokio::test]
async fn two_verifiers_agree_but_for_the_table() {
    let provider = DevProvider::start().await.unwrap();
    provider.sign_in_as("ada").unwrap();
    ours(&provider).await.unwrap();
    theirs(&provider).await.unwrap();
    let mut wrong = Vec::new();
    for spoil in Spoil::ALL {
        provider.spoil_next_id_token(*spoil);
        let ours = ours(&provider).await;
        provider.spoil_next_id_token(*spoil);
        let theirs = theirs(&provider).await;
        let judgement =
            |outcome: &Result<(), String>| if outcome.is_ok() { Accepted } else { Refused };
        let seen = (judgement(&ours), judgement(&theirs));
        let listed = DIFFERENCES
            .iter()
            .find(|(listed, ..)| listed == spoil)
            .map(|(_, ours, theirs, _)| (*ours, *theirs));
        let expected = listed.map_or(seen.0 == seen.1, |listed| listed == seen);
        if !expected {
            wrong.push(format!(
                "{spoil:?} ({:?}):\n  this crate   {ours:?}\n  openidconnect {theirs:?}",
                spoil.verdict()
            ));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}
