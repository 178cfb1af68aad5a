//! Zones and queries from a seed. Names come from a small alphabet, so that ancestors, empty non-terminals, wildcards, cuts,
//! aliases and occluded names meet all the time.

use catchment::random::Random;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;

/// Labels of owners. The asterisk is as frequent as the others.
const LABELS: [&str; 4] = ["a", "b", "c", "*"];

/// One generated zone.
pub(crate) struct Zone {
    /// Absolute, lower case.
    pub(crate) apex: String,
    pub(crate) text: String,
    /// All owners, absolute.
    pub(crate) owners: BTreeSet<String>,
    /// Owners of DNAMEs.
    dnames: Vec<String>,
}

impl Zone {
    /// Whether a name lies below a DNAME of this zone.
    pub(crate) fn redirects(&self, name: &str) -> bool {
        self.dnames.iter().any(|dname| name.ends_with(&format!(".{dname}")))
    }
}

/// Zones that share names: a parent, its child, a grandchild, and a neighbour.
pub(crate) fn zones(random: &mut Random, families: usize) -> Vec<Zone> {
    let apexes: Vec<String> = (0..families)
        .flat_map(|n| [format!("f{n}."), format!("a.f{n}."), format!("b.a.f{n}."), format!("g{n}.")])
        .collect();
    // A grandchild without its parent, a child without its parent: each family lacks one of them at times.
    let kept: Vec<String> = apexes.iter().filter(|apex| apex.starts_with('g') || random.percent(75)).cloned().collect();
    kept.iter().map(|apex| Builder::new(apex, &kept, random).build()).collect()
}

type Records = BTreeMap<String, BTreeMap<&'static str, (u32, BTreeSet<String>)>>;

struct Builder<'a> {
    apex: &'a str,
    apexes: &'a [String],
    random: &'a mut Random,
    records: Records,
}

