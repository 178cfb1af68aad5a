//! The table `[sync]`: which channel a node follows, and whom it believes.

use super::document::{
    Fault, Keys, Read, Value, boolean, duration, integer, list, path, placed, string, table as any_table, word,
};
use crate::sync::channel::{Channel, Generation};
use crate::sync::key::{KEY_FILE_MAX, PublicKey};
use crate::sync::key_set::{ROOTS_MAX, Roots};
use crate::sync::page::{IMAGE_MAX, ZONES_MAX};
use crate::sync::permit::Terms;
use crate::sync::report::Wave;
use crate::sync::store::address::Address;
use crate::sync::trust::Policy;
use std::io::Read as _;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// Where a node keeps what it has fetched when nobody says otherwise.
pub const DEFAULT_CACHE: &str = "/var/lib/catchment";
/// What `wave` can be.
const WAVES: &[(&str, Wave)] = &[("canary", Wave::Canary), ("main", Wave::Main), ("last", Wave::Last)];
/// Stores that can be named.
const STORES_MAX: usize = 16;
/// Nodes of a fleet.
const FLEET_MAX: u32 = 100_000;
/// Hundredths of a fleet that may be away: more than half would carry more than twice their traffic.
const SHARE_MAX: u8 = 50;

/// Following a channel.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SyncSettings {
    /// The stores, in the order in which they are tried.
    pub follow: Vec<Address>,
    /// Whom to believe, and how much.
    pub policy: Policy,
    /// The directory of what was fetched.
    pub cache: PathBuf,
    /// How often the node reports that nothing has changed.
    pub report_interval: Duration,
    /// Whether reports say what is asked most.
    pub questions: bool,
    /// A newer release that is known and not served for so long makes the node stale.
    pub stale_after: Duration,
    /// How many nodes may withdraw because they are stale; `None`: none.
    pub withdraw_stale: Option<Terms>,
    /// The head's age from which on there is an alarm.
    pub head_age_alarm: Duration,
    /// When the node is to take a release.
    pub wave: Wave,
    /// How long it runs behind; zero: not at all.
    pub delay: Duration,
}

