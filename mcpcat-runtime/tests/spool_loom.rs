//! The lock-free append under loom, which runs it in every order that the memory model allows.
//!
//! This compiles the production file itself; only its atomics and the memory under it are loom's. A payload that
//! is read before it is complete, or written after it was cleared, is a failure even if the bytes happen to be
//! right.
#![allow(unsafe_code, dead_code, unreachable_pub, reason = "the production file and its model")]
#![allow(clippy::unwrap_used, reason = "helpers of tests")]

#[path = "../src/spool/frame.rs"]
mod frame;
#[path = "../src/spool/region.rs"]
mod region;
mod sync {
    pub(super) use loom::sync::atomic::AtomicU64;
}

use std::sync::atomic::Ordering::{Acquire, Relaxed, Release};

use frame::{SEGMENT_HEADER, Salt};
use loom::cell::UnsafeCell;
use loom::sync::Arc;
use loom::sync::atomic::AtomicU64;
use loom::thread;
use region::{Found, Memory, Missed, Payload, ReadSide, Segment};

const SALT: Salt = Salt(99);
/// Room for two records of eight bytes.
const FRAME: usize = 32;
const LEN: usize = SEGMENT_HEADER + 2 * FRAME;

/// Words that are accessed as atomics and as plain bytes, like those of the production's memory. Loom knows atomics
/// and cells; each word here is both, so that it sees when the two kinds meet: a plain write is alone, a plain read is
/// beside other reads only, an atomic store is beside no plain access, an atomic load beside no plain write.
struct Model(Vec<Word>);

struct Word {
    value: AtomicU64,
    /// Held by every access; for itself by a plain write.
    written: UnsafeCell<()>,
    /// Held by plain reads; for itself by whatever changes the word.
    changed: UnsafeCell<()>,
}

// SAFETY: loom reports any access to a cell that is not ordered with another.
unsafe impl Sync for Model {}
// SAFETY: as above.
unsafe impl Send for Model {}

impl Model {
    fn new() -> Self {
        let word =
            || Word { value: AtomicU64::new(0), written: UnsafeCell::new(()), changed: UnsafeCell::new(()) };
        Self((0..LEN / 8).map(|_| word()).collect())
    }

    fn plain_write(&self, index: usize, value: u64) {
        let word = &self.0[index];
        word.written.with_mut(|_| word.changed.with_mut(|_| word.value.store(value, Relaxed)));
    }
}

// SAFETY: the words live as long as the model.
unsafe impl Memory for Model {
    fn len(&self) -> usize {
        LEN
    }

    fn load(&self, at: usize) -> u64 {
        let word = &self.0[at / 8];
        let value = word.value.load(Acquire);
        word.written.with(|_| value)
    }

    fn store(&self, at: usize, value: u64) {
        let word = &self.0[at / 8];
        word.written.with(|_| word.changed.with_mut(|_| ()));
        word.value.store(value, Release);
    }

    unsafe fn write(&self, at: usize, bytes: &[u8]) {
        for (index, word) in (at / 8..).zip(bytes.chunks_exact(8)) {
            self.plain_write(index, u64::from_ne_bytes(word.try_into().unwrap()));
        }
    }

    unsafe fn read(&self, at: usize, len: usize, out: &mut Vec<u8>) {
        for word in &self.0[at / 8..(at + len) / 8] {
            let value = word.written.with(|_| word.changed.with(|_| word.value.load(Relaxed)));
            out.extend_from_slice(&value.to_ne_bytes());
        }
    }

    unsafe fn clear(&self, at: usize, len: usize) {
        (at / 8..(at + len) / 8).for_each(|index| self.plain_write(index, 0));
    }
}

fn segment() -> Arc<Segment<Model>> {
    let segment = Segment::new(Model::new());
    segment.open(1, LEN as u64);
    Arc::new(segment)
}

fn padded(value: u64) -> Vec<u8> {
    [value.to_ne_bytes(), [0; 8]].concat()
}

fn payload(value: u64, padded: &[u8]) -> Payload<'_> {
    Payload { kind: value as u8, padded, len: 8, moved: false }
}

