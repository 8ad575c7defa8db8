//! The conformance cases of [`ObjectStore`]: one table, run against every implementation. Each case has a
//! folder of its own, so that all can run against one store at once.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "these are tests, shared with the tests of other crates"
)]

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use bytes::Bytes;
use futures::{
    StreamExt,
    future::{BoxFuture, join_all},
    stream::BoxStream,
};
use tokio::time::timeout;

use crate::store::{
    Content, Draft, Object, ObjectId, ObjectName, ObjectStore, Owner, Selector, StoreError, Token, WatchEvent,
};

/// A store under test and the folder a case may use.
pub type Case = fn(Arc<dyn ObjectStore>, String) -> BoxFuture<'static, ()>;

/// The longest that any store may take to report a change.
const PATIENCE: Duration = Duration::from_secs(60);

macro_rules! cases {
    ($($name:ident,)*) => {
        /// Every case with its name.
        pub const CASES: &[(&str, Case)] =
            &[$((stringify!($name), |store, folder| Box::pin($name(store, folder))),)*];
    };
}

cases! {
    an_object_reads_back_as_it_was_written,
    a_name_is_taken_once,
    a_replacement_needs_the_present_token,
    of_many_replacements_of_one_state_one_succeeds,
    a_deletion_needs_the_identity,
    an_object_created_again_is_another,
    an_immutable_object_stays_as_it_is,
    what_no_config_map_can_hold_is_refused,
    a_list_shows_what_the_selector_says,
    a_read_shows_every_acknowledged_write,
    a_watch_starts_with_all_and_goes_on_with_changes,
    a_watch_ends_with_the_newest_state,
}

fn labels(part: &str) -> BTreeMap<String, String> {
    [("nearkv.dev/part", part), ("nearkv.dev/kvnamespace", "settings")]
        .map(|(key, value)| (key.to_owned(), value.to_owned()))
        .into()
}

fn draft(folder: &str, name: &str, text: &str) -> Draft {
    Draft {
        name: ObjectName::new(folder, name),
        labels: labels("root"),
        owner: None,
        content: Content { text: [("text".to_owned(), text.to_owned())].into(), bytes: BTreeMap::new() },
        immutable: false,
    }
}

fn selector(folder: &str, part: &str) -> Selector {
    Selector {
        folder: Some(folder.into()),
        labels: vec![("nearkv.dev/part".to_owned(), vec![part.to_owned()])],
    }
}

async fn an_object_reads_back_as_it_was_written(store: Arc<dyn ObjectStore>, folder: String) {
    let texts = [
        ("empty", ""),
        ("line", "one line"),
        ("lines", "{\"put\":\"a\"}\n{\"delete\":\"b\"}\n"),
        ("open", "no break\nat the end"),
        ("breaks", "\n\nfirst\n\n\nlast\n\n"),
        ("spaces", "  led by spaces \n\ttab, and spaces at the end  \n   "),
        ("numbers", "0123"),
        ("words", "true"),
        ("marks", "--- # no: comment, {\"a\": [\"'`\"]} & *x !y %z @\n...\n---\n"),
        ("controls", "\0 \u{1} \u{7f} \u{85} \u{2028} \u{feff} \r \r\n end"),
        ("text", "é 🤓 \u{10ffff}"),
        ("long", &"x y ".repeat(5000)),
    ];
    let all_bytes: Vec<u8> = (0..=255).cycle().take(70_000).collect();
    let wanted = Draft {
        name: ObjectName::new(&folder, "settings.kv.page.0f"),
        labels: labels("page"),
        owner: Some(Owner { name: "settings".into(), id: "6c2f4a3e-0000-4000-8000-000000000001".into() }),
        content: Content {
            text: texts.map(|(key, value)| (key.to_owned(), value.to_owned())).into(),
            bytes: [("0".to_owned(), Bytes::from(all_bytes)), ("none".to_owned(), Bytes::new())].into(),
        },
        immutable: true,
    };
    let meta = store.create(&wanted).await.unwrap();
    let read = store.get(&wanted.name).await.unwrap().unwrap();
    assert_eq!(read.content, wanted.content);
    assert_eq!(read.meta, meta);
    assert_eq!((&meta.name, &meta.labels, &meta.owner), (&wanted.name, &wanted.labels, &wanted.owner));
    assert!(!meta.deleting);
    assert_eq!(store.list(&selector(&folder, "page")).await.unwrap(), [meta]);
    assert_eq!(store.get(&ObjectName::new(&folder, "absent")).await.unwrap(), None);
}

async fn a_name_is_taken_once(store: Arc<dyn ObjectStore>, folder: String) {
    store.create(&draft(&folder, "a", "first")).await.unwrap();
    let second = store.create(&draft(&folder, "a", "second")).await;
    assert!(matches!(second, Err(StoreError::Exists(_))), "{second:?}");
    assert_eq!(text_of(&store, &folder, "a").await, "first");
}

