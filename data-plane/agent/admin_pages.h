// What the admin port answers.
#pragma once

#include <functional>
#include <optional>
#include <utility>

#include "data-plane/agent/agent.h"
#include "data-plane/identity/node_key.h"
#include "data-plane/observe/access_log.h"
#include "data-plane/observe/admin_server.h"
#include "data-plane/worker/worker_group.h"

namespace apk {

// Thread-safe.
class AdminPages {
 public:
  using Expiry = std::function<std::optional<SystemTime>()>;
  // All outlive it; `access_log` is nullptr where there is none. `certificate_expires`: of that
  // which the agent shows to control planes; thread-safe.
  AdminPages(const Agent& agent, WorkerGroup& workers, const AccessLog* access_log,
             Expiry certificate_expires)
      : agent_(agent),
        workers_(workers),
        access_log_(access_log),
        certificate_expires_(std::move(certificate_expires)) {}

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
  const Expiry certificate_expires_;
};

}  // namespace apk
