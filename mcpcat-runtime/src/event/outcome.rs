//! Whether a value that a function returned is a failure, and which: the public trait for types that know, and the
//! way the macros find out about those that do not.

use std::rc::Rc;
use std::sync::Arc;

use super::error::ErrorInfo;

#[cfg(feature = "rmcp")]
mod rmcp;

/// A value that knows whether it stands for a failure.
///
/// `#[event]` looks for this first: on the value itself, on what an `Ok` or `Some` holds, and on what an `Err` holds
/// (there it replaces the description by `Error`, `Display` or `Debug`; `None` makes that `Err` a success).
///
/// ```
/// use mcpcat_runtime::event::{ErrorInfo, Outcome};
///
/// enum Answer {
///     Found(u32),
///     Refused { why: String },
/// }
///
/// impl Outcome for Answer {
///     fn error(&self) -> Option<ErrorInfo> {
///         match self {
///             Answer::Found(_) => None,
///             Answer::Refused { why } => Some(ErrorInfo::message(why.clone()).with_type("refused")),
///         }
///     }
/// }
/// ```
pub trait Outcome {
    /// The failure this value stands for, or `None` if it is a success.
    fn error(&self) -> Option<ErrorInfo>;
}

impl<T: Outcome + ?Sized> Outcome for &T {
    fn error(&self) -> Option<ErrorInfo> {
        (**self).error()
    }
}

impl<T: Outcome + ?Sized> Outcome for Box<T> {
    fn error(&self) -> Option<ErrorInfo> {
        (**self).error()
    }
}

impl<T: Outcome + ?Sized> Outcome for Rc<T> {
    fn error(&self) -> Option<ErrorInfo> {
        (**self).error()
    }
}

impl<T: Outcome + ?Sized> Outcome for Arc<T> {
    fn error(&self) -> Option<ErrorInfo> {
        (**self).error()
    }
}

/// `None` is a success.
impl<T: Outcome> Outcome for Option<T> {
    fn error(&self) -> Option<ErrorInfo> {
        self.as_ref().and_then(Outcome::error)
    }
}

impl<T: Outcome, E: Outcome> Outcome for Result<T, E> {
    fn error(&self) -> Option<ErrorInfo> {
        match self {
            Ok(value) => value.error(),
            Err(error) => error.error(),
        }
    }
}

impl Outcome for ErrorInfo {
    fn error(&self) -> Option<ErrorInfo> {
        Some(self.clone())
    }
}

/// Finds the outcome of a value of any type by method resolution, since a trait with a blanket implementation could not
/// be implemented for other types as well.
///
/// Generated code brings these names into scope in a block of its own and asks twice: `Returned::split` tells a
/// `Result` from everything else, then `Failure` or `Success` describes the side it found. A method that fits an
/// earlier step of `&&&&…x` wins, so the traits stand in the order of preference.
#[doc(hidden)]
pub mod probe {
    use std::any::type_name;
    use std::convert::Infallible;
    use std::error::Error;
    use std::fmt::{Debug, Display};
    use std::task::Poll;

    use super::{ErrorInfo, Outcome};

