//! What a value must be. Rules compare typed values; they read nothing and know no host.

use crate::value::Value;
use std::fmt;
use std::net::IpAddr;

/// A condition on a setting's value.
#[derive(Clone, Debug, PartialEq)]
pub enum Rule {
    /// Exactly this value.
    Is(Value),
    /// A whole number not below this one; a higher one is left alone.
    AtLeast(i64),
    /// A whole number not above this one; a lower one is left alone.
    AtMost(i64),
    /// One of these; the first is what `apply` would write.
    OneOf(Vec<Value>),
    /// Permission bits of which none of these is set.
    NoBits(u32),
    /// Anything, as long as it is there.
    Present,
    /// Nothing there.
    Absent,
    /// Anything but these.
    NoneOf(Vec<Value>),
    /// Addresses as `bind` takes them, none of which means "every address": `*`, `0.0.0.0`, `::`, or none at all.
    NoWildcard,
    /// A list with this word, after the last that takes something away (`~`): what a filter of system calls allows in the end.
    LastWord(String),
    /// A limit that is not set, or not below this number.
    UnsetOrAtLeast(i64),
    /// A list of what is allowed, rather than of what is taken away (`~`), that ends with none of these allowed.
    AllowList(&'static [&'static str]),
    /// Permission bits that must all be there, as in a umask.
    AllBits(u32),
    /// A Debian version not below this one, by dpkg's ordering.
    VersionAtLeast(String),
}

impl Rule {
    /// Whether `observed` (nothing, or a value) satisfies the rule.
    /// A value of another type than the rule speaks of never does.
    pub fn holds(&self, observed: Option<&Value>) -> bool {
        match (self, observed) {
            (Rule::Absent, observed) => observed.is_none(),
            (Rule::NoneOf(bad), observed) => observed.is_none_or(|v| !bad.contains(v)),
            // Where nothing is, nobody is allowed too much.
            (Rule::NoBits(_) | Rule::UnsetOrAtLeast(_), None) => true,
            (Rule::UnsetOrAtLeast(n), Some(Value::Int(v))) => v >= n,
            (_, None) => false,
            (Rule::Present, Some(_)) => true,
            (Rule::Is(wanted), Some(v)) => wanted == v,
            (Rule::AtLeast(n), Some(Value::Int(v))) => v >= n,
            (Rule::AtMost(n), Some(Value::Int(v))) => v <= n,
            (Rule::OneOf(any), Some(v)) => any.contains(v),
            (Rule::NoBits(bits), Some(Value::Mode(m))) => m & bits == 0,
            (Rule::NoWildcard, Some(Value::Text(bind))) => names_addresses(bind),
            (Rule::LastWord(word), Some(Value::Words(all))) => {
                let taken = all.iter().rposition(|w| w.starts_with('~'));
                let given = all.iter().rposition(|w| w == word);
                given > taken
            }
            (Rule::AllowList(never), Some(Value::Words(all))) => {
                let is_given = |word: &&&str| {
                    let given = all.iter().rposition(|w| w == **word);
                    let taken = all.iter().rposition(|w| w.strip_prefix('~') == Some(word));
                    given.is_some() && given > taken
                };
                let allows = all.first().is_some_and(|first| !first.starts_with('~'));
                allows && !never.iter().any(|word| is_given(&word))
            }
            (Rule::AllBits(bits), Some(Value::Mode(m))) => m & bits == *bits,
            (Rule::VersionAtLeast(floor), Some(Value::Text(v))) => {
                crate::setting::package::compare_versions(v, floor).is_ge()
            }
            _ => false,
        }
    }

    /// The value that `apply` would write where `observed` does not hold; `None` when there is no one such value.
    pub fn target(&self, observed: Option<&Value>) -> Option<Value> {
        match self {
            Rule::Is(v) => Some(v.clone()),
            Rule::AtLeast(n) | Rule::AtMost(n) => Some(Value::Int(*n)),
            Rule::OneOf(any) => any.first().cloned(),
            Rule::NoBits(bits) => match observed {
                Some(Value::Mode(m)) => Some(Value::Mode(m & !bits)),
                _ => None,
            },
            Rule::Present => Some(Value::Present),
            Rule::Absent => Some(Value::Nothing),
            Rule::NoneOf(_)
            | Rule::NoWildcard
            | Rule::LastWord(_)
            | Rule::AllowList(_)
            | Rule::UnsetOrAtLeast(_)
            | Rule::AllBits(_)
            | Rule::VersionAtLeast(_) => None,
        }
    }

