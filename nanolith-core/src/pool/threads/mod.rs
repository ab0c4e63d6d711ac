//! The threads of a pool: rayon threads, spare threads, and the threads of a simulation.

pub(super) mod broadcast;
pub(super) mod rayon_threads;
pub(super) mod roster;
pub(super) mod sim_threads;
pub(super) mod spare_threads;
