//! Finding out by DNS queries when each server of a fleet gives an answer that it did not give before.

use std::io;
use std::net::{Ipv4Addr, SocketAddr, UdpSocket};
use std::time::{Duration, Instant};

/// Whether a response is an authoritative one that has these octets in it.
pub(crate) fn holds(response: &[u8], text: &str) -> bool {
    response.len() > 12 && response[2] & 0x84 == 0x84 && response.windows(text.len()).any(|at| at == text.as_bytes())
}

/// Asks every server in `nodes` once each `pause`, until the response of each satisfies `done`; those that did are not asked
/// again. Gives the time from `start` to each. The error names those that never did.
pub(crate) fn until(
    nodes: &[SocketAddr],
    query: &[u8],
    done: impl Fn(&[u8]) -> bool,
    start: Instant,
    pause: Duration,
    patience: Duration,
) -> Result<Vec<Duration>, String> {
    let socket = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).map_err(|e| e.to_string())?;
    let mut found: Vec<Option<Duration>> = vec![None; nodes.len()];
    let mut response = [0; 4096];
    loop {
        let round = Instant::now();
        for (node, _) in nodes.iter().zip(&found).filter(|(_, found)| found.is_none()) {
            // Nobody may listen there at the moment.
            let _ = socket.send_to(query, node);
        }
        loop {
            let left = (round + pause).saturating_duration_since(Instant::now());
            if left.is_zero() {
                break;
            }
            socket.set_read_timeout(Some(left)).map_err(|e| e.to_string())?;
            match socket.recv_from(&mut response) {
                Ok((len, from)) => {
                    let at = nodes.iter().position(|node| *node == from);
                    if let Some(at) = at
                        && found[at].is_none()
                        && response[..2] == query[..2]
                        && done(&response[..len])
                    {
                        found[at] = Some(start.elapsed());
                    }
                }
                Err(e) if e.kind() == io::ErrorKind::ConnectionRefused => {}
                Err(_) => break,
            }
        }
        if let Some(all) = found.iter().copied().collect() {
            return Ok(all);
        }
        if start.elapsed() > patience {
            let late: Vec<String> =
                nodes.iter().zip(&found).filter(|(_, f)| f.is_none()).map(|(n, _)| n.to_string()).collect();
            return Err(format!("after {patience:?} not yet at {}", late.join(", ")));
        }
    }
}
