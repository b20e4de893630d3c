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
/// # use mcpcat_runtime as mcpcat;
/// use mcpcat::{ErrorInfo, Outcome};
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
/// Each step of a chain of types dereferences to the next, and has the method only where its bound holds: resolution
/// takes the first that fits, so the steps stand in the order of preference. Inherent methods, because they need no
/// trait in scope and cost the user's build about half of what traits on `&&&&…x` do.
#[doc(hidden)]
pub mod probe {
    use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
    use std::convert::Infallible;
    use std::error::Error;
    use std::fmt::{Debug, Display};
    use std::marker::PhantomData;
    use std::ops::Deref;
    use std::task::Poll;

    use super::{ErrorInfo, Outcome};
    use crate::event::error::useful_type;
    use crate::event::guard::{self, HELD_BYTES, user_code};

    /// A value that has a side of success and one of failure.
    pub trait Sides {
        /// What a success holds.
        type Ok;
        /// What a failure holds.
        type Err;
        /// The side it is on; `None` if there is nothing that could be asked.
        fn side(&self) -> Option<Result<&Self::Ok, &Self::Err>>;
    }

    impl<T, E> Sides for Result<T, E> {
        type Ok = T;
        type Err = E;
        fn side(&self) -> Option<Result<&T, &E>> {
            Some(self.as_ref())
        }
    }

    impl<T, E> Sides for &Result<T, E> {
        type Ok = T;
        type Err = E;
        fn side(&self) -> Option<Result<&T, &E>> {
            Some(self.as_ref())
        }
    }

    /// What an iterator or a stream yields.
    impl<T, E> Sides for Option<Result<T, E>> {
        type Ok = T;
        type Err = E;
        fn side(&self) -> Option<Result<&T, &E>> {
            self.as_ref().map(Result::as_ref)
        }
    }

    /// What a poll answers.
    impl<T, E> Sides for Poll<Result<T, E>> {
        type Ok = T;
        type Err = E;
        fn side(&self) -> Option<Result<&T, &E>> {
            match self {
                Poll::Ready(result) => Some(result.as_ref()),
                Poll::Pending => None,
            }
        }
    }

