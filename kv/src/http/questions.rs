//! The question whether a token permits an access, as both sides write it: `GET /auth/v1/access?verb=get&account=team-a&
//! name=settings&values=true` with the token in `Authorization`, and `{"verdict":"allowed","milliseconds":41250}` as its
//! answer, which may be remembered for so long.

use serde::{Deserialize, Serialize};

use super::paths::{decode, encode, raw_parameter};
use crate::{
    Error, Namespace, Reason,
    access::{Access, Decision, Verb, Verdict},
};

/// Where the question is asked.
pub const ACCESS_PATH: &str = "/auth/v1/access";

/// The access of a question's query.
///
/// # Errors
/// `request-invalid` (400), `namespace-malformed` (400).
pub fn read(query: &str) -> Result<Access, Error> {
    let parameter = |name| raw_parameter(query, name).map(|raw| decode(raw, true)).transpose();
    let invalid = || Error::new(Reason::RequestInvalid, "The question names no access");
    let verb = parameter("verb")?.map(|word| Verb::parse(&word).ok_or_else(invalid)).transpose()?;
    let values = raw_parameter(query, "values") == Some("true");
    let (account, name) = (parameter("account")?, parameter("name")?);
    Ok(match (verb, account, name, values) {
        (None, None, None, false) => Access::Authenticated,
        (Some(verb), Some(account), Some(name), true) => {
            Access::Values { namespace: Namespace::new(&account, &name)?, verb }
        }
        (Some(verb), Some(account), Some(name), false) => {
            Access::namespace(&Namespace::new(&account, &name)?, verb)
        }
        (Some(verb), Some(account), None, false) => {
            // An account is judged as part of a name.
            Namespace::new(&account, "any")?;
            Access::account(&account, verb)
        }
        (Some(Verb::List), None, None, false) => Access::Accounts,
        _ => return Err(invalid()),
    })
}

/// The query of a question.
#[must_use]
pub fn write(access: &Access) -> String {
    match access {
        Access::Authenticated => String::new(),
        Access::Values { namespace, verb } => format!(
            "?verb={}&account={}&name={}&values=true",
            verb.as_str(),
            encode(namespace.account()),
            encode(namespace.name())
        ),
        Access::Namespaces { account, name: Some(name), verb } => {
            format!("?verb={}&account={}&name={}", verb.as_str(), encode(account), encode(name))
        }
        Access::Namespaces { account, name: None, verb } => {
            format!("?verb={}&account={}", verb.as_str(), encode(account))
        }
        Access::Accounts => "?verb=list".to_owned(),
    }
}

#[derive(Serialize, Deserialize)]
struct Answer {
    verdict: String,
    milliseconds: u64,
}

/// An answer's body.
#[must_use]
pub fn write_decision(decision: Decision) -> String {
    let Decision { verdict, lasts } = decision;
    let milliseconds = u64::try_from(lasts.as_millis()).unwrap_or(u64::MAX);
    // A word and a number: they have a JSON form.
    serde_json::to_string(&Answer { verdict: verdict.as_str().to_owned(), milliseconds }).unwrap_or_default()
}

/// The decision of an answer's body; `None` for what is none.
#[must_use]
pub fn read_decision(body: &[u8]) -> Option<Decision> {
    let Answer { verdict, milliseconds } = serde_json::from_slice(body).ok()?;
    let verdict = Verdict::parse(&verdict)?;
    Some(Decision { verdict, lasts: std::time::Duration::from_millis(milliseconds) })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_question_reads_back_as_it_was_written() {
        let namespace: Namespace = "team-a/settings".parse().unwrap();
        let mut all = vec![Access::Authenticated, Access::Accounts];
        for verb in Verb::ALL {
            all.push(Access::values(&namespace, verb));
            all.push(Access::namespace(&namespace, verb));
            all.push(Access::account("team-a", verb));
        }
        for access in all {
            let query = write(&access);
            assert_eq!(read(query.trim_start_matches('?')).unwrap(), access, "{query}");
        }
        for bad in ["verb=get", "verb=watch&account=a", "account=a", "verb=get&account=A", "values=true"] {
            assert!(read(bad).is_err(), "{bad}");
        }
    }
}
