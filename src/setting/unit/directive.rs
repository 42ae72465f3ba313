//! One directive of a unit, from the texts that make the unit up: in its section, merged as systemd merges.
//! Source: systemd.syntax(7), systemd's load-fragment-gperf.gperf.

use super::span;
use crate::value::Value;

/// Directives of `[Service]` and `[Unit]` that accumulate, and that an empty assignment clears. The others keep the last assignment.
const LISTS: [&str; 36] = [
    "After",
    "Before",
    "Requires",
    "Wants",
    "PartOf",
    "BindsTo",
    "ExecCondition",
    "ExecStart",
    "ExecStartPre",
    "ExecStartPost",
    "ExecReload",
    "ExecStop",
    "ExecStopPost",
    "Environment",
    "EnvironmentFile",
    "BindPaths",
    "BindReadOnlyPaths",
    "PassEnvironment",
    "TemporaryFileSystem",
    "ReadWritePaths",
    "ReadOnlyPaths",
    "InaccessiblePaths",
    "ExecPaths",
    "NoExecPaths",
    "CapabilityBoundingSet",
    "AmbientCapabilities",
    "RestrictAddressFamilies",
    "SystemCallArchitectures",
    "SystemCallFilter",
    "SupplementaryGroups",
    "LoadCredential",
    "IPAddressAllow",
    "IPAddressDeny",
    "RuntimeDirectory",
    "WantedBy",
    "RequiredBy",
];

/// Lists of which the order says nothing, nor how often a word is said.
const SETS: [&str; 4] = [
    "CapabilityBoundingSet",
    "RestrictAddressFamilies",
    "SystemCallArchitectures",
    "SupplementaryGroups",
];

/// Lists whose assignment may begin with `~`, which then goes for all of its words.
const INVERTIBLE: [&str; 3] = [
    "CapabilityBoundingSet",
    "RestrictAddressFamilies",
    "SystemCallFilter",
];

/// Names, which an empty assignment takes back.
const NAMES: [&str; 2] = ["User", "Group"];

/// What stands in `[Unit]` and `[Install]`; all else that is asked for is the service's.
const OF_UNIT: [&str; 8] = [
    "After",
    "Before",
    "Requires",
    "Wants",
    "PartOf",
    "BindsTo",
    "StartLimitIntervalSec",
    "StartLimitBurst",
];
const OF_INSTALL: [&str; 2] = ["WantedBy", "RequiredBy"];

/// The value that the texts give `key`, the later ones over the earlier; nothing where none sets it.
/// What stands in another section does not count: systemd ignores it with a line in its log.
pub fn merged<'a>(texts: impl Iterator<Item = &'a str>, key: &str) -> Option<Value> {
    let mut found: Option<Value> = None;
    for text in texts {
        for (section, name, value) in assignments(text) {
            if !sets(&name, key) || section != section_of(key) {
                continue;
            }
            // An empty word is no flag and no mode: systemd says so in its log, and keeps what was there.
            if value.is_empty() && !LISTS.contains(&key) && !NAMES.contains(&key) {
                continue;
            }
            found = Some(match (found, value_of(key, &value)) {
                (Some(Value::Words(before)), Value::Words(more)) if !more.is_empty() => {
                    Value::Words([before, more].concat())
                }
                (_, value) => value,
            });
        }
    }
    match found {
        // An emptied list is none; but a set of capabilities that is empty is the best of all.
        Some(Value::Words(words)) if words.is_empty() && key != "CapabilityBoundingSet" => None,
        Some(Value::Words(mut words)) if SETS.contains(&key) => {
            words.sort();
            words.dedup();
            Some(Value::Words(words))
        }
        other => other,
    }
}

/// What one assignment says. Booleans read `yes` and `no`.
pub fn value_of(key: &str, value: &str) -> Value {
    match key {
        _ if INVERTIBLE.contains(&key) => inverted(value),
        _ if LISTS.contains(&key) => Value::words(value),
        "UMask" => u32::from_str_radix(value, 8).map_or_else(|_| Value::text(value), Value::Mode),
        "MemoryMax" => limit(value),
        _ if key.starts_with("Limit") => limit(value),
        _ if key.starts_with("Timeout") => timeout(value),
        _ => Value::Text(normal(value)),
    }
}

/// The words of one assignment, each with the `~` that stands before the first.
fn inverted(value: &str) -> Value {
    match value.strip_prefix('~') {
        None => Value::words(value),
        Some(rest) => {
            let words = rest.split_whitespace().map(|word| format!("~{word}"));
            Value::Words(words.collect())
        }
    }
}

fn section_of(key: &str) -> &'static str {
    match key {
        _ if OF_UNIT.contains(&key) => "Unit",
        _ if OF_INSTALL.contains(&key) => "Install",
        _ => "Service",
    }
}

/// Whether an assignment is of the directive; `TimeoutSec` is of two.
fn sets(name: &str, key: &str) -> bool {
    current_name(name) == key
        || name == "TimeoutSec" && matches!(key, "TimeoutStartSec" | "TimeoutStopSec")
}

/// Directives that systemd still reads under an older name: Debian's unit for Redis uses one.
fn current_name(name: &str) -> &str {
    match name {
        "ReadWriteDirectories" => "ReadWritePaths",
        "ReadOnlyDirectories" => "ReadOnlyPaths",
        "InaccessibleDirectories" => "InaccessiblePaths",
        current => current,
    }
}

