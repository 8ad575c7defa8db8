//! Clients of a history: what they did, and what they were told.

use std::{sync::Arc, time::Duration};

use nearkv::{
    Condition, DeleteOptions, Error, GetOptions, Kv, Lookup, PutOptions, Random, Reason, Value, Version,
};
use parking_lot::Mutex;
use tokio::time::sleep;

use super::{
    super::rig::{key, settings},
    ledger::Ledger,
};
use crate::origin::Origin;

/// Few, so that clients meet.
const KEYS: u64 = 12;
/// What each client does before it is content.
const ACTIONS: u64 = 25;

/// What a client did.
#[derive(Clone, Debug)]
enum Action {
    Put { value: String, if_absent: bool, if_version: Option<Version> },
    Delete,
    Get,
}

/// What it was told.
#[derive(Debug)]
enum Told {
    Version(Version),
    Value(Version, Option<String>),
    Refused(Error),
}

/// One action and its answer.
#[derive(Debug)]
pub(super) struct Claim {
    key: String,
    action: Action,
    told: Told,
    /// The newest version that the client knew of before.
    after: u64,
}

pub(super) struct Client {
    origin: Arc<Origin>,
    random: Random,
    id: u64,
    claims: Arc<Mutex<Vec<Claim>>>,
}

impl Client {
    pub(super) fn new(origin: Arc<Origin>, id: u64, claims: Arc<Mutex<Vec<Claim>>>) -> Self {
        Self { origin, random: Random::seeded(id), id, claims }
    }

    pub(super) async fn run(self) {
        let (mut newest, mut last) = (0, None);
        for n in 0..ACTIONS {
            sleep(self.random.jitter(Duration::from_millis(1500))).await;
            let name = format!("key-{}", self.random.below(KEYS));
            let action = self.next(n, last);
            let told = self.act(&name, &action).await;
            let claim = Claim { key: name, action, told, after: newest };
            if let Told::Version(version) | Told::Value(version, _) = &claim.told {
                newest = newest.max(version.number);
                last = Some(*version);
            }
            self.claims.lock().push(claim);
        }
    }

    fn next(&self, n: u64, last: Option<Version>) -> Action {
        match self.random.below(10) {
            0 | 1 => Action::Delete,
            2..5 => Action::Get,
            choice => Action::Put {
                // Some are long enough for segments, folds and checkpoints to come about.
                value: format!("{:x}-{n}-{}", self.id, "v".repeat(self.random.below(4000) as usize)),
                if_absent: choice == 5,
                if_version: last.filter(|_| choice == 6),
            },
        }
    }

    async fn act(&self, name: &str, action: &Action) -> Told {
        let (namespace, key) = (settings(), key(name));
        match action {
            Action::Put { value, if_absent, if_version } => {
                let condition = match if_version {
                    Some(version) => Some(Condition::Versions(vec![*version])),
                    None => if_absent.then_some(Condition::Absent),
                };
                let options = PutOptions { condition, ..PutOptions::default() };
                let value = Value::Bytes(value.clone().into());
                match self.origin.put(&namespace, &key, value, &options).await {
                    Ok(answer) => Told::Version(answer.body),
                    Err(error) => Told::Refused(error),
                }
            }
            Action::Delete => match self.origin.delete(&namespace, &key, &DeleteOptions::default()).await {
                Ok(answer) => Told::Version(answer.state.version),
                Err(error) => Told::Refused(error),
            },
            Action::Get => match self.origin.get(&namespace, &key, &GetOptions::default()).await {
                Ok(answer) => {
                    let value = match answer.body {
                        Lookup::Found(entry) => {
                            let bytes = entry.value.into_bytes().await.unwrap();
                            Some(String::from_utf8(bytes.to_vec()).unwrap())
                        }
                        _ => None,
                    };
                    Told::Value(answer.state.version, value)
                }
                Err(error) => Told::Refused(error),
            },
        }
    }
}

impl Claim {
    /// Whether the store has seen what the client was told.
    pub(super) fn check(&self, ledger: &Ledger) {
        let Self { key, action, told, after } = self;
        match (action, told) {
            (Action::Put { value, if_absent, .. }, Told::Version(version)) => {
                assert_eq!(ledger.versions_of(key, value), [version.number], "acknowledged: {self:?}");
                assert!(version.number > *after, "older than what the client knew: {self:?}");
                if *if_absent {
                    assert_eq!(ledger.at(key, version.number - 1), None, "{self:?}");
                }
            }
            (Action::Delete, Told::Version(version)) => {
                let absent = ledger.deletes(key, version.number) || ledger.at(key, version.number).is_none();
                assert!(absent && version.number >= *after, "{self:?}");
            }
            (Action::Get, Told::Value(version, value)) => {
                assert_eq!(ledger.at(key, version.number), *value, "{self:?}");
                assert!(version.number >= *after, "a replica goes back in time: {self:?}");
            }
            (Action::Put { value, if_absent, .. }, Told::Refused(error)) => {
                let times = ledger.versions_of(key, value).len();
                let most = usize::from(error.reason() == Reason::OutcomeUnknown);
                assert!(times <= most, "committed {times} times: {self:?}");
                if *if_absent && error.reason() == Reason::PreconditionFailed {
                    let at = error.version().unwrap().number;
                    assert!(ledger.at(key, at).is_some(), "refused without reason: {self:?}");
                }
            }
            (_, Told::Refused(_)) => {}
            (action, told) => panic!("{told:?} is no answer to {action:?}"),
        }
    }
}
