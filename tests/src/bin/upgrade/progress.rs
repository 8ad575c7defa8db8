//! What upkeep and operators have done to a KvNamespace: without folds, checkpoints, sweeps and commits by every operator
//! a phase has shown nothing.

use std::collections::{BTreeMap, BTreeSet};

use k8s_openapi::api::core::v1::ConfigMap;
use kube::Api;
use nearkv_tests::{HarnessError, Result};
use serde_json::Value;

use crate::fleet::Fleet;

/// What was seen since the beginning of a phase.
pub(crate) struct Progress {
    first: State,
    last: State,
    /// The manifests of each checkpoint: a second one is that of a fold.
    manifests: BTreeMap<u64, BTreeSet<String>>,
}

/// The state at one moment.
#[derive(Clone)]
struct State {
    /// The manifest's name.
    manifest: String,
    /// The version of the last checkpoint.
    checkpoint: u64,
    /// How often the collector has swapped the root.
    sweep: u64,
    /// Swaps of the root by each operator.
    commits: BTreeMap<String, f64>,
}

impl Progress {
    /// Begins with what is there now.
    pub(crate) async fn begin(fleet: &Fleet, name: &str) -> Result<Progress> {
        let first = State::of(fleet, name).await?;
        Ok(Progress { last: first.clone(), first, manifests: BTreeMap::new() })
    }

    /// Looks again.
    pub(crate) async fn look(&mut self, fleet: &Fleet, name: &str) -> Result<()> {
        self.last = State::of(fleet, name).await?;
        self.manifests.entry(self.last.checkpoint).or_default().insert(self.last.manifest.clone());
        Ok(())
    }

    /// What has not happened yet.
    pub(crate) fn lacks(&self) -> Vec<String> {
        let Progress { first, last, manifests } = self;
        let mut lacks = Vec::new();
        for (what, has_happened) in [
            ("a fold", manifests.values().any(|manifests| manifests.len() > 1)),
            ("a checkpoint", last.checkpoint > first.checkpoint),
            ("a sweep", last.sweep > first.sweep),
        ] {
            if !has_happened {
                lacks.push(what.to_owned());
            }
        }
        for (operator, commits) in &last.commits {
            if first.commits.get(operator).is_none_or(|before| commits <= before) {
                lacks.push(format!("a commit by {operator}"));
            }
        }
        lacks
    }
}

impl State {
    /// Reads it from the root, the manifest and the operators' metrics.
    async fn of(fleet: &Fleet, name: &str) -> Result<State> {
        let client = fleet.control_plane.client().await?;
        let api = Api::<ConfigMap>::namespaced(client, fleet.namespace.name());
        let root = json(&api, &format!("{name}.kv"), "root").await?;
        let manifest = root["manifest"]["manifest"].as_str().unwrap_or_default().to_owned();
        let checkpoint = match manifest.as_str() {
            "" => 0,
            manifest => json(&api, manifest, "references").await?["checkpoint"].as_u64().unwrap_or_default(),
        };
        let sweep = root["sweep"].as_u64().unwrap_or_default();
        let label = format!("kvnamespace=\"{name}\"");
        let mut commits = BTreeMap::new();
        for operator in fleet.running_operators() {
            let metrics = operator.metrics().await?;
            let samples = metrics.samples("nearkv_kvnamespace_commits_total");
            let made = samples.filter(|(labels, _)| labels.contains(&label)).map(|(_, value)| value).sum();
            commits.insert(operator.process.name().to_owned(), made);
        }
        Ok(State { manifest, checkpoint, sweep, commits })
    }
}

/// The first line of a field that is one JSON document or several lines of them.
async fn json(api: &Api<ConfigMap>, name: &str, field: &str) -> Result<Value> {
    let object = api.get(name).await.map_err(|source| HarnessError::Kubernetes {
        action: format!("read the ConfigMap {name}"),
        source: Box::new(source),
    })?;
    let text = object.data.unwrap_or_default().remove(field).unwrap_or_default();
    let first = serde_json::Deserializer::from_str(&text).into_iter::<Value>().next();
    first
        .and_then(std::result::Result::ok)
        .ok_or_else(|| HarnessError::Unexpected(format!("{name} has no JSON in {field}: {text:?}")))
}
