//! The settings of who publishes, `publish.toml`: beside the zones, so that they are reviewed and go back with them.
//!
//! Keys at the top are for all channels; those of a table `[channel.NAME]` go before them in that channel.

use super::document::{self, Fault, Keys, Read, Value, duration, integer, list, percent, string, table};
use super::{ConfigError, faultless, read_text};
use crate::sync::channel::Channel;
use crate::sync::publish::guard::{Guard, Settings};
use crate::sync::publish::serials::Serials;
use crate::sync::publish::wave::{self, DEADLINE_MAX, SOAK_MAX};
use crate::zone::library::PUBLISH_SETTINGS;
use clap::ValueEnum;
use std::io::ErrorKind;
use std::path::Path;
use std::str::FromStr;
use std::time::Duration;
use toml::de::DeTable;

/// How a channel is published to.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct PublishSettings {
    /// What guards object to.
    pub guards: Settings,
    /// How zones come by their serials.
    pub serials: Serials,
    /// On which nodes a release is tried first.
    pub waves: wave::Settings,
}

/// What `canary` says to undo what the common table says.
pub const NO_CANARY: &str = "none";

/// Reads those of a channel from the zones' directory; the defaults, if it has none.
pub fn load(directory: &Path, channel: &Channel) -> Result<PublishSettings, ConfigError> {
    let path = directory.join(PUBLISH_SETTINGS);
    match path.symlink_metadata() {
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(PublishSettings::default()),
        // What is there must be read: guards that are off by accident guard nothing.
        _ => parse(&path, &read_text(&path)?, channel),
    }
}

/// Reads those of a channel from text; `path` is for messages. The tables of other channels are checked too.
pub fn parse(path: &Path, text: &str, channel: &Channel) -> Result<PublishSettings, ConfigError> {
    let (document, mut faults) = document::parse(text);
    let settings = read(document, channel, &mut faults);
    faultless(path, text, faults).map(|()| settings)
}

fn read(document: DeTable<'_>, channel: &Channel, faults: &mut Vec<Fault>) -> PublishSettings {
    let mut settings = PublishSettings::default();
    let mut keys = Keys::new(document, faults);
    settings.take(&mut keys);
    let channels = keys.read("channel", table).unwrap_or_default();
    keys.finish();
    let common = settings.clone();
    for (name, value) in channels {
        let of: Result<Channel, _> = name.get_ref().parse();
        if let Err(error) = &of {
            let message = format!("`{}` is no channel: {error}", name.get_ref());
            faults.push(Fault::new(
                name.span(),
                message,
                "write the name that is published to, such as [channel.prod]",
            ));
        }
        match table(value) {
            Err(more) => faults.extend(more),
            Ok(own) => {
                let mut found = common.clone();
                let mut keys = Keys::new(own, faults);
                found.take(&mut keys);
                keys.finish();
                if of.as_ref() == Ok(channel) {
                    settings = found;
                }
            }
        }
    }
    settings
}

impl PublishSettings {
    /// Takes the keys that are there in place of what it has.
    fn take(&mut self, keys: &mut Keys) {
        let PublishSettings { guards, serials, waves } = self;
        let mut set = |key, field: &mut u8| *field = keys.read(key, integer(0..=100)).unwrap_or(*field);
        set("zone-share-max", &mut guards.zone_share_max);
        set("zones-share-max", &mut guards.zones_share_max);
        let mut set = |key, field: &mut u32, max| *field = keys.read(key, integer(0..=max)).unwrap_or(*field);
        set("signature-days-min", &mut guards.signature_days_min, 365);
        set("ttl-secs-max", &mut guards.ttl_secs_max, i32::MAX as u32);
        guards.answers_share_max = keys.read("answers-share-max", percent).unwrap_or(guards.answers_share_max);
        let mut set = |key, field: &mut u64| *field = keys.read(key, integer(0..=i64::MAX as u64)).unwrap_or(*field);
        set("zone-records-min", &mut guards.zone_records_min);
        set("zones-min", &mut guards.zones_min);
        *serials = keys.read("serial", choice("serial")).unwrap_or(*serials);
        if let Some(allow) = keys.read("allow", list(choice::<Guard>("guard"))) {
            guards.allow = allow.into_iter().collect();
        }
        if let Some(table) = keys.read("waves", table) {
            let mut faults = Vec::new();
            let mut of_waves = Keys::new(table, &mut faults);
            take_waves(waves, &mut of_waves);
            of_waves.finish();
            faults.into_iter().for_each(|fault| keys.fault(fault));
        }
    }
}

