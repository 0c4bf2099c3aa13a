//! [`path`]: a path of an API from parts that come from outside.

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};

use crate::error::{Error, ErrorKind};

/// All but the unreserved characters of RFC 3986 section 2.3.
const SEGMENT: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

/// The path of an API from its segments, each encoded, so that an identifier from outside cannot
/// lead to another resource.
///
/// ```
/// use tower_identity::outgoing::path;
///
/// # fn main() -> Result<(), tower_identity::Error> {
/// assert_eq!(path(["users", "ada@example.com", "photo"])?, "/users/ada%40example.com/photo");
/// assert_eq!(path(["notes", "a/b?c"])?, "/notes/a%2Fb%3Fc");
/// assert!(path(["notes", ".."]).is_err());
/// # Ok(())
/// # }
/// ```
///
/// # Errors
///
/// `RequestInvalid`: a segment is empty, `.` or `..`. No encoding takes their meaning from them
/// (RFC 3986 section 5.2.4).
pub fn path<S: AsRef<str>>(segments: impl IntoIterator<Item = S>) -> Result<String, Error> {
    let mut path = String::new();
    for segment in segments {
        let segment = segment.as_ref();
        if matches!(segment, "" | "." | "..") {
            return Err(Error::new(
                ErrorKind::RequestInvalid,
                "a segment of an API's path is empty, `.` or `..`",
            ));
        }
        path.push('/');
        path.extend(utf8_percent_encode(segment, SEGMENT));
    }
    Ok(path)
}
