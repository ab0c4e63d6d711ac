//! A hello-world on tokio: one spawned task. The benchmark case `compile` builds it.

#[tokio::main]
async fn main() -> Result<(), tokio::task::JoinError> {
    println!("{}", tokio::spawn(async { 4 + 5 }).await?);
    Ok(())
}
