//! Language tags: the ones that a browser prefers, and the best among those that there are.

/// How much of an `Accept-Language` header is read, and how many ranges of it.
const MOST_BYTES: usize = 1024;
const MOST_RANGES: usize = 16;

/// The language ranges of an `Accept-Language` header that are accepted, the preferred one first
/// (RFC 9110 section 12.5.4).
///
/// Ranges of the same weight keep their order. `*` is no language and is left out, and so is a
/// range with the weight zero.
pub(crate) fn preferred(header: &str) -> Vec<&str> {
    let mut ranges: Vec<(u16, &str)> = weighted(header).filter(|(weight, _)| *weight > 0).collect();
    // A stable sort: the order decides between ranges of the same weight.
    ranges.sort_by_key(|(weight, _)| std::cmp::Reverse(*weight));
    ranges.into_iter().map(|(_, range)| range).collect()
}

/// The language of `available` that fits the header best; `None` if none of them does.
///
/// Each range is looked up, the preferred one first (RFC 4647 section 3.4). A language with the
/// weight zero is refused, also where a shorter range would allow it.
pub(crate) fn best<'a, T>(
    header: &str,
    available: &'a [T],
    tag: impl Fn(&T) -> &str,
) -> Option<&'a T> {
    let refused: Vec<&str> =
        weighted(header).filter(|(weight, _)| *weight == 0).map(|(_, range)| range).collect();
    let is_refused = |tag: &str| refused.iter().any(|range| range.eq_ignore_ascii_case(tag));
    preferred(header)
        .into_iter()
        .filter_map(|range| lookup(range, available, &tag))
        .find(|found| !is_refused(tag(*found)))
}

/// Looks a range up: whole at first, then without its last subtag, and so on (RFC 4647 section
/// 3.4).
pub(crate) fn lookup<'a, T>(
    range: &str,
    available: &'a [T],
    tag: impl Fn(&T) -> &str,
) -> Option<&'a T> {
    let mut range = range;
    loop {
        if let Some(found) = available.iter().find(|one| tag(one).eq_ignore_ascii_case(range)) {
            return Some(found);
        }
        (range, _) = range.rsplit_once('-')?;
        // A single letter or digit begins a sequence of subtags and means nothing without it.
        if let Some((shorter, [_])) =
            range.rsplit_once('-').map(|(shorter, last)| (shorter, last.as_bytes()))
        {
            range = shorter;
        }
    }
}

/// Whether a text has the form of a language tag (RFC 5646 section 2.1): subtags of one to eight
/// letters and digits, of which the first has letters alone.
pub(crate) fn is_tag(text: &str) -> bool {
    let is_subtag = |subtag: &str| {
        (1..=8).contains(&subtag.len()) && subtag.bytes().all(|byte| byte.is_ascii_alphanumeric())
    };
    let first = text.split('-').next().unwrap_or_default();
    text.split('-').all(is_subtag) && first.bytes().all(|byte| byte.is_ascii_alphabetic())
}

/// The ranges of a header with their weights in thousandths.
fn weighted(header: &str) -> impl Iterator<Item = (u16, &str)> {
    let read = header.get(..header.len().min(MOST_BYTES)).unwrap_or_default();
    read.split(',')
        .filter_map(|item| {
            let (range, weight) = match item.split_once(';') {
                Some((range, weight)) => (range.trim(), thousandths(weight.trim())?),
                None => (item.trim(), 1000),
            };
            is_tag(range).then_some((weight, range))
        })
        .take(MOST_RANGES)
}

/// `q=0.8` as 800 (RFC 9110 section 12.4.2); `None` if it is no weight.
pub(crate) fn thousandths(text: &str) -> Option<u16> {
    let (name, value) = text.split_once('=')?;
    let (whole, fraction) = value.trim().split_once('.').unwrap_or((value.trim(), ""));
    let is_weight = name.trim().eq_ignore_ascii_case("q")
        && fraction.len() <= 3
        && fraction.bytes().all(|byte| byte.is_ascii_digit());
    let parts: u16 = if is_weight { format!("{fraction:0<3}").parse().ok()? } else { return None };
    match whole {
        "0" => Some(parts),
        "1" if parts == 0 => Some(1000),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_come_by_weight_and_then_by_order() {
        for (header, wanted) in [
            ("de", &["de"][..]),
            ("da, en-GB;q=0.8, en;q=0.7", &["da", "en-GB", "en"]),
            ("en;q=0.5,fr , de;q=0.9", &["fr", "de", "en"]),
            ("a;q=0.5,b;q=0.5", &["a", "b"]),
            ("de;Q=1.000, fr; q = 0.1", &["de", "fr"]),
            ("de;q=0, fr;q=0.000, *, it", &["it"]),
            ("", &[]),
            ("de;q=2, fr;q=1.001, it;q=0.1234, es;q=x, pt;x=1, 12, d_e, -, de--at", &[]),
        ] {
            assert_eq!(preferred(header), wanted, "{header}");
        }
        let many = "de,".repeat(100);
        assert_eq!(preferred(&many).len(), MOST_RANGES);
        let _ = preferred(&"ü".repeat(MOST_BYTES));
        assert!(preferred(&format!("{}, de", "a-".repeat(MOST_BYTES))).is_empty());
    }

    /// The example of RFC 4647 section 3.4, and what browsers send.
    #[test]
    fn a_language_is_looked_up_from_the_whole_range_to_its_first_subtag() {
        let found =
            |header: &str, available: &[&'static str]| best(header, available, |tag| *tag).copied();
        let ours = ["en", "de", "fr", "es", "zh-Hant"];
        for (header, wanted) in [
            ("de-CH, de;q=0.9, en;q=0.8", Some("de")),
            ("zh-Hant-CN-x-private1-private2", Some("zh-Hant")),
            ("ZH-HANT", Some("zh-Hant")),
            ("zh", None),
            ("zh-Hans, fr;q=0.1", Some("fr")),
            ("it, pt;q=0.9", None),
            ("es-419;q=0.4, fr-CA;q=0.5", Some("fr")),
            ("*, de;q=0.1", Some("de")),
            ("fr;q=0, fr-CA, de;q=0.1", Some("de")),
            ("", None),
        ] {
            assert_eq!(found(header, &ours), wanted, "{header}");
        }
        assert_eq!(found("de-AT", &["de-AT", "de"]), Some("de-AT"));
        assert_eq!(found("zh-a-myext-x", &["zh-a-myext", "zh"]), Some("zh-a-myext"));
        assert_eq!(found("zh-a-other", &["zh-a", "zh"]), Some("zh"), "a singleton means nothing");
    }
}