fn take_waves(waves: &mut wave::Settings, keys: &mut Keys) {
    const SECOND: Duration = Duration::from_secs(1);
    let canary = |value: Value<'_>| match value.get_ref().as_str() {
        Some(NO_CANARY) => Ok(None),
        _ => written("write a share of the nodes or their names, such as \"10%\" or \"ams1,fra1\", or \"none\"")(value)
            .map(Some),
    };
    let share = || written("write a share in quotes, such as \"10%\"");
    waves.canary = keys.read("canary", canary).unwrap_or(waves.canary.take());
    waves.then = keys.read("then", list(share())).unwrap_or(std::mem::take(&mut waves.then));
    waves.soak = keys.read("soak", duration(SECOND..=SOAK_MAX)).unwrap_or(waves.soak);
    waves.deadline = keys.read("deadline", duration(SECOND..=DEADLINE_MAX)).or(waves.deadline);
    let limits = &mut waves.limits;
    limits.margin = keys.read("margin", share()).unwrap_or(limits.margin);
    limits.queries_min = keys.read("min-queries", integer(1..=i64::MAX as u64)).unwrap_or(limits.queries_min);
}

/// What the command line takes too.
fn written<T: FromStr<Err: std::fmt::Display>>(remedy: &'static str) -> impl Fn(Value<'_>) -> Read<T> {
    move |value| {
        let at = value.span();
        let text = string(value)?;
        text.parse().map_err(|error| vec![Fault::new(at, format!("\"{text}\": {error}"), remedy)])
    }
}

