//! The system calls that no crate has in the shape that the data plane needs: datagrams in batches with their control
//! messages, `poll`, clocks and a few socket options. The only module of `serve` with `unsafe`.
//!
//! [`Batch`] owns the memory of up to [`BATCH_MAX`] datagrams each way. All headers are linked to their buffers once;
//! between calls only what the kernel overwrites is put back. Responses stand one behind the other, so that a batch of
//! usual ones takes a few KiB of cache rather than a page each.
#![allow(unsafe_code)]

use libc::{c_int, c_void, iovec, mmsghdr};
use std::alloc::{Layout, alloc_zeroed, dealloc, handle_alloc_error};
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, SocketAddrV4, SocketAddrV6};
use std::os::fd::{AsRawFd, BorrowedFd};
use std::ptr::{NonNull, null_mut};
use std::time::Duration;

/// Datagrams in one system call. More brought nothing when it was measured, and lets latency grow.
pub(crate) const BATCH_MAX: usize = 64;
/// Octets kept of a datagram: 4096, which is the largest UDP size in use (RFC 6891 section 6.2.5), and a cache line, so that
/// the buffers' heads do not all compete for one set of a cache that is indexed by the low 12 bits of an address. What is
/// longer arrives cut off, and is then malformed.
pub(crate) const DATAGRAM_MAX: usize = 4096 + 64;
/// Octets that a response may have.
pub(crate) const RESPONSE_MAX: usize = 4096;
/// Responses start at multiples of this.
const RESPONSE_ALIGN: usize = 16;
/// Times that one batch waits for room in the socket's send buffer, and for how long, before it gives up responses.
const SEND_WAITS_MAX: u32 = 4;
const SEND_WAIT: Duration = Duration::from_millis(5);

/// Room for a `sockaddr_in6`, the larger of the two: 28 octets.
type SocketAddress = Aligned<28>;
/// Room for the counter of drops (24 octets) and one of the two pktinfos (32 and 40).
type ControlMessages = Aligned<64>;

#[repr(C, align(8))]
struct Aligned<const N: usize>([u8; N]);

/// What the kernel reads and writes; at one address for life, as the headers point into it.
#[repr(C, align(64))]
struct Slots {
    headers_in: [mmsghdr; BATCH_MAX],
    headers_out: [mmsghdr; BATCH_MAX],
    vectors_in: [iovec; BATCH_MAX],
    vectors_out: [iovec; BATCH_MAX],
    names: [SocketAddress; BATCH_MAX],
    controls: [ControlMessages; BATCH_MAX],
    datagrams: [[u8; DATAGRAM_MAX]; BATCH_MAX],
    responses: [u8; BATCH_MAX * RESPONSE_MAX],
}

/// Datagrams received together, and the responses to them.
pub(crate) struct Batch {
    slots: NonNull<Slots>,
    /// Headers that the kernel may have overwritten since they were last set.
    touched: usize,
    received: usize,
    /// Whether each datagram's control message tells the address that it was sent to.
    pktinfo: bool,
    replies: usize,
    responses_len: usize,
    /// Slot taken last by [`Batch::take`], and the place of the pktinfo in its control messages.
    current: usize,
    current_pktinfo: Option<Pktinfo>,
}

// SAFETY: the slots belong to this value alone; nothing in them is tied to a thread.
unsafe impl Send for Batch {}

/// One datagram of a batch, and where its response goes.
pub(crate) struct Exchange<'a> {
    pub(crate) packet: &'a [u8],
    pub(crate) peer: SocketAddr,
    /// The address that was asked; `None` on a socket bound to one, or if the kernel did not say.
    pub(crate) local: Option<IpAddr>,
    /// [`RESPONSE_MAX`] octets.
    pub(crate) response: &'a mut [u8],
}

/// What became of a batch's responses.
#[derive(Debug, Default)]
pub(crate) struct Sent {
    pub(crate) sent: u64,
    pub(crate) failed: u64,
    /// The last failure.
    pub(crate) error: Option<io::Error>,
}

