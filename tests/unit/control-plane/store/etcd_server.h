// An etcd of one member on free ports of loopback, for tests: started with the first use, stopped
// with the program. Its data are removed.
#pragma once

#include <arpa/inet.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <memory>
#include <string>
#include <vector>

#include "control-plane/store/etcd_client.h"

namespace apk {

class EtcdServer {
 public:
  // nullptr where etcd is not installed.
  static EtcdServer* Shared() {
    static const std::unique_ptr<EtcdServer> server =
        access(kProgram, X_OK) == 0 ? std::make_unique<EtcdServer>() : nullptr;
    return server.get();
  }

  EtcdServer() {
    char pattern[] = "/tmp/apk-etcd-XXXXXX";
    directory_ = mkdtemp(pattern);
    // Another program may take a port before etcd does.
    for (int attempt = 0; attempt < 5 && !Start(); ++attempt) Stop(SIGKILL);
  }
  ~EtcdServer() {
    Stop(SIGTERM);
    std::filesystem::remove_all(directory_);
  }
  EtcdServer(const EtcdServer&) = delete;
  EtcdServer& operator=(const EtcdServer&) = delete;

  EtcdOptions options() const {
    EtcdOptions options;
    options.endpoints = {endpoint_};
    return options;
  }
  void Signal(int signal) const { kill(pid_, signal); }
  // Of which nobody has keys.
  std::string NewPrefix() { return "/test-" + std::to_string(++prefixes_); }

 private:
  static constexpr char kProgram[] = "/usr/bin/etcd";

  static std::string FreeAddress() {
    const int probe = socket(AF_INET, SOCK_STREAM, 0);
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t size = sizeof address;
    bind(probe, reinterpret_cast<sockaddr*>(&address), size);
    getsockname(probe, reinterpret_cast<sockaddr*>(&address), &size);
    close(probe);
    return "127.0.0.1:" + std::to_string(ntohs(address.sin_port));
  }

  bool Start() {
    endpoint_ = FreeAddress();
    const std::string client = "http://" + endpoint_;
    const std::string peer = "http://" + FreeAddress();
    const std::string data = directory_ + "/data";
    std::filesystem::remove_all(data);
    pid_ = fork();
    if (pid_ == 0) {
      prctl(PR_SET_PDEATHSIG, SIGKILL);
      if (freopen((directory_ + "/log").c_str(), "a", stderr) == nullptr) _exit(1);
      execl(kProgram, kProgram, "--data-dir", data.c_str(), "--listen-client-urls", client.c_str(),
            "--advertise-client-urls", client.c_str(), "--listen-peer-urls", peer.c_str(),
            "--initial-advertise-peer-urls", peer.c_str(), "--initial-cluster",
            ("default=" + peer).c_str(), "--log-level", "error", "--logger", "zap",
            static_cast<char*>(nullptr));
      _exit(1);
    }
    EtcdClient client_of_it(options());
    for (int attempt = 0; attempt < 10; ++attempt) {
      if (waitpid(pid_, nullptr, WNOHANG) == pid_) {
        pid_ = 0;
        return false;
      }
      EtcdTransaction nothing;
      nothing.reads = {EtcdRange{.key = "x", .end = ""}};
      if (client_of_it.Commit(nothing).ok()) return true;  // Waits some seconds for an answer.
    }
    return false;
  }

  void Stop(int signal) {
    if (pid_ <= 0) return;
    kill(pid_, SIGCONT);
    kill(pid_, signal);
    waitpid(pid_, nullptr, 0);
    pid_ = 0;
  }

  std::string directory_;
  std::string endpoint_;
  pid_t pid_ = 0;
  int prefixes_ = 0;
};

}  // namespace apk
