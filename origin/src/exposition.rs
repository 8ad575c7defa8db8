//! The origin's metrics: read from the counters and from the KvNamespaces at each scrape, so that the series of a
//! KvNamespace go with it.

use std::{fmt, sync::Arc};

use nearkv::{
    Namespace,
    metrics::{Label, MOST_KVNAMESPACES, counters, gauges, histograms, without_series},
};
use prometheus_client::{
    collector::Collector,
    encoding::DescriptorEncoder,
    registry::{Registry, Unit},
};

use crate::{
    Health, Origin, Report,
    format::sizes::Sizes,
    instance::Instance,
    limits::pacing::Lane,
    metrics::counters::{RESULTS, Verb},
};

impl Origin {
    /// Adds the origin's metrics to those of the process.
    pub fn register(self: &Arc<Self>, registry: &mut Registry) {
        registry.register_collector(Box::new(Exposition(Arc::clone(self))));
    }
}

struct Exposition(Arc<Origin>);

impl fmt::Debug for Exposition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Exposition")
    }
}

impl Collector for Exposition {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> fmt::Result {
        self.commits(&mut encoder)?;
        self.store(&mut encoder)?;
        self.limits(&mut encoder)?;
        let mut instances = self.0.instances();
        instances.sort_by(|a, b| a.space.namespace.cmp(&b.space.namespace));
        let left_out = instances.len().saturating_sub(MOST_KVNAMESPACES);
        instances.truncate(MOST_KVNAMESPACES);
        let shown: Vec<Shown> = instances.into_iter().map(Shown::of).collect();
        kvnamespaces(&mut encoder, &shown)?;
        without_series(&mut encoder, left_out)
    }
}

impl Exposition {
    fn commits(&self, encoder: &mut DescriptorEncoder<'_>) -> fmt::Result {
        let counted = &self.0.context.counters;
        let help = "From taking a batch of writes to the answer for the last of them, every attempt included";
        histograms(encoder, "nearkv_origin_commit_duration", help, [([], &counted.commits)])?;
        let help = "Records committed: puts and deletes";
        counters(encoder, "nearkv_origin_records", help, None, [([], counted.records.get())])?;
        let help = "Swaps of a root that were lost to another replica";
        counters(encoder, "nearkv_origin_conflicts", help, None, [([], counted.conflicts.get())])?;
        let help = "Tasks of a KvNamespace that have panicked; its data were then loaded anew";
        counters(encoder, "nearkv_origin_task_failures", help, None, [([], counted.failures.get())])?;
        let help =
            "Roots whose state in memory was not that of their committer; everything was then read anew";
        counters(
            encoder,
            "nearkv_origin_state_differences",
            help,
            None,
            [([], counted.state_differences.get())],
        )
    }

    fn store(&self, encoder: &mut DescriptorEncoder<'_>) -> fmt::Result {
        let requests = &self.0.context.counters.requests;
        let each = || {
            let lanes = Lane::ALL.iter().zip(requests);
            lanes.flat_map(|(lane, verbs)| {
                Verb::ALL.iter().zip(verbs).map(|(verb, request)| (lane.as_str(), verb.as_str(), request))
            })
        };
        let ended = each().flat_map(|(lane, verb, request)| {
            RESULTS.iter().zip(&request.ended).filter(|(_, count)| count.get() > 0).map(
                move |(result, count)| ([("lane", lane), ("verb", verb), ("result", *result)], count.get()),
            )
        });
        let help = "Requests to the API server for ConfigMaps, by lane, verb and result";
        counters(encoder, "nearkv_origin_store_requests", help, None, ended)?;
        let help = "How long they took, by verb; waiting for the pace is not in it";
        let took = each().map(|(lane, verb, request)| ([("lane", lane), ("verb", verb)], &request.took));
        histograms(
            encoder,
            "nearkv_origin_store_request_duration",
            help,
            took.filter(|(_, d)| d.count() > 0),
        )?;
        let sent = Lane::ALL.iter().zip(requests).map(|(lane, verbs)| {
            ([("lane", lane.as_str())], verbs.iter().map(|request| request.sent.get()).sum())
        });
        let help = "Content of the ConfigMaps sent to the API server, by lane";
        counters(encoder, "nearkv_origin_store_sent", help, Some(&Unit::Bytes), sent)?;
        let waits = Lane::ALL.map(|lane| ([("lane", lane.as_str())], self.0.context.pace.waits(lane)));
        let help = "Waits of a write to the API server for the pace, by lane; those that need not wait are not in it";
        histograms(encoder, "nearkv_origin_pacing_wait", help, waits)
    }