impl Batch {
    pub(crate) fn new() -> Batch {
        let layout = Layout::new::<Slots>();
        // SAFETY: the layout's size is not 0.
        let Some(slots) = NonNull::new(unsafe { alloc_zeroed(layout) }.cast::<Slots>()) else {
            handle_alloc_error(layout)
        };
        let p = slots.as_ptr();
        for i in 0..BATCH_MAX {
            // SAFETY: all-zero bytes are valid for every field of Slots; i is in range of each array; the places are
            // written through, and pointed to with, the one pointer that owns them.
            unsafe {
                (*p).vectors_in[i].iov_base = (&raw mut (*p).datagrams[i]).cast::<c_void>();
                (*p).vectors_in[i].iov_len = DATAGRAM_MAX;
                let header = &raw mut (*p).headers_in[i].msg_hdr;
                (*header).msg_iov = &raw mut (*p).vectors_in[i];
                (*header).msg_iovlen = 1;
                (*header).msg_name = (&raw mut (*p).names[i]).cast::<c_void>();
                (*header).msg_control = (&raw mut (*p).controls[i]).cast::<c_void>();
                let header = &raw mut (*p).headers_out[i].msg_hdr;
                (*header).msg_iov = &raw mut (*p).vectors_out[i];
                (*header).msg_iovlen = 1;
            }
        }
        Batch {
            slots,
            touched: BATCH_MAX,
            received: 0,
            pktinfo: false,
            replies: 0,
            responses_len: 0,
            current: 0,
            current_pktinfo: None,
        }
    }

