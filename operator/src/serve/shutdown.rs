//! The order in which the parts of the process end: stage after stage, each with its own token and its own
//! tasks, which are joined before the next stage begins.

use std::{io, time::Duration};

use futures::{FutureExt, future};
use tokio::{
    signal::unix::{Signal, SignalKind, signal},
    task::JoinSet,
    time::{sleep, timeout},
};
use tokio_util::sync::CancellationToken;

/// For all that follows the delay; the data listener's own limit for requests in flight is 20 s, and Kubernetes kills
/// 30 s after the signal by default.
const LIMIT: Duration = Duration::from_secs(26);

/// Parts of the process that end together.
pub(super) struct Stage {
    name: &'static str,
    token: CancellationToken,
    tasks: JoinSet<Result<(), String>>,
}

impl Stage {
    pub(super) fn new(name: &'static str) -> Self {
        Self { name, token: CancellationToken::new(), tasks: JoinSet::new() }
    }

    /// What tells the parts of this stage to end.
    pub(super) fn token(&self) -> CancellationToken {
        self.token.clone()
    }

    pub(super) fn add(&mut self, part: impl Future<Output = ()> + Send + 'static) {
        self.tasks.spawn(part.map(Ok));
    }

    pub(super) fn add_fallible<E: std::error::Error>(
        &mut self,
        part: impl Future<Output = Result<(), E>> + Send + 'static,
    ) {
        self.tasks.spawn(part.map(|ended| ended.map_err(|error| error.to_string())));
    }

    /// Waits for a part that ends by itself, which none is meant to do.
    async fn failure(&mut self) -> String {
        let name = self.name;
        match self.tasks.join_next().await {
            Some(Ok(Ok(()))) | None => format!("{name} ended by itself"),
            Some(Ok(Err(error))) => format!("{name}: {error}"),
            Some(Err(error)) => format!("{name}: {error}"),
        }
    }

    async fn end(&mut self) {
        self.token.cancel();
        while let Some(ended) = self.tasks.join_next().await {
            if let Err(error) = ended.map_err(|error| error.to_string()).flatten() {
                tracing::error!(stage = self.name, error, "a part did not end well");
            }
        }
    }
}

/// Waits for a signal or for a part that fails; then ends the stages in their order, `delay` after `readiness` was
/// told: by then Services send nobody here any more. A second signal drops what has not ended.
///
/// # Errors
/// What has failed.
pub(super) async fn supervise(
    mut stages: Vec<Stage>,
    readiness: &CancellationToken,
    delay: Duration,
    mut signals: Signals,
) -> Result<(), String> {
    let first_failure = future::select_all(stages.iter_mut().map(|stage| stage.failure().boxed()));
    let outcome = tokio::select! {
        () = signals.next() => Ok(()),
        (failure, ..) = first_failure => Err(failure),
    };
    match &outcome {
        Ok(()) => tracing::info!("shutting down"),
        Err(failure) => tracing::error!(failure, "shutting down"),
    }
    readiness.cancel();
    let ordered = async {
        sleep(delay).await;
        for stage in &mut stages {
            stage.end().await;
        }
    };
    tokio::select! {
        ended = timeout(delay + LIMIT, ordered) => if ended.is_err() {
            tracing::warn!("parts that did not end in time are dropped");
        },
        () = signals.next() => tracing::warn!("a second signal: parts that have not ended are dropped"),
    }
    outcome
}

/// SIGTERM and Ctrl-C.
pub(super) struct Signals {
    terminate: Signal,
    interrupt: Signal,
}

impl Signals {
    /// From now on the process does not die of them.
    pub(super) fn install() -> io::Result<Self> {
        Ok(Self { terminate: signal(SignalKind::terminate())?, interrupt: signal(SignalKind::interrupt())? })
    }

    async fn next(&mut self) {
        tokio::select! {
            _ = self.terminate.recv() => {}
            _ = self.interrupt.recv() => {}
        }
    }
}
