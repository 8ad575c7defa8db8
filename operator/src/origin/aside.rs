//! The segment that inline records will have to become, written before anybody waits for it: while the clients
//! just answered send their next writes. The next commit then names it and keeps its own records inline, and so
//! costs its writers one write after the other instead of two.

use nearkv::Clock;
use tokio_util::task::AbortOnDropHandle;

use super::{
    ages::Age,
    format::{Root, Sha},
    next::{self, Next},
    workshop::{MakeError, Workshop},
};

/// Encoded root from which on its inline records are set aside: what is typical (design §6). Every commit writes
/// the root again, so a larger one costs more than a segment now and then.
const ASIDE_ROOT_BYTES: u64 = 4 * 1024;

/// A segment in the making.
pub(super) struct Aside {
    name: String,
    sha256: Sha,
    born: Age,
    making: AbortOnDropHandle<Result<(), MakeError>>,
}

/// A segment that exists and that no root names.
pub(super) struct SetAside {
    pub(super) name: String,
    pub(super) sha256: Sha,
    pub(super) born: Age,
}

impl Aside {
    /// Starts to write the records of a root that has just been swapped in, if there are enough of them.
    pub(super) fn start(workshop: Workshop, committed: &Next, clock: &dyn Clock) -> Option<Self> {
        let Next { root, content, .. } = committed;
        if root.records.is_empty() || content.size() < ASIDE_ROOT_BYTES {
            return None;
        }
        let born = Age::start(clock);
        let (segment, draft) = workshop.segment(root.first_inline(), root.records.len() as u64, lines(root));
        let making = tokio::spawn(async move { workshop.create(vec![draft]).await });
        Some(Self {
            name: segment.segment,
            sha256: segment.sha256,
            born,
            making: AbortOnDropHandle::new(making),
        })
    }

    /// Waits for it; `None` if it could not be written, which the commit will meet itself.
    pub(super) async fn made(self) -> Option<SetAside> {
        let Self { name, sha256, born, making } = self;
        let made = matches!(making.await, Ok(Ok(())));
        made.then_some(SetAside { name, sha256, born })
    }
}

fn lines(root: &Root) -> String {
    root.records.iter().map(next::line).collect()
}
