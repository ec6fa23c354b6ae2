/// Values under keys.
#[derive_nothing]
pub trait Store {
    /// The value under a key.
    #[id(2)]
    fn get(&self, key: &str) -> Result<Vec<u8>, StoreError>;

    #[id(7)]
    fn clear(&self);
}
