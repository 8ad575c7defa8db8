//! What development mode prints when it is ready: where everything is, what it serves, and what to try. Pure.

use std::path::Path;

use nearkv::Namespace;
use nearkv_controller::api::KvNamespace;

use super::servers::Addresses;
use crate::manifest::Manifests;

/// What a person without a manifest may start with.
const A_MANIFEST: &str = "\
no KvNamespace yet. Put this into a file and start again with -f FILE:

  apiVersion: nearkv.dev/v1alpha1
  kind: KvNamespace
  metadata: {name: settings}
  spec:
    entries:
      - {key: site_title, value: My Awesome Blog}
";

/// The text before `ready`.
pub(super) fn banner(data: &Path, addresses: &Addresses, objects: &Manifests) -> String {
    let mut text = format!(
        "nearkv without a cluster: its state is in {}; no authentication, reached from this machine only\n\n",
        data.display()
    );
    let regions = addresses.regions.iter().map(|(name, address)| (name.as_str(), address));
    for (name, address) in std::iter::once(("origin", &addresses.origin)).chain(regions) {
        text.push_str(&format!("  {name:<10} http://{address}\n"));
    }
    text.push('\n');
    if objects.namespaces.is_empty() {
        text.push_str(A_MANIFEST);
        return text;
    }
    for (namespace, object) in &objects.namespaces {
        let keys = object.status.as_ref().and_then(|status| status.keys).unwrap_or_default();
        text.push_str(&format!(
            "  /kv/{:<24} {keys:>6} keys   namespace id {}\n",
            namespace.as_str(),
            namespace.id()
        ));
    }
    text.push_str("\ntry:\n");
    for line in to_try(addresses, objects) {
        text.push_str(&format!("  {line}\n"));
    }
    text
}

/// Commands that work as they stand.
fn to_try(addresses: &Addresses, objects: &Manifests) -> Vec<String> {
    let near = addresses.regions.first().map_or(addresses.origin, |(_, address)| *address);
    let far = addresses.regions.last().map_or(addresses.origin, |(_, address)| *address);
    let Some(any) = objects.namespaces.keys().next() else { return Vec::new() };
    let mut lines = Vec::new();
    if let Some((namespace, key)) = objects.namespaces.iter().find_map(readable) {
        lines.push(format!("curl http://{near}/kv/{namespace}/{key}"));
    }
    // One that declares nothing is the application's to write.
    let writable = objects.namespaces.iter().find(|(_, object)| object.spec.entries.is_empty());
    let writable = writable.map_or(any, |(namespace, _)| namespace);
    lines.push(format!("curl -X PUT --data 'Hello' http://{near}/kv/{writable}/greeting"));
    lines.push(format!("curl http://{far}/kv/{writable}/greeting"));
    lines.push(format!("curl 'http://{far}/kv/{any}?key_count_limit=10'"));
    lines
}

/// A declared key that needs no encoding, with a value that a terminal can show.
fn readable<'a>((namespace, object): (&'a Namespace, &'a KvNamespace)) -> Option<(&'a Namespace, &'a str)> {
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_./".contains(c);
    let entry = object.spec.entries.iter().find(|entry| {
        let shown = |text: &String| text.len() < 80 && !text.contains(char::is_control);
        !entry.key.starts_with('/') && entry.key.chars().all(plain) && entry.value.as_ref().is_some_and(shown)
    })?;
    Some((namespace, &entry.key))
}

#[cfg(test)]
mod tests {
    use nearkv_controller::api::Entry;

    use super::*;

    fn addresses() -> Addresses {
        let at = |port: u16| ([127, 0, 0, 1], port).into();
        Addresses { origin: at(1), regions: vec![("london".to_owned(), at(2)), ("tokyo".to_owned(), at(3))] }
    }

    #[test]
    fn the_commands_to_try_use_real_keys_and_addresses() {
        let mut objects = Manifests::default();
        for (name, key) in [("pages", Some("about/us")), ("redirects", Some("/old page")), ("sessions", None)]
        {
            let mut object = KvNamespace::new(name, Default::default());
            object.spec.entries = key
                .map(|key| Entry { key: key.to_owned(), value: Some("x".to_owned()), ..Entry::default() })
                .into_iter()
                .collect();
            objects.namespaces.insert(Namespace::new("default", name).unwrap(), object);
        }
        let text = banner(Path::new(".nearkv"), &addresses(), &objects);
        assert!(text.contains("  origin     http://127.0.0.1:1\n"), "{text}");
        assert!(text.contains("  curl http://127.0.0.1:2/kv/default/pages/about/us\n"), "{text}");
        assert!(text.contains("  curl http://127.0.0.1:3/kv/default/sessions/greeting\n"), "{text}");
    }

    #[test]
    fn without_a_namespace_it_shows_how_to_declare_one() {
        let text = banner(Path::new(".nearkv"), &addresses(), &Manifests::default());
        assert!(text.contains("kind: KvNamespace"), "{text}");
    }
}
