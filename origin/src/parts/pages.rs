//! The pages of a checkpoint: all entries in key order, cut into objects of at most 64 KiB. Pure. A new
//! checkpoint keeps every page in whose range nothing has changed, and writes the others anew. A plan holds the keys at
//! which pages begin; each page is encoded when it is written, so that a checkpoint takes the memory of a few pages.
//!
//! Whether a range has changed needs no list of changed keys: every later put has a version beyond the page's, and every
//! deletion leaves fewer old entries than the page counts.

use std::collections::BTreeSet;

use nearkv::{Key, UnixMillis};

use crate::format::{PART_BYTES, PageRef, Put, Record};

/// How full a new page is made: three quarters, so that the next few entries do not split it at once.
const TARGET_BYTES: usize = PART_BYTES / 4 * 3;
/// A rewritten range smaller than this takes its smaller neighbour with it.
const SMALL_BYTES: usize = PART_BYTES / 4;
/// Rewritten neighbours are cut together up to this size: enough that hardly a page is lost to rounding, and every few pages
/// a new one begins where an old one does (a seam, at which a checkpoint can be named in part).
const TOGETHER_BYTES: usize = PART_BYTES * 8;
/// How long an ended entry stays: no clock in use is off by as much, so none would still serve it. Far less than a grace, since
/// what it took is to be free within two graces of its end, and the collector needs one of them.
pub(crate) const EXPIRED_KEPT_SECS: u64 = 60;
/// Entries that are planned in less time than another thread is worth: about a millisecond.
const PLANNED_IN_PLACE: usize = 1000;

/// The second up to which ended entries are left out of a checkpoint made at `now`.
#[must_use]
pub(crate) fn expired_before(now: UnixMillis) -> u64 {
    now.seconds().saturating_sub(EXPIRED_KEPT_SECS)
}

/// Plans pages of that many entries: in place if they are few, else beside the runtime.
///
/// # Errors
/// The planning was cut short.
pub(crate) async fn beside<T: Send + 'static>(
    entries: usize,
    plan: impl FnOnce() -> T + Send + 'static,
) -> Result<T, tokio::task::JoinError> {
    if entries <= PLANNED_IN_PLACE { Ok(plan()) } else { tokio::task::spawn_blocking(plan).await }
}

/// An entry as a page holds it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct PageEntry<'a> {
    /// The version it was written at.
    pub version: u64,
    /// The entry.
    pub put: &'a Put,
}

/// One page of the new checkpoint.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum PlannedPage {
    /// The object is there already; only the start of its range may be another.
    Kept(PageRef),
    /// The object has to be written: the entries from this key, as in [`PageRef::from`], up to the next page's.
    New(Option<Key>),
}

impl PlannedPage {
    /// Start of its range.
    pub(crate) fn from(&self) -> Option<&Key> {
        match self {
            Self::Kept(page) => page.from.as_ref(),
            Self::New(from) => from.as_ref(),
        }
    }
}

/// What a page to be written says.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct NewPage {
    /// How many entries it has.
    pub entries: u64,
    /// Its lines.
    pub lines: String,
}

impl NewPage {
    /// The page of these entries, which are those of its range. Entries that ended up to the second `expired_before` are
    /// left out, as in the plan.
    pub(crate) fn of<'a>(entries: impl Iterator<Item = PageEntry<'a>>, expired_before: u64) -> Self {
        let mut page = Self::default();
        for entry in entries.filter(|entry| stays(entry, expired_before)) {
            page.entries += 1;
            page.lines.push_str(&line_of(&entry));
        }
        page
    }
}

/// The range of one old page, or of several neighbours that are rewritten together.
struct Range<'a> {
    from: Option<&'a Key>,
    /// Encoded size of the entries.
    bytes: usize,
    entries: Vec<PageEntry<'a>>,
    /// The page that still says just this.
    kept: Option<&'a PageRef>,
    /// The page cannot be read.
    lost: bool,
}

/// Pages that cannot be read, by their objects' names. Nothing is known of their entries, so they and their ranges stay.
pub(crate) type LostPages = BTreeSet<String>;

