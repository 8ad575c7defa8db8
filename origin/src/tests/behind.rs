//! A replica that was away while a checkpoint was made: it keeps what has not changed, fetches the other pages, and has
//! the same state as the others.

use std::time::Duration;

use futures::{StreamExt, stream};
use nearkv::{Kv, Mutation, PutOptions, Value};
use tokio::time::sleep;

use crate::{
    format::{ManifestRef, Part, checked_lines},
    store::{
        ObjectName,
        simulated::{Link, Simulated},
    },
    tests::rig::{Process, key, root, settings},
};

/// Long enough for a replica to hear of a root and to read it.
const HEARD: Duration = Duration::from_secs(5);

fn name(n: u64) -> String {
    format!("key-{n:04}")
}

async fn write(process: &Process, keys: std::ops::Range<u64>) {
    let put = |n| {
        let value = Value::Bytes("v".repeat(300).into());
        Ok(Mutation::Put { key: key(&name(n)), value, options: PutOptions::default() })
    };
    process.origin.write_many(&settings(), stream::iter(keys).map(put).boxed()).await.unwrap();
}

/// The version of the last checkpoint.
fn checkpoint(store: &Simulated) -> u64 {
    let Some(ManifestRef { manifest, sha256 }) = root(store).manifest else { return 0 };
    let object = store.world().object(&ObjectName::new(settings().account(), &manifest)).unwrap();
    let lines = checked_lines(Part::Manifest, &object.content, sha256).unwrap();
    let header: serde_json::Value = serde_json::from_str(lines.lines().next().unwrap()).unwrap();
    header["checkpoint"].as_u64().unwrap()
}

/// A key that was put and deleted between two checkpoints changes neither the number of a page's entries nor any of their
/// versions: the page stays, and who saw the key in between must not keep it.
#[tokio::test(start_paused = true)]
async fn what_was_put_and_deleted_between_two_checkpoints_does_not_come_back_in_a_replica_that_missed_the_deletion()
 {
    let store = Simulated::new(1);
    let (a, b) = (Process::start(&store, 1).await, Process::start(&store.client(), 2).await);
    a.origin.set_maintainer(true);
    write(&a, 0..2000).await;
    sleep(HEARD).await;
    a.put("key-1500-lived-shortly", "x").await.unwrap();
    sleep(HEARD).await;
    assert_eq!(b.get("key-1500-lived-shortly").await.unwrap().as_deref(), Some("x"));

    b.store.set_link(Link::Frozen);
    let deletion = a.delete("key-1500-lived-shortly").await.unwrap();
    while checkpoint(&store) < deletion.number {
        // Other pages than that of the key.
        write(&a, 0..500).await;
        sleep(HEARD).await;
    }
    b.store.set_link(Link::Up);
    sleep(HEARD * 4).await;
    assert_eq!(b.get("key-1500-lived-shortly").await.unwrap(), None);
    assert_eq!(b.keys().await, a.keys().await);
    a.stop().await;
    b.stop().await;
}
