//! The text of a file in sysctl.d: what it assigns, which of many assignments counts, and ours as it is written. Touches no file.

const HEADER: &str =
    "# Written by redis-harden; `redis-harden explain kernel.somaxconn` and its like say why.\n";

/// A line that says something of a sysctl.
#[derive(Debug)]
pub struct Line {
    pub number: usize,
    /// Dotted; may be a glob.
    pub name: String,
    /// None for `-name`, which excludes the name from globs.
    pub value: Option<String>,
}

/// What is known of a line beside the name: at least the value, none for an exclusion.
pub trait Says {
    fn value(&self) -> Option<&str>;
}

/// What the lines say: comments and broken lines are skipped as the appliers do.
pub fn lines(text: &str) -> impl Iterator<Item = Line> + '_ {
    text.lines().enumerate().filter_map(|(n, line)| {
        let line = line.trim();
        if line.is_empty() || line.starts_with(['#', ';']) {
            return None;
        }
        let (name, value) = match line.split_once('=') {
            Some((name, value)) => (name, Some(value)),
            None => (line.starts_with('-').then_some(line)?, None),
        };
        Some(Line {
            number: n + 1,
            name: dotted(sysctl(name)?),
            value: value.map(|v| v.split_whitespace().collect::<Vec<_>>().join(" ")),
        })
    })
}

/// A name without the dash that tolerates failure. No sysctl's begins as a comment does, or with one more dash.
fn sysctl(key: &str) -> Option<&str> {
    let key = key.trim();
    let key = key.strip_prefix('-').unwrap_or(key).trim();
    (!key.is_empty() && !key.starts_with(['#', ';', '-'])).then_some(key)
}

/// Our file with a key set, and what else the one that was there says: globs in their order, since the last one counts.
pub fn with(text: &str, key: &str, value: &str) -> String {
    let others = lines(text).filter(|line| line.name != key);
    let mut said: Vec<(String, Option<String>)> =
        others.map(|line| (line.name, line.value)).collect();
    said.push((key.to_owned(), Some(value.to_owned())));
    said.sort_by_key(|(name, _)| (!is_glob(name)).then(|| name.clone()));
    let body: String = said.into_iter().map(written).collect();
    format!("{HEADER}{body}")
}

fn written((name, value): (String, Option<String>)) -> String {
    match value {
        Some(value) => format!("{name} = {value}\n"),
        None => format!("-{name}\n"),
    }
}

/// The line that decides what systemd-sysctl leaves: the last of a name counts, so an exclusion takes an assignment back.
/// A glob that is said again moves to the end only if it says something else.
pub fn by_systemd<'a, T: Says>(all: &'a [(String, T)], key: &str) -> Option<&'a T> {
    if let Some((_, exact)) = all.iter().rfind(|(name, _)| name == key) {
        return Some(exact);
    }
    let mut globs: Vec<&(String, T)> = Vec::new();
    for line in all.iter().filter(|(name, _)| matches(name, key)) {
        match globs.iter().position(|known| known.0 == line.0) {
            Some(n)
                if globs
                    .get(n)
                    .is_some_and(|known| known.1.value() == line.1.value()) => {}
            at => {
                at.map(|n| globs.remove(n));
                globs.push(line);
            }
        }
    }
    last_assignment(globs)
}

/// The line that decides what `sysctl --system` leaves: it makes every assignment in turn, and a glob passes over each name that has a line of its own.
pub fn by_procps<'a, T: Says>(all: &'a [(String, T)], key: &str) -> Option<&'a T> {
    let of_its_own = all.iter().any(|(name, _)| name == key);
    last_assignment(all.iter().filter(|(name, _)| match of_its_own {
        true => name == key,
        false => matches(name, key),
    }))
}

fn last_assignment<'a, T: Says>(
    lines: impl IntoIterator<Item = &'a (String, T), IntoIter: DoubleEndedIterator>,
) -> Option<&'a T> {
    let mut said = lines.into_iter().map(|(_, said)| said);
    said.rfind(|said| said.value().is_some())
}

fn is_glob(name: &str) -> bool {
    name.contains(['*', '?', '['])
}

fn matches(glob: &str, key: &str) -> bool {
    if !is_glob(glob) {
        return false;
    }
    let path = |name: &str| name.replace('.', "/");
    globset::GlobBuilder::new(&path(glob))
        .literal_separator(true)
        .build()
        .is_ok_and(|g| g.compile_matcher().is_match(path(key)))
}

