//! DNS cookies (RFC 7873) in the interoperable form of RFC 9018, so that every server of a fleet, of whatever make, takes
//! the cookies of every other.

use siphasher::sip::SipHasher24;
use std::hash::Hasher;
use std::net::IpAddr;

/// Octets of the COOKIE option that we send: the client's 8, ours 16.
pub const LEN: usize = 24;
/// Version of the server cookie (RFC 9018 section 4.1).
const VERSION: u8 = 1;
/// A server cookie is taken for an hour, and from clocks up to five minutes ahead (RFC 9018 section 4.3).
const AGE_MAX_SECS: u32 = 3600;
const AHEAD_MAX_SECS: u32 = 300;
/// Secrets that can be in use at once: more than a roll needs.
const SECRETS_MAX: usize = 8;

/// The secrets of a fleet: one makes cookies, it and the others verify them.
///
/// A roll of the secret takes three steps, each reaching every node before the next (RFC 9018 section 5): the new secret
/// comes in as `verify-only`; it becomes `generate` and the old one `retire`; the old one goes.
#[derive(Clone)]
pub struct Secrets {
    generate: [u8; 16],
    verify: Vec<[u8; 16]>,
}

/// Secrets stay out of logs.
impl std::fmt::Debug for Secrets {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Secrets({} to verify)", 1 + self.verify.len())
    }
}

/// A secrets file that can't be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SecretsError {
    /// A line is not `STAGE SECRET`.
    #[error("line {line}: {what}; write `verify-only`, `generate` or `retire`, and 32 hex digits")]
    Line {
        /// Line, from 1.
        line: usize,
        /// What is wrong with it.
        what: &'static str,
    },
    /// Not exactly one line has `generate`.
    #[error("{0} lines say `generate`: exactly one secret makes cookies")]
    Generate(usize),
    /// Too many lines.
    #[error("more than {SECRETS_MAX} secrets: remove retired ones, each costs time on every query with a bad cookie")]
    TooMany,
}

/// What checking a client's COOKIE option found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Checked {
    /// Whether the option had a server cookie, of whatever worth.
    pub has_server_part: bool,
    /// Whether that was ours, for this client, and fresh.
    pub is_valid: bool,
    /// The option to send back.
    pub response: [u8; LEN],
}

impl Secrets {
    /// One random secret that lives as long as the process: right for a node alone.
    pub fn random() -> std::io::Result<Secrets> {
        let mut generate = [0; 16];
        std::io::Read::read_exact(&mut std::fs::File::open("/dev/urandom")?, &mut generate)?;
        Ok(Secrets { generate, verify: Vec::new() })
    }

    /// This one secret.
    pub fn fixed(generate: [u8; 16]) -> Secrets {
        Secrets { generate, verify: Vec::new() }
    }

    /// Reads a secrets file: a line each, `verify-only`, `generate` or `retire` and 32 hex digits; `#` starts a comment.
    pub fn parse(text: &str) -> Result<Secrets, SecretsError> {
        let (mut generate, mut verify) = (Vec::new(), Vec::new());
        for (index, line) in text.lines().enumerate() {
            let line = line.split('#').next().unwrap_or_default();
            let mut words = line.split_whitespace();
            let Some(stage) = words.next() else { continue };
            let error = |what| SecretsError::Line { line: index + 1, what };
            let secret = words.next().and_then(secret_from_hex).ok_or(error("no secret of 32 hex digits"))?;
            if words.next().is_some() {
                return Err(error("something follows the secret"));
            }
            match stage {
                "generate" => generate.push(secret),
                "verify-only" | "retire" => verify.push(secret),
                _ => return Err(error("unknown stage")),
            }
        }
        match *generate {
            [_] if verify.len() >= SECRETS_MAX => Err(SecretsError::TooMany),
            [generate] => Ok(Secrets { generate, verify }),
            _ => Err(SecretsError::Generate(generate.len())),
        }
    }

    /// Checks the option's data (8, or 16 to 40 octets), and makes the one to send back.
    pub fn check(&self, option: &[u8], client: IpAddr, now_secs: u32) -> Checked {
        let mut response = [0; LEN];
        let (client_part, server_part) = option.split_at_checked(8).unwrap_or((&[0; 8], &[]));
        response[..8].copy_from_slice(client_part);
        response[8] = VERSION;
        response[12..16].copy_from_slice(&now_secs.to_be_bytes());
        let hash = hash(&self.generate, &response[..16], client);
        response[16..].copy_from_slice(&hash);
        let is_valid = server_part.len() == 16
            && server_part[0] == VERSION
            && is_fresh(server_part, now_secs)
            && std::iter::once(&self.generate)
                .chain(&self.verify)
                .any(|secret| self::hash(secret, &option[..16], client) == server_part[8..]);
        Checked { has_server_part: !server_part.is_empty(), is_valid, response }
    }
}

/// Serial arithmetic, so that it goes on working in 2106 (RFC 9018 section 4.3).
fn is_fresh(server_part: &[u8], now_secs: u32) -> bool {
    let made = u32::from_be_bytes([server_part[4], server_part[5], server_part[6], server_part[7]]);
    now_secs.wrapping_sub(made) <= AGE_MAX_SECS || made.wrapping_sub(now_secs) <= AHEAD_MAX_SECS
}

