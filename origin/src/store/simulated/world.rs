//! The simulated store's one truth: the objects, what happened to them in order, and the back door through
//! which a test plays everybody who is not a client (a person with kubectl, the garbage collector).

use std::{
    collections::{BTreeMap, VecDeque},
    sync::Arc,
};

use nearkv::{Clock, Random, UnixMillis, VirtualClock};
use parking_lot::Mutex;
use tokio::sync::{Notify, futures::Notified};

use crate::store::{
    Draft, Meta, Object, ObjectId, ObjectName, Selector, StoreError, Token, rules,
    simulated::{Change, Trace},
};

/// What the world's clock shows at its start: a moment in 2027, so that times in a failure look like times.
const START: UnixMillis = UnixMillis(1_800_000_000_000);
/// How many changes can be followed; a watch that is further behind must start anew, as after etcd's compaction.
const HISTORY: usize = 4096;

type Observer = Box<dyn FnMut(&Change) + Send>;

/// The shared world of all clients; cheap to clone. Nothing here waits or fails: a change through it is made.
#[derive(Clone)]
pub struct World(Arc<Shared>);

struct Shared {
    seed: u64,
    clock: Arc<VirtualClock>,
    state: Mutex<State>,
    changed: Notify,
    trace: Arc<Trace>,
}

/// The objects and their history. Only [`World::change`] alters it.
pub(super) struct State {
    objects: BTreeMap<ObjectName, Stored>,
    revision: u64,
    history: VecDeque<(u64, Change)>,
    observers: Vec<Observer>,
    clients: u64,
    now: UnixMillis,
    trace: Arc<Trace>,
}

struct Stored {
    object: Arc<Object>,
    immutable: bool,
}

impl World {
    pub(super) fn new(seed: u64) -> Self {
        let trace = Arc::new(Trace::new());
        let state = State {
            objects: BTreeMap::new(),
            revision: 0,
            history: VecDeque::new(),
            observers: Vec::new(),
            clients: 0,
            now: START,
            trace: Arc::clone(&trace),
        };
        let clock = Arc::new(VirtualClock::starting_at(START));
        Self(Arc::new(Shared { seed, clock, state: Mutex::new(state), changed: Notify::new(), trace }))
    }

    /// The store's own clock, which is right by definition. It follows tokio's time.
    #[must_use]
    pub fn clock(&self) -> Arc<VirtualClock> {
        Arc::clone(&self.0.clock)
    }

    /// Everything that has happened, as a hash.
    #[must_use]
    pub fn trace(&self) -> &Trace {
        &self.0.trace
    }

    /// All objects, in the order of their names.
    #[must_use]
    pub fn objects(&self) -> Vec<Arc<Object>> {
        self.0.state.lock().objects.values().map(|stored| Arc::clone(&stored.object)).collect()
    }

    /// One object.
    #[must_use]
    pub fn object(&self, name: &ObjectName) -> Option<Arc<Object>> {
        self.0.state.lock().objects.get(name).map(|stored| Arc::clone(&stored.object))
    }

    /// Tells `observer` of every change from now on, in order, before anybody else hears of it. It must not
    /// call the world.
    pub fn observe(&self, observer: impl FnMut(&Change) + Send + 'static) {
        self.0.state.lock().observers.push(Box::new(observer));
    }

    /// Edits an object by hand, also an immutable one (as one who deletes and creates it could). `false` if
    /// there is none.
    pub fn tamper(&self, name: &ObjectName, edit: impl FnOnce(&mut Object)) -> bool {
        self.change(|state| state.edit(name, edit)).is_some()
    }

    /// Deletes an object by hand.
    pub fn remove(&self, name: &ObjectName) -> Option<Arc<Object>> {
        self.change(|state| state.take(name))
    }

    /// Puts an object there by hand, in place of any other.
    pub fn plant(&self, draft: &Draft) -> Meta {
        self.change(|state| {
            state.take(&draft.name);
            state.apply(draft, None)
        })
    }

    /// Deletes what the owner with this identity owns, as a cluster's garbage collector does some time after
    /// the owner was deleted. How many objects that were.
    pub fn collect_owned(&self, owner_id: &str) -> usize {
        self.change(|state| {
            let is_owned = |stored: &&Stored| {
                stored.object.meta.owner.as_ref().is_some_and(|owner| owner.id == owner_id)
            };
            let owned: Vec<_> = state
                .objects
                .values()
                .filter(is_owned)
                .map(|stored| stored.object.meta.name.clone())
                .collect();
            owned.iter().filter(|name| state.take(name).is_some()).count()
        })
    }

    /// A new client's number and randomness.
    pub(super) fn enter(&self) -> (u64, Random) {
        let mut state = self.0.state.lock();
        state.clients += 1;
        let seed = self.0.seed ^ state.clients.wrapping_mul(0x9e37_79b9_7f4a_7c15);
        (state.clients, Random::seeded(seed))
    }

