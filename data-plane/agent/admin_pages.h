// What the admin port answers.
#pragma once

#include <functional>
#include <optional>
#include <utility>

#include "data-plane/agent/agent.h"
#include "data-plane/identity/node_key.h"
#include "data-plane/observe/access_log.h"
#include "data-plane/observe/admin_server.h"
#include "data-plane/otlp/span_exporter.h"
#include "data-plane/worker/worker_group.h"

namespace apk {

// Thread-safe.
class AdminPages {
 public:
  using Expiry = std::function<std::optional<SystemTime>()>;
  // All outlive the pages.
  struct Sources {
    const Agent& agent;
    WorkerGroup& workers;
    const AccessLog* access_log;  // nullptr: there is none.
    const SpanExporter* spans;    // Likewise.
    Expiry certificate_expires;   // Of that which the agent shows to control planes; thread-safe.
    std::function<void()> on_drain;  // When it is asked for.
  };
  explicit AdminPages(Sources sources)
      : agent_(sources.agent),
        workers_(sources.workers),
        access_log_(sources.access_log),
        spans_(sources.spans),
        certificate_expires_(std::move(sources.certificate_expires)),
        on_drain_(std::move(sources.on_drain)) {}

  AdminResponse Answer(const AdminRequest& request) const;

 private:
  struct Page;

  static const Page* FindPage(std::string_view path);
  AdminResponse Healthz() const;
  AdminResponse Readyz() const;
  AdminResponse Metrics() const;
  AdminResponse ConfigDump() const;
  AdminResponse Clusters() const;
  AdminResponse Listeners() const;
  AdminResponse Drain() const;
  AdminResponse NotFound() const;

  const Agent& agent_;
  WorkerGroup& workers_;
  const AccessLog* access_log_;
  const SpanExporter* spans_;
  const Expiry certificate_expires_;
  const std::function<void()> on_drain_;
};

}  // namespace apk
