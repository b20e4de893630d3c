//! A user's type can fail, panic or never end wherever a text is made of it: the function returns what it returned, the
//! event is recorded with a placeholder, and the cost is the limit.

#![allow(clippy::print_stdout, reason = "the seed of a random test")]

use std::error::Error;
use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::OnceLock;
use std::time::{SystemTime, UNIX_EPOCH};

use mcpcat::testing::Recorder;
use mcpcat::{CustomEvent, ErrorInfo, Outcome};
use serde::{Serialize, Serializer};

use crate::support::block_on;

/// What a user's code does when it is asked for its text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Does {
    Well,
    Fails,
    FailsLate,
    Panics,
    PanicsLate,
    PanicsWithABomb,
    NeverEnds,
    NeverListens,
    WritesNothingForEver,
    WritesMuch,
}

const ALL: [Does; 10] = [
    Does::Well,
    Does::Fails,
    Does::FailsLate,
    Does::Panics,
    Does::PanicsLate,
    Does::PanicsWithABomb,
    Does::NeverEnds,
    Does::NeverListens,
    Does::WritesNothingForEver,
    Does::WritesMuch,
];

struct Bomb;

impl Drop for Bomb {
    fn drop(&mut self) {
        panic!("the payload's destructor");
    }
}

fn write(does: Does, f: &mut fmt::Formatter<'_>) -> fmt::Result {
    match does {
        Does::Well => f.write_str("declined"),
        Does::Fails => Err(fmt::Error),
        Does::FailsLate => f.write_str("declined").and(Err(fmt::Error)),
        Does::Panics => panic!("expected"),
        Does::PanicsLate => {
            f.write_str("declined")?;
            panic!("expected")
        }
        Does::PanicsWithABomb => std::panic::panic_any(Bomb),
        Does::NeverEnds => loop {
            f.write_str("again and ")?;
        },
        Does::NeverListens => loop {
            let _ = f.write_str("again and ");
        },
        Does::WritesNothingForEver => loop {
            f.write_str("")?;
        },
        Does::WritesMuch => (0..1_000_000).try_for_each(|_| f.write_str("more ")),
    }
}

/// An error that does one thing in each of its methods.
struct Bad {
    display: Does,
    debug: Does,
    source: Option<Box<Bad>>,
    source_panics: bool,
}

impl Bad {
    fn displays(display: Does) -> Self {
        Self { display, debug: Does::Well, source: None, source_panics: false }
    }
}

impl fmt::Display for Bad {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write(self.display, f)
    }
}

impl fmt::Debug for Bad {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write(self.debug, f)
    }
}

impl Error for Bad {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        assert!(!self.source_panics, "expected");
        self.source.as_deref().map(|source| source as _)
    }
}

impl Serialize for Bad {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

/// Only `Debug`, as a failure.
struct OnlyDebug(Does);

impl fmt::Debug for OnlyDebug {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write(self.0, f)
    }
}

/// An outcome of its own.
struct Own(Does);

impl Outcome for Own {
    fn error(&self) -> Option<ErrorInfo> {
        Some(ErrorInfo::message(Bad::displays(self.0).to_string()))
    }
}

/// A conversion into text.
struct Text(Does);

impl From<Text> for String {
    fn from(text: Text) -> Self {
        Bad::displays(text.0).to_string()
    }
}

/// A cyclic chain of sources.
#[derive(Debug)]
struct Ring(Does);

impl fmt::Display for Ring {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write(self.0, f)
    }
}

impl Error for Ring {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        Some(self_of(self.0))
    }
}

fn self_of(does: Does) -> &'static Ring {
    static RINGS: OnceLock<Vec<Ring>> = OnceLock::new();
    &RINGS.get_or_init(|| ALL.into_iter().map(Ring).collect())[ALL.iter().position(|it| *it == does).unwrap()]
}

#[mcpcat::event(name = "sync")]
fn synchronous(error: Bad) -> Result<u8, Bad> {
    Err(error)
}

#[mcpcat::event(name = "async")]
async fn asynchronous(error: Bad) -> Result<u8, Bad> {
    tokio::task::yield_now().await;
    Err(error)
}

#[mcpcat::event(name = "boxed")]
fn boxed(error: Bad) -> Result<u8, Box<dyn Error + Send + Sync>> {
    Err(Box::new(error))
}

#[mcpcat::event(name = "local")]
fn boxed_local(error: Bad) -> Result<u8, Box<dyn Error>> {
    Err(error.into())
}

#[mcpcat::event(name = "anyhow")]
fn by_anyhow(error: Bad) -> anyhow::Result<u8> {
    Err(error.into())
}

