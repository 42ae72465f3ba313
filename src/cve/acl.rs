//! A user as `ACL LIST` shows it, and whether it may run a command. In doubt it may.

/// A user.
#[derive(Debug)]
pub(super) struct User<'a> {
    pub name: &'a str,
    pub on: bool,
    /// The root permissions and those of each selector, in the order in which they are applied.
    rules: Vec<Vec<&'a str>>,
}

/// `user NAME on … ~* &* -@all +get (~x* +set)`; `None` for what is no such line.
pub(super) fn parse(line: &str) -> Option<User<'_>> {
    let mut words = line.split_whitespace();
    if words.next() != Some("user") {
        return None;
    }
    let name = words.next()?;
    let mut rules: Vec<Vec<&str>> = vec![Vec::new()];
    let mut on = false;
    for word in words {
        if word.starts_with('(') {
            rules.push(Vec::new());
        }
        match word.trim_matches(['(', ')']) {
            "on" => on = true,
            "off" => on = false,
            rule => rules.last_mut()?.push(rule),
        }
    }
    Some(User { name, on, rules })
}

impl User<'_> {
    /// Whether it may run the command (`eval`, `script|load`). `categories` are all that the command is in.
    pub fn may(&self, command: &str, categories: &[&str]) -> bool {
        self.rules.iter().any(|r| allows(r, command, categories))
    }
}

/// Rules are applied from left to right (Redis's `acl.md`). A grant for some first argument counts as one of the whole command;
/// a refusal of a part of it as none.
fn allows(rules: &[&str], command: &str, categories: &[&str]) -> bool {
    let whole = base(command);
    let concerns = |what: &str| match what.strip_prefix('@') {
        Some(category) => category == "all" || categories.contains(&category),
        None => what.eq_ignore_ascii_case(command) || what.eq_ignore_ascii_case(whole),
    };
    let mut allowed = false;
    for rule in rules {
        match (rule.strip_prefix('+'), rule.strip_prefix('-')) {
            (Some(granted), _) => {
                allowed |= concerns(granted) || base(granted).eq_ignore_ascii_case(command);
            }
            (_, Some(denied)) => allowed &= !concerns(denied),
            _ if *rule == "allcommands" => allowed = true,
            _ if *rule == "nocommands" => allowed = false,
            _ => {}
        }
    }
    allowed
}

/// A command without its subcommand or first argument.
fn base(command: &str) -> &str {
    command.split_once('|').map_or(command, |(base, _)| base)
}
