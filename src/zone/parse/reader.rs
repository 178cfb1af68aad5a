//! Reads entries: the owner, TTL, class and type in front of each record, and what carries over from one to the next.

use super::fault::{Fault, Spot, shown};
use super::fields::Fields;
use super::include::{self, Opened};
use super::lexer::{Lexer, Token};
use super::names::NameBuf;
use super::pieces::{Piece, Pieces, Source, Start};
use super::{Options, Parsed, Way, ttl};
use crate::wire::code::{class, rtype};
use crate::wire::name::{self, Name};
use crate::zone::diagnostic::{Diagnostic, Severity};
use crate::zone::rdata;
use crate::zone::records::Records;
use crate::zone::sources::{OnDisk, Sources};
use std::io;
use std::ops::Range;
use std::path::{Path, PathBuf};

/// Longest TTL (RFC 2181 section 8).
pub(super) const TTL_MAX: u32 = i32::MAX as u32;

/// The state of reading one zone.
pub(super) struct Reader<'o> {
    pub(super) options: &'o Options,
    pub(super) apex: &'o Name,
    pub(super) records: Records,
    pub(super) sources: Sources,
    diagnostics: Diagnostics,
    /// What relative names end in; `$ORIGIN` changes it.
    pub(super) origin: NameBuf,
    /// Whether the origin is in the zone: then relative owners are.
    pub(super) origin_in_zone: bool,
    /// The owner of records that begin with a blank. `None` until a first one.
    pub(super) owner: Option<NameBuf>,
    /// Whether the last owner was wrong: what belongs to it is read for its own faults, but goes nowhere.
    pub(super) owner_refused: bool,
    /// Whether `owner` is not what the records were told last.
    pub(super) owner_is_new: bool,
    /// Where in the text that is read the owner stands, with the space behind it: a line that begins with the same octets has the same one.
    /// Empty if that is not known.
    pub(super) owner_at: Range<usize>,
    /// From `$TTL`, or the SOA's minimum when there is none.
    pub(super) ttl_default: Option<u32>,
    /// Of the last record that states one.
    ttl_last: Option<u32>,
    warned_of_ttl: bool,
    pub(super) rdata: Vec<u8>,
    pub(super) scratch: NameBuf,
    /// The files being read, each included by the one before it. Where they really are is asked only if there is an `$INCLUDE`.
    pub(super) open: Vec<PathBuf>,
    /// The directory that `$INCLUDE` may not leave. `None`: there are no files to include.
    pub(super) root: Option<PathBuf>,
    /// Records and octets that `$GENERATE` has made.
    pub(super) generated: u64,
    pub(super) generated_octets: u64,
    pub(super) way: Way,
    /// Whether a piece is read, and what stands before it is not known.
    is_piece: bool,
}

/// An entry under way: where its first octet stands.
#[derive(Clone, Copy)]
pub(super) struct Entry<'a> {
    pub(super) file: u16,
    /// Line, from 1.
    pub(super) line: u32,
    pub(super) at: usize,
    /// The whole file.
    pub(super) text: &'a [u8],
}

impl Entry<'_> {
    /// Line and column, from 1, of a spot in the entry. Counted here and not by the lexer: only faults need it.
    fn locate(&self, spot: Spot) -> (u32, u32) {
        // The first entry may begin behind a byte order mark, the others begin their line.
        let line_at = if self.line == 1 { 0 } else { self.at };
        let before = self.text.get(line_at..spot.at).unwrap_or_default();
        let lines = before.iter().filter(|&&octet| octet == b'\n').count();
        let column = match before.iter().rposition(|&octet| octet == b'\n') {
            Some(newline) => before.len() - newline,
            None => before.len() + 1,
        };
        let short = |value: usize| u32::try_from(value).unwrap_or(u32::MAX);
        (self.line.saturating_add(short(lines)), short(column))
    }
}

/// A text that is to be read.
pub(super) enum Text {
    /// All of it, and the file that it is of.
    Whole(Vec<u8>, Option<OnDisk>),
    /// A file so long that it is read in pieces.
    Long(Opened),
}

/// What stands between owner and RDATA.
pub(super) struct Head {
    pub(super) ttl: Option<u32>,
    pub(super) rtype: u16,
    /// Where the type stands.
    pub(super) spot: Spot,
}

