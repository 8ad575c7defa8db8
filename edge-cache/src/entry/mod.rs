//! What is cached and served: an answer in the cache (`cached_entry`), what an answer must show for one read
//! (`requirement`), and the answer of a read (`reading`). Whether a cached answer may be served is decided in
//! `freshness`.

mod cached_entry;
mod reading;
mod requirement;

pub(crate) use cached_entry::{Body, CachedEntry, Found, Proof};
pub(crate) use reading::Reading;
pub(crate) use requirement::Requirement;
