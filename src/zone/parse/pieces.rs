//! A long text, read in pieces on all cores.
//!
//! A piece starts at a line that looks like the first of a record with an owner, and is read with the origin and the `$TTL` that
//! hold where the first piece starts. Whether that was right shows when all before it has been read: a piece is taken if what stands
//! before it ended exactly where it starts, and not within parentheses or quotes. A piece in which something needs more of what
//! stands before it (a directive, a TTL that is left out without `$TTL`), or is wrong, is given up: that text and what follows is
//! read by the one reader that knows it all. So the outcome is always that of this reader alone.
//!
//! The pieces of a long file are read from it one by one, each into a window that is used again: a text that is never in memory as a whole
//! takes no memory that the kernel would have to clear, and is in the cache when it is parsed.

use super::include::Opened;
use super::lexer::{Lexer, starts_word};
use super::names::NameBuf;
use super::reader::{Entry, Reader};
use super::{Options, Way};
use crate::wire::name::Name;
use crate::zone::records::{Pool, Records};
use std::collections::HashMap;
use std::io;
use std::ops::Range;
use std::panic::resume_unwind;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Condvar, Mutex, PoisonError, mpsc};

/// Octets of a piece, unless a zone may have so many that it could have more pieces than this. It and what is read of it fit into a core's own
/// cache.
const PIECE: u64 = 256 << 10;
pub(super) const PIECES_MAX: usize = 1 << 14;
/// The directives mostly stand at the start of a text: one of so many octets of a piece's length is not read in pieces.
const HEAD_SHARE: usize = 64;
/// The first lines of a long file, with the directives, are looked for in one octet of so many of a piece's length.
const FIRST_LINES_SHARE: usize = 4;
/// Octets of a file that are read at once to find where a piece may end.
const PROBE: usize = 4096;
/// Pieces that are read and wait to be taken, beside the one that each core has at hand: more of them take more memory.
const READ_AHEAD: usize = 2;
/// A stretch of so many pieces' length in which nothing looks like a record's first line is no piece: it would take its length in memory.
const STRETCH: usize = 8;
/// How often in a row it may be tried in vain to read pieces.
const TRIES: u32 = 4;
/// To look for the ends of pieces in so many octets takes as long as to read one.
const LOOKED_AT: usize = 16;

impl Way {
    /// The usual one.
    pub(super) fn of(options: &Options) -> Way {
        let piece = (options.text_octets_max / PIECES_MAX as u64).max(PIECE);
        let piece = usize::try_from(piece).unwrap_or(usize::MAX / 2);
        Way { piece, first_lines: piece / FIRST_LINES_SHARE, probe: PROBE, knows_plain: true }
    }

    /// Whether a text of so many octets is read in pieces: on one core too, for the windows, and the name servers that delegations have in common.
    pub(super) fn is_in_pieces(&self, text_octets: usize) -> bool {
        text_octets / 2 >= self.piece
    }
}

/// When the text of a file is read in pieces.
pub(super) struct Pieces {
    way: Way,
    /// The offset from which on pieces are tried next.
    next_at: usize,
    tries_left: u32,
}

impl Pieces {
    /// For a text of so many octets.
    pub(super) fn new(way: Way, text_octets: usize) -> Pieces {
        let next_at = if way.is_in_pieces(text_octets) { way.piece / HEAD_SHARE } else { usize::MAX };
        Pieces { way, next_at, tries_left: TRIES }
    }

    /// The first lines of a file, behind some of which its pieces begin.
    pub(super) fn first_lines(&self, opened: &Opened) -> io::Result<Vec<u8>> {
        let mut lines = Vec::new();
        opened.read_window(0..opened.octets.min(self.way.first_lines), &mut lines)?;
        lines.truncate(lines.iter().rposition(|&octet| octet == b'\n').map_or(0, |at| at + 1));
        Ok(lines)
    }

    /// Whether pieces may be read from offset `at` on, where an entry starts.
    #[inline]
    pub(super) fn are_due(&self, text: &[u8], at: usize) -> bool {
        at >= self.next_at && text.get(at).is_some_and(|&octet| starts_word(octet))
    }

    /// Where the next pieces are tried, after some were read up to `at`, for which so many octets were looked at: not before as much has been
    /// read, as whoever writes a text of long comments must not have all of it looked at again and again.
    fn go_on(&mut self, at: usize, text_octets: usize, went_well: bool, looked_at: usize) {
        self.tries_left = if went_well { TRIES } else { self.tries_left - 1 };
        let is_worth_it = self.tries_left > 0 && text_octets - at >= 2 * self.way.piece;
        self.next_at = if is_worth_it { at + self.way.piece.max(looked_at / LOOKED_AT) } else { usize::MAX };
    }

