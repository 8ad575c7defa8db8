//! nearkv on a real control plane, as its users use it: kubectl on one side, HTTP on the other.

#[cfg(test)]
mod apply;
#[cfg(test)]
mod damage;
#[cfg(test)]
mod declared;
#[cfg(test)]
mod edges;
#[cfg(test)]
mod refusals;
#[cfg(test)]
mod writers;
