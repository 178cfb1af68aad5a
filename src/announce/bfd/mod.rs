//! BFD in asynchronous mode (RFC 5880), over one hop (RFC 5881) or several (RFC 5883).
