//! What the state of a KvNamespace in memory is good for: whether it shows what a readable root says, whether it may
//! be written upon, and the refusal where it may not.

use std::sync::Arc;

use nearkv::{Error, Reason};

use crate::{
    Health, NamespaceConfig,
    state::{snapshot::Snapshot, space::Space},
};

/// Losses that the health names, so that a condition stays short (the API takes 32 KiB).
const LOSSES_NAMED: usize = 8;

/// What is known of the state in memory.
pub(crate) struct Trust {
    health: Health,
    /// A first look has been taken, whatever it showed.
    settled: bool,
}

impl Default for Trust {
    fn default() -> Self {
        Self { health: Health::Loading, settled: false }
    }
}

impl Space {
    pub(crate) fn health(&self) -> Health {
        self.standing.lock().health.clone()
    }

    pub(crate) fn set_health(&self, health: Health) {
        let mut standing = self.standing.lock();
        standing.settled |= health != Health::Loading;
        if !is_sound(&health) {
            self.proof.suspend();
        }
        if standing.health != health {
            tracing::info!(namespace = %self.namespace, from = standing.health.as_str(), to = health.as_str(), "health changed");
            standing.health = health;
            drop(standing);
            self.context.announce(&self.namespace);
        }
    }

    /// The state in memory is what a readable root says: whole, or not.
    pub(crate) fn assess(&self, snapshot: &Snapshot) {
        let mut details: Vec<String> = snapshot.open_damage().map(|damage| damage.detail.clone()).collect();
        details.extend(self.values.among(&snapshot.entries));
        let more = details.len().saturating_sub(LOSSES_NAMED);
        details.truncate(LOSSES_NAMED);
        details.extend((more > 0).then(|| format!("and {more} more")));
        self.set_health(match details.is_empty() {
            true => Health::Ready,
            false => Health::PartDamaged { detail: details.join("; ") },
        });
    }

    /// A first look has been taken, whatever it showed.
    pub(crate) fn settle(&self) {
        self.standing.lock().settled = true;
    }

    pub(crate) fn is_settled(&self) -> bool {
        self.standing.lock().settled
    }

    /// Whether the state may be written upon; else the refusal.
    pub(crate) fn writable(&self) -> Result<Arc<Snapshot>, Error> {
        let health = self.health();
        match (&health, self.view()) {
            (Health::Ready | Health::PartDamaged { .. } | Health::StoreRefused { .. }, Some(view)) => {
                Ok(view)
            }
            (Health::Loading, _) | (Health::Ready, None) => Err(Error::namespace_loading(&self.namespace)),
            _ => Err(self.damaged(&health)),
        }
    }

    /// The refusal of what a damaged root does not allow, or one that the store does not take.
    pub(crate) fn damaged(&self, health: &Health) -> Error {
        let (account, name) = (self.namespace.account(), self.namespace.name());
        if let Health::StoreRefused { detail } = health {
            let text = format!("The store refuses the data of KvNamespace {account}/{name}: {detail}");
            return Error::new(Reason::StoreRefused, text);
        }
        let remedy = match health {
            Health::FormatUnknown { .. } => {
                "run the version of nearkv-operator that wrote it, or a newer one".to_owned()
            }
            _ => format!("repair it with: kubectl kv repair {name} -n {account}"),
        };
        let what = match health {
            Health::FormatUnknown { detail } => format!("is another version's ({detail})"),
            Health::RootMissing => "is missing".to_owned(),
            Health::RootDamaged { detail } => format!("is damaged ({detail})"),
            Health::NameTaken { detail } => format!("has its name taken ({detail})"),
            _ => format!("is not to be trusted ({})", health.as_str()),
        };
        Error::new(
            Reason::NamespaceDamaged,
            format!(
                "The root ConfigMap {name}.kv of KvNamespace {account}/{name} {what}: nothing is written; {remedy}"
            ),
        )
    }

    /// Does it if memory shows what a readable root says, and keeps the health as it is meanwhile.
    pub(crate) fn if_sound(&self, then: impl FnOnce()) {
        let standing = self.standing.lock();
        if is_sound(&standing.health) {
            then();
        }
    }

    /// Whether memory shows what a readable root says.
    pub(crate) fn is_sound(&self) -> bool {
        is_sound(&self.standing.lock().health)
    }
}

fn is_sound(health: &Health) -> bool {
    matches!(health, Health::Ready | Health::PartDamaged { .. } | Health::StoreRefused { .. })
}

/// The refusal of an operation on keys whose entries are lost.
pub(crate) fn damaged_range(config: &NamespaceConfig, detail: &str) -> Error {
    let namespace = &config.namespace;
    Error::new(
        Reason::NamespaceDamaged,
        format!("Data of KvNamespace {namespace} are damaged: {detail}; see kubectl kv repair"),
    )
}