    /// Receives what is there, up to [`BATCH_MAX`] datagrams. With `wait`, waits for the first one for as long as the
    /// socket's `SO_RCVTIMEO` says. No datagram, or a signal, is `Ok(0)`. Forgets the batch before.
    pub(crate) fn receive(&mut self, socket: BorrowedFd<'_>, pktinfo: bool, wait: bool) -> io::Result<usize> {
        if pktinfo != self.pktinfo {
            (self.pktinfo, self.touched) = (pktinfo, BATCH_MAX);
        }
        let p = self.slots.as_ptr();
        for i in 0..self.touched {
            // The counter of drops needs room in the first only: it is the socket's, not the datagram's.
            let control_len = if pktinfo || i == 0 { size_of::<ControlMessages>() } else { 0 };
            // SAFETY: i < touched <= BATCH_MAX; nobody else refers to the headers.
            unsafe {
                (*p).headers_in[i].msg_hdr.msg_namelen = size_of::<SocketAddress>() as _;
                (*p).headers_in[i].msg_hdr.msg_controllen = control_len as _;
            }
        }
        (self.touched, self.received, self.replies, self.responses_len) = (0, 0, 0, 0);
        let flags = if wait { libc::MSG_WAITFORONE } else { libc::MSG_DONTWAIT };
        // SAFETY: the headers point to buffers of the lengths that they say, all inside the slots, which live on, and to
        // which no reference is held while the kernel writes.
        let n = unsafe {
            libc::recvmmsg(
                socket.as_raw_fd(),
                (&raw mut (*p).headers_in).cast(),
                BATCH_MAX as _,
                flags as _,
                null_mut(),
            )
        };
        match usize::try_from(n) {
            Ok(n) => {
                self.received = n.min(BATCH_MAX);
                self.touched = self.received;
                Ok(self.received)
            }
            Err(_) => {
                let error = io::Error::last_os_error();
                let nothing = matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::Interrupted);
                if nothing { Ok(0) } else { Err(error) }
            }
        }
    }

    /// The socket's count of datagrams dropped for want of room, if the kernel said one with the batch's first datagram:
    /// it does not before the first drop. Wraps.
    pub(crate) fn overflows(&self) -> Option<u32> {
        if self.received == 0 {
            return None;
        }
        let control = self.control(0);
        let at = find_control(control, libc::SOL_SOCKET, libc::SO_RXQ_OVFL)?;
        Some(u32::from_ne_bytes(control.get(at..at + 4)?.try_into().ok()?))
    }

    /// The `i`-th datagram received. Panics if there is none.
    #[inline]
    pub(crate) fn packet(&self, i: usize) -> &[u8] {
        assert!(i < self.received);
        let p = self.slots.as_ptr();
        // SAFETY: i < received <= BATCH_MAX; the length is cut to the buffer's; the borrow of self keeps writers away.
        unsafe {
            let len = ((*p).headers_in[i].msg_len as usize).min(DATAGRAM_MAX);
            std::slice::from_raw_parts((&raw const (*p).datagrams[i]).cast::<u8>(), len)
        }
    }

    /// The `i`-th datagram received, and room for its response. Panics if there is none.
    #[inline]
    pub(crate) fn take(&mut self, i: usize) -> Exchange<'_> {
        assert!(i < self.received && self.replies < BATCH_MAX);
        let p = self.slots.as_ptr();
        self.current = i;
        self.current_pktinfo = None;
        if self.pktinfo {
            self.current_pktinfo = Pktinfo::find(self.control(i));
        }
        // SAFETY: i is in range. The responses up to here take at most RESPONSE_MAX octets each, of fewer than
        // BATCH_MAX slots, so that the range lies within `responses`. The references are to disjoint parts of the slots,
        // and live as long as the borrow of self, which keeps the kernel and every other user away.
        unsafe {
            let len = ((*p).headers_in[i].msg_len as usize).min(DATAGRAM_MAX);
            let packet = std::slice::from_raw_parts((&raw const (*p).datagrams[i]).cast::<u8>(), len);
            let at = (&raw mut (*p).responses).cast::<u8>().add(self.responses_len);
            let response = std::slice::from_raw_parts_mut(at, RESPONSE_MAX);
            let peer = parse_name(&(*p).names[i].0);
            Exchange { packet, peer, local: self.current_pktinfo.map(|info| info.local), response }
        }
    }

    /// Takes the first `len` octets of the room given by the last [`Batch::take`] as the response to its datagram. At
    /// most once for each. Panics if they are more than the room.
    #[inline]
    pub(crate) fn reply(&mut self, len: usize) {
        assert!(len <= RESPONSE_MAX && self.replies <= self.current && self.current < BATCH_MAX);
        let (p, i, k) = (self.slots.as_ptr(), self.current, self.replies);
        // SAFETY: i and k are in range; the response lies within `responses` as in `take`; a pktinfo was found inside
        // the i-th control buffer, so that the pointer stays in it. No reference into the slots is held.
        unsafe {
            let header = &raw mut (*p).headers_out[k].msg_hdr;
            (*header).msg_name = (&raw mut (*p).names[i]).cast::<c_void>();
            (*header).msg_namelen = (*p).headers_in[i].msg_hdr.msg_namelen;
            (*p).vectors_out[k].iov_base = (&raw mut (*p).responses).cast::<u8>().add(self.responses_len).cast();
            (*p).vectors_out[k].iov_len = len;
            (*header).msg_control = null_mut();
            (*header).msg_controllen = 0;
            if let Some(info) = self.current_pktinfo {
                info.make_source(&mut (*p).controls[i].0);
                (*header).msg_control = (&raw mut (*p).controls[i]).cast::<u8>().add(info.at).cast::<c_void>();
                (*header).msg_controllen = info.len as _;
            }
        }
        self.replies += 1;
        self.responses_len += len.next_multiple_of(RESPONSE_ALIGN);
    }

    /// Sends the responses. One that the kernel does not take is given up alone, the others go on.
    pub(crate) fn send(&mut self, socket: BorrowedFd<'_>) -> Sent {
        let mut report = Sent::default();
        let (mut next, mut waits) = (0, 0);
        while next < self.replies {
            // SAFETY: next < replies <= BATCH_MAX headers, which `reply` has linked to buffers within the slots.
            let n = unsafe {
                let headers = (&raw mut (*self.slots.as_ptr()).headers_out).cast::<mmsghdr>().add(next);
                libc::sendmmsg(socket.as_raw_fd(), headers, (self.replies - next) as _, libc::MSG_DONTWAIT as _)
            };
            match usize::try_from(n) {
                Ok(n) if n > 0 => {
                    next += n;
                    report.sent += n as u64;
                    continue;
                }
                _ => {}
            }
            let error = io::Error::last_os_error();
            match error.kind() {
                io::ErrorKind::Interrupted => continue,
                // A worker that waits answers nobody: a full send buffer may hold up a batch for a few ms, not more.
                io::ErrorKind::WouldBlock if waits < SEND_WAITS_MAX => {
                    waits += 1;
                    let mut room = [libc::pollfd { fd: socket.as_raw_fd(), events: libc::POLLOUT, revents: 0 }];
                    let _ = poll(&mut room, SEND_WAIT);
                    continue;
                }
                _ => {}
            }
            // The call reports the error of its first message, having sent none.
            next += 1;
            report.failed += 1;
            report.error = Some(error);
        }
        (self.replies, self.responses_len) = (0, 0);
        report
    }

    /// The control messages that came with a datagram.
    fn control(&self, i: usize) -> &[u8] {
        let p = self.slots.as_ptr();
        // SAFETY: callers pass i < received <= BATCH_MAX; the slice is cut to what the kernel says that it has written
        // and to the buffer; the borrow of self keeps writers away.
        unsafe {
            let len = (*p).headers_in[i].msg_hdr.msg_controllen.min(size_of::<ControlMessages>() as _) as usize;
            std::slice::from_raw_parts((&raw const (*p).controls[i]).cast::<u8>(), len)
        }
    }
}

