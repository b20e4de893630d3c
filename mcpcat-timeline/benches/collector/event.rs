//! Tool calls and custom events of about 1.5 KB, as servers send them, in the order in which they happen.

use std::fmt::Write as _;
use std::sync::LazyLock;

pub(crate) const SESSIONS: usize = 2000;
/// Microseconds since 1970 of the first event: 2026-11-18T10:13:20Z.
const START: usize = 1_795_000_000_000_000;
/// The range of time that a million events fall into, for the overview.
pub(crate) const DAY: &str = "since=2026-11-18T06:00:00Z&until=2026-11-19T06:00:00Z";
/// Microseconds between two events.
const APART: usize = 60_000;
/// Events of one session that follow each other when a connection has its own.
const RUN: usize = 500;

pub(crate) fn session(number: usize) -> String {
    format!("ses_{number:027}")
}

/// Where events come from.
#[derive(Clone, Copy)]
pub(crate) struct Stream {
    /// Added to the numbers, so that two streams have no id in common.
    pub(crate) first: usize,
    /// Each connection is a server with one client at a time; else every event is of another session.
    pub(crate) own_sessions: bool,
}

impl Stream {
    pub(crate) fn write(self, out: &mut String, number: usize, lane: usize, lanes: usize) {
        let number = self.first + number;
        let session = if self.own_sessions { number / RUN / lanes * lanes + lane } else { number % SESSIONS };
        let micros = START + number * APART;
        let (kind, name, names) = match number % 4 {
            0 => ("mcpcat:custom", "event_", 40),
            _ => ("mcp:tools/call", "tool_", 25),
        };
        let error = if number.is_multiple_of(50) {
            r#","is_error":true,"error":{"message":"the gateway did not answer","type":"Gateway"}"#
        } else {
            ""
        };
        out.push_str("{\"id\":\"evt_");
        write!(
            out,
            "{number:027}\",\"project_id\":\"proj_bench\",\"session_id\":\"ses_{session:027}\",\
             \"event_type\":\"{kind}\",\"resource_name\":\"{name}{}\",\"timestamp\":\"",
            number % names
        )
        .expect("text grows");
        civil(out, micros);
        write!(
            out,
            "\",\"duration\":{},\"identify_actor_given_id\":\"user-{}\",\"client_name\":\"client-{}\",\
             \"server_name\":\"billing\",\"server_version\":\"1.0\",\"sdk_language\":\"Rust\",\
             \"tags\":{{\"env\":\"prod\",\"region\":\"r{}\"}},\"parameters\":{{\"filler\":\"{}\"}}{error}}}",
            number % 900,
            session % 500,
            session % 5,
            session % 3,
            filler(number),
        )
        .expect("text grows");
    }
}

/// Microseconds since 1970 as `YYYY-MM-DDTHH:MM:SS.ffffffZ`.
fn civil(out: &mut String, micros: usize) {
    let (seconds, fraction) = (micros as i64 / 1_000_000, micros % 1_000_000);
    let (days, rest) = (seconds.div_euclid(86_400), seconds.rem_euclid(86_400));
    let z = days + 719_468;
    let era = z.div_euclid(146_097);
    let doe = z.rem_euclid(146_097);
    let yoe = (doe - doe / 1460 + doe / 36_524 - doe / 146_096) / 365;
    let doy = doe - (365 * yoe + yoe / 4 - yoe / 100);
    let mp = (5 * doy + 2) / 153;
    let (day, month) = (doy - (153 * mp + 2) / 5 + 1, if mp < 10 { mp + 3 } else { mp - 9 });
    let year = yoe + era * 400 + i64::from(month <= 2);
    let (hour, minute, second) = (rest / 3600, rest % 3600 / 60, rest % 60);
    write!(out, "{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}.{fraction:06}Z")
        .expect("text grows");
}

/// Bytes of text in each event, and of the pool that they are cut from.
const FILLER: usize = 1060;
const POOL: usize = 16 * 1024 * 1024;

/// Where every bench's text begins, so that two runs send the same.
const SEED: u64 = 0x9E37_79B9_7F4A_7C15;

/// Text of random words, with few words often and many seldom, as prose has them. A repeated sentence would compress a
/// hundredfold, prose does about threefold, and disks and packed batches are measured with this.
static TEXT: LazyLock<String> = LazyLock::new(|| {
    let mut state = SEED;
    let mut roll = move |sides: usize| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        (state % sides as u64) as usize
    };
    let words: Vec<String> = (0..8000)
        .map(|_| {
            let length = 2 + roll(4) + roll(5);
            (0..length).map(|_| char::from(b"etaoinshrdlucmfwygpbvkxqjz"[roll(26).min(roll(26))])).collect()
        })
        .collect();
    let mut text = String::with_capacity(POOL + 64);
    while text.len() < POOL {
        // The smaller of three rolls: the first hundred words make a third of the text.
        let word = roll(words.len()).min(roll(words.len())).min(roll(words.len()));
        text.push_str(&words[word]);
        text.push(' ');
    }
    text
});

/// The text of one event: as long in each, and different in each.
fn filler(number: usize) -> &'static str {
    let at = (number as u64).wrapping_mul(SEED) as usize % (POOL - FILLER);
    &TEXT[at..at + FILLER]
}
