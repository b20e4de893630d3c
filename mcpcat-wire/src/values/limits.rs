//! How deep, wide and long a recorded value may be. The numbers are those of the product's official SDKs, so that
//! an event looks the same whichever SDK sent it.

/// Bounds for everything that is recorded. What exceeds one is cut and marked; the event itself is kept.
///
/// The fields can be read; set them with the methods of the same names.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Limits {
    /// Objects and arrays inside one another; the outermost is level 1. Default 10, at most [`Limits::MAX_DEPTH`].
    pub depth: usize,
    /// Members of one object, items of one array. Default 100.
    pub members: usize,
    /// Bytes of UTF-8 in one string. Default 32,768.
    pub string_bytes: usize,
    /// Bytes of JSON of one event, and of any one value in it. Default 102,400, at least 1,024.
    pub event_bytes: usize,
    /// Bytes of UTF-8 in an event's message and in an error's message. Default 2,048.
    pub message_bytes: usize,
    /// Bytes of UTF-8 in a name: of the event, the resource, the client, the server, or a key. Default 256.
    pub name_bytes: usize,
}

impl Limits {
    /// The deepest nesting that can be asked for. It keeps the serialiser's recursion far from the end of a
    /// small thread's stack.
    pub const MAX_DEPTH: usize = 64;

    /// The least number of bytes that an event is given, since its fixed part has to fit.
    pub const MIN_EVENT_BYTES: usize = 1_024;

    /// The default limits.
    pub const fn new() -> Self {
        Self {
            depth: 10,
            members: 100,
            string_bytes: 32_768,
            event_bytes: 102_400,
            message_bytes: 2_048,
            name_bytes: 256,
        }
    }

    /// Levels of nesting, from 1 to [`Limits::MAX_DEPTH`]; a value outside is moved to the nearer end.
    #[must_use]
    pub const fn depth(mut self, levels: usize) -> Self {
        self.depth = if levels == 0 {
            1
        } else if levels > Self::MAX_DEPTH {
            Self::MAX_DEPTH
        } else {
            levels
        };
        self
    }

    /// Members of one object and items of one array.
    #[must_use]
    pub const fn members(mut self, count: usize) -> Self {
        self.members = count;
        self
    }

    /// Bytes of UTF-8 in one string.
    #[must_use]
    pub const fn string_bytes(mut self, bytes: usize) -> Self {
        self.string_bytes = bytes;
        self
    }

    /// Bytes of JSON of one event; less than [`Limits::MIN_EVENT_BYTES`] counts as that.
    #[must_use]
    pub const fn event_bytes(mut self, bytes: usize) -> Self {
        self.event_bytes = if bytes < Self::MIN_EVENT_BYTES { Self::MIN_EVENT_BYTES } else { bytes };
        self
    }

    /// Bytes of UTF-8 in a message.
    #[must_use]
    pub const fn message_bytes(mut self, bytes: usize) -> Self {
        self.message_bytes = bytes;
        self
    }

    /// Bytes of UTF-8 in a name or a key.
    #[must_use]
    pub const fn name_bytes(mut self, bytes: usize) -> Self {
        self.name_bytes = bytes;
        self
    }
}

impl Default for Limits {
    fn default() -> Self {
        Self::new()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_defaults_are_those_of_the_wire() {
        let limits = Limits::default();
        assert_eq!((limits.depth, limits.members, limits.string_bytes), (10, 100, 32_768));
        assert_eq!((limits.event_bytes, limits.message_bytes, limits.name_bytes), (102_400, 2_048, 256));
    }

    #[test]
    fn depth_and_event_bytes_stay_in_their_range() {
        assert_eq!(Limits::new().depth(0).depth, 1);
        assert_eq!(Limits::new().depth(100_000).depth, Limits::MAX_DEPTH);
        assert_eq!(Limits::new().event_bytes(3).event_bytes, Limits::MIN_EVENT_BYTES);
    }
}
