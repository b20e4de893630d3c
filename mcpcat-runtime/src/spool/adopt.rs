//! What earlier runs left: found by manifest and owner, read without mapping, sent and removed.

use super::Position;

/// Finds the runs that ended without having delivered everything.
#[derive(Debug)]
pub struct Adopter {
    _private: (),
}

/// A run whose process is gone. While this value lives, no other process adopts the run.
#[derive(Debug)]
pub struct Orphan {
    _private: std::convert::Infallible,
}

/// One record of an [`Orphan`].
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct OrphanRecord {
    /// Its place, for [`Orphan::complete`].
    pub at: Position,
    /// The kind it was appended with.
    pub kind: u8,
    /// Its payload.
    pub bytes: Vec<u8>,
}

impl Adopter {
    pub(super) fn none() -> Self {
        Self { _private: () }
    }
}

impl Iterator for Adopter {
    type Item = Orphan;

    fn next(&mut self) -> Option<Orphan> {
        None
    }
}

impl Iterator for Orphan {
    type Item = OrphanRecord;

    fn next(&mut self) -> Option<OrphanRecord> {
        match self._private {}
    }
}

impl Orphan {
    /// The records that are not complete, in order; the same as the iterator that this value is.
    pub fn records(&mut self) -> impl Iterator<Item = OrphanRecord> + '_ {
        self
    }

    /// Records that were cut off between reservation and commit, among those read so far.
    pub fn torn(&self) -> u64 {
        match self._private {}
    }

    /// Places where bytes were changed, among those read so far.
    pub fn damaged(&self) -> u64 {
        match self._private {}
    }

    /// Says that a record needs no delivery any more. Kept in the run's files, so that a later adopter does not
    /// send it again.
    pub fn complete(&mut self, _at: Position) {
        match self._private {}
    }

    /// Deletes the run. Records that were not completed are gone with it.
    pub fn remove(self) {
        match self._private {}
    }
}
