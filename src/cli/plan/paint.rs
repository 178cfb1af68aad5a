//! Colours of a plan on a terminal.

const RED: &str = "\x1b[31m";
const GREEN: &str = "\x1b[32m";
const YELLOW: &str = "\x1b[33m";
const PLAIN: &str = "\x1b[0m";

/// A line in the colour of its sign: what goes, what comes, what changes.
pub(super) fn painted(text: &str, sign: char, color: bool) -> String {
    let paint = match sign {
        _ if !color => return text.into(),
        '-' => RED,
        '+' => GREEN,
        _ => YELLOW,
    };
    format!("{paint}{text}{PLAIN}")
}
