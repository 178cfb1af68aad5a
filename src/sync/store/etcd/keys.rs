//! Where everything lies in etcd.
//!
//! ```text
//! PREFIX/channels/CHANNEL/state              the channel's state
//! PREFIX/channels/CHANNEL/keys/VERSION       a key set; ten digits, so that keys sort as versions do
//! PREFIX/channels/CHANNEL/nodes/HEX          a node's report, under a lease; its name in hexadecimal
//! PREFIX/channels/CHANNEL/permits/NUMBER     a permit to withdraw, under a lease; who has it
//! ```

use crate::sync::channel::Channel;
use std::fmt::Write as _;

/// Octets of a prefix.
const PREFIX_LEN_MAX: usize = 255;

/// The keys below a prefix.
#[derive(Debug, Clone)]
pub(super) struct Keys {
    channels: String,
}

impl Keys {
    /// Takes a prefix: segments of printable ASCII between slashes. None at all is good too. The error says what is wrong.
    pub(super) fn new(prefix: &str) -> Result<Keys, String> {
        let good = prefix.is_empty() || prefix.split('/').all(|segment| !segment.is_empty());
        if !good || prefix.len() > PREFIX_LEN_MAX || !prefix.bytes().all(|octet| octet.is_ascii_graphic()) {
            return Err(format!(
                "a prefix is segments of printable characters with one slash between them, {PREFIX_LEN_MAX} octets at most"
            ));
        }
        let slash = if prefix.is_empty() { "" } else { "/" };
        Ok(Keys { channels: format!("{prefix}{slash}channels/") })
    }

    /// What all keys of all channels start with.
    pub(super) fn channels(&self) -> &str {
        &self.channels
    }

    /// The channel's state.
    pub(super) fn state(&self, channel: &Channel) -> String {
        format!("{}{channel}/state", self.channels)
    }

    /// A key set.
    pub(super) fn key_set(&self, channel: &Channel, version: u32) -> String {
        format!("{}{channel}/keys/{version:010}", self.channels)
    }

    /// What the reports of all nodes start with.
    pub(super) fn nodes(&self, channel: &Channel) -> String {
        format!("{}{channel}/nodes/", self.channels)
    }

    /// What all permits start with.
    pub(super) fn permits(&self, channel: &Channel) -> String {
        format!("{}{channel}/permits/", self.channels)
    }

    /// A node's report.
    pub(super) fn node(&self, channel: &Channel, node: &str) -> String {
        let mut key = self.nodes(channel);
        for octet in node.bytes() {
            let _ = write!(key, "{octet:02x}");
        }
        key
    }

    /// The segment of a key in which a channel's name should be.
    pub(super) fn channel_segment<'a>(&self, key: &'a [u8]) -> Option<&'a [u8]> {
        key.strip_prefix(self.channels.as_bytes())?.split(|octet| *octet == b'/').next()
    }

    /// The node whose report this is the key of.
    pub(super) fn node_of(&self, channel: &Channel, key: &[u8]) -> Option<String> {
        let hex = key.strip_prefix(self.nodes(channel).as_bytes())?;
        let digit = |octet: u8| (octet as char).to_digit(16).map(|digit| digit as u8);
        let pairs = hex.chunks(2).map(|pair| match pair {
            [high, low] => Some(digit(*high)? << 4 | digit(*low)?),
            _ => None,
        });
        String::from_utf8(pairs.collect::<Option<Vec<u8>>>()?).ok()
    }
}

/// The first key after all that start with `prefix`.
pub(super) fn end_of(prefix: &[u8]) -> Vec<u8> {
    let mut end = prefix.to_vec();
    while let Some(last) = end.pop() {
        if last < u8::MAX {
            end.push(last + 1);
            return end;
        }
    }
    // etcd's word for the end of all keys.
    vec![0]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn where_everything_lies() {
        let keys = Keys::new("dns/zones").unwrap();
        let prod: Channel = "prod".parse().unwrap();
        assert_eq!(keys.state(&prod), "dns/zones/channels/prod/state");
        assert_eq!(keys.key_set(&prod, 1), "dns/zones/channels/prod/keys/0000000001");
        assert_eq!(keys.key_set(&prod, u32::MAX), "dns/zones/channels/prod/keys/4294967295");
        assert_eq!(keys.node(&prod, "a/ü"), "dns/zones/channels/prod/nodes/612fc3bc");
        assert_eq!(keys.permits(&prod), "dns/zones/channels/prod/permits/");
        assert_eq!(Keys::new("").unwrap().state(&prod), "channels/prod/state");
    }

    #[test]
    fn nodes_there_and_back() {
        let keys = Keys::new("p").unwrap();
        let prod: Channel = "prod".parse().unwrap();
        for node in ["ams1", "", "..", "a/ü"] {
            assert_eq!(keys.node_of(&prod, keys.node(&prod, node).as_bytes()).as_deref(), Some(node));
        }
        for bad in [
            "p/channels/prod/nodes/6",
            "p/channels/prod/nodes/6g",
            "p/channels/prod/nodes/ff",
            "p/channels/test/nodes/61",
        ] {
            assert_eq!(keys.node_of(&prod, bad.as_bytes()), None, "{bad}");
        }
        assert_eq!(keys.channel_segment(b"p/channels/prod/state"), Some(&b"prod"[..]));
        assert_eq!(keys.channel_segment(b"q/channels/prod/state"), None);
    }

    #[test]
    fn prefixes_that_are_refused() {
        for bad in ["/", "/a", "a/", "a//b", "a b", "a\0", "ä", &"x".repeat(256)] {
            assert!(Keys::new(bad).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn ends_of_ranges() {
        assert_eq!(end_of(b"a/"), b"a0");
        assert_eq!(end_of(b"a\xff\xff"), b"b");
        assert_eq!(end_of(b"\xff"), b"\0");
    }
}
