//! The start of an operator.

use std::time::Duration;

use nearkv_tests::bench::Connection;
use nearkv_tests::nearkv::Server;
use tokio::time::{Instant, sleep};

use crate::Result;
use crate::run::{KEYS, Run, address_of, key_name};

impl Run {
    /// From the start of an operator to its first answer.
    pub(crate) async fn start_up(&self) -> Result<()> {
        self.operator.lock().await.process.kill()?;
        let start = Instant::now();
        let operator =
            Server::operator("started", &self.control_plane, self.namespace.name(), &self.pacing.flags())
                .await?;
        let request =
            format!("GET /kv/{}/bench/{} HTTP/1.1\r\nHost: x\r\n\r\n", self.namespace.name(), key_name(7));
        let mut connection = Connection::open(address_of(&operator)).await?;
        while !matches!(connection.exchange(request.as_bytes()).await, Ok(200)) {
            sleep(Duration::from_millis(10)).await;
        }
        println!(
            "start of an operator with {KEYS} keys to its first answer: {:.2} s",
            start.elapsed().as_secs_f64()
        );
        Ok(())
    }
}
