//! What is measured: a control plane with KvNamespaces that hold one key each.

use std::time::Duration;

use futures::{StreamExt, TryStreamExt, stream};
use kube::api::{Api, ApiResource, DynamicObject, GroupVersionKind, PostParams};
use nearkv_tests::install::install_crds_in;
use nearkv_tests::nearkv::{Server, UNPACED};
use nearkv_tests::{ControlPlane, HarnessError, Kv, Options, TestNamespace};
use tokio::time::{Instant, sleep};

use crate::Result;

/// KvNamespaces that are made side by side.
const MAKERS: usize = 16;
/// Pause between two tries to put the key of a KvNamespace whose root is still to be made.
const PAUSE: Duration = Duration::from_millis(100);

/// A control plane with KvNamespaces, and no operator.
pub(crate) struct Made {
    pub(crate) control_plane: ControlPlane,
    pub(crate) namespace: TestNamespace,
    pub(crate) kvnamespaces: usize,
}

/// Makes so many.
pub(crate) async fn make(kvnamespaces: usize) -> Result<Made> {
    let control_plane = ControlPlane::start(Options { fsync: true }).await?;
    install_crds_in(&control_plane).await?;
    let namespace = control_plane.namespace().await?;
    let start = Instant::now();
    create(&control_plane, &namespace, kvnamespaces).await?;
    let operator = Server::operator("maker", &control_plane, namespace.name(), &UNPACED).await?;
    let put = |number| {
        let kv = Kv::new(operator.kv(namespace.name(), &name(number)));
        async move {
            // The operator makes the root soon after it has heard of the KvNamespace.
            while !kv.put("key", "value").await?.status.is_success() {
                sleep(PAUSE).await;
            }
            Ok::<_, HarnessError>(())
        }
    };
    stream::iter(0..kvnamespaces).map(put).buffer_unordered(MAKERS).try_collect::<()>().await?;
    operator.stop().await?;
    println!("{kvnamespaces} KvNamespaces made in {:.0} s", start.elapsed().as_secs_f64());
    Ok(Made { control_plane, namespace, kvnamespaces })
}

async fn create(control_plane: &ControlPlane, namespace: &TestNamespace, kvnamespaces: usize) -> Result<()> {
    let client = control_plane.client().await?;
    let kind = ApiResource::from_gvk(&GroupVersionKind::gvk("nearkv.dev", "v1alpha1", "KvNamespace"));
    let api: Api<DynamicObject> = Api::namespaced_with(client, namespace.name(), &kind);
    let create = |number: usize| {
        let (api, kind) = (api.clone(), &kind);
        async move {
            let object = DynamicObject::new(&name(number), kind).data(serde_json::json!({ "spec": {} }));
            api.create(&PostParams::default(), &object).await.map_err(|source| HarnessError::Kubernetes {
                action: format!("create the KvNamespace {}", name(number)),
                source: Box::new(source),
            })
        }
    };
    stream::iter(0..kvnamespaces).map(create).buffer_unordered(MAKERS).try_for_each(async |_| Ok(())).await
}

fn name(number: usize) -> String {
    format!("kv-{number}")
}
