//! What a node is asked most, for who publishes: which questions of which zone, and about how often.
//!
//! ```text
//! UDP workers: one of 64 queries -> a bounded queue each -> gather, once a second -> summary -> the node's report
//! ```
//!
//! A worker counts down to the next query that it notices; the gap is drawn anew each time, so that no client that asks by the clock is seen
//! always or never. To notice one is to copy its name into a queue that has room for it already, and to lose it if the queue is full.
//! Nothing waits, nothing is allocated.
//!
//! Who asks is not noticed, nor what the host asks itself, nor what comes over TCP: that is mostly what did not fit UDP before. Counts
//! are of queries, as far as samples tell, and halved every [`HALVED_EVERY`]: they are of the last half hour rather than of all time.

mod summary;

use crate::answer::{Outcome, Query};
use crate::sync::question::Traffic;
use crate::wire::name::{NAME_LEN_MAX, wire_len};
use crate::wire::query::HEADER_LEN;
use crate::zone::set::Zones;
use std::collections::HashSet;
use std::collections::hash_map::RandomState;
use std::hash::BuildHasher;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};
use summary::Summary;

/// One of so many queries is noticed, on average.
const ONE_OF: u64 = 64;
/// Samples of one worker that wait for the next gathering.
const WAITING_MAX: usize = 256;
/// How often samples are to be gathered.
pub const GATHERED_EVERY: Duration = Duration::from_secs(1);
/// How often all counts are halved.
pub const HALVED_EVERY: Duration = Duration::from_secs(15 * 60);
/// Octets of JSON that the questions of a report may take: half of what a report has.
const REPORTED_MAX: usize = 8 << 10;

/// A query that was noticed.
struct Sample {
    zone: u32,
    qtype: u16,
    len: u8,
    name: [u8; NAME_LEN_MAX],
}

/// A worker's end.
pub struct Sampler {
    /// Queries up to the next one that is noticed.
    until: u64,
    state: u64,
    samples: SyncSender<Sample>,
    /// Samples for which there was no room.
    lost: Arc<AtomicU64>,
}

/// Where the samples of all workers come together.
pub struct Questions(Mutex<Gathering>);

struct Gathering {
    inboxes: Vec<(Receiver<Sample>, Arc<AtomicU64>)>,
    summary: Summary,
    halved: Instant,
}

/// A sampler for each of so many workers, and where their samples come together.
pub fn samplers(workers: usize) -> (Vec<Sampler>, Questions) {
    let seeds = RandomState::new();
    let ends = (0..workers).map(|worker| {
        let (samples, inbox) = sync_channel(WAITING_MAX);
        let lost = Arc::new(AtomicU64::new(0));
        let sampler = Sampler { until: 1, state: seeds.hash_one(worker) | 1, samples, lost: Arc::clone(&lost) };
        (sampler, (inbox, lost))
    });
    let (samplers, inboxes) = ends.unzip();
    let gathering = Gathering { inboxes, summary: Summary::default(), halved: Instant::now() };
    (samplers, Questions(Mutex::new(gathering)))
}

impl Sampler {
    /// Counts a query. Whether it is one to be noticed: then it must be.
    #[inline]
    pub fn is_due(&mut self) -> bool {
        self.until -= 1;
        self.until == 0
    }

    /// Notices a query, if it asks another host's question about a zone of ours.
    #[cold]
    pub fn notice(&mut self, query: &Query, outcome: &Outcome) {
        self.until = self.gap();
        let (Some(zone), Ok(_)) = (outcome.zone, outcome.result) else { return };
        let question = query.packet.get(HEADER_LEN..).unwrap_or_default();
        let Some(wire) = wire_len(question).ok().and_then(|len| question.get(..len)) else { return };
        if query.from_this_host() {
            return;
        }
        let mut sample = Sample { zone, qtype: outcome.qtype, len: wire.len() as u8, name: [0; NAME_LEN_MAX] };
        sample.name[..wire.len()].copy_from_slice(wire);
        if self.samples.try_send(sample).is_err() {
            self.lost.fetch_add(1, Relaxed);
        }
    }

    /// From 1 to twice the average, each as likely.
    fn gap(&mut self) -> u64 {
        // Xorshift (Marsaglia, 2003): it need not be hard to guess.
        self.state ^= self.state << 13;
        self.state ^= self.state >> 7;
        self.state ^= self.state << 17;
        1 + self.state % (2 * ONE_OF - 1)
    }
}

impl Questions {
    /// Takes what workers have noticed. To be called every [`GATHERED_EVERY`].
    pub fn gather(&self, now: Instant) {
        let mut gathering = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let Gathering { inboxes, summary, halved } = &mut *gathering;
        for (inbox, lost) in inboxes {
            // Bounded: more than the queue has is for the next time.
            let samples: Vec<Sample> = inbox.try_iter().take(WAITING_MAX).collect();
            let taken = samples.len() as u64;
            // Those that were lost asked the same, as far as anybody knows.
            let stands_for = ONE_OF * (taken + lost.swap(0, Relaxed)) / taken.max(1);
            for Sample { zone, qtype, len, mut name } in samples {
                let name = &mut name[..usize::from(len)];
                // Octets of lengths are no letters.
                name.make_ascii_lowercase();
                summary.add(zone, name, qtype, stands_for);
            }
        }
        while now.saturating_duration_since(*halved) >= HALVED_EVERY {
            summary.halve();
            *halved += HALVED_EVERY;
        }
    }

