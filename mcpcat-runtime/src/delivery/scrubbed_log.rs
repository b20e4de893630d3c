//! Where events rest once they are as they will leave: a log on disk behind a log in memory. Publishers write to
//! memory; the worker scrubs each event, hooks included, copies it here and lets the memory go. So nothing that a
//! hook has not seen is ever in a file, and what is in a file survives the process.
//!
//! One writer, one reader, both the worker: numbers given in the order of writing are read in that order.

use std::collections::BTreeSet;
use std::sync::Arc;

use bytes::Bytes;

use crate::event::EventId;
use crate::event::record::RecordKind;
use crate::spool::{Position, Reader, Refused, Spool};

/// Bytes of a record's header: id 20, number 8 (little-endian), flags 1.
const HEADER_LEN: usize = 29;

const HOOKED: u8 = 1;
const FOREIGN_TYPE: u8 = 2;

/// One event of this log.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct ScrubbedRecord<'a> {
    pub(super) id: EventId,
    number: u64,
    /// Hooks have seen it, not only the patterns.
    pub(super) hooked: bool,
    /// See [`Header::foreign_type`](crate::event::record::Header::foreign_type).
    pub(super) foreign_type: bool,
    pub(super) body: &'a [u8],
}

impl<'a> ScrubbedRecord<'a> {
    fn header(&self) -> [u8; HEADER_LEN] {
        let mut out = [0; HEADER_LEN];
        out[..20].copy_from_slice(self.id.raw());
        out[20..28].copy_from_slice(&self.number.to_le_bytes());
        out[28] = if self.hooked { HOOKED } else { 0 } | if self.foreign_type { FOREIGN_TYPE } else { 0 };
        out
    }

    /// `None` when the record is too short to be one.
    pub(super) fn decode(record: &'a [u8]) -> Option<Self> {
        let (head, body) = record.split_at_checked(HEADER_LEN)?;
        Some(Self {
            id: EventId::from_raw(head[..20].try_into().ok()?),
            number: u64::from_le_bytes(head[20..28].try_into().ok()?),
            hooked: head[28] & HOOKED != 0,
            foreign_type: head[28] & FOREIGN_TYPE != 0,
            body,
        })
    }
}

/// The log, and how far it is delivered.
pub(super) struct ScrubbedLog {
    spool: Arc<Spool>,
    pub(super) reader: Reader,
    hooked: bool,
    /// The newest number written.
    written: u64,
    /// The newest number read.
    read: u64,
    /// Read and not ended.
    out: BTreeSet<u64>,
}

impl ScrubbedLog {
    pub(super) fn new(spool: Arc<Spool>, reader: Reader, hooked: bool) -> Self {
        Self { spool, reader, hooked, written: 0, read: 0, out: BTreeSet::new() }
    }

    /// Writes an event that may leave.
    pub(super) fn keep(&mut self, id: EventId, foreign_type: bool, body: &[u8]) -> Result<(), Refused> {
        let number = self.written + 1;
        let header = ScrubbedRecord { id, number, hooked: self.hooked, foreign_type, body }.header();
        let appended = self.spool.append(RecordKind::Scrubbed.into(), &[&header, body])?;
        self.written = number;
        if appended.rolled {
            self.reader.prepare();
        }
        Ok(())
    }

    /// The next event to send.
    pub(super) fn next(&mut self) -> Option<(Position, u64, EventId, bool, Bytes)> {
        loop {
            let Some(record) = self.reader.next() else {
                // Also what gave way or was damaged will not come any more.
                self.read = self.written;
                return None;
            };
            let at = record.at;
            match ScrubbedRecord::decode(record.bytes) {
                Some(scrubbed) => {
                    let (number, id, foreign_type) = (scrubbed.number, scrubbed.id, scrubbed.foreign_type);
                    let body = Bytes::copy_from_slice(scrubbed.body);
                    self.read = number;
                    self.out.insert(number);
                    return Some((at, number, id, foreign_type, body));
                }
                None => self.reader.complete(at),
            }
        }
    }

    pub(super) fn complete(&mut self, at: Position, number: u64) {
        self.out.remove(&number);
        self.reader.complete(at);
    }

    /// The newest number written: a mark for [`ended`](Self::ended).
    pub(super) fn mark(&self) -> u64 {
        self.written
    }

    /// Whether everything up to a mark has ended.
    pub(super) fn ended(&self, mark: u64) -> bool {
        self.read >= mark && self.out.first().is_none_or(|oldest| *oldest > mark)
    }

    pub(super) fn is_empty(&self) -> bool {
        self.ended(self.written)
    }

    pub(super) fn close(&self) {
        self.spool.close();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::id::generate;
    use crate::spool::{self, Backend, Options};

    fn log(cap: u64) -> ScrubbedLog {
        let options = Options::default().backend(Backend::Memory).cap_bytes(cap).segment_bytes(4096);
        let opened = spool::open(options);
        ScrubbedLog::new(opened.spool, opened.reader, true)
    }

    #[test]
    fn a_mark_ends_with_the_last_event_before_it() {
        let mut log = log(1 << 20);
        assert!(log.is_empty());
        let ids: Vec<EventId> = (0..3).map(|n| generate(n * 1_000_000, 0)).collect();
        log.keep(ids[0], false, b"a").unwrap();
        log.keep(ids[1], true, b"b").unwrap();
        let mark = log.mark();
        log.keep(ids[2], false, b"c").unwrap();
        let read: Vec<_> = std::iter::from_fn(|| log.next()).collect();
        assert_eq!(read.iter().map(|(_, _, id, ..)| *id).collect::<Vec<_>>(), ids);
        assert_eq!(read.iter().map(|(.., foreign, _)| *foreign).collect::<Vec<_>>(), [false, true, false]);
        assert_eq!(read[1].4, "b");
        log.complete(read[1].0, read[1].1);
        assert!(!log.ended(mark));
        log.complete(read[0].0, read[0].1);
        assert!(log.ended(mark) && !log.is_empty());
        log.complete(read[2].0, read[2].1);
        assert!(log.is_empty());
    }

    #[test]
    fn foreign_bytes_are_no_panic() {
        for len in 0..64 {
            assert_eq!(ScrubbedRecord::decode(&vec![0xff; len]).is_some(), len >= HEADER_LEN);
        }
    }

    #[test]
    fn what_is_full_says_so_until_something_has_left() {
        let mut log = log(8192);
        let id = generate(0, 0);
        while log.keep(id, false, &[b'x'; 500]).is_ok() {}
        assert_eq!(log.keep(id, false, &[b'x'; 500]), Err(Refused::Full));
        while let Some((at, number, ..)) = log.next() {
            log.complete(at, number);
        }
        assert!(log.is_empty());
        assert_eq!(log.keep(id, false, &[b'x'; 500]), Ok(()));
    }
}
