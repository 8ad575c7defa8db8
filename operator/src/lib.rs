//! The operator of nearkv: the origin over the ConfigMaps of a cluster, and the controller, which makes it follow the
//! KvNamespace objects. Their kind and the controller's pipeline are `nearkv-controller`; here is what asks the API server.

pub mod access;
pub mod catalog;
pub mod cli;
mod client;
pub mod configmap_store;
pub mod controller;
pub mod lease;
pub mod managed;
pub mod metrics;
pub mod serve;
