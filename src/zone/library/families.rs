//! Parents and children among the zones of a run: whether what a parent's DS records say fits the children's keys.

use super::discover::Source;
use crate::wire::name::Name;
use crate::zone::check::dnssec::Ends;
use crate::zone::diagnostic::{Diagnostic, Severity};
use crate::zone::finding::Findings;
use crate::zone::sources::Sources;
use crate::zone::spot;
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::path::{Path, PathBuf};

/// Who is whose parent, found from the names alone.
#[derive(Default)]
pub(super) struct Families(HashMap<Name, Relatives>);

/// The zones above and below a zone.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Relatives {
    has_parent: bool,
    /// By their names in lower case.
    pub(super) children: BTreeSet<Name>,
}

impl Families {
    /// Of all sources of a run.
    pub(super) fn new<'s>(sources: impl IntoIterator<Item = &'s Source>) -> Families {
        let apexes: HashSet<Name> = sources.into_iter().map(|source| source.apex.to_lower()).collect();
        let by_wire: HashMap<&[u8], &Name> = apexes.iter().map(|apex| (apex.as_wire(), apex)).collect();
        let mut families: HashMap<Name, Relatives> = HashMap::new();
        for child in &apexes {
            if let Some(parent) = parent(child, &by_wire) {
                families.entry(child.clone()).or_default().has_parent = true;
                families.entry(parent.clone()).or_default().children.insert(child.clone());
            }
        }
        Families(families)
    }

    /// Those of a zone. `None`: it has none here.
    pub(super) fn of(&self, apex: &Name) -> Option<&Relatives> {
        self.0.get(&apex.to_lower())
    }
}

/// The next zone above, among these by their wire form.
fn parent<'a>(child: &Name, apexes: &HashMap<&[u8], &'a Name>) -> Option<&'a Name> {
    let mut rest = child.as_wire();
    while let [len @ 1..=63, ..] = *rest {
        rest = &rest[1 + usize::from(len)..];
        if let Some(parent) = apexes.get(rest) {
            return Some(parent);
        }
    }
    None
}

/// What zones with relatives were found to say to these, by apex in lower case.
#[derive(Default)]
pub(super) struct Gathered(BTreeMap<Name, Member>);

struct Member {
    path: PathBuf,
    sources: Sources,
    ends: Ends,
}

/// What is wrong with a zone's delegations, beside the zones that they lead to.
pub struct Misfits {
    /// Apex, in lower case.
    pub zone: Name,
    /// Its file.
    pub path: PathBuf,
    /// What was read.
    pub sources: Sources,
    /// All that is wrong.
    pub diagnostics: Vec<Diagnostic>,
}

impl Gathered {
    /// Adds a zone; of two with one name, which is told elsewhere, the first stays.
    pub(super) fn add(&mut self, apex: &Name, path: &Path, sources: Sources, ends: Ends) {
        self.0.entry(apex.to_lower()).or_insert_with(|| Member { path: path.into(), sources, ends });
    }

    /// Compares parents with those of their children that were added. Where zones `must_be_signed`, what is wrong is an error, not a warning.
    pub(super) fn misfits(self, must_be_signed: bool) -> Vec<Misfits> {
        let of = |(zone, parent): (&Name, &Member)| {
            let mut findings = Findings::default();
            for (child, delegation) in &parent.ends.delegations {
                if let Some(Member { ends, .. }) = self.0.get(child) {
                    delegation.check(child, &ends.keys, &mut findings);
                }
            }
            let mut findings = findings.finish();
            if !must_be_signed {
                findings.iter_mut().for_each(|finding| finding.severity = Severity::Warning);
            }
            let diagnostics = spot::place(findings, &parent.sources);
            let (zone, path, sources) = (zone.clone(), parent.path.clone(), parent.sources.clone());
            Misfits { zone, path, sources, diagnostics }
        };
        self.0.iter().map(of).filter(|misfits| !misfits.diagnostics.is_empty()).collect()
    }
}
