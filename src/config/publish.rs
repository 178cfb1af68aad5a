//! The settings of who publishes, `publish.toml`: beside the zones, so that they are reviewed and go back with them.
//!
//! Keys at the top are for all channels; those of a table `[channel.NAME]` go before them in that channel.

use super::document::{self, Fault, Keys, Read, Value, integer, list, percent, string, table};
use super::{ConfigError, faultless, read_text};
use crate::sync::channel::Channel;
use crate::sync::publish::guard::{Guard, Settings};
use crate::sync::publish::serials::Serials;
use crate::zone::library::PUBLISH_SETTINGS;
use clap::ValueEnum;
use std::io::ErrorKind;
use std::path::Path;
use toml::de::DeTable;

/// How a channel is published to.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct PublishSettings {
    /// What guards object to.
    pub guards: Settings,
    /// How zones come by their serials.
    pub serials: Serials,
}

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
        let PublishSettings { guards, serials } = self;
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
        let expected = |serials, guards| Ok(PublishSettings { guards, serials });
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
    fn faults_name_place_and_remedy() {
        for (text, parts) in [
            ("zone-share-mx = 5", ["unknown key `zone-share-mx`", ":1:1", "did you mean `zone-share-max`?"]),
            ("zone-share-max = 101", ["101 is out of bounds", ":1:18", "from 0 to 100"]),
            ("answers-share-max = 100.1", ["the share is out of bounds", ":1:21", "from 0 to 100, such as 0.1"]),
            ("answers-share-max = \"1\"", ["unexpected string", ":1:21", "such as 0.1"]),
            ("\nserial = \"up\"", ["\"up\" is no serial", ":2:10", "\"keep\", \"increment\", \"date\", \"unixtime\""]),
            ("allow = [\"all\"]", ["\"all\" is no guard", ":1:10", "\"check-error\", \"zone-removal\""]),
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
