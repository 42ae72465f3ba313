//! The binary: the library does everything, and gives the exit code.

fn main() -> std::process::ExitCode {
    redis_harden::cli::main()
}
