//! The users of an ACL, as `ACL LIST` tells them and as a file has them, and what each may do. Source: Redis's `acl.c`.

use super::effective::glob;
use std::collections::BTreeSet;

/// The commands of Redis 7.0 and later with their ACL categories, a line each; `tests/acl.rs` holds it against a real server.
const COMMANDS: &str = include_str!("../../data/commands.txt");

/// A user of an ACL.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct User {
    pub name: String,
    /// Whether it may log in.
    pub on: bool,
    /// Whether any password will do.
    pub nopass: bool,
    /// Whether what it gives to RESTORE is believed unchecked.
    pub trusted_payloads: bool,
    /// SHA-256 of its passwords, in hexadecimal.
    pub hashes: BTreeSet<String>,
    root: Selector,
    selectors: Vec<Selector>,
}

/// A set of commands with the keys and channels that they may touch.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Selector {
    keys: BTreeSet<String>,
    channels: BTreeSet<String>,
    /// `+x`, `-x`, `+@c`, `-@c`, in order: the last that matches decides.
    commands: Vec<String>,
}

/// A command, or a subcommand as `config|get`, and its categories.
#[derive(Clone, Copy, Debug)]
pub struct Command {
    pub name: &'static str,
    categories: &'static str,
}

/// All commands that an ACL can speak of.
pub fn commands() -> impl Iterator<Item = Command> {
    COMMANDS.lines().filter_map(|line| {
        let (name, categories) = line.split_once(' ')?;
        Some(Command { name, categories })
    })
}

impl Command {
    /// Whether it belongs to a category, named without `@`.
    pub fn is_in(self, category: &str) -> bool {
        self.categories.split(' ').any(|c| c == category)
    }

    fn container(self) -> &'static str {
        self.name.split('|').next().unwrap_or(self.name)
    }
}

impl User {
    /// From a line `user NAME rule…`; `None` for any other line.
    pub fn parse(line: &str) -> Option<User> {
        let mut words = line.split_whitespace();
        if words.next()? != "user" {
            return None;
        }
        let mut user = User {
            name: words.next()?.to_owned(),
            ..User::default()
        };
        let mut inside: Option<Selector> = None;
        for word in words {
            let opens = word.starts_with('(');
            let closes = word.ends_with(')');
            if opens {
                inside = Some(Selector::default());
            }
            let rule = word.trim_start_matches('(').trim_end_matches(')');
            match &mut inside {
                Some(selector) => selector.take(rule),
                None => user.take(rule),
            }
            if closes {
                user.selectors.extend(inside.take());
            }
        }
        Some(user)
    }

    /// The users of an ACL file, or of `ACL LIST`.
    pub fn parse_all(text: &str) -> Vec<User> {
        text.lines().filter_map(User::parse).collect()
    }

    fn take(&mut self, rule: &str) {
        match rule {
            "on" => self.on = true,
            "off" => self.on = false,
            "nopass" => self.nopass = true,
            "resetpass" => {
                self.nopass = false;
                self.hashes.clear();
            }
            "skip-sanitize-payload" => self.trusted_payloads = true,
            "sanitize-payload" => self.trusted_payloads = false,
            "clearselectors" => self.selectors.clear(),
            "reset" => {
                let name = std::mem::take(&mut self.name);
                *self = User {
                    name,
                    ..User::default()
                };
            }
            _ => match rule.strip_prefix('#') {
                Some(hash) => {
                    self.nopass = false;
                    self.hashes.insert(hash.to_ascii_lowercase());
                }
                None => self.root.take(rule),
            },
        }
    }

    /// Whether some selector lets it run a command, on whatever keys.
    pub fn may(&self, command: Command) -> bool {
        let all = std::iter::once(&self.root).chain(&self.selectors);
        all.into_iter().any(|selector| selector.may(command))
    }

    /// Whether some selector lets it publish on a channel.
    pub fn may_publish_on(&self, channel: &str) -> bool {
        let all = std::iter::once(&self.root).chain(&self.selectors);
        let mut speaks = all.filter(|selector| {
            let mut publish = commands().filter(|c| c.name == "publish");
            publish.any(|c| selector.may(c))
        });
        speaks.any(|selector| {
            let patterns = selector.channels.iter();
            let mut patterns = patterns.filter_map(|pattern| pattern.strip_prefix('&'));
            // To Redis `[!_]` is one of two characters, and none of it a negation. Source: util.c, stringmatchlen.
            patterns.any(|pattern| pattern.contains("[!") || glob::matches(pattern, channel))
        })
    }

