//! A control plane to try things on by hand: `cargo run -p nearkv-tests --bin control-plane`.
//!
//! Prints its process ids and its kubeconfig, each on a line, and stays until Ctrl-C or until its
//! standard input ends. The self-test of the harness kills it to see that nothing stays behind.

use std::io::Read;

use nearkv_tests::{ControlPlane, Options, Result};
use tokio::sync::oneshot;

#[tokio::main]
async fn main() -> Result<()> {
    let control_plane = ControlPlane::start(Options::default()).await?;
    println!("processes {:?}", control_plane.process_ids());
    println!("kubeconfig {}", control_plane.kubeconfig().display());
    let (ended, input_ended) = oneshot::channel::<()>();
    // A thread of its own, which the end of `main` does not wait for.
    std::thread::spawn(move || {
        let _ended = ended;
        std::io::stdin().lock().read_to_end(&mut Vec::new())
    });
    tokio::select! {
        _ = tokio::signal::ctrl_c() => {}
        _ = input_ended => {}
    }
    Ok(())
}