fn append(segment: &Segment<Model>, value: u64) -> Result<(u64, u32), Missed> {
    segment.append(SALT, payload(value, &padded(value)), None)
}

/// The records up to the first that is not there; `true` if there was none such.
fn read(segment: &Segment<Model>, side: &ReadSide) -> (Vec<u64>, bool) {
    let (mut found, mut buffer) = (Vec::new(), Vec::new());
    let end = segment.tail().end();
    for at in (SEGMENT_HEADER as u32..end).step_by(FRAME) {
        match segment.look(side, SALT, at, end, &mut buffer) {
            Found::Record { len: 8, kind } => {
                let value = u64::from_ne_bytes(buffer.as_slice().try_into().unwrap());
                assert_eq!(kind, value as u8);
                found.push(value);
            }
            Found::Unknown | Found::Reserved { len: 8 } => return (found, false),
            other => panic!("{other:?}"),
        }
    }
    (found, true)
}

/// Runs in its own thread: loom does not preempt the thread that the model starts in.
fn spawn<T: 'static>(
    segment: &Arc<Segment<Model>>,
    work: impl FnOnce(&Segment<Model>) -> T + 'static,
) -> thread::JoinHandle<T> {
    let segment = Arc::clone(segment);
    thread::spawn(move || work(&segment))
}

#[test]
fn two_producers_never_share_bytes_and_the_reader_sees_whole_records_only() {
    let mut model = loom::model::Builder::new();
    // Three threads in every order take minutes; two preemptions reach every pair of operations.
    model.preemption_bound = Some(2);
    let seen_early = std::sync::Arc::new(std::sync::atomic::AtomicBool::new(false));
    let seen = std::sync::Arc::clone(&seen_early);
    model.check(move || {
        let segment = segment();
        let producers = [11, 22].map(|value| spawn(&segment, move |segment| append(segment, value).unwrap()));
        let reader = spawn(&segment, |segment| {
            let side = ReadSide::new();
            (read(segment, &side).0, side)
        });
        let [one, two] = producers.map(|producer| producer.join().unwrap().1);
        let (early, side) = reader.join().unwrap();
        seen.fetch_or(!early.is_empty(), Relaxed);
        assert_ne!(one, two);
        let (mut all, whole) = read(&segment, &side);
        assert!(whole && all.starts_with(&early));
        all.sort_unstable();
        assert_eq!(all, [11, 22]);
        assert_eq!(segment.tail().records(), 2);
        assert_eq!(append(&segment, 33), Err(Missed::NoRoom));
    });
    assert!(seen_early.load(Relaxed), "the reader never met a producer at work");
}

#[test]
fn after_a_seal_the_tail_is_exact() {
    loom::model(|| {
        let segment = segment();
        let producer = spawn(&segment, |segment| append(segment, 11).is_ok());
        let sealer = spawn(&segment, |segment| {
            segment.seal();
            segment.tail()
        });
        let (appended, tail) = (producer.join().unwrap(), sealer.join().unwrap());
        assert!(tail.sealed());
        assert_eq!(segment.tail(), tail, "nothing is claimed after the seal");
        assert_eq!(tail.records(), u32::from(appended));
        assert_eq!(read(&segment, &ReadSide::new()).0, if appended { vec![11] } else { vec![] });
    });
}

#[test]
fn a_producer_that_comes_late_lands_in_the_segments_next_life_or_nowhere() {
    loom::model(|| {
        let segment = segment();
        append(&segment, 11).unwrap();
        let late = spawn(&segment, |segment| append(segment, 22).map(|(sequence, _)| sequence));
        let reader = spawn(&segment, |segment| {
            let mut side = ReadSide::new();
            segment.seal();
            let tail = segment.tail();
            let (first_life, committed) = read(segment, &side);
            if committed {
                assert_eq!(first_life.len(), tail.records() as usize);
                segment.wipe(&mut side, tail.end(), 7);
                segment.open(2, LEN as u64);
            }
            (first_life, committed, side)
        });
        let landed = late.join().unwrap();
        let (first_life, committed, side) = reader.join().unwrap();
        let (now, whole) = read(&segment, &side);
        assert!(whole);
        match (committed, landed) {
            (true, Ok(1)) => assert!(first_life == [11, 22] && now.is_empty()),
            (true, Ok(2)) => assert_eq!((first_life, now), (vec![11], vec![22])),
            (true, Err(Missed::NoRoom)) => assert_eq!((first_life, now), (vec![11], vec![])),
            (false, Ok(1)) => assert_eq!(now, [11, 22]),
            other => panic!("{other:?}"),
        }
    });
}

