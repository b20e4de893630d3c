//! What waits in the spool: a fixed header of raw numbers, then the members of the body as JSON text.
//!
//! A session's constant fields are a record of their own (a definition), so that an event carries a number
//! instead, and a log that another process adopts is complete in itself.

use serde::{Deserialize, Serialize};

use super::id::EventId;

/// What a record is. The spool stores the number and knows none of them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum RecordKind {
    /// An event as it was published: a [`Header`] and the members of its body.
    Event = 1,
    /// A [`Definition`].
    Session = 2,
    /// A number: everything before it was published before somebody called `flush`.
    FlushMark = 3,
    /// An event as it will leave, scrubbed: see `delivery::resting`.
    Scrubbed = 4,
}

impl From<RecordKind> for u8 {
    fn from(kind: RecordKind) -> Self {
        kind as Self
    }
}

impl TryFrom<u8> for RecordKind {
    /// The number of a kind that this version does not know.
    type Error = u8;

    fn try_from(number: u8) -> Result<Self, u8> {
        [Self::Event, Self::Session, Self::FlushMark, Self::Scrubbed]
            .into_iter()
            .find(|kind| u8::from(*kind) == number)
            .ok_or(number)
    }
}

/// Bytes of an event's header: id 20, parent 20, time 8, duration 8, sequence 8, session 8, flags 1.
pub(crate) const HEADER_LEN: usize = 73;

const HAS_PARENT: u8 = 1;
const HAS_DURATION: u8 = 2;
const HAS_OUTCOME: u8 = 4;
const IS_ERROR: u8 = 8;
const CUSTOM: u8 = 16;
const FOREIGN_TYPE: u8 = 32;

/// The header of an event record.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Header {
    pub(crate) id: EventId,
    /// The event of the call that this one was raised in.
    pub(crate) parent: Option<EventId>,
    /// Start, microseconds since the Unix epoch.
    pub(crate) unix_micros: u64,
    pub(crate) duration_micros: Option<u64>,
    /// Counts the events of one client in the order in which they began.
    pub(crate) sequence: u64,
    /// The reference under which the session was defined.
    pub(crate) session: u64,
    pub(crate) is_error: Option<bool>,
    /// A custom event: its type depends on where it is sent. Others carry `event_type` in their members.
    pub(crate) custom: bool,
    /// A request of a method that the product has no event type for: only a collector that offers to take any type
    /// gets it.
    pub(crate) foreign_type: bool,
}

impl Header {
    #[inline]
    pub(crate) fn encode(&self, out: &mut [u8; HEADER_LEN]) {
        out[..20].copy_from_slice(self.id.raw());
        let mut flags = 0;
        out[20..40].fill(0);
        if let Some(parent) = &self.parent {
            out[20..40].copy_from_slice(parent.raw());
            flags |= HAS_PARENT;
        }
        out[40..48].copy_from_slice(&self.unix_micros.to_le_bytes());
        out[48..56].copy_from_slice(&self.duration_micros.unwrap_or(0).to_le_bytes());
        if self.duration_micros.is_some() {
            flags |= HAS_DURATION;
        }
        out[56..64].copy_from_slice(&self.sequence.to_le_bytes());
        out[64..72].copy_from_slice(&self.session.to_le_bytes());
        if let Some(failed) = self.is_error {
            flags |= HAS_OUTCOME | if failed { IS_ERROR } else { 0 };
        }
        if self.custom {
            flags |= CUSTOM;
        }
        if self.foreign_type {
            flags |= FOREIGN_TYPE;
        }
        out[72] = flags;
    }

