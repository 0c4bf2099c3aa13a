//! The page *The last sign-in*: the steps between browser, application and provider, with times,
//! outcomes and reason codes.

use axum::{Router, extract::State, response::Html, routing::get};
use maud::html;
use tower_identity::dev::StepLog;

use crate::page;

pub(crate) fn routes(steps: StepLog) -> Router {
    Router::new().route("/last-sign-in", get(show)).with_state(steps)
}

async fn show(State(steps): State<StepLog>) -> Html<String> {
    let steps = steps.last_sign_in();
    page(
        "The last sign-in",
        &html! {
            h1 { "The last sign-in" }
            @if steps.is_empty() { p { "Nobody has signed in yet." } }
            ol {
                @for step in &steps {
                    li {
                        (step.at().as_millis()) " ms: "
                        strong { (step.from()) " → " (step.to()) } ", " (step.title()) br;
                        code { (step.name()) } " "
                        (step.outcome().unwrap_or("running"))
                        @if let Some(reason) = step.reason() { ": " code { (reason) } }
                        @if let Some(took) = step.took() { ", " (took.as_millis()) " ms" }
                    }
                }
            }
            p { a href="." { "Back" } }
        },
    )
}
