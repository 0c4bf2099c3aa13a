//! Independent judges of this project: other implementations of the same specifications.
//!
//! `tests/run judges` runs them.

#[cfg(test)]
mod openid_connect;
#[cfg(test)]
mod spoilt;
