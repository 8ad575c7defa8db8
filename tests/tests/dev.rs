//! The development mode as a process: what it keeps, what it follows, what it refuses, and how it ends.

#![allow(
    clippy::unwrap_used,
    reason = "clippy sees only functions marked as tests as such, not their helpers"
)]

use std::path::{Path, PathBuf};

use nearkv_tests::eventually::eventually;
use nearkv_tests::folders::new_folder;
use nearkv_tests::kv::Kv;
use nearkv_tests::nearkv::{Dev, STOP_LIMIT};
use nearkv_tests::scenario::kv_namespace;

/// A folder with a manifest of the KvNamespace `settings`.
struct Folder {
    manifest: PathBuf,
    data: PathBuf,
}

impl Folder {
    fn new(name: &str, spec: &str) -> Folder {
        let folder = new_folder(name).unwrap();
        let new = Folder { manifest: folder.join("settings.yaml"), data: folder.join("data") };
        new.edit(&kv_namespace("settings", spec));
        new
    }

    fn edit(&self, manifest: &str) {
        std::fs::write(&self.manifest, manifest).unwrap();
    }

    async fn start(&self, name: &str) -> Dev {
        Dev::start(name, &self.data, &[&self.manifest], &["london", "tokyo"], &[]).await.unwrap()
    }

    /// What it says when it does not start.
    async fn refusal(&self, name: &str, flags: &[&str]) -> String {
        let started = Dev::start(name, &self.data, &[&self.manifest], &["london"], flags).await;
        started.unwrap_err().to_string()
    }
}

fn settings(dev: &Dev, region: &str) -> Kv {
    dev.kv(region, "default", "settings")
}

async fn eventually_reads(kv: &Kv, key: &str, wanted: Option<&str>) {
    eventually(&format!("{key} reads {wanted:?}"), async || {
        let value = kv.get(key).await.map_err(|e| e.to_string())?.value().map_err(|e| e.to_string())?;
        if value.as_deref() == wanted { Ok(()) } else { Err(format!("{value:?}")) }
    })
    .await
    .unwrap();
}

/// All files under a folder, with their content.
fn files(folder: &Path) -> Vec<(PathBuf, Vec<u8>)> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.extend(files(&path));
        } else {
            let content = std::fs::read(&path).unwrap();
            found.push((path, content));
        }
    }
    found.sort();
    found
}

