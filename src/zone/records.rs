//! The records of one zone between parsing and compiling: flat, in the order in which they were read.

/// One record. Its owner and RDATA lie in the arena of the [`Records`] that it came from.
#[derive(Debug, Clone, Copy)]
pub struct Record {
    owner_at: u64,
    rdata_at: u64,
    /// Seconds, at most 2^31 - 1 (RFC 2181 section 8).
    pub ttl_secs: u32,
    /// Line in the file, from 1, at which the record starts.
    pub line: u32,
    /// Index of the file in the list of sources that the parser returns beside the records.
    pub file: u16,
    /// RR type.
    pub rtype: u16,
    rdata_len: u16,
    owner_len: u8,
}

/// The records of a zone. Names and RDATA share one arena: no allocation per record.
#[derive(Debug, Default)]
pub struct Records {
    arena: Vec<u8>,
    items: Vec<Record>,
    owner_at: u64,
    owner_len: u8,
}

impl Records {
    /// Sets the owner of the records that [`Records::push`] adds from now on: an absolute name in wire form, case as written.
    pub fn set_owner(&mut self, owner: &[u8]) {
        if self.owner_len as usize == owner.len() && self.last_owner() == owner {
            return;
        }
        self.owner_at = self.arena.len() as u64;
        self.owner_len = owner.len() as u8;
        self.arena.extend_from_slice(owner);
    }

    /// Adds a record under the owner set last. `rdata` is in wire form, uncompressed, at most 65,535 octets.
    pub fn push(&mut self, rtype: u16, ttl_secs: u32, rdata: &[u8], file: u16, line: u32) {
        debug_assert!(self.owner_len > 0, "set_owner comes first");
        let rdata_at = self.arena.len() as u64;
        self.arena.extend_from_slice(rdata);
        self.items.push(Record {
            owner_at: self.owner_at,
            rdata_at,
            ttl_secs,
            line,
            file,
            rtype,
            rdata_len: rdata.len() as u16,
            owner_len: self.owner_len,
        });
    }

    /// All records in reading order.
    pub fn iter(&self) -> std::slice::Iter<'_, Record> {
        self.items.iter()
    }

    /// Record `index` in reading order.
    pub fn at(&self, index: usize) -> &Record {
        &self.items[index]
    }

    /// How many records.
    pub fn len(&self) -> usize {
        self.items.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.items.is_empty()
    }

    /// The owner's wire form, as written.
    pub fn owner(&self, record: &Record) -> &[u8] {
        &self.arena[record.owner_at as usize..][..record.owner_len as usize]
    }

    /// The RDATA in wire form, uncompressed.
    pub fn rdata(&self, record: &Record) -> &[u8] {
        &self.arena[record.rdata_at as usize..][..record.rdata_len as usize]
    }

    fn last_owner(&self) -> &[u8] {
        &self.arena[self.owner_at as usize..][..self.owner_len as usize]
    }
}
