//! Copies between our memory and memory that a peer may write meanwhile.
//!
//! A plain copy that races with a peer is undefined behaviour in Rust's model; an assembly block is opaque to the compiler.
//! Each byte is read exactly once.
#![expect(unsafe_code, reason = "copies between two places in memory")]

/// Up to so many bytes single moves are faster than `rep movsb`, which takes some 20 ns to begin.
#[cfg(target_arch = "x86_64")]
const SHORT: usize = 64;
/// From so many bytes on the data are probably not in this processor's own cache, where `rep movsb` takes twice as long if
/// the two places lie differently in their cache lines: memory of the C library's lies 16 bytes from the beginning of one.
/// Moves of 16 bytes do not care.
#[cfg(target_arch = "x86_64")]
const LONG: usize = 32 * 1024;
/// Bytes of a turn of the loop.
#[cfg(target_arch = "x86_64")]
const STEP: usize = 64;

/// Copies `count` bytes.
///
/// # Safety
/// `from` is readable and `to` writable for `count` bytes; they do not overlap.
#[cfg(target_arch = "x86_64")]
#[inline]
pub(super) unsafe fn copy(from: *const u8, to: *mut u8, count: usize) {
    if count <= SHORT {
        // SAFETY: the caller's promise.
        unsafe { copy_short(from, to, count) };
    } else if count < LONG {
        // SAFETY: the caller's promise. `rep movsb` is what the processor itself picks the width for (ERMS, FSRM);
        // the direction flag is clear by the ABI.
        unsafe {
            std::arch::asm!(
                "rep movsb",
                inout("rcx") count => _,
                inout("rsi") from => _,
                inout("rdi") to => _,
                options(nostack, preserves_flags)
            );
        }
    } else {
        // SAFETY: the caller's promise; so many bytes are more than a step.
        unsafe { copy_long(from, to, count) };
    }
}

/// As [`copy`], for a step at least.
///
/// # Safety
/// As there.
#[cfg(target_arch = "x86_64")]
unsafe fn copy_long(from: *const u8, to: *mut u8, count: usize) {
    let rest = count % STEP;
    let (mut from, mut to) = (from, to);
    // SAFETY: the caller's promise; the loop ends where `rest` bytes are left, since what it counts down from is a multiple of
    // its step and not 0. All `x86_64` processors have these registers.
    unsafe {
        std::arch::asm!(
            "2:",
            "movups {a}, xmmword ptr [{f}]",
            "movups {b}, xmmword ptr [{f} + 16]",
            "movups {c}, xmmword ptr [{f} + 32]",
            "movups {e}, xmmword ptr [{f} + 48]",
            "movups xmmword ptr [{d}], {a}",
            "movups xmmword ptr [{d} + 16], {b}",
            "movups xmmword ptr [{d} + 32], {c}",
            "movups xmmword ptr [{d} + 48], {e}",
            "add {f}, 64",
            "add {d}, 64",
            "sub {n}, 64",
            "jnz 2b",
            f = inout(reg) from,
            d = inout(reg) to,
            n = inout(reg) count.saturating_sub(rest) => _,
            a = out(xmm_reg) _,
            b = out(xmm_reg) _,
            c = out(xmm_reg) _,
            e = out(xmm_reg) _,
            options(nostack)
        );
    }
    // SAFETY: the caller's promise: the loop has left both where the rest begins.
    unsafe { copy_short(from, to, rest) };
}

/// As [`copy`], in single moves.
///
/// # Safety
/// As there.
#[cfg(target_arch = "x86_64")]
#[inline]
unsafe fn copy_short(from: *const u8, to: *mut u8, count: usize) {
    // SAFETY: the caller's promise; the steps add up to exactly `count` bytes.
    unsafe {
        std::arch::asm!(
            "2:",
            "sub {n}, 8",
            "jb 3f",
            "mov {t}, qword ptr [{f}]",
            "mov qword ptr [{d}], {t}",
            "add {f}, 8",
            "add {d}, 8",
            "jmp 2b",
            // The low three bits of the rest are those of the count.
            "3:",
            "test {n}, 4",
            "jz 4f",
            "mov {t:e}, dword ptr [{f}]",
            "mov dword ptr [{d}], {t:e}",
            "add {f}, 4",
            "add {d}, 4",
            "4:",
            "test {n}, 2",
            "jz 5f",
            "mov {t:x}, word ptr [{f}]",
            "mov word ptr [{d}], {t:x}",
            "add {f}, 2",
            "add {d}, 2",
            "5:",
            "test {n}, 1",
            "jz 6f",
            "mov {b}, byte ptr [{f}]",
            "mov byte ptr [{d}], {b}",
            "6:",
            n = inout(reg) count => _,
            f = inout(reg) from => _,
            d = inout(reg) to => _,
            t = out(reg) _,
            b = out(reg_byte) _,
            options(nostack)
        );
    }
}

