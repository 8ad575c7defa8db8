//! Every citation of the design and the contract (`design §6 invariant 5`, `contract §1.4`) finds its target in
//! docs/design/: the heading with that number, or the numbered item. A `§` belongs to the nearest of the words design,
//! contract, RFC and YAML before it in the same paragraph; a paragraph in docs/design/ that has none of them cites its own
//! file's numbers.

use std::collections::BTreeSet;

use super::{known_tests, texts};

const FOLDER: &str = "docs/design/";
const CONTRACT: &str = "docs/design/contract.md";
const STORAGE: &str = "docs/design/storage.md";
const FEED: &str = "docs/design/change-feed.md";

/// Where a number behind `§` is to be found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Source {
    Design,
    Contract,
    /// A standard of others.
    Foreign,
}

impl Source {
    fn named_by(word: &str) -> Option<Self> {
        match word.trim_end_matches(".md").to_ascii_lowercase().as_str() {
            "design" => Some(Self::Design),
            "contract" => Some(Self::Contract),
            "rfc" | "yaml" => Some(Self::Foreign),
            _ => None,
        }
    }

    /// The source of a file's own numbers.
    fn of_file(path: &str) -> Option<Self> {
        match path {
            CONTRACT => Some(Self::Contract),
            _ => path.starts_with(FOLDER).then_some(Self::Design),
        }
    }

    fn section(self, number: &str) -> String {
        let source = match self {
            Self::Design => "design",
            Self::Contract => "contract",
            Self::Foreign => "a standard",
        };
        format!("{source} §{number}")
    }
}

/// A list of numbered items that is being cited, as in "invariants 1 to 6".
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum List {
    Invariants,
    Facts,
    Feed,
}

/// What a line cites, as [`targets`] spells it.
type Citation = (usize, String);

/// The words of a line, without the marks around them. A number keeps the dots in it.
fn words(line: &str) -> impl Iterator<Item = &str> {
    let words = line.split(|c: char| !c.is_alphanumeric() && c != '§' && c != '.');
    words.map(|word| word.trim_matches('.')).filter(|word| !word.is_empty())
}

fn is_number(word: &str) -> bool {
    word.bytes().all(|byte| byte.is_ascii_digit())
}

/// The number of the list item that begins with this line.
fn item(line: &str) -> Option<&str> {
    line.split_once(". ").map(|(number, _)| number).filter(|number| !number.is_empty() && is_number(number))
}

/// All citations of a text, whose own numbers are those of `own`.
fn citations(own: Option<Source>, text: &str) -> Vec<Citation> {
    let (mut source, mut list, mut found) = (own, None, Vec::new());
    let mut last: Option<(Source, &str)> = None;
    for (index, line) in text.lines().enumerate() {
        if words(line).next().is_none() {
            (source, list, last) = (own, None, None);
        }
        for word in words(line) {
            let cite = |target: String| (index + 1, target);
            let section = last.take();
            if let Some(number) =
                word.strip_prefix('§').filter(|rest| rest.starts_with(|c: char| c.is_ascii_digit()))
            {
                match source {
                    Some(Source::Foreign) => {}
                    Some(source) => found.push(cite(source.section(number))),
                    None => found.push(cite(format!("§{number} of nothing"))),
                }
                (last, list) = (source.map(|source| (source, number)), None);
            } else if let Some(named) = Source::named_by(word) {
                (source, list) = (Some(named), None);
            } else if word.eq_ignore_ascii_case("invariant") || word.eq_ignore_ascii_case("invariants") {
                list = Some(List::Invariants);
            } else if word == "fact" && section == Some((Source::Contract, "0")) {
                list = Some(List::Facts);
            } else if let Some(number) =
                word.strip_prefix('F').filter(|rest| !rest.is_empty() && is_number(rest))
            {
                let cited = section == Some((Source::Design, "7")) || list == Some(List::Feed);
                if cited || own == Some(Source::Design) {
                    found.push(cite(format!("F{number}")));
                    list = Some(List::Feed);
                }
            } else if is_number(word) && list == Some(List::Invariants) {
                found.push(cite(format!("invariant {word}")));
            } else if is_number(word) && list == Some(List::Facts) {
                found.push(cite(format!("fact {word}")));
            } else if !matches!(word, "and" | "or" | "to") {
                list = None;
            }
        }
    }
    found
}

