//! Leader election by a Lease, as `client-go` does it: who reconciles and checkpoints. No clock of another
//! machine is believed: a holder is alive as long as its record keeps changing, by this process's own
//! monotonic clock. Written here because the crates for it compare the record's wall-clock time with ours.

mod election;

use std::{sync::Arc, time::Duration};

use k8s_openapi::{
    api::coordination::v1::{Lease, LeaseSpec},
    apimachinery::pkg::apis::meta::v1::MicroTime,
    jiff::Timestamp,
};
use kube::{Api, Client, api::ObjectMeta, api::PostParams};
use nearkv::{Clock, UnixMillis};
use tokio::{
    sync::watch,
    time::{Instant, MissedTickBehavior, interval, timeout},
};
use tokio_util::sync::CancellationToken;

use election::{Election, Step};

/// How long a record that does not change is respected (`client-go`'s default).
pub const LEASE_DURATION: Duration = Duration::from_secs(15);
/// How long the holder goes on without a successful renewal: shorter, so that it has stopped before another
/// takes over.
const RENEW_DEADLINE: Duration = Duration::from_secs(10);
/// Between two looks at the Lease.
const RETRY_PERIOD: Duration = Duration::from_secs(2);
/// For one request, so that a hanging API server cannot hide that the deadline has passed.
const REQUEST_LIMIT: Duration = Duration::from_secs(5);

/// Which Lease, and who asks for it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LeaseSettings {
    /// The Lease's Kubernetes namespace.
    pub namespace: String,
    /// Its name.
    pub name: String,
    /// This process, different from every other one.
    pub identity: String,
}

/// Takes part in the election until `shutdown`, and says in `leading` whether this process holds the Lease.
/// At the end it gives the Lease back, so that another need not wait for it to run out.
pub async fn run(
    client: Client,
    settings: LeaseSettings,
    clock: Arc<dyn Clock>,
    leading: watch::Sender<bool>,
    shutdown: CancellationToken,
) {
    let api = Api::namespaced(client, &settings.namespace);
    let mut candidate = Candidate { api, settings, clock, election: Election::default(), leading };
    let mut ticks = interval(RETRY_PERIOD);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            () = shutdown.cancelled() => break,
            _ = ticks.tick() => candidate.round().await,
        }
    }
    candidate.resign().await;
}

struct Candidate {
    api: Api<Lease>,
    settings: LeaseSettings,
    clock: Arc<dyn Clock>,
    election: Election,
    leading: watch::Sender<bool>,
}

/// The Lease could not be read or written.
#[derive(Debug, thiserror::Error)]
enum LeaseError {
    #[error(transparent)]
    Kube(#[from] kube::Error),
    #[error("no answer within {} s", REQUEST_LIMIT.as_secs())]
    TimedOut(#[from] tokio::time::error::Elapsed),
}

impl Candidate {
    async fn round(&mut self) {
        let asked = Instant::now();
        match timeout(REQUEST_LIMIT, self.try_hold()).await.map_err(LeaseError::from).flatten() {
            Ok(true) => self.election.renewed(asked),
            Ok(false) => self.election.lost(),
            Err(error) => {
                let LeaseSettings { namespace, name, .. } = &self.settings;
                tracing::warn!(%error, "failed to hold the Lease {namespace}/{name}");
            }
        }
        self.tell(self.election.is_leading(Instant::now(), RENEW_DEADLINE));
    }

    /// Whether this process holds the Lease after the round.
    async fn try_hold(&mut self) -> Result<bool, LeaseError> {
        let found = self.api.get_opt(&self.settings.name).await?;
        let step =
            self.election.decide(found.as_ref(), &self.settings.identity, Instant::now(), LEASE_DURATION);
        let parameters = PostParams::default();
        let written = match step {
            Step::Wait => return Ok(false),
            Step::Create => self.api.create(&parameters, &self.record(None)).await,
            // With the version that was read: of two that try, one wins.
            Step::Renew | Step::Take => {
                self.api.replace(&self.settings.name, &parameters, &self.record(found.as_ref())).await
            }
        };
        match written {
            Ok(lease) => {
                self.election.saw(&lease, Instant::now());
                Ok(true)
            }
            Err(kube::Error::Api(status)) if status.code == 409 => Ok(false),
            Err(error) => Err(error.into()),
        }
    }

    fn record(&self, found: Option<&Lease>) -> Lease {
        let now = self.now();
        let before = found.and_then(|lease| lease.spec.clone()).unwrap_or_default();
        let is_mine = before.holder_identity.as_deref() == Some(&self.settings.identity);
        let transitions = before.lease_transitions.unwrap_or_default();
        Lease {
            metadata: ObjectMeta {
                name: Some(self.settings.name.clone()),
                namespace: Some(self.settings.namespace.clone()),
                resource_version: found.and_then(|lease| lease.metadata.resource_version.clone()),
                ..ObjectMeta::default()
            },
            spec: Some(LeaseSpec {
                holder_identity: Some(self.settings.identity.clone()),
                lease_duration_seconds: i32::try_from(LEASE_DURATION.as_secs()).ok(),
                acquire_time: if is_mine { before.acquire_time } else { Some(now.clone()) },
                renew_time: Some(now),
                lease_transitions: Some(if is_mine || found.is_none() {
                    transitions
                } else {
                    transitions + 1
                }),
                ..LeaseSpec::default()
            }),
        }
    }

    /// For people only: nobody's decision rests on it.
    fn now(&self) -> MicroTime {
        let UnixMillis(millis) = self.clock.now();
        let millis = i64::try_from(millis).unwrap_or(i64::MAX);
        MicroTime(Timestamp::from_millisecond(millis).unwrap_or(Timestamp::UNIX_EPOCH))
    }

    fn tell(&self, leads: bool) {
        let identity = &self.settings.identity;
        self.leading.send_if_modified(|before| {
            if *before != leads {
                tracing::info!(identity, leads, "leadership changed");
            }
            std::mem::replace(before, leads) != leads
        });
    }

    async fn resign(mut self) {
        let held = self.election.is_leading(Instant::now(), RENEW_DEADLINE);
        self.tell(false);
        self.election.lost();
        if !held {
            return;
        }
        let released = timeout(REQUEST_LIMIT, async {
            let Some(mut lease) = self.api.get_opt(&self.settings.name).await? else { return Ok(()) };
            let spec = lease.spec.get_or_insert_default();
            if spec.holder_identity.as_deref() == Some(self.settings.identity.as_str()) {
                spec.holder_identity = None;
                spec.lease_duration_seconds = Some(1);
                self.api.replace(&self.settings.name, &PostParams::default(), &lease).await?;
            }
            Ok::<(), LeaseError>(())
        });
        if let Err(error) = released.await.map_err(LeaseError::from).flatten() {
            tracing::warn!(%error, "failed to give the Lease back; it runs out by itself");
        }
    }
}
