//! Many events in one request: how a collector offers to take them, and what it answers.
//!
//! An SDK sends one event a request until an answer carries the header [`BATCH_HEADER`]; from then on it may send
//! newline-delimited events to the path of the offer. The header [`EVENT_TYPES_HEADER`] offers to take events of types
//! that the hosted product has none for.

use std::borrow::Cow;
use std::fmt;

use serde::{Deserialize, Serialize};

/// The header of a 2xx answer that offers batches. Its value is an [`Offer`].
pub const BATCH_HEADER: &str = "mcpcat-batch";
/// The header with which a collector offers to take events of any type. Its value is a list of words, separated by
/// commas; [`ANY_TYPE`] is the only one that is known.
pub const EVENT_TYPES_HEADER: &str = "mcpcat-event-types";
/// The word in [`EVENT_TYPES_HEADER`] that offers to take events of any type.
pub const ANY_TYPE: &str = "any";

const VERSION: &str = "v1";

/// Whether a value of [`EVENT_TYPES_HEADER`] offers to take events of any type.
#[must_use]
pub fn offers_any_type(value: &str) -> bool {
    value.split(',').any(|word| word.trim().eq_ignore_ascii_case(ANY_TYPE))
}

/// Where batches are taken, and how large they may be. In text
/// `v1; path=/v1/public/events/batch; max-events=500; max-bytes=4194304; encodings=zstd,gzip`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Offer<'a> {
    /// The absolute path of the batch endpoint, at the origin that made the offer.
    pub path: Cow<'a, str>,
    /// Events in one request at most; `None` leaves it to the sender.
    pub max_events: Option<usize>,
    /// Bytes of one request at most, before it is packed; `None` leaves it to the sender.
    pub max_bytes: Option<usize>,
    /// The content encodings that are taken, separated by commas.
    pub encodings: Cow<'a, str>,
}

impl<'a> Offer<'a> {
    /// Reads an offer; what a later version adds to it is skipped. `None` for another version, for a number that is
    /// none, and for a path that could lead to another origin.
    #[must_use]
    pub fn parse(text: &'a str) -> Option<Self> {
        let mut parts = text.split(';').map(str::trim);
        if parts.next() != Some(VERSION) {
            return None;
        }
        let mut offer = Self { path: "".into(), max_events: None, max_bytes: None, encodings: "".into() };
        for part in parts {
            match part.split_once('=')? {
                ("path", path) => offer.path = path.into(),
                ("max-events", number) => offer.max_events = Some(number.parse().ok()?),
                ("max-bytes", number) => offer.max_bytes = Some(number.parse().ok()?),
                ("encodings", names) => offer.encodings = names.into(),
                _ => {}
            }
        }
        is_local_path(&offer.path).then_some(offer)
    }

    /// Whether batches may come in this content encoding.
    #[must_use]
    pub fn takes_encoding(&self, name: &str) -> bool {
        self.encodings.split(',').any(|offered| offered.trim() == name)
    }
}

impl fmt::Display for Offer<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{VERSION}; path={}", self.path)?;
        if let Some(most) = self.max_events {
            write!(f, "; max-events={most}")?;
        }
        if let Some(most) = self.max_bytes {
            write!(f, "; max-bytes={most}")?;
        }
        if !self.encodings.is_empty() {
            write!(f, "; encodings={}", self.encodings)?;
        }
        Ok(())
    }
}

/// Whether a path stays at the origin that it is joined to, whatever joins them.
fn is_local_path(path: &str) -> bool {
    let plain = path.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"/-_.~".contains(&byte));
    plain && path.starts_with('/') && !path.contains("//") && !path.contains("..")
}

/// The answer to a batch: a result for each line, in the order of the lines.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct BatchAnswer<'a> {
    /// One for each line that was not empty.
    #[serde(borrow)]
    pub results: Vec<EventResult<'a>>,
}

impl<'a> BatchAnswer<'a> {
    /// Reads an answer. Texts without escapes are borrowed: five hundred results are not worth a thousand allocations.
    #[must_use]
    pub fn parse(answer: &'a [u8]) -> Option<Self> {
        serde_json::from_slice(answer).ok()
    }

