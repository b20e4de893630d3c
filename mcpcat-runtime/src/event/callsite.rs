//! What is known about an event before it happens: a constant in the user's program, one per annotated function,
//! `emit!` and derived type. The macros write it, recording only points at it.

use std::borrow::Cow;
use std::panic::Location;
use std::sync::OnceLock;
use std::time::Duration;

use super::json;
use crate::policy::keys;

/// Everything constant about one place in the source that makes events.
#[derive(Debug)]
#[non_exhaustive]
pub struct Callsite {
    /// Which macro wrote it.
    pub kind: Kind,
    /// The event's name.
    pub name: &'static str,
    /// The path of the module it stands in.
    pub module: &'static str,
    /// The declared fields, as the macros write them.
    declared: Declared,
    /// The same as recording needs them, read by the first event: while compiling it took most of the time that
    /// `emit!` added to a build.
    read: OnceLock<Read>,
    /// Which of its events are published.
    pub rule: Rule,
    /// The first paragraph of the item's doc comment, or empty.
    pub doc: &'static str,
    /// Where it stands: file, line, column.
    pub location: &'static Location<'static>,
}

/// What is constant about the events of a callsite, as they carry it.
#[derive(Debug)]
pub(crate) struct Read {
    pub(crate) fields: Box<[Field]>,
    /// The name as JSON text.
    pub(crate) name: Box<[u8]>,
}

/// The fields of a callsite as constants, each a letter and a key: see [`Field::decode`].
#[derive(Debug, Clone, Copy)]
enum Declared {
    /// One to a line. A list would take a user's compiler more time than all else of a callsite together.
    Lines(&'static str),
    /// A list, where conditions decide which of them there are.
    List(&'static [&'static str]),
}

impl Callsite {
    /// A callsite at the place of the call, its fields one to a line; one that always publishes and has no documentation.
    #[track_caller]
    pub const fn new(kind: Kind, name: &'static str, module: &'static str, fields: &'static str) -> Self {
        Self {
            kind,
            name,
            module,
            declared: Declared::Lines(fields),
            read: OnceLock::new(),
            rule: Rule::ALWAYS,
            doc: "",
            location: Location::caller(),
        }
    }

    /// Sets the fields of a callsite that has some of them under a condition.
    #[must_use]
    pub const fn fields_of(mut self, fields: &'static [&'static str]) -> Self {
        self.declared = Declared::List(fields);
        self
    }

    /// The declared fields, in the order in which their values are passed.
    pub fn fields(&'static self) -> impl Iterator<Item = Field> {
        self.read().fields.iter().copied()
    }

    /// What the first event reads out of the constants.
    #[inline]
    pub(crate) fn read(&'static self) -> &'static Read {
        match self.read.get() {
            Some(read) => read,
            None => self.read_now(),
        }
    }

    #[cold]
    fn read_now(&'static self) -> &'static Read {
        self.read.get_or_init(|| {
            let fields = match self.declared {
                Declared::Lines(lines) => lines.lines().map(Field::decode).collect(),
                Declared::List(list) => list.iter().copied().map(Field::decode).collect(),
            };
            let mut name = Vec::new();
            json::write_str(&mut name, self.name, usize::MAX);
            Read { fields, name: name.into() }
        })
    }

    /// Sets the documentation.
    #[must_use]
    pub const fn doc(mut self, doc: &'static str) -> Self {
        self.doc = doc;
        self
    }

    /// Sets which events are published.
    #[must_use]
    pub const fn rule(mut self, rule: Rule) -> Self {
        self.rule = rule;
        self
    }
}

/// Which macro a callsite comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[non_exhaustive]
pub enum Kind {
    /// `#[event]`: the event is a call of a function.
    Function,
    /// `emit!`.
    Emit,
    /// `#[derive(EventData)]`: a type, or one variant of an enum.
    Data,
}

impl Kind {
    /// The word the catalogue uses: `function`, `emit`, `data`.
    pub const fn as_str(self) -> &'static str {
        match self {
            Kind::Function => "function",
            Kind::Emit => "emit",
            Kind::Data => "data",
        }
    }
}

/// The section of an event that a field goes into.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Place {
    /// The `parameters` object.
    Parameter,
    /// The `tags` map of text to text.
    Tag,
    /// The `properties` object.
    Property,
}

/// A field that a macro declared.
#[derive(Debug, Clone, Copy)]
#[non_exhaustive]
pub struct Field {
    /// The section it goes into.
    pub place: Place,
    /// The key as JSON text with its colon, escaped: `"key":`.
    pub fragment: &'static str,
    /// Whether the built-in list of keys calls it sensitive.
    pub sensitive: bool,
    /// Whether the author marked it `redact`: its value is never read.
    pub redacted: bool,
}

impl Field {
    /// Reads what a macro wrote: one letter for the section (`p`, `t` or `r`, a capital one if the value is never to be
    /// read), then the key as escaped JSON text with its colon.
    fn decode(text: &'static str) -> Self {
        let letter = text.as_bytes().first().copied().unwrap_or(b'p');
        let place = match letter.to_ascii_lowercase() {
            b't' => Place::Tag,
            b'r' => Place::Property,
            _ => Place::Parameter,
        };
        let fragment = text.get(1..).unwrap_or_default();
        let mut field = Self { place, fragment, sensitive: false, redacted: letter.is_ascii_uppercase() };
        field.sensitive = keys::is_sensitive(&field.key());
        field
    }

