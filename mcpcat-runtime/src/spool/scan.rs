//! Finds the records in the bytes of a segment that somebody else wrote, or that something damaged.
//!
//! Trusts nothing: a frame counts if its reserve word was made for its place, and a record if its checksum
//! holds. After bytes that make no sense the next frame is searched for. A scan ends after at most one step for
//! each word.

use std::ops::Range;

use super::frame::{self, ALIGN, Commit, OVERHEAD, SEGMENT_HEADER, Salt};

/// First word of a segment that is in use.
pub(super) const IN_USE: u64 = u64::from_le_bytes(*b"MCATSEG1");
/// First word of a segment whose records all were complete.
pub(super) const FREED: u64 = u64::from_le_bytes(*b"MCATFREE");

/// Fifth word of a segment that holds records that were moved there.
const HOLDS_MOVED: u64 = u64::from_le_bytes(*b"MCATMOVE");

/// The words of a segment's header; none of them is needed to read the records.
pub(super) fn header(sequence: u64, len: u64, holds_moved: bool) -> [u64; 5] {
    [IN_USE, sequence, len, check(sequence, len), if holds_moved { HOLDS_MOVED } else { 0 }]
}

/// Whether a header says that the segment holds records that were moved there.
pub(super) fn may_hold_moved(header: &[u8]) -> bool {
    word(header, 32) == Some(HOLDS_MOVED)
}

fn check(sequence: u64, len: u64) -> u64 {
    (sequence ^ len.rotate_left(32) ^ IN_USE).wrapping_mul(0x9E37_79B9_7F4A_7C15)
}

/// Where a record that was moved to another segment stood at first: the sequence number of that segment, and its
/// offset there. Stands before the record in its new place. What is found in both places is one record.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct Origin {
    pub(super) sequence: u64,
    pub(super) at: u32,
}

impl Origin {
    /// Bytes that it takes before the record.
    pub(super) const LEN: usize = 16;

    pub(super) fn encode(self) -> [u8; Self::LEN] {
        let mut bytes = [0; Self::LEN];
        bytes[..8].copy_from_slice(&self.sequence.to_le_bytes());
        bytes[8..12].copy_from_slice(&self.at.to_le_bytes());
        bytes
    }

    /// `None` if the record is too short to have one.
    pub(super) fn decode(record: &[u8]) -> Option<Self> {
        let number = word(record, 0)?;
        let at = record.get(8..12)?;
        Some(Self { sequence: number, at: u32::from_le_bytes(at.try_into().ok()?) })
    }
}

/// What a segment's header says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Header {
    /// Nothing in it needs delivery.
    Freed,
    /// Its sequence number.
    Sequence(u64),
    /// Never written, or damaged. Its records can be read, but not put in order with those of others.
    Unknown,
}

/// Reads a segment's header.
pub(super) fn read_header(bytes: &[u8]) -> Header {
    match word(bytes, 0) {
        Some(FREED) => return Header::Freed,
        Some(IN_USE) => {}
        _ => return Header::Unknown,
    }
    match (word(bytes, 8), word(bytes, 16), word(bytes, 24)) {
        (Some(sequence), Some(len), Some(sum)) if sum == check(sequence, len) => Header::Sequence(sequence),
        _ => Header::Unknown,
    }
}

fn word(bytes: &[u8], at: usize) -> Option<u64> {
    let eight = bytes.get(at..at.checked_add(8)?)?;
    Some(u64::from_le_bytes(eight.try_into().ok()?))
}

/// Where a scan stands. Does not hold the bytes, so that its owner can.
#[derive(Clone, Debug)]
pub(super) struct Scan {
    salt: Salt,
    at: usize,
    /// Records cut off between reservation and commit.
    pub(super) torn: u64,
    /// Stretches that make no sense.
    pub(super) damaged: u64,
}

/// A record that was found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Item {
    pub(super) at: u32,
    pub(super) kind: u8,
    pub(super) payload: Range<usize>,
    /// It was moved here, and stands behind an [`Origin`].
    pub(super) moved: bool,
}

