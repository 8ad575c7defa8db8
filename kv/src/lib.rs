//! The Workers KV contract.
