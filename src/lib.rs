//! `redis-harden`: audits and applies the kernel and OS prerequisites of Redis, and runs a hardened redis-server.
//!
//! The story reads: `policy` and `facts` give `controls` what to want, `audit` judges it, `plan` orders what is
//! wrong, `journal` writes it so that it can be undone, `report` prints it.

pub mod host;
pub mod policy;
pub mod setting;
pub mod supervise;
