//! Circles of files: no two files of a crate may need each other, directly or through others.
//!
//! It reads paths as they are written and does not resolve types: a method that is called without
//! its type being named is no edge. A re-export is no use, so a name that is passed on leads to the
//! file that it comes from.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use super::{
    all_sources, is_test, report,
    source::{Token, closed, paths, product},
};

/// The crates that hold it; a crate is added when its last circle is opened.
const WITHOUT_CIRCLES: &[&str] = &[
    "certs",
    "federation/simulator",
    "federation/wire",
    "raft/model",
    "raft/machine",
    "node/conductor",
    "node/content",
    "node/https",
];

/// How often a name may be passed on before it is taken for lost.
const PASSED_ON_MAX: usize = 8;

/// Where a module stands in its crate: the names from the root, which is empty.
type Module = Vec<String>;

/// What one file says.
#[derive(Default)]
struct Said {
    /// Paths that it uses, from the root where that is known.
    used: BTreeSet<Vec<String>>,
    /// Names that it has from elsewhere, and where they come from.
    names: BTreeMap<String, Vec<String>>,
    /// Modules of which it passes everything on.
    globs: Vec<Vec<String>>,
    /// Names of its own items.
    items: BTreeSet<String>,
}

/// The files of a crate, by the modules that they are.
struct Crate(BTreeMap<Module, Said>);

/// The module of a file under `src`.
fn module_of(file: &str) -> Module {
    let stem = file.trim_end_matches(".rs");
    let stem = stem.strip_suffix("/mod").unwrap_or(stem);
    match stem {
        "lib" | "main" => Vec::new(),
        _ => stem.split('/').map(str::to_owned).collect(),
    }
}

fn name_of(module: &[String]) -> String {
    if module.is_empty() { "the root".to_owned() } else { module.join("/") }
}

impl Crate {
    /// Reads a crate from its files under `src`: name and text.
    fn read(files: &[(&str, &str)]) -> Self {
        let modules: BTreeSet<Module> = files.iter().map(|(name, _)| module_of(name)).collect();
        let read = |(name, text): &(&str, &str)| {
            let module = module_of(name);
            let mut said = Said::default();
            said.read(&modules, &module, &marked(&product(text)));
            (module, said)
        };
        Self(files.iter().map(read).collect())
    }

    /// The file that a path from the root leads to.
    fn file_of(&self, path: &[String], passed_on: usize) -> Option<&Module> {
        let prefix = (0..=path.len()).rev().find(|len| self.0.contains_key(&path[..*len]))?;
        let (module, said) = self.0.get_key_value(&path[..prefix])?;
        let Some(name) = path.get(prefix).filter(|_| passed_on < PASSED_ON_MAX) else {
            return Some(module);
        };
        if let Some(from) = said.names.get(name) {
            let onward: Vec<String> = [&from[..], &path[prefix + 1..]].concat();
            return self.file_of(&onward, passed_on + 1);
        }
        let has = |glob: &&Vec<String>| {
            let file = self.file_of(glob, passed_on + 1).and_then(|file| self.0.get(file));
            file.is_some_and(|said| said.items.contains(name) || said.names.contains_key(name))
        };
        match said.globs.iter().find(has) {
            Some(glob) if !said.items.contains(name) => {
                let onward: Vec<String> = [&glob[..], &path[prefix..]].concat();
                self.file_of(&onward, passed_on + 1)
            }
            _ => Some(module),
        }
    }

    /// The files that each file needs.
    fn edges(&self) -> BTreeMap<&Module, BTreeSet<&Module>> {
        let needed = |(module, said): (&'_ Module, &Said)| {
            let files = said.used.iter().filter_map(|path| self.file_of(path, 0));
            files.filter(|file| *file != module).collect()
        };
        self.0.iter().map(|(module, said)| (module, needed((module, said)))).collect()
    }

    /// One circle for each file that is in one, the shortest; each circle once.
    fn circles(&self) -> BTreeSet<String> {
        let edges = self.edges();
        let circles = edges.keys().filter_map(|start| shortest_circle(&edges, start));
        circles.collect()
    }
}

/// The shortest way from a file back to itself, told from its first file on.
fn shortest_circle(edges: &BTreeMap<&Module, BTreeSet<&Module>>, start: &Module) -> Option<String> {
    let mut before: BTreeMap<&Module, &Module> = BTreeMap::new();
    let mut waiting = VecDeque::from([start]);
    while let Some(file) = waiting.pop_front() {
        for next in &edges[file] {
            if *next == start {
                let mut circle = vec![file];
                while let Some(earlier) = before.get(circle[circle.len() - 1]) {
                    circle.push(earlier);
                }
                circle.reverse();
                let first = (0..circle.len()).min_by_key(|at| circle[*at]).unwrap_or(0);
                circle.rotate_left(first);
                circle.push(circle[0]);
                let names: Vec<String> = circle.iter().map(|file| name_of(file)).collect();
                return Some(names.join(" → "));
            }
            if !before.contains_key(next) {
                before.insert(next, file);
                waiting.push_back(next);
            }
        }
    }
    None
}