/// A resource limit: of `SOFT:HARD` the soft one. Source: systemd.exec(5).
fn limit(value: &str) -> Value {
    match value.split(':').next().unwrap_or_default() {
        "infinity" => Value::Int(i64::MAX),
        number => size(number).map_or_else(|| Value::text(value), Value::Int),
    }
}

/// A number with a suffix to the base of 1024. Source: systemd's parse_size.
fn size(text: &str) -> Option<i64> {
    let digits = text.trim_end_matches(|c: char| !c.is_ascii_digit());
    let factor = match text.get(digits.len()..)? {
        "" | "B" => 1,
        "K" => 1 << 10,
        "M" => 1 << 20,
        "G" => 1 << 30,
        "T" => 1_i64 << 40,
        _ => return None,
    };
    digits.parse::<i64>().ok()?.checked_mul(factor)
}

/// A time-out in seconds; 0 and `infinity` are none at all. Source: systemd.service(5), systemd.time(7).
fn timeout(value: &str) -> Value {
    match span::seconds(value) {
        Some(seconds) if seconds > 0.0 => Value::Int(seconds.ceil() as i64),
        Some(_) => Value::Int(i64::MAX),
        None if value == "infinity" => Value::Int(i64::MAX),
        None => Value::text(value),
    }
}

/// A boolean in one spelling; anything else as it is.
fn normal(value: &str) -> String {
    match value.to_ascii_lowercase().as_str() {
        "1" | "yes" | "y" | "true" | "t" | "on" => "yes".into(),
        "0" | "no" | "n" | "false" | "f" | "off" => "no".into(),
        _ => value.to_owned(),
    }
}

/// Section, key and value of each `Key=value` line; continuation lines joined, comments between them too left out.
fn assignments(text: &str) -> Vec<(String, String, String)> {
    let mut found = Vec::new();
    let (mut section, mut begun) = (String::new(), String::new());
    let lines = text.lines().map(str::trim);
    for line in lines.filter(|l| !l.starts_with(['#', ';'])) {
        let whole = match line.strip_suffix('\\') {
            Some(part) => {
                begun.push_str(part);
                begun.push(' ');
                continue;
            }
            None => std::mem::take(&mut begun) + line,
        };
        let head = whole.strip_prefix('[').and_then(|l| l.strip_suffix(']'));
        if let Some(name) = head {
            section = name.to_owned();
        } else if let Some((key, value)) = whole.split_once('=') {
            let (key, value) = (key.trim().to_owned(), value.trim().to_owned());
            found.push((section.clone(), key, value));
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(text: &str, key: &str) -> Option<String> {
        merged([text].into_iter(), key).map(|v| v.to_string())
    }

    #[test]
    fn continued_lines_are_one_over_comments() {
        let text = "[Service]\n# no\nExecPaths=/usr/lib \\\n# nor this\n /lib\n";
        assert_eq!(of(text, "ExecPaths").as_deref(), Some("/usr/lib /lib"));
    }

    #[test]
    fn what_takes_away_takes_each_of_its_words() {
        let text = "[Service]\nSystemCallFilter=@system-service\nSystemCallFilter=~@clock @debug\n";
        let filter = of(text, "SystemCallFilter");
        assert_eq!(filter.as_deref(), Some("@system-service ~@clock ~@debug"));
        let emptied = format!("{text}SystemCallFilter=\n");
        assert_eq!(of(&emptied, "SystemCallFilter"), None);
    }

    /// Source: systemd.exec(5), systemd.syntax(7), systemd.time(7).
    #[test]
    fn values_are_read_in_every_spelling() {
        for (line, key, value) in [
            ("LimitNOFILE=64K", "LimitNOFILE", "65536"),
            ("LimitNOFILE=1024:65536", "LimitNOFILE", "1024"),
            ("TimeoutSec=90", "TimeoutStopSec", "90"),
            ("TimeoutSec=90", "TimeoutStartSec", "90"),
            ("TimeoutStopSec=1min 30s", "TimeoutStopSec", "90"),
            (
                "TimeoutStopSec=infinity",
                "TimeoutStopSec",
                "9223372036854775807",
            ),
            ("UMask=0037", "UMask", "0037"),
            ("PrivateTmp=y", "PrivateTmp", "yes"),
            ("PrivateTmp=t", "PrivateTmp", "yes"),
            ("PrivateTmp=n", "PrivateTmp", "no"),
            ("PrivateTmp=f", "PrivateTmp", "no"),
        ] {
            let found = of(&format!("[Service]\n{line}\n"), key);
            assert_eq!(found.as_deref(), Some(value), "{line}");
        }
    }

    #[test]
    fn another_section_does_not_count() {
        for text in [
            "NoNewPrivileges=yes\n",
            "[Unit]\nNoNewPrivileges=yes\n",
            "[Service]\nUser=x\n[Install]\nNoNewPrivileges=yes\n",
        ] {
            assert_eq!(of(text, "NoNewPrivileges"), None, "{text}");
        }
        let text = "[Service]\nAfter=a.service\n[Unit]\nAfter=b.service\n";
        assert_eq!(of(text, "After").as_deref(), Some("b.service"));
    }

    #[test]
    fn a_list_grows_until_an_empty_assignment() {
        let text = "[Service]\nSystemCallArchitectures=native x86\n";
        let grown = format!("{text}SystemCallArchitectures=native\n");
        assert_eq!(
            of(&grown, "SystemCallArchitectures").as_deref(),
            Some("native x86")
        );
        let anew = format!("{text}SystemCallArchitectures=\nSystemCallArchitectures=native\n");
        assert_eq!(
            of(&anew, "SystemCallArchitectures").as_deref(),
            Some("native")
        );
    }
}