#[test]
fn completing_a_record_while_others_append_touches_no_bytes_of_theirs() {
    loom::model(|| {
        let segment = segment();
        let (_, place) = append(&segment, 11).unwrap();
        let producer = spawn(&segment, |segment| append(segment, 22).unwrap());
        let reader = spawn(&segment, move |segment| {
            let mut side = ReadSide::new();
            segment.finish(&mut side, SALT, place);
            side
        });
        producer.join().unwrap();
        let side = reader.join().unwrap();
        let mut buffer = Vec::new();
        let end = segment.tail().end();
        assert_eq!(segment.look(&side, SALT, place, end, &mut buffer), Found::Done { len: 8 });
        let next = segment.look(&side, SALT, place + FRAME as u32, end, &mut buffer);
        assert_eq!(next, Found::Record { len: 8, kind: 22 });
    });
}

/// Two threads of one session: who sees the mark of a definition finds the definition, and whatever is committed has it
/// before itself.
#[test]
fn a_record_that_relies_on_a_mark_has_its_definition_in_the_log() {
    let mut model = loom::model::Builder::new();
    // Each load and store is a branch; two preemptions reach every pair of operations.
    model.preemption_bound = Some(2);
    model.check(|| {
        let segment = segment();
        let mark = Arc::new(AtomicU64::new(0));
        let first = {
            let mark = Arc::clone(&mark);
            spawn(&segment, move |segment| {
                let (definition, event) = (padded(7), padded(11));
                let (definition, event) = (payload(7, &definition), payload(11, &event));
                segment
                    .append_pair(SALT, definition, event, |sequence| mark.store(sequence, Release))
                    .unwrap()
            })
        };
        let other = {
            let mark = Arc::clone(&mark);
            spawn(&segment, move |segment| {
                let side = ReadSide::new();
                // Another thread of the session, which would rely on the mark, and a start that adopts what is there.
                let marked = mark.load(Acquire) == 1;
                (marked, read(segment, &side).0, side)
            })
        };
        first.join().unwrap();
        let (marked, found, side) = other.join().unwrap();
        assert!(!marked || found.first() == Some(&7), "a mark without its definition");
        assert!(found.is_empty() || found[0] == 7, "an event without its definition");
        assert_eq!(read(&segment, &side).0, [7, 11]);
    });
}

#[test]
fn an_append_that_expects_another_life_of_the_segment_leaves_nothing() {
    loom::model(|| {
        let segment = segment();
        let late = spawn(&segment, |segment| {
            let padded = padded(22);
            segment.append(SALT, payload(22, &padded), Some(1)).map(|(sequence, _)| sequence)
        });
        let reader = spawn(&segment, |segment| {
            let mut side = ReadSide::new();
            segment.seal();
            let tail = segment.tail();
            let (first_life, committed) = read(segment, &side);
            if committed {
                segment.wipe(&mut side, tail.end(), 7);
                segment.open(2, LEN as u64);
            }
            (first_life, committed, side)
        });
        let landed = late.join().unwrap();
        let (first_life, committed, side) = reader.join().unwrap();
        let mut buffer = Vec::new();
        let now = segment.look(&side, SALT, SEGMENT_HEADER as u32, segment.tail().end(), &mut buffer);
        match (committed, landed) {
            (true, Ok(1)) => assert_eq!(first_life, [22]),
            (true, Err(Missed::NoRoom)) => assert!(first_life.is_empty() && now == Found::Unknown),
            (true, Err(Missed::Reopened)) => assert_eq!((first_life.len(), now), (0, Found::Done { len: 8 })),
            (false, Ok(1)) => assert_eq!(now, Found::Record { len: 8, kind: 22 }),
            other => panic!("{other:?}"),
        }
    });
}
