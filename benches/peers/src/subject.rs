//! What is measured, and what it may cost.

use tokio::sync::OnceCell;

use crate::{
    app::{Fallible, Runner},
    controls, ours, peers,
    provider::Provider,
};

/// One row of the tables.
pub struct Subject {
    pub name: &'static str,
    pub about: &'static str,
    /// Instructions added to [`BARE`] that we aim at.
    pub goal: Option<i64>,
    /// Instructions added to [`BARE`] that we never exceed.
    pub bar: Option<i64>,
    /// Requests in the short and in the long run of an instruction count.
    pub requests: (u64, u64),
    kind: Kind,
}

#[derive(Clone, Copy)]
enum Kind {
    Bare,
    BareWithCookie,
    NothingRouted,
    NothingWrapped,
    SignedIn,
    SignedInWrapped,
    MemoryStore,
    NotCached,
    Public,
    PublicWrapped,
    TowerSessions,
    AxumLogin,
    AxumOidc,
}

/// What everything is compared with.
pub const BARE: &str = "bare";
/// The peer that ours is compared with in time.
pub const PEER: &str = "tower-sessions";
/// Ours, as most applications have it.
pub const OURS: &str = "signed-in";

const fn subject(name: &'static str, about: &'static str, kind: Kind) -> Subject {
    Subject { name, about, goal: None, bar: None, requests: (200, 2_200), kind }
}

const fn ours(name: &'static str, about: &'static str, kind: Kind, goal: i64, bar: Option<i64>) -> Subject {
    Subject { goal: Some(goal), bar, ..subject(name, about, kind) }
}

pub const SUBJECTS: &[Subject] = &[
    subject(BARE, "axum alone", Kind::Bare),
    subject("bare-cookie", "axum alone, asked with our cookie", Kind::BareWithCookie),
    subject("nothing", "a layer that does nothing, through Router::layer", Kind::NothingRouted),
    subject("nothing-wrapped", "the same, once around the router", Kind::NothingWrapped),
    ours(OURS, "ours: default store, Router::layer", Kind::SignedIn, 5_000, Some(6_000)),
    subject("signed-in-wrapped", "ours: default store, once around the router", Kind::SignedInWrapped),
    ours("memory-store", "ours: tower-sessions' MemoryStore, Router::layer", Kind::MemoryStore, 9_000, None),
    ours("not-cached", "ours: default store, not in the decoded cache", Kind::NotCached, 25_000, Some(35_000)),
    ours("public", "ours: public path, Router::layer", Kind::Public, 2_500, None),
    ours("public-wrapped", "ours: public path, once around the router", Kind::PublicWrapped, 1_000, None),
    subject(PEER, "tower-sessions 0.14, one get of the user", Kind::TowerSessions),
    subject("axum-login", "axum-login 0.18", Kind::AxumLogin),
    Subject { requests: (20, 120), ..subject("axum-oidc", "axum-oidc 1.0.0-dev-2", Kind::AxumOidc) },
];

impl Subject {
    pub fn named(name: &str) -> Fallible<&'static Self> {
        SUBJECTS.iter().find(|subject| subject.name == name).ok_or_else(|| format!("no subject {name:?}: see peers list").into())
    }

    /// Signs in, if that is needed, and is ready for `requests`.
    pub async fn prepare(&self, stage: &Stage, requests: u64) -> Fallible<Runner> {
        match self.kind {
            Kind::Bare => Ok(controls::bare()),
            Kind::BareWithCookie => Ok(controls::with_cookie(ours::cookie(stage.issuer().await?).await?)),
            Kind::NothingRouted => Ok(controls::nothing_routed()),
            Kind::NothingWrapped => Ok(controls::nothing_wrapped()),
            Kind::SignedIn => ours::signed_in(stage.issuer().await?).await,
            Kind::SignedInWrapped => ours::signed_in_wrapped(stage.issuer().await?).await,
            Kind::MemoryStore => ours::memory_store(stage.issuer().await?).await,
            Kind::NotCached => ours::not_cached(stage.issuer().await?, requests).await,
            Kind::Public => ours::public(stage.issuer().await?),
            Kind::PublicWrapped => ours::public_wrapped(stage.issuer().await?),
            Kind::TowerSessions => peers::tower_sessions().await,
            Kind::AxumLogin => peers::axum_login().await,
            Kind::AxumOidc => peers::axum_oidc(stage.issuer().await?).await,
        }
    }
}

/// The named subjects in their usual order, and always [`BARE`]; all of them, if none is named.
pub fn chosen(names: &[String]) -> Fallible<Vec<&'static Subject>> {
    for name in names {
        Subject::named(name)?;
    }
    let wanted = |subject: &&Subject| names.is_empty() || subject.name == BARE || names.iter().any(|name| name == subject.name);
    Ok(SUBJECTS.iter().filter(wanted).collect())
}

/// What the subjects share: the provider, started when the first one signs in.
#[derive(Default)]
pub struct Stage {
    provider: OnceCell<Provider>,
}

impl Stage {
    async fn issuer(&self) -> Fallible<&str> {
        Ok(self.provider.get_or_try_init(|| async { Provider::start() }).await?.issuer())
    }
}
