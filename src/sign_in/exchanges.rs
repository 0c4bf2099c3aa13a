//! Answers that are dealt with once, however often a browser delivers them.

use quick_cache::{DefaultHashBuilder, Lifecycle, UnitWeighter, sync::Cache};

use super::once::Once;
use crate::{error::Error, protocol::Permit};

/// How many answers may be dealt with at one time, and are remembered for a browser that sends one
/// twice.
const EXCHANGES: usize = 1024;

/// Answers that were dealt with, or are at this moment, by their `state`.
pub(crate) struct Exchanges<T>(
    Cache<String, Exchange<T>, UnitWeighter, DefaultHashBuilder, Running>,
);

type Exchange<T> = Once<Result<T, Error>>;

/// Keeps exchanges that run, however many others come meanwhile.
#[derive(Clone, Debug, Default)]
struct Running;

impl<T> Lifecycle<String, Exchange<T>> for Running {
    type RequestState = ();

    fn is_pinned(&self, _state: &String, exchange: &Exchange<T>) -> bool {
        !exchange.is_unused()
    }
}

impl<T: Clone + Send + Sync + 'static> Exchanges<T> {
    pub(crate) fn new() -> Self {
        Self(Cache::with(
            EXCHANGES,
            EXCHANGES as u64,
            UnitWeighter,
            DefaultHashBuilder::default(),
            Running,
        ))
    }

    /// Deals with the answer, once, in a task of its own: a browser that goes away leaves no half
    /// session, one that asks twice gets the same session.
    ///
    /// # Errors
    ///
    /// Those of the work; `Busy`: there was no permit for it.
    pub(crate) async fn once(
        &self,
        state: &str,
        permit: impl Future<Output = Result<Permit, Error>>,
        work: impl Future<Output = Result<T, Error>> + Send + 'static,
    ) -> Result<T, Error> {
        self.of(state).outcome(permit, work).await?
    }

    fn of(&self, state: &str) -> Exchange<T> {
        let made =
            self.0.get_or_insert_with(state, || Ok::<_, std::convert::Infallible>(Once::default()));
        match made {
            Ok(cell) => cell,
            Err(never) => match never {},
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_exchange_that_runs_is_not_forgotten_however_many_others_there_are() {
        let exchanges = Exchanges::<()>::new();
        let running = exchanges.of("running");
        for number in 0..4 * EXCHANGES {
            exchanges.of(&number.to_string());
        }
        assert!(running.is(&exchanges.of("running")));
        assert!(exchanges.0.len() <= EXCHANGES + 1);
    }
}
