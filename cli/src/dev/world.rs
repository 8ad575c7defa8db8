//! Makes the data follow the manifests: what the API server, the controller and the garbage collector do together in a
//! cluster, with the controller's own pipeline.

mod asked;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use k8s_openapi::api::core::v1::ConfigMap;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use k8s_openapi::jiff::Timestamp;
use nearkv::{Clock, Namespace, Random};
use nearkv_controller::api::{KvNamespace, PolicySpec};
use nearkv_controller::{
    ConfigMaps, DereferenceError, Event, Memory, ReconcileError, Reconciled, config_of, is_ending, reconcile,
};
use nearkv_origin::store::{Directory, StoreError};
use nearkv_origin::{Health, InitialState, Origin};
use tokio::time::{Instant, sleep};

pub(super) use self::asked::ChangeError;
use super::catalog::Known;
use super::console::Console;
use super::kept::{KeepError, Kept};
use super::objects::{Changes, ConfigMapName, Objects, title_of, uid_of};
use crate::manifest::Manifests;

/// How long a KvNamespace's data may take to be loaded before development mode goes on without them: 64 MiB of
/// small files on a slow disk.
const SETTLE_LIMIT: Duration = Duration::from_secs(30);
/// Pause between two rounds of a KvNamespace that is not settled.
const ROUND_PAUSE: Duration = Duration::from_millis(20);

/// The objects, and what follows them.
pub(super) struct World {
    pub(super) objects: Objects,
    memories: BTreeMap<Namespace, Memory>,
    /// Those whose declared entries are not in force: another round is due.
    unsettled: BTreeSet<Namespace>,
    pub(super) parts: Parts,
}

/// Why the data cannot follow the manifests.
#[derive(Debug, thiserror::Error)]
pub enum FollowError {
    /// The state directory does not take a manifest.
    #[error(transparent)]
    Keep(#[from] KeepError),
    /// The data of a KvNamespace that has gone cannot be removed.
    #[error("failed to remove the data of {namespace}: {source}")]
    Remove {
        /// Whose.
        namespace: Namespace,
        /// The store's words.
        source: StoreError,
    },
    /// The controller's pipeline cannot begin.
    #[error("failed to reconcile {namespace}: {source}")]
    Reconcile {
        /// Whose.
        namespace: Namespace,
        /// Where it stopped.
        source: ReconcileError,
    },
}

/// The parts that a [`World`] works on.
pub(super) struct Parts {
    pub(super) kept: Kept,
    pub(super) directory: Directory,
    pub(super) origin: Arc<Origin>,
    pub(super) known: Arc<Known>,
    pub(super) clock: Arc<dyn Clock>,
    pub(super) random: Arc<Random>,
    pub(super) console: Console,
}

impl World {
    /// Starts with the objects that were kept.
    pub(super) fn new(objects: Manifests, parts: Parts) -> Self {
        let objects = Objects::kept(objects);
        Self { objects, memories: BTreeMap::new(), unsettled: BTreeSet::new(), parts }
    }

    /// Brings everything that was kept into memory, and ends removals that an earlier run has begun. Answers what
    /// cannot be trusted, each KvNamespace with the reason; then nothing was changed.
    pub(super) async fn resume(&mut self) -> Result<Vec<String>, FollowError> {
        let mut faults = Vec::new();
        for (namespace, object) in &self.objects.all.namespaces {
            if is_ending(object) {
                continue;
            }
            let failed = |source| FollowError::Reconcile { namespace: namespace.clone(), source };
            let config = config_of(&with_uid(object)).map_err(|error| failed(error.into()))?;
            self.parts.known.insert(config.clone(), title_of(object));
            self.parts.origin.configure(config);
            let has_data = object.status.as_ref().is_some_and(|status| status.version.is_some());
            if has_data && let Some(fault) = self.load(namespace).await {
                faults.push(format!("{namespace}: {fault}"));
            }
        }
        if !faults.is_empty() {
            return Ok(faults);
        }
        let (ending, living): (BTreeMap<_, _>, BTreeMap<_, _>) =
            std::mem::take(&mut self.objects.all.namespaces).into_iter().partition(|(_, o)| is_ending(o));
        self.objects.all.namespaces = living;
        for (namespace, object) in ending {
            self.remove(&namespace, object).await?;
        }
        Ok(faults)
    }

    /// Loads data that must be there; what is wrong with them, if something is.
    async fn load(&self, namespace: &Namespace) -> Option<String> {
        let loaded = self.parts.origin.initialise(namespace, InitialState::Existing).await;
        let root = self.parts.kept.root_of(namespace).display().to_string();
        match (self.parts.origin.report(namespace)?.health, loaded) {
            (Health::Ready, Ok(_)) => None,
            // The store names file and line of what it cannot read itself.
            (Health::RootDamaged { detail }, _) if detail.contains(&root) => Some(detail),
            (
                Health::RootDamaged { detail }
                | Health::NameTaken { detail }
                | Health::FormatUnknown { detail },
                _,
            ) => Some(format!("{root}: {detail}")),
            (Health::PartDamaged { detail } | Health::StoreRefused { detail }, _) => Some(detail),
            (Health::RootMissing, _) => Some(format!("{root} is missing, and there were data before")),
            (Health::Loading, Ok(_)) => Some("its data could not be loaded".to_owned()),
            (Health::Loading | Health::Ready, Err(error)) => Some(error.to_string()),
        }
    }

