//! `kubectl kv dev`: nearkv on this machine, without a cluster (design §8). The origin on a folder, an edge per region
//! around it, and the controller's pipeline over manifests that are followed while it runs.

mod banner;
mod catalog;
mod console;
mod follow;
mod kept;
mod namespaces;
mod objects;
mod servers;
mod world;

use std::io;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use nearkv::{Clock, Random, SystemClock};
use nearkv_origin::store::{Directory, OpenError};
use nearkv_origin::{Origin, Settings};
use tokio::sync::broadcast::error::RecvError;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use self::banner::banner;
use self::catalog::Known;
use self::console::Console;
pub use self::follow::FollowError as WatchError;
use self::follow::Follower;
pub use self::kept::KeepError;
use self::kept::{DATA, Kept};
use self::namespaces::{Managed, Request};
pub use self::servers::BindError;
use self::servers::Listeners;
pub use self::world::FollowError;
use self::world::{Parts, World};
use crate::args::DevArgs;
use crate::manifest::{Faults, load};

/// How often declared entries that are not in force are tried again: a quota may have room by then.
const RETRY_EVERY: Duration = Duration::from_secs(2);

/// Why development mode does not start, or ends.
#[derive(Debug, thiserror::Error)]
pub enum DevError {
    /// The manifests given with `-f` are not taken.
    #[error("the manifests are not taken:\n{0}")]
    Manifests(#[from] Faults),
    /// They cannot be followed.
    #[error(transparent)]
    Watch(#[from] WatchError),
    /// An address is taken.
    #[error(transparent)]
    Bind(#[from] BindError),
    /// The data cannot be used.
    #[error(transparent)]
    Open(#[from] OpenError),
    /// The kept manifests cannot be used.
    #[error(transparent)]
    Keep(#[from] KeepError),
    /// The data cannot follow the manifests.
    #[error(transparent)]
    Follow(#[from] FollowError),
    /// Data are there and cannot be trusted.
    #[error("data in {} cannot be trusted; nothing was changed:\n{}\nRepair the file, take it from a copy, or start with another folder (--data)", data.display(), .faults.join("\n"))]
    Damaged {
        /// The state directory.
        data: PathBuf,
        /// Each KvNamespace with its reason.
        faults: Vec<String>,
    },
    /// A listener failed.
    #[error("failed to serve: {0}")]
    Serve(#[source] io::Error),
}

/// Runs until `shutdown`.
///
/// # Errors
/// [`DevError`]: before `ready` is printed, nothing was changed unless the error says otherwise.
pub async fn run(args: DevArgs, shutdown: CancellationToken) -> Result<(), DevError> {
    let console = Console;
    let clock: Arc<dyn Clock> = Arc::new(SystemClock);
    let random = Arc::new(Random::from_os());

    // Watched before they are read, so that no change is missed in between.
    let mut follower = Follower::new(&args.filenames)?;
    let manifests = load(&args.filenames)?;
    let listeners = Listeners::bind(&args).await?;
    let directory = Directory::open(&args.data.join(DATA), clock.clone(), random.clone()).await?;
    let kept = Kept::new(&args.data);
    let objects = kept.load()?;

    let known = Arc::new(Known::default());
    let origin = Origin::new(
        Arc::new(directory.clone()),
        known.clone(),
        clock.clone(),
        random.clone(),
        Settings { pacing: None, ..Settings::default() },
    );
    origin.set_maintainer(true);
    // The origin ends last: what the servers still answer has to be committed.
    let origin_end = CancellationToken::new();
    let running = tokio::spawn(origin.clone().run(origin_end.clone()));
    let (managed, mut requests) = Managed::new(known.clone());
    let mut world =
        World::new(objects, Parts { kept, directory, origin: origin.clone(), known, clock, random, console });

    let served = async {
        let faults = world.resume().await?;
        if !faults.is_empty() {
            return Err(DevError::Damaged { data: args.data.clone(), faults });
        }
        world.take(manifests).await?;
        let addresses = listeners.addresses().map_err(DevError::Serve)?;
        let servers_end = shutdown.child_token();
        let servers = listeners.serve(&origin, &managed, &servers_end);
        console.say(&banner(&args.data, &addresses, &world.objects.all));
        console.say("ready");

        let followed = follow(&mut world, &mut follower, &mut requests, &args, &shutdown).await;
        // Who still waits for a change is told that there will be none.
        drop(requests);
        servers_end.cancel();
        let served = servers.join().await.map_err(|error| DevError::Serve(io::Error::other(error)));
        followed.and(served)
    }
    .await;

    origin_end.cancel();
    if let Err(error) = running.await {
        tracing::error!(%error, "the origin has ended in a panic");
    }
    served
}

/// Takes every change of the manifests, of the data's health, and those asked for over REST, until `shutdown`. A manifest that is broken is told, and
/// changes nothing.
async fn follow(
    world: &mut World,
    follower: &mut Follower,
    requests: &mut mpsc::Receiver<Request>,
    args: &DevArgs,
    shutdown: &CancellationToken,
) -> Result<(), DevError> {
    let mut health = world.parts.origin.changes();
    let mut retry = tokio::time::interval(RETRY_EVERY);
    loop {
        tokio::select! {
            biased;
            () = shutdown.cancelled() => return Ok(()),
            () = follower.changed() => match load(&args.filenames) {
                Ok(manifests) => world.take(manifests).await?,
                Err(faults) => Console.warn(&format!(
                    "the changed manifests are not taken; what was there stays in force:\n{faults}"
                )),
            },
            Some(request) = requests.recv() => namespaces::answer(world, request).await,
            changed = health.recv() => match changed {
                Ok(namespace) => world.reconcile(&namespace).await?,
                Err(RecvError::Lagged(_)) => world.reconcile_all().await?,
                Err(RecvError::Closed) => return Ok(()),
            },
            _ = retry.tick() => world.retry().await?,
        }
    }
}
