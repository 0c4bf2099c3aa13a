//! The addresses of the development providers of this process that have stopped, so that an error
//! can name the cause (feature `dev-provider`). They are kept here because a request to a provider
//! does not know the module `dev`.

use std::{
    collections::BTreeSet,
    net::{IpAddr, SocketAddr},
    sync::{Mutex, MutexGuard, PoisonError},
};

use http::Uri;

/// The most addresses that are remembered. A port has one at most.
const MOST: usize = 1_000;

static STOPPED: Mutex<BTreeSet<SocketAddr>> = Mutex::new(BTreeSet::new());

fn addresses() -> MutexGuard<'static, BTreeSet<SocketAddr>> {
    STOPPED.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A development provider listens on this address from now on.
pub(crate) fn has_started(address: SocketAddr) {
    addresses().remove(&address);
}

/// The development provider on this address has stopped.
pub(crate) fn has_stopped(address: SocketAddr) {
    let mut addresses = addresses();
    if addresses.len() < MOST {
        addresses.insert(address);
    }
}

/// The address of the stopped development provider that a URL names, by its number or by a name
/// such as `localhost`.
pub(crate) fn stopped_at(url: &Uri) -> Option<SocketAddr> {
    let (host, port) = (url.host()?, url.port_u16()?);
    let number: Option<IpAddr> = host.trim_matches(['[', ']']).parse().ok();
    let is_name = host == "localhost" || host.ends_with(".localhost");
    addresses().iter().copied().find(|address| {
        address.port() == port && number.map_or(is_name, |number| number == address.ip())
    })
}
