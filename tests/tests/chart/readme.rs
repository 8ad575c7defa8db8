//! The chart's README: a table of all values, from the comments above them in `values.yaml`.

use serde_json::Value;

const HEAD: &str = "<!-- Written from values.yaml: NEARKV_BLESS=1 cargo test -p nearkv-tests --test chart -->

# The chart nearkv

Workers KV for Kubernetes: an operator that keeps the data of KvNamespaces in ConfigMaps, and per region edges that answer
reads from memory. How to install, upgrade and uninstall it is in [docs/install.md](../../docs/install.md).

```sh
helm install nearkv charts/nearkv --namespace nearkv-system --create-namespace --wait
helm test nearkv --namespace nearkv-system
```

What fits together, as files with values: [ci/](ci/). A name that is not in this table is refused.

| value | default | |
|---|---|---|
";

/// The README of `values`, the text of `values.yaml`.
///
/// # Panics
/// At a value without a comment: `# -- What it is`, directly above it, and further lines of comment below that.
pub(crate) fn readme(values: &str) -> String {
    let defaults: Value = serde_saphyr::from_str(values).unwrap();
    let mut rows = String::new();
    let mut path: Vec<String> = Vec::new();
    let mut described: Option<String> = None;
    // Deeper lines belong to a value that has a row of its own.
    let mut inside: Option<usize> = None;
    for line in values.lines() {
        let text = line.trim_start();
        let depth = (line.len() - text.len()) / 2;
        if let Some(start) = text.strip_prefix("# -- ") {
            described = Some(start.to_owned());
        } else if let Some(more) = text.strip_prefix("# ") {
            if let Some(description) = &mut described {
                *description += " ";
                *description += more;
            }
        } else if !text.is_empty() && inside.is_none_or(|outer| depth <= outer) {
            inside = None;
            let (key, _) = text.split_once(':').unwrap();
            path.truncate(depth);
            path.push(key.to_owned());
            let name = path.join(".");
            let default = defaults.pointer(&format!("/{}", path.join("/"))).unwrap();
            match described.take() {
                Some(description) => {
                    inside = Some(depth);
                    rows += &format!("| `{name}` | `{default}` | {} |\n", description.replace('|', "\\|"));
                }
                None => assert!(default.is_object(), "{name} has no comment `# -- …` above it"),
            }
        }
    }
    format!("{HEAD}{rows}")
}

#[test]
fn a_row_has_the_path_the_default_and_the_whole_comment() {
    let values = "# A header.\n\na:\n  # -- What b\n  # is\n  b: {c: 1}\n# -- A list\nd:\n  - x: 1\n# -- Last\ne: \"\"\n";
    let readme = readme(values);
    let rows = readme.strip_prefix(HEAD).unwrap();
    assert_eq!(
        rows,
        "| `a.b` | `{\"c\":1}` | What b is |\n| `d` | `[{\"x\":1}]` | A list |\n| `e` | `\"\"` | Last |\n"
    );
}

#[test]
#[should_panic(expected = "a has no comment")]
fn a_value_without_a_comment_is_refused() {
    readme("a: 1\n");
}
