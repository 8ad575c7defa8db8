//! The operator of nearkv: the origin over the ConfigMaps of a cluster, and the controller, which makes it follow the
//! KvNamespace objects.

pub mod access;
pub mod api;
pub mod catalog;
pub mod cli;
mod client;
pub mod configmap_store;
pub mod controller;
pub mod lease;
pub mod managed;
pub mod metrics;
pub mod serve;
