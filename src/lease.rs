//! The lease: the server's short-lived word to its sidecar that it can answer. Messages and their reading; no I/O.
//!
//! A Unix stream socket carries lines of JSON both ways. The server sends a [`Lease`] every [`INTERVAL`], the sidecar a
//! [`Word`] when it changes, and at least each second.
//!
//! - A lease is as old as the older of its two stamps: when it was sent, and when the slowest worker last came round. It is
//!   valid for [`VALID`] from there. So a server that is gone, stopped or has one wedged worker ends it by doing nothing.
//! - Stamps are of the boot clock, which both sides read: a lease that waited in a buffer is old when it is read.
//! - Of a backlog only the newest counts. A lease sent in the future, or not after one that was seen, is ignored.
//!
//! Server and sidecar may be of different releases: fields that a reader does not know are ignored, and those that the writer
//! does not know have the value that changes nothing (0, false, empty).

use serde::{Deserialize, Serialize};
use std::time::Duration;

/// How often the server sends a lease.
pub const INTERVAL: Duration = Duration::from_millis(250);
/// How long a lease is valid, from the older of its stamps.
pub const VALID: Duration = Duration::from_millis(1500);
/// At least how often the sidecar sends its word.
pub const WORD_INTERVAL: Duration = Duration::from_secs(1);
/// Octets of a line; longer ones are skipped.
pub const LINE_LEN_MAX: usize = 4096;

/// What the server says.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Lease {
    /// Counts the leases of one server process, those included that a slow reader never got.
    pub seq: u64,
    /// When it was sent, boot clock.
    #[serde(with = "nanos")]
    pub sent: Duration,
    /// When the worker that has not come round for the longest last did, boot clock.
    #[serde(with = "nanos")]
    pub beat: Duration,
    /// The node's name.
    #[serde(default)]
    pub node: String,
    /// The counter of the generation that is served; 0 when zones come from files.
    #[serde(default)]
    pub generation: u64,
    /// Zones that are answered from, an older version included.
    #[serde(default)]
    pub zones: u64,
    /// Zones that can't be answered from.
    #[serde(default)]
    pub failed: u64,
    /// Queries answered since the server started.
    #[serde(default)]
    pub queries: u64,
    /// Queries answered in about the last second.
    #[serde(default)]
    pub qps: u64,
    /// Queries that the kernel dropped because a socket's buffer was full, since the server started.
    #[serde(default)]
    pub drops: u64,
    /// Whether a newer release that is meant for this node is known and not served.
    #[serde(default)]
    pub stale: bool,
    /// Whether the node runs behind on purpose, to be there if the others fail.
    #[serde(default)]
    pub standby: bool,
    /// Whether the server will end as soon as nothing is announced and nobody asks any more.
    #[serde(default)]
    pub stopping: bool,
    /// Whether an operator asked for traffic to be moved away.
    #[serde(default)]
    pub draining: bool,
    /// Until when the fleet can do without this node, boot clock: only until then may staleness withdraw. 0: it has no permit.
    #[serde(default, with = "nanos")]
    pub permit_until: Duration,
}

impl Lease {
    /// The time from which its age counts: the older of its stamps.
    pub fn stamp(&self) -> Duration {
        self.sent.min(self.beat)
    }

    /// Its age at `now`, boot clock.
    pub fn age(&self, now: Duration) -> Duration {
        now.saturating_sub(self.stamp())
    }

    /// The first moment at which it is no longer valid, boot clock.
    pub fn valid_until(&self) -> Duration {
        self.stamp().saturating_add(VALID)
    }

    /// Whether it is valid at `now`, boot clock.
    pub fn valid(&self, now: Duration) -> bool {
        now < self.valid_until()
    }

    /// Whether it tells at `now`, boot clock, of a permit to withdraw for staleness that is in force.
    pub fn permits(&self, now: Duration) -> bool {
        now < self.permit_until
    }

    /// Its line, with the newline.
    pub fn line(&self) -> Vec<u8> {
        line(self)
    }
}

/// What a sidecar says.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Word {
    /// The sidecar's name, for the server's log.
    #[serde(default)]
    pub name: String,
    /// Prefixes that it announces at the moment, to any router.
    #[serde(default)]
    pub announced: u64,
    /// Whether it has withdrawn everything and won't announce again before the lease asks for it: a server that is stopping
    /// waits for this.
    #[serde(default)]
    pub withdrawn: bool,
    /// Whether it would withdraw for staleness if it had a permit: else the server asks for none.
    #[serde(default)]
    pub wants_permit: bool,
}

impl Word {
    /// Its line, with the newline.
    pub fn line(&self) -> Vec<u8> {
        line(self)
    }
}

fn line(message: &impl Serialize) -> Vec<u8> {
    let mut line = serde_json::to_vec(message).expect("a message is numbers and strings");
    line.push(b'\n');
    line
}

