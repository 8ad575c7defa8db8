//! Data fields beside the ones that every version of this format parses. Earlier operators deny unknown fields in the
//! JSON, ignore unknown data fields of an object, and drop them when they replace it. So what is added stands here, and a
//! field that is missing, altered or of another content says nothing.

use crate::format::Sha;

/// The text of the field `name` that says `body` of the content with the digest `of`.
pub(super) fn seal(name: &str, of: Sha, body: &str) -> String {
    format!("{}\n{body}", digest(name, of, body))
}

/// What the text of the field `name` says of the content with the digest `of`; `None` where it was not written for just
/// that content, or was altered since.
pub(super) fn open<'a>(name: &str, of: Sha, text: &'a str) -> Option<&'a str> {
    let (stated, body) = text.split_once('\n')?;
    (digest(name, of, body).to_string() == stated).then_some(body)
}

fn digest(name: &str, of: Sha, body: &str) -> Sha {
    Sha::of(format!("{name}\n{of}\n{body}").as_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_field_beside_is_believed_only_beside_the_content_that_it_was_written_for() {
        let (content, other) = (Sha::of(b"content"), Sha::of(b"other"));
        let text = seal("bounds", content, "said\nof it\n");
        assert_eq!(open("bounds", content, &text), Some("said\nof it\n"));
        assert_eq!(open("bounds", other, &text), None, "of another content");
        assert_eq!(open("proof", content, &text), None, "of another field");
        assert_eq!(open("bounds", content, &text.replace("said", "sad")), None, "edited");
        assert_eq!(open("bounds", content, "cut off"), None);
    }
}