impl Scan {
    /// A scan from the start of a segment.
    pub(super) fn new(salt: Salt) -> Self {
        Self { salt, at: SEGMENT_HEADER, torn: 0, damaged: 0 }
    }

    /// The next record in `bytes`, which must be the same at each call.
    pub(super) fn next(&mut self, bytes: &[u8]) -> Option<Item> {
        loop {
            let at = self.at;
            let reserve = word(bytes, at)?;
            let Some(len) = self.frame_len(bytes, at, reserve) else {
                self.skip(bytes)?;
                continue;
            };
            self.at = at + OVERHEAD + frame::padded(len);
            let payload = at + OVERHEAD..at + OVERHEAD + len;
            match frame::commit(word(bytes, at + 8)?) {
                Commit::Done => {}
                Commit::Empty => self.torn += 1,
                Commit::Written { kind, sum } => {
                    let crc = crc32fast::hash(&bytes[payload.start..self.at]);
                    if let Some(moved) = frame::sum_holds(self.salt, at as u32, kind, sum, crc) {
                        return Some(Item { at: at as u32, kind, payload, moved });
                    }
                    *(if ends_at_a_page(bytes, at..self.at) { &mut self.torn } else { &mut self.damaged }) +=
                        1;
                }
            }
        }
    }

    /// The payload length of a frame at `at` that lies within the bytes.
    fn frame_len(&self, bytes: &[u8], at: usize, reserve: u64) -> Option<usize> {
        let len = frame::reserved_len(self.salt, u32::try_from(at).ok()?, reserve)?;
        (at as u64 + frame::size(len) <= bytes.len() as u64).then_some(len as usize)
    }

    /// Moves to the next frame behind bytes that are none; `None` if there is no other.
    fn skip(&mut self, bytes: &[u8]) -> Option<()> {
        let mut empty = true;
        while let Some(reserve) = word(bytes, self.at) {
            if reserve != 0 {
                if self.frame_len(bytes, self.at, reserve).is_some() {
                    // Zeros before a frame: claimed, and cut off before even the length was stored.
                    *(if empty { &mut self.torn } else { &mut self.damaged }) += 1;
                    return Some(());
                }
                empty = false;
            }
            self.at += ALIGN;
        }
        self.damaged += u64::from(!empty);
        None
    }
}

/// What the system copies in one step of a write; a kill ends a write between two of them.
const PAGE: usize = 4096;

