//! Probes: does the service answer?
//!
//! A probe is one question to one service address, over and over: it begins, has until its timeout, and ends as [`Outcome`].
//! What comes back is judged by pure functions; only the asking touches sockets and processes. Counting outcomes (rise, fall)
//! and acting on them is the policy's.

pub mod dns;
pub mod exec;
pub mod http;
mod tcp;

use std::net::IpAddr;
use std::time::{Duration, Instant};

/// What is asked, whatever the address.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Check {
    /// A DNS question and its answer.
    Dns(dns::Check),
    /// A TCP connection to this port.
    Tcp {
        /// The port.
        port: u16,
    },
    /// A page.
    Http(http::Check),
    /// A command of the operator's.
    Exec(exec::Check),
}

/// One probe of one address.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Probe {
    /// Name of the service that it belongs to.
    pub service: String,
    /// Address of the service.
    pub address: IpAddr,
    /// What is asked.
    pub check: Check,
    /// How long it may take.
    pub timeout: Duration,
}

/// How one probe ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Outcome {
    /// `Err`: what was wrong, for people.
    pub result: Result<(), String>,
    /// How long it took.
    pub took: Duration,
}

impl Check {
    /// The word that settings and metrics have for it.
    pub fn kind(&self) -> &'static str {
        match self {
            Check::Dns(_) => "dns",
            Check::Tcp { .. } => "tcp",
            Check::Http(_) => "http",
            Check::Exec(_) => "exec",
        }
    }
}

impl Probe {
    /// Asks once. Takes hardly longer than the timeout, whatever happens.
    pub async fn run(&self) -> Outcome {
        let began = Instant::now();
        let asked = async {
            match &self.check {
                Check::Dns(check) => check.ask(self.address).await,
                Check::Tcp { port } => tcp::connect(self.address, *port).await,
                Check::Http(check) => check.ask(self.address).await,
                // Its group of processes ends with the future, however that ends.
                Check::Exec(check) => check.run(&self.service, self.address).await,
            }
        };
        let result = match tokio::time::timeout(self.timeout, asked).await {
            Ok(result) => result,
            Err(_) => Err(format!("no end within {:?}", self.timeout)),
        };
        Outcome { result, took: began.elapsed() }
    }
}
