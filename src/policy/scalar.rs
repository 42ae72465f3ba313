//! The scalars of a policy: sizes, durations, networks, octal modes. Each parses from text and refuses what it does not mean.

mod cidr;

pub use cidr::Cidr;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Serialize};
use std::borrow::Cow;
use std::fmt;
use std::str::FromStr;

/// `"auto"`, or a value.
#[derive(Clone, Debug, Default, PartialEq, Deserialize, Serialize, JsonSchema)]
#[serde(
    from = "AutoText<T>",
    into = "AutoText<T>",
    bound = "T: Clone + Serialize + for<'a> Deserialize<'a>"
)]
pub enum Auto<T: Clone> {
    /// Worked out on the host.
    #[default]
    Auto,
    /// As given.
    Value(T),
}

/// How `Auto` is written.
#[derive(Clone, Deserialize, Serialize, JsonSchema)]
#[serde(
    untagged,
    expecting = "this is neither \"auto\" nor a value of the right type"
)]
enum AutoText<T> {
    Auto(AutoWord),
    Value(T),
}

#[derive(Clone, Copy, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
enum AutoWord {
    Auto,
}

impl<T: Clone> From<AutoText<T>> for Auto<T> {
    fn from(text: AutoText<T>) -> Auto<T> {
        match text {
            AutoText::Auto(AutoWord::Auto) => Auto::Auto,
            AutoText::Value(value) => Auto::Value(value),
        }
    }
}

impl<T: Clone> From<Auto<T>> for AutoText<T> {
    fn from(auto: Auto<T>) -> AutoText<T> {
        match auto {
            Auto::Auto => AutoText::Auto(AutoWord::Auto),
            Auto::Value(value) => AutoText::Value(value),
        }
    }
}

/// Declares that a type is written in TOML as a string that `FromStr` reads and `Display` prints.
macro_rules! text_scalar {
    ($name:ident, $pattern:expr, $doc:expr) => {
        impl TryFrom<String> for $name {
            type Error = String;
            fn try_from(text: String) -> Result<Self, String> {
                text.parse()
            }
        }
        impl From<$name> for String {
            fn from(value: $name) -> String {
                value.to_string()
            }
        }
        impl JsonSchema for $name {
            fn schema_name() -> Cow<'static, str> {
                stringify!($name).into()
            }
            fn json_schema(_: &mut SchemaGenerator) -> Schema {
                json_schema!({"type": "string", "pattern": $pattern, "description": $doc})
            }
        }
    };
}
pub(super) use text_scalar;

/// A name that is safe in a unit name and a path: `[a-z][a-z0-9_-]{0,31}`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Deserialize, Serialize)]
#[serde(try_from = "String", into = "String")]
pub struct Name(String);

impl Name {
    /// The name of the instance that is Debian's `redis-server.service`.
    pub fn default_instance() -> Name {
        Name("default".into())
    }

    /// The ACL user of root's apply.
    pub fn admin() -> Name {
        Name("admin".into())
    }

    /// The ACL user of the supervisor.
    pub fn agent() -> Name {
        Name("agent".into())
    }

    /// The name as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for Name {
    type Err = String;
    fn from_str(text: &str) -> Result<Name, String> {
        let ok = text.len() <= 32
            && text.starts_with(|c: char| c.is_ascii_lowercase())
            && text
                .chars()
                .all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-' || c == '_');
        if ok {
            Ok(Name(text.to_owned()))
        } else {
            Err(format!(
                "{text:?} is no name: a lower-case letter, then up to 31 of a-z, 0-9, - and _"
            ))
        }
    }
}

impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

text_scalar!(Name, "^[a-z][a-z0-9_-]{0,31}$", "a lower-case name");

/// A number of bytes, in Redis's units: `1k` = 1000, `1kb` = 1024 and so on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(try_from = "String", into = "String")]
pub struct Size(pub u64);

impl FromStr for Size {
    type Err = String;
    /// Source of the units: `memtoull` in Redis's `util.c`.
    fn from_str(text: &str) -> Result<Size, String> {
        let digits = text
            .find(|c: char| !c.is_ascii_digit())
            .unwrap_or(text.len());
        let (number, unit) = text.split_at(digits);
        let scale: u64 = match unit.to_ascii_lowercase().as_str() {
            "" | "b" => 1,
            "k" => 1000,
            "kb" => 1 << 10,
            "m" => 1_000_000,
            "mb" => 1 << 20,
            "g" => 1_000_000_000,
            "gb" => 1 << 30,
            _ => {
                return Err(format!(
                    "{text:?} is no size: a number and b, k, kb, m, mb, g or gb, such as \"512mb\""
                ));
            }
        };
        let number: u64 = number
            .parse()
            .map_err(|_| format!("{text:?} is no size: it starts with no number that fits"))?;
        number
            .checked_mul(scale)
            .map(Size)
            .ok_or_else(|| format!("{text:?} is larger than any memory"))
    }
}

impl fmt::Display for Size {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            0 => f.write_str("0"),
            n if n % (1 << 30) == 0 => write!(f, "{}gb", n >> 30),
            n if n % (1 << 20) == 0 => write!(f, "{}mb", n >> 20),
            n if n % (1 << 10) == 0 => write!(f, "{}kb", n >> 10),
            n => write!(f, "{n}"),
        }
    }
}

text_scalar!(
    Size,
    "^[0-9]+([kKmMgG]?[bB]?)$",
    "bytes: 1k = 1000, 1kb = 1024"
);