    /// Where the pieces lie from `at` on: one after the other up to the end, or up to a stretch that is no piece. Gives, too, how many octets
    /// were looked at for that.
    fn cut(&self, source: Source, at: usize) -> (Vec<Range<usize>>, usize) {
        let (mut ranges, mut looked_at) = (Vec::new(), 0);
        let mut start = at;
        let mut aim = at + self.way.piece;
        while aim < source.octets() {
            let next_aim = source.octets().min(aim + self.way.piece);
            let end = source.line_within(aim..next_aim, self.way.probe);
            looked_at += end.unwrap_or(next_aim) - aim;
            if let Some(end) = end {
                ranges.push(start..end);
                start = end;
            } else if next_aim - start > STRETCH * self.way.piece {
                return (ranges, looked_at);
            }
            aim = next_aim;
        }
        ranges.push(start..source.octets());
        (ranges, looked_at)
    }
}

/// Where pieces are read from.
#[derive(Clone, Copy)]
pub(super) enum Source<'t> {
    /// A text in memory.
    Text(&'t [u8]),
    /// A file.
    File(&'t Opened),
}

impl Source<'_> {
    fn octets(self) -> usize {
        match self {
            Source::Text(text) => text.len(),
            Source::File(opened) => opened.octets,
        }
    }

    /// The first place in this range, which is not the text's start, where a line begins with a word. Of a file so many octets are read at once.
    fn line_within(self, range: Range<usize>, probe: usize) -> Option<usize> {
        let first = |text: &[u8]| text.windows(2).position(|pair| pair[0] == b'\n' && starts_word(pair[1]));
        match self {
            Source::Text(text) => Some(range.start + first(&text[range.start - 1..range.end])?),
            Source::File(opened) => {
                let mut window = Vec::new();
                range.clone().step_by(probe).find_map(|from| {
                    opened.read_window(from - 1..range.end.min(from + probe), &mut window).ok()?;
                    Some(from + first(&window)?)
                })
            }
        }
    }

    /// Reads the piece at this range. That of a file lies alone in `window`: so an entry that goes on behind its end is not closed there, and
    /// the piece is given up.
    fn read(self, start: Start, range: Range<usize>, records: &mut Records, window: &mut Vec<u8>) -> Option<Piece> {
        match self {
            Source::Text(text) => Piece::read(start, text, range, records),
            Source::File(opened) => {
                opened.read_window(range.clone(), window).ok()?;
                let piece = Piece::read(start, window, 0..window.len(), records)?;
                Some(Piece { end: range.start + piece.end, ..piece })
            }
        }
    }
}

/// What a piece is read with.
#[derive(Clone)]
pub(super) struct Start<'o> {
    pub(super) apex: &'o Name,
    pub(super) options: &'o Options,
    pub(super) way: Way,
    pub(super) file: u16,
    pub(super) origin: NameBuf,
    pub(super) origin_in_zone: bool,
    pub(super) ttl_default: Option<u32>,
}

/// What was read of a piece, beside its records.
pub(super) struct Piece {
    /// Of the last record.
    pub(super) owner: NameBuf,
    /// Of the last record that states one.
    pub(super) ttl_last: Option<u32>,
    /// Lines, and the offset behind them.
    pub(super) lines: u32,
    pub(super) end: usize,
}

impl Piece {
    /// Reads the entries that start in `range`. `None`: the piece is given up.
    fn read(start: Start, text: &[u8], range: Range<usize>, records: &mut Records) -> Option<Piece> {
        let file = start.file;
        let mut reader = Reader::of_piece(start, std::mem::take(records));
        let mut lexer = Lexer::starting_at(text, range.start);
        let mut is_right = true;
        while is_right && lexer.position().1 < range.end {
            let (line, at) = lexer.position();
            is_right = reader.entry(&mut lexer, Entry { file, line, at, text }).is_ok();
            if !lexer.finish_entry() {
                break;
            }
        }
        let piece = reader.piece(lexer.position()).filter(|_| is_right);
        *records = reader.records;
        piece
    }
}

/// How far the pieces are taken.
#[derive(Default)]
struct Progress {
    taken: Mutex<Taken>,
    moved: Condvar,
}

#[derive(Default)]
struct Taken {
    pieces: usize,
    /// No more are taken.
    is_over: bool,
    /// The memory of pieces that were taken, for those that are read next: the kernel clears what it gives anew.
    spares: Vec<Records>,
}

impl Progress {
    /// Waits until this piece is one of the next few. Gives memory for it, if there is some; `None`: nobody wants it.
    fn wait_for(&self, number: usize, ahead_max: usize) -> Option<Option<Records>> {
        let far = |taken: &mut Taken| !taken.is_over && number >= taken.pieces + ahead_max;
        let taken = self.taken.lock().expect("nobody panics");
        let mut taken = self.moved.wait_while(taken, far).expect("nobody panics");
        (!taken.is_over).then(|| taken.spares.pop())
    }

