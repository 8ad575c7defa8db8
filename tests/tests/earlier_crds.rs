//! An operator under the CRD of an earlier version, as a rollback leaves it until the operators are rolled back too, and an
//! upgrade without the CRDs for longer.

use nearkv_controller::api::crd;
use nearkv_tests::{Scenario, eventually};
use serde_json::Value;

/// What the CRD lacked before it came to `status`.
const LATER: &str = "lastRepairResult";

#[tokio::test(flavor = "multi_thread")]
async fn a_status_is_written_without_the_fields_that_an_earlier_crd_does_not_have() {
    let scenario = Scenario::start(&[]).await.unwrap();
    let mut earlier = serde_json::to_value(crd()).unwrap();
    let status = "/spec/versions/0/schema/openAPIV3Schema/properties/status/properties";
    let fields = earlier.pointer_mut(status).and_then(Value::as_object_mut).unwrap();
    fields.remove(LATER).unwrap();
    scenario.namespace.apply(&earlier.to_string()).await.unwrap();
    scenario.apply_ready("{}").await.unwrap();

    scenario.namespace.kubectl(&["annotate", "kvns", "settings", "nearkv.dev/repair=now"]).await.unwrap();
    eventually("the repair in the status", async || {
        let seen = scenario.field("{.status.lastRepair}").await.map_err(|error| error.to_string())?;
        if seen == "now" { Ok(()) } else { Err(seen) }
    })
    .await
    .unwrap();
    // The next generation comes to the status as well.
    scenario.apply_ready("{entries: [{key: a, value: one}]}").await.unwrap();
    assert_eq!(scenario.field(&format!("{{.status.{LATER}}}")).await.unwrap(), "");
    scenario.end().await.unwrap();
}
