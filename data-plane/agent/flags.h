// What the command line of an agent says.
#pragma once

#include <CLI/CLI.hpp>
#include <chrono>
#include <string>
#include <vector>

#include "data-plane/identity/file_identity.h"
#include "data-plane/mirror/mirror_limits.h"
#include "data-plane/tracing/tracer.h"
#include "data-plane/worker/worker.h"

namespace apk {

struct Flags {
  std::string id = "agent";
  std::vector<std::string> control_planes = {"127.0.0.1:7443"};
  IdentityPaths identity;
  std::string join_token;
  std::string join_token_file;
  std::vector<std::string> enrollment;
  std::string data_dir = "/var/lib/apk/data-plane";
  std::string admin = "127.0.0.1:9501";
  std::string log_level = "info";
  std::string access_log;
  std::string access_log_format = "json";
  std::string otlp_endpoint;
  std::string service_name = "apk-data-plane";
  TracingOptions tracing;
  int workers = 0;
  int pin = -1;
  int drain_seconds = 30;
  std::chrono::milliseconds drain_notice{0};
  bool take_over = false;
  bool detach = false;
  std::vector<std::string> dns_servers;
  WorkerOptions worker;
  MirrorLimits mirror;
};

// `flags` outlives the app, and has the defaults.
void AddFlags(CLI::App& app, Flags& flags);

}  // namespace apk