    /// One more was taken.
    fn took(&self, mut records: Records) {
        records.clear();
        let mut taken = self.taken.lock().expect("nobody panics");
        taken.pieces += 1;
        taken.spares.push(records);
        self.moved.notify_all();
    }

    fn end(&self) {
        // Also when somebody has panicked: who waits is to see the end.
        self.taken.lock().unwrap_or_else(PoisonError::into_inner).is_over = true;
        self.moved.notify_all();
    }
}

/// Ends it when it is dropped: whoever takes or reads pieces may panic, and nobody is to wait for that.
struct EndOf<'p>(&'p Progress);

impl Drop for EndOf<'_> {
    fn drop(&mut self) {
        self.0.end();
    }
}

impl Reader<'_> {
    /// Reads pieces from where the lexer stands, as far as that goes well. It then stands where an entry starts, or at the end.
    pub(super) fn read_pieces(&mut self, pieces: &mut Pieces, lexer: &mut Lexer, file: u16, source: Source) {
        let at = lexer.position().1;
        self.records.expect_text(source.octets() - at);
        let (ranges, looked_at) = pieces.cut(source, at);
        let cores = self.options.cores.min(ranges.len());
        let start = self.start_of_pieces(file);
        let (next, progress) = (AtomicUsize::new(0), Progress::default());
        let work = |done: mpsc::Sender<_>, mut pool: Pool| {
            let mut window = Vec::new();
            let end_of_panic = EndOf(&progress);
            loop {
                let number = next.fetch_add(1, Ordering::Relaxed);
                let Some(range) = ranges.get(number) else { break };
                let Some(spare) = progress.wait_for(number, cores + READ_AHEAD) else { break };
                let mut records = spare.unwrap_or_else(|| Records::for_text(range.len()));
                let piece = source.read(start.clone(), range.clone(), &mut records, &mut window);
                if piece.is_some() {
                    records.find_servers(&mut pool);
                }
                if done.send((number, piece.map(|piece| (piece, records)))).is_err() {
                    break;
                }
            }
            // It went well: whoever takes the pieces knows when they end.
            std::mem::forget(end_of_panic);
            pool
        };
        let mut pools = std::mem::take(self.records.pools());
        let taken = std::thread::scope(|scope| {
            let (done, read) = mpsc::channel();
            let end = EndOf(&progress);
            pools.extend((pools.len()..cores).map(|number| Pool::new(number as u16)));
            let lend = |pool| {
                let (work, done) = (&work, done.clone());
                scope.spawn(move || work(done, pool))
            };
            let threads: Vec<_> = pools.drain(..cores).map(lend).collect();
            drop(done);
            let taken = self.take_pieces(lexer, &ranges, &read, &progress);
            drop(end);
            let lent = threads.into_iter().map(|thread| thread.join().unwrap_or_else(|panic| resume_unwind(panic)));
            pools.splice(..0, lent.collect::<Vec<_>>());
            taken
        });
        *self.records.pools() = pools;
        pieces.go_on(lexer.position().1, source.octets(), taken > cores, looked_at);
    }

    /// Takes the pieces in the order of the text, until there are no more or one can't be taken. Gives how many it took.
    fn take_pieces(
        &mut self,
        lexer: &mut Lexer,
        ranges: &[Range<usize>],
        read: &mpsc::Receiver<(usize, Option<(Piece, Records)>)>,
        progress: &Progress,
    ) -> usize {
        let mut early = HashMap::new();
        for (number, range) in ranges.iter().enumerate() {
            let piece = loop {
                if let Some(piece) = early.remove(&number) {
                    break piece;
                }
                // Whoever reads pieces has panicked.
                let Ok((number, piece)) = read.recv() else { return number };
                early.insert(number, piece);
            };
            let Some((piece, records)) = piece else { return number };
            self.take(&piece, &records, lexer);
            progress.took(records);
            if piece.end != range.end {
                // The next piece starts within an entry.
                return number + 1;
            }
        }
        ranges.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nobody_waits_for_one_who_panicked() {
        let progress = Progress::default();
        std::thread::scope(|scope| {
            let waits = scope.spawn(|| progress.wait_for(7, 2).is_none());
            let panics = scope.spawn(|| {
                let _end = EndOf(&progress);
                let _held = progress.taken.lock();
                panic!("as it is held");
            });
            assert!(panics.join().is_err());
            // The lock is poisoned: who waits sees the end, or that.
            assert!(waits.join().unwrap_or(true));
        });
    }
}
