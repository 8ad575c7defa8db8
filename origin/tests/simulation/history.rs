//! One history from its beginning to its end, and the ways in which it may fail.

use std::{
    cell::RefCell,
    fmt,
    panic::{AssertUnwindSafe, catch_unwind},
    sync::Arc,
    time::Duration,
};

use nearkv_origin::store::simulated::PANIC;
use tokio::{task::JoinSet, time::timeout};

use crate::{
    client::{Client, Ending},
    cluster::Cluster,
    ending, fate,
    plan::Plan,
    sim::Sim,
    told::Told,
    verdict,
};

/// No history lasts this long on its own clock, unless something hangs.
const LONGEST: Duration = Duration::from_secs(24 * 3600);

/// How a history fails.
#[derive(Debug)]
pub(crate) enum Failure {
    /// The first thing that is wrong, and how many more are.
    Broken(String, usize),
    /// It does not end.
    Hangs,
    /// A task panicked that was not told to.
    Panicked(String),
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Broken(wrong, 0) => f.write_str(wrong),
            Self::Broken(wrong, more) => write!(f, "{wrong} (and {more} more)"),
            Self::Hangs => f.write_str("the history does not end"),
            Self::Panicked(said) => write!(f, "a task panicked: {said}"),
        }
    }
}

/// What a history was made of, for comparison.
pub(crate) struct Traced {
    pub(crate) hash: u64,
    pub(crate) lines: Vec<String>,
}

thread_local! {
    /// What tasks of the history of this thread have said when they panicked. A runtime keeps that to itself.
    static PANICS: RefCell<Vec<String>> = const { RefCell::new(Vec::new()) };
}

/// From now on panics are noted instead of printed.
pub(crate) fn watch_for_panics() {
    std::panic::set_hook(Box::new(|panic| {
        let said = panic.payload_as_str().unwrap_or("?").to_owned();
        let place = panic.location().map(ToString::to_string).unwrap_or_default();
        PANICS.with_borrow_mut(|panics| panics.push(format!("{said} ({place})")));
        println!("panicked: {said} ({place})");
    }));
}

/// Tells the history of a seed.
pub(crate) fn tell(seed: u64, verbose: bool) -> Result<Told, Failure> {
    let cluster = |plan| Cluster::new(plan, verbose);
    let told = catch_unwind(AssertUnwindSafe(|| run(seed, cluster)));
    let panics = PANICS.with_borrow_mut(std::mem::take);
    if let Some(said) = panics.into_iter().find(|said| !said.contains(PANIC)) {
        return Err(Failure::Panicked(said));
    }
    told.unwrap_or_else(|_| Err(Failure::Panicked("in a client".to_owned())))
}

/// Tells it and keeps every call, answer and event.
pub(crate) fn trace(seed: u64) -> Traced {
    let mut store = None;
    let told = run(seed, |plan| {
        let cluster = Cluster::new(plan, false);
        cluster.store.world().trace().keep();
        store = Some(cluster.store.clone());
        cluster
    });
    let store = store.unwrap();
    let trace = store.world().trace();
    // What fails is the other test's to say.
    drop(told);
    Traced { hash: trace.hash(), lines: trace.lines() }
}

fn run(seed: u64, cluster: impl FnOnce(Plan) -> Arc<Cluster>) -> Result<Told, Failure> {
    let runtime =
        tokio::runtime::Builder::new_current_thread().enable_all().start_paused(true).build().unwrap();
    let told = runtime.block_on(async { timeout(LONGEST, history(cluster(Plan::of(seed)))).await });
    told.unwrap_or(Err(Failure::Hangs))
}

async fn history(cluster: Arc<Cluster>) -> Result<Told, Failure> {
    let plan = cluster.plan.clone();
    cluster.say(|| format!("{plan:?}"));
    let sims: Vec<Arc<Sim>> = (0..plan.namespaces).map(|number| Sim::new(&cluster, number as u64)).collect();
    for slot in 0..plan.replicas {
        cluster.start(slot, plan.faults.clone());
    }
    let mut background = JoinSet::new();
    for sim in &sims {
        sim.create();
        background.spawn(Arc::clone(sim).govern());
    }
    let mut fate = JoinSet::new();
    fate.spawn(fate::strike(Arc::clone(&cluster), sims.clone()));
    if let Some(first) = cluster.replica(0) {
        first.origin.set_maintainer(true);
    }
    let mut clients = JoinSet::new();
    for number in 0..plan.clients {
        let sim = &sims[number % sims.len()];
        clients.spawn(Client::new(Arc::clone(sim), number as u64).live());
    }
    let clients = clients.join_all().await;
    fate.shutdown().await;
    ending::peace(&cluster, &sims).await;
    let mut settled = Vec::new();
    for sim in &sims {
        settled.push(ending::settle(sim).await.err());
    }
    let (mut told, mut wrong) = (Told::default(), Vec::new());
    told.hash = cluster.store.world().trace().hash();
    for (sim, settled) in sims.iter().zip(settled) {
        let own: Vec<&Client> = clients.iter().filter(|client| Arc::ptr_eq(&client.sim, sim)).collect();
        let ledger = sim.ledger.lock();
        wrong.extend(ledger.violations.iter().cloned());
        wrong.extend(settled);
        wrong.extend(verdict::judge(&ledger, &own));
        told.take_in(&ledger);
    }
    let sum = |of: fn(&Client) -> u64| clients.iter().map(of).sum::<u64>();
    let (operations, writes) = (sum(|client| client.operations), sum(|client| client.writes));
    wrong.extend(told.excuses.excess(operations));
    let (judged, least) = (sum(|client| client.judged), verdict::least_judged(&plan, writes));
    if judged < least {
        wrong.push(format!("of {writes} writes {judged} were judged, and {least} should have been"));
    }
    told.acknowledged = count(&clients, |ending| matches!(ending, Ending::Done(_)));
    told.unknown = count(&clients, |ending| *ending == Ending::Unknown);
    cluster.end();
    wrong.iter().for_each(|wrong| cluster.say(|| wrong.clone()));
    match wrong.len() {
        0 => Ok(told),
        more => Err(Failure::Broken(wrong.swap_remove(0), more - 1)),
    }
}

fn count(clients: &[Client], is: impl Fn(&Ending) -> bool) -> u64 {
    clients.iter().flat_map(|client| &client.written).filter(|written| is(&written.ending)).count() as u64
}
