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
/// value again, but for [`NeverText`], which the compiler then refuses.
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

impl<T: NeverText + ?Sized> Tag<'_, T> {
    /// Refused.
    pub fn text(&self) -> Refused<T> {
        Refused(std::marker::PhantomData)
    }
}

/// A value whose type is never one text, a number or a boolean.
#[derive(Debug)]
pub struct Refused<T: ?Sized>(std::marker::PhantomData<T>);

/// What a tag takes. The value is an associated type, so that the compiler cannot infer `Self` from what it expects the
/// value to be, and speaks of this trait.
#[diagnostic::on_unimplemented(
    message = "a tag is one text, a number or a boolean, which this value never is",
    label = "a list, a map, a tuple, a range or a time",
    note = "make a parameter or a property of it, or write `display(…)` or `debug(…)` to send its text"
)]
pub trait TagText<'a> {
    /// The value's type.
    type Value: ?Sized;
    /// The value.
    fn pass(self) -> &'a Self::Value;
}

impl<'a, T: ?Sized> TagText<'a> for &'a T {
    type Value = T;

    #[inline]
    fn pass(self) -> &'a T {
        self
    }
}

/// Passes a tag's value on.
#[inline]
pub fn tag_text<'a, T: TagText<'a>>(value: T) -> &'a T::Value {
    value.pass()
}

/// Types that serialise as a list or a map whatever they hold.
pub trait NeverText {}

macro_rules! never_text {
    ($([$($parameter:tt)*] $ty:ty),* $(,)?) => {$(impl<$($parameter)*> NeverText for $ty {})*};
}

never_text!(
    [T] [T], [T, const N: usize] [T; N], [T] Vec<T>, [T] std::collections::VecDeque<T>,
    [T] std::collections::LinkedList<T>, [T] std::collections::BinaryHeap<T>,
    [T, S] std::collections::HashSet<T, S>, [T] std::collections::BTreeSet<T>,
    [K, V, S] std::collections::HashMap<K, V, S>, [K, V] std::collections::BTreeMap<K, V>,
    [] serde_json::Map<String, serde_json::Value>,
    [] (), [A] (A,), [A, B] (A, B), [A, B, C] (A, B, C), [A, B, C, D] (A, B, C, D), [A, B, C, D, E] (A, B, C, D, E),
    [A, B, C, D, E, F] (A, B, C, D, E, F),
    [T] std::ops::Range<T>, [T] std::ops::RangeInclusive<T>, [] Duration, [] std::time::SystemTime,
    [T: NeverText + ?Sized] &T, [T: NeverText + ?Sized] &mut T, [T: NeverText] Option<T>,
    [T: NeverText + ?Sized] Box<T>, [T: NeverText + ?Sized] std::rc::Rc<T>, [T: NeverText + ?Sized] std::sync::Arc<T>,
    [T: NeverText + ToOwned + ?Sized] std::borrow::Cow<'_, T>,
);

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
