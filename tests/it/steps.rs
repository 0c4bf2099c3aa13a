//! The picture of a sign-in: steps, times, outcomes and reasons, and nothing else.

use tower_identity::dev::{Endpoint, Failure, StepLog};
use tracing_subscriber::layer::SubscriberExt as _;

use crate::app::App;

/// Listens on this thread, where the runtime of the test is. The second dispatcher keeps `tracing`
/// from remembering for all threads that there is no subscriber.
fn listen() -> (StepLog, (tracing::subscriber::DefaultGuard, tracing::Dispatch)) {
    let steps = StepLog::new();
    let listening =
        tracing::subscriber::set_default(tracing_subscriber::registry().with(steps.clone()));
    (steps, (listening, tracing::Dispatch::new(tracing::subscriber::NoSubscriber::default())))
}

#[tokio::test]
async fn the_last_sign_in_is_a_sequence_from_the_request_to_the_tokens() {
    let (log, _listening) = listen();
    let app = App::start().await;
    app.provider.refuse_next_sign_in("access_denied", "Ada cancelled");
    app.sign_in().await;
    app.signed_in().await;
    let steps = log.last_sign_in();
    let names: Vec<_> = steps.iter().map(|step| step.name()).collect();
    assert_eq!(names.first(), Some(&"identity.require_sign_in"), "{names:?}");
    let place = |name: &str| names.iter().position(|other| *other == name).expect(name);
    let (callback, code) = (place("identity.callback"), place("identity.redeem_code"));
    assert!(callback < code && code < place("identity.verify_id_token"), "{names:?}");
    assert_eq!(steps[0].outcome(), Some("redirected"));
    assert_eq!((steps[callback].from(), steps[callback].to()), ("browser", "application"));
    assert_eq!((steps[code].to(), steps[code].outcome()), ("provider", Some("ok")));
    assert!(steps.iter().all(|step| step.took().is_some() && step.reason().is_none()), "{steps:?}");
    assert!(steps.is_sorted_by_key(|step| step.at()));
    let failed = log.steps();
    let failed = failed.iter().find(|step| step.reason() == Some("access_denied"));
    assert_eq!(failed.unwrap().name(), "identity.callback");
}

#[tokio::test]
async fn a_step_that_fails_has_its_reason_and_no_secret() {
    let (log, _listening) = listen();
    let app = App::start().await;
    app.provider.fail_next(Endpoint::Token, 1, Failure::Status(503));
    let page = app.sign_in().await;
    assert!(!page.status.is_success());
    let steps = log.last_sign_in();
    let code = steps.iter().find(|step| step.name() == "identity.redeem_code").unwrap();
    assert_eq!((code.outcome(), code.reason()), (Some("failed"), Some("provider_unreachable")));
    let code = app.provider.last_request(Endpoint::Token).unwrap();
    let shown = format!("{steps:?}");
    for secret in [code.parameter("code").unwrap(), app.provider.client_secret().expose(), "ada"] {
        assert!(!shown.contains(secret), "{shown}");
    }
}
