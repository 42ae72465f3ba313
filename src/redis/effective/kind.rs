//! One value of a directive, from the words of a file to what `CONFIG GET` shows. Source: the standard kinds of Redis's config.c.

use super::table::Directive;
use super::words;

/// Why a value is none: Redis would not start on it. The text never quotes the value, which may be a secret.
pub type Refusal = String;

/// Whether it takes any number of words, of which one is split again.
pub fn takes_many(directive: Directive) -> bool {
    match directive.kind {
        "special" => !matches!(directive.name, "dir" | "notify-keyspace-events"),
        kind => kind.starts_with("flags:"),
    }
}

/// The value as `CONFIG GET` shows it, for every kind but the special ones.
pub fn value(directive: Directive, args: &[Vec<u8>]) -> Result<String, Refusal> {
    let (kind, of) = directive
        .kind
        .split_once(':')
        .unwrap_or((directive.kind, ""));
    if kind == "flags" {
        return flags(of, args);
    }
    let [arg] = args else {
        return Err("wrong number of arguments".into());
    };
    match kind {
        "bool" => choice("yes|no", arg),
        "enum" => choice(of, arg),
        "int" => within(of, i128::from(integer(arg).ok_or("it is no integer")?)),
        "octal" => octal(of, arg),
        "memory" => {
            let bytes = memory(arg).ok_or("it is no memory size")?;
            within(of, signed(of, bytes))
        }
        "percent" => share(arg),
        _ => text(of, arg),
    }
}

/// Bytes from digits and a unit; it wraps where Redis's `memtoull` wraps.
pub fn memory(arg: &[u8]) -> Option<u64> {
    let digits = arg.iter().take_while(|b| b.is_ascii_digit()).count();
    let (digits, unit) = arg.split_at(digits);
    let unit: u64 = match unit.to_ascii_lowercase().as_slice() {
        b"" | b"b" => 1,
        b"k" => 1000,
        b"kb" => 1 << 10,
        b"m" => 1_000_000,
        b"mb" => 1 << 20,
        b"g" => 1_000_000_000,
        b"gb" => 1 << 30,
        _ => return None,
    };
    if digits.len() >= 128 {
        return None;
    }
    let digit = |n: u64, d: &u8| n.saturating_mul(10).saturating_add(u64::from(d - b'0'));
    Some(digits.iter().fold(0, digit).wrapping_mul(unit))
}

/// As `strtoll(3)` reads a whole word: white space and a sign before it, nothing after it, and nothing at all is 0.
pub fn whole(arg: &[u8], base: u32) -> Option<i64> {
    if arg.is_empty() {
        return Some(0);
    }
    let space = arg
        .iter()
        .take_while(|b| b.is_ascii_whitespace() || **b == 0x0b);
    let arg = arg.get(space.count()..)?;
    let (negative, digits) = match arg.split_first()? {
        (b'-', rest) => (true, rest),
        (b'+', rest) => (false, rest),
        _ => (false, arg),
    };
    if digits.is_empty() {
        return None;
    }
    let mut number: i128 = 0;
    for byte in digits {
        let digit = char::from(*byte).to_digit(base)?;
        number = (number * i128::from(base) + i128::from(digit)).min(1 << 100);
    }
    let number = if negative { -number } else { number };
    let clamped = number.clamp(i128::from(i64::MIN), i128::from(i64::MAX));
    i64::try_from(clamped).ok()
}

fn choice(of: &str, arg: &[u8]) -> Result<String, Refusal> {
    let is = |word: &str| word.as_bytes().eq_ignore_ascii_case(arg);
    let group = of.split('|').find(|group| group.split(',').any(is));
    let shown = group.and_then(|group| group.split(',').next());
    let words = || format!("it must be one of {}", of.replace(['|', ','], ", "));
    shown.map(str::to_owned).ok_or_else(words)
}

/// The words that are set, in the table's order; the first stands for none.
fn flags(of: &str, args: &[Vec<u8>]) -> Result<String, Refusal> {
    let mut names = of.split('|');
    let none = names.next().unwrap_or_default();
    let is = |name: &str, arg: &Vec<u8>| name.as_bytes().eq_ignore_ascii_case(arg);
    let known = |arg: &Vec<u8>| of.split('|').any(|name| is(name, arg));
    if args.is_empty() || !args.iter().all(known) {
        return Err(format!("it must be some of {}", of.replace('|', ", ")));
    }
    let set: Vec<&str> = names
        .filter(|name| args.iter().any(|a| is(name, a)))
        .collect();
    if set.contains(&"save") && set.contains(&"nosave") {
        return Err("save and nosave exclude each other".into());
    }
    Ok(if set.is_empty() {
        none.to_owned()
    } else {
        set.join(" ")
    })
}