    fn limits(&self, encoder: &mut DescriptorEncoder<'_>) -> fmt::Result {
        let budget = &self.0.context.budget;
        let (used, most) = (budget.total(), budget.most());
        let help = "What all KvNamespaces take in the API server, garbage included";
        let bytes = Some(&Unit::Bytes);
        gauges(encoder, "nearkv_origin_budget_used", help, bytes, [([], used.bytes)])?;
        gauges(encoder, "nearkv_origin_budget_limit", "What they may take", bytes, [([], most.bytes)])?;
        let help = "Objects of all KvNamespaces in the API server, garbage included";
        gauges(encoder, "nearkv_origin_budget_used_objects", help, None, [([], used.objects)])?;
        let help = "Objects that they may have";
        gauges(encoder, "nearkv_origin_budget_limit_objects", help, None, [([], most.objects)])
    }
}

/// A KvNamespace as a scrape finds it.
struct Shown {
    instance: Arc<Instance>,
    report: Report,
    sizes: Sizes,
}

impl Shown {
    fn of(instance: Arc<Instance>) -> Self {
        let space = &instance.space;
        let sizes = space.view().map_or_else(Sizes::default, |view| Sizes::of(&view.root, &view.manifest));
        Self { report: space.report(), sizes, instance }
    }

    fn labels(&self) -> [Label<'_>; 2] {
        labels(&self.instance.space.namespace)
    }
}

fn labels(namespace: &Namespace) -> [Label<'_>; 2] {
    [("account", namespace.account()), ("kvnamespace", namespace.name())]
}

/// A gauge of every KvNamespace: name, help, unit, and where its value is.
type Gauge = (&'static str, &'static str, Option<Unit>, fn(&Shown) -> u64);
/// The same of a counter.
type Counter = (&'static str, &'static str, fn(&Shown) -> u64);

fn kvnamespaces(encoder: &mut DescriptorEncoder<'_>, shown: &[Shown]) -> fmt::Result {
    const GAUGES: [Gauge; 11] = [
        ("nearkv_kvnamespace_keys", "Keys that have not expired", None, |shown| shown.report.keys),
        ("nearkv_kvnamespace_keys_limit", "spec.quota.maxKeys", None, |shown| {
            shown.instance.space.config().quota.max_keys
        }),
        (
            "nearkv_kvnamespace_size",
            "Keys, values and metadata: what spec.quota.maxBytes limits",
            Some(Unit::Bytes),
            |shown| shown.report.bytes,
        ),
        ("nearkv_kvnamespace_size_limit", "spec.quota.maxBytes", Some(Unit::Bytes), |shown| {
            shown.instance.space.config().quota.max_bytes
        }),
        ("nearkv_kvnamespace_objects", "ConfigMaps that the root reaches", None, |shown| {
            shown.report.objects
        }),
        ("nearkv_kvnamespace_log", "Segments of the log", Some(Unit::Bytes), |shown| shown.sizes.log),
        ("nearkv_kvnamespace_segments", "Segments of the log, as objects", None, |shown| {
            shown.sizes.segments
        }),
        ("nearkv_kvnamespace_pages", "Pages, which a checkpoint writes", Some(Unit::Bytes), |shown| {
            shown.sizes.pages
        }),
        ("nearkv_kvnamespace_version", "The newest version of the data", None, |shown| {
            shown.report.version.map_or(0, |version| version.number)
        }),
        ("nearkv_kvnamespace_waiting_writes", "Writes that wait for the next commit", None, |shown| {
            shown.instance.committer.queue.len() as u64
        }),
        (
            "nearkv_kvnamespace_proof_age",
            "Since when the state in memory has not been proven to be the newest",
            Some(Unit::Seconds),
            |shown| shown.instance.space.age().as_secs(),
        ),
    ];
    const COUNTERS: [Counter; 3] = [
        ("nearkv_kvnamespace_commits", "Swaps of the root by this process", |shown| {
            shown.instance.space.tally.commits.get()
        }),
        ("nearkv_kvnamespace_records", "Records that they committed", |shown| {
            shown.instance.space.tally.records.get()
        }),
        ("nearkv_kvnamespace_conflicts", "Swaps lost to another replica", |shown| {
            shown.instance.space.tally.conflicts.get()
        }),
    ];
    for (name, help, unit, value) in GAUGES {
        let series = shown.iter().map(|shown| (shown.labels(), value(shown)));
        gauges(encoder, name, help, unit.as_ref(), series)?;
    }
    for (name, help, value) in COUNTERS {
        let series = shown.iter().map(|shown| (shown.labels(), value(shown)));
        counters(encoder, name, help, None, series)?;
    }
    let health = shown.iter().flat_map(|shown| {
        let [account, namespace] = shown.labels();
        Health::WORDS.map(|word| {
            ([account, namespace, ("reason", word)], u64::from(shown.report.health.as_str() == word))
        })
    });
    let help = "1 for the reason of the condition Ready: Ready, or what keeps the data from being trusted";
    gauges(encoder, "nearkv_kvnamespace_health", help, None, health)
}
