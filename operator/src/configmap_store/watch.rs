//! The watch of a cluster: a consistent list, then the API server's watch from there, with bookmarks, taken
//! up again where it ended. Not kube's own watcher, because that one keeps the bookmarks to itself.

use std::{sync::Arc, time::Duration};

use futures::{
    StreamExt, TryStreamExt,
    stream::{self, BoxStream},
};
use k8s_openapi::api::core::v1::ConfigMap;
use kube::{
    Api,
    api::{ListParams, WatchParams},
    core::WatchEvent as ApiEvent,
};
use nearkv::Random;
use tokio::time::{sleep, timeout};

use super::{CALL_DEADLINE, convert};
use nearkv_origin::store::{Object, WatchEvent};

/// After this the API server ends a watch, and it is taken up again: kube's own choice, under its limit of 295.
const WATCH_SECONDS: u32 = 290;
/// The API server sends a bookmark about every minute. After two that are missing the connection is dead.
const SILENCE: Duration = Duration::from_secs(150);
/// Objects per page: roots of up to 16 KiB.
const PAGE: u32 = 100;
/// The longest pause before a broken watch is tried again for the first time; then twice that, and so on.
const FIRST_PAUSE: Duration = Duration::from_millis(200);
/// The longest pause of all.
const LAST_PAUSE: Duration = Duration::from_secs(10);

type Events = BoxStream<'static, kube::Result<ApiEvent<ConfigMap>>>;

/// One watch of one Kubernetes namespace, or of all.
struct Watch {
    api: Api<ConfigMap>,
    labels: String,
    random: Arc<Random>,
    phase: Phase,
    pause: Duration,
}

/// Where the watch stands.
enum Phase {
    /// Nothing is known, or nothing any more.
    Listing,
    /// Everything up to this version is shown; no connection.
    Listed(String),
    /// Connected; everything up to this version is shown.
    Watching(String, Events),
}

pub(super) fn follow(
    api: Api<ConfigMap>,
    labels: String,
    random: Arc<Random>,
) -> BoxStream<'static, WatchEvent> {
    let watch = Watch { api, labels, random, phase: Phase::Listing, pause: FIRST_PAUSE };
    stream::unfold(watch, |mut watch| async move { Some((watch.next().await, watch)) }).boxed()
}

impl Watch {
    async fn next(&mut self) -> WatchEvent {
        loop {
            let (phase, event) = match std::mem::replace(&mut self.phase, Phase::Listing) {
                Phase::Listing => self.list().await,
                Phase::Listed(version) => self.connect(version).await,
                Phase::Watching(version, events) => self.receive(version, events).await,
            };
            self.phase = phase;
            if let Some(event) = event {
                return event;
            }
        }
    }

    async fn list(&mut self) -> (Phase, Option<WatchEvent>) {
        match self.all().await {
            Ok((objects, version)) => {
                self.pause = FIRST_PAUSE;
                (Phase::Listed(version), Some(WatchEvent::Reset(objects)))
            }
            Err(error) => {
                tracing::warn!(labels = self.labels, error, "failed to list what is watched; trying again");
                self.wait().await;
                (Phase::Listing, None)
            }
        }
    }

    /// Every object, as of one version: pages after the first show the state of the first.
    async fn all(&mut self) -> Result<(Vec<Object>, String), String> {
        let mut params = ListParams::default().labels(&self.labels).limit(PAGE);
        let mut objects = Vec::new();
        loop {
            let page = timeout(CALL_DEADLINE, self.api.list(&params));
            let page = page.await.map_err(|error| error.to_string())?.map_err(|error| error.to_string())?;
            for map in page.items {
                objects.push(convert::object(map).map_err(|error| error.to_string())?);
            }
            match (page.metadata.continue_.filter(|token| !token.is_empty()), page.metadata.resource_version)
            {
                (Some(token), _) => params.continue_token = Some(token),
                (None, Some(version)) => return Ok((objects, version)),
                (None, None) => return Err("the list has no resourceVersion".to_owned()),
            }
        }
    }

    async fn connect(&mut self, version: String) -> (Phase, Option<WatchEvent>) {
        let params = WatchParams::default().labels(&self.labels).timeout(WATCH_SECONDS);
        match timeout(CALL_DEADLINE, self.api.watch(&params, &version)).await {
            Ok(Ok(events)) => (Phase::Watching(version, events.boxed()), None),
            Ok(Err(error)) => self.broken(&error.to_string()).await,
            Err(error) => self.broken(&error.to_string()).await,
        }
    }

    async fn receive(&mut self, version: String, mut events: Events) -> (Phase, Option<WatchEvent>) {
        let event = match timeout(SILENCE, events.try_next()).await {
            Ok(Ok(Some(event))) => event,
            // The server ended it in good order.
            Ok(Ok(None)) => {
                sleep(self.random.jitter(FIRST_PAUSE)).await;
                return (Phase::Listed(version), None);
            }
            Ok(Err(error)) => return self.broken(&error.to_string()).await,
            Err(_) => return self.broken("neither events nor bookmarks").await,
        };
        self.pause = FIRST_PAUSE;
        let shown = match event {
            ApiEvent::Added(map) | ApiEvent::Modified(map) => {
                convert::object(map).map(|object| (object.meta.token.clone(), WatchEvent::Applied(object)))
            }
            ApiEvent::Deleted(map) => {
                convert::meta(map.metadata).map(|meta| (meta.token.clone(), WatchEvent::Deleted(meta)))
            }
            ApiEvent::Bookmark(bookmark) => {
                return (
                    Phase::Watching(bookmark.metadata.resource_version, events),
                    Some(WatchEvent::Current),
                );
            }
            // 410 Gone: the server no longer has what came after this version.
            ApiEvent::Error(status) => return self.broken(&status.message).await,
        };
        match shown {
            Ok((token, event)) => (Phase::Watching(token.0.to_string(), events), Some(event)),
            Err(error) => self.broken(&error.to_string()).await,
        }
    }

    async fn broken(&mut self, why: &str) -> (Phase, Option<WatchEvent>) {
        tracing::info!(labels = self.labels, why, "the watch broke off; starting anew");
        self.wait().await;
        (Phase::Listing, Some(WatchEvent::Broken))
    }

    async fn wait(&mut self) {
        sleep(self.random.jitter(self.pause)).await;
        self.pause = (self.pause * 2).min(LAST_PAUSE);
    }
}
