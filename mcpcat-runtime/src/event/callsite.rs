//! What is known about an event before it happens: a constant in the user's program, one per annotated function,
//! `emit!` and derived type. The macros write it, recording only points at it.

use std::borrow::Cow;
use std::sync::OnceLock;
use std::time::Duration;

use super::fields::{NAME, PARAMETERS};
use super::json;
use crate::policy::keys;

/// Everything constant about one place in the source that makes events.
///
/// Its name and one text, because each constant of a user's program is read, checked and evaluated by the compiler: a
/// structure with a member for each of these took it more than twice as long. The text is read once, by the first event.
#[derive(Debug)]
pub struct Callsite {
    /// The event's name.
    pub name: &'static str,
    /// The rest, by lines: the module's path, the file, the line, then what the macro wrote: the kind's letter (`F`, `E`
    /// or `D`) with the rule behind it, the documentation, and each field (see `Field::decode`).
    #[doc(hidden)]
    pub text: &'static str,
    /// What was read in it.
    #[doc(hidden)]
    pub read: Read,
}

/// A callsite's text, read or not yet.
pub(crate) type Read = OnceLock<Box<Details>>;

/// Not yet.
#[doc(hidden)]
#[allow(clippy::declare_interior_mutable_const, reason = "each static begins with one of its own")]
pub const UNREAD: Read = OnceLock::new();

/// What stands in a callsite's text.
#[derive(Debug)]
#[non_exhaustive]
pub struct Details {
    /// Which macro wrote it.
    pub kind: Kind,
    /// The path of the module it stands in.
    pub module: &'static str,
    /// The source file, as the compiler names it.
    pub file: &'static str,
    /// The line, from 1.
    pub line: u32,
    /// Which of its events are published.
    pub rule: Rule,
    /// The first paragraph of the item's doc comment, or empty.
    pub doc: &'static str,
    /// The declared fields, in the order in which their values are passed.
    pub fields: Box<[Field]>,
    /// The member of the body that names the event, as each event carries it.
    pub(crate) name_member: Box<[u8]>,
}

impl Callsite {
    /// A callsite with this text.
    #[cfg(test)]
    pub(crate) const fn new(name: &'static str, text: &'static str) -> Self {
        Self { name, text, read: UNREAD }
    }