impl Drop for Batch {
    fn drop(&mut self) {
        // SAFETY: allocated in `new` with this layout; nothing in it needs dropping.
        unsafe { dealloc(self.slots.as_ptr().cast(), Layout::new::<Slots>()) }
    }
}

/// Reads a `sockaddr_in` or `sockaddr_in6` that the kernel wrote; the sockets have no other family.
#[inline]
fn parse_name(name: &[u8; 28]) -> SocketAddr {
    let [f0, f1, p0, p1, rest @ ..] = name;
    let port = u16::from_be_bytes([*p0, *p1]);
    if c_int::from(u16::from_ne_bytes([*f0, *f1])) == libc::AF_INET {
        let [a, b, c, d, ..] = *rest;
        return SocketAddr::V4(SocketAddrV4::new(Ipv4Addr::new(a, b, c, d), port));
    }
    let (mut flow, mut ip, mut scope) = ([0; 4], [0; 16], [0; 4]);
    flow.copy_from_slice(&rest[..4]);
    ip.copy_from_slice(&rest[4..20]);
    scope.copy_from_slice(&rest[20..]);
    let flow = u32::from_be_bytes(flow);
    SocketAddr::V6(SocketAddrV6::new(Ipv6Addr::from(ip), port, flow, u32::from_ne_bytes(scope)))
}

/// Octets of a control message's header (`struct cmsghdr`), padding included: data start here.
const CONTROL_HEAD: usize = size_of::<libc::cmsghdr>();
/// Control messages start at multiples of this (`CMSG_ALIGN`).
const CONTROL_ALIGN: usize = size_of::<usize>();

/// Where the data of the first control message of this kind start.
fn find_control(control: &[u8], level: c_int, kind: c_int) -> Option<usize> {
    let mut at = 0;
    loop {
        let head = control.get(at..at + CONTROL_HEAD)?;
        let len = usize::from_ne_bytes(head[..size_of::<usize>()].try_into().ok()?);
        let [l, k] =
            [CONTROL_HEAD - 8, CONTROL_HEAD - 4].map(|i| c_int::from_ne_bytes([0, 1, 2, 3].map(|j| head[i + j])));
        if len < CONTROL_HEAD || len > control.len() - at {
            return None;
        }
        if (l, k) == (level, kind) {
            return Some(at + CONTROL_HEAD);
        }
        at += len.next_multiple_of(CONTROL_ALIGN);
    }
}

/// The address that a datagram was sent to, as its control message has it (`ip(7)`, `IP_PKTINFO`; RFC 3542 section 6).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Pktinfo {
    /// Start and length of the control message.
    at: usize,
    len: usize,
    local: IpAddr,
}

impl Pktinfo {
    fn find(control: &[u8]) -> Option<Pktinfo> {
        if let Some(data) = find_control(control, libc::IPPROTO_IP, libc::IP_PKTINFO) {
            // ipi_ifindex, ipi_spec_dst, ipi_addr. The second is the address to answer from; it differs from the third,
            // the one asked, for broadcasts only.
            let ip: [u8; 4] = control.get(data + 4..data + 8)?.try_into().ok()?;
            return Some(Pktinfo { at: data - CONTROL_HEAD, len: CONTROL_HEAD + 12, local: Ipv4Addr::from(ip).into() });
        }
        let data = find_control(control, libc::IPPROTO_IPV6, libc::IPV6_PKTINFO)?;
        let ip: [u8; 16] = control.get(data..data + 16)?.try_into().ok()?;
        Some(Pktinfo { at: data - CONTROL_HEAD, len: CONTROL_HEAD + 20, local: Ipv6Addr::from(ip).into() })
    }

