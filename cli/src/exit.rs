//! Exit codes: part of the interface, as documented in `docs/kubectl-kv.md` (a test compares the two).

use nearkv::Reason;

/// How a command ended. The numbers never change; new ones may be added.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Exit {
    /// Something failed that no other code tells.
    Failure,
    /// The command line is wrong, or a confirmation was needed and could not be asked for.
    Usage,
    /// There is no such key.
    KeyMissing,
    /// There is no such KvNamespace.
    NamespaceMissing,
    /// The server refused: a limit, a quota, a declared key, a value that is not what was asked for.
    Refused,
    /// The condition (`--if-match`, `--if-absent`) does not hold.
    ConditionFailed,
    /// The server cannot be found or reached, or asks to try again later. Nothing was written.
    Unreachable,
    /// The write may or may not have been done. Read before writing again.
    OutcomeUnknown,
    /// `import` read back something other than it wrote.
    Differs,
}

impl Exit {
    /// All of them.
    pub const ALL: [Self; 9] = [
        Self::Failure,
        Self::Usage,
        Self::KeyMissing,
        Self::NamespaceMissing,
        Self::Refused,
        Self::ConditionFailed,
        Self::Unreachable,
        Self::OutcomeUnknown,
        Self::Differs,
    ];

    /// The exit status. 0 is success; 130 and 141 are a signal and a closed pipe, as shells count them.
    #[must_use]
    pub fn code(self) -> u8 {
        match self {
            Self::Failure => 1,
            Self::Usage => 2,
            Self::KeyMissing => 3,
            Self::NamespaceMissing => 4,
            Self::Refused => 5,
            Self::ConditionFailed => 6,
            Self::Unreachable => 7,
            Self::OutcomeUnknown => 8,
            Self::Differs => 9,
        }
    }

    /// What the server's reason ends a command with.
    #[must_use]
    pub fn of(reason: Reason) -> Self {
        match reason {
            Reason::NamespaceMissing | Reason::NamespaceUnknown | Reason::AccountMissing => {
                Self::NamespaceMissing
            }
            Reason::PreconditionFailed => Self::ConditionFailed,
            Reason::OutcomeUnknown => Self::OutcomeUnknown,
            Reason::Unavailable
            | Reason::Throttled
            | Reason::NamespaceLoading
            | Reason::NamespaceDamaged
            | Reason::VersionNotReached => Self::Unreachable,
            Reason::Internal | Reason::RouteMissing | Reason::MethodNotAllowed => Self::Failure,
            _ => Self::Refused,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_code_is_told_apart() {
        let mut codes: Vec<u8> = Exit::ALL.iter().map(|exit| exit.code()).collect();
        codes.sort_unstable();
        codes.dedup();
        assert_eq!(codes, [1, 2, 3, 4, 5, 6, 7, 8, 9]);
    }

    #[test]
    fn the_documentation_lists_every_code() {
        let page = include_str!("../../docs/kubectl-kv.md");
        for exit in Exit::ALL {
            assert!(page.contains(&format!("\n| {} | ", exit.code())), "{exit:?}");
        }
    }

    #[test]
    fn a_script_can_tell_a_refusal_from_an_outage() {
        assert_eq!(Exit::of(Reason::QuotaExceeded), Exit::Refused);
        assert_eq!(Exit::of(Reason::KeyDeclared), Exit::Refused);
        assert_eq!(Exit::of(Reason::Unavailable), Exit::Unreachable);
        assert_eq!(Exit::of(Reason::OutcomeUnknown), Exit::OutcomeUnknown);
    }
}
