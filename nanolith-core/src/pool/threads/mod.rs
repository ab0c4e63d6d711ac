//! The threads of a pool: rayon's, spare ones, and simulated ones.

pub(super) mod broadcast;
pub(super) mod rayon_threads;
pub(super) mod roster;
pub(super) mod simulated;
pub(super) mod spare;
