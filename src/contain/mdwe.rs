//! `PR_SET_MDWE`: no memory that is both writable and executable, and none that becomes executable later. Linux 6.3; survives exec.

use nix::errno::Errno;
use nix::libc;

/// Denies it to this process and to what it runs.
#[expect(unsafe_code, reason = "no crate at hand knows this prctl")]
pub fn deny() -> Result<(), Errno> {
    let zero: libc::c_ulong = 0;
    // SAFETY: numbers only; the kernel reads no memory of ours.
    let result = unsafe {
        libc::prctl(
            libc::PR_SET_MDWE,
            libc::c_ulong::from(libc::PR_MDWE_REFUSE_EXEC_GAIN),
            zero,
            zero,
            zero,
        )
    };
    Errno::result(result).map(drop)
}

/// Whether it is denied.
#[expect(unsafe_code, reason = "no crate at hand knows this prctl")]
pub fn is_denied() -> bool {
    let zero: libc::c_ulong = 0;
    // SAFETY: numbers only; the kernel reads no memory of ours.
    let result = unsafe { libc::prctl(libc::PR_GET_MDWE, zero, zero, zero, zero) };
    result > 0 && result & libc::PR_MDWE_REFUSE_EXEC_GAIN.cast_signed() != 0
}
