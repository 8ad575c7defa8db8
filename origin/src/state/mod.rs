//! What memory holds of a KvNamespace: its configuration, the newest snapshot of its data, and how far both can be
//! trusted. Readers are answered from here.

pub(crate) mod context;
pub(crate) mod damage;
pub(crate) mod doubted;
pub(crate) mod entries;
pub(crate) mod expired;
pub(crate) mod health;
pub(crate) mod lost_values;
pub(crate) mod proof;
pub(crate) mod read;
pub(crate) mod scope;
pub(crate) mod snapshot;
pub(crate) mod space;
pub(crate) mod writers;
