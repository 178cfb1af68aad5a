//! Loading the memory of a probe before it is made.

use super::node::Ref;
use super::{CACHE_LINE, Damaged, Image, Node};
use crate::wire::lookup::LookupName;
use crate::zone::layout::{self, PLACE, far};
use crate::zone::memory::prefetch;

/// RRsets of a name that are loaded ahead: a delegation has two, NS and DS.
const SETS_MAX: usize = 2;

/// A probe whose memory is loaded before it is made: each step starts the loads that the one before has made possible. A batch
/// takes each step for all of its queries in turn, and so waits for memory once a step, not once a query.
#[derive(Clone, Copy)]
pub struct Ahead<'a> {
    image: &'a Image,
    hash: u64,
    /// Far refs of the name's first RRsets; 0 is none.
    far: [u64; SETS_MAX],
}

impl Image {
    /// The first probe that [`Image::find`] will make for this name; `None` if it will make none.
    pub fn ahead(&self, name: &LookupName) -> Option<Ahead<'_>> {
        let apex = self.apex_labels();
        let wanted = name.label_count().saturating_sub(apex).min(self.head.depth as usize);
        let hash = layout::hash(self.head.seed, name.relative(apex, wanted.div_ceil(2)));
        (wanted > 0).then_some(Ahead { image: self, hash, far: [0; SETS_MAX] })
    }
}

impl Ahead<'_> {
    /// First the directory's entry of the bucket.
    #[inline]
    pub fn load_directory(&self) {
        let (segment, bucket) = self.image.head.names.place(self.hash);
        if let Ok(run) = self.image.run(segment) {
            prefetch(run.0, self.image.head.name_table + bucket * PLACE);
        }
    }

    /// Then the bucket.
    #[inline]
    pub fn load_bucket(&self) {
        if let Ok(bucket) = self.image.name_bucket(self.hash) {
            bucket.prefetch(0);
        }
    }

    /// Then, where names are signed and buckets larger than what is loaded of them, the name.
    #[inline]
    pub fn load_node(&self) {
        if self.image.head.denial != layout::denial::NONE {
            let _ = self.find_node();
        }
    }

    /// Then the RRsets of the name that lie elsewhere, or the directory's entries of their buckets.
    #[inline]
    pub fn load_sets(&mut self) {
        // Damage shows when the probe is made.
        let _ = self.find_sets();
    }

    /// Then the buckets of those which the name shares with others.
    #[inline]
    pub fn load_shared(&self) {
        for reference in self.far.iter().filter(|&&reference| reference != 0) {
            if let Ok(bucket) = self.image.far_bucket(far::parts(*reference).0) {
                bucket.prefetch(0);
            }
        }
    }

    fn find_node(&self) -> Result<(), Damaged> {
        let bucket = self.image.name_bucket(self.hash)?;
        for slot in 0..bucket.slots()? {
            let (tag, at) = bucket.name_slot(slot)?;
            if tag == self.hash as u8 {
                bucket.prefetch(at.saturating_sub(bucket.start));
            }
        }
        Ok(())
    }

    fn find_sets(&mut self) -> Result<(), Damaged> {
        let bucket = self.image.name_bucket(self.hash)?;
        for slot in 0..bucket.slots()? {
            let (tag, at) = bucket.name_slot(slot)?;
            if tag != self.hash as u8 {
                continue;
            }
            let node = Node::read(self.image, bucket.run, at)?;
            for (entry, kept) in node.entries().zip(&mut self.far) {
                match entry?.1 {
                    Ref::Place(place) if (bucket.start..bucket.end).contains(&place) => {}
                    Ref::Place(place) => {
                        prefetch(bucket.run.0, place);
                        prefetch(bucket.run.0, place + CACHE_LINE);
                    }
                    Ref::Far(reference) => {
                        *kept = reference;
                        self.image.prefetch_far_directory(reference);
                    }
                }
            }
        }
        Ok(())
    }
}

impl Image {
    #[inline]
    fn prefetch_far_directory(&self, reference: u64) {
        let (segment, bucket) = self.head.far.place(far::parts(reference).0);
        if let Ok(run) = self.run(self.head.names.segments() + segment) {
            prefetch(run.0, self.head.far_table + bucket * PLACE);
        }
    }
}
