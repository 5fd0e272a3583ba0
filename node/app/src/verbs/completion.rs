//! `completion`: what a shell needs to complete commands, options, words of closed lists and files.

use clap_complete::{Shell, generate};

use super::{Context, Done};
use crate::{
    cli::{Exit, command},
    texts::Lang,
};

/// Prints the script of a shell.
pub fn completion(context: &Context, shell: Shell) -> Done {
    context.out.print(script(context.out.lang, shell).trim_end());
    Ok(Exit::Ok)
}

fn script(lang: Lang, shell: Shell) -> String {
    let mut script = Vec::new();
    generate(shell, &mut command(lang), "lgsp", &mut script);
    let script = String::from_utf8_lossy(&script).into_owned();
    match shell {
        Shell::Bash => script.replacen(PREVIOUS, &format!("{PREVIOUS}{EQUALS}"), 1),
        _ => script,
    }
}

/// Where the generated script for bash takes the word before.
const PREVIOUS: &str = "    prev=\"$3\"\n";
/// Bash cuts `--option=value` into three words: the one before the value is the option.
const EQUALS: &str = r#"    if [[ "${prev}" == "=" && ${COMP_CWORD} -ge 2 ]] ; then
        prev="${COMP_WORDS[COMP_CWORD-2]}"
    elif [[ "${COMP_WORDS[COMP_CWORD]}" == "=" ]] ; then
        cur=""
        prev="${COMP_WORDS[COMP_CWORD-1]}"
    fi
"#;

#[cfg(test)]
mod tests {
    use std::process::Command;

    use clap::ValueEnum;

    use super::*;
    use crate::texts::help;

    /// Finding 25: the text names the shells that are offered, and no other.
    #[test]
    fn the_help_names_the_shells_that_there_are() {
        let entry = help::ALL.iter().find(|entry| entry.path == "completion").expect("its help");
        let offered = Shell::value_variants().iter().map(ToString::to_string);
        for lang in [Lang::Vi, Lang::En] {
            let said = entry.about.in_lang(lang);
            let (_, named) = said.split_once("bash").expect("the first shell");
            let mut named: Vec<&str> = named.split(", ").skip(1).chain(["bash"]).collect();
            named.sort_unstable();
            assert_eq!(named, offered.clone().collect::<Vec<_>>(), "{said}");
        }
        for shell in Shell::value_variants() {
            assert!(script(Lang::Vi, *shell).contains("lgsp"), "{shell}");
        }
    }

    /// What bash offers at the end of a line: `|` stands between its words, as bash cuts them.
    #[test]
    fn bash_completes_words_of_lists_and_files() {
        if Command::new("bash").arg("--version").output().is_err() {
            return;
        }
        let directory = tempfile::tempdir().expect("a directory");
        std::fs::write(directory.path().join("khoa.pem"), "").expect("written");
        std::fs::write(directory.path().join("lgsp.bash"), script(Lang::Vi, Shell::Bash))
            .expect("written");
        let offered = |line: &str| {
            let words: Vec<String> = line.split('|').map(|word| format!("'{word}'")).collect();
            let program = format!(
                "source ./lgsp.bash; compopt() {{ :; }}; complete -p lgsp >&2
                COMP_WORDS=({}); COMP_CWORD=$((${{#COMP_WORDS[@]}}-1))
                cur=${{COMP_WORDS[COMP_CWORD]}}; [[ $cur == = ]] && cur=
                _lgsp lgsp \"$cur\" \"${{COMP_WORDS[COMP_CWORD-1]}}\"; echo \"${{COMPREPLY[*]}}\"",
                words.join(" ")
            );
            let mut bash = Command::new("bash");
            let done = bash.args(["--norc", "-c", &program]).current_dir(directory.path()).output();
            let done = done.expect("bash runs");
            let said = String::from_utf8_lossy(&done.stderr).into_owned();
            // Where nothing is offered, bash itself offers files.
            assert!(said.contains("-o default") && !said.contains("error"), "{line}: {said}");
            String::from_utf8_lossy(&done.stdout).trim().to_owned()
        };
        for (line, expected) in [
            ("lgsp|un", "unit"),
            ("lgsp|unit|i", "import"),
            ("lgsp|unit|add|H41.02|--kind|", "province department commune ward other remote"),
            ("lgsp|unit|add|H41.02|--kind|=|de", "department"),
            ("lgsp|unit|add|H41.02|--kind|=", "province department commune ward other remote"),
            ("lgsp|app|add|x|--grant|", "send receive admin"),
            ("lgsp|key|issue|x|--algorithm|ed", "ed25519"),
            ("lgsp|packet|send|f|--importance|", "normal urgent very_urgent flash"),
            ("lgsp|status|--lang|", "vi en"),
            ("lgsp|status|--color|", "auto always never"),
            ("lgsp|status|-o|", "table wide json ndjson csv"),
            ("lgsp|status|--output|=|nd", "ndjson"),
            ("lgsp|completion|b", "bash"),
            ("lgsp|key|issue|x|--public-key|kh", "khoa.pem"),
            ("lgsp|status|--profile|kh", "khoa.pem"),
            ("lgsp|packet|send|kh", ""),
            ("lgsp|config|check|kh", ""),
        ] {
            assert_eq!(offered(line), expected, "{line}");
        }
    }
}
