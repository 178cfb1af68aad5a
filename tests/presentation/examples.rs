//! Records of every type that has a text form, most of them from the RFCs.

/// The record as a zone may write it, and as it is written out; an empty second one is the same.
pub(crate) const EXAMPLES: &[(&str, &str)] = &[
    ("A 192.0.2.1", ""),
    ("A 255.255.255.255", ""),
    ("NS ns.example.net.", ""),
    ("NS .", ""),
    ("CNAME *.x\\.y.", ""),
    ("CNAME WWW", "CNAME WWW.example."),
    ("MB a.", ""),
    ("MG a.", ""),
    ("MR a.", ""),
    ("MINFO a. b.", ""),
    ("WKS 10.0.0.1 TCP 23 25", "WKS 10.0.0.1 6 23 25"),
    ("WKS 192.0.2.1 17 65535 0 53", "WKS 192.0.2.1 17 0 53 65535"),
    ("WKS 192.0.2.1 UDP", "WKS 192.0.2.1 17"),
    ("PTR host.example.net.", ""),
    ("HINFO VAX-11/780 UNIX", "HINFO \"VAX-11/780\" \"UNIX\""),
    ("HINFO \"x 86\" \"\"", ""),
    ("MX 10 VENERA.isi.edu.", ""),
    ("MX 65535 .", ""),
    ("TXT a \"b c\" \\065\\\"", "TXT \"a\" \"b c\" \"A\\\"\""),
    ("TXT \"\\000\\\"\\\\\\255\"", ""),
    ("RP louie.trantor.umd.edu. lam1.people.umd.edu.", ""),
    ("AFSDB 1 bigbird.toaster.com.", ""),
    // RFC 1183 section 3.
    ("X25 311061700956", "X25 \"311061700956\""),
    ("X25 \"0000\"", ""),
    ("ISDN 150862028003217", "ISDN \"150862028003217\""),
    ("ISDN 150862028003217 004", "ISDN \"150862028003217\" \"004\""),
    ("RT 2 Relay.Prime.COM.", ""),
    ("RT 10 NET", "RT 10 NET.example."),
    // RFC 1706 section 7.
    ("NSAP 0x47.0005.80.005a00.0000.0001.e133.ffffff000161.00", "NSAP 0x47000580005A0000000001E133FFFFFF00016100"),
    ("NSAP 0X00", "NSAP 0x00"),
    ("NSAP-PTR bsdi1.nist.gov.", ""),
    (
        "SIG A 5 3 86400 20030322173103 20030220173103 2642 example.com. oJB1W6WNGv+ldvQ3WDG0MQkg5IEhjRip8WTrPYGv07h1",
        "",
    ),
    ("SIG TYPE0 0 0 0 20380119031408 19700101000000 0 . AQID", ""),
    (
        "KEY 256 3 5 AQPSKmynfzW4kyBv015MUG2DeIQ3Cbl+BBZH4b/0PY1kxkmvHjcZc8no kfzj31GajIQKY+5CptLr3buXA10h",
        "KEY 256 3 5 AQPSKmynfzW4kyBv015MUG2DeIQ3Cbl+BBZH4b/0PY1kxkmvHjcZc8nokfzj31GajIQKY+5CptLr3buXA10h",
    ),
    ("KEY 49152 3 RSASHA1", "KEY 49152 3 5"),
    // RFC 2163 section 4.
    ("PX 10 net2.it. PRMD-net2.ADMD-p400.C-it.", ""),
    ("PX 50 ab.net2.it. O-ab.PRMD-net2.ADMDb.C-it.", ""),
    // RFC 1712 section 3.
    ("GPOS -32.6882 116.8652 10.0", "GPOS \"-32.6882\" \"116.8652\" \"10.0\""),
    ("GPOS \"\" \"\" \"\"", ""),
    ("AAAA 2001:db8::1", ""),
    ("AAAA 2001:DB8:0:0:0:0:192.0.2.1", "AAAA 2001:db8::c000:201"),
    // RFC 1876 section 3.
    ("LOC 42 21 54 N 71 06 18 W -24m 30m", "LOC 42 21 54.000 N 71 6 18.000 W -24.00m 30.00m 10000.00m 10.00m"),
    ("LOC 52 14 05 N 00 08 50 E 10m", "LOC 52 14 5.000 N 0 8 50.000 E 10.00m 1.00m 10000.00m 10.00m"),
    ("LOC 32 7 19 S 116 2 25 E 10m 20m 100.5m 3m", "LOC 32 7 19.000 S 116 2 25.000 E 10.00m 20.00m 100.00m 3.00m"),
    // RFC 2535 section 5.
    ("NXT medium.foo.nil. A MX SIG NXT", ""),
    ("NXT . TYPE127 NS", "NXT . NS TYPE127"),
    ("EID E32C 6F78163A9348", "EID E32C6F78163A9348"),
    ("NIMLOC 32251A030067", ""),
    ("SRV 0 1 9 old-slow-box.example.com.", ""),
    ("SRV 65535 65535 65535 .", ""),
    ("ATMA 39.246f.00.0e7c9c.0312.0001.0001.000012345678.00", "ATMA 39246F000E7C9C03120001000100001234567800"),
    ("ATMA +61.2.0000.0000", "ATMA +61200000000"),
    (
        "NAPTR 100 50 s http+N2L+N2C+N2R \"\" www.example.com.",
        "NAPTR 100 50 \"s\" \"http+N2L+N2C+N2R\" \"\" www.example.com.",
    ),
    ("NAPTR 1 2 \"u\" \"E2U+sip\" \"!^.*$!sip:a@b!\" .", ""),
    ("KX 10 kx-host.example.net.", ""),
    ("CERT PGP 0 0 AQID BAUG", "CERT 3 0 0 AQIDBAUG"),
    ("CERT 65535 65535 RSASHA1 AA==", "CERT 65535 65535 5 AA=="),
    ("CERT oid 1 254 AA==", "CERT 254 1 254 AA=="),
    ("A6 0 2001:db8::1", ""),
    ("A6 64 ::1:0:0:0:1 subnet", "A6 64 ::1 subnet.example."),
    ("A6 61 ::ff:1:2:3:4 a.", "A6 61 ::7:1:2:3:4 a."),
    ("A6 128 a.", ""),
    ("DNAME frobozz-division.acme.example.", ""),
    ("SINK 4 1 2 AQID", ""),
    ("SINK 8 0 255", ""),
    // RFC 3123 section 5.
    ("APL 1:192.168.32.0/21 !1:192.168.38.0/28", ""),
    ("APL 1:192.168.42.0/26 1:192.168.42.64/26 !1:192.168.42.128/25", ""),
    ("APL 1:224.0.0.0/4 2:FF00:0:0:0:0:0:0:0/8", "APL 1:224.0.0.0/4 2:ff00::/8"),
    ("APL 1:0.0.0.0/0 !2:::/0", ""),
    ("APL", "APL \\# 0"),
    // RFC 4034 section 5.4, RFC 4509 section 2.3.
    ("DS 60485 5 1 2BB183AF5F22588179A53B0A 98631FAD1A292118", "DS 60485 5 1 2BB183AF5F22588179A53B0A98631FAD1A292118"),
    (
        "DS 60485 RSASHA1 SHA-256 d4b7d520e7bb5f0f67674a0cceb1e3e0614b93c4f9e99b8383f6a1e4469da50a",
        "DS 60485 5 2 D4B7D520E7BB5F0F67674A0CCEB1E3E0614B93C4F9E99B8383F6A1E4469DA50A",
    ),
    ("DS 1 255 255 00", ""),
    // RFC 4255 section 3.2.
    ("SSHFP 2 1 123456789abcdef67890123456789abcdef67890", "SSHFP 2 1 123456789ABCDEF67890123456789ABCDEF67890"),
    ("SSHFP 255 255 00", ""),
    // RFC 4025 section 3.2.
    ("IPSECKEY 10 1 2 192.0.2.38 AQNRU3mG7TVTO2BkR47usntb102uFJtugbo6BSGvgqt4AQ==", ""),
    ("IPSECKEY 10 0 2 . AQNRU3mG7TVTO2BkR47usntb102uFJtugbo6BSGvgqt4AQ==", ""),
    ("IPSECKEY 10 3 2 mygateway.example.com. AQNRU3mG7TVTO2BkR47usntb102uFJtugbo6BSGvgqt4AQ==", ""),
    (
        "IPSECKEY 10 2 2 2001:0DB8:0:8002::2000:1 AQNRU3mG7TVTO2BkR47usntb102uFJtugbo6BSGvgqt4AQ==",
        "IPSECKEY 10 2 2 2001:db8:0:8002::2000:1 AQNRU3mG7TVTO2BkR47usntb102uFJtugbo6BSGvgqt4AQ==",
    ),
    ("IPSECKEY 0 0 0 .", ""),
    // RFC 4034 section 3.3.
    (
        "RRSIG A 5 3 86400 20030322173103 ( 20030220173103 2642 example.com. \
         oJB1W6WNGv+ldvQ3WDG0MQkg5IEhjRip8WTr PYGv07h108dUKGMeDPKijVCHX3DDKdfb+v6o )",
        "RRSIG A 5 3 86400 20030322173103 20030220173103 2642 example.com. \
         oJB1W6WNGv+ldvQ3WDG0MQkg5IEhjRip8WTrPYGv07h108dUKGMeDPKijVCHX3DDKdfb+v6o",
    ),
    (
        "RRSIG TYPE65280 ECDSAP256SHA256 2 4294967295 1048354263 0 65535 Example AQID",
        "RRSIG TYPE65280 13 2 4294967295 20030322173103 19700101000000 65535 Example.example. AQID",
    ),
    (
        "RRSIG NSEC3PARAM 15 0 0 21060207062816 19700101000001 0 . AA==",
        "RRSIG NSEC3PARAM 15 0 0 19700101000000 19700101000001 0 . AA==",
    ),
    // RFC 4034 section 4.3.
    ("NSEC host.example.com. A MX RRSIG NSEC TYPE1234", ""),
    ("NSEC \\000.A. NSEC3PARAM CAA A TYPE65535 A", "NSEC \\000.A. A NSEC3PARAM CAA TYPE65535"),
    // RFC 9824 section 3.1.
    ("NSEC \\000.a.example. RRSIG NSEC nxname", "NSEC \\000.a.example. RRSIG NSEC NXNAME"),
    // RFC 4034 section 2.3.
    (
        "DNSKEY 256 3 5 ( AQPSKmynfzW4kyBv015MUG2DeIQ3 Cbl+BBZH4b/0PY1kxkmvHjcZc8no )",
        "DNSKEY 256 3 5 AQPSKmynfzW4kyBv015MUG2DeIQ3Cbl+BBZH4b/0PY1kxkmvHjcZc8no",
    ),
    (
        "DNSKEY 257 3 ED25519 l02Woi0iS8Aa25FQkUd9RMzZHJpBoRQwAQEX1SxZJA4=",
        "DNSKEY 257 3 15 l02Woi0iS8Aa25FQkUd9RMzZHJpBoRQwAQEX1SxZJA4=",
    ),
    // RFC 4701 section 3.6.
    ("DHCID AAIBY2/AuCccgoJbsaxcQc9TUapptP69lOjxfNuVAA2kjEA=", ""),
    (
        "DHCID ( AAEBOSD+XR3Os/0LozeXVqcNc7Fw CfQdWL3b/NaiUDlW2No= )",
        "DHCID AAEBOSD+XR3Os/0LozeXVqcNc7FwCfQdWL3b/NaiUDlW2No=",
    ),
    // RFC 5155 appendix A.
    (
        "NSEC3 1 1 12 aabbccdd ( 2vptu5timamqttgl4luu9kg21e0aor3s A RRSIG )",
        "NSEC3 1 1 12 AABBCCDD 2VPTU5TIMAMQTTGL4LUU9KG21E0AOR3S A RRSIG",
    ),
    ("NSEC3 SHA-1 0 0 - 2T7B4G4VSA5SMI47K61MV5BV1A22BOJR", "NSEC3 1 0 0 - 2T7B4G4VSA5SMI47K61MV5BV1A22BOJR"),
    ("NSEC3 2 255 65535 00 CO TYPE65535", ""),
    ("NSEC3PARAM 1 0 12 aabbccdd", "NSEC3PARAM 1 0 12 AABBCCDD"),
    ("NSEC3PARAM 1 0 0 -", ""),
    // RFC 6698 section 2.3.
    (
        "TLSA 0 0 1 ( d2abde240d7cd3ee6b4b28c54df034b9 7983a1d16e8a410e4561cb106618e971 )",
        "TLSA 0 0 1 D2ABDE240D7CD3EE6B4B28C54DF034B97983A1D16E8A410E4561CB106618E971",
    ),
    ("TLSA 3 1 255 00", ""),
    ("SMIMEA 3 0 0 3082", ""),
    // RFC 8005 section 6.
    ("HIP 2 200100107B1A74DF365639CC39F1D578 AwEAAbdxyhNuSutc5EMzxTs9LBPCIkOFH8cIvM4p9+LrV4e1", ""),
    (
        "HIP 2 200100107b1a74df365639cc39f1d578 AwEAAbdxyhNuSutc5EMzxTs9LBPCIkOFH8cIvM4p9+LrV4e1 rvs1.example.com. rvs2",
        "HIP 2 200100107B1A74DF365639CC39F1D578 AwEAAbdxyhNuSutc5EMzxTs9LBPCIkOFH8cIvM4p9+LrV4e1 rvs1.example.com. rvs2.example.",
    ),
    ("NINFO \"under construction\" x", "NINFO \"under construction\" \"x\""),
    ("RKEY 0 3 RSASHA256 AQID", "RKEY 0 3 8 AQID"),
    ("TALINK h0.example.com. h2", "TALINK h0.example.com. h2.example."),
    ("CDS 60485 5 1 2BB183AF5F22588179A53B0A98631FAD1A292118", ""),
    // RFC 8078 section 4.
    ("CDS 0 0 0 00", ""),
    ("CDNSKEY 257 3 15 l02Woi0iS8Aa25FQkUd9RMzZHJpBoRQwAQEX1SxZJA4=", ""),
    ("CDNSKEY 0 3 0 AA==", ""),
    ("OPENPGPKEY AQID BAUG", "OPENPGPKEY AQIDBAUG"),
    // RFC 7477 section 2.2.
    ("CSYNC 66 3 A NS AAAA", ""),
    ("CSYNC 4294967295 65535", ""),
    // RFC 8976 appendix A.1.
    (
        "ZONEMD 2018031900 1 1 c68090d90a7aed716bc459f9340e3d7c1370d4d24b7e2fc3a1ddc0b9a87153b9a9713b3c9ae5cc27777f98b8e730044c",
        "ZONEMD 2018031900 1 1 C68090D90A7AED716BC459F9340E3D7C1370D4D24B7E2FC3A1DDC0B9A87153B9A9713B3C9AE5CC27777F98B8E730044C",
    ),
    ("ZONEMD 0 255 240 000102030405060708090A0B", ""),
    (
        "SVCB 16 foo.example.org. alpn=h2,h3-19 mandatory=ipv4hint,alpn ipv4hint=192.0.2.1",
        "SVCB 16 foo.example.org. mandatory=alpn,ipv4hint alpn=\"h2,h3-19\" ipv4hint=192.0.2.1",
    ),
    ("SVCB 0 a.", ""),
    ("SVCB 1 . key667=\"a b\"", ""),
    (
        "HTTPS 1 . no-default-alpn alpn=h2,h3 port=8443 ipv4hint=192.0.2.1,192.0.2.2 ech=AAEC ipv6hint=2001:db8::1",
        "HTTPS 1 . alpn=\"h2,h3\" no-default-alpn port=8443 ipv4hint=192.0.2.1,192.0.2.2 ech=AAEC ipv6hint=2001:db8::1",
    ),
    // RFC 9461 section 5, RFC 9540 section 4.
    ("SVCB 1 . dohpath=/dns-query{?dns} key8", "SVCB 1 . key7=\"/dns-query{?dns}\" key8"),
    ("HTTPS 0 svc", "HTTPS 0 svc.example."),
    // RFC 9859 section 2.3.
    ("DSYNC CDS NOTIFY 5359 cds-scanner.example.net.", "DSYNC CDS 1 5359 cds-scanner.example.net."),
    ("DSYNC CSYNC 128 0 .", ""),
    ("HHIT AQID BA==", "HHIT AQIDBA=="),
    ("BRID AQID", ""),
    ("SPF \"v=spf1 +mx a:colo.example.com/28 -all\"", ""),
    // RFC 6742 section 2.
    ("NID 10 0014:4fff:ff20:ee64", ""),
    ("NID 65535 14:4FFF:0:1", "NID 65535 0014:4fff:0000:0001"),
    ("L32 10 10.1.2.0", ""),
    ("L64 10 2001:0DB8:1140:1000", "L64 10 2001:0db8:1140:1000"),
    ("LP 10 l64-subnet1.example.com.", ""),
    // RFC 7043 sections 3.2 and 4.2.
    ("EUI48 00-00-5e-00-53-2a", ""),
    ("EUI48 FF-FF-FF-FF-FF-FF", "EUI48 ff-ff-ff-ff-ff-ff"),
    ("EUI64 00-00-5e-ef-10-00-00-2a", ""),
    ("URI 10 1 \"ftp://ftp1.example.com/public\"", ""),
    ("CAA 0 issue \"ca1.example.net; account=230123\"", ""),
    ("CAA 128 IODEF \"\"", ""),
    ("AVC \"app-name:WOLFGANG|app-class:OAM|business=yes\"", ""),
    ("DOA 0 1 2 \"\" aHR0cHM6Ly93d3cuaXNjLm9yZy8=", ""),
    (
        "DOA 4294967295 1234567890 1 \"image/gif\" R0lGODlh KAAZAOMC",
        "DOA 4294967295 1234567890 1 \"image/gif\" R0lGODlhKAAZAOMC",
    ),
    ("DOA 0 1 3 text/plain -", "DOA 0 1 3 \"text/plain\" -"),
    // RFC 8777 section 4.3.
    ("AMTRELAY 10 0 1 203.0.113.15", ""),
    ("AMTRELAY 10 0 2 2001:DB8::15", "AMTRELAY 10 0 2 2001:db8::15"),
    ("AMTRELAY 128 1 3 amtrelays.example.com.", ""),
    ("AMTRELAY 0 1 0 .", ""),
    // RFC 9606 section 8.
    (
        "RESINFO qnamemin exterr=15-17 infourl=https://resolver.example.com/guide",
        "RESINFO \"qnamemin\" \"exterr=15-17\" \"infourl=https://resolver.example.com/guide\"",
    ),
    ("WALLET ETH 0x0123456789abcdef", "WALLET \"ETH\" \"0x0123456789abcdef\""),
    ("TA 60485 5 1 2BB183AF5F22588179A53B0A98631FAD1A292118", ""),
    ("DLV 60485 5 1 2BB183AF5F22588179A53B0A98631FAD1A292118", ""),
];

/// The types that are known by name but have no text form: RFC 3597's, or none in a zone at all.
pub(crate) const WITHOUT_TEXT: &[(&str, &str)] = &[
    ("MD", "MD records are obsolete"),
    ("MF", "MF records are obsolete"),
    ("NULL", "NULL records have no text form here"),
    ("UINFO", "UINFO records have no text form here"),
    ("UID", "UID records have no text form here"),
    ("GID", "GID records have no text form here"),
    ("UNSPEC", "UNSPEC records have no text form here"),
    ("OPT", "OPT is a type of questions"),
    ("NXNAME", "NXNAME is a type of questions"),
    ("TKEY", "TKEY is a type of questions"),
    ("TSIG", "TSIG is a type of questions"),
    ("IXFR", "IXFR is a type of questions"),
    ("AXFR", "AXFR is a type of questions"),
    ("MAILB", "MAILB is a type of questions"),
    ("MAILA", "MAILA is a type of questions"),
    ("ANY", "ANY is a type of questions"),
];