#[tokio::test(flavor = "multi_thread")]
async fn an_acknowledged_write_is_there_after_a_kill_and_sigterm_ends_it_with_success() {
    let folder = Folder::new("killed", "{entries: [{key: title, value: Blog}]}");
    let mut dev = folder.start("killed").await;
    settings(&dev, "london").put("written", "yes").await.unwrap().ok().unwrap();
    dev.restart().await.unwrap();
    let read = settings(&dev, "london").get("written").await.unwrap();
    assert_eq!(read.value().unwrap().as_deref(), Some("yes"));
    assert!(dev.process.terminate(STOP_LIMIT).await.unwrap().success());

    // Without any manifest it serves what the folder knows.
    let dev = Dev::start("killed-alone", &folder.data, &[], &["london"], &[]).await.unwrap();
    for (key, value) in [("written", "yes"), ("title", "Blog")] {
        let read = settings(&dev, "london").get(key).await.unwrap();
        assert_eq!(read.value().unwrap().as_deref(), Some(value));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_data_follow_a_manifest_that_is_edited_and_a_broken_edit_changes_nothing() {
    let spec = |entries: &str| {
        kv_namespace(
            "settings",
            &format!("{{cache: {{ttlSeconds: 1, negativeTtlSeconds: 1}}, entries: [{entries}]}}"),
        )
    };
    let folder = Folder::new("followed", "{}");
    folder.edit(&spec("{key: a, value: '1'}, {key: b, value: '1'}"));
    let dev = folder.start("followed").await;
    let kv = settings(&dev, "london");
    eventually_reads(&kv, "a", Some("1")).await;

    folder.edit(&spec("{key: a, value: '2'}, {key: c, value: '1'}"));
    eventually_reads(&kv, "a", Some("2")).await;
    eventually_reads(&kv, "b", None).await;
    eventually_reads(&kv, "c", Some("1")).await;

    folder.edit(&spec("{key: a, valeu: '3'}"));
    eventually("the broken manifest is told of", async || {
        let log = dev.process.log();
        let told =
            "settings.yaml:4: document 1 (KvNamespace settings): unknown field \"spec.entries[0].valeu\"";
        if log.contains(told) && log.contains("what was there stays in force") { Ok(()) } else { Err(log) }
    })
    .await
    .unwrap();
    eventually_reads(&kv, "a", Some("2")).await;
    eventually_reads(&kv, "c", Some("1")).await;

    folder.edit(&spec("{key: a, value: '4'}"));
    eventually_reads(&kv, "a", Some("4")).await;
    eventually_reads(&kv, "c", None).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_config_map_among_the_manifests_declares_entries_and_its_problems_are_told_with_the_key() {
    let both = |greeting: &str| {
        let source = "entriesFrom: [{configMapRef: {name: fr}, prefix: fr/}]";
        let entries = "entries: [{key: fr/twice, value: entry}]";
        let spec = format!("{{cache: {{ttlSeconds: 1, negativeTtlSeconds: 1}}, {source}, {entries}}}");
        let data = format!("data: {{hello: {greeting}, twice: map}}");
        let map = format!("apiVersion: v1\nkind: ConfigMap\nmetadata: {{name: fr}}\n{data}\n");
        format!("{}---\n{map}", kv_namespace("settings", &spec))
    };
    let folder = Folder::new("sources", "{}");
    folder.edit(&both("Bonjour"));
    let dev = folder.start("sources").await;
    let kv = settings(&dev, "london");
    eventually_reads(&kv, "fr%2Fhello", Some("Bonjour")).await;
    eventually_reads(&kv, "fr%2Ftwice", Some("entry")).await;
    let log = dev.process.log();
    assert!(log.contains("warning: default/settings: KeyDeclaredTwice: key \"fr/twice\""), "{log}");
    folder.edit(&both("Salut"));
    eventually_reads(&kv, "fr%2Fhello", Some("Salut")).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_data_go_with_the_manifest_unless_they_are_to_be_retained() {
    for (policy, stays) in [("Delete", None), ("Retain", Some("yes"))] {
        let spec = format!("{{cache: {{ttlSeconds: 1, negativeTtlSeconds: 1}}, deletionPolicy: {policy}}}");
        let folder = Folder::new(policy, &spec);
        let dev = folder.start(policy).await;
        let kv = settings(&dev, "london");
        kv.put("written", "yes").await.unwrap().ok().unwrap();

        folder.edit("# nothing\n");
        eventually("the KvNamespace is gone", async || {
            let answer = settings(&dev, "origin").get("written").await.map_err(|error| error.to_string())?;
            if answer.status == 400 { Ok(()) } else { Err(format!("{answer:?}")) }
        })
        .await
        .unwrap();

        folder.edit(&kv_namespace("settings", &spec));
        eventually("the KvNamespace is back", async || {
            let answer = settings(&dev, "origin").get("written").await.map_err(|error| error.to_string())?;
            if answer.status == 400 || answer.status == 503 { Err(format!("{answer:?}")) } else { Ok(()) }
        })
        .await
        .unwrap();
        let origin = settings(&dev, "origin").get("written").await.unwrap();
        assert_eq!(origin.value().unwrap().as_deref(), stays, "{policy}");
        eventually_reads(&kv, "written", stays).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_write_in_one_region_is_read_there_at_once_and_in_the_other_within_the_time_to_live() {
    let folder = Folder::new("regions", "{cache: {ttlSeconds: 2, negativeTtlSeconds: 2}}");
    let dev = folder.start("regions").await;
    let (london, tokyo) = (settings(&dev, "london"), settings(&dev, "tokyo"));
    london.put("k", "1").await.unwrap().ok().unwrap();
    assert_eq!(tokyo.get("k").await.unwrap().value().unwrap().as_deref(), Some("1"));
    london.put("k", "2").await.unwrap().ok().unwrap();
    assert_eq!(london.get("k").await.unwrap().value().unwrap().as_deref(), Some("2"));
    assert_eq!(
        tokyo.get("k").await.unwrap().value().unwrap().as_deref(),
        Some("1"),
        "Tokyo has not heard of it"
    );
    eventually_reads(&tokyo, "k", Some("2")).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_second_process_on_the_folder_is_refused_and_the_first_goes_on() {
    let folder = Folder::new("locked", "{}");
    let dev = folder.start("locked-first").await;
    let refusal = folder.refusal("locked-second", &[]).await;
    assert!(refusal.contains("in use by another process"), "{refusal}");
    settings(&dev, "london").put("k", "1").await.unwrap().ok().unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_damaged_state_file_is_refused_with_file_and_line_and_nothing_is_changed() {
    let folder = Folder::new("damaged", "{entries: [{key: a, value: '1'}]}");
    let mut dev = folder.start("damaged-first").await;
    settings(&dev, "london").put("k", "1").await.unwrap().ok().unwrap();
    assert!(dev.process.terminate(STOP_LIMIT).await.unwrap().success());

    // More to do than before: whoever begins with it before the data are judged leaves a trace.
    let other = kv_namespace("other", "{entries: [{key: b, value: '1'}]}");
    folder.edit(&format!("{}---\n{other}", kv_namespace("settings", "{entries: [{key: a, value: '2'}]}")));
    let root = folder.data.join("data/default/settings.kv.yaml");
    let kept = folder.data.join("manifests/default/settings.kvnamespace.yaml");
    for (number, (file, from, to, place)) in [
        (&root, "kind: ConfigMap", "kind: [", "settings.kv.yaml:2"),
        (&root, "\"version\":", "\"version\":9", "default/settings.kv.yaml: "),
        (&kept, "spec:", "spac:", "settings.kvnamespace.yaml:"),
    ]
    .into_iter()
    .enumerate()
    {
        let sound = std::fs::read_to_string(file).unwrap();
        assert!(sound.contains(from), "{sound}");
        std::fs::write(file, sound.replacen(from, to, 1)).unwrap();
        let before = files(&folder.data);
        let refusal = folder.refusal(&format!("damaged-{number}"), &[]).await;
        assert!(refusal.contains(place), "{place}: {refusal}");
        assert!(files(&folder.data) == before, "{place}: something was changed");
        std::fs::write(file, sound).unwrap();
    }

    std::fs::rename(&root, folder.data.join("elsewhere")).unwrap();
    let refusal = folder.refusal("damaged-missing", &[]).await;
    assert!(refusal.contains("default/settings.kv.yaml is missing"), "{refusal}");
    assert!(!root.exists(), "an empty root was made in place of the missing one");
    std::fs::rename(folder.data.join("elsewhere"), &root).unwrap();

    let dev = folder.start("damaged-repaired").await;
    assert_eq!(settings(&dev, "london").get("k").await.unwrap().value().unwrap().as_deref(), Some("1"));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_served_safely_is_refused_before_anything_is_made() {
    let folder = Folder::new("refused", "{}");
    let refusal = folder.refusal("refused-open", &["--region", "paris=0.0.0.0:0"]).await;
    assert!(refusal.contains("no authentication"), "{refusal}");
    folder.edit("apiVersion: v1\nkind: Pod\nmetadata: {name: p}\n");
    let refusal = folder.refusal("refused-kind", &[]).await;
    assert!(refusal.contains("settings.yaml:2: document 1 (Pod p): kind \"Pod\""), "{refusal}");
    assert!(!folder.data.exists());
}
