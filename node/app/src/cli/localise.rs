//! Puts the help of one language on the commands.

use clap::{Arg, ArgAction, Command, CommandFactory};

use super::Cli;
use crate::texts::{
    Lang, Text, exits,
    help::{self, Entry},
    words,
};

/// The language: `--lang`, else `LGSP_LANG`, else the locale, else Vietnamese. It is needed
/// before the arguments are parsed, since their errors are told in it.
pub fn language(args: &[String]) -> Lang {
    language_in(args, |name| std::env::var(name).ok())
}

fn language_in(args: &[String], surroundings: impl Fn(&str) -> Option<String>) -> Lang {
    let flag = args.iter().enumerate().find_map(|(index, arg)| match arg.strip_prefix("--lang") {
        Some("") => args.get(index + 1).map(String::as_str),
        Some(rest) => rest.strip_prefix('='),
        None => None,
    });
    // A word that is no language of ours is told in the language that holds without it.
    let own = || surroundings("LGSP_LANG").as_deref().and_then(Lang::of_locale);
    if let Some(lang) = flag.and_then(Lang::of_locale).or_else(own) {
        return lang;
    }
    let locale = ["LC_ALL", "LC_MESSAGES", "LANG"]
        .into_iter()
        .find_map(|name| surroundings(name).filter(|value| !value.is_empty()));
    // The plain C locale says nothing about people: our own language is the better guess.
    locale
        .filter(|locale| !locale.starts_with('C') && locale != "POSIX")
        .and_then(|locale| Lang::of_locale(&locale))
        .unwrap_or_default()
}

/// The commands with their help in a language.
pub fn command(lang: Lang) -> Command {
    let command = Cli::command().disable_help_flag(true).disable_version_flag(true);
    let help = Arg::new("help").short('h').long("help").action(ArgAction::Help).global(true);
    let version = Arg::new("version").short('V').long("version").action(ArgAction::Version);
    let command = command
        .arg(help.help(words::ARG_HELP.in_lang(lang)))
        .arg(version.help(words::ARG_VERSION.in_lang(lang)));
    dress(command, "", lang)
}

/// What the library writes into a line of usage for all options, in a language.
pub fn usage_in(lang: Lang, help: &str) -> String {
    help.replace("[OPTIONS]", words::OPTIONS_NAME.in_lang(lang))
}

/// The texts of a command, by its path as `packet send`; of the program itself by the empty path.
pub fn entry(path: &str) -> Option<&'static Entry> {
    help::ALL.iter().find(|entry| entry.path == path)
}

fn dress(mut command: Command, path: &str, lang: Lang) -> Command {
    let template = format!(
        "{{about}}\n\n{{before-help}}{} {{usage}}\n\n{{all-args}}{{after-help}}\n",
        words::USAGE.in_lang(lang)
    );
    command =
        command.help_template(template).subcommand_help_heading(words::COMMANDS.in_lang(lang));
    command = command.subcommand_value_name(words::COMMAND_NAME.in_lang(lang));
    if let Some(entry) = entry(path) {
        let examples: String =
            entry.examples.iter().map(|example| format!("\n  {example}")).collect();
        command = command
            .about(entry.about.in_lang(lang))
            .before_help(format!("{}{examples}", words::EXAMPLES.in_lang(lang)));
    }
    if path.is_empty() {
        command = command.after_help(exits::listed(lang));
    }
    command = command.mut_args(|arg| {
        let heading = match arg {
            _ if arg.is_positional() => words::ARGUMENTS,
            // What every command takes stands behind the command's own.
            _ if arg.is_global_set() || path.is_empty() => words::GLOBAL_OPTIONS,
            _ => words::OPTIONS,
        };
        let text = help::arg(path, arg.get_id().as_str());
        let arg = arg.help_heading(heading.in_lang(lang));
        match text {
            Some(text) => explained(arg, text, lang),
            None => arg,
        }
    });
    let children: Vec<String> =
        command.get_subcommands().map(|child| child.get_name().to_owned()).collect();
    for child in children {
        let child_path = format!("{path} {child}").trim().to_owned();
        command = command
            .mut_subcommand(child, |child| dress(child.disable_help_flag(true), &child_path, lang));
    }
    command
}

