//! Entity tags and the conditions they make (RFC 9110 §13.1). Ours name the version of an entry; a foreign tag
//! is well-formed and matches nothing.

use http::{HeaderMap, HeaderName, HeaderValue, header};

use crate::{Condition, Error, Reason, Version};

/// The field value of `If-Match` or `If-None-Match`.
#[derive(Debug, PartialEq, Eq)]
pub enum Tags {
    /// `*`
    Any,
    /// A list; foreign tags are `None`.
    These(Vec<Tag>),
}

/// One entity tag.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Tag {
    /// Whether it has the mark `W/`.
    pub weak: bool,
    /// The version it names, if it is one of ours.
    pub version: Option<Version>,
}

impl Tags {
    /// Reads a header, which may be repeated. `None` where it is not given.
    ///
    /// # Errors
    /// `request-invalid` (400) for what is no list of entity tags.
    pub fn read(headers: &HeaderMap, name: &HeaderName) -> Result<Option<Self>, Error> {
        let mut tags = None;
        for value in headers.get_all(name) {
            let malformed = || {
                let given = String::from_utf8_lossy(value.as_bytes());
                Error::new(
                    Reason::RequestInvalid,
                    format!("Malformed {name} {given:?}. Please use entity tags or *."),
                )
            };
            let text = value.to_str().map_err(|_| malformed())?.trim();
            let list = tags.get_or_insert_with(|| Self::These(Vec::new()));
            match list {
                Self::These(list) if text != "*" => read_list(text, list).ok_or_else(malformed)?,
                Self::These(list) if list.is_empty() => tags = Some(Self::Any),
                _ => return Err(malformed()),
            }
        }
        Ok(tags)
    }

    /// Whether `If-None-Match` with these tags names the present version: weak comparison (RFC 9110 §13.1.2).
    #[must_use]
    pub fn match_weakly(&self, present: Version) -> bool {
        match self {
            Self::Any => true,
            Self::These(tags) => tags.iter().any(|tag| tag.version == Some(present)),
        }
    }

    /// Whether `If-Match` with these tags names the present version: strong comparison (RFC 9110 §13.1.1).
    #[must_use]
    pub fn match_strongly(&self, present: Version) -> bool {
        match self {
            Self::Any => true,
            Self::These(tags) => tags.iter().any(|tag| !tag.weak && tag.version == Some(present)),
        }
    }
}

/// Appends the tags of one header line. The comma may stand inside of a (foreign) tag.
fn read_list(mut text: &str, list: &mut Vec<Tag>) -> Option<()> {
    loop {
        text = text.trim_start_matches([' ', '\t', ',']);
        if text.is_empty() {
            return Some(());
        }
        let (weak, quoted) = match text.strip_prefix("W/") {
            Some(quoted) => (true, quoted),
            None => (false, text),
        };
        let end = quoted.strip_prefix('"')?.find('"')? + 2;
        list.push(Tag { weak, version: Version::from_etag(&quoted[..end]) });
        text = quoted[end..].trim_start_matches([' ', '\t']);
        if !text.is_empty() && !text.starts_with(',') {
            return None;
        }
    }
}

/// The condition that the headers of a write make.
///
/// # Errors
/// `request-invalid` (400) for malformed tags, and for `If-None-Match` with tags, which no operation has.
pub fn write_condition(headers: &HeaderMap) -> Result<Option<Condition>, Error> {
    let absent = match Tags::read(headers, &header::IF_NONE_MATCH)? {
        None => false,
        Some(Tags::Any) => true,
        Some(Tags::These(_)) => {
            return Err(Error::new(Reason::RequestInvalid, "If-None-Match of a write must be *"));
        }
    };
    Ok(match Tags::read(headers, &header::IF_MATCH)? {
        None => absent.then_some(Condition::Absent),
        // Both together cannot hold.
        Some(_) if absent => Some(Condition::Versions(Vec::new())),
        Some(Tags::Any) => Some(Condition::Exists),
        Some(Tags::These(tags)) => {
            let strong = tags.iter().filter(|tag| !tag.weak);
            Some(Condition::Versions(strong.filter_map(|tag| tag.version).collect()))
        }
    })
}

/// Adds the headers that make a condition.
pub fn set_condition(headers: &mut HeaderMap, condition: &Condition) {
    let any = HeaderValue::from_static("*");
    match condition {
        Condition::Exists => headers.insert(header::IF_MATCH, any),
        Condition::Absent => headers.insert(header::IF_NONE_MATCH, any),
        Condition::Versions(versions) => {
            let tags: Vec<_> = versions.iter().map(Version::etag).collect();
            // No version at all never holds, like the empty tag, which is never one of ours.
            let list = if tags.is_empty() { "\"\"".to_owned() } else { tags.join(", ") };
            HeaderValue::try_from(list).ok().and_then(|list| headers.insert(header::IF_MATCH, list))
        }
    };
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Incarnation, Random};

    fn headers(name: HeaderName, values: &[&str]) -> HeaderMap {
        values.iter().map(|value| (name.clone(), HeaderValue::from_str(value).unwrap())).collect()
    }

    #[test]
    fn tags_are_lists_over_several_lines_with_commas_inside() {
        let version = Version::new(Incarnation::mint(&Random::seeded(1)), 7);
        let given = headers(
            header::IF_NONE_MATCH,
            &["\"a,b\" , W/\"x\"", &format!(",W/{version:?}", version = version.to_string())],
        );
        let tags = Tags::read(&given, &header::IF_NONE_MATCH).unwrap().unwrap();
        assert!(matches!(&tags, Tags::These(list) if list.len() == 3));
        assert!(tags.match_weakly(version));
        assert!(!tags.match_strongly(version));
        for bad in ["x", "\"a", "\"a\"\"b\"", "*, \"a\"", "\"a\" x"] {
            let error = Tags::read(&headers(header::IF_MATCH, &[bad]), &header::IF_MATCH).unwrap_err();
            assert_eq!(error.reason(), Reason::RequestInvalid, "{bad}");
        }
        assert!(Tags::read(&headers(header::IF_MATCH, &["\"a\"", "*"]), &header::IF_MATCH).is_err());
    }

    #[test]
    fn a_condition_reads_back_from_its_headers() {
        let incarnation = Incarnation::mint(&Random::seeded(1));
        let versions = vec![Version::new(incarnation, 1), Version::new(incarnation, 2)];
        for condition in
            [Condition::Exists, Condition::Absent, Condition::Versions(versions), Condition::Versions(vec![])]
        {
            let mut headers = HeaderMap::new();
            set_condition(&mut headers, &condition);
            assert_eq!(write_condition(&headers).unwrap(), Some(condition));
        }
        assert_eq!(write_condition(&HeaderMap::new()).unwrap(), None);
        assert!(write_condition(&headers(header::IF_NONE_MATCH, &["\"a\""])).is_err());
    }
}
