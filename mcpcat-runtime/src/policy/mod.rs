//! What is allowed: sensitive keys and limits.
