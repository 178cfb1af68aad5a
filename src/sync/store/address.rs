//! What operators write for a store.
//!
//! ```text
//! dir:PATH                                            a directory
//! s3://BUCKET[/PREFIX]                                S3, and all that speaks it; credentials from AWS_... in the environment
//! https://HOST[:PORT][/PATH]                          a web server, for reading; http:// to this host alone
//! insecure-http://HOST[:PORT][/PATH]                  the same without TLS: who is on the way sees zones, and can withhold new ones
//! etcd://HOST:PORT[,HOST:PORT...][/PREFIX]?blobs=...  channels in etcd, blobs in another store; etcds:// with TLS
//! ```
//!
//! An address holds no secret, so that it can stand in messages, logs and metrics.

use super::{Result, Store, dir, etcd, object};
use std::collections::hash_map::RandomState;
use std::fmt;
use std::hash::BuildHasher;
use std::net::IpAddr;
use std::path::PathBuf;
use std::str::FromStr;
use std::sync::Arc;

/// Members of an etcd cluster; more than seven are advised against by etcd itself.
pub const MEMBERS_MAX: usize = 16;

/// Where a store is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Address {
    /// A directory.
    Dir(PathBuf),
    /// A bucket.
    S3 {
        /// Its name.
        bucket: String,
        /// What all names in it start with; may be empty.
        prefix: String,
    },
    /// A web server's tree: `http` or `https`, without a slash at its end.
    Http(String),
    /// Channels in etcd.
    Etcd(Etcd),
}

/// An etcd cluster and where the blobs are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Etcd {
    /// Whether it is spoken to with TLS.
    pub tls: bool,
    /// Its members, each `HOST:PORT`.
    pub members: Vec<String>,
    /// What all keys start with; may be empty.
    pub prefix: String,
    /// Where blobs are: no etcd.
    pub blobs: Box<Address>,
}

/// Text that is no address of a store, and what to write instead.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct NotAnAddress(String);

impl Address {
    /// Opens it, without asking it anything yet.
    pub fn open(&self) -> Result<Store> {
        // When stores poll must differ between nodes, and be foreseen by nobody.
        let seed = RandomState::new().hash_one(0);
        match self {
            Address::Dir(path) => Ok(dir::open(path, seed)),
            Address::S3 { bucket, prefix } => {
                let variables =
                    std::env::vars_os().filter_map(|(k, v)| Some((k.into_string().ok()?, v.into_string().ok()?)));
                object::open_s3(bucket, prefix, variables, seed)
            }
            Address::Http(url) => object::open_http(url, seed),
            Address::Etcd(etcd) => etcd.open(),
        }
    }
}

impl Etcd {
    fn open(&self) -> Result<Store> {
        let variable = |name: &str| std::env::var(name).ok();
        let settings = etcd::Settings::from_environment(self.members.clone(), self.prefix.clone(), self.tls, variable)?;
        let blobs = self.blobs.open()?.blobs;
        let etcd = Arc::new(etcd::Etcd::open(settings)?);
        let name = Address::Etcd(self.clone()).to_string();
        Ok(Store { name, blobs, channels: etcd.clone(), permits: Some(etcd) })
    }
}

impl FromStr for Address {
    type Err = NotAnAddress;

    fn from_str(text: &str) -> std::result::Result<Address, NotAnAddress> {
        if text.chars().any(|c| c.is_control() || c.is_whitespace()) && !text.starts_with("dir:") {
            return Err(NotAnAddress(format!("{text:?} has white space or control characters")));
        }
        let (scheme, rest) = text.split_once(':').unwrap_or(("", text));
        match (scheme, rest.strip_prefix("//")) {
            ("dir", Some(_)) => no(text, "a directory is written without slashes before it, as in dir:/srv/zones"),
            ("dir", None) if rest.is_empty() || rest.contains('\0') => {
                no(text, "a path is missing, as in dir:/srv/zones")
            }
            ("dir", None) => Ok(Address::Dir(rest.into())),
            ("s3", Some(rest)) => s3(text, rest),
            ("https" | "http" | "insecure-http", Some(rest)) => http(text, scheme, rest),
            ("etcd" | "etcds", Some(rest)) => etcd(text, scheme == "etcds", rest),
            ("s3" | "https" | "http" | "insecure-http" | "etcd" | "etcds", None) => {
                no(text, &format!("two slashes are missing, as in {scheme}://..."))
            }
            _ => {
                let known = "dir:PATH, s3://BUCKET/PREFIX, https://HOST/PATH or etcd://HOST:PORT/PREFIX?blobs=...";
                match text.starts_with(['/', '.']) {
                    true => no(text, &format!("a directory is written dir:{text}")),
                    false => no(text, &format!("a store is written {known}")),
                }
            }
        }
    }
}

