//! The inventory: one list of the metadata of all stored parts for all KvNamespaces of this process, in place of a list per
//! KvNamespace and purpose. Each keeper gets its share, for its collector (`collect.rs`), its audit (`audit.rs`) and the
//! budget. What belongs to no KvNamespace that is served is counted here (the census).
//!
//! A share says what was there at some moment after it was asked for. Two states of memory are compared with it:
//!
//! - The audit takes the state from **before** the list. Each part that this state reaches existed when the list was made,
//!   unless a later root has dropped it since, so a part that the list misses is worth a read. A state from after the list
//!   would reach parts that are younger than the list.
//! - The collector takes the state from **after** the list. A writer names a part only after it has created it, so a part that
//!   the list shows and that this state does not reach is either dropped, or not named yet. A state from before the list would
//!   miss what was created and named in between. The age of a sighting counts from that later state, at which the part was
//!   seen unreachable, and never from the list. Memory may be behind the store: deletion waits for the sweep (invariant 6).

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
    time::Duration,
};

use nearkv::Namespace;
use parking_lot::Mutex;
use tokio::{
    sync::Notify,
    time::{Instant, sleep, timeout},
};

use crate::{
    Health,
    format::{LABEL_NAMESPACE, LABEL_PART, Part},
    limits::budget::Usage,
    settings::{INVENTORY_RETRY, INVENTORY_ROUNDS_PER_GRACE, RECHECK_EVERY, inventory_every},
    state::{context::Context, snapshot::Snapshot},
    store::{Meta, Selector, StoreError},
    upkeep::keeper::Keeper,
};

/// A deleted KvNamespace causes an inventory after this share of the time between two: 5 s where there are few objects, and
/// most of what was deleted with it has gone by then.
const AFTER_DELETION: u32 = 6;

/// The keepers of all KvNamespaces that are served.
pub(crate) trait Keepers: Sync {
    fn all(&self) -> Vec<Arc<Keeper>>;
    fn serves(&self, namespace: &Namespace) -> bool;
}

/// What the inventory shows of one KvNamespace.
#[derive(Clone, Debug, Default)]
pub(crate) struct Listing {
    /// What memory held when the list was asked for.
    pub(crate) before: Option<Arc<Snapshot>>,
    /// What had been charged to the budget by then, in all.
    pub(crate) charged: Usage,
    /// The objects, the root among them.
    pub(crate) objects: Vec<Meta>,
}

/// Hands the newest listing to one task.
#[derive(Debug, Default)]
pub(crate) struct Handover {
    newest: Mutex<Option<Arc<Listing>>>,
    arrived: Notify,
}

impl Handover {
    pub(crate) fn put(&self, listing: Arc<Listing>) {
        *self.newest.lock() = Some(listing);
        self.arrived.notify_one();
    }

    /// The newest listing, if it was not taken yet.
    pub(crate) fn take(&self) -> Option<Arc<Listing>> {
        self.newest.lock().take()
    }

    /// Resolves when there may be a listing to take.
    pub(crate) async fn arrived(&self) {
        self.arrived.notified().await;
    }
}

/// Takes the inventory again and again, for as long as it is polled.
pub(crate) async fn run(context: &Context, keepers: &dyn Keepers) {
    let mut rechecked = Instant::now();
    loop {
        if rechecked.elapsed() >= RECHECK_EVERY {
            rechecked = Instant::now();
            recheck(keepers);
        }
        let pause = match look(context, keepers).await {
            Ok(objects) => pause(context, objects),
            Err(error) => {
                tracing::warn!(%error, "the parts could not be listed");
                INVENTORY_RETRY
            }
        };
        if timeout(pause, context.deleted.notified()).await.is_ok() {
            sleep(pause / AFTER_DELETION).await;
        }
    }
}

/// The time to the next inventory after one of so many objects. A few fall within the grace, so that what is garbage goes
/// within two graces.
fn pause(context: &Context, objects: usize) -> Duration {
    let pause = inventory_every(objects as u64);
    let pause = pause + context.random.jitter(pause / 4);
    pause.min(context.settings.grace / INVENTORY_ROUNDS_PER_GRACE)
}

/// Has every KvNamespace that is not well read its root: perhaps another replica, or a person, has put back what was lost.
/// A refusal is only known to last until the next write, and nobody may write for long.
fn recheck(keepers: &dyn Keepers) {
    for keeper in keepers.all() {
        if matches!(keeper.space.health(), Health::PartDamaged { .. } | Health::StoreRefused { .. }) {
            keeper.follower.request_check();
        }
    }
}

/// One inventory; how many objects there are.
async fn look(context: &Context, keepers: &dyn Keepers) -> Result<usize, StoreError> {
    let charges = context.budget.charges();
    let charged = |namespace: &Namespace| charges.get(namespace).copied().unwrap_or_default();
    let begin = |keeper: Arc<Keeper>| {
        let (before, charged) = (keeper.space.view(), charged(&keeper.space.namespace));
        (keeper, Listing { before, charged, objects: Vec::new() })
    };
    let served: Vec<_> = keepers.all().into_iter().map(begin).collect();
    let mut listed = list(context).await?;
    let count = listed.values().map(Vec::len).sum();
    for (keeper, listing) in served {
        let objects = listed.remove(&keeper.space.namespace).unwrap_or_default();
        keeper.hand_over(Arc::new(Listing { objects, ..listing }));
    }
    take_census(context, keepers, &charges, &listed);
    Ok(count)
}

/// The metadata of all parts, by KvNamespace.
async fn list(context: &Context) -> Result<BTreeMap<Namespace, Vec<Meta>>, StoreError> {
    let mut listed: BTreeMap<Namespace, Vec<Meta>> = BTreeMap::new();
    let parts = Part::ALL.iter().map(|part| part.as_str().to_owned()).collect();
    let selector = Selector { folder: None, labels: vec![(LABEL_PART.to_owned(), parts)] };
    for meta in context.upkeep_store.list(&selector).await? {
        if let Some(namespace) = namespace_of(&meta) {
            listed.entry(namespace).or_default().push(meta);
        }
    }
    Ok(listed)
}

/// Counts for the budget what lies in the store of KvNamespaces that this process does not serve: retained data of a deleted
/// KvNamespace, also of one deleted before this process started, and what was written for one while it was forgotten.
fn take_census(
    context: &Context,
    keepers: &dyn Keepers,
    charges: &BTreeMap<Namespace, Usage>,
    listed: &BTreeMap<Namespace, Vec<Meta>>,
) {
    let namespaces: BTreeSet<&Namespace> = charges.keys().chain(listed.keys()).collect();
    for namespace in namespaces.into_iter().filter(|namespace| !keepers.serves(namespace)) {
        let usage = listed.get(namespace).map(Usage::of).unwrap_or_default();
        context.budget.recount(namespace, usage, charges.get(namespace).copied().unwrap_or_default());
        // Nothing of it is collected.
        context.budget.reached(namespace, usage);
        context.budget.forget_if_unused(namespace);
    }
}

/// Whose object it is; `None` for one that only bears the label of a part.
fn namespace_of(meta: &Meta) -> Option<Namespace> {
    Namespace::new(&meta.name.folder, meta.labels.get(LABEL_NAMESPACE)?).ok()
}