impl<'o> Reader<'o> {
    pub(super) fn new(apex: &'o Name, options: &'o Options) -> Reader<'o> {
        Reader {
            options,
            apex,
            records: Records::default(),
            sources: Sources::default(),
            diagnostics: Diagnostics::new(options.diagnostics_max),
            origin: NameBuf::new(apex.as_wire()),
            origin_in_zone: true,
            owner: None,
            owner_refused: false,
            owner_is_new: true,
            owner_at: 0..0,
            ttl_default: None,
            ttl_last: None,
            warned_of_ttl: false,
            rdata: Vec::new(),
            scratch: NameBuf::new(&[0]),
            open: Vec::new(),
            root: None,
            generated: 0,
            generated_octets: 0,
            way: Way::of(options),
            is_piece: false,
        }
    }

    /// Reads a piece into `records`, which has none yet.
    pub(super) fn of_piece(start: Start<'o>, records: Records) -> Reader<'o> {
        Reader {
            records,
            origin: start.origin,
            origin_in_zone: start.origin_in_zone,
            ttl_default: start.ttl_default,
            is_piece: true,
            way: start.way,
            ..Reader::new(start.apex, start.options)
        }
    }

    /// What was read of a piece up to where the lexer stands.
    pub(super) fn piece(&self, (line, end): (u32, usize)) -> Option<Piece> {
        Some(Piece { owner: self.owner.clone()?, ttl_last: self.ttl_last, lines: line - 1, end })
    }

    /// What pieces are to be read with from here on.
    pub(super) fn start_of_pieces(&self, file: u16) -> Start<'o> {
        Start {
            apex: self.apex,
            options: self.options,
            way: self.way,
            file,
            origin: self.origin.clone(),
            origin_in_zone: self.origin_in_zone,
            ttl_default: self.ttl_default,
        }
    }

    /// Takes a piece that starts where the lexer stands, which then stands behind it.
    pub(super) fn take(&mut self, piece: &Piece, records: &Records, lexer: &mut Lexer) {
        let lines_before = lexer.position().0 - 1;
        lexer.go_to(lines_before.saturating_add(piece.lines).saturating_add(1), piece.end);
        self.records.append(records, lines_before);
        self.owner = Some(piece.owner.clone());
        (self.owner_is_new, self.owner_refused, self.owner_at) = (true, false, 0..0);
        self.ttl_last = piece.ttl_last.or(self.ttl_last);
    }

    /// Ends a piece whose meaning depends on what stands before it.
    fn know_all(&self, spot: Spot) -> Result<(), Fault> {
        if self.is_piece { Err(Fault::new(spot, "what stands before is not known", "read it too")) } else { Ok(()) }
    }

    pub(super) fn read_zone_file(&mut self, path: &Path) {
        match self.open_text(path, self.options.text_octets_max) {
            Ok(text) => {
                let directory = path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
                self.root = Some(self.options.root.as_deref().unwrap_or(directory).to_owned());
                self.read_text(path.to_owned(), text, None);
            }
            Err(why) => {
                let (file, _) = self.sources.add(path.to_owned(), Vec::new(), None, None);
                let message = format!("the zone's file can't be read: {why}");
                self.diagnostics.add(about_file(file, message, "correct the path, the file, or its permissions"));
            }
        }
    }

    pub(super) fn read_zone_text(&mut self, name: PathBuf, text: Vec<u8>) {
        if text.len() as u64 > self.options.text_octets_max {
            let (file, _) = self.sources.add(name, Vec::new(), None, None);
            let message = format!("the zone's text is longer than {} octets", self.options.text_octets_max);
            self.diagnostics.add(about_file(file, message, "split the zone"));
            return;
        }
        self.read_text(name, Text::Whole(text, None), None);
    }

    pub(super) fn finish(mut self) -> Parsed {
        self.records.end_sharing();
        Parsed { records: self.records, sources: self.sources, diagnostics: self.diagnostics.finish() }
    }

    /// Opens a file of at most `octets_max`, and reads it if it is not long.
    pub(super) fn open_text(&self, path: &Path, octets_max: u64) -> io::Result<Text> {
        let opened = include::open(path, octets_max)?;
        if self.way.is_in_pieces(opened.octets) {
            return Ok(Text::Long(opened));
        }
        Ok(Text::Whole(opened.read()?, Some(opened.on_disk)))
    }

    /// Reads one text to its end, whatever is wrong in it. `from`: file and line that include it.
    pub(super) fn read_text(&mut self, path: PathBuf, text: Text, from: Option<(u16, u32)>) {
        let on_disk = match &text {
            Text::Whole(_, on_disk) => on_disk.as_ref(),
            Text::Long(opened) => Some(&opened.on_disk),
        };
        let open_before = self.open.len();
        self.open.extend(on_disk.map(|on_disk| on_disk.path.clone()));
        self.owner_at = 0..0;
        match text {
            Text::Whole(text, on_disk) => {
                let (file, text) = self.sources.add(path, text, on_disk, from);
                let mut pieces = Pieces::new(self.way, text.len());
                self.read_entries(file, &text, (1, 0), &mut pieces, None);
            }
            Text::Long(opened) => {
                let file = self.sources.add_unread(path, opened.on_disk.clone(), from);
                if let Err(why) = self.read_long(file, &opened) {
                    let remedy = "write a file beside it and rename that, so that nobody reads half of it";
                    self.diagnostics.add(about_file(file, format!("the file can't be read: {why}"), remedy));
                }
            }
        }
        self.open.truncate(open_before);
    }

    /// Reads a long file in windows, and as a whole from where that does not do.
    fn read_long(&mut self, file: u16, opened: &Opened) -> io::Result<()> {
        let mut pieces = Pieces::new(self.way, opened.octets);
        let first_lines = pieces.first_lines(opened)?;
        let rest = match self.read_entries(file, &first_lines, (1, 0), &mut pieces, Some(opened)) {
            (_, at) if at == opened.octets => None,
            start => Some((start, opened.read()?)),
        };
        if !opened.is_unchanged() || rest.as_ref().is_some_and(|(_, text)| text.len() != opened.octets) {
            return Err(io::Error::other("it changed meanwhile"));
        }
        if let Some((start, text)) = rest {
            let text = self.sources.keep(file, text);
            self.read_entries(file, &text, start, &mut pieces, None);
        }
        Ok(())
    }

    /// Reads a text from an entry's line and offset on. `long`: these are only the first lines of that file, and its pieces come next. Gives
    /// line and offset of what is not read yet: of a text that is all of its file, its end.
    fn read_entries(
        &mut self,
        file: u16,
        text: &[u8],
        start: (u32, usize),
        pieces: &mut Pieces,
        long: Option<&Opened>,
    ) -> (u32, usize) {
        let mut lexer = Lexer::starting_at(text, start.1);
        lexer.go_to(start.0, start.1);
        // Editors put a byte order mark in front of UTF-8; it belongs to no name.
        if start.1 == 0 && text.starts_with(b"\xef\xbb\xbf") {
            lexer.go_to(start.0, 3);
        }
        loop {
            if pieces.are_due(text, lexer.position().1) {
                let source = long.map_or(Source::Text(text), Source::File);
                self.read_pieces(pieces, &mut lexer, file, source);
                if long.is_some() {
                    return lexer.position();
                }
            }
            let (line, at) = lexer.position();
            let entry = Entry { file, line, at, text };
            if let Err(fault) = self.entry(&mut lexer, entry) {
                let skipped = lexer.skip_entry();
                // What it goes on with may stand behind the first lines: it is read once more, and nothing was made of it.
                if long.is_some() && (skipped.is_err() || lexer.peek().is_none()) {
                    return (line, at);
                }
                // A parenthesis that is never closed makes nonsense of what follows it: that is the fault to show.
                let fault = skipped.err().unwrap_or(fault);
                let spot = fault.spot();
                let (message, remedy) = fault.into_texts();
                self.report(Severity::Error, entry, spot, message, remedy);
            }
            if !lexer.finish_entry() {
                return lexer.position();
            }
        }
    }

    /// The owner, and whether it was refused.
    pub(super) fn owner(&self) -> (Option<NameBuf>, bool) {
        (self.owner.clone(), self.owner_refused)
    }

    /// Puts the owner back that a file had before it included another.
    pub(super) fn restore_owner(&mut self, (owner, refused): (Option<NameBuf>, bool)) {
        (self.owner, self.owner_refused) = (owner, refused);
        (self.owner_is_new, self.owner_at) = (true, 0..0);
    }

    /// Notes a finding in an entry.
    #[cold]
    fn report(&mut self, severity: Severity, entry: Entry, spot: Spot, message: String, remedy: String) {
        let (line, column) = entry.locate(spot);
        let width = u32::try_from(spot.len).unwrap_or(u32::MAX);
        self.diagnostics.add(Diagnostic { severity, file: entry.file, line, column, width, message, remedy });
    }

    /// Reads one entry up to its end.
    #[inline]
    pub(super) fn entry(&mut self, lexer: &mut Lexer, entry: Entry) -> Result<(), Fault> {
        if self.way.knows_plain
            && let Some(head) = self.plain_head(lexer, entry)
        {
            return self.data(&head, lexer, entry);
        }
        let blank = matches!(lexer.peek(), Some(b' ' | b'\t'));
        if !lexer.seek()? {
            return Ok(());
        }
        if blank {
            if self.owner.is_none() {
                return Err(Fault::new(
                    lexer.here(),
                    "this record has no owner: the line begins with a blank, and no record stands before it",
                    "begin the line with the owner's name, or with @ for the origin",
                ));
            }
            let head = self.head(lexer)?;
            return self.data(&head, lexer, entry);
        }
        if lexer.peek() == Some(b'$') {
            self.know_all(lexer.here())?;
            return self.directive(lexer, entry);
        }
        if let Some(owner) = lexer.next()? {
            self.read_owner(&owner)?;
            if !lexer.seek()? {
                return Err(Fault::new(
                    owner.spot(),
                    format!("only an owner, {}, and no record", shown(owner.text)),
                    "write owner, TTL, class, type and data; a line that goes on with the owner before it begins with a blank",
                ));
            }
        }
        let head = self.head(lexer)?;
        self.data(&head, lexer, entry)
    }

    /// Makes the name the owner.
    fn read_owner(&mut self, token: &Token) -> Result<(), Fault> {
        let owner = self.owner.get_or_insert_with(|| NameBuf::new(&[0]));
        (self.owner_is_new, self.owner_refused, self.owner_at) = (true, false, 0..0);
        let read = owner.read(token, self.origin.as_wire());
        if matches!(read, Ok(true)) && self.origin_in_zone {
            return Ok(());
        }
        let fault = match read {
            Ok(_) if name::is_at_or_below(owner.as_wire(), self.apex.as_wire()) => return Ok(()),
            // A file of another zone has this in each line.
            Ok(_) if self.diagnostics.has_enough_errors() => Fault::unshown(token.spot()),
            Ok(relative) => out_of_zone(token.spot(), owner.as_wire(), self.apex, relative),
            Err(fault) => fault,
        };
        self.owner_refused = true;
        Err(fault)
    }

    /// Reads the data of a record, and keeps it.
    #[inline]
    fn data(&mut self, head: &Head, lexer: &mut Lexer, entry: Entry) -> Result<(), Fault> {
        self.rdata.clear();
        if !self.way.knows_plain || !self.plain_data(head.rtype, lexer, entry.text) {
            let mut fields = Fields::new(lexer, self.origin.as_wire(), &mut self.scratch, head.rtype, rdata::usage);
            rdata::read(head.rtype, &mut fields, &mut self.rdata)?;
        }
        let ttl_secs = self.ttl(head, entry)?;
        if self.owner_refused {
            return Ok(());
        }
        if self.owner_is_new
            && let Some(owner) = &self.owner
        {
            self.records.set_owner(owner.as_wire());
            self.owner_is_new = false;
        }
        self.records.push(head.rtype, ttl_secs, &self.rdata, entry.file, entry.line);
        Ok(())
    }

    /// One record that `$GENERATE` made: `text` is its RDATA. Gives the octets that it takes.
    pub(super) fn generated_record(
        &mut self,
        owner: &NameBuf,
        head: &Head,
        text: &[u8],
        entry: Entry,
    ) -> Result<u64, Fault> {
        let mut lexer = Lexer::new(text);
        self.rdata.clear();
        let mut fields = Fields::new(&mut lexer, self.origin.as_wire(), &mut self.scratch, head.rtype, rdata::usage);
        rdata::read(head.rtype, &mut fields, &mut self.rdata)?;
        if lexer.peek().is_some() {
            return Err(Fault::new(lexer.here(), "the data goes on behind a line's end", "keep it on one line"));
        }
        let ttl_secs = self.ttl(head, entry)?;
        self.records.set_owner(owner.as_wire());
        self.owner_is_new = true;
        self.records.push(head.rtype, ttl_secs, &self.rdata, entry.file, entry.line);
        Ok((owner.as_wire().len() + self.rdata.len()) as u64)
    }

    /// TTL and class, both optional, in any order; then the type.
    #[inline(always)]
    pub(super) fn head(&self, lexer: &mut Lexer) -> Result<Head, Fault> {
        let mut ttl = None;
        let mut class_seen = false;
        loop {
            let Some(token) = lexer.next()? else {
                return Err(Fault::new(lexer.behind_last(), "the record ends before its type", HEAD_FORM));
            };
            let text = token.text;
            if token.quoted {
                return Err(Fault::new(
                    token.spot(),
                    format!("expected a type, found the quoted string {}", shown(text)),
                    HEAD_FORM,
                ));
            }
            if text.first().is_some_and(u8::is_ascii_digit) {
                if ttl.is_some() {
                    return Err(Fault::new(token.spot(), format!("a second TTL, {}", shown(text)), HEAD_FORM));
                }
                ttl = Some(ttl_secs(&token)?);
            } else if text.eq_ignore_ascii_case(b"IN") && !class_seen {
                class_seen = true;
            } else if let Some(rtype) = rtype::from_text(text) {
                if !rtype::is_zone_data(rtype) {
                    return Err(no_zone_data(&token, rtype));
                }
                return Ok(Head { ttl, rtype, spot: token.spot() });
            } else {
                class_seen = class_in(&token, class_seen)?;
            }
        }
    }

    /// The TTL of the record just read: its own, else `$TTL`'s (RFC 2308 section 4), else that of the record before it
    /// (RFC 1035 section 5.1), else, for the SOA, its minimum, as BIND does.
    fn ttl(&mut self, head: &Head, entry: Entry) -> Result<u32, Fault> {
        if let Some(own) = head.ttl {
            self.ttl_last = Some(own);
            return Ok(own);
        }
        if let Some(default) = self.ttl_default {
            return Ok(default);
        }
        self.know_all(head.spot)?;
        if let Some(last) = self.ttl_last {
            if !self.warned_of_ttl {
                self.warned_of_ttl = true;
                self.report(
                    Severity::Warning,
                    entry,
                    head.spot,
                    format!("no TTL here and no $TTL before: taking {last}, as the last record that states one does"),
                    "put $TTL at the top of the zone (RFC 2308 section 4)".into(),
                );
            }
            return Ok(last);
        }
        if head.rtype == rtype::SOA
            && let Some(minimum) = self.rdata.last_chunk::<4>()
        {
            let minimum = u32::from_be_bytes(*minimum).min(TTL_MAX);
            self.ttl_default = Some(minimum);
            self.report(
                Severity::Warning,
                entry,
                head.spot,
                format!("no TTL here and no $TTL before: taking the SOA's minimum, {minimum}"),
                "put $TTL at the top of the zone (RFC 2308 section 4)".into(),
            );
            return Ok(minimum);
        }
        // One error is enough: the records behind it would all have the same.
        self.ttl_last = Some(0);
        Err(Fault::new(
            head.spot,
            "no TTL: neither this record nor one before it states one, and there is no $TTL",
            "put $TTL 3600, for example, at the top of the zone",
        ))
    }
}