    /// Turns the control message that came into the one that sets a response's source address. The interface is left to
    /// routing: an anycast node's way back often is not the way that the query came. Only a link-local address means
    /// nothing without its interface.
    fn make_source(self, control: &mut [u8]) {
        let index = match self.local {
            IpAddr::V4(_) => self.at + CONTROL_HEAD,
            IpAddr::V6(ip) if ip.is_unicast_link_local() => return,
            IpAddr::V6(_) => self.at + CONTROL_HEAD + 16,
        };
        if let Some(index) = control.get_mut(index..index + 4) {
            index.fill(0);
        }
    }
}

/// Waits until one of the descriptors is ready or the time is over. Gives how many are ready; a signal is 0.
pub(crate) fn poll(fds: &mut [libc::pollfd], timeout: Duration) -> io::Result<usize> {
    let timeout_ms = c_int::try_from(timeout.as_millis()).unwrap_or(c_int::MAX);
    // SAFETY: the pointer and the length are those of one slice of pollfd.
    let ready = unsafe { libc::poll(fds.as_mut_ptr(), fds.len() as _, timeout_ms) };
    match usize::try_from(ready) {
        Ok(ready) => Ok(ready),
        Err(_) => match io::Error::last_os_error() {
            error if error.kind() == io::ErrorKind::Interrupted => Ok(0),
            error => Err(error),
        },
    }
}

/// Sets a socket option whose value is an `int`.
pub(crate) fn set_option(socket: BorrowedFd<'_>, level: c_int, name: c_int, value: c_int) -> io::Result<()> {
    // SAFETY: the value is an int of the length that is told, and outlives the call.
    let done = unsafe {
        let value = (&raw const value).cast::<c_void>();
        libc::setsockopt(socket.as_raw_fd(), level, name, value, size_of::<c_int>() as _)
    };
    if done == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}

/// What [`set_option`] has set.
#[cfg(test)]
pub(crate) fn get_option(socket: BorrowedFd<'_>, level: c_int, name: c_int) -> io::Result<c_int> {
    let (mut value, mut len): (c_int, _) = (0, size_of::<c_int>() as libc::socklen_t);
    // SAFETY: value and length can be written, the length is that of the value, and both outlive the call.
    let done =
        unsafe { libc::getsockopt(socket.as_raw_fd(), level, name, (&raw mut value).cast::<c_void>(), &raw mut len) };
    if done == 0 { Ok(value) } else { Err(io::Error::last_os_error()) }
}

fn clock(id: libc::clockid_t) -> libc::timespec {
    let mut time = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: the pointer is to a timespec. The call cannot fail for the clocks named here, which Linux has since 2.6.39.
    unsafe { libc::clock_gettime(id, &raw mut time) };
    time
}

/// How much less the calling thread weighs than others: a tenth, as `nice -n 10` has it.
const BACK_NICE: i32 = 10;
/// It asks for the core for so long at a time. Who asks for less, as all do that ask for nothing, has it at once when something comes (Linux 6.12);
/// without that it waits until the other's time is over.
const BACK_SLICE: Duration = Duration::from_millis(20);

/// Has the calling thread, and all that it starts from now on, stand back behind the others. A hint: a system may refuse it.
pub(crate) fn stand_back() {
    let attributes = libc::sched_attr {
        size: size_of::<libc::sched_attr>() as u32,
        sched_policy: libc::SCHED_BATCH as u32,
        sched_flags: 0,
        sched_nice: BACK_NICE,
        sched_priority: 0,
        sched_runtime: BACK_SLICE.as_nanos() as u64,
        sched_deadline: 0,
        sched_period: 0,
    };
    // SAFETY: the kernel reads the attributes, which are as long as they say, and changes nothing but how it treats this thread.
    unsafe {
        libc::syscall(libc::SYS_sched_setattr, 0, &raw const attributes, 0);
    }
}