    /// A value given as an error.
    #[derive(Debug)]
    pub struct Failing<'a, E>(&'a E);

    impl<E> Sides for Failing<'_, E> {
        type Ok = Infallible;
        type Err = E;
        fn side(&self) -> Option<Result<&Infallible, &E>> {
            Some(Err(self.0))
        }
    }

    /// A JSON value given as an error: its members are the error's.
    pub trait Json {
        /// A copy.
        fn json(&self) -> serde_json::Value;
    }

    impl Json for serde_json::Value {
        fn json(&self) -> serde_json::Value {
            self.clone()
        }
    }

    impl Json for &serde_json::Value {
        fn json(&self) -> serde_json::Value {
            (*self).clone()
        }
    }

    /// How a value of type `R` is asked whether it is a failure.
    #[derive(Debug)]
    pub struct Ask<R> {
        failed: fn(&R) -> Option<ErrorInfo>,
        /// What a success says of itself.
        succeeded: Option<fn(&R) -> Option<ErrorInfo>>,
    }

    impl<R> Ask<R> {
        fn only(failed: fn(&R) -> Option<ErrorInfo>) -> Self {
            Self { failed, succeeded: None }
        }

        /// Asks a value. What its type implements is a user's code: the function returns what it returned, whatever
        /// that does.
        pub fn of(&self, value: &R) -> Option<ErrorInfo> {
            user_code(|| (self.failed)(value).or_else(|| self.succeeded?(value))).unwrap_or_else(|| {
                Some(ErrorInfo::described(
                    "[the returned value could not be asked: its `Outcome` panicked]".to_owned(),
                    useful_type::<R>(),
                ))
            })
        }
    }

    /// One way of describing what a failure holds.
    pub trait Describe<E> {
        /// The description, or `None` if it is no failure after all.
        fn describe(error: &E) -> Option<ErrorInfo>;
    }

    fn failed<R: Sides, D: Describe<R::Err>>(value: &R) -> Option<ErrorInfo> {
        value.side()?.err().and_then(D::describe)
    }

    fn succeeded<R: Sides<Ok: Outcome>>(value: &R) -> Option<ErrorInfo> {
        value.side()?.ok()?.error()
    }

    macro_rules! chain {
        ($($step:ident => $next:ident),*) => {$(
            /// A step of the chain.
            #[derive(Debug)]
            pub struct $step<R>($next<R>);

            impl<R> Deref for $step<R> {
                type Target = $next<R>;

                fn deref(&self) -> &$next<R> {
                    &self.0
                }
            }
        )*};
    }

    chain!(
        ByOutcome => ByError,
        ByError => ByHeldError,
        ByHeldError => ByHeldLocalError,
        ByHeldLocalError => ByJson,
        ByJson => ByDisplay,
        ByDisplay => ByDebug,
        ByDebug => ByType,
        ByType => ByItself,
        ByItself => Plain
    );

    /// The chain's end: everything that has no sides.
    #[derive(Debug)]
    pub struct Plain<R>(PhantomData<fn(&R)>);

    /// Begins the question how values of a type are asked.
    pub fn of<R>() -> ByOutcome<R> {
        ByOutcome(ByError(ByHeldError(ByHeldLocalError(ByJson(ByDisplay(ByDebug(ByType(ByItself(
            Plain(PhantomData),
        )))))))))
    }

    /// The same for a type that has the name of one that is never a failure: a single question when it is that one.
    pub fn named<R>() -> ByName<R> {
        ByName(of())
    }

    /// See [`named`].
    #[derive(Debug)]
    pub struct ByName<R>(ByOutcome<R>);

    impl<R> Deref for ByName<R> {
        type Target = ByOutcome<R>;

        fn deref(&self) -> &ByOutcome<R> {
            &self.0
        }
    }

    impl<R: Never> ByName<R> {
        /// It is no failure.
        pub fn described(&self) -> OwnAsIs<R> {
            OwnAsIs(PhantomData)
        }
    }

    /// A type that is never a failure.
    pub trait Never {}

    macro_rules! never {
        ($([$($parameter:ident),*] $ty:ty),* $(,)?) => {
            $(impl<$($parameter),*> Never for $ty {})*
        };
    }

    never!(
        [] bool, [] char, [] str, [] u8, [] u16, [] u32, [] u64, [] u128, [] usize, [] i8, [] i16, [] i32, [] i64,
        [] i128, [] isize, [] f32, [] f64, [] String, [T] Vec<T>, [K, V, S] HashMap<K, V, S>, [T, S] HashSet<T, S>,
        [K, V] BTreeMap<K, V>, [T] BTreeSet<T>,
    );

    impl<T: Never + ?Sized> Never for &T {}
    impl<T: Never + ?Sized> Never for &mut T {}

    /// The same for the type of a value, where it has no name.
    pub fn returned<R>(_: &R) -> ByOutcome<R> {
        of()
    }

    /// The two questions for one step: whether a value failed; the same and then what the success says of itself.
    macro_rules! step {
        ($step:ident, [$($life:lifetime)?], $($bound:path)?, |$error:ident| $describe:expr) => {
            impl<$($life,)? E $(: $bound)?> Describe<E> for $step<()> {
                fn describe($error: &E) -> Option<ErrorInfo> {
                    $describe
                }
            }

            impl<$($life,)? R: Sides> $step<R> $(where R::Err: $bound)? {
                /// Asks for the side of failure alone.
                pub fn failure(&self) -> Ask<R> {
                    Ask::only(failed::<R, $step<()>>)
                }

                /// Asks both sides.
                pub fn described(&self) -> Success<R> {
                    Success(SuccessAsIs(self.failure()))
                }
            }
        };
    }

    step!(ByOutcome, [], Outcome, |error| error.error());
    step!(ByError, [], Error, |error| Some(ErrorInfo::from_error(error)));
    // `anyhow::Error`, `eyre::Report`, a box.
    step!(ByHeldError, ['b], AsRef<dyn Error + Send + Sync + 'b>, |error| {
        let held: &(dyn Error + Send + Sync + 'b) = error.as_ref();
        Some(ErrorInfo::from_error(held))
    });
    step!(ByHeldLocalError, ['b], AsRef<dyn Error + 'b>, |error| {
        let held: &(dyn Error + 'b) = error.as_ref();
        Some(ErrorInfo::from_error(held))
    });
    step!(ByJson, [], Json, |error| Some(ErrorInfo::from_value(error.json())));
    step!(ByDisplay, [], Display, |error| {
        Some(ErrorInfo::described(guard::text(error, HELD_BYTES), useful_type::<E>()))
    });
    step!(ByDebug, [], Debug, |error| {
        Some(ErrorInfo::described(guard::written(format_args!("{error:?}"), HELD_BYTES), useful_type::<E>()))
    });
    step!(ByType, [], , |_error| {
        let name = useful_type::<E>();
        let message = name.as_ref().map_or_else(|| "an error".to_owned(), |name| format!("an error of type {name}"));
        Some(ErrorInfo::described(message, name))
    });

    /// A type of the user's that has the name of one with sides, `Result` most likely.
    impl<R: Outcome> ByItself<R> {
        /// Asks the value.
        pub fn failure(&self) -> Ask<R> {
            Ask::only(R::error)
        }
    }

    impl<R> Plain<R> {
        /// It is no failure.
        pub fn failure(&self) -> Ask<R> {
            Ask::only(|_| None)
        }

        /// The value, as a success.
        pub fn described(&self) -> Own<R> {
            Own(OwnAsIs(PhantomData))
        }
    }

    /// A success that may know better, beside a described failure.
    #[derive(Debug)]
    pub struct Success<R>(SuccessAsIs<R>);

    /// Any other success.
    #[derive(Debug)]
    pub struct SuccessAsIs<R>(Ask<R>);

    impl<R> Deref for Success<R> {
        type Target = SuccessAsIs<R>;

        fn deref(&self) -> &SuccessAsIs<R> {
            &self.0
        }
    }

    impl<R: Sides<Ok: Outcome>> Success<R> {
        /// Asks the failure how it is described, and the success what it says of itself.
        pub fn error(&self) -> Ask<R> {
            Ask { failed: self.0.0.failed, succeeded: Some(succeeded::<R>) }
        }
    }

    impl<R> SuccessAsIs<R> {
        /// Asks the failure.
        pub fn error(&self) -> Ask<R> {
            Ask::only(self.0.failed)
        }
    }

    /// A value without sides that may know better.
    #[derive(Debug)]
    pub struct Own<R>(OwnAsIs<R>);

    /// Any other value without sides.
    #[derive(Debug)]
    pub struct OwnAsIs<R>(PhantomData<fn(&R)>);

    impl<R> Deref for Own<R> {
        type Target = OwnAsIs<R>;

        fn deref(&self) -> &OwnAsIs<R> {
            &self.0
        }
    }

    impl<R: Outcome> Own<R> {
        /// Asks the value.
        pub fn error(&self) -> Ask<R> {
            Ask::only(R::error)
        }
    }

    impl<R> OwnAsIs<R> {
        /// It is no failure.
        pub fn error(&self) -> Ask<R> {
            Ask::only(|_| None)
        }
    }

    /// A returned value whose success is looked for.
    #[derive(Debug)]
    pub struct Within<'a, R>(WithinAsIs<'a, R>);

    /// One that has no sides.
    #[derive(Debug)]
    pub struct WithinAsIs<'a, R>(&'a R);

    /// Begins the question for what a success holds.
    pub fn within<R>(value: &R) -> Within<'_, R> {
        Within(WithinAsIs(value))
    }

    impl<'a, R> Deref for Within<'a, R> {
        type Target = WithinAsIs<'a, R>;

        fn deref(&self) -> &WithinAsIs<'a, R> {
            &self.0
        }
    }

    impl<'a, R: Sides> Within<'a, R> {
        /// What a success holds.
        pub fn success(&self) -> Option<&'a R::Ok> {
            self.0.0.side()?.ok()
        }
    }

    impl<'a, R> WithinAsIs<'a, R> {
        /// The value.
        pub fn success(&self) -> Option<&'a R> {
            Some(self.0)
        }
    }

    /// A value given as an error, which may be missing.
    #[derive(Debug)]
    pub struct Held<'a, E>(HeldAsIs<'a, E>);

    /// A value given as an error.
    #[derive(Debug)]
    pub struct HeldAsIs<'a, E>(&'a E);

    /// Begins the question about a value given as an error.
    pub fn held<E>(value: &E) -> Held<'_, E> {
        Held(HeldAsIs(value))
    }

    impl<'a, E> Deref for Held<'a, E> {
        type Target = HeldAsIs<'a, E>;

        fn deref(&self) -> &HeldAsIs<'a, E> {
            &self.0
        }
    }

    impl<'a, E> Held<'a, Option<E>> {
        /// The error, if there is one.
        pub fn failing(&self) -> Option<Failing<'a, E>> {
            self.0.0.as_ref().map(Failing)
        }
    }

    /// What is given as an error and is none.
    #[derive(Debug)]
    pub struct NoError<E>(PhantomData<E>);

    /// What `error` takes.
    #[diagnostic::on_unimplemented(
        message = "a flag is not an error",
        label = "`error` takes an error, an `Option` of one, or a text that says what happened",
        note = "to say only that the event failed write `is_error = true`"
    )]
    pub trait Given {
        /// The error, if there is one.
        type Error;
        /// The same.
        fn given(self) -> Option<Self::Error>;
    }

    impl<'a, E> Given for Option<Failing<'a, E>> {
        type Error = Failing<'a, E>;
        fn given(self) -> Self {
            self
        }
    }

    /// The error that was given.
    pub fn given<G: Given>(failing: G) -> Option<G::Error> {
        failing.given()
    }

    macro_rules! no_error {
        ($($ty:ty),*) => {$(
            impl Held<'_, $ty> {
                /// Refused.
                pub fn failing(&self) -> NoError<$ty> {
                    NoError(PhantomData)
                }
            }
        )*};
    }

    no_error!(bool, &bool, ());

    impl<'a, E> HeldAsIs<'a, E> {
        /// The error.
        pub fn failing(&self) -> Option<Failing<'a, E>> {
            Some(Failing(self.0))
        }
    }

    /// Asks the function that the user named; `None` if it panicked.
    pub fn judge_with<R>(returned: &R, judge: impl FnOnce(&R) -> bool) -> Option<bool> {
        user_code(|| judge(returned))
    }

    /// The failure that `error_if` or `ok_if` decided on when the value itself names none: an error where the function
    /// said `error_when`. Without an answer the value's own word counts.
    pub fn judged<R>(
        _: &R,
        found: Option<ErrorInfo>,
        error_when: bool,
        answer: Option<bool>,
    ) -> Option<ErrorInfo> {
        match (answer.map(|answer| answer == error_when), found) {
            (Some(false), _) => None,
            (Some(true), None) => Some(ErrorInfo::described(
                "the returned value counts as an error".to_owned(),
                useful_type::<R>(),
            )),
            (_, found) => found,
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
        ($value:expr) => {
            super::probe::returned(&$value).described().error().of(&$value)
        };
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
