//! The atomics of `region`, named here so that the loom test can compile that file with loom's.

pub(super) use std::sync::atomic::AtomicU64;
