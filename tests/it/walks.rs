//! No redirect loop and no hang: a browser follows all walks through deployments, most of which are
//! set up wrongly or fail.

use std::{sync::Arc, time::Duration};

use axum::{Router, extract::Request, http::StatusCode, routing::get};
use proptest::{prelude::*, test_runner::TestCaseError};
use tower::Layer as _;
use tower_identity::{
    Error, IdentityConfig, IdentityLayer, Tokens, User,
    config::{PathPrefix, ResponseMode, SignInMethod},
    dev::{Endpoint, Failure, SpoilCallback},
    require_sign_in,
};

use crate::{
    browser::{Tab, html},
    deployments::{Deployment, Rewrite, kept, stripped},
    raw::{is_attempt, is_session},
    stores::{Operation, Watched},
};

/// Most redirects in one navigation. A browser gives up after twenty.
const MOST_REDIRECTS: usize = 8;
/// Longest time for one navigation: far more than all time limits of the layer.
const HANGS: Duration = Duration::from_secs(60);

#[derive(Clone, Copy, Debug)]
enum Way {
    Keeps,
    Strips,
    AddsSlash,
    Raises,
    Moves,
}

#[derive(Clone, Copy, Debug)]
enum CookieFault {
    None,
    Blocked,
    AttemptsDropped,
    SessionDropped,
}

#[derive(Clone, Copy, Debug)]
enum StoreFault {
    None,
    Forgets,
    Fails,
    FailsToCreate,
    FailsLater,
    Hangs,
}

#[derive(Clone, Copy, Debug)]
enum ProviderFault {
    None,
    WantsInteraction,
    Denies,
    IsBusy,
    RefusesTokens,
    IsDown,
}

#[derive(Clone, Copy, Debug)]
enum Method {
    Query,
    FormPost,
    DeviceCode,
}

#[derive(Clone, Copy, Debug)]
enum Step {
    Open(&'static str),
    Click(&'static str),
    Reload,
    SignOut,
    /// Signs in with the code that is shown, on another device.
    EnterCode,
    Wait(u64),
    ProviderHeals,
    StoreHeals,
}

#[derive(Clone, Debug)]
struct Walk {
    base_path: &'static str,
    prefix: PathPrefix,
    way: Way,
    nested: bool,
    cookies: CookieFault,
    store: StoreFault,
    provider: ProviderFault,
    method: Method,
    steps: Vec<Step>,
}

fn walk() -> impl Strategy<Value = Walk> {
    let one = |steps: &'static [Step]| prop::sample::select(steps);
    let steps = one(&[
        Step::Open("/me"),
        Step::Open("/me?page=1"),
        Step::Open("/"),
        Step::Open("/reports"),
        Step::Open("/strict"),
        Step::Open("/auth/login?return_to=/me"),
        Step::Open("/auth/callback?error=server_error"),
        Step::Click("Try again"),
        Step::Click("Sign in"),
        Step::Reload,
        Step::SignOut,
        Step::EnterCode,
        Step::Wait(61),
        Step::Wait(4_000),
        Step::ProviderHeals,
        Step::StoreHeals,
    ]);
    let deployment = (
        prop::sample::select(vec!["", "/app", "/a/b"]),
        prop::sample::select(vec![PathPrefix::Stripped, PathPrefix::Kept]),
        prop::sample::select(vec![
            Way::Keeps,
            Way::Strips,
            Way::AddsSlash,
            Way::Raises,
            Way::Moves,
        ]),
        any::<bool>(),
    );
    let faults = (
        prop::sample::select(vec![
            CookieFault::None,
            CookieFault::None,
            CookieFault::Blocked,
            CookieFault::AttemptsDropped,
            CookieFault::SessionDropped,
        ]),
        prop::sample::select(vec![
            StoreFault::None,
            StoreFault::None,
            StoreFault::Forgets,
            StoreFault::Fails,
            StoreFault::FailsToCreate,
            StoreFault::FailsLater,
            StoreFault::Hangs,
        ]),
        prop::sample::select(vec![
            ProviderFault::None,
            ProviderFault::None,
            ProviderFault::WantsInteraction,
            ProviderFault::Denies,
            ProviderFault::IsBusy,
            ProviderFault::RefusesTokens,
            ProviderFault::IsDown,
        ]),
        prop::sample::select(vec![
            Method::Query,
            Method::Query,
            Method::FormPost,
            Method::DeviceCode,
        ]),
    );
    (deployment, faults, prop::collection::vec(steps, 2..7)).prop_map(
        |((base_path, prefix, way, nested), (cookies, store, provider, method), steps)| Walk {
            base_path,
            prefix,
            way,
            nested,
            cookies,
            store,
            provider,
            method,
            steps,
        },
    )
}

/// A walk through a deployment without a fault.
fn sound_walk() -> impl Strategy<Value = Walk> {
    walk().prop_map(|walk| Walk {
        prefix: PathPrefix::Stripped,
        way: Way::Strips,
        nested: false,
        cookies: CookieFault::None,
        store: StoreFault::None,
        provider: ProviderFault::None,
        ..walk
    })
}

async fn reports(tokens: Tokens) -> Result<&'static str, Error> {
    tokens.for_user("reports").await.map(|_| "reports")
}

fn routes() -> Router {
    let strict = Router::new().route("/strict", get(|| async { "strict" })).route_layer(
        require_sign_in().with_auth_context("gold").with_max_age(Duration::from_secs(3_000)),
    );
    let page =
        |user: Option<User>| async move { if user.is_some() { "somebody" } else { "nobody" } };
    Router::new()
        .route("/", get(page))
        .route("/me", get(|_: User| async { "me" }))
        .route("/reports", get(reports))
        .merge(strict)
        .fallback(|request: Request| async move {
            (StatusCode::NOT_FOUND, request.uri().path().to_owned())
        })
}

impl Walk {
    fn rewrite(&self) -> Rewrite {
        match self.way {
            Way::Keeps => kept(),
            Way::Strips => stripped(self.base_path),
            Way::AddsSlash => {
                Arc::new(|path| if path.ends_with('/') { path.into() } else { format!("{path}/") })
            }
            Way::Raises => Arc::new(str::to_uppercase),
            Way::Moves => Arc::new(|path| format!("/service{path}")),
        }
    }

