//! Event ids: made raw where the event happens, because text costs more than the event; written as text
//! where nobody waits.

use std::cell::Cell;

use mcpcat_wire::ksuid::Ksuid;
pub use mcpcat_wire::values::{EventId, ParseIdError};

/// An id for an event at `unix_micros`; see [`random_ksuid`].
#[inline]
pub(crate) fn generate(unix_micros: u64, generation: u64) -> EventId {
    EventId::from_raw(*random_ksuid(unix_micros, generation).raw())
}

/// A random id that carries `unix_micros`. `generation` changes when the process forks, so that parent and child do
/// not go on with the same random sequence.
#[inline]
pub(crate) fn random_ksuid(unix_micros: u64, generation: u64) -> Ksuid {
    let (high, low) = random(generation);
    let mut payload = [0; 16];
    payload[..8].copy_from_slice(&high.to_be_bytes());
    payload[8..].copy_from_slice(&low.to_be_bytes());
    Ksuid::new(unix_micros / 1_000_000, payload)
}

/// xoshiro256++ by Blackman and Vigna: 256 bits of state, so that ids of many threads and processes do not
/// meet. Not for secrets.
#[derive(Clone, Copy)]
struct Generator {
    state: [u64; 4],
    generation: u64,
}

impl Generator {
    /// Of a generation that no process is of.
    const UNSEEDED: Self = Self { state: [0; 4], generation: u64::MAX };

    /// Once for each thread and process.
    #[cold]
    fn seeded(generation: u64) -> Self {
        let mut bytes = [0_u8; 32];
        if getrandom::fill(&mut bytes).is_err() {
            // Without a random source: hash what differs between threads, processes and starts.
            use std::hash::{BuildHasher, RandomState};
            for (i, chunk) in bytes.chunks_exact_mut(8).enumerate() {
                let word = RandomState::new().hash_one((i, generation, std::process::id()));
                chunk.copy_from_slice(&word.to_le_bytes());
            }
        }
        let mut state = [1_u64; 4];
        for (word, chunk) in state.iter_mut().zip(bytes.chunks_exact(8)) {
            let mut word_bytes = [0; 8];
            word_bytes.copy_from_slice(chunk);
            *word = u64::from_le_bytes(word_bytes) | 1;
        }
        Self { state, generation }
    }

    #[inline]
    fn next(&mut self) -> u64 {
        let s = &mut self.state;
        let result = s[0].wrapping_add(s[3]).rotate_left(23).wrapping_add(s[0]);
        let t = s[1] << 17;
        s[2] ^= s[0];
        s[3] ^= s[1];
        s[1] ^= s[2];
        s[0] ^= s[3];
        s[2] ^= t;
        s[3] = s[3].rotate_left(45);
        result
    }
}

thread_local! {
    static GENERATOR: Cell<Generator> = const { Cell::new(Generator::UNSEEDED) };
}

/// 128 random bits from the thread's generator, or from a fresh one while the thread is being torn down.
pub(crate) fn random(generation: u64) -> (u64, u64) {
    let draw = |cell: &Cell<Generator>| {
        if cell.get().generation != generation {
            cell.set(Generator::seeded(generation));
        }
        let mut generator = cell.get();
        let drawn = (generator.next(), generator.next());
        cell.set(generator);
        drawn
    };
    GENERATOR.try_with(draw).unwrap_or_else(|_| draw(&Cell::new(Generator::UNSEEDED)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn ids_carry_their_time_and_differ() {
        let micros = 1_763_800_000_123_456;
        let ids: std::collections::HashSet<_> = (0..1000).map(|_| generate(micros, 0)).collect();
        assert_eq!(ids.len(), 1000);
        for id in ids {
            assert_eq!(u32::from_be_bytes(id.raw()[..4].try_into().unwrap()), 363_800_000);
        }
    }

    #[test]
    fn a_fork_does_not_repeat_the_parents_ids() {
        let before = GENERATOR.get();
        let parent = random(0);
        GENERATOR.set(before);
        assert_ne!(parent, random(1));
    }

    proptest! {
        #[test]
        fn text_and_raw_are_each_others_reverse(raw: [u8; 20]) {
            let id = EventId::from_raw(raw);
            prop_assert_eq!(id.to_string().parse::<EventId>(), Ok(id));
        }

        #[test]
        fn foreign_text_is_refused(text in "\\PC{0,40}") {
            if let Ok(id) = text.parse::<EventId>() {
                prop_assert_eq!(id.to_string(), text);
            }
        }
    }
}
