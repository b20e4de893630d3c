//! Values that tell people and conversations apart and need not be read: kept as keyed hashes. Whoever has an event
//! can compare two of them; whoever lacks the key cannot try out candidates.
//!
//! SHA-256 of the key and the parts, each with its length in front, cut to half. The cut leaves nothing to extend, which
//! is what HMAC is for, so no crate is needed for it.

use std::fmt::Write as _;
use std::sync::OnceLock;

use sha2::{Digest as _, Sha256};

/// The variable that holds the secret.
const VARIABLE: &str = "MCPCAT_HASH_KEY";

/// What values are hashed with: alike in every process of one program, because what a hash names has to be.
#[derive(Clone)]
pub(super) struct HashKey([u8; 32]);

impl HashKey {
    /// Of a secret, else of the environment's, else of the project alone, which others may know.
    pub(super) fn new(secret: Option<&str>, project: &str) -> Self {
        static ENVIRONMENT: OnceLock<String> = OnceLock::new();
        let from_environment = || ENVIRONMENT.get_or_init(|| std::env::var(VARIABLE).unwrap_or_default());
        let secret = secret.unwrap_or_else(|| from_environment());
        Self(hash(&[], &["mcpcat", project, secret.trim()]))
    }

    /// The hash of some texts in their order: 32 hexadecimal digits.
    pub(super) fn digest(&self, parts: &[&str]) -> String {
        hex(&hash(&self.0, parts))
    }
}

/// A hash without a key, of what is long and names nobody: schemas, states, tasks.
pub(super) fn fingerprint(parts: &[&str]) -> String {
    hex(&hash(&[], parts))
}

fn hex(hash: &[u8; 32]) -> String {
    let mut text = String::with_capacity(32);
    for byte in &hash[..16] {
        let _ = write!(text, "{byte:02x}");
    }
    text
}

fn hash(key: &[u8], parts: &[&str]) -> [u8; 32] {
    let mut hasher = Sha256::new();
    hasher.update(key);
    for part in parts {
        hasher.update((part.len() as u64).to_le_bytes());
        hasher.update(part.as_bytes());
    }
    hasher.finalize().into()
}

impl std::fmt::Debug for HashKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("HashKey(..)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_hash_depends_on_the_key_and_on_where_one_part_ends() {
        let key = HashKey::new(Some("secret"), "proj_1");
        let digest = key.digest(&["ab", "c"]);
        assert_eq!(digest.len(), 32);
        assert_eq!(digest, HashKey::new(Some("secret"), "proj_1").digest(&["ab", "c"]));
        assert_ne!(digest, key.digest(&["a", "bc"]));
        for other in [HashKey::new(Some("other"), "proj_1"), HashKey::new(Some("secret"), "proj_2")] {
            assert_ne!(digest, other.digest(&["ab", "c"]));
        }
    }
}
