//! What a user does first: makes a KvNamespace, reads it from a pod, writes near and reads far, and uses the plugin.

use nearkv::Namespace;
use nearkv_tests::eventually;
use nearkv_tests::http::client;
use nearkv_tests::scenario::kv_namespace;

use crate::release::{APPLICATION, Release, SYSTEM, TEAM};

/// One declared key, and a time to live that lets a test see what spreads.
const SPEC: &str =
    "{entries: [{key: site_title, value: My Awesome Blog}], cache: {ttlSeconds: 1, negativeTtlSeconds: 1}}";

/// A pod as any application's: it knows a DNS name, and shows the token of its ServiceAccount if it has one.
fn client_pod(name: &str, account: Option<&str>) -> String {
    let account_line = account.map(|name| format!("serviceAccountName: {name}")).unwrap_or_default();
    let token = account.map(|_| "\"--token-file=/token/token\"").unwrap_or_default();
    format!(
        "apiVersion: v1
kind: Pod
metadata: {{name: {name}}}
spec:
  restartPolicy: Never
  automountServiceAccountToken: false
  {account_line}
  securityContext: {{runAsNonRoot: true, runAsUser: 65532, seccompProfile: {{type: RuntimeDefault}}}}
  volumes:
  - name: token
    projected: {{sources: [{{serviceAccountToken: {{audience: nearkv, path: token}}}}]}}
  containers:
  - name: client
    image: localhost/kubectl-kv:test
    imagePullPolicy: Never
    args: [get, settings, site_title, --namespace={TEAM}, --server=http://nearkv-edge.{SYSTEM}.svc.cluster.local:8701, {token}]
    volumeMounts: [{{name: token, mountPath: /token}}]
    securityContext: {{allowPrivilegeEscalation: false, capabilities: {{drop: [ALL]}}}}
"
    )
}

/// Runs such a pod to its end, and gives what it printed.
async fn run_client(release: &Release<'_>, name: &str, account: Option<&str>, phase: &str) -> String {
    let kubectl = release.cluster.kubectl();
    kubectl.apply(TEAM, &client_pod(name, account)).await.unwrap();
    let ended = format!("--for=jsonpath={{.status.phase}}={phase}");
    let pod = format!("pod/{name}");
    let waited = kubectl.run(&["wait", "-n", TEAM, &ended, &pod, "--timeout=60s"]).await;
    let printed = kubectl.run(&["logs", "-n", TEAM, name]).await.unwrap_or_default();
    if let Err(error) = waited {
        panic!("{error:?}: {printed}\n{}", release.state().await);
    }
    printed
}

pub(crate) async fn pods_read_by_the_services_dns_name_as_rbac_permits(release: &Release<'_>) {
    let kubectl = release.cluster.kubectl();
    kubectl.apply(TEAM, &kv_namespace("settings", SPEC)).await.unwrap();
    let ready = ["wait", "-n", TEAM, "--for=condition=Ready", "kvns/settings", "--timeout=60s"];
    kubectl.run(&ready).await.unwrap();
    let read = run_client(release, "reader", Some(APPLICATION), "Succeeded").await;
    assert_eq!(read.trim(), "My Awesome Blog");
    let refused = run_client(release, "stranger", Some("default"), "Failed").await;
    assert!(refused.contains("may not"), "{refused}");
    let refused = run_client(release, "nobody", None, "Failed").await;
    assert!(refused.contains("token"), "{refused}");
    let edges = release.settings("nearkv-edge").await;
    for (token, status) in [(Some(release.token("default").await), 403), (None, 401)] {
        let asked = token.map_or_else(|| edges.without_token(), |token| edges.bearing(&token));
        assert_eq!(asked.get("site_title").await.unwrap().status, status);
    }
}

pub(crate) async fn a_write_in_one_region_is_read_in_the_other(release: &Release<'_>) {
    let london = release.settings("nearkv-edge-london").await;
    let tokyo = release.settings("nearkv-edge-tokyo").await;
    assert_eq!(tokyo.get("greeting").await.unwrap().value().unwrap(), None);
    london.put("greeting", "hello").await.unwrap().ok().unwrap();
    eventually("London's write in Tokyo", async || {
        let answer = tokyo.get("greeting").await.map_err(|error| error.to_string())?;
        match answer.value().map_err(|error| error.to_string())? {
            Some(value) if value == "hello" => Ok(()),
            other => Err(format!("{other:?}")),
        }
    })
    .await
    .unwrap();
}

/// Over REST a long value goes through a temporary file, because what belongs to it may stand behind it; and the root of
/// a pod's file system cannot be written.
pub(crate) async fn a_long_value_of_a_bulk_is_taken_over_rest(release: &Release<'_>) {
    let (edges, id) = (release.url("nearkv-edge").await, Namespace::new(TEAM, "settings").unwrap().id());
    let url = format!("{edges}/client/v4/accounts/{TEAM}/storage/kv/namespaces/{id}/bulk");
    let value = "v".repeat(300_000);
    let answer = client()
        .put(url)
        .bearer_auth(release.token(APPLICATION).await)
        .body(format!(r#"[{{"value":"{value}","key":"long"}}]"#))
        .send()
        .await
        .unwrap();
    let (status, text) = (answer.status(), answer.text().await.unwrap());
    assert_eq!(status, 200, "{text}");
    let settings = release.settings("nearkv-edge").await;
    assert!(settings.get("long").await.unwrap().value().unwrap() == Some(value));
}

pub(crate) async fn kubectl_kv_reaches_a_pod_through_its_port_forward(release: &Release<'_>) {
    let plugin = release.plugin().await;
    plugin.run(&["put", "settings", "from_afar", "through a pod"]).await.unwrap();
    assert_eq!(plugin.run(&["get", "settings", "from_afar"]).await.unwrap(), "through a pod");
    let listed = plugin.run(&["list", "settings"]).await.unwrap();
    assert!(listed.contains("site_title") && listed.contains("from_afar"), "{listed}");
    let edges = format!("{SYSTEM}/nearkv-edge");
    let get = ["get", "settings", "from_afar", "--service", &edges];
    assert_eq!(plugin.run(&get).await.unwrap(), "through a pod");
}
