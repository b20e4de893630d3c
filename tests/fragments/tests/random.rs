//! Whatever of an annotated function comes out of a macro, as whatever fragment: it is recorded as if a person had
//! written it. The functions are random; `FRAGMENTS_SEED=… cargo test -p fragments` makes others.

use std::pin::Pin;

use mcpcat::testing::Recorder;

type Declined = Result<u8, std::io::Error>;
type Boxed = Pin<Box<dyn Future<Output = Declined>>>;
type Later = Pin<Box<dyn Future<Output = ()>>>;
/// A number, the function by hand and the one by macro.
type Call = (u32, fn(u8) -> Later, fn(u8) -> Later);

fn declined(seats: u8) -> Declined {
    Err(std::io::Error::other(format!("declined {seats}")))
}

async fn later(seats: u8) -> Declined {
    tokio::task::yield_now().await;
    declined(seats)
}

#[allow(clippy::all, dropping_copy_types, reason = "written by a program")]
mod random {
    use super::*;
    include!(concat!(env!("OUT_DIR"), "/random.rs"));
}

#[test]
fn a_function_by_macro_is_recorded_like_the_one_by_hand() {
    println!("seed {}", random::SEED);
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    let calls = random::calls();
    assert!(calls.len() >= 100);
    for (n, by_hand, by_macro) in calls {
        let recorder = Recorder::new();
        runtime.block_on(recorder.scope(async {
            by_hand(3).await;
            by_macro(3).await;
        }));
        let event = |name: String| {
            let mut json = recorder.event(&name).json().clone();
            let body = json.as_object_mut().unwrap();
            // What differs between any two events.
            for key in ["id", "resource_name", "timestamp", "duration", "sequence"] {
                body.remove(key);
            }
            json
        };
        let (hand, made) = (event(format!("hand.{n}")), event(format!("macro.{n}")));
        assert_eq!(hand, made, "pair {n} of seed {}", random::SEED);
        assert!(hand["parameters"].get("amount").is_some(), "pair {n}: {hand}");
    }
}
