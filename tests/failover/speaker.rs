//! A router of a few lines, that says what no real one would: for malformed messages.
//!
//! It listens in the router's namespace, at an address that no daemon uses, and speaks BGP as far as it takes to be
//! Established (RFC 4271 section 8.2.2).

use crate::topology::Net;
use std::io::{self, ErrorKind, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::time::{Duration, Instant};

/// Where it listens: the router's address on the client's link.
pub(crate) const ADDRESS: &str = "198.51.100.1";
/// BGP's own port is the daemon's.
pub(crate) const PORT: u16 = 1790;
/// Its autonomous system.
pub(crate) const AS: u16 = 64_510;

const OPEN: u8 = 1;
const UPDATE: u8 = 2;
/// The type of a NOTIFICATION.
pub(crate) const NOTIFICATION: u8 = 3;
const KEEPALIVE: u8 = 4;

/// A listening socket.
pub(crate) struct Speaker(TcpListener);

impl Speaker {
    pub(crate) fn new(net: &Net) -> io::Result<Speaker> {
        let listener = net.within("r", || TcpListener::bind((ADDRESS, PORT)))?;
        listener.set_nonblocking(true)?;
        Ok(Speaker(listener))
    }

    /// Waits for a connection and brings the session up.
    pub(crate) fn session(&self, patience: Duration) -> io::Result<Session> {
        let deadline = Instant::now() + patience;
        loop {
            match self.0.accept() {
                Ok((stream, _)) => match establish(stream) {
                    Ok(session) => return Ok(session),
                    Err(error) if Instant::now() > deadline => return Err(error),
                    // A connection that lost a collision, say.
                    Err(_) => {}
                },
                Err(error) if error.kind() != ErrorKind::WouldBlock || Instant::now() > deadline => return Err(error),
                Err(_) => std::thread::sleep(Duration::from_millis(10)),
            }
        }
    }
}

/// An established session.
pub(crate) struct Session(TcpStream);

fn establish(stream: TcpStream) -> io::Result<Session> {
    stream.set_nonblocking(false)?;
    stream.set_read_timeout(Some(Duration::from_secs(5)))?;
    let mut session = Session(stream);
    // Version 4, hold time 90 s, and two capabilities: IPv4 unicast (RFC 4760), four-octet AS (RFC 6793).
    let mut open = vec![4];
    open.extend(AS.to_be_bytes());
    open.extend([0, 90, 10, 255, 0, 10, 14, 2, 12, 1, 4, 0, 1, 0, 1, 65, 4, 0, 0]);
    open.extend(AS.to_be_bytes());
    session.send(OPEN, &open)?;
    loop {
        match session.read()?.0 {
            OPEN => session.send(KEEPALIVE, &[])?,
            KEEPALIVE => return Ok(session),
            other => return Err(io::Error::other(format!("message of type {other} instead of OPEN and KEEPALIVE"))),
        }
    }
}

impl Session {
    /// A message with a good header.
    pub(crate) fn send(&mut self, kind: u8, body: &[u8]) -> io::Result<()> {
        let mut message = vec![0xff; 16];
        message.extend((19 + body.len() as u16).to_be_bytes());
        message.push(kind);
        message.extend(body);
        self.0.write_all(&message)
    }

    /// An UPDATE of one route, 203.0.113.0/24, with this ORIGIN; 0, 1 and 2 are what RFC 4271 section 5.1.1 knows.
    pub(crate) fn update(&mut self, origin: u8) -> io::Result<()> {
        let mut attributes = vec![0x40, 1, 1, origin, 0x40, 2, 6, 2, 1, 0, 0];
        attributes.extend(AS.to_be_bytes());
        attributes.extend([0x40, 3, 4, 198, 51, 100, 1]);
        let mut body = vec![0, 0, 0, attributes.len() as u8];
        body.extend(attributes);
        body.extend([24, 203, 0, 113]);
        self.send(UPDATE, &body)
    }

    /// An UPDATE whose attributes are longer than the message: nothing in it can be relied on.
    pub(crate) fn overlong(&mut self) -> io::Result<()> {
        self.send(UPDATE, &[0, 0, 0xff, 0xff])
    }

    /// The next message but KEEPALIVE and UPDATE, if one comes within a time; answers none.
    pub(crate) fn hear(&mut self, patience: Duration) -> io::Result<Option<(u8, Vec<u8>)>> {
        let deadline = Instant::now() + patience;
        loop {
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return Ok(None);
            }
            self.0.set_read_timeout(Some(left))?;
            match self.read() {
                Ok((KEEPALIVE | UPDATE, _)) => {}
                Ok(message) => return Ok(Some(message)),
                Err(error) if [ErrorKind::WouldBlock, ErrorKind::TimedOut].contains(&error.kind()) => return Ok(None),
                Err(error) => return Err(error),
            }
        }
    }

    fn read(&mut self) -> io::Result<(u8, Vec<u8>)> {
        let mut header = [0; 19];
        self.0.read_exact(&mut header)?;
        let length = usize::from(u16::from_be_bytes([header[16], header[17]]));
        let mut body = vec![0; length.saturating_sub(header.len())];
        self.0.read_exact(&mut body)?;
        Ok((header[18], body))
    }
}
