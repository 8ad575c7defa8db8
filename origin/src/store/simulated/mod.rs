//! [`Simulated`]: an object store in memory whose network and neighbours misbehave as ordered or by chance, on
//! tokio's (paused) time and a seed, so that a whole history of crashes repeats itself exactly.
//!
//! One [`World`] holds the objects; each [`Simulated`] is the connection of one process to it. A request is a
//! task of its own: it is under way when its caller has long been dropped, and may still be carried out.

mod change;
mod faults;
mod journey;
mod partition;
mod process;
#[cfg(test)]
mod tests;
mod trace;
mod watch;
mod world;

use std::{
    collections::VecDeque,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use async_trait::async_trait;
use futures::stream::BoxStream;
use nearkv::{Clock, UnixMillis};
use parking_lot::Mutex;
use tokio::{
    sync::{Notify, oneshot},
    time::timeout,
};

pub use change::Change;
pub use faults::{Action, Fate, Faults};
pub use partition::{Partition, Way};
pub use trace::Trace;
pub use world::World;

use self::journey::Caller;
use self::journey::Journey;
use self::process::Process;
use self::world::State;
use crate::store::{
    Draft, Meta, Object, ObjectId, ObjectName, ObjectStore, Selector, StoreError, Token, WatchEvent,
    WatchScope,
};

/// The folder of the canaries: no KvNamespace's.
const CANARIES: &str = "nearkv-system";

/// What a task says that panics by order ([`Fate::Panics`]).
pub const PANIC: &str = "panics as ordered";

/// One process's connection to a [`World`]. Cheap to clone; clones are the same process.
#[derive(Clone)]
pub struct Simulated(Arc<Process>);

/// Whether the process and the store reach each other.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Link {
    /// They do.
    Up,
    /// The network between them is cut: calls run into their deadline, and what was under way may arrive late.
    Cut,
    /// The process stands still, as after SIGSTOP: neither its calls nor their deadlines go on, and answers
    /// wait for it.
    Frozen,
}

/// What a process has asked of the store.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counters {
    /// Calls of `get` and `list`.
    pub reads: u64,
    /// Calls of `create`, `replace` and `delete`.
    pub writes: u64,
    /// Size of the content in them.
    pub bytes_written: u64,
}

/// Why an outcome is unknown.
#[derive(Debug, thiserror::Error)]
enum Breakdown {
    #[error("the connection broke")]
    Broken,
    #[error("no answer within {0:?}")]
    TimedOut(Duration),
}

impl Simulated {
    /// A new world without faults, and the first process's connection to it.
    #[must_use]
    pub fn new(seed: u64) -> Self {
        Self::enter(World::new(seed))
    }

    /// Another process's connection to the same world, without faults.
    #[must_use]
    pub fn client(&self) -> Self {
        Self::enter(self.0.world.clone())
    }

    fn enter(world: World) -> Self {
        let (number, random) = world.enter();
        Self(Arc::new(Process {
            world,
            number,
            random,
            faults: Mutex::new(Faults::NONE),
            orders: Mutex::new(VecDeque::new()),
            link: Mutex::new(Link::Up),
            link_changed: Notify::new(),
            time_is_known: AtomicBool::new(false),
            partition: Mutex::new(None),
            counters: Mutex::new(Counters::default()),
        }))
    }

    /// The back door.
    #[must_use]
    pub fn world(&self) -> &World {
        &self.0.world
    }

    /// From now on this goes wrong for this process.
    pub fn set_faults(&self, faults: Faults) {
        *self.0.faults.lock() = faults;
    }

    /// Orders the fate of this process's next call of that kind. Several orders of a kind are kept in turn.
    pub fn order(&self, action: Action, fate: Fate) {
        self.0.orders.lock().push_back((action, fate));
    }

    /// What was ordered and has not happened yet shall not.
    pub fn forget_orders(&self) {
        self.0.orders.lock().clear();
    }

    /// Cuts, freezes or restores the connection.
    pub fn set_link(&self, link: Link) {
        *self.0.link.lock() = link;
        self.0.link_changed.notify_waiters();
    }

