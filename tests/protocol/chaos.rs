//! Class CH: the server's own names (RFC 4892).

use crate::check::{World, check};

const ZONE: &str = "example.\nwww A 192.0.2.1";

/// RFC 4892 section 2: TXT of `id.server`; `hostname.bind` and `version.bind` are its elders.
#[test]
fn names_of_the_server() {
    check(ZONE, "id.server. TXT CH", "NOERROR aa\nanswer\nid.server. 0 CH TXT \"ams1\"");
    check(ZONE, "hostname.bind. TXT CH", "NOERROR aa\nanswer\nhostname.bind. 0 CH TXT \"ams1\"");
    check(ZONE, "version.server. TXT CH", "NOERROR aa\nanswer\nversion.server. 0 CH TXT \"catchment 1\"");
    check(ZONE, "VERSION.bind. TXT CH +edns", "NOERROR aa edns\nanswer\nVERSION.bind. 0 CH TXT \"catchment 1\"");
}

/// Another type has no data; ANY has the TXT.
#[test]
fn other_types() {
    check(ZONE, "id.server. A CH", "NOERROR aa");
    check(ZONE, "id.server. ANY CH", "NOERROR aa\nanswer\nid.server. 0 CH TXT \"ams1\"");
}

/// RFC 4892 section 2: an operator may choose not to answer: each can be turned off.
#[test]
fn each_can_be_turned_off() {
    let cases = [
        ("id.server.", World::from(ZONE).with(|settings| settings.chaos_id = false)),
        ("hostname.bind.", World::from(ZONE).with(|settings| settings.chaos_hostname = false)),
        ("version.server.", World::from(ZONE).with(|settings| settings.chaos_version = None)),
        ("version.bind.", World::from(ZONE).with(|settings| settings.chaos_version = None)),
        ("id.server.", World::from(ZONE).with(|settings| settings.node = None)),
        ("hostname.bind.", World::from(ZONE).with(|settings| settings.node = None)),
    ];
    for (name, world) in cases {
        check(world, &format!("{name} TXT CH"), "REFUSED");
    }
}

/// One turned off leaves the other.
#[test]
fn one_turned_off_leaves_the_others() {
    let world = || World::from(ZONE).with(|settings| settings.chaos_id = false);
    check(world(), "hostname.bind. TXT CH", "NOERROR aa\nanswer\nhostname.bind. 0 CH TXT \"ams1\"");
    check(world(), "id.server. TXT CH +edns", "REFUSED edns\noption 15 0012");
}

/// Other names of class CH are refused, those of zones among them; and the server's names are none in class IN.
#[test]
fn other_names_are_refused() {
    check(ZONE, "www.example. A CH", "REFUSED");
    check(ZONE, "authors.bind. TXT CH", "REFUSED");
    check(ZONE, "server. TXT CH", "REFUSED");
    check(ZONE, "x.id.server. TXT CH", "REFUSED");
    check(ZONE, "id.server. TXT", "REFUSED");
}
