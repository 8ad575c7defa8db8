//! Upkeep over a simulated store, with the smallest committer that keeps the rules: what the root reaches is
//! always there and says the same as memory, and nothing else stays.

mod committer;
mod stages;
mod world;

use std::sync::Arc;

use nearkv::{Expiration, Key, VirtualClock};
use tokio::time::sleep;

use super::*;
use crate::{
    format::Record,
    limits::budget::{Budget, Purpose},
    parts::{
        loader::{Source, sources},
        pages::LostPages,
    },
    store::{ObjectName, ObjectStore, simulated::Faults},
};

use self::committer::Committer;
use self::committer::State;
use self::world::*;

#[tokio::test(start_paused = true)]
async fn the_collector_never_deletes_what_the_root_reaches_and_leaves_nothing_else() {
    for seed in 0..40 {
        println!("seed {seed}");
        let world = World::new(seed).await;
        let random = &world.random;
        let (_maintainer, is_maintainer) = watch::channel(true);
        let shutdown = CancellationToken::new();
        let upkeep = world.upkeep();
        let _inventory = world.take_inventory();
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
                let (_, draft) =
                    world.committer.part_writer.segment(1, 1, "{\"delete\":\"x\"}\n".into(), None);
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
        sleep(GRACE * 2 + GRACE / ROUNDS_PER_GRACE * 2).await;
        world.assert_whole().await;
        let (_, names) = world.load().await;
        assert_eq!(world.present(), names, "garbage is left");
        let usage = world.committer.part_writer.budget.used(&"a/b".parse().unwrap());
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
                let sources = sources(Some(&**old_manifest), manifest, &|_, _| true);
                reused += sources.iter().filter(|source| matches!(source, Source::Memory { .. })).count();
                fetched += sources.iter().filter(|source| matches!(source, Source::Page(..))).count();
                assert_same(&world.catch_up(old).await, &memory);
            }
        }
        assert!(reused > 20 && fetched > 100, "{reused} pages reused and {fetched} fetched");
    }
}

