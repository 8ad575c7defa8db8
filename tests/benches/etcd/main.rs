//! How large etcd's file becomes, on a real control plane with an etcd of its own: operators that write different KvNamespaces
//! as fast as the pace lets them, or at a given rate, for minutes.
//!
//! `cargo bench -p nearkv-tests --profile dist --bench etcd [-- --operators 1 --rate 200]`; ten minutes. Figures:
//! `docs/performance.md`.

mod writing;

use std::time::Duration;

use clap::Parser;
use nearkv_tests::{
    ControlPlane, HarnessError, Kv, Options, TestNamespace, bench::etcd_bytes, install::install_crds_in,
    memory::mib, nearkv::Server,
};
use tokio::time::{Instant, sleep};

use crate::writing::{Load, Writers};

type Result<T, E = HarnessError> = std::result::Result<T, E>;

/// How the benchmark runs.
#[derive(Parser)]
struct Arguments {
    /// Operators, each with a KvNamespace of its own that clients write.
    #[arg(long, default_value_t = 2)]
    operators: usize,
    /// Puts a second at each operator; 0 for as many as it takes.
    #[arg(long, default_value_t = 0)]
    rate: u64,
    /// Length of the load.
    #[arg(long, default_value_t = 10)]
    minutes: u64,
    /// Minutes after which an operator is killed and started anew, each in turn; 0 for never.
    #[arg(long, default_value_t = 0)]
    restart_every: u64,
    /// Clients of each operator.
    #[arg(long, default_value_t = 32)]
    clients: u64,
    /// Bytes of a value.
    #[arg(long, default_value_t = 288)]
    bytes: usize,
    /// Given by `cargo bench`; nothing depends on it.
    #[arg(long, hide = true)]
    bench: bool,
}

#[tokio::main]
async fn main() -> Result<()> {
    let arguments = Arguments::parse();
    let control_plane = ControlPlane::start(Options { fsync: true }).await?;
    install_crds_in(&control_plane).await?;
    let namespace = control_plane.namespace().await?;
    let mut servers = Vec::new();
    for number in 0..arguments.operators {
        let name = format!("kv-{number}");
        let manifest = format!(
            "apiVersion: nearkv.dev/v1alpha1\nkind: KvNamespace\nmetadata:\n  name: {name}\nspec: {{}}\n"
        );
        namespace.apply(&manifest).await?;
        let operator = format!("operator-{number}");
        servers.push(Server::operator(&operator, &control_plane, namespace.name(), &[]).await?);
    }
    measure(&arguments, &control_plane, &namespace, &mut servers).await?;
    for server in servers {
        server.stop().await?;
    }
    Ok(())
}

async fn measure(
    arguments: &Arguments,
    control_plane: &ControlPlane,
    namespace: &TestNamespace,
    servers: &mut [Server],
) -> Result<()> {
    let Arguments { operators, rate, minutes, restart_every, clients, bytes, bench: _ } = *arguments;
    println!(
        "{operators} operators with default flags, {clients} clients each, values of {bytes} bytes under 10,000 keys, {}",
        if rate == 0 { "as fast as they are taken".to_owned() } else { format!("{rate} puts/s each") },
    );
    let data = control_plane
        .etcd_data()
        .ok_or_else(|| HarnessError::Missing("a control plane of its own".to_owned()))?;
    let load = Load { clients, bytes, rate };
    let kvs = servers
        .iter()
        .enumerate()
        .map(|(number, server)| Kv::new(server.kv(namespace.name(), &format!("kv-{number}"))));
    let writers = Writers::start(kvs, load);
    let started = Instant::now();
    for minute in 1..=minutes {
        sleep((started + Duration::from_secs(60 * minute)).saturating_duration_since(Instant::now())).await;
        println!("minute {minute}: etcd's file {}; {}", mib(etcd_bytes(data)?), writers.take_figures());
        if restart_every > 0 && minute % restart_every == 0 {
            let next = (minute / restart_every) as usize % servers.len();
            servers[next].process.kill()?;
            servers[next].restart()?;
            servers[next].wait_until_ready().await?;
        }
    }
    writers.stop().await;
    Ok(())
}
