//! The sign-in, independent of cookies and of a server. The layer, `WebAuth`, `Client` and the
//! refresh of a session share this code.

mod attempt;
mod begin;
mod complete;
mod device_code;
mod exchanges;
mod fallback;
mod loop_guard;
mod refresh;
mod relying_party;
mod step_up;

#[cfg(test)]
pub(crate) use {attempt::OwnOptions, fallback::Fallbacks};
pub(crate) use {
    attempt::{Attempt, Fingerprint, PersonKey, Purpose},
    begin::{AccountHint, CurrentUser, Request, Start},
    complete::{NewSession, SignInRecords, VerifiedAnswer, response_of},
    device_code::{DeviceCode, DevicePolls, PollState, no_code},
    exchanges::{Exchanges, fingerprint},
    fallback::Fallback,
    loop_guard::{ReturnedTo, SessionOrigin},
    refresh::refresh_with,
    relying_party::{RelyingParty, policy_of},
    step_up::{Remedy, StepUp},
};