    /// Takes the manifests as they are now, and makes the data follow.
    pub(super) async fn take(&mut self, manifests: Manifests) -> Result<(), FollowError> {
        let changes = self.objects.take(manifests, &self.parts.random);
        let Changes { namespaces, removed_namespaces, config_maps, removed_config_maps } = changes;
        for (account, name) in &removed_config_maps {
            self.parts.kept.drop_config_map(account, name)?;
        }
        for (account, name) in &config_maps {
            if let Some(object) = self.objects.all.config_maps.get(&(account.clone(), name.clone())) {
                self.parts.kept.keep_config_map(account, name, object)?;
            }
        }
        for (namespace, object) in removed_namespaces {
            self.remove(&namespace, object).await?;
        }
        for namespace in &namespaces {
            if let Some(object) = self.objects.all.namespaces.get(namespace) {
                self.parts.kept.keep_namespace(namespace, object)?;
            }
        }
        // All of them: any may take entries from a ConfigMap that has changed.
        self.reconcile_all().await
    }

    /// Another round for every KvNamespace.
    pub(super) async fn reconcile_all(&mut self) -> Result<(), FollowError> {
        for namespace in self.objects.all.namespaces.keys().cloned().collect::<Vec<_>>() {
            self.reconcile(&namespace).await?;
        }
        Ok(())
    }

    /// Another round for those whose declared entries are not in force.
    pub(super) async fn retry(&mut self) -> Result<(), FollowError> {
        for namespace in std::mem::take(&mut self.unsettled) {
            self.reconcile(&namespace).await?;
        }
        Ok(())
    }

    /// Rounds of the controller's pipeline until the declared entries are in force.
    pub(super) async fn reconcile(&mut self, namespace: &Namespace) -> Result<(), FollowError> {
        let Some(object) = self.objects.all.namespaces.get_mut(namespace) else { return Ok(()) };
        let failed = |source| FollowError::Reconcile { namespace: namespace.clone(), source };
        // What is still wrong is told again by every process: its reader may be another one.
        let memory = self.memories.entry(namespace.clone()).or_insert_with(|| {
            let mut status = object.status.clone().unwrap_or_default();
            status.conditions.clear();
            Memory::of(Some(&status))
        });
        let desired = with_uid(object);
        let config = config_of(&desired).map_err(|error| failed(error.into()))?;
        self.parts.known.insert(config, title_of(&desired));

        let deadline = Instant::now() + SETTLE_LIMIT;
        loop {
            let now = timestamp(&*self.parts.clock);
            let config_maps = Given(&self.objects.all.config_maps);
            let round =
                reconcile(&*self.parts.origin, &config_maps, &desired, memory, now).await.map_err(failed)?;
            let Reconciled { memory: next, events, settled, took: _ } = round;
            tell(self.parts.console, namespace, &events);
            let first_version = memory.status.version.is_none() && next.status.version.is_some();
            let repaired = memory.status.last_repair != next.status.last_repair;
            *memory = next;
            if first_version || repaired || settled {
                let status = Some(memory.status.clone());
                if object.status != status {
                    object.status = status;
                    self.parts.kept.keep_namespace(namespace, object)?;
                }
            }
            if settled {
                return Ok(());
            }
            if Instant::now() > deadline || !is_loading(&self.parts.origin, namespace) {
                self.unsettled.insert(namespace.clone());
                return Ok(());
            }
            sleep(ROUND_PAUSE).await;
        }
    }

    /// What a cluster does when a KvNamespace is deleted. Its manifest is kept with the mark of its end until its data
    /// have gone, so that a removal that is cut off goes on at the next start.
    async fn remove(&mut self, namespace: &Namespace, mut object: KvNamespace) -> Result<(), FollowError> {
        let uid = uid_of(&object).unwrap_or_default().to_owned();
        let retained = object.spec.deletion_policy == PolicySpec::Retain;
        if !retained {
            object.metadata.deletion_timestamp = Some(Time(timestamp(&*self.parts.clock)));
            self.parts.kept.keep_namespace(namespace, &object)?;
        }
        self.parts.known.remove(namespace);
        self.memories.remove(namespace);
        self.unsettled.remove(namespace);
        self.parts.origin.forget(namespace, &uid);
        if !retained {
            let removed = self.parts.directory.remove_owned(&uid).await;
            removed.map_err(|source| FollowError::Remove { namespace: namespace.clone(), source })?;
        }
        self.parts.kept.drop_namespace(namespace)?;
        let fate = if retained { "its data stay (deletionPolicy: Retain)" } else { "its data are removed" };
        self.parts.console.say(&format!("{namespace}: it is gone; {fate}"));
        Ok(())
    }
}

fn tell(console: Console, namespace: &Namespace, events: &[Event]) {
    for Event { warning, reason, action: _, note } in events {
        let text = format!("{namespace}: {reason}: {note}");
        if *warning { console.warn(&text) } else { console.say(&text) }
    }
}

/// The object as the pipeline wants it: stored, and therefore with a UID.
fn with_uid(object: &KvNamespace) -> KvNamespace {
    let mut object = object.clone();
    object.metadata.uid = uid_of(&object).map(str::to_owned);
    object
}

fn is_loading(origin: &Origin, namespace: &Namespace) -> bool {
    origin.loading().contains(namespace)
}

fn timestamp(clock: &dyn Clock) -> Timestamp {
    i64::try_from(clock.now().0).ok().and_then(|ms| Timestamp::from_millisecond(ms).ok()).unwrap_or_default()
}

/// The ConfigMaps among the manifests.
struct Given<'a>(&'a BTreeMap<ConfigMapName, ConfigMap>);

#[async_trait]
impl ConfigMaps for Given<'_> {
    async fn get(&self, account: &str, name: &str) -> Result<Option<ConfigMap>, DereferenceError> {
        Ok(self.0.get(&(account.to_owned(), name.to_owned())).cloned())
    }
}
