//! What rmcp may change about an answer behind its handler, in a few bits: cheap to take on both sides, so that an event can
//! say what was changed without a copy of every answer. A field that a newer rmcp changes is seen by the test that holds
//! events against the bytes that clients receive.

/// See the module.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Form {
    pub(super) kind: Kind,
    pub(super) result_type: bool,
    pub(super) ttl: bool,
    pub(super) scope: bool,
    pub(super) structured: Structured,
    /// Tools of a listing that declare their output.
    pub(super) outputs: usize,
    /// The revision that a handshake agreed to, as a number.
    pub(super) version: u32,
}

/// What an answer is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) enum Kind {
    #[default]
    Complete,
    Input,
    Task,
}

/// What stands beside a tool's content.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) enum Structured {
    #[default]
    None,
    Object,
    Other,
}

impl Form {
    pub(super) fn of(result_type: bool) -> Self {
        Self { result_type, ..Self::default() }
    }

    pub(super) fn hints(self, ttl: bool, scope: bool) -> Self {
        Self { ttl, scope, ..self }
    }

    pub(super) fn version(self, version: &str) -> Self {
        let digits = version.bytes().filter(u8::is_ascii_digit);
        let number =
            digits.fold(0_u32, |sum, digit| sum.wrapping_mul(10).wrapping_add(u32::from(digit - b'0')));
        Self { version: number, ..self }
    }

    /// In a word, what the handler answered.
    pub(super) fn kind(self) -> &'static str {
        match self.kind {
            Kind::Complete => "a result",
            Kind::Input => "a request for input",
            Kind::Task => "a task",
        }
    }

    /// The members that are not as the handler wrote them.
    pub(super) fn changed(self, sent: Self) -> Vec<&'static str> {
        let differs = [
            // That a result is complete is said for the handler by rmcp, and left out again for clients that do not know it.
            ("resultType", self.result_type != sent.result_type && self.kind != sent.kind),
            ("ttlMs", self.ttl != sent.ttl),
            ("cacheScope", self.scope != sent.scope),
            ("structuredContent", self.loses_structured(sent)),
            ("outputSchema", self.outputs > sent.outputs),
            ("protocolVersion", self.version != sent.version),
        ];
        differs.into_iter().filter(|(_, differs)| *differs).map(|(name, _)| name).collect()
    }

    /// Whether rmcp may keep something of it from the client.
    pub(super) fn may_be_lost(self) -> bool {
        self.kind != Kind::Complete || self.structured == Structured::Other || self.outputs > 0
    }

    /// Whether the client got less than the handler said.
    pub(super) fn loses_content(self, sent: Self) -> bool {
        self.kind != sent.kind || self.loses_structured(sent) || self.outputs > sent.outputs
    }

    fn loses_structured(self, sent: Self) -> bool {
        self.structured == Structured::Other && sent.structured != Structured::Other
    }
}
