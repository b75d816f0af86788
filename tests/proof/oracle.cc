// What agents should have got at each revision: every state in the log, translated anew as a whole,
// where control planes go on from the one before. Prints "revision version", one line each.
#include <CLI/CLI.hpp>
#include <cstdio>
#include <memory>
#include <string>

#include "common/time_format.h"
#include "control-plane/store/etcd_log.h"
#include "control-plane/store/etcd_url.h"
#include "control-plane/store/sqlite_log.h"
#include "control-plane/translation/translate.h"

namespace apk::proof {
namespace {

int Fail(const absl::Status& status) {
  std::fprintf(stderr, "%s\n", std::string(status.message()).c_str());
  return 1;
}

// What was trimmed from the log is left out.
int PrintVersions(Log& log) {
  const absl::StatusOr<StoredState> newest = log.Load();
  if (!newest.ok()) return Fail(newest.status());
  for (uint64_t revision = 1; revision <= newest->revision; ++revision) {
    const absl::StatusOr<ResourceSet> resources = log.StateAt(revision);
    if (absl::IsNotFound(resources.status())) continue;
    if (!resources.ok()) return Fail(resources.status());
    const Translation translation = Translate(*resources, FleetReport(), revision, Rfc3339Now());
    std::printf("%llu %s\n", static_cast<unsigned long long>(revision),
                translation.snapshot.version().c_str());
  }
  return 0;
}

int Run(const std::string& store) {
  if (!store.starts_with("etcd://")) {
    const auto log = SqliteLog::Open(store);
    return log.ok() ? PrintVersions(**log) : Fail(log.status());
  }
  const absl::StatusOr<EtcdUrl> url = ParseEtcdUrl(store);
  if (!url.ok()) return Fail(url.status());
  EtcdOptions options;
  options.endpoints = url->endpoints;
  EtcdClient client(options);
  const auto log = EtcdLog::Open(client, url->prefix);
  return log.ok() ? PrintVersions(**log) : Fail(log.status());
}

}  // namespace
}  // namespace apk::proof

int main(int argc, char** argv) {
  std::string store;
  CLI::App app("Prints the version of the snapshot at each revision of a store", "proof_oracle");
  app.add_option("store", store, "store.db that no control plane has open, or etcd://…")
      ->required();
  CLI11_PARSE(app, argc, argv);
  return apk::proof::Run(store);
}
