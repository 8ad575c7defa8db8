//! What ripens when, and what is never touched.

use std::collections::BTreeMap;

use nearkv::UnixMillis;

use super::*;
use crate::{format::LABEL_PART, store::Token};

const GRACE: Duration = Duration::from_secs(600);

fn namespace() -> Namespace {
    "a/b".parse().unwrap()
}

fn meta(name: &str, id: &str) -> Meta {
    Meta {
        name: ObjectName::new("a", name),
        id: ObjectId(id.into()),
        token: Token("1".into()),
        labels: BTreeMap::from([(LABEL_PART.to_owned(), "log".to_owned())]),
        owner: None,
        created: UnixMillis(0),
        deleting: false,
    }
}

fn names(ripe: &[Meta]) -> Vec<&str> {
    ripe.iter().map(|meta| &*meta.name.name).collect()
}

#[tokio::test(start_paused = true)]
async fn an_object_ripens_once_it_was_unreachable_in_every_list_for_the_whole_grace() {
    let (mut sightings, start) = (Sightings::default(), Instant::now());
    let both = || vec![meta("b.kv.log.1", "1"), meta("b.kv.log.2", "2")];
    let reached = |names: &[&str]| names.iter().map(|name| ObjectName::new("a", name)).collect();
    let mut look = |listed: Vec<Meta>, reach: &[&str], after: u64| {
        let ripe = sightings.take_in(listed, &reached(reach), GRACE, start + Duration::from_secs(after));
        names(&ripe).join(" ")
    };
    assert_eq!(look(both(), &[], 0), "");
    assert_eq!(look(both(), &["b.kv.log.2"], 300), "", "the second is reached in between");
    assert_eq!(look(both(), &[], 599), "");
    assert_eq!(look(both(), &[], 600), "b.kv.log.1");
    assert_eq!(look(both(), &[], 1198), "b.kv.log.1");
    let again = vec![meta("b.kv.log.1", "3"), meta("b.kv.log.2", "2")];
    assert_eq!(look(again, &[], 1199), "b.kv.log.2", "the first is another object by now");
}

#[test]
fn only_what_is_ours_by_name_and_label_is_a_part() {
    assert!(is_part(&meta("b.kv.log.1", "1"), &namespace()));
    for stranger in ["b.kv", "b.kv.page.1", "c.kv.log.1", "b", "b.kvlog.1", "settings"] {
        assert!(!is_part(&meta(stranger, "1"), &namespace()), "{stranger}");
    }
    let mut root = meta("b.kv", "1");
    root.labels.insert(LABEL_PART.to_owned(), "root".to_owned());
    assert!(!is_part(&root, &namespace()));
}
