//! Values of the running kernel: sysctls and transparent huge pages. One write, and the caller reads back.

use super::{Obstacle, Reading, Sight};
use crate::host::{Host, HostError, HostResult};
use crate::value::Value;
use nix::errno::Errno;
use std::path::{Path, PathBuf};

/// Where the kernel says which mode of transparent huge pages is selected.
pub const HUGE_PAGES: &str = "/sys/kernel/mm/transparent_hugepage/enabled";

/// Where it says so for each size, since Linux 6.8.
pub const HUGE_PAGES_DIR: &str = "/sys/kernel/mm/transparent_hugepage";

/// The file of a sysctl. A dotted name has its dots and slashes swapped (`net.ipv4.conf.eth0/200.rp_filter`), as sysctl.d(5).
pub fn path(key: &str) -> PathBuf {
    let swapped: String = key
        .chars()
        .map(|c| match c {
            '.' => '/',
            '/' => '.',
            other => other,
        })
        .collect();
    Path::new("/proc/sys").join(swapped)
}

/// The value of a sysctl: a number where it is one, else its words joined by single spaces.
pub fn read(host: &Host, key: &str) -> HostResult<Option<Value>> {
    Ok(read_text(host, key)?.map(|text| typed(&text)))
}

/// The value as the kernel prints it, white space normalised.
pub fn read_text(host: &Host, key: &str) -> HostResult<Option<String>> {
    let text = host.read_text(&path(key))?;
    Ok(text.map(|t| t.split_whitespace().collect::<Vec<_>>().join(" ")))
}

/// A number where it is one.
pub fn typed(text: &str) -> Value {
    text.parse().map_or_else(|_| Value::text(text), Value::Int)
}

/// What tuned sets it to when it starts, and the profile that says so.
pub fn read_tuned(sight: Sight, key: &str) -> Reading {
    let last = sight.facts.tuned.iter().rfind(|v| v.key == key);
    match last {
        Some(v) => Reading::Value(typed(&v.value), Some(v.file.display().to_string())),
        None => Reading::Absent,
    }
}

/// Writes a sysctl and checks that the kernel took it.
pub fn write(host: &Host, key: &str, text: &str) -> HostResult<()> {
    host.write_kernel(&path(key), &format!("{text}\n"))?;
    match read_text(host, key)? {
        Some(now) if now == text => Ok(()),
        now => Err(HostError::refused(
            format!("setting sysctl {key} to {text}"),
            format!(
                "the kernel keeps {}",
                now.unwrap_or_else(|| "nothing".into())
            ),
        )),
    }
}

/// The selected mode of transparent huge pages; a kernel built without them has none.
pub fn read_huge_pages(host: &Host) -> Reading {
    match huge_pages_mode(host) {
        Ok(Some(mode)) => Reading::Value(Value::Text(mode), None),
        Ok(None) => Reading::NotApplicable("this kernel has no transparent huge pages".into()),
        Err(e) => Reading::Unknown(e.to_string()),
    }
}

/// The sizes that are given to everybody: `always` there counts over the mode for all sizes, `inherit` is that mode.
/// Source: admin-guide/mm/transhuge.rst.
pub fn read_huge_page_sizes(host: &Host) -> Reading {
    let always = || -> HostResult<Vec<String>> {
        let dir = Path::new(HUGE_PAGES_DIR);
        let names = host.list(dir)?.into_iter();
        let mut found = Vec::new();
        for name in names.filter(|name| name.starts_with("hugepages-")) {
            let text = host.read_text(&dir.join(&name).join("enabled"))?;
            if text.as_deref().and_then(selected) == Some("always") {
                found.push(name);
            }
        }
        Ok(found)
    };
    match always() {
        Ok(found) => super::traces::words(found),
        Err(e) => Reading::Unknown(e.to_string()),
    }
}

/// The word in brackets: `always [madvise] never`.
pub fn huge_pages_mode(host: &Host) -> HostResult<Option<String>> {
    let Some(text) = host.read_text(Path::new(HUGE_PAGES))? else {
        return Ok(None);
    };
    match selected(&text) {
        Some(mode) => Ok(Some(mode.to_owned())),
        None => Err(HostError::refused(
            format!("reading {HUGE_PAGES}"),
            format!("no mode is selected in {:?}", text.trim()),
        )),
    }
}

/// Selects a mode of transparent huge pages.
pub fn write_huge_pages(host: &Host, mode: &str) -> HostResult<()> {
    host.write_kernel(Path::new(HUGE_PAGES), mode)?;
    match huge_pages_mode(host) {
        Ok(Some(now)) if now == mode => Ok(()),
        Ok(now) => Err(HostError::refused(
            format!("selecting {mode} in {HUGE_PAGES}"),
            format!("the kernel keeps {}", now.unwrap_or_default()),
        )),
        Err(e) => Err(e),
    }
}

/// The bracketed word, or the only one: a test's plain file holds just what was written last.
fn selected(text: &str) -> Option<&str> {
    let words: Vec<&str> = text.split_whitespace().collect();
    match words.as_slice() {
        [only] => Some(only.trim_matches(['[', ']'])),
        many => many
            .iter()
            .find_map(|w| w.strip_prefix('[')?.strip_suffix(']')),
    }
}

/// Why a kernel file cannot be written here: a read-only mount and a missing right are the owner's of the machine to change.
pub fn obstacle(sight: Sight, path: &Path) -> Option<Obstacle> {
    if !sight.host.is_running() {
        return None;
    }
    match sight.host.may_write(path) {
        Ok(()) => None,
        Err(Errno::ENOENT) => Some(Obstacle::Hand(format!(
            "this kernel has no {}: take it out of the policy",
            path.display()
        ))),
        // Without root's permission the kernel does not come to the question of the mount.
        Err(e) if e == Errno::EROFS || sight.host.is_read_only(path) => Some(Obstacle::Machine(
            format!("{} is mounted read-only here", path.display()),
        )),
        Err(_) if !sight.facts.is_root() => Some(Obstacle::Root),
        Err(e) => Some(Obstacle::Machine(format!(
            "{} cannot be written here ({e:?}), even by root",
            path.display()
        ))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dots_and_slashes_swap_as_in_sysctl_d() {
        assert_eq!(path("vm.swappiness"), Path::new("/proc/sys/vm/swappiness"));
        assert_eq!(
            path("net.ipv4.conf.eth0/200.rp_filter"),
            Path::new("/proc/sys/net/ipv4/conf/eth0.200/rp_filter")
        );
    }

    #[test]
    fn the_selected_mode_is_the_bracketed_word() {
        assert_eq!(selected("always [madvise] never\n"), Some("madvise"));
        assert_eq!(selected("always madvise never\n"), None);
    }
}