    /// A parameter that neither its author nor the built-in list hides, as nearly every field is.
    #[inline]
    pub(crate) fn is_plain(&self) -> bool {
        matches!(self.place, Place::Parameter) && !self.sensitive && !self.redacted
    }

    /// Its key.
    pub fn key(&self) -> Cow<'static, str> {
        let quoted = self.fragment.strip_suffix(':').unwrap_or(self.fragment);
        let plain = quoted.strip_prefix('"').and_then(|key| key.strip_suffix('"')).unwrap_or(quoted);
        if plain.contains('\\') {
            return serde_json::from_str(quoted).map_or(Cow::Borrowed(plain), Cow::Owned);
        }
        Cow::Borrowed(plain)
    }
}

/// Which events of a callsite are published.
///
/// Without `on_error` and `slow` all are candidates; with one of them, those it names; with both, those that either
/// names. `sample` then takes its share of the candidates.
#[derive(Debug, Clone, Copy, PartialEq)]
#[non_exhaustive]
pub struct Rule {
    /// Failures are candidates.
    pub on_error: bool,
    /// What took at least this long is a candidate.
    pub slow: Option<Duration>,
    /// The share of candidates that is published, 0 to 1.
    pub sample: f64,
}

impl Rule {
    /// Every event.
    pub const ALWAYS: Self = Self { on_error: false, slow: None, sample: 1.0 };

    /// Makes failures candidates.
    #[must_use]
    pub const fn on_error(mut self) -> Self {
        self.on_error = true;
        self
    }

    /// Makes what took at least `micros` microseconds a candidate.
    #[must_use]
    pub const fn slow(mut self, micros: u64) -> Self {
        self.slow = Some(Duration::from_micros(micros));
        self
    }

    /// Sets the share of candidates that is published, 0 to 1.
    #[must_use]
    pub const fn sample(mut self, share: f64) -> Self {
        self.sample = share;
        self
    }

    /// Whether an event that failed or not and took `elapsed` is published. `dice` gives a number in 0..1 and is asked
    /// only when the share is less than all.
    pub fn keeps(&self, is_error: bool, elapsed: Duration, dice: impl FnOnce() -> f64) -> bool {
        let candidate = match self.slow {
            None => !self.on_error || is_error,
            Some(slow) => elapsed >= slow || (self.on_error && is_error),
        };
        candidate && (self.sample >= 1.0 || dice() < self.sample)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: Duration = Duration::from_millis(1);

    #[test]
    fn a_callsite_is_a_constant_that_knows_its_place() {
        static SITE: Callsite = Callsite::new(Kind::Emit, "paid", "shop", "p\"plan\":").doc("Paid.");
        assert!(SITE.location.file().ends_with("callsite.rs"));
        let keys: Vec<_> = SITE.fields().map(|field| field.key()).collect();
        assert_eq!((keys, SITE.doc, SITE.rule), (vec![Cow::Borrowed("plan")], "Paid.", Rule::ALWAYS));
    }

    #[test]
    fn a_field_is_read_from_one_literal() {
        let field = Field::decode("T\"a\\\"b\":");
        assert_eq!((field.place, field.redacted, &*field.key()), (Place::Tag, true, "a\"b"));
        assert_eq!(field.fragment, "\"a\\\"b\":");
        assert_eq!(Field::decode("r\"x\":").place, Place::Property);
    }

    #[test]
    fn fields_stand_in_lines_or_in_a_list() {
        static LINES: Callsite =
            Callsite::new(Kind::Emit, "paid", "shop", "p\"plan\":\nt\"a\\nb\":\np\"password\":");
        static LIST: Callsite =
            Callsite::new(Kind::Emit, "paid", "shop", "").fields_of(&["p\"plan\":", "P\"password\":"]);
        static NONE: Callsite = Callsite::new(Kind::Emit, "paid", "shop", "");
        let all = |site: &'static Callsite| -> Vec<(String, bool)> {
            site.fields().map(|field| (field.key().into_owned(), field.sensitive)).collect()
        };
        for _ in 0..2 {
            assert_eq!(
                all(&LINES),
                [("plan".into(), false), ("a\nb".into(), false), ("password".into(), true)]
            );
            assert_eq!(all(&LIST), [("plan".into(), false), ("password".into(), true)]);
            assert_eq!(all(&NONE), []);
        }
        assert_eq!(LINES.fields().nth(1).unwrap().place, Place::Tag);
    }

    #[test]
    fn errors_and_slow_calls_are_candidates_by_either_word() {
        let never = || panic!("a full share throws no dice");
        assert!(Rule::ALWAYS.keeps(false, MS, never));
        let errors = Rule::ALWAYS.on_error();
        assert!(errors.keeps(true, MS, never) && !errors.keeps(false, MS, never));
        let slow = Rule::ALWAYS.slow(2_000);
        assert!(slow.keeps(false, 2 * MS, never) && !slow.keeps(true, MS, never));
        let both = slow.on_error();
        assert!(
            both.keeps(true, MS, never) && both.keeps(false, 2 * MS, never) && !both.keeps(false, MS, never)
        );
    }

    #[test]
    fn the_share_is_taken_of_the_candidates() {
        let rule = Rule::ALWAYS.on_error().sample(0.25);
        assert!(rule.keeps(true, MS, || 0.24));
        assert!(!rule.keeps(true, MS, || 0.25));
        assert!(!rule.keeps(false, MS, || panic!("not a candidate")));
        assert!(!Rule::ALWAYS.sample(0.0).keeps(true, MS, || 0.0));
    }
}
