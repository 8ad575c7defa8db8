//! The controller in a cluster: watches, queues and writes around the pipeline of `nearkv-controller`, which has no API
//! client. [`run`] calls it for every KvNamespace that [`triggers`] names, with [`cluster`] behind it.

pub mod binding;
pub mod cluster;
mod differences;
mod remembered;
pub mod run;
mod triggers;

pub use cluster::Cluster;
