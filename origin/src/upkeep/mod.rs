//! Keeps the stored objects of a KvNamespace in order, in `rounds`: fold, checkpoint, collect; besides, the `audit` of what
//! the root reaches, and the `ownership` of every object. The `keeper` runs them for one KvNamespace. The `inventory` lists the
//! objects for all of them, and counts what belongs to no KvNamespace that is served.

pub(crate) mod audit;
pub(crate) mod audit_values;
pub(crate) mod checkpoint;
pub(crate) mod collect;
pub(crate) mod error;
pub(crate) mod fold;
pub(crate) mod host;
pub(crate) mod inventory;
pub(crate) mod keep_up;
pub(crate) mod keeper;
pub(crate) mod ownership;
pub(crate) mod rounds;

pub(crate) use error::{AmendError, UpkeepError};
pub(crate) use host::{Host, View};
