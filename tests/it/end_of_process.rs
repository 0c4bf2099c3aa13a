//! The end of a server waits for what goes on without a request.

use tower_identity::{background_tasks_finished, dev::Endpoint};

use crate::app::App;

#[tokio::test]
async fn the_end_of_a_server_waits_for_a_renewal_in_the_background() {
    let app = App::start().await;
    let mut tab = app.signed_in().await;
    app.turn(3600 + 200);
    let mut gate = app.provider.hold_next(Endpoint::Token);
    assert_eq!(tab.open(app.at("/me")).await.status, 200);
    gate.arrived().await;
    tokio::select! {
        biased;
        () = background_tasks_finished() => panic!("the renewal is under way"),
        () = std::future::ready(()) => gate.release(),
    }
}
