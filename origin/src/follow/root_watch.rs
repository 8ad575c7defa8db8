//! Follows the roots of all KvNamespaces by one watch, and keeps the proof of being current: a watch that speaks,
//! or else a list of the roots' tokens.

use std::{collections::HashMap, sync::Arc};

use futures::StreamExt;
use nearkv::Namespace;
use tokio::time::{Instant, MissedTickBehavior, interval};

use crate::{
    follow::follower::Follower,
    format::{LABEL_NAMESPACE, LABEL_PART, Part, root_name},
    settings::{FOLLOW_TICK, LIST_EVERY, SILENCE},
    state::context::Context,
    store::{Meta, Object, ObjectName, Selector, WatchEvent},
};

/// When the follower last had a proof for all.
struct Proof {
    /// The watch spoke.
    heard: Instant,
    /// The roots were listed.
    listed: Instant,
}

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
        let mut events = self.context.store.watch(&roots);
        let mut ticks = interval(FOLLOW_TICK);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut proof = Proof { heard: Instant::now(), listed: Instant::now() };
        loop {
            tokio::select! {
                biased;
                _ = ticks.tick() => {
                    let due = proof.heard.elapsed() >= SILENCE && proof.listed.elapsed() >= SILENCE;
                    if due || proof.listed.elapsed() >= LIST_EVERY {
                        self.list(&roots).await;
                        proof.listed = Instant::now();
                    }
                }
                event = events.next() => match event {
                    Some(event) => self.hear(event, &mut proof),
                    // A watch repairs itself and does not end; if one does, the lists remain.
                    None => tokio::time::sleep(SILENCE).await,
                },
            }
        }
    }

    fn hear(&self, event: WatchEvent, proof: &mut Proof) {
        let now = Instant::now();
        match event {
            WatchEvent::Reset(objects) => {
                proof.heard = now;
                let mut objects: HashMap<ObjectName, Object> =
                    objects.into_iter().map(|object| (object.meta.name.clone(), object)).collect();
                for follower in self.followers.all() {
                    match objects.remove(&root_name(&follower.space.namespace)) {
                        Some(object) => follower.inbox.tell(object, now),
                        None => follower.inbox.request_check(),
                    }
                }
            }
            WatchEvent::Applied(object) => {
                proof.heard = now;
                if let Some(follower) = self.of_root(&object.meta) {
                    follower.inbox.tell(object, now);
                }
            }
            WatchEvent::Deleted(meta) => {
                proof.heard = now;
                if let Some(follower) = self.of_root(&meta) {
                    follower.inbox.request_check();
                }
            }
            WatchEvent::Current => {
                proof.heard = now;
                for follower in self.followers.all() {
                    // What has been heard and not yet applied shows that memory is not the newest state.
                    if follower.inbox.is_settled() && follower.space.is_sound() {
                        follower.space.prove(now);
                    }
                }
            }
            WatchEvent::Broken => proof.heard = now.checked_sub(SILENCE).unwrap_or(now),
        }
    }

    /// Compares the tokens of all roots with those in memory.
    async fn list(&self, roots: &Selector) {
        let asked = Instant::now();
        let metas = match self.context.store.list(roots).await {
            Ok(metas) => metas,
            Err(error) => {
                tracing::debug!(%error, "the roots could not be listed");
                return;
            }
        };
        let metas: HashMap<ObjectName, Meta> =
            metas.into_iter().map(|meta| (meta.name.clone(), meta)).collect();
        for follower in self.followers.all() {
            let listed = metas.get(&root_name(&follower.space.namespace)).map(|meta| &meta.token);
            let known = follower.space.view().map(|view| view.token.clone());
            match (listed, known) {
                (Some(listed), Some(known)) if *listed == known && follower.space.is_sound() => {
                    follower.space.prove(asked)
                }
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
