//! Two operators that start, and then have nothing to do.

use std::time::Duration;

use futures::future::try_join;
use nearkv_tests::bench::{Requests, cpu_time};
use nearkv_tests::error::HarnessError;
use nearkv_tests::memory::{Resident, mib};
use nearkv_tests::nearkv::Server;
use tokio::time::{Instant, sleep};

use crate::Result;
use crate::making::Made;

/// A series below this rate is noise of the control plane's own.
const LEAST_RATE: f64 = 0.02;

/// Processor time that was used so far, in seconds.
struct Cpu {
    operators: f64,
    control_plane: f64,
}

/// Starts two operators side by side, and prints what they cost.
pub(crate) async fn measure(made: &Made, settle: Duration, length: Duration) -> Result<()> {
    let Made { control_plane, namespace, kvnamespaces } = made;
    // What the control plane asks by itself.
    let (before, since) = (Requests::read(control_plane).await?, Instant::now());
    sleep(length / 4).await;
    let own = Requests::read(control_plane).await?.since(&before).per(since.elapsed());

    let start = async |name: &str| {
        let begun = Instant::now();
        let operator = Server::operator(name, control_plane, namespace.name(), &[]).await?;
        Ok::<_, HarnessError>((operator, begun.elapsed()))
    };
    let before = Requests::read(control_plane).await?;
    let ((one, one_took), (two, two_took)) = try_join(start("operator-1"), start("operator-2")).await?;
    let starting = Requests::read(control_plane).await?.since(&before);
    sleep(settle).await;

    let cpu = || -> Result<Cpu> {
        let seconds = |processes: &[u32]| -> Result<f64> {
            processes.iter().map(|process| Ok(cpu_time(*process)?.as_secs_f64())).sum()
        };
        Ok(Cpu {
            operators: seconds(&[one.process.id(), two.process.id()])?,
            control_plane: seconds(&control_plane.process_ids())?,
        })
    };
    let (requests, used, since) = (Requests::read(control_plane).await?, cpu()?, Instant::now());
    sleep(length).await;
    let (used_then, elapsed) = (cpu()?, since.elapsed());
    let rates = Requests::read(control_plane).await?.since(&requests).per(elapsed).since(&own);
    let share = |then: f64, before: f64| (then - before) / elapsed.as_secs_f64() * 100.0;

    println!(
        "{kvnamespaces} KvNamespaces: ready after {:.1} and {:.1} s and {:.0} requests; {:.2} requests/s idle; CPU of both operators \
         {:.1} %, of the control plane {:.1} %",
        one_took.as_secs_f64(),
        two_took.as_secs_f64(),
        starting.total(),
        rates.total(),
        share(used_then.operators, used.operators),
        share(used_then.control_plane, used.control_plane),
    );
    for (operator, name) in [(&one, "first"), (&two, "second")] {
        let Resident { now, peak } = Resident::of(&operator.process)?;
        println!("  memory of the {name} operator: {}, at most {}", mib(now), mib(peak));
    }
    for (series, rate) in rates.iter().filter(|(_, rate)| *rate >= LEAST_RATE) {
        println!("  {series}: {rate:.2}/s");
    }
    one.stop().await?;
    two.stop().await
}
