//! Values as text: what `display(x)` and `debug(x)` mean in the macros, and what a reserved field takes.

use std::fmt;
use std::time::Duration;

use serde::{Serialize, Serializer};

/// Records a value by its `Display` text.
#[derive(Debug)]
pub struct DisplayText<'a, T: ?Sized>(&'a T);

/// Records a value by its `Debug` text.
#[derive(Debug)]
pub struct DebugText<'a, T: ?Sized>(&'a T);

/// `display(x)` in `emit!`, `#[event]` and the derive. The bound stands on what is recorded: one here would be a second
/// error for the same mistake, and would point at the whole macro.
pub fn display<T: ?Sized>(value: &T) -> DisplayText<'_, T> {
    DisplayText(value)
}

/// `debug(x)`, likewise.
pub fn debug<T: ?Sized>(value: &T) -> DebugText<'_, T> {
    DebugText(value)
}

impl<T: fmt::Display + ?Sized> Serialize for DisplayText<'_, T> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self.0)
    }
}

impl<T: fmt::Debug + ?Sized> Serialize for DebugText<'_, T> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(&format_args!("{:?}", self.0))
    }
}

/// Finds out of a tag's value whether its type can be text at all, by method resolution: `tag(&value).text()` is the
/// value again, but for collections, which the compiler then refuses.
#[derive(Debug)]
pub struct Tag<'a, T: ?Sized>(TagAsIs<'a, T>);

/// See [`Tag`]: any type that may be text.
#[derive(Debug)]
pub struct TagAsIs<'a, T: ?Sized>(&'a T);

/// Begins the question.
pub fn tag<T: ?Sized>(value: &T) -> Tag<'_, T> {
    Tag(TagAsIs(value))
}

impl<'a, T: ?Sized> std::ops::Deref for Tag<'a, T> {
    type Target = TagAsIs<'a, T>;

    fn deref(&self) -> &TagAsIs<'a, T> {
        &self.0
    }
}

impl<'a, T: ?Sized> TagAsIs<'a, T> {
    /// The value.
    pub fn text(&self) -> &'a T {
        self.0
    }
}

/// A type that is never one text, a number or a boolean.
#[derive(Debug)]
pub struct Collection<T: ?Sized>(std::marker::PhantomData<T>);

/// What a tag takes.
#[diagnostic::on_unimplemented(
    message = "a tag is one text, and a collection never is",
    label = "this value is a list, a map or a tuple",
    note = "make a parameter or a property of it, or write `display(…)` or `debug(…)` to send its text"
)]
pub trait TagText {}

impl<T: ?Sized> TagText for &T {}

/// Passes a tag's value on.
#[inline]
pub fn tag_text<T: TagText>(value: T) -> T {
    value
}

macro_rules! collections {
    ($([$($parameter:ident),*] $ty:ty),* $(,)?) => {$(
        impl<'a, $($parameter),*> Tag<'a, $ty> {
            /// Refused.
            pub fn text(&self) -> Collection<$ty> {
                Collection(std::marker::PhantomData)
            }
        }

        impl<'a, $($parameter),*> Tag<'a, &$ty> {
            /// Refused.
            pub fn text(&self) -> Collection<$ty> {
                Collection(std::marker::PhantomData)
            }
        }
    )*};
}

collections!(
    [T] Vec<T>, [T] [T], [K, V, S] std::collections::HashMap<K, V, S>, [T, S] std::collections::HashSet<T, S>,
    [K, V] std::collections::BTreeMap<K, V>, [T] std::collections::BTreeSet<T>, [T] std::collections::VecDeque<T>,
    [T] std::collections::LinkedList<T>, [A, B] (A, B), [A, B, C] (A, B, C), [A, B, C, D] (A, B, C, D),
    [T] Option<Vec<T>>, [K, V, S] Option<std::collections::HashMap<K, V, S>>,
    [K, V] Option<std::collections::BTreeMap<K, V>>,
);

impl<'a, T, const N: usize> Tag<'a, [T; N]> {
    /// Refused.
    pub fn text(&self) -> Collection<[T; N]> {
        Collection(std::marker::PhantomData)
    }
}

impl<'a, T, const N: usize> Tag<'a, &[T; N]> {
    /// Refused.
    pub fn text(&self) -> Collection<[T; N]> {
        Collection(std::marker::PhantomData)
    }
}

/// What the reserved field `duration` takes: a `Duration`, or one that may be missing.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not a duration",
    label = "expected `std::time::Duration` or an `Option` of it",
    note = "a number has no unit: write `Duration::from_millis(…)`, or give the field another key"
)]
pub trait ToDuration {
    /// The duration, if there is one.
    fn to_duration(&self) -> Option<Duration>;
}

impl ToDuration for Duration {
    fn to_duration(&self) -> Option<Duration> {
        Some(*self)
    }
}

impl<T: ToDuration> ToDuration for Option<T> {
    fn to_duration(&self) -> Option<Duration> {
        self.as_ref().and_then(ToDuration::to_duration)
    }
}

impl<T: ToDuration + ?Sized> ToDuration for &T {
    fn to_duration(&self) -> Option<Duration> {
        (**self).to_duration()
    }
}

/// What the reserved field `message` takes in a derived type: text, or text that may be missing.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not a message",
    label = "expected text: a `str`, a `String`, or an `Option` of one",
    note = "for another type that implements `Display` write `#[event(message, display)]`"
)]
pub trait ToMessage {
    /// The text, if there is one.
    fn to_message(&self) -> Option<&str>;
}

impl ToMessage for str {
    fn to_message(&self) -> Option<&str> {
        Some(self)
    }
}

impl ToMessage for String {
    fn to_message(&self) -> Option<&str> {
        Some(self)
    }
}

impl ToMessage for std::borrow::Cow<'_, str> {
    fn to_message(&self) -> Option<&str> {
        Some(self)
    }
}

impl<T: ToMessage> ToMessage for Option<T> {
    fn to_message(&self) -> Option<&str> {
        self.as_ref().and_then(ToMessage::to_message)
    }
}

impl<T: ToMessage + ?Sized> ToMessage for &T {
    fn to_message(&self) -> Option<&str> {
        (**self).to_message()
    }
}

impl<T: ToMessage + ?Sized> ToMessage for Box<T> {
    fn to_message(&self) -> Option<&str> {
        (**self).to_message()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_is_serialised_as_a_string() {
        assert_eq!(serde_json::to_string(&display(&1.5)).unwrap(), "\"1.5\"");
        assert_eq!(serde_json::to_string(&debug("a\"b")).unwrap(), r#""\"a\\\"b\"""#);
    }

    #[test]
    fn reserved_fields_take_options() {
        let second = Duration::from_secs(1);
        assert_eq!(Some(second).to_duration(), Some(second));
        assert_eq!(None::<Duration>.to_duration(), None);
        assert_eq!(Some(String::from("text")).to_message(), Some("text"));
        assert_eq!(None::<&str>.to_message(), None);
    }
}