/// Plans the pages that hold `entries` (all of them, in key order), given the pages that there are. Entries that ended
/// up to the second `expired_before` are left out.
pub(crate) fn plan<'a>(
    old: &'a [PageRef],
    lost: &LostPages,
    entries: impl Iterator<Item = PageEntry<'a>>,
    expired_before: u64,
) -> Vec<PlannedPage> {
    let mut ranges = by_old_page(old, lost, entries.filter(|entry| stays(entry, expired_before)));
    for range in ranges.iter_mut().filter(|range| !range.lost) {
        judge(range);
    }
    give_small_ones_a_neighbour(&mut ranges);
    let mut pages = Vec::new();
    let mut ranges = ranges.into_iter().peekable();
    while let Some(mut range) = ranges.next() {
        if let Some(page) = range.kept {
            pages.push(PlannedPage::Kept(page.clone()));
            continue;
        }
        let joins = |bytes: usize, next: &Range<'_>| {
            next.kept.is_none() && (bytes < TOGETHER_BYTES || next.bytes < SMALL_BYTES)
        };
        let behind_lost = pages.last().is_some_and(|page| is_lost(page, lost));
        while let Some(next) = ranges.next_if(|next| joins(range.bytes, next)) {
            range.bytes += next.bytes;
            range.entries.extend(next.entries);
        }
        let before_lost = pages.is_empty() && ranges.peek().is_some_and(|next| next.lost);
        let mut new = cut(&range);
        if new.is_empty() && (behind_lost || before_lost) {
            // Without a page in it the range would be the lost page's, and all that is put there uncertain.
            new.push(range.from.cloned());
        }
        pages.extend(new.into_iter().map(PlannedPage::New));
    }
    // The first range has no lower end, whatever stood before it has gone.
    match pages.first_mut() {
        Some(PlannedPage::Kept(page)) => page.from = None,
        Some(PlannedPage::New(from)) => *from = None,
        None => {}
    }
    pages
}

fn stays(entry: &PageEntry<'_>, expired_before: u64) -> bool {
    entry.put.expiration.is_none_or(|end| end.0 > expired_before)
}

fn is_lost(page: &PlannedPage, lost: &LostPages) -> bool {
    matches!(page, PlannedPage::Kept(page) if lost.contains(&page.page))
}

fn by_old_page<'a>(
    old: &'a [PageRef],
    lost: &LostPages,
    entries: impl Iterator<Item = PageEntry<'a>>,
) -> Vec<Range<'a>> {
    let range = |page: &'a PageRef| Range {
        from: page.from.as_ref(),
        bytes: page.bytes as usize,
        entries: Vec::new(),
        kept: Some(page),
        lost: lost.contains(&page.page),
    };
    let mut ranges: Vec<_> = old.iter().map(range).collect();
    if ranges.is_empty() {
        ranges.push(Range { from: None, bytes: 0, entries: Vec::new(), kept: None, lost: false });
    }
    let mut at = 0;
    for entry in entries {
        while ranges.get(at + 1).is_some_and(|next| next.from <= Some(&entry.put.key)) {
            at += 1;
        }
        ranges[at].entries.push(entry);
    }
    ranges
}

/// Drops the page from a range whose entries are not the page's any more.
fn judge(range: &mut Range<'_>) {
    let unchanged = range.kept.is_some_and(|page| {
        page.entries > 0
            && page.entries == range.entries.len() as u64
            && range.entries.iter().all(|entry| entry.version <= page.version)
    });
    if !unchanged {
        range.kept = None;
        range.bytes = range.entries.iter().map(|entry| line_of(entry).len()).sum();
    }
}

fn give_small_ones_a_neighbour(ranges: &mut [Range<'_>]) {
    let mut start = 0;
    while start < ranges.len() {
        if ranges[start].kept.is_some() {
            start += 1;
            continue;
        }
        let run = ranges[start..].iter().take_while(|range| range.kept.is_none());
        let (count, bytes) = run.fold((0, 0), |(count, bytes), range| (count + 1, bytes + range.bytes));
        let end = start + count;
        if bytes > 0 && bytes < SMALL_BYTES {
            let neighbours = [start.checked_sub(1), (end < ranges.len()).then_some(end)];
            let neighbours = neighbours.into_iter().flatten().filter(|at| !ranges[*at].lost);
            if let Some(smaller) = neighbours.min_by_key(|at| ranges[*at].bytes) {
                ranges[smaller].kept = None;
            }
        }
        start = end;
    }
}

/// Cuts a range's entries into pages of equal size, near three quarters full: where they begin.
fn cut(range: &Range<'_>) -> Vec<Option<Key>> {
    let pages = if range.bytes <= PART_BYTES { 1 } else { range.bytes.div_ceil(TARGET_BYTES) };
    // A page is closed once it has its share: it then exceeds that by less than one entry (at most 11 KiB:
    // key, metadata and value escaped), which stays below the limit.
    let share = range.bytes.div_ceil(pages);
    let (mut cut, mut bytes) = (Vec::new(), 0);
    for entry in &range.entries {
        let line = line_of(entry).len();
        if !cut.is_empty() && bytes < share && bytes + line <= PART_BYTES {
            bytes += line;
            continue;
        }
        cut.push(if cut.is_empty() { range.from.cloned() } else { Some(entry.put.key.clone()) });
        bytes = line;
    }
    cut
}

fn line_of(entry: &PageEntry<'_>) -> String {
    let mut line = Record::Put(entry.put.clone()).to_line(Some(entry.version));
    line.push('\n');
    line
}

#[cfg(test)]
mod tests;
