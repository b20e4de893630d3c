//! What is left without the feature `enable`: enough for annotated code to compile, and nothing to run. A
//! library can annotate for its users' sake and leave the choice to them.

/// A type that would be an event. Nothing asks it.
pub trait EventData {
    /// Never called.
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

/// The fields of an event that nobody records: there is no value of this type.
#[derive(Debug)]
pub enum Fields {}
