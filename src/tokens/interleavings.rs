//! A model check of the single flight: the real code under every order in which its tasks can take
//! their steps.
//!
//! A step is what a task does between two awaits; each call of the store, the provider and the lock
//! is one. Shared state is behind mutexes that are never held over an await, so the orders of steps
//! are the orders that matter. Steps that several threads take at the same time are left to the
//! tests of `single_flight`. Time passes only when no task is ready, and the lease of a lock never
//! ends.
//!
//! Scenes with two actors are run in every order. Scenes with three, with actors that are dropped
//! or with a store that fails, are run only in the orders that interrupt a ready task at most
//! twice: a fault that takes three interruptions is not found there.

use std::{
    future::Future,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering::SeqCst},
    },
    task::Poll,
};

use super::{
    schedule::{Model, Schedule},
    test_support::*,
    *,
};
use crate::{clock::ManualClock, config::SessionEnd, error::ErrorKind};

/// One session and the processes that serve it, each with `Grants` of its own.
struct Scene {
    model: Arc<Model>,
    clock: ManualClock,
    store: Arc<FakeStore>,
    provider: Arc<FakeProvider>,
    lock: Arc<FakeLock>,
    processes: Vec<Grants>,
    grant: GrantRef,
    /// The number of callers that were answered.
    answered: Arc<AtomicUsize>,
}

impl Scene {
    fn new(processes: usize) -> Self {
        let (model, clock) = (Arc::new(Model::default()), ManualClock::at(START));
        let (store, lock) = (Arc::new(FakeStore::default()), Arc::new(FakeLock::default()));
        let provider = Arc::new(FakeProvider::new(clock.clone()));
        let process = |_| {
            let lock: Option<Arc<dyn RefreshLock>> =
                if processes > 1 { Some(lock.clone()) } else { None };
            let clock = Arc::new(clock.clone());
            Grants::on(
                Arc::new(model.clone()),
                store.clone(),
                provider.clone(),
                clock,
                lock,
                SessionEnd::OwnLimits,
            )
        };
        let processes = (0..processes).map(process).collect();
        let scene = Self {
            model,
            clock,
            store,
            provider,
            lock,
            processes,
            grant: grant(1),
            answered: Arc::default(),
        };
        sign_in(&scene.store, &scene.provider, &scene.grant, START, |_| {});
        scene
    }

    /// A caller that requests a token; every token that it gets must be stored already.
    fn ask(&self, process: usize, scopes: &str) {
        let (grants, grant, store, answered) = (
            self.processes[process].clone(),
            self.grant.clone(),
            self.store.clone(),
            self.answered.clone(),
        );
        let request = request(scopes);
        self.model.add(async move {
            match grants.access_token(&grant, &request).await {
                Ok(token) => {
                    assert!(store.has_stored_token(&request, &token), "seen before it was stored")
                }
                Err(error) => assert_eq!(
                    (error.kind(), store.is_signed_in(&grant)),
                    (ErrorKind::SessionEnded, false)
                ),
            }
            answered.fetch_add(1, SeqCst);
        });
    }

    /// A caller whose claims are due, and whose session must not end.
    fn renew(&self, process: usize) {
        let (grants, grant, store, answered) = (
            self.processes[process].clone(),
            self.grant.clone(),
            self.store.clone(),
            self.answered.clone(),
        );
        self.model.add(async move {
            match grants.renew(&grant).await {
                Ok(renewed) => assert!(renewed.claims().is_some()),
                Err(RefreshError::SessionMustEnd(_)) => assert!(!store.is_signed_in(&grant)),
                Err(RefreshError::Failed(error)) => panic!("{error}"),
            }
            answered.fetch_add(1, SeqCst);
        });
    }

    /// A caller that requests a token and is cancelled after this many steps.
    fn ask_and_leave(&self, scopes: &str, steps: usize) {
        let (grants, grant, request) =
            (self.processes[0].clone(), self.grant.clone(), request(scopes));
        self.model.add(async move {
            let mut asking =
                Box::pin(async move { grants.access_token(&grant, &request).await.map(drop) });
            for _ in 0..steps {
                if std::future::poll_fn(|context| {
                    Poll::Ready(asking.as_mut().poll(context).is_ready())
                })
                .await
                {
                    return;
                }
                YieldOnce::default().await;
            }
        });
    }

    fn sign_out(&self) {
        let (store, grant) = (self.store.clone(), self.grant.clone());
        self.model.add(async move { store.sign_out(&grant).await });
    }

    /// The invariants that hold after every run.
    fn check(&self, callers: usize) {
        assert_eq!(self.answered.load(SeqCst), callers, "everybody has an answer");
        assert!(!self.provider.reused.load(SeqCst), "a refresh token was sent twice");
        assert!(self.provider.most_inside.load(SeqCst) <= 1, "two refreshes at the same time");
        assert!(self.processes.iter().all(|grants| !grants.is_busy()), "a flight was left over");
        assert!(self.lock.is_free(), "the lock was left over");
        match self.store.record(&self.grant) {
            Some(record) => {
                assert!(
                    self.store.is_signed_in(&self.grant),
                    "something was left after the sign-out"
                );
                assert!(
                    self.provider.accepts(record.refresh_token().unwrap()),
                    "the rotated refresh token was lost"
                );
            }
            None => assert!(!self.store.is_signed_in(&self.grant), "the record was lost"),
        }
    }
}