    /// Carries out a request, and wakes the watches if it changed anything.
    pub(super) fn change<T>(&self, request: impl FnOnce(&mut State) -> T) -> T {
        let mut state = self.0.state.lock();
        state.now = self.0.clock.now();
        let before = state.revision;
        let answer = request(&mut state);
        let has_changed = state.revision != before;
        drop(state);
        if has_changed {
            self.0.changed.notify_waiters();
        }
        answer
    }

    /// Resolves at the next change after it was first polled or enabled.
    pub(super) fn changed(&self) -> Notified<'_> {
        self.0.changed.notified()
    }
}

impl State {
    pub(super) fn get(&self, name: &ObjectName) -> Option<Object> {
        self.objects.get(name).map(|stored| (*stored.object).clone())
    }

    pub(super) fn matching(&self, selector: &Selector) -> impl Iterator<Item = &Object> {
        let objects = self.objects.values().map(|stored| &*stored.object);
        objects.filter(move |object| selector.matches(&object.meta.name, &object.meta.labels))
    }

    pub(super) fn create(&mut self, draft: &Draft) -> Result<Meta, StoreError> {
        rules::check(draft)?;
        if self.objects.contains_key(&draft.name) {
            return Err(StoreError::Exists(draft.name.clone()));
        }
        Ok(self.apply(draft, None))
    }

    pub(super) fn replace(&mut self, draft: &Draft, expected: &Token) -> Result<Meta, StoreError> {
        rules::check(draft)?;
        let Some(Stored { object, immutable }) = self.objects.get(&draft.name) else {
            return Err(StoreError::Missing(draft.name.clone()));
        };
        if object.meta.token != *expected {
            return Err(StoreError::Conflict(draft.name.clone()));
        }
        rules::check_replacement(draft, &object.content, *immutable)?;
        let present = object.meta.clone();
        Ok(self.apply(draft, Some(&present)))
    }

    pub(super) fn delete(&mut self, name: &ObjectName, id: &ObjectId) -> Result<(), StoreError> {
        match self.objects.get(name) {
            None => Err(StoreError::Missing(name.clone())),
            Some(stored) if stored.object.meta.id != *id => Err(StoreError::Conflict(name.clone())),
            Some(_) => {
                self.take(name);
                Ok(())
            }
        }
    }

    /// Gives an object another token and the same content, as a person does who adds an annotation.
    pub(super) fn touch(&mut self, name: &ObjectName) {
        self.edit(name, |_| {});
    }

    /// The changes after `position`; `None` if they are no longer all known.
    pub(super) fn since(&self, position: u64) -> Option<impl Iterator<Item = &(u64, Change)>> {
        let oldest = self.history.front().map_or(self.revision + 1, |(revision, _)| *revision);
        (position + 1 >= oldest).then(|| self.history.iter().filter(move |(at, _)| *at > position))
    }

    pub(super) fn revision(&self) -> u64 {
        self.revision
    }

    fn apply(&mut self, draft: &Draft, present: Option<&Meta>) -> Meta {
        let Draft { name, labels, owner, content, immutable } = draft.clone();
        self.revision += 1;
        let meta = Meta {
            name: name.clone(),
            id: present
                .map_or_else(|| ObjectId(format!("id-{}", self.revision).into()), |meta| meta.id.clone()),
            token: Token(self.revision.to_string().into()),
            labels,
            owner,
            created: present.map_or(self.now, |meta| meta.created),
            deleting: present.is_some_and(|meta| meta.deleting),
        };
        let object = Arc::new(Object { meta: meta.clone(), content });
        self.record(Change::Applied(Arc::clone(&object)));
        self.objects.insert(name, Stored { object, immutable });
        meta
    }

    fn edit(&mut self, name: &ObjectName, edit: impl FnOnce(&mut Object)) -> Option<()> {
        let stored = self.objects.get_mut(name)?;
        let mut object = (*stored.object).clone();
        edit(&mut object);
        self.revision += 1;
        object.meta.token = Token(self.revision.to_string().into());
        stored.object = Arc::new(object);
        let change = Change::Applied(Arc::clone(&stored.object));
        self.record(change);
        Some(())
    }

    fn take(&mut self, name: &ObjectName) -> Option<Arc<Object>> {
        let stored = self.objects.remove(name)?;
        self.revision += 1;
        self.record(Change::Deleted(Arc::clone(&stored.object)));
        Some(stored.object)
    }

    fn record(&mut self, change: Change) {
        let (object, kind) = (change.object(), change.as_str());
        self.trace
            .note_content(&format!("{} {kind} as {}", object.meta.name, self.revision), &object.content);
        for observer in &mut self.observers {
            observer(&change);
        }
        if self.history.len() == HISTORY {
            self.history.pop_front();
        }
        self.history.push_back((self.revision, change));
    }
}

impl std::fmt::Debug for World {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let state = self.0.state.lock();
        f.debug_struct("World").field("objects", &state.objects.keys()).finish_non_exhaustive()
    }
}
