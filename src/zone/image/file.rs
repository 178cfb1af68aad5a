//! An image as a file: the root, then its segments in the order that it names them. A flat image is all root.

use super::{Image, ImageError, Root, SEGMENT_MAX, Segment};
use crate::zone::layout::{MAGIC, header};
use std::io::{self, Read, Write};

/// Why a file is no image that can be used.
#[derive(Debug, thiserror::Error)]
pub enum FileError {
    /// It can't be read.
    #[error("{0}")]
    Read(#[from] io::Error),
    /// What it holds is not a whole image.
    #[error("{0}")]
    Image(#[from] ImageError),
}

impl Image {
    /// Writes the image as a file has it: [`Image::len`] octets.
    pub fn write_to(&self, out: &mut impl Write) -> io::Result<()> {
        out.write_all(self.root())?;
        self.segments().try_for_each(|segment| out.write_all(segment.bytes()))
    }

    /// Reads what [`Image::write_to`] wrote, one segment after the other, up to the end. `len`: octets that there are.
    pub fn read_from(mut file: impl Read, len: u64) -> Result<Image, FileError> {
        let mut head = Vec::with_capacity(header::SIZE);
        (&mut file).take(header::SIZE as u64).read_to_end(&mut head)?;
        // What is shorter, or no image, is for `Root::open` to refuse.
        let root_len = match head.get(header::ROOT_LEN..).and_then(|rest| rest.first_chunk::<8>()) {
            Some(octets) if head.starts_with(&MAGIC) => u64::from_le_bytes(*octets).min(Root::len_max(len)),
            _ => head.len() as u64,
        };
        let mut root = head;
        let rest = root_len.saturating_sub(root.len() as u64);
        root.try_reserve_exact(rest as usize).map_err(io::Error::from)?;
        (&mut file).take(rest).read_to_end(&mut root)?;
        let root = Root::open(root)?;
        let lens: Vec<([u8; 32], u32)> = root.segments().collect();
        let mut lens = lens.into_iter();
        let mut why = None;
        let mut next = |digest: &[u8; 32]| -> Result<Segment, FileError> {
            // They are asked for in this order.
            let len = lens.next().map_or(0, |(_, len)| len as usize).min(SEGMENT_MAX);
            let mut bytes = vec![0; len];
            file.read_exact(&mut bytes).map_err(|error| match error.kind() {
                io::ErrorKind::UnexpectedEof => FileError::Image(ImageError::SegmentMissing(*digest)),
                _ => FileError::Read(error),
            })?;
            Ok(Segment::open(bytes, digest)?)
        };
        let image = root.assemble(|digest| next(digest).map_err(|error| why = Some(error)).ok());
        if let Some(error) = why {
            return Err(error);
        }
        let image = image?;
        match file.read(&mut [0])? {
            0 => Ok(image),
            _ => Err(ImageError::Inconsistent("octets follow its end").into()),
        }
    }
}
