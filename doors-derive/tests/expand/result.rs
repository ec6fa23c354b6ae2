fn store_value(key: &str, data: Vec<u8>, tags: &[Tag], owner: &Owner) -> Result<Vec<u8>, StoreError> {
    todo!()
}
