//! Time as a parameter: all code that depends on the time takes a [`Clock`], so that tests control
//! it and need no sleeping.

use std::{
    fmt,
    sync::{
        Arc,
        atomic::{AtomicI64, Ordering},
    },
    time::{Duration, SystemTime},
};

/// A point in time in whole seconds since the Unix epoch (UTC), the `NumericDate` of JWTs (RFC 7519
/// section 2).
///
/// Arithmetic saturates, because the numbers in tokens come from outside and can have any value.
///
/// ```
/// use std::time::Duration;
/// use tower_identity::UnixTime;
///
/// let signed_in = UnixTime::from_seconds(1_700_000_000);
/// assert_eq!(signed_in + Duration::from_secs(60), UnixTime::from_seconds(1_700_000_060));
/// ```
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, serde::Deserialize,
)]
#[serde(transparent)]
pub struct UnixTime(i64);

impl UnixTime {
    /// The time `seconds` after 1970-01-01T00:00:00Z, or before it if negative.
    #[must_use]
    pub const fn from_seconds(seconds: i64) -> Self {
        Self(seconds)
    }

    /// Seconds since 1970-01-01T00:00:00Z.
    #[must_use]
    pub const fn as_seconds(self) -> i64 {
        self.0
    }

    /// The time that has passed since `earlier`; zero if `earlier` is later, so that a clock that
    /// is set back gives no negative age.
    #[must_use]
    pub const fn since(self, earlier: Self) -> Duration {
        let seconds = self.0.saturating_sub(earlier.0);
        Duration::from_secs(if seconds > 0 { seconds.unsigned_abs() } else { 0 })
    }

    /// Whether less than `time` lies between this time and `now`, on either side of it: what lasts
    /// for a time after its beginning must not last longer because the clock was set back.
    pub(crate) fn is_within(self, time: Duration, now: Self) -> bool {
        now.since(self) < time && self.since(now) < time
    }

    /// Whether this time is less than `time` before `now`, and not after it: a clock that was set
    /// back ends a pause at once.
    pub(crate) fn is_less_ago_than(self, time: Duration, now: Self) -> bool {
        self <= now && now.since(self) < time
    }
}

/// The time in UTC as RFC 3339 writes it: `2023-11-14T22:13:20Z`. Years that it cannot write
/// (before 0 and after 9999) are shown as seconds.
///
/// ```
/// use tower_identity::UnixTime;
///
/// assert_eq!(UnixTime::from_seconds(1_700_000_000).to_string(), "2023-11-14T22:13:20Z");
/// ```
impl fmt::Display for UnixTime {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.utc() {
            Some((date, clock)) => write!(f, "{date}T{clock}Z"),
            None => write!(f, "{} seconds since 1970-01-01T00:00:00Z", self.0),
        }
    }
}

impl UnixTime {
    /// Date and time of day in UTC, `2023-11-14` and `22:13:20`; `None` for years that RFC 3339
    /// cannot write.
    pub(crate) fn utc(self) -> Option<(String, String)> {
        let at = time::OffsetDateTime::from_unix_timestamp(self.0).ok()?;
        let (year, month, day) = (at.year(), u8::from(at.month()), at.day());
        let (hour, minute, second) = (at.hour(), at.minute(), at.second());
        let written = (0..=9999).contains(&year);
        written.then(|| {
            (format!("{year:04}-{month:02}-{day:02}"), format!("{hour:02}:{minute:02}:{second:02}"))
        })
    }
}

impl std::ops::Add<Duration> for UnixTime {
    type Output = Self;

    fn add(self, by: Duration) -> Self {
        Self(self.0.saturating_add(i64::try_from(by.as_secs()).unwrap_or(i64::MAX)))
    }
}

impl std::ops::Sub<Duration> for UnixTime {
    type Output = Self;

    fn sub(self, by: Duration) -> Self {
        Self(self.0.saturating_sub(i64::try_from(by.as_secs()).unwrap_or(i64::MAX)))
    }
}

/// Work that is done at most once per interval, such as the removal of entries of a cache that have
/// expired.
#[derive(Debug)]
pub(crate) struct Recurring {
    interval: Duration,
    /// When it was due last, in Unix seconds.
    last: AtomicI64,
}

impl Recurring {
    pub(crate) const fn every(interval: Duration) -> Self {
        Self { interval, last: AtomicI64::new(0) }
    }

    /// Whether it is due now: `true` for one of several callers at the same time.
    pub(crate) fn is_due(&self, now: UnixTime) -> bool {
        let last = self.last.load(Ordering::Relaxed);
        !UnixTime(last).is_within(self.interval, now)
            && self.last.compare_exchange(last, now.0, Ordering::Relaxed, Ordering::Relaxed).is_ok()
    }
}

