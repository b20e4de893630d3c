//! A session without its payloads: everything that orders, counts, nests and times its events.
//!
//! The page's figures come from here and not from the events it has loaded, so they are right at any size.

use crate::event::{Kind, Suspect, label};

/// Most events in one outline; of a longer session it holds the last ones, and says so.
pub(crate) const MOST_EVENTS: i64 = 250_000;

/// Columns of equal length, in the order in which things happened.
#[derive(Debug, Default, serde::Serialize)]
pub(crate) struct Outline {
    /// Events that the session has; more than the columns are long when it has more than fit.
    pub(crate) total: i64,
    /// Start of the first event in the columns, microseconds since 1970.
    pub(crate) start: i64,
    /// The newest arrival number at the time of reading; where a live tail goes on.
    pub(crate) last_seq: i64,
    pub(crate) kinds: Vec<&'static str>,
    pub(crate) labels: Vec<String>,
    pub(crate) instances: Vec<Instance>,
    pub(crate) seq: Vec<i64>,
    pub(crate) id: Vec<String>,
    /// Microseconds since `start`.
    pub(crate) at: Vec<i64>,
    /// Microseconds.
    pub(crate) took: Vec<Option<i64>>,
    /// The place of the event that raised it, or -1; -2 when that is not here.
    pub(crate) parent: Vec<i64>,
    /// Places in `kinds`, `labels` and `instances`.
    pub(crate) kind: Vec<usize>,
    pub(crate) label: Vec<usize>,
    pub(crate) instance: Vec<i64>,
    pub(crate) sequence: Vec<i64>,
    pub(crate) error: Vec<u8>,
    /// Bits: 1 no zone, 2 odd notation, 4 future, 8 negative duration, 16 absurd duration.
    pub(crate) suspect: Vec<i64>,
}

/// What is known of one process that sent events of the session.
#[derive(Debug, Clone, serde::Serialize)]
pub(crate) struct Instance {
    pub(crate) id: String,
    /// The lowest and highest number that it gave to an event, in any session.
    pub(crate) lowest: i64,
    pub(crate) highest: i64,
    /// Its events that are here, and those that were and have been removed.
    pub(crate) events: i64,
    pub(crate) removed: i64,
    /// Events that it says it has dropped itself.
    pub(crate) dropped: i64,
}

/// One row on its way into the columns.
pub(crate) struct Bone {
    pub(crate) seq: i64,
    pub(crate) id: String,
    pub(crate) at: i64,
    pub(crate) took: Option<i64>,
    pub(crate) parent: Option<String>,
    pub(crate) event_type: String,
    pub(crate) name: Option<String>,
    pub(crate) instance: String,
    pub(crate) sequence: i64,
    pub(crate) is_error: bool,
    pub(crate) suspect: i64,
}

/// Fills the columns.
#[derive(Default)]
pub(crate) struct Builder {
    outline: Outline,
    parents: Vec<Option<String>>,
    labels: std::collections::HashMap<String, usize>,
    instances: std::collections::HashMap<String, usize>,
}

impl Builder {
    pub(crate) fn push(&mut self, bone: Bone) {
        let out = &mut self.outline;
        if out.seq.is_empty() {
            out.start = bone.at;
        }
        let kind = Kind::of(&bone.event_type).as_str();
        let kind = out.kinds.iter().position(|known| *known == kind).unwrap_or_else(|| {
            out.kinds.push(kind);
            out.kinds.len() - 1
        });
        let name = label(&bone.event_type, bone.name.as_deref());
        let label = match self.labels.get(name) {
            Some(at) => *at,
            None => {
                out.labels.push(name.to_owned());
                self.labels.insert(name.to_owned(), out.labels.len() - 1);
                out.labels.len() - 1
            }
        };
        let instance = match self.instances.get(&bone.instance) {
            _ if bone.instance.is_empty() => -1,
            Some(at) => *at as i64,
            None => {
                let at = self.instances.len();
                self.instances.insert(bone.instance, at);
                at as i64
            }
        };
        out.seq.push(bone.seq);
        out.id.push(bone.id);
        out.at.push(bone.at.saturating_sub(out.start));
        out.took.push(bone.took);
        self.parents.push(bone.parent);
        out.kind.push(kind);
        out.label.push(label);
        out.instance.push(instance);
        out.sequence.push(bone.sequence);
        out.error.push(u8::from(bone.is_error));
        out.suspect.push(Suspect::from_bits(bone.suspect).bits());
    }

    /// Names of the processes met, in the order of their places.
    pub(crate) fn instances(&self) -> Vec<String> {
        let mut names: Vec<_> = self.instances.iter().map(|(name, at)| (*at, name.clone())).collect();
        names.sort_unstable();
        names.into_iter().map(|(_, name)| name).collect()
    }

    pub(crate) fn finish(self, total: i64, last_seq: i64, instances: Vec<Instance>) -> Outline {
        let Self { mut outline, parents, .. } = self;
        let places: std::collections::HashMap<&str, usize> =
            outline.id.iter().enumerate().map(|(at, id)| (id.as_str(), at)).collect();
        let parent = parents
            .iter()
            .map(|parent| match parent {
                None => -1,
                Some(id) => places.get(id.as_str()).map_or(-2, |at| *at as i64),
            })
            .collect();
        outline.parent = parent;
        Outline { total, last_seq, instances, ..outline }
    }
}
