//! A runtime whose threads live in the network namespace of another process.

use std::fs::File;
use std::os::fd::AsFd;
use std::sync::Arc;

use rustix::thread::{LinkNameSpaceType, move_into_link_name_space};
use tokio::runtime::{Builder, Runtime};

use crate::error::{HarnessError, Result};

/// A runtime whose threads all enter the network namespace `network` first.
pub(super) fn runtime(network: Option<Arc<File>>) -> Result<Runtime> {
    let mut builder = Builder::new_multi_thread();
    builder.worker_threads(2).enable_all();
    if let Some(network) = network {
        builder.on_thread_start(move || {
            // The thread that made this runtime has entered the same namespace, so this one can too; if not, its
            // connections fail, since the node has addresses of its own.
            if let Err(error) = join(&network) {
                eprintln!("{error:?}");
            }
        });
    }
    builder.build().map_err(|source| HarnessError::Io {
        action: "make",
        object: "a tokio runtime".to_owned(),
        source,
    })
}

/// Runs `work` on a thread, and a runtime, in the network namespace of the process `id`. Child processes that it starts
/// are in it too. A thread of its own, because one that has entered does not come back.
pub(super) fn enter<T: Send>(id: u32, work: impl AsyncFnOnce() -> T + Send) -> Result<T> {
    let path = format!("/proc/{id}/ns/net");
    let network = File::open(&path).map_err(HarnessError::io("open", path.as_ref()))?;
    let network = Arc::new(network);
    std::thread::scope(|scope| {
        let entered = scope.spawn(|| {
            join(&network)?;
            Ok(runtime(Some(network))?.block_on(work()))
        });
        entered.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))
    })
}

fn join(network: &File) -> Result<()> {
    move_into_link_name_space(network.as_fd(), Some(LinkNameSpaceType::Network)).map_err(|error| {
        HarnessError::Io {
            action: "enter",
            object: "the node's network namespace".to_owned(),
            source: error.into(),
        }
    })
}
