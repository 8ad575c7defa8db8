//! Upkeep over a simulated store, with the smallest committer that keeps the rules: what the root reaches is
//! always there and says the same as memory, and nothing else stays.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use bytes::Bytes;
use imbl::OrdMap;
use nearkv::{Expiration, Incarnation, Key, Random, UnixMillis, VirtualClock};
use parking_lot::Mutex;
use tokio::{sync::Notify, time::sleep};

use super::*;
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
    store::{
        ObjectName, ObjectStore, Token,
        simulated::{Faults, Simulated},
    },
};

const GRACE: Duration = Duration::from_secs(40);
/// As the engine's: a larger root spills its records into a segment.
const INLINE_ROOT_BYTES: usize = 12 * 1024;

#[derive(Clone)]
struct State {
    root: Root,
    token: Token,
    entries: OrdMap<Key, (u64, Put)>,
    manifest: Arc<Manifest>,
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
struct Committer {
    workshop: Workshop,
    state: Mutex<Arc<State>>,
    swapping: tokio::sync::Mutex<()>,
    changed: Notify,
    trusted: Mutex<bool>,
}

impl Committer {
    async fn new(store: &Simulated, random: &Arc<Random>) -> Arc<Self> {
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

    fn state(&self) -> Arc<State> {
        Arc::clone(&self.state.lock())
    }

    async fn commit(&self, records: Vec<Record>) {
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

    async fn spill(&self, root: &mut Root) {
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

    async fn swap(&self, mut next: State) {
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
struct World {
    store: Simulated,
    committer: Arc<Committer>,
    clock: Arc<VirtualClock>,
    random: Arc<Random>,
}

impl World {
    async fn new(seed: u64) -> Self {
        let store = Simulated::new(seed);
        let random = Arc::new(Random::seeded(seed));
        let committer = Committer::new(&store, &random).await;
        let clock = Arc::new(VirtualClock::starting_at(UnixMillis(1_000_000_000)));
        Self { store, committer, clock, random }
    }

    /// As a replica whose connection is its own.
    fn upkeep(&self) -> Upkeep {
        let workshop = Workshop { store: Arc::new(self.store.client()), ..self.committer.workshop.clone() };
        let clock: Arc<dyn Clock> = Arc::<VirtualClock>::clone(&self.clock);
        let ground: Arc<dyn Ground> = Arc::<Committer>::clone(&self.committer);
        Upkeep::new(ground, workshop, clock, GRACE)
    }

    async fn put(&self, key: u64, length: u64, expiration: Option<Expiration>) -> Record {
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
    async fn load(&self) -> (BTreeMap<Key, (u64, Put)>, BTreeSet<ObjectName>) {
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
    async fn catch_up(&self, old: &State) -> BTreeMap<Key, (u64, Put)> {
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

    fn present(&self) -> BTreeSet<ObjectName> {
        self.store.world().objects().iter().map(|object| object.meta.name.clone()).collect()
    }

    fn memory(&self) -> BTreeMap<Key, (u64, Put)> {
        self.committer.state().entries.clone().into_iter().collect()
    }

    async fn assert_whole(&self) {
        let (entries, names) = self.load().await;
        assert_eq!(entries, self.memory());
        let present = self.present();
        let lost: Vec<_> = names.difference(&present).collect();
        assert!(lost.is_empty(), "the root reaches what is gone: {lost:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn the_collector_never_deletes_what_the_root_reaches_and_leaves_nothing_else() {
    for seed in 0..40 {
        println!("seed {seed}");
        let world = World::new(seed).await;
        let random = &world.random;
        let (_maintainer, is_maintainer) = watch::channel(true);
        let shutdown = CancellationToken::new();
        let upkeep = world.upkeep();
        let tending = tokio::spawn(upkeep.run(is_maintainer, shutdown.clone()));
        for step in 0..60 {
            let mut records = Vec::new();
            for _ in 0..=random.below(60) {
                let key = random.below(300);
                records.push(match random.below(10) {
                    0..3 => Record::Delete(Key::new(&format!("key-{key:06}")).unwrap()),
                    3 => world.put(key, 5000, None).await,
                    4 => {
                        let end = world.clock.now().seconds() + random.below(100);
                        world.put(key, 10, Some(Expiration(end))).await
                    }
                    _ => world.put(key, random.below(1000), None).await,
                });
            }
            if random.below(8) == 0 {
                // Garbage of a writer that died.
                let (_, draft) = world.committer.workshop.segment(1, 1, "{\"delete\":\"x\"}\n".into());
                world.store.create(&draft).await.unwrap();
            }
            // A write is held back for up to a third of the grace between its chunks and its commit.
            sleep(random.jitter(GRACE / 3)).await;
            world.committer.commit(records).await;
            *world.committer.trusted.lock() = random.below(10) > 0;
            if step % 10 == 0 {
                world.assert_whole().await;
            }
        }
        *world.committer.trusted.lock() = true;
        // Until what was left last has been seen, has ripened, and a further round has come.
        sleep(GRACE * 2 + COLLECT_EVERY.min(GRACE / ROUNDS_PER_GRACE) * 2).await;
        world.assert_whole().await;
        let (_, names) = world.load().await;
        assert_eq!(world.present(), names, "garbage is left");
        let usage = world.committer.workshop.budget.used(&"a/b".parse().unwrap());
        assert_eq!(usage.objects, names.len() as u64);
        shutdown.cancel();
        tending.await.unwrap();
    }
}

#[tokio::test(start_paused = true)]
async fn a_replica_that_was_away_fetches_the_changed_pages_and_has_the_same_state() {
    for seed in 0..8 {
        println!("seed {seed}");
        let world = World::new(seed).await;
        let random = &world.random;
        let mut upkeep = world.upkeep();
        let mut away: Vec<Arc<State>> = Vec::new();
        let (mut reused, mut fetched) = (0, 0);
        for step in 0..80 {
            // Each step writes or empties a region, so that some pages change and others stay.
            let region = random.below(10) * 200;
            let empties = random.below(4) == 0;
            let mut records = Vec::new();
            for offset in 0..if empties { 200 } else { random.below(100) } {
                let key = region + if empties { offset } else { random.below(200) };
                if empties {
                    records.push(Record::Delete(Key::new(&format!("key-{key:06}")).unwrap()));
                } else {
                    let end = (random.below(6) == 0)
                        .then(|| Expiration(world.clock.now().seconds() + random.below(2000)));
                    records.push(world.put(key, random.below(2000), end).await);
                }
            }
            world.committer.commit(records).await;
            sleep(random.jitter(Duration::from_secs(200))).await;
            upkeep.tend(true).await.unwrap();
            if step % 7 == 0 {
                away.push(world.committer.state());
            }
            let memory = world.memory();
            for old in away.iter().filter(|_| step % 5 == 0) {
                let (old_manifest, manifest) = (&old.manifest, &world.committer.state().manifest);
                let sources = sources(Some(&**old_manifest), manifest);
                reused += sources.iter().filter(|source| matches!(source, Source::Memory { .. })).count();
                fetched += sources.iter().filter(|source| matches!(source, Source::Page(..))).count();
                assert_eq!(world.catch_up(old).await, memory);
            }
        }
        assert!(reused > 20 && fetched > 100, "{reused} pages reused and {fetched} fetched");
    }
}

#[tokio::test(start_paused = true)]
async fn a_replica_that_is_not_the_maintainer_learns_what_others_have_deleted() {
    let world = World::new(9).await;
    let budget = Arc::new(Budget::default());
    let namespace = world.committer.workshop.drafter.namespace.clone();
    let mut upkeep = world.upkeep();
    upkeep.workshop.budget = Arc::clone(&budget);
    let (_maintainer, is_maintainer) = watch::channel(false);
    let shutdown = CancellationToken::new();
    let tending = tokio::spawn(upkeep.run(is_maintainer, shutdown.clone()));
    budget.charge(&namespace, 1_000_000, 10_000).unwrap();
    sleep(GRACE).await;
    assert_eq!(budget.used(&namespace).objects, 1, "there is only the root");
    shutdown.cancel();
    tending.await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn upkeep_gets_through_a_store_that_fails_now_and_then() {
    for seed in 0..20 {
        println!("seed {seed}");
        let world = World::new(seed).await;
        let client = world.store.client();
        client.set_faults(Faults::MANY);
        let workshop = Workshop { store: Arc::new(client), ..world.committer.workshop.clone() };
        let clock: Arc<dyn Clock> = Arc::<VirtualClock>::clone(&world.clock);
        let ground: Arc<dyn Ground> = Arc::<Committer>::clone(&world.committer);
        let upkeep = Upkeep::new(ground, workshop, clock, GRACE);
        let (_maintainer, is_maintainer) = watch::channel(true);
        let shutdown = CancellationToken::new();
        let tending = tokio::spawn(upkeep.run(is_maintainer, shutdown.clone()));
        for _ in 0..150 {
            let mut records = Vec::new();
            for _ in 0..30 {
                records.push(world.put(world.random.below(2000), 300, None).await);
            }
            sleep(world.random.jitter(Duration::from_secs(1))).await;
            world.committer.commit(records).await;
        }
        sleep(GRACE * 5).await;
        world.assert_whole().await;
        let state = world.committer.state();
        assert!(state.root.segments.len() <= fold::FOLD_SEGMENTS, "{}", state.root.segments.len());
        assert!(state.manifest.checkpoint > 0);
        shutdown.cancel();
        tending.await.unwrap();
    }
}

/// The aim of design §6: at most 150 API writes per 1000 puts with 32 clients, all upkeep included.
#[tokio::test(start_paused = true)]
async fn a_thousand_puts_by_32_clients_cost_at_most_150_writes() {
    let world = World::new(1).await;
    const KEYS: u64 = 20_000;
    let tended = world.store.client();
    let workshop = Workshop { store: Arc::new(tended.clone()), ..world.committer.workshop.clone() };
    let clock: Arc<dyn Clock> = Arc::<VirtualClock>::clone(&world.clock);
    let ground: Arc<dyn Ground> = Arc::<Committer>::clone(&world.committer);
    let mut upkeep = Upkeep::new(ground, workshop, clock, GRACE);
    let mut keys = 0;
    while keys < KEYS {
        let mut records = Vec::new();
        for _ in 0..1000 {
            records.push(world.put(keys, 288, None).await);
            keys += 1;
        }
        world.committer.commit(records).await;
        upkeep.tend(true).await.unwrap();
    }
    let writes = || world.store.counters().writes + tended.counters().writes;
    let bytes = || world.store.counters().bytes_written + tended.counters().bytes_written;
    let (before, bytes_before) = (writes(), bytes());
    let (mut puts, mut done, mut collected) = (0, Done::default(), 0);
    while done.checkpoints < 3 {
        let mut records = Vec::new();
        for _ in 0..32 {
            records.push(world.put(world.random.below(KEYS), 288, None).await);
        }
        puts += 32;
        world.committer.commit(records).await;
        let step = upkeep.tend(true).await.unwrap();
        done.folds += step.folds;
        done.checkpoints += step.checkpoints;
        if puts % 3200 == 0 {
            sleep(GRACE / ROUNDS_PER_GRACE).await;
            collected += upkeep.collect().await.unwrap().objects;
        }
    }
    for _ in 0..=ROUNDS_PER_GRACE {
        sleep(GRACE / ROUNDS_PER_GRACE).await;
        collected += upkeep.collect().await.unwrap().objects;
    }
    let per_thousand = (writes() - before) * 1000 / puts;
    let amplification = (bytes() - bytes_before) as f64 / (puts * 288) as f64;
    println!(
        "{puts} puts, {} folds, {} checkpoints, {collected} objects collected: {per_thousand} writes per 1000 \
         puts, {amplification:.2} bytes per byte of user data",
        done.folds, done.checkpoints
    );
    world.assert_whole().await;
    assert!(per_thousand <= 150, "{per_thousand} writes per 1000 puts");
}

#[tokio::test(start_paused = true)]
async fn a_checkpoint_does_not_hold_up_commits_and_gives_way_to_another() {
    let world = World::new(3).await;
    let mut upkeep = world.upkeep();
    for batch in 0..40 {
        let mut records = Vec::new();
        for key in 0..50 {
            records.push(world.put(batch * 50 + key, 300, None).await);
        }
        world.committer.commit(records).await;
    }
    let snapshot: Arc<dyn Snapshot> = world.committer.state();
    let plan = |now| checkpoint::plan(&upkeep.workshop, Arc::clone(&snapshot), Arc::default(), now);
    let (mut first, mut second) =
        (plan(world.clock.now()).await.unwrap(), plan(world.clock.now()).await.unwrap());
    while first.write_some(&upkeep.workshop).await.unwrap() {
        world.committer.commit(vec![world.put(1, 400, None).await]).await;
        upkeep.fold(true).await.unwrap();
    }
    world.committer.commit(vec![world.put(2, 400, None).await]).await;
    let state = world.committer.state();
    let amendment = first.finish(&upkeep.workshop, &state.root, &state.manifest).await.unwrap().unwrap();
    world.committer.commit(vec![world.put(3, 400, None).await]).await;
    world.committer.amend(amendment).await.map(drop).unwrap();
    world.assert_whole().await;
    assert_eq!(world.committer.state().manifest.checkpoint, snapshot.root().version);
    while second.write_some(&upkeep.workshop).await.unwrap() {}
    let state = world.committer.state();
    let late = second.finish(&upkeep.workshop, &state.root, &state.manifest).await.unwrap();
    assert_eq!(late, None, "another checkpoint has come first");
}
