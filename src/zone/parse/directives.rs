//! Lines that begin with `$`: `$ORIGIN` and `$INCLUDE` (RFC 1035 section 5.1), `$TTL` (RFC 2308 section 4), BIND's `$GENERATE`.

use super::fault::{Fault, shown};
use super::fields::unescape;
use super::lexer::{Lexer, Token};
use super::names::NameBuf;
use super::reader::{Entry, Reader, Text, ttl_secs};
use crate::wire::name;
use std::ffi::OsString;
use std::os::unix::ffi::OsStringExt;
use std::path::{Path, PathBuf};

impl Reader<'_> {
    #[inline(never)]
    pub(super) fn directive(&mut self, lexer: &mut Lexer, entry: Entry) -> Result<(), Fault> {
        let Some(token) = lexer.next()? else { return Ok(()) };
        if token.is_word(b"$ORIGIN") {
            let argument = argument(&token, lexer, "$ORIGIN takes a name: $ORIGIN example.com.")?;
            let mut origin = NameBuf::new(&[0]);
            origin.read(&argument, self.origin.as_wire())?;
            end(lexer)?;
            self.set_origin(origin);
            Ok(())
        } else if token.is_word(b"$TTL") {
            let argument = argument(&token, lexer, "$TTL takes a time: $TTL 3600, or $TTL 1h")?;
            let default = ttl_secs(&argument)?;
            end(lexer)?;
            self.ttl_default = Some(default);
            Ok(())
        } else if token.is_word(b"$INCLUDE") {
            self.include(&token, lexer, entry)
        } else if token.is_word(b"$GENERATE") {
            self.generate(&token, lexer, entry)
        } else {
            Err(Fault::new(
                token.spot(),
                format!("{} is not a directive", shown(token.text)),
                "there are $ORIGIN, $TTL, $INCLUDE and $GENERATE; a name that begins with a dollar sign is written \\$...",
            ))
        }
    }

    fn set_origin(&mut self, origin: NameBuf) {
        self.origin_in_zone = name::is_at_or_below(origin.as_wire(), self.apex.as_wire());
        self.origin = origin;
        // From now on the same octets may mean another name.
        self.owner_at = 0..0;
    }

    /// `$INCLUDE file [origin]`. Origin and owner of this file are as before behind it; a `$TTL` in it stays, as in BIND.
    fn include(&mut self, token: &Token, lexer: &mut Lexer, entry: Entry) -> Result<(), Fault> {
        let argument = argument(
            token,
            lexer,
            "$INCLUDE takes a file, and an origin if you like: $INCLUDE hosts.inc lan.example.com.",
        )?;
        let mut origin = self.origin.clone();
        if let Some(token) = lexer.next()? {
            origin.read(&token, self.origin.as_wire())?;
        }
        end(lexer)?;
        let path = self.include_path(&argument, entry.file)?;
        let text = self
            .open_included(&path, &shown(argument.text))
            .map_err(|(message, remedy)| Fault::new(argument.spot(), message, remedy))?;
        let (outer_origin, outer_owner) = (self.origin.clone(), self.owner());
        self.set_origin(origin);
        self.read_text(path, text, Some((entry.file, entry.line)));
        self.set_origin(outer_origin);
        self.restore_owner(outer_owner);
        Ok(())
    }

    /// A relative path is relative to the file that includes.
    fn include_path(&self, argument: &Token, file: u16) -> Result<PathBuf, Fault> {
        let mut octets = Vec::new();
        unescape(argument, &mut octets)?;
        let directory = self.sources.path(file).and_then(Path::parent).unwrap_or(Path::new(""));
        Ok(directory.join(OsString::from_vec(octets)))
    }

    /// `shown_path` is the path as it stands in the text. `Err`: message and remedy.
    fn open_included(&self, path: &Path, shown_path: &str) -> Result<Text, (String, String)> {
        let refuse = |message: String, remedy: &str| Err((message, remedy.to_owned()));
        let Some(root) = &self.root else {
            return refuse(
                format!("{shown_path} can't be included: this text is not a file"),
                "put the records here instead",
            );
        };
        if self.open.len() > self.options.include_depth_max {
            let depth = self.options.include_depth_max;
            return refuse(
                format!("{shown_path} is included more than {depth} files deep"),
                "include it from a file further up",
            );
        }
        if self.sources.len() > self.options.includes_max.min(u16::MAX.into()) {
            let most = self.options.includes_max;
            return refuse(
                format!("{shown_path} is one $INCLUDE too many: the zone has {most} before it"),
                "join some of the files",
            );
        }
        // A root that can't be resolved holds no file: every `$INCLUDE` is then refused.
        let root = root.canonicalize().unwrap_or_else(|_| root.to_owned());
        let real = match path.canonicalize() {
            Ok(real) => real,
            Err(why) => {
                return refuse(
                    format!("{shown_path} can't be included: {why}"),
                    "the path is relative to the file that includes",
                );
            }
        };
        if !self.options.include_outside && !real.starts_with(&root) {
            return refuse(
                format!("{shown_path} can't be included: it lies outside {}", root.display()),
                "move it there, or set `include-outside = true`",
            );
        }
        if self.open.iter().any(|open| open.canonicalize().is_ok_and(|open| open == real)) {
            return refuse(
                format!("{shown_path} includes itself, directly or through others"),
                "remove one of the $INCLUDEs of the circle",
            );
        }
        let left = self.options.text_octets_max.saturating_sub(self.sources.octets());
        self.open_text(&real, left).map_err(|why| {
            (format!("{shown_path} can't be included: {why}"), "check the file and its permissions".to_owned())
        })
    }
}

/// The directive's first argument.
pub(super) fn argument<'a>(directive: &Token, lexer: &mut Lexer<'a>, form: &str) -> Result<Token<'a>, Fault> {
    match lexer.next()? {
        Some(token) => Ok(token),
        None => Err(Fault::new(directive.spot(), format!("{} without an argument", shown(directive.text)), form)),
    }
}

/// Nothing but a comment may follow.
pub(super) fn end(lexer: &mut Lexer) -> Result<(), Fault> {
    match lexer.next()? {
        None => Ok(()),
        Some(token) => Err(Fault::new(
            token.spot(),
            format!("the directive should end before {}", shown(token.text)),
            "remove the rest, or begin a comment with `;`",
        )),
    }
}
