//! The texts of the pages in French.

pub(super) const TAG: &str = "fr";

const UNVERIFIED: &str = "La connexion n’a pas pu être vérifiée.";
const TELL: &str = "Le service de connexion ne propose pas ce que cette application demande. \
     Veuillez prévenir ses responsables.";
const SET_UP: &str = "Cette application est mal enregistrée auprès du service de connexion. \
     Veuillez prévenir ses responsables.";
const NO_LONGER: &str = "Votre connexion n’est plus valable. Veuillez vous reconnecter.";

pub(super) const TEXTS: &[(&str, &str)] = &[
    ("title.sign_in_failed", "Échec de la connexion"),
    ("title.sign_in_not_available", "Connexion indisponible"),
    ("title.please_sign_in", "Veuillez vous connecter"),
    ("title.no_access", "Accès refusé"),
    ("title.request_failed", "La demande a échoué"),
    ("title.signed_in", "Vous êtes connecté"),
    ("title.signed_out", "Vous êtes déconnecté"),
    ("title.confirm_sign_out", "Se déconnecter ?"),
    ("title.device_sign_in", "Se connecter avec un code"),
    ("title.offered_form", "Envoyer votre formulaire ?"),
    ("title.no_form", "Aucun formulaire à envoyer"),
    ("message.needs_more", "Cette page demande davantage que votre connexion actuelle."),
    ("message.needs_sign_in", "Cette page est réservée aux personnes connectées."),
    (
        "message.session_ended_not_saved",
        "Votre session est terminée et vos données n’ont pas été enregistrées. Connectez-vous, \
         ouvrez le formulaire et envoyez-le de nouveau.",
    ),
    (
        "message.not_signed_in_not_saved",
        "Vous n’êtes pas connecté et vos données n’ont pas été enregistrées. Connectez-vous, \
         ouvrez le formulaire et envoyez-le de nouveau.",
    ),
    (
        "message.offered_form",
        "Votre session était terminée lorsque vous avez envoyé ce formulaire ; il n’a donc pas été \
         transmis à l’application. Vous pouvez l’envoyer maintenant.",
    ),
    (
        "message.no_form",
        "Il n’y a ici aucun formulaire que vous puissiez envoyer. Un formulaire est conservé \
         pendant une heure, dans l’onglet où il a été rempli, et seulement pour la personne qui \
         l’a rempli.",
    ),
    ("message.signed_in", "Vous pouvez fermer cette fenêtre et revenir à l’application."),
    ("message.signed_out", "Pour utiliser de nouveau cette application, reconnectez-vous."),
    ("message.confirm_sign_out", "Vous serez déconnecté de cette application."),
    (
        "message.device_sign_in",
        "Vous vous connectez auprès du service de connexion de cette application, sur cet appareil \
         ou sur un autre, par exemple votre téléphone.",
    ),
    ("action.sign_in", "Se connecter"),
    ("action.home", "Page d’accueil"),
    ("action.sign_out", "Se déconnecter"),
    ("action.stay_signed_in", "Rester connecté"),
    ("action.other_account", "Utiliser un autre compte"),
    ("action.try_again", "Réessayer"),
    ("action.start_again", "Recommencer"),
    ("action.continue", "Continuer"),
    ("action.send_form", "Envoyer maintenant"),
    ("action.discard_form", "Abandonner"),
    ("details", "Informations pour l’assistance"),
    ("details.code", "Code"),
    ("details.reason", "Motif"),
    ("details.message", "Message"),
    ("details.detail", "Détail"),
    ("details.reference", "Référence"),
    ("details.correlation_id", "ID de corrélation"),
    ("details.trace_id", "ID de trace"),
    ("details.time", "Heure"),
    (
        "form.kept",
        "Votre session est terminée et vos données n’ont pas encore été enregistrées. Cet onglet \
         les conserve : reconnectez-vous dans l’heure, et il vous sera demandé s’il faut les \
         envoyer.",
    ),
    ("form.path", "Page"),
    ("form.posted", "Rempli"),
    ("form.fields", "Ce qui sera envoyé"),
    ("device.not_yet", "Vous n’êtes pas encore connecté."),
    (
        "device.first_enter",
        "Saisissez d’abord le code là-bas et confirmez-le, attendez {}, puis continuez.",
    ),
    (
        "device.open_with_qr_code",
        "Ouvrez {} ici ou sur un autre appareil, par exemple avec ce code QR :",
    ),
    ("device.open", "Ouvrez {} ici ou sur un autre appareil."),
    ("device.qr_code", "Code QR de l’adresse"),
    ("device.enter", "Saisissez-y ce code : {}"),
    (
        "device.only_yours",
        "Ne saisissez le code que si vous avez ouvert cette page vous-même, et ne le donnez à \
         personne : une personne qui vous envoie un code veut peut-être se connecter avec votre \
         compte.",
    ),
    ("device.works_for", "Le code est encore valable {}."),
    ("device.waiting", "Cette page continue d’elle-même lorsque vous avez terminé."),
    (
        "device.over",
        "Le code a expiré, ou cette connexion a été remplacée par une autre. Veuillez recommencer.",
    ),
    ("time.one_second", "1 seconde"),
    ("time.seconds", "{} secondes"),
    ("time.minutes", "{} minutes"),
    // Requests to the provider.
    (
        "provider_unreachable",
        "Le service de connexion est injoignable pour le moment. Veuillez réessayer un peu plus \
         tard.",
    ),
    (
        "provider_unavailable",
        "Le service de connexion signale un problème pour le moment. Veuillez réessayer un peu \
         plus tard.",
    ),
    (
        "answer_too_large",
        "La réponse du service de connexion est trop volumineuse. Veuillez prévenir les \
         responsables de cette application.",
    ),
    (
        "provider_misconfigured",
        "Le service de connexion de cette application est mal configuré. Veuillez prévenir ses \
         responsables.",
    ),
    ("provider_error", "Le service de connexion a signalé un problème."),
    (
        "sign_in_not_offered",
        "Cette application utilise un mode de connexion que son service de connexion ne prend pas \
         en charge. Veuillez prévenir ses responsables.",
    ),
    (
        "client_refused",
        "Le service de connexion n’accepte pas cette application. Veuillez prévenir ses \
         responsables.",
    ),
    ("access_denied", "La connexion a été annulée ou n’est pas autorisée."),
    (
        "busy",
        "Trop de personnes se connectent en ce moment. Veuillez réessayer dans quelques secondes.",
    ),
    (
        "callback_invalid",
        "La réponse du service de connexion était incomplète. Veuillez vous reconnecter.",
    ),
    (
        "attempt_missing",
        "Ce navigateur n’a pas conservé le cookie de la connexion. Veuillez autoriser les cookies \
         pour ce site et vous reconnecter.",
    ),
    (
        "attempt_unreadable",
        "Cette application ne peut pas lire le cookie de sa propre connexion. Veuillez en informer \
         ses responsables.",
    ),
    ("attempt_expired", "La connexion a pris trop de temps. Veuillez vous reconnecter."),
    ("state_mismatch", "La réponse n’appartient pas à cette connexion. Veuillez vous reconnecter."),
    (
        "response_issuer_mismatch",
        "La réponse ne provient pas du service de connexion de cette application.",
    ),
    ("interaction_required", "Le service de connexion vous demande de vous reconnecter."),
    ("token_response_invalid", "La réponse du service de connexion n’est pas valable."),
    ("code_expired", "Le code n’a pas été utilisé à temps. Veuillez recommencer."),
    ("invalid_grant", "La connexion n’est plus valable. Veuillez vous reconnecter."),
    (
        "scope_not_granted",
        "Le service de connexion n’a pas accordé tout ce dont cette page a besoin.",
    ),
    ("token_malformed", UNVERIFIED),
    ("token_algorithm", UNVERIFIED),
    ("token_key_unknown", UNVERIFIED),
    ("token_key_issuer", UNVERIFIED),
    ("token_signature", UNVERIFIED),
    ("token_issuer", UNVERIFIED),
    ("tenant_not_allowed", "Votre organisation n’a pas accès à cette application."),
    ("token_audience", UNVERIFIED),
    ("token_subject", UNVERIFIED),
    (
        "token_expired",
        "La connexion n’a pas pu être vérifiée, car elle a expiré. L’horloge est-elle à l’heure ?",
    ),
    (
        "token_not_yet_valid",
        "La connexion n’a pas pu être vérifiée, car sa date est dans le futur. L’horloge est-elle \
         à l’heure ?",
    ),
    ("token_too_old", "La connexion n’a pas pu être vérifiée, car elle est trop ancienne."),
    ("token_nonce", UNVERIFIED),
    ("token_at_hash", UNVERIFIED),
    (
        "token_auth_time",
        "Le service de connexion ne vous a pas demandé de vous connecter aussi récemment que \
         nécessaire.",
    ),
    ("token_acr", "La connexion n’était pas aussi sûre que nécessaire."),
    ("auth_context_missing", "La connexion n’était pas aussi sûre que cette page l’exige."),
    ("token_mismatch", UNVERIFIED),
    ("token_missing", "Un jeton d’accès est nécessaire."),
    (
        "authorization_invalid",
        "L’en-tête Authorization ne contient pas exactement un jeton d’accès.",
    ),
    ("token_kind", "Ce n’est pas un jeton d’accès utilisable ici."),
    ("token_inactive", "Le jeton d’accès n’est plus valable."),
    ("insufficient_scope", "Le jeton d’accès ne permet pas cela."),
    ("userinfo_failed", "Le service de connexion n’a pas fourni les informations vous concernant."),
    ("userinfo_subject", UNVERIFIED),
    (
        "groups_unavailable",
        "Vos groupes n’ont pas pu être consultés. Veuillez réessayer dans quelques minutes.",
    ),
    ("person_changed", "Un autre compte s’est connecté. Veuillez recommencer."),
    (
        "api_unreachable",
        "Un autre service dont cette page a besoin est injoignable pour le moment. Veuillez \
         réessayer un peu plus tard.",
    ),
    (
        "api_refused",
        "Un autre service dont cette page a besoin n’a pas fait ce qui lui était demandé.",
    ),
    (
        "api_answer_invalid",
        "Un autre service dont cette page a besoin a répondu de façon inattendue.",
    ),
    (
        "insufficient_user_authentication",
        "Cette page exige une connexion plus sûre ou plus récente.",
    ),
    ("sign_in_required", "Veuillez vous connecter."),
    ("session_ended", "Votre session est terminée. Veuillez vous reconnecter."),
    (
        "store_unavailable",
        "Les sessions ne sont pas disponibles pour le moment. Veuillez réessayer un peu plus tard.",
    ),
    ("cross_site", "Cela n’est possible que depuis une page de ce site."),
    (
        "session_required",
        "Cette page exige une connexion avec une session. Un jeton d’accès n’est pas accepté ici.",
    ),
    ("forbidden", "Vous êtes connecté, mais vous n’avez pas accès à cette page."),
    ("no_refresh_token", "Veuillez vous reconnecter."),
    (
        "renewal_failed",
        "Votre session ne peut pas être prolongée pour le moment. Veuillez réessayer un peu plus \
         tard.",
    ),
    (
        "sign_in_refused",
        "Cette application n’accepte pas votre connexion. Veuillez vous adresser à ses \
         responsables.",
    ),
    (
        "event_handler_failed",
        "Cette application n’a pas pu terminer votre connexion. Veuillez réessayer un peu plus \
         tard.",
    ),
    ("request_invalid", "Il n’est pas possible de répondre à cette requête."),
    ("method_not_allowed", "Cette adresse n’accepte pas une telle requête."),
    ("request_too_large", "La requête est trop volumineuse."),
    (
        "credential_unavailable",
        "Cette application ne peut pas s’identifier auprès du service de connexion. Veuillez \
         prévenir ses responsables.",
    ),
    ("not_configured", "Cette application est mal configurée. Veuillez prévenir ses responsables."),
    ("internal", "Une erreur s’est produite."),
    // The application and its registration.
    (
        "redirect_uri_not_registered",
        "L’adresse de cette application n’est pas enregistrée auprès du service de connexion. \
         Veuillez prévenir ses responsables.",
    ),
    ("redirect_uri_wrong_platform", SET_UP),
    (
        "client_secret_wrong",
        "Le service de connexion n’accepte pas le secret de cette application. Veuillez prévenir \
         ses responsables.",
    ),
    (
        "client_secret_expired",
        "Le secret de cette application auprès du service de connexion a expiré. Veuillez prévenir \
         ses responsables.",
    ),
    (
        "client_credential_missing",
        "Cette application ne s’est pas identifiée auprès du service de connexion. Veuillez \
         prévenir ses responsables.",
    ),
    ("client_credential_unexpected", SET_UP),
    (
        "client_credential_refused",
        "Le service de connexion n’accepte pas cette application. Veuillez prévenir ses \
         responsables.",
    ),
    (
        "client_assertion_rejected",
        "Le service de connexion n’accepte pas le certificat de cette application. Veuillez \
         prévenir ses responsables.",
    ),
    (
        "client_assertion_clock_skew",
        "L’horloge du serveur de cette application semble déréglée. Veuillez prévenir ses \
         responsables.",
    ),
    (
        "client_not_authorized",
        "Cette application n’est pas autorisée à connecter des personnes de cette façon. Veuillez \
         prévenir ses responsables.",
    ),
    (
        "application_not_found",
        "Le service de connexion ne connaît pas cette application. Veuillez prévenir ses \
         responsables.",
    ),
    (
        "application_disabled",
        "Cette application est désactivée auprès du service de connexion. Veuillez vous adresser à \
         votre administrateur.",
    ),
    (
        "application_not_multi_tenant",
        "Cette application n’est pas prévue pour les comptes d’autres organisations. Veuillez \
         prévenir ses responsables.",
    ),
    (
        "tenant_not_found",
        "L’organisation que cette application indique n’existe pas auprès du service de connexion. \
         Veuillez prévenir ses responsables.",
    ),
    (
        "tenant_in_other_cloud",
        "Votre organisation se trouve dans un autre cloud que celui que cette application attend. \
         Veuillez prévenir ses responsables.",
    ),
    (
        "scope_invalid",
        "Cette application demande une autorisation que le service de connexion ne connaît pas. \
         Veuillez prévenir ses responsables.",
    ),
    (
        "scope_of_several_resources",
        "Cette application demande trop de choses à la fois. Veuillez prévenir ses responsables.",
    ),
    (
        "permission_not_configured",
        "Il manque une autorisation dans l’enregistrement de cette application. Veuillez prévenir \
         ses responsables.",
    ),
    (
        "resource_not_found",
        "Un service dont cette application a besoin n’est pas disponible dans votre organisation. \
         Veuillez vous adresser à votre administrateur.",
    ),
    (
        "resource_mismatch",
        "Cette application indique un service et l’autorisation d’un autre. Veuillez prévenir ses \
         responsables.",
    ),
    (
        "request_malformed",
        "Le service de connexion n’a pas compris cette application. Veuillez prévenir ses \
         responsables.",
    ),
    ("response_type_unsupported", TELL),
    ("grant_type_unsupported", TELL),
    // Consent and access.
    (
        "consent_required",
        "Vous n’avez pas encore accepté ce que cette application peut faire. Reconnectez-vous et \
         donnez votre accord.",
    ),
    (
        "admin_consent_required",
        "Un administrateur de votre organisation doit d’abord approuver cette application. \
         Veuillez vous adresser à lui.",
    ),
    (
        "consent_declined",
        "Vous n’avez pas accepté ce que cette application peut faire. Réessayez s’il s’agit d’une \
         erreur.",
    ),
    (
        "age_consent_required",
        "Votre compte nécessite l’accord d’un parent ou d’un tuteur pour cette application.",
    ),
    (
        "user_not_assigned",
        "Votre compte n’a pas reçu l’accès à cette application. Veuillez vous adresser à votre \
         administrateur.",
    ),
    (
        "account_not_in_tenant",
        "Votre compte n’appartient pas à l’organisation de cette application. Utilisez un autre \
         compte, ou demandez à être invité.",
    ),
    (
        "guest_invitation_pending",
        "Vous n’avez pas encore accepté votre invitation. Ouvrez l’invitation dans votre \
         messagerie, ou demandez-en une nouvelle.",
    ),
    (
        "guest_not_allowed",
        "Les comptes invités n’ont pas accès à cette application. Utilisez un compte de \
         l’organisation elle-même.",
    ),
    (
        "personal_account_not_allowed",
        "Les comptes personnels n’ont pas accès à cette application. Utilisez votre compte \
         professionnel ou scolaire.",
    ),
    (
        "work_account_not_allowed",
        "Les comptes professionnels et scolaires n’ont pas accès à cette application. Utilisez un \
         compte personnel.",
    ),
    (
        "tenant_restricted",
        "Votre organisation ou votre réseau n’autorise pas la connexion à l’organisation de cette \
         application. Veuillez vous adresser à votre administrateur.",
    ),
    (
        "conditional_access_blocked",
        "Une règle de votre organisation n’autorise pas cette connexion. Veuillez vous adresser à \
         votre administrateur.",
    ),
    (
        "device_not_compliant",
        "Votre organisation n’autorise cela que depuis un appareil qu’elle gère. Utilisez un tel \
         appareil, ou adressez-vous à votre administrateur.",
    ),
    (
        "device_authentication_required",
        "Votre appareil doit être reconnu par votre organisation. Reconnectez-vous depuis un \
         appareil qu’elle connaît.",
    ),
    (
        "browser_not_approved",
        "Votre organisation n’autorise cela que depuis une application ou un navigateur approuvés. \
         Veuillez vous adresser à votre administrateur.",
    ),
    (
        "sign_in_blocked_by_risk",
        "Votre organisation a bloqué cette connexion, car elle semble inhabituelle. Veuillez vous \
         adresser à votre administrateur.",
    ),
    ("sign_in_cancelled", "La connexion a été annulée."),
    // Interactions.
    (
        "mfa_required",
        "Une seconde étape est nécessaire pour vous connecter. Reconnectez-vous et confirmez-la.",
    ),
    (
        "mfa_registration_required",
        "Votre compte nécessite une seconde méthode de connexion. Reconnectez-vous et \
         configurez-la.",
    ),
    (
        "password_expired",
        "Votre mot de passe a expiré. Reconnectez-vous et choisissez-en un nouveau.",
    ),
    (
        "password_change_required",
        "Vous devez changer votre mot de passe. Reconnectez-vous et choisissez-en un nouveau.",
    ),
    (
        "password_forgotten",
        "Vous avez demandé à réinitialiser votre mot de passe. Reconnectez-vous lorsque ce sera \
         fait.",
    ),
    (
        "credentials_wrong",
        "Le nom d’utilisateur ou le mot de passe est incorrect. Veuillez réessayer.",
    ),
    (
        "account_locked",
        "Votre compte est verrouillé après trop de tentatives. Attendez un peu, ou adressez-vous à \
         votre administrateur.",
    ),
    (
        "account_disabled",
        "Votre compte est désactivé. Veuillez vous adresser à votre administrateur.",
    ),
    ("account_not_found", "Ce compte n’existe pas. Utilisez-en un autre."),
    ("account_selection_required", "Veuillez vous reconnecter et choisir un compte."),
    (
        "sign_in_needed",
        "Vous n’êtes plus connecté auprès du service de connexion. Veuillez vous reconnecter.",
    ),
    // The grant.
    ("code_redeemed", "Cette connexion a déjà été utilisée. Veuillez vous reconnecter."),
    (
        "code_of_other_tenant",
        "La connexion appartient à une autre organisation. Veuillez vous reconnecter.",
    ),
    ("pkce_failed", "La connexion n’a pas pu aboutir. Veuillez vous reconnecter."),
    ("refresh_token_expired", "Votre connexion a expiré. Veuillez vous reconnecter."),
    (
        "refresh_token_revoked",
        "Votre connexion a été révoquée, par exemple parce que le mot de passe a changé. Veuillez \
         vous reconnecter.",
    ),
    ("grant_not_accepted", NO_LONGER),
    (
        "sign_in_frequency",
        "Votre organisation exige que vous vous reconnectiez de temps en temps. Veuillez vous \
         reconnecter.",
    ),
    ("user_assertion_invalid", NO_LONGER),
    // The service.
    (
        "throttled",
        "Le service de connexion est surchargé. Veuillez réessayer dans quelques minutes.",
    ),
    (
        "request_loop",
        "Il y a eu trop de connexions à la suite. Fermez cet onglet, attendez quelques minutes et \
         réessayez.",
    ),
    (
        "service_unavailable",
        "Le service de connexion rencontre un problème pour le moment. Veuillez réessayer un peu \
         plus tard.",
    ),
    (
        "service_fault",
        "Le service de connexion rencontre un problème. Veuillez réessayer. Si cela se reproduit, \
         prévenez les responsables de cette application.",
    ),
    (
        "identity_provider_failed",
        "La connexion propre à votre organisation n’a pas fonctionné. Veuillez réessayer, ou vous \
         adresser à votre administrateur.",
    ),
];
