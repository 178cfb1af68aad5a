//! DS is the parent's: RFC 4035 section 3.1.4.1.

use crate::check::check;

const PARENT: &str = "example.
    sub    NS ns.sub
    sub    DS 12345 13 2 0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef
    ns.sub A  192.0.2.1
    plain  NS ns.sub";
const CHILD: &str = "sub.example.
    www A 192.0.2.9";
const DS: &str = "NOERROR aa
    answer
    sub.example. 300 IN DS 12345 13 2 0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef";

/// The parent answers with authority, although the name is a cut.
#[test]
fn the_parent_answers() {
    check(PARENT, "sub.example. DS", DS);
    check(PARENT, "plain.example. DS", "NOERROR aa\nauthority\nsoa example.");
}

/// Below a cut, DS is the child's affair as all else is.
#[test]
fn below_a_cut_it_is_referred() {
    check(
        PARENT,
        "www.plain.example. DS",
        "NOERROR\nauthority\nplain.example. 300 IN NS ns.sub.example.\nadditional\nns.sub.example. 300 IN A 192.0.2.1",
    );
}

/// When parent and child are both here, the parent's side answers for DS, the child's for all else.
#[test]
fn parent_and_child_both_here() {
    for zones in [[PARENT, CHILD], [CHILD, PARENT]] {
        check(zones, "sub.example. DS", DS);
        check(zones, "sub.example. A", "NOERROR aa\nauthority\nsoa sub.example.");
        check(zones, "www.sub.example. DS", "NOERROR aa\nauthority\nsoa sub.example.");
        check(zones, "www.sub.example. A", "NOERROR aa\nanswer\nwww.sub.example. 300 IN A 192.0.2.9");
        check(zones, "no.sub.example. DS", "NXDOMAIN aa\nauthority\nsoa sub.example.");
    }
}

/// Only the child here: no data, with the child's SOA.
#[test]
fn only_the_child_here() {
    check(CHILD, "sub.example. DS", "NOERROR aa\nauthority\nsoa sub.example.");
}

/// The zone above is not the parent: there is a cut between. RFC 4035 section 3.1.4.1 would have the child deny DS when the parent
/// is not here. But it speaks of a server that has nothing better: this one knows the way to the parent, and a child's denial
/// is no proof to a validator. So it refers, as NSD, Knot DNS and BIND do.
#[test]
fn child_and_grandparent_here() {
    let zones = ["example.\nb NS ns.example.net.", "a.b.example.\nwww A 192.0.2.1"];
    check(zones, "a.b.example. DS", "NOERROR\nauthority\nb.example. 300 IN NS ns.example.net.");
    check(zones, "b.example. DS", "NOERROR aa\nauthority\nsoa example.");
    check(zones, "a.b.example. A", "NOERROR aa\nauthority\nsoa a.b.example.");
}

/// The parent does not delegate the child that is served beside it: the parent answers for what it knows.
#[test]
fn a_child_that_the_parent_does_not_know() {
    let zones = ["example.\nwww A 192.0.2.1", CHILD];
    check(zones, "sub.example. DS", "NXDOMAIN aa\nauthority\nsoa example.");
}

/// The root has no parent.
#[test]
fn of_the_root() {
    check(".\nwww. A 192.0.2.1", ". DS", "NOERROR aa\nauthority\nsoa .");
}

/// A parent that could not be loaded can't answer for its side.
#[test]
fn a_broken_parent() {
    check(["example.\nbroken", CHILD], "sub.example. DS", "SERVFAIL");
    check(["example.\nbroken", CHILD], "sub.example. A", "NOERROR aa\nauthority\nsoa sub.example.");
}

/// An alias that leads to the top of a child: the parent's side again.
#[test]
fn through_an_alias() {
    let zones = [PARENT, CHILD, "test.\nwww CNAME sub.example."];
    check(
        zones,
        "www.test. DS",
        "NOERROR aa
         answer
         www.test. 300 IN CNAME sub.example.
         sub.example. 300 IN DS 12345 13 2 0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef",
    );
}
