//! A model of tasks in which every order of their steps can be run.

use std::{
    fmt,
    future::Future,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, Ordering::SeqCst},
    },
    task::{Context, Poll, Wake, Waker},
    time::Duration,
};

use crate::{
    error::Error,
    single_flight::{Task, Tasks},
};

/// More steps than any of the scenarios needs: a schedule that takes more never ends.
const MOST_STEPS: usize = 1_000;

/// The choice of the next ready task: the first decisions are given, later ones choose the first
/// task.
#[derive(Debug, Default)]
pub(super) struct Schedule {
    /// For each decision: the chosen index, and the number of choices.
    decisions: Vec<(usize, usize)>,
    made: usize,
    /// The number of times that a ready task may be interrupted.
    interruptions: usize,
    left: usize,
    last: Option<usize>,
}

impl Schedule {
    pub(super) fn within(interruptions: usize) -> Self {
        Self { interruptions, left: interruptions, ..Self::default() }
    }

    /// One of the tasks that are ready.
    fn choose(&mut self, mut ready: Vec<usize>) -> usize {
        if let Some(last) = self.last
            && let Some(place) = ready.iter().position(|task| *task == last)
        {
            ready.swap(0, place);
            if self.left == 0 {
                return last;
            }
            let chosen = ready[self.decide(ready.len())];
            self.left -= usize::from(chosen != last);
            self.last = Some(chosen);
            return chosen;
        }
        let chosen = ready[self.decide(ready.len())];
        self.last = Some(chosen);
        chosen
    }

    fn decide(&mut self, among: usize) -> usize {
        if among == 1 {
            return 0;
        }
        if self.made == self.decisions.len() {
            self.decisions.push((0, among));
        }
        let (chosen, of) = self.decisions[self.made];
        assert_eq!(of, among, "the same decisions lead to the same state");
        self.made += 1;
        chosen
    }

    /// The next schedule in depth-first order, if there is one.
    pub(super) fn next(mut self) -> Option<Self> {
        (self.made, self.left, self.last) = (0, self.interruptions, None);
        while let Some((chosen, of)) = self.decisions.pop() {
            if chosen + 1 < of {
                self.decisions.push((chosen + 1, of));
                return Some(self);
            }
        }
        None
    }
}

#[derive(Debug)]
struct Ready(AtomicBool);

impl Wake for Ready {
    fn wake(self: Arc<Self>) {
        self.0.store(true, SeqCst);
    }
}

/// The tasks of one run.
#[derive(Default)]
pub(super) struct Model {
    tasks: Mutex<Vec<(Arc<Ready>, Option<Task>)>>,
    paused: Mutex<Vec<Waker>>,
}

impl fmt::Debug for Model {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Model")
    }
}

impl Model {
    pub(super) fn add(&self, task: impl Future<Output = ()> + Send + 'static) {
        self.tasks
            .lock()
            .unwrap()
            .push((Arc::new(Ready(AtomicBool::new(true))), Some(Box::pin(task))));
    }

    /// Runs all tasks to their ends.
    pub(super) fn run(&self, schedule: &mut Schedule) {
        for _ in 0..MOST_STEPS {
            let ready: Vec<usize> = {
                let tasks = self.tasks.lock().unwrap();
                let ready = |(_, (ready, task)): &(usize, &(Arc<Ready>, Option<Task>))| {
                    task.is_some() && ready.0.load(SeqCst)
                };
                let ready =
                    tasks.iter().enumerate().filter(ready).map(|(index, _)| index).collect();
                if tasks.iter().all(|(_, task)| task.is_none()) {
                    return;
                }
                ready
            };
            if ready.is_empty() {
                let paused = std::mem::take(&mut *self.paused.lock().unwrap());
                assert!(!paused.is_empty(), "somebody waits for ever");
                paused.into_iter().for_each(Waker::wake);
                continue;
            }
            let index = schedule.choose(ready);
            let (flag, mut task) = {
                let (flag, task) = &mut self.tasks.lock().unwrap()[index];
                flag.0.store(false, SeqCst);
                (flag.clone(), task.take().unwrap())
            };
            if task.as_mut().poll(&mut Context::from_waker(&Waker::from(flag))).is_pending() {
                self.tasks.lock().unwrap()[index].1 = Some(task);
            }
        }
        panic!("the schedule has no end");
    }
}

impl Tasks for Arc<Model> {
    fn spawn(&self, task: Task) -> Result<(), Error> {
        self.add(task);
        Ok(())
    }

    fn pause(&self, _duration: Duration) -> Task {
        let model = self.clone();
        let mut paused = false;
        Box::pin(std::future::poll_fn(move |context| {
            if std::mem::replace(&mut paused, true) {
                return Poll::Ready(());
            }
            model.paused.lock().unwrap().push(context.waker().clone());
            Poll::Pending
        }))
    }

    fn deadline(&self, _: Duration) -> Task {
        Box::pin(std::future::pending())
    }
}
