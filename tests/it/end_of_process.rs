//! The end of a server waits for what goes on without a request.

use std::process::Command;

use tower_identity::{background_tasks_finished, dev::Endpoint};

use crate::app::App;

const ALONE: &str = "TOWER_IDENTITY_TEST_ALONE";
const WAITED: &str = "waited for the renewal";

/// The tasks are those of the process, and the other tests have some, too: another process runs
/// this test alone.
#[test]
fn the_end_of_a_server_waits_for_a_renewal_in_the_background() {
    let ended = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "end_of_process::the_server_ends", "--nocapture"])
        .env(ALONE, "1")
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&ended.stdout);
    assert!(ended.status.success() && said.contains(WAITED), "{said}");
}

#[tokio::test]
#[allow(clippy::print_stdout, reason = "it is another process that reads it")]
async fn the_server_ends() {
    if std::env::var_os(ALONE).is_none() {
        return;
    }
    let app = App::start().await;
    let mut tab = app.signed_in().await;
    background_tasks_finished().await;
    app.turn(3600 + 200);
    let mut gate = app.provider.hold_next(Endpoint::Token);
    assert_eq!(tab.open(app.at("/me")).await.status, 200);
    gate.arrived().await;
    tokio::select! {
        biased;
        () = background_tasks_finished() => panic!("the renewal is under way"),
        () = std::future::ready(()) => gate.release(),
    }
    background_tasks_finished().await;
    assert_eq!(app.provider.requests(Endpoint::Token), 2);
    println!("{WAITED}");
}
