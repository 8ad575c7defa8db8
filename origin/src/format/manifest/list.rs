//! A long list of references: its front part in objects of their own, which stay as they are while a newer list says the
//! same, and the rest in the top object of the manifest.

use std::sync::Arc;

use serde::Serialize;

use super::to_line;
use crate::format::{ManifestRef, PART_BYTES, PageRef, SegmentRef, Sha, bounds};

/// References that stand in the top object itself. More go into a child, so that a fold, which rewrites the
/// top after every few segments, costs little more than what it adds.
pub(super) const TOP_BYTES: usize = 16 * 1024;
/// A child smaller than this is not kept when it would stand between rewritten ones.
const SMALL_CHILD_BYTES: usize = PART_BYTES / 8;
/// What a field beside the lines takes for its digest.
const BESIDE_BYTES: usize = 65;

/// A list of references: its front part in children, the rest in the top object.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct List<T> {
    pub(super) children: Vec<Child<T>>,
    pub(super) top: Vec<T>,
}

impl<T> Default for List<T> {
    fn default() -> Self {
        Self { children: Vec::new(), top: Vec::new() }
    }
}

/// An object of a long manifest.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Child<T> {
    /// Its name and digest.
    pub reference: ManifestRef,
    /// What it lists.
    pub items: Arc<[T]>,
}

/// A child that has to be written, or the top.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ManifestObject {
    /// The nonce in its name.
    pub nonce: String,
    /// Its lines.
    pub lines: String,
    /// The segments among its references: their bounds stand beside the lines.
    pub segments: Vec<SegmentRef>,
}

/// What a list may hold.
pub trait Reference: Clone + PartialEq + Serialize {
    /// The reference, if it is one to a segment.
    fn segment(&self) -> Option<&SegmentRef>;
}

impl Reference for PageRef {
    fn segment(&self) -> Option<&SegmentRef> {
        None
    }
}

impl Reference for SegmentRef {
    fn segment(&self) -> Option<&SegmentRef> {
        Some(self)
    }
}

impl<T: Reference> List<T> {
    /// All references in order.
    pub fn iter(&self) -> impl DoubleEndedIterator<Item = &T> {
        self.children.iter().flat_map(|child| child.items.iter()).chain(&self.top)
    }

    /// A list of these references, all of them in the top object.
    #[must_use]
    pub fn flat(top: Vec<T>) -> Self {
        Self { children: Vec::new(), top }
    }

    /// The same list with all references in the top object: what is built upon it keeps none of the children.
    #[must_use]
    pub fn without_children(&self) -> Self {
        Self::flat(self.iter().cloned().collect())
    }

    /// How many there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.children.iter().map(|child| child.items.len()).sum::<usize>() + self.top.len()
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// A list of these references that keeps the children of this one wherever they still say the same. New
    /// children are put into `written`; `name` makes an object's name of a nonce, `mint` a nonce.
    pub fn rebuilt(
        &self,
        items: Vec<T>,
        mint: &mut dyn FnMut() -> String,
        name: &dyn Fn(&str) -> String,
        written: &mut Vec<ManifestObject>,
    ) -> Self {
        let mut list = Self::default();
        let mut pending = Pending { items: Vec::new(), lines: String::new(), beside: 0 };
        let mut flush = |pending: &mut Pending<T>, children: &mut Vec<Child<T>>| {
            let Pending { items, lines, beside: _ } = std::mem::take(pending);
            if items.is_empty() {
                return;
            }
            let nonce = mint();
            let reference = ManifestRef { manifest: name(&nonce), sha256: Sha::of(lines.as_bytes()) };
            let segments = items.iter().filter_map(T::segment).cloned().collect();
            children.push(Child { reference, items: items.into() });
            written.push(ManifestObject { nonce, lines, segments });
        };
        let mut rest = items.as_slice();
        while let Some(first) = rest.first() {
            let kept =
                self.children.iter().find(|child| !child.items.is_empty() && rest.starts_with(&child.items));
            let between = !pending.items.is_empty() && pending.lines.len() < SMALL_CHILD_BYTES;
            match kept {
                Some(child) if !between => {
                    flush(&mut pending, &mut list.children);
                    rest = &rest[child.items.len()..];
                    list.children.push(child.clone());
                }
                _ => {
                    let line = to_line(first);
                    let beside = first.segment().and_then(bounds::line_of).map_or(0, |line| line.len());
                    let bytes = pending.lines.len() + pending.beside + line.len() + beside;
                    if bytes > PART_BYTES - BESIDE_BYTES {
                        flush(&mut pending, &mut list.children);
                    }
                    pending.beside += beside;
                    pending.lines.push_str(&line);
                    pending.items.push(first.clone());
                    rest = &rest[1..];
                }
            }
        }
        if pending.lines.len() > TOP_BYTES {
            flush(&mut pending, &mut list.children);
        }
        list.top = pending.items;
        list
    }
}

struct Pending<T> {
    items: Vec<T>,
    lines: String,
    /// Bytes of the lines beside them.
    beside: usize,
}

impl<T> Default for Pending<T> {
    fn default() -> Self {
        Self { items: Vec::new(), lines: String::new(), beside: 0 }
    }
}
