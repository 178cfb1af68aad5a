//! Opens the files of a zone.

use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

/// A file's text, and where it really is: symbolic links resolved.
pub(super) struct Opened {
    pub(super) text: Vec<u8>,
    pub(super) real: PathBuf,
}

/// Reads a regular file of at most `octets_max`. A pipe or device might never end.
pub(super) fn open(path: &Path, octets_max: u64) -> io::Result<Opened> {
    let real = path.canonicalize()?;
    if !real.metadata()?.is_file() {
        return Err(io::Error::new(io::ErrorKind::InvalidInput, "it is not a regular file"));
    }
    let file = File::open(&real)?;
    let octets = file.metadata()?.len();
    let too_long =
        || io::Error::new(io::ErrorKind::FileTooLarge, format!("it is over the limit of {octets_max} octets"));
    if octets > octets_max {
        return Err(too_long());
    }
    let mut text = Vec::with_capacity(usize::try_from(octets).map_err(|_| too_long())?);
    // The file may grow while it is read.
    file.take(octets_max.saturating_add(1)).read_to_end(&mut text)?;
    if text.len() as u64 > octets_max {
        return Err(too_long());
    }
    Ok(Opened { text, real })
}