#[mcpcat::event(name = "debug")]
fn by_debug(does: Does) -> Result<u8, OnlyDebug> {
    Err(OnlyDebug(does))
}

#[mcpcat::event(name = "own")]
fn own(does: Does) -> Result<u8, Own> {
    Err(Own(does))
}

#[mcpcat::event(name = "own ok")]
fn own_ok(does: Does) -> Own {
    Own(does)
}

#[mcpcat::event(name = "ring")]
fn ring(does: Does) -> Result<u8, Ring> {
    Err(Ring(does))
}

#[mcpcat::event(
    name = "arguments",
    params(error, shown = display(error), said = debug(error)),
    tags(tag = display(error)),
    properties(property = error),
    message = "it {error}",
    response
)]
fn arguments<'a>(error: &'a Bad) -> &'a Bad {
    error
}

#[mcpcat::event(name = "judged", error_if = "|_| panic!(\"expected\")")]
fn judged() -> Result<u8, Bad> {
    Err(Bad::displays(Does::Well))
}

/// Whether it can end without being stopped: `to_string` of the others never does.
fn ends(does: Does) -> bool {
    !matches!(does, Does::NeverEnds | Does::NeverListens | Does::WritesNothingForEver)
}

fn bad(random: &mut Random) -> Bad {
    let chain = random.below(4);
    (0..=chain).fold(Bad::displays(random.does()), |source, _| Bad {
        display: random.does(),
        debug: random.does(),
        source: Some(Box::new(source)),
        source_panics: random.below(5) == 0,
    })
}

struct Random(u64);

impl Random {
    fn seeded() -> Self {
        let clock = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_nanos() as u64;
        let seed = std::env::var("MCPCAT_TEST_SEED").ok().and_then(|seed| seed.parse().ok()).unwrap_or(clock);
        println!("MCPCAT_TEST_SEED={seed}");
        Self(seed | 1)
    }

    fn below(&mut self, bound: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 % bound as u64) as usize
    }

    fn does(&mut self) -> Does {
        ALL[self.below(ALL.len())]
    }
}

/// Every recorded text is bounded, whatever it was made of.
#[track_caller]
fn recorded(recorder: &Recorder, name: &str, failed: bool) {
    let event = recorder.event(name);
    assert_eq!(event.json()["is_error"] == true, failed, "{name}");
    let size = event.json().to_string().len();
    assert!(size < 200_000, "`{name}` has {size} bytes");
    if failed {
        let message = event.json()["error"]["message"].as_str().unwrap();
        assert!(!message.is_empty(), "`{name}` has a message");
        assert!(message.len() < 2_200, "`{name}` has a message of {} bytes", message.len());
        assert!(event.json()["error"]["chained_errors"].as_array().is_none_or(|chain| chain.len() <= 10));
    }
}

#[test]
fn an_annotated_function_returns_its_value_whatever_its_error_does() {
    let mut random = Random::seeded();
    for _ in 0..12 {
        let recorder = Recorder::new();
        let (one, two, three) = (random.does(), random.does(), random.does());
        let returned = catch_unwind(AssertUnwindSafe(|| {
            recorder.run(|| {
                assert!(synchronous(bad(&mut random)).is_err());
                assert!(block_on(asynchronous(bad(&mut random))).is_err());
                assert!(boxed(bad(&mut random)).is_err());
                assert!(boxed_local(bad(&mut random)).is_err());
                assert!(by_anyhow(bad(&mut random)).is_err());
                assert!(by_debug(one).is_err());
                assert!(ring(two).is_err());
                if ends(three) {
                    assert!(own(three).is_err());
                    let _: Own = own_ok(three);
                }
                let error = bad(&mut random);
                assert!(std::ptr::eq(arguments(&error), &error));
                assert!(judged().is_err());
            });
        }));
        assert!(returned.is_ok());
        for name in ["sync", "async", "boxed", "local", "anyhow", "debug", "ring", "judged"] {
            recorded(&recorder, name, true);
        }
        recorded(&recorder, "arguments", false);
        if ends(three) {
            recorded(&recorder, "own", true);
            recorded(&recorder, "own ok", true);
        }
        assert_eq!(recorder.client().stats().dropped, 0);
    }
}

#[test]
fn emit_records_whatever_its_values_do() {
    let mut random = Random::seeded();
    for _ in 0..12 {
        let recorder = Recorder::new();
        let (error, value) = (bad(&mut random), bad(&mut random));
        recorder.run(|| {
            mcpcat::emit!("error", error = &error);
            mcpcat::emit!("some", error = Some(&error));
            mcpcat::emit!(
                "values",
                a = &value,
                b = display(&value),
                c = debug(&value),
                tags.t = display(&value),
                properties.p = &value,
                message = "it {value}",
                response = &value,
            );
            mcpcat::emit!("message", message = display(&value));
        });
        recorded(&recorder, "error", true);
        recorded(&recorder, "some", true);
        recorded(&recorder, "values", false);
        assert_eq!(recorder.client().stats().dropped, 0);
    }
}

