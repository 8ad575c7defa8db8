//! Every relative link of the documents leads to a file or a folder, and its anchor to a heading there.

use std::collections::BTreeSet;

use super::{repository, texts};

/// The lines of a Markdown text outside of fenced code, counted from 1.
fn prose(text: &str) -> impl Iterator<Item = (usize, &str)> {
    let mut is_code = false;
    text.lines().enumerate().filter_map(move |(index, line)| {
        let is_fence = line.trim_start().starts_with("```");
        is_code ^= is_fence;
        (!is_code && !is_fence).then_some((index + 1, line))
    })
}

/// The targets of the links, with their lines.
fn links(text: &str) -> impl Iterator<Item = (usize, &str)> {
    prose(text).flat_map(|(number, line)| {
        line.split("](").skip(1).filter_map(move |rest| Some((number, rest.split_once(')')?.0)))
    })
}

/// The anchors of the headings, as GitHub makes them.
fn anchors(text: &str) -> BTreeSet<String> {
    let headings = prose(text).map(|(_, line)| line).filter(|line| line.starts_with('#'));
    let kept = |c: &char| c.is_alphanumeric() || matches!(c, ' ' | '-' | '_');
    let anchor = |heading: &str| {
        heading.trim_start_matches('#').trim().to_lowercase().chars().filter(kept).collect::<String>()
    };
    headings.map(|heading| anchor(heading).replace(' ', "-")).collect()
}

#[test]
fn every_relative_link_of_the_documents_leads_somewhere() {
    let mut lost = Vec::new();
    for (path, text) in texts().iter().filter(|(path, _)| path.ends_with(".md")) {
        let folder = repository().join(path).parent().unwrap().to_owned();
        for (line, link) in links(text).filter(|(_, link)| !link.contains(':')) {
            let (file, anchor) = link.split_once('#').unwrap_or((link, ""));
            let target = if file.is_empty() { repository().join(path) } else { folder.join(file) };
            if !target.exists() {
                lost.push(format!("{path}:{line} links to {link}, which does not exist"));
            } else if !anchor.is_empty()
                && !anchors(&std::fs::read_to_string(&target).unwrap()).contains(anchor)
            {
                lost.push(format!("{path}:{line} links to {link}, and there is no such heading"));
            }
        }
    }
    assert!(lost.is_empty(), "\n{}", lost.join("\n"));
}

#[test]
fn links_are_read_outside_of_code_and_headings_have_their_anchors() {
    let text = "# A `b`: 1.2\n[x](y.md#z) and [w](v)\n```\n[no](link)\n```\n";
    assert_eq!(links(text).collect::<Vec<_>>(), [(2, "y.md#z"), (2, "v")]);
    assert_eq!(anchors(text), BTreeSet::from(["a-b-12".to_owned()]));
}
