//! Responses to errors in the shape of each kind of client.

use http_body_util::BodyExt as _;

use super::*;
use crate::{
    clock::{ManualClock, UnixTime},
    error::ProviderError,
    http_message::GrpcProtocol,
    pages::DefaultPages,
};

const SAID: &str = "AADSTS50105: Ada of Contoso is not assigned";

async fn answered(caller: ClientKind, development: bool) -> (Response<()>, String) {
    let advice = crate::authority::error_codes().find(|advice| advice.code == "AADSTS50105");
    let said = ProviderError {
        error: "interaction_required".into(),
        description: Some(SAID.into()),
        code: Some("AADSTS50105".into()),
        advice,
        ..ProviderError::default()
    };
    answered_after(said, caller, development).await
}

async fn answered_after(
    said: ProviderError,
    caller: ClientKind,
    development: bool,
) -> (Response<()>, String) {
    let clock = ManualClock::at(UnixTime::from_seconds(1_700_000_000));
    let answers = Renderer {
        pages: Arc::new(DefaultPages),
        languages: Languages::new(&[], &[]),
        clock: Arc::new(clock),
        development,
        home: "/".to_owned(),
        sign_in: "/auth/login".to_owned(),
        bearer_challenge: None,
    };
    let caller = Recipient { client: caller, accept_language: None, path: None, user: None };
    let reply = Reply::failed(Error::from_provider(ErrorKind::AccessDenied, said), None);
    let (parts, body) =
        answers.response::<http_body_util::Empty<bytes::Bytes>>(&caller, reply).into_parts();
    let body = body.collect().await.unwrap().to_bytes();
    (Response::from_parts(parts, ()), String::from_utf8(body.to_vec()).unwrap())
}

#[tokio::test]
async fn a_program_gets_the_reason_the_kind_and_the_code() {
    let (response, body) = answered(ClientKind::Program, false).await;
    let document: serde_json::Value = serde_json::from_str(&body).unwrap();
    assert_eq!(response.status(), StatusCode::FORBIDDEN);
    assert_eq!(
        (&document["reason"], &document["kind"], &document["code"]),
        (&json!("user_not_assigned"), &json!("access_denied"), &json!("AADSTS50105"))
    );
    assert!(
        document["detail"].as_str().unwrap().contains("access to this application")
            && !body.contains("Contoso"),
        "{body}"
    );
    let (response, _) = answered(ClientKind::Grpc(GrpcProtocol::Http2), false).await;
    assert_eq!(
        (&response.headers()["grpc-status"], &response.headers()["grpc-message"]),
        (&"7".parse().unwrap(), &"user_not_assigned".parse().unwrap())
    );
}

/// The provider's text about a known code is shown in development only.
#[tokio::test]
async fn names_of_accounts_and_tenants_stay_off_the_page() {
    let (_, page) = answered(ClientKind::Navigation, false).await;
    assert!(
        page.contains("<dd>AADSTS50105</dd>") && page.contains("<dd>user_not_assigned</dd>"),
        "{page}"
    );
    assert!(!page.contains("Contoso") && !page.contains("Users and groups"), "{page}");
    let (_, page) = answered(ClientKind::Navigation, true).await;
    assert!(page.contains(SAID) && page.contains("Users and groups"), "{page}");
}

/// A response of another endpoint than the authorization endpoint has a status, and is for this
/// application alone: a provider with a fault writes SQL and tokens into its description.
#[tokio::test]
async fn a_page_shows_the_text_of_an_authorization_response_and_of_no_other() {
    for (status, development, is_shown) in
        [(None, false, true), (Some(500), false, false), (Some(500), true, true)]
    {
        let said = ProviderError {
            error: "server_error".into(),
            description: Some("INSERT INTO token".into()),
            status,
            ..ProviderError::default()
        };
        let (_, page) = answered_after(said, ClientKind::Navigation, development).await;
        assert_eq!(page.contains("INSERT INTO"), is_shown, "{status:?} {development}: {page}");
    }
}
