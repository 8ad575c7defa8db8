//! What every table of cases is made of: a case is a sentence and what it does with its scene, and fails with what
//! was expected and what came.

use std::fmt::Debug;

use futures::future::BoxFuture;

use crate::Error;

/// Why a case failed.
#[derive(Debug)]
pub struct Failure(pub(super) String);

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        let cause = std::error::Error::source(&error).map(|cause| format!(": {cause:?}")).unwrap_or_default();
        Self(format!("unexpected error {} ({error}){cause}", error.reason().as_str()))
    }
}

impl From<std::io::Error> for Failure {
    fn from(error: std::io::Error) -> Self {
        Self(format!("the connection failed: {error}"))
    }
}

/// What comes of a case.
pub type Outcome = Result<(), Failure>;

/// One thing that everybody whom the table is for does, shown in a scene `S`.
pub struct Case<S> {
    /// A sentence.
    pub name: &'static str,
    run: fn(S) -> BoxFuture<'static, Outcome>,
}

impl<S> Case<S> {
    pub(super) const fn new(name: &'static str, run: fn(S) -> BoxFuture<'static, Outcome>) -> Self {
        Self { name, run }
    }

    /// Plays it. A failure is noted as a line that says which case, and in which form if there are several.
    pub(super) async fn play(&self, scene: S, form: &str, failed: &mut Vec<String>) {
        if let Err(Failure(why)) = (self.run)(scene).await {
            failed.push(format!("{}{form}: {why}", self.name));
        }
    }
}

/// Nothing has failed, or every line of what has.
pub(super) fn verdict(failed: &[String]) -> Result<(), String> {
    if failed.is_empty() { Ok(()) } else { Err(failed.join("\n")) }
}

pub(super) fn equal<T: PartialEq + Debug>(what: &str, got: T, expected: T) -> Outcome {
    if got == expected {
        return Ok(());
    }
    Err(Failure(format!("{what}: expected {}, got {}", shown(&expected), shown(&got))))
}

pub(super) fn holds(what: &str, condition: bool) -> Outcome {
    if condition { Ok(()) } else { Err(Failure(format!("does not hold: {what}"))) }
}

/// Debug output in a length that a person reads.
fn shown(value: &impl Debug) -> String {
    const LONGEST: usize = 400;
    let text = format!("{value:?}");
    match text.char_indices().nth(LONGEST) {
        Some((end, _)) => format!("{}… ({} bytes)", &text[..end], text.len()),
        None => text,
    }
}
