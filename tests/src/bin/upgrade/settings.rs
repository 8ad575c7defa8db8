//! The KvNamespace under load: in each phase its declared entries change and a repair is asked for, as users do it.

use nearkv_tests::kv::Answer;
use nearkv_tests::scenario::kv_namespace;
use nearkv_tests::{Result, eventually};

use crate::fleet::Fleet;
use crate::traffic::{CHANGING, DECLARED};

/// Its name.
const NAME: &str = "settings";

pub(crate) struct Settings;

impl Settings {
    /// Creates it, and waits until it is Ready.
    pub(crate) async fn begin(fleet: &Fleet) -> Result<Settings> {
        let settings = Settings;
        settings.declare(fleet, "the beginning").await?;
        let wait = ["wait", "--for=condition=Ready", "--timeout=60s", "kvns/settings"];
        fleet.namespace.kubectl(&wait).await?;
        Ok(settings)
    }

    pub(crate) fn name(&self) -> &'static str {
        NAME
    }

    /// Asks for a repair, which finds nothing to do, and changes a declared entry. The status has to say so: a status that
    /// the API server refuses is one of another version's CRDs.
    pub(crate) async fn repair_and_declare(&self, fleet: &Fleet, phase: &str) -> Result<()> {
        let request = format!("nearkv.dev/repair={phase}");
        fleet.namespace.kubectl(&["annotate", "--overwrite", "kvns", NAME, &request]).await?;
        eventually("the repair in the status", async || match field(fleet, "{.status.lastRepair}").await {
            Ok(seen) if seen == phase => Ok(()),
            Ok(seen) => Err(seen),
            Err(error) => Err(error.to_string()),
        })
        .await?;
        self.declare(fleet, phase).await
    }

    /// Applies the manifest and waits until its entries are at every operator, and its generation in the status.
    async fn declare(&self, fleet: &Fleet, phase: &str) -> Result<()> {
        // The shortest times that keep most reads at the edges from asking the origin.
        let spec = format!(
            "{{cache: {{ttlSeconds: 5, negativeTtlSeconds: 5}}, expiration: {{minTtlSeconds: 1}}, entries: \
             [{{key: {}, value: {}}}, {{key: {CHANGING}, value: {phase:?}}}]}}",
            DECLARED.0, DECLARED.1
        );
        fleet.namespace.apply(&kv_namespace(NAME, &spec)).await?;
        eventually("the declared entries in force", async || {
            for operator in fleet.at_operators(NAME) {
                let seen = operator.get(CHANGING).await.and_then(Answer::value);
                if !matches!(&seen, Ok(Some(value)) if value == phase) {
                    return Err(format!("{seen:?}"));
                }
            }
            let generations = "{.metadata.generation} {.status.observedGeneration}";
            let seen = field(fleet, generations).await.map_err(|error| error.to_string())?;
            let is_observed = seen.split_once(' ').is_some_and(|(now, observed)| now == observed);
            if is_observed { Ok(()) } else { Err(format!("generations {seen}")) }
        })
        .await
    }
}

async fn field(fleet: &Fleet, path: &str) -> Result<String> {
    fleet.namespace.kubectl(&["get", "kvns", NAME, "-o", &format!("jsonpath={path}")]).await
}
