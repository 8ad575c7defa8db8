//! Lists that are read by the number of a page: namespaces, accounts, memberships.

use super::envelope::Numbered;
use crate::{
    Error, Reason,
    http::server::face::Asked,
    limits::{MAX_REST_NAMESPACES, REST_NAMESPACES},
};

/// Which page is asked for, counted from 1.
#[derive(Clone, Copy, Debug)]
pub(super) struct Page {
    page: usize,
    per_page: usize,
}

impl Page {
    /// From `page` and `per_page`.
    pub(super) fn of(asked: &Asked<'_>) -> Result<Self, Error> {
        let number = |name: &str, default: usize, most: usize| match asked.parameter(name) {
            None => Ok(default),
            Some(given) => given.parse().ok().filter(|number| (1..=most).contains(number)).ok_or_else(|| {
                Error::new(
                    Reason::RequestInvalid,
                    format!("Invalid {name} of {given}. Please specify an integer from 1 to {most}."),
                )
            }),
        };
        Ok(Self {
            page: number("page", 1, usize::MAX)?,
            per_page: number("per_page", REST_NAMESPACES, MAX_REST_NAMESPACES)?,
        })
    }

    /// What is on it. A page past the last one is empty: the SDK's paging ends there, and nowhere else (contract §0).
    pub(super) fn of_all<T>(self, all: Vec<T>) -> (Vec<T>, Numbered) {
        let Self { page, per_page } = self;
        let total = all.len();
        let skipped = (page - 1).saturating_mul(per_page);
        let shown: Vec<T> = all.into_iter().skip(skipped).take(per_page).collect();
        let info = Numbered {
            count: shown.len(),
            page,
            per_page,
            total_count: total,
            total_pages: total.div_ceil(per_page),
        };
        (shown, info)
    }
}

#[cfg(test)]
mod tests {
    use http::HeaderMap;

    use super::*;

    fn page(query: &str) -> Result<Page, Error> {
        Page::of(&Asked { headers: &HeaderMap::new(), query })
    }

    #[test]
    fn a_page_past_the_last_one_is_empty() {
        let cut = |query: &str| page(query).unwrap().of_all(vec![1, 2, 3, 4, 5]);
        assert_eq!(cut("per_page=2").0, [1, 2]);
        assert_eq!(cut("per_page=2&page=3").0, [5]);
        for past in ["page=2", "per_page=2&page=4", "page=18446744073709551615"] {
            let (shown, info) = cut(past);
            assert!(shown.is_empty(), "{past}");
            assert_eq!((info.count, info.total_count), (0, 5), "{past}");
        }
    }

    #[test]
    fn a_page_that_is_no_number_from_1_is_refused() {
        for bad in ["page=0", "page=-1", "page=x", "per_page=0", "per_page=100000"] {
            assert_eq!(page(bad).unwrap_err().reason(), Reason::RequestInvalid, "{bad}");
        }
    }
}
