//! The texts of the pages in English, and their names: every other language translates these.

use super::Text;

/// Declares the texts: the name of each, and its English words. `{}` is a place that is filled.
macro_rules! texts {
    ($($name:ident = $key:literal, $english:literal;)*) => {
        $(pub(crate) const $name: Text = Text { name: $key, english: $english };)*

        /// All of them. The sentences about failures are beside their reasons.
        pub(super) const TEXTS: &[Text] = &[$($name,)*];
    };
}

texts! {
    // Titles.
    SIGN_IN_FAILED = "title.sign_in_failed", "Sign-in failed";
    NOT_AVAILABLE = "title.sign_in_not_available", "Sign-in is not available";
    PLEASE_SIGN_IN = "title.please_sign_in", "Please sign in";
    NO_ACCESS = "title.no_access", "No access";
    REQUEST_FAILED = "title.request_failed", "The request failed";
    SIGNED_IN = "title.signed_in", "You are signed in";
    SIGNED_OUT = "title.signed_out", "You are signed out";
    CONFIRM_SIGN_OUT = "title.confirm_sign_out", "Sign out?";
    DEVICE = "title.device_sign_in", "Sign in with a code";
    OFFERED_FORM = "title.offered_form", "Send your form?";
    NO_FORM = "title.no_form", "No form to send";

    // Sentences.
    NEEDS_MORE = "message.needs_more", "This page needs something more from your sign-in.";
    NEEDS_SIGN_IN = "message.needs_sign_in", "This page is for people who are signed in.";
    ENDED_NOT_SAVED = "message.session_ended_not_saved",
        "Your session has ended, and what you sent was not saved. Sign in, open the form and send \
         it again.";
    NOT_SAVED = "message.not_signed_in_not_saved",
        "You are not signed in, and what you sent was not saved. Sign in, open the form and send \
         it again.";
    OFFERED_FORM_EXPLAINED = "message.offered_form",
        "Your session had ended when you sent this form, so it was not sent to the application. \
         You can send it now.";
    NO_FORM_EXPLAINED = "message.no_form",
        "There is no form here that you could send. A form is kept for one hour, in the tab in \
         which it was filled in, and only for the user who filled it in.";
    RETURN_TO_PROGRAM = "message.signed_in",
        "You can close this window and return to the application.";
    SIGN_IN_TO_USE = "message.signed_out", "To use this application again, sign in again.";
    WILL_SIGN_OUT = "message.confirm_sign_out", "You will be signed out of this application.";
    DEVICE_EXPLAINED = "message.device_sign_in",
        "You sign in at the sign-in service of this application, on this device or on another one, \
         such as your phone.";

    // Links and buttons.
    SIGN_IN = "action.sign_in", "Sign in";
    HOME = "action.home", "Home page";
    SIGN_OUT = "action.sign_out", "Sign out";
    STAY_SIGNED_IN = "action.stay_signed_in", "Stay signed in";
    OTHER_ACCOUNT = "action.other_account", "Use another account";
    TRY_AGAIN = "action.try_again", "Try again";
    START_AGAIN = "action.start_again", "Start again";
    CONTINUE = "action.continue", "Continue";
    SEND_FORM = "action.send_form", "Send it now";
    DISCARD_FORM = "action.discard_form", "Discard";

    // The details below a failure.
    DETAILS = "details", "Details for support";
    DETAILS_CODE = "details.code", "Code";
    DETAILS_REASON = "details.reason", "Reason";
    DETAILS_MESSAGE = "details.message", "Message";
    DETAILS_DETAIL = "details.detail", "Detail";
    DETAILS_REFERENCE = "details.reference", "Reference";
    DETAILS_CORRELATION_ID = "details.correlation_id", "Correlation ID";
    DETAILS_TRACE_ID = "details.trace_id", "Trace ID";
    DETAILS_TIME = "details.time", "Time";

    // A form that was posted after its session had ended.
    FORM_KEPT = "form.kept",
        "Your session has ended, and what you sent was not saved yet. This tab keeps it: sign in \
         again within one hour, and you will be asked whether to send it.";
    FORM_PATH = "form.path", "Page";
    FORM_POSTED = "form.posted", "Filled in";
    FORM_FIELDS = "form.fields", "What will be sent";

    // The sign-in by device code.
    NOT_YET = "device.not_yet", "You are not signed in yet.";
    FIRST_ENTER = "device.first_enter",
        "Enter the code and confirm it there first, wait {}, and then continue.";
    OPEN_WITH_QR = "device.open_with_qr_code",
        "Open {} here or on another device, for example with this QR code:";
    OPEN = "device.open", "Open {} here or on another device.";
    QR_CODE = "device.qr_code", "QR code of the address";
    ENTER = "device.enter", "Enter this code there: {}";
    ONLY_YOURS = "device.only_yours",
        "Enter the code only if you have opened this page yourself, and give it to nobody: a \
         person who sends you a code may want to sign in with your account.";
    WORKS_FOR = "device.works_for", "The code works for {}.";
    WAITING = "device.waiting", "This page continues by itself when you are done.";
    OVER = "device.over",
        "The code has expired, or this sign-in was replaced by another one. Please start again.";
    ONE_SECOND = "time.one_second", "1 second";
    SECONDS = "time.seconds", "{} seconds";
    MINUTES = "time.minutes", "{} minutes";
}
