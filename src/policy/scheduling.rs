//! The server's share of processors and disks. Nothing set leaves what the host gives.

use super::Service;
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Serialize};
use std::borrow::Cow;
use std::fmt;
use std::str::FromStr;

/// What a server inherits from who starts it: the unit under systemd, else the supervisor. The keys are described in `[service]`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
#[expect(missing_docs, reason = "described in `Service`")]
pub struct Scheduling {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub nice: Option<i32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub io_priority: Option<u8>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cpus: Option<CpuList>,
}

impl Scheduling {
    /// What a policy says.
    pub fn of(service: &Service) -> Scheduling {
        Scheduling {
            nice: service.nice,
            io_priority: service.io_priority,
            cpus: service.cpus.clone(),
        }
    }

    /// Whether all is as the host gives it.
    pub fn is_default(&self) -> bool {
        *self == Scheduling::default()
    }
}

/// Processors by number, as cpuset(7) lists them.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(try_from = "String", into = "String")]
pub struct CpuList(Vec<(usize, usize)>);

/// CPU_SETSIZE of sched.h: more do not fit into the kernel's set.
const MOST: usize = 1024;

impl CpuList {
    /// Each of its processors.
    pub fn cpus(&self) -> impl Iterator<Item = usize> + '_ {
        self.0.iter().flat_map(|(first, last)| *first..=*last)
    }
}

impl FromStr for CpuList {
    type Err = String;

    fn from_str(text: &str) -> Result<CpuList, String> {
        let wrong = || format!("\"{text}\" is no list of processors, such as 0-3,8");
        let number = |word: &str| {
            let digits = !word.is_empty() && word.bytes().all(|b| b.is_ascii_digit());
            let number = word.parse().ok().filter(|n| digits && *n < MOST);
            number.ok_or_else(wrong)
        };
        let range = |word: &str| {
            let (first, last) = word.split_once('-').unwrap_or((word, word));
            let range = (number(first)?, number(last)?);
            (range.0 <= range.1).then_some(range).ok_or_else(wrong)
        };
        text.split(',')
            .map(range)
            .collect::<Result<_, _>>()
            .map(CpuList)
    }
}

impl fmt::Display for CpuList {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (n, (first, last)) in self.0.iter().enumerate() {
            let comma = if n == 0 { "" } else { "," };
            match first == last {
                true => write!(f, "{comma}{first}")?,
                false => write!(f, "{comma}{first}-{last}")?,
            }
        }
        Ok(())
    }
}

impl TryFrom<String> for CpuList {
    type Error = String;

    fn try_from(text: String) -> Result<CpuList, String> {
        text.parse()
    }
}

impl From<CpuList> for String {
    fn from(list: CpuList) -> String {
        list.to_string()
    }
}

impl JsonSchema for CpuList {
    fn schema_name() -> Cow<'static, str> {
        "CpuList".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({"type": "string", "pattern": "^[0-9]+(-[0-9]+)?(,[0-9]+(-[0-9]+)?)*$", "description": "processors, such as 0-3,8"})
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_list_is_read_and_written_as_the_kernel_writes_it() {
        let list: CpuList = "0-3,8".parse().unwrap();
        assert_eq!(list.cpus().collect::<Vec<_>>(), [0, 1, 2, 3, 8]);
        assert_eq!(list.to_string(), "0-3,8");
    }

    #[test]
    fn what_is_no_list_is_refused() {
        for text in ["", "a", "3-1", "1,", "-1", "+1", "1024", "0-", "0 - 3"] {
            assert!(text.parse::<CpuList>().is_err(), "{text}");
        }
    }
}
