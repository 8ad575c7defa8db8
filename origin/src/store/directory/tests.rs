//! The directory store against the conformance cases, and what only files can do: outlive the process, be
//! shared by two, be damaged, be edited.

use std::fs;

use nearkv::SystemClock;
use tempfile::TempDir;
use tokio::time::timeout;

use super::*;
use crate::store::{Content, Owner, conformance};

const PATIENCE: Duration = Duration::from_secs(60);

fn draft(name: &str, text: &str) -> Draft {
    Draft {
        name: ObjectName::new("team-a", name),
        labels: [("nearkv.dev/part".to_owned(), "root".to_owned())].into(),
        owner: Some(Owner { name: "settings".to_owned(), id: "uid".to_owned() }),
        content: Content { text: [("text".to_owned(), text.to_owned())].into(), ..Content::default() },
        immutable: false,
    }
}

async fn open(folder: &TempDir) -> Result<Directory, OpenError> {
    Directory::open(folder.path(), Arc::new(SystemClock), Arc::new(Random::from_os())).await
}

fn file(folder: &TempDir, name: &str) -> PathBuf {
    folder.path().join("team-a").join(name)
}

#[tokio::test]
async fn a_directory_is_an_object_store() {
    let folder = TempDir::new().unwrap();
    let store = open(&folder).await.unwrap();
    for (name, case) in conformance::CASES {
        case(Arc::new(store.clone()), name.replace('_', "-").chars().take(63).collect()).await;
    }
}

#[tokio::test]
async fn what_is_written_is_there_after_a_restart_with_other_tokens() {
    let folder = TempDir::new().unwrap();
    let store = open(&folder).await.unwrap();
    let first = store.create(&draft("a", "1")).await.unwrap();
    let before = store.replace(&draft("a", "2"), &first.token).await.unwrap();
    let gone = store.create(&draft("b", "1")).await.unwrap();
    store.delete(&gone.name, &gone.id).await.unwrap();
    drop(store);

    let store = open(&folder).await.unwrap();
    let Object { meta, content } = store.get(&before.name).await.unwrap().unwrap();
    assert_eq!(content.text["text"], "2");
    assert_eq!((&meta.id, meta.created, &meta.owner), (&before.id, before.created, &before.owner));
    assert!(meta.token != before.token && meta.token != first.token);
    assert_eq!(store.get(&gone.name).await.unwrap(), None);
}

#[tokio::test]
async fn a_folder_in_use_is_refused_by_name() {
    let folder = TempDir::new().unwrap();
    let store = open(&folder).await.unwrap();
    let error = open(&folder).await.unwrap_err().to_string();
    assert!(error.contains(&folder.path().display().to_string()) && error.contains("--data"), "{error}");
    drop(store);
    open(&folder).await.unwrap();
}

#[tokio::test]
async fn a_damaged_file_is_an_error_with_its_line_and_stays_as_it_is() {
    let folder = TempDir::new().unwrap();
    let store = open(&folder).await.unwrap();
    store.create(&draft("a", "1")).await.unwrap();
    drop(store);
    let path = file(&folder, "a.yaml");
    let whole = fs::read(&path).unwrap();
    let lines = whole.iter().filter(|byte| **byte == b'\n').count();
    let mut not_text = whole.clone();
    not_text.extend(b"\xff\n");
    let mut unclosed = whole.clone();
    unclosed.extend(b"immutable: [\n");
    for (damaged, line) in [(not_text, lines + 1), (unclosed, lines + 1)] {
        fs::write(&path, &damaged).unwrap();
        let error = open(&folder).await.unwrap_err().to_string();
        let place = |line| format!("{}:{line}: ", path.display());
        assert!(error.starts_with(&place(line)) || error.starts_with(&place(line + 1)), "{error}");
        assert_eq!(fs::read(&path).unwrap(), damaged);
    }
    // Cut off in the middle, at every place: never a silent reset to something else.
    for length in 0..whole.len() - 1 {
        fs::write(&path, &whole[..length]).unwrap();
        match open(&folder).await {
            Err(error) => assert!(error.to_string().contains("a.yaml"), "{error}"),
            Ok(store) => {
                let object = store.get(&ObjectName::new("team-a", "a")).await.unwrap().unwrap();
                assert_ne!(object.content.text.get("text").map(String::as_str), Some(""), "{length}");
            }
        }
    }
}

