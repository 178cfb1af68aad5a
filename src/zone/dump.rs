//! An image as zone text again: for people, for diffs, and for other servers' tools.

use super::image::{Image, ImageError};
use super::rdata;
use crate::wire::code::rtype;
use crate::wire::name;
use std::fmt::Write;

/// Canonical text: a record a line in the image's order, names absolute, nothing left out. Reading it gives the same records.
pub fn to_text(image: &Image) -> Result<String, ImageError> {
    let mut text = String::new();
    image.for_each_record(|owner, rtype, ttl_secs, rdata| write_record(owner, rtype, ttl_secs, rdata, &mut text))?;
    Ok(text)
}

/// Appends one record and the line's end. `owner` is a valid name in wire form.
pub fn write_record(owner: &[u8], rtype: u16, ttl_secs: u32, rdata: &[u8], out: &mut String) {
    let _ = write!(out, "{}\t{ttl_secs}\tIN\t{}\t", name::Text(owner), rtype::text(rtype));
    rdata::write(rtype, rdata, out);
    out.push('\n');
}
