//! The writer of a response: appends to the caller's buffer up to a limit, and can go back.

/// The message would grow over its limit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Full;

/// Largest offset that a compression pointer can hold (RFC 1035 section 4.1.4: 14 bits).
pub const POINTER_MAX: usize = 0x3fff;

/// A message under construction.
pub struct Writer<'a> {
    buffer: &'a mut [u8],
    at: usize,
    limit: usize,
}

impl<'a> Writer<'a> {
    /// Starts an empty message in `buffer`, of at most `limit` octets.
    pub fn new(buffer: &'a mut [u8], limit: usize) -> Writer<'a> {
        let limit = limit.min(buffer.len());
        Writer { buffer, at: 0, limit }
    }

    /// Octets written so far.
    #[inline]
    pub fn len(&self) -> usize {
        self.at
    }

    /// Whether nothing was written.
    pub fn is_empty(&self) -> bool {
        self.at == 0
    }

    /// Changes the limit; never above the buffer's end.
    pub fn set_limit(&mut self, limit: usize) {
        self.limit = limit.min(self.buffer.len());
    }

    /// Octets that still fit.
    #[inline]
    pub fn room(&self) -> usize {
        self.limit.saturating_sub(self.at)
    }

    /// Appends.
    #[inline]
    pub fn put(&mut self, bytes: &[u8]) -> Result<(), Full> {
        let end = self.at + bytes.len();
        if end > self.limit {
            return Err(Full);
        }
        self.buffer[self.at..end].copy_from_slice(bytes);
        self.at = end;
        Ok(())
    }

    /// Appends as many octets as are known when this is compiled: without a call.
    #[inline]
    pub fn put_array<const N: usize>(&mut self, bytes: &[u8; N]) -> Result<(), Full> {
        let end = self.at + N;
        if end > self.limit {
            return Err(Full);
        }
        let to = self.buffer[self.at..end].first_chunk_mut::<N>().ok_or(Full)?;
        *to = *bytes;
        self.at = end;
        Ok(())
    }

    /// Appends in network order.
    #[inline]
    pub fn put_u16(&mut self, value: u16) -> Result<(), Full> {
        self.put_array(&value.to_be_bytes())
    }

    /// Overwrites two octets written before.
    #[inline]
    pub fn set_u16(&mut self, at: usize, value: u16) {
        self.buffer[at..at + 2].copy_from_slice(&value.to_be_bytes());
    }

    /// Overwrites octets written before.
    pub fn set(&mut self, at: usize, bytes: &[u8]) {
        self.buffer[at..at + bytes.len()].copy_from_slice(bytes);
    }

    /// Goes back to an earlier [`Writer::len`].
    pub fn truncate(&mut self, len: usize) {
        debug_assert!(len <= self.at);
        self.at = len.min(self.at);
    }

    /// What was written.
    pub fn written(&self) -> &[u8] {
        &self.buffer[..self.at]
    }
}
