//! A closure that makes a future, which `run` would not run to its end. By itself, because the compiler says nothing of an
//! ambiguity where there are other errors.

use mcpcat::testing::Recorder;

#[mcpcat::event]
async fn charge() -> u8 {
    1
}

fn main() {
    let recorder = Recorder::new();
    recorder.run(charge);
    recorder.run(|| charge());
    recorder.run(|| async { 1 });
    let _: u8 = recorder.run(|| 1);
}