const HEAD_FORM: &str = "the form is: owner [TTL] [class] type data, TTL and class in any order";

/// A TTL: at most 2^31 - 1 seconds.
pub(super) fn ttl_secs(token: &Token) -> Result<u32, Fault> {
    let fault = |message: String, remedy: &str| Err(Fault::new(token.spot(), message, remedy));
    match ttl::seconds(token.text) {
        Some(secs) if secs <= TTL_MAX && !token.quoted => Ok(secs),
        Some(_) if !token.quoted => fault(
            format!("the TTL {} is over 2147483647 seconds", shown(token.text)),
            "a week, 604800, is long (RFC 2181 section 8)",
        ),
        _ => fault(
            format!("{} is neither a TTL nor a class nor a type", shown(token.text)),
            "a TTL is a number of seconds up to 2147483647, or has units: 1h30m, 2d, 1w",
        ),
    }
}

pub(super) fn out_of_zone(spot: Spot, owner: &[u8], apex: &Name, relative: bool) -> Fault {
    let remedy = match relative {
        true => "the origin, which $ORIGIN set, is outside the zone: correct it, or move the record to its own zone",
        false => "move the record to its own zone; if the name was meant to be relative, remove its final dot",
    };
    Fault::new(spot, format!("{} is outside the zone {apex}", shown(name::Text(owner).to_string().as_bytes())), remedy)
}