    /// What is told of it: about those of these zones that a channel brings.
    pub fn traffic(&self, zones: &Zones) -> Traffic {
        let gathering = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let ids: HashSet<u32> = gathering.summary.zones().collect();
        let told = zones.iter().filter(|zone| ids.contains(&zone.id) && zone.channel().is_some());
        let told: HashSet<u32> = told.map(|zone| zone.id).collect();
        gathering.summary.traffic(|zone| told.contains(&zone), REPORTED_MAX)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::answer::Transport;
    use crate::sync::publish::plan::examples::image;
    use crate::zone::set::{Origin, Zone};

    const HIT: Outcome = Outcome { result: Ok(90), rcode: 0, qtype: 1, zone: Some(0), truncated: false };

    /// The message that asks for a name.
    fn packet(name: &str) -> Vec<u8> {
        let name: crate::wire::name::Name = name.parse().unwrap();
        [&[0; HEADER_LEN], name.as_wire(), &[0, 1, 0, 1]].concat()
    }

    /// Puts a query as a worker does.
    fn ask(sampler: &mut Sampler, packet: &[u8], peer: &str, outcome: &Outcome) {
        if sampler.is_due() {
            let local = "192.0.2.1".parse().unwrap();
            let peer = format!("{peer}:53").parse().unwrap();
            sampler.notice(&Query { packet, peer, local, transport: Transport::Udp, now_secs: 0 }, outcome);
        }
    }

    fn zones(origin: Origin) -> Zones {
        let content = image("a", "@ SOA ns h 1 1 1 1 1\n@ NS ns.x.\n").into();
        Zones::new([Zone { origin, ..Zone::new(0, content) }])
    }

    fn told(questions: &Questions) -> Vec<(String, u64)> {
        let traffic = questions.traffic(&zones(Origin::Channel("prod".into())));
        traffic.questions.iter().map(|(question, count)| (question.to_string(), count)).collect()
    }

    /// Clients that ask by the clock, at whatever period, are seen as often as they ask.
    #[test]
    fn periodic_traffic_does_not_alias() {
        for period in [2, 3, 63, 64, 65, 127, 128] {
            let (mut samplers, questions) = samplers(1);
            let (www, mail) = (packet("WWW.a"), packet("mail.a"));
            let queries = 400_000;
            for n in 0..queries {
                ask(&mut samplers[0], if n % period == 0 { &www } else { &mail }, "192.0.2.9", &HIT);
                if n % 4_096 == 0 {
                    questions.gather(Instant::now());
                }
            }
            questions.gather(Instant::now());
            let told = told(&questions);
            let [(ref a, www), (ref b, mail)] = told[..] else { panic!("{told:?}") };
            assert_eq!([a.as_str(), b], ["www.a. A", "mail.a. A"]);
            let share = www as f64 / (mail + www) as f64 * period as f64;
            assert!((0.5..1.6).contains(&share), "{period}: {share}");
            assert!((queries * 9 / 10..queries * 11 / 10).contains(&(mail + www)), "{}", mail + www);
        }
    }

    #[test]
    fn a_full_queue_loses_samples_and_not_their_weight() {
        let (mut samplers, questions) = samplers(2);
        let www = packet("www.a");
        for _ in 0..1_000_000 {
            ask(&mut samplers[1], &www, "192.0.2.9", &HIT);
        }
        questions.gather(Instant::now());
        let told = told(&questions);
        assert!(told.len() == 1 && (900_000..1_100_000).contains(&told[0].1), "{told:?}");
    }

    #[test]
    fn what_is_nobodys_question_is_not_noticed() {
        let (mut samplers, questions) = samplers(1);
        let (www, cut) = (packet("www.a"), packet("www.a")[..14].to_vec());
        for _ in 0..10_000 {
            ask(&mut samplers[0], &www, "192.0.2.1", &HIT);
            ask(&mut samplers[0], &www, "192.0.2.9", &Outcome { zone: None, ..HIT });
            ask(&mut samplers[0], &www, "192.0.2.9", &Outcome { result: Err(crate::answer::Drop::Short), ..HIT });
            ask(&mut samplers[0], &cut, "192.0.2.9", &HIT);
            ask(&mut samplers[0], b"", "192.0.2.9", &HIT);
        }
        questions.gather(Instant::now());
        assert_eq!(told(&questions), []);
    }

    #[test]
    fn of_the_channel_and_lately() {
        let (mut samplers, questions) = samplers(1);
        let www = packet("www.a");
        samplers[0].until = 1;
        ask(&mut samplers[0], &www, "192.0.2.9", &HIT);
        questions.gather(Instant::now());
        assert_eq!(told(&questions), [], "once may be one client's own");
        samplers[0].until = 1;
        ask(&mut samplers[0], &www, "192.0.2.9", &HIT);
        let began = Instant::now();
        questions.gather(began);
        assert_eq!(told(&questions), [("www.a. A".into(), 128)]);
        let of_file = questions.traffic(&zones(Origin::File(std::path::Path::new("a.zone").into())));
        assert_eq!(of_file, Traffic::default(), "a zone of this node alone is nobody else's business");
        assert_eq!(questions.traffic(&Zones::default()), Traffic::default(), "a zone that is gone");
        questions.gather(began + 2 * HALVED_EVERY + Duration::from_secs(1));
        assert_eq!(told(&questions), [("www.a. A".into(), 32)]);
        questions.gather(began + 9 * HALVED_EVERY);
        assert_eq!(told(&questions), []);
    }
}
