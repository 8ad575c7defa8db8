//! Clients that put without end, and what came of it.

use std::{
    fmt,
    sync::{
        Arc, Mutex,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use nearkv_tests::Kv;
use rand::{RngExt, SeedableRng, rngs::StdRng};
use tokio::{
    task::JoinSet,
    time::{Instant, MissedTickBehavior, interval, sleep},
};

/// Keys that are written at random.
const KEYS: u32 = 10_000;
/// Pause of a client that was refused, where the refusal does not say.
const PAUSE: Duration = Duration::from_millis(100);

/// What the clients of one operator do.
#[derive(Clone, Copy)]
pub(crate) struct Load {
    pub(crate) clients: u64,
    pub(crate) bytes: usize,
    /// Puts a second of all of them; 0 for as many as are taken.
    pub(crate) rate: u64,
}

/// The clients of all operators.
pub(crate) struct Writers {
    seen: Arc<Seen>,
    running: JoinSet<()>,
}

#[derive(Default)]
struct Seen {
    took: Mutex<Vec<Duration>>,
    paced: AtomicU64,
    full: AtomicU64,
    failed: AtomicU64,
}

/// What came of the puts of a minute.
pub(crate) struct Figures {
    took: Vec<Duration>,
    paced: u64,
    full: u64,
    failed: u64,
}

impl Writers {
    pub(crate) fn start(kvs: impl Iterator<Item = Kv>, load: Load) -> Self {
        let (seen, mut running) = (Arc::<Seen>::default(), JoinSet::new());
        for (operator, kv) in kvs.enumerate() {
            for client in 0..load.clients {
                let seed = operator as u64 * load.clients + client;
                running.spawn(write(kv.clone(), load, StdRng::seed_from_u64(seed), Arc::clone(&seen)));
            }
        }
        Self { seen, running }
    }

    /// Since the last call.
    pub(crate) fn take_figures(&self) -> Figures {
        let took = self.seen.took.lock().map(|mut took| std::mem::take(&mut *took)).unwrap_or_default();
        let take = |count: &AtomicU64| count.swap(0, Ordering::Relaxed);
        Figures {
            took,
            paced: take(&self.seen.paced),
            full: take(&self.seen.full),
            failed: take(&self.seen.failed),
        }
    }

    pub(crate) async fn stop(mut self) {
        self.running.shutdown().await;
    }
}

async fn write(kv: Kv, load: Load, mut random: StdRng, seen: Arc<Seen>) {
    let pause = match load.rate {
        0 => Duration::from_nanos(1),
        rate => Duration::from_secs_f64(load.clients as f64 / rate as f64),
    };
    sleep(pause.mul_f64(random.random())).await;
    let mut ticks = interval(pause);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        if load.rate > 0 {
            ticks.tick().await;
        }
        let value: Vec<u8> = (0..load.bytes).map(|_| random.random_range(b' '..b'~')).collect();
        let (key, sent) = (format!("key-{}", random.random_range(0..KEYS)), Instant::now());
        let status = kv.put(&key, value).await.map(|answer| answer.status.as_u16());
        match status {
            Ok(200) => {
                if let Ok(mut took) = seen.took.lock() {
                    took.push(sent.elapsed());
                }
                continue;
            }
            Ok(429) => seen.paced.fetch_add(1, Ordering::Relaxed),
            Ok(413) => seen.full.fetch_add(1, Ordering::Relaxed),
            _ => seen.failed.fetch_add(1, Ordering::Relaxed),
        };
        sleep(PAUSE).await;
    }
}

impl fmt::Display for Figures {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { took, paced, full, failed } = self;
        let mut took: Vec<f64> = took.iter().map(|took| took.as_secs_f64() * 1000.0).collect();
        took.sort_by(f64::total_cmp);
        let at = |share: f64| took.get((took.len() as f64 * share) as usize).copied().unwrap_or_default();
        write!(
            f,
            "{:.0} puts/s, p50 {:.0} ms, p99 {:.0} ms; refused by the pace {paced}, by the budget {full}, failed {failed}",
            took.len() as f64 / 60.0,
            at(0.5),
            at(0.99),
        )
    }
}
