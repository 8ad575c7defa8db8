//! A checkpoint that is named in part before all its pages are written: at any such moment the root reaches the same state
//! as without it, for who starts anew and for who has an older state in memory.

use std::collections::BTreeMap;

use super::*;
use crate::parts::pages::LostPages;

/// Entries of about a KiB each: some fifty pages.
const KEYS: u64 = 2500;

async fn write(world: &World, keys: std::ops::Range<u64>) {
    for start in keys.clone().step_by(100) {
        let mut records = Vec::new();
        for key in start..keys.end.min(start + 100) {
            records.push(world.put(key, 1000, None).await);
        }
        world.committer.commit(records).await;
    }
}

async fn begin(world: &World) -> Writing {
    let state = world.committer.state();
    let manifest = Arc::clone(&state.manifest);
    let lost = LostPages::new();
    checkpoint::plan(state, manifest, lost, world.clock.now()).await.unwrap()
}

async fn end(world: &World, upkeep: &mut Upkeep, mut writing: Writing) -> u64 {
    while writing.write_some(&upkeep.part_writer).await.unwrap() {}
    let state = world.committer.state();
    match writing.finish(&upkeep.part_writer, &state.root, &state.manifest).await.unwrap() {
        Some(amendment) => upkeep.amend(amendment).await.unwrap(),
        None => 0,
    }
}

/// All keys, in pages.
async fn with_a_checkpoint(seed: u64) -> (World, Upkeep) {
    let world = World::new(seed).await;
    let mut upkeep = world.upkeep();
    write(&world, 0..KEYS).await;
    let writing = begin(&world).await;
    assert_eq!(end(&world, &mut upkeep, writing).await, 1);
    (world, upkeep)
}

/// The pages that the root names.
fn pages(world: &World) -> BTreeMap<String, u64> {
    let state = world.committer.state();
    state.manifest.pages.iter().map(|page| (page.page.clone(), page.version)).collect()
}

#[tokio::test(start_paused = true)]
async fn what_a_checkpoint_has_written_is_named_before_it_is_too_old_and_the_collector_leaves_it() {
    let (world, mut upkeep) = with_a_checkpoint(21).await;
    let old = pages(&world);
    let checkpoint = world.committer.state().manifest.checkpoint;
    write(&world, 0..KEYS).await;

    let mut writing = begin(&world).await;
    let version = world.committer.state().root.version;
    while pages(&world).values().filter(|of| **of == version).count() < old.len() / 2 {
        assert!(writing.write_some(&upkeep.part_writer).await.unwrap());
        upkeep.stage(&mut writing).await.unwrap();
        world.assert_whole().await;
        sleep(GRACE / 8).await;
        upkeep.collect(&world.listing(), true).await.unwrap();
    }
    assert_eq!(world.committer.state().manifest.checkpoint, checkpoint, "not before all pages are there");
    world.committer.commit(vec![world.put(KEYS / 4, 10, None).await]).await;
    assert!(writing.born().elapsed() < GRACE / 2);
    assert_eq!(end(&world, &mut upkeep, writing).await, 1);
    world.assert_whole().await;
    assert_eq!(world.committer.state().manifest.checkpoint, version);
    assert!(pages(&world).values().all(|of| *of == version));
}

#[tokio::test(start_paused = true)]
async fn a_checkpoint_given_up_half_way_leaves_pages_that_the_next_one_keeps() {
    let (world, mut upkeep) = with_a_checkpoint(22).await;
    write(&world, 0..KEYS).await;
    let version = world.committer.state().root.version;
    let mut writing = begin(&world).await;
    for _ in 0..12 {
        writing.write_some(&upkeep.part_writer).await.unwrap();
    }
    upkeep.stage(&mut writing).await.unwrap();
    drop(writing);
    let staged = pages(&world).values().filter(|of| **of == version).count();
    assert!(staged > 10, "{staged} pages");

    write(&world, KEYS - 100..KEYS).await;
    let writing = begin(&world).await;
    assert_eq!(end(&world, &mut upkeep, writing).await, 1);
    world.assert_whole().await;
    assert_eq!(pages(&world).values().filter(|of| **of == version).count(), staged);
}

#[tokio::test(start_paused = true)]
async fn whatever_is_written_while_checkpoints_come_in_stages_everybody_has_the_same_state() {
    for seed in 0..10 {
        println!("seed {seed}");
        let world = World::new(seed).await;
        let random = &world.random;
        let mut upkeep = world.upkeep();
        write(&world, 0..KEYS).await;
        let (mut away, mut stages, mut given_up) = (Vec::new(), 0, 0);
        // Of the last page, which hardly anything else changes.
        let mut short_lived = KEYS;
        for _ in 0..12 {
            let deletion = |key: u64| Record::Delete(Key::new(&format!("key-{key:06}")).unwrap());
            world.committer.commit(vec![deletion(short_lived)]).await;
            let mut writing = begin(&world).await;
            let gives_up = random.below(3) == 0;
            loop {
                let more = writing.write_some(&upkeep.part_writer).await.unwrap();
                let region = random.below(KEYS - 200);
                let mut records = vec![deletion(short_lived), world.put(short_lived + 1, 100, None).await];
                short_lived += 1;
                for _ in 0..random.below(30) {
                    let key = region + random.below(50);
                    records.push(match random.below(4) {
                        0 => deletion(key),
                        1 => world.put(key, 1000, Some(Expiration(world.clock.now().seconds() + 5))).await,
                        _ => world.put(key, random.below(1500), None).await,
                    });
                }
                world.committer.commit(records).await;
                if random.below(10) == 0 {
                    away.push(world.committer.state());
                }
                sleep(random.jitter(Duration::from_secs(60))).await;
                if !more || gives_up && random.below(20) == 0 {
                    break;
                }
                upkeep.fold(true).await.unwrap();
                if random.below(4) == 0 {
                    let before = pages(&world);
                    upkeep.stage(&mut writing).await.unwrap();
                    stages += u64::from(pages(&world) != before);
                    world.assert_whole().await;
                }
            }
            if gives_up {
                given_up += 1;
            } else {
                end(&world, &mut upkeep, writing).await;
            }
            world.assert_whole().await;
            let memory = world.memory();
            for old in &away {
                assert_same(&world.catch_up(old).await, &memory);
            }
        }
        assert!(stages > 5 && given_up > 0, "{stages} stages, {given_up} given up");
    }
}

#[tokio::test(start_paused = true)]
async fn the_collector_has_its_rounds_while_a_checkpoint_is_written_that_takes_long() {
    let world = World::new(23).await;
    write(&world, 0..KEYS).await;
    let (_, garbage) = world.committer.part_writer.segment(1, 1, "{\"delete\":\"x\"}\n".into(), None);
    world.store.create(&garbage).await.unwrap();
    let client = world.store.client();
    let slow = Duration::from_secs(4);
    client.set_faults(Faults { latency: slow..slow * 3 / 2, deadline: slow * 10, ..Faults::NONE });
    let mut upkeep = world.upkeep();
    upkeep.part_writer.store = Arc::new(client);
    let (_maintainer, is_maintainer) = watch::channel(true);
    let shutdown = CancellationToken::new();
    let _inventory = world.take_inventory();
    let tending = tokio::spawn(upkeep.run(is_maintainer, shutdown.clone()));
    sleep(GRACE * 4).await;
    assert_eq!(world.committer.state().manifest.checkpoint, 0, "it is still being written");
    assert!(!world.present().contains(&garbage.name), "what was garbage before it began is there");
    shutdown.cancel();
    tending.await.unwrap();
}