async fn a_replacement_needs_the_present_token(store: Arc<dyn ObjectStore>, folder: String) {
    let first = store.create(&draft(&folder, "a", "1")).await.unwrap();
    let second = store.replace(&draft(&folder, "a", "2"), &first.token).await.unwrap();
    assert_eq!((&second.id, second.created), (&first.id, first.created));
    assert_ne!(second.token, first.token);
    for wrong in [first.token, Token("0".into())] {
        let stale = store.replace(&draft(&folder, "a", "3"), &wrong).await;
        assert!(matches!(stale, Err(StoreError::Conflict(_))), "{stale:?}");
    }
    assert_eq!(text_of(&store, &folder, "a").await, "2");

    let mut other = draft(&folder, "a", "4");
    other.labels = labels("log");
    other.owner = Some(Owner { name: "settings".into(), id: "6c2f4a3e-0000-4000-8000-000000000002".into() });
    let third = store.replace(&other, &second.token).await.unwrap();
    assert_eq!((&third.labels, &third.owner), (&other.labels, &other.owner));
    let unowned = Draft { owner: None, ..other };
    assert_eq!(store.replace(&unowned, &third.token).await.unwrap().owner, None);

    let absent = store.replace(&draft(&folder, "b", "1"), &second.token).await;
    assert!(matches!(absent, Err(StoreError::Missing(_))), "{absent:?}");
}

async fn of_many_replacements_of_one_state_one_succeeds(store: Arc<dyn ObjectStore>, folder: String) {
    let mut present = store.create(&draft(&folder, "a", "0")).await.unwrap();
    for round in 0..5 {
        let drafts: Vec<_> = (0..8).map(|n| draft(&folder, "a", &format!("{round}.{n}"))).collect();
        let answers = join_all(drafts.iter().map(|draft| store.replace(draft, &present.token))).await;
        let winners: Vec<_> = answers.iter().zip(&drafts).filter(|(answer, _)| answer.is_ok()).collect();
        let [(Ok(meta), winner)] = winners[..] else { panic!("{answers:?}") };
        let is_conflict =
            |answer: &Result<_, StoreError>| answer.is_ok() || matches!(answer, Err(StoreError::Conflict(_)));
        assert!(answers.iter().all(is_conflict), "{answers:?}");
        let read = store.get(&present.name).await.unwrap().unwrap();
        assert_eq!((&read.content, &read.meta), (&winner.content, meta));
        present = meta.clone();
    }
}

async fn a_deletion_needs_the_identity(store: Arc<dyn ObjectStore>, folder: String) {
    let meta = store.create(&draft(&folder, "a", "1")).await.unwrap();
    let wrong = store.delete(&meta.name, &ObjectId("6c2f4a3e-0000-4000-8000-000000000003".into())).await;
    assert!(matches!(wrong, Err(StoreError::Conflict(_))), "{wrong:?}");
    store.delete(&meta.name, &meta.id).await.unwrap();
    assert_eq!(store.get(&meta.name).await.unwrap(), None);
    let again = store.delete(&meta.name, &meta.id).await;
    assert!(matches!(again, Err(StoreError::Missing(_))), "{again:?}");
}

async fn an_object_created_again_is_another(store: Arc<dyn ObjectStore>, folder: String) {
    let first = store.create(&draft(&folder, "a", "1")).await.unwrap();
    store.delete(&first.name, &first.id).await.unwrap();
    let second = store.create(&draft(&folder, "a", "1")).await.unwrap();
    assert_ne!(first.id, second.id);
    assert_ne!(first.token, second.token);
    let stale = store.replace(&draft(&folder, "a", "2"), &first.token).await;
    assert!(matches!(stale, Err(StoreError::Conflict(_))), "{stale:?}");
    let stale = store.delete(&first.name, &first.id).await;
    assert!(matches!(stale, Err(StoreError::Conflict(_))), "{stale:?}");
    assert_eq!(text_of(&store, &folder, "a").await, "1");
}

async fn an_immutable_object_stays_as_it_is(store: Arc<dyn ObjectStore>, folder: String) {
    let immutable = Draft { immutable: true, ..draft(&folder, "a", "1") };
    let meta = store.create(&immutable).await.unwrap();
    for change in [
        Draft { immutable: true, ..draft(&folder, "a", "2") },
        Draft { immutable: false, ..draft(&folder, "a", "1") },
    ] {
        let answer = store.replace(&change, &meta.token).await;
        assert!(matches!(answer, Err(StoreError::Refused { .. })), "{answer:?}");
    }
    // Its owner may change: that is how a changed deletion policy comes into force.
    let owner = Some(Owner { name: "settings".into(), id: "6c2f4a3e-0000-4000-8000-000000000004".into() });
    let owned = Draft { owner, ..immutable };
    assert_eq!(store.replace(&owned, &meta.token).await.unwrap().owner, owned.owner);
    assert_eq!(text_of(&store, &folder, "a").await, "1");
}