/// Lines that are no lease, by why.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Ignored {
    /// No lease at all, or too long.
    pub unreadable: u64,
    /// Sent later than now: the clock is another one, or somebody made it up.
    pub future: u64,
    /// Sent no later than one that was seen.
    pub older: u64,
}

/// Reads leases from octets as they come. Outlives a connection: what was seen over the last one still counts.
#[derive(Debug, Default)]
pub struct Leases {
    lines: Lines,
    seen: Option<Duration>,
    ignored: Ignored,
}

impl Leases {
    /// Takes what was read at `now` (boot clock), and gives the newest lease that it completes.
    pub fn push(&mut self, now: Duration, octets: &[u8]) -> Option<Lease> {
        let mut newest = None;
        let Leases { lines, seen, ignored } = self;
        lines.push(octets, |line| match line.and_then(|line| serde_json::from_slice::<Lease>(line).ok()) {
            None => ignored.unreadable += 1,
            Some(lease) if lease.sent > now => ignored.future += 1,
            Some(lease) if seen.is_some_and(|seen| lease.sent <= seen) => ignored.older += 1,
            Some(lease) => {
                *seen = Some(lease.sent);
                newest = Some(lease);
            }
        });
        newest
    }

    /// A new connection begins: half a line of the last one is forgotten.
    pub fn reconnected(&mut self) {
        self.lines = Lines::default();
    }

    /// Lines that were ignored so far.
    pub fn ignored(&self) -> Ignored {
        self.ignored
    }
}

/// Reads words from octets as they come.
#[derive(Debug, Default)]
pub struct Words {
    lines: Lines,
}

impl Words {
    /// Takes what was read, and gives the newest word that it completes. Lines that are none are ignored.
    pub fn push(&mut self, octets: &[u8]) -> Option<Word> {
        let mut newest = None;
        self.lines.push(octets, |line| {
            if let Some(word) = line.and_then(|line| serde_json::from_slice(line).ok()) {
                newest = Some(word);
            }
        });
        newest
    }
}

/// Cuts a stream into lines. Holds at most [`LINE_LEN_MAX`] octets.
#[derive(Debug, Default)]
struct Lines {
    begun: Vec<u8>,
    /// The line that is coming in is too long: its rest is skipped.
    skipping: bool,
}

impl Lines {
    /// Calls `each` with every line that `octets` completes, without its newline; `None` for one that was too long.
    fn push(&mut self, mut octets: &[u8], mut each: impl FnMut(Option<&[u8]>)) {
        while let Some(end) = octets.iter().position(|octet| *octet == b'\n') {
            let (line, rest) = (&octets[..end], &octets[end + 1..]);
            self.extend(line);
            each((!self.skipping).then_some(&self.begun));
            self.begun.clear();
            self.skipping = false;
            octets = rest;
        }
        self.extend(octets);
    }

    fn extend(&mut self, part: &[u8]) {
        if self.skipping || self.begun.len() + part.len() > LINE_LEN_MAX {
            self.skipping = true;
            self.begun.clear();
        } else {
            self.begun.extend_from_slice(part);
        }
    }
}

/// A time as whole nanoseconds since boot: 64 bits are 584 years.
mod nanos {
    use serde::{Deserialize, Deserializer, Serializer};
    use std::time::Duration;

