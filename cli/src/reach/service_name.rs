//! `--service NAMESPACE/NAME`.

use std::fmt;
use std::str::FromStr;

/// `NAMESPACE/NAME` of a service.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ServiceName {
    /// Its Kubernetes namespace.
    pub namespace: String,
    /// Its name.
    pub name: String,
}

impl FromStr for ServiceName {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text.split_once('/') {
            Some((namespace, name)) if !namespace.is_empty() && !name.is_empty() && !name.contains('/') => {
                Ok(Self { namespace: namespace.to_owned(), name: name.to_owned() })
            }
            _ => Err("expected NAMESPACE/NAME, such as nearkv-system/nearkv".to_owned()),
        }
    }
}

impl fmt::Display for ServiceName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.namespace, self.name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_service_is_named_with_its_namespace() {
        let name: ServiceName = "kv/origin".parse().unwrap();
        assert_eq!((name.namespace.as_str(), name.name.as_str()), ("kv", "origin"));
        for bad in ["", "origin", "/origin", "kv/", "a/b/c"] {
            assert!(bad.parse::<ServiceName>().unwrap_err().contains("NAMESPACE/NAME"), "{bad}");
        }
    }
}
