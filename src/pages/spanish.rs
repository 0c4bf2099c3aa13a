//! The texts of the pages in Spanish.

pub(super) const TAG: &str = "es";

const UNVERIFIED: &str = "No se pudo verificar el inicio de sesión.";
const TELL: &str = "El servicio de inicio de sesión no ofrece lo que esta aplicación solicita. \
     Avise a sus responsables.";
const SET_UP: &str = "Esta aplicación está mal registrada en el servicio de inicio de sesión. \
     Avise a sus responsables.";
const NO_LONGER: &str = "Su inicio de sesión ya no es válido. Vuelva a iniciar sesión.";

pub(super) const TEXTS: &[(&str, &str)] = &[
    ("title.sign_in_failed", "No se pudo iniciar sesión"),
    ("title.sign_in_not_available", "El inicio de sesión no está disponible"),
    ("title.please_sign_in", "Inicie sesión"),
    ("title.no_access", "Sin acceso"),
    ("title.request_failed", "La solicitud ha fallado"),
    ("title.signed_in", "Ha iniciado sesión"),
    ("title.signed_out", "Ha cerrado la sesión"),
    ("title.confirm_sign_out", "¿Cerrar la sesión?"),
    ("title.device_sign_in", "Iniciar sesión con un código"),
    ("title.offered_form", "¿Enviar su formulario?"),
    ("title.no_form", "Ningún formulario para enviar"),
    ("message.needs_more", "Esta página necesita algo más que su inicio de sesión actual."),
    ("message.needs_sign_in", "Esta página es para personas que han iniciado sesión."),
    (
        "message.session_ended_not_saved",
        "Su sesión ha terminado y los datos que envió no se han guardado. Inicie sesión, abra el \
         formulario y envíelo de nuevo.",
    ),
    (
        "message.not_signed_in_not_saved",
        "No ha iniciado sesión y los datos que envió no se han guardado. Inicie sesión, abra el \
         formulario y envíelo de nuevo.",
    ),
    (
        "message.offered_form",
        "Su sesión había terminado cuando envió este formulario, por lo que no llegó a la \
         aplicación. Puede enviarlo ahora.",
    ),
    (
        "message.no_form",
        "Aquí no hay ningún formulario que pueda enviar. Un formulario se conserva durante una \
         hora, en la pestaña en la que se rellenó y solo para la persona que lo rellenó.",
    ),
    ("message.signed_in", "Puede cerrar esta ventana y volver a la aplicación."),
    ("message.signed_out", "Para volver a usar esta aplicación, inicie sesión de nuevo."),
    ("message.confirm_sign_out", "Se cerrará su sesión en esta aplicación."),
    (
        "message.device_sign_in",
        "Usted inicia sesión en el servicio de inicio de sesión de esta aplicación, en este \
         dispositivo o en otro, por ejemplo su teléfono.",
    ),
    ("action.sign_in", "Iniciar sesión"),
    ("action.home", "Página de inicio"),
    ("action.sign_out", "Cerrar sesión"),
    ("action.stay_signed_in", "Mantener la sesión"),
    ("action.other_account", "Usar otra cuenta"),
    ("action.try_again", "Intentar de nuevo"),
    ("action.start_again", "Empezar de nuevo"),
    ("action.continue", "Continuar"),
    ("action.send_form", "Enviar ahora"),
    ("action.discard_form", "Descartar"),
    ("details", "Datos para el servicio de asistencia"),
    ("details.code", "Código"),
    ("details.reason", "Motivo"),
    ("details.message", "Mensaje"),
    ("details.detail", "Detalle"),
    ("details.reference", "Referencia"),
    ("details.correlation_id", "Id. de correlación"),
    ("details.trace_id", "Id. de seguimiento"),
    ("details.time", "Hora"),
    (
        "form.kept",
        "Su sesión ha terminado y los datos que envió todavía no se han guardado. Esta pestaña los \
         conserva: vuelva a iniciar sesión en el plazo de una hora y se le preguntará si desea \
         enviarlos.",
    ),
    ("form.path", "Página"),
    ("form.posted", "Rellenado"),
    ("form.fields", "Lo que se enviará"),
    ("device.not_yet", "Aún no ha iniciado sesión."),
    (
        "device.first_enter",
        "Primero introduzca allí el código y confírmelo, espere {} y después continúe.",
    ),
    (
        "device.open_with_qr_code",
        "Abra {} aquí o en otro dispositivo, por ejemplo con este código QR:",
    ),
    ("device.open", "Abra {} aquí o en otro dispositivo."),
    ("device.qr_code", "Código QR de la dirección"),
    ("device.enter", "Introduzca allí este código: {}"),
    (
        "device.only_yours",
        "Introduzca el código solo si usted mismo ha abierto esta página y no se lo dé a nadie: \
         una persona que le envía un código puede querer iniciar sesión con su cuenta.",
    ),
    ("device.works_for", "El código es válido durante {}."),
    ("device.waiting", "Esta página continúa por sí sola cuando usted termina."),
    (
        "device.over",
        "El código ha caducado, o este inicio de sesión fue sustituido por otro. Empiece de nuevo.",
    ),
    ("time.one_second", "1 segundo"),
    ("time.seconds", "{} segundos"),
    ("time.minutes", "{} minutos"),
    // Requests to the provider.
    (
        "provider_unreachable",
        "En este momento no se puede acceder al servicio de inicio de sesión. Inténtelo de nuevo \
         dentro de poco.",
    ),
    (
        "provider_unavailable",
        "El servicio de inicio de sesión indica que tiene un problema en este momento. Inténtelo \
         de nuevo dentro de poco.",
    ),
    (
        "answer_too_large",
        "La respuesta del servicio de inicio de sesión es demasiado grande. Avise a los \
         responsables de esta aplicación.",
    ),
    (
        "provider_misconfigured",
        "El servicio de inicio de sesión de esta aplicación no está bien configurado. Avise a sus \
         responsables.",
    ),
    ("provider_error", "El servicio de inicio de sesión comunicó un problema."),
    (
        "sign_in_not_offered",
        "Esta aplicación usa un tipo de inicio de sesión que su servicio no admite. Avise a sus \
         responsables.",
    ),
    (
        "client_refused",
        "El servicio de inicio de sesión no acepta esta aplicación. Avise a sus responsables.",
    ),
    ("access_denied", "El inicio de sesión se canceló o no está permitido."),
    (
        "busy",
        "En este momento hay demasiadas personas iniciando sesión. Inténtelo de nuevo en unos \
         segundos.",
    ),
    (
        "callback_invalid",
        "La respuesta del servicio de inicio de sesión estaba incompleta. Vuelva a iniciar sesión.",
    ),
    (
        "attempt_missing",
        "Este navegador no conservó la cookie del inicio de sesión. Permita las cookies de este \
         sitio y vuelva a iniciar sesión.",
    ),
    (
        "attempt_unreadable",
        "Esta aplicación no puede leer la cookie de su propio inicio de sesión. Informe a sus \
         responsables.",
    ),
    ("attempt_expired", "El inicio de sesión tardó demasiado. Vuelva a iniciar sesión."),
    (
        "state_mismatch",
        "La respuesta no corresponde a este inicio de sesión. Vuelva a iniciar sesión.",
    ),
    (
        "response_issuer_mismatch",
        "La respuesta no procede del servicio de inicio de sesión de esta aplicación.",
    ),
    (
        "interaction_required",
        "El servicio de inicio de sesión necesita que vuelva a iniciar sesión.",
    ),
    ("token_response_invalid", "La respuesta del servicio de inicio de sesión no es válida."),
    ("code_expired", "El código no se usó a tiempo. Empiece de nuevo."),
    ("invalid_grant", "El inicio de sesión ya no es válido. Vuelva a iniciar sesión."),
    (
        "scope_not_granted",
        "El servicio de inicio de sesión no concedió todo lo que esta página necesita.",
    ),
    ("token_malformed", UNVERIFIED),
    ("token_algorithm", UNVERIFIED),
    ("token_key_unknown", UNVERIFIED),
    ("token_key_issuer", UNVERIFIED),
    ("token_signature", UNVERIFIED),
    ("token_issuer", UNVERIFIED),
    ("tenant_not_allowed", "Su organización no tiene acceso a esta aplicación."),
    ("token_audience", UNVERIFIED),
    ("token_subject", UNVERIFIED),
    (
        "token_expired",
        "No se pudo verificar el inicio de sesión porque ha caducado. ¿Está bien el reloj?",
    ),
    (
        "token_not_yet_valid",
        "No se pudo verificar el inicio de sesión porque su fecha es futura. ¿Está bien el reloj?",
    ),
    ("token_too_old", "No se pudo verificar el inicio de sesión porque es demasiado antiguo."),
    ("token_nonce", UNVERIFIED),
    ("token_at_hash", UNVERIFIED),
    (
        "token_auth_time",
        "El servicio de inicio de sesión no le pidió que iniciara sesión tan recientemente como es \
         necesario.",
    ),
    ("token_acr", "El inicio de sesión no fue tan seguro como es necesario."),
    ("auth_context_missing", "El inicio de sesión no fue tan seguro como esta página requiere."),
    ("token_mismatch", UNVERIFIED),
    ("token_missing", "Se necesita un token de acceso."),
    (
        "authorization_invalid",
        "El encabezado Authorization no contiene exactamente un token de acceso.",
    ),
    ("token_kind", "Este no es un token de acceso que se pueda usar aquí."),
    ("token_inactive", "El token de acceso ya no es válido."),
    ("insufficient_scope", "El token de acceso no permite esto."),
    ("userinfo_failed", "El servicio de inicio de sesión no proporcionó sus datos de usuario."),
    ("userinfo_subject", UNVERIFIED),
    (
        "groups_unavailable",
        "No se pudieron consultar sus grupos. Inténtelo de nuevo en unos minutos.",
    ),
    ("person_changed", "Otra cuenta inició sesión. Empiece de nuevo."),
    (
        "api_unreachable",
        "En este momento no se puede acceder a otro servicio que esta página necesita. Inténtelo \
         de nuevo dentro de poco.",
    ),
    ("api_refused", "Otro servicio que esta página necesita no hizo lo que se le pidió."),
    ("api_answer_invalid", "Otro servicio que esta página necesita respondió de forma inesperada."),
    (
        "insufficient_user_authentication",
        "Esta página requiere un inicio de sesión más seguro o más reciente.",
    ),
    ("sign_in_required", "Inicie sesión."),
    ("session_ended", "Su sesión ha terminado. Vuelva a iniciar sesión."),
    (
        "store_unavailable",
        "Las sesiones no están disponibles en este momento. Inténtelo de nuevo dentro de poco.",
    ),
    ("cross_site", "Esto solo se puede hacer desde una página de este sitio."),
    (
        "session_required",
        "Aquí se necesita un inicio de sesión con una sesión. No se acepta un token de acceso.",
    ),
    ("forbidden", "Ha iniciado sesión, pero no tiene acceso a esta página."),
    ("no_refresh_token", "Vuelva a iniciar sesión."),
    (
        "renewal_failed",
        "En este momento no se puede renovar su sesión. Inténtelo de nuevo dentro de poco.",
    ),
    (
        "sign_in_refused",
        "Esta aplicación no acepta su inicio de sesión. Consulte a sus responsables.",
    ),
    (
        "event_handler_failed",
        "Esta aplicación no pudo completar su inicio de sesión. Inténtelo de nuevo dentro de poco.",
    ),
    ("request_invalid", "No se puede responder a esta solicitud."),
    ("method_not_allowed", "Esta dirección no acepta una solicitud de este tipo."),
    ("request_too_large", "La solicitud es demasiado grande."),
    (
        "credential_unavailable",
        "Esta aplicación no puede identificarse ante el servicio de inicio de sesión. Avise a sus \
         responsables.",
    ),
    ("not_configured", "Esta aplicación no está bien configurada. Avise a sus responsables."),
    ("internal", "Se ha producido un error."),
    // The application and its registration.
    (
        "redirect_uri_not_registered",
        "La dirección de esta aplicación no está registrada en el servicio de inicio de sesión. \
         Avise a sus responsables.",
    ),
    ("redirect_uri_wrong_platform", SET_UP),
    (
        "client_secret_wrong",
        "El servicio de inicio de sesión no acepta el secreto de esta aplicación. Avise a sus \
         responsables.",
    ),
    (
        "client_secret_expired",
        "El secreto de esta aplicación en el servicio de inicio de sesión ha caducado. Avise a sus \
         responsables.",
    ),
    (
        "client_credential_missing",
        "Esta aplicación no se identificó ante el servicio de inicio de sesión. Avise a sus \
         responsables.",
    ),
    ("client_credential_unexpected", SET_UP),
    (
        "client_credential_refused",
        "El servicio de inicio de sesión no acepta esta aplicación. Avise a sus responsables.",
    ),
    (
        "client_assertion_rejected",
        "El servicio de inicio de sesión no acepta el certificado de esta aplicación. Avise a sus \
         responsables.",
    ),
    (
        "client_assertion_clock_skew",
        "El reloj del servidor de esta aplicación parece estar mal. Avise a sus responsables.",
    ),
    (
        "client_not_authorized",
        "Esta aplicación no puede iniciar sesión de esta manera. Avise a sus responsables.",
    ),
    (
        "application_not_found",
        "El servicio de inicio de sesión no conoce esta aplicación. Avise a sus responsables.",
    ),
    (
        "application_disabled",
        "Esta aplicación está desactivada en el servicio de inicio de sesión. Consulte a su \
         administrador.",
    ),
    (
        "application_not_multi_tenant",
        "Esta aplicación no está preparada para cuentas de otras organizaciones. Avise a sus \
         responsables.",
    ),
    (
        "tenant_not_found",
        "La organización que esta aplicación indica no existe en el servicio de inicio de sesión. \
         Avise a sus responsables.",
    ),
    (
        "tenant_in_other_cloud",
        "Su organización está en una nube distinta de la que esta aplicación espera. Avise a sus \
         responsables.",
    ),
    (
        "scope_invalid",
        "Esta aplicación pide un permiso que el servicio de inicio de sesión no conoce. Avise a \
         sus responsables.",
    ),
    (
        "scope_of_several_resources",
        "Esta aplicación pide demasiado a la vez. Avise a sus responsables.",
    ),
    (
        "permission_not_configured",
        "Falta un permiso en el registro de esta aplicación. Avise a sus responsables.",
    ),
    (
        "resource_not_found",
        "Un servicio que esta aplicación necesita no está disponible en su organización. Consulte \
         a su administrador.",
    ),
    (
        "resource_mismatch",
        "Esta aplicación indica un servicio y el permiso de otro. Avise a sus responsables.",
    ),
    (
        "request_malformed",
        "El servicio de inicio de sesión no entendió a esta aplicación. Avise a sus responsables.",
    ),
    ("response_type_unsupported", TELL),
    ("grant_type_unsupported", TELL),
    // Consent and access.
    (
        "consent_required",
        "Aún no ha aceptado lo que esta aplicación puede hacer. Vuelva a iniciar sesión y \
         acéptelo.",
    ),
    (
        "admin_consent_required",
        "Un administrador de su organización tiene que aprobar primero esta aplicación. Consúltelo \
         con él.",
    ),
    (
        "consent_declined",
        "No aceptó lo que esta aplicación puede hacer. Inténtelo de nuevo si fue un error.",
    ),
    (
        "age_consent_required",
        "Su cuenta necesita el consentimiento de su madre, padre o tutor para esta aplicación.",
    ),
    (
        "user_not_assigned",
        "Su cuenta no ha recibido acceso a esta aplicación. Consulte a su administrador.",
    ),
    (
        "account_not_in_tenant",
        "Su cuenta no pertenece a la organización de esta aplicación. Use otra cuenta, o pida que \
         le inviten.",
    ),
    (
        "guest_invitation_pending",
        "Aún no ha aceptado su invitación. Abra la invitación en su correo electrónico, o pida una \
         nueva.",
    ),
    (
        "guest_not_allowed",
        "Las cuentas de invitado no tienen acceso a esta aplicación. Use una cuenta de la propia \
         organización.",
    ),
    (
        "personal_account_not_allowed",
        "Las cuentas personales no tienen acceso a esta aplicación. Use su cuenta profesional o \
         educativa.",
    ),
    (
        "work_account_not_allowed",
        "Las cuentas profesionales y educativas no tienen acceso a esta aplicación. Use una cuenta \
         personal.",
    ),
    (
        "tenant_restricted",
        "Su organización o su red no permite iniciar sesión en la organización de esta aplicación. \
         Consulte a su administrador.",
    ),
    (
        "conditional_access_blocked",
        "Una regla de su organización no permite este inicio de sesión. Consulte a su \
         administrador.",
    ),
    (
        "device_not_compliant",
        "Su organización solo permite esto desde un dispositivo que ella administra. Use un \
         dispositivo así, o consulte a su administrador.",
    ),
    (
        "device_authentication_required",
        "Su organización tiene que reconocer su dispositivo. Vuelva a iniciar sesión desde un \
         dispositivo que conozca.",
    ),
    (
        "browser_not_approved",
        "Su organización solo permite esto desde una aplicación o un navegador aprobados. Consulte \
         a su administrador.",
    ),
    (
        "sign_in_blocked_by_risk",
        "Su organización ha bloqueado este inicio de sesión porque parece inusual. Consulte a su \
         administrador.",
    ),
    ("sign_in_cancelled", "El inicio de sesión se canceló."),
    // Interactions.
    (
        "mfa_required",
        "Se necesita un segundo paso para iniciar su sesión. Vuelva a iniciar sesión y confírmelo.",
    ),
    (
        "mfa_registration_required",
        "Su cuenta necesita un segundo método de inicio de sesión. Vuelva a iniciar sesión y \
         configúrelo.",
    ),
    ("password_expired", "Su contraseña ha caducado. Vuelva a iniciar sesión y elija una nueva."),
    (
        "password_change_required",
        "Tiene que cambiar su contraseña. Vuelva a iniciar sesión y elija una nueva.",
    ),
    (
        "password_forgotten",
        "Ha pedido restablecer su contraseña. Vuelva a iniciar sesión cuando esté restablecida.",
    ),
    (
        "credentials_wrong",
        "El nombre de usuario o la contraseña no son correctos. Inténtelo de nuevo.",
    ),
    (
        "account_locked",
        "Su cuenta está bloqueada tras demasiados intentos. Espere un tiempo, o consulte a su \
         administrador.",
    ),
    ("account_disabled", "Su cuenta está desactivada. Consulte a su administrador."),
    ("account_not_found", "Esa cuenta no existe. Use otra."),
    ("account_selection_required", "Vuelva a iniciar sesión y elija una cuenta."),
    (
        "sign_in_needed",
        "Ya no tiene una sesión en el servicio de inicio de sesión. Vuelva a iniciar sesión.",
    ),
    // The grant.
    ("code_redeemed", "Este inicio de sesión ya se usó. Vuelva a iniciar sesión."),
    (
        "code_of_other_tenant",
        "El inicio de sesión pertenece a otra organización. Vuelva a iniciar sesión.",
    ),
    ("pkce_failed", "No se pudo completar el inicio de sesión. Vuelva a iniciar sesión."),
    ("refresh_token_expired", "Su inicio de sesión ha caducado. Vuelva a iniciar sesión."),
    (
        "refresh_token_revoked",
        "Su inicio de sesión ha sido revocado, por ejemplo porque se cambió la contraseña. Vuelva \
         a iniciar sesión.",
    ),
    ("grant_not_accepted", NO_LONGER),
    (
        "sign_in_frequency",
        "Su organización exige que vuelva a iniciar sesión de vez en cuando. Vuelva a iniciar \
         sesión.",
    ),
    ("user_assertion_invalid", NO_LONGER),
    // The service.
    (
        "throttled",
        "El servicio de inicio de sesión está saturado. Inténtelo de nuevo en unos minutos.",
    ),
    (
        "request_loop",
        "Hubo demasiados inicios de sesión seguidos. Cierre esta pestaña, espere unos minutos e \
         inténtelo de nuevo.",
    ),
    (
        "service_unavailable",
        "El servicio de inicio de sesión tiene un problema en este momento. Inténtelo de nuevo \
         dentro de poco.",
    ),
    (
        "service_fault",
        "El servicio de inicio de sesión tiene un problema. Inténtelo de nuevo. Si vuelve a \
         ocurrir, avise a los responsables de esta aplicación.",
    ),
    (
        "identity_provider_failed",
        "El inicio de sesión de su propia organización no funcionó. Inténtelo de nuevo, o consulte \
         a su administrador.",
    ),
];
