//! How often something may be done in a time, and how often one source may connect.

use super::scalar::text_scalar;
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Serialize};
use std::borrow::Cow;
use std::fmt;
use std::str::FromStr;

/// So many in a time, such as `100/second`: never none.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(try_from = "String", into = "String")]
pub struct Rate {
    pub count: u32,
    pub per: Per,
}

/// The time of a rate.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Per {
    Second,
    Minute,
}

impl Per {
    /// As nft writes it too.
    pub fn word(self) -> &'static str {
        match self {
            Per::Second => "second",
            Per::Minute => "minute",
        }
    }

    /// The one of this word.
    pub fn of(word: &str) -> Option<Per> {
        [Per::Second, Per::Minute]
            .into_iter()
            .find(|per| per.word() == word)
    }
}

impl FromStr for Rate {
    type Err = String;
    fn from_str(text: &str) -> Result<Rate, String> {
        let parsed = text.split_once('/').and_then(|(count, per)| {
            let digits = count.bytes().all(|b| b.is_ascii_digit());
            let count = count
                .parse()
                .ok()
                .filter(|n| digits && (1..=1_000_000).contains(n))?;
            Some(Rate {
                count,
                per: Per::of(per)?,
            })
        });
        parsed.ok_or_else(|| {
            format!(
                "{text:?} is no rate: 1 to 1000000, and /second or /minute, such as \"100/second\""
            )
        })
    }
}

impl fmt::Display for Rate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.count, self.per.word())
    }
}

text_scalar!(
    Rate,
    "^[0-9]+/(second|minute)$",
    "a number and /second or /minute"
);

/// How often one source may connect.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(try_from = "String", into = "String")]
pub enum ConnectionRate {
    /// As often as it likes.
    #[default]
    Off,
    AtMost(Rate),
}

impl ConnectionRate {
    /// `None` is as often as it likes.
    pub fn limit(self) -> Option<Rate> {
        match self {
            ConnectionRate::Off => None,
            ConnectionRate::AtMost(rate) => Some(rate),
        }
    }
}

impl FromStr for ConnectionRate {
    type Err = String;
    fn from_str(text: &str) -> Result<ConnectionRate, String> {
        match text {
            "off" => Ok(ConnectionRate::Off),
            _ => text
                .parse()
                .map(ConnectionRate::AtMost)
                .map_err(|e| format!("{e}, or \"off\"")),
        }
    }
}

impl fmt::Display for ConnectionRate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            ConnectionRate::Off => f.write_str("off"),
            ConnectionRate::AtMost(rate) => write!(f, "{rate}"),
        }
    }
}

text_scalar!(
    ConnectionRate,
    "^(off|[0-9]+/(second|minute))$",
    "off, or a rate such as 100/second"
);
