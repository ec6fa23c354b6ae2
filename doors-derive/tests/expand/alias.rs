fn count(r#type: &[u8]) -> Result<u64> {
    todo!()
}
