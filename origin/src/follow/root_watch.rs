//! Follows the roots of all KvNamespaces by one watch, which says early what is new, and proves that memory is current
//! by lists of the roots' tokens. Neither an event nor a bookmark proves anything: a watch is served from a cache of the
//! API server, which may lag behind. A list is a consistent read.

use std::{collections::HashMap, sync::Arc, time::Duration};

use futures::{
    FutureExt, StreamExt,
    future::{Fuse, FusedFuture},
    stream,
};
use nearkv::Namespace;
use tokio::time::{Instant, MissedTickBehavior, interval};

use crate::{
    follow::follower::Follower,
    format::{LABEL_NAMESPACE, LABEL_PART, Part, root_name},
    settings::{FOLLOW_TICK, LIST_EVERY, LIST_EVERY_LEAST, LISTS_PER_TTL},
    state::context::Context,
    store::{Meta, Object, ObjectName, Selector, Token, WatchEvent},
};

/// The followers of all KvNamespaces.
pub(crate) trait Followers: Sync {
    fn all(&self) -> Vec<Arc<Follower>>;
    fn of(&self, namespace: &Namespace) -> Option<Arc<Follower>>;
}

/// Follows the roots of all KvNamespaces for as long as it is polled.
pub(crate) async fn roots(context: &Context, followers: &dyn Followers) {
    RootWatch { context, followers }.run().await;
}

struct RootWatch<'a> {
    context: &'a Context,
    followers: &'a dyn Followers,
}

impl RootWatch<'_> {
    async fn run(&self) {
        let roots =
            Selector { folder: None, labels: vec![(LABEL_PART.to_owned(), Part::Root.as_str().to_owned())] };
        // A watch repairs itself and does not end; if one does, the lists remain.
        let mut events = self.context.store.watch(&roots).chain(stream::pending());
        let mut ticks = interval(FOLLOW_TICK);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        // Beside the watch: a list that is slow keeps nobody from hearing what is new.
        let mut listing = Fuse::terminated();
        let mut listed = Instant::now();
        loop {
            tokio::select! {
                biased;
                _ = ticks.tick(), if listing.is_terminated() => {
                    if listed.elapsed() >= self.pause() {
                        listed = Instant::now();
                        listing = self.list(&roots).boxed().fuse();
                    }
                }
                () = &mut listing => {}
                event = events.next() => self.hear(event),
            }
        }
    }

    /// The time between two lists: while all is well, no answer is older than this and the time that a list takes.
    fn pause(&self) -> Duration {
        let ttls = self.followers.all().into_iter().map(|follower| follower.space.config().cache.ttl);
        let lowest = ttls.min().unwrap_or(LIST_EVERY * LISTS_PER_TTL);
        (lowest / LISTS_PER_TTL).clamp(LIST_EVERY_LEAST, LIST_EVERY)
    }

    fn hear(&self, event: Option<WatchEvent>) {
        let Some(event) = event else { return };
        match event {
            WatchEvent::Reset(objects) => {
                let mut objects: HashMap<ObjectName, Object> =
                    objects.into_iter().map(|object| (object.meta.name.clone(), object)).collect();
                for follower in self.followers.all() {
                    match objects.remove(&root_name(&follower.space.namespace)) {
                        Some(object) => follower.inbox.tell(object),
                        None => follower.inbox.request_check(),
                    }
                }
            }
            WatchEvent::Applied(object) => {
                if let Some(follower) = self.of_root(&object.meta) {
                    follower.inbox.tell(object);
                }
            }
            WatchEvent::Deleted(meta) => {
                if let Some(follower) = self.of_root(&meta) {
                    follower.inbox.request_check();
                }
            }
            WatchEvent::Current | WatchEvent::Broken => {}
        }
    }

    /// Compares the tokens of all roots with those in memory.
    async fn list(&self, roots: &Selector) {
        let asked = Instant::now();
        let token = |follower: &Follower| follower.space.view().map(|view| view.token.clone());
        let known: HashMap<ObjectName, Option<Token>> = self
            .followers
            .all()
            .iter()
            .map(|follower| (root_name(&follower.space.namespace), token(follower)))
            .collect();
        let metas = match self.context.store.list(roots).await {
            Ok(metas) => metas,
            Err(error) => {
                tracing::debug!(%error, "the roots could not be listed");
                return;
            }
        };
        let listed: HashMap<ObjectName, Token> =
            metas.into_iter().map(|meta| (meta.name, meta.token)).collect();
        for follower in self.followers.all() {
            let name = root_name(&follower.space.namespace);
            let (now, before) = (token(&follower), known.get(&name).cloned().flatten());
            match (listed.get(&name), now) {
                (Some(listed), Some(now)) if *listed == now => {
                    if follower.space.is_sound() {
                        follower.space.prove(asked);
                    }
                }
                // Memory has moved on while the list was under way.
                (listed, Some(now)) if listed == before.as_ref() && before.as_ref() != Some(&now) => {}
                (None, None) => {}
                _ => follower.inbox.request_check(),
            }
        }
    }

    fn of_root(&self, meta: &Meta) -> Option<Arc<Follower>> {
        let name = meta.labels.get(LABEL_NAMESPACE)?;
        let namespace = Namespace::new(&meta.name.folder, name).ok()?;
        (root_name(&namespace) == meta.name).then(|| self.followers.of(&namespace)).flatten()
    }
}