/// Digits and a minus, and no other form of the same number. Source: `string2ll` in util.c.
fn integer(arg: &[u8]) -> Option<i64> {
    let text = std::str::from_utf8(arg).ok()?;
    let number: i64 = text.parse().ok()?;
    (number.to_string() == text).then_some(number)
}

fn octal(of: &str, arg: &[u8]) -> Result<String, Refusal> {
    let number = whole(arg, 8).ok_or("it is no octal number")?;
    let most = of.split_once("..").map_or(0, |(_, most)| {
        i64::from_str_radix(most, 8).unwrap_or_default()
    });
    match (0..=most).contains(&number) {
        true => Ok(format!("{number:o}")),
        false => Err(format!("it must be between 0 and {most:o}")),
    }
}

fn share(arg: &[u8]) -> Result<String, Refusal> {
    if let Some(bytes) = memory(arg) {
        return within("0..9223372036854775807", i128::from(bytes));
    }
    let percent = arg.strip_suffix(b"%").and_then(integer);
    match percent.ok_or("it is neither a memory size nor a percentage")? {
        0 => Ok("0".into()),
        n @ 1..=100 => Ok(format!("{n}%")),
        _ => Err("it must be between 0% and 100%".into()),
    }
}

/// A size that Redis keeps in a signed number, where its range says so.
fn signed(of: &str, bytes: u64) -> i128 {
    match of.ends_with("..18446744073709551615") {
        true => i128::from(bytes),
        false => i128::from(bytes.cast_signed()),
    }
}

fn within(of: &str, number: i128) -> Result<String, Refusal> {
    let bounds = of.split_once("..");
    let bounds = bounds.and_then(|(low, high)| Some((low.parse().ok()?, high.parse().ok()?)));
    let (low, high): (i128, i128) = bounds.ok_or("its range is not known")?;
    match (low..=high).contains(&number) {
        true => Ok(number.to_string()),
        false => Err(format!("it must be between {low} and {high}")),
    }
}

fn text(of: &str, arg: &[u8]) -> Result<String, Refusal> {
    let wants = |what| of.split(',').any(|w| w == what);
    if wants("nonempty") && arg.is_empty() {
        return Err("it must not be empty".into());
    }
    if wants("name") && arg.iter().any(|b| matches!(b, b'/' | b'\\')) {
        return Err("it must be a name, no path".into());
    }
    Ok(words::text(arg))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(kind: &'static str, arg: &str) -> Option<String> {
        let directive = Directive {
            name: "x",
            kind,
            default: "",
        };
        let args: Vec<Vec<u8>> = arg.split(' ').map(|w| w.as_bytes().to_vec()).collect();
        value(directive, &args).ok()
    }

    #[test]
    fn values_are_shown_as_redis_shows_them() {
        // redis.conf, "Note on units"; config.c for the rest. The property test holds them against the servers.
        for (kind, arg, expected) in [
            ("memory:0..9", "1kb", None),
            ("memory:0..9999", "1k", Some("1000")),
            ("memory:0..9999", "1Kb", Some("1024")),
            ("memory:0..9999", "-1", None),
            ("percent", "10%", Some("10%")),
            ("percent", "101%", None),
            ("octal:0..777", "0770", Some("770")),
            ("octal:0..777", "1000", None),
            ("octal:0..777", "8", None),
            ("int:-1..9", "-1", Some("-1")),
            ("int:-1..9", "07", None),
            ("int:-1..9", "10", None),
            ("bool", "YES", Some("yes")),
            ("bool", "true", None),
            ("enum:no|yes,relative|absolute", "Relative", Some("yes")),
            (
                "flags:default|save|nosave|now|force",
                "force now",
                Some("now force"),
            ),
            ("flags:default|save|nosave|now|force", "save nosave", None),
        ] {
            assert_eq!(shown(kind, arg).as_deref(), expected, "{kind} {arg}");
        }
    }
}
