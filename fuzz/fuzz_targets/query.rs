//! Any packet, over both transports: a response is well-formed, fits, and says the same over UDP and TCP.
#![no_main]

use catchment::answer::{Served, Transport};
use catchment_fuzz::{ZONES, ask_well, image, served};
use std::cell::RefCell;
use std::sync::LazyLock;

static SERVED: LazyLock<Served> =
    LazyLock::new(|| served(ZONES.iter().map(|(apex, text)| image(apex, text)).collect()));

thread_local! {
    static OUT: RefCell<(Vec<u8>, Vec<u8>)> = RefCell::new((vec![0; 65535], vec![0; 65535]));
}

libfuzzer_sys::fuzz_target!(|packet: &[u8]| OUT.with_borrow_mut(|(udp, tcp)| {
    let udp = ask_well(&SERVED, packet, Transport::Udp, udp);
    let tcp = ask_well(&SERVED, packet, Transport::Tcp, tcp);
    let (Some((udp, udp_message)), Some((tcp, tcp_message))) = (&udp, &tcp) else {
        assert_eq!(udp.is_some(), tcp.is_some(), "dropped over one transport only");
        return;
    };
    // With TC, what was cut off may have been the rest of a chain, and with it the RCODE of its end.
    if !udp_message.metadata.truncation {
        assert_eq!(udp[3], tcp[3], "one RCODE over both transports");
        assert_eq!(udp_message.metadata.authoritative, tcp_message.metadata.authoritative);
        assert_eq!(udp_message.answers, tcp_message.answers);
        assert_eq!(udp_message.authorities, tcp_message.authorities);
    }
}));
