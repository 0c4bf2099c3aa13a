//! The faults of an authorization response.

use super::{
    authorize::RequestedResponseMode,
    spoil::{FaultOrder, spoils},
};

/// The parameters of an authorization response.
pub(super) type ResponseParameters = Vec<(String, String)>;

spoils! {
    /// A fault or oddity of the next authorization response, for
    /// [`DevProvider::spoil_next_callback`](super::DevProvider::spoil_next_callback).
    pub enum SpoilCallback {
        /// `state` has another value.
        StateOther = Refuse,
        /// No `state`.
        StateMissing = Refuse,
        /// `state` occurs twice with the same value.
        StateTwice = Refuse,
        /// `iss` is another provider's (RFC 9207).
        IssuerOther = Refuse,
        /// `iss` has a slash at its end.
        IssuerWithSlash = Refuse,
        /// No `iss`, although the metadata announces it.
        IssuerMissing = Refuse,
        /// `iss` occurs twice with the same value.
        IssuerTwice = Refuse,
        /// Neither `code` nor `error`.
        CodeMissing = Refuse,
        /// `code` is empty.
        CodeEmpty = Refuse,
        /// `code` occurs twice with the same value.
        CodeTwice = Refuse,
        /// `code` was never issued.
        CodeOther = Refuse,
        /// Both `code` and `error`.
        CodeAndError = Refuse,
        /// `error=access_denied` instead of the code.
        AccessDenied = Refuse,
        /// `error=login_required` instead of the code.
        LoginRequired = Refuse,
        /// `error=consent_required` instead of the code.
        ConsentRequired = Refuse,
        /// `error=interaction_required` instead of the code.
        InteractionRequired = Refuse,
        /// `error=temporarily_unavailable` instead of the code.
        TemporarilyUnavailable = Refuse,
        /// `error=temporarily_unavailable` with `error_description=authentication_expired`, as
        /// Keycloak answers after a page was open for too long. A new request is appropriate.
        AuthenticationExpired = Either,
        /// `error=user_cancelled_authorize` instead of the code: Apple's and LinkedIn's code for
        /// `access_denied`.
        UserCancelledAuthorize = Refuse,
        /// `error=user_cancelled_login` instead of the code: LinkedIn's code for `access_denied`.
        UserCancelledLogin = Refuse,
        /// `error=server_error` with HTML in `error_description`.
        ErrorWithMarkup = Refuse,
        /// `error=access_denied` with another provider's `iss`.
        ErrorOfOtherIssuer = Refuse,
        /// An additional `response` parameter, as in JARM.
        ResponseParameter = Refuse,
        /// Additional tokens beside the code, as in the hybrid flow.
        TokensAdded = Refuse,
        /// Sent in the other response mode of `query` and `form_post`.
        OtherResponseMode = Either,
        /// An additional `session_state` and another unknown parameter.
        UnknownParameters = Accept,
    }
}

fn set(parameters: &mut ResponseParameters, name: &str, value: &str) {
    remove(parameters, name);
    parameters.push((name.to_owned(), value.to_owned()));
}

fn remove(parameters: &mut ResponseParameters, name: &str) {
    parameters.retain(|(known, _)| known != name);
}

fn twice(parameters: &mut ResponseParameters, name: &str) {
    let found = parameters.iter().find(|(known, _)| known == name).cloned();
    parameters.extend(found);
}

fn error(parameters: &mut ResponseParameters, error: &str) {
    remove(parameters, "code");
    remove(parameters, "error_description");
    set(parameters, "error", error);
}

/// Applies an order.
pub(super) fn carry_out(
    order: FaultOrder<SpoilCallback, ResponseParameters>,
    parameters: &mut ResponseParameters,
    mode: &mut RequestedResponseMode,
) {
    use SpoilCallback as S;
    let spoil = match order {
        FaultOrder::Spoil(spoil) => spoil,
        FaultOrder::Change(change) => return change(parameters),
    };
    match spoil {
        S::StateOther => set(parameters, "state", "another-state"),
        S::StateMissing => remove(parameters, "state"),
        S::StateTwice => twice(parameters, "state"),
        S::IssuerOther => set(parameters, "iss", "https://another-issuer.example"),
        S::IssuerWithSlash => {
            // RFC 9207 section 2.4: `iss` is compared as a string, so the slash makes it another
            // issuer.
            for (_, issuer) in parameters.iter_mut().filter(|(name, _)| name == "iss") {
                issuer.push('/');
            }
        }
        S::IssuerMissing => remove(parameters, "iss"),
        S::IssuerTwice => twice(parameters, "iss"),
        S::CodeMissing => remove(parameters, "code"),
        S::CodeEmpty => set(parameters, "code", ""),
        S::CodeTwice => twice(parameters, "code"),
        S::CodeOther => set(parameters, "code", "another-code"),
        // RFC 6749 section 4.1.2: a response is a code or an error.
        S::CodeAndError => set(parameters, "error", "access_denied"),
        S::AccessDenied => error(parameters, "access_denied"),
        S::LoginRequired => error(parameters, "login_required"),
        S::ConsentRequired => error(parameters, "consent_required"),
        S::InteractionRequired => error(parameters, "interaction_required"),
        S::TemporarilyUnavailable => error(parameters, "temporarily_unavailable"),
        S::AuthenticationExpired => {
            error(parameters, "temporarily_unavailable");
            set(parameters, "error_description", "authentication_expired");
        }
        S::UserCancelledAuthorize => error(parameters, "user_cancelled_authorize"),
        S::UserCancelledLogin => error(parameters, "user_cancelled_login"),
        S::ErrorWithMarkup => {
            error(parameters, "server_error");
            set(
                parameters,
                "error_description",
                "<script>alert(1)</script>\"'><img src=x onerror=alert(1)>",
            );
        }
        S::ErrorOfOtherIssuer => {
            error(parameters, "access_denied");
            set(parameters, "iss", "https://another-issuer.example");
        }
        S::ResponseParameter => set(parameters, "response", "a.b.c"),
        S::TokensAdded => {
            set(parameters, "access_token", "another-token");
            set(parameters, "id_token", "a.b.c");
        }
        S::OtherResponseMode => {
            *mode = if *mode == RequestedResponseMode::FormPost {
                RequestedResponseMode::Query
            } else {
                RequestedResponseMode::FormPost
            };
        }
        S::UnknownParameters => {
            set(parameters, "session_state", "something");
            set(parameters, "unknown", "something");
        }
    }
}
