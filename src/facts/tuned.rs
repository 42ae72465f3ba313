//! What tuned sets: its active profile, with the profiles that it includes. It applies them after sysctl.d, whenever it starts.
//! Source: tuned.conf(5), tuned-profiles(7), `tuned/plugins/plugin_sysctl.py` and `plugin_vm.py`.

use crate::host::{Host, HostResult};
use crate::setting::unit::wants_link;
use std::path::{Path, PathBuf};

/// The names of the active profiles.
const ACTIVE: &str = "/etc/tuned/active_profile";

/// Where profiles are, an admin's first; newer tuned has them a directory deeper.
const DIRS: [&str; 4] = [
    "/etc/tuned/profiles",
    "/etc/tuned",
    "/usr/lib/tuned/profiles",
    "/usr/lib/tuned",
];

/// Profiles include each other less deep than this.
const MAX_INCLUDES: usize = 16;

/// The name under which the mode of transparent huge pages is kept.
pub const HUGE_PAGES: &str = "transparent_hugepage";

/// A value that it sets, and the file that says so.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TunedValue {
    /// A sysctl by its dotted name, or `HUGE_PAGES`.
    pub key: String,
    pub value: String,
    pub file: PathBuf,
}

/// What the active profile sets, where tuned starts at boot; of one key the last counts.
pub fn active(host: &Host) -> HostResult<Vec<TunedValue>> {
    let Some(names) = host.read_text(Path::new(ACTIVE))? else {
        return Ok(Vec::new());
    };
    if host.stat(&wants_link("tuned.service"))?.is_none() {
        return Ok(Vec::new());
    }
    let mut values = Vec::new();
    for name in names.split_whitespace() {
        profile(host, name, 0, &mut values)?;
    }
    Ok(values)
}

fn profile(host: &Host, name: &str, depth: usize, values: &mut Vec<TunedValue>) -> HostResult<()> {
    if depth > MAX_INCLUDES || name.contains('/') {
        return Ok(());
    }
    for dir in DIRS {
        let file = Path::new(dir).join(name).join("tuned.conf");
        if let Some(text) = host.read_text(&file)? {
            for included in included(&text) {
                profile(host, &included, depth + 1, values)?;
            }
            values.extend(set(&text, &file));
            break;
        }
    }
    Ok(())
}

fn included(text: &str) -> Vec<String> {
    let lines = options(text).filter(|(section, key, _)| *section == "main" && *key == "include");
    lines
        .flat_map(|(_, _, names)| names.split([',', ';', ' ']))
        .filter(|name| !name.is_empty())
        .map(str::to_owned)
        .collect()
}

/// The sections that always apply; those with a condition have another name. `=>` and `=<` only raise or lower what is worse.
fn set<'a>(text: &'a str, file: &'a Path) -> impl Iterator<Item = TunedValue> + 'a {
    options(text).filter_map(|(section, key, value)| {
        let key = match (section, key) {
            ("sysctl", key) => key,
            ("vm", "transparent_hugepage" | "transparent_hugepages") => HUGE_PAGES,
            _ => return None,
        };
        (!value.starts_with(['>', '<'])).then(|| TunedValue {
            key: key.to_owned(),
            value: value.to_owned(),
            file: file.to_owned(),
        })
    })
}

/// Section, key and value of each line.
fn options(text: &str) -> impl Iterator<Item = (&str, &str, &str)> {
    let mut section = "";
    text.lines().filter_map(move |line| {
        let line = line.trim();
        if let Some(name) = line.strip_prefix('[').and_then(|l| l.strip_suffix(']')) {
            section = name;
            return None;
        }
        if line.starts_with(['#', ';']) {
            return None;
        }
        let (key, value) = line.split_once('=')?;
        Some((section, key.trim(), value.trim().trim_matches('"')))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_profile_sets_what_its_unconditional_sections_say() {
        // From tuned 2.20's throughput-performance and mssql.
        let text = "[main]\ninclude=throughput-performance\n[vm]\ntransparent_hugepages=always\n[vm.thunderx]\nuname_regex=aarch64\ntransparent_hugepages=never\n[sysctl]\nvm.swappiness=1\nnet.core.somaxconn=>2048\n";
        assert_eq!(included(text), ["throughput-performance"]);
        let found: Vec<(String, String)> = set(text, Path::new("f"))
            .map(|v| (v.key, v.value))
            .collect();
        let pair = |k: &str, v: &str| (k.to_owned(), v.to_owned());
        assert_eq!(
            found,
            [pair(HUGE_PAGES, "always"), pair("vm.swappiness", "1")]
        );
    }
}
