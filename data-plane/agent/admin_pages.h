// What the admin port answers.
#pragma once

#include "data-plane/agent/agent.h"
#include "data-plane/observe/access_log.h"
#include "data-plane/observe/admin_server.h"
#include "data-plane/worker/worker_group.h"

namespace apk {

// Thread-safe.
class AdminPages {
 public:
  // All outlive it; `access_log` is nullptr where there is none.
  AdminPages(const Agent& agent, WorkerGroup& workers, const AccessLog* access_log)
      : agent_(agent), workers_(workers), access_log_(access_log) {}

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
};

}  // namespace apk
