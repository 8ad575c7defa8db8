//! The start of an operator, when it has most to read: shortly before a checkpoint.

use std::time::Duration;

use nearkv_tests::bench::Connection;
use nearkv_tests::nearkv::Server;
use tokio::time::{Instant, sleep};

use crate::Result;
use crate::filling::{Data, lengthen_the_log};
use crate::run::{KEYS, Run, address_of, key_name};

impl Run {
    /// From the start of an operator to its first answer.
    pub(crate) async fn start_up(&self) -> Result<()> {
        let mut measured = self.operator.lock().await;
        let Data { log, pages } = lengthen_the_log(&measured, self.namespace.name()).await?;
        measured.process.kill()?;
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
            "start of an operator with {KEYS} keys, {:.0} MB of pages and {:.0} MB of log, to its first answer: {:.2} s",
            pages / 1e6,
            log / 1e6,
            start.elapsed().as_secs_f64()
        );
        Ok(())
    }
}
