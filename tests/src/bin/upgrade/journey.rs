//! The phases: the followers first, then the leaders, there and back, with the CRDs of either version. In every phase
//! both versions that run have to commit, and the leader folds, checkpoints and collects.

use std::time::{Duration, Instant};

use nearkv_tests::{ControlPlane, HarnessError, Options, Result};

use crate::fleet::{Fleet, Role};
use crate::progress::Progress;
use crate::retained::Retained;
use crate::settings::Settings;
use crate::traffic::{Tally, Traffic};
use crate::version::{Version, Versions};
use crate::watch::Watch;

/// For folds, checkpoints, sweeps and commits by every operator, once the replacements of a phase are done.
const PROGRESS_LIMIT: Duration = Duration::from_secs(180);
/// Between two looks at that: between two checkpoints, some seconds, there are several folds.
const PROGRESS_EVERY: Duration = Duration::from_millis(200);
/// Fewer reads or puts in a phase are no load.
const LEAST: u64 = 200;

/// What happens at the beginning of a phase.
enum Change<'a> {
    Nothing,
    /// An operator and an edge.
    Replace(Role, &'a Version),
    /// The CRDs only.
    Crds(&'a Version),
}

pub(crate) struct Journey {
    versions: Versions,
    fleet: Fleet,
    traffic: Traffic,
    watch: Watch,
    retained: Retained,
    settings: Settings,
    least: Duration,
    failures: Vec<String>,
}

impl Journey {
    /// Starts everything at the earlier version. Each phase runs for `least`, or longer.
    pub(crate) async fn begin(versions: Versions, least: Duration) -> Result<Journey> {
        let control_plane = ControlPlane::start(Options::default()).await?;
        versions.old.apply_crds(&control_plane).await?;
        let fleet = Fleet::start(control_plane, &versions.old).await?;
        let settings = Settings::begin(&fleet).await?;
        let retained = Retained::begin(&fleet).await?;
        let traffic = Traffic::begin(fleet.paths(settings.name())).await?;
        let watch = Watch::start(&fleet, settings.name()).await?;
        Ok(Journey { versions, fleet, traffic, watch, retained, settings, least, failures: Vec::new() })
    }

    /// All phases.
    ///
    /// # Errors
    /// The first acknowledged write that is lost, or what else stops the journey. Failed reads do not; see
    /// [`Journey::end`].
    pub(crate) async fn there_and_back(&mut self) -> Result<()> {
        use Change::{Crds, Nothing, Replace};
        let Versions { old, new } = self.versions.clone();
        let phases = [
            ("N", Nothing, &old),
            ("N leads, N+1 follows", Replace(Role::Follower, &new), &old),
            ("N+1 with the CRDs of N", Replace(Role::Leader, &new), &new),
            ("N+1", Crds(&new), &new),
            ("N+1 leads, N follows", Replace(Role::Follower, &old), &new),
            ("N with the CRDs of N+1", Replace(Role::Leader, &old), &old),
            ("N again", Crds(&old), &old),
        ];
        for (name, change, leader) in phases {
            let began = Instant::now();
            let tally = self
                .phase(name, change, leader)
                .await
                .map_err(|error| HarnessError::Unexpected(format!("phase {name:?}: {error:?}")))?;
            println!(
                "{name}: {} reads, {} of them failed; {} puts acknowledged, none lost; {} writes of unknown outcome; {:?}",
                tally.reads.answered + tally.reads.failures.len() as u64,
                tally.reads.failures.len(),
                tally.writes.acknowledged_puts,
                tally.writes.unknown,
                began.elapsed()
            );
            self.failures.extend(tally.reads.failures.iter().map(|failure| format!("{name}: {failure}")));
        }
        Ok(())
    }

    /// Ends everything and says whether all was well.
    ///
    /// # Errors
    /// The reads that failed, and what operators or the KvNamespace said of damage.
    pub(crate) async fn end(self) -> Result<()> {
        let seen = self.watch.end().await?;
        let errors = self.fleet.end().await?;
        println!("operators were seen Ready {} times", seen.ready);
        let faults: Vec<String> = self.failures.into_iter().chain(seen.faults).chain(errors).collect();
        if faults.is_empty() && seen.ready > 0 {
            return Ok(());
        }
        Err(HarnessError::Unexpected(format!("{} faults:\n{}", faults.len(), faults.join("\n"))))
    }

    async fn phase(&mut self, name: &str, change: Change<'_>, leader: &Version) -> Result<Tally> {
        let Journey { fleet, traffic, retained, settings, least, .. } = self;
        let disturb = async {
            match change {
                Change::Nothing => {}
                Change::Crds(version) => version.apply_crds(&fleet.control_plane).await?,
                Change::Replace(role, version) => {
                    fleet.replace_operator(role, version).await?;
                    fleet.replace_edge(version).await?;
                }
            }
            let (until, progress) = (Instant::now() + *least, Progress::begin(fleet, settings.name()).await?);
            settings.repair_and_declare(fleet, name).await?;
            retained.delete_and_adopt(fleet, name).await?;
            has_shown(progress, fleet, settings.name(), until).await?;
            fleet.is_led_by(leader).await
        };
        let mut tally = traffic.during(disturb).await?;
        tally.writes = traffic.judge(&fleet.at_operators(settings.name())).await?;
        if tally.reads.answered < LEAST || tally.writes.acknowledged_puts < LEAST {
            return Err(HarnessError::Unexpected(format!("that is no load: {:?}", tally.writes)));
        }
        Ok(tally)
    }
}

/// Waits until `until`, and until everything that a phase has to show has happened.
async fn has_shown(mut progress: Progress, fleet: &Fleet, name: &str, until: Instant) -> Result<()> {
    let deadline = until + PROGRESS_LIMIT;
    loop {
        progress.look(fleet, name).await?;
        let lacks = progress.lacks();
        if lacks.is_empty() && Instant::now() > until {
            return Ok(());
        }
        if Instant::now() > deadline {
            return Err(HarnessError::NotSeen {
                awaited: "what a phase has to show".to_owned(),
                limit: PROGRESS_LIMIT,
                seen: format!("without {}", lacks.join(", ")),
            });
        }
        tokio::time::sleep(PROGRESS_EVERY).await;
    }
}
