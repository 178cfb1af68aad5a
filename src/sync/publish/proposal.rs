//! What a publish brings, and what it would change.

use super::answers::Questions;
use super::before::Replaced;
use super::change::{Changes, Wanted};
use super::content::Content;
use super::images::{Images, Make};
use super::plan::{Listing, Old, Plan, ZoneChange};
use super::serials::Serials;
use super::tip::Tip;
use super::{Error, Publisher, Step};
use crate::counted::counted;
use crate::sync::zone_name::ZoneName;

/// Looks at what is about to be published, each time that this is worked out: again if another publisher was faster. An error stops it.
pub type Review<'a> = dyn Fn(&Plan) -> Result<(), Error> + Sync + 'a;

/// Zones that are to be a release.
pub struct Proposal<'a> {
    /// The zones. Afterwards, as they were published.
    pub images: Images,
    /// Makes those that are needed and whose images are not among them.
    pub make: &'a Make<'a>,
    /// How they come by their serials.
    pub serials: Serials,
    /// What nodes are asked: to see which answers change.
    pub questions: Option<Questions>,
    /// Who has a say in it.
    pub review: Option<(&'a Review<'a>, Listing)>,
}

impl<'a> Proposal<'a> {
    /// These zones as they are, whatever they change.
    pub fn new(images: Images, make: &'a Make<'a>) -> Proposal<'a> {
        Proposal { images, make, serials: Serials::Keep, questions: None, review: None }
    }

    /// Makes the images that `head` has not, and gives zones the serials that they have after it. `changes`: what is to change, if that
    /// is settled already.
    pub(super) fn complete(&mut self, head: &Content, changes: Option<&Changes>, now_secs: u64) -> Result<(), Error> {
        self.images.complete(|zone, image| head.has_image(zone, image), self.make)?;
        let wanted = |zone: &ZoneName| changes.is_none_or(|changes| changes.has(zone));
        self.images.number(head, wanted, self.serials, now_secs)
    }
}

impl Publisher {
    /// What a publish at this time, in seconds since 1970, would change. Nothing is written; of a channel that is not there yet, all is new.
    pub async fn plan(&self, proposal: &mut Proposal<'_>, listing: Listing, now_secs: u64) -> Result<Plan, Error> {
        let (tip, content) = match self.tip().await {
            Ok(tip) => {
                let content = self.zones(&tip).await?;
                (Some(tip), content)
            }
            Err(Error::NoChannel(channel)) => {
                self.progress.note(&format!("the store has no channel {channel} yet: this would be its first release"));
                (None, Content::default())
            }
            Err(error) => return Err(error),
        };
        if !content.faults.is_empty() {
            let pages = counted(content.faults.len(), "page");
            self.progress
                .note(&format!("{pages} of the head can't be read: zones that it may have there count as new"));
        }
        proposal.complete(&content, None, now_secs)?;
        let changes = Changes::between(&content, &proposal.images);
        let mut plan = self.plan_of(tip.as_ref(), &content, &changes, &proposal.images, listing).await?;
        plan.tried = tip.and_then(|tip| tip.tried(now_secs));
        self.answered(plan, &content, &changes, proposal).await
    }

    /// What these changes are of this tip, which has this content.
    pub(super) async fn plan_of(
        &self,
        tip: Option<&Tip>,
        content: &Content,
        changes: &Changes,
        images: &Images,
        listing: Listing,
    ) -> Result<Plan, Error> {
        let all: Vec<_> = changes.of(content).collect();
        let count = all.len() as u64;
        self.progress.at(Step::Comparing, 0, Some(count));
        let successor = |wanted: Option<&Wanted>| images.by_name(&wanted?.image).cloned();
        let before = all
            .iter()
            .filter_map(|(_, leaf, wanted)| Some(Replaced { leaf: (*leaf)?.clone(), successor: successor(*wanted) }));
        let mut before = self.images_before(&before.collect::<Vec<_>>()).await?;
        let changed = all.into_iter().map(|(name, leaf, wanted)| {
            let old = leaf.map(|leaf| Old { serial: leaf.serial, image: before.remove(name) });
            ZoneChange::new(name.clone(), old, successor(wanted))
        });
        let has_zone = |zone: &_| changes.will_have(content, zone);
        let head = tip.and_then(Tip::held).map(|held| held.generation);
        let plan = Plan::new(head, content.zones.len() as u64, changed.collect(), has_zone, listing);
        self.progress.at(Step::Comparing, count, Some(count));
        let mut plan = plan.map_err(|(zone, error)| Error::Zones(format!("error: zone {zone}: {error}")))?;
        plan.disowned = tip.filter(|tip| tip.disowned.is_some()).and_then(Tip::generation);
        Ok(plan)
    }
}
