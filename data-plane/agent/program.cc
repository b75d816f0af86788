// Members are made in order and go in reverse.
#include "data-plane/agent/program.h"

#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <iostream>
#include <thread>

#include "common/log.h"
#include "common/status_macros.h"
#include "common/strings.h"
#include "data-plane/takeover/service_manager.h"

namespace apk {
namespace {

struct HostPort {
  std::string host;
  uint16_t port = 0;
};

// "127.0.0.1:9501" or "[::1]:9501".
std::optional<HostPort> SplitHostPort(std::string_view text) {
  const size_t colon = text.rfind(':');
  if (colon == std::string_view::npos) return std::nullopt;
  std::string host(text.substr(0, colon));
  if (host.starts_with('[') && host.ends_with(']')) host = host.substr(1, host.size() - 2);
  const std::string digits(text.substr(colon + 1));
  if (digits.empty() || digits.find_first_not_of("0123456789") != std::string::npos) {
    return std::nullopt;
  }
  const unsigned long number = std::stoul(digits.substr(0, 6));
  if (number > 65535) return std::nullopt;
  return HostPort{.host = std::move(host), .port = static_cast<uint16_t>(number)};
}

// As the control plane writes addresses, which are compared with it.
std::string Canonical(const std::string& address) {
  boost::system::error_code error;
  const asio::ip::address parsed = asio::ip::make_address(address, error);
  return error ? address : parsed.to_string();
}

absl::Status About(std::string_view flag, const absl::Status& status) {
  if (status.ok()) return status;
  return absl::Status(status.code(), Concat(flag, ": ", std::string(status.message())));
}

}  // namespace

Program::Program(Flags flags, Heap heap, std::function<void()> on_serving)
    : flags_(std::move(flags)),
      heap_(std::move(heap)),
      on_serving_(std::move(on_serving)),
      events_(!flags_.access_log.empty()),
      plan_({.notice = flags_.drain_notice, .grace = std::chrono::seconds(flags_.drain_seconds)}) {}

Program::~Program() { door_.reset(); }

int Program::Run() {
  absl::Status status = TakeDirectory();
  if (status.ok()) status = Build();
  if (!status.ok()) {
    std::cerr << "apk-data-plane: " << status.message() << "\n";
    return 1;
  }
  status = Start();
  if (!status.ok()) {
    std::cerr << "apk-data-plane: " << status.message() << "\n";
    exit_code_.store(1);
    events_.Raise(ProgramEvent::kFailed);
  }
  Live();
  return exit_code_.load();
}

absl::Status Program::TakeDirectory() {
  const absl::Status taken = lock_.Take(flags_.data_dir, "agent");
  if (taken.ok() || !absl::IsFailedPrecondition(taken) || !flags_.take_over) {
    return About("--data-dir", taken);
  }
  absl::StatusOr<Predecessor> predecessor =
      Predecessor::Ask(flags_.data_dir, flags_.id, APK_VERSION);
  if (!predecessor.ok()) return About("--take-over", predecessor.status());
  predecessor_ = *std::move(predecessor);
  lock_.Inherit(std::move(predecessor_->inheritance().lock));
  LogInfo("taking over", {{"version", predecessor_->inheritance().version}});
  return absl::OkStatus();
}

absl::Status Program::OpenAccessLog(size_t workers) {
  if (flags_.access_log.empty()) return absl::OkStatus();
  ASSIGN_OR_RETURN(AccessFormat format, AccessFormat::Parse(flags_.access_log_format));
  access_log_ = std::make_unique<AccessLog>(flags_.access_log, std::move(format), workers);
  return access_log_->Open();
}

void Program::OpenTraces(size_t workers) {
  const absl::StatusOr<std::string> url = Collector::TracesUrl(flags_.otlp_endpoint);
  if (!url.ok()) return;  // None was named: a wrong one has been refused as a flag.
  SpanSource source{
      .service_name = flags_.service_name, .instance_id = flags_.id, .version = APK_VERSION};
  tracing_ = std::make_unique<Tracing>(flags_.tracing, workers);
  span_exporter_ = std::make_unique<SpanExporter>(*tracing_, *url, std::move(source));
}

absl::Status Program::OpenAdmin() {
  const std::optional<HostPort> address = SplitHostPort(flags_.admin);
  if (!address.has_value()) {
    return absl::InvalidArgumentError(Concat(flags_.admin, ": not address:port"));
  }
  pages_ = std::make_unique<AdminPages>(
      AdminPages::Sources{.agent = *agent_,
                          .workers = *group_,
                          .access_log = access_log_.get(),
                          .spans = span_exporter_.get(),
                          .certificate_expires = [this] { return identity_->expires(); },
                          .on_drain = [this] { events_.Raise(ProgramEvent::kDrain); }});
  profiles_ = std::make_unique<ProfilePages>(heap_.statistics, heap_.allocations_counted);
  admin_ = std::make_unique<AdminServer>([this](const AdminRequest& request) {
    std::optional<AdminResponse> profile = profiles_->Answer(request);
    return profile.has_value() ? *std::move(profile) : pages_->Answer(request);
  });
  if (predecessor_.has_value()) {
    std::optional<ListeningSocket>& there = predecessor_->inheritance().admin;
    const bool same = there.has_value() && there->address == Canonical(address->host) &&
                      (there->port == address->port || address->port == 0);
    if (same) return admin_->Adopt(*std::exchange(there, std::nullopt));
    there.reset();
  }
  return admin_->Listen(address->host, address->port);
}

absl::Status Program::Build() {
  flags_.worker.default_address = Canonical(flags_.worker.default_address);
  size_t workers = static_cast<size_t>(flags_.workers);
  if (workers == 0) workers = std::max(1u, std::thread::hardware_concurrency());
  flags_.worker.cpu = flags_.pin;
  flags_.worker.pool.dns_servers = flags_.mirror.dns_servers = flags_.dns_servers;

  RETURN_IF_ERROR(About("--access-log", OpenAccessLog(workers)));
  OpenTraces(workers);
  const Observers observers{.access_log = access_log_.get(), .tracing = tracing_.get()};
  group_ = std::make_unique<WorkerGroup>(workers, flags_.worker, flags_.mirror, observers);
  disk_ = std::make_unique<LastGoodSnapshot>(flags_.data_dir);
  agent_ = std::make_unique<Agent>(*group_, *disk_, flags_.worker.default_address);
  jwks_ = std::make_unique<JwksFetcher>(
      [this](std::shared_ptr<const KeyStore> keys) { group_->PublishKeys(std::move(keys)); },
      flags_.data_dir + "/token-issuer-keys");
  agent_->SetTokenIssuerSink([this](const RouteTable& table) { jwks_->SetIssuers(table); });
  // With nothing to serve and nobody who will give it any, it is better said than waited for.
  ASSIGN_OR_RETURN(identity_, OpenIdentity(flags_, [this](const absl::Status& why) {
                     if (!agent_->version().empty()) return;
                     std::cerr << "apk-data-plane: --join-token: " << why.message() << "\n";
                     exit_code_.store(1);
                     events_.Raise(ProgramEvent::kFailed);
                   }));
  RETURN_IF_ERROR(About("--admin", OpenAdmin()));
  DiscoveryOptions discovery;
  discovery.control_planes = flags_.control_planes;
  discovery.agent.set_id(flags_.id);
  discovery.agent.set_address(flags_.worker.default_address);
  discovery.agent.set_version(APK_VERSION);
  discovery.agent.set_started_unix_ms(std::chrono::duration_cast<std::chrono::milliseconds>(
                                          std::chrono::system_clock::now().time_since_epoch())
                                          .count());
  discovery.identity = [this] { return identity_->Current(); };
  client_ = std::make_unique<DiscoveryClient>(std::move(discovery), *agent_);
  door_ = std::make_unique<SuccessorDoor>(TakeOverPath(flags_.data_dir), HandOver());
  return absl::OkStatus();
}

void Program::SayReady() {
  std::printf("ready admin=%s:%u version=%s\n",
              flags_.admin.substr(0, flags_.admin.rfind(':')).c_str(), admin_->port(),
              agent_->version().c_str());
  std::fflush(stdout);
}

// With a predecessor the order is another: nobody may see this process before it can do all that
// the other one does, and the data directory is not its own before it has replaced it.
absl::Status Program::Start() {
  if (access_log_ != nullptr) access_log_->Start();
  if (span_exporter_ != nullptr) span_exporter_->Start();
  if (predecessor_.has_value()) {
    RETURN_IF_ERROR(About("--take-over", Replace()));
  } else {
    agent_->OnReady([this] { SayReady(); });
    group_->Start();
    admin_->Start();
    agent_->StartFromDisk().IgnoreError();
    TellServiceManager("READY=1");
  }
  const absl::Status open = door_->Open();
  if (!open.ok()) {
    LogWarning("no successor can take over", {{"reason", std::string(open.message())}});
  }
  identity_->Start();
  client_->Start();
  if (open.ok()) door_->Start();
  in_service_ = true;
  on_serving_();
  return absl::OkStatus();
}

absl::Status Program::Replace() {
  Inheritance& inheritance = predecessor_->inheritance();
  jwks_->SetSaving(false);
  if (inheritance.ticket_keys.has_value()) {
    group_->tickets().Import(*inheritance.ticket_keys, Now());
  }
  group_->Inherit(std::move(inheritance.listeners));
  group_->Start();
  if (!inheritance.snapshot_version.empty()) {
    RETURN_IF_ERROR(agent_->StartFromDisk(inheritance.snapshot_version));
  }
  admin_->Start();
  const absl::Status replaced = predecessor_->Replace();
  predecessor_.reset();  // Where it failed, the other one goes on, and must not hear more of this one.
  RETURN_IF_ERROR(replaced);
  jwks_->SetSaving(true);
  LogInfo("has taken over", {{"version", agent_->version()}});
  if (agent_->version().empty()) {
    agent_->OnReady([this] { SayReady(); });
  } else {
    SayReady();
  }
  return absl::OkStatus();
}

HandingOver Program::HandOver() {
  return {.open = [this](const v1::TakeOverHello& hello) { return OpenEstate(hello); },
          .withdraw = [this] { Withdraw(); },
          .done = [this](pid_t successor) { AfterHandover(successor); },
          .resume = [this](const absl::Status& why) { Resume(why); }};
}

absl::StatusOr<HandingOver::Estate> Program::OpenEstate(const v1::TakeOverHello& hello) {
  if (hello.agent() != flags_.id) {
    return absl::FailedPreconditionError(
        Concat("it is called ", flags_.id, ", not ", hello.agent(), ": give --id ", flags_.id));
  }
  if (group_->ending()) return absl::FailedPreconditionError("it drains");
  if (ServiceManagerIsDeaf()) {
    return absl::FailedPreconditionError(
        "systemd would end the new process with the old one: have Type=notify and NotifyAccess=exec "
        "in the unit, and restart it");
  }
  client_->Hold();
  HandingOver::Estate estate;
  estate.offer.set_version(APK_VERSION);
  estate.offer.set_snapshot_version(agent_->version());
  if (const auto keys = group_->tickets().Export(Now()); keys.has_value()) {
    *estate.offer.mutable_ticket_keys() = EncodeTicketKeys(*keys);
  }
  auto& descriptors = estate.descriptors;
  descriptors.emplace_back(v1::TakeOverDescriptors::DIRECTORY_LOCK, lock_.Share());
  for (ListeningSocket& socket : group_->ShareListeners()) {
    descriptors.emplace_back(v1::TakeOverDescriptors::LISTENER, std::move(socket.descriptor));
  }
  if (std::optional<ListeningSocket> admin = admin_->ShareListener(); admin.has_value()) {
    descriptors.emplace_back(v1::TakeOverDescriptors::ADMIN, std::move(admin->descriptor));
  }
  const bool all = std::all_of(descriptors.begin(), descriptors.end(),
                               [](const auto& entry) { return bool(entry.second); });
  if (all) return estate;
  client_->Release();
  return absl::ResourceExhaustedError("no file descriptor is left: raise the limit of open files");
}

void Program::Withdraw() {
  withdrawn_ = true;
  client_->Stop();
  identity_->Stop();
  jwks_->SetSaving(false);
}

void Program::Resume(const absl::Status& why) {
  LogWarning("the successor failed, serving on", {{"reason", std::string(why.message())}});
  client_->Release();
  if (!std::exchange(withdrawn_, false)) return;
  jwks_->SetSaving(true);
  identity_->Start();
  client_->Start();
}

// Whoever starts this process again when it ends is told that the service lives on in another one.
void Program::AfterHandover(pid_t successor) {
  group_->EndConnections();
  group_->StopAccepting();
  admin_->StopAccepting();
  lock_.LetGo();
  if (successor > 0) TellServiceManager(Concat("MAINPID=", std::to_string(successor)));
  events_.Raise(ProgramEvent::kHandedOver);
}

void Program::Live() {
  for (;;) {
    const TimePoint now = Now();
    if (plan_.ending() && !group_->ending()) group_->EndConnections();
    if (plan_.StopsAccepting(now)) group_->StopAccepting();
    if (plan_.leaving()) Retire();
    if (plan_.Over(now, group_->connections())) break;
    const std::optional<ProgramEvent> event = events_.WaitUntil(plan_.Next(now));
    if (event.has_value()) OnEvent(*event);
  }
  SayFarewell();
}

void Program::OnEvent(ProgramEvent event) {
  plan_.On(event, Now());
  switch (event) {
    case ProgramEvent::kReopenLog:
      access_log_->Reopen();
      return;
    case ProgramEvent::kHandedOver:
      handed_over_ = true;
      LogInfo("draining, a successor has taken over");
      return;
    case ProgramEvent::kStop:
      LogInfo("draining");
      return;
    case ProgramEvent::kDrain:
    case ProgramEvent::kFailed:
      return;
  }
}

void Program::Retire() {
  if (std::exchange(retired_, true)) return;
  if (in_service_ && !handed_over_) TellServiceManager("STOPPING=1");
  door_.reset();
  client_->Stop();
  identity_->Stop();
}

void Program::SayFarewell() {
  const uint64_t cut = group_->connections();
  group_->Stop();
  uint64_t matched = 0;
  uint64_t accounted = 0;
  for (const MirrorStats* const stats : group_->mirror_stats().All()) {
    matched += stats->matched.load();
    for (const auto& result : stats->results) accounted += result.load();
  }
  LogInfo("ended", {{"process", std::to_string(getpid())},
                    {"connections_cut", std::to_string(cut)},
                    {"copies_matched", std::to_string(matched)},
                    {"copies_accounted", std::to_string(accounted)}});
}

}  // namespace apk