    /// A returned value, before anything is known about it.
    #[derive(Debug)]
    pub struct Returned<'a, R>(pub &'a R);

    /// What a returned value holds.
    #[derive(Debug)]
    pub enum Split<'a, T, E> {
        /// A success, or a value that is no `Result` at all.
        Success(Success<'a, T>),
        /// What an `Err` holds.
        Failure(Failure<'a, E>),
        /// Nothing that could be asked: `None`, `Pending`.
        Nothing,
    }

    /// A value on the side of success.
    #[derive(Debug)]
    pub struct Success<'a, T>(pub &'a T);

    /// A value on the side of failure.
    #[derive(Debug)]
    pub struct Failure<'a, E: ?Sized>(pub &'a E);

    fn split<T, E>(result: &Result<T, E>) -> Split<'_, T, E> {
        match result {
            Ok(value) => Split::Success(Success(value)),
            Err(error) => Split::Failure(Failure(error)),
        }
    }

    impl<'a, T, E> Returned<'a, Result<T, E>> {
        /// Both sides.
        pub fn split(self) -> Split<'a, T, E> {
            split(self.0)
        }
    }

    impl<'a, T, E> Returned<'a, &Result<T, E>> {
        /// Both sides, through a reference.
        pub fn split(self) -> Split<'a, T, E> {
            split(self.0)
        }
    }

    impl<'a, T, E> Returned<'a, Option<Result<T, E>>> {
        /// Both sides of what an iterator or a stream yields.
        pub fn split(self) -> Split<'a, T, E> {
            self.0.as_ref().map_or(Split::Nothing, split)
        }
    }

    impl<'a, T, E> Returned<'a, Poll<Result<T, E>>> {
        /// Both sides of what a poll answers.
        pub fn split(self) -> Split<'a, T, E> {
            match self.0 {
                Poll::Ready(result) => split(result),
                Poll::Pending => Split::Nothing,
            }
        }
    }

    /// A value given as an error, which may be missing.
    #[derive(Debug)]
    pub struct Held<'a, E>(pub &'a E);

    impl<'a, E> Held<'a, Option<E>> {
        /// The error, if there is one.
        pub fn failure(self) -> Option<Failure<'a, E>> {
            self.0.as_ref().map(Failure)
        }
    }

    /// A value given as an error.
    pub trait HeldAsIs<'a, E> {
        /// The error.
        fn failure(self) -> Option<Failure<'a, E>>;
    }

    impl<'a, E> HeldAsIs<'a, E> for Held<'a, E> {
        fn failure(self) -> Option<Failure<'a, E>> {
            Some(Failure(self.0))
        }
    }

    /// Everything that is no `Result`.
    pub trait Plain<'a, R> {
        /// The value itself, as a success.
        fn split(self) -> Split<'a, R, Infallible>;
    }

    impl<'a, R> Plain<'a, R> for Returned<'a, R> {
        fn split(self) -> Split<'a, R, Infallible> {
            Split::Success(Success(self.0))
        }
    }

    /// A success that knows better.
    pub trait SuccessByOutcome {
        /// What its `Outcome` says.
        fn error(&self) -> Option<ErrorInfo>;
    }

    impl<T: Outcome> SuccessByOutcome for &Success<'_, T> {
        fn error(&self) -> Option<ErrorInfo> {
            self.0.error()
        }
    }

    /// Any other success.
    pub trait SuccessAsIs {
        /// No error.
        fn error(&self) -> Option<ErrorInfo>;
    }

    impl<T> SuccessAsIs for Success<'_, T> {
        fn error(&self) -> Option<ErrorInfo> {
            None
        }
    }

    /// A failure described by its own `Outcome`.
    pub trait FailureByOutcome {
        /// What it says.
        fn described(&self) -> Option<ErrorInfo>;
    }

    impl<E: Outcome + ?Sized> FailureByOutcome for &&&&&&Failure<'_, E> {
        fn described(&self) -> Option<ErrorInfo> {
            self.0.error()
        }
    }

    /// A failure that is a JSON value: its members are the error's.
    impl FailureByOutcome for &&&&&&Failure<'_, serde_json::Value> {
        fn described(&self) -> Option<ErrorInfo> {
            Some(ErrorInfo::from_value(self.0.clone()))
        }
    }

    impl FailureByOutcome for &&&&&&Failure<'_, &serde_json::Value> {
        fn described(&self) -> Option<ErrorInfo> {
            Some(ErrorInfo::from_value((*self.0).clone()))
        }
    }

    /// A failure described by `Error`.
    pub trait FailureByError {
        /// Message, type and chain.
        fn described(&self) -> Option<ErrorInfo>;
    }

    impl<E: Error + ?Sized> FailureByError for &&&&&Failure<'_, E> {
        fn described(&self) -> Option<ErrorInfo> {
            Some(ErrorInfo::from_error(self.0))
        }
    }

    /// A failure that holds a `dyn Error + Send + Sync`: `anyhow::Error`, `eyre::Report`, a box.
    pub trait FailureByHeldError<'b> {
        /// Message and chain of what it holds.
        fn described(&self) -> Option<ErrorInfo>;
    }

    impl<'b, E: AsRef<dyn Error + Send + Sync + 'b>> FailureByHeldError<'b> for &&&&Failure<'_, E> {
        fn described(&self) -> Option<ErrorInfo> {
            let held: &(dyn Error + Send + Sync + 'b) = self.0.as_ref();
            Some(ErrorInfo::from_error(held))
        }
    }

    /// A failure that holds a `dyn Error`.
    pub trait FailureByHeldLocalError<'b> {
        /// Message and chain of what it holds.
        fn described(&self) -> Option<ErrorInfo>;
    }

    impl<'b, E: AsRef<dyn Error + 'b>> FailureByHeldLocalError<'b> for &&&Failure<'_, E> {
        fn described(&self) -> Option<ErrorInfo> {
            let held: &(dyn Error + 'b) = self.0.as_ref();
            Some(ErrorInfo::from_error(held))
        }
    }

    /// A failure described by its text.
    pub trait FailureByDisplay {
        /// The text and the type.
        fn described(&self) -> Option<ErrorInfo>;
    }

    impl<E: Display + ?Sized> FailureByDisplay for &&Failure<'_, E> {
        fn described(&self) -> Option<ErrorInfo> {
            Some(ErrorInfo::message(self.0.to_string()).with_type(named::<E>()))
        }
    }

    /// A failure described by its debug text.
    pub trait FailureByDebug {
        /// The text and the type.
        fn described(&self) -> Option<ErrorInfo>;
    }

    impl<E: Debug + ?Sized> FailureByDebug for &Failure<'_, E> {
        fn described(&self) -> Option<ErrorInfo> {
            Some(ErrorInfo::message(format!("{:?}", self.0)).with_type(named::<E>()))
        }
    }

    /// A failure that only has a type.
    pub trait FailureByType {
        /// The type.
        fn described(&self) -> Option<ErrorInfo>;
    }

    impl<E: ?Sized> FailureByType for Failure<'_, E> {
        fn described(&self) -> Option<ErrorInfo> {
            Some(ErrorInfo::message(format!("an error of type {}", named::<E>())).with_type(named::<E>()))
        }
    }

    fn named<E: ?Sized>() -> &'static str {
        type_name::<E>().trim_start_matches('&')
    }

    /// Asks the function that the author named.
    pub fn judge_with<R>(returned: &R, judge: impl FnOnce(&R) -> bool) -> bool {
        judge(returned)
    }

    /// The failure that `error_if` or `ok_if` decided on when the value itself names none.
    pub fn judged<R>(_: &R, found: Option<ErrorInfo>, is_error: bool) -> Option<ErrorInfo> {
        match (is_error, found) {
            (false, _) => None,
            (true, Some(found)) => Some(found),
            (true, None) => {
                Some(ErrorInfo::message("the returned value counts as an error").with_type(named::<R>()))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::convert::Infallible;
    use std::error::Error;
    use std::fmt;
    use std::task::Poll;

    use super::{ErrorInfo, Outcome};

    /// What the macros write.
    macro_rules! error_of {
        ($value:expr) => {{
            #[allow(unused_imports)]
            use super::probe::*;
            let value = $value;
            match Returned(&value).split() {
                Split::Success(value) => (&&value).error(),
                Split::Failure(error) => (&&&&&&&error).described(),
                Split::Nothing => None,
            }
        }};
    }

    #[derive(Debug)]
    struct Cause;

    impl fmt::Display for Cause {
        fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("the cause")
        }
    }

    impl Error for Cause {}

    #[derive(Debug)]
    struct Declined(Cause);

    impl fmt::Display for Declined {
        fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("declined")
        }
    }

    impl Error for Declined {
        fn source(&self) -> Option<&(dyn Error + 'static)> {
            Some(&self.0)
        }
    }

    #[derive(Debug)]
    struct OnlyDebug;

    struct Nothing;

    /// Both an `Error` and an `Outcome`.
    #[derive(Debug)]
    struct Own(bool);

    impl fmt::Display for Own {
        fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("display")
        }
    }

    impl Error for Own {}

    impl Outcome for Own {
        fn error(&self) -> Option<ErrorInfo> {
            self.0.then(|| ErrorInfo::message("own"))
        }
    }

    type Alias<T> = Result<T, Declined>;

    fn message(found: Option<ErrorInfo>) -> String {
        found.map_or_else(|| "ok".to_owned(), |error| error.message)
    }

    #[test]
    fn an_error_keeps_message_type_and_chain() {
        let found = error_of!(Err::<u8, _>(Declined(Cause))).unwrap();
        assert_eq!(found.message, "declined");
        assert!(found.type_name.as_deref().is_some_and(|name| name.ends_with("::Declined")));
        assert_eq!(found.chain.len(), 1);
        assert_eq!(found.chain[0].message, "the cause");
    }

    #[test]
    fn each_error_is_described_by_the_best_it_has() {
        assert_eq!(message(error_of!(Err::<u8, _>(Own(true)))), "own");
        assert_eq!(message(error_of!(Err::<u8, Box<dyn Error + Send + Sync>>("boxed".into()))), "boxed");
        assert_eq!(message(error_of!(Err::<u8, Box<dyn Error>>("local".into()))), "local");
        assert_eq!(message(error_of!(Err::<u8, Box<dyn Error + Send>>(Box::new(Cause)))), "the cause");
        assert_eq!(message(error_of!(Err::<u8, _>("text"))), "text");
        assert_eq!(message(error_of!(Err::<u8, _>(String::from("owned")))), "owned");
        assert_eq!(message(error_of!(Err::<u8, _>(OnlyDebug))), "OnlyDebug");
        assert_eq!(message(error_of!(Err::<u8, _>(()))), "()");
        assert!(message(error_of!(Err::<u8, _>(Nothing))).ends_with("::Nothing"));
        assert_eq!(message(error_of!(Err::<(), _>(fmt::Error))), fmt::Error.to_string());
        assert_eq!(message(error_of!(Err::<u8, _>(&Declined(Cause)))), "declined");
        assert_eq!(message(error_of!(Err::<u8, _>(std::sync::Arc::new(Declined(Cause))))), "declined");
    }

    #[test]
    fn a_boxed_error_keeps_its_chain() {
        let found = error_of!(Err::<u8, Box<dyn Error + Send + Sync>>(Box::new(Declined(Cause)))).unwrap();
        assert_eq!(found.chain[0].message, "the cause");
    }

    #[test]
    fn results_are_found_behind_aliases_references_options_and_polls() {
        let alias: Alias<u8> = Err(Declined(Cause));
        assert_eq!(message(error_of!(&alias)), "declined");
        assert_eq!(message(error_of!(alias)), "declined");
        assert_eq!(message(error_of!(Some(Err::<u8, _>("yielded")))), "yielded");
        assert_eq!(message(error_of!(Poll::Ready(Err::<u8, _>("polled")))), "polled");
        assert_eq!(message(error_of!(Poll::<Result<u8, Declined>>::Pending)), "ok");
        assert_eq!(message(error_of!(None::<Result<u8, Declined>>)), "ok");
    }

    #[test]
    fn a_success_is_asked_for_its_outcome() {
        assert_eq!(message(error_of!(Own(true))), "own");
        assert_eq!(message(error_of!(Own(false))), "ok");
        assert_eq!(message(error_of!(Ok::<_, Declined>(Own(true)))), "own");
        assert_eq!(message(error_of!(Ok::<_, Declined>(Some(Box::new(Own(true)))))), "own");
        assert_eq!(message(error_of!(Ok::<_, Infallible>(std::sync::Arc::new(Own(true))))), "own");
        assert_eq!(message(error_of!(Some(Own(true)))), "own");
        assert_eq!(message(error_of!(Ok::<Result<Own, Own>, Declined>(Err(Own(true))))), "own");
    }

    #[test]
    fn an_err_whose_outcome_says_success_is_one() {
        assert_eq!(message(error_of!(Err::<u8, _>(Own(false)))), "ok");
    }

    #[test]
    fn everything_else_is_a_success() {
        assert_eq!(message(error_of!(())), "ok");
        assert_eq!(message(error_of!(None::<u8>)), "ok");
        assert_eq!(message(error_of!(Nothing)), "ok");
        assert_eq!(message(error_of!(std::ops::ControlFlow::<u8>::Break(1))), "ok");
        assert_eq!(message(error_of!(Ok::<_, Declined>(1))), "ok");
    }

    #[test]
    fn a_generic_value_without_a_bound_reads_as_a_success() {
        fn generic<T>(value: T) -> Option<ErrorInfo> {
            error_of!(value)
        }
        fn bounded<T: Outcome>(value: T) -> Option<ErrorInfo> {
            error_of!(value)
        }
        assert_eq!(message(generic(Err::<u8, _>("hidden"))), "ok");
        assert_eq!(message(bounded(Own(true))), "own");
    }

    #[test]
    fn borrowed_errors_need_not_be_static() {
        fn parse(text: &str) -> Result<u8, Box<dyn Error + '_>> {
            Err(text.into())
        }
        let text = String::from("borrowed");
        assert_eq!(message(error_of!(parse(&text))), "borrowed");
    }
}
