//! What a server's files and command line amount to: each directive as `CONFIG GET` would show it after a start.

pub mod table;
