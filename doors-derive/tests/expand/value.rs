/// Adds two numbers.
#[cfg(unix)]
pub(crate) fn add(a: u32, mut b: u32) -> u32 {
    b = a.wrapping_add(b);
    b
}
