//! Keys that are hashed once for all maps they are looked up in, because every read looks its decision up. The hash is
//! SipHash with a key of the process (the standard library's), so no client can aim at one bucket.

use std::{
    collections::HashMap,
    hash::{BuildHasher, BuildHasherDefault, Hash, Hasher, RandomState},
};

/// A key, and its hash.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Hashed<K> {
    hash: u64,
    pub(super) key: K,
}

impl<K: Hash> Hashed<K> {
    pub(super) fn new(key: K, hasher: &RandomState) -> Self {
        Self { hash: hasher.hash_one(&key), key }
    }

    /// One of `shards`. By the upper half, because a map chooses its bucket by the lower.
    pub(super) fn shard(&self, shards: usize) -> usize {
        (self.hash >> 32) as usize % shards
    }
}

impl<K> Hash for Hashed<K> {
    fn hash<H: Hasher>(&self, state: &mut H) {
        state.write_u64(self.hash);
    }
}

/// A map of such keys.
pub(super) type HashedMap<K, V> = HashMap<Hashed<K>, V, BuildHasherDefault<Known>>;

/// The hasher of a key that carries its hash.
#[derive(Default)]
pub(super) struct Known(u64);

impl Hasher for Known {
    fn write(&mut self, _: &[u8]) {
        unreachable!("a Hashed writes its hash");
    }

    fn write_u64(&mut self, hash: u64) {
        self.0 = hash;
    }

    fn finish(&self) -> u64 {
        self.0
    }
}
