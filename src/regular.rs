//! Opens regular files and nothing else: a pipe, or a device, may never say a word, and never end.

use std::fs::{File, Metadata};
use std::io;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

/// Opens a regular file to be read.
pub(crate) fn open(path: &Path) -> io::Result<(File, Metadata)> {
    // What is opened is looked at, not what lay there before. Not blocking: opening a pipe would wait for who writes to it, and
    // reading some files of /proc for what the kernel has to say.
    let file = File::options().read(true).custom_flags(libc::O_NONBLOCK).open(path)?;
    let metadata = file.metadata()?;
    match metadata.is_file() {
        true => Ok((file, metadata)),
        false => Err(io::Error::new(io::ErrorKind::InvalidInput, "it is not a regular file")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pipe_or_device_is_refused_at_once() {
        let pipe = std::env::temp_dir().join(format!("catchment-regular-{}.pipe", std::process::id()));
        assert!(std::process::Command::new("mkfifo").arg(&pipe).status().unwrap().success());
        for path in [&pipe, Path::new("/dev/zero"), Path::new("/")] {
            let refusal = open(path).err().unwrap();
            assert_eq!(refusal.to_string(), "it is not a regular file", "{}", path.display());
        }
        std::fs::remove_file(pipe).unwrap();
    }
}
