// The calls of the admin API that the clients make, on ConfigMaps whose content is a number. Each
// call goes to one control plane; where there is no connection to it nothing is sent. By one
// thread.
#pragma once

#include <chrono>
#include <cstdint>
#include <map>
#include <memory>
#include <random>
#include <string>
#include <vector>

#include "apk/v1/admin.grpc.pb.h"
#include "apk/v1/core.pb.h"
#include "tests/proof/history.h"

namespace apk::proof {

inline constexpr char kNamespace[] = "proof";

struct Endpoints {
  std::vector<std::string> servers;  // host:port
  std::string ca_pem;
  std::string certificate_pem;
  std::string key_pem;
  std::chrono::milliseconds deadline{3000};  // Of a call.
};

// What is known of an object.
struct Seen {
  Value value = kAbsent;
  uint64_t version = 0;  // resourceVersion
};

struct Answer {
  // That it changed nothing, for sure: it was not sent, or lost against others several times.
  bool nothing = false;
  Operation::Outcome outcome = Operation::Outcome::kUnknown;
  uint64_t revision = 0;  // 0: not told.
  std::map<std::string, Seen> objects;
  std::string error;  // Where there is one.
};

class AdminCalls {
 public:
  AdminCalls(const Endpoints& endpoints, uint64_t seed);

  // To which control plane the next calls go.
  void Use(size_t server) { current_ = server; }
  void UseAny();
  size_t servers() const { return stubs_.size(); }

  // All of them at once. `version`: the resourceVersion that they must have; 0: any.
  Answer Put(const std::vector<std::string>& names, Value value, const std::string& label,
             bool create_only = false, uint64_t version = 0);
  Answer Remove(const std::string& name, uint64_t version = 0);
  Answer Read(const std::string& name);
  Answer List(const std::string& label);
  // Where the objects are. False where it could not be made.
  bool MakeNamespace();
  v1::AdminService::Stub& stub() { return *stubs_[current_]; }
  // False where there is no connection after a short while.
  bool Connect();

  static Seen SeenIn(const v1::ConfigMap& map);

 private:
  const Endpoints endpoints_;
  std::minstd_rand random_;
  std::vector<std::shared_ptr<grpc::Channel>> channels_;
  std::vector<std::unique_ptr<v1::AdminService::Stub>> stubs_;
  size_t current_ = 0;
};

}  // namespace apk::proof
