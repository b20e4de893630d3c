//! What is known about an event before it happens: a constant in the user's program, one per annotated function,
//! `emit!` and derived type. The macros write it, recording only points at it.

use std::borrow::Cow;
use std::panic::Location;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

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
    /// The declared fields: see [`Field::decode`].
    fields: &'static [&'static str],
    /// Which keys the built-in list calls sensitive, one bit each, and [`JUDGED`] once that is known. Found out
    /// by the first event: while compiling it took most of the time that `emit!` added to a build.
    verdicts: AtomicU64,
    /// Which of its events are published.
    pub rule: Rule,
    /// The first paragraph of the item's doc comment, or empty.
    pub doc: &'static str,
    /// Where it stands: file, line, column.
    pub location: &'static Location<'static>,
}

/// The bit of [`Callsite::verdicts`] that says that the others are known.
const JUDGED: u64 = 1 << 63;

impl Callsite {
    /// A callsite at the place of the call; one that always publishes and has no documentation.
    #[track_caller]
    pub const fn new(
        kind: Kind,
        name: &'static str,
        module: &'static str,
        fields: &'static [&'static str],
    ) -> Self {
        Self {
            kind,
            name,
            module,
            fields,
            verdicts: AtomicU64::new(0),
            rule: Rule::ALWAYS,
            doc: "",
            location: Location::caller(),
        }
    }

    /// The declared fields, in the order in which their values are passed.
    pub fn fields(&'static self) -> impl Iterator<Item = Field> {
        (0..self.fields.len()).map(|index| self.field(index))
    }

    /// A declared field. An index comes from the macro that declared it.
    #[inline]
    pub(crate) fn field(&'static self, index: usize) -> Field {
        let mut field = Field::decode(self.fields[index]);
        field.sensitive = self.is_sensitive(index);
        field
    }

    /// The key, as JSON text with its colon, of a field that is a parameter and that neither its author nor the
    /// built-in list hides: nearly every field, and what the call site can afford to ask.
    #[inline]
    pub(crate) fn plain_parameter(&'static self, index: usize) -> Option<&'static [u8]> {
        match self.fields[index].as_bytes() {
            [b'p', fragment @ ..] if !self.is_sensitive(index) => Some(fragment),
            _ => None,
        }
    }

    #[inline]
    fn is_sensitive(&'static self, index: usize) -> bool {
        let verdicts = self.verdicts.load(Ordering::Relaxed);
        if verdicts & JUDGED != 0 && index < JUDGED.trailing_zeros() as usize {
            verdicts >> index & 1 == 1
        } else {
            self.judge(index)
        }
    }

    /// The verdict on a field, while there are none yet, or where there is no bit for it.
    #[cold]
    fn judge(&'static self, index: usize) -> bool {
        let bits = self.fields.iter().take(JUDGED.trailing_zeros() as usize).enumerate();
        let verdicts = bits.fold(JUDGED, |verdicts, (i, field)| verdicts | u64::from(judge(field)) << i);
        self.verdicts.store(verdicts, Ordering::Relaxed);
        judge(self.fields[index])
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
    /// read), then the key as escaped JSON text with its colon. One literal, because each costs the user's build.
    #[inline]
    fn decode(text: &'static str) -> Self {
        let letter = text.as_bytes().first().copied().unwrap_or(b'p');
        let place = match letter.to_ascii_lowercase() {
            b't' => Place::Tag,
            b'r' => Place::Property,
            _ => Place::Parameter,
        };
        let fragment = text.get(1..).unwrap_or_default();
        Self { place, fragment, sensitive: false, redacted: letter.is_ascii_uppercase() }
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

fn judge(field: &'static str) -> bool {
    keys::is_sensitive(&Field::decode(field).key())
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
        static SITE: Callsite = Callsite::new(Kind::Emit, "paid", "shop", &["p\"plan\":"]).doc("Paid.");
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
    fn a_sensitive_key_is_known_at_any_place() {
        static MANY: [&str; 70] = {
            let mut fields = ["p\"plan\":"; 70];
            fields[1] = "p\"password\":";
            fields[66] = "p\"password\":";
            fields
        };
        static SITE: Callsite = Callsite::new(Kind::Emit, "paid", "shop", &MANY);
        for _ in 0..2 {
            let sensitive: Vec<usize> =
                SITE.fields().enumerate().filter(|(_, field)| field.sensitive).map(|(i, _)| i).collect();
            assert_eq!(sensitive, [1, 66]);
        }
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