/// Reads the table. `None`: something is missing or at fault, and `faults` says what.
pub(super) fn read(
    table: toml::de::DeTable<'_>,
    at: Range<usize>,
    base: &Path,
    faults: &mut Vec<Fault>,
) -> Option<SyncSettings> {
    const SECOND: Duration = Duration::from_secs(1);
    const HOUR: Duration = Duration::from_secs(3600);
    const MONTH: Duration = Duration::from_secs(30 * 24 * 3600);
    let mut keys = Keys::new(table, faults);
    let follow = keys.require("follow", at.clone(), placed(|value| list(store(base))(value)));
    let channel = keys.require("channel", at.clone(), channel);
    let roots = keys.require("root-keys", at.clone(), placed(|value| list(root_key(base))(value)));
    let threshold = keys.read("root-threshold", placed(integer(1..=ROOTS_MAX as u8)));
    let min_generation = keys.read("min-generation", generation).unwrap_or_default();
    let cache = keys.read("cache", path(base)).unwrap_or_else(|| DEFAULT_CACHE.into());
    let zones_max = keys.read("zones-max", integer(1..=ZONES_MAX)).unwrap_or(1_000_000);
    let octets_max = keys.read("octets-max", integer(1..=IMAGE_MAX)).unwrap_or(64 << 30);
    let report_interval = keys.read("report-interval", duration(SECOND..=HOUR)).unwrap_or(30 * SECOND);
    let questions = keys.read("questions", boolean).unwrap_or(true);
    let stale_after = keys.read("stale-after", duration(SECOND..=24 * HOUR)).unwrap_or(60 * SECOND);
    let head_age_alarm = keys.read("head-age-alarm", duration(SECOND..=MONTH)).unwrap_or(24 * HOUR);
    let terms = keys.read("withdraw-stale", placed(any_table));
    let wave = keys.read("wave", word(WAVES)).unwrap_or_default();
    let delay = keys.read("delay", duration(Duration::ZERO..=7 * 24 * HOUR)).unwrap_or_default();
    keys.finish();
    let withdraw_stale = terms.and_then(|(table, at)| Some((terms_of(table, at.clone(), faults)?, at)));

    let (follow, follow_at) = follow?;
    if follow.is_empty() || follow.len() > STORES_MAX {
        let message = format!("`follow` names {} stores", follow.len());
        faults.push(Fault::new(follow_at, message, format!("write 1 to {STORES_MAX}, the best first")));
        return None;
    }
    let quorums = follow.iter().filter(|address| matches!(address, Address::Etcd(_))).count();
    if let (Some((_, at)), 0 | 2..) = (&withdraw_stale, quorums) {
        let (message, remedy) = match quorums {
            0 => (
                "`withdraw-stale` without a store in etcd: no permit could ever be given",
                "follow etcd://..., whose quorum can count, or remove `withdraw-stale`: stale nodes then stay announced",
            ),
            _ => ("`withdraw-stale` with two stores in etcd: the permits of both would add up", "follow one of them"),
        };
        faults.push(Fault::new(at.clone(), message, remedy));
        return None;
    }
    let withdraw_stale = withdraw_stale.map(|(terms, _)| terms);
    let ((roots, roots_at), channel) = (roots?, channel?);
    let (threshold, threshold_at) = threshold.unwrap_or((1, roots_at.clone()));
    if usize::from(threshold) > roots.len() && !roots.is_empty() {
        let message = format!("{threshold} of {} root keys can't sign", roots.len());
        faults.push(Fault::new(threshold_at, message, "lower `root-threshold`, or add keys to `root-keys`"));
        return None;
    }
    let roots = match Roots::new(roots, threshold) {
        Ok(roots) => roots,
        Err(error) => {
            let remedy = format!("write 1 to {ROOTS_MAX} different public keys");
            faults.push(Fault::new(roots_at, format!("`root-keys`: {error}"), remedy));
            return None;
        }
    };
    let policy = Policy { roots, channel, min_generation, zones_max, octets_max };
    Some(SyncSettings {
        follow,
        policy,
        cache,
        report_interval,
        questions,
        stale_after,
        withdraw_stale,
        head_age_alarm,
        wave,
        delay,
    })
}

/// How many nodes may withdraw.
fn terms_of(table: toml::de::DeTable<'_>, at: Range<usize>, faults: &mut Vec<Fault>) -> Option<Terms> {
    let mut keys = Keys::new(table, faults);
    let fleet = keys.require("fleet", at.clone(), integer(1..=FLEET_MAX));
    let share_percent = keys.require("share", at, share);
    keys.finish();
    Some(Terms { fleet: fleet?, share_percent: share_percent? })
}

/// Hundredths of a fleet.
fn share(value: Value<'_>) -> Read<u8> {
    let at = value.span();
    let text = string(value)?;
    match text.strip_suffix('%').and_then(|number| number.parse().ok()) {
        Some(percent @ 1..=SHARE_MAX) => Ok(percent),
        _ => {
            let message = format!("\"{text}\" is no share of a fleet that may be missing");
            let remedy = format!("write \"1%\" to \"{SHARE_MAX}%\", such as \"10%\"");
            Err(vec![Fault::new(at, message, remedy)])
        }
    }
}

/// A store's address; a directory that is relative starts at `base`.
fn store(base: &Path) -> impl Fn(Value<'_>) -> Read<Address> {
    move |value| {
        let at = value.span();
        let text = string(value)?;
        match text.parse() {
            Ok(Address::Dir(path)) => Ok(Address::Dir(base.join(path))),
            Ok(address) => Ok(address),
            Err(error) => Err(vec![Fault::new(
                at,
                format!("\"{text}\" is no store: {error}"),
                "write a store as `catchment publish --to` takes it, such as \"dir:/srv/catchment\"",
            )]),
        }
    }
}

