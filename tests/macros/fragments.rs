//! What other macros write: `$t:ty`, `$b:block`, `$e:expr`, `$l:literal`, `$i:ident`, `$v:vis`, `$p:path`, `$m:meta` and
//! `$i:item` stand wherever a person could have written what they stand for, and mean the same.

use std::future::Future;
use std::pin::Pin;
use std::time::Duration;

use mcpcat::EventData;
use mcpcat::testing::Recorder;

use crate::support::block_on;

type Declined = Result<u8, std::io::Error>;

const PAUSE: Duration = Duration::from_millis(5);

async fn declined() -> Declined {
    tokio::time::sleep(PAUSE).await;
    Err(std::io::Error::other("declined"))
}

macro_rules! endpoint {
    ($(#[$meta:meta])* $vis:vis $name:ident, $event:literal, $ret:ty, $body:block) => {
        $(#[$meta])*
        #[mcpcat::event(name = $event)]
        $vis fn $name() -> $ret $body
    };
    (async $vis:vis $name:ident, $event:expr, $ret:ty, $body:block) => {
        #[mcpcat::event(name = $event)]
        $vis async fn $name() -> $ret $body
    };
}

endpoint!(boxed, "boxed", Pin<Box<dyn Future<Output = Declined>>>, {
    Box::pin(async move { declined().await })
});
endpoint!(pub boxed_otherwise, "otherwise", Pin<Box<dyn Future<Output = Declined>>>, {
    let future = declined();
    Box::pin(future)
});
endpoint!(#[inline] pub(crate) opaque, "opaque", impl Future<Output = Declined>, { declined() });
endpoint!(plain, "plain", Declined, { Err(std::io::Error::other("declined")) });
endpoint!(async pub waits, "async", Declined, { declined().await });
endpoint!(async nothing, "unit", (), {});

/// Types inside types.
macro_rules! boxed_of {
    ($name:ident, $event:literal, $inner:ty, $output:ty) => {
        #[mcpcat::event(name = $event)]
        fn $name() -> Pin<Box<dyn Future<Output = $output>>> {
            Box::pin(declined())
        }
        const _: fn() -> Pin<$inner> = $name;
    };
}

boxed_of!(inner, "inner", Box<dyn Future<Output = Declined>>, Declined);

macro_rules! pinned {
    ($name:ident, $inner:ty) => {
        #[mcpcat::event(name = "pinned")]
        fn $name() -> Pin<$inner> {
            Box::pin(async move { declined().await })
        }
    };
}

pinned!(pinned, Box<dyn Future<Output = Declined>>);

macro_rules! whole {
    ($item:item) => {
        #[mcpcat::event(name = "item")]
        $item
    };
}

whole! {
    fn item() -> Declined { Err(std::io::Error::other("declined")) }
}

#[test]
fn functions_that_a_macro_writes_are_recorded_like_ones_of_a_person() {
    let recorder = Recorder::new();
    block_on(recorder.scope(async {
        assert!(boxed().await.is_err());
        assert!(boxed_otherwise().await.is_err());
        assert!(opaque().await.is_err());
        assert!(plain().is_err());
        assert!(waits().await.is_err());
        nothing().await;
        assert!(inner().await.is_err());
        assert!(pinned().await.is_err());
        assert!(item().is_err());
    }));
    for name in ["boxed", "otherwise", "opaque", "async", "inner", "pinned"] {
        recorder.event(name).error_message("declined").took_at_least(PAUSE);
    }
    for name in ["plain", "item"] {
        recorder.event(name).error_message("declined");
    }
    recorder.event("unit").is_not_error();
}

struct Card(u8);
struct Purse;
struct Holds<T>(T);
trait Pays {
    fn pay(&self) -> u8;
}

macro_rules! methods {
    ($ty:ty, $method:item) => {
        #[mcpcat::event]
        impl $ty {
            $method
        }
    };
}

macro_rules! trait_methods {
    ($trait:path, $ty:ty, $ret:ty, $body:block) => {
        #[mcpcat::event]
        impl $trait for $ty {
            fn pay(&self) -> $ret $body
        }
    };
}

macro_rules! method_parts {
    ($ty:ty, $vis:vis $name:ident, $ret:ty, $body:block) => {
        #[mcpcat::event]
        impl $ty {
            $vis fn $name(&self) -> $ret $body
        }
    };
}

methods!(
    Card,
    pub(crate) fn charge(&self) -> u8 {
        self.0
    }
);
method_parts!(Purse, pub(crate) open, u8, { 1 });
method_parts!(Holds<u8>, get, Declined, { Err(std::io::Error::other("declined")) });
trait_methods!(Pays, Card, u8, { 2 });
trait_methods!(Pays, &Purse, u8, { 3 });
trait_methods!(Pays, [Purse], u8, { 4 });
trait_methods!(Pays, (Card, Purse), u8, { 5 });

#[test]
fn methods_that_a_macro_writes_are_recorded_under_the_names_of_their_types() {
    let recorder = Recorder::new();
    recorder.run(|| {
        Card(1).charge();
        Purse.open();
        assert!(Holds(1_u8).get().is_err());
        Card(1).pay();
        (&Purse).pay();
        [Purse].pay();
        (Card(1), Purse).pay();
    });
    let names: Vec<String> = recorder.events().iter().map(|event| event.name().unwrap().to_owned()).collect();
    let path = |name: &str| format!("{}::{name}", module_path!());
    assert_eq!(
        names,
        [
            "Card::charge",
            "Purse::open",
            "Holds::get",
            "Card::pay",
            "Purse::pay",
            "[Purse]::pay",
            "(Card,Purse)::pay"
        ]
        .map(path)
    );
    recorder.event(&path("Holds::get")).error_message("declined");
}

macro_rules! with_arguments {
    ($name:ident, $event:literal, $key:ident, $quoted:literal, $value:expr, $share:literal, $slow:literal, $text:literal, $session:literal) => {
        #[mcpcat::event(
                                            name = $event,
                                            params($key = $value, $quoted = $value, spoken = debug($value)),
                                            tags(region = $text),
                                            properties($key),
                                            message = $text,
                                            sample = $share,
                                            slow = $slow,
                                            session = $session
                                        )]
        fn $name($key: u8) -> u8 {
            $key
        }
    };
}

with_arguments!(arguments, "arguments", seats, "quoted key", 1 + 2, 1.0, "0ms", "eu", "\"eu\"");

macro_rules! meta {
    ($meta:meta, $skip:meta) => {
        #[$meta]
        fn by_meta() -> u8 {
            1
        }
        #[mcpcat::event(name = "meta")]
        impl Holds<u16> {
            #[$skip]
            fn skipped(&self) {}
            fn kept(&self) -> u16 {
                self.0
            }
        }
    };
}

meta!(mcpcat::event(name = "by meta"), event(skip));

#[test]
fn arguments_of_the_attribute_may_be_fragments() {
    let recorder = Recorder::new();
    recorder.run(|| {
        arguments(7);
        by_meta();
        Holds(1_u16).skipped();
        Holds(1_u16).kept();
    });
    let event = recorder.event("arguments").param("seats", 3).param("quoted key", 3).param("spoken", "3");
    event.property("seats", 7).tag("region", "eu").message("eu");
    assert_eq!(recorder.named("by meta").len(), 1);
    assert_eq!(recorder.named("meta.kept").len(), 1);
    assert_eq!(recorder.named("meta.skipped").len(), 0);
}

macro_rules! emits {
    ($name:literal, $by:expr, $key:ident, $quoted:literal, $value:expr, $text:literal, $error:expr) => {
        mcpcat::emit!(
            $name,
            $key = $value,
            $quoted = $value,
            tags.$key = $text,
            message = $text,
            error = $error
        );
        mcpcat::emit!($by, $key, shown = display($value));
    };
}

macro_rules! emits_value {
    ($value:expr, $path:path) => {
        mcpcat::emit!($value);
        mcpcat::emit!("path", made = $path(1).0, ..$value);
    };
}

macro_rules! derived {
    ($vis:vis $name:ident, $event:literal, $rename:literal, $ty:ty, $tag:meta) => {
        #[derive(EventData)]
        #[event(name = $event)]
        $vis struct $name {
            #[event(rename = $rename)]
            $vis first: $ty,
            #[$tag]
            $vis second: $ty,
        }
    };
}

derived!(pub(crate) Derived, "derived", "1st", u8, event(tag));

#[test]
fn emit_and_the_derive_take_fragments() {
    let recorder = Recorder::new();
    recorder.run(|| {
        let seats = 4;
        let error = std::io::Error::other("no");
        emits!("emitted", "by expr", seats, "quoted", 1 + seats, "seats: {seats}", &error);
        emits_value!(Derived { first: 1, second: 2 }, Card);
    });
    let emitted =
        recorder.event("emitted").param("seats", 5).param("quoted", 5).tag("seats", "seats: {seats}");
    emitted.message("seats: 4").error_message("no");
    recorder.event("by expr").param("seats", 4).param("shown", "5");
    recorder.event("derived").param("1st", 1).tag("second", "2");
    recorder.event("path").param("made", 1).param("1st", 1).tag("second", "2");
}
