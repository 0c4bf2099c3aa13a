//! Whose concern a failure is, which is the level of its event in the log.

use super::{Error, ErrorKind};

/// Logs that a request was refused or treated as signed out: as a warning where the failure is
/// [for operators](Error::is_for_operators), otherwise as information, so that a client that sends
/// nonsense raises no alarm.
macro_rules! log_refusal {
    ($error:expr, $($field:tt)*) => {{
        let error: &$crate::Error = &$error;
        if error.is_for_operators() {
            tracing::warn!(reason = error.reason(), $($field)*);
        } else {
            tracing::info!(reason = error.reason(), $($field)*);
        }
    }};
}

pub(crate) use log_refusal;

impl Error {
    /// Whether the failure is one for the operators of the application: its cause is in the
    /// settings, at the provider, at another service or on the machine. The others are those that
    /// a request causes; an access token comes with the request, the tokens of a sign-in come from
    /// the provider.
    ///
    /// This alone decides the level of a refusal in the log ([`log_refusal!`]).
    pub(crate) fn is_for_operators(&self) -> bool {
        let kind = self.0.kind;
        let came_with_request = self.0.at_api && kind.is_of_verification();
        !came_with_request && !is_of_the_request(kind)
    }
}

/// Whether a request is enough to cause a failure of this kind: it is about what a client sent, or
/// about what a user did or may do, also where the operators could allow it.
///
/// A client can imitate some of the others. [`ErrorKind::AttemptUnreadable`] is a warning, because
/// nothing else shows that processes have different cookie secrets; an error that a callback to the
/// client's own attempt names is one, because a provider names its own the same way.
const fn is_of_the_request(kind: ErrorKind) -> bool {
    use ErrorKind as Kind;
    matches!(
        kind,
        Kind::AccessDenied
            | Kind::Busy
            | Kind::CallbackInvalid
            | Kind::AttemptMissing
            | Kind::AttemptExpired
            | Kind::StateMismatch
            | Kind::InteractionRequired
            | Kind::CodeExpired
            | Kind::InvalidGrant
            | Kind::TenantNotAllowed
            | Kind::TokenMissing
            | Kind::AuthorizationInvalid
            | Kind::TokenInactive
            | Kind::InsufficientScope
            | Kind::PersonChanged
            | Kind::StrongerSignInNeeded
            | Kind::SignInRequired
            | Kind::SessionEnded
            | Kind::Forbidden
            | Kind::SessionRequired
            | Kind::SignInRefused
            | Kind::CrossSite
            | Kind::RequestInvalid
            | Kind::MethodNotAllowed
            | Kind::RequestTooLarge
    )
}
