// What the client makes of a member whose leader has died.
#include "control-plane/store/etcd_client.h"

#include <grpcpp/grpcpp.h>
#include <gtest/gtest.h>

#include <atomic>
#include <chrono>
#include <future>
#include <memory>
#include <string>

#include "etcd/v3/rpc.grpc.pb.h"

namespace apk {
namespace {

constexpr uint64_t kTerm = 5;
// What is given up then is given up because its time is over.
constexpr std::chrono::milliseconds kNearly{100};

// A call that is never answered, as those that a member has passed on to a leader that died.
class Forgotten final : public grpc::ServerUnaryReactor {
 public:
  Forgotten(grpc::CallbackServerContext& context, std::promise<bool>& given_up_early)
      : context_(context), given_up_early_(given_up_early) {}
  void OnCancel() override {
    given_up_early_.set_value(std::chrono::system_clock::now() + kNearly < context_.deadline());
    Finish(grpc::Status::CANCELLED);
  }
  void OnDone() override { delete this; }

 private:
  grpc::CallbackServerContext& context_;
  std::promise<bool>& given_up_early_;
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
    if (forgets_one.exchange(false)) {
      maintenance_.term = kTerm + 1;  // The others elect another one.
      return new Forgotten(*context, given_up_early);
    }
    response->mutable_header()->set_raft_term(maintenance_.term);
    response->set_succeeded(true);
    grpc::ServerUnaryReactor* const reactor = context->DefaultReactor();
    reactor->Finish(grpc::Status::OK);
    return reactor;
  }

  std::atomic<bool> forgets_one{false};  // The next call.
  std::promise<bool> given_up_early;     // Whether that was before its time was over.

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
  member.forgets_one = true;
  EXPECT_TRUE(client.Commit({}).ok());
  EXPECT_TRUE(member.given_up_early.get_future().get());
}

}  // namespace
}  // namespace apk