impl Said {
    /// Reads the tokens of a module, and of the modules that are written within it.
    fn read(&mut self, modules: &BTreeSet<Module>, module: &[String], tokens: &[Token]) {
        let (mut rest, mut at) = (Vec::with_capacity(tokens.len()), 0);
        while at < tokens.len() {
            let next = |ahead: usize| tokens.get(at + ahead).map(String::as_str);
            let visibility = match (next(0), next(1)) {
                (Some("pub"), Some("(")) => closed(tokens, at + 1) - at,
                (Some("pub"), _) => 1,
                _ => 0,
            };
            if next(0) == Some("mod") && next(2) == Some("{") {
                let end = closed(tokens, at + 2);
                let inner = [module, &tokens[at + 1..at + 2]].concat();
                self.read(modules, &inner, &tokens[at + 3..end - 1]);
                at = end;
            } else if next(visibility) == Some("use") {
                let end = tokens[at..].iter().position(|token| token == ";");
                let end = end.map_or(tokens.len(), |length| at + length + 1);
                self.import(modules, module, &tokens[at + visibility..end], visibility > 0);
                at = end;
            } else if visibility > 0 {
                at += visibility;
            } else {
                rest.push(tokens[at].clone());
                at += 1;
            }
        }
        for pair in rest.windows(2) {
            const ITEMS: &[&str] =
                &["fn", "struct", "enum", "trait", "type", "const", "static", "union"];
            if ITEMS.contains(&pair[0].as_str()) {
                self.items.insert(pair[1].clone());
            }
        }
        for path in paths(&rest) {
            let path: Vec<String> = path.split("::").map(str::to_owned).collect();
            if let Some(passed_on) = self.names.get(&path[0]) {
                // A name that is passed on, and used here too.
                self.used.insert(passed_on.clone());
            } else if path.len() > 1 {
                self.used.extend(absolute(modules, module, &path));
            }
        }
    }

    fn import(
        &mut self,
        modules: &BTreeSet<Module>,
        module: &[String],
        tokens: &[Token],
        is_passed_on: bool,
    ) {
        for path in paths(tokens) {
            let path: Vec<String> = path.split("::").map(str::to_owned).collect();
            let Some(path) = absolute(modules, module, &path) else { continue };
            match path.split_last() {
                Some((last, before)) if last == "*" => {
                    self.globs.push(before.to_vec());
                    if !is_passed_on {
                        self.used.insert(before.to_vec());
                    }
                }
                Some((last, _)) => {
                    self.names.insert(last.clone(), path.clone());
                    if !is_passed_on {
                        self.used.insert(path);
                    }
                }
                None => {}
            }
        }
    }
}

/// The tokens, where the name behind a leading `::` is marked: it is a library's, though a module may be called
/// the same.
fn marked(tokens: &[Token]) -> Vec<Token> {
    let goes_on = |token: &Token| {
        let last = token.chars().next_back();
        last.is_some_and(|c| c.is_alphanumeric() || c == '_' || c == '>') && token != "use"
    };
    let is_leading = |at: usize| tokens[at] == "::" && (at == 0 || !goes_on(&tokens[at - 1]));
    let mark = |(at, token): (usize, &Token)| match at.checked_sub(1).is_some_and(is_leading) {
        true => format!("library_{token}"),
        false => token.clone(),
    };
    tokens.iter().enumerate().map(mark).collect()
}

/// A path from the root of the crate; none if it leads out of it.
fn absolute(modules: &BTreeSet<Module>, from: &[String], path: &[String]) -> Option<Vec<String>> {
    let mut base = from.to_vec();
    let rest = match path[0].as_str() {
        "crate" => {
            base.clear();
            &path[1..]
        }
        "self" | "super" => {
            let mut rest = path;
            while let Some(step) = rest.first().filter(|step| *step == "self" || *step == "super") {
                if step == "super" {
                    base.pop();
                }
                rest = &rest[1..];
            }
            rest
        }
        child => {
            let is_child = modules.contains(&[from, &[child.to_owned()]].concat());
            return is_child.then(|| [from, path].concat());
        }
    };
    Some([&base[..], rest].concat())
}