#[tokio::test]
async fn a_file_in_the_wrong_place_is_refused() {
    let folder = TempDir::new().unwrap();
    let store = open(&folder).await.unwrap();
    store.create(&draft("a", "1")).await.unwrap();
    drop(store);
    fs::copy(file(&folder, "a.yaml"), file(&folder, "b.yaml")).unwrap();
    let error = open(&folder).await.unwrap_err().to_string();
    assert!(error.contains("b.yaml") && error.contains("team-a/a"), "{error}");
}

#[tokio::test]
async fn what_an_interrupted_write_left_is_removed() {
    let folder = TempDir::new().unwrap();
    let store = open(&folder).await.unwrap();
    store.create(&draft("a", "1")).await.unwrap();
    drop(store);
    fs::write(file(&folder, ".a.tmp"), "apiVersion: v").unwrap();
    let store = open(&folder).await.unwrap();
    assert!(!file(&folder, ".a.tmp").exists());
    assert_eq!(store.list(&Selector::default()).await.unwrap().len(), 1);
}

#[tokio::test]
async fn a_file_written_by_hand_is_taken_as_it_is() {
    let folder = TempDir::new().unwrap();
    fs::create_dir(folder.path().join("team-a")).unwrap();
    let yaml = "# mine\napiVersion: v1\nkind: ConfigMap\nmetadata: {name: a, namespace: team-a, labels: {x: y}}\ndata: {text: by hand}\n";
    fs::write(file(&folder, "a.yaml"), yaml).unwrap();
    let store = open(&folder).await.unwrap();
    let Object { meta, content } = store.get(&ObjectName::new("team-a", "a")).await.unwrap().unwrap();
    assert_eq!((content.text["text"].as_str(), meta.labels["x"].as_str()), ("by hand", "y"));
    assert_eq!(meta.owner, None);
    store.replace(&draft("a", "by nearkv"), &meta.token).await.unwrap();
}

#[tokio::test]
async fn a_file_deleted_by_hand_is_a_deleted_object() {
    let folder = TempDir::new().unwrap();
    let store = open(&folder).await.unwrap();
    let meta = store.create(&draft("a", "1")).await.unwrap();
    let mut watch = store.watch(&Selector::default());
    assert!(matches!(watch.next().await, Some(WatchEvent::Reset(objects)) if objects.len() == 1));
    fs::remove_file(file(&folder, "a.yaml")).unwrap();
    assert_eq!(store.get(&meta.name).await.unwrap(), None);
    assert!(matches!(watch.next().await, Some(WatchEvent::Deleted(deleted)) if deleted == meta));
    store.create(&draft("a", "2")).await.unwrap();
}

#[tokio::test]
async fn a_write_that_the_disk_refuses_changes_nothing() {
    let folder = TempDir::new().unwrap();
    let store = open(&folder).await.unwrap();
    // A file where the folder should be.
    fs::write(folder.path().join("team-a"), "").unwrap();
    let error = store.create(&draft("a", "1")).await.unwrap_err();
    assert!(matches!(error, StoreError::Refused { .. }), "{error}");
    assert_eq!(store.list(&Selector::default()).await.unwrap(), []);
    fs::remove_file(folder.path().join("team-a")).unwrap();
    store.create(&draft("a", "1")).await.unwrap();
}

#[tokio::test]
async fn a_watch_that_falls_behind_starts_anew() {
    let folder = TempDir::new().unwrap();
    let store = open(&folder).await.unwrap();
    let mut watch = store.watch(&Selector::default());
    assert!(matches!(watch.next().await, Some(WatchEvent::Reset(_))));
    let mut meta = store.create(&draft("a", "0")).await.unwrap();
    for n in 1..=300 {
        meta = store.replace(&draft("a", &n.to_string()), &meta.token).await.unwrap();
    }
    let event = timeout(PATIENCE, watch.next()).await.unwrap().unwrap();
    let WatchEvent::Reset(objects) = event else { panic!("{event:?}") };
    assert_eq!(objects[0].content.text["text"], "300");
}

#[tokio::test]
async fn the_objects_of_an_owner_go_with_it() {
    let folder = TempDir::new().unwrap();
    let store = open(&folder).await.unwrap();
    store.create(&draft("a", "1")).await.unwrap();
    let unowned = Draft { owner: None, ..draft("b", "1") };
    let kept = store.create(&unowned).await.unwrap();
    assert_eq!(store.remove_owned("another").await.unwrap(), 0);
    assert_eq!(store.remove_owned("uid").await.unwrap(), 1);
    assert_eq!(store.list(&Selector::default()).await.unwrap(), [kept]);
}
