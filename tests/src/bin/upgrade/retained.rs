//! A KvNamespace that keeps its data when it is deleted: in each phase it is deleted and created again, so that one
//! version adopts what the other has written.

use std::collections::BTreeMap;

use nearkv_tests::kv::Answer;
use nearkv_tests::scenario::kv_namespace;
use nearkv_tests::{Result, eventually};

use crate::fleet::Fleet;

const NAME: &str = "retained";
/// Of several chunks.
const LARGE_BYTES: usize = 300_000;
const SMALL: usize = 20;

/// What it holds.
pub(crate) struct Retained(BTreeMap<String, String>);

impl Retained {
    /// Creates it.
    pub(crate) async fn begin(fleet: &Fleet) -> Result<Retained> {
        let mut retained = Retained(BTreeMap::new());
        create(fleet).await?;
        for number in 0..SMALL {
            retained.put(fleet, &format!("small-{number}"), format!("small {number}")).await?;
        }
        retained.put(fleet, "large", "r".repeat(LARGE_BYTES)).await?;
        Ok(retained)
    }

    /// Deletes it and creates it again.
    ///
    /// # Errors
    /// A value that is not there afterwards.
    pub(crate) async fn delete_and_adopt(&mut self, fleet: &Fleet, phase: &str) -> Result<()> {
        self.put(fleet, "phase", phase.to_owned()).await?;
        fleet.namespace.kubectl(&["delete", "kvns", NAME, "--timeout=60s"]).await?;
        create(fleet).await?;
        // Each operator takes it up by itself.
        eventually("all retained data at every operator", async || {
            for operator in fleet.at_operators(NAME) {
                for (key, value) in &self.0 {
                    let seen = operator.get(key).await.and_then(Answer::value);
                    let seen = seen.map_err(|error| format!("{key}: {error:?}"))?;
                    if seen.as_ref() != Some(value) {
                        return Err(format!("{key} is {:?}", seen.map(|value| value.len())));
                    }
                }
            }
            Ok(())
        })
        .await
    }

    async fn put(&mut self, fleet: &Fleet, key: &str, value: String) -> Result<()> {
        fleet.paths(NAME)[0].put(key, value.clone()).await?.ok()?;
        self.0.insert(key.to_owned(), value);
        Ok(())
    }
}

async fn create(fleet: &Fleet) -> Result<()> {
    fleet.namespace.apply(&kv_namespace(NAME, "{deletionPolicy: Retain}")).await?;
    for condition in ["Ready", "DeletionPolicyInForce"] {
        let condition = format!("--for=condition={condition}");
        fleet.namespace.kubectl(&["wait", &condition, "--timeout=60s", "kvns/retained"]).await?;
    }
    Ok(())
}
