//! One thing wrong at one place of the text, on its way from where it was noticed to the list of diagnostics.

/// A place in the text of one file.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Spot {
    /// Offset of the first octet.
    pub(crate) at: usize,
    /// Octets, at least one.
    pub(crate) len: usize,
}

/// Why an entry can't be taken. Boxed: the way without faults moves a pointer.
#[derive(Debug)]
pub(crate) struct Fault(Box<Parts>);

#[derive(Debug)]
struct Parts {
    spot: Spot,
    message: String,
    remedy: String,
}

impl Fault {
    #[cold]
    pub(crate) fn new(spot: Spot, message: impl Into<String>, remedy: impl Into<String>) -> Fault {
        Fault(Box::new(Parts { spot, message: message.into(), remedy: remedy.into() }))
    }

    /// One that is counted and not shown.
    #[cold]
    pub(crate) fn unshown(spot: Spot) -> Fault {
        Fault(Box::new(Parts { spot, message: String::new(), remedy: String::new() }))
    }

    pub(crate) fn spot(&self) -> Spot {
        self.0.spot
    }

    /// The same fault, shown at another place: that of the directive whose product it was found in.
    pub(crate) fn moved(mut self, spot: Spot, context: &str) -> Fault {
        self.0.spot = spot;
        self.0.message = format!("{context}: {}", self.0.message);
        self
    }

    /// Message and remedy.
    pub(crate) fn into_texts(self) -> (String, String) {
        (self.0.message, self.0.remedy)
    }
}

/// Octets that an error message quotes: one line, printable, not too long.
pub(crate) fn shown(bytes: &[u8]) -> String {
    /// Most characters quoted from the zone in one message.
    const SHOWN_MAX: usize = 60;
    let text = crate::zone::diagnostic::printable(&bytes[..bytes.len().min(4 * SHOWN_MAX)]);
    match text.char_indices().nth(SHOWN_MAX) {
        Some((cut, _)) => format!("`{}...`", &text[..cut]),
        None => format!("`{text}`"),
    }
}