/// Whether the frame goes over the end of a page and has nothing behind it: one write, cut off by a kill.
fn ends_at_a_page(bytes: &[u8], frame: Range<usize>) -> bool {
    let last = (frame.end - 1) / PAGE * PAGE;
    last > frame.start && bytes[last..frame.end].iter().all(|byte| *byte == 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    const SALT: Salt = Salt(42);

    /// A segment with these payloads, and the offsets of their frames.
    fn segment(payloads: &[&[u8]], len: usize) -> (Vec<u8>, Vec<usize>) {
        let mut bytes = vec![0; len];
        for (index, word) in header(7, len as u64, false).iter().enumerate() {
            bytes[index * 8..][..8].copy_from_slice(&word.to_le_bytes());
        }
        let (mut at, mut places) = (SEGMENT_HEADER, Vec::new());
        for payload in payloads {
            let reserve = frame::reserve_word(SALT, at as u32, payload.len() as u32);
            let end = at + frame::size(payload.len() as u32) as usize;
            bytes[at + 16..at + 16 + payload.len()].copy_from_slice(payload);
            let commit = frame::commit_word(SALT, at as u32, 3, false, crc32fast::hash(&bytes[at + 16..end]));
            bytes[at..at + 8].copy_from_slice(&reserve.to_le_bytes());
            bytes[at + 8..at + 16].copy_from_slice(&commit.to_le_bytes());
            places.push(at);
            at = end;
        }
        (bytes, places)
    }

    fn all(bytes: &[u8]) -> (Vec<Vec<u8>>, u64, u64) {
        let mut scan = Scan::new(SALT);
        let mut found = Vec::new();
        while let Some(item) = scan.next(bytes) {
            assert_eq!(item.kind, 3);
            found.push(bytes[item.payload].to_vec());
        }
        (found, scan.torn, scan.damaged)
    }

    #[test]
    fn a_good_segment_is_read_whole() {
        let (bytes, _) = segment(&[b"one", b"", b"three and more"], 4096);
        assert_eq!(read_header(&bytes), Header::Sequence(7));
        let (found, torn, damaged) = all(&bytes);
        assert_eq!(found, [b"one".as_slice(), b"", b"three and more"]);
        assert_eq!((torn, damaged), (0, 0));
    }

    #[test]
    fn damage_to_any_bit_costs_at_most_the_record_it_hits() {
        let payloads: [&[u8]; 3] = [b"first record", b"second record", b"third record"];
        let (good, places) = segment(&payloads, 1024);
        for bit in SEGMENT_HEADER * 8..(places[2] + 32) * 8 {
            let mut bytes = good.clone();
            bytes[bit / 8] ^= 1 << (bit % 8);
            let hit = places.iter().rposition(|place| *place <= bit / 8).unwrap();
            let (found, torn, damaged) = all(&bytes);
            let missing: Vec<_> =
                (0..3).filter(|index| !found.contains(&payloads[*index].to_vec())).collect();
            assert!(missing.is_empty() || missing == [hit], "bit {bit}: {missing:?}");
            assert_eq!(torn, 0, "bit {bit}");
            assert_eq!(damaged, missing.len() as u64, "bit {bit}");
        }
    }

    #[test]
    fn a_damaged_header_hides_no_record() {
        let (good, _) = segment(&[b"kept"], 256);
        for bit in 0..SEGMENT_HEADER * 8 {
            let mut bytes = good.clone();
            bytes[bit / 8] ^= 1 << (bit % 8);
            assert_ne!(read_header(&bytes), Header::Freed);
            assert_eq!(all(&bytes).0, [b"kept"]);
        }
    }

    #[test]
    fn records_cut_off_are_stepped_over_and_counted() {
        let (mut bytes, places) = segment(&[b"first", b"second", b"third", b"fourth", b"fifth"], 1024);
        // the second got as far as its length, the fourth not even that
        bytes[places[1] + 8..places[2]].fill(0);
        bytes[places[3]..places[4]].fill(0);
        let (found, torn, damaged) = all(&bytes);
        assert_eq!(found, [b"first".as_slice(), b"third", b"fifth"]);
        assert_eq!((torn, damaged), (2, 0));
    }

    #[test]
    fn a_write_that_a_kill_ended_at_a_page_is_torn_and_not_damaged() {
        let (good, places) = segment(&[b"first", &[7; 9_000], b"third"], 16_384);
        for page in [4_096, 8_192] {
            let mut bytes = good.clone();
            bytes[page..places[2]].fill(0);
            assert_eq!(all(&bytes), (vec![b"first".to_vec(), b"third".to_vec()], 1, 0), "{page}");
        }
        let mut bytes = good;
        bytes[5_000..6_000].fill(0);
        assert_eq!(all(&bytes), (vec![b"first".to_vec(), b"third".to_vec()], 0, 1));
    }

    #[test]
    fn a_file_cut_anywhere_gives_what_lies_before_the_cut() {
        let (bytes, places) = segment(&[b"first", b"second", b"third"], 256);
        for cut in 0..bytes.len() {
            let (found, ..) = all(&bytes[..cut]);
            let whole = places.iter().filter(|place| **place + 32 <= cut).count();
            assert_eq!(found.len(), whole, "cut {cut}");
        }
    }

    #[test]
    fn done_records_are_passed_over_without_their_payload() {
        let (mut bytes, places) = segment(&[b"first", b"second"], 256);
        bytes[places[0] + 8..places[0] + 16].copy_from_slice(&frame::done_word().to_le_bytes());
        bytes[places[0] + 16..places[0] + 21].fill(0);
        assert_eq!(all(&bytes), (vec![b"second".to_vec()], 0, 0));
    }

    #[test]
    fn a_freed_segment_says_so() {
        let (mut bytes, _) = segment(&[], 256);
        bytes[..8].copy_from_slice(&FREED.to_le_bytes());
        assert_eq!(read_header(&bytes), Header::Freed);
    }
}
