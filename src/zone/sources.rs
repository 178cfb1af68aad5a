//! The texts that a zone was read from, to show lines of them.

use super::parse::include;
use std::fs::Metadata;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};

/// The files of one zone, in the order in which they were opened. The zone's own file is the first.
#[derive(Debug, Default, Clone)]
pub struct Sources(Vec<Source>);

#[derive(Debug, Clone)]
struct Source {
    path: PathBuf,
    octets: u64,
    text: OnceLock<Arc<Vec<u8>>>,
    /// Where the text can be read again.
    file: Option<OnDisk>,
    included_from: Option<(u16, u32)>,
}

/// A file, and what would differ if it had changed since it was read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct OnDisk {
    pub(super) path: PathBuf,
    device: u64,
    inode: u64,
    octets: u64,
    modified: (i64, i64),
}

impl OnDisk {
    pub(super) fn new(path: PathBuf, metadata: &Metadata) -> OnDisk {
        OnDisk {
            path,
            device: metadata.dev(),
            inode: metadata.ino(),
            octets: metadata.len(),
            modified: (metadata.mtime(), metadata.mtime_nsec()),
        }
    }

    /// The text as it was; empty if it is no longer the same.
    fn read_again(&self) -> Vec<u8> {
        let again = include::open(&self.path, self.octets).ok().filter(|again| again.on_disk == *self);
        again.and_then(|again| again.read().ok()).unwrap_or_default()
    }
}

impl Sources {
    /// Files as they are now, none of them read yet.
    pub(super) fn of_files(paths: impl Iterator<Item = PathBuf>) -> Sources {
        let source = |path: PathBuf| {
            let metadata = path.metadata().ok();
            let (octets, file) = match &metadata {
                Some(metadata) => (metadata.len(), Some(OnDisk::new(path.clone(), metadata))),
                None => (0, None),
            };
            Source { path, octets, text: OnceLock::new(), file, included_from: None }
        };
        Sources(paths.map(source).collect())
    }

    /// Path as it was opened, for messages.
    pub fn path(&self, file: u16) -> Option<&Path> {
        Some(&self.0.get(usize::from(file))?.path)
    }

    /// The whole text. Of a file that was released, and has changed since, there is none.
    pub fn text(&self, file: u16) -> Option<&[u8]> {
        let source = self.0.get(usize::from(file))?;
        Some(source.text.get_or_init(|| Arc::new(source.file.as_ref().map(OnDisk::read_again).unwrap_or_default())))
    }

    /// Lets the texts go that can be read again if a line of them is to be shown: the compiler needs the memory.
    pub fn release(&mut self) {
        for source in self.0.iter_mut().filter(|source| source.file.is_some()) {
            source.text.take();
        }
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
        self.0.iter().map(|source| source.octets).sum()
    }

    /// Adds a text; the caller keeps within 65,536.
    pub(super) fn add(
        &mut self,
        path: PathBuf,
        text: Vec<u8>,
        file: Option<OnDisk>,
        included_from: Option<(u16, u32)>,
    ) -> (u16, Arc<Vec<u8>>) {
        let number = self.0.len() as u16;
        let (octets, text) = (text.len() as u64, Arc::new(text));
        self.0.push(Source { path, octets, text: text.clone().into(), file, included_from });
        (number, text)
    }

    /// Adds a file that is read in windows: its text is read if it is asked for. The caller keeps within 65,536.
    pub(super) fn add_unread(&mut self, path: PathBuf, file: OnDisk, included_from: Option<(u16, u32)>) -> u16 {
        self.0.push(Source { path, octets: file.octets, text: OnceLock::new(), file: Some(file), included_from });
        (self.0.len() - 1) as u16
    }

    /// Takes the text of a file that was added without.
    pub(super) fn keep(&mut self, file: u16, text: Vec<u8>) -> Arc<Vec<u8>> {
        let text = Arc::new(text);
        self.0[usize::from(file)].text = text.clone().into();
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_released_text_is_read_again_unless_it_changed() {
        let path = std::env::temp_dir().join(format!("catchment-sources-{}.zone", std::process::id()));
        std::fs::write(&path, "one\n").unwrap();
        let mut sources = Sources::default();
        let opened = include::open(&path, 100).unwrap();
        sources.add("a".into(), opened.read().unwrap(), Some(opened.on_disk.clone()), None);
        sources.add("b".into(), b"not a file".to_vec(), None, None);
        sources.add_unread("c".into(), opened.on_disk, None);
        sources.release();
        let before = sources.clone();
        let texts = [0, 1, 2].map(|file| sources.text(file).unwrap());
        assert_eq!(texts, [&b"one\n"[..], b"not a file", b"one\n"]);
        assert_eq!(sources.octets(), 18);
        std::fs::write(&path, "other\n").unwrap();
        assert_eq!(before.text(0), Some(&b""[..]));
        std::fs::remove_file(path).unwrap();
    }
}
