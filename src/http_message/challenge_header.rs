//! [`ChallengeHeader`]: the writer of `WWW-Authenticate` (RFC 9110 section 11.6.1), for every
//! challenge of this crate.

use http::HeaderValue;

/// A challenge: a scheme, and parameters as quoted strings.
///
/// A client reads each parameter as it was given here: quotes and backslashes are escaped (RFC 9110
/// section 5.6.4). A value that no quoted string can have is left out as a whole, because a client
/// would act on what is left of it.
#[derive(Debug)]
pub(crate) struct ChallengeHeader {
    text: String,
    has_parameters: bool,
}

impl ChallengeHeader {
    pub(crate) fn new(scheme: &'static str) -> Self {
        Self { text: scheme.to_owned(), has_parameters: false }
    }

    pub(crate) fn with(mut self, name: &'static str, value: &str) -> Self {
        // Control characters are not allowed, and clients do not agree on the encoding of others
        // than ASCII.
        if !value.bytes().all(|byte| matches!(byte, b' '..=b'~')) {
            tracing::warn!(
                parameter = name,
                "a parameter of a challenge has characters that no header can have, and is left out"
            );
            return self;
        }
        self.text.push_str(if self.has_parameters { ", " } else { " " });
        self.text.push_str(name);
        self.text.push_str("=\"");
        for character in value.chars() {
            if matches!(character, '"' | '\\') {
                self.text.push('\\');
            }
            self.text.push(character);
        }
        self.text.push('"');
        self.has_parameters = true;
        self
    }

    /// Adds claims that another token must have, as Microsoft documents it ("Claims challenges,
    /// claims requests and client capabilities"): in base 64 with its padding (RFC 4648 section 4),
    /// because MSAL.NET reads nothing else, and with the URL of the authorize endpoint, which is
    /// required. Other providers have no such URL.
    pub(crate) fn with_claims(self, authorization_uri: Option<&str>, claims: &str) -> Self {
        let challenge = match authorization_uri {
            Some(uri) => self.with("authorization_uri", uri),
            None => self,
        };
        challenge.with("claims", &base64_simd::STANDARD.encode_to_string(claims))
    }

    pub(crate) fn has_parameters(&self) -> bool {
        self.has_parameters
    }

    pub(crate) fn value(&self) -> Option<HeaderValue> {
        HeaderValue::try_from(&self.text).ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quotes_and_backslashes_are_escaped_and_what_cannot_be_written_is_left_out() {
        let header = ChallengeHeader::new("Bearer").with("realm", r#"a "b" \ c"#);
        assert_eq!(header.value().unwrap(), r#"Bearer realm="a \"b\" \\ c""#);
        let header = header.with("scope", "A\r\nB").with("acr_values", "\u{e4}").with("error", "");
        assert_eq!(header.value().unwrap(), r#"Bearer realm="a \"b\" \\ c", error="""#);
        let header = ChallengeHeader::new("Bearer").with("scope", "\u{7f}");
        assert!(!header.has_parameters());
        assert_eq!(header.value().unwrap(), "Bearer");
    }
}