/// Nanoseconds since boot, times of suspension included (`CLOCK_BOOTTIME`): what beats and latencies are told by. A
/// virtual machine that was paused must not look as if its workers had just beaten.
#[inline]
pub(crate) fn now_ns() -> u64 {
    let time = clock(libc::CLOCK_BOOTTIME);
    time.tv_sec as u64 * 1_000_000_000 + time.tv_nsec as u64
}

/// Seconds since 1970, modulo 2^32, from the clock that is cheapest to read.
#[inline]
pub(crate) fn wall_secs() -> u32 {
    clock(libc::CLOCK_REALTIME_COARSE).tv_sec as u32
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::UdpSocket;
    use std::os::fd::AsFd;

    fn socket() -> UdpSocket {
        let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
        socket.set_read_timeout(Some(Duration::from_secs(5))).unwrap();
        socket
    }

    fn echo(batch: &mut Batch, n: usize) {
        for i in 0..n {
            let exchange = batch.take(i);
            let len = exchange.packet.len();
            exchange.response[..len].copy_from_slice(exchange.packet);
            batch.reply(len);
        }
    }

    #[test]
    fn a_full_batch_is_received_and_answered_each_to_its_sender() {
        let (server, clients) = (socket(), [(); 70].map(|()| socket()));
        for (i, client) in clients.iter().enumerate() {
            client.send_to(&[i as u8; 40][..i % 40], server.local_addr().unwrap()).unwrap();
        }
        let mut batch = Batch::new();
        for expected in [64, 6] {
            assert_eq!(batch.receive(server.as_fd(), false, true).unwrap(), expected);
            echo(&mut batch, expected);
            assert_eq!(batch.send(server.as_fd()).sent, expected as u64);
        }
        for (i, client) in clients.iter().enumerate() {
            let mut answer = [0; 64];
            assert_eq!(client.recv(&mut answer).unwrap(), i % 40);
            assert_eq!(answer[..i % 40], [i as u8; 40][..i % 40]);
        }
    }

    #[test]
    fn one_unsendable_response_does_not_lose_the_rest() {
        let (server, clients) = (socket(), [(); 5].map(|()| socket()));
        for client in &clients {
            client.send_to(b"question", server.local_addr().unwrap()).unwrap();
        }
        let mut batch = Batch::new();
        assert_eq!(batch.receive(server.as_fd(), false, true).unwrap(), 5);
        for lost in [0, 2] {
            // The kernel refuses broadcasts on a socket that did not ask for them: EACCES, and nothing leaves the host.
            // SAFETY: the slot is in range and not borrowed.
            unsafe { &mut (&mut (*batch.slots.as_ptr()).names)[lost] }.0[4..8].fill(255);
        }
        echo(&mut batch, 5);
        let report = batch.send(server.as_fd());
        assert_eq!((report.sent, report.failed), (3, 2));
        assert_eq!(report.error.unwrap().raw_os_error(), Some(libc::EACCES));
        for client in [&clients[1], &clients[3], &clients[4]] {
            let mut answer = [0; 64];
            assert_eq!(client.recv(&mut answer).unwrap(), 8);
        }
    }

    #[test]
    fn only_some_are_answered_and_the_longest_stand_apart() {
        let (server, client) = (socket(), socket());
        socket2::SockRef::from(&client).set_recv_buffer_size(2 << 20).unwrap();
        for i in 0..64u8 {
            client.send_to(&[i; 100], server.local_addr().unwrap()).unwrap();
        }
        let mut batch = Batch::new();
        assert_eq!(batch.receive(server.as_fd(), false, true).unwrap(), 64);
        for i in 0..64 {
            batch.take(i).response.fill(i as u8);
            if i % 2 == 1 {
                batch.reply(RESPONSE_MAX - i);
            }
        }
        assert_eq!(batch.send(server.as_fd()).sent, 32);
        let mut answer = vec![0; 65536];
        for i in (1..64).step_by(2) {
            assert_eq!(client.recv(&mut answer).unwrap(), RESPONSE_MAX - i);
            assert!(answer[..RESPONSE_MAX - i].iter().all(|octet| *octet == i as u8), "response {i}");
        }
    }

    #[test]
    fn what_is_longer_than_the_buffer_arrives_cut_off() {
        let (server, client) = (socket(), socket());
        client.send_to(&[1; 9000], server.local_addr().unwrap()).unwrap();
        let mut batch = Batch::new();
        assert_eq!(batch.receive(server.as_fd(), false, true).unwrap(), 1);
        assert_eq!(batch.take(0).packet, [1; DATAGRAM_MAX]);
    }

    #[test]
    fn nothing_there_is_no_error() {
        let server = socket();
        assert_eq!(Batch::new().receive(server.as_fd(), false, false).unwrap(), 0);
        server.set_read_timeout(Some(Duration::from_millis(1))).unwrap();
        assert_eq!(Batch::new().receive(server.as_fd(), true, true).unwrap(), 0);
    }

    #[test]
    fn the_pktinfo_is_found_behind_other_messages_and_loses_its_interface() {
        let mut control = Vec::new();
        let mut push = |level: c_int, kind: c_int, data: &[u8]| {
            control.extend((CONTROL_HEAD + data.len()).to_ne_bytes());
            control.extend(level.to_ne_bytes());
            control.extend(kind.to_ne_bytes());
            control.extend(data);
            control.resize(control.len().next_multiple_of(CONTROL_ALIGN), 0);
        };
        push(libc::SOL_SOCKET, libc::SO_RXQ_OVFL, &7u32.to_ne_bytes());
        push(libc::IPPROTO_IP, libc::IP_PKTINFO, &[9, 0, 0, 0, 127, 0, 0, 2, 127, 0, 0, 3]);
        let info = Pktinfo::find(&control).unwrap();
        assert_eq!(info, Pktinfo { at: 24, len: 28, local: IpAddr::from([127, 0, 0, 2]) });
        info.make_source(&mut control);
        assert_eq!(control[24 + CONTROL_HEAD..][..8], [0, 0, 0, 0, 127, 0, 0, 2]);
        for cut in 0..control.len() - 4 {
            assert_eq!(Pktinfo::find(&control[..cut]), None, "cut to {cut}");
        }
    }

    #[test]
    fn a_link_local_source_keeps_its_interface() {
        for (ip, kept) in [(Ipv6Addr::LOCALHOST, [0; 4]), ("fe80::1".parse().unwrap(), [3, 0, 0, 0])] {
            let mut control = [0; CONTROL_HEAD + 20];
            control[..8].copy_from_slice(&(CONTROL_HEAD + 20).to_ne_bytes());
            control[8..12].copy_from_slice(&libc::IPPROTO_IPV6.to_ne_bytes());
            control[12..16].copy_from_slice(&libc::IPV6_PKTINFO.to_ne_bytes());
            control[CONTROL_HEAD..][..16].copy_from_slice(&ip.octets());
            control[CONTROL_HEAD + 16] = 3;
            let info = Pktinfo::find(&control).unwrap();
            assert_eq!(info.local, IpAddr::V6(ip));
            info.make_source(&mut control);
            assert_eq!(control[CONTROL_HEAD + 16..], kept);
        }
    }

    #[test]
    fn control_messages_with_wrong_lengths_end_the_search() {
        for len in [0, 15, 17, usize::MAX] {
            let mut control = [0; 16];
            control[..8].copy_from_slice(&len.to_ne_bytes());
            assert_eq!(find_control(&control, libc::IPPROTO_IP, libc::IP_PKTINFO), None);
        }
    }

    #[test]
    fn addresses_are_read_as_the_kernel_writes_them() {
        let mut name = [0; 28];
        name[..2].copy_from_slice(&(libc::AF_INET as u16).to_ne_bytes());
        name[2..8].copy_from_slice(&[0x14, 0xb4, 127, 0, 0, 9]);
        assert_eq!(parse_name(&name), "127.0.0.9:5300".parse().unwrap());
        name = [0; 28];
        name[..2].copy_from_slice(&(libc::AF_INET6 as u16).to_ne_bytes());
        name[2..4].copy_from_slice(&[0x14, 0xb4]);
        name[8..24].copy_from_slice(&"fe80::9".parse::<Ipv6Addr>().unwrap().octets());
        name[24] = 2;
        assert_eq!(parse_name(&name), SocketAddrV6::new("fe80::9".parse().unwrap(), 5300, 0, 2).into());
    }
}