/// Runs the scene in every order, or in those with few interruptions, and returns their number.
fn every_order(interruptions: usize, scene: impl Fn() -> Scene, check: impl Fn(&Scene)) -> usize {
    let (mut schedule, mut orders) = (Some(Schedule::within(interruptions)), 0);
    while let Some(mut this) = schedule {
        let scene = scene();
        scene.model.run(&mut this);
        check(&scene);
        orders += 1;
        schedule = this.next();
    }
    println!("{orders} orders");
    orders
}

const ALL: usize = usize::MAX;
const FEW: usize = 2;

#[test]
fn the_same_request_twice_is_one_refresh() {
    let scene = || {
        let scene = Scene::new(1);
        scene.ask(0, "mail.read");
        scene.ask(0, "mail.read");
        scene
    };
    let orders = every_order(ALL, scene, |scene| {
        scene.check(2);
        assert_eq!(scene.provider.calls(), 1);
    });
    assert!(orders > 100, "the scheduler tries few orders");
}

#[test]
fn different_requests_are_two_refreshes_one_after_the_other() {
    let scene = || {
        let scene = Scene::new(1);
        scene.ask(0, "mail.read");
        scene.ask(0, "mail.send");
        scene
    };
    every_order(ALL, scene, |scene| {
        scene.check(2);
        assert_eq!(scene.provider.calls(), 2);
    });
}

#[test]
fn concurrent_requests_lose_no_tokens_of_each_other() {
    let scene = || {
        let scene = Scene::new(1);
        scene.provider.at_once.store(true, SeqCst);
        scene.provider.rotates.store(false, SeqCst);
        scene.ask(0, "mail.read");
        scene.ask(0, "mail.send");
        scene
    };
    every_order(ALL, scene, |scene| {
        assert_eq!((scene.answered.load(SeqCst), scene.provider.calls()), (2, 2));
        assert_eq!(scene.store.record(&scene.grant).unwrap().tokens().len(), 3);
        assert!(!scene.processes[0].is_busy());
    });
}

#[test]
fn claims_and_token_of_the_sign_in_are_one_refresh() {
    let scene = || {
        let scene = Scene::new(1);
        scene.clock.advance(seconds(4000));
        scene.ask(0, "");
        scene.renew(0);
        scene
    };
    every_order(ALL, scene, |scene| {
        scene.check(2);
        assert_eq!(scene.provider.calls(), 1);
    });
}

#[test]
fn a_failure_is_one_request() {
    let scene = || {
        let scene = Scene::new(1);
        scene.provider.next_fails(ErrorKind::ProviderUnreachable, provider_error(""));
        for _ in 0..2 {
            let (grants, grant, answered) =
                (scene.processes[0].clone(), scene.grant.clone(), scene.answered.clone());
            scene.model.add(async move {
                assert_eq!(
                    grants.access_token(&grant, &request("a")).await.unwrap_err().kind(),
                    ErrorKind::ProviderUnreachable
                );
                answered.fetch_add(1, SeqCst);
            });
        }
        scene
    };
    every_order(ALL, scene, |scene| {
        scene.check(2);
        assert_eq!(scene.provider.calls(), 1);
    });
}

#[test]
fn signed_out_stays_signed_out() {
    let one = || {
        let scene = Scene::new(1);
        scene.ask(0, "mail.read");
        scene.sign_out();
        scene
    };
    let more = || {
        let scene = one();
        scene.ask(0, "mail.send");
        scene
    };
    let check = |scene: &Scene| {
        assert!(!scene.store.is_signed_in(&scene.grant) && scene.provider.calls() <= 2)
    };
    every_order(ALL, one, |scene| {
        scene.check(1);
        check(scene);
    });
    every_order(FEW, more, |scene| {
        scene.check(2);
        check(scene);
    });
}

#[test]
fn a_cancelled_caller_changes_nothing() {
    for steps in 1..=3 {
        let scene = || {
            let scene = Scene::new(1);
            scene.ask_and_leave("mail.read", steps);
            scene.ask(0, "mail.send");
            scene
        };
        every_order(FEW, scene, |scene| scene.check(1));
    }
}

#[test]
fn a_failing_store_loses_no_refresh_token() {
    for failures in [1, 4] {
        let scene = |leaves_a_record: bool| {
            let scene = Scene::new(1);
            scene.store.failing_saves.store(failures, SeqCst);
            scene.ask_and_leave("mail.read", 2);
            scene.ask_and_leave("mail.send", 2);
            if !leaves_a_record {
                scene.sign_out();
            }
            scene
        };
        every_order(FEW, || scene(true), |scene| scene.check(0));
        every_order(FEW, || scene(false), |scene| scene.check(0));
    }
}

#[test]
fn two_processes_with_a_lock_are_one_refresh() {
    let scene = || {
        let scene = Scene::new(2);
        scene.clock.advance(seconds(4000));
        scene.renew(0);
        scene.renew(1);
        scene
    };
    every_order(ALL, scene, |scene| {
        scene.check(2);
        assert_eq!(scene.provider.calls(), 1);
    });
    let more = || {
        let scene = scene();
        scene.sign_out();
        scene
    };
    every_order(FEW, more, |scene| scene.check(2));
}
