//! Follows the roots of all KvNamespaces by one watch, and keeps the proof of being current: a watch that speaks,
//! or else a list of the roots' tokens.

use std::collections::HashMap;

use futures::StreamExt;
use tokio::time::{Instant, MissedTickBehavior, interval};

use super::{
    Origin,
    format::{LABEL_NAMESPACE, LABEL_PART, Part, root_name},
    settings::{FOLLOW_TICK, LIST_EVERY, SILENCE},
};
use crate::store::{Meta, Object, ObjectName, Selector, WatchEvent};

/// When the follower last had a proof for all.
struct Proof {
    /// The watch spoke.
    heard: Instant,
    /// The roots were listed.
    listed: Instant,
}

impl Origin {
    /// Follows for as long as it is polled.
    pub(super) async fn follow(&self) {
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
                        self.list_roots(&roots).await;
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
                for space in self.all() {
                    match objects.remove(&root_name(&space.namespace)) {
                        Some(object) => space.inbox.tell(object, now),
                        None => space.inbox.ask_for_check(),
                    }
                }
            }
            WatchEvent::Applied(object) => {
                proof.heard = now;
                if let Some(space) = self.of_root(&object.meta) {
                    space.inbox.tell(object, now);
                }
            }
            WatchEvent::Deleted(meta) => {
                proof.heard = now;
                if let Some(space) = self.of_root(&meta) {
                    space.inbox.ask_for_check();
                }
            }
            WatchEvent::Current => {
                proof.heard = now;
                for space in self.all() {
                    // What has been heard and not yet applied shows that memory is not the newest state.
                    if space.inbox.is_settled() && space.is_sound() {
                        space.prove(now);
                    }
                }
            }
            WatchEvent::Broken => proof.heard = now.checked_sub(SILENCE).unwrap_or(now),
        }
    }

    /// Compares the tokens of all roots with those in memory.
    async fn list_roots(&self, roots: &Selector) {
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
        for space in self.all() {
            let listed = metas.get(&root_name(&space.namespace)).map(|meta| &meta.token);
            let known = space.view().map(|view| view.token.clone());
            match (listed, known) {
                (Some(listed), Some(known)) if *listed == known && space.is_sound() => space.prove(asked),
                (None, None) => {}
                _ => space.inbox.ask_for_check(),
            }
        }
    }

    fn of_root(&self, meta: &Meta) -> Option<std::sync::Arc<super::space::Space>> {
        let name = meta.labels.get(LABEL_NAMESPACE)?;
        let namespace = nearkv::Namespace::new(&meta.name.folder, name).ok()?;
        (root_name(&namespace) == meta.name).then(|| self.space(&namespace)).flatten()
    }
}
