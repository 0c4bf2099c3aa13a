//! Independent judges of this project: other implementations of the same specifications,
//! and a database for what the guide says about it.
//!
//! `tests/run judges` runs them.

#[cfg(test)]
mod openid_connect;
#[cfg(test)]
mod postgresql;
#[cfg(test)]
mod spoilt;
