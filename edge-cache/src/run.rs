//! The process `nearkv-edge-cache`: it opens the listeners, asks the origin until the first answer, and shuts down in
//! order.

use std::{io, net::SocketAddr, sync::Arc, time::Duration};

use nearkv::{
    Error, GetOptions, Key, Kv, Namespace, SystemClock,
    access::{DecisionCounts, Guard, GuardSettings, TokenFile},
    http::{
        Client,
        client::{ClientError, ClientSettings, Credentials},
        server::{ServeError, TlsError, args::AuthMode, serve, serve_with_drain},
    },
    telemetry::LogFilter,
};
use tokio::{net::TcpListener, signal, time::sleep};
use tokio_util::sync::CancellationToken;

use crate::{EdgeCache, Region, Snapshots, cli::Args};

/// Pause between two requests to an origin that has not answered yet.
const FIRST_ANSWER_PAUSE: Duration = Duration::from_secs(1);

/// Why the process failed.
#[derive(Debug, thiserror::Error)]
pub enum RunError {
    /// The origin's URL is invalid.
    #[error("failed to make a client of the origin")]
    Client(#[from] ClientError),
    /// The TLS files are invalid.
    #[error(transparent)]
    Tls(#[from] TlsError),
    /// The process cannot listen on an address.
    #[error("failed to listen on {address} ({flag}); is it free, and this machine's?")]
    Listen {
        /// The address.
        address: SocketAddr,
        /// The flag it came from.
        flag: &'static str,
        /// Why.
        source: io::Error,
    },
    /// A listener failed.
    #[error("failed to serve")]
    Serve(#[from] ServeError),
    /// The process cannot listen for signals.
    #[error("failed to listen for signals")]
    Signals(#[source] io::Error),
    /// The contract rejects a name that this program uses itself.
    #[error("failed to name the question that asks whether the origin is there")]
    Question(#[source] Error),
    /// A second signal arrived before the shutdown was complete.
    #[error("ended by a second signal; requests were dropped")]
    Impatient,
}

/// Runs an edge until SIGTERM or Ctrl-C. A second signal ends it at once. Its admin listener can change `log`.
///
/// # Errors
/// [`RunError`].
pub async fn run(args: Args, log: LogFilter) -> Result<(), RunError> {
    let stop = CancellationToken::new();
    let mut signals = Signals::new()?;
    let edge = run_until(args, Some(log), stop.clone());
    tokio::pin!(edge);
    tokio::select! {
        ended = &mut edge => return ended,
        () = signals.next() => tracing::info!("draining; a second signal ends it at once"),
    }
    stop.cancel();
    tokio::select! {
        ended = &mut edge => ended,
        () = signals.next() => Err(RunError::Impatient),
    }
}

/// Runs an edge until `stop`. From then on it is not ready, and still serves for the delay of the flag. Then it accepts
/// no more connections, answers requests in flight and waits for the outcome of writes. The admin listener ends last.
///
/// # Errors
/// [`RunError`].
pub async fn run_until(args: Args, log: Option<LogFilter>, stop: CancellationToken) -> Result<(), RunError> {
    let client = client(&args)?;
    let settings = args.settings();
    let tls = args.data_listener.tls()?;
    let data = listen(args.listen, "--listen").await?;
    let admin = listen(args.admin_listen, "--admin-listen").await?;
    let namespaces = Arc::new(client.clone());
    let decisions = Arc::default();
    let guard = guard(&args, &client, &decisions);
    let mut region = Region::new(args.region, client, &settings);
    region.guard.clone_from(&guard);
    region.cache.add_decisions(&decisions);
    let snapshots = args.snapshot_dir.map(|folder| Snapshots::new(folder, Arc::new(SystemClock)));
    if let Some(snapshots) = &snapshots {
        snapshots.load(&region.cache).await;
    }
    tracing::info!(
        origin = args.origin,
        region = %region.name,
        listen = %args.listen,
        admin = %args.admin_listen,
        cache_bytes = settings.cache_bytes,
        "serving"
    );

    let (data_stop, admin_stop) = (CancellationToken::new(), CancellationToken::new());
    let admin = serve(admin, region.admin_router(&args.origin, log, &stop), admin_stop.clone());
    let data = async {
        let served = tokio::join!(
            serve_with_drain(data, region.router(namespaces), tls, stop.clone(), data_stop.clone()),
            first_answer(&region.cache, &stop),
            async {
                stop.cancelled().await;
                sleep(args.data_listener.shutdown_delay).await;
                data_stop.cancel();
            },
            async {
                if let Some(snapshots) = &snapshots {
                    snapshots.keep(&region.cache, &stop).await;
                }
            },
        );
        region.cache.shutdown().await;
        if let Some(guard) = guard {
            guard.shutdown().await;
        }
        if let Some(snapshots) = snapshots {
            snapshots.save_final(&region.cache).await;
        }
        admin_stop.cancel();
        served
    };
    let ((data, question, (), ()), admin) = tokio::join!(data, admin);
    data?;
    admin?;
    question.map_err(RunError::Question)
}

fn client(args: &Args) -> Result<Client, ClientError> {
    let settings = ClientSettings { ca_file: args.origin_ca_file.clone(), ..ClientSettings::default() };
    let client = Client::new(&args.origin, &settings)?;
    Ok(match &args.origin_token_file {
        Some(path) => client.with_credentials(Credentials::File(Arc::new(TokenFile::new(path)))),
        None => client,
    })
}

/// The guard of the data listener. Upstream decides, and sets how long a decision lasts.
fn guard(args: &Args, upstream: &Client, decisions: &Arc<DecisionCounts>) -> Option<Arc<Guard>> {
    if args.auth == AuthMode::Off {
        tracing::warn!("callers are not asked who they are: whoever reaches the data listener may read");
        return None;
    }
    let stale_if_error = Duration::from_secs(args.auth_stale_if_error_seconds);
    let settings = GuardSettings { stale_if_error, ..GuardSettings::default() };
    Some(Arc::new(Guard::new(Arc::new(upstream.clone()), settings).counted_by(decisions)))
}

async fn listen(address: SocketAddr, flag: &'static str) -> Result<TcpListener, RunError> {
    TcpListener::bind(address).await.map_err(|source| RunError::Listen { address, flag, source })
}

/// Asks until the origin answers for the first time, so that the edge becomes ready without a reader. It asks for a
/// KvNamespace that need not exist: "no such KvNamespace" is an answer. So is "forbidden", which an origin for some
/// Kubernetes namespaces only returns.
async fn first_answer<K: Kv>(cache: &EdgeCache<K>, stop: &CancellationToken) -> Result<(), Error> {
    let namespace = Namespace::new("nearkv-edge", "ready")?;
    let key = Key::new("ready")?;
    while !cache.has_upstream_answered() {
        let asked = async {
            if let Err(error) = cache.get(&namespace, &key, &GetOptions::default()).await
                && error.reason().is_outage()
            {
                tracing::warn!(%error, "waiting for the first answer of the origin");
                sleep(FIRST_ANSWER_PAUSE).await;
            }
        };
        tokio::select! {
            () = asked => {}
            () = stop.cancelled() => break,
        }
    }
    Ok(())
}

struct Signals {
    terminate: signal::unix::Signal,
    interrupt: signal::unix::Signal,
}

impl Signals {
    fn new() -> Result<Self, RunError> {
        let hear = |kind| signal::unix::signal(kind).map_err(RunError::Signals);
        Ok(Self {
            terminate: hear(signal::unix::SignalKind::terminate())?,
            interrupt: hear(signal::unix::SignalKind::interrupt())?,
        })
    }

    async fn next(&mut self) {
        tokio::select! {
            _ = self.terminate.recv() => {}
            _ = self.interrupt.recv() => {}
        }
    }
}
