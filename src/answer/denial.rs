//! What proves that a name or a type does not exist: NSEC (RFC 4035 section 3.1.3) and NSEC3 (RFC 5155 section 7.2), in the fewest
//! records, and none twice.

use super::emit::{Stop, read_name_at};
use super::step::{Expansion, Step, Subject};
use crate::wire::code::rtype;
use crate::wire::lookup::LookupName;
use crate::wire::name::{self, NAME_LEN_MAX};
use crate::zone::image::{Denial, Node, Nsec3, Rrset};
use crate::zone::order::OrderKey;

impl<'z> Step<'_, '_, 'z> {
    /// The name does not exist. `encloser` is its closest encloser, `depth` labels below the apex.
    pub(super) fn prove_no_name(&mut self, encloser: &Node, depth: usize, subject: Subject) -> Result<(), Stop> {
        match self.denial() {
            Denial::None => Ok(()),
            Denial::Nsec => {
                self.prove_before(&self.key(subject), subject)?;
                if let Some(set) = encloser.rrset(rtype::NSEC)?
                    && self.denies_child_star(set.first()?, encloser)
                {
                    return self.put_nsec(encloser, &set, subject);
                }
                let mut key = OrderKey::new(encloser.name);
                key.push_label(b"*");
                self.prove_before(&key, subject)
            }
            Denial::Nsec3 => {
                let Some(provable) = self.prove_closest(self.image.apex_labels() + depth, subject)? else {
                    return Ok(());
                };
                let wildcard = self.wildcard_nsec3(provable, subject)?;
                self.put_nsec3(&wildcard, subject)
            }
        }
    }

    /// The name exists with `labels` labels, is `node`, and has not the type asked.
    pub(super) fn prove_no_type(&mut self, node: &Node, labels: usize, subject: Subject) -> Result<(), Stop> {
        match self.denial() {
            Denial::None => Ok(()),
            Denial::Nsec => match node.rrset(rtype::NSEC)? {
                Some(set) => self.put_nsec(node, &set, subject),
                // An empty non-terminal: what is before it names what is below it.
                None => self.prove_before(&OrderKey::new(node.name), subject),
            },
            Denial::Nsec3 => {
                let nsec3 = self.nsec3(labels, subject)?;
                if nsec3.is_match {
                    return self.put_nsec3(&nsec3, subject);
                }
                // Under opt-out a delegation without DS, and what has nothing else below it, need none (RFC 5155 section 7.2.4).
                self.prove_closest(labels.saturating_sub(1), subject).map(|_| ())
            }
        }
    }

    /// The name does not exist, the wildcard `source` right below its closest encloser does, and has not the type asked.
    pub(super) fn prove_no_type_at_wildcard(
        &mut self,
        source: &Node,
        depth: usize,
        subject: Subject,
    ) -> Result<(), Stop> {
        match self.denial() {
            Denial::None => Ok(()),
            Denial::Nsec => {
                self.prove_no_type(source, 0, subject)?;
                self.prove_before(&self.key(subject), subject)
            }
            Denial::Nsec3 => {
                let encloser = self.image.apex_labels() + depth;
                self.prove_closest(encloser, subject)?;
                let wildcard = self.wildcard_nsec3(encloser, subject)?;
                self.put_nsec3(&wildcard, subject)
            }
        }
    }

    /// A delegation, its cut of `labels` labels, has no DS (RFC 4035 section 3.1.4, RFC 5155 section 7.2.7).
    pub(super) fn prove_insecure(&mut self, cut: &Node, labels: usize, subject: Subject) -> Result<(), Stop> {
        match self.denial() {
            // A cut without NSEC is signed by nobody's rules: nothing else would prove more.
            Denial::Nsec if cut.rrset(rtype::NSEC)?.is_none() => Ok(()),
            _ => self.prove_no_type(cut, labels, subject),
        }
    }

    /// Notes that a wildcard gave the records of a name; its closest encloser is `depth` labels below the apex.
    pub(super) fn note_expansion(&mut self, depth: usize, at: usize) {
        if let Some(proofs) = &mut self.proofs
            && let Some(free) = proofs.expansions.get_mut(proofs.expansion_count)
        {
            let encloser = (self.image.apex_labels() + depth) as u8;
            *free = Some(Expansion { image: self.image, at: at as u16, encloser });
            proofs.expansion_count += 1;
        }
    }

    /// Proves, now that the answer section is complete, that no closer match than each wildcard exists (RFC 4035 section 3.1.3.3, RFC 5155
    /// section 7.2.6).
    pub(super) fn prove_expansions(&mut self) -> Result<(), Stop> {
        let Some(proofs) = &mut self.proofs else { return Ok(()) };
        let count = std::mem::take(&mut proofs.expansion_count);
        if count == 0 {
            return Ok(());
        }
        let last_image = self.image;
        let mut name = LookupName::default();
        for index in 0..count {
            let Some(Expansion { image, at, encloser }) = self.proofs.as_ref().and_then(|p| p.expansions[index]) else {
                continue;
            };
            read_name_at(self.response.writer.written(), at as usize, &mut name)?;
            let (at, encloser) = (at as usize, encloser as usize);
            let subject = Subject { name: &name, at };
            self.image = image;
            match self.denial() {
                Denial::None => {}
                Denial::Nsec => self.prove_before(&self.key(subject), subject)?,
                Denial::Nsec3 => {
                    let next_closer = self.nsec3(encloser + 1, subject)?;
                    self.put_nsec3(&next_closer, subject)?;
                }
            }
        }
        self.image = last_image;
        Ok(())
    }

