//! Opens the files of a zone.

use crate::regular;
use crate::zone::memory;
use crate::zone::sources::OnDisk;
use std::fs::File;
use std::io::{self, Read};
use std::ops::Range;
use std::os::unix::fs::FileExt;
use std::path::Path;

/// A file that was opened, and is not read yet.
pub(in crate::zone) struct Opened {
    file: File,
    /// Octets that it had when it was opened.
    pub(super) octets: usize,
    octets_max: u64,
    pub(in crate::zone) on_disk: OnDisk,
}

/// Opens a regular file of at most `octets_max`.
pub(in crate::zone) fn open(path: &Path, octets_max: u64) -> io::Result<Opened> {
    let (file, metadata) = regular::open(path)?;
    let octets = usize::try_from(metadata.len()).ok().filter(|_| metadata.len() <= octets_max);
    let octets = octets.ok_or_else(|| too_long(octets_max))?;
    Ok(Opened { file, octets, octets_max, on_disk: OnDisk::new(path.to_path_buf(), &metadata) })
}

impl Opened {
    /// All of its text.
    pub(in crate::zone) fn read(&self) -> io::Result<Vec<u8>> {
        let mut text = Vec::with_capacity(self.octets);
        memory::prefer_huge_pages(&mut text);
        // The file may grow while it is read.
        (&self.file).take(self.octets_max.saturating_add(1)).read_to_end(&mut text)?;
        if text.len() as u64 > self.octets_max { Err(too_long(self.octets_max)) } else { Ok(text) }
    }

    /// The text of this range.
    pub(super) fn read_window(&self, range: Range<usize>, window: &mut Vec<u8>) -> io::Result<()> {
        window.resize(range.len(), 0);
        self.file.read_exact_at(window, range.start as u64)
    }

    /// Whether it is as it was when it was opened, as far as that can be told: windows that were read before and after a change don't fit
    /// together.
    pub(super) fn is_unchanged(&self) -> bool {
        let now = self.file.metadata().map(|now| OnDisk::new(self.on_disk.path.clone(), &now));
        now.is_ok_and(|now| now == self.on_disk)
    }
}

fn too_long(octets_max: u64) -> io::Error {
    io::Error::new(io::ErrorKind::FileTooLarge, format!("it is over the limit of {octets_max} octets"))
}
