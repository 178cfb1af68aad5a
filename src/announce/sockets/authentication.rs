//! Keys: TCP-MD5 (RFC 2385) and TCP-AO (RFC 5925) as the kernel takes them.

use super::system::{Storage, set_option};
use super::{Error, Peer};
use crate::announce::prefix::Family;
use libc::c_int;
use std::fmt;
use std::os::fd::AsFd;

/// Octets of a key, at most: of the kernel's structures for both kinds of authentication.
pub const KEY_LEN_MAX: usize = 80;

/// Octets of a password or key. Not shown by `{:?}`.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(Box<[u8]>);

impl Secret {
    /// A secret of these octets.
    pub fn new(octets: &[u8]) -> Secret {
        Secret(octets.into())
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret")
    }
}

/// How TCP segments of a session are authenticated.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Authentication {
    /// TCP-MD5 (RFC 2385), with a key of 1 to [`KEY_LEN_MAX`] octets.
    Md5(Secret),
    /// TCP-AO (RFC 5925), with one key of 1 to [`KEY_LEN_MAX`] octets.
    Ao {
        /// The master key.
        secret: Secret,
        /// KeyID of segments that are sent.
        send_id: u8,
        /// KeyID of segments that are received.
        receive_id: u8,
        /// What makes session keys and codes.
        algorithm: Algorithm,
    },
}

/// The algorithms that every TCP-AO has (RFC 5926 3).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Algorithm {
    /// HMAC-SHA-1-96.
    HmacSha1,
    /// AES-128-CMAC-96.
    Aes128Cmac,
}

/// `struct tcp_md5sig` of `linux/tcp.h`.
#[repr(C)]
#[derive(Clone, Copy)]
struct Md5Key {
    address: Storage,
    flags: u8,
    prefix: u8,
    key_len: u16,
    interface: c_int,
    key: [u8; KEY_LEN_MAX],
}

/// TCP_AO_ADD_KEY of `linux/tcp.h`, since Linux 6.7.
const TCP_AO_ADD_KEY: c_int = 38;

/// `struct tcp_ao_add` of `linux/tcp.h`.
#[repr(C, align(8))]
#[derive(Clone, Copy)]
struct AoKey {
    address: Storage,
    algorithm: [u8; 64],
    interface: i32,
    /// Bit fields: the key is the current one (the first bit), the peer shall use it next (the second).
    flags: u32,
    reserved: u16,
    prefix: u8,
    send_id: u8,
    receive_id: u8,
    /// Octets of the authentication code; 0: as usual, 12.
    code_len: u8,
    key_flags: u8,
    key_len: u8,
    key: [u8; KEY_LEN_MAX],
}

// What the kernel reads.
const _: () = assert!(size_of::<Md5Key>() == 216 && size_of::<AoKey>() == 288);

/// Gives a socket a peer's key. On a listening one it is for connections from that peer's address, and those without it are
/// dropped by the kernel.
pub(super) fn authenticate(socket: &impl AsFd, peer: &Peer, dialling: bool) -> Result<(), Error> {
    let padded = |setting, secret: &Secret| {
        let octets = secret.0.len();
        let mut key = [0; KEY_LEN_MAX];
        match key.get_mut(..octets).filter(|_| octets > 0) {
            Some(place) => place.copy_from_slice(&secret.0),
            None => return Err(Error::KeyLength { peer: peer.name.clone(), setting, octets }),
        }
        Ok((key, octets as u8))
    };
    match &peer.authentication {
        None => Ok(()),
        Some(Authentication::Md5(secret)) => {
            let (key, key_len) = padded("password-file", secret)?;
            let address = Storage::new(peer.address);
            // Without flags the key is for exactly this address, on any interface.
            let key = Md5Key { address, flags: 0, prefix: 0, key_len: key_len.into(), interface: 0, key };
            set_option(socket.as_fd(), libc::IPPROTO_TCP, libc::TCP_MD5SIG, &key)
                .map_err(|error| Error::Md5 { peer: peer.name.clone(), error })
        }
        Some(Authentication::Ao { secret, send_id, receive_id, algorithm }) => {
            let (key, key_len) = padded("tcp-ao", secret)?;
            let name: &[u8] = match algorithm {
                Algorithm::HmacSha1 => b"hmac(sha1)",
                Algorithm::Aes128Cmac => b"cmac(aes128)",
            };
            let mut algorithm = [0; 64];
            algorithm[..name.len()].copy_from_slice(name);
            // Which key is the current one is a matter of a connection: a listening socket has none.
            let both: u32 = if cfg!(target_endian = "big") { 0b11 << 30 } else { 0b11 };
            let key = AoKey {
                address: Storage::new(peer.address),
                algorithm,
                interface: 0,
                flags: if dialling { both } else { 0 },
                reserved: 0,
                prefix: Family::of(peer.address).bits(),
                send_id: *send_id,
                receive_id: *receive_id,
                code_len: 0,
                key_flags: 0,
                key_len,
                key,
            };
            set_option(socket.as_fd(), libc::IPPROTO_TCP, TCP_AO_ADD_KEY, &key).map_err(|error| {
                let peer = peer.name.clone();
                match error.raw_os_error() {
                    Some(libc::ENOPROTOOPT | libc::EOPNOTSUPP) => Error::AoMissing { peer, error },
                    _ => Error::AoKey { peer, error },
                }
            })
        }
    }
}
