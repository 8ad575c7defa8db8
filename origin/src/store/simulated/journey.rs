//! A request under way between a process and the store: a task of its own, whatever becomes of its caller.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use tokio::{sync::oneshot, time::sleep};

use crate::store::{
    ObjectName, StoreError,
    simulated::{Action, Fate, Link, Process, Way, world::State},
};

/// A throttled caller is told to wait this long.
const RETRY_AFTER: Duration = Duration::from_secs(1);

/// A caller that waits. When it is dropped, answered or not, its request is on its own.
#[derive(Default)]
pub(super) struct Caller(Arc<AtomicBool>);

impl Caller {
    /// Becomes true when the caller has gone.
    pub(super) fn gone(&self) -> Arc<AtomicBool> {
        Arc::clone(&self.0)
    }
}

impl Drop for Caller {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

/// A request under way.
pub(super) struct Journey {
    pub(super) process: Arc<Process>,
    pub(super) action: Action,
    pub(super) name: ObjectName,
    pub(super) fate: Fate,
    pub(super) gone: Arc<AtomicBool>,
}

impl Journey {
    /// To the store, and with the answer back. Where the answer never comes, its sender is kept until the
    /// caller has given up; where it is dropped earlier, the caller sees the connection break.
    pub(super) async fn travel<T>(
        self,
        request: impl FnOnce(&mut State) -> Result<T, StoreError>,
        mut answer: oneshot::Sender<Result<T, StoreError>>,
    ) {
        let Self { process, action, name, fate, gone } = self;
        let Process { world, random, .. } = &*process;
        let (there, back) = (process.latency(), process.latency());
        let (sent_whole, survives_cut) = (random.below(2) == 0, random.below(2) == 0);
        sleep(there).await;
        if process.link() == Link::Cut && !survives_cut {
            return answer.closed().await;
        }
        if process.loses(action, Way::There) {
            return answer.closed().await;
        }
        process.until_not(Link::Cut).await;
        if gone.load(Ordering::Relaxed) && !sent_whole {
            return;
        }
        let result = match fate {
            Fate::Served => world.change(request),
            Fate::Contended => world.change(|state| {
                state.touch(&name);
                request(state)
            }),
            Fate::Throttled => Err(StoreError::Throttled { retry_after: Some(RETRY_AFTER) }),
            Fate::Refused => Err(StoreError::Refused { name, message: "refused as ordered".to_owned() }),
            Fate::FailedBefore => return sleep(back).await,
            Fate::FailedAfter => {
                world.change(request).ok();
                return sleep(back).await;
            }
            Fate::Late(by) => {
                answer.closed().await;
                sleep(by).await;
                world.change(request).ok();
                return;
            }
            Fate::Lost | Fate::Panics => return answer.closed().await,
        };
        sleep(back).await;
        if process.loses(action, Way::Back) {
            return answer.closed().await;
        }
        process.until_not(Link::Cut).await;
        answer.send(result).ok();
    }
}
