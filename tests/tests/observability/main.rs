//! What operators look at (docs/operations.md), on running processes: metrics, alerts, the dashboard, the log and
//! traces say what they are documented to say.

#[cfg(test)]
mod backup;
#[cfg(test)]
mod documents;
#[cfg(test)]
mod logs;
#[cfg(test)]
mod metrics;
#[cfg(test)]
mod prometheus;
#[cfg(test)]
mod traces;
