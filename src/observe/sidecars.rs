//! The sidecars that are connected, and what each said last.

use crate::lease::Word;
use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

/// All sidecars that are connected.
#[derive(Debug, Default)]
pub struct Sidecars(Mutex<Connected>);

#[derive(Debug, Default)]
struct Connected {
    next: u64,
    /// `None`: it has said nothing yet.
    words: BTreeMap<u64, Option<Word>>,
}

/// A sidecar's place among them, for as long as it is connected.
#[derive(Debug)]
pub struct Sidecar<'a> {
    all: &'a Sidecars,
    id: u64,
}

impl Sidecars {
    /// A sidecar is connected. It counts as announcing until it says otherwise.
    pub fn join(&self) -> Sidecar<'_> {
        let mut connected = self.connected();
        let id = connected.next;
        connected.next += 1;
        connected.words.insert(id, None);
        Sidecar { all: self, id }
    }

    /// How many are connected.
    pub fn count(&self) -> usize {
        self.connected().words.len()
    }

    /// Those that have not said that they withdrew: their names and how many prefixes they announce.
    pub fn announcing(&self) -> Vec<Word> {
        let connected = self.connected();
        let words = connected.words.values().map(|word| word.clone().unwrap_or_default());
        words.filter(|word| !word.withdrawn).collect()
    }

    /// Whether one of them would withdraw for staleness if it had a permit.
    pub fn want_permit(&self) -> bool {
        self.connected().words.values().flatten().any(|word| word.wants_permit)
    }

    fn connected(&self) -> MutexGuard<'_, Connected> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Sidecar<'_> {
    /// It said this.
    pub fn says(&self, word: Word) {
        let mut connected = self.all.connected();
        let Some(last) = connected.words.get_mut(&self.id) else { return };
        if last.as_ref() != Some(&word) {
            let Word { name, announced, withdrawn, .. } = &word;
            tracing::info!(announced, withdrawn, "sidecar {name:?}");
            *last = Some(word);
        }
    }
}

impl Drop for Sidecar<'_> {
    fn drop(&mut self) {
        self.all.connected().words.remove(&self.id);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sidecar_announces_until_it_says_otherwise_or_goes() {
        let all = Sidecars::default();
        let (first, second) = (all.join(), all.join());
        assert_eq!((all.count(), all.announcing().len()), (2, 2), "who said nothing may announce anything");
        let word = |name: &str, announced| Word { name: name.into(), announced, ..Word::default() };
        first.says(Word { withdrawn: true, ..word("a", 0) });
        assert!(!all.want_permit());
        second.says(Word { wants_permit: true, ..word("b", 3) });
        assert!(all.want_permit());
        assert_eq!(all.announcing(), [Word { wants_permit: true, ..word("b", 3) }]);
        first.says(word("a", 1));
        drop(second);
        assert!(!all.want_permit());
        assert_eq!((all.count(), all.announcing()), (1, vec![word("a", 1)]));
        drop(first);
        assert_eq!((all.count(), all.announcing().len()), (0, 0));
    }
}
