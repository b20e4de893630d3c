//! Many events in one request, for a collector that offers it: how much of an offer is used, the lines of a request,
//! and what the answer says of each. No I/O.

use bytes::Bytes;
use mcpcat_wire::batch::{self, BatchAnswer, EventResult, EventStatus};

/// Events in one request at most, whatever is offered: what is lost with an answer has to be sent again.
const MAX_EVENTS: usize = 500;
/// Bytes of one request at most, so that the few in flight stay small beside the spool.
const MAX_BYTES: usize = 1024 * 1024;
/// Batches in flight at once. With 500 events each, four keep any link full.
pub(crate) const MAX_BATCHES: usize = 4;

/// Where batches are taken, and how large they may be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Offer {
    pub(crate) path: String,
    pub(crate) max_events: usize,
    pub(crate) max_bytes: usize,
    /// Batches may come packed, and this build can pack.
    pub(crate) gzip: bool,
}

impl Offer {
    /// What is used of the offer that a header's value makes; `None` for one that is not understood, could lead to
    /// another origin, or is for single events.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let offer = batch::Offer::parse(text)?;
        let used = Self {
            max_events: offer.max_events.unwrap_or(MAX_EVENTS).min(MAX_EVENTS),
            max_bytes: offer.max_bytes.unwrap_or(MAX_BYTES).min(MAX_BYTES),
            gzip: cfg!(feature = "gzip") && offer.takes_encoding("gzip"),
            path: offer.path.into_owned(),
        };
        (used.max_events > 1).then_some(used)
    }

    /// The offer after a batch was found too large; `None` when only single events are left.
    pub(crate) fn halved(mut self) -> Option<Self> {
        self.max_events /= 2;
        self.max_bytes /= 2;
        (self.max_events > 1).then_some(self)
    }
}

/// One event a line.
pub(crate) fn lines<'a>(bodies: impl Iterator<Item = &'a Bytes>) -> Bytes {
    let mut out = Vec::new();
    for body in bodies {
        let start = out.len();
        out.extend_from_slice(body);
        // Between the tokens of JSON a line break is a space; within a text it is escaped. Hardly a body has one.
        let mut at = start;
        while let Some(found) = memchr::memchr2(b'\n', b'\r', &out[at..]) {
            out[at + found] = b' ';
            at += found + 1;
        }
        out.push(b'\n');
    }
    Bytes::from(out)
}

/// The same lines, packed: at the fastest level, because the repetition that names and ids are goes with it.
#[cfg(feature = "gzip")]
pub(crate) fn packed(lines: &Bytes) -> Option<Bytes> {
    use std::io::Write as _;
    let mut packer = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    packer.write_all(lines).ok()?;
    packer.finish().ok().map(Bytes::from)
}

#[cfg(not(feature = "gzip"))]
pub(crate) fn packed(_: &Bytes) -> Option<Bytes> {
    None
}

/// What became of one event of a batch.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Fate {
    /// It is there, now or since an earlier attempt.
    Taken,
    Rejected(String),
    /// The answer speaks of something else, or in words that this version does not know.
    Unknown,
}

/// What an answer says of each of `ids`, in their order; `None` if it does not speak of as many.
pub(crate) fn fates(answer: &[u8], ids: &[String]) -> Option<Vec<Fate>> {
    let results = BatchAnswer::parse(answer)?.results;
    if results.len() != ids.len() {
        return None;
    }
    let fate = |(result, id): (EventResult<'_>, &String)| {
        if result.id.is_some_and(|of| of.0 != *id) {
            return Fate::Unknown;
        }
        match result.status {
            EventStatus::Accepted | EventStatus::Duplicate | EventStatus::Forgotten => Fate::Taken,
            EventStatus::Rejected => {
                let why = result.error.map_or("no reason was given".into(), |error| error.0);
                Fate::Rejected(why.into_owned())
            }
            EventStatus::Unknown => Fate::Unknown,
        }
    };
    Some(results.into_iter().zip(ids).map(fate).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_offer_is_taken_within_our_own_bounds() {
        let offer = Offer::parse(
            "v1; path=/v1/public/events/batch; max-events=500; max-bytes=4194304; encodings=zstd,gzip",
        );
        let path = "/v1/public/events/batch".to_owned();
        let gzip = cfg!(feature = "gzip");
        assert_eq!(offer, Some(Offer { path, max_events: 500, max_bytes: MAX_BYTES, gzip }));
        assert!(!Offer::parse("v1; path=/b; encodings=zstd,gzippy").unwrap().gzip);
        let small = Offer::parse("v1;path=/b;max-events=7;max-bytes=100;later=1").unwrap();
        assert_eq!((small.max_events, small.max_bytes), (7, 100));
        assert_eq!(small.halved().unwrap().halved(), None);
    }

    #[test]
    fn an_offer_of_single_events_is_none() {
        assert_eq!(Offer::parse("v1; path=/b; max-events=1"), None);
        assert_eq!(Offer::parse("v1; path=//other.example/b"), None);
    }

    #[test]
    fn each_line_has_its_fate() {
        let ids: Vec<String> = ["a", "b", "c", "d"].map(String::from).into();
        let answer = br#"{"results":[{"id":"a","status":"accepted"},{"id":"b","status":"duplicate"},
            {"id":null,"status":"rejected","error":"too long"},{"id":"x","status":"accepted"}]}"#;
        let fates_of = fates(answer, &ids).unwrap();
        assert_eq!(fates_of, [Fate::Taken, Fate::Taken, Fate::Rejected("too long".into()), Fate::Unknown]);
        assert_eq!(fates(answer, &ids[..3]), None);
        assert_eq!(fates(b"<html>", &ids), None);
    }
}