#[tokio::test(start_paused = true)]
async fn a_replica_that_is_not_the_maintainer_learns_what_others_have_deleted() {
    let world = World::new(9).await;
    let budget = Arc::new(Budget::default());
    let namespace = world.committer.part_writer.drafter.namespace.clone();
    let mut upkeep = world.upkeep();
    upkeep.part_writer.budget = Arc::clone(&budget);
    let (_maintainer, is_maintainer) = watch::channel(false);
    let shutdown = CancellationToken::new();
    let tending = tokio::spawn(upkeep.run(is_maintainer, shutdown.clone()));
    budget.charge(&namespace, Purpose::Write, 1_000_000, 10_000).unwrap();
    let listing = Listing { charged: budget.charges()[&namespace], ..world.listing() };
    world.committer.listings.put(Arc::new(listing));
    // The inventory may have been taken before this was written.
    budget.charge(&namespace, Purpose::Write, 1000, 3).unwrap();
    sleep(GRACE).await;
    assert_eq!(budget.used(&namespace).objects, 1 + 3, "the root, and what was charged since");
    let listing = Listing { charged: budget.charges()[&namespace], ..world.listing() };
    world.committer.listings.put(Arc::new(listing));
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
        let part_writer = PartWriter { store: Arc::new(client), ..world.committer.part_writer.clone() };
        let clock: Arc<dyn Clock> = Arc::<VirtualClock>::clone(&world.clock);
        let host: Arc<dyn Host> = Arc::<Committer>::clone(&world.committer);
        let upkeep = Upkeep::new(host, part_writer, clock, GRACE);
        let (_maintainer, is_maintainer) = watch::channel(true);
        let shutdown = CancellationToken::new();
        let _inventory = world.take_inventory();
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

#[tokio::test(start_paused = true)]
async fn upkeep_that_meets_a_damaged_segment_says_so_waits_before_it_tries_again_and_goes_on_collecting() {
    let world = World::new(10).await;
    while world.committer.state().root.segments.len() <= fold::FOLD_SEGMENTS {
        let records = vec![world.put(1, 3500, None).await; 4];
        world.committer.commit(records).await;
    }
    let segment = world.committer.state().root.segments[0].segment.clone();
    let segment = ObjectName::new("a", &segment);
    world.store.world().tamper(&segment, |object| {
        object.content.text.values_mut().for_each(|text| text.push('x'));
    });
    let (_, garbage) = world.committer.part_writer.segment(1, 1, "{\"delete\":\"x\"}\n".into(), None);
    world.store.create(&garbage).await.unwrap();
    let client = world.store.client();
    let mut upkeep = world.upkeep();
    upkeep.part_writer.store = Arc::new(client.clone());
    let (_maintainer, is_maintainer) = watch::channel(true);
    let shutdown = CancellationToken::new();
    let _inventory = world.take_inventory();
    let tending = tokio::spawn(upkeep.run(is_maintainer, shutdown.clone()));
    sleep(GRACE * 2).await;
    shutdown.cancel();
    tending.await.unwrap();
    assert_eq!(*world.committer.doubted.lock(), [segment].into());
    assert!(!world.present().contains(&garbage.name), "garbage is left");
    let most = GRACE.as_secs() * 2 / PAUSE_AFTER_FAILURE.as_secs() * fold::FOLD_SEGMENTS as u64;
    assert!(client.counters().reads <= most * 2, "{} reads", client.counters().reads);
}

/// t0: the collector looks, and a root names the segment. t1: two graces later a checkpoint drops it. The grace of its readers
/// counts from the first look after that.
#[tokio::test(start_paused = true)]
async fn a_part_that_a_checkpoint_drops_has_its_whole_grace_however_old_it_is() {
    let world = World::new(12).await;
    let mut upkeep = world.upkeep();
    while world.committer.state().root.segments.is_empty() {
        world.committer.commit(vec![world.put(1, 3500, None).await; 4]).await;
    }
    let segment = world.committer.state().root.segments[0].segment.clone();
    let segment = ObjectName::new("a", &segment);
    upkeep.collect(&world.listing(), true).await.unwrap();
    sleep(GRACE * 2).await;
    let writing =
        checkpoint::plan(world.committer.state(), Arc::default(), LostPages::new(), world.clock.now());
    let mut writing = writing.await.unwrap();
    while writing.write_some(&upkeep.part_writer).await.unwrap() {}
    let state = world.committer.state();
    let amendment = writing.finish(&upkeep.part_writer, &state.root, &state.manifest).await.unwrap().unwrap();
    world.committer.amend(amendment).await.map(drop).unwrap();
    assert_eq!(upkeep.collect(&world.listing(), true).await.unwrap(), Collected::default());
    assert!(world.present().contains(&segment), "a reader of the state before may still want it");
    sleep(GRACE).await;
    upkeep.collect(&world.listing(), true).await.unwrap();
    assert!(!world.present().contains(&segment));
}

/// The aim of design §6: at most 150 API writes per 1000 puts with 32 clients, all upkeep included.
#[tokio::test(start_paused = true)]
async fn a_thousand_puts_by_32_clients_cost_at_most_150_writes() {
    let world = World::new(1).await;
    const KEYS: u64 = 20_000;
    let tended = world.store.client();
    let part_writer = PartWriter { store: Arc::new(tended.clone()), ..world.committer.part_writer.clone() };
    let clock: Arc<dyn Clock> = Arc::<VirtualClock>::clone(&world.clock);
    let host: Arc<dyn Host> = Arc::<Committer>::clone(&world.committer);
    let mut upkeep = Upkeep::new(host, part_writer, clock, GRACE);
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
    let (mut puts, mut done, mut collected) = (0, Tended::default(), 0);
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
            collected += upkeep.collect(&world.listing(), true).await.unwrap().objects;
        }
    }
    for _ in 0..=ROUNDS_PER_GRACE {
        sleep(GRACE / ROUNDS_PER_GRACE).await;
        collected += upkeep.collect(&world.listing(), true).await.unwrap().objects;
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
    let snapshot: Arc<dyn View> = world.committer.state();
    let plan = |now| {
        let (snapshot, lost) = (Arc::clone(&snapshot), LostPages::new());
        checkpoint::plan(snapshot, Arc::default(), lost, now)
    };
    let (mut first, mut second) =
        (plan(world.clock.now()).await.unwrap(), plan(world.clock.now()).await.unwrap());
    while first.write_some(&upkeep.part_writer).await.unwrap() {
        world.committer.commit(vec![world.put(1, 400, None).await]).await;
        upkeep.fold(true).await.unwrap();
    }
    world.committer.commit(vec![world.put(2, 400, None).await]).await;
    let state = world.committer.state();
    let amendment = first.finish(&upkeep.part_writer, &state.root, &state.manifest).await.unwrap().unwrap();
    world.committer.commit(vec![world.put(3, 400, None).await]).await;
    world.committer.amend(amendment).await.map(drop).unwrap();
    world.assert_whole().await;
    assert_eq!(world.committer.state().manifest.checkpoint, snapshot.root().version);
    while second.write_some(&upkeep.part_writer).await.unwrap() {}
    let state = world.committer.state();
    let late = second.finish(&upkeep.part_writer, &state.root, &state.manifest).await.unwrap();
    assert_eq!(late, None, "another checkpoint has come first");
}