    /// The header and the members behind it; `None` when the record is too short to be one.
    pub(crate) fn decode(record: &[u8]) -> Option<(Self, &[u8])> {
        let (head, members) = record.split_at_checked(HEADER_LEN)?;
        let raw = |from: usize| -> Option<[u8; 20]> { head[from..from + 20].try_into().ok() };
        let number =
            |from: usize| -> Option<u64> { head[from..from + 8].try_into().ok().map(u64::from_le_bytes) };
        let flags = head[72];
        let set = |flag: u8| flags & flag != 0;
        let header = Self {
            id: EventId::from_raw(raw(0)?),
            parent: if set(HAS_PARENT) { Some(EventId::from_raw(raw(20)?)) } else { None },
            unix_micros: number(40)?,
            duration_micros: if set(HAS_DURATION) { Some(number(48)?) } else { None },
            sequence: number(56)?,
            session: number(64)?,
            is_error: set(HAS_OUTCOME).then(|| set(IS_ERROR)),
            custom: set(CUSTOM),
            foreign_type: set(FOREIGN_TYPE),
        };
        Some((header, members))
    }
}

/// What is constant for all events of a session. The last definition of a reference wins.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Definition {
    /// The reference that event headers carry.
    pub(crate) reference: u64,
    pub(crate) project: String,
    /// The session's id on the wire; `None` sends `null`.
    pub(crate) session_id: Option<String>,
    /// The transport has not named the session yet; `session_id` is what it is called if it never does.
    #[serde(default)]
    pub(crate) pending: bool,
    /// Distinguishes processes: sequences compare only within one.
    pub(crate) instance: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) client_name: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) client_version: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) server_name: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) server_version: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) actor: Option<Actor>,
    /// What hooks add to each event, JSON objects as text; an event's own members win.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) tags: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) properties: Option<String>,
}

/// Who is behind a session, as `identify` said.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Actor {
    pub(crate) id: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) name: Option<String>,
    /// A JSON object, as text.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) data: Option<String>,
}

impl Definition {
    pub(crate) fn encode(&self) -> Vec<u8> {
        serde_json::to_vec(self).unwrap_or_default()
    }

    pub(crate) fn decode(record: &[u8]) -> Option<Self> {
        serde_json::from_slice(record).ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn a_header_survives_the_log(
            id: [u8; 20], parent: Option<[u8; 20]>, unix_micros: u64, duration_micros: Option<u64>,
            sequence: u64, session: u64, is_error: Option<bool>, custom: bool,
            foreign_type: bool, members in "[ -~]{0,40}",
        ) {
            let header = Header {
                id: EventId::from_raw(id), parent: parent.map(EventId::from_raw), unix_micros,
                duration_micros, sequence, session, is_error, custom, foreign_type,
            };
            let mut record = vec![0xAA; HEADER_LEN];
            header.encode(record.first_chunk_mut().unwrap());
            record.extend_from_slice(members.as_bytes());
            prop_assert_eq!(Header::decode(&record), Some((header, members.as_bytes())));
        }

        #[test]
        fn foreign_bytes_are_no_panic(bytes: Vec<u8>) {
            prop_assert_eq!(Header::decode(&bytes).is_some(), bytes.len() >= HEADER_LEN);
            let _ = Definition::decode(&bytes);
        }
    }

    #[test]
    fn every_kind_has_a_number_of_its_own_and_others_are_unknown() {
        let known: Vec<u8> = (0..=u8::MAX).filter(|number| RecordKind::try_from(*number).is_ok()).collect();
        assert_eq!(known, [1, 2, 3, 4]);
        for number in known {
            assert_eq!(RecordKind::try_from(number).map(u8::from), Ok(number));
        }
        assert_eq!(RecordKind::try_from(9), Err(9));
    }

    #[test]
    fn a_definition_survives_the_log() {
        let definition = Definition {
            reference: 7,
            project: "proj_1".into(),
            session_id: Some("ses_x".into()),
            pending: true,
            instance: "abc".into(),
            client_name: Some("cli\"ent".into()),
            actor: Some(Actor { id: "u".into(), name: None, data: Some("{}".into()) }),
            ..Definition::default()
        };
        assert_eq!(Definition::decode(&definition.encode()), Some(definition));
    }
}