    /// The answer as JSON.
    #[must_use]
    pub fn to_json(&self) -> String {
        // Texts and a list of them: there is nothing that could fail.
        serde_json::to_string(self).unwrap_or_default()
    }
}

/// What became of one event of a batch.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct EventResult<'a> {
    /// The event's id; `null` where it could not be read.
    #[serde(borrow, default)]
    pub id: Option<Text<'a>>,
    /// What became of it.
    pub status: EventStatus,
    /// Why it was rejected.
    #[serde(borrow, default, skip_serializing_if = "Option::is_none")]
    pub error: Option<Text<'a>>,
}

/// A text of an answer. A type of its own, because serde does not borrow a `Cow` through an `Option`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Text<'a>(#[serde(borrow)] pub Cow<'a, str>);

impl<'a, T: Into<Cow<'a, str>>> From<T> for Text<'a> {
    fn from(text: T) -> Self {
        Self(text.into())
    }
}

/// What became of one event of a batch, in one word.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum EventStatus {
    /// It is stored now.
    Accepted,
    /// It was there already, under the same id.
    Duplicate,
    /// It belongs to what somebody asked the collector to forget, and was dropped.
    Forgotten,
    /// It will never be taken.
    Rejected,
    /// A word that this version does not know.
    #[serde(other)]
    Unknown,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_offer_reads_back_as_it_was_written() {
        let text = "v1; path=/v1/public/events/batch; max-events=500; max-bytes=4194304; encodings=zstd,gzip";
        let offer = Offer::parse(text).unwrap();
        assert_eq!((offer.max_events, offer.max_bytes), (Some(500), Some(4_194_304)));
        assert_eq!(offer.to_string(), text);
        assert!(offer.takes_encoding("gzip") && offer.takes_encoding("zstd"));
        let least = Offer::parse("v1;path=/b;later=1").unwrap();
        assert_eq!(least.to_string(), "v1; path=/b");
        assert!(!Offer::parse("v1; path=/b; encodings=zstd,gzippy").unwrap().takes_encoding("gzip"));
    }

    #[test]
    fn an_offer_that_is_not_understood_or_leads_elsewhere_is_none() {
        for text in [
            "",
            "v2; path=/b",
            "v1",
            "v1; path=b",
            "v1; path=//other.example/b",
            "v1; path=http://other.example/b",
            "v1; path=/a/../b",
            "v1; path=/b@other",
            "v1; path=/b; max-events=many",
        ] {
            assert_eq!(Offer::parse(text), None, "{text}");
        }
    }

    #[test]
    fn any_type_is_a_word_in_a_list() {
        for (value, offers) in [("any", true), ("later, ANY ", true), ("", false), ("anything", false)] {
            assert_eq!(offers_any_type(value), offers, "{value}");
        }
    }

    #[test]
    fn an_answer_reads_back_as_it_was_written() {
        let result = |id: Option<&'static str>, status, error: Option<&'static str>| EventResult {
            id: id.map(Text::from),
            status,
            error: error.map(Text::from),
        };
        let answer = BatchAnswer {
            results: vec![
                result(Some("a\"b"), EventStatus::Accepted, None),
                result(Some("c"), EventStatus::Duplicate, None),
                result(None, EventStatus::Rejected, Some("too \u{7}long")),
            ],
        };
        let json = answer.to_json();
        assert_eq!(
            json,
            "{\"results\":[{\"id\":\"a\\\"b\",\"status\":\"accepted\"},{\"id\":\"c\",\"status\":\"duplicate\"},\
             {\"id\":null,\"status\":\"rejected\",\"error\":\"too \\u0007long\"}]}"
        );
        assert_eq!(BatchAnswer::parse(json.as_bytes()), Some(answer));
    }

    #[test]
    fn a_status_of_a_later_version_is_unknown_and_its_texts_are_borrowed_where_they_can_be() {
        let answer = BatchAnswer::parse(br#"{"results":[{"status":"parked","more":1,"id":"x"}]}"#).unwrap();
        assert_eq!(answer.results[0].status, EventStatus::Unknown);
        assert!(matches!(&answer.results[0].id, Some(Text(Cow::Borrowed("x")))));
        assert_eq!(BatchAnswer::parse(b"<html>"), None);
    }
}