/// An argument with its text, and its default and its variable behind it in the same language.
fn explained(arg: Arg, text: Text, lang: Lang) -> Arg {
    let mut help = text.in_lang(lang).to_owned();
    let takes = arg.get_action().takes_values();
    let usual: Vec<_> =
        arg.get_default_values().iter().map(|value| value.to_string_lossy()).collect();
    if takes && !usual.is_empty() {
        let default = words::ARG_DEFAULT.fill(lang, &[("value", &usual.join(", "))]);
        help.push_str(&format!(" [{default}]"));
    }
    if let Some(variable) = arg.get_env() {
        help.push_str(&format!(" [{}]", variable.to_string_lossy()));
    }
    let arg = arg.help(help);
    if !takes {
        return arg;
    }
    // The library says them in English.
    arg.hide_default_value(true).hide_env(true).hide_possible_values(true)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn visit(command: &Command, path: &str, see: &mut dyn FnMut(&Command, &str)) {
        see(command, path);
        for child in command.get_subcommands() {
            visit(child, format!("{path} {}", child.get_name()).trim(), see);
        }
    }

    #[test]
    fn the_commands_are_well_formed() {
        for lang in [Lang::Vi, Lang::En] {
            command(lang).debug_assert();
        }
    }

    #[test]
    fn every_command_and_argument_has_its_help_in_both_languages() {
        visit(&Cli::command(), "", &mut |command, path| {
            let entry = entry(path).unwrap_or_else(|| panic!("no help for {path:?}"));
            assert!(entry.examples.iter().all(|example| example.contains("lgsp")), "{path}");
            for arg in command.get_arguments().filter(|arg| !arg.is_hide_set()) {
                let id = arg.get_id().as_str();
                let own = matches!(id, "help" | "version");
                assert!(own || help::arg(path, id).is_some(), "no help for {id} of {path:?}");
            }
        });
    }

    #[test]
    fn examples_are_commands_that_parse() {
        for entry in help::ALL {
            for example in entry.examples {
                let (before, line) = example.split_once("lgsp ").unwrap_or_default();
                // A variable in front of the program stands for its option.
                let token = before.trim().strip_prefix("LGSP_JOIN_TOKEN=");
                let token = token.into_iter().flat_map(|token| ["--token", token]);
                let words = split(line).into_iter().chain(token.map(str::to_owned));
                let parsed = command(Lang::En)
                    .try_get_matches_from(std::iter::once("lgsp".to_owned()).chain(words));
                if let Err(error) = parsed
                    && error.use_stderr()
                {
                    panic!("{example}: {error}");
                }
            }
        }
    }

    /// Splits as a shell does, as far as our examples need it.
    fn split(line: &str) -> Vec<String> {
        let line =
            line.split(" | ").next().unwrap_or_default().split(" > ").next().unwrap_or_default();
        let mut words = Vec::new();
        let (mut word, mut quoted) = (String::new(), false);
        for c in line.chars() {
            match c {
                '"' => quoted = !quoted,
                ' ' if !quoted => {
                    words.extend(Some(std::mem::take(&mut word)).filter(|word| !word.is_empty()))
                }
                c => word.push(c),
            }
        }
        words.extend(Some(word).filter(|word| !word.is_empty()));
        words
    }

    #[test]
    fn the_language_is_found_before_the_arguments_are_parsed() {
        let args = |text: &str| text.split(' ').map(str::to_owned).collect::<Vec<_>>();
        assert_eq!(language(&args("lgsp status --lang en")), Lang::En);
        assert_eq!(language(&args("lgsp --lang=vi status")), Lang::Vi);
        // Finding 11: a word that is no language of ours changes none.
        let of = |line: &str, set: &[(&str, &str)]| {
            language_in(&args(line), |name| {
                let found = set.iter().find(|(own, _)| *own == name);
                found.map(|(_, value)| (*value).to_owned())
            })
        };
        assert_eq!(of("lgsp status --lang fr", &[("LGSP_LANG", "en")]), Lang::En);
        assert_eq!(of("lgsp status --lang fr", &[("LANG", "en_US.UTF-8")]), Lang::En);
        assert_eq!(of("lgsp status", &[("LGSP_LANG", "fr"), ("LANG", "en_US")]), Lang::En);
        assert_eq!(of("lgsp status", &[("LGSP_LANG", "vi"), ("LANG", "en_US")]), Lang::Vi);
        assert_eq!(of("lgsp status", &[("LC_ALL", "C"), ("LANG", "en_US")]), Lang::Vi);
    }

    #[test]
    fn no_help_in_vietnamese_has_words_of_the_library() {
        visit(&Cli::command(), "", &mut |_, path| {
            let line = std::iter::once("lgsp").chain(path.split_whitespace()).chain(["--help"]);
            let asked = command(Lang::Vi).try_get_matches_from(line).expect_err("help");
            let shown = asked.render().to_string();
            for word in
                ["default", "env:", "aliases", "possible values", "Print", "Usage", "Options"]
            {
                assert!(!shown.contains(word), "{path}: {word}: {shown}");
            }
        });
    }

    /// Finding 25: the options of every command are not mixed with the command's own.
    #[test]
    fn the_options_of_every_command_stand_behind_the_commands_own() {
        let help = |line: &[&str]| {
            let asked = command(Lang::En).try_get_matches_from(line).expect_err("help");
            asked.render().to_string()
        };
        let shown = help(&["lgsp", "packet", "send", "--help"]);
        let at = |text: &str| shown.find(text).unwrap_or_else(|| panic!("{text}: {shown}"));
        let headings = [at("Arguments:"), at("\nOptions:"), at("Options of every command:")];
        assert!(headings.is_sorted(), "{shown}");
        assert!(at("--to") < headings[2] && at("--importance") < headings[2], "{shown}");
        for option in ["--output", "--lang", "--profile", "--timeout", "--debug", "--help"] {
            let last = shown.rfind(&format!("{option} ")).expect(option);
            assert!(last > headings[2], "{option}: {shown}");
        }
        let bare = help(&["lgsp", "status", "--help"]);
        assert!(!bare.contains("\nOptions:"), "{bare}");
    }
}