fn channel(value: Value<'_>) -> Read<Channel> {
    let at = value.span();
    let text = string(value)?;
    text.parse().map_err(|error| {
        let remedy = "write the name that releases are published to, such as \"prod\"";
        vec![Fault::new(at, format!("\"{text}\" is no channel: {error}"), remedy)]
    })
}

fn generation(value: Value<'_>) -> Read<Generation> {
    let at = value.span();
    let text = string(value)?;
    text.parse().map_err(|error| {
        let remedy = "write it in quotes as `catchment releases` shows it, such as \"1.42\"";
        vec![Fault::new(at, format!("\"{text}\": {error}"), remedy)]
    })
}

/// A public key: its text, or the path of its file.
fn root_key(base: &Path) -> impl Fn(Value<'_>) -> Read<PublicKey> {
    move |value| {
        let at = value.span();
        let text = string(value)?;
        let fault = |message: String| {
            let remedy =
                "write the text of a public root key, \"ed25519:...\", or the path of the file that keygen wrote";
            vec![Fault::new(at.clone(), message, remedy)]
        };
        if text.starts_with("ed25519") {
            return PublicKey::from_text(&text, "root-keys").map_err(|error| fault(error.to_string()));
        }
        let path = base.join(&text);
        let content = read_key(&path).map_err(|error| fault(format!("{}: {error}", path.display())))?;
        PublicKey::from_text(&content, &path.display().to_string()).map_err(|error| fault(error.to_string()))
    }
}

/// A key file's text, and an octet more than it may have, so that what is longer is seen to be.
fn read_key(path: &Path) -> std::io::Result<String> {
    let mut text = String::new();
    std::fs::File::open(path)?.take(KEY_FILE_MAX as u64 + 1).read_to_string(&mut text)?;
    Ok(text)
}

#[cfg(test)]
mod tests {
    use super::super::{Config, parse};
    use super::*;

    const KEY: &str = "ed25519:3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c";

    fn read(text: &str) -> Result<Config, String> {
        let text = text.replace("KEY", KEY);
        parse(Path::new("/etc/c/catchment.toml"), &text).map_err(|error| error.to_string())
    }

    #[test]
    fn the_least_and_the_most() {
        let least = "[sync]\nfollow = [\"dir:store\"]\nchannel = \"prod\"\nroot-keys = [\"KEY\"]\n";
        let sync = read(least).unwrap().sync.unwrap();
        assert_eq!(sync.follow, [Address::Dir("/etc/c/store".into())]);
        assert_eq!(sync.cache, Path::new(DEFAULT_CACHE));
        assert_eq!((sync.policy.zones_max, sync.policy.min_generation), (1_000_000, Generation::default()));
        assert!(sync.questions);
        assert_eq!((sync.wave, sync.delay), (Wave::Main, Duration::ZERO));
        let most = format!(
            "{least}min-generation = \"2.7\"\ncache = \"c\"\nzones-max = 5\noctets-max = 6\nreport-interval = \"5s\"\nquestions = false\n\
             stale-after = \"9s\"\nhead-age-alarm = \"10m\"\nroot-threshold = 1\n\
             wave = \"last\"\ndelay = \"10m\"\n"
        );
        let sync = read(&most).unwrap().sync.unwrap();
        assert_eq!(sync.cache, Path::new("/etc/c/c"));
        assert_eq!((sync.policy.zones_max, sync.policy.octets_max, sync.questions), (5, 6, false));
        assert_eq!(sync.policy.min_generation, Generation { key_set: 2, counter: 7 });
        assert_eq!(sync.head_age_alarm, Duration::from_secs(600));
        assert_eq!((sync.wave, sync.delay), (Wave::Last, Duration::from_secs(600)));
        assert_eq!(sync.withdraw_stale, None);
    }

