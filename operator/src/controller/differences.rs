//! Replicas that differ (design §6, "Proof of the same state"): the replica whose memory was not the committed state has an
//! Event published on the KvNamespace, whether it leads or not. Nobody else has noticed.

use std::{collections::HashMap, sync::Arc};

use kube::runtime::reflector::ObjectRef;
use nearkv::Namespace;
use nearkv_controller::{events::state_differed, namespace_of};
use nearkv_origin::Origin;
use tokio::sync::broadcast::error::RecvError;
use tokio_util::sync::CancellationToken;

use super::Cluster;
use crate::catalog::Follower;

/// How many differences were told of each KvNamespace.
#[derive(Default)]
struct Told(HashMap<Namespace, u64>);

impl Told {
    /// Whether there is one to tell; `found` so far, `None` without the KvNamespace. Several at once are told as one.
    fn is_news(&mut self, namespace: &Namespace, found: Option<u64>) -> bool {
        match found {
            None | Some(0) => {
                self.0.remove(namespace);
                false
            }
            Some(found) => self.0.insert(namespace.clone(), found).unwrap_or_default() < found,
        }
    }
}

/// Tells of the differences that this process finds, until `shutdown`.
pub(super) async fn tell(
    origin: Arc<Origin>,
    follower: Follower,
    cluster: Cluster,
    shutdown: CancellationToken,
) {
    let (mut changes, mut told) = (origin.changes(), Told::default());
    loop {
        let heard = tokio::select! {
            () = shutdown.cancelled() => return,
            heard = changes.recv() => heard,
        };
        let namespaces = match heard {
            Ok(namespace) => vec![namespace],
            Err(RecvError::Lagged(_)) => all(&follower),
            Err(RecvError::Closed) => return,
        };
        for namespace in namespaces {
            let found = origin.report(&namespace).map(|report| report.differences);
            let reference = ObjectRef::new(namespace.name()).within(namespace.account());
            if told.is_news(&namespace, found)
                && let Some(object) = follower.store.get(&reference)
            {
                cluster.publish(&object, state_differed()).await;
            }
        }
    }
}

fn all(follower: &Follower) -> Vec<Namespace> {
    let objects = follower.store.state();
    objects.iter().filter_map(|object| namespace_of(&object.metadata).ok()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_difference_is_told_once_and_those_of_another_life_anew() {
        let (mut told, one) = (Told::default(), "a/one".parse().unwrap());
        let other = "a/other".parse().unwrap();
        let found = [None, Some(0), Some(1), Some(1), Some(3), Some(3), None, Some(1)];
        let news = found.map(|found| told.is_news(&one, found));
        assert_eq!(news, [false, false, true, false, true, false, false, true]);
        assert!(told.is_news(&other, Some(1)));
    }
}