/// How long a server may be silent.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(try_from = "String", into = "String")]
pub enum HangTimeout {
    Never,
    After(Duration),
}

impl Default for HangTimeout {
    fn default() -> Self {
        HangTimeout::After(Duration::seconds(300))
    }
}

impl HangTimeout {
    /// `None` is for ever.
    pub fn std(self) -> Option<std::time::Duration> {
        match self {
            HangTimeout::Never => None,
            HangTimeout::After(limit) => Some(limit.std()),
        }
    }
}

impl FromStr for HangTimeout {
    type Err = String;
    fn from_str(text: &str) -> Result<HangTimeout, String> {
        match text {
            "never" => Ok(HangTimeout::Never),
            _ => text
                .parse()
                .map(HangTimeout::After)
                .map_err(|e| format!("{e}, or \"never\"")),
        }
    }
}

impl fmt::Display for HangTimeout {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            HangTimeout::Never => f.write_str("never"),
            HangTimeout::After(limit) => write!(f, "{limit}"),
        }
    }
}

text_scalar!(
    HangTimeout,
    "^(never|[0-9]+(ms|s|m|h|d))$",
    "never, or a time such as 5m"
);

/// `maxmemory`: worked out, a size, or a share of RAM.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(try_from = "String", into = "String")]
pub enum Memory {
    #[default]
    Auto,
    Size(Size),
    /// 1 to 100 percent.
    Percent(u8),
}

impl FromStr for Memory {
    type Err = String;
    fn from_str(text: &str) -> Result<Memory, String> {
        if text == "auto" {
            return Ok(Memory::Auto);
        }
        let Some(number) = text.strip_suffix('%') else {
            return text
                .parse()
                .map(Memory::Size)
                .map_err(|e| format!("{e}, \"auto\" or \"40%\""));
        };
        match number.parse() {
            Ok(percent @ 1..=100) => Ok(Memory::Percent(percent)),
            _ => Err(format!("{text:?} is no share of RAM: \"1%\" to \"100%\"")),
        }
    }
}

impl fmt::Display for Memory {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Memory::Auto => f.write_str("auto"),
            Memory::Size(size) => write!(f, "{size}"),
            Memory::Percent(p) => write!(f, "{p}%"),
        }
    }
}

text_scalar!(
    Memory,
    "^(auto|[0-9]+[kKmMgG]?[bB]?|[0-9]{1,3}%)$",
    "auto, a size, or a percentage of RAM"
);

/// A time: `"500ms"`, `"30s"`, `"5m"`, `"1h"`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(try_from = "String", into = "String")]
pub struct Duration(std::time::Duration);

impl Duration {
    /// So many seconds.
    pub const fn seconds(n: u64) -> Duration {
        Duration(std::time::Duration::from_secs(n))
    }

    /// So many milliseconds.
    pub const fn millis(n: u64) -> Duration {
        Duration(std::time::Duration::from_millis(n))
    }

    /// The same as the standard library's type.
    pub const fn std(self) -> std::time::Duration {
        self.0
    }
}

impl FromStr for Duration {
    type Err = String;
    fn from_str(text: &str) -> Result<Duration, String> {
        let wrong = || format!("{text:?} is no time: a number and ms, s, m or h, such as \"30s\"");
        let digits = text.find(|c: char| !c.is_ascii_digit()).ok_or_else(wrong)?;
        let (number, unit) = text.split_at(digits);
        let number: u64 = number.parse().map_err(|_| wrong())?;
        let scale = match unit {
            "ms" => 1,
            "s" => 1000,
            "m" => 60_000,
            "h" => 3_600_000,
            _ => return Err(wrong()),
        };
        number
            .checked_mul(scale)
            .map(Duration::millis)
            .ok_or_else(wrong)
    }
}

impl fmt::Display for Duration {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0.as_millis() {
            ms if ms % 1000 != 0 => write!(f, "{ms}ms"),
            ms if ms % 60_000 != 0 || ms == 0 => write!(f, "{}s", ms / 1000),
            ms if ms % 3_600_000 != 0 => write!(f, "{}m", ms / 60_000),
            ms => write!(f, "{}h", ms / 3_600_000),
        }
    }
}

text_scalar!(Duration, "^[0-9]+(ms|s|m|h)$", "a time with its unit");

/// Permission bits, written in octal: `"0640"`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(try_from = "String", into = "String")]
pub struct Octal(pub u32);

impl FromStr for Octal {
    type Err = String;
    fn from_str(text: &str) -> Result<Octal, String> {
        match u32::from_str_radix(text, 8) {
            Ok(mode @ 0..=0o7777) if text.len() >= 3 => Ok(Octal(mode)),
            _ => Err(format!(
                "{text:?} is no mode: three or four octal digits in quotes, such as \"0640\""
            )),
        }
    }
}

impl fmt::Display for Octal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:04o}", self.0)
    }
}

text_scalar!(Octal, "^[0-7]{3,4}$", "permission bits in octal");

/// What `[kernel.sysctl]` asks of a key.
#[derive(Clone, Debug, PartialEq, Deserialize, Serialize, JsonSchema)]
#[serde(
    untagged,
    expecting = "a sysctl is a number, a text, { at-least = N } or { at-most = N }"
)]
pub enum SysctlRule {
    /// Exactly this number.
    Number(i64),
    /// Exactly this text.
    Text(String),
    /// A bound.
    Bound(Bound),
}

/// A one-sided bound.
#[derive(Clone, Debug, PartialEq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub enum Bound {
    /// Never lowered.
    AtLeast(i64),
    /// Never raised.
    AtMost(i64),
}
