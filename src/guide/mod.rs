//! The long-form guide: pages to read from top to bottom. Their examples are compiled, and run
//! where they need no provider on the internet.
//!
//! - [`getting_started`]: the words, the registration at Entra, a first application, roles, a first
//!   call to an API.
//! - [`apis`]: an API behind access tokens, its registration at Entra, guards, calls to further
//!   APIs.
//! - [`grpc`]: services of tonic behind the layers, guards, errors of a method.
//! - [`calling_apis`]: an HTTP client for an API with the user's token, recipes for Microsoft
//!   Graph, tokens after the request.
//! - [`providers`]: what to register at each provider, and which settings it needs beyond the
//!   defaults.
//! - [`tenants`]: an application for customers with Entra tenants of their own.
//! - [`deployments`]: proxies, path prefixes, container images, several processes, Redis with time
//!   limits, probes, a check in the pipeline, rotation of secrets, metrics.
//! - [`cross_site`]: requests that pages of other sites cause, what is refused, what is left open.
//! - [`front_ends`]: pages that fetch, the signed-in user, a sign-out in another tab, connections
//!   that stay open.
//! - [`postgresql`]: sessions and the refresh lock in PostgreSQL.
//! - [`testing`]: tests of an application against the development provider.
//! - [`public_sites`]: an application of which most pages are public.
//! - [`events`]: what to do when users sign in and out, how one is suspended or signed out on all
//!   devices, and a session of the application's own.
//! - [`kept_forms`]: forms that are posted after the session has ended.
//! - [`own_pages`]: sign-in, sign-out and error pages in the design of the application, and a
//!   choice of several providers, with and without a broker.
//! - [`programs`]: sign-in from a desktop or command-line program, in the browser or by a device
//!   code; tokens after a restart.
//! - [`migrating`]: from Python's `identity`, MSAL Python, Microsoft.Identity.Web, axum-login and
//!   axum-oidc, name by name.

#[doc = include_str!("getting_started.md")]
pub mod getting_started {}

#[doc = include_str!("apis.md")]
pub mod apis {}

#[doc = include_str!("grpc.md")]
pub mod grpc {}

#[doc = include_str!("calling_apis.md")]
pub mod calling_apis {}

#[doc = include_str!("providers.md")]
pub mod providers {}

#[doc = include_str!("tenants.md")]
pub mod tenants {}

#[doc = include_str!("deployments.md")]
pub mod deployments {}

#[doc = include_str!("cross_site.md")]
pub mod cross_site {}

#[doc = include_str!("front_ends.md")]
pub mod front_ends {}

#[doc = include_str!("postgresql.md")]
#[doc = "\n```rust,ignore"]
#[doc = include_str!("postgresql.rs")]
#[doc = "```"]
pub mod postgresql {}

#[doc = include_str!("testing.md")]
pub mod testing {}

#[doc = include_str!("public_sites.md")]
pub mod public_sites {}

#[doc = include_str!("events.md")]
pub mod events {}

#[doc = include_str!("kept_forms.md")]
pub mod kept_forms {}

#[doc = include_str!("own_pages.md")]
pub mod own_pages {}

#[doc = include_str!("programs.md")]
pub mod programs {}

#[doc = include_str!("migrating.md")]
pub mod migrating {}
