// A configuration on a real store in a directory of its own.
#pragma once

#include <gtest/gtest.h>

#include <filesystem>
#include <memory>
#include <string>
#include <vector>

#include "apk/v1/backend.pb.h"
#include "apk/v1/core.pb.h"
#include "control-plane/admin/admission.h"
#include "control-plane/admin/configuration.h"
#include "control-plane/store/sqlite_log.h"

namespace apk {

class ConfigurationTest : public testing::Test {
 protected:
  ConfigurationTest() {
    char pattern[] = "/tmp/apk-configuration-XXXXXX";
    directory_ = mkdtemp(pattern);
    Open();
  }
  ~ConfigurationTest() override {
    configuration_.reset();
    log_.reset();
    std::filesystem::remove_all(directory_);
  }

  void Open() {
    configuration_.reset();
    log_.reset();
    absl::StatusOr<std::unique_ptr<SqliteLog>> log = SqliteLog::Open(directory_ + "/store.db");
    ASSERT_TRUE(log.ok());
    log_ = *std::move(log);
    configuration_ = std::make_unique<Configuration>(*log_, snapshots_, agents_, feed_);
    ASSERT_TRUE(configuration_->Load().ok());
    const v1::Namespace home = MakeNamespace("default");
    Apply({&home});
  }

  static v1::Namespace MakeNamespace(const std::string& name) {
    v1::Namespace object;
    object.set_api_version("v1");
    object.set_kind("Namespace");
    object.mutable_metadata()->set_name(name);
    return object;
  }

  absl::StatusOr<v1::DeleteResponse> Delete(const std::vector<ResourceKey>& keys) {
    v1::DeleteRequest request;
    for (const ResourceKey& key : keys) *request.add_keys() = ToProto(key);
    return configuration_->Delete(request, "test");
  }

  v1::ApplyResponse Apply(const std::vector<const google::protobuf::Message*>& objects,
                          bool dry_run = false) {
    v1::ApplyRequest request;
    request.set_dry_run(dry_run);
    for (const auto* const object : objects) request.add_objects()->PackFrom(*object);
    absl::StatusOr<v1::ApplyResponse> response = configuration_->Apply(request, author_);
    EXPECT_TRUE(response.ok());
    return *std::move(response);
  }

  const v1::Backend* Find(const std::string& name) {
    current_ = configuration_->Current().resources;
    return current_->Find<v1::Backend>("default", name);
  }

  std::string directory_;
  std::string author_ = "test";
  SnapshotCache snapshots_;
  AgentRegistry agents_;
  ChangeFeed feed_;
  std::unique_ptr<SqliteLog> log_;
  std::unique_ptr<Configuration> configuration_;
  std::shared_ptr<const ResourceSet> current_;
};

inline v1::Backend MakeBackend(const std::string& name, int port) {
  v1::Backend backend;
  backend.set_api_version("dp.wso2.com/v1alpha1");
  backend.set_kind("Backend");
  backend.mutable_metadata()->set_name(name);
  v1::BackendService* const service = backend.mutable_spec()->add_services();
  service->set_host("h");
  service->set_port(port);
  return backend;
}

}  // namespace apk
