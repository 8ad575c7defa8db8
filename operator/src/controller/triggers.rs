//! What starts a round: a changed KvNamespace, a change of its data that the origin noticed, a change of a
//! ConfigMap that it names. ConfigMaps are watched by metadata only and none is kept, so that memory stays
//! small in a cluster full of other people's; those that hold nearkv's own data are not watched at all.

use futures::{Stream, StreamExt, future, stream};
use k8s_openapi::api::core::v1::ConfigMap;
use kube::{
    Client, ResourceExt,
    core::PartialObjectMeta,
    runtime::{
        WatchStreamExt,
        watcher::{self, Event, watcher},
    },
};
use nearkv::Namespace;
use tokio::sync::broadcast;
use tokio_stream::wrappers::{BroadcastStream, errors::BroadcastStreamRecvError};

use nearkv_controller::{api::KvNamespace, dereference::PART_LABEL, namespace_of};

use crate::catalog::{Follower, Scope};

/// Who is to be looked at.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Trigger {
    /// This one.
    One(Namespace),
    /// Every one: something may have been missed.
    All,
    /// Every one that names ConfigMaps.
    AllWithSources,
}

/// Everything that starts a round in a scope, all of it first.
pub(super) fn triggers(
    client: Client,
    follower: &Follower,
    changes: broadcast::Receiver<Namespace>,
) -> impl Stream<Item = Trigger> + Send + 'static + use<> {
    let scope = follower.scope.clone();
    let in_scope = move |trigger: &Trigger| match trigger {
        Trigger::One(namespace) => scope.contains(namespace.account()),
        Trigger::All | Trigger::AllWithSources => true,
    };
    let touched = heard(follower.touched.subscribe());
    let changed = heard(changes).filter(move |trigger| future::ready(in_scope(trigger)));
    let sources = config_maps(client, &follower.scope, follower.clone());
    let start = stream::once(future::ready(Trigger::All));
    start.chain(stream::select_all([touched.boxed(), changed.boxed(), sources.boxed()]))
}

fn heard(receiver: broadcast::Receiver<Namespace>) -> impl Stream<Item = Trigger> + Send {
    BroadcastStream::new(receiver).map(|heard| match heard {
        Ok(namespace) => Trigger::One(namespace),
        Err(BroadcastStreamRecvError::Lagged(_)) => Trigger::All,
    })
}

fn config_maps(
    client: Client,
    scope: &Scope,
    follower: Follower,
) -> impl Stream<Item = Trigger> + Send + use<> {
    let config = watcher::Config::default().labels(&format!("!{PART_LABEL}"));
    let events = watcher(scope.api::<PartialObjectMeta<ConfigMap>>(client), config).default_backoff();
    events.flat_map(move |event| {
        let triggers = match event {
            Ok(Event::Apply(config_map) | Event::Delete(config_map)) => naming(&follower, &config_map),
            // Also one that went away while the watch was broken.
            Ok(Event::InitDone) => vec![Trigger::AllWithSources],
            Ok(Event::Init | Event::InitApply(_)) => vec![],
            Err(error) => {
                tracing::warn!(%error, "the watch of ConfigMaps broke off; it is tried again");
                vec![]
            }
        };
        stream::iter(triggers)
    })
}

/// The KvNamespaces that name the ConfigMap.
fn naming(follower: &Follower, config_map: &PartialObjectMeta<ConfigMap>) -> Vec<Trigger> {
    let (account, name) = (config_map.namespace().unwrap_or_default(), config_map.name_any());
    let objects = follower.store.state();
    let naming = objects.iter().filter(|object| {
        object.metadata.namespace.as_deref() == Some(account.as_str()) && names(object, &name)
    });
    naming.filter_map(|object| namespace_of(&object.metadata).ok()).map(Trigger::One).collect()
}

fn names(object: &KvNamespace, config_map: &str) -> bool {
    object.spec.entries_from.iter().any(|from| from.config_map_ref.name == config_map)
}
