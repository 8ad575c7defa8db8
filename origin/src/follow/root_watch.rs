//! Follows the roots of all KvNamespaces, by one watch for each scope of the store. The watch says early what is new, and
//! proves that memory is current when it shows the canary that was swapped before (`canary.rs`). Where there can be none,
//! lists of the roots' tokens prove it (`proving.rs`).

use std::{
    collections::{BTreeSet, HashMap},
    sync::Arc,
    time::Duration,
};

use futures::{
    FutureExt, StreamExt,
    future::{BoxFuture, Fuse, FusedFuture, join_all},
    stream,
};
use nearkv::Namespace;
use parking_lot::Mutex;
use tokio::time::sleep_until;

use crate::{
    follow::{
        canary::{self, Canary},
        follower::Follower,
        proving::Beat,
        replicas::Replicas,
    },
    format::{CANARY, LABEL_NAMESPACE, LABEL_PART, ObjectPath, Part, root_name},
    state::{context::Context, scope::Scope},
    store::{Meta, Object, ObjectName, Selector, WatchEvent},
};

/// The followers of all KvNamespaces.
pub(crate) trait Followers: Sync {
    fn all(&self) -> Vec<Arc<Follower>>;
    fn of(&self, namespace: &Namespace) -> Option<Arc<Follower>>;
}

/// The watches of all scopes.
pub(crate) struct RootWatches<'a> {
    context: &'a Context,
    watches: Vec<RootWatch<'a>>,
}

impl<'a> RootWatches<'a> {
    pub(crate) fn new(context: &'a Context, followers: &'a dyn Followers) -> Self {
        let watch = |(index, scope): (usize, &Arc<Scope>)| {
            let canary = scope.part.canary.as_deref().map(|folder| Canary::new(context, folder));
            RootWatch {
                context,
                followers,
                scope: Arc::clone(scope),
                canary,
                replicas: Replicas::default(),
                is_first: index == 0,
                lowest_ttl: Mutex::default(),
            }
        };
        Self { context, watches: context.scopes.iter().enumerate().map(watch).collect() }
    }

    /// Follows for as long as it is polled.
    pub(crate) async fn run(&self) {
        join_all(self.watches.iter().map(RootWatch::run)).await;
    }

    /// Tells the other replicas that this process has ended.
    pub(crate) async fn farewell(&self) {
        let canaries = self.watches.iter().filter_map(|watch| watch.canary.as_ref());
        join_all(canaries.map(|canary| canary.farewell(self.context))).await;
    }
}

/// The watch of one scope.
pub(super) struct RootWatch<'a> {
    pub(super) context: &'a Context,
    followers: &'a dyn Followers,
    pub(super) scope: Arc<Scope>,
    /// `None` where the store has no place for one.
    pub(super) canary: Option<Canary>,
    pub(super) replicas: Replicas,
    /// All scopes hear of the same replicas; one of them divides the pace.
    pub(super) is_first: bool,
    /// The lowest TTL of the scope's KvNamespaces, as of this many configurations.
    pub(super) lowest_ttl: Mutex<Option<(u64, Duration)>>,
}

impl RootWatch<'_> {
    async fn run(&self) {
        let parts = [Part::Root.as_str(), CANARY].map(str::to_owned).to_vec();
        let watched =
            Selector { folder: self.scope.part.folder.clone(), labels: vec![(LABEL_PART.to_owned(), parts)] };
        if self.is_first && self.canary.is_some() {
            self.context.pace.empty();
        }
        // A watch repairs itself and does not end; if one does, nothing proves that memory is current.
        let mut events = self.context.store.watch(&watched).chain(stream::pending());
        // Beside the watch: a swap or a list that is slow keeps nobody from hearing what is new.
        let mut proving: Fuse<BoxFuture<'_, ()>> = Fuse::terminated();
        let (mut beat, mut has_arrived) = (Beat::begin(), false);
        loop {
            tokio::select! {
                biased;
                () = &mut proving => {}
                event = events.next() => {
                    let Some(event) = event else { continue };
                    let is_whole = matches!(event, WatchEvent::Reset(_));
                    self.hear(event);
                    if is_whole && !has_arrived {
                        has_arrived = true;
                        proving = self.arrive().boxed().fuse();
                    }
                }
                () = self.scope.woken.notified() => {
                    self.scope.set_idle(false);
                    beat = Beat::begin();
                }
                () = sleep_until(beat.due), if has_arrived && proving.is_terminated() => {
                    proving = self.prove(&mut beat).boxed().fuse();
                }
            }
        }
    }

    /// The followers of this scope.
    pub(super) fn followers(&self) -> Vec<Arc<Follower>> {
        let covers = |follower: &Arc<Follower>| self.scope.part.covers(follower.space.namespace.account());
        self.followers.all().into_iter().filter(covers).collect()
    }

    async fn arrive(&self) {
        if self.is_first && self.canary.is_some() {
            canary::arrive(self.context, &self.replicas).await;
        }
    }

    fn hear(&self, event: WatchEvent) {
        match event {
            WatchEvent::Reset(objects) => {
                let mut objects: HashMap<ObjectName, Object> =
                    objects.into_iter().map(|object| (object.meta.name.clone(), object)).collect();
                for follower in self.followers() {
                    match objects.remove(&root_name(&follower.space.namespace)) {
                        Some(object) => follower.inbox.tell(object, &follower.space.proof),
                        None => follower.request_check(),
                    }
                }
                self.replicas.retain(&objects.keys().cloned().collect::<BTreeSet<_>>());
                objects.values().for_each(|object| self.hear_canary(object));
            }
            WatchEvent::Applied(object) => match self.of_root(&object.meta) {
                Some(follower) => follower.inbox.tell(object, &follower.space.proof),
                None => self.hear_canary(&object),
            },
            WatchEvent::Deleted(meta) => match self.of_root(&meta) {
                Some(follower) => follower.request_check(),
                None => self.replicas.forget(&meta.name),
            },
            WatchEvent::Current | WatchEvent::Broken => {}
        }
    }

    /// The own canary proves; another one tells of its replica.
    fn hear_canary(&self, object: &Object) {
        match &self.canary {
            Some(canary) if canary.is_own(&object.meta.name) => {
                if let Some(sent) = canary.shown(object) {
                    self.scope.prove(sent);
                }
            }
            _ => {
                for ObjectPath(folder, name) in self.replicas.hear(object) {
                    let name = ObjectName::new(&folder, &name);
                    if let Some(follower) = self.of_part(&name) {
                        follower.space.doubted.is_missed_elsewhere(name);
                    }
                }
            }
        }
    }

    fn of_root(&self, meta: &Meta) -> Option<Arc<Follower>> {
        let name = meta.labels.get(LABEL_NAMESPACE)?;
        let namespace = Namespace::new(&meta.name.folder, name).ok()?;
        (root_name(&namespace) == meta.name).then(|| self.followers.of(&namespace)).flatten()
    }

    /// Whose part it is, by its name.
    fn of_part(&self, name: &ObjectName) -> Option<Arc<Follower>> {
        let (own, _) = name.name.rsplit_once(".kv.")?;
        self.followers.of(&Namespace::new(&name.folder, own).ok()?)
    }
}
