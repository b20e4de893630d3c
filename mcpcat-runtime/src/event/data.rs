//! The one question an event type answers: what are your fields?

use super::fields::Fields;

/// Something that can be published: `()` (a minimal, nameless event), a [`CustomEvent`](super::CustomEvent),
/// or a type of the author's own with `#[derive(EventData)]`.
///
/// Implement it by hand when the derive does not fit:
///
/// ```
/// # use mcpcat_runtime as mcpcat;
/// use mcpcat::{EventData, Fields};
///
/// struct Milestone(u32);
///
/// impl EventData for Milestone {
///     fn record(&self, fields: &mut Fields) {
///         fields.name("milestone.calls");
///         fields.parameter("calls", &self.0);
///     }
/// }
/// ```
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not an event",
    label = "this type does not say which fields its event has",
    note = "write `#[derive(mcpcat::EventData)]` on the type, or pass a `CustomEvent`, or `()` for an event without data"
)]
pub trait EventData {
    /// Writes the event's name and fields. Called once per publication, on the publishing thread.
    fn record(&self, fields: &mut Fields);
}

impl EventData for () {
    fn record(&self, _: &mut Fields) {}
}

impl<T: EventData + ?Sized> EventData for &T {
    fn record(&self, fields: &mut Fields) {
        (**self).record(fields);
    }
}