/// What docs/design/ holds: numbered headings, the invariants of the storage, the contract's facts, those of the feed.
fn targets(files: &[(String, String)]) -> BTreeSet<String> {
    let mut targets = BTreeSet::new();
    for (path, text) in files {
        let Some(source) = Source::of_file(path) else { continue };
        let mut section = "";
        for line in text.lines() {
            let first = words(line).next().unwrap_or_default();
            if line.starts_with('#') {
                section = first;
                targets.insert(source.section(first));
            } else if let Some(number) = item(line) {
                match path.as_str() {
                    STORAGE => targets.insert(format!("invariant {number}")),
                    CONTRACT if section == "0" => targets.insert(format!("fact {number}")),
                    _ => false,
                };
            } else if path == FEED && line.starts_with("- **F") {
                targets.insert(first.to_owned());
            }
        }
    }
    targets
}

#[test]
fn every_citation_of_design_and_contract_finds_its_target() {
    let files = texts();
    let targets = targets(&files);
    for found in ["design §1", "design §9", "contract §1.4", "invariant 10", "fact 1", "F23"] {
        assert!(targets.contains(found), "docs/design/ has lost {found}");
    }
    let mut lost = Vec::new();
    for (path, text) in &files {
        for (line, target) in citations(Source::of_file(path), text) {
            if !targets.contains(&target) {
                lost.push(format!("{path}:{line} cites {target}, which docs/design/ does not have"));
            }
        }
    }
    assert!(lost.is_empty(), "\n{}", lost.join("\n"));
}

#[test]
fn every_invariant_of_the_storage_names_tests_that_hold_it() {
    let known = known_tests();
    let files = texts();
    let (_, page) = files.iter().find(|(path, _)| path == STORAGE).unwrap();
    let (mut number, mut is_evidence, mut held) = ("", false, BTreeSet::new());
    for line in page.lines() {
        if let Some(next) = item(line) {
            (number, is_evidence) = (next, false);
        }
        is_evidence = !line.is_empty() && (is_evidence || line.trim_start().starts_with("Held by "));
        for name in line.split('`').skip(1).step_by(2).filter(|_| is_evidence) {
            assert!(
                known.contains(name),
                "there is no test {name}, which {STORAGE} names for invariant {number}"
            );
            held.insert(number.to_owned());
        }
    }
    let items = targets(&files).iter().filter(|target| target.starts_with("invariant ")).count();
    assert_eq!(held.len(), items, "an invariant of {STORAGE} names no test; these do: {held:?}");
}

#[test]
fn a_citation_is_found_over_line_ends_in_lists_and_by_the_nearest_source() {
    let found = |text: &str| -> Vec<String> {
        citations(None, &text.replace('$', "\u{a7}"))
            .into_iter()
            .map(|(line, target)| format!("{line} {}", target.replace('\u{a7}', "$")))
            .collect()
    };
    assert_eq!(
        found("//! (design\n//! $6\n//! invariants 1 to 6).\n"),
        ["2 design $6", "3 invariant 1", "3 invariant 6"]
    );
    assert_eq!(
        found("contract $3.1, design $4, $7 F7 and F9: 3 things"),
        ["1 contract $3.1", "1 design $4", "1 design $7", "1 F7", "1 F9"]
    );
    assert_eq!(found("the contract's own ($2.2).\n\nRFC 9110 $14.2 (see $3)"), ["1 contract $2.2"]);
    assert_eq!(found("contract $0, fact 9; F1 is a key"), ["1 contract $0", "1 fact 9"]);
    assert_eq!(found("async fn invariant_5_a_write()"), ["1 invariant 5"]);
    assert_eq!(found("of nobody: $2.2"), ["1 $2.2 of nothing"]);
}