    /// Whether two users reach the same keys and channels.
    pub fn reaches_as(&self, other: &User) -> bool {
        let reach = |user: &User| -> Vec<(BTreeSet<String>, BTreeSet<String>)> {
            let all = std::iter::once(&user.root).chain(&user.selectors);
            all.map(|s| (s.keys.clone(), s.channels.clone())).collect()
        };
        reach(self) == reach(other)
    }
}

impl Selector {
    fn take(&mut self, rule: &str) {
        match rule {
            "allkeys" => self.take("~*"),
            "resetkeys" => self.keys.clear(),
            "allchannels" => self.take("&*"),
            "resetchannels" => self.channels.clear(),
            "allcommands" => self.commands.push("+@all".into()),
            "nocommands" => self.commands.push("-@all".into()),
            _ if rule.starts_with(['+', '-']) => self.commands.push(rule.to_ascii_lowercase()),
            _ if rule.starts_with(['~', '%']) => {
                self.keys.insert(rule.replace("%RW~", "~"));
            }
            _ if rule.starts_with('&') => {
                self.channels.insert(rule.to_owned());
            }
            _ => {}
        }
    }

    fn may(&self, command: Command) -> bool {
        let mut may = false;
        for rule in &self.commands {
            let (sign, what) = rule.split_at(1);
            let about = match what.strip_prefix('@') {
                Some("all") => true,
                Some(category) => command.is_in(category),
                None => what == command.name || what == command.container(),
            };
            if about {
                may = sign == "+";
            }
        }
        may
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn command(name: &str) -> Command {
        let found = commands().find(|c| c.name == name);
        found.unwrap_or_else(|| panic!("no command {name}"))
    }

    fn user(rules: &str) -> User {
        User::parse(&format!("user u {rules}")).expect("a user")
    }

    #[test]
    fn what_redis_writes_for_a_user_grants_what_it_was_given() {
        // Both as given to ACL SETUSER of Redis 7.0.15, and as its ACL LIST shows it.
        let given = user("on ~* &* +@all -@admin -@dangerous -@scripting +info");
        let shown = user(
            "on ~* &* +@all -@admin -@scripting -flushall -swapdb -migrate -sort -sort_ro -flushdb -restore-asking -keys -restore",
        );
        for command in commands() {
            assert_eq!(given.may(command), shown.may(command), "{}", command.name);
        }
        assert!(given.reaches_as(&shown));
    }

    #[test]
    fn the_last_rule_that_speaks_of_a_command_decides() {
        let user = user("on -@all +@read -get +config|get");
        assert!(user.may(command("mget")));
        assert!(!user.may(command("get")));
        assert!(user.may(command("config|get")));
        assert!(!user.may(command("config|set")));
    }

    #[test]
    fn a_selector_is_a_second_set_of_rights() {
        let user = user("on nopass ~a* %R~b* resetchannels -@all +get (~c* &x -@all +set)");
        assert!(user.may(command("get")) && user.may(command("set")));
        assert!(!user.may(command("del")));
        assert!(!user.reaches_as(&super::tests::user("~a* %R~b* +get +set")));
    }

    #[test]
    fn who_speaks_on_a_channel_has_the_command_and_a_pattern_in_one_selector() {
        let channel = "__sentinel__:hello";
        for (rules, may) in [
            ("on &* +publish", true),
            ("on allchannels +@all", true),
            ("on &__sent* +@pubsub", true),
            ("on &* +@all resetchannels", false),
            ("on &* +subscribe", false),
            ("on &[^_]* &_[^_]* &__[^s]* +@all", false),
            ("on &[!_]* +@all", true),
            ("on &* -@all (&news +publish)", false),
            ("on -@all (&* +publish)", true),
        ] {
            assert_eq!(user(rules).may_publish_on(channel), may, "{rules}");
        }
    }

    #[test]
    fn a_password_ends_nopass_and_reset_ends_all() {
        assert!(!user("on nopass #aa").nopass);
        let user = user("on nopass ~* +@all reset");
        assert_eq!((user.on, user.nopass), (false, false));
        assert!(commands().all(|c| !user.may(c)));
    }
}
