//! The Tower face: a request comes in, and goes on to the application or is answered here.

mod admit;
mod b2c;
mod callback;
mod current_user;
mod device_code;
mod events;
#[cfg(feature = "axum")]
mod extract;
mod flow;
mod future;
mod guard;
mod kept_form;
mod layer;
mod lazy_user;
mod login;
mod logout;
mod placement;
mod reply;
mod respond;
mod routes;
mod service;
mod step_up;

#[cfg(feature = "axum")]
pub use extract::UserRejection;
pub use {
    events::{SessionEndEvent, SignInCause, SignInEvent, SignInRefusal, SignOutEvent},
    future::ResponseFuture,
    guard::{GuardFuture, RequireSignIn, RequireSignInService, require_sign_in},
    layer::IdentityLayer,
    lazy_user::LazyUser,
    service::IdentityService,
};
