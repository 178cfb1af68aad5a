//! One probe's results in a row: rise and fall.

use crate::announce::Moment;
use crate::announce::settings::{Probe, Service};
use std::time::Duration;

/// How much longer than it should a result may take to come. Longer, and whatever asks has stopped asking.
const SLACK: Duration = Duration::from_secs(2);
/// Characters of what a result says that are kept.
const DETAIL_MAX: usize = 200;

/// What a probe's results say.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Health {
    /// Neither enough of them passed nor failed yet.
    Unknown,
    /// `rise` in a row passed, and since then never `fall` in a row failed.
    Passing,
    /// `fall` in a row failed, and since then never `rise` in a row passed.
    Failing,
}

/// How one probe ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Result {
    pub(super) at: Moment,
    pub(super) ok: bool,
    pub(super) latency: Duration,
    pub(super) detail: String,
}

/// The results of one probe at one address over one transport.
#[derive(Debug, Clone)]
pub(super) struct Check {
    rise: u32,
    fall: u32,
    /// `fall` probes, asked and given up.
    fall_time: Duration,
    health: Health,
    /// Results like the last one, without one of the other kind between.
    streak: u32,
    last: Option<Result>,
    passed: u64,
    failed: u64,
}

impl Check {
    pub(super) fn new(service: &Service, probe: &Probe) -> Check {
        let mut check = Check {
            rise: 0,
            fall: 0,
            fall_time: Duration::ZERO,
            health: Health::Unknown,
            streak: 0,
            last: None,
            passed: 0,
            failed: 0,
        };
        check.set(service, probe);
        check
    }

    /// Takes new counts and times; what is known stays.
    pub(super) fn set(&mut self, service: &Service, probe: &Probe) {
        self.rise = service.rise;
        self.fall = service.fall;
        self.fall_time = probe.interval.saturating_mul(service.fall).saturating_add(probe.timeout);
    }

    /// Forgets what the results said; they stay counted.
    pub(super) fn reset(&mut self) {
        *self = Check { health: Health::Unknown, streak: 0, last: None, ..*self };
    }

    /// A probe ended.
    pub(super) fn push(&mut self, mut result: Result) {
        self.refresh(result.at);
        if let Some((end, _)) = result.detail.char_indices().nth(DETAIL_MAX) {
            result.detail.truncate(end);
        }
        // In a row means without a gap as well.
        let patience = self.patience();
        let same =
            self.last.as_ref().is_some_and(|last| last.ok == result.ok && result.at < last.at.saturating_add(patience));
        self.streak = if same { self.streak.saturating_add(1) } else { 1 };
        *if result.ok { &mut self.passed } else { &mut self.failed } += 1;
        match result.ok {
            true if self.streak >= self.rise => self.health = Health::Passing,
            false if self.streak >= self.fall => self.health = Health::Failing,
            _ => {}
        }
        self.last = Some(result);
    }

    /// Time went on: a probe whose results stopped coming says nothing, and so does not pass any more.
    pub(super) fn refresh(&mut self, now: Moment) {
        if self.expires().is_some_and(|end| end <= now)
            && let Some(last) = &self.last
        {
            let detail = format!("no result for {:.1} s", now.saturating_sub(last.at).as_secs_f32());
            self.last = Some(Result { at: now, ok: false, latency: Duration::ZERO, detail });
            self.streak = 0;
            self.health = Health::Failing;
        }
    }

    /// When it no longer passes if no result comes.
    pub(super) fn expires(&self) -> Option<Moment> {
        let last = self.last.as_ref().filter(|_| self.health != Health::Failing)?;
        Some(last.at.saturating_add(self.patience()))
    }

    fn patience(&self) -> Duration {
        self.fall_time.saturating_add(SLACK)
    }

    pub(super) fn health(&self) -> Health {
        self.health
    }

    pub(super) fn fall_time(&self) -> Duration {
        self.fall_time
    }

    pub(super) fn streak(&self) -> u32 {
        self.streak
    }

    pub(super) fn passed(&self) -> u64 {
        self.passed
    }

    pub(super) fn failed(&self) -> u64 {
        self.failed
    }

    pub(super) fn last(&self) -> Option<&Result> {
        self.last.as_ref()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::announce::settings::{Overload, ProbeKind, Stale};

    const SECOND: Duration = Duration::from_secs(1);

    fn check(rise: u32, fall: u32) -> Check {
        let probe = Probe { interval: SECOND, timeout: SECOND / 2, kind: ProbeKind::Tcp { port: 80 } };
        let service = Service {
            name: "web".into(),
            addresses: vec!["192.0.2.1".parse().unwrap()],
            lease: false,
            overload: Overload::Absorb,
            stale: Stale::Depreference,
            rise,
            fall,
            probes: vec![probe.clone()],
        };
        Check::new(&service, &probe)
    }

    /// The health after each result, one a second: `+` passes, `-` fails.
    fn run(check: &mut Check, results: &str) -> String {
        let mut at = check.last().map_or(Duration::ZERO, |last| last.at);
        let mut seen = String::new();
        for result in results.chars() {
            at += SECOND;
            check.push(Result { at, ok: result == '+', latency: Duration::ZERO, detail: String::new() });
            seen.push(match check.health() {
                Health::Unknown => '?',
                Health::Passing => 'P',
                Health::Failing => 'F',
            });
        }
        seen
    }

    #[test]
    fn results_in_a_row_decide() {
        assert_eq!(run(&mut check(3, 3), "+++--+---++-+++"), "??PPPPPPFFFFFFP");
        assert_eq!(run(&mut check(1, 2), "--+-+--"), "?FPPPPF");
        assert_eq!(run(&mut check(2, 1), "+-++-"), "?FFPF");
        assert_eq!(run(&mut check(2, 3), "+--++"), "????P");
    }

    #[test]
    fn a_probe_whose_results_stop_coming_does_not_pass() {
        let mut check = check(3, 3);
        run(&mut check, "+++");
        // The last at 3 s; three probes of a second and half a second for the last, and the slack.
        assert_eq!(check.expires(), Some(Duration::from_millis(3000 + 3500 + 2000)));
        check.refresh(Duration::from_millis(8499));
        assert_eq!(check.health(), Health::Passing);
        check.refresh(Duration::from_millis(8500));
        assert_eq!(check.health(), Health::Failing);
        assert_eq!(check.last().unwrap().detail, "no result for 5.5 s");
        assert_eq!(check.expires(), None);
        assert_eq!(run(&mut check, "+++"), "FFP", "it has to rise again");
    }

    #[test]
    fn long_details_are_cut() {
        let mut check = check(1, 1);
        check.push(Result { at: SECOND, ok: false, latency: SECOND, detail: "\u{e9}".repeat(10_000) });
        assert_eq!(check.last().unwrap().detail, "\u{e9}".repeat(200));
    }
}
