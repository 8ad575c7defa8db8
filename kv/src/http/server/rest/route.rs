//! What a raw path of the REST face names. Pure; the key stays encoded, and nothing is normalised.

/// A place in the face.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Route<'a> {
    /// `/user/tokens/verify`.
    VerifyToken,
    /// `/accounts`.
    Accounts,
    /// `/accounts/{account}`.
    Account(&'a str),
    /// `/memberships`.
    Memberships,
    /// [`super::openapi::PATH`].
    OpenApi,
    /// Below `/accounts/{account}/storage/kv/namespaces`.
    Storage(&'a str, Storage<'a>),
}

/// A place below the namespaces of an account. Ids and keys are as they stand in the path.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Storage<'a> {
    /// All namespaces.
    Namespaces,
    /// One namespace.
    Namespace(&'a str),
    /// Its keys.
    Keys(&'a str),
    /// The value of a key.
    Value(&'a str, &'a str),
    /// The metadata of a key.
    Metadata(&'a str, &'a str),
    /// Bulk put, and bulk delete in the older spelling.
    Bulk(&'a str),
    /// Bulk delete.
    BulkDelete(&'a str),
    /// Bulk get.
    BulkGet(&'a str),
}

impl<'a> Route<'a> {
    /// The place that the path behind [`super::BASE`] names.
    pub(super) fn of(path: &'a str) -> Option<Self> {
        match path {
            "/user/tokens/verify" => return Some(Self::VerifyToken),
            "/accounts" => return Some(Self::Accounts),
            "/memberships" => return Some(Self::Memberships),
            super::openapi::PATH => return Some(Self::OpenApi),
            _ => {}
        }
        let path = path.strip_prefix("/accounts/")?;
        let Some((account, rest)) = path.split_once('/') else { return Some(Self::Account(path)) };
        let rest = rest.strip_prefix("storage/kv/namespaces")?;
        Some(Self::Storage(account, Storage::of(rest)?))
    }
}

impl<'a> Storage<'a> {
    fn of(path: &'a str) -> Option<Self> {
        if path.is_empty() {
            return Some(Self::Namespaces);
        }
        let path = path.strip_prefix('/')?;
        let Some((id, rest)) = path.split_once('/') else { return Some(Self::Namespace(path)) };
        if let Some(key) = rest.strip_prefix("values/") {
            return Some(Self::Value(id, key));
        }
        if let Some(key) = rest.strip_prefix("metadata/") {
            return Some(Self::Metadata(id, key));
        }
        match rest {
            "keys" => Some(Self::Keys(id)),
            "bulk" => Some(Self::Bulk(id)),
            "bulk/delete" => Some(Self::BulkDelete(id)),
            "bulk/get" => Some(Self::BulkGet(id)),
            _ => None,
        }
    }

    /// How the place stands in a path, behind the namespaces of its account.
    pub(super) fn path(self) -> String {
        match self {
            Self::Namespaces => String::new(),
            Self::Namespace(id) => format!("/{id}"),
            Self::Keys(id) => format!("/{id}/keys"),
            Self::Value(id, key) => format!("/{id}/values/{key}"),
            Self::Metadata(id, key) => format!("/{id}/metadata/{key}"),
            Self::Bulk(id) => format!("/{id}/bulk"),
            Self::BulkDelete(id) => format!("/{id}/bulk/delete"),
            Self::BulkGet(id) => format!("/{id}/bulk/get"),
        }
    }

    /// What may be done here, for `Allow` (RFC 9110 §10.2.1).
    pub(super) fn methods(self) -> &'static str {
        match self {
            Self::Namespaces => "GET, HEAD, POST",
            Self::Namespace(_) | Self::Value(..) => "GET, HEAD, PUT, DELETE",
            Self::Keys(_) | Self::Metadata(..) => "GET, HEAD",
            Self::Bulk(_) => "PUT, DELETE",
            Self::BulkDelete(_) | Self::BulkGet(_) => "POST",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_names_its_place_and_leaves_the_key_raw() {
        let storage = |rest: &'static str| {
            let path: &'static str = format!("/accounts/a/storage/kv/namespaces{rest}").leak();
            match Route::of(path) {
                Some(Route::Storage("a", place)) => Some(place),
                _ => None,
            }
        };
        for (rest, place) in [
            ("", Storage::Namespaces),
            ("/", Storage::Namespace("")),
            ("/1", Storage::Namespace("1")),
            ("/1/keys", Storage::Keys("1")),
            ("/1/bulk", Storage::Bulk("1")),
            ("/1/bulk/delete", Storage::BulkDelete("1")),
            ("/1/bulk/get", Storage::BulkGet("1")),
            ("/1/values/", Storage::Value("1", "")),
            ("/1/values/a%2Fb", Storage::Value("1", "a%2Fb")),
            ("/1/values/a//../b/", Storage::Value("1", "a//../b/")),
            ("/1/metadata/values/x", Storage::Metadata("1", "values/x")),
        ] {
            assert_eq!(storage(rest), Some(place), "{rest}");
        }
        for rest in ["x", "/1/", "/1/values", "/1/other", "/1/bulk/put", "/1/keys/", "//keys/x"] {
            assert_eq!(storage(rest), None, "{rest}");
        }
        assert_eq!(Route::of("/accounts/a"), Some(Route::Account("a")));
        for path in ["", "/", "/user", "/accounts/a/b", "/accounts/a/storage/kv", "/zones"] {
            assert_eq!(Route::of(path), None, "{path}");
        }
    }
}
