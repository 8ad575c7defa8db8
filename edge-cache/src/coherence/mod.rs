//! What a write through this edge makes old: the lowest version an answer may show for a key (`floor`), the current
//! incarnation of each KvNamespace (`incarnations`), and the newest writes, which decide about cached pages
//! (`write_log`). All of it is kept outside the cache, so that an eviction cannot forget it.

mod cache_key;
mod floor;
mod incarnations;
mod write_log;

pub(crate) use cache_key::CacheKey;
#[cfg(test)]
pub(crate) use cache_key::ListQuery;
pub(crate) use floor::{Floor, Floors, Ticket};
pub(crate) use incarnations::{IncarnationState, Incarnations};
pub(crate) use write_log::{Position, WriteLog};
