//! A simulated store with the smallest committer that keeps the rules, and what another replica reads of it.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use bytes::Bytes;
use imbl::OrdMap;
use nearkv::{Expiration, Incarnation, Key, Random, UnixMillis, VirtualClock};
use parking_lot::Mutex;
use tokio::sync::Notify;

use super::super::*;
use crate::{
    origin::{
        budget::Budget,
        chunks::shelve,
        format::{
            Drafter, PART_BYTES, PageRef, Put, Record, SegmentRef, StoredValue, chunk_name, encode_lines,
            root_name,
        },
        load::{Loader, Source, sources},
    },
    store::{ObjectName, ObjectStore, Token, simulated::Simulated},
};

pub(super) const GRACE: Duration = Duration::from_secs(40);
/// As the engine's: a larger root spills its records into a segment.
pub(super) const INLINE_ROOT_BYTES: usize = 12 * 1024;

#[derive(Clone)]
pub(super) struct State {
    pub(super) root: Root,
    pub(super) token: Token,
    pub(super) entries: OrdMap<Key, (u64, Put)>,
    pub(super) manifest: Arc<Manifest>,
}

impl Snapshot for State {
    fn root(&self) -> &Root {
        &self.root
    }

    fn entries(&self) -> Box<dyn Iterator<Item = PageEntry<'_>> + Send + '_> {
        Box::new(self.entries.values().map(|(version, put)| PageEntry { version: *version, put }))
    }

    fn manifest(&self) -> Option<Arc<Manifest>> {
        Some(Arc::clone(&self.manifest))
    }
}

/// The one committer of a KvNamespace.
pub(super) struct Committer {
    pub(super) workshop: Workshop,
    pub(super) state: Mutex<Arc<State>>,
    pub(super) swapping: tokio::sync::Mutex<()>,
    pub(super) changed: Notify,
    pub(super) trusted: Mutex<bool>,
}

impl Committer {
    pub(super) async fn new(store: &Simulated, random: &Arc<Random>) -> Arc<Self> {
        let workshop = Workshop {
            store: Arc::new(store.clone()),
            random: Arc::clone(random),
            budget: Arc::new(Budget::default()),
            drafter: Drafter { namespace: "a/b".parse().unwrap(), owner: None },
        };
        let root = Root::empty("a/b".parse().unwrap(), Incarnation::mint(random));
        let created = store.create(&workshop.drafter.root(root.encode())).await.unwrap();
        let manifest = Arc::default();
        let state = State { root, token: created.token, entries: OrdMap::new(), manifest };
        Arc::new(Self {
            workshop,
            state: Mutex::new(Arc::new(state)),
            swapping: tokio::sync::Mutex::default(),
            changed: Notify::new(),
            trusted: Mutex::new(true),
        })
    }

    pub(super) fn state(&self) -> Arc<State> {
        Arc::clone(&self.state.lock())
    }

    pub(super) async fn commit(&self, records: Vec<Record>) {
        let _swapping = self.swapping.lock().await;
        let mut next = (*self.state()).clone();
        for record in records {
            next.root.version += 1;
            match &record {
                Record::Put(put) => {
                    next.entries.insert(put.key.clone(), (next.root.version, put.clone()));
                }
                Record::Delete(key) => {
                    next.entries.remove(key);
                }
            }
            next.root.records.push(record);
        }
        if next.root.encode().size() as usize > INLINE_ROOT_BYTES {
            self.spill(&mut next.root).await;
        }
        self.swap(next).await;
    }

    pub(super) async fn spill(&self, root: &mut Root) {
        let mut first = root.first_inline();
        let mut runs: Vec<(u64, String)> = Vec::new();
        for record in std::mem::take(&mut root.records) {
            let line = encode_lines([&record]);
            match runs.last_mut() {
                Some((records, run)) if run.len() + line.len() <= PART_BYTES => {
                    *records += 1;
                    run.push_str(&line);
                }
                _ => runs.push((1, line)),
            }
        }
        for (records, lines) in runs {
            let (segment, draft) = self.workshop.segment(first, records, lines);
            self.workshop.create(vec![draft]).await.unwrap();
            first += records;
            root.segments.push(segment);
        }
    }

    pub(super) async fn swap(&self, mut next: State) {
        next.root.swap += 1;
        let draft = self.workshop.drafter.root(next.root.encode());
        next.token = self.workshop.store.replace(&draft, &next.token).await.unwrap().token;
        *self.state.lock() = Arc::new(next);
        self.changed.notify_one();
    }
}