/// SipHash-2-4 of client cookie, version, reserved, timestamp and the client's address (RFC 9018 section 4.4).
fn hash(secret: &[u8; 16], first_16: &[u8], client: IpAddr) -> [u8; 8] {
    let mut hasher = SipHasher24::new_with_key(secret);
    hasher.write(first_16);
    match client.to_canonical() {
        IpAddr::V4(address) => hasher.write(&address.octets()),
        IpAddr::V6(address) => hasher.write(&address.octets()),
    }
    hasher.finish().to_le_bytes()
}

fn secret_from_hex(text: &str) -> Option<[u8; 16]> {
    let mut secret = [0; 16];
    if text.len() != 32 || !text.is_ascii() {
        return None;
    }
    for (index, octet) in secret.iter_mut().enumerate() {
        let digits = &text[2 * index..2 * index + 2];
        *octet = u8::from_str_radix(digits, 16).ok().filter(|_| !digits.starts_with('+'))?;
    }
    Some(secret)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn octets(hex: &str) -> Vec<u8> {
        (0..hex.len()).step_by(2).map(|at| u8::from_str_radix(&hex[at..at + 2], 16).unwrap()).collect()
    }

    fn secrets(text: &str) -> Secrets {
        Secrets::parse(text).unwrap()
    }

    /// RFC 9018 appendix A.1: learning a new server cookie.
    #[test]
    fn rfc_9018_a1() {
        let secrets = secrets("generate e5e973e5a6b2a43f48e7dc849e37bfcf");
        let checked = secrets.check(&octets("2464c4abcf10c957"), "198.51.100.100".parse().unwrap(), 1559731985);
        assert_eq!(checked.response[..], octets("2464c4abcf10c957010000005cf79f111f8130c3eee29480"));
        assert!(!checked.has_server_part && !checked.is_valid);
    }

    /// RFC 9018 appendix A.2: the same client comes back with it, and gets a fresh one.
    #[test]
    fn rfc_9018_a2() {
        let secrets = secrets("generate e5e973e5a6b2a43f48e7dc849e37bfcf");
        let client = "198.51.100.100".parse().unwrap();
        let checked = secrets.check(&octets("2464c4abcf10c957010000005cf79f111f8130c3eee29480"), client, 1559734385);
        assert!(checked.is_valid);
        assert_eq!(checked.response[..], octets("2464c4abcf10c957010000005cf7a871d4a564a1442aca77"));
    }

    /// RFC 9018 appendix A.3: another client, whose cookie has reserved bits set.
    #[test]
    fn rfc_9018_a3() {
        let secrets = secrets("generate e5e973e5a6b2a43f48e7dc849e37bfcf");
        let client = "203.0.113.203".parse().unwrap();
        let option = octets("fc93fc62807ddb8601abcdef5cf78f71a314227b6679ebf5");
        assert!(secrets.check(&option, client, 1559727985).is_valid);
        assert!(!secrets.check(&option, "203.0.113.204".parse().unwrap(), 1559727985).is_valid);
    }

    /// RFC 9018 appendix A.4: IPv6, and a secret that has been rolled.
    #[test]
    fn rfc_9018_a4() {
        let client = "2001:db8:220:1:59de:d0f4:8769:82b8".parse().unwrap();
        let old_cookie = octets("22681ab97d52c298010000005cf7c57926556bd0934c72f8");
        let rolled = secrets(
            "# the old one still verifies\n\
             retire dd3bdf9344b678b185a6f5cb60fca715\n\
             generate 445536bcd2513298075a5d379663c962\n",
        );
        let checked = rolled.check(&old_cookie, client, 1559741961);
        assert!(checked.is_valid);
        assert_eq!(checked.response[..], octets("22681ab97d52c298010000005cf7c609a6bb79d16625507a"));
        assert!(!secrets("generate 445536bcd2513298075a5d379663c962").check(&old_cookie, client, 1559741961).is_valid);
    }

    #[test]
    fn an_hour_old_five_minutes_ahead() {
        let secrets = secrets("generate 445536bcd2513298075a5d379663c962");
        let client = "192.0.2.1".parse().unwrap();
        let made = u32::MAX - 10;
        let cookie = secrets.check(&[7; 8], client, made).response;
        let valid_at = |now| secrets.check(&cookie, client, now).is_valid;
        assert!(valid_at(made.wrapping_add(3600)), "over the end of 32 bits");
        assert!(!valid_at(made.wrapping_add(3601)));
        assert!(valid_at(made - 300));
        assert!(!valid_at(made - 301));
    }

    #[test]
    fn bad_files_name_the_line() {
        let message = |text: &str| Secrets::parse(text).unwrap_err().to_string();
        assert!(message("\ngenerate xyz").starts_with("line 2: no secret of 32 hex digits"));
        assert!(message("use 445536bcd2513298075a5d379663c962").starts_with("line 1: unknown stage"));
        assert!(message("generate 445536bcd2513298075a5d379663c962 x").starts_with("line 1: something follows"));
        assert_eq!(message("# none"), "0 lines say `generate`: exactly one secret makes cookies");
        assert!(message(&"retire 445536bcd2513298075a5d379663c962\n".repeat(9)).starts_with("0 lines"));
        let nine = "retire 445536bcd2513298075a5d379663c962\n".repeat(8) + "generate 445536bcd2513298075a5d379663c962";
        assert!(message(&nine).starts_with("more than 8"));
        assert!(!format!("{:?}", Secrets::random().unwrap()).contains("generate"));
    }
}
