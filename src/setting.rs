//! A setting is a place on the host that holds one value, or nothing.

pub mod account;
pub mod package;
