//! Requests and responses as `middleware` and `api` share them: the head of a request, the body of a
//! response, and a failure on its way from a handler to the client.

mod body;
mod challenge;
mod failure;
mod request_head;

pub use self::{body::IdentityBody, challenge::Challenge};
pub(crate) use self::{
    challenge::{Raised, Wanted},
    failure::{NOT_STORED, caller_challenge, grpc, status, wait_before_next},
    request_head::{
        ClientKind, PageInView, RequestHead, RequestSummary, follows_own_link, is_from_own_page,
        is_prefetch, original_uri, own_path,
    },
};
