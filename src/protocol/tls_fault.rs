//! Connections that fail because of TLS: what the operator can do, by the cause that rustls names.
//!
//! The cause is compared as text: its types belong to a version of rustls, and where the operating
//! system verifies certificates (Windows, macOS) there are only texts. A cause that is not known
//! here keeps the remedy of its kind.

/// The parts of causes, each with its remedy.
const FAULTS: &[(&str, &str)] = &[
    (
        "certificate expired",
        "the server's certificate has expired: renew it there; if it is valid, correct the \
         clock of this machine (NTP)",
    ),
    (
        "certificate not valid yet",
        "the server's certificate is not valid yet: correct the clock of this machine (NTP), or \
         the certificate",
    ),
    (
        "certificate not valid for name",
        "the server's certificate is for another host: use the URL with the host that it names \
         (of a provider IDENTITY_OIDC_AUTHORITY, IDENTITY_AUTHORITY; from this machine alone \
         `with_back_channel`, IDENTITY_BACK_CHANNEL), or have it issued for this host",
    ),
    ("UnknownIssuer", NOT_TRUSTED),
    ("SelfSigned", NOT_TRUSTED),
    ("CaUsedAsEndEntity", NOT_TRUSTED),
    (
        "ApplicationVerificationFailure",
        "the server's certificate is not the one with the thumbprint that is set \
         (IDENTITY_SERVER_THUMBPRINT on Service Fabric): if the certificate was renewed, start the \
         program again; otherwise another server answers at the URL",
    ),
    (
        "corrupt message of type InvalidContentType",
        "the server does not speak TLS at this port: correct the port or the scheme of its URL (of \
         a provider IDENTITY_OIDC_AUTHORITY, IDENTITY_AUTHORITY, IDENTITY_BACK_CHANNEL)",
    ),
    (
        "invalid HTTP version parsed",
        "the server does not speak plain HTTP at this port: if it speaks TLS, its URL begins with \
         `https` (of a provider IDENTITY_OIDC_AUTHORITY, IDENTITY_AUTHORITY, \
         IDENTITY_BACK_CHANNEL)",
    ),
    (
        "No CA certificates were loaded",
        "this machine has no certificates of authorities, so that no server can prove itself: \
         install them (Debian, Alpine: the package `ca-certificates`), or correct SSL_CERT_FILE \
         and SSL_CERT_DIR",
    ),
];

const NOT_TRUSTED: &str = "the server's certificate comes from an authority that this machine \
     does not trust: add the certificate of that authority to the store of the operating system \
     (Debian: `/usr/local/share/ca-certificates` and `update-ca-certificates`), or put it in a \
     file with the public ones that SSL_CERT_FILE names (not on Windows and macOS), or trust it \
     in the code (`ReqwestClient::with_root_certificates`); a proxy that opens TLS has an \
     authority of its own, too";

/// The remedy for a failed request with this cause.
pub(super) fn remedy(cause: &str) -> Option<&'static str> {
    FAULTS.iter().find(|(part, _)| cause.contains(part)).map(|(_, remedy)| *remedy)
}
