//! `edxml extract`: what is attached, into a directory. All of it, or nothing.
//!
//! Each file is written under a name of our own and gets its own when the document was read to its end: only then is
//! it certain that nothing is missing.

use std::{
    collections::BTreeSet,
    fs::{self, File},
    io::{self, Write},
    path::{Path, PathBuf},
};

use serde_json::json;
use wire::edxml::{Attached, Event, Form, safe_name};

use super::{
    super::Done,
    parts::{Part, Parts},
    show,
    source::{plain, read, unreadable},
};
use crate::{
    cli::{Exit, ExtractArgs, Failure, Out},
    texts::edxml as t,
};

/// Extracts the attachments of one document.
pub fn extract(out: &Out, args: &ExtractArgs) -> Done {
    let directory = &args.to_dir;
    let parts = Parts::new(out, directory);
    let mut files =
        Files { out, args, parts, part: None, whole: Vec::new(), taken: BTreeSet::new() };
    let document = read(out, &args.file, |event| match event {
        Event::Begin(_) => files.begin(),
        Event::Octets(octets) => files.write(octets),
        Event::End(attached) => files.end(attached),
        Event::Message(_) => Ok(()),
    })?;
    document.end.map_err(|error| unreadable(out, &args.file, &error))?;
    let files = files.place()?;
    if !out.is_table() {
        let one = |one: &Whole| {
            let (word, _) = t::form(one.attached.form);
            json!({
                "path": one.to.display().to_string(), "name": one.attached.attachment.name, "size": one.attached.octets,
                "sha256": hex::encode(one.attached.sha256), "form": word,
            })
        };
        let items: Vec<_> = files.iter().map(one).collect();
        out.json(
            "lgsp.edxml.extracted/1",
            json!({ "to": directory.display().to_string(), "items": items }),
        );
        return Ok(Exit::Ok);
    }
    tell(out, directory, &files);
    if !document.findings.is_empty() {
        let (count, path) = (document.findings.len(), args.file.display());
        out.warn(out.fill(t::LOOK, &[("count", &count), ("path", &path)]));
    }
    Ok(Exit::Ok)
}

fn tell(out: &Out, directory: &Path, files: &[Whole]) {
    if files.is_empty() {
        out.say(out.text(t::EXTRACTED_NONE));
        return;
    }
    let named: Vec<_> = files.iter().map(|one| (one.name.clone(), &one.attached)).collect();
    show::files(out, &named);
    for one in files {
        let name = one.attached.attachment.name.as_deref().unwrap_or_default();
        if name != one.name {
            let name = plain(name);
            out.warn(out.fill(t::RENAMED, &[("name", &name), ("safe", &one.name)]));
        }
    }
    out.done(t::EXTRACTED, &[("path", &directory.display()), ("count", &files.len())]);
}

/// A file that is complete, and the name that it gets.
struct Whole {
    part: Part,
    name: String,
    to: PathBuf,
    attached: Attached,
}

/// The files of one document.
struct Files<'o> {
    out: &'o Out,
    args: &'o ExtractArgs,
    parts: Parts,
    part: Option<(Part, File)>,
    whole: Vec<Whole>,
    /// Names that are given, in small letters: some file systems know no others.
    taken: BTreeSet<String>,
}

impl Files<'_> {
    fn begin(&mut self) -> Result<(), Failure> {
        let directory = &self.args.to_dir;
        let begun = self.parts.begin();
        self.part = Some(begun.map_err(|error| Failure::file(self.out.lang, directory, &error))?);
        Ok(())
    }

    fn write(&mut self, octets: &[u8]) -> Result<(), Failure> {
        let (_, file) = self.part.as_mut().expect("octets come behind a beginning");
        let wrote = file.write_all(octets);
        wrote.map_err(|error| Failure::file(self.out.lang, &self.args.to_dir, &error))
    }

    fn end(&mut self, attached: &Attached) -> Result<(), Failure> {
        let (part, file) = self.part.take().expect("an end comes behind a beginning");
        let name = self.name_of(attached);
        let to = self.args.to_dir.join(&name);
        if !self.args.force && fs::symlink_metadata(&to).is_ok() {
            return Err(self.exists(&to, false));
        }
        let synced = file.sync_all();
        synced.map_err(|error| Failure::file(self.out.lang, &to, &error))?;
        self.whole.push(Whole { part, name, to, attached: attached.clone() });
        Ok(())
    }

    /// A safe name that no other file of the document has.
    fn name_of(&mut self, attached: &Attached) -> String {
        let mut name = safe_name(attached.attachment.name.as_deref().unwrap_or_default());
        if attached.form == Form::LeftZipped {
            name.push_str(".zip");
        }
        let (stem, ending) = match name.rsplit_once('.') {
            Some((stem, ending)) => (stem.to_owned(), format!(".{ending}")),
            None => (name.clone(), String::new()),
        };
        let mut count = 1;
        while !self.taken.insert(name.to_lowercase()) {
            count += 1;
            name = format!("{stem} ({count}){ending}");
        }
        name
    }

    /// Gives every file its name.
    fn place(self) -> Result<Vec<Whole>, Failure> {
        let files = self.whole.iter().map(|one| (&one.part, one.to.as_path()));
        self.parts.name(files, self.args.force).map_err(|(index, error)| {
            let to = &self.whole[index].to;
            match error.kind() {
                io::ErrorKind::AlreadyExists => self.exists(to, index > 0),
                _ => Failure::file(self.out.lang, to, &error),
            }
        })?;
        Ok(self.whole)
    }

    fn exists(&self, path: &Path, is_late: bool) -> Failure {
        let what = if is_late { t::EXISTS_LATE } else { t::EXISTS };
        Failure::new(Exit::Conflict, self.out.fill(what, &[("path", &path.display())]))
            .fix(self.out.text(t::FIX_EXISTS))
            .code(9804)
    }
}
