//! Stand-ins for the world, for the tests of the pipeline: ConfigMaps that are handed in, and an origin that answers what
//! the test says.

use std::collections::VecDeque;

use async_trait::async_trait;
use k8s_openapi::{api::core::v1::ConfigMap, apimachinery::pkg::apis::meta::v1::ObjectMeta};
use nearkv::{Error, Incarnation, Key, Namespace, Random, Version};
use parking_lot::Mutex;

use super::{ConfigMaps, Data, DereferenceError};
use nearkv_origin::{
    Declaration, DeclareOutcome, DeletionPolicy, Health, InitialState, NamespaceConfig, OnLoss, Repair,
    Report,
};

pub(crate) fn config_map(name: &str, data: &[(&str, &str)]) -> ConfigMap {
    ConfigMap {
        metadata: ObjectMeta {
            name: Some(name.into()),
            namespace: Some("team-a".into()),
            ..ObjectMeta::default()
        },
        data: Some(data.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect()),
        ..ConfigMap::default()
    }
}

pub(crate) struct FakeConfigMaps(pub(crate) Vec<ConfigMap>);

#[async_trait]
impl ConfigMaps for FakeConfigMaps {
    async fn get(&self, account: &str, name: &str) -> Result<Option<ConfigMap>, DereferenceError> {
        assert_eq!(account, "team-a");
        Ok(self.0.iter().find(|map| map.metadata.name.as_deref() == Some(name)).cloned())
    }
}

/// An origin that answers what the test says and keeps what it was told.
pub(crate) struct FakeData {
    pub(crate) report: Mutex<Report>,
    pub(crate) refuse: Mutex<Option<Error>>,
    pub(crate) outcomes: Mutex<VecDeque<DeclareOutcome>>,
    pub(crate) calls: Mutex<Vec<String>>,
    /// Whether a repair would drop keys.
    pub(crate) drops: bool,
}

/// What the origin reports of data that are as declared, at this version.
pub(crate) fn sound_report(at: u64) -> Report {
    Report {
        health: Health::Ready,
        version: Some(version(at)),
        keys: 2,
        bytes: 20,
        objects: 1,
        declared: Some(("uid-1".into(), 1)),
        deletion_policy: Some(DeletionPolicy::Delete),
        differences: 0,
    }
}

impl FakeData {
    pub(crate) fn new() -> Self {
        Self {
            report: Mutex::new(sound_report(1)),
            refuse: Mutex::default(),
            outcomes: Mutex::default(),
            calls: Mutex::default(),
            drops: false,
        }
    }

    pub(crate) fn with_health(self, health: Health) -> Self {
        self.report.lock().health = health;
        self
    }

    /// Whose repair would drop keys.
    pub(crate) fn dropping(self) -> Self {
        Self { drops: true, ..self }
    }

    pub(crate) fn call_names(&self) -> Vec<String> {
        std::mem::take(&mut self.calls.lock())
    }

    fn damage(&self, namespace: &Namespace) -> Result<(), Error> {
        if let Some(error) = &*self.refuse.lock() {
            return Err(error.clone());
        }
        match self.report.lock().health {
            Health::Ready => Ok(()),
            Health::Loading => Err(Error::namespace_loading(namespace)),
            _ => Err(Error::new(nearkv::Reason::NamespaceDamaged, "the root is not to be trusted")),
        }
    }
}

#[async_trait]
impl Data for FakeData {
    fn configure(&self, config: NamespaceConfig) -> bool {
        assert_eq!(config.uid, "uid-1");
        true
    }

    async fn initialise(&self, namespace: &Namespace, initial_state: InitialState) -> Result<Version, Error> {
        self.calls.lock().push(format!("initialise {initial_state:?}"));
        self.damage(namespace).map(|()| version(1))
    }

    async fn declare(
        &self,
        namespace: &Namespace,
        declaration: Declaration,
    ) -> Result<DeclareOutcome, Error> {
        self.calls.lock().push(format!("declare {}", declaration.entries.len()));
        self.damage(namespace)?;
        Ok(self.outcomes.lock().pop_front().unwrap_or_else(|| outcome(&[], &[], &[])))
    }

    async fn repair(&self, _: &Namespace, on_loss: OnLoss) -> Result<Repair, Error> {
        self.calls.lock().push(format!("repair {on_loss:?}"));
        if self.drops && on_loss == OnLoss::Refuse {
            return Ok(Repair::WouldDrop("would drop up to 7 keys".into()));
        }
        self.report.lock().health = Health::Ready;
        Ok(Repair::Done(version(2)))
    }

    fn report(&self, _: &Namespace) -> Option<Report> {
        Some(self.report.lock().clone())
    }
}

pub(crate) fn version(number: u64) -> Version {
    Version::new(Incarnation::mint(&Random::seeded(1)), number)
}

pub(crate) fn outcome(written: &[&str], taken_over: &[&str], removed: &[&str]) -> DeclareOutcome {
    let keys = |names: &[&str]| names.iter().map(|name| Key::new(name).unwrap()).collect();
    DeclareOutcome {
        version: version(1),
        written: keys(written),
        taken_over: keys(taken_over),
        removed: keys(removed),
    }
}
