//! Long values: written as chunks while they stream in, read chunk by chunk. Neither side ever holds more than a
//! few chunks of a value.

mod read;
mod write;

pub(crate) use read::{CHUNK_CACHE_BYTES, ChunkCache, read};
pub(crate) use write::{Shelved, shelve};

#[cfg(test)]
mod tests;
