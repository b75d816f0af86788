// A real gRPC server and client for the tests.
//
//   grpc_echo server NAME            prints "ready port=N", then a line per call: the method's name
//   grpc_echo call TARGET AUTHORITY METHOD TEXT COUNT FAIL_CODE [NAME=VALUE…]
//
// `call` prints one JSON object: code, message, replies [{text, server, metadata}], initial,
// trailing.
#include <grpcpp/grpcpp.h>

#include <chrono>
#include <iostream>
#include <mutex>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "echo.grpc.pb.h"

namespace {

using apk::test::EchoReply;
using apk::test::EchoRequest;
using grpc::Status;
using grpc::StatusCode;

void Log(const std::string& line) {
  static std::mutex mutex;
  const std::lock_guard lock(mutex);
  std::cout << line << std::endl;
}

EchoReply ReplyTo(const std::string& server, const grpc::ServerContext& context,
                  const std::string& text) {
  EchoReply reply;
  reply.set_text(text);
  reply.set_server(server);
  for (const auto& [name, value] : context.client_metadata()) {
    (*reply.mutable_metadata())[std::string(name.data(), name.size())] =
        std::string(value.data(), value.size());
  }
  return reply;
}

Status End(grpc::ServerContext& context, int code) {
  context.AddTrailingMetadata("x-trailing", "t");
  if (code == 0) return Status::OK;
  return Status(static_cast<StatusCode>(code), "asked for");
}

class EchoService final : public apk::test::Echo::Service {
 public:
  explicit EchoService(std::string name) : name_(std::move(name)) {}

  Status Unary(grpc::ServerContext* context, const EchoRequest* request,
               EchoReply* reply) override {
    Log("Unary " + request->text());
    context->AddInitialMetadata("x-initial", "i");
    *reply = ReplyTo(name_, *context, request->text());
    return End(*context, request->fail_code());
  }

  Status ServerStream(grpc::ServerContext* context, const EchoRequest* request,
                      grpc::ServerWriter<EchoReply>* writer) override {
    Log("ServerStream " + request->text());
    for (int i = 0; i < request->count(); ++i) {
      if (!writer->Write(ReplyTo(name_, *context, request->text()))) break;
    }
    return End(*context, request->fail_code());
  }

  Status ClientStream(grpc::ServerContext* context, grpc::ServerReader<EchoRequest>* reader,
                      EchoReply* reply) override {
    EchoRequest request;
    std::string all;
    int code = 0;
    while (reader->Read(&request)) {
      all += request.text();
      code = request.fail_code();
    }
    Log("ClientStream " + std::to_string(all.size()));
    *reply = ReplyTo(name_, *context, all);
    return End(*context, code);
  }

  Status BidiStream(grpc::ServerContext* context,
                    grpc::ServerReaderWriter<EchoReply, EchoRequest>* stream) override {
    Log("BidiStream");
    EchoRequest request;
    int code = 0;
    while (stream->Read(&request)) {
      code = request.fail_code();
      if (!stream->Write(ReplyTo(name_, *context, request.text()))) break;
    }
    if (context->IsCancelled()) Log("cancelled");
    return End(*context, code);
  }

 private:
  const std::string name_;
};

class OtherService final : public apk::test::Other::Service {
 public:
  explicit OtherService(std::string name) : name_(std::move(name)) {}
  Status Unary(grpc::ServerContext* context, const EchoRequest* request,
               EchoReply* reply) override {
    Log("Other " + request->text());
    *reply = ReplyTo(name_, *context, request->text());
    return End(*context, request->fail_code());
  }

 private:
  const std::string name_;
};

int Serve(const std::string& name) {
  EchoService echo(name);
  OtherService other(name);
  grpc::ServerBuilder builder;
  int port = 0;
  builder.AddListeningPort("127.0.0.1:0", grpc::InsecureServerCredentials(), &port);
  builder.RegisterService(&echo);
  builder.RegisterService(&other);
  const std::unique_ptr<grpc::Server> server = builder.BuildAndStart();
  if (server == nullptr) return 1;
  Log("ready port=" + std::to_string(port));
  server->Wait();
  return 0;
}

class Caller {
 public:
  Caller(const std::string& target, const std::string& authority) {
    grpc::ChannelArguments arguments;
    arguments.SetString(GRPC_ARG_DEFAULT_AUTHORITY, authority);
    arguments.SetInt(GRPC_ARG_ENABLE_HTTP_PROXY, 0);
    channel_ = grpc::CreateCustomChannel(target, grpc::InsecureChannelCredentials(), arguments);
    context_.set_deadline(std::chrono::system_clock::now() + std::chrono::seconds(20));
  }

