//! When and how the state in memory is proven to be the newest, for all KvNamespaces of a scope at once: by a swap of the
//! canary, or, where there can be none, by a list of the roots' tokens, which is a consistent read. Every second while
//! anybody asks, now and then while nobody does.

use std::{collections::HashMap, sync::atomic::Ordering, time::Duration};

use tokio::time::Instant;

use crate::{
    follow::{canary::Canary, follower::Follower, root_watch::RootWatch},
    format::{LABEL_PART, ObjectPath, Part, ReplicaState, root_name},
    settings::{CANARY_EVERY, CANARY_EVERY_LEAST, IDLE_AFTER, IDLE_EVERY, LOSSES_REPORTED, PROOFS_PER_TTL},
    store::{ObjectName, Selector, Token},
};

/// When proofs are due.
pub(super) struct Beat {
    /// When somebody was last known to read or write.
    used: Instant,
    pub(super) due: Instant,
}

impl Beat {
    /// At once, and then every second.
    pub(super) fn begin() -> Self {
        let now = Instant::now();
        Self { used: now, due: now }
    }
}

impl RootWatch<'_> {
    /// Proves once.
    pub(super) fn prove<'s>(&'s self, beat: &mut Beat) -> impl Future<Output = ()> + use<'s> {
        let now = Instant::now();
        if self.scope.take_use() {
            beat.used = now;
        }
        let state = match beat.used.elapsed() >= IDLE_AFTER {
            true => ReplicaState::Idle,
            false => ReplicaState::Active,
        };
        self.scope.set_idle(state == ReplicaState::Idle);
        beat.due = now + self.pause(state);
        async move {
            if let Some(canary) = self.canary.as_ref().filter(|canary| canary.is_taken()) {
                self.by_canary(canary, state).await;
            }
            if self.canary.as_ref().is_none_or(|canary| !canary.is_taken()) {
                self.by_list().await;
            }
        }
    }

    /// The time between two proofs: while all is well, no answer is older than this and the time that one takes.
    fn pause(&self, state: ReplicaState) -> Duration {
        if state == ReplicaState::Idle {
            return IDLE_EVERY;
        }
        let configured = self.context.configured.load(Ordering::Acquire);
        let mut lowest = self.lowest_ttl.lock();
        let ttl = match *lowest {
            Some((as_of, ttl)) if as_of == configured => ttl,
            _ => {
                let followers = self.followers();
                let ttls = followers.iter().map(|follower| follower.space.config().cache.ttl);
                // Where it is 0 every read asks the store.
                let ttl = ttls.filter(|ttl| !ttl.is_zero()).min().unwrap_or(Duration::MAX);
                *lowest = Some((configured, ttl));
                ttl
            }
        };
        (ttl / PROOFS_PER_TTL).clamp(CANARY_EVERY_LEAST, CANARY_EVERY)
    }

    async fn by_canary(&self, canary: &Canary, state: ReplicaState) {
        if self.is_first {
            let (others, _) = self.replicas.divided(self.context.clock.now());
            self.context.pace.set_share(others.len() + 1);
        }
        canary.swap(self.context, state, self.lost()).await;
        if !self.context.is_maintainer() {
            return;
        }
        for heard in self.replicas.outdated(self.context.clock.now()) {
            // Gone already, or unreachable: the watch tells, or the next round tries again.
            self.context.canary_store.delete(&heard.meta.name, &heard.meta.id).await.ok();
        }
    }

    /// Objects that this replica misses.
    fn lost(&self) -> Vec<ObjectPath> {
        let of = |follower: &Follower| -> Vec<ObjectPath> {
            let Some(view) = follower.space.view() else { return Vec::new() };
            let path =
                |name: &str| ObjectPath(follower.space.namespace.account().to_owned(), name.to_owned());
            view.open_damage().map(|damage| path(damage.name())).collect()
        };
        self.followers().iter().flat_map(|follower| of(follower)).take(LOSSES_REPORTED).collect()
    }

    /// Compares the tokens of all roots with those in memory.
    async fn by_list(&self) {
        let roots = Selector {
            folder: self.scope.part.folder.clone(),
            labels: vec![(LABEL_PART.to_owned(), vec![Part::Root.as_str().to_owned()])],
        };
        let asked = self.context.clock.steady();
        let token = |follower: &Follower| follower.space.view().map(|view| view.token.clone());
        let followers = self.followers();
        let known: HashMap<ObjectName, Option<Token>> = followers
            .iter()
            .map(|follower| (root_name(&follower.space.namespace), token(follower)))
            .collect();
        let metas = match self.context.store.list(&roots).await {
            Ok(metas) => metas,
            Err(error) => {
                tracing::debug!(%error, "the roots could not be listed");
                return;
            }
        };
        let listed: HashMap<ObjectName, Token> =
            metas.into_iter().map(|meta| (meta.name, meta.token)).collect();
        for follower in self.followers() {
            let name = root_name(&follower.space.namespace);
            let (now, before) = (token(&follower), known.get(&name).cloned().flatten());
            match (listed.get(&name), now) {
                (Some(listed), Some(now)) if *listed == now => {
                    if follower.space.is_sound() {
                        follower.space.proof.prove(asked);
                    }
                }
                // Memory has moved on while the list was under way.
                (listed, Some(now)) if listed == before.as_ref() && before.as_ref() != Some(&now) => {}
                (None, None) => {}
                _ => follower.request_check(),
            }
        }
        self.scope.renew();
    }
}
