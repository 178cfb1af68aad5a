//! The system calls that std has not: batches of datagrams, and which core a thread runs on.
#![allow(unsafe_code)]

use std::io;
use std::mem::zeroed;
use std::net::UdpSocket;
use std::os::fd::AsRawFd;

/// Room for a batch of datagrams, with their senders.
pub(crate) struct Batch {
    size: usize,
    buffers: Vec<u8>,
    names: Vec<libc::sockaddr_storage>,
    iovecs: Vec<libc::iovec>,
    headers: Vec<libc::mmsghdr>,
}

impl Batch {
    /// Room for `count` datagrams of `size` octets each; longer ones are cut on receiving.
    pub(crate) fn new(count: usize, size: usize) -> Batch {
        // SAFETY: all three are plain C structures of integers and pointers, for which zero is a valid value.
        let (name, iovec, header) = unsafe { (zeroed(), zeroed(), zeroed()) };
        Batch {
            size,
            buffers: vec![0; count * size],
            names: vec![name; count],
            iovecs: vec![iovec; count],
            headers: vec![header; count],
        }
    }

    /// How many datagrams it has room for.
    pub(crate) fn count(&self) -> usize {
        self.headers.len()
    }

    /// The octets kept of datagram `at`.
    pub(crate) fn packet(&mut self, at: usize) -> &mut [u8] {
        let len = (self.headers[at].msg_len as usize).min(self.size);
        &mut self.buffers[at * self.size..][..len]
    }

    /// Makes datagram `at` these octets.
    pub(crate) fn put(&mut self, at: usize, octets: &[u8]) {
        self.buffers[at * self.size..][..octets.len()].copy_from_slice(octets);
        self.headers[at].msg_len = octets.len() as u32;
    }

    /// Receives what is there, and waits for the first if `wait`. Gives the number of datagrams.
    pub(crate) fn receive(&mut self, socket: &UdpSocket, wait: bool) -> io::Result<usize> {
        for at in 0..self.count() {
            self.headers[at].msg_len = self.size as u32;
            self.aim(at, true);
        }
        let flags = if wait { libc::MSG_WAITFORONE } else { libc::MSG_DONTWAIT };
        // SAFETY: the headers' pointers were just set to our own buffers, iovecs and names, which outlive the call and are
        // borrowed by nobody else (&mut self); the count is that of the headers.
        let got = unsafe {
            libc::recvmmsg(
                socket.as_raw_fd(),
                self.headers.as_mut_ptr(),
                self.headers.len() as u32,
                flags as _,
                std::ptr::null_mut(),
            )
        };
        usize::try_from(got).map_err(|_| io::Error::last_os_error())
    }

    /// Sends datagrams `from..to`; back to those they came from if `back`, or else over a connected socket. Gives how many
    /// the kernel took.
    pub(crate) fn send(&mut self, socket: &UdpSocket, from: usize, to: usize, back: bool) -> io::Result<usize> {
        for at in from..to {
            self.aim(at, back);
        }
        let headers = &mut self.headers[from..to];
        // SAFETY: as in `receive`; the slice bounds the count.
        let sent = unsafe { libc::sendmmsg(socket.as_raw_fd(), headers.as_mut_ptr(), headers.len() as u32, 0) };
        usize::try_from(sent).map_err(|_| io::Error::last_os_error())
    }

    /// Points header `at` to its parts. Anew before each call: the vectors may have moved with the value.
    fn aim(&mut self, at: usize, name: bool) {
        let len = (self.headers[at].msg_len as usize).min(self.size);
        let buffer = &mut self.buffers[at * self.size..][..len];
        self.iovecs[at] = libc::iovec { iov_base: buffer.as_mut_ptr().cast(), iov_len: len };
        let header = &mut self.headers[at].msg_hdr;
        header.msg_iov = &mut self.iovecs[at];
        header.msg_iovlen = 1;
        header.msg_control = std::ptr::null_mut();
        header.msg_controllen = 0;
        (header.msg_name, header.msg_namelen) = match name {
            true => ((&raw mut self.names[at]).cast(), size_of::<libc::sockaddr_storage>() as u32),
            false => (std::ptr::null_mut(), 0),
        };
    }
}

/// Clock ticks in a second, the unit of times in `/proc/PID/stat`.
pub(crate) fn ticks_per_second() -> f64 {
    // SAFETY: no pointers; the name is a constant that Linux knows.
    unsafe { libc::sysconf(libc::_SC_CLK_TCK) as f64 }
}

/// The cores that this process may run on.
pub(crate) fn cores() -> Vec<usize> {
    // SAFETY: an all-zero cpu_set_t is the empty set; the call writes at most the size that it is given.
    let set = unsafe {
        let mut set: libc::cpu_set_t = zeroed();
        libc::sched_getaffinity(0, size_of::<libc::cpu_set_t>(), &mut set);
        set
    };
    // SAFETY: CPU_ISSET reads within the set for indices below CPU_SETSIZE.
    (0..libc::CPU_SETSIZE as usize).filter(|&core| unsafe { libc::CPU_ISSET(core, &set) }).collect()
}

/// Lets a thread run on these cores only; 0 is the caller. A thread that is gone meanwhile is no error.
pub(crate) fn pin(thread: u32, cores: &[usize]) {
    assert!(cores.iter().all(|&core| core < libc::CPU_SETSIZE as usize));
    // SAFETY: the set is ours, all of `cores` within it; the call only reads it.
    unsafe {
        let mut set: libc::cpu_set_t = zeroed();
        cores.iter().for_each(|&core| libc::CPU_SET(core, &mut set));
        libc::sched_setaffinity(thread as libc::pid_t, size_of::<libc::cpu_set_t>(), &set);
    }
}
