use super::*;

/// A folder with these files.
struct Folder(
    PathBuf,
    #[expect(dead_code, reason = "held: dropping it removes the folder")] tempfile::TempDir,
);

impl Folder {
    fn new(files: &[(&str, &str)]) -> Self {
        let folder = tempfile::tempdir().unwrap();
        for (name, text) in files {
            std::fs::write(folder.path().join(name), text).unwrap();
        }
        Self(folder.path().to_path_buf(), folder)
    }

    fn load(&self) -> Result<Manifests, String> {
        let prefix = format!("{}/", self.0.display());
        load(std::slice::from_ref(&self.0)).map_err(|faults| faults.to_string().replace(&prefix, ""))
    }
}

const SETTINGS: &str = "apiVersion: nearkv.dev/v1alpha1
kind: KvNamespace
metadata: {name: settings}
spec:
  entries:
    - {key: title, value: My Blog}
";

const FRENCH: &str = "apiVersion: v1
kind: ConfigMap
metadata: {name: fr, namespace: team-a}
data: {hello: Bonjour}
";

#[test]
fn files_and_folders_are_read_and_other_files_are_not() {
    let folder = Folder::new(&[
        ("a.yaml", &format!("{SETTINGS}---\n# nothing\n---\n{FRENCH}")),
        ("README.md", "# no"),
    ]);
    let manifests = folder.load().unwrap();
    let names: Vec<&str> = manifests.namespaces.keys().map(Namespace::as_str).collect();
    assert_eq!(names, ["default/settings"]);
    assert!(manifests.config_maps.contains_key(&("team-a".to_owned(), "fr".to_owned())));
    assert_eq!(load(&[folder.0.join("a.yaml")]).unwrap(), manifests);
}

#[test]
fn a_fault_names_file_line_document_and_field() {
    let bad = format!("{FRENCH}---\n{SETTINGS}  entires: []\n").replace("value: My Blog", "value: yes");
    let error = Folder::new(&[("b.yaml", &bad)]).load().unwrap_err();
    let lines: Vec<&str> = error.lines().collect();
    assert!(lines[0].starts_with("b.yaml:11: document 2 (KvNamespace settings): "), "{error}");
    assert!(error.contains("spec.entries[0].value"), "{error}");
    assert!(
        error.contains("b.yaml:12: document 2 (KvNamespace settings): unknown field \"spec.entires\""),
        "{error}"
    );
}

#[test]
fn kinds_that_are_not_known_are_refused_by_their_name() {
    let error = Folder::new(&[("s.yaml", "apiVersion: v1\nkind: Secret\nmetadata: {name: s}\n")]).load();
    let error = error.unwrap_err();
    assert!(error.starts_with("s.yaml:2: document 1 (Secret s): kind \"Secret\" of \"v1\""), "{error}");
    let error = Folder::new(&[("n.yaml", "hello: world\n")]).load().unwrap_err();
    assert!(error.starts_with("n.yaml:1: document 1 (no kind): "), "{error}");
}

#[test]
fn an_object_that_is_declared_twice_is_refused_with_both_places() {
    let error = Folder::new(&[("a.yaml", SETTINGS), ("b.yaml", SETTINGS)]).load().unwrap_err();
    assert!(
        error.starts_with("b.yaml:3: document 1 (KvNamespace settings): default/settings is declared in "),
        "{error}"
    );
    assert!(error.contains("a.yaml:1 already"), "{error}");
}

#[test]
fn all_faults_of_all_files_are_told_at_once() {
    let folder = Folder::new(&[("a.yaml", "a: [1"), ("b.yaml", "kind: Pod\n"), ("c.yaml", SETTINGS)]);
    let error = folder.load().unwrap_err();
    assert!(
        error.contains("a.yaml:") && error.contains("not valid YAML") && error.contains("b.yaml:1"),
        "{error}"
    );
    let missing = load(&[folder.0.join("none.yaml")]).unwrap_err().to_string();
    assert!(missing.contains("none.yaml: cannot be read"), "{missing}");
}
