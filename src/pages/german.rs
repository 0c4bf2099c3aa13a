//! The texts of the pages in German.

pub(super) const TAG: &str = "de";

const UNVERIFIED: &str = "Die Anmeldung konnte nicht überprüft werden.";
const TELL: &str = "Der Anmeldedienst bietet nicht an, was diese Anwendung verlangt. Bitte \
     informieren Sie die Betreiber.";
const SET_UP: &str =
    "Diese Anwendung ist am Anmeldedienst falsch registriert. Bitte informieren Sie die Betreiber.";
const NO_LONGER: &str = "Ihre Anmeldung gilt nicht mehr. Bitte melden Sie sich erneut an.";

pub(super) const TEXTS: &[(&str, &str)] = &[
    ("title.sign_in_failed", "Anmeldung fehlgeschlagen"),
    ("title.sign_in_not_available", "Anmeldung nicht verfügbar"),
    ("title.please_sign_in", "Bitte melden Sie sich an"),
    ("title.no_access", "Kein Zugriff"),
    ("title.request_failed", "Anfrage fehlgeschlagen"),
    ("title.signed_in", "Sie sind angemeldet"),
    ("title.signed_out", "Sie sind abgemeldet"),
    ("title.confirm_sign_out", "Abmelden?"),
    ("title.device_sign_in", "Mit einem Code anmelden"),
    ("title.offered_form", "Formular senden?"),
    ("title.no_form", "Kein Formular zu senden"),
    ("message.needs_more", "Für diese Seite reicht Ihre Anmeldung noch nicht aus."),
    ("message.needs_sign_in", "Diese Seite ist nur für angemeldete Personen."),
    (
        "message.session_ended_not_saved",
        "Ihre Sitzung ist abgelaufen, und Ihre Eingaben wurden nicht gespeichert. Melden Sie sich \
         an, öffnen Sie das Formular und senden Sie es noch einmal.",
    ),
    (
        "message.not_signed_in_not_saved",
        "Sie sind nicht angemeldet, und Ihre Eingaben wurden nicht gespeichert. Melden Sie sich \
         an, öffnen Sie das Formular und senden Sie es noch einmal.",
    ),
    (
        "message.offered_form",
        "Ihre Sitzung war abgelaufen, als Sie dieses Formular gesendet haben. Es wurde deshalb \
         nicht an die Anwendung gesendet. Sie können es jetzt senden.",
    ),
    (
        "message.no_form",
        "Hier ist kein Formular, das Sie senden könnten. Ein Formular wird eine Stunde lang \
         aufbewahrt, in dem Tab, in dem es ausgefüllt wurde, und nur für die Person, die es \
         ausgefüllt hat.",
    ),
    ("message.signed_in", "Sie können dieses Fenster schließen und zur Anwendung zurückkehren."),
    ("message.signed_out", "Um diese Anwendung wieder zu nutzen, melden Sie sich erneut an."),
    ("message.confirm_sign_out", "Sie werden von dieser Anwendung abgemeldet."),
    (
        "message.device_sign_in",
        "Sie melden sich beim Anmeldedienst dieser Anwendung an, auf diesem Gerät oder auf einem \
         anderen, zum Beispiel Ihrem Telefon.",
    ),
    ("action.sign_in", "Anmelden"),
    ("action.home", "Startseite"),
    ("action.sign_out", "Abmelden"),
    ("action.stay_signed_in", "Angemeldet bleiben"),
    ("action.other_account", "Anderes Konto verwenden"),
    ("action.try_again", "Erneut versuchen"),
    ("action.start_again", "Von vorn beginnen"),
    ("action.continue", "Weiter"),
    ("action.send_form", "Jetzt senden"),
    ("action.discard_form", "Verwerfen"),
    ("details", "Angaben für den Support"),
    ("details.code", "Code"),
    ("details.reason", "Grund"),
    ("details.message", "Meldung"),
    ("details.detail", "Einzelheiten"),
    ("details.reference", "Referenz"),
    ("details.correlation_id", "Korrelations-ID"),
    ("details.trace_id", "Trace-ID"),
    ("details.time", "Zeit"),
    (
        "form.kept",
        "Ihre Sitzung ist abgelaufen, und Ihre Eingaben wurden noch nicht gespeichert. Dieser Tab \
         bewahrt sie auf: Melden Sie sich innerhalb einer Stunde wieder an, und Sie werden \
         gefragt, ob sie gesendet werden sollen.",
    ),
    ("form.path", "Seite"),
    ("form.posted", "Ausgefüllt"),
    ("form.fields", "Was gesendet wird"),
    ("device.not_yet", "Sie sind noch nicht angemeldet."),
    (
        "device.first_enter",
        "Geben Sie zuerst dort den Code ein und bestätigen Sie ihn, warten Sie {}, und fahren Sie \
         dann fort.",
    ),
    (
        "device.open_with_qr_code",
        "Öffnen Sie {} hier oder auf einem anderen Gerät, zum Beispiel mit diesem QR-Code:",
    ),
    ("device.open", "Öffnen Sie {} hier oder auf einem anderen Gerät."),
    ("device.qr_code", "QR-Code der Adresse"),
    ("device.enter", "Geben Sie dort diesen Code ein: {}"),
    (
        "device.only_yours",
        "Geben Sie den Code nur ein, wenn Sie diese Seite selbst geöffnet haben, und geben Sie ihn \
         niemandem weiter: Wer Ihnen einen Code schickt, will sich vielleicht mit Ihrem Konto \
         anmelden.",
    ),
    ("device.works_for", "Der Code gilt noch {}."),
    ("device.waiting", "Diese Seite fährt von selbst fort, sobald Sie fertig sind."),
    (
        "device.over",
        "Der Code ist abgelaufen, oder diese Anmeldung wurde durch eine andere ersetzt. Bitte \
         beginnen Sie von vorn.",
    ),
    ("time.one_second", "1 Sekunde"),
    ("time.seconds", "{} Sekunden"),
    ("time.minutes", "{} Minuten"),
    // Requests to the provider.
    (
        "provider_unreachable",
        "Der Anmeldedienst ist im Moment nicht erreichbar. Bitte versuchen Sie es in Kürze erneut.",
    ),
    (
        "provider_unavailable",
        "Der Anmeldedienst meldet im Moment eine Störung. Bitte versuchen Sie es in Kürze erneut.",
    ),
    (
        "answer_too_large",
        "Die Antwort des Anmeldedienstes ist zu groß. Bitte informieren Sie die Betreiber dieser \
         Anwendung.",
    ),
    (
        "provider_misconfigured",
        "Der Anmeldedienst dieser Anwendung ist nicht richtig eingerichtet. Bitte informieren Sie \
         die Betreiber.",
    ),
    ("provider_error", "Der Anmeldedienst meldet ein Problem."),
    (
        "sign_in_not_offered",
        "Diese Anwendung verwendet eine Art der Anmeldung, die ihr Anmeldedienst nicht \
         unterstützt. Bitte informieren Sie die Betreiber.",
    ),
    (
        "client_refused",
        "Der Anmeldedienst akzeptiert diese Anwendung nicht. Bitte informieren Sie die Betreiber.",
    ),
    ("access_denied", "Die Anmeldung wurde abgebrochen oder nicht erlaubt."),
    (
        "busy",
        "Im Moment melden sich zu viele Personen an. Bitte versuchen Sie es in einigen Sekunden \
         erneut.",
    ),
    (
        "callback_invalid",
        "Die Antwort des Anmeldedienstes war unvollständig. Bitte melden Sie sich erneut an.",
    ),
    (
        "attempt_missing",
        "Dieser Browser hat das Cookie der Anmeldung nicht behalten. Bitte erlauben Sie Cookies \
         für diese Website und melden Sie sich erneut an.",
    ),
    (
        "attempt_unreadable",
        "Diese Anwendung kann das Cookie ihrer eigenen Anmeldung nicht lesen. Bitte informieren \
         Sie die Betreiber.",
    ),
    ("attempt_expired", "Die Anmeldung hat zu lange gedauert. Bitte melden Sie sich erneut an."),
    (
        "state_mismatch",
        "Die Antwort gehört nicht zu dieser Anmeldung. Bitte melden Sie sich erneut an.",
    ),
    ("response_issuer_mismatch", "Die Antwort stammt nicht vom Anmeldedienst dieser Anwendung."),
    ("interaction_required", "Der Anmeldedienst verlangt, dass Sie sich erneut anmelden."),
    ("token_response_invalid", "Die Antwort des Anmeldedienstes ist ungültig."),
    ("code_expired", "Der Code wurde nicht rechtzeitig verwendet. Bitte beginnen Sie von vorn."),
    ("invalid_grant", "Die Anmeldung gilt nicht mehr. Bitte melden Sie sich erneut an."),
    ("scope_not_granted", "Der Anmeldedienst hat nicht alles gewährt, was diese Seite benötigt."),
    ("token_malformed", UNVERIFIED),
    ("token_algorithm", UNVERIFIED),
    ("token_key_unknown", UNVERIFIED),
    ("token_key_issuer", UNVERIFIED),
    ("token_signature", UNVERIFIED),
    ("token_issuer", UNVERIFIED),
    ("tenant_not_allowed", "Ihre Organisation hat keinen Zugriff auf diese Anwendung."),
    ("token_audience", UNVERIFIED),
    ("token_subject", UNVERIFIED),
    (
        "token_expired",
        "Die Anmeldung konnte nicht überprüft werden, weil sie abgelaufen ist. Geht die Uhr \
         richtig?",
    ),
    (
        "token_not_yet_valid",
        "Die Anmeldung konnte nicht überprüft werden, weil ihr Zeitpunkt in der Zukunft liegt. \
         Geht die Uhr richtig?",
    ),
    (
        "token_too_old",
        "Die Anmeldung konnte nicht überprüft werden, weil sie zu lange zurückliegt.",
    ),
    ("token_nonce", UNVERIFIED),
    ("token_at_hash", UNVERIFIED),
    (
        "token_auth_time",
        "Der Anmeldedienst hat Sie nicht so kürzlich um eine Anmeldung gebeten, wie es nötig ist.",
    ),
    ("token_acr", "Die Anmeldung war nicht so stark abgesichert, wie es nötig ist."),
    (
        "auth_context_missing",
        "Die Anmeldung war nicht so stark abgesichert, wie diese Seite es verlangt.",
    ),
    ("token_mismatch", UNVERIFIED),
    ("token_missing", "Dafür wird ein Zugriffstoken benötigt."),
    ("authorization_invalid", "Der Header Authorization enthält nicht genau ein Zugriffstoken."),
    ("token_kind", "Dies ist kein Zugriffstoken, das hier verwendet werden kann."),
    ("token_inactive", "Das Zugriffstoken gilt nicht mehr."),
    ("insufficient_scope", "Das Zugriffstoken erlaubt dies nicht."),
    ("userinfo_failed", "Der Anmeldedienst hat Ihre Benutzerdaten nicht geliefert."),
    ("userinfo_subject", UNVERIFIED),
    (
        "groups_unavailable",
        "Ihre Gruppen konnten nicht ermittelt werden. Bitte versuchen Sie es in einigen Minuten \
         erneut.",
    ),
    ("person_changed", "Ein anderes Konto hat sich angemeldet. Bitte beginnen Sie von vorn."),
    (
        "api_unreachable",
        "Ein anderer Dienst, den diese Seite benötigt, ist im Moment nicht erreichbar. Bitte \
         versuchen Sie es in Kürze erneut.",
    ),
    (
        "api_refused",
        "Ein anderer Dienst, den diese Seite benötigt, hat nicht getan, worum er gebeten wurde.",
    ),
    (
        "api_answer_invalid",
        "Ein anderer Dienst, den diese Seite benötigt, hat unerwartet geantwortet.",
    ),
    (
        "insufficient_user_authentication",
        "Diese Seite verlangt eine stärker abgesicherte oder neuere Anmeldung.",
    ),
    ("sign_in_required", "Bitte melden Sie sich an."),
    ("session_ended", "Ihre Sitzung ist beendet. Bitte melden Sie sich erneut an."),
    (
        "store_unavailable",
        "Sitzungen sind im Moment nicht verfügbar. Bitte versuchen Sie es in Kürze erneut.",
    ),
    ("cross_site", "Dies ist nur von einer Seite dieser Website aus möglich."),
    (
        "session_required",
        "Hierfür ist eine Anmeldung mit einer Sitzung nötig. Ein Zugriffstoken wird hier nicht \
         angenommen.",
    ),
    ("forbidden", "Sie sind angemeldet, haben aber keinen Zugriff auf diese Seite."),
    ("no_refresh_token", "Bitte melden Sie sich erneut an."),
    (
        "renewal_failed",
        "Ihre Sitzung kann im Moment nicht verlängert werden. Bitte versuchen Sie es in Kürze \
         erneut.",
    ),
    (
        "sign_in_refused",
        "Diese Anwendung nimmt Ihre Anmeldung nicht an. Bitte wenden Sie sich an die Betreiber.",
    ),
    (
        "event_handler_failed",
        "Diese Anwendung konnte Ihre Anmeldung nicht abschließen. Bitte versuchen Sie es in Kürze \
         erneut.",
    ),
    ("request_invalid", "Diese Anfrage kann nicht beantwortet werden."),
    ("method_not_allowed", "Diese Adresse nimmt eine solche Anfrage nicht an."),
    ("request_too_large", "Die Anfrage ist zu groß."),
    (
        "credential_unavailable",
        "Diese Anwendung kann sich beim Anmeldedienst nicht ausweisen. Bitte informieren Sie die \
         Betreiber.",
    ),
    (
        "not_configured",
        "Diese Anwendung ist nicht richtig eingerichtet. Bitte informieren Sie die Betreiber.",
    ),
    ("internal", "Es ist ein Fehler aufgetreten."),
    // The application and its registration.
    (
        "redirect_uri_not_registered",
        "Die Adresse dieser Anwendung ist am Anmeldedienst nicht registriert. Bitte informieren \
         Sie die Betreiber.",
    ),
    ("redirect_uri_wrong_platform", SET_UP),
    (
        "client_secret_wrong",
        "Der Anmeldedienst akzeptiert das Geheimnis dieser Anwendung nicht. Bitte informieren Sie \
         die Betreiber.",
    ),
    (
        "client_secret_expired",
        "Das Geheimnis dieser Anwendung am Anmeldedienst ist abgelaufen. Bitte informieren Sie die \
         Betreiber.",
    ),
    (
        "client_credential_missing",
        "Diese Anwendung hat sich beim Anmeldedienst nicht ausgewiesen. Bitte informieren Sie die \
         Betreiber.",
    ),
    ("client_credential_unexpected", SET_UP),
    (
        "client_credential_refused",
        "Der Anmeldedienst akzeptiert diese Anwendung nicht. Bitte informieren Sie die Betreiber.",
    ),
    (
        "client_assertion_rejected",
        "Der Anmeldedienst akzeptiert das Zertifikat dieser Anwendung nicht. Bitte informieren Sie \
         die Betreiber.",
    ),
    (
        "client_assertion_clock_skew",
        "Die Uhr des Servers dieser Anwendung geht anscheinend falsch. Bitte informieren Sie die \
         Betreiber.",
    ),
    (
        "client_not_authorized",
        "Diese Anwendung darf Personen nicht auf diese Weise anmelden. Bitte informieren Sie die \
         Betreiber.",
    ),
    (
        "application_not_found",
        "Der Anmeldedienst kennt diese Anwendung nicht. Bitte informieren Sie die Betreiber.",
    ),
    (
        "application_disabled",
        "Diese Anwendung ist am Anmeldedienst abgeschaltet. Bitte wenden Sie sich an Ihre \
         Administration.",
    ),
    (
        "application_not_multi_tenant",
        "Diese Anwendung ist nicht für Konten anderer Organisationen eingerichtet. Bitte \
         informieren Sie die Betreiber.",
    ),
    (
        "tenant_not_found",
        "Die Organisation, die diese Anwendung nennt, gibt es am Anmeldedienst nicht. Bitte \
         informieren Sie die Betreiber.",
    ),
    (
        "tenant_in_other_cloud",
        "Ihre Organisation ist in einer anderen Cloud, als diese Anwendung erwartet. Bitte \
         informieren Sie die Betreiber.",
    ),
    (
        "scope_invalid",
        "Diese Anwendung verlangt eine Berechtigung, die der Anmeldedienst nicht kennt. Bitte \
         informieren Sie die Betreiber.",
    ),
    (
        "scope_of_several_resources",
        "Diese Anwendung verlangt zu viel auf einmal. Bitte informieren Sie die Betreiber.",
    ),
    (
        "permission_not_configured",
        "In der Registrierung dieser Anwendung fehlt eine Berechtigung. Bitte informieren Sie die \
         Betreiber.",
    ),
    (
        "resource_not_found",
        "Ein Dienst, den diese Anwendung benötigt, ist in Ihrer Organisation nicht verfügbar. \
         Bitte wenden Sie sich an Ihre Administration.",
    ),
    (
        "resource_mismatch",
        "Diese Anwendung nennt einen Dienst und die Berechtigung eines anderen. Bitte informieren \
         Sie die Betreiber.",
    ),
    (
        "request_malformed",
        "Der Anmeldedienst hat diese Anwendung nicht verstanden. Bitte informieren Sie die \
         Betreiber.",
    ),
    ("response_type_unsupported", TELL),
    ("grant_type_unsupported", TELL),
    // Consent and access.
    (
        "consent_required",
        "Sie haben dem, was diese Anwendung tun darf, noch nicht zugestimmt. Melden Sie sich \
         erneut an und stimmen Sie zu.",
    ),
    (
        "admin_consent_required",
        "Diese Anwendung muss zuerst von der Administration Ihrer Organisation freigegeben werden. \
         Bitte fragen Sie dort an.",
    ),
    (
        "consent_declined",
        "Sie haben dem, was diese Anwendung tun darf, nicht zugestimmt. Versuchen Sie es erneut, \
         falls das ein Versehen war.",
    ),
    (
        "age_consent_required",
        "Ihr Konto benötigt für diese Anwendung die Zustimmung eines Elternteils oder Vormunds.",
    ),
    (
        "user_not_assigned",
        "Ihr Konto hat keinen Zugriff auf diese Anwendung erhalten. Bitte wenden Sie sich an Ihre \
         Administration.",
    ),
    (
        "account_not_in_tenant",
        "Ihr Konto gehört nicht zur Organisation dieser Anwendung. Verwenden Sie ein anderes \
         Konto, oder lassen Sie sich als Gast einladen.",
    ),
    (
        "guest_invitation_pending",
        "Sie haben Ihre Einladung noch nicht angenommen. Öffnen Sie die Einladung in Ihrer E-Mail, \
         oder bitten Sie um eine neue.",
    ),
    (
        "guest_not_allowed",
        "Gastkonten haben keinen Zugriff auf diese Anwendung. Verwenden Sie ein Konto der \
         Organisation selbst.",
    ),
    (
        "personal_account_not_allowed",
        "Persönliche Konten haben keinen Zugriff auf diese Anwendung. Verwenden Sie Ihr \
         Geschäfts-, Schul- oder Unikonto.",
    ),
    (
        "work_account_not_allowed",
        "Geschäfts-, Schul- und Unikonten haben keinen Zugriff auf diese Anwendung. Verwenden Sie \
         ein persönliches Konto.",
    ),
    (
        "tenant_restricted",
        "Ihre Organisation oder Ihr Netzwerk erlaubt keine Anmeldung bei der Organisation dieser \
         Anwendung. Bitte wenden Sie sich an Ihre Administration.",
    ),
    (
        "conditional_access_blocked",
        "Eine Regel Ihrer Organisation erlaubt diese Anmeldung nicht. Bitte wenden Sie sich an \
         Ihre Administration.",
    ),
    (
        "device_not_compliant",
        "Ihre Organisation erlaubt dies nur von einem Gerät aus, das sie verwaltet. Verwenden Sie \
         ein solches Gerät, oder wenden Sie sich an Ihre Administration.",
    ),
    (
        "device_authentication_required",
        "Ihre Organisation muss Ihr Gerät erkennen. Melden Sie sich erneut von einem Gerät aus an, \
         das sie kennt.",
    ),
    (
        "browser_not_approved",
        "Ihre Organisation erlaubt dies nur aus einer zugelassenen App oder einem zugelassenen \
         Browser. Bitte wenden Sie sich an Ihre Administration.",
    ),
    (
        "sign_in_blocked_by_risk",
        "Ihre Organisation hat diese Anmeldung gesperrt, weil sie ungewöhnlich aussieht. Bitte \
         wenden Sie sich an Ihre Administration.",
    ),
    ("sign_in_cancelled", "Die Anmeldung wurde abgebrochen."),
    // Interactions.
    (
        "mfa_required",
        "Für Ihre Anmeldung ist ein zweiter Schritt nötig. Melden Sie sich erneut an und \
         bestätigen Sie ihn.",
    ),
    (
        "mfa_registration_required",
        "Ihr Konto benötigt eine zweite Anmeldemethode. Melden Sie sich erneut an und richten Sie \
         sie ein.",
    ),
    (
        "password_expired",
        "Ihr Kennwort ist abgelaufen. Melden Sie sich erneut an und wählen Sie ein neues.",
    ),
    (
        "password_change_required",
        "Sie müssen Ihr Kennwort ändern. Melden Sie sich erneut an und wählen Sie ein neues.",
    ),
    (
        "password_forgotten",
        "Sie möchten Ihr Kennwort zurücksetzen. Melden Sie sich erneut an, wenn es zurückgesetzt \
         ist.",
    ),
    (
        "credentials_wrong",
        "Der Benutzername oder das Kennwort ist falsch. Bitte versuchen Sie es erneut.",
    ),
    (
        "account_locked",
        "Ihr Konto ist nach zu vielen Versuchen gesperrt. Warten Sie eine Weile, oder wenden Sie \
         sich an Ihre Administration.",
    ),
    (
        "account_disabled",
        "Ihr Konto ist deaktiviert. Bitte wenden Sie sich an Ihre Administration.",
    ),
    ("account_not_found", "Dieses Konto gibt es nicht. Verwenden Sie ein anderes."),
    ("account_selection_required", "Bitte melden Sie sich erneut an und wählen Sie ein Konto aus."),
    (
        "sign_in_needed",
        "Sie sind beim Anmeldedienst nicht mehr angemeldet. Bitte melden Sie sich erneut an.",
    ),
    // The grant.
    ("code_redeemed", "Diese Anmeldung wurde bereits verwendet. Bitte melden Sie sich erneut an."),
    (
        "code_of_other_tenant",
        "Die Anmeldung gehört zu einer anderen Organisation. Bitte melden Sie sich erneut an.",
    ),
    (
        "pkce_failed",
        "Die Anmeldung konnte nicht abgeschlossen werden. Bitte melden Sie sich erneut an.",
    ),
    ("refresh_token_expired", "Ihre Anmeldung ist abgelaufen. Bitte melden Sie sich erneut an."),
    (
        "refresh_token_revoked",
        "Ihre Anmeldung wurde widerrufen, zum Beispiel weil das Kennwort geändert wurde. Bitte \
         melden Sie sich erneut an.",
    ),
    ("grant_not_accepted", NO_LONGER),
    (
        "sign_in_frequency",
        "Ihre Organisation verlangt, dass Sie sich von Zeit zu Zeit erneut anmelden. Bitte melden \
         Sie sich erneut an.",
    ),
    ("user_assertion_invalid", NO_LONGER),
    // The service.
    (
        "throttled",
        "Der Anmeldedienst ist ausgelastet. Bitte versuchen Sie es in einigen Minuten erneut.",
    ),
    (
        "request_loop",
        "Es gab zu viele Anmeldungen hintereinander. Schließen Sie diesen Tab, warten Sie einige \
         Minuten, und versuchen Sie es erneut.",
    ),
    (
        "service_unavailable",
        "Der Anmeldedienst hat im Moment ein Problem. Bitte versuchen Sie es in Kürze erneut.",
    ),
    (
        "service_fault",
        "Der Anmeldedienst hat ein Problem. Bitte versuchen Sie es erneut. Geschieht es wieder, \
         informieren Sie die Betreiber dieser Anwendung.",
    ),
    (
        "identity_provider_failed",
        "Die Anmeldung bei Ihrer Organisation hat nicht funktioniert. Bitte versuchen Sie es \
         erneut, oder wenden Sie sich an Ihre Administration.",
    ),
];