/// Takes a class, or says what else is wrong with a word that is no type.
#[cold]
fn class_in(token: &Token, class_seen: bool) -> Result<bool, Fault> {
    let text = shown(token.text);
    match class::from_text(token.text) {
        None => Err(unknown_type(token)),
        Some(_) if class_seen => Err(Fault::new(token.spot(), format!("a second class, {text}"), HEAD_FORM)),
        Some(class::IN) => Ok(true),
        Some(_) => Err(Fault::new(
            token.spot(),
            format!("class {text} is not served"),
            "only class IN can be: write IN, or leave the class out",
        )),
    }
}

#[cold]
fn no_zone_data(token: &Token, rtype: u16) -> Fault {
    let text = rtype::text(rtype);
    match rtype {
        rtype::MD | rtype::MF => Fault::new(
            token.spot(),
            format!("{text} records are obsolete"),
            "write MX 0 and the same name instead (RFC 1035 sections 3.3.4 and 3.3.5)",
        ),
        _ => Fault::new(
            token.spot(),
            format!("{text} is a type of questions and messages, not of zone data"),
            "remove the record (RFC 6895 section 3.1)",
        ),
    }
}

#[cold]
fn unknown_type(token: &Token) -> Fault {
    let text = shown(token.text);
    if token.text.first() == Some(&b'$') {
        return Fault::new(
            token.spot(),
            format!("the directive {text} is not at the start of its line"),
            "remove the blank before it",
        );
    }
    Fault::new(
        token.spot(),
        format!("{text} is not a type"),
        "check the spelling; a type without a name is written TYPEnnn (RFC 3597). A record without an owner begins with a blank",
    )
}