    fn settings(&self, config: IdentityConfig) -> IdentityConfig {
        // Short, so that the walk is.
        let limit = Duration::from_millis(20);
        let config =
            config.with_path_prefix(self.prefix).add_public_path("/").with_store_timeout(limit);
        match self.method {
            Method::Query => config,
            Method::FormPost => config.with_response_mode(ResponseMode::FormPost),
            Method::DeviceCode => config.with_sign_in_method(SignInMethod::DeviceCode),
        }
    }

    fn router(&self, layer: IdentityLayer) -> Router {
        match self.base_path {
            path if self.nested && !path.is_empty() => {
                Router::new().nest_service(path, layer.layer(routes()))
            }
            _ => routes().layer(layer),
        }
    }

    async fn deploy(&self, store: &Watched) -> Deployment {
        let kept = store.clone();
        let layer = move |layer: IdentityLayer| layer.with_store(kept).unwrap();
        let (settings, router) = (|config| self.settings(config), |layer| self.router(layer));
        Deployment::start(self.base_path, settings, layer, router, self.rewrite()).await
    }

    fn break_store(&self, store: &Watched) {
        match self.store {
            StoreFault::None => {}
            StoreFault::Forgets => store.forget_everything(),
            StoreFault::Fails => store.fail(&Operation::ALL),
            StoreFault::FailsToCreate => store.fail(&[Operation::Create]),
            StoreFault::FailsLater => store.fail_after(Operation::Load, 2),
            StoreFault::Hangs => store.hang(),
        }
    }

    fn break_provider(&self, deployment: &Deployment) {
        let provider = &deployment.provider;
        match self.provider {
            ProviderFault::None => {}
            ProviderFault::WantsInteraction => {
                (0..99)
                    .for_each(|_| provider.spoil_next_callback(SpoilCallback::InteractionRequired));
            }
            ProviderFault::Denies => {
                (0..99).for_each(|_| provider.spoil_next_callback(SpoilCallback::AccessDenied))
            }
            ProviderFault::IsBusy => {
                (0..99).for_each(|_| {
                    provider.spoil_next_callback(SpoilCallback::TemporarilyUnavailable)
                });
            }
            ProviderFault::RefusesTokens => {
                provider.fail_next(
                    Endpoint::Token,
                    99,
                    Failure::OAuthError("invalid_grant".into()),
                );
            }
            ProviderFault::IsDown => {
                provider.fail_next(Endpoint::Token, 99, Failure::json(503, "{}"))
            }
        }
    }

