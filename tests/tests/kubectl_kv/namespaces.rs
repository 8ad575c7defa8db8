//! `namespace create`, `list`, `rename` and `delete`.

use serde_json::Value;

use crate::plugin::Plugin;

async fn listed(kv: &Plugin) -> Vec<(String, String)> {
    let list = kv.run(&["namespace", "list", "-o", "json"]).await.ok();
    let list: Value = serde_json::from_slice(&list).unwrap();
    let text = |item: &Value, member: &str| item[member].as_str().unwrap().to_owned();
    list.as_array().unwrap().iter().map(|item| (text(item, "name"), text(item, "title"))).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_namespace_is_created_used_renamed_and_deleted() {
    let kv = Plugin::start("namespaces").await;
    let said = kv.run(&["namespace", "create", "Page cache"]).await.text();
    let name = said.strip_prefix("default/").unwrap().split(' ').next().unwrap();
    let id = nearkv::Namespace::new("default", name).unwrap().id();
    assert_eq!(said, format!("default/{name} created (title \"Page cache\", id {id})\n"));
    assert!(listed(&kv).await.contains(&(name.to_owned(), "Page cache".to_owned())));
    kv.run(&["namespace", "create", "Page cache"]).await.failed(5);

    kv.run(&["put", name, "k", "v"]).await.ok();
    kv.run(&["namespace", "rename", "Page cache", "Pages"]).await.ok();
    kv.run(&["namespace", "rename", &id.to_string(), "Pages é"]).await.ok();
    assert!(listed(&kv).await.contains(&(name.to_owned(), "Pages é".to_owned())));
    assert_eq!(kv.run(&["get", name, "k"]).await.ok(), b"v", "its data stay");

    let said = kv.run_with(&["namespace", "delete", "Pages é"], b"n\n").await.failed(2);
    assert!(
        said.contains(&format!("Delete KvNamespace default/{name} (title \"Pages é\") with its data? [y/N]"))
    );
    assert_eq!(kv.run(&["get", name, "k"]).await.ok(), b"v", "nothing was confirmed");
    kv.run(&["namespace", "delete", name, "--yes"]).await.ok();
    kv.run(&["get", name, "k"]).await.failed(4);
    let names: Vec<String> = listed(&kv).await.into_iter().map(|(name, _)| name).collect();
    assert_eq!(names, ["copy", "data", "settings"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_not_there_or_belongs_to_a_manifest_is_refused() {
    let kv = Plugin::start("namespaces-refused").await;
    for arguments in [&["namespace", "delete", "nowhere", "-y"][..], &["namespace", "rename", "nowhere", "X"]]
    {
        let said = kv.run(arguments).await.failed(4);
        assert!(said.contains("there is no KvNamespace \"nowhere\" in default"), "{said}");
    }
    kv.run(&["namespace", "delete", "settings", "-y"]).await.failed(5);
    kv.run(&["namespace", "create", ""]).await.failed(5);
    assert_eq!(listed(&kv).await.len(), 3);
}
