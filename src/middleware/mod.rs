//! The Tower face: a request comes in, and goes on to the application or is answered here.

mod admit;
mod b2c;
mod body;
mod callback;
mod challenge;
mod device_code;
#[cfg(feature = "axum")]
mod extract;
mod flow;
mod future;
mod guard;
mod layer;
mod lazy_user;
mod login;
mod logout;
mod placement;
mod reply;
mod request_head;
mod respond;
mod routes;
mod service;
mod step_up;

#[cfg(feature = "axum")]
pub use extract::UserRejection;
pub use {
    body::IdentityBody,
    challenge::Challenge,
    future::ResponseFuture,
    guard::{GuardFuture, RequireSignIn, RequireSignInService, require_sign_in},
    layer::IdentityLayer,
    lazy_user::LazyUser,
    service::IdentityService,
};
pub(crate) use {
    challenge::Raised,
    respond::{NOT_STORED, grpc, status, wait_before_next},
};
