//! Folding of Vietnamese text for search: "so nong nghiep" finds "Sở Nông nghiệp".

use unicode_normalization::{UnicodeNormalization, char::is_combining_mark};

/// The text without the marks of its letters: `Đô Lương` as `Do Luong`, for those who read ASCII only.
pub fn without_marks(text: &str) -> String {
    bare(text).collect()
}

fn bare(text: &str) -> impl Iterator<Item = char> {
    text.nfd().filter(|c| !is_combining_mark(*c)).map(|c| match c {
        'đ' => 'd',
        'Đ' => 'D',
        c => c,
    })
}

/// Decomposes, drops the marks, maps đ to d, lowers the case and folds white space.
pub fn fold(text: &str) -> String {
    let mut folded = String::with_capacity(text.len());
    for c in bare(text).flat_map(char::to_lowercase) {
        match c {
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
    use super::{fold, without_marks};

    #[test]
    fn marks_case_and_spelling_do_not_matter() {
        assert_eq!(fold("  Sở Nông  nghiệp và Môi trường "), "so nong nghiep va moi truong");
        assert_eq!(fold("Uỷ ban"), fold("\u{1ee6}y ban"));
        assert_eq!(fold("Đô Lương"), "do luong");
        assert_eq!(without_marks("Đô Lương, Co\u{302}ng"), "Do Luong, Cong");
    }
}
