//! The object store of production against a real API server: the conformance cases, several Kubernetes
//! namespaces as one store, and the files of development mode applied to a cluster.

#![allow(
    clippy::unwrap_used,
    reason = "clippy sees only functions marked as tests as such, not their helpers"
)]

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use bytes::Bytes;
use futures::{StreamExt, stream::BoxStream};
use kube::config::{KubeConfigOptions, Kubeconfig};
use nearkv::{Clock, Random, SystemClock};
use nearkv_operator::configmap_store::Cluster;
use nearkv_origin::store::{
    Content, Directory, Draft, ObjectName, ObjectStore, Owner, Selector, WatchEvent, conformance::CASES,
};
use nearkv_tests::{ControlPlane, TestNamespace};
use tokio::{task::JoinSet, time::timeout};

const PATIENCE: Duration = Duration::from_secs(60);

async fn store(control_plane: &ControlPlane, folders: &[&TestNamespace]) -> Cluster {
    let kubeconfig = Kubeconfig::read_from(control_plane.kubeconfig()).unwrap();
    let config =
        kube::Config::from_custom_kubeconfig(kubeconfig, &KubeConfigOptions::default()).await.unwrap();
    let folders = folders.iter().map(|namespace| namespace.name().to_owned()).collect();
    Cluster::connect(config, folders, "default", Arc::new(SystemClock), Arc::new(Random::from_os())).unwrap()
}

fn draft(folder: &TestNamespace, name: &str) -> Draft {
    Draft {
        name: ObjectName::new(folder.name(), name),
        labels: [("nearkv.dev/part".to_owned(), "root".to_owned())].into(),
        owner: None,
        content: Content { text: [("text".to_owned(), name.to_owned())].into(), bytes: BTreeMap::new() },
        immutable: false,
    }
}

fn roots(folder: Option<&str>) -> Selector {
    Selector {
        folder: folder.map(Into::into),
        labels: vec![("nearkv.dev/part".to_owned(), vec!["root".to_owned()])],
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cluster_is_an_object_store() {
    let control_plane = ControlPlane::shared().await.unwrap();
    let store = store(control_plane, &[]).await;
    let mut running = JoinSet::new();
    for (_, case) in CASES {
        let namespace = control_plane.namespace().await.unwrap();
        let store = store.clone();
        running.spawn(async move {
            case(Arc::new(store), namespace.name().to_owned()).await;
            namespace.delete().await.unwrap();
        });
    }
    // A case that fails panics with its place.
    running.join_all().await;
    let skew = store.time().unwrap().0.abs_diff(SystemClock.now().0);
    assert!(skew < 2000, "{skew} ms off the API server of this machine");
}

/// The next event that is no bookmark.
async fn next(watch: &mut BoxStream<'static, WatchEvent>) -> WatchEvent {
    loop {
        let event = timeout(PATIENCE, watch.next()).await.unwrap().unwrap();
        if !matches!(event, WatchEvent::Current) {
            return event;
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn several_kubernetes_namespaces_are_one_store() {
    let control_plane = ControlPlane::shared().await.unwrap();
    let [a, b, other] = [(); 3].map(|()| control_plane.namespace());
    let (a, b, other) = (a.await.unwrap(), b.await.unwrap(), other.await.unwrap());
    let store = store(control_plane, &[&a, &b]).await;
    let first = store.create(&draft(&a, "first.kv")).await.unwrap();
    store.create(&draft(&other, "other.kv")).await.unwrap();
    let [first_scope, second_scope] = store.scopes().try_into().unwrap();
    assert_eq!(
        [&first_scope, &second_scope].map(|scope| scope.folder.as_deref()),
        [Some(a.name()), Some(b.name())]
    );
    let mut watch = store.watch(&roots(first_scope.folder.as_deref()));
    let mut other_watch = store.watch(&roots(second_scope.folder.as_deref()));
    let WatchEvent::Reset(objects) = next(&mut watch).await else { panic!("no Reset") };
    assert_eq!(objects.iter().map(|object| &object.meta).collect::<Vec<_>>(), [&first]);
    let WatchEvent::Reset(objects) = next(&mut other_watch).await else { panic!("no Reset") };
    assert!(objects.is_empty(), "{objects:?}");
    let second = store.create(&draft(&b, "second.kv")).await.unwrap();
    let WatchEvent::Applied(object) = next(&mut other_watch).await else { panic!("no creation") };
    assert_eq!(object.meta, second);
    assert_eq!(store.list(&roots(None)).await.unwrap(), [first, second]);
    for namespace in [a, b, other] {
        namespace.delete().await.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_files_of_development_mode_can_be_applied_to_a_cluster() {
    let control_plane = ControlPlane::shared().await.unwrap();
    let namespace = control_plane.namespace().await.unwrap();
    let folder = tempfile::tempdir().unwrap();
    let directory =
        Directory::open(folder.path(), Arc::new(SystemClock), Arc::new(Random::from_os())).await.unwrap();
    // What YAML 1.1, which kubectl reads, takes for something else unless it is quoted. Control characters are not
    // among it: server-side apply refuses them, and the format's lines escape them.
    let lines = [
        "yes",
        "No",
        "on",
        "null",
        "~",
        "0123",
        "0o17",
        "1_000",
        "12:30:45",
        "1e3",
        "2027-01-15",
        "<<",
        "=",
        "",
        " led",
        "a: b",
        "#x",
        "{\"put\":\"a\"}\n{\"delete\":\"b\"}\n",
        "\n\nx",
        "  two\n one\n\n",
        "a\tb\n",
        "🤓\n",
        "x y z ",
    ];
    let text = lines.iter().enumerate().map(|(n, line)| (format!("line{n}"), (*line).to_owned()));
    let wanted = Draft {
        owner: Some(Owner { name: "settings".to_owned(), id: "dev".to_owned() }),
        content: Content {
            text: text.chain([("long".to_owned(), "w x\n".repeat(15_000))]).collect(),
            bytes: [("0".to_owned(), Bytes::from((0..=255).cycle().take(200_000).collect::<Vec<u8>>()))]
                .into(),
        },
        immutable: true,
        ..draft(&namespace, "settings.kv.page.1")
    };
    directory.create(&wanted).await.unwrap();
    directory.create(&draft(&namespace, "settings.kv")).await.unwrap();

    let path = folder.path().to_str().unwrap();
    namespace.kubectl(&["apply", "--server-side", "-R", "-f", path]).await.unwrap();
    let cluster = store(control_plane, &[&namespace]).await;
    let page = cluster.get(&wanted.name).await.unwrap().unwrap();
    assert_eq!((page.content, page.meta.labels), (wanted.content, wanted.labels));
    // Without an owner: only so may a KvNamespace of that name adopt them.
    assert_eq!(page.meta.owner, None);
    assert_eq!(cluster.list(&roots(None)).await.unwrap().len(), 2);
    namespace.delete().await.unwrap();
}
