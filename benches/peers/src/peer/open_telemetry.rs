//! OpenTelemetry: a span with attributes, through the batch processor and OTLP over HTTP.

use opentelemetry::KeyValue;
use opentelemetry::trace::{Span as _, Tracer as _, TracerProvider as _};
use opentelemetry_otlp::{SpanExporter, WithExportConfig as _};
use opentelemetry_sdk::trace::{SdkTracer, SdkTracerProvider};

use super::Peer;

pub struct OpenTelemetry {
    provider: SdkTracerProvider,
    tracer: SdkTracer,
}

impl OpenTelemetry {
    pub fn new(url: &str) -> Self {
        let exporter = SpanExporter::builder()
            .with_http()
            .with_endpoint(format!("{url}/v1/traces"))
            .build()
            .expect("the endpoint is a URL");
        let provider = SdkTracerProvider::builder().with_batch_exporter(exporter).build();
        let tracer = provider.tracer("peers");
        Self { provider, tracer }
    }
}

impl Peer for OpenTelemetry {
    fn publish(&self, marker: &str, text: &str, number: u32) {
        let mut span = self
            .tracer
            .span_builder("invoice.charge")
            .with_attributes([
                KeyValue::new("marker", marker.to_owned()),
                KeyValue::new("text", text.to_owned()),
                KeyValue::new("number", i64::from(number)),
                KeyValue::new("retry", false),
            ])
            .start(&self.tracer);
        span.end();
    }

    fn flush(&self) {
        let _ = self.provider.force_flush();
    }
}
