//! Puts and deletes of single keys, small values and some of several chunks: the load of the crash rounds.

use std::time::Duration;

use nearkv_tests::ledger::Ledger;
use nearkv_tests::load::Writer;
use nearkv_tests::{Kv, Result};

use crate::load::{Load, Reads};

pub(crate) struct Single {
    name: String,
    writer: Writer,
}

impl Single {
    pub(crate) fn new(number: u64) -> Single {
        let name = format!("single-{number}");
        Single { writer: Writer::new(&name, number), name }
    }
}

#[async_trait::async_trait]
impl Load for Single {
    fn name(&self) -> String {
        self.name.clone()
    }

    fn pause(&self) -> Duration {
        Duration::from_millis(2)
    }

    async fn step(&mut self, at: &Kv, _: &Kv, _: &mut Reads) -> Result<()> {
        self.writer.write(at).await.map(|_| ())
    }

    fn ledger(&mut self) -> Option<&mut Ledger> {
        Some(&mut self.writer.ledger)
    }
}
