//! The engine over a simulated store: one test per invariant of design §6, with its name.

mod behind;
mod conformance;
mod damage;
mod economy;
mod invariants;
mod ownership;
mod rig;
mod room;
mod writers;
