"""Takes spans by OTLP over HTTP, read by OpenTelemetry's own package, and gives them back as JSON.

POST /v1/traces takes them; GET /spans gives all that were taken so far.
"""

import json
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import (
    ExportTraceServiceRequest,
    ExportTraceServiceResponse,
)
from opentelemetry.proto.trace.v1.trace_pb2 import Span, Status

SPANS = []


def values(attributes):
    return {a.key: getattr(a.value, a.value.WhichOneof("value")) for a in attributes}


def told(span, resource, scope, headers):
    return {
        "trace_id": span.trace_id.hex(),
        "span_id": span.span_id.hex(),
        "parent_span_id": span.parent_span_id.hex(),
        "flags": span.flags,
        "name": span.name,
        "kind": Span.SpanKind.Name(span.kind),
        "start": span.start_time_unix_nano,
        "end": span.end_time_unix_nano,
        "attributes": values(span.attributes),
        "status": Status.StatusCode.Name(span.status.code),
        "resource": values(resource.attributes),
        "scope": scope.name,
        "key": headers.get("x-collector-key"),
    }


class Receiver(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_POST(self):
        body = self.rfile.read(int(self.headers["Content-Length"]))
        is_right = self.headers["Content-Type"] == "application/x-protobuf"
        if self.path != "/v1/traces" or not is_right:
            self.answer(400, "text/plain", b"")
            return
        request = ExportTraceServiceRequest.FromString(body)
        SPANS.extend(
            told(span, by_resource.resource, by_scope.scope, self.headers)
            for by_resource in request.resource_spans
            for by_scope in by_resource.scope_spans
            for span in by_scope.spans
        )
        taken = ExportTraceServiceResponse().SerializeToString()
        self.answer(200, "application/x-protobuf", taken)

    def do_GET(self):
        self.answer(200, "application/json", json.dumps(SPANS).encode())

    def answer(self, status, kind, body):
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        pass


server = ThreadingHTTPServer(("127.0.0.1", 0), Receiver)
print(f"listening on 127.0.0.1:{server.server_port}", flush=True)
server.serve_forever()
