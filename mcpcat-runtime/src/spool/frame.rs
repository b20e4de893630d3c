//! The shape of one record in a segment, and nothing else: pure functions over words.
//!
//! ```text
//! 0   reserve word   length (32 bits) and a marker bound to run, place and length; stored before the payload
//! 8   commit word    CRC-32 (32 bits), kind (8 bits), state (24 bits); stored last
//! 16  payload        padded with zeros to 16 bytes
//! ```
//!
//! Words are little-endian, in files and in memory. The rest of the format is described in `run_dir`.
//!
//! The length is known before the payload is there, so a record that was cut off can be stepped over. The
//! marker lets a scan find the next record after a damaged one without trusting anything in between. The
//! checksum is over the padded payload as it lies in the segment: one pass over whole blocks, which is what makes
//! it cheap.

/// Bytes before the payload.
pub(super) const OVERHEAD: usize = 16;
/// Every frame starts at a multiple of this.
pub(super) const ALIGN: usize = 16;
/// Bytes at the start of a segment that belong to its own header.
pub(super) const SEGMENT_HEADER: usize = 64;

const COMMITTED: u64 = 0x00C0_4D17;
const DONE: u64 = 0x003F_B2E8;

/// Ties frames to their run, so that bytes copied from elsewhere are not taken for records.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Salt(pub(super) u64);

/// What a commit word says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Commit {
    /// Nothing yet: reserved, or cut off.
    Empty,
    /// The record was delivered or given up.
    Done,
    /// The record is complete if its checksum holds. A state that is neither known value is treated the same:
    /// the checksum decides, so damage to the state alone loses nothing.
    Written { kind: u8, sum: u32 },
}

/// Bytes of log that a payload of `len` bytes takes. The length may come from a file that others have written: a
/// 64-bit result cannot wrap on any target.
pub(super) const fn size(len: u32) -> u64 {
    OVERHEAD as u64 + (len as u64).next_multiple_of(ALIGN as u64)
}

/// A payload length with its padding.
pub(super) const fn padded(len: usize) -> usize {
    len.next_multiple_of(ALIGN)
}

fn mix(salt: Salt, at: u32, extra: u32) -> u32 {
    let mut x = salt.0 ^ (u64::from(at) << 32 | u64::from(extra));
    x = (x ^ (x >> 32)).wrapping_mul(0xD6E8_FEB8_6659_FD93);
    x = (x ^ (x >> 32)).wrapping_mul(0xD6E8_FEB8_6659_FD93);
    (x >> 32) as u32
}

/// The word stored first. Never zero.
pub(super) fn reserve_word(salt: Salt, at: u32, len: u32) -> u64 {
    u64::from(mix(salt, at, len) | 1) << 32 | u64::from(len)
}

/// The payload length, if `word` is a reserve word made for this place.
pub(super) fn reserved_len(salt: Salt, at: u32, word: u64) -> Option<u32> {
    let len = word as u32;
    (reserve_word(salt, at, len) == word).then_some(len)
}

/// The word stored last; `crc` is the plain CRC-32 of the padded payload. That a record was moved here from another
/// segment is part of what the sum is made of.
pub(super) fn commit_word(salt: Salt, at: u32, kind: u8, moved: bool, crc: u32) -> u64 {
    COMMITTED << 40 | u64::from(kind) << 32 | u64::from(crc ^ mix(salt, !at, extra(kind, moved)))
}

fn extra(kind: u8, moved: bool) -> u32 {
    u32::from(kind) | u32::from(moved) << 8
}

/// What replaces the commit word once the record needs no delivery any more.
pub(super) const fn done_word() -> u64 {
    DONE << 40
}

pub(super) fn commit(word: u64) -> Commit {
    match word {
        0 => Commit::Empty,
        word if word == done_word() => Commit::Done,
        word => Commit::Written { kind: (word >> 32) as u8, sum: word as u32 },
    }
}

/// Whether a padded payload with this CRC-32 is what `commit_word` was made for, and then whether it was moved.
pub(super) fn sum_holds(salt: Salt, at: u32, kind: u8, sum: u32, crc: u32) -> Option<bool> {
    [false, true].into_iter().find(|moved| crc ^ mix(salt, !at, extra(kind, *moved)) == sum)
}

#[cfg(test)]
mod tests {
    use super::*;

    const SALT: Salt = Salt(0x1234_5678_9ABC_DEF0);

    #[test]
    fn a_reserve_word_belongs_to_one_place_one_length_and_one_run() {
        let word = reserve_word(SALT, 64, 250);
        assert_eq!(reserved_len(SALT, 64, word), Some(250));
        assert_eq!(reserved_len(SALT, 72, word), None);
        assert_eq!(reserved_len(Salt(1), 64, word), None);
        for bit in 0..64 {
            assert_eq!(reserved_len(SALT, 64, word ^ 1 << bit), None, "bit {bit}");
        }
    }

    #[test]
    fn a_commit_word_binds_kind_and_place() {
        for moved in [false, true] {
            let word = commit_word(SALT, 64, 7, moved, 0xDEAD_BEEF);
            let Commit::Written { kind, sum } = commit(word) else { panic!("not committed") };
            assert_eq!(kind, 7);
            assert_eq!(sum_holds(SALT, 64, 7, sum, 0xDEAD_BEEF), Some(moved));
            assert_eq!(sum_holds(SALT, 72, 7, sum, 0xDEAD_BEEF), None);
            assert_eq!(sum_holds(SALT, 64, 8, sum, 0xDEAD_BEEF), None);
        }
        assert_eq!(commit(0), Commit::Empty);
        assert_eq!(commit(done_word()), Commit::Done);
    }

    #[test]
    fn a_frame_is_whole_blocks() {
        assert_eq!(size(0), 16);
        assert_eq!(size(1), 32);
        assert_eq!(size(16), 32);
        assert_eq!(size(250), 272);
        assert_eq!(size(u32::MAX), (1 << 32) + 16, "no target wraps");
    }
}
