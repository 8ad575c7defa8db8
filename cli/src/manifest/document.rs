//! YAML text to documents: plain JSON values, with the line of every field, so that whatever is found wrong with
//! a document later can be shown where the user wrote it.

use std::collections::BTreeMap;
use std::fmt;

use serde::de::{Deserialize, Deserializer, Error as _, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Value};
use serde_saphyr::Spanned;

/// One document of a YAML stream.
#[derive(Clone, Debug)]
pub struct Document {
    /// Its place among the documents that are not empty, from 1.
    pub number: usize,
    /// What it says.
    pub value: Value,
    /// Where each field stands.
    pub lines: Lines,
}

/// The line of each field, by its path as Kubernetes writes it: `spec.entries[2].value`.
#[derive(Clone, Debug, Default)]
pub struct Lines(BTreeMap<String, u64>);

impl Lines {
    /// The line of the field, or of the closest field around it.
    #[must_use]
    pub fn of(&self, path: &str) -> u64 {
        let mut path = path;
        loop {
            if let Some(line) = self.0.get(path) {
                return *line;
            }
            match path.rfind(['.', '[']) {
                Some(end) => path = &path[..end],
                None => return self.0.get("").copied().unwrap_or(1),
            }
        }
    }
}

/// The path of the member `name` of the object at `path`.
#[must_use]
pub fn member(path: &str, name: &str) -> String {
    let plain = name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_' || b == b'-');
    match (path.is_empty(), plain) {
        (true, _) => name.to_owned(),
        (false, true) => format!("{path}.{name}"),
        (false, false) => format!("{path}[{name}]"),
    }
}

/// Why a text is no YAML.
#[derive(Debug, thiserror::Error)]
#[error("not valid YAML: {message}")]
pub struct SyntaxError {
    /// Where, from 1, if the parser knows.
    pub line: Option<u64>,
    message: String,
}

/// Reads all documents of a text. Empty ones are left out.
///
/// # Errors
/// [`SyntaxError`] at the first line that is no YAML, or holds a key twice.
pub fn parse(text: &str) -> Result<Vec<Document>, SyntaxError> {
    let roots: Vec<Spanned<Node>> = serde_saphyr::from_multiple(text).map_err(|error| SyntaxError {
        line: error.location().map(|location| location.line()),
        message: first_line(&error.without_snippet().to_string()),
    })?;
    let documents = roots.into_iter().enumerate().map(|(index, root)| {
        let mut lines = Lines::default();
        let value = plain(root, "", &mut lines);
        Document { number: index + 1, value, lines }
    });
    Ok(documents.collect())
}

fn first_line(text: &str) -> String {
    text.lines().next().unwrap_or_default().to_owned()
}

/// A YAML node whose children know their lines.
enum Node {
    Leaf(Value),
    List(Vec<Spanned<Node>>),
    Map(Vec<(Spanned<String>, Spanned<Node>)>),
}

/// Takes the lines out of a node.
fn plain(node: Spanned<Node>, path: &str, lines: &mut Lines) -> Value {
    // A member's line is that of its name, which was noted before.
    lines.0.entry(path.to_owned()).or_insert_with(|| node.referenced.line());
    match node.value {
        Node::Leaf(value) => value,
        Node::List(items) => {
            let items = items.into_iter().enumerate();
            Value::Array(items.map(|(index, item)| plain(item, &format!("{path}[{index}]"), lines)).collect())
        }
        Node::Map(members) => {
            let mut map = Map::new();
            for (name, value) in members {
                let path = member(path, &name.value);
                lines.0.insert(path.clone(), name.referenced.line());
                map.insert(name.value, plain(value, &path, lines));
            }
            Value::Object(map)
        }
    }
}

impl<'de> Deserialize<'de> for Node {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(NodeVisitor)
    }
}

struct NodeVisitor;

impl<'de> Visitor<'de> for NodeVisitor {
    type Value = Node;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("any YAML that JSON can say")
    }

    fn visit_bool<E>(self, value: bool) -> Result<Node, E> {
        Ok(Node::Leaf(Value::Bool(value)))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Node, E> {
        Ok(Node::Leaf(value.into()))
    }

    fn visit_u64<E>(self, value: u64) -> Result<Node, E> {
        Ok(Node::Leaf(value.into()))
    }

    fn visit_f64<E: serde::de::Error>(self, value: f64) -> Result<Node, E> {
        let number = serde_json::Number::from_f64(value);
        number.map(|n| Node::Leaf(n.into())).ok_or_else(|| E::custom("a number that JSON cannot say"))
    }

    fn visit_str<E>(self, value: &str) -> Result<Node, E> {
        Ok(Node::Leaf(value.into()))
    }

    fn visit_unit<E>(self) -> Result<Node, E> {
        Ok(Node::Leaf(Value::Null))
    }

    fn visit_none<E>(self) -> Result<Node, E> {
        Ok(Node::Leaf(Value::Null))
    }

    fn visit_some<D: Deserializer<'de>>(self, deserializer: D) -> Result<Node, D::Error> {
        Node::deserialize(deserializer)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Node, A::Error> {
        let mut list = Vec::new();
        while let Some(item) = items.next_element()? {
            list.push(item);
        }
        Ok(Node::List(list))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<Node, A::Error> {
        let mut map: Vec<(Spanned<String>, Spanned<Node>)> = Vec::new();
        while let Some((name, value)) = members.next_entry::<Spanned<String>, Spanned<Node>>()? {
            if map.iter().any(|(other, _)| other.value == name.value) {
                return Err(A::Error::custom(format!("the key {:?} stands there twice", name.value)));
            }
            map.push((name, value));
        }
        Ok(Node::Map(map))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TWO: &str =
        "# a comment\na: 1\nlist:\n  - {b: x}\n  - b: yes\n    c.d: ~\n---\n---\nz:\n  - - 1.5\n";

    #[test]
    fn documents_are_json_with_a_line_for_every_field() {
        let documents = parse(TWO).unwrap();
        assert_eq!(documents.len(), 2, "the empty one is left out");
        let first = serde_json::json!({"a": 1, "list": [{"b": "x"}, {"b": true, "c.d": null}]});
        assert_eq!(documents[0].value, first);
        let lines = &documents[0].lines;
        assert_eq!(
            ["a", "list", "list[0].b", "list[1].b", "list[1][c.d]"].map(|path| lines.of(path)),
            [2, 3, 4, 5, 6]
        );
        assert_eq!(lines.of("list[1].missing.more"), 5, "the closest field around it");
        assert_eq!((documents[1].number, documents[1].lines.of("z")), (2, 9));
    }

    #[test]
    fn what_is_no_yaml_is_refused_with_its_line() {
        let error = parse("a: 1\nb: [1\nc: 2\n").unwrap_err();
        assert!(error.line.is_some_and(|line| line >= 2), "{error:?}");
        let error = parse("a: 1\na: 2\n").unwrap_err();
        assert_eq!(error.line, Some(2), "{error:?}");
    }
}
