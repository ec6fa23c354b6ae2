//! What the compiler says to a function that cannot be a door, at which word.

#[test]
fn a_function_that_cannot_be_a_door_is_told_why() {
    let cases = trybuild::TestCases::new();
    cases.compile_fail("tests/ui/*.rs");
    cases.pass("tests/pass/*.rs");
}
