//! [`StringList`]: one text where a list of texts is taken.

use std::iter::{self, Once};

/// One text, or several: what settings, guards and requests for tokens take wherever they take a
/// list (scopes, roles, groups, tenants, …).
///
/// It is there for everything that is a `str` by reference (`&str`, `String`, …) and for everything
/// that gives such texts one after the other (arrays, slices, vectors, sets, iterators). The
/// parameter tells the two apart and is never written.
///
/// ```
/// use tower_identity::require_sign_in;
///
/// let one = require_sign_in().with_roles("Admin");
/// let several = require_sign_in().with_roles(["Admin", "Auditor"]);
/// # let _ = (one, several);
/// ```
#[diagnostic::on_unimplemented(
    message = "`{Self}` is neither a text nor a list of texts",
    label = "expected one text such as `\"User.Read\"`, or a list such as `[\"User.Read\", \"Mail.Read\"]`",
    note = "anything that is `AsRef<str>` is one text; anything that is `IntoIterator` over such texts is a list"
)]
pub trait StringList<Kind> {
    /// One of the texts.
    type Item: AsRef<str>;
    /// All of them.
    type Items: Iterator<Item = Self::Item>;

    /// The texts, in their order.
    fn items(self) -> Self::Items;

    /// The same as a vector.
    fn into_strings(self) -> Vec<String>
    where
        Self: Sized,
    {
        self.items().map(|item| item.as_ref().to_owned()).collect()
    }
}

/// The kind of a single text.
#[derive(Debug)]
pub enum Single {}

/// The kind of a list of them.
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
