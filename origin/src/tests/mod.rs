//! The engine over a simulated store: one test per invariant of design §6, with its name.

mod behind;
mod clocks;
mod conformance;
mod damage;
mod deleted;
mod economy;
mod ending;
mod failures;
mod fairness;
mod invariants;
mod ownership;
mod proof;
mod rig;
mod room;
mod steady;
mod writers;
