//! What clients read in the responses of an API: the parameters of challenges, the provider that
//! its metadata names, and whether a refusal is about their token.

use http_auth::parser::ChallengeParser;

use super::test_api::TestApi;
use crate::{
    authority::Authority,
    config::ApiConfig,
    protocol::test_support::{ISSUER, document, key_set},
};

/// A parameter of a challenge, as a client reads it.
fn parameter(challenge: &str, name: &str) -> Option<String> {
    let challenge = ChallengeParser::new(challenge).next().unwrap().unwrap();
    let found = challenge.params.iter().find(|(own, _)| *own == name);
    found.map(|(_, value)| value.to_unescaped())
}

/// RFC 9110 section 5.6.4: quotes and backslashes are sent as pairs, so that the client reads what
/// the API wrote.
#[tokio::test]
async fn the_parameters_of_a_challenge_are_read_as_they_are_written() {
    let authority = Authority::oidc(ISSUER).unwrap();
    let config = ApiConfig::new(authority, r#"the-"API"-\one"#).with_audiences(["api"]);
    let api = TestApi::at(config, document(), key_set());
    let told = api.get("/notes", &[]).await;
    assert_eq!(parameter(told.challenge(), "realm").as_deref(), Some(r#"the-"API"-\one"#));
}
