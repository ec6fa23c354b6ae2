trait Promises {
    fn number(&self, call: &Call<'_>, key: &str) -> Answer<Vec<u8>>;
    fn fallible(&self) -> doors::Answer<Result<File, NoFile>>;
    fn nothing(&self, call: &Call<'_>) -> Answer<()>;
}
