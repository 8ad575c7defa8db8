//! The watch of the simulated store: the changes of the world as one process hears of them, late, twice,
//! with gaps, and with breaks.

use std::{collections::VecDeque, pin::pin, sync::Arc, time::Duration};

use futures::{
    StreamExt,
    stream::{self, BoxStream},
};
use tokio::{
    select,
    time::{Instant, sleep, sleep_until},
};

use crate::store::{
    Selector, WatchEvent,
    simulated::{Action, Link, Process},
};

/// A silent watch sends a bookmark this often. Kubernetes does so every minute; more often is more to test.
const BOOKMARK_INTERVAL: Duration = Duration::from_secs(1);

/// One watch of one process.
struct Follower {
    process: Arc<Process>,
    selector: Selector,
    /// Up to where the watch has looked; `None` outside, before `Reset`.
    position: Option<u64>,
    /// Drawn already, not yet reported.
    ready: VecDeque<WatchEvent>,
    /// When the watch breaks, which has shown nothing since it left something out: a dead connection.
    repair: Option<Instant>,
    /// Until when it is behind, and does not say so.
    lag: Option<Instant>,
}

pub(super) fn follow(process: Arc<Process>, selector: Selector) -> BoxStream<'static, WatchEvent> {
    let follower =
        Follower { process, selector, position: None, ready: VecDeque::new(), repair: None, lag: None };
    let next = |mut follower: Follower| async move {
        let event = follower.next().await;
        follower.note(&event);
        Some((event, follower))
    };
    stream::unfold(follower, next).boxed()
}

impl Follower {
    async fn next(&mut self) -> WatchEvent {
        loop {
            if self.arrival().await.is_err() {
                return self.broken();
            }
            if let Some(event) = self.ready.pop_front() {
                return event;
            }
            let Some(position) = self.position else { return self.reset().await };
            if let Some(at) = self.repair {
                sleep_until(at).await;
                return self.broken();
            }
            let process = Arc::clone(&self.process);
            let mut changed = pin!(process.world.changed());
            changed.as_mut().enable();
            if let Some(until) = self.lag {
                sleep_until(until.min(Instant::now() + BOOKMARK_INTERVAL)).await;
                self.lag = Some(until).filter(|until| *until > Instant::now());
                return WatchEvent::Current;
            }
            if process.world.change(|state| state.revision()) > position {
                if let Some(event) = self.advance(position).await {
                    return event;
                }
                continue;
            }
            select! {
                biased;
                () = changed => {}
                () = sleep(BOOKMARK_INTERVAL) => {
                    if self.process.link() == Link::Up {
                        return WatchEvent::Current;
                    }
                }
            }
        }
    }

    /// Waits until something can reach the process. `Err` if the watch has not survived the wait.
    async fn arrival(&self) -> Result<(), ()> {
        let was_cut = self.process.link() == Link::Cut;
        self.process.until_not(Link::Frozen).await;
        self.process.until_not(Link::Cut).await;
        self.process.until_heard().await;
        if was_cut && self.position.is_some() { Err(()) } else { Ok(()) }
    }

    async fn reset(&mut self) -> WatchEvent {
        sleep(self.process.latency()).await;
        let selector = &self.selector;
        let (objects, revision) = self
            .process
            .world
            .change(|state| (state.matching(selector).cloned().collect(), state.revision()));
        self.position = Some(revision);
        WatchEvent::Reset(objects)
    }

    /// Takes the next change that the selector shows, and decides how the process hears of it.
    async fn advance(&mut self, position: u64) -> Option<WatchEvent> {
        let selector = &self.selector;
        let next = self.process.world.change(|state| {
            let newest = state.revision();
            state.since(position).map(|mut changes| {
                let shown = changes.find(|(_, change)| {
                    let meta = &change.object().meta;
                    selector.matches(&meta.name, &meta.labels)
                });
                shown.map_or((newest, None), |(at, change)| (*at, Some(change.event())))
            })
        });
        let Some((at, event)) = next else { return Some(self.broken()) };
        self.position = Some(at);
        let event = event?;
        let (faults, random) = (self.process.faults.lock().clone(), &self.process.random);
        sleep(random.jitter(faults.watch_delay)).await;
        if random.below(1000) < faults.watch_broken {
            return Some(self.broken());
        }
        if random.below(1000) < faults.watch_left_out {
            self.repair = Some(Instant::now() + random.jitter(faults.watch_repair));
            return None;
        }
        if faults.watch_lagging > 0 && random.below(1000) < faults.watch_lagging {
            self.lag = Some(Instant::now() + random.jitter(faults.watch_lag));
        }
        if random.below(1000) < faults.watch_repeated {
            self.ready.push_back(event.clone());
        }
        self.ready.push_back(event);
        None
    }

    fn broken(&mut self) -> WatchEvent {
        self.position = None;
        (self.repair, self.lag) = (None, None);
        self.ready.clear();
        WatchEvent::Broken
    }

    fn note(&self, event: &WatchEvent) {
        let what = match event {
            WatchEvent::Reset(objects) => format!("reset to {}", objects.len()),
            WatchEvent::Applied(object) => format!("applied {} as {}", object.meta.name, object.meta.token.0),
            WatchEvent::Deleted(meta) => format!("deleted {}", meta.name),
            WatchEvent::Current => "current".to_owned(),
            WatchEvent::Broken => "broken".to_owned(),
        };
        self.process.world.trace().note(&format!(
            "{} {} {what}",
            self.process.number,
            Action::Watch.as_str()
        ));
    }
}
