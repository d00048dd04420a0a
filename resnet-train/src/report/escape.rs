//! Escapes names from folders, files and tables for Markdown and SVG: they may hold any character.

use std::fmt::Write;

/// Escapes invisible characters: control characters, and characters that change the text direction.
pub(super) fn visible(text: &str) -> String {
    let hidden = |c: char| {
        c.is_control()
            || matches!(c,
                '\u{ad}' | '\u{61c}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}'
                | '\u{2060}'..='\u{206f}' | '\u{feff}' | '\u{fff9}'..='\u{fffb}'
                | '\u{fffe}' | '\u{ffff}' | '\u{e0000}'..='\u{e007f}')
    };
    let mut visible = String::with_capacity(text.len());
    for c in text.chars() {
        match hidden(c) {
            true => visible.extend(c.escape_default()),
            false => visible.push(c),
        }
    }
    visible
}

/// Escapes a text for Markdown, so that it makes no tag, link, emphasis or table cell.
pub fn markdown(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    let text = visible(text);
    let mut before = None;
    let mut letters = text.chars().peekable();
    while let Some(c) = letters.next() {
        let word = |c: Option<char>| c.is_some_and(char::is_alphanumeric);
        let plain = match c {
            '_' => word(before) && word(letters.peek().copied()),
            '.' => before != Some('w') && before != Some('W'),
            ' ' | ',' | '\'' | '/' | '(' | ')' | ';' | '%' | '$' | '?' => true,
            '-' => before.is_some() && before != Some('-'),
            _ => !c.is_ascii_punctuation(),
        };
        match plain {
            true => escaped.push(c),
            // Writing to a string does not fail. Numeric character references have no meaning in
            // Markdown.
            false => drop(write!(escaped, "&#{};", u32::from(c))),
        }
        before = Some(c);
    }
    escaped
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_escaped_in_markdown() {
        for plain in [
            "golden_retriever",
            "T-shirt/top",
            "great white shark, Carcharodon",
            "日本 犬",
            "a (b)",
        ] {
            assert_eq!(markdown(plain), plain);
        }
        for (hostile, expected) in [
            ("<script>", "&#60;script&#62;"),
            ("[x](javascript:y)", "&#91;x&#93;(javascript&#58;y)"),
            ("a|b", "a&#124;b"),
            ("`c`", "&#96;c&#96;"),
            ("_e_ *f* ~g~", "&#95;e&#95; &#42;f&#42; &#126;g&#126;"),
            ("\\| &lt;", "&#92;&#124; &#38;lt;"),
            (
                "a\nb\r\u{1b}[31m",
                "a&#92;nb&#92;r&#92;u&#123;1b&#125;&#91;31m",
            ),
            ("# h", "&#35; h"),
            ("---", "&#45;&#45;&#45;"),
            (
                "https://x www.x.y a@b.c",
                "https&#58;//x www&#46;x.y a&#64;b.c",
            ),
            ("\u{202e}gpj", "&#92;u&#123;202e&#125;gpj"),
            ("![i](u)", "&#33;&#91;i&#93;(u)"),
        ] {
            assert_eq!(markdown(hostile), expected);
        }
    }

    #[test]
    fn invisible_characters_are_escaped() {
        assert_eq!(
            visible("a\u{0}\u{7f}\t\u{fffe}ä"),
            "a\\u{0}\\u{7f}\\t\\u{fffe}ä"
        );
    }
}
