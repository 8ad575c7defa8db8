//! The conformance cases of every `Kv`, over the origin on each store that needs no cluster.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering},
    },
    time::Duration,
};

use async_trait::async_trait;
use nearkv::{
    Kv, Namespace, UnixMillis,
    testing::{Harness, conformance},
};
use tokio::time::sleep;

use crate::{
    InitialState, NamespaceConfig, Settings,
    store::simulated::Simulated,
    tests::rig::{Process, config},
};

struct OnSimulated {
    process: Process,
    count: AtomicU32,
}

#[async_trait]
impl Harness for OnSimulated {
    fn kv(&self) -> Arc<dyn Kv> {
        Arc::<crate::Origin>::clone(&self.process.origin)
    }

    async fn fresh(&self) -> Namespace {
        let count = self.count.fetch_add(1, Ordering::Relaxed);
        let namespace = Namespace::new("conformance", &format!("case-{count}")).unwrap();
        let config = NamespaceConfig { namespace: namespace.clone(), ..config(&format!("u{count}")) };
        self.process.origin.configure(config);
        self.process.origin.initialise(&namespace, InitialState::New).await.unwrap();
        namespace
    }

    fn now(&self) -> UnixMillis {
        nearkv::Clock::now(&*self.process.store.world().clock())
    }

    async fn advance(&self, by: Duration) -> bool {
        sleep(by).await;
        true
    }
}

#[tokio::test(start_paused = true)]
async fn the_origin_on_the_simulated_store_is_a_workers_kv() {
    let store = Simulated::new(1);
    let settings = Settings { pacing: None, ..Settings::default() };
    let harness = OnSimulated { process: Process::idle(&store, 1, settings), count: AtomicU32::new(0) };
    let harness: Arc<dyn Harness> = Arc::new(harness);
    if let Err(failed) = conformance::run_all(&harness).await {
        panic!("{failed}");
    }
}
