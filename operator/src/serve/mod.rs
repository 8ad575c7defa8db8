//! `nearkv-operator run`: puts the parts together, and ends them in order. Owner of every task of the process.

mod admin;
mod shutdown;

use std::{
    io,
    net::SocketAddr,
    sync::{Arc, atomic::AtomicBool},
    time::Duration,
};

use kube::Config;
use nearkv::{
    Clock, Random, SystemClock,
    access::{Authority, DecisionCounts, Guard, GuardSettings},
    http::server::{self, Requests, TlsError, admin_router, args::AuthMode, router},
    telemetry::LogFilter,
};
use tokio::{net::TcpListener, sync::watch};
use tokio_util::sync::CancellationToken;

use crate::{
    access::ClusterAuthority,
    catalog::{KubeCatalog, Scope, follow},
    cli::RunArgs,
    client,
    configmap_store::Cluster,
    controller::{self, binding::Binder, run::Controller},
    lease::{self, LeaseSettings},
    managed::Managed,
    metrics::Metrics,
};
use admin::Status;
use nearkv_origin::{Origin, PacingSettings, Settings};
use shutdown::{Signals, Stage, supervise};

/// Why the operator did not start, or ended before it was asked to.
#[derive(Debug, thiserror::Error)]
pub enum ServeError {
    /// No cluster is configured.
    #[error("failed to find a cluster; set KUBECONFIG, or run in a pod: {0}")]
    Kubeconfig(#[source] kube::config::InferConfigError),
    /// The configuration of the cluster cannot be used.
    #[error("failed to make a client of the cluster: {0}")]
    Client(#[source] kube::Error),
    /// A listener's address is taken or not ours.
    #[error("failed to listen at {address}: {source}")]
    Listen {
        /// The address.
        address: SocketAddr,
        /// Why.
        source: io::Error,
    },
    /// The files of TLS cannot be used.
    #[error(transparent)]
    Tls(#[from] TlsError),
    /// The process cannot hear signals.
    #[error("failed to listen to signals: {0}")]
    Signals(#[source] io::Error),
    /// A part ended by itself.
    #[error("a part of the operator has failed: {0}")]
    Part(String),
}

/// Serves and reconciles until SIGTERM or Ctrl-C, then ends in order: `/readyz` turns, requests are answered for a
/// while longer and those in flight to their end, rounds and commits in progress are finished, the Lease is given back.
///
/// # Errors
/// [`ServeError`].
pub async fn run(args: &RunArgs, log: LogFilter) -> Result<(), ServeError> {
    let signals = Signals::install().map_err(ServeError::Signals)?;
    let tls = args.data_listener.tls()?;
    let data_listener = listen(args.listen).await?;
    let admin_listener = listen(args.admin_listen).await?;
    let config = Config::infer().await.map_err(ServeError::Kubeconfig)?;
    let clock: Arc<dyn Clock> = Arc::new(SystemClock);
    let random = Arc::new(Random::from_os());
    let lease = lease_settings(args, &config.default_namespace, &random);
    let client = client::connect(config.clone()).map_err(ServeError::Client)?;
    let store = Cluster::connect(
        config,
        args.watch_namespace.clone(),
        &lease.namespace,
        Arc::clone(&clock),
        Arc::clone(&random),
    )
    .map_err(ServeError::Client)?;
    let scopes = Scope::of(&args.watch_namespace);
    let catalog = Arc::new(KubeCatalog::new(client.clone(), scopes.clone()));
    let origin =
        Origin::new(Arc::new(store), catalog, Arc::clone(&clock), Arc::clone(&random), settings(args));
    let requests = Arc::<Requests>::default();
    let decisions = Arc::<DecisionCounts>::default();
    let metrics = Arc::new(Metrics::new(&origin, &requests, &decisions));
    let (leading, led) = watch::channel(false);
    tracing::info!(identity = lease.identity, listen = %args.listen, ?scopes, "starting");

    let readiness = CancellationToken::new();
    let mut data = Stage::new("data listener");
    let mut reconciling = Stage::new("controller");
    let mut election = Stage::new("lease");
    let mut storage = Stage::new("origin");
    let mut admin = Stage::new("admin listener");
    let mut questions = Stage::new("access");

    storage.add(Arc::clone(&origin).run(storage.token()));
    let binder = Arc::new(Binder::new(client.clone(), args.service_url.clone(), Arc::clone(&random)));
    let mut followers = Vec::new();
    for scope in scopes {
        let (follower, following) = follow(client.clone(), scope, Arc::clone(&origin), reconciling.token());
        reconciling.add(following);
        let controller = Controller {
            client: client.clone(),
            cluster: controller::Cluster::new(client.clone(), &lease.identity, origin.pace()),
            origin: Arc::clone(&origin),
            binder: Arc::clone(&binder),
            follower: follower.clone(),
            clock: Arc::clone(&clock),
            metrics: Arc::clone(&metrics),
        };
        reconciling.add(controller.run(led.clone(), reconciling.token()));
        followers.push(follower);
    }
    reconciling.add(maintain(Arc::clone(&origin), led.clone(), reconciling.token()));
    election.add(lease::run(client.clone(), lease, Arc::clone(&clock), leading, election.token()));

    let authority = Arc::new(ClusterAuthority::new(
        client.clone(),
        followers.clone(),
        Arc::clone(&clock),
        args.auth_allowed_seconds,
    ));
    let guard = guard(args, &authority, &decisions);
    let managed = Arc::new(Managed::new(client.clone(), followers.clone(), Arc::clone(&origin)));
    let status = Status {
        origin: Arc::clone(&origin),
        followers,
        leading: led,
        metrics,
        draining: readiness.clone(),
        was_ready: AtomicBool::new(false),
    };
    let admin_router = admin_router(Arc::new(status), Some(log));
    admin.add_fallible(server::serve(admin_listener, admin_router, admin.token()));
    let settings = server::Settings { region: None, guard: guard.clone(), requests };
    let router = router(origin, managed, &settings);
    let leaving = readiness.clone();
    data.add_fallible(server::serve_with_drain(data_listener, router, tls, leaving, data.token()));
    questions.add(end_of_questions(guard, authority, questions.token()));

    let stages = vec![data, questions, reconciling, election, storage, admin];
    supervise(stages, &readiness, args.data_listener.shutdown_delay, signals).await.map_err(ServeError::Part)
}

fn guard(
    args: &RunArgs,
    authority: &Arc<ClusterAuthority>,
    decisions: &Arc<DecisionCounts>,
) -> Option<Arc<Guard>> {
    if args.auth == AuthMode::Off {
        tracing::warn!(
            "callers are not asked who they are: whoever reaches the data listener may do everything"
        );
        return None;
    }
    let settings = GuardSettings {
        allowed_for: args.auth_allowed_seconds,
        refused_for: args.auth_refused_seconds,
        // What is read here is no cache's: an outage of the API server is an edge's to bridge.
        stale_if_error: Duration::ZERO,
    };
    let authority: Arc<dyn Authority> = Arc::clone(authority) as _;
    Some(Arc::new(Guard::new(authority, settings).counted_by(decisions)))
}

/// Questions about callers end once nobody is served any more.
async fn end_of_questions(
    guard: Option<Arc<Guard>>,
    authority: Arc<ClusterAuthority>,
    shutdown: CancellationToken,
) {
    shutdown.cancelled().await;
    if let Some(guard) = guard {
        guard.shutdown().await;
    }
    authority.shutdown().await;
}

async fn listen(address: SocketAddr) -> Result<TcpListener, ServeError> {
    TcpListener::bind(address).await.map_err(|source| ServeError::Listen { address, source })
}

/// The holder of the Lease folds, checkpoints and collects.
async fn maintain(origin: Arc<Origin>, mut leading: watch::Receiver<bool>, shutdown: CancellationToken) {
    loop {
        let leads = *leading.borrow_and_update();
        origin.set_maintainer(leads);
        tokio::select! {
            () = shutdown.cancelled() => break,
            changed = leading.changed() => if changed.is_err() { break },
        }
    }
    origin.set_maintainer(false);
}

fn settings(args: &RunArgs) -> Settings {
    let RunArgs { garbage_grace, pace_bytes_per_second, budget_bytes, .. } = args;
    let rate = pace_bytes_per_second.0;
    Settings {
        grace: *garbage_grace,
        budget_bytes: budget_bytes.0,
        budget_objects: args.budget_objects,
        pacing: (rate > 0).then(|| PacingSettings { bytes_per_second: rate, ..PacingSettings::default() }),
        ..Settings::default()
    }
}

/// The pod's name is unique and survives a restart of its container, which then takes its Lease back at once.
fn lease_settings(args: &RunArgs, default_namespace: &str, random: &Random) -> LeaseSettings {
    let variable = |name| std::env::var(name).ok().filter(|value| !value.is_empty());
    let host = || variable("HOSTNAME").unwrap_or_else(|| "nearkv-operator".into());
    let identity = args.identity.clone().or_else(|| variable("POD_NAME"));
    let namespace = args.lease_namespace.as_ref().or(args.watch_namespace.first());
    LeaseSettings {
        namespace: namespace.cloned().unwrap_or_else(|| default_namespace.to_owned()),
        name: args.lease_name.clone(),
        identity: identity.unwrap_or_else(|| format!("{}-{:016x}", host(), random.u64())),
    }
}