#[test]
fn no_two_files_need_each_other() {
    let sources = all_sources();
    for folder in WITHOUT_CIRCLES {
        let under = format!("{folder}/src/");
        let files: Vec<(&str, &str)> = sources
            .iter()
            .filter(|(name, _)| !is_test(name))
            .filter_map(|(name, text)| Some((name.strip_prefix(&under)?, text.as_str())))
            .collect();
        let read = Crate::read(&files);
        let edges: usize = read.edges().values().map(BTreeSet::len).sum();
        assert!(edges > files.len() / 2, "{folder}: {edges} edges between {} files", files.len());
        let circles = read.circles();
        report(circles.iter().map(|circle| format!("{folder}: {circle}")).collect());
    }
}

mod planted {
    use super::*;

    fn circles(files: &[(&str, &str)]) -> Vec<String> {
        Crate::read(files).circles().into_iter().collect()
    }

    #[test]
    fn a_circle_is_found_and_named() {
        let files = [
            ("lib.rs", "mod a; mod b; mod c;"),
            ("a.rs", "use crate::b::{self, B};"),
            ("b.rs", "pub struct B; fn f() { crate::c::g() }"),
            ("c.rs", "use super::a::A; pub fn g() {}"),
        ];
        assert_eq!(circles(&files), ["a → b → c → a"]);
        assert_eq!(circles(&files[..3]), [] as [&str; 0], "without its last file it is open");
    }

    #[test]
    fn a_name_that_is_passed_on_leads_to_its_own_file() {
        let error = ("error.rs", "pub struct Error;");
        let part = ("part.rs", "use crate::Error; pub struct Part;");
        let root = "mod error; mod part; pub use error::Error; pub use part::Part;";
        assert_eq!(circles(&[("lib.rs", root), error, part]), [] as [&str; 0]);
        // The root has a word of its own that a part needs.
        let own = format!("{root} pub const MAX: usize = 1; fn open() {{ part::open() }}");
        let needs = ("part.rs", "use crate::MAX; pub struct Part;");
        assert_eq!(circles(&[("lib.rs", &own), error, needs]), ["the root → part → the root"]);
        // A name that is passed on, and used.
        let uses = "mod a; pub use a::A; pub struct B(A);";
        assert_eq!(
            circles(&[("lib.rs", uses), ("a.rs", "pub struct A; fn f(_: crate::B) {}")]),
            ["the root → a → the root"]
        );
    }

    #[test]
    fn all_that_a_module_passes_on_is_looked_up_where_it_stands() {
        let root = "mod a; mod b; pub use a::*; pub use b::*;";
        let a = ("a.rs", "pub struct A;");
        let b = ("b.rs", "use crate::A; pub struct B;");
        assert_eq!(circles(&[("lib.rs", root), a, b]), [] as [&str; 0]);
        let a = ("a.rs", "pub struct A(pub crate::B);");
        assert_eq!(circles(&[("lib.rs", root), a, b]), ["a → b → a"]);
    }

    #[test]
    fn parents_and_children_may_be_a_circle_too() {
        let parent = ("disk.rs", "mod real; pub use real::Real; pub trait Disk {}");
        let child = ("disk/real.rs", "use super::Disk; pub struct Real;");
        let root = ("lib.rs", "pub mod disk;");
        assert_eq!(circles(&[root, parent, child]), [] as [&str; 0]);
        let parent = ("disk.rs", "mod real; pub trait Disk {} fn f() { real::f() }");
        assert_eq!(circles(&[root, parent, child]), ["disk → disk/real → disk"]);
    }

    #[test]
    fn a_library_is_no_module_of_the_same_name() {
        let root = "mod a; pub const N: u8 = 1; use ::a::A; pub struct B(::a::B, Vec<u8>);";
        let a = ("a.rs", "use crate::N;");
        assert_eq!(circles(&[("lib.rs", root), a]), [] as [&str; 0]);
        let root = root.replace("Vec<u8>", "a::C");
        assert_eq!(circles(&[("lib.rs", &root), a]), ["the root → a → the root"]);
    }

    #[test]
    fn what_only_looks_like_a_need_is_none() {
        let files = [
            ("lib.rs", "mod a; mod b;"),
            ("a.rs", "use crate::b::B; use std::sync::Arc; pub(in crate::b) fn f() {}"),
            (
                "b.rs",
                "// crate::a\npub(super) struct B; fn g() { \"crate::a\"; a.b(); other::a(); }\n\
                 mod inner { use super::B; } #[cfg(test)] mod tests { use crate::a::f; }",
            ),
        ];
        assert_eq!(circles(&files), [] as [&str; 0]);
    }
}
