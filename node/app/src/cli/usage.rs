//! Errors of the command line itself, in the language of the talk.

use clap::error::{ContextKind, ContextValue, ErrorKind};

use super::{Exit, Failure, edxml::Unfit};
use crate::texts::{Lang, failures as t, reasons};

/// So much of a wrong value is shown.
const VALUE_SHOWN_MAX: usize = 60;

/// What clap found wrong. `command` is what to ask for help of.
pub fn usage_failure(lang: Lang, command: &str, error: &clap::Error) -> Failure {
    let context = |kind| match error.get(kind) {
        Some(ContextValue::String(text)) => Some(text.clone()),
        Some(ContextValue::Strings(texts)) => Some(texts.join(", ")),
        _ => None,
    };
    let arg = context(ContextKind::InvalidArg)
        .or_else(|| context(ContextKind::InvalidSubcommand))
        .unwrap_or_default();
    let value = context(ContextKind::InvalidValue).unwrap_or_default();
    let other = context(ContextKind::PriorArg).unwrap_or_default();
    let reason = std::error::Error::source(error).map(|source| reason(lang, source, &value));
    let why = match error.kind() {
        ErrorKind::UnknownArgument => t::USAGE_UNKNOWN_ARG.fill(lang, &[("arg", &arg)]),
        ErrorKind::InvalidSubcommand => t::USAGE_UNKNOWN_COMMAND.fill(lang, &[("arg", &arg)]),
        ErrorKind::MissingRequiredArgument | ErrorKind::MissingSubcommand => {
            t::USAGE_MISSING.fill(lang, &[("arg", &arg)])
        }
        ErrorKind::InvalidValue | ErrorKind::ValueValidation => {
            let shown = shortened(&value);
            let text = t::USAGE_VALUE.fill(lang, &[("value", &shown), ("arg", &arg)]);
            let allowed = context(ContextKind::ValidValue).filter(|words| !words.is_empty());
            let allowed = allowed.map(|words| t::USAGE_ALLOWED.fill(lang, &[("words", &words)]));
            match reason.or(allowed) {
                Some(reason) => format!("{text}: {reason}"),
                None => text,
            }
        }
        ErrorKind::ArgumentConflict => {
            t::USAGE_CONFLICT.fill(lang, &[("arg", &arg), ("other", &other)])
        }
        ErrorKind::NoEquals => t::USAGE_EQUALS.fill(lang, &[("arg", &arg)]),
        ErrorKind::InvalidUtf8 => t::USAGE_UTF8.in_lang(lang).to_owned(),
        _ => t::USAGE_COUNT.fill(lang, &[("arg", &arg)]),
    };
    let similar =
        [ContextKind::SuggestedSubcommand, ContextKind::SuggestedArg, ContextKind::SuggestedValue]
            .into_iter()
            .find_map(context);
    let fix = match similar {
        Some(similar) => {
            t::USAGE_SIMILAR.fill(lang, &[("similar", &similar), ("command", &command)])
        }
        None => t::USAGE_HELP.fill(lang, &[("command", &command)]),
    };
    Failure::new(Exit::Usage, t::USAGE.in_lang(lang)).why(why).fix(fix).code(9002)
}

/// A value as it is named: whoever gave a page of text need not read it again.
fn shortened(value: &str) -> String {
    let mut letters = value.chars();
    let begin: String = letters.by_ref().take(VALUE_SHOWN_MAX).collect();
    let more = if letters.next().is_some() { "…" } else { "" };
    format!("{begin:?}{more}")
}

/// Why a value is none. What is not known stays as its parser says it.
fn reason(lang: Lang, source: &(dyn std::error::Error + 'static), value: &str) -> String {
    if let Some(malformed) = source.downcast_ref::<model::Malformed>() {
        return reasons::of_word(lang, malformed, value);
    }
    if let Some(Unfit(needed)) = source.downcast_ref::<Unfit>() {
        return needed.in_lang(lang).to_owned();
    }
    let said = source.to_string();
    reasons::of_value(lang, &said).unwrap_or(said)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::command;

    #[test]
    fn the_reasons_are_in_the_language_of_the_talk() {
        for line in [
            "lgsp unit show H41/2",
            "lgsp unit list --limit 0",
            "lgsp unit list --limit x",
            "lgsp status --timeout 5",
            "lgsp packet receive --wait=soon",
        ] {
            let why = failure(line).why.clone().expect("a reason");
            for word in ["expected", "allowed", "invalid", "is no", " is ", "in string"] {
                assert!(!why.contains(word), "{line}: {why}");
            }
        }
    }

    fn failure(line: &str) -> Failure {
        failure_in(Lang::Vi, line)
    }

    fn failure_in(lang: Lang, line: &str) -> Failure {
        let error =
            command(lang).try_get_matches_from(line.split(' ')).expect_err("a wrong command");
        usage_failure(lang, "lgsp", &error)
    }

    /// Finding 9: a word that is none of a list's is answered with the list.
    #[test]
    fn every_closed_list_is_told_in_both_languages() {
        for (line, words) in [
            (
                "lgsp unit add H41.02 --name A --kind ?",
                "province, department, commune, ward, other, remote",
            ),
            ("lgsp app add a1 --unit H41 --grant ?", "send, receive, admin"),
            (
                "lgsp key issue a1 --algorithm ?",
                "hmac-sha256, rsa-v1_5-sha256, rsa-pss-sha512, ed25519, ecdsa-p256-sha256",
            ),
            ("lgsp packet send f --to H41 --importance ?", "normal, urgent, very_urgent, flash"),
            ("lgsp status --lang ?", "vi, en"),
            ("lgsp status -o ?", "table, wide, json, ndjson, csv"),
            ("lgsp status --color ?", "auto, always, never"),
            ("lgsp completion ?", "bash, elvish, fish, powershell, zsh"),
        ] {
            for lang in [Lang::Vi, Lang::En] {
                let why = failure_in(lang, line).why.clone().expect("a reason");
                assert!(why.ends_with(&format!(": {words}")), "{line}: {why}");
            }
        }
    }

    #[test]
    fn a_value_out_of_its_range_or_too_long_hears_the_limit() {
        let long = format!("lgsp unit rename H41 --name {}", "ệ".repeat(201));
        for (line, says) in [
            ("lgsp unit list --limit 0", "1 to 100000"),
            ("lgsp member token --minutes 2000", "1 to 1440"),
            ("lgsp unit list --limit x", "a number is expected"),
            ("lgsp unit list --limit 99999999999999999999", "a number is expected"),
            (long.as_str(), "at most 200 characters are allowed; characters given: 201"),
        ] {
            let why = failure_in(Lang::En, line).why.clone().expect("a reason");
            assert!(why.contains(says) && why.chars().count() < 250, "{line}: {why}");
        }
    }

    #[test]
    fn wrong_commands_say_what_is_wrong() {
        for (line, why, fix) in [
            ("lgsp statsu", "statsu", "status"),
            ("lgsp status --lan vi", "--lan", "--lang"),
            ("lgsp unit show", "<CODE>", "--help"),
            ("lgsp unit show H41/2", "H41/2", "--help"),
            ("lgsp key issue a1 --secret-file x --profile-file y", "--secret-file", "--help"),
        ] {
            let failure = failure(line);
            assert_eq!(failure.exit, Exit::Usage);
            assert!(
                failure.why.as_ref().is_some_and(|text| text.contains(why)),
                "{line}: {failure:?}"
            );
            assert!(
                failure.fix.as_ref().is_some_and(|text| text.contains(fix)),
                "{line}: {failure:?}"
            );
        }
    }
}