    /// The rule that holds exactly when both do, as far as one rule can say it; `None` when the two contradict.
    pub fn and(&self, other: &Rule) -> Option<Rule> {
        match (self, other) {
            (a, b) if a == b => Some(a.clone()),
            (Rule::AtLeast(a), Rule::AtLeast(b)) => Some(Rule::AtLeast(*a.max(b))),
            (Rule::AtMost(a), Rule::AtMost(b)) => Some(Rule::AtMost(*a.min(b))),
            (Rule::NoBits(a), Rule::NoBits(b)) => Some(Rule::NoBits(a | b)),
            (Rule::OneOf(a), Rule::OneOf(b)) => {
                let both: Vec<Value> = a.iter().filter(|v| b.contains(v)).cloned().collect();
                (!both.is_empty()).then_some(Rule::OneOf(both))
            }
            (Rule::Is(v), rule) | (rule, Rule::Is(v)) => {
                rule.holds(Some(v)).then(|| Rule::Is(v.clone()))
            }
            (Rule::Present, rule) | (rule, Rule::Present) => Some(rule.clone()),
            _ => None,
        }
    }
}

impl fmt::Display for Rule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Rule::Is(v) => write!(f, "{v}"),
            Rule::AtLeast(n) => write!(f, "at least {n}"),
            Rule::AtMost(n) => write!(f, "at most {n}"),
            Rule::OneOf(any) => write!(f, "{}", list(any, " or ")),
            Rule::NoBits(bits) => write!(f, "none of the mode bits {bits:04o}"),
            Rule::Present => f.write_str("present"),
            Rule::Absent => f.write_str("absent"),
            Rule::NoneOf(bad) => write!(f, "anything but {}", list(bad, ", ")),
            Rule::NoWildcard => f.write_str("addresses of this host, no wildcard"),
            Rule::LastWord(word) => write!(f, "{word}, not taken away again"),
            Rule::UnsetOrAtLeast(n) => write!(f, "none, or at least {n}"),
            Rule::AllowList(never) => {
                write!(f, "a list of what is allowed, without {}", never.join(", "))
            }
            Rule::AllBits(bits) => write!(f, "all of the mode bits {bits:04o}"),
            Rule::VersionAtLeast(floor) => write!(f, "version {floor} or later"),
        }
    }
}

/// Whether each word is one address. Redis takes an empty `bind` for every address; a leading `-` makes one optional.
fn names_addresses(bind: &str) -> bool {
    let mut words = bind.split_whitespace().peekable();
    let one = |word: &str| {
        let address = word.strip_prefix('-').unwrap_or(word);
        // A host name that resolves is an address; `*` and `::*` are none.
        !address.ends_with('*')
            && !address
                .parse::<IpAddr>()
                .is_ok_and(|a| a.to_canonical().is_unspecified())
    };
    words.peek().is_some() && words.all(one)
}

fn list(values: &[Value], between: &str) -> String {
    let words: Vec<String> = values.iter().map(Value::to_string).collect();
    words.join(between)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_filter_that_only_takes_away_is_no_list_of_what_is_allowed() {
        let rule = Rule::AllowList(&["@mount"]);
        for (filter, holds) in [
            ("@system-service", true),
            ("@system-service ~@clock", true),
            ("~@clock", false),
            ("~@clock @system-service", false),
            ("@system-service @mount", false),
            ("@system-service @mount ~@mount", true),
            ("@system-service ~@mount @mount", false),
            ("", false),
        ] {
            assert_eq!(rule.holds(Some(&Value::words(filter))), holds, "{filter}");
        }
        assert!(!rule.holds(None));
    }

    #[test]
    fn at_least_never_asks_to_lower() {
        let rule = Rule::AtLeast(511);
        assert!(rule.holds(Some(&Value::Int(4096))));
        assert!(!rule.holds(Some(&Value::Int(128))));
        assert_eq!(rule.target(Some(&Value::Int(128))), Some(Value::Int(511)));
    }

    #[test]
    fn nothing_there_satisfies_only_absence() {
        assert!(Rule::Absent.holds(None));
        assert!(Rule::NoneOf(vec![Value::text("xen")]).holds(None));
        // What is not there allows nobody too much, and limits nothing.
        assert!(Rule::NoBits(0o777).holds(None));
        assert!(Rule::UnsetOrAtLeast(1).holds(None));
        for rule in [Rule::AtLeast(0), Rule::Present, Rule::OneOf(vec![])] {
            assert!(!rule.holds(None), "{rule}");
        }
    }

    #[test]
    fn a_value_of_another_type_never_holds() {
        assert!(!Rule::AtLeast(0).holds(Some(&Value::text("5"))));
        assert!(!Rule::NoBits(0).holds(Some(&Value::Int(0))));
    }

    #[test]
    fn two_rules_on_one_setting_become_the_stricter() {
        assert_eq!(
            Rule::AtLeast(1).and(&Rule::AtLeast(9)),
            Some(Rule::AtLeast(9))
        );
        assert_eq!(Rule::Is(Value::Int(1)).and(&Rule::Is(Value::Int(2))), None);
        assert_eq!(
            Rule::Is(Value::Int(10)).and(&Rule::AtLeast(5)),
            Some(Rule::Is(Value::Int(10)))
        );
    }

    #[test]
    fn mode_bits_are_taken_away_and_no_others() {
        let rule = Rule::NoBits(0o027);
        assert_eq!(
            rule.target(Some(&Value::Mode(0o2775))),
            Some(Value::Mode(0o2750))
        );
    }
}
