//! The immutable objects that a root reaches: creating them within the budget, reading them back, cutting entries into
//! pages, and knowing how old an object may be before a root names it.

pub(crate) mod age;
pub(crate) mod loader;
pub(crate) mod pages;
pub(crate) mod writer;