    /// How to deny, if it is wanted at all.
    fn denial(&self) -> Denial {
        if self.proofs.is_some() { self.image.denial() } else { Denial::None }
    }

    fn key(&self, subject: Subject) -> OrderKey {
        OrderKey::new(subject.name.relative(self.image.apex_labels(), subject.name.label_count()))
    }

    /// The NSEC record at or before a place in the order.
    fn prove_before(&mut self, key: &OrderKey, subject: Subject) -> Result<(), Stop> {
        let Some(node) = self.image.nsec_at_or_before(key)? else { return Ok(()) };
        let set = node.rrset(rtype::NSEC)?.ok_or(Stop::Damaged)?;
        self.put_nsec(&node, &set, subject)
    }

    /// Whether the NSEC record of a name, by its RDATA, denies the name's child `*` too: hardly a label comes before `*`.
    fn denies_child_star(&self, nsec: &[u8], node: &Node) -> bool {
        let owner_len = node.name.len() + self.image.apex_wire().len();
        let next = nsec.get(..name::wire_len(nsec).unwrap_or(0)).unwrap_or_default();
        let Some(own_len) = next.len().checked_sub(owner_len) else { return true };
        let (own, rest) = next.split_at(own_len);
        let is_below = rest.len() == owner_len && rest[..node.name.len()].eq_ignore_ascii_case(node.name);
        // What is not below the name comes behind all that is.
        match name::labels(own).last() {
            Some(label) if is_below => label > &b"*"[..],
            _ => true,
        }
    }

    fn put_nsec(&mut self, node: &Node, set: &Rrset, subject: Subject) -> Result<(), Stop> {
        let (name, apex) = (subject.name, self.image.apex_labels());
        // The labels that the name asked ends in too are there.
        let mut labels = name::labels(node.name).count();
        let mut own = 0;
        while !node.name[own..].eq_ignore_ascii_case(name.relative(apex, labels)) {
            own += 1 + *node.name.get(own).ok_or(Stop::Damaged)? as usize;
            labels = labels.saturating_sub(1);
            if own > node.name.len() {
                return Err(Stop::Damaged);
            }
        }
        self.put_proof(&node.name[..own], apex + labels, set, subject)
    }

    /// The NSEC3 record of the name's last `labels` labels, or the one before it.
    fn nsec3(&self, labels: usize, subject: Subject) -> Result<Nsec3<'z>, Stop> {
        let hash = match labels == self.image.apex_labels() {
            true => self.image.nsec3_apex_hashes()?[0],
            false => self.image.nsec3_hash(subject.name.suffix(labels)),
        };
        Ok(self.image.nsec3_at_or_before(&hash)?)
    }

    /// That of their child `*`.
    fn wildcard_nsec3(&self, labels: usize, subject: Subject) -> Result<Nsec3<'z>, Stop> {
        let hash = match labels == self.image.apex_labels() {
            true => self.image.nsec3_apex_hashes()?[1],
            false => {
                let encloser = subject.name.suffix(labels);
                let mut wildcard = [0; 2 + NAME_LEN_MAX];
                wildcard[..2].copy_from_slice(b"\x01*");
                wildcard[2..2 + encloser.len()].copy_from_slice(encloser);
                self.image.nsec3_hash(&wildcard[..2 + encloser.len()])
            }
        };
        Ok(self.image.nsec3_at_or_before(&hash)?)
    }

    /// The closest provable encloser (RFC 5155 section 1.3) of at most `labels` labels: its record, and the one that covers the next closer
    /// name. Gives its labels. None: not even the apex has a record.
    fn prove_closest(&mut self, mut labels: usize, subject: Subject) -> Result<Option<usize>, Stop> {
        loop {
            let nsec3 = self.nsec3(labels, subject)?;
            if nsec3.is_match {
                self.put_nsec3(&nsec3, subject)?;
                break;
            }
            if labels <= self.image.apex_labels() {
                return Ok(None);
            }
            labels -= 1;
        }
        let next_closer = self.nsec3(labels + 1, subject)?;
        self.put_nsec3(&next_closer, subject)?;
        Ok(Some(labels))
    }

    fn put_nsec3(&mut self, nsec3: &Nsec3, subject: Subject) -> Result<(), Stop> {
        self.put_proof(nsec3.owner, self.image.apex_labels(), &nsec3.set, subject)
    }

    /// Appends a record of denial, unless it is there. Its owner is `own` and the last `labels` labels of the name asked.
    fn put_proof(&mut self, own: &[u8], labels: usize, set: &Rrset, subject: Subject) -> Result<(), Stop> {
        let Some(proofs) = &mut self.proofs else { return Ok(()) };
        if proofs.shown[..proofs.shown_count].contains(&set.id()) {
            return Ok(());
        }
        if let Some(free) = proofs.shown.get_mut(proofs.shown_count) {
            *free = set.id();
            proofs.shown_count += 1;
        }
        let rest_at = self.suffix_at(subject.name, subject.at, labels)?;
        self.response.put_proof(own, rest_at, set)
    }
}
