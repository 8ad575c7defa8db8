//! A simulated store with a committer, and what another replica reads of it.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use bytes::Bytes;
use nearkv::{Expiration, Key, Random, UnixMillis, VirtualClock};

use crate::{
    format::{PageRef, Put, Record, Root, SegmentRef, StoredValue, chunk_name, root_name},
    parts::loader::{Loader, Source, sources},
    store::{ObjectName, ObjectStore, simulated::Simulated},
    values::shelve,
};

use super::committer::{Committer, State};
use super::*;

pub(crate) const GRACE: Duration = Duration::from_secs(40);

/// A world with one committer and one who tends it.
pub(crate) struct World {
    pub(crate) store: Simulated,
    pub(crate) committer: Arc<Committer>,
    pub(crate) clock: Arc<VirtualClock>,
    pub(crate) random: Arc<Random>,
}

impl World {
    pub(crate) async fn new(seed: u64) -> Self {
        let store = Simulated::new(seed);
        let random = Arc::new(Random::seeded(seed));
        let committer = Committer::new(&store, &random).await;
        let clock = Arc::new(VirtualClock::starting_at(UnixMillis(1_000_000_000)));
        Self { store, committer, clock, random }
    }

    /// As a replica whose connection is its own.
    pub(crate) fn upkeep(&self) -> Upkeep {
        let part_writer =
            PartWriter { store: Arc::new(self.store.client()), ..self.committer.part_writer.clone() };
        let clock: Arc<dyn Clock> = Arc::<VirtualClock>::clone(&self.clock);
        let host: Arc<dyn Host> = Arc::<Committer>::clone(&self.committer);
        Upkeep::new(host, part_writer, clock, GRACE)
    }

    pub(crate) async fn put(&self, key: u64, length: u64, expiration: Option<Expiration>) -> Record {
        let value = Bytes::from(vec![b'v'; length as usize]);
        let shelved = shelve(&self.committer.part_writer, value.into()).await.unwrap();
        Record::Put(Put {
            key: Key::new(&format!("key-{key:06}")).unwrap(),
            value: shelved.value,
            metadata: None,
            expiration,
            declared: false,
        })
    }

    /// What another replica would read, and every name that it would need.
    pub(crate) async fn load(&self) -> (BTreeMap<Key, (u64, Put)>, BTreeSet<ObjectName>) {
        let store: Arc<dyn ObjectStore> = Arc::new(self.store.client());
        let namespace = &self.committer.part_writer.drafter.namespace;
        let root = store.get(&root_name(namespace)).await.unwrap().unwrap();
        let root = Root::decode(&root.content).unwrap();
        let loader = Loader::new(store, namespace.clone());
        let manifest = match &root.manifest {
            Some(reference) => loader.manifest(reference).await.unwrap(),
            None => Manifest::default(),
        };
        let fetch = |source| match source {
            Source::Page(page, until) => (page, until),
            Source::Memory { .. } => panic!("nothing is in memory"),
        };
        let pages: Vec<(PageRef, Option<Key>)> = sources(None, &manifest).into_iter().map(fetch).collect();
        let segments: Vec<SegmentRef> = manifest.segments.iter().chain(&root.segments).cloned().collect();
        for pair in segments.windows(2) {
            assert!(pair[1].first <= pair[0].last() + 1, "a gap in the log");
        }
        assert!(segments.first().is_none_or(|first| first.first <= manifest.checkpoint + 1));
        let mut names: BTreeSet<String> = [root_name(namespace).name.to_string()].into();
        names.extend(root.manifest.iter().chain(manifest.children()).map(|part| part.manifest.clone()));
        names.extend(pages.iter().map(|(page, _)| page.page.clone()));
        names.extend(segments.iter().map(|segment| segment.segment.clone()));
        let mut entries = BTreeMap::new();
        for (version, put) in loader.pages(pages).await.unwrap().into_iter().flatten() {
            entries.insert(put.key.clone(), (version, put));
        }
        let mut reached = manifest.checkpoint;
        for versioned in loader.segments(segments).await.unwrap().into_iter().chain(root.versioned()) {
            if versioned.version > reached {
                assert_eq!(versioned.version, reached + 1);
                reached = versioned.version;
                match versioned.record {
                    Record::Put(put) => entries.insert(put.key.clone(), (versioned.version, put)),
                    Record::Delete(key) => entries.remove(&key),
                };
            }
        }
        assert_eq!(reached, root.version);
        entries.retain(|_, (version, put)| !manifest.leaves_out(*version, put.expiration));
        let mut names: BTreeSet<ObjectName> =
            names.iter().map(|name| ObjectName::new(namespace.account(), name)).collect();
        for (_, put) in entries.values() {
            if let StoredValue::Chunked(chunks) = &put.value {
                names.extend((0..chunks.count).map(|index| chunk_name(namespace, &chunks.nonce, index)));
            }
        }
        (entries, names)
    }

