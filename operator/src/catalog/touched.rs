//! Which changes of a KvNamespace object are news. Pure: the controller's own writes of `status` come back by
//! the watch as well, and must not start another round.

use std::collections::HashMap;

use kube::ResourceExt;
use nearkv::Namespace;

use nearkv_controller::{
    api::{KvNamespace, ROTATE_ANNOTATION},
    is_ending,
    plan::requested_repair,
};

/// What the controller acts upon.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Seen {
    uid: String,
    generation: i64,
    repair: Option<String>,
    rotation: Option<String>,
    ending: bool,
}

/// The objects as last seen, without their content.
#[derive(Debug, Default)]
pub(super) struct Known(HashMap<Namespace, Seen>);

/// What has become of a KvNamespace.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum News {
    /// It is new or has changed.
    Changed,
    /// It is as it was.
    Same,
    /// The object with this UID is gone or ends, and another may stand in its place.
    Gone(String),
}

impl Known {
    /// Takes note of an object; what went with it comes first.
    pub(super) fn apply(&mut self, namespace: &Namespace, object: &KvNamespace) -> Vec<News> {
        let seen = Seen {
            uid: object.metadata.uid.clone().unwrap_or_default(),
            generation: object.metadata.generation.unwrap_or_default(),
            repair: requested_repair(&object.metadata).map(str::to_owned),
            rotation: object.annotations().get(ROTATE_ANNOTATION).cloned(),
            ending: is_ending(object),
        };
        let before = self.0.insert(namespace.clone(), seen.clone());
        let mut news = Vec::new();
        if let Some(before) = &before
            && !before.ending
            && (before.uid != seen.uid || seen.ending)
        {
            news.push(News::Gone(before.uid.clone()));
        }
        if !seen.ending {
            news.push(if before.as_ref() == Some(&seen) { News::Same } else { News::Changed });
        }
        news
    }

    /// Takes note that there is no such object.
    pub(super) fn delete(&mut self, namespace: &Namespace) -> Option<News> {
        self.0.remove(namespace).filter(|seen| !seen.ending).map(|seen| News::Gone(seen.uid))
    }

    /// Those that a complete list does not contain.
    pub(super) fn missing_in(&self, listed: &std::collections::HashSet<Namespace>) -> Vec<Namespace> {
        self.0.keys().filter(|namespace| !listed.contains(*namespace)).cloned().collect()
    }
}

#[cfg(test)]
mod tests {
    use k8s_openapi::{apimachinery::pkg::apis::meta::v1::Time, jiff::Timestamp};

    use super::*;
    use nearkv_controller::{api::REPAIR_ANNOTATION, testing::Desired};

    #[test]
    fn a_status_is_no_news_and_a_spec_or_a_request_for_repair_is() {
        let (mut known, namespace) = (Known::default(), "team-a/settings".parse().unwrap());
        let mut apply = |desired: Desired| known.apply(&namespace, &desired.build());
        assert_eq!(apply(Desired::new("settings")), [News::Changed]);
        assert_eq!(apply(Desired::new("settings")), [News::Same]);
        assert_eq!(apply(Desired::new("settings").generation(2)), [News::Changed]);
        let asked = Desired::new("settings").generation(2).annotation(REPAIR_ANNOTATION, "1");
        assert_eq!(apply(asked.clone()), [News::Changed]);
        assert_eq!(apply(asked.annotation(ROTATE_ANNOTATION, "1")), [News::Changed]);
    }

    #[test]
    fn an_object_that_ends_or_is_another_one_is_gone_once() {
        let (mut known, namespace) = (Known::default(), "team-a/settings".parse().unwrap());
        let gone = News::Gone("uid-1".into());
        known.apply(&namespace, &Desired::new("settings").build());
        let mut other = Desired::new("settings").build();
        other.metadata.uid = Some("uid-2".into());
        assert_eq!(known.apply(&namespace, &other), [gone, News::Changed]);

        other.metadata.deletion_timestamp = Some(Time(Timestamp::UNIX_EPOCH));
        assert_eq!(known.apply(&namespace, &other), [News::Gone("uid-2".into())]);
        assert_eq!(known.apply(&namespace, &other), []);
        assert_eq!(known.delete(&namespace), None);
    }
}
