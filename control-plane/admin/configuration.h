// The configuration in force, and the one straight line by which it changes: decode, validate,
// stage, translate, commit, publish. Thread-safe: one lock around all of it.
#pragma once

#include <absl/status/status.h>
#include <absl/status/statusor.h>

#include <condition_variable>
#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "apk/v1/admin.pb.h"
#include "common/thread.h"
#include "control-plane/admin/change_feed.h"
#include "control-plane/discovery/agent_registry.h"
#include "control-plane/discovery/snapshot_cache.h"
#include "control-plane/store/log.h"
#include "control-plane/translation/translator.h"

namespace apk {

class Configuration {
 public:
  // All of them outlive it.
  Configuration(Log& log, SnapshotCache& snapshots, AgentRegistry& agents, ChangeFeed& feed);
  ~Configuration();

  // Reads the store and publishes what is in it. Call once, before anything else.
  absl::Status Load();

  // Problems with the objects are violations in the response; a status is for what is not their
  // fault.
  absl::StatusOr<v1::ApplyResponse> Apply(const v1::ApplyRequest& request,
                                          const std::string& author);
  absl::StatusOr<v1::DeleteResponse> Delete(const v1::DeleteRequest& request,
                                            const std::string& author);

  // The newest revisions, newest first.
  absl::StatusOr<v1::ListRevisionsResponse> ListRevisions(const v1::ListRevisionsRequest& request);
  // NOT_FOUND where there was no such revision.
  absl::StatusOr<v1::RollbackResponse> Rollback(const v1::RollbackRequest& request,
                                                const std::string& author);

  struct View {
    uint64_t revision = 0;
    std::shared_ptr<const ResourceSet> resources;
  };
  View Current() const;

 private:
  struct Staged;

  Staged Candidate() const;
  absl::Status PutInForce(Staged& staged, const std::string& author);
  absl::Status Commit(Staged& staged, const std::string& author, bool status_only);
  void Publish(const Staged& staged);
  void PublishStatuses(Staged& staged);
  void Restate(Staged& staged);
  // What agents report changes conditions: done on a thread of its own, however often they report.
  void FollowFleet();

  Log& log_;
  SnapshotCache& snapshots_;
  AgentRegistry& agents_;
  ChangeFeed& feed_;

  mutable std::mutex mutex_;
  uint64_t revision_ = 0;
  std::shared_ptr<const ResourceSet> resources_ = std::make_shared<const ResourceSet>();
  Translator translator_;

  std::mutex fleet_mutex_;
  std::condition_variable fleet_changed_;
  bool fleet_dirty_ = false;
  bool stopping_ = false;
  Thread fleet_thread_;
};

}  // namespace apk
