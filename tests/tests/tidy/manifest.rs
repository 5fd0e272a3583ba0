//! A crate's manifest: its own name, and by their true names the crates that it is built from.

use toml::{Table, Value};

/// The names of the packages that a crate's product is built from, on whatever target and under
/// whatever name.
pub fn packages(manifest: &Table, workspace: &Table) -> Vec<String> {
    let targets = manifest.get("target").and_then(Value::as_table);
    let targets = targets.into_iter().flat_map(Table::values).filter_map(Value::as_table);
    let mut found = Vec::new();
    for place in std::iter::once(manifest).chain(targets) {
        for section in ["dependencies", "build-dependencies"] {
            let table = place.get(section).and_then(Value::as_table);
            for (alias, entry) in table.into_iter().flatten() {
                found.push(package(alias, entry, workspace));
            }
        }
    }
    found.sort();
    found.dedup();
    found
}

fn package(alias: &str, entry: &Value, workspace: &Table) -> String {
    let inherited = entry.get("workspace").and_then(Value::as_bool) == Some(true);
    let shared = || workspace.get("workspace")?.get("dependencies")?.get(alias);
    let entry = if inherited { shared() } else { Some(entry) };
    let renamed = entry.and_then(|entry| entry.get("package")).and_then(Value::as_str);
    renamed.unwrap_or(alias).to_owned()
}

/// The folders of the workspace's members.
pub fn members(workspace: &Table) -> Vec<String> {
    let listed = workspace.get("workspace").and_then(|table| table.get("members"));
    let listed = listed.and_then(Value::as_array).into_iter().flatten();
    listed.filter_map(Value::as_str).map(str::to_owned).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dependencies_are_known_by_their_true_names_on_every_target() {
        let workspace: Table =
            "[workspace]\nmembers = [\"a\", \"b/c\"]\n[workspace.dependencies]\n\
                                model = { path = \"m\", package = \"lgsp-model\" }\nplain = \"1\""
                .parse()
                .expect("TOML");
        let manifest: Table = "[dependencies]\nmodel.workspace = true\nplain.workspace = true\n\
                               web = { version = \"1\", package = \"hyper\" }\nbare = \"2\"\n\
                               [dev-dependencies]\nproptest = \"1\"\n[build-dependencies]\ncc = \"1\"\n\
                               [target.'cfg(unix)'.dependencies]\nquinn = \"1\""
            .parse()
            .expect("TOML");
        let found = packages(&manifest, &workspace);
        assert_eq!(found, ["bare", "cc", "hyper", "lgsp-model", "plain", "quinn"]);
        assert_eq!(members(&workspace), ["a", "b/c"]);
    }
}
