//! The challenges of a response that was received: `WWW-Authenticate` (RFC 9110 section 11.6.1).

use http::{HeaderMap, HeaderValue, header::WWW_AUTHENTICATE};

/// The longest line that is read, in bytes.
const MAX_LINE_BYTES: usize = 8 * 1024;
/// The greatest number of lines that are read.
const MAX_LINES: usize = 8;

/// A challenge: a scheme with its parameters. Other content, such as that of `Negotiate`, is left
/// out.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct ReceivedChallenge {
    scheme: String,
    parameters: Vec<(String, String)>,
}

/// The challenges of all lines of the header, in their order. Of a line with a mistake those before
/// the mistake are read.
pub(crate) fn challenges(headers: &HeaderMap) -> Vec<ReceivedChallenge> {
    let mut found = Vec::new();
    for line in headers.get_all(WWW_AUTHENTICATE).iter().take(MAX_LINES) {
        let _ends_at_a_mistake = text_of(line).and_then(|line| read(&line, &mut found));
    }
    found
}

impl ReceivedChallenge {
    /// Whether this is the scheme, which has no letter case.
    pub(crate) fn is(&self, scheme: &str) -> bool {
        self.scheme.eq_ignore_ascii_case(scheme)
    }

    /// A parameter, by its name in any letter case. One that occurs twice is ignored: its name must
    /// be unique (section 11.2), and either value could be the wrong one.
    pub(crate) fn parameter(&self, name: &str) -> Option<&str> {
        let mut values = self.parameters.iter().filter(|(own, _)| own.eq_ignore_ascii_case(name));
        let (_, value) = values.next()?;
        if values.next().is_some() {
            tracing::warn!(
                parameter = name,
                "a challenge has a parameter twice: the parameter is ignored"
            );
            return None;
        }
        Some(value)
    }
}

/// A line as ASCII. Other bytes occur in `error_description` only, and become `?`.
fn text_of(line: &HeaderValue) -> Option<String> {
    let bytes = line.as_bytes();
    (bytes.len() <= MAX_LINE_BYTES).then(|| {
        bytes.iter().map(|byte| if byte.is_ascii() { char::from(*byte) } else { '?' }).collect()
    })
}

/// Adds the challenges of a line. A comma stands between challenges and between the parameters of
/// one, so that what follows it decides. `None`: the rest of the line cannot be read.
fn read(line: &str, found: &mut Vec<ReceivedChallenge>) -> Option<()> {
    let mut rest = skip(line, ", \t");
    // The parameters of a line are those of its own challenges.
    let mut current = None;
    while !rest.is_empty() {
        if let Some((parameter, after)) = parameter(rest) {
            let challenge: &mut ReceivedChallenge = found.get_mut(current?)?;
            challenge.parameters.push(parameter);
            rest = end_of_element(after)?;
            continue;
        }
        let (scheme, after) = token(rest)?;
        current = Some(found.len());
        found.push(ReceivedChallenge { scheme: scheme.to_owned(), parameters: Vec::new() });
        rest = skip(after, " ");
        let is_alone = skip(after, " \t").is_empty() || skip(after, " \t").starts_with(',');
        if is_alone {
            rest = end_of_element(after)?;
        } else if after.len() == rest.len() {
            return None; // Something that no token has, right after the scheme.
        } else if parameter(rest).is_none() {
            rest = end_of_element(token68(rest)?)?;
        }
    }
    Some(())
}

/// `name=value` or `name="value"`, with white space around the `=` (section 11.2), and the text
/// after it.
fn parameter(text: &str) -> Option<((String, String), &str)> {
    let (name, rest) = token(text)?;
    let rest = skip(skip(rest, " \t").strip_prefix('=')?, " \t");
    let (value, rest) = match rest.strip_prefix('"') {
        Some(quoted) => quoted_string(quoted)?,
        None => token(rest).map(|(value, rest)| (value.to_owned(), rest))?,
    };
    // Otherwise it is a `token68` such as `a=b=`.
    let has_ended = matches!(skip(rest, " \t").bytes().next(), None | Some(b','));
    has_ended.then(|| ((name.to_owned(), value), rest))
}

/// The text of a quoted string after its first quote, unescaped (section 5.6.4).
fn quoted_string(text: &str) -> Option<(String, &str)> {
    let (mut value, mut letters) = (String::new(), text.chars());
    loop {
        match letters.next()? {
            '"' => return Some((value, letters.as_str())),
            '\\' => value.push(letters.next()?),
            letter => value.push(letter),
        }
    }
}

/// A token (section 5.6.2), and the text after it.
fn token(text: &str) -> Option<(&str, &str)> {
    let is_of_token = |byte: u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte);
    let end = text.bytes().position(|byte| !is_of_token(byte)).unwrap_or(text.len());
    text.split_at_checked(end).filter(|(token, _)| !token.is_empty())
}

