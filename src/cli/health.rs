//! `catchment health`: asks a server as a client would, for containers and scripts.
//!
//! The message is built and read by hickory-proto: our own wire code would not notice its own mistakes.

use super::suggest::reachable;
use super::{done, fail};
use crate::config::{self, DEFAULT_LISTEN, Endpoint};
use hickory_proto::op::{Message, MessageType, OpCode, Query, ResponseCode};
use hickory_proto::rr::{DNSClass, Name, RecordType};
use std::io::{Read, Write};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpStream, UdpSocket};
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

/// Octets of an admin page that are read.
const PAGE_LEN_MAX: u64 = 64 * 1024;

/// Arguments of `catchment health`.
#[derive(Debug, clap::Args)]
pub struct Arguments {
    /// Address to ask [default: the first of the settings file, else 127.0.0.1:5300]
    #[arg(long, value_name = "ADDR", value_parser = config::address_argument)]
    server: Option<SocketAddr>,
    /// Admin address whose /readyz must say yes too [default: that of the settings file, if it sets one]
    #[arg(long, value_name = "ADDR", value_parser = config::address_argument)]
    admin: Option<SocketAddr>,
    /// Settings file to take the addresses from [default: /etc/catchment/catchment.toml, if it is there]
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// A name whose SOA record must be answered with NOERROR; without it any answer but SERVFAIL will do
    #[arg(long, value_name = "NAME")]
    name: Option<Name>,
    /// Seconds to wait
    #[arg(long, value_name = "SECONDS", default_value_t = 2, value_parser = clap::value_parser!(u64).range(1..=60))]
    timeout: u64,
}

/// One line says how it went.
pub fn run(arguments: &Arguments) -> ExitCode {
    match check(arguments) {
        Ok(line) => done(&format!("healthy: {line}")),
        Err(line) => fail(&format!("unhealthy: {line}")),
    }
}

fn check(arguments: &Arguments) -> Result<String, String> {
    let (server, admin) = arguments.addresses()?;
    let timeout = Duration::from_secs(arguments.timeout);
    let answer = ask(server, arguments.name.as_ref(), timeout)?;
    if let Some(admin) = admin {
        ready(admin, timeout)?;
    }
    Ok(answer)
}

impl Arguments {
    /// The server's address, and the admin address if it is to be asked.
    fn addresses(&self) -> Result<(SocketAddr, Option<SocketAddr>), String> {
        let config = match config::found(self.config.as_deref()).filter(|_| self.server.is_none()) {
            Some(file) => config::load(file).map_err(|error| error.to_string())?,
            None => config::Config::default(),
        };
        let listen = config.listen.and_then(|addresses| addresses.first().copied()).unwrap_or(DEFAULT_LISTEN[0]);
        let admin = match config.admin {
            Endpoint::At(address) => Some(address),
            Endpoint::Default | Endpoint::None => None,
        };
        Ok((reachable(self.server.unwrap_or(listen)), self.admin.or(admin)))
    }
}

fn ask(server: SocketAddr, name: Option<&Name>, timeout: Duration) -> Result<String, String> {
    let failed = |what: &'static str| move |error: std::io::Error| format!("{what} {server}: {error}");
    // Nobody gains by guessing the ID: a connected socket takes answers from the server alone.
    let id = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |now| now.subsec_micros()) as u16;
    let mut query = Message::new(id, MessageType::Query, OpCode::Query);
    // Without a name: the server's version, which it may keep to itself (REFUSED): that is an answer too.
    let question = match name {
        Some(name) => Query::query(name.clone(), RecordType::SOA),
        None => {
            let mut question =
                Query::query(Name::from_ascii("version.server.").expect("a valid name"), RecordType::TXT);
            question.set_query_class(DNSClass::CH);
            question
        }
    };
    query.add_query(question);
    let packet = query.to_vec().map_err(|error| format!("no query could be built: {error}"))?;

    let unspecified: IpAddr =
        if server.is_ipv4() { Ipv4Addr::UNSPECIFIED.into() } else { Ipv6Addr::UNSPECIFIED.into() };
    let socket = UdpSocket::bind((unspecified, 0)).map_err(failed("no socket to ask"))?;
    socket.connect(server).map_err(failed("can't reach"))?;
    let began = Instant::now();
    socket.send(&packet).map_err(failed("can't ask"))?;
    let mut buffer = [0; 4096];
    while let Some(left) = timeout.checked_sub(began.elapsed()).filter(|left| !left.is_zero()) {
        socket.set_read_timeout(Some(left)).map_err(failed("can't ask"))?;
        let length = match socket.recv(&mut buffer) {
            Ok(length) => length,
            Err(error) if matches!(error.kind(), std::io::ErrorKind::WouldBlock | std::io::ErrorKind::TimedOut) => {
                break;
            }
            Err(error) => return Err(failed("no answer from")(error)),
        };
        let answer = Message::from_vec(&buffer[..length])
            .map_err(|error| format!("the answer of {server} can't be read: {error}"))?;
        if answer.metadata.id != id || answer.metadata.message_type != MessageType::Response {
            continue;
        }
        let (rcode, took) = (answer.metadata.response_code, began.elapsed());
        return match (rcode, name) {
            (ResponseCode::NoError, _) => Ok(format!("{server} answered in {took:.1?}")),
            (rcode, None) if rcode != ResponseCode::ServFail => Ok(format!("{server} answered {rcode} in {took:.1?}")),
            (rcode, _) => Err(format!("{server} answered {rcode}")),
        };
    }
    Err(format!("no answer from {server} in {timeout:?}"))
}

/// Asks /readyz.
fn ready(admin: SocketAddr, timeout: Duration) -> Result<(), String> {
    let page =
        readyz(admin, timeout).map_err(|error| format!("the admin server at {admin} can't be asked: {error}"))?;
    let (head, body) = page.split_once("\r\n\r\n").unwrap_or((&page, ""));
    match head.split(' ').nth(1) {
        Some("200") => Ok(()),
        Some("503") => Err(format!("not ready: {}", body.trim_end().replace('\n', "; "))),
        _ => Err(format!("the admin server at {admin} answered `{}`", head.lines().next().unwrap_or_default())),
    }
}

fn readyz(admin: SocketAddr, timeout: Duration) -> std::io::Result<String> {
    let mut stream = TcpStream::connect_timeout(&admin, timeout)?;
    stream.set_read_timeout(Some(timeout))?;
    stream.set_write_timeout(Some(timeout))?;
    write!(stream, "GET /readyz HTTP/1.1\r\nHost: {admin}\r\nConnection: close\r\n\r\n")?;
    let mut page = String::new();
    stream.take(PAGE_LEN_MAX).read_to_string(&mut page)?;
    Ok(page)
}