    /// What a replica with the state `old` in memory makes of the newest root.
    pub(crate) async fn catch_up(&self, old: &State) -> BTreeMap<Key, (u64, Put)> {
        let State { root, manifest, .. } = &*self.committer.state();
        let loader = self.committer.part_writer.loader();
        let mut entries: BTreeMap<_, _> = old.entries.clone().into_iter().collect();
        let mut have = old.root.version;
        if have < manifest.checkpoint {
            have = manifest.checkpoint;
            let held = std::mem::take(&mut entries);
            let mut wanted = Vec::new();
            for source in sources(Some(&*old.manifest), manifest) {
                match source {
                    Source::Page(page, until) => wanted.push((page, until)),
                    Source::Memory { from, until, through } => entries.extend(
                        held.iter()
                            .filter(|(_, (version, _))| *version <= through)
                            .filter(|(key, _)| from.as_ref() <= Some(key))
                            .filter(|(key, _)| until.as_ref().is_none_or(|until| *key < until))
                            .map(|(key, entry)| (key.clone(), entry.clone())),
                    ),
                }
            }
            let pages = loader.pages(wanted).await.unwrap();
            entries.extend(pages.into_iter().flatten().map(|entry| (entry.1.key.clone(), entry)));
        }
        let segments = manifest.segments.iter().chain(&root.segments).cloned().collect();
        let records = loader.segments(segments).await.unwrap();
        for versioned in records.into_iter().chain(root.versioned()).filter(|record| record.version > have) {
            match versioned.record {
                Record::Put(put) => entries.insert(put.key.clone(), (versioned.version, put)),
                Record::Delete(key) => entries.remove(&key),
            };
        }
        entries.retain(|_, (version, put)| !manifest.leaves_out(*version, put.expiration));
        entries
    }

    pub(crate) fn present(&self) -> BTreeSet<ObjectName> {
        self.store.world().objects().iter().map(|object| object.meta.name.clone()).collect()
    }

    pub(crate) fn memory(&self) -> BTreeMap<Key, (u64, Put)> {
        self.committer.state().entries.clone().into_iter().collect()
    }

    pub(crate) async fn assert_whole(&self) {
        // A checkpoint that came between would leave out in memory what the older root still has.
        let _unchanged = self.committer.swapping.lock().await;
        let (entries, names) = self.load().await;
        assert_same(&entries, &self.memory());
        let present = self.present();
        let lost: Vec<_> = names.difference(&present).collect();
        assert!(lost.is_empty(), "the root reaches what is gone: {lost:?}");
    }
}

/// Fails with the keys, not with megabytes of values.
pub(crate) fn assert_same(one: &BTreeMap<Key, (u64, Put)>, other: &BTreeMap<Key, (u64, Put)>) {
    let differ = |key: &&Key| one.get(*key) != other.get(*key);
    let version = |of: &BTreeMap<Key, (u64, Put)>, key: &Key| of.get(key).map(|(version, _)| *version);
    let keys = one.keys().chain(other.keys()).filter(differ);
    let differing: Vec<_> = keys.map(|key| (key, version(one, key), version(other, key))).collect();
    assert!(differing.is_empty(), "versions here and there: {differing:?}");
}
