//! The swap of this process that is on its way. The watch often tells of it before its answer is there, and whoever
//! took it in then would read what the committer is about to publish.

use tokio::sync::watch;

use crate::store::Content;

/// The root that has been sent and is not answered and applied yet.
#[derive(Default)]
pub(crate) struct OwnSwaps(watch::Sender<Option<Content>>);

/// Until this is dropped, the swap is under way.
pub(crate) struct Sent<'a>(&'a OwnSwaps);

impl OwnSwaps {
    /// A swap to this content is sent.
    pub(crate) fn sent(&self, content: Content) -> Sent<'_> {
        self.0.send_replace(Some(content));
        Sent(self)
    }

    /// Waits while a swap to this content is under way.
    pub(crate) async fn settled(&self, content: &Content) {
        let settled = |own: &Option<Content>| own.as_ref() != Some(content);
        // An error means that there is no sender any more, and so no swap.
        self.0.subscribe().wait_for(settled).await.ok();
    }
}

impl Drop for Sent<'_> {
    fn drop(&mut self) {
        self.0.0.send_replace(None);
    }
}
