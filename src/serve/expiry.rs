//! Zones whose signatures end soon: told in the log, until they have new ones. Metrics and `/zones` show the times of all.

use super::follow::now_secs;
use crate::calendar;
use crate::observe::view::View;
use crate::zone::set::Zones;
use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

/// How often zones are looked at.
const INTERVAL: Duration = Duration::from_secs(60);
/// A zone is told of again after so many seconds: a day.
const AGAIN_SECS: u64 = 86_400;
/// So many zones are named at a time; the others are counted.
const NAMED_MAX: usize = 20;

/// Looks, now and from time to time, until it is dropped.
pub async fn watch(view: Arc<View>) {
    let mut alarm = Alarm::default();
    let mut ticks = tokio::time::interval(INTERVAL);
    loop {
        ticks.tick().await;
        let now_secs = now_secs();
        for line in alarm.tell(ending_soon(&view.served.zones(), now_secs), now_secs) {
            tracing::warn!("{line}");
        }
    }
}

/// Zones with a signature that has ended or ends soon, and when the first one does.
fn ending_soon(zones: &Zones, now_secs: u64) -> Vec<(String, u32)> {
    let ending = zones.iter().filter_map(|zone| {
        let version = zone.version().filter(|version| version.ends_soon(now_secs))?;
        Some((zone.name().to_string(), version.signatures_end?))
    });
    ending.collect()
}

/// Which zones were told of, and when.
#[derive(Default)]
struct Alarm(HashMap<String, u64>);

impl Alarm {
    /// What is to be said of these zones, whose first signatures end then.
    fn tell(&mut self, mut zones: Vec<(String, u32)>, now_secs: u64) -> Vec<String> {
        let is_here: std::collections::HashSet<&str> = zones.iter().map(|(zone, _)| zone.as_str()).collect();
        self.0.retain(|zone, told| is_here.contains(zone.as_str()) && now_secs < *told + AGAIN_SECS);
        zones.retain(|(zone, _)| !self.0.contains_key(zone));
        self.0.extend(zones.iter().map(|(zone, _)| (zone.clone(), now_secs)));
        zones.sort_by(|a, b| (a.1, &a.0).cmp(&(b.1, &b.0)));
        let mut lines: Vec<String> = zones
            .iter()
            .take(NAMED_MAX)
            .map(|(zone, end)| {
                let (time, past) = (calendar::text((*end).into()), u64::from(*end) < now_secs);
                let what = if past { "a signature expired" } else { "a signature ends" };
                format!("zone {zone}: {what} at {time}: sign it again, and look why its signer did not")
            })
            .collect();
        if let Some(more @ 1..) = zones.len().checked_sub(NAMED_MAX) {
            lines.push(format!("and {more} more zones whose signatures end within 3 days"));
        }
        lines
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_zone_once_a_day_until_it_is_well() {
        let mut alarm = Alarm::default();
        let zones = || vec![("b.".to_owned(), 1_700_000_000), ("a.".to_owned(), 1_700_100_000)];
        assert_eq!(
            alarm.tell(zones(), 1_700_050_000),
            [
                "zone b.: a signature expired at 2023-11-14T22:13:20Z: sign it again, and look why its signer did not",
                "zone a.: a signature ends at 2023-11-16T02:00:00Z: sign it again, and look why its signer did not",
            ]
        );
        assert_eq!(alarm.tell(zones(), 1_700_050_060), [""; 0]);
        assert_eq!(alarm.tell(zones()[..1].to_vec(), 1_700_050_120), [""; 0]);
        // One that was well meanwhile is news.
        assert_eq!(alarm.tell(zones(), 1_700_050_180).len(), 1);
        assert_eq!(alarm.tell(zones(), 1_700_050_000 + AGAIN_SECS).len(), 1, "the other was told of later");
        let many = (0..25).map(|n| (format!("{n}.example."), 1_700_000_000)).collect();
        let lines = alarm.tell(many, 1_800_000_000);
        assert_eq!((lines.len(), lines[20].as_str()), (21, "and 5 more zones whose signatures end within 3 days"));
    }
}
