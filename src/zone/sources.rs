//! The texts that a zone was read from, kept to show lines of them.

use std::path::{Path, PathBuf};
use std::sync::Arc;

/// The files of one zone, in the order in which they were opened. The zone's own file is the first.
#[derive(Debug, Default, Clone)]
pub struct Sources(Vec<Source>);

#[derive(Debug, Clone)]
struct Source {
    path: PathBuf,
    text: Arc<Vec<u8>>,
    included_from: Option<(u16, u32)>,
}

impl Sources {
    /// Path as it was opened, for messages.
    pub fn path(&self, file: u16) -> Option<&Path> {
        Some(&self.0.get(usize::from(file))?.path)
    }

    /// The whole text.
    pub fn text(&self, file: u16) -> Option<&[u8]> {
        Some(&self.0.get(usize::from(file))?.text)
    }

    /// File and line of the `$INCLUDE` that opened the file.
    pub fn included_from(&self, file: u16) -> Option<(u16, u32)> {
        self.0.get(usize::from(file))?.included_from
    }

    /// How many files.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Octets of all texts together.
    pub fn octets(&self) -> u64 {
        self.0.iter().map(|source| source.text.len() as u64).sum()
    }

    /// Adds a file; the caller keeps within 65,536.
    pub(super) fn add(
        &mut self,
        path: PathBuf,
        text: Vec<u8>,
        included_from: Option<(u16, u32)>,
    ) -> (u16, Arc<Vec<u8>>) {
        let file = self.0.len() as u16;
        let text = Arc::new(text);
        self.0.push(Source { path, text: text.clone(), included_from });
        (file, text)
    }
}
