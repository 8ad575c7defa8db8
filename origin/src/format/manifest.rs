//! The manifest: which pages hold the entries of the last checkpoint, and which segments the records since
//! then. It is a list of references, a JSON line each; a long list is a tree, whose children are objects of
//! their own and stay as they are when a newer manifest says the same (a fold never rewrites page references).

mod list;

use nearkv::Expiration;
use serde::{Deserialize, Serialize, de::DeserializeOwned};

use crate::format::{BoundsByFirst, FORMAT, FormatError, ManifestRef, PageRef, SegmentRef, json};

pub use list::{Child, List, ManifestObject, Reference};

/// The state at a checkpoint, and the log since then, older than what the root names.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Manifest {
    /// The pages hold the state at this version, or, while the next checkpoint is being written, some of them a later one
    /// already, which the log brings the others up to. Records up to it are without effect.
    pub checkpoint: u64,
    /// Entries up to the checkpoint that had ended by this second are left out of the pages, at the latest when the
    /// next checkpoint is done: whoever reads them drops them.
    pub expired_before: u64,
    /// The pages, in key order.
    pub pages: List<PageRef>,
    /// The segments, oldest first, without gap; the first may begin before the checkpoint.
    pub segments: List<SegmentRef>,
}

/// What the lines of a top object say, before its children are read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Top {
    checkpoint: u64,
    expired_before: u64,
    page_children: Vec<ManifestRef>,
    segment_children: Vec<ManifestRef>,
    pages: Vec<PageRef>,
    segments: Vec<SegmentRef>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
struct Header {
    format: u32,
    checkpoint: u64,
    expired_before: u64,
}

/// A line of a top object behind its header.
#[derive(Serialize, Deserialize)]
#[serde(untagged)]
enum Line {
    Pages { pages: ManifestRef },
    Segments { segments: ManifestRef },
    Page(PageRef),
    Segment(SegmentRef),
}

impl Manifest {
    /// Whether the pages leave out an entry of this version that ends so, as having ended: memory drops it too.
    #[must_use]
    pub fn leaves_out(&self, version: u64, expiration: Option<Expiration>) -> bool {
        version <= self.checkpoint && expiration.is_some_and(|end| end.0 <= self.expired_before)
    }

    /// The version up to which the log is whole here; the root goes on behind it.
    #[must_use]
    pub fn through(&self) -> u64 {
        self.segments.iter().next_back().map_or(self.checkpoint, |last| last.last().max(self.checkpoint))
    }

    /// The objects it is made of, besides its pages and segments and without the top: the children's names.
    pub fn children(&self) -> impl Iterator<Item = &ManifestRef> {
        let pages = self.pages.children.iter().map(|child| &child.reference);
        pages.chain(self.segments.children.iter().map(|child| &child.reference))
    }

    /// The top object.
    #[must_use]
    pub fn top(&self, nonce: String) -> ManifestObject {
        ManifestObject { nonce, lines: self.top_lines(), segments: self.segments.top.clone() }
    }

    /// The same with the bounds that its objects say of their segments.
    #[must_use]
    pub fn with_bounds(mut self, known: &BoundsByFirst) -> Self {
        let know = |segment: &mut SegmentRef| segment.keys = known.get(&segment.first).cloned();
        self.segments.top.iter_mut().for_each(know);
        for child in &mut self.segments.children {
            let mut items = child.items.to_vec();
            items.iter_mut().for_each(know);
            child.items = items.into();
        }
        self
    }

    /// The lines of the top object.
    #[must_use]
    pub fn top_lines(&self) -> String {
        let Self { checkpoint, expired_before, pages, segments } = self;
        let header = Header { format: FORMAT, checkpoint: *checkpoint, expired_before: *expired_before };
        let mut lines = to_line(&header);
        for child in &pages.children {
            lines.push_str(&to_line(&Line::Pages { pages: child.reference.clone() }));
        }
        for child in &segments.children {
            lines.push_str(&to_line(&Line::Segments { segments: child.reference.clone() }));
        }
        lines.extend(pages.top.iter().map(to_line));
        lines.extend(segments.top.iter().map(to_line));
        lines
    }
}

impl Top {
    /// Reads the lines of a top object.
    ///
    /// # Errors
    /// [`FormatError::Unknown`] for another format, [`FormatError::Line`] for a line that is no reference.
    pub fn decode(lines: &str) -> Result<Self, FormatError> {
        let (first, rest) = lines.split_once('\n').unwrap_or((lines, ""));
        let Header { format, checkpoint, expired_before } = from_line(1, first)?;
        if format != FORMAT {
            return Err(FormatError::Unknown(format));
        }
        let mut top = Self {
            checkpoint,
            expired_before,
            page_children: Vec::new(),
            segment_children: Vec::new(),
            pages: Vec::new(),
            segments: Vec::new(),
        };
        for (index, text) in rest.lines().enumerate() {
            match from_line(index + 2, text)? {
                Line::Pages { pages } => top.page_children.push(pages),
                Line::Segments { segments } => top.segment_children.push(segments),
                Line::Page(page) => top.pages.push(page),
                Line::Segment(segment) => top.segments.push(segment),
            }
        }
        Ok(top)
    }

    /// The children to read before [`Top::with`].
    pub fn children(&self) -> impl Iterator<Item = &ManifestRef> {
        self.page_children.iter().chain(&self.segment_children)
    }

    /// The manifest, with the lines of its children in the order of [`Top::children`].
    ///
    /// # Errors
    /// [`FormatError::Line`] for a line that is no reference.
    pub fn with(self, children: &[String]) -> Result<Manifest, FormatError> {
        let Self { checkpoint, expired_before, page_children, segment_children, pages, segments } = self;
        let (of_pages, of_segments) = children.split_at(page_children.len().min(children.len()));
        Ok(Manifest {
            checkpoint,
            expired_before,
            pages: List { children: adopt(page_children, of_pages)?, top: pages },
            segments: List { children: adopt(segment_children, of_segments)?, top: segments },
        })
    }
}

fn adopt<T: DeserializeOwned>(
    references: Vec<ManifestRef>,
    lines: &[String],
) -> Result<Vec<Child<T>>, FormatError> {
    let read = |(reference, lines): (ManifestRef, &String)| {
        let items: Result<Vec<T>, _> =
            lines.lines().enumerate().map(|(index, text)| from_line(index + 1, text)).collect();
        Ok(Child { reference, items: items?.into() })
    };
    references.into_iter().zip(lines).map(read).collect()
}

fn to_line(item: &impl Serialize) -> String {
    let mut line = json::to_line(item);
    line.push('\n');
    line
}

fn from_line<T: DeserializeOwned>(line: usize, text: &str) -> Result<T, FormatError> {
    serde_json::from_str(text).map_err(|error| FormatError::Line { line, message: error.to_string() })
}

#[cfg(test)]
mod tests;
