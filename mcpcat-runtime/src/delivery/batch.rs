//! Many events in one request, for a collector that offers it: what an offer says, the lines of a request, and
//! what the answer says of each. No I/O.

use std::borrow::Cow;

use bytes::Bytes;
use serde::Deserialize;

/// The header of a 2xx answer that offers batches:
/// `v1; path=/v1/public/events/batch; max-events=500; max-bytes=4194304`.
pub(crate) const OFFER_HEADER: &str = "mcpcat-batch";
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
    /// `None` for another version, and for a path that could lead to another origin.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let mut parts = text.split(';').map(str::trim);
        if parts.next() != Some("v1") {
            return None;
        }
        let mut offer =
            Self { path: String::new(), max_events: MAX_EVENTS, max_bytes: MAX_BYTES, gzip: false };
        for part in parts {
            match part.split_once('=')? {
                ("path", path) => offer.path = path.to_owned(),
                ("max-events", number) => offer.max_events = number.parse().ok()?,
                ("max-bytes", number) => offer.max_bytes = number.parse().ok()?,
                ("encodings", names) => {
                    offer.gzip = cfg!(feature = "gzip") && names.split(',').any(|name| name.trim() == "gzip");
                }
                _ => {}
            }
        }
        let plain = offer.path.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"/-_.~".contains(&byte));
        let here = offer.path.starts_with('/') && !offer.path.contains("//") && !offer.path.contains("..");
        offer.max_events = offer.max_events.min(MAX_EVENTS);
        offer.max_bytes = offer.max_bytes.min(MAX_BYTES);
        (plain && here && offer.max_events > 1).then_some(offer)
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
    // Borrowed where nothing is escaped: five hundred results are not worth a thousand allocations.
    #[derive(Deserialize)]
    struct Answer<'a> {
        #[serde(borrow)]
        results: Vec<One<'a>>,
    }
    #[derive(Deserialize)]
    struct One<'a> {
        #[serde(borrow)]
        id: Option<Text<'a>>,
        #[serde(borrow)]
        status: Text<'a>,
        error: Option<String>,
    }
    // Of its own, because serde does not borrow through an `Option`.
    #[derive(Deserialize)]
    struct Text<'a>(#[serde(borrow)] Cow<'a, str>);
    let answer: Answer<'_> = serde_json::from_slice(answer).ok()?;
    if answer.results.len() != ids.len() {
        return None;
    }
    let fate = |(one, id): (One<'_>, &String)| {
        if one.id.is_some_and(|of| of.0 != *id) {
            return Fate::Unknown;
        }
        match &*one.status.0 {
            "accepted" | "duplicate" => Fate::Taken,
            "rejected" => Fate::Rejected(one.error.unwrap_or_else(|| "no reason was given".to_owned())),
            _ => Fate::Unknown,
        }
    };
    Some(answer.results.into_iter().zip(ids).map(fate).collect())
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
            "v1; path=/b; max-events=1",
        ] {
            assert_eq!(Offer::parse(text), None, "{text}");
        }
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
