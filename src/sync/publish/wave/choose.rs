//! Which nodes try a release, and in which order. Pure.
//!
//! Nodes that say `wave = "canary"` come first, then all others in an order that a hash of the release's parent and the node's name gives: the same
//! for all who ask, and another with each release, so that no node is always the one that is tried on. Those that say `wave = "last"` try nothing,
//! unless they are named.

use super::share::Share;
use crate::counted::listed;
use crate::sync::codec::Digest;
use crate::sync::report::Wave;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::str::FromStr;

/// The first nodes that try a release.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Canary {
    /// So many of those that report, one at least.
    Share(Share),
    /// These.
    Nodes(BTreeSet<String>),
}

/// Text that names no nodes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("give a share of the nodes from 0.01% to 100%, such as 10%, or nodes' names with commas between them")]
pub struct NotACanary;

impl FromStr for Canary {
    type Err = NotACanary;
    fn from_str(text: &str) -> Result<Canary, NotACanary> {
        if text.ends_with('%') {
            let share = text.parse().ok().filter(|share| *share > Share::percent(0));
            return share.map(Canary::Share).ok_or(NotACanary);
        }
        let names: BTreeSet<String> = text.split(',').map(|name| name.trim().to_owned()).collect();
        if names.contains("") { Err(NotACanary) } else { Ok(Canary::Nodes(names)) }
    }
}

impl fmt::Display for Canary {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Canary::Share(share) => share.fmt(f),
            Canary::Nodes(nodes) => f.write_str(&nodes.iter().map(String::as_str).collect::<Vec<_>>().join(",")),
        }
    }
}

/// Why a release can't be tried as was asked.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Unfit {
    /// Nobody reports.
    #[error("no node has reported lately")]
    NoNodes,
    /// All that report want to be last.
    #[error("all nodes that report have wave = \"last\"; name those that are to try it all the same")]
    AllLast,
    /// Some that are named don't report.
    #[error("no such node has reported lately: {}; catchment status lists those that have", listed(.0, usize::MAX))]
    Unknown(Vec<String>),
}

/// The nodes that serve a release after each step, each step's among those of the next. `fleet`: those that report, by name. The last step,
/// everyone, is not among them: that is the head.
pub fn steps(
    fleet: &BTreeMap<String, Wave>,
    canary: &Canary,
    then: &[Share],
    parent: &Digest,
) -> Result<Vec<BTreeSet<String>>, Unfit> {
    if fleet.is_empty() {
        return Err(Unfit::NoNodes);
    }
    let mut order: Vec<(Wave, Digest, &String)> = fleet
        .iter()
        .filter(|(_, wave)| **wave != Wave::Last)
        .map(|(node, wave)| (*wave, Digest::of(&[&parent.0, node.as_bytes()].concat()), node))
        .collect();
    order.sort_unstable();
    // So many serve it then, those among them that do already.
    let widened = |before: &BTreeSet<String>, share: &Share| {
        let mut nodes = before.clone();
        for (_, _, node) in &order {
            if nodes.len() >= share.of(fleet.len()) {
                break;
            }
            nodes.insert((*node).clone());
        }
        nodes
    };
    let named = match canary {
        Canary::Share(_) if order.is_empty() => return Err(Unfit::AllLast),
        Canary::Share(share) => widened(&BTreeSet::new(), share),
        Canary::Nodes(nodes) => {
            let unknown: Vec<String> = nodes.iter().filter(|node| !fleet.contains_key(*node)).cloned().collect();
            if !unknown.is_empty() {
                return Err(Unfit::Unknown(unknown));
            }
            nodes.clone()
        }
    };
    let mut steps = vec![named];
    for share in then {
        let last = &steps[steps.len() - 1];
        let next = widened(last, share);
        if next.len() > last.len() {
            steps.push(next);
        }
    }
    Ok(steps)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fleet(marked: &[(&str, Wave)]) -> BTreeMap<String, Wave> {
        let mut fleet: BTreeMap<String, Wave> = (0..10).map(|n| (format!("n{n}"), Wave::Main)).collect();
        fleet.extend(marked.iter().map(|(node, wave)| ((*node).to_owned(), *wave)));
        fleet
    }

    fn choose(marked: &[(&str, Wave)], canary: &str, then: &[u8], parent: &[u8]) -> Result<Vec<String>, Unfit> {
        let then: Vec<Share> = then.iter().map(|percent| Share::percent(*percent)).collect();
        let steps = steps(&fleet(marked), &canary.parse().unwrap(), &then, &Digest::of(parent))?;
        Ok(steps.into_iter().map(|step| step.into_iter().collect::<Vec<_>>().join(" ")).collect())
    }

    #[test]
    fn shares_are_of_all_and_each_step_has_the_one_before() {
        // The order is the hash's: what is asserted for one parent holds for ever.
        assert_eq!(choose(&[], "10%", &[], b"one").unwrap().len(), 1);
        let steps = choose(&[], "10%", &[30, 50, 100], b"one").unwrap();
        assert_eq!(steps.iter().map(|step| step.split(' ').count()).collect::<Vec<_>>(), [1, 3, 5, 10]);
        for pair in steps.windows(2) {
            assert!(pair[0].split(' ').all(|node| pair[1].split(' ').any(|other| other == node)), "{pair:?}");
        }
        assert_eq!(choose(&[], "10%", &[30, 50, 100], b"one").unwrap(), steps, "whoever asks");
        let others: BTreeSet<String> = (0..20u8).map(|n| choose(&[], "10%", &[], &[n]).unwrap().remove(0)).collect();
        assert!(others.len() > 4, "another release, other nodes: {others:?}");
        assert_eq!(choose(&[], "n1,n2", &[50], b"one").unwrap()[1].split(' ').count(), 5, "named ones among them");
        // Steps that add nobody are none.
        assert_eq!(choose(&[], "50%", &[10, 50], b"one").unwrap().len(), 1);
    }

    #[test]
    fn marks_and_names() {
        let marked = [("n3", Wave::Canary), ("n5", Wave::Last), ("n7", Wave::Canary)];
        assert_eq!(choose(&marked, "20%", &[], b"one").unwrap(), ["n3 n7"]);
        assert!(["n3", "n7"].contains(&choose(&marked, "1%", &[], b"one").unwrap()[0].as_str()));
        assert_eq!(choose(&marked, "20%", &[100], b"one").unwrap()[1], "n0 n1 n2 n3 n4 n6 n7 n8 n9");
        assert_eq!(choose(&marked, "n5, n1", &[], b"one").unwrap(), ["n1 n5"]);
        let unknown = choose(&marked, "n1,x,n10", &[], b"one").unwrap_err();
        assert_eq!(
            unknown.to_string(),
            "no such node has reported lately: n10, x; catchment status lists those that have"
        );
        let last: BTreeMap<String, Wave> = [("a".to_owned(), Wave::Last)].into();
        let tenth = "10%".parse().unwrap();
        assert_eq!(steps(&last, &tenth, &[], &Digest([0; 32])), Err(Unfit::AllLast));
        assert_eq!(steps(&BTreeMap::new(), &tenth, &[], &Digest([0; 32])), Err(Unfit::NoNodes));
    }

    #[test]
    fn canaries_as_written() {
        for good in ["10%", "0.5%", "ams1", "ams1,fra1"] {
            assert_eq!(good.parse::<Canary>().unwrap().to_string(), good);
        }
        for bad in ["", "0%", "101%", "a,,b", ",", "%"] {
            assert_eq!(bad.parse::<Canary>(), Err(NotACanary), "{bad}");
        }
    }
}
