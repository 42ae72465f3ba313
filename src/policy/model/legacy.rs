//! `[legacy]`: until when a password alone, without a user, lets in.

use crate::policy::Hidden;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// `[legacy]`: programs that log in with a password alone, which is the user `default`.
#[derive(Clone, Debug, Default, PartialEq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields, default)]
pub struct Legacy {
    /// `YYYY-MM-DD`, the last day (UTC) on which `default` lets in, with the password in `secrets/default`; without it `default` is off.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(example = &"2099-12-31")]
    pub default_until: Option<String>,
    /// ACL rules of `default` until then, after those of the role `application`.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(example = &"+keys")]
    pub rules: Option<String>,
    /// What `requirepass` under `[redis.directives]` said.
    #[serde(skip)]
    pub password: Hidden,
}
