//! What is measured, and what it may cost.

use std::{cell::RefCell, rc::Rc};

use tokio::sync::OnceCell;

use crate::{
    api, api_peers,
    app::{Fallible, Runner, Sent},
    controls, ours, peers,
    provider::Provider,
};

/// One row of the tables.
pub struct Subject {
    pub name: &'static str,
    pub about: &'static str,
    /// The subject that it adds something to.
    pub base: &'static str,
    /// Instructions added to the base that we aim at.
    pub goal: Option<i64>,
    /// Instructions added to the base that we never exceed.
    pub bar: Option<i64>,
    /// Requests in the short and in the long run of an instruction count.
    pub requests: (u64, u64),
    /// How many such counts.
    pub pairs: usize,
    /// Whether its instructions are counted only if it is named, because that takes minutes.
    pub counted_by_name: bool,
    kind: Kind,
}

/// Where sessions are kept.
#[derive(Clone, Copy)]
pub enum Store {
    Default,
    Memory,
}

/// Which of the tokens in the cache a request asks for.
#[derive(Clone, Copy)]
pub enum Wanted {
    /// That of the sign-in, by one of its scopes.
    OfSignIn,
    /// The one that was fetched by the same request before.
    Fetched,
}

#[derive(Clone, Copy)]
enum Kind {
    Bare,
    BareWithCookie,
    BareWithTokens(usize),
    NothingRouted,
    NothingWrapped,
    LeastRouted,
    SignedIn,
    SignedInWrapped,
    MemoryStore,
    /// Beside so much of something else in the `Cookie` header.
    Flooded(&'static str),
    NotCached,
    Public,
    PublicWrapped,
    /// A user with so many tokens in the cache asks for one of them.
    Token(Store, Wanted, usize),
    /// An API, whose callers have so many tokens that were verified before.
    Api(usize, Sent),
    /// An API that verifies the token with each request.
    ApiNew,
    OauthResourceServer,
    TowerOauth2ResourceServer,
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
/// Ours, with sessions in tower-sessions' memory store.
pub const MEMORY_STORE: &str = "memory-store";

/// An API with one token that was verified before, and one with as many as it remembers.
pub const ONE_TOKEN: &str = "api";
pub const MANY_TOKENS: &str = "api-100000";
/// What the time of many tokens is compared with.
pub const BARE_MANY_TOKENS: &str = "bare-100000";
const MANY: usize = 100_000;

const fn subject(name: &'static str, about: &'static str, kind: Kind) -> Subject {
    Subject {
        name,
        about,
        base: BARE,
        goal: None,
        bar: None,
        requests: (200, 2_200),
        pairs: 3,
        counted_by_name: false,
        kind,
    }
}

/// With as many tokens as are remembered. They take their time to be made and verified.
const fn many(subject: Subject) -> Subject {
    Subject { requests: (2_000, 22_000), pairs: 1, counted_by_name: true, ..subject }
}

const fn ours(
    name: &'static str,
    about: &'static str,
    kind: Kind,
    goal: i64,
    bar: Option<i64>,
) -> Subject {
    Subject { goal: Some(goal), bar, ..subject(name, about, kind) }
}

const fn token(
    name: &'static str,
    about: &'static str,
    store: Store,
    wanted: Wanted,
    cached: usize,
) -> Subject {
    let (base, goal, bar) = match store {
        Store::Default => (OURS, 2_500, Some(3_200)),
        Store::Memory => (MEMORY_STORE, 7_500, Some(7_500)),
    };
    // To fetch a thousand tokens takes minutes.
    let pairs = if cached < 1_000 { 3 } else { 1 };
    Subject {
        base,
        goal: Some(goal),
        bar,
        pairs,
        ..subject(name, about, Kind::Token(store, wanted, cached))
    }
}

/// 16 KiB of these are 190 pairs: of more than 200 no cookie is read.
const LONG_PAIR: &str =
    "a=bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb; ";

/// A signed-in user, with a long `Cookie` header: in all at most four times what the request
/// costs with one cookie, which is some 11,400.
const fn flood(name: &'static str, about: &'static str, filling: &'static str) -> Subject {
    Subject { base: OURS, bar: Some(34_000), ..subject(name, about, Kind::Flooded(filling)) }
}

pub const SUBJECTS: &[Subject] = &[
    subject(BARE, "axum alone", Kind::Bare),
    subject("bare-cookie", "axum alone, asked with our cookie", Kind::BareWithCookie),
    subject("nothing", "a layer that does nothing, through Router::layer", Kind::NothingRouted),
    subject("nothing-wrapped", "the same, once around the router", Kind::NothingWrapped),
    subject(
        "least",
        "a layer that inserts a value and has a body type, Router::layer",
        Kind::LeastRouted,
    ),
    ours(OURS, "ours: default store, Router::layer", Kind::SignedIn, 4_800, Some(5_300)),
    subject(
        "signed-in-wrapped",
        "ours: default store, once around the router",
        Kind::SignedInWrapped,
    ),
    ours(
        MEMORY_STORE,
        "ours: tower-sessions' MemoryStore, Router::layer",
        Kind::MemoryStore,
        9_000,
        Some(9_600),
    ),
    flood("flood-separators", "beside 16 KiB of `;` in the cookie header", ";"),
    flood("flood-pairs", "beside 16 KiB of other pairs in the cookie header", LONG_PAIR),
    flood("flood-spaces", "beside 16 KiB of separators and spaces in the cookie header", "; ;\t"),
    ours(
        "not-cached",
        "ours: default store, not in the decoded cache",
        Kind::NotCached,
        25_000,
        Some(25_000),
    ),
    ours("public", "ours: public path, Router::layer", Kind::Public, 2_500, Some(3_250)),
    ours(
        "public-wrapped",
        "ours: public path, once around the router",
        Kind::PublicWrapped,
        1_000,
        Some(1_200),
    ),
    token(
        "token-1",
        "default store: the token of the sign-in, which is the only one",
        Store::Default,
        Wanted::OfSignIn,
        1,
    ),
    token(
        "token-1000-sign-in",
        "default store: the token of the sign-in, of 1,000",
        Store::Default,
        Wanted::OfSignIn,
        1_000,
    ),
    token("token-2", "default store: one of 2", Store::Default, Wanted::Fetched, 2),
    token("token-10", "default store: one of 10", Store::Default, Wanted::Fetched, 10),
    token("token-100", "default store: one of 100", Store::Default, Wanted::Fetched, 100),
    token("token-1000", "default store: one of 1,000", Store::Default, Wanted::Fetched, 1_000),
    token(
        "memory-token-1",
        "tower-sessions' MemoryStore: the token of the sign-in, which is the only one",
        Store::Memory,
        Wanted::OfSignIn,
        1,
    ),
    token(
        "memory-token-2",
        "tower-sessions' MemoryStore: one of 2",
        Store::Memory,
        Wanted::Fetched,
        2,
    ),
    token(
        "memory-token-10",
        "tower-sessions' MemoryStore: one of 10",
        Store::Memory,
        Wanted::Fetched,
        10,
    ),
    token(
        "memory-token-100",
        "tower-sessions' MemoryStore: one of 100",
        Store::Memory,
        Wanted::Fetched,
        100,
    ),
    token(
        "memory-token-1000",
        "tower-sessions' MemoryStore: one of 1,000",
        Store::Memory,
        Wanted::Fetched,
        1_000,
    ),
    ours(
        ONE_TOKEN,
        "an API: a token that was verified before",
        Kind::Api(1, Sent::Shared),
        6_000,
        Some(7_000),
    ),
    Subject {
        // The tokens take their time to be made.
        pairs: 1,
        ..ours(
            "api-10000",
            "an API: one of 10,000 such tokens",
            Kind::Api(10_000, Sent::Shared),
            6_000,
            Some(7_000),
        )
    },
    many(subject(
        BARE_MANY_TOKENS,
        "axum alone, asked with 100,000 tokens",
        Kind::BareWithTokens(MANY),
    )),
    Subject {
        base: BARE_MANY_TOKENS,
        ..many(ours(
            MANY_TOKENS,
            "an API: one of 100,000 such tokens",
            Kind::Api(MANY, Sent::Copied),
            6_000,
            Some(7_000),
        ))
    },
    Subject {
        requests: (20, 120),
        bar: Some(380_000),
        ..subject("api-new", "an API: a new RS256 token", Kind::ApiNew)
    },
    Subject {
        requests: (20, 120),
        ..subject(
            "oauth-resource-server",
            "an API: oauth-resource-server 0.4",
            Kind::OauthResourceServer,
        )
    },
    Subject {
        requests: (20, 120),
        ..subject(
            "tower-oauth2-resource-server",
            "an API: tower-oauth2-resource-server 0.12",
            Kind::TowerOauth2ResourceServer,
        )
    },
    subject(PEER, "tower-sessions 0.14, one get of the user", Kind::TowerSessions),
    subject("axum-login", "axum-login 0.18", Kind::AxumLogin),
    Subject {
        requests: (20, 120),
        ..subject("axum-oidc", "axum-oidc 1.0.0-dev-2", Kind::AxumOidc)
    },
];

impl Subject {
    pub fn named(name: &str) -> Fallible<&'static Self> {
        SUBJECTS
            .iter()
            .find(|subject| subject.name == name)
            .ok_or_else(|| format!("no subject {name:?}: see peers list").into())
    }

    /// Signs in, if that is needed, and is ready for `requests`.
    pub async fn prepare(&self, stage: &Stage, requests: u64) -> Fallible<Runner> {
        match self.kind {
            Kind::Bare => Ok(controls::bare()),
            Kind::BareWithCookie => {
                Ok(controls::with_cookie(ours::cookie(stage.issuer().await?).await?))
            }
            Kind::BareWithTokens(tokens) => {
                Ok(controls::with_tokens(api::headers(&*stage.with_tokens(tokens)?)?))
            }
            Kind::NothingRouted => Ok(controls::nothing_routed()),
            Kind::NothingWrapped => Ok(controls::nothing_wrapped()),
            Kind::LeastRouted => Ok(controls::least_routed()),
            Kind::SignedIn => ours::signed_in(stage.issuer().await?).await,
            Kind::SignedInWrapped => ours::signed_in_wrapped(stage.issuer().await?).await,
            Kind::MemoryStore => ours::memory_store(stage.issuer().await?).await,
            Kind::Flooded(filling) => ours::flooded(stage.issuer().await?, filling).await,
            Kind::NotCached => ours::not_cached(stage.issuer().await?, requests).await,
            Kind::Public => ours::public(stage.issuer().await?),
            Kind::PublicWrapped => ours::public_wrapped(stage.issuer().await?),
            Kind::Token(store, wanted, cached) => {
                ours::with_token(stage.issuer().await?, store, wanted, cached).await
            }
            Kind::Api(tokens, sent) => api::remembered(&*stage.with_tokens(tokens)?, sent).await,
            Kind::ApiNew => api::new(&*stage.with_tokens(1)?).await,
            Kind::OauthResourceServer => {
                api_peers::oauth_resource_server(&*stage.with_tokens(1)?).await
            }
            Kind::TowerOauth2ResourceServer => {
                api_peers::tower_oauth2_resource_server(&*stage.with_tokens(1)?).await
            }
            Kind::TowerSessions => peers::tower_sessions().await,
            Kind::AxumLogin => peers::axum_login().await,
            Kind::AxumOidc => peers::axum_oidc(stage.issuer().await?).await,
        }
    }
}

/// The named subjects in their usual order, and what they add to; all of them, if none is named.
pub fn chosen(names: &[String]) -> Fallible<Vec<&'static Subject>> {
    for name in names {
        Subject::named(name)?;
    }
    let named =
        |subject: &Subject| names.is_empty() || names.iter().any(|name| name == subject.name);
    let is_base =
        |subject: &Subject| SUBJECTS.iter().any(|other| named(other) && other.base == subject.name);
    Ok(SUBJECTS
        .iter()
        .filter(|subject| subject.name == BARE || named(subject) || is_base(subject))
        .collect())
}

/// What the subjects share: the provider, started when the first one signs in.
#[derive(Default)]
pub struct Stage {
    provider: OnceCell<Provider>,
    /// Providers that issued access tokens; each has to answer for its keys as long as its tokens
    /// are used.
    with_tokens: RefCell<Vec<Rc<Provider>>>,
}

impl Stage {
    /// The provider that issued so many access tokens.
    fn with_tokens(&self, count: usize) -> Fallible<Rc<Provider>> {
        let same = |provider: &&Rc<Provider>| provider.tokens().len() == count;
        if let Some(provider) = self.with_tokens.borrow().iter().find(same) {
            return Ok(Rc::clone(provider));
        }
        let provider = Rc::new(Provider::with_tokens(count)?);
        self.with_tokens.borrow_mut().push(Rc::clone(&provider));
        Ok(provider)
    }

    async fn issuer(&self) -> Fallible<&str> {
        Ok(self.provider.get_or_try_init(|| async { Provider::start() }).await?.issuer())
    }
}