/// The first separator decides: `net/ipv4/…` has slashes for separators, and its dots are slashes of the dotted form.
fn dotted(key: &str) -> String {
    match key.find(['.', '/']).and_then(|i| key.get(i..=i)) {
        Some("/") => key
            .chars()
            .map(|c| match c {
                '/' => '.',
                '.' => '/',
                other => other,
            })
            .collect(),
        _ => key.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A line's place, and what it says.
    #[derive(Clone, Debug, PartialEq)]
    struct Said(String, Option<String>);

    impl Says for Said {
        fn value(&self) -> Option<&str> {
            self.1.as_deref()
        }
    }

    fn all(files: &[(&str, &str)]) -> Vec<(String, Said)> {
        let said = |file, line: Line| {
            let place = format!("{file}:{}", line.number);
            (line.name, Said(place, line.value))
        };
        let lines = |(file, text): &(_, &str)| -> Vec<(String, Said)> {
            lines(text).map(|line| said(*file, line)).collect()
        };
        files.iter().flat_map(lines).collect()
    }

    /// What both appliers leave, where they are of one mind.
    fn last(files: &[(&str, &str)], key: &str) -> Option<String> {
        let all = all(files);
        let assigned = |line: Option<&Said>| {
            let Said(place, value) = line?;
            value.as_ref().map(|value| format!("{place} {value}"))
        };
        let left = assigned(by_systemd(&all, key));
        assert_eq!(assigned(by_procps(&all, key)), left);
        left
    }

    #[test]
    fn the_last_assignment_wins() {
        let files = [
            ("60-a.conf", "# x\nvm.swappiness = 60\n"),
            ("99-z.conf", "vm/swappiness=1\n"),
        ];
        assert_eq!(
            last(&files, "vm.swappiness").as_deref(),
            Some("99-z.conf:1 1")
        );
    }

    #[test]
    fn an_exact_key_is_exempt_from_a_later_glob() {
        let files = [
            ("50.conf", "net.ipv4.conf.all.rp_filter = 2"),
            ("90.conf", "net.ipv4.conf.*.rp_filter = 0"),
        ];
        assert_eq!(
            last(&files, "net.ipv4.conf.all.rp_filter").as_deref(),
            Some("50.conf:1 2")
        );
        assert_eq!(
            last(&files, "net.ipv4.conf.eth0.rp_filter").as_deref(),
            Some("90.conf:1 0")
        );
    }

    #[test]
    fn an_excluded_name_is_exempt_from_globs() {
        let files = [("50.conf", "-vm.swappiness"), ("90.conf", "vm.swap* = 0")];
        assert_eq!(last(&files, "vm.swappiness"), None);
    }

    #[test]
    fn an_exclusion_takes_an_assignment_back_for_systemd_alone() {
        let all = all(&[
            ("50.conf", "vm.swappiness=1"),
            ("90.conf", "-vm.swappiness"),
        ]);
        let place = |line: Option<&Said>| line.map(|said| said.0.clone());
        assert_eq!(
            place(by_systemd(&all, "vm.swappiness")).as_deref(),
            Some("90.conf:1")
        );
        assert_eq!(
            place(by_procps(&all, "vm.swappiness")).as_deref(),
            Some("50.conf:1")
        );
    }

    #[test]
    fn systemd_leaves_a_glob_that_is_only_said_again_in_its_place() {
        let all = all(&[
            ("50.conf", "vm.swap*=1"),
            ("60.conf", "vm.*=2"),
            ("70.conf", "vm.swap*=1"),
        ]);
        let value = |line: Option<&Said>| line.and_then(|said| said.1.clone());
        assert_eq!(
            value(by_systemd(&all, "vm.swappiness")).as_deref(),
            Some("2")
        );
        assert_eq!(
            value(by_procps(&all, "vm.swappiness")).as_deref(),
            Some("1")
        );
    }

    #[test]
    fn ours_keeps_exclusions() {
        let text = with("-vm.swappiness\n-net.*\n", "vm.overcommit_memory", "1");
        assert!(
            text.ends_with("-net.*\nvm.overcommit_memory = 1\n-vm.swappiness\n"),
            "{text}"
        );
    }

    #[test]
    fn a_dash_tolerates_failure_and_is_no_part_of_the_key() {
        assert_eq!(
            last(&[("a.conf", "-vm.swappiness = 5")], "vm.swappiness").as_deref(),
            Some("a.conf:1 5")
        );
    }
}
