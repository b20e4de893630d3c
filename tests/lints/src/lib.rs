//! The shapes of functions and derived types that the macros' tests run, to be looked at by every lint there is. Without
//! the feature `enable` the attribute returns what it stands on, so what fires then is of the corpus itself.

#[path = "../../macros/derive.rs"]
pub mod derive;
#[path = "../../macros/shapes.rs"]
pub mod shapes;

/// What the corpus takes from the tests: here nothing is run.
pub mod support {
    use std::future::Future;

    /// One event as it was posted.
    #[derive(Debug, Clone)]
    pub struct Seen {
        pub name: String,
        pub error: Option<String>,
    }

    pub fn seen<T>(_: impl FnOnce() -> T) -> (T, Vec<Seen>) {
        unimplemented!("only compiled")
    }

    pub fn one<T>(_: impl FnOnce() -> T) -> serde_json::Value {
        unimplemented!("only compiled")
    }

    pub fn block_on<F: Future>(_: F) -> F::Output {
        unimplemented!("only compiled")
    }
}
