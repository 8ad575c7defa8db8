//! What a space does about a root object that it reads or hears of: believes it, confirms it, or says what is wrong.
//! Only what a read of the root shows may change the health or replace one life of the data by another.

use std::{sync::Arc, time::Duration};

use nearkv::{Error, Reason};
use tokio::time::{Instant, sleep_until};

use crate::{
    Health,
    follow::follower::Follower,
    follow::{
        advance::{Before, Loss},
        inbox::Heard,
        recognise::{self, Kind},
    },
    format::{Root, root_name},
    parts::loader::LoadError,
    settings::{RELOAD_PAUSE, RELOAD_PAUSE_MOST, WATCH_LATE},
    state::snapshot::Snapshot,
    store::{Object, StoreError},
};

/// How the follower came by a root object.
#[derive(Clone, Copy, Debug)]
enum Source {
    /// By a consistent read, asked for at that moment: the object was the newest then or later. With what becomes of parts
    /// that were lost before.
    Read(Duration, Before),
    /// By the watch: the object may be late, and says nothing of how new it is.
    Watch,
}

/// A consistent read of the root.
struct RootRead {
    /// What memory had when the read began.
    before: Option<Arc<Snapshot>>,
    asked: Duration,
    lost: Before,
    found: Result<Option<Object>, StoreError>,
}

