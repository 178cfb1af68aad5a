//! Texts that others chose, on a terminal.

/// Whether a character is seen where it stands. Others move a terminal (control characters), or turn the order of text around, or are not
/// seen at all (of the category Cf those that have been used for that: Unicode Technical Report 36 section 3.3).
pub(crate) fn is_shown(c: char) -> bool {
    !c.is_control()
        && !matches!(c, '\u{ad}' | '\u{61c}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_seen() {
        assert!("ams1 f\u{e4}hre \u{65e5}\u{672c}\u{1f600}".chars().all(is_shown));
        for c in "\n\x1b\x7f\u{9b}\u{200b}\u{202e}\u{2066}\u{feff}".chars() {
            assert!(!is_shown(c), "{c:?}");
        }
    }
}