/// The same for aarch64: eight bytes a turn, then single ones.
///
/// # Safety
/// As on `x86_64`.
#[cfg(target_arch = "aarch64")]
#[inline]
pub(super) unsafe fn copy(from: *const u8, to: *mut u8, count: usize) {
    // SAFETY: the caller's promise; the loop ends exactly at `count`. Unaligned 8-byte accesses to normal
    // memory are allowed on aarch64.
    unsafe {
        std::arch::asm!(
            "cmp {n}, #8",
            "b.lo 3f",
            "2:",
            "ldr {t}, [{f}], #8",
            "str {t}, [{d}], #8",
            "sub {n}, {n}, #8",
            "cmp {n}, #8",
            "b.hs 2b",
            "3:",
            "cbz {n}, 5f",
            "4:",
            "ldrb {t:w}, [{f}], #1",
            "strb {t:w}, [{d}], #1",
            "subs {n}, {n}, #1",
            "b.ne 4b",
            "5:",
            n = inout(reg) count => _,
            f = inout(reg) from => _,
            d = inout(reg) to => _,
            t = out(reg) _,
            options(nostack)
        );
    }
}

#[cfg(test)]
mod tests {
    use crate::sys::mapping::{Access, Mapping};
    use crate::sys::memfd;

    const BYTES: usize = 4096;

    /// The copy is assembly, one for each architecture: every length up to some turns of its loop, at every alignment of
    /// either side.
    #[test]
    fn a_copy_has_all_its_bytes_and_no_other() {
        let memory = memfd::create(c"copy", BYTES).unwrap();
        let ours = Mapping::new(&memory, BYTES, Access::Write).unwrap();
        let theirs = Mapping::new(&memory, BYTES, Access::Read).unwrap();
        let pattern: Vec<u8> = (1..=80).collect();
        for (count, at, skip) in (0..=72_usize)
            .flat_map(|count| (0..9_usize).map(move |at| (count, at)))
            .flat_map(|(count, at)| (0..9_usize).map(move |skip| (count, at, skip)))
        {
            assert!(ours.store(64, &[0; 96]));
            let bytes = &pattern[skip..skip + count];
            assert!(ours.store(64 + at, bytes));
            let mut all = Vec::new();
            assert!(theirs.load(64, 96, &mut all));
            let mut expected = vec![0; 96];
            expected[at..at + count].copy_from_slice(bytes);
            assert_eq!(all, expected, "{count} bytes stored at {at}");
            let mut into = vec![0xee; skip];
            assert!(theirs.load(64 + at, count, &mut into));
            assert_eq!(into[..skip], vec![0xee; skip]);
            assert_eq!(into[skip..], *bytes, "{count} bytes loaded from {at}");
        }
    }

    /// Around the lengths from which on it is done another way.
    #[test]
    fn a_long_copy_has_all_its_bytes_and_no_other() {
        const ROOM: usize = 64 * 1024;
        let memory = memfd::create(c"copy", ROOM).unwrap();
        let ours = Mapping::new(&memory, ROOM, Access::Write).unwrap();
        let theirs = Mapping::new(&memory, ROOM, Access::Read).unwrap();
        // No two steps hold the same bytes.
        let pattern: Vec<u8> = (0..=250).cycle().take(ROOM).collect();
        let blank = vec![0; ROOM];
        let lengths = (120..=200).chain((32 * 1024 - 3)..=(32 * 1024 + 130));
        for (count, (at, skip)) in lengths.zip(
            [(0, 0), (16, 0), (0, 16), (5, 8), (63, 1)]
                .into_iter()
                .cycle(),
        ) {
            assert!(ours.store(0, &blank));
            let bytes = &pattern[skip..skip + count];
            assert!(ours.store(at, bytes));
            let mut all = vec![0xee; skip];
            assert!(theirs.load(0, ROOM, &mut all));
            let (before, all) = all.split_at(skip);
            assert!(before.iter().all(|byte| *byte == 0xee));
            assert!(all[..at].iter().all(|byte| *byte == 0));
            assert_eq!(all[at..at + count], *bytes, "{count} bytes stored at {at}");
            assert!(
                all[at + count..].iter().all(|byte| *byte == 0),
                "{count} bytes"
            );
            let mut into = vec![0xee; skip];
            assert!(theirs.load(at, count, &mut into));
            assert_eq!(into[skip..], *bytes, "{count} bytes loaded from {at}");
            assert_eq!(into.len(), skip + count);
        }
    }
}
