//! The floor: a program that receives and sends, and does nothing else. What the kernel alone costs any server on UDP.

use crate::sys::Batch;
use std::io;
use std::net::{SocketAddr, UdpSocket};

/// Datagrams a batch.
const BATCH: usize = 64;

/// Echoes every datagram at `addr` with QR set, until it is killed.
pub(crate) fn serve(addr: SocketAddr) -> io::Result<()> {
    let socket = UdpSocket::bind(addr)?;
    socket2::SockRef::from(&socket).set_recv_buffer_size(4 << 20)?;
    let mut batch = Batch::new(BATCH, 2048);
    loop {
        let count = batch.receive(&socket, true)?;
        for at in 0..count {
            if let Some(flags) = batch.packet(at).get_mut(2) {
                *flags |= 0x80;
            }
        }
        let mut sent = 0;
        while sent < count {
            // One that can't be sent (its sender is gone) must not hold up the rest.
            sent += batch.send(&socket, sent, count, true).unwrap_or(1).max(1);
        }
    }
}