/// An error about a file as a whole.
fn about_file(file: u16, message: String, remedy: &str) -> Diagnostic {
    Diagnostic { severity: Severity::Error, file, line: 0, column: 0, width: 0, message, remedy: remedy.into() }
}

/// Findings, as many as are wanted.
struct Diagnostics {
    kept: Vec<Diagnostic>,
    max: usize,
    errors: usize,
    warnings: usize,
}

impl Diagnostics {
    fn new(max: usize) -> Diagnostics {
        Diagnostics { kept: Vec::new(), max, errors: 0, warnings: 0 }
    }

    /// Whether further errors are only counted.
    fn has_enough_errors(&self) -> bool {
        self.errors >= self.max
    }

    fn add(&mut self, diagnostic: Diagnostic) {
        let count = match diagnostic.severity {
            Severity::Error => &mut self.errors,
            Severity::Warning => &mut self.warnings,
        };
        *count += 1;
        if *count <= self.max {
            self.kept.push(diagnostic);
        }
    }

    /// All that were kept, and at the end how many were not.
    fn finish(mut self) -> Vec<Diagnostic> {
        for (severity, count, what) in
            [(Severity::Warning, self.warnings, "warnings"), (Severity::Error, self.errors, "errors")]
        {
            if let Some(more @ 1..) = count.checked_sub(self.max) {
                let message = format!("and {more} more {what}");
                let remedy = "correct the first ones; the rest may go with them".into();
                self.kept.push(Diagnostic { severity, file: 0, line: 0, column: 0, width: 0, message, remedy });
            }
        }
        self.kept
    }
}
