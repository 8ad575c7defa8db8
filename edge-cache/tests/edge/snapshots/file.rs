//! The file itself: whose it is, what of it fits, and when it is not used.

use super::*;

#[tokio::test(start_paused = true)]
async fn a_smaller_cache_loads_what_it_has_room_for() {
    let world = World::new();
    let edge = world.edge().await;
    for n in 0..100 {
        edge.put(&format!("k{n}"), Bytes::from(vec![b'v'; 1000])).await.unwrap();
    }
    world.end(edge).await;
    let edge = world.edge_with(&Settings { cache_bytes: 20_000 }).await;
    told(&edge, "nearkv_edge_snapshot_loaded_entries 13");
    told(&edge, "nearkv_edge_cache_entries 13");
}

#[tokio::test(start_paused = true)]
async fn a_snapshot_is_its_owners_and_takes_its_name_when_it_is_whole() {
    let world = World::new();
    let edge = world.edge().await;
    edge.get("k").await;
    world.end(edge.clone()).await;
    assert_eq!(fs::metadata(world.file()).unwrap().permissions().mode() & 0o777, 0o600);
    let names = |folder: &Path| {
        fs::read_dir(folder).unwrap().map(|file| file.unwrap().file_name()).collect::<Vec<_>>()
    };
    assert_eq!(names(world.folder.path()), ["edge.final.snapshot"]);
    told(&edge, "nearkv_edge_snapshot_entries 1");
    told(&edge, &format!("nearkv_edge_snapshot_size_bytes {}", fs::metadata(world.file()).unwrap().len()));
    told(&edge, &format!("nearkv_edge_snapshot_saved_timestamp_seconds {}", START.seconds()));

    // A folder that cannot be written is told, and the edge goes on.
    let nowhere = Snapshots::new(world.file().join("below a file"), world.clock.clone());
    nowhere.save_final(&edge.0).await;
    told(&edge, r#"nearkv_edge_snapshot_saves_total{outcome="failed"} 1"#);
    assert_eq!(edge.get("k").await.says(), "old HIT");
}

#[tokio::test(start_paused = true)]
async fn a_file_that_is_cut_off_anywhere_or_has_any_bit_flipped_is_not_loaded() {
    let world = World::new();
    let edge = world.edge().await;
    edge.get("k").await;
    edge.get("none").await;
    world.end(edge).await;
    let whole = fs::read(world.file()).unwrap();
    assert!(whole.len() < 400, "small enough to try everything: {}", whole.len());
    let with = async |bytes: &[u8]| {
        fs::write(world.file(), bytes).unwrap();
        world.edge().await
    };
    for end in 0..whole.len() {
        is_empty(&with(&whole[..end]).await, "damaged");
    }
    for bit in 0..whole.len() * 8 {
        let mut bytes = whole.clone();
        bytes[bit / 8] ^= 1 << (bit % 8);
        let outcome = match bit / 8 {
            0..16 => "foreign",
            16..20 => "other-format",
            _ => "damaged",
        };
        is_empty(&with(&bytes).await, outcome);
    }
    is_empty(&with(&[&whole[..], b"more"].concat()).await, "damaged");
    is_empty(&with(b"this is somebody else's file").await, "foreign");
    told(&with(&whole).await, "nearkv_edge_snapshot_loaded_entries 2");
}

#[tokio::test(start_paused = true)]
async fn a_snapshot_from_ahead_of_the_clock_is_not_loaded() {
    let world = World::new();
    let edge = world.edge().await;
    edge.get("k").await;
    world.end(edge).await;
    world.clock.set_skew_ms(-1);
    assert!(world.clock.now() < START);
    is_empty(&world.edge().await, "from-the-future");
}
