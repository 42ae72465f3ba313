//! What reading a setting gives: a value, nothing, or a reason why neither.

use crate::host::HostResult;
use crate::value::Value;

/// What reading a setting gave.
#[derive(Clone, Debug, PartialEq)]
pub enum Reading {
    /// A value, and where it comes from when that is not the setting itself.
    Value(Value, Option<String>),
    /// Nothing is there.
    Absent,
    /// The question does not arise here: why.
    NotApplicable(String),
    /// It could not be read: why, and what would be needed.
    Unknown(String),
}

impl From<HostResult<Option<Value>>> for Reading {
    fn from(result: HostResult<Option<Value>>) -> Reading {
        match result {
            Ok(Some(value)) => Reading::Value(value, None),
            Ok(None) => Reading::Absent,
            Err(e) => Reading::Unknown(e.to_string()),
        }
    }
}
