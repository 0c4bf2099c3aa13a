//! Media types in headers, compared by RFC 9110 sections 8.3.1 and 12.5.1: without parameters and
//! in any letter case.

use crate::languages::thousandths;

/// Whether the value of a `Content-Type` is this media type.
pub(crate) fn is(content_type: &str, media_type: &str) -> bool {
    essence(content_type).eq_ignore_ascii_case(media_type)
}

/// Whether the value of an `Accept` names this media type, with a weight other than zero, which
/// means "not acceptable" (RFC 9110 section 12.4.2). A range with an invalid weight is not read.
pub(crate) fn accepts(accept: &str, media_type: &str) -> bool {
    accept.split(',').any(|range| {
        // Parameters of the media type come before the weight.
        let mut weights = range.split(';').skip(1).filter(|parameter| {
            let name = parameter.split('=').next().unwrap_or_default();
            name.trim().eq_ignore_ascii_case("q")
        });
        is(range, media_type)
            && weights
                .next()
                .is_none_or(|weight| thousandths(weight.trim()).is_some_and(|weight| weight > 0))
    })
}

/// The media type without its parameters.
fn essence(text: &str) -> &str {
    text.split(';').next().unwrap_or_default().trim()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_media_type_is_compared_without_parameters_and_in_any_letter_case() {
        for text in ["text/html", "Text/HTML", " text/html ; charset=utf-8", "text/html;a=b;q=0"] {
            assert!(is(text, "text/html"), "{text}");
        }
        for text in ["", "text/htmlx", "text", "text/*", "a/b; c=text/html", "text/html,a/b"] {
            assert!(!is(text, "text/html"), "{text}");
        }
    }

    #[test]
    fn a_range_of_weight_zero_or_without_a_valid_weight_is_not_acceptable() {
        for accept in ["text/html", "a/b;q=0, TEXT/html;level=1;Q=0.001", "text/html;q = 1.000"] {
            assert!(accepts(accept, "text/html"), "{accept}");
        }
        for accept in
            ["", "*/*", "text/*", "text/html;q=0", "text/html;a=b;q=0.00", "text/html;q=x"]
        {
            assert!(!accepts(accept, "text/html"), "{accept}");
        }
    }
}