    /// Follows the walk to its end.
    async fn run(&self) -> Result<(Deployment, Watched, Tab), TestCaseError> {
        let store = Watched::default();
        let mut deployment = self.deploy(&store).await;
        self.break_store(&store);
        self.break_provider(&deployment);
        let browser = deployment.browser();
        match self.cookies {
            CookieFault::None => {}
            CookieFault::Blocked => browser.jar().blocked = true,
            CookieFault::AttemptsDropped => browser.jar().dropped = Some(is_attempt),
            CookieFault::SessionDropped => browser.jar().dropped = Some(is_session),
        }
        let mut tab = browser.tab();
        let start = deployment.at(&format!("{}/", self.base_path));
        tab.open(&start).await;
        for step in &self.steps {
            let done =
                tokio::time::timeout(HANGS, self.step(*step, &mut deployment, &store, &mut tab))
                    .await;
            prop_assert!(done.is_ok(), "{step:?} hangs");
            let redirects = tab.hops.iter().filter(|hop| hop.status.is_redirection()).count();
            prop_assert!(
                redirects <= MOST_REDIRECTS,
                "{redirects} redirects by {step:?}:\n{:#?}",
                tab.hops
            );
            let page = tab.page();
            // A fault is always reported, never a malformed response.
            let is_outside = page.status == StatusCode::NOT_FOUND;
            prop_assert!(
                is_outside || !page.body.is_empty(),
                "{step:?} ends on an empty page: {} {}",
                page.status,
                page.url
            );
        }
        Ok((deployment, store, tab))
    }

    /// The same without a fault: in the end the user gets in.
    async fn run_well(&self) -> Result<(), TestCaseError> {
        let (mut deployment, store, mut tab) = self.run().await?;
        for step in [Step::Wait(700), Step::Open("/me"), Step::EnterCode] {
            self.step(step, &mut deployment, &store, &mut tab).await;
        }
        let page = tab.page();
        prop_assert_eq!((page.status, page.body.as_str()), (StatusCode::OK, "me"));
        Ok(())
    }

    async fn step(&self, step: Step, deployment: &mut Deployment, store: &Watched, tab: &mut Tab) {
        match step {
            Step::Open(path) => {
                drop(tab.open(deployment.at(&format!("{}{path}", self.base_path))).await.clone())
            }
            Step::Click(text) => {
                if html::links(&tab.page().body).iter().any(|(_, own)| own == text) {
                    tab.click(text).await;
                }
            }
            Step::Reload => drop(tab.reload().await.clone()),
            Step::SignOut => {
                drop(
                    tab.submit(html::Form::post(&format!("{}/auth/logout", self.base_path)))
                        .await
                        .clone(),
                );
            }
            Step::EnterCode => {
                let tags = html::tags(&tab.page().body);
                let is_code = |tag: &&html::Tag| {
                    tag.attributes.get("class").is_some_and(|class| class == "code")
                };
                let Some(code) = tags.iter().find(is_code).map(|tag| tag.text.clone()) else {
                    return;
                };
                // A code that has expired is refused.
                drop(deployment.provider.answer_device(&code, Some("ada")));
                deployment.clock.advance(Duration::from_secs(5));
                tab.click("Continue").await;
            }
            Step::Wait(seconds) => deployment.clock.advance(Duration::from_secs(seconds)),
            Step::ProviderHeals => {
                deployment.provider.stop_failing(Endpoint::Token);
                deployment.provider.forget_orders();
            }
            Step::StoreHeals => {
                store.recover();
                store.remember();
                store.answer();
            }
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig {
        cases: 48, max_shrink_iters: 64, failure_persistence: None, ..ProptestConfig::default()
    })]

    #[test]
    fn a_browser_is_never_sent_round_and_never_kept_waiting(walk in walk()) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(walk.run())?;
    }

    #[test]
    fn where_nothing_is_wrong_every_walk_ends_behind_the_sign_in(walk in sound_walk()) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(walk.run_well())?;
    }
}
