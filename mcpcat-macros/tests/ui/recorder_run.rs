//! A recorder runs closures; futures go through `scope`.

use mcpcat::testing::Recorder;

#[mcpcat::event]
async fn charge() -> u8 {
    1
}

fn main() {
    let recorder = Recorder::new();
    recorder.run(async { 1 });
    recorder.run(charge());
    let _: u8 = recorder.run(|| 1);
}
