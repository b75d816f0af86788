// What the client makes of a member whose leader has died.
#include "control-plane/store/etcd_client.h"

#include <grpcpp/grpcpp.h>
#include <gtest/gtest.h>

#include <atomic>
#include <chrono>
#include <memory>
#include <string>

#include "etcd/v3/rpc.grpc.pb.h"

namespace apk {
namespace {

constexpr uint64_t kTerm = 5;

// A call that is never answered, as those that a member has passed on to a leader that died.
class Forgotten final : public grpc::ServerUnaryReactor {
 public:
  Forgotten(grpc::CallbackServerContext& context, std::atomic<int>& given_up_early)
      : context_(context), given_up_early_(given_up_early) {}
  void OnCancel() override {
    if (std::chrono::system_clock::now() < context_.deadline()) ++given_up_early_;
    Finish(grpc::Status::CANCELLED);
  }
  void OnDone() override { delete this; }

 private:
  grpc::CallbackServerContext& context_;
  std::atomic<int>& given_up_early_;
};

// A member of a cluster.
class Member final : public etcdserverpb::KV::CallbackService {
 public:
  Member() {
    grpc::ServerBuilder builder;
    builder.AddListeningPort("127.0.0.1:0", grpc::InsecureServerCredentials(), &port_);
    builder.RegisterService(this);
    builder.RegisterService(&maintenance_);
    server_ = builder.BuildAndStart();
  }
  ~Member() override { server_->Shutdown(std::chrono::system_clock::now()); }

  EtcdOptions options() const {
    EtcdOptions options;
    options.endpoints = {"127.0.0.1:" + std::to_string(port_)};
    return options;
  }

  grpc::ServerUnaryReactor* Txn(grpc::CallbackServerContext* context,
                                const etcdserverpb::TxnRequest*,
                                etcdserverpb::TxnResponse* response) override {
    if (forgets.fetch_sub(1) > 0) {
      maintenance_.term = kTerm + 1;  // The others elect another one.
      return new Forgotten(*context, given_up_early);
    }
    response->mutable_header()->set_raft_term(maintenance_.term);
    response->set_succeeded(true);
    grpc::ServerUnaryReactor* const reactor = context->DefaultReactor();
    reactor->Finish(grpc::Status::OK);
    return reactor;
  }

  std::atomic<int> forgets{0};         // So many calls from now on.
  std::atomic<int> given_up_early{0};  // Before the time that they were given was over.

 private:
  struct Maintenance final : public etcdserverpb::Maintenance::CallbackService {
    grpc::ServerUnaryReactor* Status(grpc::CallbackServerContext* context,
                                     const etcdserverpb::StatusRequest*,
                                     etcdserverpb::StatusResponse* response) override {
      response->set_leader(1);
      response->set_raft_term(term);
      grpc::ServerUnaryReactor* const reactor = context->DefaultReactor();
      reactor->Finish(grpc::Status::OK);
      return reactor;
    }
    std::atomic<uint64_t> term{kTerm};
  };

  Maintenance maintenance_;
  int port_ = 0;
  std::unique_ptr<grpc::Server> server_;
};

TEST(EtcdClient, AsksAgainAsSoonAsThereIsAnotherLeader) {
  Member member;
  EtcdClient client(member.options());
  ASSERT_TRUE(client.Commit({}).ok());
  member.forgets = 1;
  EXPECT_TRUE(client.Commit({}).ok());
  EXPECT_EQ(member.given_up_early, 1);
}

}  // namespace
}  // namespace apk
