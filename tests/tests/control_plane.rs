//! The harness itself: a control plane starts, works, and leaves nothing behind.

use std::io::{BufRead, BufReader};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use nearkv_tests::{ControlPlane, Options, Program};
use rustix::process::{Pid, test_kill_process};

const CRD: &str = "
apiVersion: apiextensions.k8s.io/v1
kind: CustomResourceDefinition
metadata: {name: lamps.harness.nearkv.dev}
spec:
  group: harness.nearkv.dev
  names: {kind: Lamp, plural: lamps, singular: lamp}
  scope: Namespaced
  versions:
  - name: v1
    served: true
    storage: true
    schema:
      openAPIV3Schema:
        type: object
        properties:
          spec:
            type: object
            properties: {watts: {type: integer}}
            x-kubernetes-validations: [{rule: self.watts < 100, message: too bright}]
";

fn lamp(watts: u32) -> String {
    format!(
        "{{apiVersion: harness.nearkv.dev/v1, kind: Lamp, metadata: {{name: desk}}, spec: {{watts: {watts}}}}}"
    )
}

#[tokio::test(flavor = "multi_thread")]
async fn the_control_plane_is_the_kubernetes_that_was_asked_for() {
    let control_plane = ControlPlane::shared().await.unwrap();
    if control_plane.is_given() {
        return;
    }
    let version = control_plane.kubectl().run(&["get", "--raw", "/version"]).await.unwrap();
    assert!(version.contains("\"gitVersion\": \"v1.37.1\""), "{version}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_crd_can_be_applied_and_its_rules_hold() {
    let control_plane = ControlPlane::shared().await.unwrap();
    control_plane.kubectl().apply("default", CRD).await.unwrap();
    let established = ["wait", "--for=condition=Established", "crd/lamps.harness.nearkv.dev"];
    control_plane.kubectl().run(&established).await.unwrap();

    let namespace = control_plane.namespace().await.unwrap();
    namespace.apply(&lamp(40)).await.unwrap();
    let watts = namespace.kubectl(&["get", "lamp", "desk", "-o", "jsonpath={.spec.watts}"]).await.unwrap();
    assert_eq!(watts, "40");
    let refusal = namespace.apply(&lamp(400)).await.unwrap_err().to_string();
    assert!(refusal.contains("too bright"), "{refusal}");
    namespace.delete().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn an_owned_object_goes_with_its_owner() {
    let control_plane = ControlPlane::shared().await.unwrap();
    let namespace = control_plane.namespace().await.unwrap();
    namespace.kubectl(&["create", "configmap", "owner"]).await.unwrap();
    let uid = namespace.kubectl(&["get", "cm", "owner", "-o", "jsonpath={.metadata.uid}"]).await.unwrap();
    let owner = format!("{{apiVersion: v1, kind: ConfigMap, name: owner, uid: {uid}}}");
    namespace
        .apply(&format!(
            "{{apiVersion: v1, kind: ConfigMap, metadata: {{name: owned, ownerReferences: [{owner}]}}}}"
        ))
        .await
        .unwrap();
    namespace.kubectl(&["delete", "cm", "owner"]).await.unwrap();
    namespace.kubectl(&["wait", "--for=delete", "cm/owned", "--timeout=60s"]).await.unwrap();
    namespace.delete().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_dropped_control_plane_leaves_no_process() {
    let control_plane = ControlPlane::start(Options { fsync: true }).await.unwrap();
    let ids = control_plane.process_ids();
    if control_plane.is_given() {
        return;
    }
    assert_eq!(ids.len(), 3);
    assert!(ids.iter().all(|id| is_running(*id)), "{ids:?}");
    drop(control_plane);
    assert!(!ids.iter().any(|id| is_running(*id)), "{ids:?}");
}

#[test]
fn a_killed_test_process_leaves_no_process_and_no_files() {
    let mut holder = Command::new(env!("CARGO_BIN_EXE_control-plane"))
        .env_remove("NEARKV_TEST_KUBECONFIG")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(holder.stdout.take().unwrap()).lines();
    let mut next = |start: &str| {
        let line = lines.next().unwrap().unwrap();
        line.strip_prefix(start).unwrap_or_else(|| panic!("{line}")).to_owned()
    };
    let ids: Vec<u32> = serde_json::from_str(&next("processes ")).unwrap();
    let kubeconfig = next("kubeconfig ");
    assert!(ids.len() == 3 && ids.iter().all(|id| is_running(*id)), "{ids:?}");

    holder.kill().unwrap();
    holder.wait().unwrap();

    let deadline = Instant::now() + Duration::from_secs(30);
    while ids.iter().any(|id| is_running(*id)) || std::fs::exists(&kubeconfig).unwrap() {
        assert!(Instant::now() < deadline, "{ids:?} of {kubeconfig} are still there");
        std::thread::sleep(Duration::from_millis(20));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_process_that_ends_too_early_is_reported_with_its_last_words() {
    let mut process = Program::new("early", "sh").args(["-c", "echo no disk; exit 3"]).start().unwrap();
    let error = process.wait_for_line("ready", 0, Duration::from_secs(30)).await.unwrap_err().to_string();
    assert!(error.contains("exit status: 3") && error.ends_with("no disk"), "{error}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_restarted_process_goes_on_in_the_same_log() {
    let script = "trap 'echo bye; exit 0' TERM; echo ready; while :; do sleep 0.02; done";
    let limit = Duration::from_secs(30);
    let mut process = Program::new("restarted", "sh").args(["-c", script]).start().unwrap();
    process.wait_for_line("ready", 0, limit).await.unwrap();
    let first = process.id();
    let before = process.restart().unwrap();
    assert!(!is_running(first));
    process.wait_for_line("ready", before, limit).await.unwrap();
    assert!(process.terminate(limit).await.unwrap().success());
    assert_eq!(process.log(), "ready\nready\nbye\n");
}

/// Whether a process with this id is there and has not ended. One that has, and waits for being
/// reaped by the system, does nothing any more.
fn is_running(id: u32) -> bool {
    let exists = Pid::from_raw(id.cast_signed()).is_some_and(|id| test_kill_process(id).is_ok());
    // The state is the word after the name, which stands in parentheses.
    let state = std::fs::read_to_string(format!("/proc/{id}/stat")).unwrap_or_default();
    exists && !state.rsplit(')').next().unwrap_or_default().trim_start().starts_with('Z')
}