fn no<T>(text: &str, why: &str) -> std::result::Result<T, NotAnAddress> {
    // What stands before an @ may be a password.
    let shown = match (text.split_once("://"), text.rfind('@')) {
        (Some((scheme, _)), Some(at)) => format!("{scheme}://...{}", &text[at..]),
        _ => text.into(),
    };
    Err(NotAnAddress(format!("{shown:?} is no store: {why}")))
}

fn s3(text: &str, rest: &str) -> std::result::Result<Address, NotAnAddress> {
    let (bucket, prefix) = rest.split_once('/').unwrap_or((rest, ""));
    let good = bucket.bytes().all(|c| matches!(c, b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.'))
        && bucket.starts_with(|c: char| c.is_ascii_alphanumeric())
        && bucket.ends_with(|c: char| c.is_ascii_alphanumeric());
    if bucket.contains('@') {
        return no(text, "it names a user; credentials are taken from AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY");
    }
    if !good || !(3..=63).contains(&bucket.len()) {
        return no(text, "a bucket's name is 3 to 63 of a-z, 0-9, - and ., and starts and ends with a letter or digit");
    }
    Ok(Address::S3 { bucket: bucket.into(), prefix: path(text, prefix)? })
}

fn http(text: &str, scheme: &str, rest: &str) -> std::result::Result<Address, NotAnAddress> {
    let (authority, below) = rest.split_once('/').unwrap_or((rest, ""));
    if authority.contains('@') {
        return no(text, "it names a user; a store is read without, or through a proxy on this host that adds it");
    }
    let Some(host) = host(authority) else { return no(text, "a host, or a host and a port, is missing") };
    if scheme == "http" && !is_this_host(host) {
        let why =
            format!("http:// is for this host alone: write https://, or insecure-http://{rest} if you accept that");
        return no(text, &format!("{why} others on the way see the zones and can withhold new ones"));
    }
    let scheme = if scheme == "https" { "https" } else { "http" };
    let below = path(text, below)?;
    let slash = if below.is_empty() { "" } else { "/" };
    Ok(Address::Http(format!("{scheme}://{authority}{slash}{below}")))
}

fn etcd(text: &str, tls: bool, rest: &str) -> std::result::Result<Address, NotAnAddress> {
    let Some((rest, blobs)) = rest.split_once("?blobs=") else {
        return no(
            text,
            "where the blobs are is missing, as in etcd://a:2379,b:2379/catchment?blobs=s3://bucket/prefix",
        );
    };
    let (members, prefix) = rest.split_once('/').unwrap_or((rest, ""));
    if members.contains('@') {
        return no(text, "it names a user; user and password of etcd are settings of their own");
    }
    let members: Vec<String> = members.split(',').map(str::to_owned).collect();
    if let Some(bad) = members.iter().find(|member| host(member).is_none_or(|host| host.len() == member.len())) {
        return no(text, &format!("{bad:?} is no member, which is HOST:PORT"));
    }
    if members.len() > MEMBERS_MAX {
        return no(text, &format!("{} members, more than {MEMBERS_MAX}", members.len()));
    }
    match blobs.parse()? {
        Address::Etcd(_) => no(text, "blobs can't be in etcd, which is made for small values"),
        blobs => Ok(Address::Etcd(Etcd { tls, members, prefix: path(text, prefix)?, blobs: Box::new(blobs) })),
    }
}

/// The host of `HOST[:PORT]`; an IPv6 address stands in brackets.
fn host(authority: &str) -> Option<&str> {
    let end = match authority.starts_with('[') {
        true => authority.find(']')? + 1,
        false => authority.find(':').unwrap_or(authority.len()),
    };
    let (host, port) = authority.split_at(end);
    let good_host = match host.strip_prefix('[') {
        Some(address) => address.strip_suffix(']')?.parse::<std::net::Ipv6Addr>().is_ok(),
        None => !host.is_empty() && host.bytes().all(|c| c.is_ascii_alphanumeric() || matches!(c, b'-' | b'.' | b'_')),
    };
    let good_port = port.is_empty() || port[1..].parse::<u16>().is_ok_and(|port| port > 0);
    (good_host && good_port && (port.is_empty() || port.starts_with(':'))).then_some(host)
}

fn is_this_host(host: &str) -> bool {
    let address = host.trim_start_matches('[').trim_end_matches(']').parse::<IpAddr>();
    host == "localhost" || address.is_ok_and(|address| address.is_loopback())
}

/// A prefix: segments that mean themselves everywhere. A slash at the end is left out.
fn path(text: &str, path: &str) -> std::result::Result<String, NotAnAddress> {
    let path = path.strip_suffix('/').unwrap_or(path);
    let good = |segment: &str| {
        let octets =
            segment.bytes().all(|c| c.is_ascii_alphanumeric() || matches!(c, b'-' | b'.' | b'_' | b'=' | b'+'));
        octets && !segment.is_empty() && segment != "." && segment != ".."
    };
    match path.is_empty() || path.split('/').all(good) {
        true => Ok(path.into()),
        false => no(
            text,
            "between the slashes of its path stand letters, digits, -, _, ., = and + only, and neither . nor .. alone",
        ),
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Address::Dir(path) => write!(f, "dir:{}", path.display()),
            Address::S3 { bucket, prefix } if prefix.is_empty() => write!(f, "s3://{bucket}"),
            Address::S3 { bucket, prefix } => write!(f, "s3://{bucket}/{prefix}"),
            Address::Http(url) => {
                let rest = url.strip_prefix("http://");
                let authority = rest.and_then(|rest| rest.split('/').next());
                match (rest, authority.and_then(host)) {
                    (Some(rest), Some(host)) if !is_this_host(host) => write!(f, "insecure-http://{rest}"),
                    _ => f.write_str(url),
                }
            }
            Address::Etcd(Etcd { tls, members, prefix, blobs }) => {
                let scheme = if *tls { "etcds" } else { "etcd" };
                let slash = if prefix.is_empty() { "" } else { "/" };
                write!(f, "{scheme}://{}{slash}{prefix}?blobs={blobs}", members.join(","))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn there_and_back() {
        for (text, same) in [
            ("dir:/srv/zones", "dir:/srv/zones"),
            ("dir:zones of ours", "dir:zones of ours"),
            ("s3://zones", "s3://zones"),
            ("s3://zones.example/a/b=1/", "s3://zones.example/a/b=1"),
            ("https://store.example", "https://store.example"),
            ("https://store.example:8443/a/", "https://store.example:8443/a"),
            ("http://localhost:8080/a", "http://localhost:8080/a"),
            ("http://127.0.0.2/", "http://127.0.0.2"),
            ("http://[::1]:1", "http://[::1]:1"),
            ("insecure-http://[2001:db8::1]:80/a", "insecure-http://[2001:db8::1]:80/a"),
            (
                "etcd://a:2379,[::1]:2379/prod?blobs=dir:/srv/blobs",
                "etcd://a:2379,[::1]:2379/prod?blobs=dir:/srv/blobs",
            ),
            ("etcds://a:2379?blobs=s3://zones/x", "etcds://a:2379?blobs=s3://zones/x"),
        ] {
            let address: Address = text.parse().unwrap_or_else(|e| panic!("{text}: {e}"));
            assert_eq!(address.to_string(), same);
        }
        let etcd: Address = "etcds://a:1,b:2/p/q?blobs=https://h/b".parse().unwrap();
        let blobs = Box::new(Address::Http("https://h/b".into()));
        let members = vec!["a:1".into(), "b:2".into()];
        assert_eq!(etcd, Address::Etcd(Etcd { tls: true, members, prefix: "p/q".into(), blobs }));
    }

    #[test]
    fn errors_say_what_to_write() {
        for (text, says) in [
            ("/srv/zones", "a directory is written dir:/srv/zones"),
            ("dir:", "a path is missing, as in dir:/srv/zones"),
            ("dir:///srv", "without slashes before it"),
            ("zones", "a store is written dir:PATH, s3://BUCKET/PREFIX, https://HOST/PATH or etcd://"),
            ("s3:zones", "two slashes are missing, as in s3://..."),
            ("s3://Zones", "a bucket's name is 3 to 63 of a-z"),
            ("s3://zones/../x", "neither . nor .. alone"),
            ("s3://zones/a//b", "neither . nor .. alone"),
            ("s3://zones/a?b=c", "letters, digits"),
            ("http://store.example/a", "write https://, or insecure-http://store.example/a"),
            ("http://127.0.0.1.example/", "http:// is for this host alone"),
            ("https:///a", "a host, or a host and a port, is missing"),
            ("https://a:0", "a host, or a host and a port, is missing"),
            ("https://a:1x", "a host, or a host and a port, is missing"),
            ("https://[::1", "a host, or a host and a port, is missing"),
            ("https://a b", "white space"),
            ("etcd://a:2379/p", "where the blobs are is missing"),
            ("etcd://a/p?blobs=dir:/b", "\"a\" is no member, which is HOST:PORT"),
            ("etcd://a:1,/p?blobs=dir:/b", "\"\" is no member"),
            ("etcd://a:1?blobs=etcd://b:1?blobs=dir:/b", "blobs can't be in etcd"),
            ("etcd://a:1?blobs=/b", "a directory is written dir:/b"),
        ] {
            let e = text.parse::<Address>().expect_err(text).to_string();
            assert!(e.contains(says), "{text}: {e}");
        }
    }

    #[test]
    fn no_secret_is_shown() {
        for text in [
            "https://user:hunter2@store.example/a",
            "s3://KEY:hunter2@zones",
            "etcd://root:hunter2@a:2379/p?blobs=dir:/b",
            "etcd://a:2379/p?blobs=https://u:hunter2@h/",
        ] {
            let e = text.parse::<Address>().expect_err(text).to_string();
            assert!(!e.contains("hunter2") && e.contains("it names a user"), "{text}: {e}");
        }
    }
}
