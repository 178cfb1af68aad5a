//! Class CH: the server's own names (RFC 4892), each of which can be turned off.

use super::edns::Reply;
use super::{Response, Settings};
use crate::wire::code::{class, ede, rcode, rtype};
use crate::wire::query::{HEADER_LEN, Question};
use crate::wire::writer::Full;

pub(super) fn answer(response: &mut Response, question: &Question, settings: &Settings, reply: &mut Reply) {
    let text = match question.name.lower() {
        b"\x02id\x06server\0" if settings.chaos_id => settings.node.as_deref(),
        b"\x08hostname\x04bind\0" if settings.chaos_hostname => settings.node.as_deref(),
        b"\x07version\x06server\0" | b"\x07version\x04bind\0" => settings.chaos_version.as_deref(),
        b"\x0ageneration\x06server\0" => settings.generation.as_deref(),
        _ => None,
    };
    let Some(text) = text else {
        response.rcode = rcode::REFUSED;
        reply.error = Some(ede::PROHIBITED);
        return;
    };
    response.authoritative = true;
    // Another type of these names has no data; there is no zone whose SOA could say so.
    if matches!(question.qtype, rtype::TXT | rtype::ANY) {
        match put_txt(response, text, reply.len(settings)) {
            Ok(()) => response.counts[1] = 1,
            Err(Full) => response.truncated = true,
        }
    }
}

fn put_txt(response: &mut Response, text: &[u8], reserved: usize) -> Result<(), Full> {
    let text = &text[..text.len().min(255)];
    if response.writer.room() < reserved + 13 + text.len() {
        return Err(Full);
    }
    let writer = &mut response.writer;
    writer.put_u16(0xc000 | HEADER_LEN as u16)?;
    writer.put_u16(rtype::TXT)?;
    writer.put_u16(class::CH)?;
    // TTL 0: the next question may reach another node.
    writer.put(&[0; 4])?;
    writer.put_u16(1 + text.len() as u16)?;
    writer.put(&[text.len() as u8])?;
    writer.put(text)
}
