//! docs/operations.md, the alerts and the dashboard against each other and against the code: no process needed.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::Command;

use nearkv_controller::validate::ProblemReason;
use nearkv_origin::Health;

pub(crate) fn repository() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

pub(crate) fn read(path: &str) -> String {
    std::fs::read_to_string(repository().join(path)).unwrap()
}

/// Every name of a metric of ours in a text.
pub(crate) fn metrics_named_in(text: &str) -> BTreeSet<String> {
    let words = text.split(|c: char| !c.is_ascii_alphanumeric() && c != '_');
    words.filter(|word| word.starts_with("nearkv_")).map(str::to_owned).collect()
}

/// The first cells, in backticks, of the rows of the tables in a section of docs/operations.md.
pub(crate) fn table_of(section: &str) -> BTreeSet<String> {
    let page = read("docs/operations.md");
    let (_, rest) = page.split_once(&format!("\n{section}\n")).unwrap();
    let level = section.split(' ').next().unwrap();
    let end = rest.find(&format!("\n{level} ")).unwrap_or(rest.len());
    let rows = rest[..end].lines().filter_map(|line| line.strip_prefix("| `")?.split_once('`'));
    rows.map(|(cell, _)| cell.to_owned()).collect()
}

fn promtool(arguments: &[&str]) -> String {
    let output = Command::new("promtool")
        .args(arguments)
        .current_dir(repository())
        .output()
        .expect("promtool is part of Debian's package `prometheus`: apt-get install prometheus");
    let said =
        format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "promtool {arguments:?}: {said}");
    said
}

#[test]
fn every_alert_parses_fires_for_its_fault_and_is_silent_without_it() {
    let said = promtool(&["check", "rules", "charts/nearkv/files/alerts.yaml"]);
    assert!(said.contains("19 rules found"), "{said}");
    promtool(&["test", "rules", "tests/promtool/alerts.yaml"]);
}

#[test]
fn every_alert_has_its_runbook_and_its_trial() {
    let (page, trials) = (read("docs/operations.md"), read("tests/promtool/alerts.yaml"));
    let alerts = read("charts/nearkv/files/alerts.yaml");
    let names: Vec<&str> = alerts.lines().filter_map(|line| line.trim().strip_prefix("- alert: ")).collect();
    let links: Vec<&str> =
        alerts.lines().filter_map(|line| line.trim().strip_prefix("runbook_url: ")).collect();
    assert_eq!(names.len(), links.len());
    for (name, link) in names.iter().zip(links) {
        assert!(page.contains(&format!("\n### {name}\n")), "docs/operations.md has no section {name}");
        let wanted = format!("https://nearkv.dev/docs/operations.md#{}", name.to_lowercase());
        assert_eq!(link, wanted);
        let tried = trials.matches(&format!("alertname: {name}\n")).count();
        let silent = trials.contains(&format!("alertname: {name}, exp_alerts: []}}"));
        assert!(tried >= 1 && silent, "{name} is not tried both ways");
    }
    let sections = page.lines().filter_map(|line| line.strip_prefix("### Nearkv")).count();
    assert_eq!(sections, names.len(), "a runbook without its alert");
}

#[test]
fn every_reason_of_the_conditions_is_documented() {
    let mut ready: BTreeSet<String> = Health::WORDS.map(str::to_owned).into();
    ready.extend(["EntriesNotSynced", "Gone"].map(str::to_owned));
    assert_eq!(table_of("### Ready"), ready);
    let mut synced: BTreeSet<String> = ProblemReason::ALL.map(|reason| reason.as_str().to_owned()).into();
    synced.insert("Synced".to_owned());
    assert_eq!(table_of("### EntriesSynced"), synced);
}
