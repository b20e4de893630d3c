//! Secrets that are known by their look, wherever they stand: in a longer text, in JSON inside a string, in a URL.
//! Hand-written matchers behind one table of bytes: most text is passed at a table look-up a byte, and nothing is
//! allocated unless something is found.

mod body;
mod card;
mod decoded;
mod flags;
mod key;
mod keyed;
mod scan;
mod tags;
mod value;
mod vendors;

use std::borrow::Cow;
use std::fmt::Write as _;

use crate::policy::KeyPolicy;

/// The built-in patterns, on by default, and the optional ones.
///
/// Always looked for: bearer and basic credentials, JWTs, PEM blocks, the key formats of some sixty vendors, card
/// numbers that pass Luhn under a known issuer's prefix and length, URL user information, and the values of
/// sensitive keys in query strings, connection strings, environment assignments, header lines and JSON. E-mail
/// addresses, phone numbers and IP addresses are looked for when asked.
///
/// What was removed stays visible as what it was:
///
/// ```
/// # use mcpcat_runtime as mcpcat;
/// use mcpcat::privacy::Patterns;
/// let patterns = Patterns::new();
/// let text = patterns.scrub_text("curl https://ada:hunter2@example.com/?page=2&token=abc");
/// assert_eq!(text, "curl https://[redacted: userinfo]@example.com/?page=2&token=[redacted: parameter]");
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Patterns {
    built_in: bool,
    email: bool,
    phone: bool,
    ip: bool,
    pub(super) keys: KeyPolicy,
}

impl Default for Patterns {
    fn default() -> Self {
        Self::new()
    }
}

impl Patterns {
    /// The built-in patterns.
    pub const fn new() -> Self {
        Self { built_in: true, email: false, phone: false, ip: false, keys: KeyPolicy::new() }
    }

    /// Also e-mail addresses.
    #[must_use]
    pub const fn email(mut self) -> Self {
        self.email = true;
        self
    }

    /// Also phone numbers: international ones with `+`, and North American ones.
    #[must_use]
    pub const fn phone(mut self) -> Self {
        self.phone = true;
        self
    }

    /// Also IP addresses, version 4 and 6.
    #[must_use]
    pub const fn ip(mut self) -> Self {
        self.ip = true;
        self
    }

    /// Which keys are sensitive where a text holds keys with values.
    #[must_use]
    pub fn keys(mut self, keys: KeyPolicy) -> Self {
        self.keys = keys;
        self
    }

    /// Switches the built-in patterns off. Those that were asked for stay.
    #[must_use]
    pub const fn off(mut self) -> Self {
        self.built_in = false;
        self
    }

    fn idle(&self) -> bool {
        !(self.built_in || self.email || self.phone || self.ip)
    }

    /// A text without its secrets; borrowed when it has none.
    pub fn scrub_text<'a>(&self, text: &'a str) -> Cow<'a, str> {
        if scan::holds_nothing(text.as_bytes()) && !(self.email || self.phone || self.ip) {
            return Cow::Borrowed(text);
        }
        let mut all = Vec::new();
        let mut at = 0;
        while let Some(found) = scan::find(text, at, self) {
            at = found.end;
            all.push(found);
        }
        decoded::find(text, self, &mut all);
        if all.is_empty() {
            return Cow::Borrowed(text);
        }
        all.sort_by_key(|found| (found.start, std::cmp::Reverse(found.end)));
        let mut scrubbed = String::with_capacity(text.len());
        let mut copied = 0;
        let mut all = all.into_iter().peekable();
        while let Some(mut found) = all.next() {
            // What two readings found is taken once, with all that either saw.
            while let Some(other) = all.next_if(|other| other.start < found.end) {
                found.end = found.end.max(other.end);
            }
            scrubbed.push_str(&text[copied..found.start]);
            found.write_to(text, &mut scrubbed);
            copied = found.end;
        }
        scrubbed.push_str(&text[copied..]);
        Cow::Owned(scrubbed)
    }

    /// A JSON object without the secrets in its strings, keys and numbers, at any depth and without building a
    /// tree; borrowed when it has none. The members [`PROTECTED`] of the outermost object are left alone. What is
    /// not JSON is scrubbed as text.
    #[doc(hidden)]
    pub fn scrub_body<'a>(&self, body: &'a [u8]) -> Cow<'a, [u8]> {
        if self.idle() {
            return Cow::Borrowed(body);
        }
        body::scrub(self, body)
    }
}

/// Members of an event's body that identify it. Neither a pattern nor a hook changes them.
pub const PROTECTED: [&str; 8] =
    ["id", "session_id", "project_id", "event_type", "timestamp", "parent_id", "sdk_instance", "sequence"];

/// A secret: which bytes of the text, and what is put there.
struct Found {
    start: usize,
    end: usize,
    label: &'static str,
    /// The value was no string but has to become one: where a quote stands that it is to be put in, as it is escaped.
    quote: Option<(usize, usize)>,
}

impl Found {
    fn new(start: usize, end: usize, label: &'static str) -> Self {
        Self { start, end, label, quote: None }
    }

    fn write_to(&self, text: &str, out: &mut String) {
        let quote = |out: &mut String| {
            out.push_str(self.quote.and_then(|(start, end)| text.get(start..end)).unwrap_or_default())
        };
        quote(out);
        // Writing into a String does not fail.
        let _ = write!(out, "[redacted: {}]", self.label);
        quote(out);
    }
}
