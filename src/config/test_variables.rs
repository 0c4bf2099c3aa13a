//! Variables for unit tests, which change no variable of their process.

use std::{ffi::OsString, io, path::Path};

use super::variables::{Source, Variables};
use crate::error::ConfigError;

/// The configuration that `read` makes of these variables, as of those of a process. Of two with
/// one name the last counts. The file `/run/secret` has the text `hush-hush`, and there is no
/// other.
pub(super) fn read_variables<T>(
    pairs: &[(&str, &str)],
    read: impl FnOnce(&Variables<'_>) -> Result<T, ConfigError>,
) -> Result<T, ConfigError> {
    let get = |name: &str| {
        pairs.iter().rfind(|(key, _)| *key == name).map(|(_, value)| OsString::from(value))
    };
    let read_file = |path: &Path| match path.to_str() {
        Some("/run/secret") => Ok("hush-hush\n".to_owned()),
        _ => Err(io::Error::from(io::ErrorKind::NotFound)),
    };
    let names: Vec<String> = pairs.iter().map(|(name, _)| (*name).to_owned()).collect();
    Variables::new(Source::Environment, &get, &names, &read_file).read(read)
}
