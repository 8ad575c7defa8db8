//! What is read or written item by item and is of no use behind its first error.

use futures::{
    StreamExt,
    stream::{self, BoxStream},
};

use crate::Error;

/// Something that gives items until it has ended or failed.
pub(super) trait Source: Send + Sized + 'static {
    /// What it gives.
    type Item: Send;

    /// The next item; `None` at the end. Not asked again behind an error.
    fn pull(&mut self) -> impl Future<Output = Result<Option<Self::Item>, Error>> + Send;

    /// The items as a stream that ends behind the first error.
    fn into_stream(self) -> BoxStream<'static, Result<Self::Item, Error>> {
        let items = stream::unfold(Some(self), |source| async move {
            let mut source = source?;
            let item = source.pull().await.transpose()?;
            let rest = item.is_ok().then_some(source);
            Some((item, rest))
        });
        items.boxed()
    }
}
