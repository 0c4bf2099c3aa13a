//! [`Once`]: work that is done once, for everybody who asks for it.

use std::{future::Future, sync::Arc};

use tokio::sync::Mutex;
use tracing::Instrument as _;

use crate::{
    error::{Error, ErrorKind},
    protocol::Permit,
};

/// What comes of one piece of work. Clones are the same one.
#[derive(Debug)]
pub(crate) struct Once<T>(Arc<Mutex<Option<T>>>);

impl<T> Once<T> {
    /// Whether nobody else asks for it or does it.
    pub(crate) fn is_unused(&self) -> bool {
        Arc::strong_count(&self.0) == 1
    }

    /// Whether both are the same piece of work.
    #[cfg(test)]
    pub(crate) fn is(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }
}

impl<T> Clone for Once<T> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

impl<T> Default for Once<T> {
    fn default() -> Self {
        Self(Arc::default())
    }
}

impl<T: Clone + Send + 'static> Once<T> {
    /// Does the work in a task of its own, which runs to its end, whatever becomes of the caller;
    /// or waits for who does it.
    ///
    /// The permit is waited for here, before there is a task: a caller who goes away without one
    /// has cost nothing, and the next one waits for it.
    ///
    /// # Errors
    ///
    /// Those of `permit`; `Internal`: the task was ended from outside.
    pub(crate) async fn outcome(
        &self,
        permit: impl Future<Output = Result<Permit, Error>>,
        work: impl Future<Output = T> + Send + 'static,
    ) -> Result<T, Error> {
        let mut done = Arc::clone(&self.0).lock_owned().await;
        if let Some(outcome) = &*done {
            return Ok(outcome.clone());
        }
        let permit = permit.await?;
        let task = async move {
            let outcome = work.await;
            *done = Some(outcome.clone());
            drop(permit);
            outcome
        };
        let ended =
            |_| Error::new(ErrorKind::Internal, "the task of a sign-in was ended from outside");
        tokio::spawn(task.instrument(tracing::info_span!("complete_sign_in"))).await.map_err(ended)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};

    use tokio::sync::Semaphore;

    use super::*;

    async fn of(permits: &Arc<Semaphore>) -> Result<Permit, Error> {
        Arc::clone(permits).acquire_owned().await.map_err(|_| Error::new(ErrorKind::Busy, ""))
    }

    #[tokio::test]
    async fn who_goes_away_before_the_permit_costs_nothing_and_the_next_one_does_the_work_once() {
        let (once, permits, worked) =
            (Once::default(), Arc::new(Semaphore::new(0)), Arc::new(AtomicUsize::new(0)));
        let ask = || {
            let (once, permits, worked) = (once.clone(), Arc::clone(&permits), Arc::clone(&worked));
            tokio::spawn(async move {
                once.outcome(of(&permits), async move { worked.fetch_add(1, SeqCst) }).await
            })
        };
        let gone = ask();
        tokio::task::yield_now().await;
        gone.abort();
        assert!(gone.await.unwrap_err().is_cancelled() && worked.load(SeqCst) == 0);
        permits.add_permits(1);
        for caller in [ask(), ask(), ask()] {
            assert_eq!(caller.await.unwrap().unwrap(), 0);
        }
        assert_eq!((worked.load(SeqCst), permits.available_permits()), (1, 1));
    }

    #[tokio::test]
    async fn work_that_has_begun_ends_without_its_caller_and_keeps_its_permit_until_then() {
        let (once, permits, gate) =
            (Once::default(), Arc::new(Semaphore::new(1)), Arc::new(Semaphore::new(0)));
        let ask = || {
            let (once, permits, gate) = (once.clone(), Arc::clone(&permits), Arc::clone(&gate));
            tokio::spawn(async move {
                once.outcome(of(&permits), async move { gate.acquire().await.is_ok() }).await
            })
        };
        let (gone, other) = (ask(), ask());
        while permits.available_permits() > 0 {
            tokio::task::yield_now().await;
        }
        gone.abort();
        gate.add_permits(1);
        assert!(other.await.unwrap().unwrap(), "who waited for the same hears of it");
        assert_eq!(permits.available_permits(), 1);
    }
}
