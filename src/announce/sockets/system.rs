//! The system calls of the sidecar, in safe dress: the only file of it with `unsafe`.
#![allow(unsafe_code)]

use crate::announce::Moment;
use libc::{c_int, c_void};
use std::io;
use std::net::IpAddr;
use std::os::fd::{AsRawFd, BorrowedFd};

/// A `struct sockaddr_storage` with an address in it.
#[repr(C, align(8))]
#[derive(Clone, Copy)]
pub(super) struct Storage(pub(super) [u8; 128]);

impl Storage {
    pub(super) fn new(address: IpAddr) -> Storage {
        let mut octets = [0; 128];
        let family = match address {
            IpAddr::V4(address) => {
                octets[4..8].copy_from_slice(&address.octets());
                libc::AF_INET
            }
            IpAddr::V6(address) => {
                octets[8..24].copy_from_slice(&address.octets());
                libc::AF_INET6
            }
        };
        octets[..2].copy_from_slice(&(family as libc::sa_family_t).to_ne_bytes());
        Storage(octets)
    }
}

/// Sets a socket option to a value that the kernel reads.
pub(super) fn set_option<T: Copy>(socket: BorrowedFd<'_>, level: c_int, name: c_int, value: &T) -> io::Result<()> {
    // SAFETY: the pointer and the length are those of one value, which outlives the call; the kernel only reads it.
    let done = unsafe {
        let value = (&raw const *value).cast::<c_void>();
        libc::setsockopt(socket.as_raw_fd(), level, name, value, size_of::<T>() as libc::socklen_t)
    };
    if done == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}

/// The headers of a connection's first segment, where the kernel has kept them (`TCP_SAVE_SYN`).
pub(super) fn first_segment<'a>(socket: BorrowedFd<'_>, segment: &'a mut [u8; 256]) -> Option<&'a [u8]> {
    let mut len = segment.len() as libc::socklen_t;
    // SAFETY: the kernel writes at most `len` octets, which the buffer has, and both outlive the call.
    let done = unsafe {
        let to = segment.as_mut_ptr().cast::<c_void>();
        libc::getsockopt(socket.as_raw_fd(), libc::IPPROTO_TCP, libc::TCP_SAVED_SYN, to, &raw mut len)
    };
    segment.get(..usize::try_from(len).ok()?).filter(|_| done == 0)
}

/// What the kernel says of a datagram.
pub(super) struct Received {
    /// Octets in the buffer.
    pub(super) len: usize,
    /// Who sent it.
    pub(super) name: Storage,
    control: Storage,
    control_len: usize,
}

impl Received {
    /// The control messages that came with it (`cmsg(3)`).
    pub(super) fn control(&self) -> &[u8] {
        &self.control.0[..self.control_len]
    }
}

/// Receives one datagram, if one is there.
pub(super) fn receive(socket: BorrowedFd<'_>, buffer: &mut [u8]) -> io::Result<Received> {
    let mut name = Storage([0; 128]);
    // Room for a TTL (24 octets), the larger pktinfo (40) and a time (32).
    let mut control = Storage([0; 128]);
    let mut vector = libc::iovec { iov_base: buffer.as_mut_ptr().cast(), iov_len: buffer.len() };
    // SAFETY: all fields of msghdr are integers and pointers, for which zero is valid.
    let mut header: libc::msghdr = unsafe { std::mem::zeroed() };
    header.msg_name = name.0.as_mut_ptr().cast();
    header.msg_namelen = name.0.len() as _;
    header.msg_iov = &raw mut vector;
    header.msg_iovlen = 1;
    header.msg_control = control.0.as_mut_ptr().cast();
    header.msg_controllen = control.0.len() as _;
    // SAFETY: the header points to buffers of the lengths that it says, which live on and to which nothing else refers.
    let len = unsafe { libc::recvmsg(socket.as_raw_fd(), &raw mut header, libc::MSG_DONTWAIT) };
    let Ok(len) = usize::try_from(len) else { return Err(io::Error::last_os_error()) };
    let control_len = (header.msg_controllen as usize).min(control.0.len());
    Ok(Received { len, name, control, control_len })
}

/// The time since boot, times of suspension included.
pub fn now() -> Moment {
    let mut time = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: the pointer is to a timespec. The call cannot fail for this clock, which Linux has since 2.6.39.
    unsafe { libc::clock_gettime(libc::CLOCK_BOOTTIME, &raw mut time) };
    Moment::new(time.tv_sec as u64, time.tv_nsec as u32)
}
