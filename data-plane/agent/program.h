// The wiring diagram of an agent, and its life: it starts, perhaps in the place of another one; it
// serves; it drains, or gives over to the next.
#pragma once

#include <absl/status/status.h>

#include <atomic>
#include <functional>
#include <memory>
#include <optional>

#include "common/data_dir_lock.h"
#include "data-plane/agent/admin_pages.h"
#include "data-plane/agent/agent.h"
#include "data-plane/agent/agent_identity.h"
#include "data-plane/agent/discovery_client.h"
#include "data-plane/agent/drain_plan.h"
#include "data-plane/agent/flags.h"
#include "data-plane/agent/profile_pages.h"
#include "data-plane/agent/program_events.h"
#include "data-plane/auth/jwks_fetcher.h"
#include "data-plane/otlp/span_exporter.h"
#include "data-plane/takeover/predecessor.h"
#include "data-plane/takeover/successor_door.h"

namespace apk {

class Program {
 public:
  // As in ProfilePages.
  struct Heap {
    std::function<std::string()> statistics;
    bool allocations_counted = false;
  };

  // `on_serving` is called once, when it serves, or has begun to wait for something to serve.
  Program(Flags flags, Heap heap, std::function<void()> on_serving);
  // What others refer to goes after them.
  ~Program();
  Program(const Program&) = delete;
  Program& operator=(const Program&) = delete;

  // Until it is over; what the process exits with. Call once.
  int Run();

 private:
  // Steps of the start. An error names the flag that it is about.
  absl::Status TakeDirectory();
  absl::Status Build();
  absl::Status OpenAccessLog(size_t workers);
  void OpenTraces(size_t workers);
  absl::Status OpenAdmin();
  absl::Status Start();
  // Is what the predecessor was, from now on, or ends.
  absl::Status Replace();
  void SayReady();

  // For a successor; see HandingOver.
  HandingOver HandOver();
  absl::StatusOr<HandingOver::Estate> OpenEstate(const v1::TakeOverHello& hello);
  void Withdraw();
  void Resume(const absl::Status& why);
  void AfterHandover(pid_t successor);

  // Serves until it is time to end, and drains.
  void Live();
  void OnEvent(ProgramEvent event);
  // Ends what only an agent in service does: it takes no snapshots and renews nothing.
  void Retire();
  void SayFarewell();

  Flags flags_;
  const Heap heap_;
  const std::function<void()> on_serving_;
  ProgramEvents events_;
  DrainPlan plan_;
  std::atomic<int> exit_code_{0};
  bool in_service_ = false;  // Nobody else does what it does.
  bool handed_over_ = false;
  bool retired_ = false;
  bool withdrawn_ = false;  // The door's thread's.

  DataDirLock lock_;
  std::optional<Predecessor> predecessor_;
  std::unique_ptr<AccessLog> access_log_;
  std::unique_ptr<Tracing> tracing_;
  std::unique_ptr<SpanExporter> span_exporter_;
  std::unique_ptr<WorkerGroup> group_;
  std::unique_ptr<LastGoodSnapshot> disk_;
  std::unique_ptr<Agent> agent_;
  std::unique_ptr<JwksFetcher> jwks_;
  std::optional<AgentIdentity> identity_;
  std::unique_ptr<AdminPages> pages_;
  std::unique_ptr<ProfilePages> profiles_;
  std::unique_ptr<AdminServer> admin_;
  std::unique_ptr<DiscoveryClient> client_;
  std::unique_ptr<SuccessorDoor> door_;
};

}  // namespace apk