async fn what_no_config_map_can_hold_is_refused(store: Arc<dyn ObjectStore>, folder: String) {
    let mut slash = draft(&folder, "a", "1");
    slash.content.text.insert("a/b".to_owned(), String::new());
    for bad in [slash, draft(&folder, "Upper", "1"), draft(&folder, "a", &"x".repeat(1024 * 1024 + 1))] {
        let answer = store.create(&bad).await;
        assert!(matches!(answer, Err(StoreError::Refused { .. })), "{answer:?}");
    }
    assert_eq!(store.list(&selector(&folder, "root")).await.unwrap(), []);
}

async fn a_list_shows_what_the_selector_says(store: Arc<dyn ObjectStore>, folder: String) {
    let root = store.create(&draft(&folder, "settings.kv", "1")).await.unwrap();
    let log = Draft { labels: labels("log"), ..draft(&folder, "settings.kv.log.1", "1") };
    let log = store.create(&log).await.unwrap();
    let foreign = Draft { labels: BTreeMap::new(), ..draft(&folder, "foreign", "1") };
    store.create(&foreign).await.unwrap();
    assert_eq!(store.list(&selector(&folder, "root")).await.unwrap(), std::slice::from_ref(&root));
    let mut of_namespace = selector(&folder, "log");
    of_namespace.labels[0] = ("nearkv.dev/kvnamespace".to_owned(), vec!["settings".to_owned()]);
    let mut both = store.list(&of_namespace).await.unwrap();
    both.sort_by(|a, b| a.name.cmp(&b.name));
    assert_eq!(both, [root.clone(), log]);
    let everywhere = Selector { folder: None, ..selector(&folder, "root") };
    let roots = store.list(&everywhere).await.unwrap();
    assert!(roots.contains(&root), "{roots:?}");
    assert_eq!(store.list(&selector("no-such-folder", "root")).await.unwrap(), []);
}

async fn a_read_shows_every_acknowledged_write(store: Arc<dyn ObjectStore>, folder: String) {
    let mut present = store.create(&draft(&folder, "a", "0")).await.unwrap();
    for n in 1..20 {
        let wanted = draft(&folder, "a", &n.to_string());
        present = store.replace(&wanted, &present.token).await.unwrap();
        let (read, listed) =
            (store.get(&wanted.name).await.unwrap(), store.list(&selector(&folder, "root")).await.unwrap());
        assert_eq!(read, Some(Object { meta: present.clone(), content: wanted.content }));
        assert_eq!(listed, std::slice::from_ref(&present));
    }
}

async fn a_watch_starts_with_all_and_goes_on_with_changes(store: Arc<dyn ObjectStore>, folder: String) {
    let first = store.create(&draft(&folder, "a", "1")).await.unwrap();
    let other = Draft { labels: labels("log"), ..draft(&folder, "log", "1") };
    store.create(&other).await.unwrap();
    let mut watch = store.watch(&selector(&folder, "root"));
    let WatchEvent::Reset(objects) = change(&mut watch).await else { panic!("no Reset at the start") };
    assert_eq!(objects.iter().map(|object| &object.meta).collect::<Vec<_>>(), [&first]);

    let second = store.replace(&draft(&folder, "a", "2"), &first.token).await.unwrap();
    let WatchEvent::Applied(object) = change(&mut watch).await else { panic!("the replacement") };
    assert_eq!(object, store.get(&first.name).await.unwrap().unwrap());
    assert_eq!(object.meta, second);
    let created = store.create(&draft(&folder, "b", "1")).await.unwrap();
    let WatchEvent::Applied(object) = change(&mut watch).await else { panic!("the creation") };
    assert_eq!(object.meta, created);
    store.delete(&first.name, &first.id).await.unwrap();
    let WatchEvent::Deleted(meta) = change(&mut watch).await else { panic!("the deletion") };
    assert_eq!((meta.name, meta.id), (first.name, first.id));
}

async fn a_watch_ends_with_the_newest_state(store: Arc<dyn ObjectStore>, folder: String) {
    let mut present = store.create(&draft(&folder, "a", "0")).await.unwrap();
    let mut watch = store.watch(&selector(&folder, "root"));
    assert!(matches!(change(&mut watch).await, WatchEvent::Reset(_)));
    for n in 1..200 {
        present = store.replace(&draft(&folder, "a", &n.to_string()), &present.token).await.unwrap();
    }
    let mut seen = 0;
    while seen < 199 {
        let objects = match change(&mut watch).await {
            WatchEvent::Applied(object) => vec![object],
            WatchEvent::Reset(objects) => objects,
            event => panic!("{event:?}"),
        };
        let n = objects[0].content.text["text"].parse().unwrap();
        assert!(n > seen, "{n} after {seen}");
        seen = n;
    }
}

async fn text_of(store: &Arc<dyn ObjectStore>, folder: &str, name: &str) -> String {
    let object = store.get(&ObjectName::new(folder, name)).await.unwrap().unwrap();
    object.content.text["text"].clone()
}

/// The next event that is a change of something.
async fn change(watch: &mut BoxStream<'static, WatchEvent>) -> WatchEvent {
    loop {
        match timeout(PATIENCE, watch.next()).await.unwrap().unwrap() {
            WatchEvent::Current | WatchEvent::Broken => {}
            event => return event,
        }
    }
}
