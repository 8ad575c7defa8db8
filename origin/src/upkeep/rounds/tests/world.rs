//! A simulated store with a committer, and what another replica reads of it.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use bytes::Bytes;
use nearkv::{Expiration, Key, Random, UnixMillis, VirtualClock};
use tokio::time::sleep;
use tokio_util::task::AbortOnDropHandle;

use crate::{
    CacheConfig, DEFAULT_MIN_TTL, DeletionPolicy, NamespaceConfig, Quota, Settings,
    follow::{
        advance::{Before, Loss},
        follower::Follower,
    },
    format::{Put, Record, Root, SegmentRef, StoredValue, chunk_name, root_name},
    state::{
        context::Context,
        entries::{Entries, Slot},
        snapshot::Snapshot,
        space::Space,
    },
    store::{Object, ObjectName, ObjectStore, simulated::Simulated},
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

    /// What the inventory would show now.
    pub(crate) fn listing(&self) -> Listing {
        listing(&self.store, &self.committer)
    }

    /// Takes the inventory a few times within the grace, until the task is aborted.
    pub(crate) fn take_inventory(&self) -> AbortOnDropHandle<()> {
        let (store, committer) = (self.store.clone(), Arc::clone(&self.committer));
        AbortOnDropHandle::new(tokio::spawn(async move {
            loop {
                committer.listings.put(Arc::new(listing(&store, &committer)));
                sleep(GRACE / ROUNDS_PER_GRACE).await;
            }
        }))
    }

    pub(crate) async fn put(&self, key: u64, length: u64, expiration: Option<Expiration>) -> Record {
        let value = Bytes::from(vec![b'v'; length as usize]);
        let shelved = shelve(&self.committer.part_writer, value.into(), GRACE).await.unwrap();
        Record::Put(Put {
            key: Key::new(&format!("key-{key:06}")).unwrap(),
            value: shelved.value,
            metadata: None,
            expiration,
            declared: false,
        })
    }

    /// What another replica reads, and every name that it needs.
    pub(crate) async fn load(&self) -> (BTreeMap<Key, (u64, Put)>, BTreeSet<ObjectName>) {
        let namespace = &self.committer.part_writer.drafter.namespace;
        let loaded = self.advance(None).await;
        let Snapshot { root, manifest, .. } = &loaded;
        let segments: Vec<&SegmentRef> = manifest.segments.iter().chain(&root.segments).collect();
        for pair in segments.windows(2) {
            assert!(pair[1].first <= pair[0].last() + 1, "a gap in the log");
        }
        assert!(segments.first().is_none_or(|first| first.first <= manifest.checkpoint + 1));
        let mut names: BTreeSet<String> = [root_name(namespace).name.to_string()].into();
        names.extend(root.manifest.iter().chain(manifest.children()).map(|part| part.manifest.clone()));
        names.extend(manifest.pages.iter().map(|page| page.page.clone()));
        names.extend(segments.iter().map(|segment| segment.segment.clone()));
        let mut names: BTreeSet<ObjectName> =
            names.iter().map(|name| ObjectName::new(namespace.account(), name)).collect();
        let entries = entries(&loaded);
        for (_, put) in entries.values() {
            if let StoredValue::Chunked(chunks) = &put.value {
                names.extend((0..chunks.count).map(|index| chunk_name(namespace, &chunks.nonce, index)));
            }
        }
        (entries, names)
    }

    /// What a replica with the state `old` in memory makes of the newest root.
    pub(crate) async fn catch_up(&self, old: &State) -> BTreeMap<Key, (u64, Put)> {
        let mut held = Entries::default();
        for (version, put) in old.entries.values() {
            held.insert(Slot { version: *version, put: put.clone() });
        }
        let old = Snapshot {
            root: Arc::new(old.root.clone()),
            token: old.token.clone(),
            owner: None,
            entries: held,
            manifest: Arc::clone(&old.manifest),
            damage: Arc::default(),
        };
        entries(&self.advance(Some(&old)).await)
    }

    /// The engine's own way from `old`, or from nothing, to the root that is in the store.
    async fn advance(&self, old: Option<&Snapshot>) -> Snapshot {
        let namespace = &self.committer.part_writer.drafter.namespace;
        let store: Arc<dyn ObjectStore> = Arc::new(self.store.client());
        let Object { meta, content } = store.get(&root_name(namespace)).await.unwrap().unwrap();
        let (clock, settings) = (Arc::<VirtualClock>::clone(&self.clock), Settings::default());
        let context = Context::new(store, clock, Arc::clone(&self.random), settings);
        let config = NamespaceConfig {
            namespace: namespace.clone(),
            uid: "u1".to_owned(),
            cache: CacheConfig::default(),
            min_ttl: DEFAULT_MIN_TTL,
            quota: Quota::default(),
            deletion_policy: DeletionPolicy::Retain,
        };
        let follower = Follower::new(Space::new(Arc::new(context), config));
        follower
            .advance(old, Root::decode(&content).unwrap(), &meta, Loss::Fails, Before::StaysLost)
            .await
            .unwrap()
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

fn listing(store: &Simulated, committer: &Committer) -> Listing {
    let charged = committer.part_writer.budget.charges();
    let charged = charged.get(&committer.part_writer.drafter.namespace).copied().unwrap_or_default();
    let objects = store.world().objects().iter().map(|object| object.meta.clone()).collect();
    Listing { before: None, charged, objects }
}

fn entries(snapshot: &Snapshot) -> BTreeMap<Key, (u64, Put)> {
    snapshot.entries.iter().map(|slot| (slot.put.key.clone(), (slot.version, slot.put.clone()))).collect()
}

/// Fails with the keys, not with megabytes of values.
pub(crate) fn assert_same(one: &BTreeMap<Key, (u64, Put)>, other: &BTreeMap<Key, (u64, Put)>) {
    let differ = |key: &&Key| one.get(*key) != other.get(*key);
    let version = |of: &BTreeMap<Key, (u64, Put)>, key: &Key| of.get(key).map(|(version, _)| *version);
    let keys = one.keys().chain(other.keys()).filter(differ);
    let differing: Vec<_> = keys.map(|key| (key, version(one, key), version(other, key))).collect();
    assert!(differing.is_empty(), "versions here and there: {differing:?}");
}