    #[test]
    fn who_may_withdraw_for_staleness() {
        let with = |follow: &str, terms: &str| {
            read(&format!(
                "[sync]\nfollow = [{follow}]\nchannel = \"prod\"\nroot-keys = [\"KEY\"]\nwithdraw-stale = {terms}\n"
            ))
        };
        let etcd = "\"etcd://a:2379?blobs=dir:/b\", \"dir:/b\"";
        let terms = with(etcd, "{ fleet = 20, share = \"10%\" }").unwrap().sync.unwrap().withdraw_stale.unwrap();
        assert_eq!((terms, terms.slots()), (Terms { fleet: 20, share_percent: 10 }, 2));
        let good = "{ fleet = 20, share = \"10%\" }";
        for (follow, terms, parts) in [
            ("\"dir:/b\"", good, ["without a store in etcd: no permit could ever be given", ":5:18", "follow etcd://"]),
            (
                "\"etcd://a:1?blobs=dir:/b\", \"etcd://b:1?blobs=dir:/b\"",
                good,
                ["two stores in etcd", ":5:18", "follow one of them"],
            ),
            (etcd, "{ fleet = 20 }", ["`share` is missing", ":5:18", "add a line"]),
            (etcd, "{ fleet = 0, share = \"10%\" }", ["0 is out of bounds", ":5:28", "from 1 to 100000"]),
            (etcd, "{ fleet = 20, share = \"60%\" }", ["\"60%\" is no share", ":5:40", "\"1%\" to \"50%\""]),
            (etcd, "{ fleet = 20, share = \"10\" }", ["\"10\" is no share", ":5:40", "such as \"10%\""]),
            (etcd, "{ fleets = 20, share = \"10%\" }", ["unknown key `fleets`", ":5:20", "did you mean `fleet`?"]),
        ] {
            let message = with(follow, terms).unwrap_err();
            for part in parts {
                assert!(message.contains(part), "`{part}` is not in:\n{message}");
            }
        }
    }

    #[test]
    fn faults_name_place_and_remedy() {
        let check = |text: &str, parts: &[&str]| {
            let message = read(text).unwrap_err();
            for part in parts {
                assert!(message.contains(part), "`{part}` is not in:\n{message}");
            }
        };
        check("[sync]\n", &["`follow` is missing", "`channel` is missing", "`root-keys` is missing", ":1:2"]);
        let rest = "channel = \"prod\"\nroot-keys = [\"KEY\"]\n";
        check(&format!("[sync]\nfollow = []\n{rest}"), &["`follow` names 0 stores", ":2:10", "write 1 to 16"]);
        check(&format!("[sync]\nfollow = [\"ftp://x\"]\n{rest}"), &["\"ftp://x\" is no store", ":2:11"]);
        let dir = "[sync]\nfollow = [\"dir:x\"]\n";
        check(&format!("{dir}channel = \"Prod\"\nroot-keys = [\"KEY\"]"), &["\"Prod\" is no channel", ":3:11"]);
        check(&format!("{dir}channel = \"p\"\nroot-keys = []"), &["`root-keys`: ", ":4:13", "write 1 to 16"]);
        check(&format!("{dir}channel = \"p\"\nroot-keys = [\"KEY\", \"KEY\"]"), &["`root-keys`: ", "different"]);
        check(
            &format!("{dir}channel = \"p\"\nroot-keys = [\"/nowhere/root.pub\"]"),
            &["/nowhere/root.pub: No such file", ":4:14", "the path of the file"],
        );
        check(&format!("{dir}channel = \"p\"\nroot-keys = [\"ed25519:00\"]"), &["64 hexadecimal digits", ":4:14"]);
        check(&format!("{dir}{rest}root-threshold = 2"), &["2 of 1 root keys can't sign", ":5:18"]);
        check(&format!("{dir}{rest}min-generation = \"7\""), &["a generation is two numbers", ":5:18"]);
        check(&format!("{dir}{rest}wave = \"first\""), &["\"first\"", ":5:8", "canary", "main", "last"]);
        check(&format!("{dir}{rest}delay = \"8d\""), &[":5:9"]);
        check(&format!("{dir}{rest}cash = \"x\""), &["unknown key `cash`", "did you mean `cache`?"]);
    }
}