#[async_trait]
impl Ground for Committer {
    fn snapshot(&self) -> Option<Arc<dyn Snapshot>> {
        self.trusted.lock().then(|| self.state() as Arc<dyn Snapshot>)
    }

    async fn amend(&self, amendment: Amendment) -> Result<Arc<dyn Snapshot>, AmendError> {
        let _swapping = self.swapping.lock().await;
        let mut next = (*self.state()).clone();
        next.root = amendment.apply(&next.root).map_err(|_| AmendError::Superseded)?;
        if let Amendment::Manifest(new) = &amendment {
            next.manifest = Arc::clone(&new.manifest);
            let ended: Vec<Key> = next
                .entries
                .values()
                .filter(|(version, put)| new.manifest.leaves_out(*version, put.expiration))
                .map(|(_, put)| put.key.clone())
                .collect();
            for key in &ended {
                next.entries.remove(key);
            }
        }
        self.swap(next).await;
        Ok(self.state())
    }

    async fn changed(&self) {
        self.changed.notified().await;
    }
}

/// A world with one committer and one who tends it.
pub(super) struct World {
    pub(super) store: Simulated,
    pub(super) committer: Arc<Committer>,
    pub(super) clock: Arc<VirtualClock>,
    pub(super) random: Arc<Random>,
}

impl World {
    pub(super) async fn new(seed: u64) -> Self {
        let store = Simulated::new(seed);
        let random = Arc::new(Random::seeded(seed));
        let committer = Committer::new(&store, &random).await;
        let clock = Arc::new(VirtualClock::starting_at(UnixMillis(1_000_000_000)));
        Self { store, committer, clock, random }
    }

    /// As a replica whose connection is its own.
    pub(super) fn upkeep(&self) -> Upkeep {
        let workshop = Workshop { store: Arc::new(self.store.client()), ..self.committer.workshop.clone() };
        let clock: Arc<dyn Clock> = Arc::<VirtualClock>::clone(&self.clock);
        let ground: Arc<dyn Ground> = Arc::<Committer>::clone(&self.committer);
        Upkeep::new(ground, workshop, clock, GRACE)
    }

    pub(super) async fn put(&self, key: u64, length: u64, expiration: Option<Expiration>) -> Record {
        let value = Bytes::from(vec![b'v'; length as usize]);
        let shelved = shelve(&self.committer.workshop, value.into()).await.unwrap();
        Record::Put(Put {
            key: Key::new(&format!("key-{key:06}")).unwrap(),
            value: shelved.value,
            metadata: None,
            expiration,
            declared: false,
        })
    }

    /// What another replica would read, and every name that it would need.
    pub(super) async fn load(&self) -> (BTreeMap<Key, (u64, Put)>, BTreeSet<ObjectName>) {
        let store: Arc<dyn ObjectStore> = Arc::new(self.store.client());
        let namespace = &self.committer.workshop.drafter.namespace;
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
    pub(super) async fn catch_up(&self, old: &State) -> BTreeMap<Key, (u64, Put)> {
        let State { root, manifest, .. } = &*self.committer.state();
        let loader = self.committer.workshop.loader();
        let mut entries: BTreeMap<_, _> = old.entries.clone().into_iter().collect();
        let mut have = old.root.version;
        if have < manifest.checkpoint {
            have = manifest.checkpoint;
            let held = std::mem::take(&mut entries);
            let mut wanted = Vec::new();
            for source in sources(Some(&*old.manifest), manifest) {
                match source {
                    Source::Page(page, until) => wanted.push((page, until)),
                    Source::Memory { from, until } => entries.extend(
                        held.iter()
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

    pub(super) fn present(&self) -> BTreeSet<ObjectName> {
        self.store.world().objects().iter().map(|object| object.meta.name.clone()).collect()
    }

    pub(super) fn memory(&self) -> BTreeMap<Key, (u64, Put)> {
        self.committer.state().entries.clone().into_iter().collect()
    }

    pub(super) async fn assert_whole(&self) {
        let (entries, names) = self.load().await;
        assert_eq!(entries, self.memory());
        let present = self.present();
        let lost: Vec<_> = names.difference(&present).collect();
        assert!(lost.is_empty(), "the root reaches what is gone: {lost:?}");
    }
}
