//! The record reader, compiled from the production file, on bytes of any kind.
#![no_main]
#![allow(dead_code, unreachable_pub)]

#[path = "../../src/spool/frame.rs"]
mod frame;
#[path = "../../src/spool/scan.rs"]
mod scan;

use arbitrary::Arbitrary;
use frame::{OVERHEAD, SEGMENT_HEADER, Salt};
use libfuzzer_sys::fuzz_target;
use scan::{Item, Scan};

#[derive(Arbitrary, Debug)]
struct Input {
    salt: u64,
    records: Vec<(u8, Vec<u8>)>,
    tail: Vec<u8>,
    changes: Vec<(u16, Change)>,
    cut: Option<u16>,
}

#[derive(Arbitrary, Debug)]
enum Change {
    Set(u8),
    Flip(u8),
    Zeros(u8),
}

fn all(salt: Salt, bytes: &[u8]) -> (Vec<Item>, u64, u64) {
    let mut scan = Scan::new(salt);
    let mut items = Vec::new();
    while let Some(item) = scan.next(bytes) {
        assert!(item.payload.end <= bytes.len() && item.payload.start == item.at as usize + OVERHEAD);
        if let Some(last) = items.last() {
            let last: &Item = last;
            assert!(last.payload.end <= item.at as usize, "records overlap");
        }
        items.push(item);
    }
    assert!(scan.next(bytes).is_none(), "the end is the end");
    (items, scan.torn, scan.damaged)
}

fuzz_target!(|input: Input| {
    let salt = Salt(input.salt);
    // Bytes of any kind.
    all(salt, &input.tail);
    scan::read_header(&input.tail);

    // A good segment.
    let mut bytes = vec![0; SEGMENT_HEADER];
    for (index, word) in scan::header(1, 1 << 20, false).iter().enumerate() {
        bytes[index * 8..][..8].copy_from_slice(&word.to_le_bytes());
    }
    let mut starts = Vec::new();
    for (kind, payload) in &input.records {
        let at = bytes.len();
        starts.push(at);
        let mut padded = payload.clone();
        padded.resize(frame::padded(payload.len()), 0);
        let crc = crc32fast::hash(&padded);
        bytes.extend(frame::reserve_word(salt, at as u32, payload.len() as u32).to_le_bytes());
        bytes.extend(frame::commit_word(salt, at as u32, *kind, false, crc).to_le_bytes());
        bytes.extend(padded);
    }
    let (items, torn, damaged) = all(salt, &bytes);
    assert_eq!((items.len(), torn, damaged), (input.records.len(), 0, 0));
    for (item, (kind, payload)) in items.iter().zip(&input.records) {
        assert_eq!((item.kind, &bytes[item.payload.clone()]), (*kind, payload.as_slice()));
    }

    // The same, changed: a record that no change touched, below the cut, is found.
    let mut touched = vec![false; starts.len()];
    for (at, change) in &input.changes {
        let at = usize::from(*at) % bytes.len();
        let range = match change {
            Change::Zeros(len) => at..(at + usize::from(*len)).min(bytes.len()),
            _ => at..at + 1,
        };
        match change {
            Change::Set(byte) => bytes[at] = *byte,
            Change::Flip(bits) => bytes[at] ^= bits,
            Change::Zeros(_) => bytes[range.clone()].fill(0),
        }
        for (index, start) in starts.iter().enumerate() {
            let end = starts.get(index + 1).copied().unwrap_or(bytes.len());
            touched[index] |= range.start < end && *start < range.end;
        }
    }
    let cut = input.cut.map_or(bytes.len(), |cut| usize::from(cut).min(bytes.len()));
    let (found, ..) = all(salt, &bytes[..cut]);
    for (index, start) in starts.iter().enumerate() {
        let end = starts.get(index + 1).copied().unwrap_or(bytes.len());
        if !touched[index] && end <= cut {
            assert!(found.iter().any(|item| item.at as usize == *start), "an untouched record was missed");
        }
    }
});
