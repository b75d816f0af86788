// Clients of the admin API for as long as standard input is open, then a verdict on what they were
// told, as JSON on standard output: see README.md.
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <chrono>
#include <cstdio>
#include <fstream>
#include <iterator>
#include <memory>
#include <nlohmann/json.hpp>
#include <thread>
#include <vector>

#include "tests/proof/verdict.h"
#include "tests/proof/watcher.h"
#include "tests/proof/workload.h"

namespace apk::proof {
namespace {

constexpr size_t kFaultsShown = 20;
constexpr std::chrono::seconds kPatience{30};

struct Flags {
  Endpoints endpoints;
  std::string ca;
  std::string certificate;
  std::string key;
  int deadline_ms = 3000;
  int clients = 8;
  int watchers = 2;
  uint64_t seed = 1;
  WorkloadOptions workload;
};

std::string ReadFile(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>()};
}

void AwaitEndOfInput() {
  char byte = 0;
  while (read(STDIN_FILENO, &byte, 1) > 0) {
  }
}

// How far it is, for who waits for so many operations.
void ReportProgress(Record& record, const std::atomic<bool>& stop) {
  while (!stop.load()) {
    std::this_thread::sleep_for(std::chrono::milliseconds(200));
    std::printf("operations %llu\n", static_cast<unsigned long long>(record.CountOf("operations")));
    std::fflush(stdout);
  }
}

double MillisecondsAt(std::vector<std::chrono::steady_clock::duration> times, double share) {
  if (times.empty()) return 0;
  std::sort(times.begin(), times.end());
  const auto at = static_cast<size_t>(share * static_cast<double>(times.size()));
  return std::chrono::duration<double, std::milli>(times[std::min(at, times.size() - 1)]).count();
}

int Run(Flags& flags) {
  flags.endpoints.ca_pem = ReadFile(flags.ca);
  flags.endpoints.certificate_pem = ReadFile(flags.certificate);
  flags.endpoints.key_pem = ReadFile(flags.key);
  flags.endpoints.deadline = std::chrono::milliseconds(flags.deadline_ms);
  flags.workload.endpoints = flags.endpoints;
  flags.workload.seed = flags.seed;
  AdminCalls first(flags.endpoints, flags.seed);
  const auto give_up = std::chrono::steady_clock::now() + kPatience;
  while (!first.MakeNamespace()) {
    if (std::chrono::steady_clock::now() > give_up) {
      std::fprintf(stderr, "no control plane answers\n");
      return 2;
    }
    first.UseAny();
  }

  Record record;
  std::atomic<bool> stop{false};
  std::atomic<uint64_t> last{0};
  std::vector<std::thread> clients;
  for (int client = 0; client < flags.clients; ++client) {
    WorkloadOptions options = flags.workload;
    options.client = client;
    clients.emplace_back([options, &record, &stop] { Workload(options, record).Run(stop); });
  }
  std::vector<std::thread> watchers;
  for (int watcher = 0; watcher < flags.watchers; ++watcher) {
    const uint64_t seed = flags.seed * 31 + static_cast<uint64_t>(watcher);
    watchers.emplace_back([&, seed] { Watcher(flags.endpoints, seed, record).Run(last); });
  }
  std::thread progress([&] { ReportProgress(record, stop); });
  AwaitEndOfInput();
  stop.store(true);
  for (std::thread& client : clients) client.join();
  progress.join();
  WorkloadOptions options = flags.workload;
  options.client = flags.clients;
  Workload reader(options, record);
  if (!reader.ReadAll()) record.Fault("not every control plane answers at the end");
  last.store(reader.WriteLast());
  if (last.load() == 0) {
    record.Fault("no control plane takes a write at the end");
    last.store(1);
  }
  for (std::thread& watcher : watchers) watcher.join();

  const std::vector<std::string> faults = FaultsOf(record);
  nlohmann::json result;
  result["seed"] = flags.seed;
  result["counts"] = record.counts;
  result["longest_write_gap_ms"] =
      std::chrono::duration_cast<std::chrono::milliseconds>(record.gap).count();
  result["write_ms"] = {{"p50", MillisecondsAt(record.write_times, 0.5)},
                        {"p99", MillisecondsAt(record.write_times, 0.99)}};
  result["events"] = 0;
  for (const WatchedSpan& span : record.spans) {
    result["events"] = result["events"].get<size_t>() + span.events.size();
  }
  result["faults"] = faults.size();
  result["first_faults"] = std::vector<std::string>(
      faults.begin(),
      faults.begin() + static_cast<std::ptrdiff_t>(std::min(faults.size(), kFaultsShown)));
  std::printf("%s\n", result.dump().c_str());
  return faults.empty() ? 0 : 1;
}

}  // namespace
}  // namespace apk::proof

int main(int argc, char** argv) {
  apk::proof::Flags flags;
  CLI::App app("Reads and writes at control planes, and proves that they are one", "proof_clients");
  app.add_option("--server", flags.endpoints.servers, "host:port, once for each")->required();
  app.add_option("--ca", flags.ca)->required();
  app.add_option("--cert", flags.certificate)->required();
  app.add_option("--key", flags.key)->required();
  app.add_option("--deadline-ms", flags.deadline_ms, "Of a call");
  app.add_option("--clients", flags.clients);
  app.add_option("--watchers", flags.watchers);
  app.add_option("--keys", flags.workload.keys, "Objects that are written alone");
  app.add_option("--groups", flags.workload.groups, "Of five objects that are written together");
  app.add_option("--seed", flags.seed);
  CLI11_PARSE(app, argc, argv);
  return apk::proof::Run(flags);
}