    pub(super) fn serialize<S: Serializer>(time: &Duration, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_u64(u64::try_from(time.as_nanos()).unwrap_or(u64::MAX))
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Duration, D::Error> {
        u64::deserialize(deserializer).map(Duration::from_nanos)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const NOW: Duration = Duration::from_secs(1000);

    fn ms(ms: u64) -> Duration {
        Duration::from_millis(ms)
    }

    fn sent(at: Duration) -> Lease {
        Lease { seq: 1, sent: at, beat: at, node: "ams1".into(), ..Lease::default() }
    }

    #[test]
    fn messages_are_written_as_documented() {
        let lease = Lease { seq: 7, queries: 12, stopping: true, ..sent(ms(1)) };
        assert_eq!(
            String::from_utf8(lease.line()).unwrap(),
            "{\"seq\":7,\"sent\":1000000,\"beat\":1000000,\"node\":\"ams1\",\"generation\":0,\"zones\":0,\"failed\":0,\
             \"queries\":12,\"qps\":0,\"drops\":0,\"stale\":false,\"standby\":false,\"stopping\":true,\"draining\":false,\"permit_until\":0}\n"
        );
        let word = Word { name: "ams1".into(), announced: 2, ..Word::default() };
        assert_eq!(
            String::from_utf8(word.line()).unwrap(),
            "{\"name\":\"ams1\",\"announced\":2,\"withdrawn\":false,\"wants_permit\":false}\n"
        );
    }

    #[test]
    fn the_older_stamp_decides() {
        let wedged = Lease { beat: NOW - ms(1000), ..sent(NOW) };
        assert_eq!(wedged.age(NOW), ms(1000));
        assert_eq!(wedged.valid_until(), NOW + ms(500));
        assert!(wedged.valid(NOW + ms(499)) && !wedged.valid(NOW + ms(500)));
        // The workers go on while the lease is written: a beat after the sending does not make it younger.
        let busy = Lease { beat: NOW + ms(1), ..sent(NOW) };
        assert_eq!(busy.valid_until(), NOW + VALID);
    }

    #[test]
    fn other_releases_are_understood() {
        let mut leases = Leases::default();
        let later = b"{\"seq\":1,\"sent\":5,\"beat\":4,\"region\":{\"name\":\"eu\"},\"zones\":3}\n";
        let expected = Lease {
            seq: 1,
            sent: Duration::from_nanos(5),
            beat: Duration::from_nanos(4),
            zones: 3,
            ..Lease::default()
        };
        assert_eq!(leases.push(NOW, later), Some(expected));
        // But without its stamps it is no lease.
        assert_eq!(leases.push(NOW, b"{\"seq\":2,\"sent\":6}\n"), None);
        assert_eq!(leases.ignored().unreadable, 1);
        assert_eq!(
            Words::default().push(b"{\"withdrawn\":true,\"x\":1}\n"),
            Some(Word { withdrawn: true, ..Word::default() })
        );
    }

    #[test]
    fn of_a_backlog_the_newest_counts() {
        let backlog: Vec<u8> = (1..=50).flat_map(|i| sent(ms(i)).line()).collect();
        assert_eq!(Leases::default().push(NOW, &backlog), Some(sent(ms(50))));
        let words: Vec<u8> = (1..=5).flat_map(|announced| Word { announced, ..Word::default() }.line()).collect();
        assert_eq!(Words::default().push(&words).unwrap().announced, 5);
    }

    #[test]
    fn a_lease_from_the_future_or_the_past_is_ignored() {
        let mut leases = Leases::default();
        assert_eq!(leases.push(NOW, &sent(NOW + ms(1)).line()), None);
        assert_eq!(leases.push(NOW, &sent(NOW).line()), Some(sent(NOW)));
        assert_eq!(leases.push(NOW + ms(5), &sent(NOW).line()), None, "a repetition");
        leases.reconnected();
        assert_eq!(leases.push(NOW + ms(5), &sent(NOW - ms(1)).line()), None, "older, over another connection");
        assert_eq!(leases.push(NOW + ms(5), &sent(NOW + ms(5)).line()), Some(sent(NOW + ms(5))));
        assert_eq!(leases.ignored(), Ignored { unreadable: 0, future: 1, older: 2 });
    }

    #[test]
    fn a_line_too_long_is_skipped_and_the_next_one_read() {
        let mut leases = Leases::default();
        for part in [&[b'x'; 3000][..], &[b'x'; 3000], &[b'\n'; 1]] {
            assert_eq!(leases.push(NOW, part), None);
            assert!(leases.lines.begun.capacity() <= 2 * LINE_LEN_MAX);
        }
        assert_eq!(leases.ignored().unreadable, 1);
        assert_eq!(leases.push(NOW, &sent(ms(1)).line()), Some(sent(ms(1))));
        // The longest name of a node, all of it escaped, fits.
        let named = Lease { node: "\u{1}".repeat(255), ..sent(ms(2)) };
        assert_eq!(leases.push(NOW, &named.line()), Some(named));
    }

    #[test]
    fn half_a_line_of_the_last_connection_is_forgotten() {
        let mut leases = Leases::default();
        assert_eq!(leases.push(NOW, &sent(ms(1)).line()[..20]), None);
        leases.reconnected();
        assert_eq!(leases.push(NOW, &sent(ms(2)).line()), Some(sent(ms(2))));
    }

    proptest! {
        #[test]
        fn how_a_stream_is_cut_changes_nothing(times in prop::collection::vec(0u64..2000, 1..20), cuts in prop::collection::vec(1usize..400, 1..40)) {
            let stream: Vec<u8> = times.iter().flat_map(|time| sent(ms(time * 1000)).line()).collect();
            let mut whole = Leases::default();
            let newest = whole.push(NOW, &stream);
            let mut parts = Leases::default();
            let mut last = None;
            let mut rest = &stream[..];
            for cut in cuts.iter().cycle() {
                if rest.is_empty() {
                    break;
                }
                let (part, after) = rest.split_at((*cut).min(rest.len()));
                last = parts.push(NOW, part).or(last);
                rest = after;
            }
            let expected = times.iter().copied().filter(|time| *time <= 1000).max().map(|time| sent(ms(time * 1000)));
            prop_assert_eq!(&newest, &expected);
            prop_assert_eq!(last, expected);
            prop_assert_eq!(whole.ignored(), parts.ignored());
        }
    }
}
