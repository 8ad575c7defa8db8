//! What an operation returns: the body, and the [`State`] at which it is true.

use crate::{Cursor, Expiration, Key, Metadata, State, Value, Version};

/// The answer of an operation, with the state at which it is true.
#[derive(Debug)]
pub struct Answer<T> {
    /// The thing itself.
    pub body: T,
    /// When and for how long it is true.
    pub state: State,
}

impl<T> Answer<T> {
    /// The same state with another body.
    pub fn map<U>(self, f: impl FnOnce(T) -> U) -> Answer<U> {
        Answer { body: f(self.body), state: self.state }
    }
}

/// What a read of one key found.
#[derive(Debug)]
pub enum Lookup {
    /// The entry.
    Found(Entry),
    /// The entry still has the version the reader named in `if_none_match`; its value is not repeated.
    Unchanged {
        /// That version.
        version: Version,
        /// When the entry ends.
        expiration: Option<Expiration>,
    },
    /// There is no such entry.
    Absent,
}

/// A key's value and what belongs to it.
#[derive(Debug)]
pub struct Entry {
    /// The bytes.
    pub value: Value,
    /// The JSON value stored beside it.
    pub metadata: Option<Metadata>,
    /// When the entry ends.
    pub expiration: Option<Expiration>,
    /// The state this entry was written at: its entity tag.
    pub version: Version,
}

/// One page of a list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Page {
    /// In ascending order of UTF-8 bytes.
    pub keys: Vec<Listed>,
    /// Where the next page starts; `None` on the last.
    pub cursor: Option<Cursor>,
}

/// A key on a page of a list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Listed {
    /// The key.
    pub name: Key,
    /// When the entry ends.
    pub expiration: Option<Expiration>,
    /// The JSON value stored beside it.
    pub metadata: Option<Metadata>,
}
