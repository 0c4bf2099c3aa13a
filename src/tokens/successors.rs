//! [`Successors`]: which refresh token took the place of which, for those who still hold the old one.

use std::{
    collections::{HashMap, VecDeque},
    sync::{Mutex, PoisonError},
    time::Duration,
};

use aws_lc_rs::digest;

use crate::{clock::UnixTime, secret::Secret};

/// Long enough for a request that read the record before it was written anew, or that holds the
/// record of a sign-in just replaced.
const MEMORY: Duration = Duration::from_secs(30);
/// Successors remembered at most (about 2 KB each with Entra's refresh tokens). The oldest leaves
/// first.
const CAPACITY: usize = 4096;

/// The refresh tokens that were replaced in the last 30 seconds, by the digest of the old one.
#[derive(Debug, Default)]
pub(super) struct Successors(Mutex<State>);

#[derive(Debug, Default)]
struct State {
    by_old: HashMap<[u8; 32], Secret>,
    /// In the order of their ends.
    ends: VecDeque<(UnixTime, [u8; 32])>,
}

impl Successors {
    pub(super) fn remember(&self, old: &Secret, new: &Secret, now: UnixTime) {
        if old == new {
            return;
        }
        let mut state = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let old = digest(old);
        state.forget(now);
        if state.by_old.insert(old, new.clone()).is_none() {
            state.ends.push_back((now + MEMORY, old));
        }
    }

    /// The token to send by one who holds `token`.
    pub(super) fn latest(&self, token: &Secret, now: UnixTime) -> Secret {
        let mut state = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        state.forget(now);
        let mut latest = token;
        // A provider that hands out an old token again must not make this a circle.
        for _ in 0..state.by_old.len() {
            match state.by_old.get(&digest(latest)) {
                Some(successor) => latest = successor,
                None => break,
            }
        }
        latest.clone()
    }
}

impl State {
    fn forget(&mut self, now: UnixTime) {
        while let Some((end, old)) = self.ends.front()
            && (*end <= now || self.ends.len() > CAPACITY)
        {
            self.by_old.remove(old);
            self.ends.pop_front();
        }
    }
}

fn digest(token: &Secret) -> [u8; 32] {
    let mut bytes = [0; 32];
    bytes
        .iter_mut()
        .zip(digest::digest(&digest::SHA256, token.expose().as_bytes()).as_ref())
        .for_each(|(to, from)| *to = *from);
    bytes
}

#[cfg(test)]
mod tests {
    use super::super::fakes::{START, seconds};
    use super::*;

    fn latest(successors: &Successors, token: &str, after: u64) -> String {
        successors.latest(&token.into(), START + seconds(after)).expose().to_owned()
    }

    #[test]
    fn successors_of_successors_are_known_for_thirty_seconds() {
        let successors = Successors::default();
        successors.remember(&"a".into(), &"b".into(), START);
        successors.remember(&"b".into(), &"c".into(), START + seconds(10));
        assert_eq!(latest(&successors, "a", 29), "c");
        assert_eq!(latest(&successors, "a", 30), "a");
        assert_eq!(latest(&successors, "b", 39), "c");
        assert_eq!(latest(&successors, "b", 40), "b");
        assert!(successors.0.lock().unwrap().by_old.is_empty());
    }

    #[test]
    fn a_token_that_comes_back_is_no_circle() {
        let successors = Successors::default();
        successors.remember(&"a".into(), &"a".into(), START);
        assert!(successors.0.lock().unwrap().by_old.is_empty());
        successors.remember(&"a".into(), &"b".into(), START);
        successors.remember(&"b".into(), &"a".into(), START);
        assert!(["a", "b"].contains(&latest(&successors, "a", 1).as_str()));
    }

    #[test]
    fn the_memory_is_bounded() {
        let successors = Successors::default();
        for number in 0..CAPACITY + 100 {
            successors.remember(&number.to_string().into(), &"new".into(), START);
        }
        let state = successors.0.lock().unwrap();
        assert!(state.by_old.len() <= CAPACITY + 1 && state.ends.len() == state.by_old.len());
    }
}
