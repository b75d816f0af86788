// Tests of what both engines of the store promise: each runs with SQLite and with etcd.
#pragma once

#include <gtest/gtest.h>

#include <filesystem>
#include <memory>
#include <string>

#include "tests/unit/control-plane/store/etcd_server.h"

namespace apk {

enum class Engine { kSqlite, kEtcd };

class EngineTest : public testing::TestWithParam<Engine> {
 protected:
  void SetUp() override {
    if (GetParam() == Engine::kSqlite) {
      char pattern[] = "/tmp/apk-store-XXXXXX";
      directory_ = mkdtemp(pattern);
      return;
    }
    if (EtcdServer::Shared() == nullptr) GTEST_SKIP() << "etcd is not installed";
    client_ = std::make_unique<EtcdClient>(EtcdServer::Shared()->options());
    prefix_ = EtcdServer::Shared()->NewPrefix();
  }
  void TearDown() override {
    if (!directory_.empty()) std::filesystem::remove_all(directory_);
  }

  std::string directory_;               // Of SQLite's file.
  std::unique_ptr<EtcdClient> client_;  // Of etcd.
  std::string prefix_;
};

inline auto BothEngines() { return testing::Values(Engine::kSqlite, Engine::kEtcd); }
inline std::string NameOfEngine(const testing::TestParamInfo<Engine>& engine) {
  return engine.param == Engine::kSqlite ? "Sqlite" : "Etcd";
}

}  // namespace apk
