//! Metrics of one name and one label, with one child a value: the same value gives the same child.

use std::borrow::Cow;

use prometheus_client::encoding::EncodeMetric;
use prometheus_client::metrics::TypedMetric;
use prometheus_client::metrics::family::{Family as Children, MetricConstructor};
use prometheus_client::registry::{Registry, Unit};

/// A label and its value.
type Label = (&'static str, Cow<'static, str>);

/// Children by the values of `N` labels.
pub(super) struct Family<M, const N: usize, C = fn() -> M> {
    labels: [&'static str; N],
    children: Children<[Label; N], M, C>,
}

/// What can be a child.
pub(super) trait Child: EncodeMetric + TypedMetric + Clone + Send + Sync + 'static {}
impl<M: EncodeMetric + TypedMetric + Clone + Send + Sync + 'static> Child for M {}

impl<M: Child + Default + std::fmt::Debug, const N: usize> Family<M, N> {
    /// Registers a family of metrics that begin at zero.
    pub(super) fn new(
        registry: &mut Registry,
        name: &str,
        help: &str,
        labels: [&'static str; N],
    ) -> Self {
        let children = Children::default();
        registry.register(name, help, children.clone());
        Self { labels, children }
    }
}

impl<M, const N: usize, C> Family<M, N, C>
where
    M: Child + std::fmt::Debug,
    C: MetricConstructor<M> + Clone + Send + Sync + std::fmt::Debug + 'static,
{
    /// Registers a family of measures in seconds.
    pub(super) fn in_seconds(
        registry: &mut Registry,
        (name, help): (&str, &str),
        labels: [&'static str; N],
        make: C,
    ) -> Self {
        let children = Children::new_with_constructor(make);
        registry.register_with_unit(name, help, Unit::Seconds, children.clone());
        Self { labels, children }
    }
}

impl<M: Clone, const N: usize, C: MetricConstructor<M>> Family<M, N, C> {
    /// The child with these values, which is made if it is not there yet.
    pub(super) fn with(&self, values: [&str; N]) -> M {
        let mut values = values.into_iter();
        let labels = self.labels.map(|label| {
            let value = values.next().unwrap_or_default().to_owned();
            (label, Cow::Owned(value))
        });
        self.children.get_or_create_owned(&labels)
    }
}
