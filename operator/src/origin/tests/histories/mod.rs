//! Random histories: several operator processes on a store where everything goes wrong now and then, checked
//! against the sequence of records that the store itself has seen. `NEARKV_SEEDS=2000` sets how many,
//! `NEARKV_SEED=7` runs one again.

mod clients;
mod ledger;

use std::{sync::Arc, time::Duration};

use nearkv::Random;
use parking_lot::Mutex;
use tokio::time::sleep;

use self::{
    clients::{Claim, Client},
    ledger::Ledger,
};
use super::rig::{Process, root, settings};
use crate::{
    origin::Settings,
    store::simulated::{Faults, Link, Simulated},
};

/// Short, so that the collector and paused writers get into each other's way.
const GRACE: Duration = Duration::from_secs(40);
/// Seeds without the variable: seconds of a test run.
const SEEDS: u64 = 60;

#[test]
fn no_history_loses_repeats_or_resurrects_a_write() {
    let number = |name: &str| std::env::var(name).ok().and_then(|text| text.parse::<u64>().ok());
    let seeds = match number("NEARKV_SEED") {
        Some(seed) => seed..seed + 1,
        None => 0..number("NEARKV_SEEDS").unwrap_or(SEEDS),
    };
    for seed in seeds {
        println!("NEARKV_SEED={seed}");
        let runtime =
            tokio::runtime::Builder::new_current_thread().enable_all().start_paused(true).build().unwrap();
        runtime.block_on(history(seed));
    }
}

/// One process with the clients that talk to it.
struct Site {
    process: Process,
    clients: Vec<tokio::task::JoinHandle<()>>,
}

async fn site(store: Simulated, random: &Random, claims: &Arc<Mutex<Vec<Claim>>>) -> Site {
    let options = Settings { grace: GRACE, pacing: None, ..Settings::default() };
    let process = Process::idle(&store, random.u64(), options);
    process.origin.configure(super::rig::config("u1"));
    let clients = (0..3)
        .map(|_| {
            let client = Client::new(Arc::clone(&process.origin), random.u64(), Arc::clone(claims));
            tokio::spawn(client.run())
        })
        .collect();
    Site { process, clients }
}

async fn history(seed: u64) {
    let random = Random::seeded(seed);
    let first = Simulated::new(seed);
    let ledger = Arc::new(Mutex::new(Ledger::default()));
    let observer = Arc::clone(&ledger);
    first.world().observe(move |change| observer.lock().note(change));
    // The KvNamespace is made before anything goes wrong.
    Process::start(&first, random.u64()).await.stop().await;
    let claims = Arc::new(Mutex::new(Vec::new()));
    let mut sites = Vec::new();
    for n in 0..2 {
        let site = site(first.client(), &random, &claims).await;
        site.process.origin.set_maintainer(n == 0);
        site.process.store.set_faults(Faults::MANY);
        sites.push(site);
    }
    for _ in 0..6 {
        sleep(random.jitter(Duration::from_secs(20))).await;
        let at = random.below(sites.len() as u64) as usize;
        match random.below(5) {
            0 => disturb(&sites[at], Link::Cut, &random).await,
            1 => disturb(&sites[at], Link::Frozen, &random).await,
            2 => {
                let dead = sites.remove(at);
                dead.clients.iter().for_each(tokio::task::JoinHandle::abort);
                dead.process.kill();
                let born = site(first.client(), &random, &claims).await;
                born.process.store.set_faults(Faults::MANY);
                sites.push(born);
            }
            3 => sites.iter().enumerate().for_each(|(n, site)| site.process.origin.set_maintainer(n == at)),
            _ => {}
        }
    }
    for site in &mut sites {
        for client in site.clients.drain(..) {
            client.await.unwrap();
        }
    }
    settle(&sites).await;
    let (ledger, claims) = (ledger.lock().clone(), std::mem::take(&mut *claims.lock()));
    judge(&sites, &ledger, &claims).await;
    let next = Process::start(&first.client(), random.u64()).await;
    assert_eq!(next.keys().await, sites[0].process.keys().await);
}

async fn disturb(site: &Site, link: Link, random: &Random) {
    site.process.store.set_link(link);
    sleep(random.jitter(GRACE * 2)).await;
    site.process.store.set_link(Link::Up);
}

/// Nothing goes wrong any more: everybody comes to the same state, and the garbage goes.
async fn settle(sites: &[Site]) {
    for (n, site) in sites.iter().enumerate() {
        site.process.store.set_faults(Faults::NONE);
        site.process.origin.set_maintainer(n == 0);
    }
    sleep(GRACE * 5).await;
}

async fn judge(sites: &[Site], ledger: &Ledger, claims: &[Claim]) {
    assert_eq!(ledger.faults, Vec::<String>::new());
    claims.iter().for_each(|claim| claim.check(ledger));
    for site in sites {
        assert_eq!(site.process.health().as_str(), "Ready");
        assert_eq!(site.process.keys().await, ledger.keys());
        for name in ledger.keys() {
            assert_eq!(site.process.get(&name).await.unwrap(), ledger.at(&name, u64::MAX));
        }
    }
    let store = &sites[0].process.store;
    let report = sites[0].process.origin.report(&settings()).unwrap();
    assert_eq!(root(store).version, ledger.version());
    assert_eq!(store.world().objects().len() as u64, report.objects, "garbage is left");
}
