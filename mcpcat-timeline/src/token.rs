//! Makes tokens that send events of one project, and tells what is kept of them.

use sha2::{Digest as _, Sha256};

use crate::store::IssuedToken;

/// What each token begins with, so that a scanner for secrets finds one in a repository.
const PREFIX: &str = "mctl_ingest_";
/// Random bytes of a secret: nobody guesses it, so a plain hash of it is enough.
const SECRET: usize = 24;
const ID: usize = 5;

/// What a token may send in a minute; `None` for no bound.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Limits {
    pub(crate) events_per_minute: Option<i64>,
    pub(crate) bytes_per_minute: Option<i64>,
}

/// A new token, and its secret.
///
/// # Errors
/// Where the system has no randomness: a secret that can be guessed is none.
pub(crate) fn issue(
    project: String,
    label: String,
    limits: Limits,
) -> Result<(IssuedToken, String), getrandom::Error> {
    let secret = format!("{PREFIX}{}", random(SECRET)?);
    let token = IssuedToken {
        id: format!("tok_{}", random(ID)?),
        hash: digest(&secret),
        project,
        label,
        created: jiff::Timestamp::now().as_microsecond(),
        events_per_minute: limits.events_per_minute,
        bytes_per_minute: limits.bytes_per_minute,
    };
    Ok((token, secret))
}

pub(crate) fn digest(secret: &str) -> [u8; 32] {
    Sha256::digest(secret.as_bytes()).into()
}

fn random(bytes: usize) -> Result<String, getrandom::Error> {
    let mut random = vec![0; bytes];
    getrandom::fill(&mut random)?;
    Ok(random.iter().map(|byte| format!("{byte:02x}")).collect())
}