/// A source of the current time. The default is [`SystemClock`]; tests use a [`ManualClock`].
pub trait Clock: fmt::Debug + Send + Sync + 'static {
    /// The current time.
    fn now(&self) -> UnixTime;

    /// The current time, rounded up to a whole second. A wait that must not be cut short is counted
    /// from it, because [`now`](Self::now) is rounded down: a wait from there can end up to one
    /// second early.
    ///
    /// The default is [`now`](Self::now), which is right for a clock of whole seconds only,
    /// such as [`ManualClock`]. A clock with fractions of a second overrides it.
    fn now_rounded_up(&self) -> UnixTime {
        self.now()
    }
}

/// The clock of the operating system.
#[derive(Clone, Copy, Debug, Default)]
pub struct SystemClock;

/// A clock that is shared.
impl<C: Clock + ?Sized> Clock for std::sync::Arc<C> {
    fn now(&self) -> UnixTime {
        (**self).now()
    }

    fn now_rounded_up(&self) -> UnixTime {
        (**self).now_rounded_up()
    }
}

impl SystemClock {
    /// The time since 1970. A clock before 1970 counts as the epoch: every token is then not yet
    /// valid, and nothing is accepted.
    #[allow(clippy::disallowed_methods, reason = "the one place that reads the system's clock")]
    fn elapsed() -> Duration {
        SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default()
    }
}

impl Clock for SystemClock {
    fn now(&self) -> UnixTime {
        UnixTime::from_seconds(0) + Self::elapsed()
    }

    fn now_rounded_up(&self) -> UnixTime {
        UnixTime::from_seconds(0) + (Self::elapsed() + Duration::from_nanos(999_999_999))
    }
}

/// A clock whose time changes only when it is set, for tests of lifetimes.
///
/// Clones share one time.
///
/// ```
/// use std::time::Duration;
/// use tower_identity::{Clock, ManualClock, UnixTime};
///
/// let clock = ManualClock::at(UnixTime::from_seconds(1_700_000_000));
/// clock.advance(Duration::from_secs(3600));
/// assert_eq!(clock.now(), UnixTime::from_seconds(1_700_003_600));
/// ```
#[derive(Clone, Debug)]
pub struct ManualClock(Arc<AtomicI64>);

impl ManualClock {
    /// A clock that is set to `time`.
    #[must_use]
    pub fn at(time: UnixTime) -> Self {
        Self(Arc::new(AtomicI64::new(time.0)))
    }

    /// A clock that is set to the current time of the system.
    #[must_use]
    pub fn at_system_time() -> Self {
        Self::at(SystemClock.now())
    }

    /// Sets the clock forward by a duration.
    pub fn advance(&self, by: Duration) {
        self.set(self.now() + by);
    }

    /// Sets the clock to `time`, which may be earlier than its current time.
    pub fn set(&self, time: UnixTime) {
        self.0.store(time.0, Ordering::SeqCst);
    }
}

impl Clock for ManualClock {
    fn now(&self) -> UnixTime {
        UnixTime(self.0.load(Ordering::SeqCst))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_clock_that_jumps_back_gives_no_negative_age() {
        let later = UnixTime::from_seconds(100);
        assert_eq!(UnixTime::from_seconds(40).since(later), Duration::ZERO);
    }

    #[test]
    fn a_time_is_within_another_on_either_side_and_what_recurs_is_due_once() {
        let (now, minute) = (UnixTime::from_seconds(1000), Duration::from_secs(60));
        let all = [940, 941, 1000, 1059, 1060].map(|at| UnixTime(at).is_within(minute, now));
        assert_eq!(all, [false, true, true, true, false]);
        let recurring = Recurring::every(minute);
        // The last time the clock was set back.
        let due = [1000, 1000, 1059, 1060, 1061, 900].map(|at| recurring.is_due(UnixTime(at)));
        assert_eq!(due, [true, false, false, true, false, true]);
    }

    #[test]
    fn a_wait_from_the_second_rounded_up_is_never_cut_short() {
        let before = SystemClock::elapsed();
        let rounded_up = SystemClock.now_rounded_up();
        assert!(Duration::from_secs(rounded_up.as_seconds().unsigned_abs()) >= before);
        let shared: Arc<dyn Clock> = Arc::new(SystemClock);
        assert!(shared.now_rounded_up() >= rounded_up);
        let manual = ManualClock::at(UnixTime::from_seconds(7));
        assert_eq!(manual.now_rounded_up(), manual.now(), "a whole second");
    }

    #[test]
    fn arithmetic_saturates() {
        let end = UnixTime::from_seconds(i64::MAX);
        assert_eq!(end + Duration::from_secs(u64::MAX), end);
        assert_eq!(
            UnixTime::from_seconds(i64::MIN) - Duration::from_secs(1),
            UnixTime::from_seconds(i64::MIN)
        );
        assert_eq!(
            end.since(UnixTime::from_seconds(i64::MIN)),
            Duration::from_secs(i64::MAX.unsigned_abs())
        );
    }
}