  void AddMetadata(const std::string& pair) {
    const size_t equals = pair.find('=');
    context_.AddMetadata(pair.substr(0, equals), pair.substr(equals + 1));
  }

  nlohmann::json Call(const std::string& method, const EchoRequest& request) {
    const auto stub = apk::test::Echo::NewStub(channel_);
    EchoReply reply;
    if (method == "Unary") {
      Finish(stub->Unary(&context_, request, &reply), &reply);
    } else if (method == "Other") {
      Finish(apk::test::Other::NewStub(channel_)->Unary(&context_, request, &reply), &reply);
    } else if (method == "ServerStream") {
      const auto reader = stub->ServerStream(&context_, request);
      while (reader->Read(&reply)) Add(reply);
      Finish(reader->Finish(), nullptr);
    } else if (method == "ClientStream") {
      const auto writer = stub->ClientStream(&context_, &reply);
      for (int i = 0; i < request.count() && writer->Write(request); ++i) {
      }
      writer->WritesDone();
      Finish(writer->Finish(), &reply);
    } else {
      CallBidi(*stub, method, request);
    }
    return std::move(result_);
  }

 private:
  // Each message is answered before the next one is sent. "BidiCancel" gives up after the last.
  void CallBidi(apk::test::Echo::Stub& stub, const std::string& method,
                const EchoRequest& request) {
    const auto stream = stub.BidiStream(&context_);
    EchoReply reply;
    for (int i = 0; i < request.count() && stream->Write(request); ++i) {
      if (!stream->Read(&reply)) break;
      Add(reply);
    }
    if (method == "BidiCancel") {
      context_.TryCancel();
    } else {
      stream->WritesDone();
      while (stream->Read(&reply)) Add(reply);
    }
    Finish(stream->Finish(), nullptr);
  }

  void Add(const EchoReply& reply) {
    nlohmann::json entry = {{"text", reply.text()}, {"server", reply.server()}};
    for (const auto& [name, value] : reply.metadata()) entry["metadata"][name] = value;
    result_["replies"].push_back(std::move(entry));
  }

  void Finish(const Status& status, const EchoReply* reply) {
    result_["code"] = static_cast<int>(status.error_code());
    result_["message"] = status.error_message();
    if (reply != nullptr && status.ok()) Add(*reply);
    Copy(context_.GetServerInitialMetadata(), "initial");
    Copy(context_.GetServerTrailingMetadata(), "trailing");
  }

  void Copy(const std::multimap<grpc::string_ref, grpc::string_ref>& from, const char* name) {
    result_[name] = nlohmann::json::object();
    for (const auto& [key, value] : from) {
      result_[name][std::string(key.data(), key.size())] = std::string(value.data(), value.size());
    }
  }

  std::shared_ptr<grpc::Channel> channel_;
  grpc::ClientContext context_;
  nlohmann::json result_ = {{"replies", nlohmann::json::array()}};
};

}  // namespace

int main(int argc, char** argv) {
  const std::vector<std::string> words(argv + 1, argv + argc);
  if (words.size() == 2 && words[0] == "server") return Serve(words[1]);
  if (words.size() < 7 || words[0] != "call") {
    std::cerr << "usage: grpc_echo server NAME | "
                 "call TARGET AUTHORITY METHOD TEXT COUNT FAIL_CODE [NAME=VALUE...]\n";
    return 2;
  }
  Caller caller(words[1], words[2]);
  EchoRequest request;
  request.set_text(words[4]);
  request.set_count(std::stoi(words[5]));
  request.set_fail_code(std::stoi(words[6]));
  for (size_t i = 7; i < words.size(); ++i) caller.AddMetadata(words[i]);
  std::cout << caller.Call(words[3], request).dump() << std::endl;
  return 0;
}
