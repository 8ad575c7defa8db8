//! The operator of nearkv: the origin, which keeps the data of KvNamespaces in an object store and serves
//! them from memory, and the controller, which makes the store follow the KvNamespace objects.

pub mod access;
pub mod api;
pub mod catalog;
pub mod cli;
mod client;
pub mod controller;
pub mod lease;
pub mod managed;
pub mod metrics;
pub mod origin;
pub mod serve;
pub mod store;
