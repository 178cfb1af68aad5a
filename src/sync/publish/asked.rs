//! What nodes are asked, from their reports; and which of their answers change, with the images that it takes from the store.

use super::answers::{Inquiry, Questions};
use super::before::Replaced;
use super::change::Changes;
use super::content::Content;
use super::plan::Plan;
use super::proposal::Proposal;
use super::transfer::persist;
use super::{Error, Publisher};
use crate::counted::counted;
use crate::sync::codec::Digest;
use crate::sync::pack::PACK_MAX;
use crate::sync::question::Asked;
use crate::sync::report::{REPORT_LEN_MAX, Report, is_node_name};
use std::collections::BTreeSet;
use std::time::Duration;

/// Reports older than this say nothing of what is asked now. Nodes report once an hour at least.
const AGE_MAX: Duration = Duration::from_secs(2 * 3600);
/// Octets of images of unchanged zones that are fetched for the sake of questions.
const FETCHED_MAX: u64 = 64 << 20;

impl Publisher {
    /// The questions that nodes were asked lately, all nodes together; `None`: none is known. Reports that can't be read stop nothing.
    pub async fn questions(&self) -> Option<Questions> {
        let channels = &self.store.channels;
        let reports = match persist(|| channels.reports(&self.channel)).await {
            Ok(reports) => reports,
            Err(error) => {
                self.progress.note(&format!(
                    "no answers are compared, as what nodes are asked can't be read: reading reports: {error}"
                ));
                return None;
            }
        };
        let (mut asked, mut queries, mut nodes) = (Asked::default(), 0_u64, 0_usize);
        let counts = |(node, _, age): &(String, Vec<u8>, Duration)| is_node_name(node) && *age <= AGE_MAX;
        for (node, bytes, _) in reports.into_iter().filter(counts) {
            let report: Option<Report> =
                (bytes.len() <= REPORT_LEN_MAX).then(|| serde_json::from_slice(&bytes).ok()).flatten();
            let Some(report) = report else {
                self.progress.note(&format!("the report of node {node} can't be read: what it is asked is left out"));
                continue;
            };
            let Some(traffic) = report.traffic.filter(|traffic| !traffic.questions.is_empty()) else { continue };
            nodes += 1;
            // Never less than its own questions add up to, whatever it says.
            queries = queries.saturating_add(traffic.queries.max(traffic.questions.total()));
            asked.merge(traffic.questions);
        }
        (nodes > 0).then(|| Questions { source: counted(nodes, "node"), queries: Some(queries), asked })
    }

    /// The plan, with what becomes of the answers to the proposal's questions.
    pub(super) async fn answered(
        &self,
        mut plan: Plan,
        content: &Content,
        changes: &Changes,
        proposal: &Proposal<'_>,
    ) -> Result<Plan, Error> {
        let Some(questions) = proposal.questions.as_ref().filter(|_| plan.head.is_some() && !plan.changes.is_empty())
        else {
            return Ok(plan);
        };
        let (old_has, new_has) =
            (|zone: &_| content.zones.contains_key(zone), |zone: &_| changes.will_have(content, zone));
        let changed = plan.changes.iter().map(|change| {
            let old = change.old.as_ref().and_then(|old| old.image.clone());
            (change.zone.clone(), old, change.new.clone())
        });
        let mut inquiry = Inquiry::new(questions, changed.collect(), &old_has, &new_has);
        let mut left = FETCHED_MAX;
        loop {
            let lacking = inquiry.lacking();
            if lacking.is_empty() {
                break;
            }
            let mut packs: BTreeSet<Digest> = BTreeSet::new();
            let mut fetched = Vec::new();
            for zone in lacking {
                let leaf = content.zones.get(&zone);
                if let Some(image) = leaf.and_then(|leaf| proposal.images.by_name(&leaf.image)) {
                    inquiry.supply(zone, Some(image.clone()));
                    continue;
                }
                let octets = leaf.map(|leaf| match leaf.pack() {
                    Some(pack) if packs.contains(&pack) => 0,
                    Some(_) => PACK_MAX as u64,
                    None => leaf.len,
                });
                match leaf.zip(octets.filter(|octets| *octets <= left)) {
                    Some((leaf, octets)) => {
                        left -= octets;
                        packs.extend(leaf.pack());
                        fetched.push(Replaced { leaf: leaf.clone(), successor: None });
                    }
                    None => inquiry.supply(zone, None),
                }
            }
            let mut images = self.images_before(&fetched).await?;
            for Replaced { leaf, .. } in fetched {
                let image = images.remove(&leaf.name);
                inquiry.supply(leaf.name, image);
            }
        }
        plan.answers = Some(inquiry.compare());
        Ok(plan)
    }
}
