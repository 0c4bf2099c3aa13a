//! [`RoutingHint`]: the user of a refresh, as Entra ID's front end reads it from a header.

use bytes::Bytes;
use http::{HeaderValue, Request};

/// The header that Microsoft's endpoints take the hint from.
const HEADER: &str = "x-anchormailbox";

/// The user whose tokens a request is for, by the object ID in a tenant.
///
/// The refresh token says the same, but only to the service that issued it. With the hint the
/// request finds the backup authentication system of Entra ID faster during an outage (the page
/// *Backup authentication system* in the documentation of MSAL.NET). MSAL sends it with every
/// refresh.
#[derive(Clone, Debug)]
pub(crate) struct RoutingHint(HeaderValue);

impl RoutingHint {
    /// `None` if the IDs are not text that a header can hold: the request works without the hint.
    pub(crate) fn of(object_id: &str, tenant_id: &str) -> Option<Self> {
        let mut value = HeaderValue::from_str(&format!("Oid:{object_id}@{tenant_id}")).ok()?;
        // Kept out of the `Debug` output of an HTTP client: it names a person.
        value.set_sensitive(true);
        Some(Self(value))
    }

    pub(super) fn add_to(&self, request: &mut Request<Bytes>) {
        request.headers_mut().insert(HEADER, self.0.clone());
    }
}
