//! Opens the files of a zone.

use crate::zone::memory;
use crate::zone::sources::OnDisk;
use std::fs::File;
use std::io::{self, Read};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

/// A file's text, and what it was read from.
pub(in crate::zone) struct Opened {
    pub(in crate::zone) text: Vec<u8>,
    pub(in crate::zone) file: OnDisk,
}

/// Reads a regular file of at most `octets_max`. A pipe or device might never end.
pub(in crate::zone) fn open(path: &Path, octets_max: u64) -> io::Result<Opened> {
    // What is opened is looked at, not what lay there before. Not blocking: opening a pipe would wait for who writes to it, and
    // reading some files of /proc for what the kernel has to say.
    let file = File::options().read(true).custom_flags(libc::O_NONBLOCK).open(path)?;
    let metadata = file.metadata()?;
    if !metadata.is_file() {
        return Err(io::Error::new(io::ErrorKind::InvalidInput, "it is not a regular file"));
    }
    let octets = metadata.len();
    let too_long =
        || io::Error::new(io::ErrorKind::FileTooLarge, format!("it is over the limit of {octets_max} octets"));
    if octets > octets_max {
        return Err(too_long());
    }
    let mut text = Vec::with_capacity(usize::try_from(octets).map_err(|_| too_long())?);
    memory::prefer_huge_pages(&mut text);
    // The file may grow while it is read.
    file.take(octets_max.saturating_add(1)).read_to_end(&mut text)?;
    if text.len() as u64 > octets_max {
        return Err(too_long());
    }
    Ok(Opened { text, file: OnDisk::new(path.to_path_buf(), &metadata) })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pipe_or_device_is_refused_at_once() {
        let pipe = std::env::temp_dir().join(format!("catchment-include-{}.pipe", std::process::id()));
        assert!(std::process::Command::new("mkfifo").arg(&pipe).status().unwrap().success());
        for path in [&pipe, Path::new("/dev/zero"), Path::new("/")] {
            let refusal = open(path, 1000).err().unwrap();
            assert_eq!(refusal.to_string(), "it is not a regular file", "{}", path.display());
        }
        std::fs::remove_file(pipe).unwrap();
    }
}