#[test]
fn a_custom_event_is_built_whatever_its_values_do() {
    let mut random = Random::seeded();
    for round in 0..12 {
        let recorder = Recorder::new();
        let (error, value) = (bad(&mut random), bad(&mut random));
        let name = random.does();
        let name = if ends(name) { name } else { Does::Panics };
        let event = CustomEvent::new("custom")
            .error(&error)
            .parameter("p", &value)
            .parameter(Text(name), 1)
            .property("q", &value)
            .tag("t", &value)
            .response(&value)
            .message(Text(name));
        recorder.client().publish("s", event).unwrap();
        recorded(&recorder, "custom", true);
        let named = CustomEvent::new(Text(name));
        recorder.client().publish("s", named).unwrap();
        assert_eq!(recorder.events().len(), 2, "round {round}");
    }
}

#[test]
fn what_was_written_before_a_failure_stays_and_a_placeholder_says_the_rest() {
    let message = |does| {
        let recorder = Recorder::new();
        let _ = recorder.run(|| synchronous(Bad::displays(does)));
        recorder.event("sync").json()["error"]["message"].as_str().unwrap().to_owned()
    };
    assert_eq!(message(Does::Well), "declined");
    assert_eq!(message(Does::Fails), "[formatting failed]");
    assert_eq!(message(Does::FailsLate), "declined[formatting failed]");
    assert_eq!(message(Does::Panics), "[formatting panicked]");
    assert_eq!(message(Does::PanicsLate), "declined[formatting panicked]");
    assert!(message(Does::NeverEnds).ends_with(" bytes or more]"));
    assert!(message(Does::NeverListens).ends_with(" bytes or more]"));
}

#[test]
fn an_error_of_text_or_in_a_box_has_the_type_of_what_it_is_or_none() {
    #[mcpcat::event(name = "text")]
    fn text() -> Result<u8, String> {
        Err("declined".to_owned())
    }
    #[mcpcat::event(name = "str")]
    fn slice() -> Result<u8, &'static str> {
        Err("declined")
    }
    #[mcpcat::event(name = "dyn")]
    fn dynamic() -> Result<u8, Box<dyn Error + Send + Sync>> {
        Err("declined".into())
    }
    #[mcpcat::event(name = "box")]
    fn in_a_box() -> Result<u8, Box<fmt::Error>> {
        Err(Box::new(fmt::Error))
    }
    let recorder = Recorder::new();
    recorder.run(|| {
        let _ = text();
        let _ = slice();
        let _ = dynamic();
        let _ = in_a_box();
    });
    for name in ["text", "str", "dyn"] {
        let event = recorder.event(name).error_message("declined");
        assert_eq!(event.json()["error"]["type"], serde_json::Value::Null, "{name}");
    }
    recorder.event("box").error_type("core::fmt::Error");
}

mod own_names {
    use mcpcat::{ErrorInfo, Outcome};

    /// Types with the names of ones that are never a failure.
    pub(super) struct String;
    pub(super) struct Vec<T>(pub(super) T);
    pub(super) struct Result<T, E>(pub(super) T, pub(super) E);

    impl Outcome for String {
        fn error(&self) -> Option<ErrorInfo> {
            Some(ErrorInfo::message("own String"))
        }
    }
    impl<T> Outcome for Vec<T> {
        fn error(&self) -> Option<ErrorInfo> {
            Some(ErrorInfo::message("own Vec"))
        }
    }
    impl<T, E> Outcome for Result<T, E> {
        fn error(&self) -> Option<ErrorInfo> {
            Some(ErrorInfo::message("own Result"))
        }
    }
}

#[test]
fn a_type_of_ones_own_is_asked_though_it_has_a_standard_name() {
    use own_names::{Result, String, Vec};

    #[mcpcat::event(name = "string")]
    fn string() -> String {
        String
    }
    #[mcpcat::event(name = "vec")]
    fn vec() -> Vec<u8> {
        Vec(1)
    }
    #[mcpcat::event(name = "result")]
    fn result() -> Result<(), u8> {
        Result((), 1)
    }
    let recorder = Recorder::new();
    recorder.run(|| {
        let _: String = string();
        let _: u8 = vec().0;
        let _: u8 = result().1;
    });
    recorder.event("string").error_message("own String");
    recorder.event("vec").error_message("own Vec");
    recorder.event("result").error_message("own Result");
}
