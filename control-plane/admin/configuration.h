// The configuration in force, and the one straight line by which it changes: decode, validate,
// stage, translate, commit, publish. Thread-safe: one lock around all of it, another around what is
// in force, which is read while a store that does not answer is waited for.
//
// Others may write to the same log. Who loses the race for a revision takes in what the winner
// wrote and begins anew; and what changes nothing (there is no such object, it is the same already)
// is answered only when nothing newer is in the log.
#pragma once

#include <absl/status/status.h>
#include <absl/status/statusor.h>

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "apk/v1/admin.pb.h"
#include "apk/v1/backup.pb.h"
#include "common/thread.h"
#include "control-plane/admin/change_feed.h"
#include "control-plane/admin/quota.h"
#include "control-plane/backup/backup_file.h"
#include "control-plane/discovery/agent_registry.h"
#include "control-plane/discovery/snapshot_cache.h"
#include "control-plane/resources/held_objects.h"
#include "control-plane/resources/label_selector.h"
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

  // Takes in what others appended to the log since. FAILED_PRECONDITION where the log is another
  // than before.
  absl::Status CatchUp();
  // How much may be in one namespace. Before the configuration is loaded.
  void LimitNamespaces(const QuotaOptions& options) { quota_.Limit(options); }
  // Called before each snapshot is published, with no other under way, where others write to the
  // store, too: it must not come back to this. Before the configuration is loaded.
  void BeforeShow(std::function<void()> before) { before_show_ = std::move(before); }
  // What agents got, or would have got, of an older revision. NOT_FOUND where the store has
  // forgotten it.
  absl::StatusOr<SlicesPtr> SnapshotAt(uint64_t revision, const std::vector<HeldObject>& held);
  // The objects of it.
  absl::StatusOr<ResourceSet> ResourcesAt(uint64_t revision);
  // What agents are not given from now on: what they run by it is published, under the revision
  // that is in force.
  void HoldBack(std::vector<HeldObject> held);

  // Whether conditions that follow from what agents report are written here; one of several control
  // planes does. True at first.
  void WriteStatuses(bool here);

  // Is asked about objects that a request deletes without naming them; whatever is not OK ends it.
  using MayDelete = std::function<absl::Status(const ResourceKey&)>;

  // Problems with the objects are violations in the response; a status is for what is not their
  // fault. Like the other writes, ABORTED where others were faster several times in a row, and
  // UNAVAILABLE where the store does not answer.
  absl::StatusOr<v1::ApplyResponse> Apply(const v1::ApplyRequest& request,
                                          const std::string& author,
                                          const MayDelete& may_delete = nullptr);
  absl::StatusOr<v1::DeleteResponse> Delete(const v1::DeleteRequest& request,
                                            const std::string& author);

  // The newest revisions, newest first.
  absl::StatusOr<v1::ListRevisionsResponse> ListRevisions(const v1::ListRevisionsRequest& request);
  // NOT_FOUND where there was no such revision.
  absl::StatusOr<v1::RollbackResponse> Rollback(const v1::RollbackRequest& request,
                                                const std::string& author);

  // All objects as a backup has them, as a new revision; the control plane's own objects stay as
  // they are. FAILED_PRECONDITION where others than the control plane have changed something here
  // and it is not forced.
  absl::StatusOr<v1::RestoreResponse> Restore(const Backup& backup,
                                              const v1::RestoreOptions& options,
                                              const std::string& author);

  struct View {
    uint64_t revision = 0;
    std::shared_ptr<const ResourceSet> resources;
    // The store did not answer: others may have changed it since.
    bool maybe_stale = false;
  };
  // As far as it is known here.
  View Current() const;
  // With all that any control plane had acknowledged when this was called; where the store does not
  // answer, what is known here.
  View Newest();

 private:
  struct Staged;

  template <class Response>
  absl::StatusOr<Response> Repeat(const std::function<absl::StatusOr<Response>()>& attempt);
  template <class Response, class Step>
  absl::StatusOr<Response> Confirmed(bool dry_run, const Step& step);
  absl::Status Confirm(uint64_t before, const absl::Status& outcome, bool dry_run);
  absl::StatusOr<v1::ApplyResponse> TryApply(const v1::ApplyRequest& request,
                                             const std::string& author,
                                             const MayDelete& may_delete);
  absl::StatusOr<v1::ApplyResponse> ApplyBeside(
      const v1::ApplyRequest& request, const std::string& author, const MayDelete& may_delete,
      const LabelSelector& selector,
      std::vector<std::unique_ptr<google::protobuf::Message>> objects, v1::ApplyResponse response);
  absl::Status Prune(const v1::Prune& prune, const LabelSelector& selector,
                     const MayDelete& may_delete, Staged& staged,
                     v1::ApplyResponse& response) const;
  absl::StatusOr<v1::DeleteResponse> TryDelete(const v1::DeleteRequest& request,
                                               const std::string& author);
  absl::StatusOr<v1::DeleteResponse> DeletePresent(const v1::DeleteRequest& request,
                                                   const std::string& author);
  absl::StatusOr<v1::RollbackResponse> TryRollback(const v1::RollbackRequest& request,
                                                   const std::string& author);
  absl::StatusOr<v1::RollbackResponse> RollBackPresent(const v1::RollbackRequest& request,
                                                       const std::string& author);
  absl::StatusOr<v1::RestoreResponse> TryRestore(const Backup& backup,
                                                 const v1::RestoreOptions& options,
                                                 const std::string& author);
  absl::StatusOr<v1::RestoreResponse> RestorePresent(const Backup& backup,
                                                     const v1::RestoreOptions& options,
                                                     const std::string& author);
  absl::Status CheckNew();
  absl::Status TakeIn();
  absl::Status TakeInNewest();
  absl::Status Reload();
  Staged Candidate() const;
  absl::Status PutInForce(Staged& staged, const std::string& author);
  absl::Status Commit(Staged& staged, const std::string& author, bool status_only);
  void Publish(const Staged& staged);
  void Show(const Staged& staged, std::vector<Change> changes);
  void TranslateForeign(Staged& staged);
  void PublishStatuses(Staged& staged);
  void Restate(Staged& staged);
  Translator::Result Translate(ResourceSet resources, const FleetReport& fleet, uint64_t revision);
  // What agents report changes conditions: done on a thread of its own, however often they report.
  void FollowFleet();
  void RestateFleet();
  void WakeFleet();

  Log& log_;
  SnapshotCache& snapshots_;
  AgentRegistry& agents_;
  ChangeFeed& feed_;

  std::function<void()> before_show_;

  std::mutex writing_;  // Over the log, the translator, and changing what is in force.
  Translator translator_;
  NamespaceQuota quota_;
  std::vector<HeldObject> held_;
  std::optional<Translator> held_translator_;  // Of what agents get; while something is held back.
  bool loaded_ = false;
  bool statuses_missed_ = false;
  // Until then the store is not asked again what its newest revision is; since the clock's epoch.
  std::atomic<std::chrono::steady_clock::duration> silent_until_{};
  std::optional<FleetReport> fleet_told_;  // What the statuses in force say.
  std::atomic<bool> writes_statuses_{true};
  std::atomic<bool> restate_anyway_{false};

  mutable std::mutex mutex_;  // Over what is in force; taken after writing_.
  uint64_t revision_ = 0;
  std::shared_ptr<const ResourceSet> resources_ = std::make_shared<const ResourceSet>();

  std::mutex fleet_mutex_;
  std::condition_variable fleet_changed_;
  bool fleet_dirty_ = false;
  bool stopping_ = false;
  Thread fleet_thread_;
};

}  // namespace apk