    /// Loses what goes one way from now on; `None` ends that.
    pub fn set_partition(&self, partition: Option<Partition>) {
        *self.0.partition.lock() = partition;
        self.0.link_changed.notify_waiters();
    }

    /// What this process has asked of the store so far.
    #[must_use]
    pub fn counters(&self) -> Counters {
        *self.0.counters.lock()
    }

    async fn call<T: Send + 'static>(
        &self,
        action: Action,
        name: &ObjectName,
        request: impl FnOnce(&mut State) -> Result<T, StoreError> + Send + 'static,
    ) -> Result<T, StoreError> {
        let process = &self.0;
        process.until_not(Link::Frozen).await;
        let (fate, deadline) = (process.fate(action), process.faults.lock().deadline);
        process.note(action, name, &"is asked");
        assert!(fate != Fate::Panics, "{}", PANIC);
        let caller = Caller::default();
        let (answer, mut answered) = oneshot::channel();
        let (process_, name_) = (Arc::clone(process), name.clone());
        let journey = Journey { process: process_, action, name: name_, fate, gone: caller.gone() };
        tokio::spawn(journey.travel(request, answer));
        let in_time = timeout(deadline, &mut answered).await;
        // Whatever came while the process stood still is there for it when it goes on, deadline or not.
        process.until_not(Link::Frozen).await;
        let received = match in_time {
            Ok(received) => received.map_err(|_| Breakdown::Broken),
            Err(_) => answered.try_recv().map_err(|_| Breakdown::TimedOut(deadline)),
        };
        let unknown = |source| StoreError::Unknown {
            action: action.as_str(),
            name: name.clone(),
            source: Arc::new(source),
        };
        let answer = received.map_err(unknown).and_then(|answer| {
            process.time_is_known.store(true, Ordering::Relaxed);
            answer
        });
        match &answer {
            Ok(_) => process.note(action, name, &"is answered"),
            Err(error) => process.note(action, name, error),
        }
        answer
    }

    fn count_write(&self, bytes: u64) {
        let mut counters = self.0.counters.lock();
        counters.writes += 1;
        counters.bytes_written += bytes;
    }
}

#[async_trait]
impl ObjectStore for Simulated {
    async fn get(&self, name: &ObjectName) -> Result<Option<Object>, StoreError> {
        self.0.counters.lock().reads += 1;
        let wanted = name.clone();
        self.call(Action::Get, name, move |state| Ok(state.get(&wanted))).await
    }

    async fn list(&self, selector: &Selector) -> Result<Vec<Meta>, StoreError> {
        self.0.counters.lock().reads += 1;
        let name = ObjectName::new(selector.folder.as_deref().unwrap_or("*"), "*");
        let selector = selector.clone();
        let matching = move |state: &mut State| {
            Ok(state.matching(&selector).map(|object| object.meta.clone()).collect())
        };
        self.call(Action::List, &name, matching).await
    }

    async fn create(&self, draft: &Draft) -> Result<Meta, StoreError> {
        self.count_write(draft.content.size());
        let wanted = draft.clone();
        self.call(Action::Create, &draft.name, move |state| state.create(&wanted)).await
    }

    async fn replace(&self, draft: &Draft, expected: &Token) -> Result<Meta, StoreError> {
        self.count_write(draft.content.size());
        let (wanted, expected) = (draft.clone(), expected.clone());
        self.call(Action::Replace, &draft.name, move |state| state.replace(&wanted, &expected)).await
    }

    async fn delete(&self, name: &ObjectName, id: &ObjectId) -> Result<(), StoreError> {
        self.count_write(0);
        let (wanted, id) = (name.clone(), id.clone());
        self.call(Action::Delete, name, move |state| state.delete(&wanted, &id)).await
    }

    fn watch(&self, selector: &Selector) -> BoxStream<'static, WatchEvent> {
        watch::follow(Arc::clone(&self.0), selector.clone())
    }

    fn scopes(&self) -> Vec<WatchScope> {
        vec![WatchScope { folder: None, canary: Some(CANARIES.into()) }]
    }

    fn time(&self) -> Option<UnixMillis> {
        self.0.time_is_known.load(Ordering::Relaxed).then(|| self.0.world.clock().now())
    }
}
