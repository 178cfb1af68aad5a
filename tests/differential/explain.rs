//! What may differ, and why.

/// The explained differences. Each is bound to the servers and the kind of response that show it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Explained {
    /// All: ours is one RRset of theirs, or theirs is one too, another one.
    AnyOneRrset,
    /// NSD, Knot: they follow the CNAME that they synthesize, we end with it.
    AnyBelowDname,
    /// NSD, BIND: authority of positive answers.
    ApexNs,
    /// NSD, BIND: what ApexNs adds, or how names are compressed, makes one response too large.
    TruncatedAlone,
    /// Knot, BIND: they answer as we do when the question's zone is the only one.
    ChainAcrossZones,
    /// BIND: the chain ends where the next name is in another zone, also in a child of the first.
    ChainEndsAtZone,
    /// BIND: loops, and chains of more than its limit.
    ChainFails,
    /// NSD, Knot: a chain that passes one DNAME again and again ends elsewhere.
    DnameAgain,
    /// NSD: a name that only another zone has, or a wildcard there.
    SharedNames,
    /// NSD: DS of a child is answered by a zone further up than the closest.
    OtherParent,
    /// BIND: referrals have glue alone.
    AuthoritativeAddresses,
    /// BIND: nothing additional for a target whose name is a wildcard's, literally.
    WildcardTargets,
    /// BIND, NSD: beside an answer no glue, nor addresses from another zone; BIND: nothing beside ANY, or to clients of 512 octets.
    FewerAddresses,
    /// Knot, BIND: no addresses for a service at its own name.
    OwnTarget,
    /// NSD, Knot: addresses of name servers in referrals, from a wildcard.
    SynthesizedGlue,
    /// NSD: synthesized addresses whose owner lacks a label of the target.
    OtherOwner,
    /// NSD, BIND: a referral without all glue, and without TC.
    GlueLeftOut,
    /// BIND: addresses below a DNAME.
    OccludedAddresses,
    /// NSD: nothing additional for SVCB and HTTPS; NSD, Knot: nothing for NAPTR.
    NoServiceAddresses,
    /// All: addresses of targets that only a wildcard covers.
    SynthesizedAddresses,
    /// Knot, BIND: for SVCB and HTTPS, aliases of the target and more records of the service.
    ServiceChain,
}

impl Explained {
    /// The reason, with the RFC that leaves it free, or what is known of the peer.
    pub(crate) fn text(self) -> &'static str {
        match self {
            Explained::AnyOneRrset => {
                "RFC 8482 section 4.1: one RRset answers ANY; NSD picks another one, BIND and Knot give all"
            }
            Explained::AnyBelowDname => {
                "RFC 8482 section 4.1: DNAME and its CNAME answer ANY; NSD and Knot follow it, BIND does not"
            }
            Explained::ApexNs => {
                "RFC 1034 section 4.3.2 asks for no NS records beside an answer; NSD and BIND add the zone's"
            }
            Explained::TruncatedAlone => {
                "RFC 1035 section 4.1.4, RFC 2181 section 9: only one of the responses exceeds the size"
            }
            Explained::ChainAcrossZones => {
                "RFC 1034 section 4.3.2: back to step 1, the search for a zone; Knot and BIND stay in the first"
            }
            Explained::ChainEndsAtZone => {
                "RFC 1034 section 4.3.2: back to step 1; BIND does not mix answers from different zones"
            }
            Explained::ChainFails => {
                "RFC 1034 section 3.6.2 wants loops caught; BIND makes them SERVFAIL (its max-query-restarts is 11)"
            }
            Explained::DnameAgain => {
                "RFC 6672 section 3.2: back to step 1, for names that grow without end; NSD, Knot and we stop in different places"
            }
            Explained::SharedNames => {
                "RFC 4592 section 2.2: names exist per zone; NSD keeps those of all zones in one table"
            }
            Explained::OtherParent => {
                "RFC 4035 section 3.1.4.1: the parent answers for DS; NSD takes for it a zone that has NS records for the child"
            }
            Explained::AuthoritativeAddresses => {
                "RFC 9471 section 2: only glue must go along with a referral; BIND leaves out addresses of the zone's own data"
            }
            Explained::WildcardTargets => {
                "RFC 4592 section 2.3: a wildcard's own name is like any; BIND adds no addresses for it (RFC 1034 section 4.3.2 \
                 step 6 leaves it free)"
            }
            Explained::FewerAddresses => {
                "RFC 1034 section 4.3.2 step 6 leaves free what is useful; BIND and NSD add no glue or other zone's data beside an \
                 answer, BIND nothing beside ANY and where EDNS says 512"
            }
            Explained::OwnTarget => {
                "RFC 9460 section 2.5.2: target `.` in ServiceMode is the owner; Knot and BIND add no addresses for it"
            }
            Explained::SynthesizedGlue => {
                "RFC 9471 section 2: glue is what the parent's zone has; NSD and Knot make some of wildcards, below the cut too"
            }
            Explained::OtherOwner => {
                "RFC 1035 section 4.1.3: NSD 4.6 gives addresses synthesized from a wildcard an owner that nothing names"
            }
            Explained::GlueLeftOut => {
                "RFC 9471 section 3.1: glue that does not fit means TC; NSD 4.6 and BIND 9.18 leave it out"
            }
            Explained::OccludedAddresses => {
                "RFC 6672 section 2.4: no data below a DNAME; BIND gives such addresses as additional"
            }
            Explained::NoServiceAddresses => {
                "RFC 9460 section 4.1, RFC 3403 section 4.2: addresses of the target SHOULD, MAY go along; NSD adds none for SVCB and \
                 HTTPS, NSD and Knot none for NAPTR"
            }
            Explained::SynthesizedAddresses => {
                "RFC 1034 section 4.3.2 step 6: what else is useful; the peers also synthesize addresses from wildcards"
            }
            Explained::ServiceChain => {
                "RFC 9460 section 4.1: more records of a service MAY go along; we add addresses alone"
            }
        }
    }
}