impl Follower {
    /// Looks at whatever the follower has heard of, until the space is closed.
    pub(crate) async fn attend(&self) {
        let mut pause = RELOAD_PAUSE;
        // When the root is read, because what the watch told of last is not what memory has.
        let mut doubtful: Option<Instant> = None;
        loop {
            let doubt = async {
                match doubtful {
                    Some(at) => sleep_until(at).await,
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                biased;
                () = self.inbox.arrived.notified() => {}
                () = doubt => self.request_check(),
            }
            let Heard { object, check, proven } = self.inbox.take(&self.space.proof);
            let outcome = match object {
                Some(object) if !check => {
                    self.own_swaps.settled(&object.content).await;
                    let token = object.meta.token.clone();
                    let heard = self.hear(object).await;
                    // An own commit that the watch has yet to tell of, or a hand that has touched the root or put an old one back.
                    let is_like = self.space.view().is_some_and(|view| view.token == token);
                    doubtful = (!is_like).then(|| Instant::now() + WATCH_LATE);
                    heard
                }
                Some(_) | None => {
                    doubtful = None;
                    self.look_again().await.map(drop)
                }
            };
            self.inbox.done();
            match outcome {
                Ok(()) => {
                    pause = RELOAD_PAUSE;
                    self.space.if_sound(|| self.space.proof.prove(proven));
                    self.resume();
                }
                Err(error) if is_passing(&error) => {
                    tracing::debug!(namespace = %self.space.namespace, %error, "the root could not be read yet");
                    tokio::time::sleep(pause + self.space.context.random.jitter(pause)).await;
                    pause = (pause * 2).min(RELOAD_PAUSE_MOST);
                    self.request_check();
                }
                // A KvNamespace that was just made: not worth a warning until somebody expects data.
                Err(error) if error.reason() == Reason::NamespaceLoading => {
                    tracing::debug!(namespace = %self.space.namespace, %error, "there is no root yet");
                }
                Err(error) => {
                    tracing::warn!(namespace = %self.space.namespace, %error, "the root is not usable");
                }
            }
        }
    }

    /// Reads the root and applies what is new; the newest state, if there is one to trust. The root is read before the turn
    /// is taken, so that a read that is slow keeps nobody from applying what is there.
    pub(crate) async fn refresh(&self) -> Result<Arc<Snapshot>, Error> {
        self.wanted.notify_one();
        self.look(Before::StaysLost).await
    }

    /// The same, and reads again what was lost: it may have been put back under its name.
    pub(crate) async fn look_again(&self) -> Result<Arc<Snapshot>, Error> {
        self.look(Before::IsReadAgain).await
    }

    async fn look(&self, lost: Before) -> Result<Arc<Snapshot>, Error> {
        let read = self.read_root(lost).await;
        let turn = self.applying.lock().await;
        let looked =
            if self.is_overtaken(&read) { self.read(lost).await } else { self.take_in_read(read).await };
        drop(turn);
        if looked.is_ok() {
            self.resume();
        }
        looked
    }

    /// Has the root read, soon.
    pub(crate) fn request_check(&self) {
        self.inbox.request_check(&self.space.proof);
    }

    /// Something was read or taken in: the watch proves it again, if there is nothing else to look at.
    fn resume(&self) {
        self.space.if_sound(|| self.inbox.resume(&self.space.proof));
    }

    /// Whether memory has moved on since the read began, and the read shows something else than a later state of the same
    /// data: what it shows may be of before, and only a read in turn tells.
    fn is_overtaken(&self, read: &RootRead) -> bool {
        let now = self.space.view();
        let has_moved = match (&read.before, &now) {
            (None, None) => false,
            (Some(before), Some(now)) => !Arc::ptr_eq(before, now),
            _ => true,
        };
        let shows_same_data = || {
            let Ok(Some(object)) = &read.found else { return false };
            match (recognise::kind(&self.space.config(), object), now) {
                (Kind::Ours(root), Some(now)) => root.incarnation == now.root.incarnation,
                _ => false,
            }
        };
        has_moved && !shows_same_data()
    }

    async fn hear(&self, object: Object) -> Result<(), Error> {
        if self.space.view().is_some_and(|view| view.token == object.meta.token) {
            return Ok(());
        }
        let _turn = self.applying.lock().await;
        self.take_in(object, Source::Watch, None).await.map(drop)
    }

    /// Reads the root and takes it in; in turn.
    async fn read(&self, lost: Before) -> Result<Arc<Snapshot>, Error> {
        let read = self.read_root(lost).await;
        self.take_in_read(read).await
    }

    async fn read_root(&self, lost: Before) -> RootRead {
        let before = self.space.view();
        let _turn = if before.is_none() { self.space.context.loads.first_read().await } else { None };
        let asked = self.space.moment();
        let found = self.space.context.store.get(&root_name(&self.space.namespace)).await;
        RootRead { before, asked, lost, found }
    }

    async fn take_in_read(&self, read: RootRead) -> Result<Arc<Snapshot>, Error> {
        let RootRead { before, asked, lost, found } = read;
        match found {
            Ok(Some(object)) => {
                Box::pin(self.take_in(object, Source::Read(asked, lost), before.as_deref())).await
            }
            Ok(None) => self.missing(),
            Err(StoreError::Damaged { place, message }) => {
                self.condemn(Health::RootDamaged { detail: format!("{place}: {message}") })
            }
            Err(error) => Err(unavailable("failed to read the root").with_source(error)),
        }
    }

    fn missing(&self) -> Result<Arc<Snapshot>, Error> {
        if self.space.view().is_some() {
            return self.condemn(Health::RootMissing);
        }
        // Not made yet, or gone before this process came: whoever initialises it knows which.
        if self.space.health() != Health::RootMissing {
            self.space.set_health(Health::Loading);
        }
        self.space.settle();
        Err(Error::new(
            Reason::NamespaceLoading,
            format!("KvNamespace {} has no data yet", self.space.namespace),
        ))
    }

    fn condemn(&self, health: Health) -> Result<Arc<Snapshot>, Error> {
        let refusal = self.space.damaged(&health);
        self.space.set_health(health);
        Err(refusal)
    }

    async fn take_in(
        &self,
        object: Object,
        source: Source,
        before: Option<&Snapshot>,
    ) -> Result<Arc<Snapshot>, Error> {
        let confirmed = matches!(source, Source::Read(..));
        let root = match recognise::kind(&self.space.config(), &object) {
            Kind::Ours(root) => root,
            _ if !confirmed => return self.read(Before::StaysLost).await,
            Kind::Doomed => {
                self.space.settle();
                self.space.set_health(Health::Loading);
                return Err(Error::new(
                    Reason::NamespaceLoading,
                    format!(
                        "The data of an earlier KvNamespace {} wait for their deletion",
                        self.space.namespace
                    ),
                ));
            }
            Kind::Foreign(detail) => return self.condemn(Health::NameTaken { detail }),
            Kind::OtherFormat(detail) => return self.condemn(Health::FormatUnknown { detail }),
            Kind::Damaged(detail) => return self.condemn(Health::RootDamaged { detail }),
        };
        let Some(present) = self.space.view() else {
            return self.load(None, *root, object, source, Before::StaysLost).await;
        };
        if present.root.incarnation != root.incarnation {
            return if confirmed {
                self.load(None, *root, object, source, Before::StaysLost).await
            } else {
                self.read(Before::StaysLost).await
            };
        }
        if present.is_before(&root) {
            return self.load(Some(present), *root, object, source, Before::StaysLost).await;
        }
        if *present.root == *root {
            // What was lost may have been put back under its name.
            if matches!(source, Source::Read(_, Before::IsReadAgain)) && !present.damage.is_empty() {
                return self.load(Some(present), *root, object, source, Before::IsReadAgain).await;
            }
            return Ok(self.same(present, object, source));
        }
        // Older than what is in memory: late, unless a read that began afterwards shows it.
        match before {
            Some(before)
                if before.root.incarnation == root.incarnation
                    && before.root.swap >= root.swap
                    && *before.root != *root =>
            {
                let detail = format!("swap {} was put in the place of swap {}", root.swap, before.root.swap);
                self.condemn(Health::RootDamaged { detail })
            }
            _ => Ok(present),
        }
    }

    /// The root still says what it said; perhaps somebody has touched its labels.
    fn same(&self, present: Arc<Snapshot>, object: Object, source: Source) -> Arc<Snapshot> {
        let Source::Read(asked, _) = source else { return present };
        self.space.proof.prove(asked);
        self.space.assess(&present);
        if present.token == object.meta.token && present.owner == object.meta.owner {
            return present;
        }
        let touched = Snapshot::clone(&present).with_meta(&object.meta);
        self.space.publish(Arc::new(touched), false)
    }

    async fn load(
        &self,
        old: Option<Arc<Snapshot>>,
        root: Root,
        object: Object,
        source: Source,
        before: Before,
    ) -> Result<Arc<Snapshot>, Error> {
        // Another life of the data takes the place of whatever is there. Within one, something newer may have been
        // committed by the time that this is loaded.
        let replaces = self.space.view().is_some_and(|view| view.root.incarnation != root.incarnation);
        let failed = |error| unavailable("failed to read a part of the data").with_source(error);
        let old = old.as_deref();
        // What the root itself names is at most sixteen segments.
        let is_small =
            old.is_some_and(|old| root.manifest.iter().all(|manifest| old.knows_manifest(manifest)));
        let _turn = if is_small { None } else { self.space.context.loads.turn(&self.wanted).await };
        let loaded = match self.advance(old, root.clone(), &object.meta, Loss::Fails, before).await {
            Err(error) if error.is_damage() => {
                self.confirm_loss(&object, error).await?;
                self.advance(old, root, &object.meta, Loss::LeavesOpen, before).await
            }
            loaded => loaded,
        };
        let loaded = self.compare(loaded.map_err(failed)?, &object, before).await.map_err(failed)?;
        let published = self.space.publish(Arc::new(loaded), replaces);
        if let Source::Read(asked, _) = source {
            self.space.proof.prove(asked);
        }
        self.space.assess(&published);
        self.space.settle();
        Ok(published)
    }

    /// A part is missing or damaged: it is lost only if the root still names it.
    async fn confirm_loss(&self, object: &Object, error: LoadError) -> Result<(), Error> {
        let now = self.space.context.store.get(&root_name(&self.space.namespace)).await;
        if !matches!(&now, Ok(Some(now)) if now.meta.token == object.meta.token) {
            return Err(unavailable("the root moved on while it was read").with_source(error));
        }
        tracing::error!(namespace = %self.space.namespace, detail = %error, "a part of the data is lost");
        Ok(())
    }
}

fn unavailable(what: &'static str) -> Error {
    Error::new(Reason::Unavailable, format!("The store cannot be asked: {what}"))
        .with_retry_after(RELOAD_PAUSE_MOST)
}

fn is_passing(error: &Error) -> bool {
    error.reason() == Reason::Unavailable
}
