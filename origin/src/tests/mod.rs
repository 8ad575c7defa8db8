//! The engine over a simulated store: one test per invariant of design §6, with its name.

mod behind;
mod clocks;
mod conformance;
mod damage;
mod damage_stays;
mod deleted;
mod economy;
mod ending;
mod failures;
mod fairness;
mod invariants;
mod lost_values;
mod ownership;
mod proof;
mod repair;
mod replicas;
mod rig;
mod room;
mod same_state;
mod scale;
mod steady;
mod writers;