impl<'a> Builder<'a> {
    fn new(apex: &'a str, apexes: &'a [String], random: &'a mut Random) -> Builder<'a> {
        Builder { apex, apexes, random, records: Records::new() }
    }

    fn build(mut self) -> Zone {
        let apex = self.apex.to_owned();
        let (ttl, minimum) = (*self.random.pick(&[30, 300, 3600]), *self.random.pick(&[0, 60, 900]));
        self.add(&apex, "SOA", format!("ns.{apex} host.{apex} 1 7200 3600 1209600 {minimum}"));
        self.records.get_mut(&apex).unwrap().get_mut("SOA").unwrap().0 = ttl;
        self.add(&apex, "NS", format!("ns.{apex}"));
        self.add(&apex, "NS", "ns.example.net.".into());
        if self.random.percent(4) {
            // A DNAME at the apex leaves no room for more.
            let target = self.target();
            self.records.get_mut(&apex).unwrap().get_mut("NS").unwrap().1.remove(&format!("ns.{apex}"));
            self.add(&apex, "DNAME", target);
        } else {
            self.add(&format!("ns.{apex}"), "A", "192.0.2.53".into());
            for _ in 0..6 + self.random.below(14) {
                let name = self.name();
                self.fill(&name);
            }
        }
        // A zone in four keeps names below its DNAMEs (RFC 6672 section 2.4 wants none).
        if !self.random.percent(25) {
            self.drop_occluded();
        }
        self.write()
    }

    /// What a name is.
    fn fill(&mut self, name: &str) {
        if self.records.contains_key(name) {
            return;
        }
        let is_wildcard = name.starts_with("*.");
        match self.random.below(100) {
            // NS and DNAME at a wildcard are left out: RFC 4592 sections 4.2 and 4.4 leave undefined what they mean.
            0..15 if !is_wildcard => self.delegate(name),
            15..25 if !is_wildcard => {
                let target = self.target();
                self.add(name, "DNAME", target);
                if self.random.percent(50) {
                    self.data(name);
                }
            }
            25..45 => {
                let target = self.target();
                self.add(name, "CNAME", target);
            }
            45..50 => self.long(name),
            _ => {
                for _ in 0..=self.random.below(4) {
                    self.data(name);
                }
            }
        }
    }

    fn delegate(&mut self, cut: &str) {
        for _ in 0..=self.random.below(3) {
            let server = match self.random.below(6) {
                0..3 => format!("{}.{cut}", self.random.pick(&["ns", "ns.a", "ns2"])),
                3 => cut.to_owned(),
                4 => "ns.example.net.".to_owned(),
                // A sibling's server, or a host of the zone.
                _ => format!("ns.{}", self.name()),
            };
            let is_within = server.ends_with(&format!(".{}", self.apex)) && !self.is_alias(&server);
            if is_within && self.random.percent(80) {
                for _ in 0..=self.random.below(2) {
                    self.address(&server);
                }
                if self.random.percent(8) {
                    for n in 0..30 {
                        self.add(&server, "AAAA", format!("2001:db8::{n:x}"));
                    }
                }
            }
            self.add(cut, "NS", server);
        }
        if self.random.percent(40) {
            let digest = "0123456789abcdef".repeat(4);
            self.add(cut, "DS", format!("12345 13 2 {digest}"));
        }
        if self.random.percent(20) {
            self.data(cut);
        }
    }

    fn is_alias(&self, name: &str) -> bool {
        self.records.get(name).is_some_and(|types| types.contains_key("CNAME"))
    }

    /// One record of an ordinary type.
    fn data(&mut self, name: &str) {
        let n = self.random.below(4);
        let (rtype, rdata) = match self.random.below(13) {
            0..3 => return self.address(name),
            3 => ("TXT", format!("\"text {n}\"")),
            4 => ("MX", format!("{n} {}", self.host())),
            5 => ("SRV", format!("0 {n} 53 {}", self.host())),
            6 => ("NAPTR", format!("{n} 1 \"a\" \"x\" \"\" {}", self.host())),
            7 => ("SVCB", format!("1 {} port=53", self.host())),
            8 => ("HTTPS", if n == 0 { "1 . port=443".into() } else { format!("{} {}", n % 2, self.host()) }),
            9 => ("CAA", format!("0 issue \"ca{n}.example.net\"")),
            10 => ("PTR", self.target()),
            11 => ("TYPE65280", format!("\\# 4 0a00000{n}")),
            _ => ("RP", format!("{} {}", self.target(), self.target())),
        };
        self.add(name, rtype, rdata);
    }

    fn address(&mut self, name: &str) {
        let n = self.random.below(250);
        if self.random.percent(60) {
            self.add(name, "A", format!("192.0.2.{n}"));
        } else {
            self.add(name, "AAAA", format!("2001:db8::{n:x}"));
        }
    }

    /// More than 512, more than 1232, or more than 4096 octets.
    fn long(&mut self, name: &str) {
        for n in 0..*self.random.pick(&[5, 9, 12, 40]) {
            self.add(name, "TXT", format!("\"{n:0>100}\""));
        }
    }

    fn add(&mut self, owner: &str, rtype: &'static str, rdata: String) {
        let types = self.records.entry(owner.to_owned()).or_default();
        // A CNAME stands alone (RFC 2181 section 10.1).
        if types.contains_key("CNAME") {
            return;
        }
        let ttl = *self.random.pick(&[60, 300, 3600]);
        types.entry(rtype).or_insert_with(|| (ttl, BTreeSet::new())).1.insert(rdata);
    }

    fn name(&mut self) -> String {
        let mut name = self.apex.to_owned();
        for _ in 0..=self.random.below(3) {
            name = format!("{}.{name}", self.random.pick(&LABELS));
        }
        name
    }

    /// What a service points to: a name with addresses at times, glue among them.
    fn host(&mut self) -> String {
        let has_address = |types: &BTreeMap<_, _>| types.contains_key("A") || types.contains_key("AAAA");
        let hosts: Vec<&String> =
            self.records.iter().filter(|(_, types)| has_address(types)).map(|(name, _)| name).collect();
        if hosts.is_empty() || self.random.percent(50) { self.target() } else { (*self.random.pick(&hosts)).clone() }
    }

    /// What an alias or a record points to: a name of this zone mostly, or of another, or of none.
    fn target(&mut self) -> String {
        match self.random.below(20) {
            0..13 => self.name(),
            13..16 => {
                let apex = self.random.pick(self.apexes);
                format!("{}.{apex}", self.random.pick(&LABELS))
            }
            16 => self.apex.to_owned(),
            17 => format!("ns.{}", self.apex),
            18 => self.random.pick(self.apexes).to_owned(),
            _ => format!("{}.example.net.", self.random.pick(&LABELS)),
        }
    }

    /// Takes out the DNAMEs that other zones lie at or below, and what lies below the other DNAMEs.
    fn drop_occluded(&mut self) {
        let others: Vec<&String> = self.apexes.iter().filter(|apex| *apex != self.apex).collect();
        let is_above = |name: &str| others.iter().any(|apex| *apex == name || apex.ends_with(&format!(".{name}")));
        for (_, types) in self.records.iter_mut().filter(|(name, _)| is_above(name)) {
            types.remove("DNAME");
        }
        self.records.retain(|_, types| !types.is_empty());
        let dnames = self.dnames();
        self.records.retain(|name, _| !dnames.iter().any(|dname| name.ends_with(&format!(".{dname}"))));
    }

    fn dnames(&self) -> Vec<String> {
        self.records.iter().filter(|(_, types)| types.contains_key("DNAME")).map(|(name, _)| name.clone()).collect()
    }

    fn write(self) -> Zone {
        let mut text = String::new();
        let apex_first = |name: &&String| (*name != self.apex, (*name).clone());
        let mut owners: Vec<&String> = self.records.keys().collect();
        owners.sort_by_key(apex_first);
        for owner in owners {
            let types = &self.records[owner];
            let soa_first =
                types.iter().filter(|(t, _)| **t == "SOA").chain(types.iter().filter(|(t, _)| **t != "SOA"));
            for (rtype, (ttl, set)) in soa_first {
                for rdata in set {
                    writeln!(text, "{owner} {ttl} IN {rtype} {rdata}").unwrap();
                }
            }
        }
        let dnames = self.dnames();
        Zone { apex: self.apex.to_owned(), text, owners: self.records.into_keys().collect(), dnames }
    }
}

/// Types that are asked for.
const TYPES: [&str; 22] = [
    "A",
    "A",
    "A",
    "AAAA",
    "NS",
    "SOA",
    "CNAME",
    "DNAME",
    "DS",
    "DS",
    "TXT",
    "MX",
    "SRV",
    "NAPTR",
    "SVCB",
    "HTTPS",
    "CAA",
    "PTR",
    "TYPE65280",
    "RP",
    "ANY",
    "TYPE65281",
];

/// One query.
#[derive(Debug, Clone)]
pub(crate) struct Query {
    /// In random case.
    pub(crate) name: String,
    pub(crate) qtype: &'static str,
    /// UDP size and DO; none: no EDNS.
    pub(crate) edns: Option<(u16, bool)>,
    pub(crate) recursion_desired: bool,
}

impl Query {
    /// Without EDNS.
    pub(crate) fn plain(name: &str, qtype: &'static str) -> Query {
        Query { name: name.to_owned(), qtype, edns: None, recursion_desired: false }
    }
}

/// Queries for every name of a zone, its ancestors and children.
pub(crate) fn queries(random: &mut Random, zone: &Zone, per_name: usize) -> Vec<Query> {
    let mut names = BTreeSet::new();
    for owner in &zone.owners {
        let mut name = owner.as_str();
        // Up to one label above the apex.
        loop {
            names.insert(name.to_owned());
            match name.split_once('.') {
                Some((_, parent)) if !parent.is_empty() && name.len() >= zone.apex.len() => name = parent,
                _ => break,
            }
        }
        for _ in 0..2 {
            let child = *random.pick(&["a", "b", "*", "x", "ns"]);
            names.insert(format!("{child}.{owner}"));
            names.insert(format!("x.{child}.{owner}"));
        }
    }
    let mut queries = Vec::new();
    for name in &names {
        for _ in 0..per_name {
            let upper = random.percent(50);
            let name =
                name.chars().map(|c| if upper && random.percent(50) { c.to_ascii_uppercase() } else { c }).collect();
            let edns = match random.below(5) {
                0 => None,
                1 => Some(512),
                2 => Some(4096),
                _ => Some(1232),
            };
            let edns = edns.map(|size| (size, random.percent(50)));
            queries.push(Query {
                name,
                qtype: TYPES[random.below(TYPES.len())],
                edns,
                recursion_desired: random.percent(30),
            });
        }
    }
    queries
}
