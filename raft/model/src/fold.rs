//! Folding of Vietnamese text for search: "so nong nghiep" finds "Sở Nông nghiệp".

use unicode_normalization::{UnicodeNormalization, char::is_combining_mark};

/// Decomposes, drops the marks, maps đ to d, lowers the case and folds white space.
pub fn fold(text: &str) -> String {
    let mut folded = String::with_capacity(text.len());
    for c in text.nfd().filter(|c| !is_combining_mark(*c)).flat_map(char::to_lowercase) {
        match c {
            'đ' => folded.push('d'),
            c if c.is_whitespace() => {
                if !folded.is_empty() && !folded.ends_with(' ') {
                    folded.push(' ');
                }
            }
            c => folded.push(c),
        }
    }
    if folded.ends_with(' ') {
        folded.pop();
    }
    folded
}

#[cfg(test)]
mod tests {
    use super::fold;

    #[test]
    fn marks_case_and_spelling_do_not_matter() {
        assert_eq!(fold("  Sở Nông  nghiệp và Môi trường "), "so nong nghiep va moi truong");
        assert_eq!(fold("Uỷ ban"), fold("\u{1ee6}y ban"));
        assert_eq!(fold("Đô Lương"), "do luong");
    }
}