/// One of the words that the command line takes too.
fn choice<T: ValueEnum>(what: &'static str) -> impl Fn(Value<'_>) -> Read<T> {
    move |value| {
        let at = value.span();
        let text = string(value)?;
        T::from_str(&text, false).map_err(|_| {
            let known = T::value_variants().iter().filter_map(ValueEnum::to_possible_value);
            let known: Vec<String> = known.map(|value| format!("\"{}\"", value.get_name())).collect();
            let message = format!("\"{text}\" is no {what}");
            vec![Fault::new(at, message, format!("write one of {}", known.join(", ")))]
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sync::publish::wave::judge::Limits;
    use crate::sync::publish::wave::share::Share;

    fn read(text: &str, channel: &str) -> Result<PublishSettings, String> {
        parse(Path::new("zones/publish.toml"), text, &channel.parse().unwrap()).map_err(|error| error.to_string())
    }

    #[test]
    fn a_channels_own_keys_go_first() {
        let text = "serial = \"date\"\nallow = [\"long-ttl\"]\nzone-share-max = 50\nzones-min = 3\n\
                    [channel.staging]\nallow = [\"zone-removal\", \"apex-ns\"]\nzone-share-max = 100\nttl-secs-max = 60\n\
                    [channel.prod]\nsignature-days-min = 7\nzones-share-max = 5\nzone-records-min = 9\nserial = \"keep\"\n\
                    answers-share-max = 2.5\n";
        let common =
            Settings { allow: [Guard::LongTtl].into(), zone_share_max: 50, zones_min: 3, ..Settings::default() };
        let expected = |serials, guards| Ok(PublishSettings { guards, serials, ..PublishSettings::default() });
        assert_eq!(read(text, "other"), expected(Serials::Date, common.clone()));
        let staging = Settings {
            allow: [Guard::ZoneRemoval, Guard::ApexNs].into(),
            zone_share_max: 100,
            ttl_secs_max: 60,
            ..common.clone()
        };
        assert_eq!(read(text, "staging"), expected(Serials::Date, staging));
        let prod = Settings {
            signature_days_min: 7,
            zones_share_max: 5,
            zone_records_min: 9,
            answers_share_max: 2_500,
            ..common
        };
        assert_eq!(read(text, "prod"), expected(Serials::Keep, prod));
        assert_eq!(read("", "prod"), Ok(PublishSettings::default()));
    }

    #[test]
    fn waves() {
        let text = "[waves]\ncanary = \"10%\"\nsoak = \"5m\"\nthen = [\"30%\", \"50%\"]\n\
                    [channel.prod.waves]\ncanary = \"ams1,fra1\"\nmargin = \"0.5%\"\nmin-queries = 1000\ndeadline = \"20m\"\n\
                    [channel.staging.waves]\ncanary = \"none\"\n";
        let minutes = |minutes: u64| Duration::from_secs(minutes * 60);
        let then = vec![Share::percent(30), Share::percent(50)];
        let common = wave::Settings {
            canary: Some("10%".parse().unwrap()),
            then,
            soak: minutes(5),
            ..wave::Settings::default()
        };
        assert_eq!(read(text, "other").unwrap().waves, common);
        assert_eq!(read(text, "staging").unwrap().waves, wave::Settings { canary: None, ..common.clone() });
        let prod = wave::Settings {
            canary: Some("ams1,fra1".parse().unwrap()),
            deadline: Some(minutes(20)),
            limits: Limits { margin: "0.5%".parse().unwrap(), queries_min: 1000 },
            ..common
        };
        assert_eq!(read(text, "prod").unwrap().waves, prod);
        assert_eq!(read("", "prod").unwrap().waves.canary, None);
    }

    #[test]
    fn faults_name_place_and_remedy() {
        for (text, parts) in [
            ("[waves]\ncanary = \"0%\"", ["\"0%\": give a share", ":2:10", "or \"none\""]),
            ("[waves]\nmargin = \"1\"", ["\"1\": a share is a number", ":2:10", "such as \"10%\""]),
            ("[waves]\nsoak = \"8h\"", ["\"8h\" is no time", ":2:8", "\"10s\""]),
            ("[channel.x.waves]\ncanry = 1", ["unknown key `canry`", ":2:1", "did you mean `canary`?"]),
            ("zone-share-mx = 5", ["unknown key `zone-share-mx`", ":1:1", "did you mean `zone-share-max`?"]),
            ("zone-share-max = 101", ["101 is out of bounds", ":1:18", "from 0 to 100"]),
            ("answers-share-max = 100.1", ["the share is out of bounds", ":1:21", "from 0 to 100, such as 0.1"]),
            ("answers-share-max = \"1\"", ["unexpected string", ":1:21", "such as 0.1"]),
            ("\nserial = \"up\"", ["\"up\" is no serial", ":2:10", "\"keep\", \"increment\", \"date\", \"unixtime\""]),
            ("allow = [\"all\"]", ["\"all\" is no guard", ":1:10", "\"check-error\", \"removed-key\""]),
            ("[channel.Prod]", ["`Prod` is no channel", ":1:10", "[channel.prod]"]),
            ("channel.other = 1", ["unexpected integer", ":1:17", "write a table"]),
            ("[channel.other]\nallowed = []", ["unknown key `allowed`", ":2:1", "did you mean `allow`?"]),
        ] {
            let message = read(text, "prod").unwrap_err();
            for part in parts {
                assert!(message.contains(part), "`{part}` is not in:\n{message}");
            }
        }
    }
}