    /// What is known about it.
    #[inline]
    pub fn details(&'static self) -> &'static Details {
        match self.read.get() {
            Some(details) => details,
            None => self.read_text(),
        }
    }

    #[cold]
    fn read_text(&'static self) -> &'static Details {
        self.read.get_or_init(|| Box::new(Details::read(self.name, self.text)))
    }
}

impl Details {
    fn read(name: &str, text: &'static str) -> Self {
        let mut lines = text.split('\n');
        let mut next = || lines.next().unwrap_or_default();
        let (module, file, line) = (next(), next(), next().parse().unwrap_or_default());
        let mut words = next().split(' ');
        let kind = match words.next() {
            Some("F") => Kind::Function,
            Some("D") => Kind::Data,
            _ => Kind::Emit,
        };
        let rule = words.fold(Rule::ALWAYS, |rule, word| match word.split_once('=') {
            Some(("slow", micros)) => rule.slow(micros.parse().unwrap_or_default()),
            Some(("sample", share)) => rule.sample(share.parse().unwrap_or(1.0)),
            _ => rule.on_error(),
        });
        let doc = next();
        let fields = lines.filter_map(|line| match line.split_once('?') {
            // Behind a condition: the compiler wrote whether it holds.
            Some(("true", field)) => Some(Field::decode(field)),
            Some(("false", _)) => None,
            _ => (!line.is_empty()).then(|| Field::decode(line)),
        });
        let mut name_member = NAME.to_vec();
        json::write_str(&mut name_member, name, usize::MAX);
        let name_member = name_member.into();
        Self { kind, module, file, line, rule, doc, fields: fields.collect(), name_member }
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
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Field {
    /// The section it goes into.
    pub place: Place,
    /// What stands before the value of a member that is not the first: `,"key":`, the key escaped.
    pub(crate) member: Lead,
    /// The same where it is the first parameter.
    pub(crate) first_parameter: Lead,
    /// Whether the built-in list of keys calls it sensitive.
    pub sensitive: bool,
    /// Whether the author marked it `redact`: its value is never read.
    pub redacted: bool,
    /// A parameter that neither its author nor the built-in list hides, as nearly every field is.
    pub(crate) plain: bool,
}

/// A text that stands before values.
#[derive(Debug, Clone)]
pub(crate) struct Lead {
    text: Box<str>,
    /// The text again, if it fits.
    block: [u8; LEAD],
}

/// As long as the text before the values of most keys.
const LEAD: usize = 32;

impl Lead {
    fn new(text: &str) -> Self {
        let mut block = [0; LEAD];
        if let Some(start) = block.get_mut(..text.len()) {
            start.copy_from_slice(text.as_bytes());
        }
        Self { text: text.into(), block }
    }

    /// Appends it. A block is copied whole and then cut: its length is known to the compiler, so this is two stores and
    /// no call.
    #[inline]
    pub(crate) fn write(&self, out: &mut Vec<u8>) {
        if self.text.len() > LEAD {
            return out.extend_from_slice(self.text.as_bytes());
        }
        let end = out.len() + self.text.len();
        out.extend_from_slice(&self.block);
        out.truncate(end);
    }
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
        let (member, first_parameter) = (format!(",{fragment}"), format!("{PARAMETERS}{fragment}"));
        let redacted = letter.is_ascii_uppercase();
        let mut field = Self {
            place,
            member: Lead::new(&member),
            first_parameter: Lead::new(&first_parameter),
            sensitive: false,
            redacted,
            plain: false,
        };
        field.sensitive = keys::is_sensitive(&field.key());
        field.plain = matches!(place, Place::Parameter) && !field.sensitive && !redacted;
        field
    }

    /// The key as JSON text with its colon, escaped: `"key":`.
    pub fn fragment(&self) -> &str {
        &self.member.text[1..]
    }

    /// Its key.
    pub fn key(&self) -> Cow<'_, str> {
        let quoted = self.fragment().strip_suffix(':').unwrap_or(self.fragment());
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
    fn a_callsite_is_a_name_and_a_text() {
        static SITE: Callsite =
            Callsite::new("paid", "shop\nsrc/a.rs\n7\nF error slow=250 sample=0.5\nPaid.\np\"plan\":");
        let details = SITE.details();
        assert_eq!(
            (details.kind, details.module, details.file, details.line),
            (Kind::Function, "shop", "src/a.rs", 7)
        );
        assert_eq!(details.rule, Rule::ALWAYS.on_error().slow(250).sample(0.5));
        assert_eq!(details.doc, "Paid.");
        let keys: Vec<_> = details.fields.iter().map(Field::key).collect();
        assert_eq!(keys, ["plan"]);
        static BARE: Callsite = Callsite::new("paid", "shop\nsrc/a.rs\n7\nE\n\n");
        assert_eq!((BARE.details().kind, BARE.details().rule), (Kind::Emit, Rule::ALWAYS));
        assert!(BARE.details().fields.is_empty() && BARE.details().doc.is_empty());
    }

    #[test]
    fn a_field_that_is_not_there_is_none() {
        static SITE: Callsite = Callsite::new(
            "paid",
            "shop\na.rs\n7\nE\n\np\"plan?\":\nfalse?p\"no\":\ntrue?t\"a\\nb\":\np\"password\":",
        );
        for _ in 0..2 {
            let fields = &SITE.details().fields;
            let all: Vec<(String, bool)> =
                fields.iter().map(|field| (field.key().into_owned(), field.sensitive)).collect();
            let expected = [("plan?", false), ("a\nb", false), ("password", true)];
            assert_eq!(all, expected.map(|(key, sensitive)| (key.to_owned(), sensitive)));
        }
        assert_eq!(SITE.details().fields[1].place, Place::Tag);
    }

    #[test]
    fn what_stands_before_a_value_is_written_whole_at_any_length() {
        for len in [0, 1, LEAD - 1, LEAD, LEAD + 1, 500] {
            let text = "k".repeat(len);
            let mut out = b"before".to_vec();
            Lead::new(&text).write(&mut out);
            assert_eq!(out, [b"before", text.as_bytes()].concat());
        }
    }

    #[test]
    fn a_field_is_read_from_one_literal() {
        let field = Field::decode("T\"a\\\"b\":");
        assert_eq!((field.place, field.redacted, &*field.key()), (Place::Tag, true, "a\"b"));
        assert_eq!(field.fragment(), "\"a\\\"b\":");
        assert_eq!(Field::decode("r\"x\":").place, Place::Property);
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
