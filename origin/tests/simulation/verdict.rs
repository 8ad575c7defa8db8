//! What is judged when all is over: every write was committed as often as its client was told, a bulk as a whole,
//! every deletion was somebody's, and the history has shown something. Pure.

use std::collections::BTreeMap;

use crate::{
    client::{Client, Ending, Written},
    deletions,
    ledger::{Landing, Ledger},
    plan::Plan,
};

/// Everything that is wrong with the writes of a KvNamespace.
pub(crate) fn judge(ledger: &Ledger, clients: &[&Client]) -> Vec<String> {
    let written = || clients.iter().flat_map(|client| &client.written);
    let mut wrong: Vec<String> = written().filter_map(|written| count(ledger, written).err()).collect();
    let mut bulks: BTreeMap<u64, Vec<&Written>> = BTreeMap::new();
    for put in written() {
        put.bulk.into_iter().for_each(|bulk| bulks.entry(bulk).or_default().push(put));
    }
    wrong.extend(bulks.values().filter_map(|bulk| whole(ledger, bulk).err()));
    wrong.extend(deletions::attribute(&ledger.deleted, &ledger.deletions).err());
    wrong
}

fn landings<'a>(ledger: &'a Ledger, written: &Written) -> &'a [Landing] {
    ledger.landed.get(&written.number).map_or(&[][..], Vec::as_slice)
}

fn count(ledger: &Ledger, written: &Written) -> Result<(), String> {
    let (Written { number, key, ending, bulk: _ }, places) = (written, landings(ledger, written));
    let right = match ending {
        Ending::Done(version) => matches!(places, [one]
            if (&one.incarnation, one.version) == (&version.incarnation.to_string(), version.number)),
        Ending::Refused(_) => places.is_empty(),
        Ending::Unknown => places.len() <= 1,
    };
    if right {
        return Ok(());
    }
    Err(format!("value {number} of {key:?} ended {ending:?} and was committed at {places:?}"))
}

/// All puts of a bulk, or none, were committed by one swap and in order.
fn whole(ledger: &Ledger, bulk: &[&Written]) -> Result<(), String> {
    let places: Vec<&Landing> = bulk.iter().filter_map(|put| landings(ledger, put).first()).collect();
    let one_swap = places.windows(2).all(|pair| {
        (&pair[0].incarnation, pair[0].swap) == (&pair[1].incarnation, pair[1].swap)
            && pair[0].version < pair[1].version
    });
    if places.is_empty() || (places.len() == bulk.len() && one_swap) {
        return Ok(());
    }
    let first = bulk[0].number;
    Err(format!("of the bulk of {} from value {first} on these were committed: {places:?}", bulk.len()))
}

/// The least share, in permille, of the writes of such a history that must be answered as nothing but the data
/// demand; of few writes it may be none.
pub(crate) fn least_judged(plan: &Plan, writes: u64) -> u64 {
    const FEW: u64 = 20;
    let permille = match plan {
        Plan { peaceful: true, .. } => 900,
        Plan { damage: true, .. } | Plan { rebirths: true, .. } => 0,
        Plan { tight_budget: true, .. } | Plan { tight_pace: true, .. } => 30,
        Plan { strokes: Some(_), .. } => 100,
        _ => 300,
    };
    writes.saturating_sub(FEW) * permille / 1000
}
