//! Lines of the commonest shape, read without tokens.
//!
//! Nearly all of a large zone is lines such as `example 3600 IN NS ns1.example.net.`: words without escapes, one space between them. What
//! such a line says up to its type, and the data of a few types, takes one look at its octets to find out. Any other line, and any that is
//! wrong, is refused here: the [`Reader`]'s general way then reads it as if nothing had been tried. So there is no fault to be told here, and
//! nothing has a meaning that it has not there.

use super::fault::Spot;
use super::lexer::{Lexer, plain_len};
use super::names::NameBuf;
use super::reader::{Entry, Head, Reader, TTL_MAX};
use super::ttl;
use crate::wire::code::rtype;
use crate::wire::name;
use std::net::{Ipv4Addr, Ipv6Addr};
use std::str::FromStr;

impl Reader<'_> {
    /// What stands before the data of the record that starts where the lexer stands, which then stands behind the type. `None`: it is of another
    /// shape. The lexer has not moved; an owner that was taken all the same is read again.
    #[inline(always)]
    pub(super) fn plain_head(&mut self, lexer: &mut Lexer, entry: Entry) -> Option<Head> {
        let text = entry.text;
        let mut at = self.plain_owner(text, entry.at)?;
        let mut ttl = None;
        if text.get(at)?.is_ascii_digit() {
            let word = word(text, at, b' ')?;
            ttl = Some(ttl::seconds(word).filter(|&secs| secs <= TTL_MAX)?);
            at += word.len() + 1;
        }
        if text[at..].starts_with(b"IN ") {
            at += 3;
        }
        let (rtype, len) = match text[at..] {
            // That of most lines, known by less than all others.
            [b'N', b'S', b' ', ..] => (rtype::NS, 2),
            _ => {
                let word = word(text, at, b' ')?;
                (rtype::from_text(word).filter(|&rtype| rtype::is_zone_data(rtype))?, word.len())
            }
        };
        lexer.go_to(entry.line, at + len);
        Some(Head { ttl, rtype, spot: Spot { at, len } })
    }

    /// Takes the owner at this offset, and gives the offset behind it and its space.
    #[inline(always)]
    fn plain_owner(&mut self, text: &[u8], at: usize) -> Option<usize> {
        let same = text.get(self.owner_at.clone()).unwrap_or_default();
        if !same.is_empty() && text[at..].starts_with(same) {
            return Some(at + same.len());
        }
        let word = word(text, at, b' ')?;
        let (&first, &last) = (word.first()?, word.last()?);
        if first == b'$' {
            return None;
        }
        let owner = self.owner.get_or_insert_with(|| NameBuf::new(&[0]));
        (self.owner_is_new, self.owner_refused, self.owner_at) = (true, false, 0..0);
        if !owner.read_plain(word, self.origin.as_wire()) {
            return None;
        }
        let is_below_origin = last != b'.' && self.origin_in_zone;
        if !is_below_origin && !name::is_at_or_below(owner.as_wire(), self.apex.as_wire()) {
            return None;
        }
        self.owner_at = at..at + word.len() + 1;
        Some(self.owner_at.end)
    }

    /// Reads data of this type, if they are one word between a space and the line's end; the lexer then stands there. False: they are of another
    /// shape, or wrong, and the lexer has not moved.
    #[inline(always)]
    pub(super) fn plain_data(&mut self, rtype: u16, lexer: &mut Lexer, text: &[u8]) -> bool {
        // Within parentheses the record goes on behind the line's end.
        if !matches!(rtype, rtype::NS | rtype::A | rtype::AAAA) || lexer.is_in_parentheses() {
            return false;
        }
        let (line, at) = lexer.position();
        if text.get(at) != Some(&b' ') {
            return false;
        }
        let Some(word) = word(text, at + 1, b'\n') else { return false };
        match rtype {
            rtype::NS if self.scratch.read_plain(word, self.origin.as_wire()) => {
                self.rdata.extend_from_slice(self.scratch.as_wire());
            }
            rtype::NS => return false,
            rtype::A => match address::<Ipv4Addr>(word) {
                Some(address) => self.rdata.extend_from_slice(&address.octets()),
                None => return false,
            },
            _ => match address::<Ipv6Addr>(word) {
                Some(address) => self.rdata.extend_from_slice(&address.octets()),
                None => return false,
            },
        }
        lexer.go_to(line, at + 1 + word.len());
        true
    }
}

/// The word without escapes at this offset, if `end` follows it.
#[inline(always)]
fn word(text: &[u8], at: usize, end: u8) -> Option<&[u8]> {
    let rest = &text[at..];
    let word = &rest[..plain_len(rest)];
    (rest.get(word.len()) == Some(&end)).then_some(word)
}

fn address<A: FromStr>(word: &[u8]) -> Option<A> {
    std::str::from_utf8(word).ok()?.parse().ok()
}
