//! Places on a host that hold one value each, or nothing.

pub mod firewall;
