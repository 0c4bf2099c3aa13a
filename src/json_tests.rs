//! JSON documents: repeated members, optional members that cannot be used, numbers as text.

use proptest::prelude::*;
use serde_json::json;

use super::*;

// C-187: duplicate JSON members (two aud, two iss)
#[test]
fn a_member_given_twice_is_refused_at_every_level() {
    for (document, name) in [
        (r#"{"iss":"a","iss":"a"}"#, "iss"),
        (r#"{"iss":"a","\u0069ss":"b"}"#, "iss"),
        (r#"{"a":{"b":1,"b":2}}"#, "b"),
        (r#"{"a":[{"b":[{"c":null,"c":null}]}]}"#, "c"),
        (r#"[{"a":1,"a":1}]"#, "a"),
    ] {
        let error = value(document.as_bytes()).unwrap_err();
        assert_eq!(error, JsonError::Repeated(name.to_owned()), "{document}");
        assert_eq!(error.as_str(), format!("an object has the member {name:?} twice"));
    }
    assert!(object(br#"{"a":{"a":{"a":1}},"b":[{"a":1},{"a":2}]}"#).is_ok());
}

#[test]
fn what_is_not_one_object_is_refused() {
    for document in ["null", "[]", "\"{}\"", "1", "true"] {
        assert_eq!(object(document.as_bytes()), Err(JsonError::NotAnObject), "{document}");
    }
    for document in [
        "",
        " ",
        "{",
        "{}{}",
        "{} x",
        "{'a':1}",
        "{\"a\":1,}",
        "\u{feff}{}",
        "{\"a\":1e400}",
        "{\"a\":NaN}",
    ] {
        assert_eq!(object(document.as_bytes()), Err(JsonError::Malformed), "{document}");
    }
    assert_eq!(object(b"{\"a\":\"\xff\"}"), Err(JsonError::Malformed), "not UTF-8");
    assert_eq!(object(&b"[".repeat(100_000)), Err(JsonError::Malformed), "nested too deeply");
}

#[test]
fn a_byte_order_mark_in_front_of_an_answer_is_left_out() {
    assert_eq!(document(b"\xef\xbb\xbf{\"a\":1}").unwrap(), object(b"{\"a\":1}").unwrap());
    assert_eq!(document(b"\xef\xbb\xbf\xef\xbb\xbf{}"), Err(JsonError::Malformed));
    assert_eq!(document(b"\xfe\xff{}"), Err(JsonError::Malformed), "UTF-8 alone");
}

#[test]
fn an_optional_member_of_no_use_is_absent() {
    let object = json!({
        "null": null, "empty": "", "text": "a b,c", "list": ["a", 1, "b c"], "none": [], "odd": [1],
        "object": {}, "number": 7,
    });
    let members = OptionalMembers::of(object.as_object().unwrap(), "test");
    for name in ["absent", "null", "empty", "list", "object", "number"] {
        assert_eq!(members.text(name), None, "{name}");
    }
    assert_eq!(members.text("text"), Some("a b,c"));
    assert_eq!(members.words("text"), Some(vec!["a", "b", "c"]));
    assert_eq!(members.words("list"), Some(vec!["a", "b c"]));
    assert_eq!((members.words("none"), members.words("empty")), (Some(vec![]), Some(vec![])));
    for name in ["absent", "null", "odd", "object", "number"] {
        assert_eq!(members.words(name), None, "{name}");
    }
}

#[test]
fn numbers_and_truth_values_may_be_text() {
    for (value, wanted) in [
        (json!(0), 0),
        (json!(3599.9), 3599),
        (json!(3.6e3), 3600),
        (json!("3600"), 3600),
        (json!(" 0060 "), 60),
        (json!("3600.0"), 3600),
        (json!(1e300), u64::MAX),
    ] {
        assert_eq!(seconds(&value), Some(Duration::from_secs(wanted)), "{value}");
    }
    for useless in [
        json!(-1),
        json!(-0.5),
        json!(true),
        json!(""),
        json!("-1"),
        json!("1h"),
        json!("1e3"),
        json!("inf"),
        json!("."),
        json!([60]),
        json!({}),
        json!(null),
    ] {
        assert_eq!(seconds(&useless), None, "{useless}");
    }
    for (value, wanted) in [
        (json!(true), Some(true)),
        (json!("true"), Some(true)),
        (json!("False"), Some(false)),
        (json!(1), Some(true)),
        (json!("0"), Some(false)),
        (json!("yes"), None),
        (json!(2), None),
        (json!([]), None),
    ] {
        assert_eq!(flag(&value), wanted, "{value}");
    }
}

#[test]
fn the_private_members_of_serde_json_mean_nothing_special() {
    assert_eq!(
        value(br#"{"a":{"$serde_json::private::RawValue":"{\"admin\":true}"}}"#),
        Err(JsonError::Malformed)
    );
    assert_eq!(value(br#"{"$serde_json::private::Number":"17"}"#), Ok(json!(17)));
    assert_eq!(value(br#"{"$serde_json::private::Number":"1.5e3"}"#), Ok(json!(1500.0)));
    assert_eq!(value(br#"{"$serde_json::private::Number":"NaN"}"#), Err(JsonError::Malformed));
}

proptest! {
    #[test]
    fn arbitrary_bytes_never_panic(bytes in prop::collection::vec(any::<u8>(), 0..512)) {
        let _ = value(&bytes);
    }

    #[test]
    fn what_is_accepted_reads_the_same_everywhere(text in r#"[\[\]{}",:a\\u0-9 eE.+-]{0,64}"#) {
        if let Ok(strict) = value(text.as_bytes()) {
            prop_assert_eq!(strict, serde_json::from_str::<Value>(&text).unwrap());
        }
    }
}
