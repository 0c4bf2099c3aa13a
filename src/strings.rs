//! [`StringList`]: arguments that are one string or a list of strings; and texts of files.

use std::iter::{self, Once};

/// The text of a file without a byte order mark, which Windows PowerShell and some editors write.
pub(crate) fn without_byte_order_mark(text: &str) -> &str {
    text.strip_prefix('\u{feff}').unwrap_or(text)
}

/// One string or several, for settings, guards and token requests that take a list (scopes, roles,
/// groups, tenants, …).
///
/// It is implemented for every `AsRef<str>` (`&str`, `String`, …) and for every `IntoIterator` over
/// them (arrays, slices, vectors, sets, iterators). The type parameter makes the two
/// implementations distinct; it is always inferred.
///
/// ```
/// use tower_identity::require_sign_in;
///
/// let one = require_sign_in().with_roles("Admin");
/// let several = require_sign_in().with_roles(["Admin", "Auditor"]);
/// # let _ = (one, several);
/// ```
#[diagnostic::on_unimplemented(
    message = "`{Self}` is neither a string nor a list of strings",
    label = "expected one string such as `\"User.Read\"`, or a list such as `[\"User.Read\", \
             \"Mail.Read\"]`",
    note = "every `AsRef<str>` is one string; every `IntoIterator` over such strings is a list"
)]
pub trait StringList<Kind> {
    /// One string.
    type Item: AsRef<str>;
    /// An iterator over the strings.
    type Items: Iterator<Item = Self::Item>;

    /// The strings, in order.
    fn items(self) -> Self::Items;

    /// The strings as a vector.
    fn into_strings(self) -> Vec<String>
    where
        Self: Sized,
    {
        self.items().map(|item| item.as_ref().to_owned()).collect()
    }
}

/// The kind of a single string.
#[derive(Debug)]
pub enum Single {}

/// The kind of a list of strings.
#[derive(Debug)]
pub enum Several {}

impl<S: AsRef<str>> StringList<Single> for S {
    type Item = S;
    type Items = Once<S>;

    fn items(self) -> Once<S> {
        iter::once(self)
    }
}

impl<I> StringList<Several> for I
where
    I: IntoIterator,
    I::Item: AsRef<str>,
{
    type Item = I::Item;
    type Items = I::IntoIter;

    fn items(self) -> I::IntoIter {
        self.into_iter()
    }
}

#[cfg(test)]
mod tests {
    use std::{borrow::Cow, collections::BTreeSet, sync::Arc};

    use super::*;

    fn read<Kind>(list: impl StringList<Kind>) -> String {
        list.into_strings().join(" ")
    }

    #[test]
    fn one_text_is_a_list_of_one_and_every_list_is_a_list() {
        let owned = String::from("a");
        for one in [
            read("a"),
            read(&owned),
            read(owned.clone()),
            read(Cow::Borrowed("a")),
            read(Box::<str>::from("a")),
            read(Arc::<str>::from("a")),
            read(["a"]),
            read(Some("a")),
        ] {
            assert_eq!(one, "a");
        }
        let (array, vector) = (["a", "b"], vec![String::from("a"), String::from("b")]);
        for several in [
            read(array),
            read(&array[..]),
            read(array.iter()),
            read(array.map(String::from)),
            read(&vector),
            read(vector.as_slice()),
            read(vector.iter().map(String::as_str)),
            read(BTreeSet::from(array)),
            read("a b".split(' ')),
        ] {
            assert_eq!(several, "a b");
        }
        assert_eq!(read([""; 0]), "");
    }
}
