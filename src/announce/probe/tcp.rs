//! The probe that is content with a connection.

use std::net::IpAddr;
use tokio::net::TcpStream;

/// Connects, and closes again. `Err`: what the system said.
pub(super) async fn connect(address: IpAddr, port: u16) -> Result<(), String> {
    open(address, port).await.map(drop)
}

/// Connects.
pub(super) async fn open(address: IpAddr, port: u16) -> Result<TcpStream, String> {
    TcpStream::connect((address, port)).await.map_err(|error| format!("no TCP connection to port {port}: {error}"))
}
