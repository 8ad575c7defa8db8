//! The start of an operator, when it has most to read: shortly before a checkpoint.

use std::time::Duration;

use nearkv_tests::bench::{Connection, closed_loops};
use nearkv_tests::error::HarnessError;
use nearkv_tests::http;
use nearkv_tests::nearkv::Server;
use tokio::time::{Instant, sleep};

use crate::Result;
use crate::run::{FILLERS, KEYS, Run, address_of, key_name, put};

/// How many times as large as the pages the log is: a checkpoint is due at twice.
const LONG_LOG: f64 = 1.8;
/// For so long keys are put again before the log is looked at: it grows by less than what is left until a checkpoint.
const STEP: Duration = Duration::from_secs(1);

/// What an operator reads, in bytes.
struct Data {
    log: f64,
    pages: f64,
}

impl Run {
    /// From the start of an operator to its first answer.
    pub(crate) async fn start_up(&self) -> Result<()> {
        let Data { log, pages } = self.lengthen_the_log().await?;
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
            "start of an operator with {KEYS} keys, {:.0} MB of pages and {:.0} MB of log, to its first answer: {:.2} s",
            pages / 1e6,
            log / 1e6,
            start.elapsed().as_secs_f64()
        );
        Ok(())
    }

    async fn lengthen_the_log(&self) -> Result<Data> {
        loop {
            let data = self.data().await?;
            if data.log >= LONG_LOG * data.pages {
                return Ok(data);
            }
            closed_loops(self.address, FILLERS, STEP, |client, number| {
                let key = (client as u64 * KEYS / FILLERS as u64 + number) % KEYS;
                put(self.namespace.name(), key, b'l')
            })
            .await?;
        }
    }

    async fn data(&self) -> Result<Data> {
        let url = format!("{}/metrics", self.operator.lock().await.admin());
        let failed = |source| HarnessError::Http { action: "read the operator's metrics".to_owned(), source };
        let metrics = http::client().get(&url).send().await.map_err(failed)?.text().await.map_err(failed)?;
        let gauge = |name: &str| {
            let line = metrics.lines().find(|line| line.starts_with(name))?;
            line.rsplit(' ').next()?.parse().ok()
        };
        let (log, pages) = (gauge("nearkv_kvnamespace_log_bytes{"), gauge("nearkv_kvnamespace_pages_bytes{"));
        Ok(Data { log: log.expect("the metric of the log"), pages: pages.expect("the metric of the pages") })
    }
}