/// The text after the Base64 that some schemes have in place of parameters (section 11.2).
fn token68(text: &str) -> Option<&str> {
    let is_inside = |letter: char| letter.is_ascii_alphanumeric() || "-._~+/".contains(letter);
    let rest = text.trim_start_matches(is_inside);
    (rest.len() < text.len()).then(|| skip(rest, "="))
}

/// The next element of a list, in which elements may be empty (section 5.6.1.2).
fn end_of_element(text: &str) -> Option<&str> {
    let rest = skip(text, " \t");
    (rest.is_empty() || rest.starts_with(',')).then(|| skip(rest, ", \t"))
}

fn skip<'t>(text: &'t str, letters: &str) -> &'t str {
    text.trim_start_matches(|letter| letters.contains(letter))
}

#[cfg(test)]
mod tests {
    use http_auth::parser::ChallengeParser;
    use proptest::prelude::*;

    use super::*;

    fn of(lines: &[&str]) -> Vec<ReceivedChallenge> {
        let lines = lines.iter().map(|line| HeaderValue::from_bytes(line.as_bytes()).unwrap());
        challenges(&lines.map(|line| (WWW_AUTHENTICATE, line)).collect())
    }

    fn challenge(scheme: &str, parameters: &[(&str, &str)]) -> ReceivedChallenge {
        let owned = |(name, value): &(&str, &str)| ((*name).to_owned(), (*value).to_owned());
        let parameters = parameters.iter().map(owned).collect();
        ReceivedChallenge { scheme: scheme.into(), parameters }
    }

    #[test]
    fn a_line_may_have_several_challenges() {
        let bearer = || challenge("Bearer", &[("realm", "a, b"), ("error", "x")]);
        for lines in [
            &[r#"Basic realm="c", Bearer realm="a, b", error=x"#][..],
            &[r#"Basic realm="c",Bearer realm="a, b",error="x""#],
            &[r#", ,Basic realm = "c" ,, Bearer realm="a, b" , error =x,"#],
            &["Basic   realm=c", "Bearer  realm=\"a, b\",\terror=\"\\x\""],
        ] {
            assert_eq!(of(lines), [challenge("Basic", &[("realm", "c")]), bearer()], "{lines:?}");
        }
        for line in
            ["Negotiate,Bearer a=1", "Negotiate YII==, Bearer a=1", "Negotiate a/b,Bearer a=1"]
        {
            let found = [challenge("Negotiate", &[]), challenge("Bearer", &[("a", "1")])];
            assert_eq!(of(&[line]), found, "{line}");
        }
    }

    #[test]
    fn what_stands_before_a_mistake_is_read() {
        for line in [
            r#"Basic realm="c", Bearer"x""#,
            r#"Basic realm="c", Bearer realm=(x), Digest a=1"#,
            r#"Basic realm="c", =x"#,
            r#"Basic realm="c", Bearer realm="open"#,
            r#"Basic realm="c" Bearer realm="c""#,
        ] {
            let found = of(&[line, "Digest b=2"]);
            assert!(found.first().unwrap().is("BASIC"), "{line}");
            assert_eq!(found.last().unwrap(), &challenge("Digest", &[("b", "2")]), "{line}");
            assert!(found.iter().all(|challenge| challenge.parameter("a").is_none()), "{line}");
        }
        for line in
            ["", ",", "=", "\"Basic\"", "a=1, b=2", &format!("Basic a={}", "b".repeat(9000))]
        {
            assert_eq!(of(&[line]), [], "{line}");
        }
        assert_eq!(of(&["Basic"; 20]).len(), MAX_LINES);
    }

    #[test]
    fn a_name_has_no_letter_case_and_a_repeated_one_no_value() {
        let found = of(&[r#"Bearer Error="x", realm=1, REALM=2"#]);
        let challenge = found.first().unwrap();
        assert_eq!(challenge.parameter("error"), Some("x"));
        assert_eq!(challenge.parameter("realm"), None);
    }

    proptest! {
        /// Another reader, which takes less: what it takes is read alike.
        #[test]
        fn a_line_is_read_as_by_another_reader(line in "([A-Da ]|[a-c]=|\"|\\\\|, ){0,24}") {
            let theirs: Result<Vec<_>, _> = ChallengeParser::new(&line).collect();
            if let Ok(theirs) = theirs {
                let theirs: Vec<ReceivedChallenge> = theirs
                    .iter()
                    .map(|theirs| ReceivedChallenge {
                        scheme: theirs.scheme.to_owned(),
                        parameters: theirs
                            .params
                            .iter()
                            .map(|(name, value)| ((*name).to_owned(), value.to_unescaped()))
                            .collect(),
                    })
                    .collect();
                prop_assert_eq!(of(&[&line]), theirs);
            }
        }
    }
}
